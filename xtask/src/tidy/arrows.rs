//! Which crate uses which: arrows only point down, so that a crate can be lifted out of the
//! workspace with nothing but what is below it.
//!
//! `docs/architecture.md` owns the picture: a crate stands in one of its rows, and its table says
//! what each crate uses. Here both are compared with the Cargo manifests.

use std::collections::BTreeMap;

use super::{
    Finding,
    tree::{File, Tree},
};

/// Where the picture and the table are.
const DOCUMENT: &str = "docs/architecture.md";

/// What a crate must not use from outside the workspace, and why.
const KEPT_OUT: &[(&str, &[&str], &str)] = &[(
    "skep-model",
    &["tokio", "tokio-util", "async-trait", "futures-util"],
    "the vocabulary does no input or output and knows no async runtime",
)];

/// The picture and the table, as the document has them.
#[derive(Debug, Default)]
struct Drawn {
    /// The line of the picture in which a crate stands; a higher number is further down.
    rows: BTreeMap<String, usize>,
    /// What the table says that a crate uses, with the table's line.
    uses: BTreeMap<String, (usize, Vec<String>)>,
}

impl Drawn {
    fn read(document: &File) -> Self {
        let mut drawn = Self::default();
        let mut in_picture = false;
        for (number, line) in document.lines() {
            if line.starts_with("```") {
                in_picture = !in_picture && drawn.rows.is_empty();
            } else if in_picture {
                drawn.rows.extend(crates_in(line).map(|name| (name, number)));
            } else if let Some(row) = line.strip_prefix("| `") {
                let mut cells = row.split('|');
                let name = cells.next().unwrap_or_default().trim().trim_end_matches('`');
                let uses = crates_in(cells.next().unwrap_or_default()).collect();
                drawn.uses.entry(name.to_owned()).or_insert((number, uses));
            }
        }
        drawn
    }
}

/// The names of crates in a text.
fn crates_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '-');
    words.filter(|word| word.starts_with("skep-") && word.len() > 5).map(str::to_owned)
}

/// Checks every manifest under `crates/` against the picture and the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.get(DOCUMENT) else { return Vec::new() };
    let drawn = Drawn::read(document);
    let manifests: Vec<_> = tree
        .files
        .iter()
        .filter(|file| file.path.starts_with("crates/") && file.name() == "Cargo.toml")
        .collect();
    let mut findings: Vec<_> =
        manifests.iter().flat_map(|file| check_manifest(file, &drawn)).collect();
    let folders: Vec<_> = manifests.iter().filter_map(|file| file.path.split('/').nth(1)).collect();
    let gone = drawn
        .uses
        .iter()
        .filter(|(name, _)| name.starts_with("skep-") && !folders.contains(&name.as_str()));
    findings.extend(gone.map(|(name, (line, _))| Finding {
        path: DOCUMENT.into(),
        line: *line,
        rule: "arrows",
        reason: format!("there is no crate `{name}`"),
        fix: "take it out of the picture and of the table".into(),
    }));
    findings
}

fn check_manifest(file: &File, drawn: &Drawn) -> Vec<Finding> {
    let finding = |line: usize, reason: String, fix: &str| Finding {
        path: file.path.clone(),
        line,
        rule: "arrows",
        reason,
        fix: fix.into(),
    };
    let manifest = match file.text.parse::<toml::Table>() {
        Ok(manifest) => manifest,
        Err(error) => {
            let reason = format!("not a manifest: {}", error.message());
            return vec![finding(1, reason, "correct the TOML")];
        }
    };
    let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
    let name = name.unwrap_or_default();
    let (Some(row), Some((_, uses))) = (drawn.rows.get(name), drawn.uses.get(name)) else {
        let reason = format!("`{name}` has no place in the picture or the table of {DOCUMENT}");
        return vec![finding(1, reason, "draw it in, above all that it uses")];
    };
    let mut findings = Vec::new();
    let own = dependencies(&manifest, &["dependencies", "build-dependencies"]);
    for dependency in own.iter().filter(|one| drawn.rows.contains_key(*one)) {
        if !uses.contains(dependency) {
            let reason = format!("`{name}` uses `{dependency}`, and the table does not say so");
            let fix = "hand in what is needed, or say so in the table";
            findings.push(finding(line_of(file, dependency), reason, fix));
        }
    }
    for said in uses.iter().filter(|said| !own.contains(said)) {
        let reason = format!("the table says that `{name}` uses `{said}`, which it does not");
        findings.push(finding(1, reason, "take it out of the table"));
    }
    for dependency in dependencies(&manifest, &["dependencies", "dev-dependencies"]) {
        let line = line_of(file, &dependency);
        if dependency != name && drawn.rows.get(&dependency).is_some_and(|below| below <= row) {
            let reason = format!("`{name}` uses `{dependency}`, which is not below it");
            let fix = "hand in what is needed, or move the type down to where both can see it";
            findings.push(finding(line, reason, fix));
        }
        for (crate_name, kept_out, why) in KEPT_OUT {
            if *crate_name == name && kept_out.contains(&dependency.as_str()) {
                let reason = format!("`{name}` uses `{dependency}`: {why}");
                findings.push(finding(line, reason, "move the code to a crate that may"));
            }
        }
    }
    findings
}

