//! A library names no command: who shows its errors may be another program.

use super::{
    Finding,
    tree::{File, Tree},
};

/// The only crate that has a command line.
const COMMAND_LINE: &str = "crates/skep-cli/";

/// What is written before a command's name, and commands where it is left out.
const SIGNS: [&str; 4] = ["`skep ", "`machine ", "`up`", "`down`"];

/// Commands that a text may name without quoting them.
const COMMANDS: [&str; 33] = [
    "up", "down", "plan", "ls", "use", "status", "doctor", "demo", "start", "stop", "suspend",
    "resume", "snapshot", "clone", "file", "registry", "ui", "support", "ssh", "logs", "env",
    "machine", "node", "swarm", "service", "stack", "cert", "os", "image", "secret", "config",
    "network", "volume",
];

/// Checks the libraries' code without its comments and tests.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let libraries = tree.rust().filter(|file| !file.path.starts_with(COMMAND_LINE));
    libraries.flat_map(check_file).collect()
}

fn check_file(file: &File) -> impl Iterator<Item = Finding> + '_ {
    file.code().filter(|(_, line)| names_a_command(line)).map(|(line, _)| Finding {
        path: file.path.clone(),
        line,
        rule: "advice",
        reason: "a library does not know the command line, nor under which name it is shown".into(),
        fix: "say what is wrong, and give a `skep_model::Advice`, which \
              crates/skep-cli/src/advice.rs words"
            .into(),
    })
}

fn names_a_command(line: &str) -> bool {
    let is_named = |rest: &str| {
        let word = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        COMMANDS.contains(&word)
    };
    SIGNS.iter().any(|sign| line.contains(sign))
        // A string that goes on in the next line.
        || line.ends_with("skep \\")
        || line.match_indices("skep ").any(|(at, skep)| is_named(&line[at + skep.len()..]))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    #[test]
    fn a_command_that_a_library_names_is_found() {
        let text = "/// As `skep up` does.\n\
                    fn a() -> &'static str { \"gone: `skep ls` shows what is there\" }\n\
                    fn b() -> &'static str { \"gone: run skep \\\n    up again\" }\n\
                    fn c() -> &'static str { \"run skep up again\" }\n\
                    fn d() -> &'static str { \"a skep upside down\" }\n\
                    #[cfg(test)]\nmod tests { const A: &str = \"skep up\"; }\n";
        let files = [
            ("crates/a/src/b.rs", text),
            ("crates/a/src/b_tests.rs", text),
            ("crates/a/tests/b.rs", text),
            ("crates/skep-cli/src/b.rs", text),
        ];
        let found: Vec<_> =
            check(&tree(&files)).into_iter().map(|one| (one.path, one.line)).collect();
        let expected = [2, 3, 5].map(|line| ("crates/a/src/b.rs".to_owned(), line));
        assert_eq!(found, expected);
    }
}
