//! The project contains nothing of the machine a change was made on: its paths, its users' homes,
//! the package mirrors and proxies it is configured with.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{Finding, tree::Tree};

/// Names every machine has for itself, so that using one says nothing about it.
const OWN: [&str; 2] = ["localhost", "127.0.0.1"];

/// Names that are specific to this machine.
#[derive(Debug, Default)]
pub(super) struct Private {
    /// Hosts of mirrors and proxies.
    hosts: BTreeSet<String>,
    /// Paths: the checkout, the user's home.
    paths: BTreeSet<String>,
}

impl Private {
    /// Reads what apt, pip and cargo are configured with here, and the checkout's path.
    pub(super) fn of_this_machine(root: &Path) -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let apt = Path::new("/etc/apt");
        let mut files = vec![
            apt.join("sources.list"),
            apt.join("apt.conf"),
            PathBuf::from("/etc/pip.conf"),
            home.join(".config/pip/pip.conf"),
            home.join(".pip/pip.conf"),
            home.join(".cargo/config.toml"),
        ];
        for folder in ["sources.list.d", "apt.conf.d"] {
            let entries = fs::read_dir(apt.join(folder)).into_iter().flatten();
            files.extend(entries.filter_map(|entry| Some(entry.ok()?.path())));
        }
        let settings = files.iter().filter_map(|file| fs::read_to_string(file).ok());
        let mut hosts = settings.flat_map(|text| hosts_in(&text)).collect::<BTreeSet<_>>();
        hosts.retain(|host| !OWN.contains(&host.as_str()));
        // A path directly below the root directory (`/root`, `/src`) says nothing about a machine.
        let telling = [root, &home].into_iter().filter(|path| path.components().count() > 2);
        let paths = telling.map(|path| path.display().to_string()).collect();
        Self { hosts, paths }
    }
}

/// The hosts of all URLs in a text that are not in a comment.
fn hosts_in(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', ';']));
    let urls = lines.flat_map(|line| line.split("://").skip(1));
    let host = |rest: &str| {
        let authority = rest.split(['/', ' ', '"', '\'', ';', '>']).next()?;
        let host = authority.rsplit('@').next()?.split(':').next()?;
        host.contains('.').then(|| host.to_lowercase())
    };
    urls.filter_map(host).collect()
}

/// Looks for them in every file.
pub(super) fn check(tree: &Tree, private: &Private) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.name() != "Cargo.lock") {
        for (number, line) in file.lines() {
            let host = private.hosts.iter().find(|host| holds(line, host));
            let path = private.paths.iter().find(|path| holds(line, path));
            for (what, found) in [("mirror or proxy", host), ("path", path)] {
                let Some(found) = found else { continue };
                findings.push(Finding {
                    path: file.path.clone(),
                    line: number,
                    rule: "this-machine",
                    reason: format!("`{found}` is a {what} of this machine, and of no other"),
                    fix: "read it at run time, or use an example name".into(),
                });
            }
        }
    }
    findings
}

/// Whether `text` stands in `line` as a whole: `/srv/a`, not the start of `/srv/ab`.
fn holds(line: &str, text: &str) -> bool {
    let part_of_a_word = |c: char| c.is_ascii_alphanumeric() || c == '-';
    line.match_indices(text).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + text.len()..].chars().next();
        // `../srv/a` is another path than `/srv/a`.
        let goes_on = text.starts_with('/') && before == Some('.');
        !goes_on && !before.is_some_and(part_of_a_word) && !after.is_some_and(part_of_a_word)
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    #[test]
    fn hosts_are_read_from_settings() {
        let settings = "# deb http://old.example/debian\n\
            URIs: https://user:secret@Mirror.example:8080/debian\n\
            Acquire::http::Proxy \"http://proxy.example:3128\";\n";
        assert_eq!(hosts_in(settings), ["mirror.example", "proxy.example"]);
    }

    #[test]
    fn what_only_this_machine_knows_is_found() {
        let private = Private {
            hosts: BTreeSet::from(["mirror.example".into()]),
            paths: BTreeSet::from(["/home/ann/skep".into()]),
        };
        let text = "fine\nhttp://mirror.example/debian\nnot-mirror.example\n/home/ann/skep/a\n/home/ann/skeptic\n../home/ann/skep\n";
        let found = check(&tree(&[("docs/a.md", text)]), &private);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn a_folder_directly_below_the_root_says_nothing() {
        let private = Private::of_this_machine(Path::new("/nowhere/at/all"));
        assert!(private.paths.contains("/nowhere/at/all"));
        assert!(!Private::of_this_machine(Path::new("/src")).paths.contains("/src"));
    }
}
