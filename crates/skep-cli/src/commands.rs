//! What each command does: a few lines that ask the libraries and print the answer.

mod cert;
mod doctor;
mod env;
mod image;
mod lifecycle;
mod machine;
mod machine_options;
mod node;
mod objects;
mod os;
mod service;
mod stack;
mod swarm;

use std::io::{self, IsTerminal as _, Write as _};

use clap::CommandFactory;

use crate::{
    args::{Cli, Command},
    context::Context,
    failure::Failure,
    visible,
};

/// Runs one command to its end.
///
/// # Errors
/// A [`Failure`], which says how to exit.
pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Up(args) => lifecycle::up(context, args).await,
        Command::Down => lifecycle::down(context).await,
        Command::Status(args) => lifecycle::status(context, &args).await,
        Command::Doctor(args) => doctor::doctor(context, &args).await,
        Command::Env(args) => env::env(context, &args).await,
        Command::ShellInit { shell } => env::shell_init(context, shell.as_deref()),
        Command::Machine(verb) => machine::run(context, verb).await,
        Command::Cert(command) => cert::run(context, command).await,
        Command::Swarm(command) => swarm::run(context, command).await,
        Command::Node(command) => node::run(context, command).await,
        Command::Service(command) => service::run(context, command).await,
        Command::Secret(command) => objects::secret(context, command).await,
        Command::Config(command) => objects::config(context, command).await,
        Command::Network(command) => objects::network(context, command).await,
        Command::Stack(command) => stack::run(context, command).await,
        Command::Image(command) => image::run(context, command).await,
        Command::Os(command) => os::run(context, command).await,
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "skep", &mut text);
            hand_on(&String::from_utf8_lossy(&text))
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            hand_on(&String::from_utf8_lossy(&text))
        }
    }
}

/// Whether a command's steps are printed on standard output under docker-machine's name: not where
/// that is data.
pub(crate) fn tells_steps(command: &Command) -> bool {
    matches!(command, Command::Machine(verb) if machine::changes(verb))
}

/// Prints a screen to standard output: tables, messages, documents. What would act on a terminal is
/// shown, wherever it goes.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(&visible::text(text))
}

/// Prints to standard output what another program reads, byte for byte: what a template makes of
/// data, a shell's commands. Where a terminal reads it, as [`print`].
pub(crate) fn hand_on(text: &str) -> Result<(), Failure> {
    if io::stdout().is_terminal() { print(text) } else { write(text) }
}

/// A reader that has seen enough (`| head`) is no failure.
fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Prints a line for each item: what `-q` leaves of a list.
pub(crate) fn print_lines(
    items: impl IntoIterator<Item = impl std::fmt::Display>,
) -> Result<(), Failure> {
    print(&items.into_iter().map(|item| format!("{item}\n")).collect::<String>())
}

/// Prints a JSON document with its schema and a list under `name`.
pub(crate) fn print_json(name: &str, list: impl serde::Serialize) -> Result<(), Failure> {
    print_json_with(serde_json::json!({ name: list }))
}

/// Prints a JSON object with its schema before everything else in it.
pub(crate) fn print_json_with(fields: serde_json::Value) -> Result<(), Failure> {
    let mut document = serde_json::json!({ "schema": 1 });
    if let (Some(all), serde_json::Value::Object(fields)) = (document.as_object_mut(), fields) {
        all.extend(fields);
    }
    print(&visible::json(&format!("{document:#}\n")))
}
