//! Rules about Rust files.

use super::{
    Finding,
    tree::{File, Tree},
};

/// A file with more lines should be split by subject.
const LONGEST: usize = 600;

/// Names that say nothing about the content.
const VAGUE: [&str; 7] = ["utils", "util", "common", "helpers", "helper", "misc", "shared"];

/// A line that must not be there.
struct Banned {
    rule: &'static str,
    text: &'static str,
    reason: &'static str,
    fix: &'static str,
}

// The texts are put together from halves so that this file keeps its own rules.
const BANNED: [Banned; 3] = [
    Banned {
        rule: "ignored-test",
        text: concat!("#[", "ignore"),
        reason: "a test that does not run proves nothing",
        fix: "make it run, or skip it at run time with a reason that is printed",
    },
    Banned {
        rule: "bare-sleep",
        text: concat!("sleep(", "Duration"),
        reason: "an amount of time is no condition: too short on a slow machine, wasted on a fast one",
        fix: "wait for the condition with a deadline; its poll interval is a constant with a name",
    },
    Banned {
        rule: "bare-sleep",
        text: concat!("sleep(std::time::", "Duration"),
        reason: "an amount of time is no condition: too short on a slow machine, wasted on a fast one",
        fix: "wait for the condition with a deadline; its poll interval is a constant with a name",
    },
];

/// Checks every Rust file, and every library for its header and its example.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = tree.rust().flat_map(check_file).collect::<Vec<_>>();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/")) {
        let Some(folder) = file.path.strip_suffix("/src/lib.rs") else { continue };
        findings.extend(check_header(file));
        let program = tree.has(&format!("{folder}/src/main.rs"));
        if !program && !tree.has(&format!("{folder}/examples")) {
            findings.push(Finding {
                path: file.path.clone(),
                line: 1,
                rule: "example",
                reason: "a library without an example has never been used from outside".into(),
                fix: format!("write the shortest useful program in {folder}/examples/"),
            });
        }
    }
    findings
}

fn check_file(file: &File) -> Vec<Finding> {
    let finding = |line: usize, rule: &'static str, reason: String, fix: String| Finding {
        path: file.path.clone(),
        line,
        rule,
        reason,
        fix,
    };
    let mut findings = Vec::new();
    let length = file.text.lines().count();
    if length > LONGEST {
        let reason = format!("{length} lines; more than {LONGEST} are hard to keep in mind");
        findings.push(finding(length, "file-length", reason, "split it by subject".into()));
    }
    if let Some(name) = file.path.split(['/', '.']).find(|part| VAGUE.contains(part)) {
        let reason = format!("`{name}` says nothing about what is in it, so anything will be");
        let fix = "name it after its subject, or move its parts to where they are used";
        findings.push(finding(1, "vague-name", reason, fix.into()));
    }
    for (number, line) in file.lines().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for banned in BANNED.iter().filter(|banned| line.contains(banned.text)) {
            findings.push(finding(number, banned.rule, banned.reason.into(), banned.fix.into()));
        }
        let vague = line.trim().strip_suffix(['{', ';']).and_then(|line| {
            let name = line.trim().rsplit_once("mod ")?.1.trim();
            VAGUE.contains(&name).then_some(name)
        });
        if let Some(name) = vague {
            let reason = format!("a module `{name}` says nothing about what is in it");
            findings.push(finding(
                number,
                "vague-name",
                reason,
                "name it after its subject".into(),
            ));
        }
    }
    findings
}

/// A library opens with what it is for, what it must never do, and where to start reading.
fn check_header(file: &File) -> Option<Finding> {
    let header = file.text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>();
    let never = header.iter().any(|line| line.to_lowercase().contains("never"));
    (header.len() < 3 || !never).then(|| Finding {
        path: file.path.clone(),
        line: 1,
        rule: "library-header",
        reason: "a reader of a crate needs to know what it is for and what it must never do".into(),
        fix: "open it with `//!` lines: its purpose, `**Never here:** …`, where to start reading"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    const HEADER: &str = "//! What it is for.\n//!\n//! **Never here:** printing.\n";

    fn rules(files: &[(&str, &str)]) -> Vec<(&'static str, usize)> {
        check(&tree(files)).iter().map(|finding| (finding.rule, finding.line)).collect()
    }

    #[test]
    fn a_long_file_is_found() {
        let text = "fn a() {}\n".repeat(LONGEST + 1);
        assert_eq!(rules(&[("tests/e2e.rs", &text)]), [("file-length", LONGEST + 1)]);
        let text = "fn a() {}\n".repeat(LONGEST);
        assert_eq!(rules(&[("tests/e2e.rs", &text)]), []);
    }

    #[test]
    fn a_test_that_never_runs_is_found() {
        let text = concat!("#[test]\n#[", "ignore = \"slow\"]\nfn a() {}\n");
        assert_eq!(rules(&[("tests/a.rs", text)]), [("ignored-test", 2)]);
    }

    #[test]
    fn a_bare_sleep_is_found_and_a_named_interval_is_not() {
        let text = concat!("tokio::time::sleep(", "Duration::from_secs(1)).await;\n");
        assert_eq!(rules(&[("crates/a/src/b.rs", text)]), [("bare-sleep", 1)]);
        let text = concat!("sleep(std::time::", "Duration::from_secs(1));\n");
        assert_eq!(rules(&[("crates/a/src/b.rs", text)]), [("bare-sleep", 1)]);
        assert_eq!(rules(&[("crates/a/src/b.rs", "tokio::time::sleep(POLL).await;\n")]), []);
        let text = concat!("// never sleep(", "Duration)\n");
        assert_eq!(rules(&[("crates/a/src/b.rs", text)]), []);
    }

    #[test]
    fn vague_names_are_found_in_paths_and_modules() {
        assert_eq!(rules(&[("crates/a/src/utils.rs", "")]), [("vague-name", 1)]);
        assert_eq!(rules(&[("tests/common/mod.rs", "")]), [("vague-name", 1)]);
        assert_eq!(rules(&[("crates/a/src/b.rs", "\nmod helpers {\n}\n")]), [("vague-name", 2)]);
        assert_eq!(rules(&[("crates/a/src/common_name.rs", "mod x509;\n")]), []);
    }

    #[test]
    fn a_library_needs_a_header_and_an_example() {
        let bare = [("crates/a/src/lib.rs", "//! A.\n")];
        assert_eq!(rules(&bare), [("library-header", 1), ("example", 1)]);
        let good = [("crates/a/src/lib.rs", HEADER), ("crates/a/examples/a.rs", "")];
        assert_eq!(rules(&good), []);
        let program = [("crates/a/src/lib.rs", HEADER), ("crates/a/src/main.rs", "")];
        assert_eq!(rules(&program), []);
    }
}
