//! Creates a virtual machine with a Docker Engine, uses it over SSH, and removes it:
//!
//!     cargo run -p skep-machine --example virtual_machine DIRECTORY
//!
//! `DIRECTORY` keeps the guest system, which takes a minute to build the first time. Its path must be
//! short, for there are sockets in it.

use std::{error::Error, path::Path, time::Duration};

use skep_context::Context;
use skep_guest::{Command, Guest};
use skep_machine::{
    Driver, DriverKind, Login, MachineId, MachinePlan, Waiter, Work, qemu::QemuDriver,
    subnet::machine_address,
};
use skep_model::Events;
use skep_os::{Builder, Source};
use skep_store::{Journal, Layout, file::create_private_dir};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let layout = Layout::new(std::env::args().nth(1).ok_or("usage: virtual_machine DIRECTORY")?);
    let (systems, sockets) = (layout.os(), layout.root().join("run"));
    create_private_dir(&sockets)?;
    let os = Box::new(move || Ok(Builder::new(&systems, Source::detect(Path::new("/"))?)));
    let (store, options) = ("example", Default::default());
    let driver = QemuDriver::new("/", &layout, &sockets, store, os, options);
    let id = MachineId { cluster: "example".parse()?, machine: "one".parse()? };
    let journal = Journal::open(&layout.cluster(&id.cluster).journal())?;
    let (events, cancel) = (Events::none(), CancellationToken::new());
    let context = Context::new(&events, &cancel).within(Duration::from_secs(300));
    let work = Work { journal: &journal, context };

    let subnet = driver.prepare(&id.cluster, None, work).await?.ok_or("no network")?;
    let address = machine_address(subnet, 0).ok_or("no address")?;
    let reach = driver.reach(&id, address, &DriverKind::Qemu.into())?;
    // A machine is created with its keys: it can be trusted from the first packet.
    let login = Login::new(&layout, &sockets, store, &id);
    let (seed, access) = (login.seed(reach)?, login.access(Some(reach)));
    let plan = MachinePlan::new(id.clone(), address, seed, DriverKind::Qemu.into());
    driver.create(&plan, work).await?;
    driver.start(&id, &cancel).await?;

    let used = async {
        let waiter = Waiter { driver: &driver, id: id.clone(), context };
        let guest = waiter.ready(&access).await?;
        let version = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
        Ok::<_, Box<dyn Error>>(guest.run(&version, &cancel).await?.text().trim().to_owned())
    };
    let used = used.await;

    Guest::forget(&access, &cancel).await?;
    driver.remove(&id, work).await?;
    for left in driver.resources(&id.cluster).await? {
        driver.remove_resource(&id.cluster, &left, work).await?;
    }
    println!("{id} ran Docker {}", used?);
    Ok(())
}
