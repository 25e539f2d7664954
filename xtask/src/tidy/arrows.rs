//! Which crate may use which: arrows only point down, so that a crate can be lifted out of the
//! workspace with nothing but what is below it.

use super::{
    Finding,
    tree::{File, Tree},
};

/// Everything a crate may depend on, of this workspace. `docs/architecture.md` draws the picture,
/// `docs/design/0001` is why `skep-machine` may use `skep-engine`.
const ARROWS: &[(&str, &[&str])] = &[
    ("skep-model", &[]),
    ("skep-read", &[]),
    ("skep-api", &["skep-model"]),
    ("skep-process", &["skep-model", "skep-read"]),
    ("skep-store", &["skep-model", "skep-read"]),
    ("skep-os", &["skep-model", "skep-read", "skep-process", "skep-store"]),
    ("skep-engine", &["skep-model", "skep-read", "skep-store"]),
    (
        "skep-machine",
        &["skep-model", "skep-read", "skep-process", "skep-store", "skep-os", "skep-engine"],
    ),
    ("skep-guest", &["skep-model", "skep-read", "skep-process", "skep-store"]),
    ("skep-swarm", &["skep-model", "skep-read", "skep-api", "skep-engine"]),
    ("skep-service", &["skep-model", "skep-read", "skep-api", "skep-engine"]),
    (
        "skep-cluster",
        &[
            "skep-model",
            "skep-read",
            "skep-api",
            "skep-process",
            "skep-store",
            "skep-os",
            "skep-engine",
            "skep-machine",
            "skep-guest",
            "skep-swarm",
            "skep-service",
        ],
    ),
    (
        "skep-cli",
        &[
            "skep-model",
            "skep-read",
            "skep-api",
            "skep-process",
            "skep-store",
            "skep-os",
            "skep-engine",
            "skep-machine",
            "skep-guest",
            "skep-swarm",
            "skep-service",
            "skep-cluster",
        ],
    ),
    ("xtask", &["skep-process"]),
];

/// What a crate must not use from outside the workspace, and why.
const KEPT_OUT: &[(&str, &[&str], &str)] = &[(
    "skep-model",
    &["tokio", "tokio-util", "async-trait", "futures-util"],
    "the vocabulary does no input or output and knows no async runtime",
)];

/// Checks every manifest under `crates/` and the one of xtask against the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|file| {
        file.path == "xtask/Cargo.toml"
            || (file.path.starts_with("crates/") && file.name() == "Cargo.toml")
    });
    manifests.flat_map(check_manifest).collect()
}

fn check_manifest(file: &File) -> Vec<Finding> {
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
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        let reason = format!("`{name}` has no place in the picture of the crates");
        let fix = "give it one in docs/architecture.md and in xtask/src/tidy/arrows.rs";
        return vec![finding(1, reason, fix)];
    };
    let mut findings = Vec::new();
    for dependency in dependencies(&manifest) {
        let line = line_of(file, &dependency);
        let known = ARROWS.iter().any(|(crate_name, _)| *crate_name == dependency);
        let own = dependency == name;
        if known && !own && !allowed.contains(&dependency.as_str()) {
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

/// The names of all dependencies: normal, for tests, for builds, for one target.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
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

    fn findings(path: &str, manifest: &str) -> Vec<String> {
        check(&tree(&[(path, manifest)])).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_that_points_up_is_found_with_its_line() {
        let manifest =
            "[package]\nname = \"skep-swarm\"\n\n[dependencies]\nskep-machine.workspace = true\n";
        let found = findings("crates/skep-swarm/Cargo.toml", manifest);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/skep-swarm/Cargo.toml:5: arrows: "), "{found:?}");
    }

    #[test]
    fn a_renamed_or_test_only_dependency_counts_as_well() {
        let manifest = "[package]\nname = \"skep-os\"\n[dev-dependencies]\nm = { package = \"skep-machine\", path = \"../m\" }\n";
        assert_eq!(findings("crates/skep-os/Cargo.toml", manifest).len(), 1);
    }

    #[test]
    fn the_vocabulary_stays_without_a_runtime() {
        let manifest =
            "[package]\nname = \"skep-model\"\n[target.'cfg(unix)'.dependencies]\ntokio = \"1\"\n";
        let found = findings("crates/skep-model/Cargo.toml", manifest);
        assert!(found.len() == 1 && found[0].contains("async runtime"), "{found:?}");
    }

    #[test]
    fn an_unknown_crate_is_asked_for_its_place() {
        let found = findings("crates/bees/Cargo.toml", "[package]\nname = \"bees\"\n");
        assert!(found.len() == 1 && found[0].contains("no place"), "{found:?}");
        assert_eq!(findings("crates/bees/Cargo.toml", "[package").len(), 1);
    }

    #[test]
    fn what_the_picture_draws_is_allowed() {
        let manifest = "[package]\nname = \"skep-machine\"\n[dependencies]\nskep-engine.workspace = true\ntokio.workspace = true\n";
        assert_eq!(findings("crates/skep-machine/Cargo.toml", manifest), [""; 0]);
    }

    #[test]
    fn the_table_itself_has_no_circle() {
        for (index, (name, allowed)) in ARROWS.iter().enumerate() {
            let below = ARROWS[..index].iter().map(|(name, _)| *name).collect::<Vec<_>>();
            for dependency in *allowed {
                assert!(below.contains(dependency), "{name} is listed before {dependency}");
            }
        }
    }
}
