//! What machines are wanted: from the command line's words to the libraries' terms.

use skep_cluster::Desired;
use skep_machine::{DriverKind, qemu};
use skep_model::Size;

use crate::{args::Wish, context::Context, failure::Failure};

/// The driver that was named; `None` for `auto`.
pub(super) fn driver(wish: &Wish) -> Result<Option<DriverKind>, Failure> {
    match wish.driver.as_str() {
        "auto" => Ok(None),
        name => name.parse().map(Some).map_err(usage),
    }
}

/// The options of the driver `qemu`.
fn qemu(wish: &Wish) -> Result<qemu::Options, Failure> {
    let accel = match wish.accel.as_str() {
        "auto" => None,
        name => Some(name.parse().map_err(usage)?),
    };
    let segment = wish.network.as_deref().map(str::parse).transpose().map_err(usage)?;
    Ok(qemu::Options { binary: wish.qemu_binary.clone(), accel, segment })
}

/// Everything but the certificates.
pub(super) fn desired(wish: &Wish) -> Result<Desired, Failure> {
    Ok(Desired {
        driver: driver(wish)?,
        qemu: qemu(wish)?,
        managers: wish.managers,
        workers: wish.workers,
        subnet: wish.subnet,
        ca_certificates: Vec::new(),
        size: size(wish),
        publish: wish.publish.clone(),
        replace_swarm: false,
    })
}

pub(super) fn size(wish: &Wish) -> Size {
    Size {
        memory: wish.memory.map(|bytes| bytes.0),
        cpus: wish.cpus,
        disk: wish.disk_size.map(|bytes| bytes.0),
    }
}

/// Warns of the flags that mean something to the driver `qemu` only, given to another.
pub(super) fn warn_of_ignored(context: &Context, driver: DriverKind, wish: &Wish) {
    if driver == DriverKind::Qemu {
        return;
    }
    for (id, flag) in
        [("qemu_binary", "--qemu-binary"), ("accel", "--accel"), ("network", "--network")]
    {
        if wish.given.has(id) {
            let text = format!("{flag} is ignored by the driver {driver}: it is for driver qemu");
            context.events.warn("", text);
        }
    }
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error.to_string())
}
