//! Creates a virtual machine with a Docker Engine, uses it over SSH, and removes it:
//!
//!     cargo run -p skep-machine --example virtual_machine DIRECTORY
//!
//! `DIRECTORY` keeps the guest system, which takes a minute to build the first time. Its path must be
//! short, for there are sockets in it.

use std::{error::Error, path::Path, time::Duration};

use secrecy::ExposeSecret as _;
use skep_context::Context;
use skep_guest::{
    Access, Command, Guest, GuestError, KeyPair, Requirement, known_hosts_line, wait_until_ready,
};
use skep_machine::{Driver, DriverKind, MachineId, MachinePlan, Work, qemu::QemuDriver};
use skep_model::{Events, Size};
use skep_os::{Builder, Seed, Source};
use skep_store::{Journal, Layout, write_private};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let layout = Layout::new(std::env::args().nth(1).ok_or("usage: virtual_machine DIRECTORY")?);
    let (systems, sockets) = (layout.os(), layout.root().join("run"));
    skep_store::file::create_private_dir(&sockets)?;
    let os = move || Ok(Builder::new(&systems, Source::detect(Path::new("/"))?));
    let driver = QemuDriver::new(
        "/",
        layout.clone(),
        sockets.clone(),
        "example",
        Box::new(os),
        Default::default(),
    );
    let id = MachineId { cluster: "example".parse()?, machine: "one".parse()? };
    let files = layout.cluster(&id.cluster).machine(&id.machine);
    let journal = Journal::open(&layout.cluster(&id.cluster).journal())?;
    let (events, cancel) = (Events::none(), CancellationToken::new());
    let work = Work { journal: &journal, context: Context::new(&events, &cancel) };

    // A machine is created with its keys: it can be trusted from the first packet.
    let (login, host) = (KeyPair::generate("login")?, KeyPair::generate("host")?);
    write_private(&files.ssh_key(), login.private.expose_secret().as_bytes())?;
    let subnet = driver.prepare(&id.cluster, None, work).await?.ok_or("no network")?;
    let plan = MachinePlan {
        id: id.clone(),
        address: subnet.hosts().nth(99).ok_or("no address")?,
        seed: Seed::new(id.machine.clone(), login.public, host.private),
        written: std::time::UNIX_EPOCH,
        size: Size::default(),
        publish: Vec::new(),
        options: DriverKind::Qemu.into(),
    };
    let reach = driver.reach(&id, plan.address, &plan.options)?;
    let pin = known_hosts_line(reach.host, reach.ssh, &host.public);
    write_private(&files.known_hosts(), pin.as_bytes())?;
    driver.create(&plan, work).await?;
    driver.start(&id, &cancel).await?;

    let access = Access {
        machine: id.to_string(),
        host: reach.host,
        port: reach.ssh,
        user: "docker".into(),
        key: files.ssh_key(),
        known_hosts: files.known_hosts(),
        control: sockets.join("ssh"),
        engine: sockets.join("engine"),
    };
    let used = use_it(&access, &events, &cancel).await;

    Guest::forget(&access, &cancel).await?;
    driver.remove(&id, work).await?;
    for left in driver.resources(&id.cluster).await? {
        driver.remove_resource(&id.cluster, &left, work).await?;
    }
    println!("{id} ran Docker {}", used?);
    Ok(())
}

/// The release of the machine's engine, once that answers.
async fn use_it(
    access: &Access,
    events: &Events,
    cancel: &CancellationToken,
) -> Result<String, GuestError> {
    let patience = Duration::from_secs(300);
    let guest = Guest::wait(access, patience, events, cancel).await?;
    let needs = [Requirement::engine()];
    wait_until_ready(&guest, &needs, patience, events, cancel).await?;
    let version = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]);
    Ok(guest.run(&version, cancel).await?.text().trim().to_owned())
}
