//! An engine from the distribution's own packages: installed where there is none.

use std::time::Duration;

use skep_context::Context;
use tokio_util::sync::CancellationToken;

use super::{AdoptError, Found, Packages, System};
use crate::{Command, Guest};

/// How long packages may take to be fetched and installed.
const PACKAGES: Duration = Duration::from_secs(900);

/// Starts the engine now, and at each start of the host.
const ENABLE: &str = r#"
if [ -d /run/systemd/system ]; then
    systemctl enable --now docker
elif command -v rc-update >/dev/null 2>&1 && [ -d /run/openrc ]; then
    rc-update add docker default
fi
"#;

/// Where the certificates of hosts are kept, and what skep asks with, come along.
const APT: &str = r#"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
steadily apt-get update
set -- docker.io iptables ca-certificates openssl
# From Debian 13 on the client is a package of its own.
if apt-cache show docker-cli >/dev/null 2>&1; then set -- "$@" docker-cli; fi
steadily apt-get install -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@"
"#;

const DNF: &str = r#"
steadily dnf -y install moby-engine || steadily dnf -y install docker-ce
steadily dnf -y install ca-certificates openssl
"#;

const APK: &str = r#"
if ! steadily apk add --no-cache docker ca-certificates openssl; then
    echo "the package docker is in Alpine's repository community: enable it in /etc/apk/repositories" >&2
    exit 1
fi
"#;

const ZYPPER: &str = "steadily zypper --non-interactive install docker ca-certificates openssl\n";

const PACMAN: &str = "steadily pacman -Sy --noconfirm --needed docker ca-certificates openssl\n";

/// Lets the user `$1` use the engine, and notes in the directory `$2` who could not before.
const JOIN: &str = r#"
echo "$1" >"$2/joined"
if command -v usermod >/dev/null 2>&1; then usermod -aG docker "$1"
else addgroup "$1" docker
fi
"#;

/// Installs an engine from the distribution's packages, and has it started.
///
/// # Errors
/// [`AdoptError::CannotInstall`]; as [`Guest::run`].
pub async fn install(guest: &Guest, found: &Found, context: Context<'_>) -> Result<(), AdoptError> {
    let script = match packages(guest, found)? {
        Packages::Apt => APT,
        Packages::Dnf => DNF,
        Packages::Apk => APK,
        Packages::Zypper => ZYPPER,
        Packages::Pacman => PACMAN,
    };
    let script = format!("{script}{ENABLE}");
    let what = "installing an engine";
    let step = context.events.step(guest.machine(), what);
    let command = Command::packages(what, &script).deadline(PACKAGES);
    let done = guest.run_with(&command, context.cancel, |line| {
        if !line.trim().is_empty() {
            step.progress(skep_pki::printable(line));
        }
    });
    let done = done.await;
    step.end_with(done)?;
    Ok(())
}

/// Lets the user who logs in use the engine, from the next login on.
///
/// # Errors
/// As [`Guest::run`].
pub async fn add_to_group(
    guest: &Guest,
    found: &Found,
    cancel: &CancellationToken,
) -> Result<(), AdoptError> {
    let join = Command::exclusive("letting the user use the engine", JOIN);
    let join = join.args([guest.access().user.as_str(), found.places().state]);
    guest.run(&join, cancel).await?;
    Ok(())
}

fn packages(guest: &Guest, found: &Found) -> Result<Packages, AdoptError> {
    let refused = |reason: &str| AdoptError::CannotInstall {
        machine: guest.machine().to_owned(),
        system: found.name.clone(),
        reason: reason.to_owned(),
    };
    match (found.system, found.packages) {
        (System::Boot2docker, _) => Err(refused(
            "it is only available as an ISO: create the machine again with a newer one",
        )),
        (_, Some(packages)) => Ok(packages),
        (_, None) => Err(refused(
            "it has none of apt-get, dnf, apk, zypper, pacman: install one by hand, and try again",
        )),
    }
}

#[cfg(test)]
mod tests {
    use skep_process::Program;

    use super::*;

    #[tokio::test]
    async fn every_script_is_a_script() {
        for script in [APT, DNF, APK, ZYPPER, PACMAN, ENABLE, JOIN] {
            let check = Program::new("sh").args(["-n", "-c", script]);
            check.run(&CancellationToken::new()).await.unwrap();
        }
    }
}
