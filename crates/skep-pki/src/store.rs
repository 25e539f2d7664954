//! The authority and the client's certificate on disk.
//!
//! ```text
//! certs/                  0700, what DOCKER_CERT_PATH names
//!   ca.pem                the authority's certificate
//!   ca-key.pem            its private key
//!   cert.pem, key.pem     the client's certificate and private key
//!   lock                  held while any of them is looked at or written
//! ```
//!
//! All files are 0600. The authority *is* its key: `ca-key.pem` is written first, before anything
//! is signed with it, and is never replaced; even its name comes from it. Everything else can be
//! made again from the key, so a directory left half-written by a crash is completed without
//! anyone noticing.

use std::{io, path::Path, time::SystemTime};

use rcgen::KeyPair;
use secrecy::{ExposeSecret, SecretString};
use skep_store::{Layout, Lock, StoreError, write_private};

use crate::{
    Authority, PkiError,
    authority::{generate_key, parse_key},
    inspect::{Inspected, fingerprint, public_key},
};

/// The authority's certificate.
pub const AUTHORITY: &str = "ca.pem";
/// The authority's private key.
pub const AUTHORITY_KEY: &str = "ca-key.pem";
/// The client's certificate.
pub const CLIENT: &str = "cert.pem";
/// The client's private key.
pub const CLIENT_KEY: &str = "key.pem";

/// The store's authority, made if there is none, with a client certificate beside it that is
/// valid at `now`, renewed if it is due.
///
/// `holder` names the lock's holder to other processes. Blocks this thread while another process
/// is here, which is some milliseconds.
///
/// # Errors
/// [`PkiError::Stored`] if an authority is there that cannot be used, for the engines made so far
/// trust it and it is not skep's to throw away; [`PkiError::Store`], [`PkiError::Make`].
pub fn load_or_create(
    layout: &Layout,
    holder: &str,
    now: SystemTime,
) -> Result<Authority, PkiError> {
    let directory = layout.certs();
    let _lock = Lock::acquire(&directory.join("lock"), holder, |_| {})?;
    let authority = authority(&directory, now)?;
    renew_client(&directory, &authority, now)?;
    Ok(authority)
}

/// Makes the client certificate anew, whatever the one there is worth.
///
/// # Errors
/// As [`load_or_create`].
pub fn new_client(layout: &Layout, holder: &str, now: SystemTime) -> Result<(), PkiError> {
    let directory = layout.certs();
    let _lock = Lock::acquire(&directory.join("lock"), holder, |_| {})?;
    let authority = authority(&directory, now)?;
    make_client(&directory, &authority, now)
}

/// Puts the authority's key back from its copy, if it is lost or damaged; see
/// [`skep_store::kept`].
///
/// # Errors
/// [`PkiError::Store`].
pub fn restore_key(directory: &Path) -> Result<(), PkiError> {
    // Another key than the certificate's is none: it must not take the copy's place either.
    let certificate = read(&directory.join(AUTHORITY)).ok().flatten();
    let certificate = certificate.and_then(|text| Inspected::read(&text).ok());
    let is_key = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).map(SecretString::from);
        let key = text.ok().and_then(|text| parse_key(&text).ok());
        key.is_some_and(|key| {
            certificate.as_ref().is_none_or(|found| found.public_key == public_key(&key))
        })
    };
    skep_store::kept::restore(&directory.join(AUTHORITY_KEY), is_key)?;
    Ok(())
}

fn authority(directory: &Path, now: SystemTime) -> Result<Authority, PkiError> {
    restore_key(directory)?;
    let certificate = read(&directory.join(AUTHORITY))?;
    let Some(key) = read(&directory.join(AUTHORITY_KEY))?.map(SecretString::from) else {
        if certificate.is_some() {
            return Err(unusable(directory, AUTHORITY_KEY, "its key is missing"));
        }
        let key = generate_key()?;
        skep_store::kept::write(&directory.join(AUTHORITY_KEY), key.serialize_pem().as_bytes())?;
        return certify(directory, key, now);
    };
    let key_pair = parse_key(&key).map_err(|error| unusable(directory, AUTHORITY_KEY, error))?;
    let readable =
        certificate.and_then(|text| Inspected::read(&text).ok().map(|read| (text, read)));
    match readable {
        Some((_, read)) if read.public_key != public_key(&key_pair) => {
            Err(unusable(directory, AUTHORITY_KEY, PkiError::KeyMismatch))
        }
        Some((text, read)) if !read.is_due(now) => {
            Authority::from_pem(&text, &key).map_err(|error| unusable(directory, AUTHORITY, error))
        }
        _ => certify(directory, key_pair, now),
    }
}

