//! Where the files that skep writes lie on a host.

use super::System;

/// Where the files of a kind of system lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) state: &'static str,
    pub(super) ca: &'static str,
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
}

impl Places {
    pub(super) fn of(system: System) -> Self {
        if system.has_profile() {
            Self {
                state: "/var/lib/boot2docker/skep",
                ca: "/var/lib/boot2docker/ca.pem",
                certificate: "/var/lib/boot2docker/server.pem",
                key: "/var/lib/boot2docker/server-key.pem",
            }
        } else {
            Self {
                state: "/etc/skep",
                ca: "/etc/skep/tls/ca.pem",
                certificate: "/etc/skep/tls/server-cert.pem",
                key: "/etc/skep/tls/server-key.pem",
            }
        }
    }
}
