//! What one machine reads at its first boot: a versioned, plain tar.
//!
//! ```text
//! var/lib/skep/seed/
//!   version                        "2\n"
//!   digest                         sha256 of all the rest, in hex: whether the seed is a new one
//!   hostname
//!   authorized_keys                public keys that may log in
//!   ssh_host_ed25519_key           0600: the machine's own host key
//!   tls/{ca,server-cert,server-key}.pem   the engine's TLS endpoint; the key 0600
//!   ca-certificates/skep-<16 hex>.crt     roots to trust, one each
//!   certs.d/HOST[:PORT]/skep-<16 hex>.crt roots to trust for one registry
//!   daemon.json                    further engine options
//!   network                        addresses of network cards, a line for each
//! ```
//!
//! The certificates' names are [`CaCertificate::file_name`](skep_pki::CaCertificate::file_name)'s.
//! Everything belongs to root. `docs/guest-os.md` describes what the guest does with each file.

use std::{
    collections::BTreeMap,
    fmt,
    io::Write as _,
    net::Ipv4Addr,
    time::{SystemTime, UNIX_EPOCH},
};

use ipnet::Ipv4Net;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use skep_model::MachineName;
use skep_pki::Anchor;

use crate::definition::hex;

/// The version of the seed's format.
pub const VERSION: u32 = 2;

/// Where the seed lies in the guest, with a slash before it.
pub const DIRECTORY: &str = "var/lib/skep/seed";

/// Engine options the guest sets itself; the engine refuses to start if it receives one twice.
const RESERVED: [&str; 6] = ["hosts", "tls", "tlsverify", "tlscacert", "tlscert", "tlskey"];

/// Why a seed cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// A public key that would break the file it goes to.
    #[error("an authorized key must be one line; this one is not: {:?}…", .0.chars().take(20).collect::<String>())]
    AuthorizedKey(String),
    /// A network card's address that is none.
    #[error(
        "`{0}` is not the hardware address of a network card: write it as in 52:54:00:12:34:56"
    )]
    Mac(String),
    /// An engine option that is not for the seed to set.
    #[error("the engine option `{0}` is set by the guest itself: leave it out")]
    ReservedOption(String),
}

/// One network card of a machine, and what is set on it. A container's network is its engine's
/// matter: it has none of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The card's hardware address: six pairs of hex digits with colons.
    pub mac: String,
    /// The machine's own address, with the network's prefix length: `192.168.99.100/24`.
    pub address: Ipv4Net,
    /// Where packets for everywhere else go; at most one card of a machine has this.
    pub gateway: Option<Ipv4Addr>,
    pub nameservers: Vec<Ipv4Addr>,
}

impl Interface {
    /// `MAC ADDRESS/PREFIX GATEWAY|- [NAMESERVER...]`
    fn line(&self) -> Result<String, SeedError> {
        let pairs: Vec<&str> = self.mac.split(':').collect();
        let is_pair =
            |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit());
        if pairs.len() != 6 || !pairs.iter().all(is_pair) {
            return Err(SeedError::Mac(self.mac.clone()));
        }
        let gateway = self.gateway.map_or("-".to_owned(), |gateway| gateway.to_string());
        // The kernel shows these addresses in lower case.
        let mut line = format!("{} {} {gateway}", self.mac.to_ascii_lowercase(), self.address);
        for server in &self.nameservers {
            line.push_str(&format!(" {server}"));
        }
        line.push('\n');
        Ok(line)
    }
}

