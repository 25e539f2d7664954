//! What an engine says about itself and its host: the part of `GET /info` that skep decides by.
//!
//! Source: the `SystemInfo` object of the Docker Engine API.

use serde::Deserialize;

/// An engine and its host. A field the engine does not send has its default.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineInfo {
    /// The engine's own identifier. Swarm mode does not use it.
    #[serde(rename = "ID")]
    pub id: String,
    /// The host's name as the engine knows it, which is also its node's name in a swarm.
    pub name: String,
    /// The engine's release: `20.10.24`.
    pub server_version: String,
    /// `linux` or `windows`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// The host's operating system: `Debian GNU/Linux 12 (bookworm)`, `Docker Desktop`.
    pub operating_system: String,
    /// Its version alone: `12`.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    pub kernel_version: String,
    /// `1` or `2`; empty where the engine does not say.
    pub cgroup_version: String,
    /// `cgroupfs`, `systemd` or `none`.
    pub cgroup_driver: String,
    /// As sent: `name=seccomp,profile=default`, `name=rootless`.
    #[serde(deserialize_with = "null_is_default")]
    pub security_options: Vec<String>,
    /// How layers are stored: `overlay2`, `fuse-overlayfs`, `vfs`.
    #[serde(rename = "Driver")]
    pub storage_driver: String,
    /// Where the engine keeps its data, on the engine's host.
    #[serde(rename = "DockerRootDir")]
    pub data_root: String,
    #[serde(rename = "NCPU")]
    pub processors: u32,
    /// Memory, in bytes.
    #[serde(rename = "MemTotal")]
    pub memory: u64,
    /// Whether containers outlive the engine, which swarm mode refuses.
    pub live_restore_enabled: bool,
    /// What the engine itself warns of: `WARNING: No swap limit support`.
    #[serde(deserialize_with = "null_is_default")]
    pub warnings: Vec<String>,
    pub swarm: SwarmInfo,
}

/// An engine's part in a swarm, as far as it tells without asking a manager.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SwarmInfo {
    /// `inactive`, `pending`, `active`, `error` or `locked`.
    pub local_node_state: String,
    /// Its identifier as a node; empty outside a swarm.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Whether it is a manager that can be asked about the swarm.
    pub control_available: bool,
    /// Why it is in state `error`, or what went wrong last.
    pub error: String,
}

impl EngineInfo {
    /// Whether the security option of that name is on: `seccomp`, `apparmor`, `selinux`,
    /// `rootless`, `userns`.
    pub fn has_security(&self, name: &str) -> bool {
        self.security_options.iter().any(|option| {
            // Engines before 1.13 sent the bare name.
            let first = option.split(',').next().unwrap_or_default();
            first.strip_prefix("name=").unwrap_or(first) == name
        })
    }

    /// Whether the engine runs without root, where node containers cannot mount what they need.
    pub fn is_rootless(&self) -> bool {
        self.has_security("rootless")
    }

    /// Whether the engine runs in a virtual machine of Docker Desktop, so that addresses of
    /// containers cannot be reached from the host.
    pub fn is_desktop(&self) -> bool {
        self.operating_system == "Docker Desktop"
    }
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_read_and_the_rest_is_ignored() {
        let info: EngineInfo = serde_json::from_str(
            r#"{"ID": "OL6J:TKHD", "Containers": 3, "Driver": "overlay2", "Name": "laptop", "NCPU": 2,
                "MemTotal": 25276342272, "CgroupVersion": "2", "OSType": "linux", "Warnings": null,
                "SecurityOptions": ["name=seccomp,profile=default", "name=rootless"],
                "DockerRootDir": "/var/lib/docker", "ServerVersion": "26.1.5",
                "Swarm": {"LocalNodeState": "active", "NodeID": "ab12", "ControlAvailable": true, "Nodes": 4}}"#,
        )
        .unwrap();
        assert_eq!((info.storage_driver.as_str(), info.processors), ("overlay2", 2));
        assert_eq!((info.memory, info.cgroup_version.as_str()), (25_276_342_272, "2"));
        assert!(
            info.is_rootless() && info.has_security("seccomp") && !info.has_security("selinux")
        );
        assert!(info.swarm.control_available);
        assert_eq!(info.swarm.node_id, "ab12");
    }

    #[test]
    fn an_engine_that_says_nothing_is_understood() {
        let info: EngineInfo = serde_json::from_str("{}").unwrap();
        assert_eq!(info, EngineInfo::default());
        assert!(!info.is_desktop());
    }
}
