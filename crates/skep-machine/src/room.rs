//! What this host has left for machines, whichever driver makes them.

use std::path::Path;

use skep_model::Check;

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

/// Whether so many bytes of memory can be had; `remedy` is what to do if not. Too little is a
/// warning only, for a machine takes memory as its guest comes to use it. `None` if the system
/// does not tell.
pub(crate) fn memory(needed: u64, remedy: &str) -> Option<Check> {
    available_memory().map(|available| enough_memory(available, needed, remedy))
}

fn enough_memory(available: u64, needed: u64, remedy: &str) -> Check {
    let found = format!("{} available", megabytes(available));
    if available >= needed {
        Check::pass("memory", found)
    } else {
        Check::warn("memory", found, format!("{remedy}: {} are needed", megabytes(needed)))
    }
}

/// Memory that can be had without swapping, in bytes.
fn available_memory() -> Option<u64> {
    meminfo("MemAvailable:")
}

/// All the memory this host has, in bytes; `None` if the system does not tell.
pub(crate) fn total_memory() -> Option<u64> {
    meminfo("MemTotal:")
}

/// An amount from Linux's `/proc/meminfo`.
fn meminfo(field: &str) -> Option<u64> {
    let text = skep_read::text("/proc/meminfo", skep_read::limit::SYSTEM).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
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
            assert!(check.fix.contains("are needed"));
        }
    }

    #[test]
    fn little_memory_is_a_warning() {
        assert_eq!(enough_memory(1 << 30, 1 << 20, "wait").verdict, Verdict::Pass);
        let check = enough_memory(1 << 20, 1 << 30, "wait");
        assert_eq!(
            (check.verdict, check.fix.as_str()),
            (Verdict::Warn, "wait: 1024 MB are needed")
        );
        assert!(available_memory().unwrap() > 0);
    }
}
