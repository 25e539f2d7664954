//! Which machines to make: from the command line's words to the libraries' terms.

use skep_cluster::Desired;
use skep_machine::{DriverKind, qemu};
use skep_model::Size;

use crate::{args::MachineOptions, context::Context, failure::Failure};

/// The driver that was named; `None` for `auto`.
pub(super) fn driver(options: &MachineOptions) -> Result<Option<DriverKind>, Failure> {
    match options.driver.as_str() {
        "auto" => Ok(None),
        name => name.parse().map(Some).map_err(usage),
    }
}

/// The options of the driver `qemu`.
fn qemu(options: &MachineOptions) -> Result<qemu::Options, Failure> {
    let accel = match options.accel.as_str() {
        "auto" => None,
        name => Some(name.parse().map_err(usage)?),
    };
    let segment = options.network.as_deref().map(str::parse).transpose().map_err(usage)?;
    Ok(qemu::Options { binary: options.qemu_binary.clone(), accel, segment })
}

/// Everything but the certificates.
pub(super) fn desired(options: &MachineOptions) -> Result<Desired, Failure> {
    Ok(Desired {
        driver: driver(options)?,
        qemu: qemu(options)?,
        managers: options.managers,
        workers: options.workers,
        subnet: options.subnet,
        ca_certificates: Vec::new(),
        size: size(options),
        publish: options.publish.clone(),
        replace_swarm: false,
    })
}

pub(super) fn size(options: &MachineOptions) -> Size {
    Size {
        memory: options.memory.map(|bytes| bytes.0),
        cpus: options.cpus,
        disk: options.disk_size.map(|bytes| bytes.0),
    }
}

/// Warns of the flags that mean something to the driver `qemu` only, given to another.
pub(super) fn warn_of_ignored(context: &Context, driver: DriverKind, options: &MachineOptions) {
    if driver == DriverKind::Qemu {
        return;
    }
    for (id, flag) in
        [("qemu_binary", "--qemu-binary"), ("accel", "--accel"), ("network", "--network")]
    {
        if options.given.has(id) {
            let text = format!("{flag} is ignored by the driver {driver}: it is for driver qemu");
            context.events.warn("", text);
        }
    }
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error.to_string())
}
