//! What a host is, found out in one script that changes nothing.

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{
    AdoptError, Init, Packages, System, places::Places, sudo, system::Release, unit::Unit,
};
use crate::{Command, Guest};

/// Prints facts about a host whose root directory is `$1` (empty but in tests) as lines
/// `@ NAME WORDS`, and files as a line `@ file NAME` with their lines after it, each behind a `|`.
/// `$2` is the user who logs in.
///
/// That a host is in a swarm is read from its node's certificate: it is there as long as the host is
/// in one, whether its engine runs or not.
const LOOK: &str = r#"
root=$1 user=$2
say() { echo "@ $*"; }
file() { if [ -f "$2" ]; then say file "$1"; sed 's/^/|/' "$2"; echo; fi; }
has() { command -v "$1" >/dev/null 2>&1; }

if [ -f "$root/etc/os-release" ]; then file os-release "$root/etc/os-release"
else file os-release "$root/usr/lib/os-release"
fi
[ ! -d "$root/var/lib/skep/seed" ] || say skep

if [ -d "$root/run/systemd/system" ]; then say init systemd
elif [ -d "$root/etc/service/docker" ] && has sv; then say init runit
elif [ -d "$root/run/openrc" ] && has rc-service; then say init openrc
elif [ -d "$root/etc/init.d" ]; then say init sysv
fi
for tool in apt-get dnf apk zypper pacman; do
    if has "$tool"; then say packages "$tool"; break; fi
done

if has dockerd; then say engine "$(dockerd --version 2>/dev/null || :)"; fi
for pid in "$root/run/docker.pid" "$root/var/run/docker.pid"; do
    if [ -f "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; then say running; break; fi
done
say hostname "$(uname -n)"
case " $(id -nG "$user" 2>/dev/null || :) " in *" docker "*) say member ;; esac

if [ -d "$root/run/systemd/system" ]; then
    say file unit
    systemctl cat docker.service 2>/dev/null | sed 's/^/|/' || :
    echo
fi
for name in default conf.d sysconfig; do file "$name" "$root/etc/$name/docker"; done
file daemon.json "$root/etc/docker/daemon.json"
file profile "$root/var/lib/boot2docker/profile"

for state in /etc/skep /var/lib/boot2docker/skep; do
    file owner "$root$state/owner.json"
    file before "$root$state/before.json"
    [ ! -f "$root$state/restart-due" ] || say restart
done
for tls in /etc/skep/tls /var/lib/boot2docker; do
    file ca "$root$tls/ca.pem"
    file certificate "$root$tls/server-cert.pem"
    file certificate "$root$tls/server.pem"
done

data=$(sed -n 's/.*"data-root"[^"]*"\([^"]*\)".*/\1/p' "$root/etc/docker/daemon.json" 2>/dev/null || :)
file node "$root${data:-/var/lib/docker}/swarm/certificates/swarm-node.crt"
"#;

/// What a host is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub system: System,
    /// What it calls itself: `Debian GNU/Linux 12 (bookworm)`.
    pub name: String,
    pub init: Option<Init>,
    pub packages: Option<Packages>,
    /// The release of its engine, if one is installed: `20.10.24+dfsg1`.
    pub engine: Option<String>,
    pub is_running: bool,
    pub hostname: String,
    /// The store, cluster and machine it belongs to, if it is a machine.
    pub owner: Option<Owner>,
    /// The swarm it is in, if it is in one.
    pub swarm: Option<Membership>,
    /// The authority its engine trusts, as PEM, if skep or docker-machine has set it.
    pub ca: Option<String>,
    /// Its engine's certificate, as PEM, likewise.
    pub certificate: Option<String>,
    /// Whether the user who logs in may use the engine.
    pub is_member: bool,
    /// Whether settings were written that its engine has not read.
    pub restart_due: bool,
    pub(super) daemon: Option<String>,
    /// What `daemon.json` had before it was first changed.
    pub(super) before: Option<String>,
    pub(super) profile: Option<String>,
    /// The file with the engine's variables, by the name of its directory in `/etc`.
    pub(super) variables: Vec<(String, String)>,
    pub(super) unit: Unit,
}

/// The machine that a host is: `owner.json` among skep's files on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub store: String,
    pub cluster: String,
    pub machine: String,
}

/// A host's place in a swarm, as its node's certificate has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub swarm: String,
    pub node: String,
}

/// Finds out what a host is.
///
/// # Errors
/// [`AdoptError::NoSudo`], [`AdoptError::SudoPassword`]; as [`Guest::run`].
pub async fn look(guest: &Guest, cancel: &CancellationToken) -> Result<Found, AdoptError> {
    sudo::check(guest, cancel).await?;
    let look = Command::script("looking at the host", LOOK)
        .args([String::new(), guest.access().user.clone()])
        .as_root();
    let output = guest.run(&look, cancel).await?;
    Ok(Found::parse(&String::from_utf8_lossy(&output.stdout)))
}

