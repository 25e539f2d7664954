//! Developer tools that are not Debian packages.
//!
//! typos comes as a prebuilt wheel from PyPI, in a second. cargo-nextest and cargo-deny have no
//! current wheel and are built from crates.io, without optimisation: that halves the time, and
//! they are run for a second at a time.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use skep_process::Program;

use super::apt;
use crate::run::{Work, find_program};

const LONGEST: Duration = Duration::from_secs(20 * 60);

/// The version of typos whose dictionary the project is clean under.
const TYPOS: &str = "typos==1.52.0";

/// A developer's tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// Runs the tests
    Nextest,
    /// Checks licences, sources and advisories of dependencies
    Deny,
    /// Finds misspelt words
    Typos,
}

impl Tool {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Nextest, Self::Deny, Self::Typos];

    /// The program's name.
    fn program(self) -> &'static str {
        match self {
            Self::Nextest => "cargo-nextest",
            Self::Deny => "cargo-deny",
            Self::Typos => "typos",
        }
    }

    /// Where the tool is, if it is installed.
    fn path(self, work: &Work) -> Option<PathBuf> {
        let cargo = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
        let own = [cargo.map(|home| home.join("bin")), Some(wheels(work).join("bin"))];
        let own = own.into_iter().flatten().map(|folder| folder.join(self.program()));
        find_program(self.program()).or_else(|| own.into_iter().find(|file| file.is_file()))
    }

    /// The tool as a program to run.
    pub(crate) fn find(self, work: &Work) -> Result<PathBuf> {
        let name = self.program();
        self.path(work)
            .with_context(|| format!("{name} is not here\n  fix: cargo xtask setup brings it"))
    }

    /// Installs the tool if it is missing; returns what was done.
    pub(super) async fn bring(self, work: &Work) -> Result<Option<String>> {
        if self.path(work).is_some() {
            return Ok(None);
        }
        let name = self.program();
        let how = match self {
            Self::Typos => bring_wheel(work, TYPOS).await?,
            Self::Nextest | Self::Deny => {
                println!("   building {name}, once: this takes a minute or two");
                let args = ["install", "--locked", "--debug", "--quiet", name];
                work.shown(work.cargo(args), LONGEST, |_| {}).await?;
                "built from crates.io"
            }
        };
        self.find(work)?;
        Ok(Some(format!("installed {name}, {how}")))
    }
}

/// Where wheels are unpacked: not among the user's own programs, and deleted with the builds.
fn wheels(work: &Work) -> PathBuf {
    work.target().join("tools")
}

async fn bring_wheel(work: &Work, wheel: &str) -> Result<&'static str> {
    let (pip, _) = work.ask(Program::new("sh").args(["-c", "python3 -m pip --version"])).await?;
    if !pip.success() {
        apt::install(work, &["python3-pip"], "").await?;
    }
    let folder = wheels(work).display().to_string();
    let args = ["-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"];
    let program =
        Program::new("python3").args(args).args(["--upgrade", "--target", &folder, wheel]);
    let program = program.env("PIP_ROOT_USER_ACTION", "ignore");
    if work.shown(program, LONGEST, |_| {}).await.is_ok() {
        return Ok("from PyPI");
    }
    if work.cancel.is_cancelled() {
        bail!("interrupted");
    }
    println!("   there is no wheel for this machine: building typos");
    let args = ["install", "--locked", "--debug", "--quiet", "typos-cli"];
    work.shown(work.cargo(args), LONGEST, |_| {}).await?;
    Ok("built from crates.io")
}
