//! What a build needs of the host, looked at before anything is touched.

use std::path::{Path, PathBuf};

use skep_model::{Check, Verdict};

/// How much room unpacking takes in the scratch directory, in bytes: the root file system and the
/// packages it is made of, with a margin.
pub(crate) const SCRATCH_BYTES: u64 = 800 << 20;

/// How much room the result takes in the cache, in bytes, with a margin.
pub(crate) const CACHE_BYTES: u64 = 450 << 20;

/// How many subordinate user ids a build without root needs.
const SUBORDINATES: u64 = 65_536;

/// How the build gets the rights to make a root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Root,
    /// In a user namespace of its own.
    Unshare,
}

impl Mode {
    pub(crate) fn of_this_process() -> Self {
        if rustix::process::geteuid().is_root() { Self::Root } else { Self::Unshare }
    }

    /// mmdebstrap's word for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Unshare => "unshare",
        }
    }
}

/// A program a build runs, and the package that has it. It may lie where only root's PATH leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
}

pub(crate) const DEPMOD: Tool = Tool { name: "depmod", package: "kmod" };
pub(crate) const MKE2FS: Tool = Tool { name: "mke2fs", package: "e2fsprogs" };
pub(crate) const SQFSTAR: Tool = Tool { name: "sqfstar", package: "squashfs-tools" };
pub(crate) const XZ: Tool = Tool { name: "xz", package: "xz-utils" };
pub(crate) const ZSTD: Tool = Tool { name: "zstd", package: "zstd" };

impl Tool {
    /// Where it is, or its bare name.
    pub(crate) fn path(self) -> PathBuf {
        let directories =
            ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        let mut paths = directories.iter().map(|directory| Path::new(directory).join(self.name));
        paths.find(|path| path.is_file()).unwrap_or_else(|| self.name.into())
    }

    pub(crate) fn installed(self) -> Check {
        let Self { name, package } = self;
        if self.path().is_absolute() {
            return Check::pass(name, "installed");
        }
        let fix = format!("install it with `apt-get install {package}`");
        Check::fail(name, "it is not installed", fix)
    }
}

/// Whether mmdebstrap is there, given by name or path; `path` is where names are looked up.
pub(crate) fn installed(program: &Path, path: &[std::path::PathBuf]) -> Check {
    let what = "mmdebstrap";
    let named = program.components().count() == 1;
    let found = if named {
        path.iter().any(|directory| directory.join(program).is_file())
    } else {
        program.is_file()
    };
    if found {
        Check::pass(what, "installed")
    } else {
        Check::fail(what, "it is not installed", "install it with `apt-get install mmdebstrap`")
    }
}

/// Whether `directory`, or the nearest one above that exists, has room for `needed` bytes more.
pub(crate) fn room(directory: &Path, needed: u64) -> Check {
    let what = format!("free disk space in {}", directory.display());
    let existing = directory.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let megabytes = |bytes: u64| format!("{} MB", bytes >> 20);
    match rustix::fs::statvfs(existing) {
        Ok(status) => {
            let free = status.f_bavail.saturating_mul(status.f_frsize);
            if free >= needed {
                return Check::pass(what, megabytes(free));
            }
            let found = format!("{} of the {} a build takes", megabytes(free), megabytes(needed));
            Check::fail(what, found, "make room there")
        }
        Err(error) => Check::warn(what, format!("it cannot be told: {error}"), "look with `df`"),
    }
}

