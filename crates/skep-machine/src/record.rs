//! What drivers write down: JSON with its schema in front.

use std::path::Path;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use skep_store::StoreError;

/// What a driver writes down of a machine, or of what machines share.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// The newest schema of it that this program knows.
    const SCHEMA: u64 = 1;
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    schema: u64,
    #[serde(flatten)]
    record: T,
}

pub(crate) fn read<T: Record>(path: &Path) -> Result<Option<T>, StoreError> {
    let found = skep_store::read_json::<Versioned<T>>(path, T::SCHEMA)?;
    Ok(found.map(|found| found.record))
}

pub(crate) fn write<T: Record>(path: &Path, record: &T) -> Result<(), StoreError> {
    skep_store::write_record(path, &Versioned { schema: T::SCHEMA, record })
}

/// The power that was last asked for. It is written before the effect, so that a machine that does
/// not run although it should is known to have ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    /// It is being made, and is not whole.
    Made,
    /// It is whole and has never been started.
    New,
    On,
    Off,
}

/// Panics unless a record that an earlier skep has written is read, and written like that again.
#[cfg(test)]
pub(crate) fn same_as_ever<T: Record>(text: &str) {
    let home = tempfile::tempdir().unwrap();
    let [before, after] = ["before", "after"].map(|name| home.path().join(name));
    fs_err::write(&before, text).unwrap();
    write(&after, &read::<T>(&before).unwrap().unwrap()).unwrap();
    let read = |path| serde_json::from_slice::<serde_json::Value>(&fs_err::read(path).unwrap());
    assert_eq!(read(&after).unwrap().to_string(), read(&before).unwrap().to_string());
}
