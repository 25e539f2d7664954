//! Real guests behind the machines: containers of skep's guest system on the host's engine.
//!
//! A machine's container gets the seed of its configuration disk, the address that the seed's
//! `network` file gives its host-only card, and a network of the host-only interface's range, whose
//! bridge has the interface's name. So everything beyond VirtualBox is as it would be: the host
//! reaches the guest at that address, the guest does as its power button says, and its files stay.

use std::io::{Cursor, Read as _};

use ipnet::Ipv4Net;

use super::{
    Settings,
    settings::Guests,
    state::{Card, Directory, Interface, Machine, State},
};
use crate::{Ran, host::docker};

/// Where a seed is.
const SEED: &str = "var/lib/skep/seed/";

/// The disk with the machine's seed, as far as it is there.
fn seed(machine: &Machine) -> Option<Vec<u8>> {
    machine.attachments().filter(|one| one.kind == "hdd").find_map(|one| {
        let mut file = fs_err::File::open(one.medium.as_ref()?).ok()?;
        let mut start = [0; 7];
        file.read_exact(&mut start).ok()?;
        (&start == b"var/lib").then(|| fs_err::read(one.medium.as_ref()?).ok()).flatten()
    })
}

/// The seed as a container takes it, whose network is its engine's affair; and the addresses it
/// says, one line for each network card.
fn for_container(seed: &[u8]) -> std::io::Result<(Vec<u8>, String)> {
    let (mut network, mut kept) = (String::new(), tar::Builder::new(Vec::new()));
    for entry in tar::Archive::new(Cursor::new(seed)).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path.to_string_lossy() == format!("{SEED}network") {
            entry.read_to_string(&mut network)?;
            continue;
        }
        let header = entry.header().clone();
        kept.append(&header, entry)?;
    }
    Ok((kept.into_inner()?, network))
}

fn colons(mac: &str) -> String {
    let bytes: Vec<_> = mac.as_bytes().chunks(2).map(String::from_utf8_lossy).collect();
    bytes.join(":").to_lowercase()
}

/// What the engine refused, as one line.
fn done(ran: &Ran) -> Result<(), String> {
    if ran.code == Some(0) { Ok(()) } else { Err(format!("{ran}").replace('\n', "; ")) }
}

/// Starts the container behind a machine, and makes it the first time. Its id.
pub(super) fn start(
    machine: &Machine,
    state: &State,
    settings: &Settings,
    directory: &Directory,
) -> Result<Option<String>, String> {
    let Guests::Containers { image, label } = &settings.guests else { return Ok(None) };
    let Some(seed) = seed(machine) else { return Ok(None) };
    let (files, network) = for_container(&seed).map_err(|error| error.to_string())?;
    let name = match &machine.container {
        Some(name) => name.clone(),
        None => {
            let (interface, card) = host_only(machine, state)?;
            let lock = directory.lock("guests.lock").map_err(|error| error.to_string())?;
            make_network(interface, label)?;
            let privileges = privileges(image, directory);
            drop(lock);
            create(machine, interface, card, &network, &privileges, image, label)?
        }
    };
    // A changed seed is taken at each start; the guest compares its digest with that of the one it
    // has applied.
    let copied = docker(["cp", "-", &format!("{name}:/")]).stdin(files).ends();
    done(&copied)?;
    done(&docker(["start", &name]).ends())?;
    Ok(Some(name))
}

fn host_only<'a>(
    machine: &'a Machine,
    state: &'a State,
) -> Result<(&'a Interface, &'a Card), String> {
    let mut cards = machine.cards.iter();
    let card = cards.find(|card| card.attached == "hostonly").ok_or("no host-only card")?;
    let mut interfaces = state.interfaces.iter();
    let interface = interfaces.find(|one| one.name == card.interface).ok_or("no interface")?;
    Ok((interface, card))
}

/// The engine's network in an interface's place.
fn network_name(interface: &Interface) -> String {
    format!("skep-vbox-{}", interface.uuid)
}