/// Whether this user may build; `root` is `/` but in tests.
pub(crate) fn permitted(mode: Mode, root: &Path, user: &User) -> Check {
    let what = "permission to make a root file system";
    if mode == Mode::Root {
        return Check::pass(what, "root");
    }
    let number = |path: &str| {
        skep_read::text(root.join(path), skep_read::limit::SYSTEM)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    for (path, name) in [
        ("proc/sys/user/max_user_namespaces", "user.max_user_namespaces"),
        ("proc/sys/kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone"),
    ] {
        if number(path) == Some(0) {
            return Check::fail(
                what,
                format!("user namespaces are switched off ({name} is 0)"),
                format!(
                    "run it as root, or `sudo sysctl -w {name}={}`",
                    if name.contains("max") { 15_000 } else { 1 }
                ),
            );
        }
    }
    for file in ["etc/subuid", "etc/subgid"] {
        let text = skep_read::text(root.join(file), skep_read::limit::SYSTEM).unwrap_or_default();
        if !has_subordinates(&text, user) {
            let name = &user.name;
            return Check::fail(
                what,
                format!("/{file} gives {name} no {SUBORDINATES} subordinate ids"),
                format!(
                    "run it as root, or `sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}`"
                ),
            );
        }
    }
    if !["usr/bin/newuidmap", "bin/newuidmap"].iter().any(|path| root.join(path).exists()) {
        return Check::fail(
            what,
            "the program newuidmap is missing",
            "run it as root, or install it with `apt-get install uidmap`",
        );
    }
    Check::pass(what, "user namespaces")
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) id: u32,
}

impl User {
    /// The user this process runs as, named by `etc/passwd` below `root`.
    pub(crate) fn of_this_process(root: &Path) -> Self {
        let id = rustix::process::geteuid().as_raw();
        let text =
            skep_read::text(root.join("etc/passwd"), skep_read::limit::SYSTEM).unwrap_or_default();
        Self { name: name_of(&text, id).unwrap_or_else(|| id.to_string()), id }
    }
}

/// passwd(5): `name:password:uid:…`.
fn name_of(passwd: &str, id: u32) -> Option<String> {
    let mut entries = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry =
        entries.find(|fields| fields.get(2).and_then(|uid| uid.parse().ok()) == Some(id))?;
    Some(entry[0].to_owned())
}

/// subuid(5): `name-or-uid:first:count`.
fn has_subordinates(text: &str, user: &User) -> bool {
    text.lines().any(|line| {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let [who, _, count] = fields[..] else { return false };
        (who == user.name || who == user.id.to_string())
            && count.parse::<u64>().is_ok_and(|count| count >= SUBORDINATES)
    })
}

/// The first check that stands in the way.
pub(crate) fn obstacle(checks: Vec<Check>) -> Option<Check> {
    checks.into_iter().find(|check| check.verdict == Verdict::Fail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    fn bee() -> User {
        User { name: "bee".into(), id: 1000 }
    }

    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    #[test]
    fn without_root_each_missing_thing_is_named_with_its_fix() {
        let ids = "queen:1:65536\nbee:100000:65536\n";
        let check = |files: &[(&str, &str)]| {
            let check = permitted(Mode::Unshare, host(files).path(), &bee());
            format!("{:?}: {}; {}", check.verdict, check.found, check.fix.words().unwrap())
        };
        let told = [
            check(&[("proc/sys/user/max_user_namespaces", "0\n")]),
            check(&[("proc/sys/kernel/unprivileged_userns_clone", "0\n")]),
            check(&[("etc/subuid", "queen:1:65536\nbee:1:1000\n")]),
            check(&[("etc/subuid", ids), ("etc/subgid", "1000:100000:65536\n")]),
            check(&[("etc/subuid", ids), ("etc/subgid", ids), ("usr/bin/newuidmap", "")]),
        ];
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn root_is_always_permitted() {
        let check = permitted(Mode::Root, host(&[]).path(), &bee());
        assert_eq!(check.verdict, Verdict::Pass);
    }

    #[test]
    fn room_is_looked_for_where_the_directory_will_be() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(room(&home.path().join("not/yet"), 1).verdict, Verdict::Pass);
        let check = room(home.path(), u64::MAX);
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.found.contains("MB of the"), "{}", check.found);
    }

    #[test]
    fn a_user_is_named_by_the_passwd_file() {
        let passwd = "root:x:0:0::/root:/bin/sh\nbee:x:1000:1000::/home/bee:/bin/sh\nbroken\n";
        assert_eq!(name_of(passwd, 1000).as_deref(), Some("bee"));
        assert_eq!(name_of(passwd, 7), None);
    }
}
