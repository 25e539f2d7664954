//! What the `container` driver looks at before anything is touched.

use std::{net::UdpSocket, path::Path};

use bollard::query_parameters::InspectNetworkOptions;
use skep_model::Check;

use super::{ContainerDriver, image, kernel, privileges::Privileges};
use crate::{
    MachineError, Request, host,
    limits::{self, Bounds, Flags},
    subnet,
};

/// Disk a machine takes until its swarm is ready, in bytes (measured: 1 to 2 MB; images that
/// services use come on top).
const DISK_PER_MACHINE: u64 = 100 << 20;
/// Disk the guest's image takes in the engine, in bytes.
const DISK_IMAGE: u64 = 800 << 20;
/// Memory a machine takes once it is a swarm node without tasks, in bytes (measured: about 120 MB).
const MEMORY_PER_MACHINE: u64 = 160 << 20;
/// The least memory an engine, and a swarm node without tasks, comes up with, in bytes (measured: 64
/// MB do, 32 MB do not). Docker itself takes no less than 6 MB.
const LEAST_MEMORY: u64 = 64 << 20;
/// What the check of the kernel is called, on which the choice of a driver depends.
pub const IPVS: &str = "IPVS in the kernel";

pub(super) async fn look(driver: &ContainerDriver, request: &Request) -> Vec<Check> {
    let engine = match driver.engine().await {
        Ok(engine) => engine,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            // The error says what to do.
            let found = format!("{error}{}", cause.unwrap_or_default());
            return vec![Check::fail("Docker Engine", found, "")];
        }
    };
    let info = match engine.info(&tokio_util::sync::CancellationToken::new()).await {
        Ok(info) => info,
        Err(error) => {
            return vec![Check::fail("Docker Engine", error.to_string(), "restart the engine")];
        }
    };
    let mut checks = vec![Check::pass(
        "Docker Engine",
        format!("{} (API {})", info.server_version, engine.api_version()),
    )];
    if info.os_type != "linux" {
        let fix = "switch the engine to Linux containers";
        checks.push(Check::fail("Linux containers", info.os_type.clone(), fix));
    }
    checks.push(local_engine(driver).await);
    checks.push(privileges(&driver.privileges().await));
    let release = &info.kernel_version;
    checks.push(ipvs(kernel::find_ipvs(&driver.host, release), release));
    let mut needed = request.new_machines as u64 * DISK_PER_MACHINE;
    match (driver.os)() {
        Err(error) => {
            checks.push(Check::fail(
                "guest system",
                error.to_string(),
                "run skep on Debian or Ubuntu",
            ));
        }
        Ok(os) if image::is_present(driver, &os).await => {}
        Ok(os) => {
            needed += DISK_IMAGE;
            if !matches!(os.cached(), Ok(Some(_))) {
                checks.extend(os.preflight());
            }
        }
    }
    checks.extend(host::disk(Path::new(&info.data_root), needed));
    let memory = request.new_machines as u64 * MEMORY_PER_MACHINE;
    checks.extend(driver.host.memory(memory, "close something, or make fewer machines"));
    if request.new_network {
        checks.push(network(driver, request).await);
    }
    let most = Some(info.memory).filter(|&all| all > 0).map(|all| (all, limits::ALL_MEMORY));
    checks.extend(
        Flags::ALL_DRIVERS.memory(request.size.memory, Bounds { least: LEAST_MEMORY, most }),
    );
    // An engine that does not say how many it has refuses by itself.
    let processors = Some(info.processors).filter(|&all| all > 0).unwrap_or(u32::MAX);
    checks.extend(Flags::ALL_DRIVERS.cpus(request.size.cpus, processors));
    checks.extend(request.publish.iter().copied().filter_map(limits::same_port));
    if request.size.disk.is_some() {
        let fix = "leave --disk-size out, or take --driver qemu";
        checks.push(Check::fail("disk size", "containers share the engine's own disk", fix));
    }
    checks
}

