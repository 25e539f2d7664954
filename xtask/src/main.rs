//! The project's development tasks, one subcommand each: `cargo xtask --help`.
//!
//! Everything continuous integration does is a subcommand here, so that it runs the same
//! way on any machine. `setup` installs what the others need; `test` and `demo` call it.
//!
//! **Never here:** anything a user of skep needs; that belongs in the crates.
//!
//! **Start reading** at [`stages`] for what `cargo xtask test` runs, at [`tidy`] for the rules
//! that the compiler's lints cannot express, and at [`run`] for how programs are started.

#![expect(clippy::print_stdout, reason = "the tasks print to the user's terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "a binary: it may read the environment and the clock; programs are started in run.rs only"
)]

mod bench;
mod counts;
mod demo;
mod dist;
mod images;
mod leftovers;
mod run;
mod setup;
mod skep;
mod snapshots;
mod stages;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::run::Work;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "skep's development tasks")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what the project needs on this machine; a second run changes nothing
    Setup(setup::Options),
    /// Create a cluster, show the walkthrough on it, and leave it running
    Demo(demo::Options),
    /// Set up, then run every check and every test
    Test(stages::Options),
    /// Run the tests on real machines only
    E2e,
    /// Measure skep against a hand-written script and its own targets
    Bench(bench::Options),
    /// Build the container images that tests and the demo run, under target/images
    Images,
    /// Check the rules that lints cannot express
    Tidy,
    /// Build what a release consists of, under target/dist
    Dist,
}

fn main() -> ExitCode {
    let task = Arguments::parse().task;
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(perform(task)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // The table has reported the failures, and its last line is read by programs.
        Err(error) if error.is::<stages::Failed>() => ExitCode::FAILURE,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(task: Task) -> anyhow::Result<()> {
    let work = Work::new()?;
    work.stop_on_interrupt();
    match task {
        Task::Setup(options) => setup::perform(&work, &options).await,
        Task::Demo(options) => demo::perform(&work, &options).await,
        Task::Test(options) => stages::perform(&work, &options).await,
        Task::E2e => stages::perform(&work, &stages::Options::machines()).await,
        Task::Bench(options) => bench::perform(&work, &options).await,
        Task::Images => images::perform(&work).await.map(drop),
        Task::Tidy => tidy::perform(&work.root),
        Task::Dist => dist::perform(&work).await,
    }
}
