//! Debian packages, through apt.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, bail};
use skep_process::Program;

use super::{
    backports,
    root::{as_root, is_root},
};
use crate::run::{Work, find_program};

/// The script that Debian's packages run to check whether a service may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The answer, for printf(1): 101 is no (invoke-rc.d(8)).
const POLICY_TEXT: &str =
    r"#!/bin/sh\ncase $1 in ssh*|docker*|containerd*) exit 101;; esac\nexit 0\n";

/// Those of `names` that apt knows, updating its lists when it knows none of them.
pub(super) async fn having<'a>(work: &Work, names: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut known = candidates(work, names).await?;
    if known.is_empty() && !lists_are_fresh() {
        as_root(work, &["apt-get", "update"]).await?;
        known = candidates(work, names).await?;
    }
    Ok(known)
}

/// Installs packages; updates apt's lists first if they do not have them all. What `careful` names
/// may have to come from the release's backports.
pub(super) async fn install(work: &Work, packages: &[&str], careful: &str) -> Result<()> {
    if find_program("apt-get").is_none() {
        bail!(
            "these are missing, and this is no Debian or Ubuntu: {}\n  \
             fix: install them with the system's own package manager",
            packages.join(", ")
        );
    }
    if !is_root()? && find_program("sudo").is_none() {
        bail!(
            "packages are missing, and there is no sudo to install them\n  \
             fix: as root: apt-get update && apt-get install --no-install-recommends {}",
            packages.join(" ")
        );
    }
    if candidates(work, packages).await?.len() < packages.len() {
        as_root(work, &["apt-get", "update"]).await?;
    }
    let sshd = packages.contains(&"openssh-server");
    let mut from_backports = None;
    if packages.contains(&careful) {
        from_backports = backports::target(work, careful).await?;
    }
    let held = hold_services(work).await?;
    let own = packages.iter().copied();
    let own = own.filter(|name| from_backports.is_none() || *name != careful).collect::<Vec<_>>();
    let mut installed = get(work, &own, None).await;
    if installed.is_ok() && from_backports.is_some() {
        installed = get(work, &[careful], from_backports.as_deref()).await;
    }
    if held {
        as_root(work, &["rm", "-f", POLICY]).await?;
    }
    installed?;
    if sshd && Path::new("/run/systemd/system").exists() {
        println!("   the SSH service stays off: the tests need only its program");
        as_root(work, &["systemctl", "disable", "--quiet", "ssh.service", "ssh.socket"]).await?;
    }
    Ok(())
}

/// Has apt install packages, from the given one of its releases, if any.
async fn get(work: &Work, packages: &[&str], release: Option<&str>) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let mut command = vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes"];
    command.extend(["--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]);
    command.extend(["-o", "Dpkg::Options::=--force-confold"]);
    command.extend(release.into_iter().flat_map(|release| ["--target-release", release]));
    command.extend(packages);
    let installed = as_root(work, &command).await;
    if installed.is_ok() || work.cancel.is_cancelled() {
        return installed;
    }
    // The lists may name versions that the mirror no longer has.
    as_root(work, &["apt-get", "update"]).await?;
    as_root(work, &command).await
}

/// Keeps packages from starting their services while they are installed: the SSH service is not
/// wanted, and without a service manager the engine's fails and makes the installation fail.
/// False if the machine has its own policy.
async fn hold_services(work: &Work) -> Result<bool> {
    if Path::new(POLICY).exists() {
        return Ok(false);
    }
    let script = format!("printf '{POLICY_TEXT}' >{POLICY} && chmod 755 {POLICY}");
    as_root(work, &["sh", "-c", &script]).await?;
    Ok(true)
}

async fn candidates<'a>(work: &Work, names: &[&'a str]) -> Result<Vec<&'a str>> {
    let program = Program::new("apt-cache").arg("policy").args(names).env("LC_ALL", "C");
    let (_, output) = work.ask(program).await?;
    let known = with_candidate(&output.text());
    Ok(names.iter().copied().filter(|name| known.iter().any(|known| known == name)).collect())
}

/// The packages in `apt-cache policy`'s output that can be installed.
fn with_candidate(policy: &str) -> Vec<String> {
    let mut known = Vec::new();
    let mut package = None;
    for line in policy.lines() {
        if let Some(name) = line.strip_suffix(':').filter(|name| !name.starts_with(' ')) {
            package = Some(name.to_owned());
        } else if let Some(version) = line.trim().strip_prefix("Candidate: ")
            && version != "(none)"
        {
            known.extend(package.take());
        }
    }
    known
}

/// Whether apt's lists were fetched within the last day.
fn lists_are_fresh() -> bool {
    let day = Duration::from_secs(24 * 60 * 60);
    let entries = fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    let mut lists =
        entries.filter(|entry| entry.file_name().to_string_lossy().contains("_Packages"));
    lists.any(|entry| {
        let modified = entry.metadata().and_then(|data| data.modified());
        modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < day))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_can_be_installed_are_distinguished_from_others() {
        let policy = "fish:\n  Installed: (none)\n  Candidate: 3.6.0-3\n  Version table:\n     3.6.0-3 500\n\
            docker-cli:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(with_candidate(policy), ["fish"]);
        assert_eq!(with_candidate(""), [""; 0]);
    }
}
