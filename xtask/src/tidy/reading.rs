//! Files and streams are read through `skep-read`, with a limit: a path may name a device, a named
//! pipe, or sixty gigabytes.

use super::{
    Finding,
    tree::{File, Tree},
};

/// Calls that read to an end of file that may never come, or open what may not be a file.
const BARE: [&str; 9] = [
    "fs::read(",
    "fs_err::read(",
    "read_to_string(",
    "read_to_end(",
    "File::open(",
    ".read_line(",
    "fs::copy(",
    "fs_err::copy(",
    "body.collect()",
];

/// Where such a call is right, and why.
const EXCEPTIONS: [(&str, &str, &str); 5] = [
    ("crates/skep-read/", "", "the one place"),
    ("crates/skep-engine/src/fake.rs", "", "an engine of the tests, which ask it themselves"),
    ("crates/skep-store/src/file.rs", "File::open(directory)", "a directory, to lock it"),
    (
        "crates/skep-guest/src/engine.rs",
        "stream.take(4096)",
        "a greeting, with a limit and a deadline",
    ),
    (
        "crates/skep-cluster/src/images/fan.rs",
        "part.read_to_end(",
        "`part` takes one piece of an archive",
    ),
];

/// Checks the libraries and the command; their tests read what they have written themselves.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.rust().flat_map(check_file).collect()
}

fn check_file(file: &File) -> impl Iterator<Item = Finding> + '_ {
    file.code()
        .filter(|(_, line)| {
            let line = line.trim_start();
            let excepted = |(path, text, _): &(&str, &str, &str)| {
                file.path.starts_with(path) && line.contains(text)
            };
            BARE.iter().any(|bare| line.contains(bare)) && !EXCEPTIONS.iter().any(excepted)
        })
        .map(|(line, _)| Finding {
            path: file.path.clone(),
            line,
            rule: "bare-read",
            reason: "what is read may be a device, a named pipe, or have no end".into(),
            fix: "read it with `skep_read`, which has a limit; an exception has its reason in \
              xtask/src/tidy/reading.rs"
                .into(),
        })
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&tree(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn a_bare_read_is_found_outside_of_tests() {
        let text = "fn a() {\n    let x = std::fs::read(p);\n    y.read_to_end(&mut b);\n}\n\
                    // File::open( in a comment\n#[cfg(test)]\nmod tests { fs_err::read(p) }\n";
        assert_eq!(lines("crates/a/src/b.rs", text), [2, 3]);
        assert_eq!(lines("crates/a/src/b/tests.rs", text), [0; 0]);
        assert_eq!(lines("xtask/src/b.rs", text), [0; 0]);
        assert_eq!(lines("crates/skep-read/src/lib.rs", text), [0; 0]);
        assert_eq!(lines("crates/a/src/b.rs", "let x = skep_read::bytes(p, LIMIT);\n"), [0; 0]);
    }
}