/// The TLS files of the engine's endpoint on port 2376, in PEM.
#[derive(Clone)]
pub struct TlsFiles {
    /// The CA that client certificates must come from.
    pub ca: String,
    pub certificate: String,
    pub key: SecretString,
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

/// What one machine reads at its first boot.
#[derive(Debug, Clone)]
pub struct Seed {
    pub hostname: MachineName,
    /// Public keys that may log in, one line each, in OpenSSH's format.
    pub authorized_keys: Vec<String>,
    /// The machine's own ed25519 host key: a private key in OpenSSH's format.
    pub host_key: SecretString,
    /// The engine's TLS endpoint; without it the engine listens on its unix socket only.
    pub tls: Option<TlsFiles>,
    /// CA certificates to trust, for everything or for one registry.
    pub certificates: Vec<Anchor>,
    /// Further engine options, as in `daemon.json`.
    pub engine_options: serde_json::Map<String, serde_json::Value>,
    /// Network cards, of a machine that is not a container.
    pub network: Vec<Interface>,
}

impl Seed {
    /// A seed with what every machine has; the rest is empty.
    pub fn new(
        hostname: MachineName,
        authorized_key: impl Into<String>,
        host_key: SecretString,
    ) -> Self {
        Self {
            hostname,
            authorized_keys: vec![authorized_key.into()],
            host_key,
            tls: None,
            certificates: Vec::new(),
            engine_options: serde_json::Map::new(),
            network: Vec::new(),
        }
    }

    /// The seed as a tar to unpack at the root of the machine's file system. The same seed and
    /// `mtime` give the same bytes.
    ///
    /// # Errors
    /// [`SeedError`], naming what does not fit.
    pub fn to_tar(&self, mtime: SystemTime) -> Result<Vec<u8>, SeedError> {
        let mut files = self.files()?;
        let mut hash = Sha256::new();
        for (path, file) in &files {
            for part in [path.as_bytes(), &file.content] {
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part);
            }
        }
        files.insert("digest".into(), File::public(format!("{}\n", hex(&hash.finalize()))));
        let seconds = mtime.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(archive(&files, seconds))
    }

    fn files(&self) -> Result<BTreeMap<String, File>, SeedError> {
        let mut files = BTreeMap::new();
        files.insert("version".into(), File::public(format!("{VERSION}\n")));
        files.insert("hostname".into(), File::public(format!("{}\n", self.hostname)));
        files.insert("authorized_keys".into(), File::public(self.authorized_keys_file()?));
        files.insert("ssh_host_ed25519_key".into(), File::secret(&self.host_key));
        if let Some(tls) = &self.tls {
            files.insert("tls/ca.pem".into(), File::public(&*tls.ca));
            files.insert("tls/server-cert.pem".into(), File::public(&*tls.certificate));
            files.insert("tls/server-key.pem".into(), File::secret(&tls.key));
        }
        for Anchor { registry, certificate } in &self.certificates {
            let directory = match registry {
                None => "ca-certificates".to_owned(),
                Some(registry) => format!("certs.d/{registry}"),
            };
            let name = format!("{directory}/{}", certificate.file_name());
            files.insert(name, File::public(certificate.pem()));
        }
        if let Some(option) = RESERVED.iter().find(|key| self.engine_options.contains_key(**key)) {
            return Err(SeedError::ReservedOption((*option).into()));
        }
        if !self.engine_options.is_empty() {
            let options = serde_json::Value::Object(self.engine_options.clone());
            files.insert("daemon.json".into(), File::public(format!("{options:#}\n")));
        }
        if !self.network.is_empty() {
            let lines = self.network.iter().map(Interface::line).collect::<Result<String, _>>()?;
            files.insert("network".into(), File::public(lines));
        }
        Ok(files)
    }

    fn authorized_keys_file(&self) -> Result<String, SeedError> {
        let mut text = String::new();
        for key in &self.authorized_keys {
            let line = key.trim();
            if line.is_empty() || line.contains(char::is_control) {
                return Err(SeedError::AuthorizedKey(key.clone()));
            }
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }
}

struct File {
    mode: u32,
    content: Vec<u8>,
}

impl File {
    fn public(content: impl Into<String>) -> Self {
        Self { mode: 0o644, content: content.into().into_bytes() }
    }

