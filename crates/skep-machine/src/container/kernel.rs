//! Whether the host's kernel has IPVS, which the routing mesh and service VIPs need.
//!
//! Without it a swarm still looks healthy; published ports and VIPs refuse, and only the
//! engine's log says why.

use crate::host::HostRoot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ipvs {
    /// In the kernel, or a module that is loaded.
    Present,
    /// A module that is there and can be loaded.
    Loadable,
    Absent,
}

/// Looks for a kernel of `release`, as `uname -r` prints it.
pub(super) fn find_ipvs(host: &HostRoot, release: &str) -> Ipvs {
    if host.path("/proc/net/ip_vs").exists() {
        return Ipvs::Present;
    }
    let modules = format!("/lib/modules/{release}");
    let named_in =
        |file: &str| host.text(&format!("{modules}/{file}")).is_ok_and(|text| names_ipvs(&text));
    if named_in("modules.builtin") {
        Ipvs::Present
    } else if named_in("modules.dep") {
        Ipvs::Loadable
    } else {
        Ipvs::Absent
    }
}

/// Whether a list of modules, a path a line, has `ip_vs` (and not only a scheduler of it).
fn names_ipvs(list: &str) -> bool {
    list.lines()
        .filter_map(|line| line.split(':').next()?.rsplit('/').next())
        .any(|file| file.split('.').next() == Some("ip_vs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_told_from_its_schedulers() {
        assert!(names_ipvs("kernel/net/netfilter/ipvs/ip_vs.ko.xz: kernel/lib/libcrc32c.ko"));
        assert!(names_ipvs("kernel/net/netfilter/ipvs/ip_vs.ko\n"));
        assert!(!names_ipvs("kernel/net/netfilter/ipvs/ip_vs_rr.ko: kernel/…/ip_vs.ko"));
        assert!(!names_ipvs(""));
    }

    #[test]
    fn each_place_is_looked_at() {
        let root = tempfile::tempdir().unwrap();
        let host = HostRoot::new(root.path());
        let modules = host.path("/lib/modules/6.1");
        fs_err::create_dir_all(&modules).unwrap();
        assert_eq!(find_ipvs(&host, "6.1"), Ipvs::Absent);
        fs_err::write(modules.join("modules.dep"), "kernel/ip_vs.ko:\n").unwrap();
        assert_eq!(find_ipvs(&host, "6.1"), Ipvs::Loadable);
        fs_err::create_dir_all(root.path().join("proc/net")).unwrap();
        fs_err::write(root.path().join("proc/net/ip_vs"), "").unwrap();
        assert_eq!(find_ipvs(&host, "6.1"), Ipvs::Present);
    }
}
