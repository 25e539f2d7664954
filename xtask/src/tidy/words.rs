//! Words that a stranger stumbled over, each with the plain one.

use super::{Finding, tree::Tree};

/// Names that are gone, as whole words, and what they are called now.
const NAMES: [(&str, &str); 8] = [
    ("Swarmed", "SwarmState"),
    ("Bringer", "MachineProvisioner"),
    ("Clearing", "RemovalReason"),
    ("Doorway", "TcpEndpoint"),
    ("Homeless", "Unplaceable"),
    ("Wish", "MachineOptions, Desired"),
    ("relent", "clear_failure"),
    ("heed", "enforce"),
];

/// Phrases that a colleague of the field does not write, and what is written.
const PHRASES: [(&str, &str); 8] = [
    ("a play of VirtualBox", "a fake VirtualBox"),
    ("whose turn it is", "which lock is held"),
    ("placed in thought", "simulated placement"),
    ("machines are had", "the driver that creates the machines"),
    ("it is had whole", "it is only available as"),
    ("says what is true", "shows details"),
    ("docker-machine lives", "drop-in replacement for docker-machine"),
    ("your fingers", "docker-compatible commands"),
];

/// Where they are named on purpose.
const HERE: &str = "xtask/src/tidy/words.rs";

/// Checks code and documents.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_read = |path: &str| path != HERE && (path.ends_with(".rs") || path.ends_with(".md"));
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_read(&file.path)) {
        for (number, line) in file.lines() {
            let names = NAMES.iter().filter(|(name, _)| has_word(line, name));
            let phrases = PHRASES.iter().filter(|(phrase, _)| line.contains(phrase));
            findings.extend(names.chain(phrases).map(|(seen, plain)| Finding {
                path: file.path.clone(),
                line: number,
                rule: "plain-words",
                reason: format!("`{seen}` makes a reader stop"),
                fix: format!("in plain words: {plain}"),
            }));
        }
    }
    findings
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.split(|c| !is_part(c)).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    #[test]
    fn a_word_of_our_own_is_found_in_code_and_documents() {
        let files = [
            ("crates/a/src/b.rs", "fn a() {}\nstruct Bringer;\nstruct BringerOf;\n"),
            ("docs/a.md", "skep says what is true.\n"),
            ("docs/a.snap", "skep says what is true.\n"),
        ];
        let found: Vec<_> =
            check(&tree(&files)).into_iter().map(|one| (one.path, one.line)).collect();
        assert_eq!(found, [("crates/a/src/b.rs".into(), 2), ("docs/a.md".into(), 1)]);
    }
}
