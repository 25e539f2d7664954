//! The project's chores, one subcommand each: `cargo xtask --help`.
//!
//! Everything continuous integration does is a subcommand here, so that it can be done the same
//! way on any machine. `setup` brings the machine what the others need; `test` and `demo` call it.
//!
//! **Never here:** anything a user of skep needs; that belongs into the crates.
//!
//! **Start reading** at [`stages`] for what `cargo xtask test` runs, at [`tidy`] for the rules
//! that the compiler's lints cannot express, and at [`run`] for how programs are started.

#![expect(clippy::print_stdout, reason = "the chores talk to the person who started them")]
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
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "skep's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Bring this machine what the project needs; a second run finds nothing to do
    Setup(setup::Options),
    /// Make a cluster and walk through it, and leave it running
    Demo(demo::Options),
    /// Set up, then run every check and every test
    Test(stages::Options),
    /// Run the tests on real machines only
    E2e,
    /// Measure skep against a hand-written script and its own promises
    Bench(bench::Options),
    /// Make the container images that tests and the demo run, under target/images
    Images,
    /// Check the rules that lints cannot express
    Tidy,
    /// Build what a release consists of, under target/dist
    Dist,
}

fn main() -> ExitCode {
    let chore = Arguments::parse().chore;
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(perform(chore)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        // Its table has said it all, and its last line is for programs to read.
        Err(error) if error.is::<stages::Failed>() => ExitCode::FAILURE,
        Err(error) => {
            println!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(chore: Chore) -> anyhow::Result<()> {
    let work = Work::new()?;
    work.stop_on_interrupt();
    match chore {
        Chore::Setup(options) => setup::perform(&work, &options).await,
        Chore::Demo(options) => demo::perform(&work, &options).await,
        Chore::Test(options) => stages::perform(&work, &options).await,
        Chore::E2e => stages::perform(&work, &stages::Options::machines()).await,
        Chore::Bench(options) => bench::perform(&work, &options).await,
        Chore::Images => images::perform(&work).await.map(drop),
        Chore::Tidy => tidy::perform(&work.root),
        Chore::Dist => dist::perform(&work).await,
    }
}
