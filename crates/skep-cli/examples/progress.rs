//! Plays four machines coming up, in the display of one's choice:
//! `cargo run -p skep-cli --example progress -- [auto|plain|json|none] [machines]`.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use skep_cli::progress::{Display, Look, Progress, show, terminal_size};
use skep_model::Events;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let progress: Progress = arguments.next().unwrap_or_else(|| "auto".into()).parse()?;
    let machines: u64 = arguments.next().map_or(Ok(4), |count| count.parse())?;
    let terminal = stderr().is_terminal();
    let look = Look { colors: terminal, size: || terminal_size(stderr()) };
    let shown = show(Display::new(progress.mode(terminal), look, stderr(), Instant::now()))?;
    let events = shown.events();
    let build = events.step("", "building the guest OS");
    for package in 1..=20 {
        build.progress_of("unpacking docker.io", package, 20);
        pass(40);
    }
    build.done();
    let create = events.step("", "creating the cluster skep");
    std::thread::scope(|scope| {
        for machine in 1..=machines {
            let events = events.clone();
            scope.spawn(move || bring_up(&events, machine));
        }
    });
    create.done();
    shown.finish();
    Ok(())
}

fn bring_up(events: &Events, machine: u64) {
    let name = if machine == 1 { "manager1".into() } else { format!("worker{}", machine - 1) };
    let start = events.step(&name, "starting");
    pass(200 + 50 * machine);
    start.done();
    let wait = events.step(&name, "waiting for the engine");
    for reason in ["connection refused", "no SSH banner yet", "the engine does not answer yet"] {
        wait.progress(reason);
        pass(300 + 40 * machine);
    }
    if machine == 2 {
        events.warn(&name, "its clock is 3 s ahead of the host's");
    }
    if machine == 4 {
        wait.failed("the engine did not answer within 20 s");
    } else {
        wait.done();
        let join = events.step(&name, "joining the swarm");
        pass(500);
        join.done();
    }
}

/// Lets time pass, for that is all a play's machines do.
fn pass(millis: u64) {
    std::thread::park_timeout(Duration::from_millis(millis));
}
