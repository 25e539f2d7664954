//! Takes a disc image that others have made, a `boot2docker.iso` say, into the cache.
//!
//! ```text
//! CACHE/imports/
//!   KEY.lock       held by the process that imports from a source; KEY is its sha256
//!   KEY.part       what has come from it so far
//!   KEY.notes      what its server said of it, to go on later and to know it again
//!   DIGEST.iso     a whole image, by its sha256
//!   DIGEST.json    what it is; written last, so that there is none without a whole image
//! ```
//!
//! **Start reading** at [`Import::run`].

mod download;
mod error;
mod meter;
mod request;
mod shelf;
mod volume;

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use fs_err as fs;
use sha2::{Digest as _, Sha256};
use skep_model::{Events, event::Span};
use tokio_util::sync::CancellationToken;

pub use self::{
    download::Network,
    error::ImportError,
    request::{Digest, Name, Origin},
    shelf::{Imported, Item, list, remove},
};
use self::{
    download::{Download, Fetched},
    meter::Meter,
    shelf::Shelf,
};
use crate::{definition::hex, lock::lock};

/// How much is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// One image that is to be taken into a cache.
#[derive(Debug, Clone)]
pub struct Import {
    cache: PathBuf,
    origin: Origin,
    digest: Option<Digest>,
    name: Option<Name>,
    network: Network,
}

impl Import {
    /// An import into `cache` (see [`skep_store::Layout::os`]) from a file or an address.
    pub fn new(cache: impl Into<PathBuf>, origin: Origin) -> Self {
        Self { cache: cache.into(), origin, digest: None, name: None, network: Network::default() }
    }

    /// The digest the image must have. An image that is there already is not fetched again.
    #[must_use]
    pub fn with_digest(mut self, digest: Option<Digest>) -> Self {
        self.digest = digest;
        self
    }

    /// The name the image is listed under, instead of its file's.
    #[must_use]
    pub fn with_name(mut self, name: Option<Name>) -> Self {
        self.name = name;
        self
    }

    /// How an address is reached.
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Imports it. What has been downloaded when it is cut short stays, and the next import goes on
    /// from there if the server lets it.
    pub async fn run(
        &self,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<Imported, ImportError> {
        let shelf = Shelf::new(&self.cache);
        if let Some(known) = self.known(&shelf)? {
            return Ok(known);
        }
        let span = events.step("", format!("importing {}", self.origin));
        if self.digest.is_none() && self.origin.is_unprotected() {
            let text = "nothing proves that this is the image that was meant: it comes over plain \
                        http, and no --sha256 was given";
            events.warn("", text);
        }
        match self.take(&shelf, &span, cancel).await {
            Err(ImportError::Cancelled) => Err(ImportError::Cancelled),
            result => span.end_with(result),
        }
    }

    /// The image, if its digest was given and it is there.
    fn known(&self, shelf: &Shelf) -> Result<Option<Imported>, ImportError> {
        let Some(digest) = &self.digest else { return Ok(None) };
        let known = shelf.imported(digest.as_str())?;
        known.map(|known| self.rename(shelf, known)).transpose()
    }

    fn rename(&self, shelf: &Shelf, mut known: Imported) -> Result<Imported, ImportError> {
        if let Some(name) = &self.name
            && name.as_str() != known.name
        {
            known.name = name.to_string();
            shelf.write(&known)?;
        }
        Ok(known)
    }

    async fn take(
        &self,
        shelf: &Shelf,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<Imported, ImportError> {
        let key = self.origin.key()?;
        let lock = lock(&shelf.lock(&key), "the import", span, cancel).await?;
        let _lock = lock.ok_or(ImportError::Cancelled)?;
        if let Some(known) = self.known(shelf)? {
            return Ok(known);
        }
        let part = shelf.part(&key);
        match &self.origin {
            Origin::File(path) => {
                let copied = self.copy(path, &part, span, cancel).await;
                if copied.is_err() {
                    skep_store::file::remove(&part)?;
                }
                copied?;
            }
            Origin::Url(url) => {
                let download = Download::new(url, &self.network, shelf, &key)?;
                if let Fetched::Known(known) = download.run(span, cancel).await? {
                    return self
                        .check_digest(&known.digest)
                        .and_then(|()| self.rename(shelf, known));
                }
            }
        }
        let checked = self.check(&part, span, cancel).await;
        if let Err(error) = &checked
            && !matches!(error, ImportError::Cancelled)
        {
            // What is wrong now is wrong the next time, too.
            shelf.discard(&key)?;
        }
        let digest = checked?;
        // A name that was given once is kept.
        let before = shelf.imported(&digest)?.map(|known| known.name);
        let given = self.name.as_ref().map(ToString::to_string);
        let name = given.or(before).unwrap_or_else(|| self.origin.file_name());
        let imported = shelf.put(&part, &digest, &name, &self.origin.to_string())?;
        shelf.note_digest(&key, &digest)?;
        Ok(imported)
    }

    async fn copy(
        &self,
        from: &Path,
        to: &Path,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<(), ImportError> {
        // Before any of it is copied: it may be as large as the disk.
        volume::check(from, &self.origin)?;
        let size = fs::metadata(from).map_err(ImportError::file(from))?.len();
        room(to, size)?;
        let mut source = skep_read::open(from).map_err(ImportError::file(from))?.take(size);
        let mut target = fs::File::create(to).map_err(ImportError::writing(to, size))?;
        let (mut buffer, mut meter) = (vec![0; CHUNK], Meter::new(span, "copying", 0, Some(size)));
        loop {
            if cancel.is_cancelled() {
                return Err(ImportError::Cancelled);
            }
            let read = source.read(&mut buffer).map_err(ImportError::file(from))?;
            if read == 0 {
                return Ok(());
            }
            target.write_all(&buffer[..read]).map_err(ImportError::writing(to, size))?;
            meter.add(read);
            tokio::task::yield_now().await;
        }
    }

    /// What has come must be an image, whole, and the one that was meant. Its digest.
    async fn check(
        &self,
        part: &Path,
        span: &Span,
        cancel: &CancellationToken,
    ) -> Result<String, ImportError> {
        volume::check(part, &self.origin)?;
        let mut file = skep_read::open(part).map_err(ImportError::file(part))?;
        let size = file.metadata().map_err(ImportError::file(part))?.len();
        let mut meter = Meter::new(span, "checking", 0, Some(size));
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            if cancel.is_cancelled() {
                return Err(ImportError::Cancelled);
            }
            let read = file.read(&mut buffer).map_err(ImportError::file(part))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            meter.add(read);
            tokio::task::yield_now().await;
        }
        // Before it is said to be whole, it is on the disk.
        file.sync_all().map_err(ImportError::writing(part, size))?;
        let digest = hex(&hash.finalize());
        self.check_digest(&digest)?;
        Ok(digest)
    }

    fn check_digest(&self, found: &str) -> Result<(), ImportError> {
        match &self.digest {
            Some(expected) if expected.as_str() != found => Err(ImportError::Digest {
                origin: self.origin.to_string(),
                expected: expected.to_string(),
                found: found.to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// Whether the disk has room for `needed` bytes more, at a file's place.
fn room(file: &Path, needed: u64) -> Result<(), ImportError> {
    let directory = file.parent().unwrap_or(Path::new("."));
    // Where it cannot be known, writing will show it.
    let Ok(status) = rustix::fs::statvfs(directory) else { return Ok(()) };
    let free = status.f_bavail.saturating_mul(status.f_frsize);
    if free < needed {
        return Err(ImportError::NoSpace { directory: directory.into(), needed, free });
    }
    Ok(())
}
