//! Where imported images lie, and what is known of each.

use std::{
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use skep_store::{Lock, StoreError};

use super::ImportError;
use crate::lock::holder;

/// The newest schema of the records this program knows.
const SCHEMA: u64 = 1;

/// An imported image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Its sha256, 64 hex digits.
    pub digest: String,
    pub iso: PathBuf,
    /// Its size, in bytes.
    pub size: u64,
    pub name: String,
    /// Where it came from: a path, or an address without its secrets.
    pub origin: String,
    pub imported: SystemTime,
}

/// What a cache holds of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Whole(Imported),
    /// An import under way, what one that was cut short has left, or an image that is damaged.
    Unfinished {
        /// What stands for its origin, or the digest it should have: 64 hex digits.
        key: String,
        size: u64,
        /// Where it comes from, if that is known.
        origin: Option<String>,
    },
}

impl Item {
    /// The image's digest, or what stands for its origin.
    pub fn digest(&self) -> &str {
        match self {
            Self::Whole(imported) => &imported.digest,
            Self::Unfinished { key, .. } => key,
        }
    }

    fn is_meant_by(&self, text: &str) -> bool {
        let named = matches!(self, Self::Whole(imported) if imported.name == text);
        named || self.digest().starts_with(text)
    }
}

/// `DIGEST.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    schema: u64,
    size: u64,
    name: String,
    origin: String,
}

/// `KEY.notes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Notes {
    pub(super) schema: u64,
    /// Where it comes from, without secrets.
    pub(super) origin: String,
    /// The server's `ETag`, if it stands for these very bytes.
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// How long the image is, in bytes.
    pub(super) total: Option<u64>,
    #[serde(default)]
    pub(super) digest: Option<String>,
}

impl Notes {
    pub(super) fn new(origin: String) -> Self {
        Self { schema: SCHEMA, origin, ..Self::default() }
    }

    /// What a server can be asked by whether its file is still the same.
    pub(super) fn validator(&self) -> Option<&str> {
        self.etag.as_deref().or(self.last_modified.as_deref())
    }

    /// Whether both stand for the same bytes, as far as the server's answers show.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.validator().is_some()
            && (&self.etag, &self.last_modified, self.total)
                == (&other.etag, &other.last_modified, other.total)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Shelf {
    directory: PathBuf,
}

impl Shelf {
    pub(super) fn new(cache: &Path) -> Self {
        Self { directory: cache.join("imports") }
    }

    fn file(&self, stem: &str, ending: &str) -> PathBuf {
        self.directory.join(format!("{stem}.{ending}"))
    }

    pub(super) fn lock(&self, key: &str) -> PathBuf {
        self.file(key, "lock")
    }

    pub(super) fn part(&self, key: &str) -> PathBuf {
        self.file(key, "part")
    }

    /// What is known of an origin; notes that cannot be read are none.
    pub(super) fn notes(&self, key: &str) -> Result<Option<Notes>, ImportError> {
        match skep_store::read_json(&self.file(key, "notes"), SCHEMA) {
            Err(StoreError::Damaged { .. }) => Ok(None),
            other => Ok(other?),
        }
    }

    pub(super) fn write_notes(&self, key: &str, notes: &Notes) -> Result<(), ImportError> {
        Ok(skep_store::write_json(&self.file(key, "notes"), notes)?)
    }

    pub(super) fn note_digest(&self, key: &str, digest: &str) -> Result<(), ImportError> {
        let Some(notes) = self.notes(key)? else { return Ok(()) };
        self.write_notes(key, &Notes { digest: Some(digest.to_owned()), ..notes })
    }

    /// Removes what has come from an origin so far.
    pub(super) fn discard(&self, key: &str) -> Result<(), ImportError> {
        skep_store::file::remove(&self.file(key, "notes"))?;
        Ok(skep_store::file::remove(&self.part(key))?)
    }

    /// The image of a digest, if it is there whole.
    pub(super) fn imported(&self, digest: &str) -> Result<Option<Imported>, ImportError> {
        let record = match skep_store::read_json::<Record>(&self.file(digest, "json"), SCHEMA) {
            Ok(Some(record)) => record,
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let iso = self.file(digest, "iso");
        let metadata = match fs::metadata(&iso) {
            Ok(metadata) if metadata.len() == record.size => metadata,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ImportError::file(iso)(error)),
        };
        Ok(Some(Imported {
            digest: digest.to_owned(),
            size: record.size,
            name: record.name,
            origin: record.origin,
            imported: metadata.modified().map_err(ImportError::file(&iso))?,
            iso,
        }))
    }