fn range(interface: &Interface) -> Result<Ipv4Net, String> {
    let range = Ipv4Net::with_netmask(interface.address, interface.mask);
    Ok(range.map_err(|error| error.to_string())?.trunc())
}

fn make_network(interface: &Interface, label: &str) -> Result<(), String> {
    let name = network_name(interface);
    if crate::host::has("network", &name) {
        return Ok(());
    }
    let subnet = format!("--subnet={}", range(interface)?);
    let gateway = format!("--gateway={}", interface.address);
    let bridge = format!("--opt=com.docker.network.bridge.name={}", interface.name);
    let made = docker(["network", "create", &subnet, &gateway, &bridge, "--label", label, &name]);
    done(&made.ends())
}

fn create(
    machine: &Machine,
    interface: &Interface,
    card: &Card,
    network: &str,
    privileges: &[&str],
    image: &str,
    label: &str,
) -> Result<String, String> {
    let mac = colons(&card.mac);
    let line = network.lines().find(|line| line.to_lowercase().starts_with(&mac));
    let address = line.and_then(|line| line.split_whitespace().nth(1)?.split('/').next());
    let address = address.ok_or_else(|| format!("the seed has no address for {mac}: {network}"))?;
    let name = format!("skep-vbox-{}", machine.uuid);
    let network = network_name(interface);
    let mut words = vec!["create", "--name", &name, "--network", &network, "--ip", address];
    words.extend(["--hostname", &machine.name, "--label", label]);
    words.extend(["--volume", "/var/lib/docker", "--tmpfs", "/run:exec", "--tmpfs", "/tmp:exec"]);
    if std::path::Path::new("/lib/modules").is_dir() {
        words.extend(["--volume", "/lib/modules:/lib/modules:ro"]);
    }
    words.extend(privileges);
    words.push(image);
    done(&docker(words).ends())?;
    Ok(name)
}

/// The privileges of a container that runs an engine: full, or as many as this host allows. Found
/// out once per fake VirtualBox.
fn privileges(image: &str, directory: &Directory) -> Vec<&'static str> {
    let found = directory.0.join("privileged");
    let is_full = fs_err::read_to_string(&found).map(|text| text == "yes").unwrap_or_else(|_| {
        let tried = docker(["run", "--rm", "--privileged", "--entrypoint", "true", image]).ends();
        let is_full = tried.code == Some(0);
        // A later call that cannot read it tries again.
        let _ = fs_err::write(&found, if is_full { "yes" } else { "no" });
        is_full
    });
    if is_full {
        return vec!["--privileged", "--cgroupns=private"];
    }
    vec![
        "--cap-add=ALL",
        "--cap-drop=SYS_RESOURCE",
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        "--security-opt=systempaths=unconfined",
        "--device-cgroup-rule=a *:* rwm",
        "--cgroupns=private",
    ]
}

/// Whether the container behind a machine runs.
pub(super) fn runs(container: &str) -> bool {
    docker(["container", "inspect", "--format", "{{.State.Running}}", container]).ends().text()
        == "true"
}

pub(super) fn press_the_button(container: &str) {
    docker(["kill", "--signal", "TERM", container]).ends();
}

pub(super) fn cut_the_power(container: &str) {
    docker(["kill", container]).ends();
}

pub(super) fn reset(container: &str) {
    docker(["restart", "--time", "0", container]).ends();
}

pub(super) fn pause(container: &str, resume: bool) {
    docker([if resume { "unpause" } else { "pause" }, container]).ends();
}

/// Takes away what stood behind machines and interfaces that are gone.
pub(super) fn remove(before: &State, after: &State) {
    for machine in &before.machines {
        let there = after.machines.iter().any(|one| one.uuid == machine.uuid);
        if let (false, Some(container)) = (there, &machine.container) {
            docker(["rm", "--force", "--volumes", container]).ends();
        }
    }
    for interface in &before.interfaces {
        if !after.interfaces.iter().any(|one| one.uuid == interface.uuid) {
            docker(["network", "rm", &network_name(interface)]).ends();
        }
    }
}
