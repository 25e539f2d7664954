//! Stacks: Compose files read, and deployed over an engine that answers from a script.

mod deploying;
mod fake;
mod files;
mod merging;

use std::{collections::BTreeMap, path::Path};

use skep_service::stack::{Project, Source, StackError};
use tempfile::TempDir;

/// The stack `s` of these texts, files `a.yaml`, `b.yaml`, … in a directory that has `files`.
fn load_with(
    texts: &[&str],
    files: &[(&str, &str)],
    variables: &[(&str, &str)],
) -> Result<Project, StackError> {
    let directory = TempDir::new().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let sources: Vec<_> = ["a.yaml", "b.yaml", "c.yaml"]
        .iter()
        .zip(texts)
        .map(|(name, text)| Source { name: (*name).into(), text: (*text).into() })
        .collect();
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Project::load("s", &sources, directory.path(), &variables)
}

fn load(texts: &[&str]) -> Result<Project, StackError> {
    load_with(texts, &[], &[])
}

/// A directory that no test has: paths in snapshots begin with it.
fn load_at(texts: &[&str], variables: &[(&str, &str)]) -> Result<Project, StackError> {
    let variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let sources: Vec<_> =
        texts.iter().map(|text| Source { name: "a.yaml".into(), text: (*text).into() }).collect();
    Project::load("s", &sources, Path::new("/nowhere"), &variables)
}