impl Found {
    /// Reads the answer to [`LOOK`]; what is not understood is left out.
    fn parse(text: &str) -> Self {
        let mut facts: Vec<(&str, &str)> = Vec::new();
        let mut files: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            if let Some(line) = line.strip_prefix('|') {
                if let Some((_, content)) = files.last_mut() {
                    content.push_str(line);
                    content.push('\n');
                }
            } else if let Some(fact) = line.strip_prefix("@ ") {
                match fact.split_once(' ').unwrap_or((fact, "")) {
                    ("file", name) => files.push((name, String::new())),
                    fact => facts.push(fact),
                }
            }
        }
        let fact = |name| facts.iter().find(|fact| fact.0 == name).map(|fact| fact.1.trim());
        let file = |name| files.iter().find(|file| file.0 == name).map(|file| file.1.clone());
        let Release { system, name } = Release::parse(&file("os-release").unwrap_or_default());
        let variables = ["default", "conf.d", "sysconfig"];
        let variables = variables.into_iter().filter_map(|name| Some((name.into(), file(name)?)));
        Self {
            system: if fact("skep").is_some() { System::Skep } else { system },
            name,
            init: fact("init").and_then(Init::parse),
            packages: fact("packages").and_then(Packages::parse),
            engine: fact("engine").map(release_of),
            is_running: fact("running").is_some(),
            hostname: fact("hostname").unwrap_or_default().to_owned(),
            owner: file("owner").and_then(|text| serde_json::from_str(&text).ok()),
            swarm: file("node").as_deref().and_then(membership),
            ca: file("ca"),
            certificate: file("certificate"),
            is_member: fact("member").is_some(),
            restart_due: fact("restart").is_some(),
            daemon: file("daemon.json"),
            before: file("before"),
            profile: file("profile"),
            variables: variables.collect(),
            unit: Unit::parse(&file("unit").unwrap_or_default()),
        }
    }

    pub(super) fn places(&self) -> Places {
        Places::of(self.system)
    }
}

/// `20.10.24+dfsg1` of `Docker version 20.10.24+dfsg1, build 297e128`.
fn release_of(text: &str) -> String {
    let release = text.strip_prefix("Docker version ").unwrap_or(text);
    release.split([',', ' ']).next().unwrap_or_default().to_owned()
}

/// What a node's certificate says: its subject has the swarm as organisation and the node as
/// common name.
fn membership(pem: &str) -> Option<Membership> {
    let (swarm, node) = skep_pki::organization_and_common_name(pem)?;
    Some(Membership { swarm, node })
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use skep_process::Program;

    use super::*;

    /// Looks at a directory that stands for a host's root.
    pub(in crate::adopt) async fn look_below(root: &Path) -> Found {
        let sh = Program::new("sh").args(["-euc", LOOK, "sh"]).arg(root).arg("nobody");
        // A host brings its own programs.
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", root.display());
        let output = sh.env("PATH", path).run(&CancellationToken::new()).await.unwrap();
        Found::parse(&output.text())
    }

    pub(in crate::adopt) fn put(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn node_certificate() -> String {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "swarm0");
        params.distinguished_name.push(rcgen::DnType::OrganizationalUnitName, "swarm-worker");
        params.distinguished_name.push(rcgen::DnType::CommonName, "node0");
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[tokio::test]
    async fn a_host_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 13\"\n");
        put(root, "etc/init.d/ssh", "");
        // Without an end to its last line.
        put(root, "etc/docker/daemon.json", "{\n  \"data-root\": \"/srv/docker\"\n}");
        put(root, "etc/default/docker", "# DOCKER_OPTS=\n");
        let found = look_below(root).await;
        assert_eq!((found.system, found.init), (System::Debian, Some(Init::Sysv)));
        assert_eq!(found.daemon.as_deref(), Some("{\n  \"data-root\": \"/srv/docker\"\n}\n"));
        assert_eq!(found.variables, [("default".to_owned(), "# DOCKER_OPTS=\n".to_owned())]);
        assert_eq!((&found.owner, &found.swarm), (&None, &None));
        assert!(!found.restart_due && !found.is_member);

        let owner = Owner { store: "s".into(), cluster: "c".into(), machine: "m".into() };
        put(root, "etc/skep/owner.json", &serde_json::to_string_pretty(&owner).unwrap());
        put(root, "etc/skep/restart-due", "");
        put(root, "srv/docker/swarm/certificates/swarm-node.crt", &node_certificate());
        let found = look_below(root).await;
        assert_eq!(found.owner, Some(owner));
        assert_eq!(found.swarm, Some(Membership { swarm: "swarm0".into(), node: "node0".into() }));
        assert!(found.restart_due);
    }

    #[tokio::test]
    async fn boot2docker_and_skeps_guest_are_told_apart() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        put(root, "etc/os-release", "ID=boot2docker\n");
        put(root, "etc/init.d/docker", "");
        put(root, "var/lib/boot2docker/server.pem", "x\n");
        let found = look_below(root).await;
        assert_eq!((found.system, found.init), (System::Boot2docker, Some(Init::Sysv)));
        assert_eq!(found.certificate.as_deref(), Some("x\n"));
        put(root, "etc/os-release", "ID=debian\n");
        put(root, "var/lib/skep/seed/digest", "");
        assert_eq!(look_below(root).await.system, System::Skep);
    }

    #[test]
    fn an_engine_is_known_by_its_release() {
        assert_eq!(release_of("Docker version 20.10.24+dfsg1, build 297e128"), "20.10.24+dfsg1");
        assert_eq!(release_of(""), "");
    }

    proptest! {
        #[test]
        fn any_answer_is_read(text in "(@ |file |\\||init |node\n|owner\n|\\{\\}|\n|[a-z ]){0,30}") {
            Found::parse(&text);
        }
    }
}
