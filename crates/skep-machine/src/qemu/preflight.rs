//! What the `qemu` driver looks at before anything is touched.

use std::path::Path;

use skep_model::{Check, Size};
use skep_process::ProcessError;
use tokio_util::sync::CancellationToken;

use super::{
    ACCEL, Accel, QemuDriver, Segment,
    accel::{Host, NATIVE, Native, closed},
    addresses, bridge,
    life::MEMORY,
    making::Networks,
    program::{self, OLDEST, Qemu},
};
use crate::{
    MachineError, Request,
    host::{self, HostRoot},
    limits::{self, Bounds, Flags},
};

/// The least memory a machine can be a swarm node with, in bytes.
const LEAST_MEMORY: u64 = 512 << 20;
/// The smallest disk that holds an engine and an image or two, in bytes.
const LEAST_DISK: u64 = 2 << 30;
/// The biggest that a file of the host's file system can be, in bytes: ext4 has them below 16 TB.
const MOST_DISK: u64 = (16 << 40) - (1 << 20);
/// What a machine takes on this host's disk until its swarm is ready, in bytes.
const DISK_PER_MACHINE: u64 = 100 << 20;
/// What the files that all machines share take, in bytes.
const DISK_SHARED: u64 = 1 << 30;
/// What QEMU itself takes besides the machine's memory, in bytes.
const MEMORY_FOR_QEMU: u64 = 100 << 20;

