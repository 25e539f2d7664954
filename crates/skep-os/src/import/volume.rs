//! What distinguishes a disc image from anything else: the primary volume descriptor of ISO 9660
//! (ECMA-119, 8.4), in the sector at byte 32768.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use fs_err as fs;

use super::{ImportError, Origin};

/// Where the descriptor begins, in bytes.
const DESCRIPTOR: u64 = 0x8000;

/// How far into an image one has to read to recognize it, in bytes.
pub(super) const RECOGNIZED: u64 = DESCRIPTOR + 0x84;

/// How much may follow the volume, in bytes: partitions of an image that is a disk, too, and zeroes
/// up to the end of a cylinder.
const AFTER: u64 = 64 << 20;

/// Whether so many bytes can be an image that says it has `size`.
pub(super) fn fits(found: u64, size: u64, origin: &Origin) -> Result<(), ImportError> {
    if found > size.saturating_add(AFTER) {
        return Err(ImportError::TooLong { origin: origin.to_string(), found, size });
    }
    Ok(())
}

/// A file must be an image, and as long as it says.
pub(super) fn check(path: &Path, origin: &Origin) -> Result<(), ImportError> {
    let size = recognize(path, origin)?;
    let found = fs::metadata(path).map_err(ImportError::file(path))?.len();
    fits(found, size, origin)?;
    if found < size {
        let origin = origin.to_string();
        return Err(ImportError::CutShort { origin, found, size });
    }
    Ok(())
}

/// The size an image says it has, in bytes.
pub(super) fn recognize(path: &Path, origin: &Origin) -> Result<u64, ImportError> {
    let mut descriptor = [0; (RECOGNIZED - DESCRIPTOR) as usize];
    let mut read = || -> io::Result<()> {
        let mut file = skep_read::open(path)?;
        file.seek(SeekFrom::Start(DESCRIPTOR))?;
        file.read_exact(&mut descriptor)
    };
    match read() {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(ImportError::file(path)(error));
        }
        // A file that ends before is none; what is missing of the descriptor is zero.
        Ok(()) | Err(_) => {}
    }
    size(&descriptor).ok_or_else(|| ImportError::NotAnImage { origin: origin.to_string() })
}

/// The volume's size by its descriptor: the number of blocks and the size of one, each stored twice,
/// the little-endian form first.
fn size(descriptor: &[u8; 0x84]) -> Option<u64> {
    if descriptor[0] != 1 || &descriptor[1..6] != b"CD001" {
        return None;
    }
    let blocks = u32::from_le_bytes(descriptor[0x50..0x54].try_into().ok()?);
    let block = u16::from_le_bytes(descriptor[0x80..0x82].try_into().ok()?);
    Some(u64::from(blocks) * u64::from(block))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_has_blocks_of_a_size() {
        let mut descriptor = [0; 0x84];
        assert_eq!(size(&descriptor), None);
        descriptor[0] = 1;
        descriptor[1..6].copy_from_slice(b"CD001");
        descriptor[0x50..0x54].copy_from_slice(&3_u32.to_le_bytes());
        descriptor[0x80..0x82].copy_from_slice(&2048_u16.to_le_bytes());
        assert_eq!(size(&descriptor), Some(6144));
    }
}