/// The names of dependencies in `sections`, for any target.
fn dependencies(manifest: &toml::Table, sections: &[&str]) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let targets =
        targets.into_iter().flat_map(|all| all.values().filter_map(toml::Value::as_table));
    let tables = std::iter::once(manifest).chain(targets);
    let mut names = tables
        .flat_map(|table| sections.iter().filter_map(|section| table.get(*section)?.as_table()))
        .flatten()
        .map(|(key, value)| value.get("package").and_then(|name| name.as_str()).unwrap_or(key))
        .map(str::to_owned)
        .collect::<Vec<_>>();
    names.sort();
    names.dedup();
    names
}

fn line_of(file: &File, dependency: &str) -> usize {
    let starts = |line: &str| {
        let rest = line.trim_start().strip_prefix(dependency);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    file.lines().find(|(_, line)| starts(line)).map_or(1, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    const DRAWN: &str = "# A\n```\n skep-machine   skep-swarm   machines\n      |\n skep-engine\n \
        skep-model\n```\n| `skep-machine` | skep-engine skep-model | Machines. |\n\
        | `skep-swarm` | skep-engine | Nodes. |\n| `skep-engine` | | Engines. |\n\
        | `skep-model` | | Words. |\n";

    fn findings(name: &str, manifest: &str) -> Vec<String> {
        let manifests = ["skep-machine", "skep-swarm", "skep-engine", "skep-model"];
        let others = manifests.iter().filter(|other| **other != name);
        let paths: Vec<_> =
            others.chain([&name]).map(|name| format!("crates/{name}/Cargo.toml")).collect();
        let mut files = vec![(DOCUMENT, DRAWN)];
        files.extend(paths.iter().map(|path| (path.as_str(), "[package]\nname = \"other\"\n")));
        files.last_mut().unwrap().1 = manifest;
        let own = check(&tree(&files)).into_iter().filter(|one| one.path.contains(name));
        own.map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn the_picture_and_the_table_match_the_manifests() {
        let manifest = "[package]\nname = \"skep-machine\"\n[dependencies]\n\
            skep-engine.workspace = true\nskep-model.workspace = true\ntokio.workspace = true\n";
        assert_eq!(findings("skep-machine", manifest), [""; 0]);
    }

    #[test]
    fn an_arrow_that_does_not_point_down_is_found_with_its_line() {
        let manifest = "[package]\nname = \"skep-swarm\"\n\n[dependencies]\nskep-engine.workspace = true\n\
             [dev-dependencies]\nm = { package = \"skep-machine\", path = \"../m\" }\n";
        let found = findings("skep-swarm", manifest);
        assert!(found.len() == 1 && found[0].contains("not below it"), "{found:?}");
        let manifest =
            "[package]\nname = \"skep-engine\"\n\n[dependencies]\nskep-swarm.workspace = true\n";
        let found = findings("skep-engine", manifest);
        assert!(found[0].starts_with("crates/skep-engine/Cargo.toml:5: arrows: "), "{found:?}");
        assert!(found.len() == 2 && found[0].contains("not say so"), "{found:?}");
    }

    #[test]
    fn a_table_that_says_too_much_is_found() {
        let found = findings("skep-swarm", "[package]\nname = \"skep-swarm\"\n");
        assert!(found.len() == 1 && found[0].contains("which it does not"), "{found:?}");
    }

    #[test]
    fn a_crate_that_is_not_there_is_found() {
        let found = check(&tree(&[(DOCUMENT, "| `skep-bees` | | Bees. |\n")]));
        assert!(found.len() == 1 && found[0].reason.contains("no crate"), "{found:?}");
    }

    #[test]
    fn the_vocabulary_stays_without_a_runtime() {
        let manifest =
            "[package]\nname = \"skep-model\"\n[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n";
        let found = findings("skep-model", manifest);
        assert!(found.len() == 1 && found[0].contains("async runtime"), "{found:?}");
    }

    #[test]
    fn an_unknown_crate_has_no_place_in_the_picture() {
        let found = findings("bees", "[package]\nname = \"bees\"\n");
        assert!(found.len() == 1 && found[0].contains("no place"), "{found:?}");
        assert_eq!(findings("bees", "[package").len(), 1);
    }
}
