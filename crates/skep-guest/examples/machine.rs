//! Logs in to a machine, says whether it is ready, and runs a command there:
//!
//! ```text
//! machine USER@ADDRESS:PORT KEY KNOWN_HOSTS DIRECTORY COMMAND…
//! ```
//!
//! `DIRECTORY` (mode 0700) gets the sockets of the connection, which stays for the next call.

use std::{error::Error, path::PathBuf, time::Duration};

use skep_context::Context;
use skep_guest::{Access, Command, Guest, Requirement, wait_until_ready};
use skep_model::{Event, Events};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("USER@ADDRESS:PORT KEY KNOWN_HOSTS DIRECTORY COMMAND…");
    let login = next()?;
    let (user, address) = login.split_once('@').ok_or("the first word is USER@ADDRESS:PORT")?;
    let address: std::net::SocketAddr = address.parse()?;
    let (key, known_hosts) = (PathBuf::from(next()?), PathBuf::from(next()?));
    let directory = PathBuf::from(next()?);
    let access = Access {
        machine: address.to_string(),
        host: address.ip(),
        port: address.port(),
        user: user.to_owned(),
        key,
        known_hosts,
        control: directory.join("control"),
        engine: directory.join("engine"),
    };
    let events = Events::new(|event| {
        if let Event::Progress { detail, .. } = event {
            eprintln!("{detail}");
        }
    });
    let cancel = CancellationToken::new();
    let context = Context::new(&events, &cancel);
    let guest = Guest::wait(&access, context.within(Duration::from_secs(30))).await?;
    let soon = context.within(Duration::from_secs(5));
    if let Err(error) = wait_until_ready(&guest, &Requirement::of_a_guest(), soon).await {
        eprintln!("{error}");
    }
    let command = Command::new(next()?).args(words);
    guest.run_with(&command, &cancel, |line| println!("{line}")).await?;
    Ok(())
}
