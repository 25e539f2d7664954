//! `cargo xtask test`: the stages, their order, their deadlines, and the table at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;
use skep_process::Program;

use crate::{
    counts::{Counts, Runner},
    images, leftovers,
    run::{Work, human},
    setup::{self, Tool},
    skep, snapshots, tidy,
};

/// What to run, and whether to continue after a failure.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// The stages to run, in this order; all of them when none is named
    #[arg(value_name = "STAGE")]
    stages: Vec<Stage>,
    /// Run the stages after a failed one as well
    #[arg(long)]
    keep_going: bool,
}

impl Options {
    /// The stages that need machines.
    pub(crate) fn machines() -> Self {
        Self { stages: vec![Stage::Contract, Stage::E2e], keep_going: true }
    }
}

/// One stage of the test run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The machine has what the project needs
    Setup,
    /// The code is formatted
    Fmt,
    /// The compiler and clippy have no warnings
    Clippy,
    /// The project follows its own rules
    Tidy,
    /// Dependencies have accepted licences, sources and no advisories
    Deny,
    /// There are no spelling mistakes
    Typos,
    /// The tests that need no machine
    Unit,
    /// No snapshot is pending or left over
    Snapshots,
    /// The documentation builds and its examples run
    Docs,
    /// Each crate's examples build
    Examples,
    /// Each crate can be packaged for a registry
    Package,
    /// Every driver passes the contract suite
    Contract,
    /// The whole program, on real machines
    E2e,
}

/// How a stage ended.
struct Ended {
    stage: Stage,
    time: Duration,
    counts: Counts,
    error: Option<String>,
}

/// Runs the stages and prints the table; the last line is `N passed, N failed`.
pub(crate) async fn perform(work: &Work, options: &Options) -> Result<()> {
    let all = Stage::value_variants();
    let stages = if options.stages.is_empty() { all } else { &options.stages };
    let mut ended = Vec::new();
    for stage in stages {
        let started = Instant::now();
        println!("\n== {}: {}", stage.name(), stage.about());
        let mut counts = Counts::default();
        let result = stage.run(work, &mut counts).await;
        let time = started.elapsed();
        let error = result.err().map(|error| format!("{error:#}"));
        match &error {
            None => println!("== {}: ok, {}", stage.name(), human(time)),
            Some(error) => println!("== {}: FAILED, {}\n{error}", stage.name(), human(time)),
        }
        let failed = error.is_some();
        ended.push(Ended { stage: *stage, time, counts, error });
        if failed && (!options.keep_going || work.cancel.is_cancelled()) {
            break;
        }
    }
    report(&ended, stages)
}

fn report(ended: &[Ended], stages: &[Stage]) -> Result<()> {
    println!();
    for one in ended {
        let verdict = if one.error.is_none() { "ok" } else { "FAILED" };
        println!(
            "{:<10} {:<7} {:>12}   {}",
            one.stage.name(),
            verdict,
            human(one.time),
            tests(one.counts)
        );
    }
    for stage in stages.get(ended.len()..).unwrap_or_default() {
        println!("{:<10} not run", stage.name());
    }
    println!("{:<10} {:<7} {:>12}", "all", "", human(ended.iter().map(|one| one.time).sum()));
    let total = total(ended);
    println!("{} passed, {} failed", total.passed, total.failed);
    let failed = ended.iter().filter(|one| one.error.is_some());
    let failed = failed.map(|one| one.stage.name()).collect::<Vec<_>>();
    if failed.is_empty() { Ok(()) } else { Err(Failed.into()) }
}

/// The stages have reported what failed: nothing may follow the last line.
#[derive(Debug)]
pub(crate) struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a stage failed")
    }
}

impl std::error::Error for Failed {}

/// The sum over all test runners. A stage that failed without a failed test counts as one, so
/// that `0 failed` is only ever said of a run without failures.
fn total(ended: &[Ended]) -> Counts {
    let count = |one: &Ended| {
        let failed = one.counts.failed.max(u64::from(one.error.is_some()));
        Counts { failed, ..one.counts }
    };
    ended.iter().map(count).sum()
}

fn tests(counts: Counts) -> String {
    if counts == Counts::default() {
        return String::new();
    }
    format!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped)
}

const MINUTE: Duration = Duration::from_secs(60);

