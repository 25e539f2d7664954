//! The Docker Engine of this machine.

use std::{fs, path::Path, time::Duration};

use anyhow::{Result, bail};
use skep_process::Program;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::root::as_root;
use crate::run::Work;

/// Where the engine listens unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// Where an engine started without a service manager writes its log.
const LOG: &str = "/var/log/dockerd-for-skep.log";

const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);

/// The result of a request to the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It answers.
    Answers,
    /// It runs, and refuses this user.
    NotPermitted,
    /// Nothing answers.
    Silent,
}

/// Checks whether the engine answers.
pub(super) async fn state(work: &Work) -> Result<State> {
    if std::env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty()) {
        // An engine is configured: only the docker program knows all ways to reach it.
        let (status, output) = work.ask(Program::new("docker").arg("version")).await?;
        if status.success() {
            return Ok(State::Answers);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!(
            "the engine that DOCKER_HOST names does not answer: {said}\n  fix: unset DOCKER_HOST"
        );
    }
    Ok(ask(Path::new(SOCKET)).await)
}

async fn ask(socket: &Path) -> State {
    let ping = async {
        let mut stream = tokio::net::UnixStream::connect(socket).await?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(ANSWER, ping).await {
        Ok(Ok(answer)) if answer.starts_with("HTTP/1.") && answer.contains(" 200 ") => {
            State::Answers
        }
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            State::NotPermitted
        }
        _ => State::Silent,
    }
}

/// Starts the installed engine and waits until it answers; returns what was done.
pub(super) async fn start(work: &Work) -> Result<String> {
    let by_manager = Path::new("/run/systemd/system").exists();
    let done = if by_manager {
        as_root(work, &["systemctl", "start", "docker.service"]).await?;
        "started Docker's service".to_owned()
    } else if running() {
        "Docker's engine had been started already".to_owned()
    } else {
        let script = format!("setsid dockerd >>{LOG} 2>&1 </dev/null &");
        as_root(work, &["sh", "-c", &script]).await?;
        format!("started dockerd, as there is no service manager here; its log is {LOG}")
    };
    let answers = async {
        loop {
            match ask(Path::new(SOCKET)).await {
                State::Silent => tokio::time::sleep(POLL).await,
                state => break state,
            }
        }
    };
    let log = if by_manager { "journalctl -u docker" } else { LOG };
    tokio::select! {
        () = work.cancel.cancelled() => bail!("interrupted"),
        answer = tokio::time::timeout(work.deadline(START), answers) => match answer {
            Ok(State::Answers) => Ok(done),
            Ok(_) => bail!(
                "{done}, but you may not use it yet\n  \
                 fix: sudo usermod -aG docker \"$USER\", then log in again (or: newgrp docker)"
            ),
            Err(_) => bail!(
                "{done}, but it does not answer after {} s\n  its log ({log}) ends with:\n{}",
                START.as_secs(),
                log_end(by_manager)
            ),
        },
    }
}

/// Whether the engine's process that left its number is alive.
fn running() -> bool {
    let number = ["/run/docker.pid", "/var/run/docker.pid"]
        .iter()
        .find_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u32>().ok());
    number.is_some_and(|number| {
        let name = fs::read_to_string(format!("/proc/{number}/comm"));
        name.is_ok_and(|name| name.trim() == "dockerd")
    })
}

fn log_end(by_manager: bool) -> String {
    let text = if by_manager { String::new() } else { fs::read_to_string(LOG).unwrap_or_default() };
    let lines = text.lines().collect::<Vec<_>>();
    lines[lines.len().saturating_sub(5)..].iter().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_answers_or_is_silent() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        assert_eq!(ask(&socket).await, State::Silent);
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            assert!(asked.starts_with(b"GET /_ping HTTP/1.0\r\n"));
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nOK").await.unwrap();
        };
        let (state, ()) = tokio::join!(ask(&socket), serve);
        assert_eq!(state, State::Answers);
    }
}
