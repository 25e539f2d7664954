//! Flags of one driver, given to another: a script that was written for VirtualBox and now has
//! containers means the memory it asks for all the same.

use skep_machine::DriverKind;
use skep_model::Size;

use crate::{args::machine::Create, failure::Failure};

/// A megabyte, as docker-machine's flags count memory and disks, in bytes.
const MEGABYTE: u64 = 1 << 20;

/// What other drivers' flags come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    /// What means the same to the driver that is taken.
    pub(super) size: Size,
    /// What means nothing to it: a warning for each.
    pub(super) ignored: Vec<String>,
}

/// Sorts the flags that are not those of `driver` (`None` while it is to be chosen, which is never
/// `virtualbox`, `ssh` or `none`).
///
/// # Errors
/// A usage [`Failure`] for a value that is none.
pub(super) fn of_others(driver: Option<DriverKind>, args: &Create) -> Result<Others, Failure> {
    let mut others = Others::default();
    let named = driver.map_or_else(|| "that is chosen".into(), |driver| driver.to_string());
    for id in args.given.ids() {
        let Some(flag) = Flag::of(id) else { continue };
        if flag.is_for(driver) {
            continue;
        }
        let reason = match (id, driver) {
            ("virtualbox_memory", kind) if makes_machines(kind) => {
                others.size.memory = vbox_megabytes(args.virtualbox.virtualbox_memory);
                continue;
            }
            ("virtualbox_cpu_count", kind) if makes_machines(kind) => {
                others.size.cpus = Some(vbox_cpus(args.virtualbox.virtualbox_cpu_count)?);
                continue;
            }
            ("virtualbox_disk_size", Some(kind)) if kind.features().sizes_disks => {
                others.size.disk = vbox_megabytes(args.virtualbox.virtualbox_disk_size);
                continue;
            }
            ("virtualbox_disk_size", Some(kind)) if kind.features().makes_machines => {
                "containers share the engine's own disk".to_owned()
            }
            _ => format!("it is for {}", flag.drivers),
        };
        let name = &flag.name;
        others.ignored.push(format!("{name} is ignored by the driver {named}: {reason}"));
    }
    Ok(others)
}

pub(super) fn makes_machines(driver: Option<DriverKind>) -> bool {
    driver.is_none_or(|kind| kind.features().makes_machines)
}

/// As many processors as `--virtualbox-cpu-count` says.
pub(super) fn vbox_cpus(count: i64) -> Result<u32, Failure> {
    let cpus = match count {
        -1 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64,
        count => u64::try_from(count).unwrap_or_default(),
    };
    u32::try_from(cpus).ok().filter(|&count| count > 0).ok_or_else(|| {
        Failure::usage(format!("{count} processors cannot be had"))
            .with_fix("give --virtualbox-cpu-count 1 or more, or -1 for as many as the host has")
    })
}

/// Bytes, of megabytes. A size out of bounds is the driver's to refuse, zero too: it knows the
/// bounds.
#[expect(clippy::unnecessary_wraps, reason = "a size's fields are what was asked for, if anything")]
pub(super) fn vbox_megabytes(megabytes: u64) -> Option<u64> {
    Some(megabytes.saturating_mul(MEGABYTE))
}

/// A flag that not every driver has a use for.
#[derive(Debug)]
struct Flag {
    name: String,
    owner: Owner,
    /// The same in words.
    drivers: &'static str,
}

/// Which drivers have a use for a flag.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Only(DriverKind),
    /// Those that make machines.
    Makers,
    /// All that run an engine whose settings skep writes.
    AllButNone,
}

impl Flag {
    /// The flag with an ID; none if every driver has it.
    fn of(id: &str) -> Option<Self> {
        let name = format!("--{}", id.replace('_', "-"));
        let (owner, drivers) = match id {
            "url" => (Owner::Only(DriverKind::None), "driver none"),
            "install_engine" | "force" => (Owner::Only(DriverKind::Ssh), "driver ssh"),
            _ if id.starts_with("generic_") => (Owner::Only(DriverKind::Ssh), "driver ssh"),
            _ if id.starts_with("virtualbox_") => {
                (Owner::Only(DriverKind::Virtualbox), "driver virtualbox")
            }
            "memory" | "cpus" | "disk_size" | "publish" => {
                (Owner::Makers, "drivers that make machines")
            }
            "tls_san" => (Owner::AllButNone, "engines that skep sets up"),
            "ca_certificates" => {
                let (owner, drivers) = (Owner::AllButNone, "engines that skep sets up");
                return Some(Self { name: "--ca-certificate".into(), owner, drivers });
            }
            _ if id.starts_with("engine_") => (Owner::AllButNone, "engines that skep sets up"),
            _ => return None,
        };
        Some(Self { name, owner, drivers })
    }