/// Writes a certificate for the key. Under the same key and name it is the same authority to
/// whoever trusts an earlier one.
fn certify(directory: &Path, key: KeyPair, now: SystemTime) -> Result<Authority, PkiError> {
    let name = format!("skep authority {}", fingerprint(&key));
    let authority = Authority::certify(&name, key, now)?;
    write_private(&directory.join(AUTHORITY), authority.certificate_pem().as_bytes())?;
    Ok(authority)
}

fn renew_client(directory: &Path, authority: &Authority, now: SystemTime) -> Result<(), PkiError> {
    let certificate = read(&directory.join(CLIENT))?;
    let key = read(&directory.join(CLIENT_KEY))?.map(SecretString::from);
    if let (Some(certificate), Some(key)) = (certificate, key)
        && is_usable(&certificate, &key, authority, now)
    {
        return Ok(());
    }
    make_client(directory, authority, now)
}

fn make_client(directory: &Path, authority: &Authority, now: SystemTime) -> Result<(), PkiError> {
    let issued = authority.issue_client(now)?;
    // The certificate last: one without its key is never there alone.
    write_private(&directory.join(CLIENT_KEY), issued.key_pem.expose_secret().as_bytes())?;
    write_private(&directory.join(CLIENT), issued.certificate_pem.as_bytes())?;
    Ok(())
}

fn is_usable(certificate: &str, key: &SecretString, ca: &Authority, now: SystemTime) -> bool {
    let (Ok(client), Ok(ca), Ok(key)) =
        (Inspected::read(certificate), Inspected::read(ca.certificate_pem()), parse_key(key))
    else {
        return false;
    };
    !client.is_due(now) && client.public_key == public_key(&key) && client.is_signed_by(&ca)
}

fn unusable(directory: &Path, file: &'static str, reason: impl ToString) -> PkiError {
    PkiError::Stored { directory: directory.to_owned(), file, reason: reason.to_string() }
}