pub(super) async fn look(
    driver: &QemuDriver,
    request: &Request,
    cancel: &CancellationToken,
) -> Vec<Check> {
    let cluster = driver.cluster(&request.cluster).ok();
    let binary = driver.binary(cluster.as_ref());
    let asked = driver.asked(cluster.as_ref());
    let recorded = || cluster.as_ref().map(|cluster| cluster.segment.choice());
    let segment = driver.options.segment.clone().or_else(recorded);
    let mut checks = Vec::new();
    match Qemu::ask(&binary, cancel).await {
        Err(error) => return vec![absent(&binary, &error)],
        Ok(qemu) => {
            checks.push(version(&binary, &qemu));
            checks.push(networks(&qemu, segment.as_ref()));
            let host = Host {
                root: &driver.host,
                record: driver.shelf.of_store(ACCEL),
                binary: &binary,
                version: &qemu.version,
            };
            match accelerates(driver, &host, asked, cancel).await {
                Ok(native) => checks.push(native.check(asked)),
                Err(error) => checks.push(absent(&binary, &error)),
            }
        }
    }
    if let Some(Segment::Bridge(name)) = &segment {
        let is_root = rustix::process::geteuid().is_root();
        checks.extend(bridge::checks(&driver.host.path("/"), name, is_root));
    }
    let mut shared = 0;
    match (driver.os)() {
        Err(error) => {
            let fix = "run skep on Debian or Ubuntu";
            checks.push(Check::fail("guest system", error.to_string(), fix));
        }
        Ok(os) if matches!(os.cached_vm(), Ok(Some(_))) => {}
        Ok(os) => {
            shared = DISK_SHARED;
            checks.extend(os.preflight_vm());
        }
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    checks.extend(size(request.size, processors, driver.host.total_memory()));
    let machines = request.new_machines as u64;
    checks.extend(host::disk(driver.shelf.layout.root(), shared + machines * DISK_PER_MACHINE));
    let each = request.size.memory.unwrap_or(MEMORY).saturating_add(MEMORY_FOR_QEMU);
    checks.extend(driver.host.memory(
        machines.saturating_mul(each),
        "close something, make fewer machines, or give each less with --memory",
    ));
    checks.extend(addresses_at_host(driver, request));
    checks
}

/// Whether this host accelerates, as far as it is known or soon found out: a kernel is only waited
/// for if nothing but the accelerator will do. Otherwise it is tried when it is needed.
async fn accelerates(
    driver: &QemuDriver,
    host: &Host<'_>,
    asked: Option<Accel>,
    cancel: &CancellationToken,
) -> Result<Native, ProcessError> {
    if let Some(closed) = closed(host.root) {
        return Ok(closed);
    }
    let guest = (driver.os)().ok().and_then(|os| os.cached_vm().ok().flatten());
    let Some(guest) = guest else { return host.try_firmware(cancel).await };
    match (host.known(&guest), asked) {
        (Some(Native::Works), _) => Ok(Native::Works),
        (_, Some(NATIVE)) => host.try_kernel(&guest, cancel).await,
        (Some(known), _) => Ok(known),
        (None, _) => host.try_firmware(cancel).await,
    }
}

fn absent(binary: &Path, error: &ProcessError) -> Check {
    let found = match error {
        ProcessError::NotFound { .. } => format!("there is no `{}`", binary.display()),
        other => other.to_string(),
    };
    Check::fail("QEMU", found, program::how_to_install())
}

fn version(binary: &Path, qemu: &Qemu) -> Check {
    let found = format!("{} {}", binary.display(), qemu.version);
    if qemu.is_new_enough() {
        Check::pass("QEMU", found)
    } else {
        let fix =
            format!("{}.{} or newer is needed: {}", OLDEST.0, OLDEST.1, program::how_to_install());
        Check::fail("QEMU", found, fix)
    }
}

fn networks(qemu: &Qemu, segment: Option<&Segment>) -> Check {
    const WHAT: &str = "networks of QEMU";
    let needed = match segment {
        Some(Segment::Bridge(_)) => ["user", "bridge"],
        Some(Segment::Multicast) | None => ["user", "socket"],
    };
    match qemu.lacks(&needed)[..] {
        [] => Check::pass(WHAT, needed.join(", ")),
        ref missing => {
            let found = format!("it was built without: {}", missing.join(", "));
            Check::fail(WHAT, found, program::how_to_install())
        }
    }
}

/// Sizes that no machine can have.
fn size(size: Size, processors: usize, memory: Option<u64>) -> Vec<Check> {
    let memory = Bounds { least: LEAST_MEMORY, most: memory.map(|all| (all, limits::ALL_MEMORY)) };
    let disk = Bounds { least: LEAST_DISK, most: Some((MOST_DISK, "no file is bigger")) };
    let processors = u32::try_from(processors).unwrap_or(u32::MAX);
    [
        Flags::ALL_DRIVERS.memory(size.memory, memory),
        Flags::ALL_DRIVERS.cpus(size.cpus, processors),
        Flags::ALL_DRIVERS.disk(size.disk, disk),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The loopback addresses, the subnet and the published ports.
fn addresses_at_host(driver: &QemuDriver, request: &Request) -> Vec<Check> {
    const LOOPBACK: &str = "loopback addresses";
    const SUBNET: &str = "subnet";
    let Networks { own, taken, loopback } = match driver.networks(&request.cluster) {
        Ok(found) => found,
        Err(error) => return vec![Check::fail(SUBNET, error.to_string(), "remove the file")],
    };
    let mut checks = Vec::new();
    let host = own.as_ref().map(|own| own.host).or_else(|| {
        addresses::host_networks(&driver.store, &request.cluster)
            .filter(|net| !loopback.contains(net))
            .find(|net| addresses::is_usable(*net).is_ok())
    });
    checks.push(match host {
        Some(net) => Check::pass(LOOPBACK, net.to_string()),
        None => Check::fail(LOOPBACK, "none lets a program listen", "`sudo ip link set lo up`"),
    });
    if request.new_network {
        let fix = "name another with --subnet";
        checks.push(match own {
            Some(own) if request.subnet.is_none_or(|wanted| wanted == own.subnet) => {
                Check::pass(SUBNET, format!("{}, there already", own.subnet))
            }
            // One of an earlier try is gone before another one is made.
            _ => match driver.choose_subnet(request.subnet, taken) {
                Ok(subnet) => Check::pass(SUBNET, subnet.to_string()),
                Err(MachineError::Subnet { subnet, reason }) => {
                    Check::fail(SUBNET, format!("{subnet}: {reason}"), fix)
                }
                Err(error) => Check::fail(SUBNET, error.to_string(), fix),
            },
        });
    }
    if let (Some(host), true) = (host, request.new_machines > 0) {
        checks
            .extend(request.publish.iter().filter_map(|port| published(&driver.host, host, *port)));
    }
    checks
}

/// A published port that no machine could have. The network's last address is no machine's, so
/// that a port there is refused for what it is, and not for who has it.
fn published(root: &HostRoot, network: ipnet::Ipv4Net, port: skep_model::Port) -> Option<Check> {
    let what = format!("published port {}/{}", port.host, port.protocol);
    let probe = network.hosts().last()?;
    if addresses::is_reserved(port.host, port.protocol) {
        let free = addresses::free_instead(probe, port);
        let fix = free.map(|free| format!("--publish {free}:{}", port.machine));
        let found = "a machine's SSH server or engine answers there";
        return Some(Check::fail(what, found, fix.unwrap_or_default()));
    }
    let error = addresses::is_free(probe, port.host, port.protocol).err()?;
    let found = super::life::refusal(root, port, &error);
    let fix = addresses::free_instead(probe, port);
    let fix = fix.map(|free| format!("--publish {free}:{}", port.machine));
    Some(Check::fail(what, found, fix.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use skep_model::Verdict;

    use super::*;

    #[test]
    fn a_size_that_is_none_is_refused_with_what_to_give() {
        assert_eq!(size(Size::default(), 2, None), []);
        let asked = Size { memory: Some(64 << 20), cpus: Some(3), disk: Some(1 << 30) };
        let told: Vec<String> = size(asked, 2, None)
            .into_iter()
            .map(|check| format!("{}: {}; {}", check.what, check.found, check.fix.words().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                "memory of a machine: 64 MB; give at least --memory 512",
                "processors of a machine: 3; give --cpus 1 to 2",
                "disk of a machine: 1024 MB; give at least --disk-size 2048",
            ]
        );
    }

    #[test]
    fn what_qemu_lacks_stands_in_the_way() {
        let qemu = Qemu { version: "5.2.0".into(), netdevs: vec!["socket".into()] };
        let old = version(Path::new("qemu"), &qemu);
        assert_eq!(old.verdict, Verdict::Fail);
        let fix = old.fix.words().unwrap();
        assert!(fix.starts_with("6.2 or newer"), "{fix}");
        let check = networks(&qemu, None);
        assert_eq!((check.verdict, &*check.found), (Verdict::Fail, "it was built without: user"));
        let bridge = Segment::Bridge("br0".into());
        assert!(networks(&qemu, Some(&bridge)).found.ends_with("user, bridge"));
    }

    #[test]
    fn a_reserved_port_is_refused_and_another_offered() {
        let network = "127.254.254.0/24".parse().unwrap();
        let check = published(&HostRoot::new("/"), network, "2222:80".parse().unwrap()).unwrap();
        assert_eq!(check.verdict, Verdict::Fail);
        assert_eq!(check.fix, "--publish 2223:80".into());
        assert_eq!(published(&HostRoot::new("/"), network, "2222:80/udp".parse().unwrap()), None);
    }
}
