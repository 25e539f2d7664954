//! Rules about documents: the README, the change log, the licences, the links.

use super::{
    Finding,
    tree::{File, Tree},
};

/// The files a project of its kind has.
const NEEDED: [&str; 7] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "docs/architecture.md",
];

/// What a file must say, and in how many of its first lines.
const SAYS: [(&str, &str, usize, &str); 3] = [
    ("README.md", "cargo xtask demo", 30, "the first screen says how to see it work"),
    ("README.md", "cargo xtask test", 30, "the first screen says how to test it"),
    ("CHANGELOG.md", "## [Unreleased]", usize::MAX, "a change is written down when it is made"),
];

/// Checks that the documents are there, say what they must, and link to what exists.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in NEEDED.into_iter().filter(|path| tree.get(path).is_none()) {
        findings.push(Finding {
            path: path.into(),
            line: 1,
            rule: "document",
            reason: "people look for this file, and it is not there".into(),
            fix: "write it".into(),
        });
    }
    for (path, text, lines, reason) in SAYS {
        let Some(file) = tree.get(path) else { continue };
        if !file.text.lines().take(lines).any(|line| line.contains(text)) {
            findings.push(Finding {
                path: path.into(),
                line: 1,
                rule: "document",
                reason: reason.into(),
                fix: format!("say `{text}`"),
            });
        }
    }
    let documents = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    findings.extend(documents.flat_map(|file| broken_links(tree, file)));
    findings
}

fn broken_links(tree: &Tree, file: &File) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    let mut in_code = false;
    for (number, line) in file.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for target in links(line) {
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            let path = target.split('#').next().unwrap_or_default();
            if elsewhere || path.is_empty() || leads_somewhere(tree, folder, path) {
                continue;
            }
            findings.push(Finding {
                path: file.path.clone(),
                line: number,
                rule: "link",
                reason: format!("`{target}` does not exist"),
                fix: "correct the path, which starts at this file's folder".into(),
            });
        }
    }
    findings
}

fn leads_somewhere(tree: &Tree, folder: &str, path: &str) -> bool {
    let mut parts = folder.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part != ".." {
            parts.push(part);
        } else if parts.pop().is_none() {
            return false;
        }
    }
    parts.is_empty() || tree.has(&parts.join("/"))
}

/// The targets of the links `[text](target)` in one line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next())
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    fn places(files: &[(&str, &str)]) -> Vec<String> {
        let all = check(&tree(files));
        let kept = all.iter().filter(|finding| files.iter().any(|(path, _)| *path == finding.path));
        kept.map(|finding| format!("{}:{} {}", finding.path, finding.line, finding.rule)).collect()
    }

    #[test]
    fn missing_documents_are_named() {
        let all = check(&tree(&[]));
        assert_eq!(all.len(), NEEDED.len());
        assert!(all.iter().any(|finding| finding.path == "LICENSE-APACHE"));
    }

    #[test]
    fn the_two_commands_belong_on_the_first_screen() {
        let far = format!("# skep\n{}cargo xtask demo\ncargo xtask test\n", "\n".repeat(40));
        assert_eq!(places(&[("README.md", &far)]).len(), 2);
        assert_eq!(places(&[("README.md", "cargo xtask demo\ncargo xtask test\n")]), [""; 0]);
    }

    #[test]
    fn the_change_log_has_a_place_for_the_next_change() {
        assert_eq!(places(&[("CHANGELOG.md", "## [0.1.0]\n")]), ["CHANGELOG.md:1 document"]);
    }

    #[test]
    fn links_are_followed() {
        let text = "[a](b.md#part) [c](../src/x.rs)\n[d](gone.md)\n[w](https://example.org) [e](#f)\n```\n[z](z)\n```\n";
        let files = [("docs/a.md", text), ("docs/b.md", ""), ("src/x.rs", "")];
        assert_eq!(places(&files), ["docs/a.md:2 link"]);
        assert_eq!(places(&[("a.md", "[out](../../etc)")]), ["a.md:1 link"]);
    }
}