/// A file's text, or `None` if there is no such file. Bytes that are not text are kept as
/// replacement characters: what they stand for is then said to be unreadable.
fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match skep_read::bytes(path, skep_read::limit::CERTIFICATES) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Io { action: "read", path: path.to_owned(), source }.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use skep_store::file::remove;

    use super::*;
    use crate::{AUTHORITY_LIFETIME, LEAF_LIFETIME, RENEWED_BEFORE};

    const FILES: [&str; 4] = [AUTHORITY, AUTHORITY_KEY, CLIENT, CLIENT_KEY];

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    struct Home {
        directory: tempfile::TempDir,
    }

    impl Home {
        fn new() -> Self {
            Self { directory: tempfile::tempdir().unwrap() }
        }

        fn layout(&self) -> Layout {
            Layout::new(self.directory.path())
        }

        fn path(&self, file: &str) -> std::path::PathBuf {
            self.layout().certs().join(file)
        }

        fn text(&self, file: &str) -> String {
            fs_err::read_to_string(self.path(file)).unwrap()
        }

        fn load(&self, now: SystemTime) -> Result<Authority, PkiError> {
            load_or_create(&self.layout(), "test", now)
        }

        fn texts(&self) -> [String; 4] {
            FILES.map(|file| self.text(file))
        }

        /// What is on disk serves a client of an engine that trusts `trusted`, a certificate of
        /// the authority that was given out earlier.
        fn assert_trusted_by(&self, trusted: &str, now: SystemTime) {
            let trusted = Inspected::read(trusted).unwrap();
            let client = Inspected::read(&self.text(CLIENT)).unwrap();
            let key = parse_key(&self.text(CLIENT_KEY).into()).unwrap();
            assert!(client.is_signed_by(&trusted));
            assert!(!client.is_due(now));
            assert_eq!(client.public_key, public_key(&key));
        }
    }

    #[test]
    fn what_was_made_is_found_again_and_private() {
        let home = Home::new();
        home.load(now()).unwrap();
        let made = home.texts();
        home.load(now()).unwrap();
        assert_eq!(home.texts(), made);
        home.assert_trusted_by(&made[0], now());
        for file in FILES {
            let mode = fs_err::metadata(home.path(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        let mode = fs_err::metadata(home.layout().certs()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_lost_or_half_lost_a_file_is_made_whole_for_the_same_authority() {
        for file in [AUTHORITY, CLIENT, CLIENT_KEY] {
            for left in [None, Some(0), Some(200)] {
                let home = Home::new();
                home.load(now()).unwrap();
                let [trusted, key, ..] = home.texts();
                match left {
                    None => remove(&home.path(file)).unwrap(),
                    Some(length) => {
                        let text = home.text(file);
                        fs_err::write(home.path(file), &text[..length.min(text.len() / 2)])
                            .unwrap();
                    }
                }
                home.load(now()).unwrap();
                assert_eq!(home.text(AUTHORITY_KEY), key);
                home.assert_trusted_by(&trusted, now());
            }
        }
    }

    #[test]
    fn a_crash_after_any_file_leaves_one_authority() {
        let whole = Home::new();
        whole.load(now()).unwrap();
        // In the order they are written.
        let written = [AUTHORITY_KEY, AUTHORITY, CLIENT_KEY, CLIENT];
        for count in 1..written.len() {
            let home = Home::new();
            skep_store::file::create_private_dir(&home.layout().certs()).unwrap();
            for file in &written[..count] {
                fs_err::copy(whole.path(file), home.path(file)).unwrap();
            }
            home.load(now()).unwrap();
            assert_eq!(home.text(AUTHORITY_KEY), whole.text(AUTHORITY_KEY), "{count}");
            home.assert_trusted_by(&whole.text(AUTHORITY), now());
        }
    }

    #[test]
    fn an_authority_without_its_key_is_not_replaced() {
        let home = Home::new();
        home.load(now()).unwrap();
        let kept = home.text(AUTHORITY);
        // Whatever is in its place, its copy takes that.
        let own = home.text(AUTHORITY_KEY);
        let stranger = Home::new();
        stranger.load(now()).unwrap();
        for key in [stranger.text(AUTHORITY_KEY), String::new(), "junk".into()] {
            fs_err::write(home.path(AUTHORITY_KEY), &key).unwrap();
            home.load(now()).unwrap();
            assert_eq!(home.text(AUTHORITY_KEY), own);
        }
        remove(&home.path(AUTHORITY_KEY)).unwrap();
        let error = home.load(now()).unwrap_err().to_string();
        assert!(error.contains("its key is missing; put the right `ca-key.pem` back"), "{error}");
        let other = Home::new();
        other.load(now()).unwrap();
        for key in [other.text(AUTHORITY_KEY), String::new(), "junk".into()] {
            fs_err::write(home.path(AUTHORITY_KEY), &key).unwrap();
            let error = home.load(now()).unwrap_err();
            assert!(matches!(error, PkiError::Stored { file: AUTHORITY_KEY, .. }), "{error}");
            assert_eq!(home.text(AUTHORITY_KEY), key);
        }
        assert_eq!(home.text(AUTHORITY), kept);
    }

    #[test]
    fn the_clients_certificate_is_renewed_when_due() {
        let home = Home::new();
        home.load(now()).unwrap();
        let [trusted, _, first, _] = home.texts();
        home.load(now() + LEAF_LIFETIME - RENEWED_BEFORE).unwrap();
        assert_eq!(home.text(CLIENT), first);
        let late = now() + LEAF_LIFETIME;
        home.load(late).unwrap();
        assert_ne!(home.text(CLIENT), first);
        home.assert_trusted_by(&trusted, late);
        assert_eq!(home.text(AUTHORITY), trusted);
    }

    #[test]
    fn a_new_client_certificate_is_made_when_asked_for() {
        let home = Home::new();
        home.load(now()).unwrap();
        let [trusted, _, first, _] = home.texts();
        new_client(&home.layout(), "test", now()).unwrap();
        assert_ne!(home.text(CLIENT), first);
        home.assert_trusted_by(&trusted, now());
    }

    #[test]
    fn an_authority_that_ends_is_renewed_under_its_key() {
        let home = Home::new();
        home.load(now()).unwrap();
        let [trusted, key, ..] = home.texts();
        let late = now() + AUTHORITY_LIFETIME;
        let renewed = home.load(late).unwrap();
        assert_eq!(renewed.not_after(), late + AUTHORITY_LIFETIME);
        assert_eq!(home.text(AUTHORITY_KEY), key);
        home.assert_trusted_by(&trusted, late);
    }

    #[test]
    fn many_at_once_make_one_authority() {
        let home = Home::new();
        let certificates: Vec<String> = std::thread::scope(|scope| {
            let load = || home.load(now()).unwrap().certificate_pem().to_owned();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(load)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(certificates.iter().all(|one| *one == home.text(AUTHORITY)));
        home.assert_trusted_by(&certificates[0], now());
    }
}