/// Machines are reached at their addresses on a bridge of the engine. If the engine's own bridge
/// is not an interface here, the engine runs elsewhere: on another host, in Docker Desktop's
/// virtual machine, rootless in a network namespace, or outside the container skep runs in.
async fn local_engine(driver: &ContainerDriver) -> Check {
    const WHAT: &str = "engine on this host";
    let bridge = match driver.client().await {
        Ok(docker) => docker.inspect_network("bridge", None::<InspectNetworkOptions>).await.ok(),
        Err(_) => None,
    };
    let gateway = bridge.and_then(|network| {
        let config = network.ipam?.config?.into_iter().next()?;
        // Older engines leave the gateway out where it is the subnet's first address.
        let first = || Some(subnet::gateway(config.subnet?.parse().ok()?));
        config.gateway.and_then(|text| text.parse().ok()).or_else(first)
    });
    match gateway {
        None => Check::pass(WHAT, "the engine has no default bridge to tell by"),
        Some(gateway) if UdpSocket::bind((gateway, 0)).is_ok() => {
            Check::pass(WHAT, format!("its bridge {gateway} is an interface here"))
        }
        Some(gateway) => Check::fail(
            WHAT,
            format!(
                "its bridge {gateway} is no interface of this host, so its machines could not be reached"
            ),
            "run skep where the engine runs; rootless engines, Docker Desktop and remote \
             DOCKER_HOSTs do not work with this driver",
        ),
    }
}

fn privileges(found: &Privileges) -> Check {
    const WHAT: &str = "privileges of the engine";
    match found {
        Privileges::Full => Check::pass(WHAT, "full"),
        Privileges::Without(missing) if found.fatal().is_empty() => {
            Check::pass(WHAT, format!("all but {}", missing.join(", ")))
        }
        Privileges::Without(_) => Check::fail(
            WHAT,
            format!("it lacks {}", found.fatal().join(", ")),
            "run the Docker Engine outside a restricted container",
        ),
    }
}

fn ipvs(found: kernel::Ipvs, release: &str) -> Check {
    const WHAT: &str = IPVS;
    match found {
        kernel::Ipvs::Present => Check::pass(WHAT, "present"),
        kernel::Ipvs::Loadable => Check::pass(WHAT, "loaded when needed"),
        kernel::Ipvs::Absent => Check::warn(
            WHAT,
            format!("kernel {release} has none: published ports and service VIPs will not answer"),
            "publish with mode=host, or use a kernel with ip_vs",
        ),
    }
}

async fn network(driver: &ContainerDriver, request: &Request) -> Check {
    const WHAT: &str = "subnet";
    let fix = "name another with --subnet";
    match driver.networks(&request.cluster).await {
        Err(error) => Check::fail(WHAT, error.to_string(), "restart the engine"),
        Ok((Some(own), _)) if request.subnet.is_none_or(|wanted| wanted == own) => {
            Check::pass(WHAT, format!("{own}, there already"))
        }
        Ok((own, mut taken)) => {
            // Of an earlier try, and gone before another one is made.
            taken.retain(|net| Some(net.subnet) != own);
            let chosen = match request.subnet {
                Some(wanted) => subnet::accept(wanted, &taken),
                None => subnet::choose(&taken),
            };
            match chosen {
                Ok(subnet) => Check::pass(WHAT, subnet.to_string()),
                Err(MachineError::Subnet { subnet, reason }) => {
                    Check::fail(WHAT, format!("{subnet}: {reason}"), fix)
                }
                Err(error) => Check::fail(WHAT, error.to_string(), fix),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use skep_model::Verdict;

    use super::*;

    #[test]
    fn a_kernel_without_ipvs_is_told_plainly() {
        let check = ipvs(kernel::Ipvs::Absent, "6.18");
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(check.found.contains("published ports"));
    }
}