    /// Makes what has come an image of the cache.
    pub(super) fn put(
        &self,
        part: &Path,
        digest: &str,
        name: &str,
        origin: &str,
    ) -> Result<Imported, ImportError> {
        let iso = self.file(digest, "iso");
        let metadata = fs::metadata(part).map_err(ImportError::file(part))?;
        fs::rename(part, &iso).map_err(ImportError::writing(&iso, 0))?;
        let imported = Imported {
            digest: digest.to_owned(),
            size: metadata.len(),
            name: name.to_owned(),
            origin: origin.to_owned(),
            imported: metadata.modified().map_err(ImportError::file(&iso))?,
            iso,
        };
        self.write(&imported)?;
        Ok(imported)
    }

    pub(super) fn write(&self, imported: &Imported) -> Result<(), ImportError> {
        let record = Record {
            schema: SCHEMA,
            size: imported.size,
            name: imported.name.clone(),
            origin: imported.origin.clone(),
        };
        Ok(skep_store::write_json(&self.file(&imported.digest, "json"), &record)?)
    }

    fn stems(&self, ending: &str) -> Result<Vec<String>, ImportError> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ImportError::file(&self.directory)(error)),
        };
        let mut stems = Vec::new();
        for entry in entries {
            let path = entry.map_err(ImportError::file(&self.directory))?.path();
            if path.extension().is_some_and(|found| found == ending)
                && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
            {
                stems.push(stem.to_owned());
            }
        }
        stems.sort_unstable();
        Ok(stems)
    }

    fn items(&self) -> Result<Vec<Item>, ImportError> {
        let mut items = Vec::new();
        for digest in self.stems("iso")? {
            items.push(match self.imported(&digest)? {
                Some(imported) => Item::Whole(imported),
                None => Item::Unfinished { key: digest, size: 0, origin: None },
            });
        }
        for key in self.stems("part")? {
            let path = self.part(&key);
            // It may have become an image since.
            let Ok(metadata) = fs::metadata(path) else { continue };
            let origin = self.notes(&key)?.map(|notes| notes.origin);
            items.push(Item::Unfinished { key, size: metadata.len(), origin });
        }
        Ok(items)
    }

    fn remove(&self, item: &Item) -> Result<(), ImportError> {
        match item {
            Item::Whole(Imported { digest, iso, .. }) => {
                // Without its record it is no image any more, whatever happens to the rest.
                skep_store::file::remove(&self.file(digest, "json"))?;
                skep_store::file::remove(iso)?;
                for key in self.stems("notes")? {
                    let notes = self.notes(&key)?;
                    if notes.is_some_and(|notes| notes.digest.as_ref() == Some(digest)) {
                        skep_store::file::remove(&self.file(&key, "notes"))?;
                    }
                }
                Ok(())
            }
            Item::Unfinished { key, origin, .. } => {
                let what = format!("the import of {}", origin.as_deref().unwrap_or("an image"));
                let _lock = Lock::try_acquire(&self.lock(key), &what, &holder())?;
                skep_store::file::remove(&self.file(key, "json"))?;
                skep_store::file::remove(&self.file(key, "iso"))?;
                self.discard(key)
            }
        }
    }
}

/// Everything that was imported, and what imports that were cut short have left.
///
/// # Errors
/// [`ImportError::File`], [`ImportError::Store`].
pub fn list(cache: &Path) -> Result<Vec<Item>, ImportError> {
    Shelf::new(cache).items()
}

/// Removes the one image of this name or with a digest that starts so, whole or not, and returns
/// its digest.
///
/// # Errors
/// [`ImportError::NotFound`], [`ImportError::Ambiguous`]; [`ImportError::Store`] if it is being
/// imported.
pub fn remove(cache: &Path, text: &str) -> Result<String, ImportError> {
    let shelf = Shelf::new(cache);
    let items = shelf.items()?;
    let mut meant = items.iter().filter(|item| !text.is_empty() && item.is_meant_by(text));
    match (meant.next(), meant.next()) {
        (Some(item), None) => {
            shelf.remove(item)?;
            Ok(item.digest().to_owned())
        }
        (Some(_), Some(_)) => Err(ImportError::Ambiguous(text.to_owned())),
        _ => Err(ImportError::NotFound(text.to_owned())),
    }
}
