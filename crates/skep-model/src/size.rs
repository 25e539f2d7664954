//! How big a machine is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a machine is given; what is left out is the driver's to choose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// The most its disk may hold, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
}

impl Size {
    /// This size, with what it leaves out taken from `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory.or(other.memory),
            cpus: self.cpus.or(other.cpus),
            disk: self.disk.or(other.disk),
        }
    }
}

/// Why a text is no amount of bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no size: write megabytes as docker-machine has them (1024), or a unit: 1024M, 20G"
)]
pub struct SizeError {
    pub text: String,
}

/// An amount of bytes as a person writes it: a whole number of megabytes, or of `M` or `G`, in
/// powers of 1024 (`1024`, `1024M`, `1G`, `1GiB` and `1GB` are the same).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let shift = match unit.to_ascii_lowercase().as_str() {
            "" | "m" | "mb" | "mib" => 20,
            "g" | "gb" | "gib" => 30,
            "t" | "tb" | "tib" => 40,
            _ => 64,
        };
        let bytes = number.parse::<u64>().ok().and_then(|number| {
            let factor = 1_u64.checked_shl(shift)?;
            number.checked_mul(factor).filter(|&bytes| bytes > 0)
        });
        bytes.map(Bytes).ok_or_else(|| SizeError { text: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        let bytes = |text: &str| text.parse::<Bytes>().map(|Bytes(bytes)| bytes);
        for text in ["1024", "1024M", "1024mb", "1G", "1GiB"] {
            assert_eq!(bytes(text), Ok(1 << 30), "{text}");
        }
        assert_eq!(bytes("2T"), Ok(2 << 40));
        for text in
            ["", "0", "G", "-1", "1.5G", "12X", "99999999999999999999", "18446744073709551615G"]
        {
            assert_eq!(bytes(text), Err(SizeError { text: text.into() }));
        }
    }

    #[test]
    fn what_is_left_out_comes_from_the_other() {
        let asked = Size { cpus: Some(2), ..Size::default() };
        let had = Size { cpus: Some(1), memory: Some(1 << 30), disk: None };
        assert_eq!(asked.or(had), Size { cpus: Some(2), memory: Some(1 << 30), disk: None });
    }
}
