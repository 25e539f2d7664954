//! How a machine is logged in to: its keys, what pins its host key, and the seed with both.
//!
//! Keys are made once, written to the store before the machine that has them is made, and used
//! again if making it has to begin again. So a machine can be trusted from the first packet.

use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use skep_guest::{Access, KeyPair, is_known_hosts, known_hosts_line};
use skep_model::MachineName;
use skep_os::Seed;
use skep_read::limit;
use skep_store::{Layout, kept, layout::MachineLayout, write_private};

use crate::{MachineError, MachineId, Reach, System, identity};

/// The user that a machine is logged in to as, unless it was there before.
pub const USER: &str = "docker";

/// The files of one machine's login.
#[derive(Debug, Clone)]
pub struct Login {
    machine: MachineName,
    files: MachineLayout,
    control: PathBuf,
    engine: PathBuf,
}

impl Login {
    /// That of a machine of the store at `layout` with the id `store`. `sockets` is a directory that
    /// only this user can enter, with a short path. Nothing is touched yet.
    pub fn new(layout: &Layout, sockets: &Path, store: &str, id: &MachineId) -> Self {
        let socket = |kind| identity::socket(sockets, store, id, kind);
        let files = layout.cluster(&id.cluster).machine(&id.machine);
        let machine = id.machine.clone();
        Self { machine, files, control: socket("ssh"), engine: socket("sock") }
    }

    /// The seed of a machine that reads all of it: who may log in, and the host key it has, which is
    /// pinned where the machine is reached. Both keys are made, or found.
    ///
    /// # Errors
    /// [`MachineError::Store`], [`MachineError::Guest`].
    pub fn seed(&self, reach: Reach) -> Result<Seed, MachineError> {
        let login = self.own_key()?;
        let host = key_pair(&self.files.host_key(), &format!("host key of {}", self.machine))?;
        self.pin(reach, &host)?;
        Ok(Seed::new(self.machine.clone(), login.public, host.private))
    }

    /// The seed of a machine that takes nothing of it but who may log in.
    ///
    /// # Errors
    /// As [`Login::seed`].
    pub fn seed_without_host_key(&self) -> Result<Seed, MachineError> {
        Ok(Seed::new(self.machine.clone(), self.own_key()?.public, SecretString::default()))
    }

    /// The way in; without its reach, enough to close its SSH master.
    pub fn access(&self, reach: Option<Reach>) -> Access {
        let reach = reach.unwrap_or(Reach::direct(std::net::Ipv4Addr::UNSPECIFIED));
        Access {
            machine: self.machine.to_string(),
            host: reach.host,
            port: reach.ssh,
            user: USER.into(),
            key: self.files.ssh_key(),
            known_hosts: self.files.known_hosts(),
            control: self.control.clone(),
            engine: self.engine.clone(),
        }
    }

    /// Keeps a private key that was brought along, and its public half where that is known.
    ///
    /// # Errors
    /// [`MachineError::Store`].
    pub fn bring(&self, private: &SecretString, public: Option<&str>) -> Result<(), MachineError> {
        let path = self.files.ssh_key();
        if let Some(public) = public {
            write_private(&path.with_extension("pub"), public.as_bytes())?;
        }
        Ok(kept::write(&path, private.expose_secret().as_bytes())?)
    }

    /// Puts back what a login needs and is damaged or lost: keys from their copies, what pins the host
    /// from the host's own key, where the store has that.
    ///
    /// # Errors
    /// [`MachineError::KeyLost`] if there is nothing to log in with.
    pub fn mend(&self, reach: Reach, system: System) -> Result<(), MachineError> {
        // What is being made has nothing yet, and imported keys may be of another kind.
        if !self.files.directory().exists() {
            return Ok(());
        }
        if system == System::Skep {
            let path = self.files.ssh_key();
            // The host's key is written after it.
            if there(&path)?.is_none() && self.files.host_key().exists() {
                return Err(MachineError::KeyLost { machine: self.machine.clone(), path });
            }
        } else {
            kept::restore(&self.files.ssh_key(), KeyPair::is_private)?;
        }
        let is_pin = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok_and(is_known_hosts);
        if !kept::restore(&self.files.known_hosts(), is_pin)?
            && let Some(host) = there(&self.files.host_key())?
        {
            self.pin(reach, &host)?;
        }
        Ok(())
    }

    fn own_key(&self) -> Result<KeyPair, MachineError> {
        key_pair(&self.files.ssh_key(), &format!("skep {}", self.machine))
    }

    fn pin(&self, reach: Reach, host: &KeyPair) -> Result<(), MachineError> {
        let line = known_hosts_line(reach.host, reach.ssh, &host.public);
        Ok(kept::write(&self.files.known_hosts(), line.as_bytes())?)
    }
}

/// The key pair at `path` and `path.pub`, made if there is no private half. A public half that is lost
/// is made of the private one.
fn key_pair(path: &Path, comment: &str) -> Result<KeyPair, MachineError> {
    if let Some(pair) = there(path)? {
        return Ok(pair);
    }
    let pair = KeyPair::generate(comment)?;
    // The private half first: the other one is made of it, whenever this is interrupted.
    kept::write(path, pair.private.expose_secret().as_bytes())?;
    write_private(&path.with_extension("pub"), format!("{}\n", pair.public).as_bytes())?;
    Ok(pair)
}

/// The key pair at `path`, if its private half is there or in its copy; both halves are then.
fn there(path: &Path) -> Result<Option<KeyPair>, MachineError> {
    if !kept::restore(path, KeyPair::is_private)? {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_of_a_login_is_put_back() {
        let home = tempfile::tempdir().unwrap();
        let id = MachineId { cluster: "c".parse().unwrap(), machine: "m".parse().unwrap() };
        let entry = Login::new(&Layout::new(home.path()), home.path(), "store", &id);
        let files = entry.files.clone();
        let reach = Reach::direct([127, 0, 0, 1].into());
        let login = key_pair(&files.ssh_key(), "skep m").unwrap();
        let host = key_pair(&files.host_key(), "host key of m").unwrap();
        let mend = || entry.mend(reach, System::Skep);
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

    #[test]
    fn a_seed_has_the_keys_that_are_there() {
        let home = tempfile::tempdir().unwrap();
        let id = MachineId { cluster: "c".parse().unwrap(), machine: "m".parse().unwrap() };
        let login = Login::new(&Layout::new(home.path()), home.path(), "store", &id);
        let reach = Reach::direct([127, 0, 0, 1].into());
        let (first, again) = (login.seed(reach).unwrap(), login.seed(reach).unwrap());
        assert_eq!(first.authorized_keys, again.authorized_keys);
        assert_eq!(first.host_key.expose_secret(), again.host_key.expose_secret());
        let alone = login.seed_without_host_key().unwrap();
        assert_eq!(alone.authorized_keys, first.authorized_keys);
        assert!(alone.host_key.expose_secret().is_empty());
        let access = login.access(Some(reach));
        assert!(access.known_hosts.exists() && access.key.exists());
    }
}
