//! Talking to a running QEMU.
//!
//! A monitor serves one client at a time and lets the next one wait. So a session here is one
//! question: it is short, has a deadline, and two commands of skep never wait for each other.

use std::{io, path::Path, time::Duration};

use qapi::{
    Command, ExecuteError,
    futures::{QapiStream, QmpStreamTokio},
    qmp,
};
use tokio::{
    io::{ReadHalf, WriteHalf},
    net::UnixStream,
};

pub(super) use qapi::qmp::RunState;

/// How long QEMU may take to answer. Under emulation, with all processors busy, this has been
/// seen to take half a second.
const DEADLINE: Duration = Duration::from_secs(5);

/// The name of the block device with a machine's data.
pub(super) const DATA: &str = "data";
/// The name of the network that leads out of a machine.
pub(super) const OUTER: &str = "outer";

#[derive(Debug, thiserror::Error)]
pub(super) enum MonitorError {
    /// No process answers on its socket, or not in its protocol.
    #[error("QEMU does not answer: {0}")]
    Io(#[from] io::Error),
    #[error("QEMU did not answer within {} s", DEADLINE.as_secs())]
    Silent,
    #[error("QEMU refused: {0}")]
    Refused(String),
}

type Stream =
    QapiStream<QmpStreamTokio<ReadHalf<UnixStream>>, QmpStreamTokio<WriteHalf<UnixStream>>>;

async fn session(socket: &Path) -> io::Result<Stream> {
    QmpStreamTokio::open_uds(socket).await?.negotiate().await
}

async fn ask<C>(socket: &Path, command: C) -> Result<C::Ok, MonitorError>
where
    C: Command + qmp::QmpCommand,
{
    let asked = async {
        let mut stream = session(socket).await?;
        stream.execute(command).await.map_err(|error| match error {
            ExecuteError::Io(error) => MonitorError::Io(error),
            ExecuteError::Qapi(error) => MonitorError::Refused(error.desc),
        })
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap_or(Err(MonitorError::Silent))
}

pub(super) async fn status(socket: &Path) -> Result<RunState, MonitorError> {
    ask(socket, qmp::query_status {}).await.map(|info| info.status)
}

pub(super) async fn press_power_button(socket: &Path) -> Result<(), MonitorError> {
    ask(socket, qmp::system_powerdown {}).await.map(drop)
}

/// Lets a machine that QEMU holds go on.
pub(super) async fn go_on(socket: &Path) -> Result<(), MonitorError> {
    ask(socket, qmp::cont {}).await.map(drop)
}

/// Ends QEMU, as if the plug had been pulled.
pub(super) async fn quit(socket: &Path) -> Result<(), MonitorError> {
    match ask(socket, qmp::quit {}).await {
        // It may be gone before its answer is.
        Err(MonitorError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => other.map(drop),
    }
}

/// Whether the guest has written to its disk since it was started. What is counted is what its
/// device is asked for; the file below that counts nothing.
pub(super) async fn has_written(socket: &Path) -> Result<bool, MonitorError> {
    let all = ask(socket, qmp::query_blockstats { query_nodes: None }).await?;
    let data = all.iter().find(|stats| stats.node_name.as_deref() == Some(DATA));
    Ok(data.is_none_or(|found| found.stats.wr_operations > 0))
}

/// What QEMU's own command line says to `command`; nothing where it is content.
pub(super) async fn human(socket: &Path, command: String) -> Result<String, MonitorError> {
    let command = qmp::human_monitor_command { command_line: command, cpu_index: None };
    ask(socket, command).await
}
