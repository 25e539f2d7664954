//! Snapshots: none is pending, and none is left over from a removed test.
//!
//! `insta` appends the path of each snapshot a test reads to the file that
//! `INSTA_SNAPSHOT_REFERENCES_FILE` names; snapshots that are not in it are left over.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use crate::run::Work;

fn references(work: &Work) -> PathBuf {
    work.target().join("snapshot-references")
}

/// Clears the list of snapshots that earlier runs read.
pub(crate) fn forget(work: &Work) -> Result<()> {
    let file = references(work);
    fs::create_dir_all(work.target()).context("cannot make the target directory")?;
    fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))
}

/// Makes a test runner record which snapshots its tests read, and write no new ones.
pub(crate) fn recorded(work: &Work, program: Program) -> Program {
    program.env("INSTA_UPDATE", "no").env("INSTA_SNAPSHOT_REFERENCES_FILE", references(work))
}

/// Fails when a snapshot is pending, or was not read by the stage `unit`.
pub(crate) fn check(work: &Work) -> Result<()> {
    let file = references(work);
    let seen = fs::read_to_string(&file)
        .context("nothing says which snapshots are used: run the stage `unit` first")?;
    let mut kept = Vec::new();
    for folder in ["crates", "tests", "xtask"] {
        collect(&work.root.join(folder), &mut kept)?;
    }
    let problems = problems(&kept, &seen);
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    println!("   {} snapshots, all in use", kept.len());
    Ok(())
}

fn problems(kept: &[PathBuf], seen: &str) -> Vec<String> {
    let seen = seen.lines().map(normal).collect::<BTreeSet<_>>();
    let problem = |file: &PathBuf| {
        let path = file.display();
        match file.extension().and_then(|end| end.to_str()) {
            Some("snap") if !seen.contains(&normal(file)) => {
                Some(format!("{path} is used by no test\n  fix: delete it"))
            }
            Some("snap") => None,
            _ => Some(format!(
                "{path} is pending\n  fix: read it, then rename it to .snap or delete it"
            )),
        }
    };
    kept.iter().filter_map(problem).collect()
}

/// The path without `.` and `..`, which insta leaves in.
fn normal(path: impl AsRef<Path>) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.as_ref().components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

fn collect(folder: &Path, kept: &mut Vec<PathBuf>) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        if path.is_dir() {
            collect(&path, kept)?;
        } else if [".snap", ".snap.new", ".pending-snap"].iter().any(|end| name.ends_with(end)) {
            kept.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_over_and_pending_snapshots_are_found() {
        let kept = ["/r/a/used.snap", "/r/a/gone.snap", "/r/a/new.snap.new"].map(PathBuf::from);
        let problems = problems(&kept, "/r/b/../a/used.snap\n/r/a/used.snap\n");
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("gone.snap is used by no test"), "{problems:?}");
        assert!(problems[1].contains("new.snap.new is pending"), "{problems:?}");
    }
}
