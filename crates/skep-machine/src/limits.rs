//! How big a machine may be, asked before anything is touched.
//!
//! What is asked for and cannot be a machine is refused by name, with the nearest that can.

use skep_model::{Check, Port};

use crate::host::megabytes;

/// What the sizes are called in a check.
const MEMORY: &str = "memory of a machine";
const CPUS: &str = "processors of a machine";
const DISK: &str = "disk of a machine";

/// Why a machine gets no more memory than its host has.
pub(crate) const ALL_MEMORY: &str = "this host has no more";

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The least that works.
    pub(crate) least: u64,
    /// The most that is available, if that is known, and why no more.
    pub(crate) most: Option<(u64, &'static str)>,
}

/// The flags a size is given with, for the advice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flags {
    memory: &'static str,
    cpus: &'static str,
    disk: &'static str,
}

impl Flags {
    /// Those of every driver.
    pub(crate) const ALL_DRIVERS: Self =
        Self { memory: "--memory", cpus: "--cpus", disk: "--disk-size" };
    /// docker-machine's for VirtualBox.
    pub(crate) const VIRTUALBOX: Self = Self {
        memory: "--virtualbox-memory",
        cpus: "--virtualbox-cpu-count",
        disk: "--virtualbox-disk-size",
    };

    pub(crate) fn memory(self, asked: Option<u64>, bounds: Bounds) -> Option<Check> {
        bytes(MEMORY, self.memory, asked?, bounds)
    }

    pub(crate) fn disk(self, asked: Option<u64>, bounds: Bounds) -> Option<Check> {
        bytes(DISK, self.disk, asked?, bounds)
    }

    /// Whether it can have so many processors of the `all` there are.
    pub(crate) fn cpus(self, asked: Option<u32>, all: u32) -> Option<Check> {
        let asked = asked.filter(|&cpus| cpus == 0 || cpus > all)?;
        let several = if all == 1 { String::new() } else { format!(" to {all}") };
        Some(Check::fail(CPUS, asked.to_string(), format!("give {} 1{several}", self.cpus)))
    }
}

fn bytes(what: &str, flag: &str, asked: u64, Bounds { least, most }: Bounds) -> Option<Check> {
    if asked < least {
        let fix = format!("give at least {flag} {}", least >> 20);
        return Some(Check::fail(what, megabytes(asked), fix));
    }
    let (most, why) = most.filter(|(most, _)| asked > *most)?;
    Some(Check::fail(what, megabytes(asked), format!("{why}: give at most {flag} {}", most >> 20)))
}

/// A port that is to be published as another, where machines answer at their own addresses with
/// their own ports: there is nothing between that could turn one into the other.
pub(crate) fn same_port(port: Port) -> Option<Check> {
    (port.host != port.machine).then(|| {
        let what = format!("published port {}/{}", port.host, port.protocol);
        let found = format!(
            "machines of this driver answer at addresses of their own, on port {} as it is",
            port.machine
        );
        let own = Port { host: port.machine, ..port };
        Check::fail(what, found, format!("--publish {own}, or take --driver qemu"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: Flags = Flags::ALL_DRIVERS;
    const BOUNDS: Bounds =
        Bounds { least: 64 << 20, most: Some((1 << 30, "this host has 1024 MB")) };

    fn told(check: Option<Check>) -> String {
        check.map_or(String::new(), |check| {
            format!(
                "{:?} {}: {}; {}",
                check.verdict,
                check.what,
                check.found,
                check.fix.words().unwrap()
            )
        })
    }

    #[test]
    fn what_lies_within_the_bounds_is_fine() {
        assert_eq!(FLAGS.memory(None, BOUNDS), None);
        assert_eq!(FLAGS.memory(Some(64 << 20), BOUNDS), None);
        assert_eq!(FLAGS.disk(Some(1 << 30), BOUNDS), None);
        assert_eq!(FLAGS.cpus(Some(2), 2), None);
        assert_eq!(same_port("80".parse().unwrap()), None);
    }

    #[test]
    fn what_lies_outside_is_refused_with_what_can_be_had() {
        insta::assert_snapshot!(
            [
                told(FLAGS.memory(Some(5 << 20), BOUNDS)),
                told(FLAGS.disk(Some(u64::MAX), BOUNDS)),
                told(FLAGS.cpus(Some(3), 2)),
                told(FLAGS.cpus(Some(0), 1)),
                told(same_port("8080:80/udp".parse().unwrap())),
            ]
            .join("\n"),
            @r"
        Fail memory of a machine: 5 MB; give at least --memory 64
        Fail disk of a machine: 17592186044415 MB; this host has 1024 MB: give at most --disk-size 1024
        Fail processors of a machine: 3; give --cpus 1 to 2
        Fail processors of a machine: 0; give --cpus 1
        Fail published port 8080/udp: machines of this driver answer at addresses of their own, on port 80 as it is; --publish 80/udp, or take --driver qemu
        "
        );
    }
}
