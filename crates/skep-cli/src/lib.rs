//! The `skep` command: arguments, rendering, exit codes, signals, and nothing else.
//!
//! ```
//! let reference = skep_cli::reference::markdown();
//! assert!(reference.contains("skep up"));
//! ```
//!
//! [`run`] reads the command line ([`args`]) and the environment ([`context`]), runs one command
//! and turns what it returns into output and an exit code ([`failure`]). Standard output is data;
//! progress ([`progress`]), closing words and errors go to standard error.
//!
//! **Never here:** a decision about machines, guests, engines or swarms. What a program other than
//! this command could want belongs in one of the crates below.
//!
//! **Start reading** at [`run`].

mod advice;
pub mod args;
mod cluster_name;
mod commands;
pub mod context;
pub mod docker_context;
pub mod failure;
pub mod filters;
pub mod input;
pub mod node_ls;
pub mod persona;
pub mod progress;
pub mod reference;
pub mod registry_auth;
pub mod screens;
pub mod shell;
pub mod table;
pub mod visible;

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
    time::Instant,
};

use clap::{CommandFactory, FromArgMatches};
use skep_model::Events;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    args::{
        Cli, Command,
        machine::{DockerMachine, Machine},
    },
    context::{Context, colors},
    failure::{Exit, Failure},
    persona::Persona,
    progress::{Display, Look, Mode, Progress, docker_machine, show, terminal_size},
};

/// Runs the command that `args` (with the program's name first) names, and returns how to exit.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let persona = args.first().map(|program| Persona::of_program(program)).unwrap_or_default();
    let mut cli = match parse(persona, &args) {
        Ok(cli) => cli,
        Err(error) if persona == Persona::DockerMachine && is_unknown_verb(&error) => {
            let _ = writeln!(io::stderr(), "{}", visible::text(&unknown_verb(&error)));
            return code(Exit::Failed);
        }
        Err(error) => {
            // Help and version are asked for and go to standard output; the rest is misuse.
            print_usage(&error);
            return if error.use_stderr() { code(Exit::Usage) } else { code(Exit::Done) };
        }
    };
    let terminal = io::stderr().is_terminal() && !context::is_dumb_terminal();
    let colors = colors(cli.global.color, terminal);
    let json = cli.global.progress == Progress::Json;
    let completed = cli.global.complete();
    match completed
        .and_then(|()| run_command(cli, persona, command_line(persona, &args), terminal, colors))
    {
        Ok(()) => code(Exit::Done),
        Err(failure) => {
            // If standard error is closed, the exit code still shows it.
            let text = if json { failure.to_json() } else { failure.render(persona, colors) };
            let _ = io::stderr().lock().write_all(text.as_bytes());
            code(failure.exit)
        }
    }
}

/// Prints what clap has to say, in its colours; without them where words of the command line, or of
/// the environment, would act on a terminal.
fn print_usage(error: &clap::Error) {
    let said = error.render();
    let plain = visible::without_colors(&said.ansi().to_string());
    match visible::text(&plain) {
        std::borrow::Cow::Borrowed(_) => drop(error.print()),
        std::borrow::Cow::Owned(shown) => drop(io::stderr().lock().write_all(shown.as_bytes())),
    }
}

/// Reads the command line under either name.
fn parse(persona: Persona, args: &[OsString]) -> Result<Cli, clap::Error> {
    if persona == Persona::Skep {
        return read(args);
    }
    let DockerMachine { mut global, old, verb } = read(args)?;
    let path = old.storage_path.or_else(context::machine_storage_path);
    global.home = global.home.or_else(|| Some(path?.join("skep")));
    let verb = match verb {
        _ if old.version => Machine::Version { machine: Vec::new() },
        Some(verb) => verb,
        None => {
            // As if it had been asked for.
            let asked = [OsString::from(persona.name()), "-h".into()];
            read::<DockerMachine>(&asked)?;
            return Err(clap::Error::new(clap::error::ErrorKind::MissingSubcommand));
        }
    };
    Ok(Cli { global, command: Command::Machine(verb) })
}

/// As [`Parser::try_parse_from`](clap::Parser::try_parse_from), but for variables of the
/// environment that are empty: they are none, as for every shell.
fn read<T: CommandFactory + FromArgMatches>(args: &[OsString]) -> Result<T, clap::Error> {
    let mut command = without_empty_variables(T::command());
    let mut matches = command.try_get_matches_from_mut(args)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_env() {
        // There is no way to take a variable's name away again: one that is never set.
        Some(name) if context::is_empty(name) => arg.env("SKEP_NO_SUCH_VARIABLE"),
        _ => arg,
    });
    command.mut_subcommands(without_empty_variables)
}

fn is_unknown_verb(error: &clap::Error) -> bool {
    error.kind() == clap::error::ErrorKind::InvalidSubcommand
}

/// docker-machine's words for a verb it does not know.
fn unknown_verb(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    let verb = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(verb)) => verb.as_str(),
        _ => "",
    };
    format!(
        "docker-machine: '{verb}' is not a docker-machine command. See 'docker-machine --help'."
    )
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit as u8)
}

/// The command line for messages, with the program's name in place of its path.
fn command_line(persona: Persona, args: &[OsString]) -> String {
    let words = args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(persona.name().to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

fn run_command(
    cli: Cli,
    persona: Persona,
    command_line: String,
    terminal: bool,
    colors: bool,
) -> Result<(), Failure> {
    let look = Look { colors, size: || terminal_size(io::stderr()) };
    // docker-machine prints steps on standard output, among its messages and in their order.
    let on_stdout = persona == Persona::DockerMachine
        && cli.global.progress == Progress::Auto
        && commands::tells_steps(&cli.command);
    let mode = match cli.global.progress.mode(terminal) {
        Mode::Live | Mode::Plain if persona == Persona::DockerMachine && !on_stdout => Mode::None,
        mode => mode,
    };
    let shown = show(Display::new(mode, look, io::stderr(), Instant::now()))?;
    let events = if on_stdout {
        Events::new(|event| {
            // Work does not fail because its output is not read.
            let _ = io::stdout().write_all(docker_machine::line(&event).as_bytes());
        })
    } else {
        shown.events()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let cancel = CancellationToken::new();
    let context = Context::new(persona, cli.global, events, cancel.clone(), command_line);
    let ended = runtime.block_on(async {
        tokio::select! {
            biased;
            ended = commands::run(&context, cli.command) => ended,
            () = interrupted(&cancel) => Err(Failure::new(Exit::Interrupted, "interrupted twice")
                .with_fix("give the same command again: it goes on where it stopped")),
        }
    });
    // A blocked thread (a lock, a slow disk) must not keep an interrupted command alive.
    runtime.shutdown_background();
    for notice in skep_store::kept::notices() {
        context.events.warn("", notice);
    }
    shown.finish();
    let mut closing = context.closing();
    if mode == Mode::Json && !closing.is_empty() {
        closing = progress::summary_line(&closing);
    }
    let _ = io::stderr().lock().write_all(closing.as_bytes());
    ended
}

/// The first signal asks for an orderly end, the second is not waited out.
async fn interrupted(cancel: &CancellationToken) {
    // Asked before a handler takes its place.
    let outlives_terminal = context::is_hangup_ignored();
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    // The terminal is closed, or the connection to it lost.
    let mut hangup = if outlives_terminal { None } else { signal(SignalKind::hangup()).ok() };
    let hung_up = async |hangup: &mut Option<Signal>| match hangup {
        Some(hangup) => hangup.recv().await,
        None => std::future::pending().await,
    };
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up(&mut hangup) => {}
        }
        cancel.cancel();
    }
}
