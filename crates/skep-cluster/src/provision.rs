//! What a machine is told before it starts: who it is, who may log in, whom it trusts.
//!
//! Keys are made once, written to the store before the machine that has them is made, and used
//! again if making it has to begin again.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use skep_guest::{Guest, KeyPair, Member, is_known_hosts, known_hosts_line};
use skep_machine::{Reach, System};
use skep_model::MachineName;
use skep_os::{Seed, TlsFiles};
use skep_pki::{Authority, needs_renewal};
use skep_read::limit;
use skep_store::{layout::MachineLayout, write_private};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, engine_options, reach::Cluster};

/// Makes, or finds, a machine's keys and writes the seed that tells it everything but its
/// network, which is its driver's to know.
pub(crate) fn seed(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
) -> Result<Seed, ClusterError> {
    let home = cluster.home();
    let reach = cluster.reach(machine)?;
    let files = home.layout().cluster(cluster.record().name.as_str());
    let files = files.machine(machine.name.as_str());
    let login = key_pair(&files.ssh_key(), &format!("skep {}", machine.name))?;
    let host = key_pair(&files.host_key(), &format!("host key of {}", machine.name))?;
    let pin = known_hosts_line(reach.host, reach.ssh, &host.public);
    skep_store::kept::write(&files.known_hosts(), format!("{pin}\n").as_bytes())?;
    let names = server_names(cluster, machine)?;
    let server = authority.issue_server(&names, home.settings().now)?;
    let mut seed = Seed::new(machine.name.clone(), login.public, host.private);
    seed.tls = Some(TlsFiles {
        ca: authority.certificate_pem().to_owned(),
        certificate: server.certificate_pem,
        key: server.key_pem,
    });
    seed.engine_options = engine_options::daemon_json(&machine.engine)?;
    seed.certificates = cluster.record().wished(machine);
    Ok(seed)
}

/// The seed of a machine that takes nothing of it but who may log in; the rest is told over SSH.
pub(crate) fn key_only(cluster: &Cluster, machine: &MachineRecord) -> Result<Seed, ClusterError> {
    let files = cluster.home().layout().cluster(cluster.record().name.as_str());
    let files = files.machine(machine.name.as_str());
    let login = key_pair(&files.ssh_key(), &format!("skep {}", machine.name))?;
    Ok(Seed::new(machine.name.clone(), login.public, SecretString::from(String::new())))
}

/// The seed of a machine that takes none.
pub(crate) fn no_seed(machine: &MachineRecord) -> Seed {
    Seed::new(machine.name.clone(), String::new(), SecretString::from(String::new()))
}

/// Where a machine's engine reads its TLS files; see `docs/guest-os.md`.
const TLS_FILES: &str = "/var/lib/skep/seed/tls";

/// Whether the certificate of a machine's engine should be replaced.
pub(crate) async fn server_is_due(
    cluster: &Cluster,
    machine: &MachineRecord,
    guest: &Guest,
    cancel: &CancellationToken,
) -> Result<bool, ClusterError> {
    let names = server_names(cluster, machine)?;
    let held = guest.read_file(&format!("{TLS_FILES}/server-cert.pem"), cancel).await?;
    let now = cluster.home().settings().now;
    Ok(needs_renewal(&String::from_utf8_lossy(&held), &names, now))
}

/// Gives a machine's engine a new certificate. It reads that when it is restarted, which is its
/// caller's to do, and due until then.
pub(crate) async fn renew_server(
    cluster: &Cluster,
    machine: &MachineRecord,
    authority: &Authority,
    guest: &Guest,
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let names = server_names(cluster, machine)?;
    let server = authority.issue_server(&names, cluster.home().settings().now)?;
    let key = server.key_pem.expose_secret().as_bytes();
    let certificate = server.certificate_pem.as_bytes();
    // The certificate last: until it is there, it is due.
    let files = [
        Member { name: "server-key.pem", mode: 0o600, bytes: key },
        Member { name: "server-cert.pem", mode: 0o644, bytes: certificate },
    ];
    Ok(guest.write_engine_files(TLS_FILES, &files, cancel).await?)
}

