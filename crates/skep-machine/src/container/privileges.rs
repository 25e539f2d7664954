//! How much a node's container must be given, and may be.
//!
//! A node runs an engine of its own, which mounts, makes network devices and writes control
//! groups. `--privileged` gives all of that, but a runtime that lacks a capability itself (inside
//! a sandbox, for instance) refuses it: "unable to apply caps". Then everything that
//! `--privileged` stands for is asked for piece by piece, less what the engine itself lacks. The
//! capabilities are named one by one: an older engine (20.10) takes `ALL` for all there are, whether
//! it has them or not, and a newer one (26.1) refuses to drop one that it does not have.
//!
//! What the engine has is read from the capability bounding set of its process
//! (`/proc/PID/status`, capabilities(7)). Which process that is, the socket shows, unless systemd
//! listens on the engine's behalf (`--host fd://`); then the engine's PID file does.

use std::path::Path;

use bollard::models::{HostConfig, HostConfigCgroupnsModeEnum};

use crate::host::HostRoot;

/// The capabilities of Linux by number, from `linux/capability.h`, without the `CAP_` prefix.
const CAPABILITIES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The newest capabilities: kernels and engines may not know them, and `SYS_ADMIN` contains what
/// they allow.
const NEWEST: [&str; 3] = ["PERFMON", "BPF", "CHECKPOINT_RESTORE"];

/// Where an engine that systemd starts leaves its process id.
const PID_FILE: &str = "/run/docker.pid";

