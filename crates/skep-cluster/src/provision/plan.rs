//! What a machine is made with: its place, its size, and its seed: its name, its keys, the
//! certificates it trusts.

use std::net::Ipv4Addr;

use secrecy::SecretString;
use skep_guest::known_hosts_line;
use skep_machine::{MachinePlan, System};
use skep_os::{Seed, TlsFiles};
use skep_pki::Authority;

use crate::{ClusterError, MachineRecord, engine_options, keys::key_pair, reach::Cluster, tls};

/// The plan that a machine's driver gets.
pub(super) fn plan(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
) -> Result<MachinePlan, ClusterError> {
    let record = cluster.record();
    let system = machine.system();
    Ok(MachinePlan {
        id: cluster.id(machine),
        address: match system {
            // What has only a URL is no node, and has no address among any.
            System::Nothing => Ipv4Addr::UNSPECIFIED,
            _ => cluster.cluster_address(machine)?,
        },
        seed: match system {
            System::Skep => seed(cluster, machine, authority)?,
            System::Boot2docker => key_only(cluster, machine)?,
            System::Found | System::Nothing => no_seed(machine),
        },
        written: cluster.home().settings().now,
        size: machine.size.or(record.size),
        publish: record.publish.clone(),
        options: machine.options.clone(),
    })
}

/// Makes, or finds, a machine's keys and writes its seed, with everything but its
/// network, which only its driver knows.
fn seed(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
) -> Result<Seed, ClusterError> {
    let home = cluster.home();
    let reach = cluster.reach(machine)?;
    let files = cluster.files(&machine.name);
    let login = key_pair(&files.ssh_key(), &format!("skep {}", machine.name))?;
    let host = key_pair(&files.host_key(), &format!("host key of {}", machine.name))?;
    // Pinned before the machine exists, so that even its first connection is verified.
    let pin = known_hosts_line(reach.host, reach.ssh, &host.public);
    skep_store::kept::write(&files.known_hosts(), format!("{pin}\n").as_bytes())?;
    let names = tls::server_names(cluster, machine)?;
    let server = authority.issue_server(&names, home.settings().now)?;
    let mut seed = Seed::new(machine.name.clone(), login.public, host.private);
    seed.tls = Some(TlsFiles {
        ca: authority.certificate_pem().to_owned(),
        certificate: server.certificate_pem,
        key: server.key_pem,
    });
    seed.engine_options = engine_options::daemon_json(&machine.engine)?;
    seed.certificates = cluster.record().anchors_of(machine);
    Ok(seed)
}

/// The seed of a machine that takes nothing of it but the login key; the rest is done over SSH.
fn key_only(cluster: &Cluster, machine: &MachineRecord) -> Result<Seed, ClusterError> {
    let login =
        key_pair(&cluster.files(&machine.name).ssh_key(), &format!("skep {}", machine.name))?;
    Ok(Seed::new(machine.name.clone(), login.public, SecretString::from(String::new())))
}

/// The seed of a machine that takes none.
fn no_seed(machine: &MachineRecord) -> Seed {
    Seed::new(machine.name.clone(), String::new(), SecretString::from(String::new()))
}