/// The names a machine's engine is reached under over TCP.
pub(crate) fn server_names(
    cluster: &Cluster,
    machine: &MachineRecord,
) -> Result<Vec<String>, ClusterError> {
    let address = cluster.address(machine)?.to_string();
    let host = cluster.reach(machine)?.host.to_string();
    let mut names = vec![machine.name.to_string(), host, "localhost".into(), "127.0.0.1".into()];
    for name in std::iter::once(&address).chain(&machine.engine.tls_sans) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

/// The key pair at `path` and `path.pub`, made if there is no private half. A public half that is lost
/// is made of the private one.
fn key_pair(path: &Path, comment: &str) -> Result<KeyPair, ClusterError> {
    if let Some(pair) = there(path)? {
        return Ok(pair);
    }
    let pair = KeyPair::generate(comment)?;
    // The private half first: the other one is made of it, whenever this is interrupted.
    skep_store::kept::write(path, pair.private.expose_secret().as_bytes())?;
    write_private(&path.with_extension("pub"), format!("{}\n", pair.public).as_bytes())?;
    Ok(pair)
}

/// The key pair at `path`, if its private half is there or in its copy; both halves are then.
fn there(path: &Path) -> Result<Option<KeyPair>, ClusterError> {
    if !skep_store::kept::restore(path, KeyPair::is_private)? {
        return Ok(None);
    }
    let Ok(text) = skep_read::text(path, limit::KEY) else { return Ok(None) };
    let Some(pair) = KeyPair::of_private(text.as_bytes()) else {
        // A key that was brought along, in a format of which the public half is not made here: it
        // is never replaced, for it is what the machine knows.
        let public = skep_read::text(path.with_extension("pub"), limit::KEY).unwrap_or_default();
        let public = public.trim_end().to_owned();
        return Ok(Some(KeyPair { private: SecretString::from(text), public }));
    };
    let (path, line) = (path.with_extension("pub"), format!("{}\n", pair.public));
    if skep_read::text(&path, limit::KEY).ok().as_deref() != Some(&line) {
        write_private(&path, line.as_bytes())?;
    }
    Ok(Some(pair))
}

/// Puts back what a login needs and is damaged or lost: keys from their copies, what pins the host
/// from the host's own key, where the store has that.
///
/// # Errors
/// [`ClusterError::KeyLost`] if there is nothing to log in with.
pub(crate) fn mend_login(
    files: &MachineLayout,
    machine: &MachineName,
    reach: &Reach,
    system: System,
) -> Result<(), ClusterError> {
    // What is being made has nothing yet, and imported keys may be of another kind.
    if !files.directory().exists() {
        return Ok(());
    }
    if system == System::Skep {
        let path = files.ssh_key();
        // The host's key is written after it.
        if there(&path)?.is_none() && files.host_key().exists() {
            return Err(ClusterError::KeyLost { machine: machine.clone(), path });
        }
    } else {
        skep_store::kept::restore(&files.ssh_key(), KeyPair::is_private)?;
    }
    let is_pin = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(is_known_hosts);
    let pin = files.known_hosts();
    if !skep_store::kept::restore(&pin, is_pin)?
        && let Some(host) = there(&files.host_key())?
    {
        let line = known_hosts_line(reach.host, reach.ssh, &host.public);
        skep_store::kept::write(&pin, line.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_login_is_put_back() {
        let home = tempfile::tempdir().unwrap();
        let files = skep_store::Layout::new(home.path()).cluster("c").machine("m");
        let reach = Reach::direct([127, 0, 0, 1].into());
        let name: MachineName = "m".parse().unwrap();
        let login = key_pair(&files.ssh_key(), "skep m").unwrap();
        let host = key_pair(&files.host_key(), "host key of m").unwrap();
        let mend = || mend_login(&files, &name, &reach, System::Skep);
        mend().unwrap();
        let pin = known_hosts_line(reach.host, reach.ssh, &host.public);
        let all = [
            files.ssh_key(),
            files.ssh_key().with_extension("pub"),
            files.host_key(),
            files.known_hosts(),
        ];
        let good: Vec<_> = all.iter().map(|path| fs_err::read(path).unwrap()).collect();
        assert_eq!(good[3], pin.as_bytes());
        assert_eq!(good[1], format!("{}\n", login.public).as_bytes());
        for (path, good) in all.iter().zip(&good) {
            for damage in [Some(&b""[..]), Some(b"\x00\xff\x80"), None] {
                match damage {
                    Some(bytes) => fs_err::write(path, bytes).unwrap(),
                    None => fs_err::remove_file(path).unwrap(),
                }
                mend().unwrap();
                if *path != files.host_key() {
                    assert_eq!(fs_err::read(path).unwrap(), *good, "{}", path.display());
                }
            }
        }
        // With its copy gone, too, the pin is made of the host's key; without either key, it is said.
        fs_err::remove_file(files.known_hosts()).unwrap();
        skep_store::file::remove(&files.known_hosts()).unwrap();
        mend().unwrap();
        assert_eq!(fs_err::read(files.known_hosts()).unwrap(), pin.as_bytes());
        skep_store::file::remove(&files.ssh_key()).unwrap();
        let error = mend().unwrap_err().to_string();
        assert!(error.contains("id_ed25519") && !error.contains("down"), "{error}");
    }
}
