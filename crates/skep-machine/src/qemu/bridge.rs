//! An existing bridge as what joins the machines, through `qemu-bridge-helper`: a small program
//! that may make a tap although the user may not, on those bridges that root has listed.

use std::path::{Path, PathBuf};

use skep_model::Check;

/// Where distributions install the helper.
const HELPERS: [&str; 4] = [
    "usr/lib/qemu/qemu-bridge-helper",
    "usr/libexec/qemu-bridge-helper",
    "usr/libexec/qemu/qemu-bridge-helper",
    "usr/local/libexec/qemu-bridge-helper",
];
/// The list of bridges that the helper lets machines onto.
const LIST: &str = "etc/qemu/bridge.conf";

/// What a bridge needs of the host whose root directory is `root`.
pub(super) fn checks(root: &Path, bridge: &str, is_root: bool) -> Vec<Check> {
    vec![there(root, bridge), helper(root, is_root), listed(root, bridge), taps(root)]
}

fn there(root: &Path, bridge: &str) -> Check {
    let what = format!("bridge {bridge}");
    let interface = root.join("sys/class/net").join(bridge);
    if interface.join("bridge").is_dir() {
        Check::pass(what, "there")
    } else if interface.exists() {
        let fix = "name a bridge: `ip link show type bridge` lists them";
        Check::fail(what, "it is an interface, and no bridge", fix)
    } else {
        let fix =
            format!("`sudo ip link add {bridge} type bridge && sudo ip link set {bridge} up`");
        Check::fail(what, "there is none of this name", fix)
    }
}

fn helper(root: &Path, is_root: bool) -> Check {
    use std::os::unix::fs::MetadataExt;
    const WHAT: &str = "qemu-bridge-helper";
    let found: Option<(PathBuf, u32)> = HELPERS.iter().find_map(|path| {
        let meta = fs_err::metadata(root.join(path)).ok()?;
        Some((Path::new("/").join(path), meta.mode()))
    });
    match found {
        None => Check::fail(WHAT, "not installed", "`apt-get install qemu-system-common`"),
        Some((path, mode)) if mode & 0o4000 == 0 && !is_root => {
            // A capability would do as well, and cannot be seen here.
            let fix = format!("`sudo chmod u+s {}`, if QEMU is refused", path.display());
            Check::warn(WHAT, format!("{} is not set-user-id", path.display()), fix)
        }
        Some((path, _)) => Check::pass(WHAT, path.display().to_string()),
    }
}

fn listed(root: &Path, bridge: &str) -> Check {
    let what = format!("/{LIST}");
    let add = format!("`sudo mkdir -p /etc/qemu && echo 'allow {bridge}' | sudo tee -a /{LIST}`");
    match skep_read::text(root.join(LIST), skep_read::limit::SYSTEM) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::fail(what, "there is none", add)
        }
        // Its include files may be for some users only.
        Err(error) => Check::warn(what, format!("cannot be read ({error})"), add),
        Ok(text) => match permitted(&text, bridge) {
            Some(true) => Check::pass(what, format!("allows {bridge}")),
            Some(false) => {
                let fix = format!("remove the line `deny {bridge}` or `deny all` from it");
                Check::fail(what, format!("denies {bridge}"), fix)
            }
            None => Check::fail(what, format!("does not mention {bridge}"), add),
        },
    }
}

fn taps(root: &Path) -> Check {
    const WHAT: &str = "/dev/net/tun";
    if root.join("dev/net/tun").exists() {
        Check::pass(WHAT, "there")
    } else {
        Check::fail(WHAT, "not there", "`sudo modprobe tun`")
    }
}

/// Whether the helper's list lets machines onto a bridge, as the helper reads it: a denial beats a
/// permission wherever it stands. `None` if it says nothing, or only in files it includes.
fn permitted(list: &str, bridge: &str) -> Option<bool> {
    let rules = list.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    let mut allowed = None;
    for (rule, subject) in rules {
        let applies = subject == bridge || subject == "all";
        match rule {
            "deny" if applies => return Some(false),
            "allow" if applies => allowed = Some(true),
            _ => {}
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_list_is_read_as_the_helper_reads_it() {
        assert_eq!(permitted("allow br0\n", "br0"), Some(true));
        assert_eq!(permitted("  allow all # everybody\n", "br0"), Some(true));
        assert_eq!(permitted("allow br0\ndeny all\n", "br0"), Some(false));
        assert_eq!(permitted("allow br1\n# allow br0\ninclude /x\n", "br0"), None);
    }

    #[test]
    fn each_missing_thing_is_named_with_its_fix() {
        let root = tempfile::tempdir().unwrap();
        let told = |root: &Path| {
            let checks = checks(root, "br0", false).into_iter();
            let line = |check: Check| {
                format!(
                    "{:?} {}: {}; {}",
                    check.verdict,
                    check.what,
                    check.found,
                    check.fix.words().unwrap()
                )
            };
            checks.map(line).collect::<Vec<_>>().join("\n")
        };
        let nothing = told(root.path());
        for (path, text) in [
            ("sys/class/net/br0/bridge/id", ""),
            ("usr/lib/qemu/qemu-bridge-helper", ""),
            ("etc/qemu/bridge.conf", "allow br0\n"),
            ("dev/net/tun", ""),
        ] {
            let path = root.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        insta::assert_snapshot!(format!("{nothing}\n\n{}", told(root.path())));
    }

    proptest! {
        #[test]
        fn any_list_is_survived(text in "\\PC{0,200}") {
            permitted(&text, "br0");
        }
    }
}