    fn is_for(&self, driver: Option<DriverKind>) -> bool {
        match self.owner {
            Owner::Only(kind) => driver == Some(kind),
            Owner::Makers => makes_machines(driver),
            Owner::AllButNone => driver.is_none_or(|kind| kind.features().system.has_login()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::machine::{DockerMachine, Machine};

    fn create(flags: &[&str]) -> Create {
        let words = [&["docker-machine", "create", "m"], flags].concat();
        match DockerMachine::try_parse_from(words).unwrap().verb {
            Some(Machine::Create(create)) => *create,
            other => panic!("{other:?}"),
        }
    }

    fn sorted(driver: Option<DriverKind>, flags: &[&str]) -> Others {
        of_others(driver, &create(flags)).unwrap()
    }

    const VIRTUALBOX: [&str; 6] = [
        "--virtualbox-memory",
        "2048",
        "--virtualbox-cpu-count",
        "2",
        "--virtualbox-disk-size",
        "4096",
    ];

    #[test]
    fn what_means_the_same_is_taken_as_it_is_meant() {
        let (memory, cpus, disk) = (Some(2 << 30), Some(2), Some(4 << 30));
        let qemu = sorted(Some(DriverKind::Qemu), &VIRTUALBOX);
        assert_eq!(qemu, Others { size: Size { memory, cpus, disk }, ignored: Vec::new() });
        for driver in [Some(DriverKind::Container), None] {
            let others = sorted(driver, &VIRTUALBOX);
            assert_eq!(others.size, Size { memory, cpus, disk: None }, "{driver:?}");
            assert_eq!(others.ignored.len(), 1, "{others:?}");
            assert!(others.ignored[0].starts_with("--virtualbox-disk-size is ignored"));
        }
        assert_eq!(sorted(Some(DriverKind::Virtualbox), &VIRTUALBOX), Others::default());
    }

    #[test]
    fn a_default_is_not_given() {
        for driver in [DriverKind::Container, DriverKind::Ssh, DriverKind::None] {
            assert_eq!(sorted(Some(driver), &[]), Others::default());
        }
    }

    #[test]
    fn what_a_driver_has_no_use_for_is_named_with_whose_it_is() {
        let ignored = |driver, flags: &[&str]| sorted(Some(driver), flags).ignored.join("\n");
        insta::assert_snapshot!(
            [
                ignored(DriverKind::Container, &["--virtualbox-no-share", "--generic-ssh-port", "2"]),
                ignored(DriverKind::Qemu, &["--url", "tcp://a:1", "--install-engine", "--force"]),
                ignored(DriverKind::Ssh, &["--memory", "512", "--virtualbox-memory", "512"]),
                ignored(DriverKind::Ssh, &["--publish", "80", "--disk-size", "3G", "--cpus", "1"]),
                ignored(DriverKind::None, &["--engine-label", "a=b", "--tls-san", "x"]),
                ignored(DriverKind::None, &["--ca-certificate", "x", "--generic-ssh-user", "x"]),
            ]
            .join("\n"),
            @r"
        --generic-ssh-port is ignored by the driver container: it is for driver ssh
        --virtualbox-no-share is ignored by the driver container: it is for driver virtualbox
        --force is ignored by the driver qemu: it is for driver ssh
        --install-engine is ignored by the driver qemu: it is for driver ssh
        --url is ignored by the driver qemu: it is for driver none
        --memory is ignored by the driver ssh: it is for drivers that make machines
        --virtualbox-memory is ignored by the driver ssh: it is for driver virtualbox
        --cpus is ignored by the driver ssh: it is for drivers that make machines
        --disk-size is ignored by the driver ssh: it is for drivers that make machines
        --publish is ignored by the driver ssh: it is for drivers that make machines
        --engine-label is ignored by the driver none: it is for engines that skep sets up
        --tls-san is ignored by the driver none: it is for engines that skep sets up
        --ca-certificate is ignored by the driver none: it is for engines that skep sets up
        --generic-ssh-user is ignored by the driver none: it is for driver ssh
        "
        );
        let fine = ["--engine-label", "a=b", "--tls-san", "x", "--ca-certificate", "x"];
        assert_eq!(ignored(DriverKind::Ssh, &fine), "");
        assert_eq!(ignored(DriverKind::Container, &["--memory", "512", "--publish", "80"]), "");
    }

    /// Each flag is every driver's, or sorted above: a new one is not forgotten.
    #[test]
    fn every_flag_is_sorted() {
        use clap::CommandFactory as _;
        let command = DockerMachine::command();
        let create = command.find_subcommand("create").unwrap();
        let common = [
            "name",
            "driver",
            "timeout",
            "help",
            "swarm",
            "swarm_master",
            "swarm_discovery",
            "swarm_addr",
            "swarm_host",
            "swarm_image",
            "swarm_strategy",
            "swarm_experimental",
            "swarm_opt",
            "swarm_join_opt",
        ];
        for arg in create.get_arguments().filter(|arg| !arg.is_global_set()) {
            let id = arg.get_id().as_str();
            assert!(Flag::of(id).is_some() != common.contains(&id), "{id}");
            if let (Some(flag), Some(long)) = (Flag::of(id), arg.get_long()) {
                assert_eq!(flag.name, format!("--{long}"));
            }
        }
    }
}
