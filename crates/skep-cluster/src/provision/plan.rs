//! What a machine is made with: its place, its size, and its seed: its name, its keys, the
//! certificates it trusts.

use std::net::Ipv4Addr;

use secrecy::SecretString;
use skep_machine::{MachinePlan, System};
use skep_os::{Seed, TlsFiles};
use skep_pki::Authority;

use crate::{ClusterError, MachineRecord, engine_options, reach::Cluster, tls};

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
            System::Boot2docker => cluster.login(machine).seed_without_host_key()?,
            System::Found | System::Nothing => no_seed(machine),
        },
        written: cluster.home().settings().now,
        size: machine.size.or(record.size),
        publish: record.publish.clone(),
        options: machine.options.clone(),
    })
}

/// The seed, with everything but the machine's network, which only its driver knows.
fn seed(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
) -> Result<Seed, ClusterError> {
    let mut seed = cluster.login(machine).seed(cluster.reach(machine)?)?;
    let names = tls::server_names(cluster, machine)?;
    let server = authority.issue_server(&names, cluster.home().settings().now)?;
    seed.tls = Some(TlsFiles {
        ca: authority.certificate_pem().to_owned(),
        certificate: server.certificate_pem,
        key: server.key_pem,
    });
    seed.engine_options = engine_options::daemon_json(&machine.engine)?;
    seed.certificates = cluster.record().anchors_of(machine);
    Ok(seed)
}

/// The seed of a machine that takes none.
fn no_seed(machine: &MachineRecord) -> Seed {
    Seed::new(machine.name.clone(), String::new(), SecretString::from(String::new()))
}
