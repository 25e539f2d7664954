//! The host that machines are created on, whichever driver creates them: what its kernel shows in
//! files, and what it has left of disk and memory.

use std::{
    io,
    path::{Path, PathBuf},
};

use skep_model::Check;

use crate::subnet;

/// A host's root directory: `/`, but in tests, and where the host's root is mounted elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct HostRoot(PathBuf);

impl HostRoot {
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// Where a file is that the host has at an absolute path.
    pub(crate) fn path(&self, absolute: &str) -> PathBuf {
        self.0.join(absolute.trim_start_matches('/'))
    }

    /// The text of a file that the host has at an absolute path.
    pub(crate) fn text(&self, absolute: &str) -> io::Result<String> {
        skep_read::text(self.path(absolute), skep_read::limit::SYSTEM)
    }

    /// The networks that the host has routes to; none where it shows none.
    pub(crate) fn routes(&self) -> Vec<subnet::Taken> {
        subnet::parse_routes(&self.text("/proc/net/route").unwrap_or_default())
    }

    /// Whether so many bytes of memory are available; `remedy` is what to do if not. Too little is
    /// a warning only, for a machine takes memory as its guest comes to use it. `None` if the
    /// system does not show it.
    pub(crate) fn memory(&self, needed: u64, remedy: &str) -> Option<Check> {
        let available = self.meminfo("MemAvailable:")?;
        Some(enough_memory(available, needed, remedy))
    }

    /// All the memory this host has, in bytes; `None` if the system does not show it.
    pub(crate) fn total_memory(&self) -> Option<u64> {
        self.meminfo("MemTotal:")
    }

    /// An amount from Linux's `/proc/meminfo`.
    fn meminfo(&self, field: &str) -> Option<u64> {
        let text = self.text("/proc/meminfo").ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
    }
}

/// Whether the file system of a directory, which need not be there yet nor be open to this user,
/// has so many bytes left; `None` if it cannot be asked.
pub(crate) fn disk(directory: &Path, needed: u64) -> Option<Check> {
    // The file system can be asked through any directory above it.
    let stat = directory.ancestors().find_map(|above| rustix::fs::statvfs(above).ok())?;
    let free = stat.f_bavail * stat.f_frsize;
    let found = format!("{} free at {}", megabytes(free), directory.display());
    Some(if free >= needed {
        Check::pass("disk space", found)
    } else {
        Check::fail("disk space", found, format!("free some: {} are needed", megabytes(needed)))
    })
}

fn enough_memory(available: u64, needed: u64, remedy: &str) -> Check {
    let found = format!("{} available", megabytes(available));
    if available >= needed {
        Check::pass("memory", found)
    } else {
        Check::warn("memory", found, format!("{remedy}: {} are needed", megabytes(needed)))
    }
}

/// `512 MB`
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes >> 20)
}

#[cfg(test)]
mod tests {
    use skep_model::Verdict;

    use super::*;

    #[test]
    fn a_full_disk_stands_in_the_way() {
        assert_eq!(disk(Path::new("/"), 0).unwrap().verdict, Verdict::Pass);
        for missing in ["/no/such/directory", "/no/such"] {
            let check = disk(Path::new(missing), u64::MAX).unwrap();
            assert_eq!(check.verdict, Verdict::Fail);
            assert!(check.fix.words().unwrap().contains("are needed"));
        }
    }

    #[test]
    fn little_memory_is_a_warning() {
        assert_eq!(enough_memory(1 << 30, 1 << 20, "wait").verdict, Verdict::Pass);
        let check = enough_memory(1 << 20, 1 << 30, "wait");
        assert_eq!(
            (check.verdict, check.fix.words().unwrap()),
            (Verdict::Warn, "wait: 1024 MB are needed")
        );
        assert!(HostRoot::new("/").total_memory().unwrap() > 0);
    }

    #[test]
    fn what_a_host_tells_is_read_below_its_root() {
        let root = tempfile::tempdir().unwrap();
        let host = HostRoot::new(root.path());
        assert_eq!((host.routes(), host.total_memory()), (Vec::new(), None));
        fs_err::create_dir_all(host.path("/proc/net")).unwrap();
        let meminfo = "MemTotal:  2048 kB\nMemAvailable:  1024 kB\n";
        fs_err::write(host.path("/proc/meminfo"), meminfo).unwrap();
        let routes = "Iface Destination Gateway Flags RefCnt Use Metric Mask\n\
                      eth7 0012A8C0 00000000 0001 0 0 0 00FFFFFF\n";
        fs_err::write(host.path("/proc/net/route"), routes).unwrap();
        assert_eq!(host.total_memory(), Some(2 << 20));
        assert_eq!(host.memory(1 << 20, "").unwrap().found, "1 MB available");
        let by: Vec<_> = host.routes().into_iter().map(|net| net.by).collect();
        assert_eq!(by, ["the host's route through eth7"]);
    }
}
