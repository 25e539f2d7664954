//! The rules that the compiler's lints cannot express: `cargo xtask tidy`.
//!
//! A rule is a pure function from the [`Tree`] to its [`Finding`]s; a finding says where, which
//! rule, why the rule is there and what to do. Each rule has a test with an example that breaks it.

mod advice;
mod arrows;
mod circles;
mod docs;
mod documents;
mod hosts;
mod packages;
mod reading;
mod sources;
mod tree;
mod words;

use std::{fmt, path::Path};

use anyhow::{Result, bail};

use self::tree::Tree;

/// A rule that is broken at a place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// The file, from the checkout's root.
    path: String,
    /// The line, from 1.
    line: usize,
    rule: &'static str,
    /// What is wrong, and why the rule is there.
    reason: String,
    fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, reason, fix } = self;
        write!(f, "{path}:{line}: {rule}: {reason}\n    fix: {fix}")
    }
}

/// Checks every rule over the checkout at `root` and prints what is broken.
pub(crate) fn perform(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let mut findings = Vec::new();
    findings.extend(advice::check(&tree));
    findings.extend(arrows::check(&tree));
    findings.extend(circles::check(&tree));
    findings.extend(docs::check(&tree));

    findings.extend(sources::check(&tree));
    findings.extend(reading::check(&tree));
    findings.extend(documents::check(&tree));
    findings.extend(words::check(&tree));
    findings.extend(packages::check(&tree));
    findings.extend(hosts::check(&tree, &hosts::Private::of_this_machine(root)));
    findings.sort();
    for finding in &findings {
        println!("   {finding}");
    }
    if !findings.is_empty() {
        bail!("{} rules are broken", findings.len());
    }
    println!("   {} files keep the rules", tree.files.len());
    Ok(())
}
