//! The options of a cluster's virtual machines.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::features::{Features, System};

pub(crate) const FEATURES: Features = Features {
    makes_machines: true,
    sizes_disks: true,
    forwards_ports: true,
    system: System::Skep,
};

/// What was chosen; what is left out is as the cluster has it, and for a new cluster as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The QEMU to start, by path; usually `qemu-system-ARCH` on the PATH.
    pub binary: Option<PathBuf>,
    /// What executes the guests' instructions; usually the fastest that works here.
    pub accel: Option<Accel>,
    /// What joins the machines of a cluster; usually a multicast group on this host.
    pub segment: Option<Segment>,
}

/// Why a text is no option's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    #[error("`{0}` is no accelerator: choose auto, kvm, hvf or tcg")]
    Accel(String),
    #[error("`{0}` is no network: write `multicast` or `bridge=NAME`, with a bridge of this host")]
    Segment(String),
}

/// What executes the guests' instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// The processor itself, through Linux.
    Kvm,
    /// The processor itself, through macOS.
    Hvf,
    /// QEMU's own translation: works everywhere, slower.
    Tcg,
}

impl Accel {
    /// A machine's default number of processors: emulating a second one takes
    /// longer than it helps.
    pub(super) fn usual_cpus(self) -> u32 {
        if self == Accel::Tcg { 1 } else { 2 }
    }

    /// QEMU's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Hvf => "hvf",
            Self::Tcg => "tcg",
        }
    }

    /// Reads `auto` as `None`: whatever works.
    ///
    /// # Errors
    /// [`OptionError::Accel`].
    pub fn parse_or_auto(text: &str) -> Result<Option<Self>, OptionError> {
        if text == "auto" { Ok(None) } else { text.parse().map(Some) }
    }
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Accel {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let all = [Self::Kvm, Self::Hvf, Self::Tcg];
        let found = all.into_iter().find(|accel| accel.name() == text);
        found.ok_or_else(|| OptionError::Accel(text.into()))
    }
}

/// What joins the machines of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// A multicast group on this host's loopback: no permission is needed.
    Multicast,
    /// A bridge that is there already, through `qemu-bridge-helper`.
    Bridge(String),
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multicast => f.write_str("multicast"),
            Self::Bridge(name) => write!(f, "bridge={name}"),
        }
    }
}

impl FromStr for Segment {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        // What Linux takes as the name of an interface, without what would need quoting anywhere.
        let is_interface = |name: &str| {
            (1..=15).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                && !matches!(name, "." | "..")
        };
        match text.split_once('=') {
            None if text == "multicast" => Ok(Self::Multicast),
            Some(("bridge", name)) if is_interface(name) => Ok(Self::Bridge(name.into())),
            _ => Err(OptionError::Segment(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for accel in [Accel::Kvm, Accel::Hvf, Accel::Tcg] {
            assert_eq!(accel.to_string().parse(), Ok(accel));
        }
        for segment in [Segment::Multicast, Segment::Bridge("br0".into())] {
            assert_eq!(segment.to_string().parse(), Ok(segment));
        }
        assert_eq!(Accel::parse_or_auto("auto"), Ok(None));
        assert_eq!(Accel::parse_or_auto("tcg"), Ok(Some(Accel::Tcg)));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert_eq!("xen".parse::<Accel>(), Err(OptionError::Accel("xen".into())));
        for text in
            ["", "bridge", "bridge=", "bridge=a,b", "bridge=..", "tap=x", "bridge=0123456789abcdef"]
        {
            assert_eq!(text.parse::<Segment>(), Err(OptionError::Segment(text.into())));
        }
    }
}
