//! The keys of a machine in the store: its login's, its host's, and what pins that.
//!
//! Keys are made once, written to the store before the machine that has them is made, and used
//! again if making it has to begin again.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use skep_guest::{KeyPair, is_known_hosts, known_hosts_line};
use skep_machine::{Reach, System};
use skep_model::MachineName;
use skep_read::limit;
use skep_store::{layout::MachineLayout, write_private};

use crate::ClusterError;

/// The key pair at `path` and `path.pub`, made if there is no private half. A public half that is lost
/// is made of the private one.
pub(crate) fn key_pair(path: &Path, comment: &str) -> Result<KeyPair, ClusterError> {
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
        let files = skep_store::Layout::new(home.path())
            .cluster(&"c".parse().unwrap())
            .machine(&"m".parse().unwrap());
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