    fn secret(content: &SecretString) -> Self {
        let mut content = content.expose_secret().as_bytes().to_vec();
        // sshd takes a key without its last line's end for a broken one.
        if content.last() != Some(&b'\n') {
            content.push(b'\n');
        }
        Self { mode: 0o600, content }
    }
}

/// Packs the files, each directory before what is in it, all owned by root.
fn archive(files: &BTreeMap<String, File>, mtime: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut made = std::collections::BTreeSet::new();
    for path in ["var/lib/skep", DIRECTORY] {
        made.insert(path.to_owned());
        append(&mut tar, &format!("{path}/"), tar::EntryType::Directory, 0o755, &[], mtime);
    }
    for (path, file) in files {
        let path = format!("{DIRECTORY}/{path}");
        for (end, _) in path.match_indices('/') {
            let directory = &path[..end];
            if directory.len() > DIRECTORY.len() && made.insert(directory.to_owned()) {
                let name = format!("{directory}/");
                append(&mut tar, &name, tar::EntryType::Directory, 0o755, &[], mtime);
            }
        }
        append(&mut tar, &path, tar::EntryType::Regular, file.mode, &file.content, mtime);
    }
    finish(tar)
}

/// Adds one entry. Writing to memory cannot fail, and no path here is too long for the format.
pub(crate) fn append(
    tar: &mut tar::Builder<Vec<u8>>,
    path: &str,
    kind: tar::EntryType,
    mode: u32,
    content: &[u8],
    mtime: u64,
) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content).expect("a tar in memory takes any entry");
}

pub(crate) fn finish(tar: tar::Builder<Vec<u8>>) -> Vec<u8> {
    let mut bytes = tar.into_inner().expect("a tar in memory can be finished");
    bytes.flush().expect("memory needs no flushing");
    bytes
}

#[cfg(test)]
mod tests {
    use std::{io::Read, time::Duration};

    use skep_pki::CaCertificate;

    use super::*;

    const ONE: &str = "-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIUUItj/TpXXXHltyYb90bweXrp1kUwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDT25lMB4XDTI2MTEyNzEyMDM1NFoXDTM2MTEyNDEyMDM1NFow
DjEMMAoGA1UEAwwDT25lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEP8JvpUbV
GR1X/82WB0sOb+KAENSXoMWks+Pz4tJt2xshewV/URvxd2l6rsFhtlYOx+/yZsN3
uZQqblfnXLipu6NTMFEwHQYDVR0OBBYEFOYLYAriFOSF0WcCqfkDbwIoj9hlMB8G
A1UdIwQYMBaAFOYLYAriFOSF0WcCqfkDbwIoj9hlMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhAI16M2kcR5ECsXWMI3rap48HkCSvGrFcYHd0jd7Q
BW/dAiEAwa7zf6TAqBdty65PV0GNl7TMDxvrne0pRPPhYK+nvUM=
-----END CERTIFICATE-----
";

    const TWO: &str = "-----BEGIN CERTIFICATE-----
MIIBcDCCARegAwIBAgIUA5SOWCXLhifdresS3DRF6WmkheQwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDVHdvMB4XDTI2MTEyNzEyMDM1NFoXDTM2MTEyNDEyMDM1NFow
DjEMMAoGA1UEAwwDVHdvMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY9qq3bB6
BN/r22jgQlT+Ych1Kwh6mUhn0aaFfkELXLzxTMSz2KQFUs+q4BY/+Mpbowdhh/M5
kFCAUfSYbp8CoaNTMFEwHQYDVR0OBBYEFJknSBkzGoiUyArvhtdIpr+s/cUJMB8G
A1UdIwQYMBaAFJknSBkzGoiUyArvhtdIpr+s/cUJMA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDRwAwRAIgIKFnfMIWJ0MroXrJq2FvDcavlcpo6mXFQLiC8JA8
ewYCIFxS7gOS+pfzzkTwQCvBW5CRKgNsyar9FvG1SH7v3Y35
-----END CERTIFICATE-----
";

    fn anchor(pem: &str, registry: Option<&str>) -> Anchor {
        let registry = registry.map(|name| name.parse().unwrap());
        Anchor { registry, certificate: CaCertificate::from_pem(pem).unwrap() }
    }

