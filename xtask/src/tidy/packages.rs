//! Each crate can be taken into another program: it says on its own what it is for,
//! its first example is tested, and all it is built from lies in its folder.

use super::{
    Finding,
    tree::{File, Tree},
};

/// What a registry shows of a crate, and finds it by.
const SHOWN: [&str; 5] = ["description", "readme", "license", "keywords", "categories"];

/// Checks every crate under `crates/`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter_map(|file| {
        let name = file.path.strip_prefix("crates/")?.strip_suffix("/Cargo.toml")?;
        (!name.contains('/')).then_some((file, name))
    });
    manifests.flat_map(|(manifest, name)| check_crate(tree, manifest, name)).collect()
}

fn check_crate(tree: &Tree, manifest: &File, name: &str) -> Vec<Finding> {
    let folder = format!("crates/{name}");
    let finding = |path: String, reason: String, fix: &str| Finding {
        path,
        line: 1,
        rule: "package",
        reason,
        fix: fix.to_owned(),
    };
    let mut findings = Vec::new();
    let table = manifest.text.parse::<toml::Table>().unwrap_or_default();
    let package = table.get("package").and_then(toml::Value::as_table);
    for key in SHOWN.into_iter().filter(|key| package.is_none_or(|table| !table.contains_key(*key)))
    {
        let reason = format!("[package] has no `{key}`, by which people find and judge a crate");
        findings.push(finding(manifest.path.clone(), reason, "add it"));
    }
    if !tree.has(&format!("{folder}/examples")) {
        let reason = "no example shows the crate's main job".to_owned();
        findings.push(finding(format!("{folder}/examples"), reason, "write a short one"));
    }
    let text = |path: &str| tree.get(path).map(|file| &*file.text).unwrap_or_default();
    let (readme, root) = (format!("{folder}/README.md"), format!("{folder}/src/lib.rs"));
    let tested = text(&root).lines().map_while(|line| line.strip_prefix("//!"));
    let tested = first_code(tested.map(|line| line.strip_prefix(' ').unwrap_or(line)));
    if tested.is_none() {
        let reason = "the first screen of its documentation has no example".to_owned();
        findings.push(finding(root, reason, "write one, which `cargo test --doc` then tests"));
    }
    let shown = first_code(text(&readme).lines());
    if shown.is_none() || shown != tested {
        let reason = "its first example is not the one in lib.rs, which is tested".to_owned();
        findings.push(finding(readme, reason, "copy that, without the lines that begin with `# `"));
    }
    let inside = format!("{folder}/");
    let sources = tree.rust().filter(|file| file.path.starts_with(&inside));
    findings.extend(sources.flat_map(|file| includes_from_outside(&inside, file)));
    findings
}

/// The first fenced block, as rustdoc shows it: without hidden lines and those that are blank at
/// its ends.
fn first_code<'a>(lines: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut lines = lines.skip_while(|line| !line.starts_with("```"));
    lines.next()?;
    let code = lines.take_while(|line| !line.starts_with("```"));
    let code: Vec<_> = code.filter(|line| *line != "#" && !line.starts_with("# ")).collect();
    Some(code.join("\n").trim().to_owned())
}

/// The lines that include a file from outside the crate, which no package of it would have.
fn includes_from_outside(folder: &str, file: &File) -> Vec<Finding> {
    let depth = file.path[folder.len()..].matches('/').count();
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        let includes = text.contains("include_str!(") || text.contains("include_bytes!(");
        if includes && text.matches("../").count() > depth {
            findings.push(Finding {
                path: file.path.clone(),
                line,
                rule: "package",
                reason: "it includes a file from outside the crate, and a package would lack it"
                    .into(),
                fix: "move the file into the crate's folder".into(),
            });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    const MANIFEST: &str = "[package]\ndescription = 'a'\nreadme = 'README.md'\n\
         license.workspace = true\nkeywords = []\ncategories = []\n";
    const ROOT: &str = "//! A.\n//!\n//! ```no_run\n//! a();\n//! # b();\n//! ```\npub mod x;\n";

    fn found(changed: &[(&str, &str)]) -> Vec<(String, usize)> {
        let mut files = vec![
            ("crates/a/Cargo.toml", MANIFEST),
            ("crates/a/README.md", "# a\n\n```rust\na();\n```\n"),
            ("crates/a/examples/a.rs", "fn main() {}\n"),
            ("crates/a/src/lib.rs", ROOT),
            ("crates/a/src/x/y.rs", "const X: &str = include_str!(\"../../guest/x\");\n"),
        ];
        for change in changed {
            files.retain(|(path, _)| *path != change.0);
            files.push(*change);
        }
        check(&tree(&files)).into_iter().map(|one| (one.path, one.line)).collect()
    }

    #[test]
    fn a_crate_with_everything_can_be_taken() {
        assert_eq!(found(&[]), []);
    }

    #[test]
    fn what_is_missing_is_named() {
        let manifest = "[package]\nname = 'a'\n";
        assert_eq!(found(&[("crates/a/Cargo.toml", manifest)]).len(), SHOWN.len());
        let readme = ("crates/a/README.md", "# a\n\n```rust\nb();\n```\n");
        assert_eq!(found(&[readme]), [("crates/a/README.md".into(), 1)]);
        let both = found(&[("crates/a/README.md", ""), ("crates/a/src/lib.rs", "//! A.\n")]);
        assert_eq!(both, [("crates/a/src/lib.rs".into(), 1), ("crates/a/README.md".into(), 1)]);
    }

    #[test]
    fn a_package_is_built_from_its_own_folder() {
        let outside = "\nconst X: &str = include_str!(\"../../../docs/x\");\n";
        assert_eq!(found(&[("crates/a/src/x/y.rs", outside)]), [("crates/a/src/x/y.rs".into(), 2)]);
    }
}
