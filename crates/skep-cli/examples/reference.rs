//! Prints the reference of all commands: `docs/cli.md`.

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() {
    print!("{}", skep_cli::reference::markdown());
}