    fn seed() -> Seed {
        let mut seed = Seed::new(
            "worker1".parse().unwrap(),
            "ssh-ed25519 AAAA me\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nhoney".into(),
        );
        seed.tls = Some(TlsFiles {
            ca: "CA\n".into(),
            certificate: "CERT\n".into(),
            key: "nectar\n".into(),
        });
        seed.certificates =
            vec![anchor(ONE, None), anchor(TWO, None), anchor(TWO, Some("hub.example:5000"))];
        seed.engine_options.insert("debug".into(), true.into());
        seed.network = vec![
            Interface {
                mac: "52:54:00:AB:00:01".into(),
                address: "198.51.100.15/24".parse().unwrap(),
                gateway: Some(Ipv4Addr::new(198, 51, 100, 2)),
                nameservers: vec![Ipv4Addr::new(198, 51, 100, 3)],
            },
            Interface {
                mac: "52:54:00:ab:00:02".into(),
                address: "192.168.99.100/24".parse().unwrap(),
                gateway: None,
                nameservers: Vec::new(),
            },
        ];
        seed
    }

    fn tar_of(seed: &Seed) -> Vec<u8> {
        seed.to_tar(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap()
    }

    fn content(tar: &[u8], name: &str) -> String {
        let mut archive = tar::Archive::new(tar);
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        let path = format!("{DIRECTORY}/{name}");
        let mut entry = entries.find(|entry| entry.path_bytes() == path.as_bytes()).unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn every_file_has_its_place_mode_and_owner() {
        let tar = tar_of(&seed());
        let mut archive = tar::Archive::new(&tar[..]);
        let lines: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.mtime().unwrap(), 1_700_000_000);
                let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                format!(
                    "{:o} {}:{} {path}",
                    header.mode().unwrap(),
                    header.uid().unwrap(),
                    header.gid().unwrap()
                )
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn the_same_seed_is_the_same_tar_and_any_change_another_digest() {
        let tar = tar_of(&seed());
        assert_eq!(tar, tar_of(&seed()));
        let mut other = seed();
        other.certificates.pop();
        assert_ne!(content(&tar, "digest"), content(&tar_of(&other), "digest"));
        let later = seed().to_tar(UNIX_EPOCH).unwrap();
        assert_eq!(content(&tar, "digest"), content(&later, "digest"));
    }

    #[test]
    fn keys_and_certificates_are_as_their_readers_want_them() {
        let tar = tar_of(&seed());
        assert_eq!(content(&tar, "version"), "2\n");
        assert_eq!(content(&tar, "authorized_keys"), "ssh-ed25519 AAAA me\n");
        assert!(content(&tar, "ssh_host_ed25519_key").ends_with("honey\n"));
        let name = anchor(ONE, None).certificate.file_name();
        assert_eq!(content(&tar, &format!("ca-certificates/{name}")), ONE);
    }

    #[test]
    fn each_network_card_has_a_line() {
        assert_eq!(
            content(&tar_of(&seed()), "network"),
            "52:54:00:ab:00:01 198.51.100.15/24 198.51.100.2 198.51.100.3\n\
             52:54:00:ab:00:02 192.168.99.100/24 -\n"
        );
    }

    #[test]
    fn no_private_key_is_shown() {
        let shown = format!("{:?}", seed());
        assert!(!shown.contains("honey") && !shown.contains("nectar"), "{shown}");
        assert!(shown.contains("worker1"), "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |change: fn(&mut Seed)| {
            let mut seed = seed();
            change(&mut seed);
            seed.to_tar(UNIX_EPOCH).unwrap_err().to_string()
        };
        let told = [
            refused(|seed| seed.authorized_keys.push("ssh-ed25519 A\nssh-ed25519 B".into())),
            refused(|seed| seed.authorized_keys.push(String::new())),
            refused(|seed| drop(seed.engine_options.insert("hosts".into(), true.into()))),
            refused(|seed| seed.network[0].mac = "52:54:00:12:34:5g".into()),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }
}
