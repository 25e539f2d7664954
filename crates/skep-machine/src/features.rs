//! What machines are like, as data that callers decide by.

/// What callers need to know of a machine that depends on how it came to be.
///
/// They decide by these, never by a driver's name, so that a new driver changes none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Whether the driver creates machines, rather than adopting what is there.
    pub makes_machines: bool,
    /// Whether each machine has a disk of its own, of a size.
    pub sizes_disks: bool,
    /// Whether only ports that are published lead to a machine, from another address than it has
    /// among the nodes; elsewhere this host reaches all of them at that very address.
    pub forwards_ports: bool,
    /// What a machine runs, and so how that is configured.
    pub system: System,
}

/// What runs in a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// skep's own guest, which reads its seed at its first boot.
    Skep,
    /// boot2docker, which reads a login key at its first boot; the rest is done over SSH.
    Boot2docker,
    /// Whatever a host was found with, configured over SSH. It stays when the machine is removed.
    Found,
    /// Unknown: there is an engine's URL, and no way to log in.
    Nothing,
}

impl System {
    /// Whether it can be logged in to over SSH.
    pub fn has_login(self) -> bool {
        self != System::Nothing
    }

    /// Whether it is configured over SSH once it runs, rather than by its seed.
    pub fn is_configured_over_ssh(self) -> bool {
        matches!(self, System::Found | System::Boot2docker)
    }
}
