//! `docs/cli.md`: every command with its arguments, written from the command line's own definition.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};

use crate::args::Cli;

/// The reference of all commands, in Markdown.
pub fn markdown() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::from(
        "# The command line\n\n\
         Written by `cargo run -p skep-cli --example reference`; a test keeps it true. Exit codes are \
         in [exit-codes.md](exit-codes.md).\n\n## Everywhere\n\n",
    );
    arguments(&mut text, root.get_arguments().filter(|arg| arg.is_global_set()));
    for command in commands(&root) {
        section(&mut text, command, "skep");
    }
    text
}

fn section(text: &mut String, command: &Command, above: &str) {
    let name = format!("{above} {}", command.get_name());
    if command.has_subcommands() {
        for below in commands(command) {
            section(text, below, &name);
        }
        return;
    }
    let mut line = format!("{name} [options]");
    for arg in command.get_positionals() {
        let _ = write!(line, " {}", value(arg));
    }
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(text, "\n## `{line}`\n\n{about}.\n");
    let own: Vec<_> = command.get_arguments().filter(|arg| !arg.is_global_set()).collect();
    if own.iter().any(|arg| arg.get_id() != "help" && arg.get_id() != "version") {
        text.push('\n');
        arguments(text, own.into_iter());
    }
}

/// A command's own commands, without `help`.
fn commands(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| command.get_name() != "help")
}

fn arguments<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    for arg in arguments.filter(|arg| arg.get_id() != "help" && arg.get_id() != "version") {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = write!(text, "- `{}`: {}", spelling(arg), help.trim_end_matches('.'));
        let choices: Vec<_> = match arg.get_action().takes_values() {
            true => arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect(),
            false => Vec::new(),
        };
        if !choices.is_empty() {
            let _ = write!(text, " ({})", choices.join(", "));
        }
        text.push('\n');
    }
}

fn spelling(arg: &Arg) -> String {
    if arg.is_positional() {
        return value(arg);
    }
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    let value =
        if arg.get_action().takes_values() { format!(" {}", value(arg)) } else { String::new() };
    format!("{short}{long}{value}")
}

/// The placeholder of an argument's value, as the usage line writes it.
fn value(arg: &Arg) -> String {
    let names = arg.get_value_names().unwrap_or_default();
    let name =
        names.first().map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string);
    let many =
        arg.is_positional() && arg.get_num_args().is_some_and(|range| range.max_values() > 1);
    let name = if many { format!("{name}…") } else { name };
    if arg.is_positional() && !arg.is_required_set() { format!("[{name}]") } else { name }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_reference_is_true() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let published = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == super::markdown(),
            "docs/cli.md is behind: cargo run -p skep-cli --example reference > docs/cli.md"
        );
    }
}