/// Without these no engine runs inside a container.
const NEEDED: [&str; 4] = ["SYS_ADMIN", "NET_ADMIN", "MKNOD", "SYS_CHROOT"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Privileges {
    /// The engine lacks nothing: `--privileged`.
    Full,
    /// Everything but the capabilities the engine itself lacks.
    Without(Vec<&'static str>),
}

impl Privileges {
    /// What the engine at `socket` has; skep's own where the engine's process cannot be looked at.
    pub(super) async fn of_engine(socket: &Path, host: &HostRoot) -> Self {
        let listening = async {
            let stream = tokio::net::UnixStream::connect(socket).await.ok()?;
            stream.peer_cred().ok()?.pid()
        };
        let listening = listening.await.map(|pid| pid.to_string());
        let left = host.text(PID_FILE).ok();
        let status_of = |pid: &str| host.text(&format!("/proc/{}/status", pid.trim())).ok();
        let engine = engine_status(listening.as_deref(), left.as_deref(), status_of);
        engine
            .or_else(|| status_of("self"))
            .and_then(|status| Self::from_status(&status))
            .unwrap_or(Privileges::Full)
    }

    /// Reads the bounding set from the text of `/proc/PID/status` of the engine; `None` if it
    /// has none.
    pub(super) fn from_status(status: &str) -> Option<Self> {
        let hex = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
        let bounding = u64::from_str_radix(hex.trim(), 16).ok()?;
        let missing: Vec<_> = (0..)
            .zip(CAPABILITIES)
            .filter(|(bit, _)| bounding & (1 << bit) == 0)
            .map(|(_, name)| name)
            .collect();
        Some(if missing.iter().all(|name| NEWEST.contains(name)) {
            Privileges::Full
        } else {
            Privileges::Without(missing)
        })
    }

    /// The capabilities a node cannot do without and will not have.
    pub(super) fn fatal(&self) -> Vec<&'static str> {
        match self {
            Privileges::Full => Vec::new(),
            Privileges::Without(missing) => {
                missing.iter().copied().filter(|name| NEEDED.contains(name)).collect()
            }
        }
    }

    /// Asks for them in a container's configuration.
    pub(super) fn apply(&self, config: &mut HostConfig) {
        config.cgroupns_mode = Some(HostConfigCgroupnsModeEnum::PRIVATE);
        match self {
            Privileges::Full => config.privileged = Some(true),
            Privileges::Without(missing) => {
                let there = |name: &&str| !missing.contains(name) && !NEWEST.contains(name);
                let there = CAPABILITIES.into_iter().filter(there);
                config.cap_drop = Some(vec!["ALL".into()]);
                config.cap_add = Some(there.map(str::to_owned).collect());
                config.security_opt = Some(
                    ["seccomp=unconfined", "apparmor=unconfined", "label=disable"]
                        .map(str::to_owned)
                        .to_vec(),
                );
                // What the docker CLI calls `systempaths=unconfined`.
                config.masked_paths = Some(Vec::new());
                config.readonly_paths = Some(Vec::new());
                config.device_cgroup_rules = Some(vec!["a *:* rwm".into()]);
            }
        }
    }
}

/// The status of the engine's process: of the one that listens on its socket, or, where that is
/// systemd, of the one named in the PID file.
fn engine_status(
    listening: Option<&str>,
    pid_file: Option<&str>,
    status_of: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let handed_over = |status: &String| status.starts_with("Name:\tsystemd\n");
    listening
        .and_then(&status_of)
        .filter(|status| !handed_over(status))
        .or_else(|| pid_file.and_then(&status_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_found_behind_systemds_socket() {
        let status = |pid: &str| {
            let name = [("1", "systemd"), ("20", "dockerd")].into_iter().find(|at| at.0 == pid)?.1;
            Some(format!("Name:\t{name}\nUmask:\t0022\n"))
        };
        let found = |listening, left| engine_status(listening, left, status);
        let dockerd = status("20");
        assert_eq!(found(Some("20"), None), dockerd);
        assert_eq!(found(Some("20"), Some("1")), dockerd);
        assert_eq!(found(Some("1"), Some("20")), dockerd);
        // The socket's other end is in another PID namespace, or the file is an old one.
        assert_eq!(found(Some("0"), None), None);
        assert_eq!(found(Some("1"), Some("21")), None);
    }

    fn status(bounding: &str) -> String {
        format!("Name:\tdockerd\nCapEff:\t{bounding}\nCapBnd:\t{bounding}\nCapAmb:\t0\n")
    }

    #[test]
    fn a_full_set_is_privileged() {
        assert_eq!(Privileges::from_status(&status("000001ffffffffff")), Some(Privileges::Full));
        assert_eq!(Privileges::from_status(&status("0000003fffffffff")), Some(Privileges::Full));
    }

    #[test]
    fn what_the_engine_lacks_is_neither_asked_for_nor_named() {
        let found = Privileges::from_status(&status("000001fffeffffff")).unwrap();
        assert_eq!(found, Privileges::Without(vec!["SYS_RESOURCE"]));
        assert!(found.fatal().is_empty());
        let mut config = HostConfig::default();
        found.apply(&mut config);
        assert_eq!(config.cap_drop, Some(vec!["ALL".to_owned()]));
        let added = config.cap_add.unwrap_or_default();
        assert_eq!(added.len(), CAPABILITIES.len() - NEWEST.len() - 1);
        assert!(!added.iter().any(|name| name == "SYS_RESOURCE"));
        assert_eq!(config.privileged, None);
    }

    #[test]
    fn an_ordinary_containers_set_is_too_small() {
        let found = Privileges::from_status(&status("00000000a80425fb")).unwrap();
        assert_eq!(found.fatal(), ["NET_ADMIN", "SYS_ADMIN"]);
    }

    #[tokio::test]
    async fn the_engines_process_is_looked_at_below_the_hosts_root() {
        let root = tempfile::tempdir().unwrap();
        let host = HostRoot::new(root.path());
        let of_engine = || Privileges::of_engine(Path::new("/no/socket"), &host);
        assert_eq!(of_engine().await, Privileges::Full, "nothing is known");
        for directory in ["/run", "/proc/7"] {
            fs_err::create_dir_all(host.path(directory)).unwrap();
        }
        fs_err::write(host.path(PID_FILE), "7\n").unwrap();
        let status = "Name:\tdockerd\nCapBnd:\t000001fffffffffe\n";
        fs_err::write(host.path("/proc/7/status"), status).unwrap();
        assert_eq!(of_engine().await, Privileges::Without(vec!["CHOWN"]));
    }

    #[test]
    fn a_status_without_the_line_says_nothing() {
        assert_eq!(Privileges::from_status("Name:\tx\n"), None);
    }
}