impl Stage {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn about(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    async fn run(self, work: &Work, counts: &mut Counts) -> Result<()> {
        match self {
            Self::Setup => setup::perform(work, &setup::Options::default()).await,
            Self::Fmt => cargo(work, &["fmt", "--all", "--check"], MINUTE).await,
            Self::Clippy => {
                let args =
                    ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
                cargo(work, &args, 20 * MINUTE).await
            }
            Self::Tidy => tidy::perform(&work.root),
            Self::Deny => deny(work).await,
            Self::Typos => {
                let program = Program::new(Tool::Typos.find(work)?).directory(&work.root);
                work.shown(program, MINUTE, |_| {}).await
            }
            Self::Unit => {
                snapshots::forget(work)?;
                // Cargo builds the binary for tests of its own package only.
                let binary = skep::build(work, skep::Profile::Dev).await?;
                let program = nextest(work, &["--workspace"])?.env("SKEP_BIN", binary);
                count(work, Runner::Nextest, program, 30 * MINUTE, counts).await
            }
            Self::Snapshots => snapshots::check(work),
            Self::Docs => docs(work, counts).await,
            Self::Examples => {
                cargo(work, &["build", "--workspace", "--examples", "--locked"], 10 * MINUTE).await
            }
            Self::Package => package(work).await,
            Self::Contract => on_machines(work, "contract", counts).await,
            Self::E2e => {
                images::perform(work).await?;
                let example = ["--package", "skep-machine", "--example", "virtual_machine"];
                cargo(work, &[&["build", "--locked"][..], &example].concat(), 10 * MINUTE).await?;
                on_machines(work, "e2e", counts).await
            }
        }
    }
}

async fn cargo(work: &Work, args: &[&str], deadline: Duration) -> Result<()> {
    work.shown(work.cargo(args.iter().copied()), deadline, |_| {}).await
}

async fn count(
    work: &Work,
    runner: Runner,
    program: Program,
    deadline: Duration,
    counts: &mut Counts,
) -> Result<()> {
    let line = |line: &str| {
        if let Some(more) = Counts::in_line(runner, line) {
            *counts = *counts + more;
        }
    };
    work.shown(program, deadline, line).await
}

/// Variables that an interactive session sets and a pipeline may not. Tests always run without
/// them, so that they cannot depend on them.
const PERSONAL: [&str; 9] = [
    "SHELL",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
];

fn nextest(work: &Work, args: &[&str]) -> Result<Program> {
    Tool::Nextest.find(work)?;
    let program = work.cargo_without(&PERSONAL, ["nextest", "run", "--locked"]).args(args);
    Ok(snapshots::recorded(work, program))
}

async fn deny(work: &Work) -> Result<()> {
    let deny = Tool::Deny.find(work)?;
    let program = |what: &[&str]| {
        Program::new(&deny).args(["--color", "never", "check"]).args(what).directory(&work.root)
    };
    work.shown(program(&["bans", "licenses", "sources"]), 5 * MINUTE, |_| {}).await?;
    let advisories = program(&["advisories"]).deadline(work.deadline(2 * MINUTE));
    let (status, output) = advisories.run_any(&work.cancel).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    if status.success() {
        println!("   no advisory concerns what is depended on");
        return Ok(());
    }
    if database_unreachable(&said) {
        println!("   advisories were NOT checked: their database cannot be fetched from here");
        return Ok(());
    }
    bail!("advisories concern what is depended on:\n{}", said.trim());
}

/// Whether cargo-deny failed because it could not fetch the database of advisories.
fn database_unreachable(said: &str) -> bool {
    ["failed to fetch advisory database", "failed to load advisory database"]
        .iter()
        .any(|text| said.contains(text))
}

async fn docs(work: &Work, counts: &mut Counts) -> Result<()> {
    let tested = work.cargo(["test", "--doc", "--workspace", "--locked"]);
    count(work, Runner::Libtest, tested, 20 * MINUTE, counts).await?;
    let built = work.cargo(["doc", "--workspace", "--no-deps", "--locked"]);
    let strict = built.env("RUSTDOCFLAGS", "-D warnings");
    work.shown(strict, 10 * MINUTE, |_| {}).await
}

/// Packages what is published. The packages are not built: each would be, with all that it depends
/// on, for a second time. That nothing in them comes from outside their folders is a rule of tidy.
async fn package(work: &Work) -> Result<()> {
    cargo(work, &["fetch", "--locked"], 5 * MINUTE).await?;
    // Not offline, Cargo would ask the registry anew for each package.
    let mut args =
        vec!["package", "--workspace", "--no-verify", "--allow-dirty", "--locked", "--offline"];
    for unpublished in ["xtask", "skep-tests"] {
        args.extend(["--exclude", unpublished]);
    }
    cargo(work, &args, 5 * MINUTE).await
}

/// Runs a target of the package `tests/` that makes machines, and checks for leftovers.
async fn on_machines(work: &Work, target: &str, counts: &mut Counts) -> Result<()> {
    let binary = skep::build(work, skep::Profile::Dev).await?;
    let before = leftovers::everything(work).await?;
    let program =
        nextest(work, &["--package", "skep-tests", "--test", target, "--profile", "machines"])?
            .env("SKEP_BIN", &binary);
    let tested = count(work, Runner::Nextest, program, 45 * MINUTE, counts).await;
    let left = match leftovers::everything(work).await {
        Ok(after) => leftovers::compare(&before, &after),
        Err(error) => Err(error),
    };
    match (tested, left) {
        (Ok(()), left) => left,
        (Err(tested), Ok(())) => Err(tested),
        (Err(tested), Err(left)) => bail!("{tested:#}\n{left:#}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn ended(stage: Stage, passed: u64, failed: u64, error: Option<&str>) -> Ended {
        let counts = Counts { passed, failed, skipped: 0 };
        Ended { stage, time: Duration::ZERO, counts, error: error.map(str::to_owned) }
    }

    #[test]
    fn the_last_line_sums_all_runners_and_never_hides_a_failure() {
        let all = [ended(Stage::Unit, 10, 2, Some("two")), ended(Stage::Docs, 3, 0, None)];
        assert_eq!(total(&all), Counts { passed: 13, failed: 2, skipped: 0 });
        let all = [ended(Stage::Clippy, 0, 0, Some("a warning"))];
        assert_eq!(total(&all).failed, 1);
        assert!(report(&all, &[Stage::Clippy]).is_err());
        assert!(report(&[ended(Stage::Fmt, 0, 0, None)], &[Stage::Fmt]).is_ok());
    }

    #[test]
    fn every_stage_has_a_name_and_says_what_it_is() {
        let names = Stage::value_variants().iter().map(|stage| stage.name());
        assert_eq!(names.collect::<BTreeSet<_>>().len(), Stage::value_variants().len());
        assert!(Stage::value_variants().iter().all(|stage| !stage.about().is_empty()));
    }

    #[test]
    fn a_missing_database_is_distinguished_from_an_advisory() {
        assert!(database_unreachable("[ERROR] failed to fetch advisory database https://…"));
        assert!(!database_unreachable("error[vulnerability]: a crate has a flaw"));
    }
}
