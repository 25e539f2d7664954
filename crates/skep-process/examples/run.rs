//! Runs a program with a deadline of five seconds and shows what came of it.

use std::time::Duration;

use skep_process::Program;
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut words = std::env::args().skip(1);
    let program = Program::new(words.next().unwrap_or_else(|| "uname".into())).args(words);
    match program.deadline(Duration::from_secs(5)).run(&CancellationToken::new()).await {
        Ok(output) => println!("{}", output.text()),
        Err(error) => println!("{error}"),
    }
}
