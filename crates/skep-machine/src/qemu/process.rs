//! QEMU's process: whether it is there, and its end.
//!
//! QEMU writes its process id to a file and keeps that file locked as long as it lives. The lock,
//! not the number in the file, shows whether it lives and which process it is; the number may by
//! now be another process's. What is killed is a process that a file descriptor stands for.
//!
//! A QEMU that ends in order removes the file; one that is killed, or crashes, leaves it.

use std::{fs::OpenOptions, io, os::fd::OwnedFd, path::Path, time::Duration};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Flock, FlockType, Pid, PidfdFlags, Signal, fcntl_getlk, pidfd_open, pidfd_send_signal,
    },
};

/// How often a process is looked at that is about to end.
const POLL: Duration = Duration::from_millis(20);

/// A QEMU that lives, or lived a moment ago.
#[derive(Debug)]
pub(super) struct Process {
    handle: OwnedFd,
}

/// Whether a process holds the lock on a process id file.
pub(super) fn is_alive(pid_file: &Path) -> io::Result<bool> {
    holder(pid_file).map(|holder| holder.is_some())
}

/// The process that holds the lock on a process id file.
pub(super) fn find(pid_file: &Path) -> io::Result<Option<Process>> {
    loop {
        let pid = match holder(pid_file)? {
            None => return Ok(None),
            Some(Some(pid)) => pid,
            Some(None) => {
                return Err(io::Error::other(
                    "it runs in another container, which skep must be run in as well",
                ));
            }
        };
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => continue,
            Err(error) => return Err(error.into()),
        };
        // It had the lock before and has it now: the handle is its, not a successor's.
        if holder(pid_file)? == Some(Some(pid)) {
            return Ok(Some(Process { handle }));
        }
    }
}

/// The lock's holder; the inner `None` is a process that cannot be seen from here.
fn holder(pid_file: &Path) -> io::Result<Option<Option<Pid>>> {
    // Only a user who may write can be kept from it by a lock.
    let file = match OpenOptions::new().read(true).write(true).open(pid_file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let lock = fcntl_getlk(&file, &Flock::from(FlockType::WriteLock))?;
    Ok(lock.map(|lock| lock.pid))
}

impl Process {
    pub(super) fn kill(&self) -> io::Result<()> {
        match pidfd_send_signal(&self.handle, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until it has ended, and with it its locks and sockets.
    pub(super) async fn ended(&self) -> io::Result<()> {
        let mut handles = [PollFd::new(&self.handle, PollFlags::IN)];
        // It can be read from once the process has ended.
        while poll(&mut handles, Some(&Timespec::default()))? == 0 {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use skep_process::Program;
    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Locks a file as QEMU does, says so, and stays.
    const HOLDER: &str = "import fcntl, sys, time
file = open(sys.argv[1], 'w')
fcntl.lockf(file, fcntl.LOCK_EX)
print('locked', flush=True)
time.sleep(60)";

    #[tokio::test]
    async fn who_holds_the_lock_is_found_killed_and_gone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("pid");
        assert!(!is_alive(&path).unwrap());
        std::fs::write(&path, "1\n").unwrap();
        assert!(!is_alive(&path).unwrap(), "a number in a file is no process");

        let (locked, is_locked) = tokio::sync::oneshot::channel();
        let holder = Program::new("python3").args(["-c", HOLDER]).arg(&path);
        let run = tokio::spawn(async move {
            let mut locked = Some(locked);
            let cancel = CancellationToken::new();
            holder
                .run_with(&cancel, |line| {
                    assert_eq!(line, "locked");
                    locked.take().unwrap().send(()).unwrap();
                })
                .await
        });
        is_locked.await.unwrap();
        let process = find(&path).unwrap().unwrap();
        process.kill().unwrap();
        process.ended().await.unwrap();
        assert!(!is_alive(&path).unwrap());
        process.kill().unwrap();
        run.await.unwrap().unwrap_err();
    }
}
