//! Copies files and directories between this host and a machine, as `scp -r` does, as a tar stream
//! through the machine's SSH connection.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::io::{duplex, empty, sink};
use tokio_util::{io::SyncIoBridge, sync::CancellationToken};

use crate::{Command, Guest, GuestError};

const COPY: Duration = Duration::from_secs(24 * 60 * 60);

/// How much of a copy is under way at a time, in bytes.
const BUFFER: usize = 256 * 1024;

impl Guest {
    /// Copies the file or directory `local` to `remote` in the machine, as the login user: into
    /// `remote` if that is a directory, else to that name. A relative `remote` starts at the
    /// user's home. Symbolic links are copied as links.
    ///
    /// # Errors
    /// [`GuestError::Local`] if `local` cannot be read; else as [`Guest::run`].
    pub async fn upload(
        &self,
        local: &Path,
        remote: &str,
        cancel: &CancellationToken,
    ) -> Result<(), GuestError> {
        let what = format!("copying {} to {remote}", local.display());
        let is_directory =
            fs_err::metadata(local).map_err(GuestError::local("read", local))?.is_dir();
        let target = match self.kind(remote, cancel).await? {
            Kind::Directory => Path::new(remote).join(name_of(local)?),
            Kind::Other => PathBuf::from(remote),
        };
        // A directory's content goes into the directory; a file is an entry of its parent.
        let (directory, entry) = if is_directory {
            (target, PathBuf::from("."))
        } else {
            (target.parent().unwrap_or(Path::new("")).to_owned(), name_of(&target)?)
        };
        let script = r#"mkdir -p -- "$1"; exec tar -xf - --no-same-owner -C "$1""#;
        let command = Command::script(what, script)
            .arg(Path::new(".").join(directory).to_string_lossy())
            .deadline(COPY);
        let (here, mut there) = duplex(BUFFER);
        let source = local.to_owned();
        let pack = tokio::task::spawn_blocking(move || {
            let mut archive = tar::Builder::new(SyncIoBridge::new(here));
            archive.follow_symlinks(false);
            if is_directory {
                archive.append_dir_all(entry, &source)?;
            } else {
                // The file that is named is meant, not a link to it.
                archive.append_file(entry, &mut skep_read::open(&source)?)?;
            }
            archive.into_inner()?.shutdown()
        });
        let mut said = Vec::new();
        let ended = self.stream(&command, &mut there, &mut sink(), &mut said, cancel).await;
        // The packing thread must not wait for a machine that no longer takes anything.
        drop(there);
        let packed = pack.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let code = ended.map_err(|stop| self.stopped(&command, stop, &said))?;
        match packed {
            // A machine that refuses breaks the pipe we write to: its own word comes first.
            Err(error) if code == 0 || error.kind() != io::ErrorKind::BrokenPipe => {
                Err(GuestError::local("read", local)(error))
            }
            _ if code != 0 => Err(self.failed(&command, code, &said)),
            _ => Ok(()),
        }
    }

    /// Copies the file or directory `remote` of the machine to `local`, with the login user's
    /// rights: into `local` if that is a directory, else to that name. A relative `remote` starts
    /// at the user's home. An archive that would write outside the target is refused.
    ///
    /// # Errors
    /// [`GuestError::Local`] if `local` cannot be written; else as [`Guest::run`].
    pub async fn download(
        &self,
        remote: &str,
        local: &Path,
        cancel: &CancellationToken,
    ) -> Result<(), GuestError> {
        let what = format!("copying {remote} to {}", local.display());
        let is_directory = matches!(self.kind(remote, cancel).await?, Kind::Directory);
        let target =
            if local.is_dir() { local.join(name_of(Path::new(remote))?) } else { local.into() };
        let script = if is_directory {
            r#"exec tar -cf - -C "$1" ."#
        } else {
            r#"exec tar -chf - -C "$(dirname -- "$1")" -- "./$(basename -- "$1")""#
        };
        let path = Path::new(".").join(remote);
        let command = Command::script(what, script).arg(path.to_string_lossy()).deadline(COPY);
        let (mut there, here) = duplex(BUFFER);
        let into = target.clone();
        let unpack = tokio::task::spawn_blocking(move || {
            let mut archive = tar::Archive::new(SyncIoBridge::new(here));
            let found = if is_directory {
                archive.unpack(&into).map(|()| true)?
            } else {
                unpack_file(&mut archive, &into)?
            };
            // What follows is padding: read, so that the machine's tar can end in peace and say
            // with its status why it found nothing.
            io::copy(&mut archive.into_inner(), &mut io::sink())?;
            Ok::<_, io::Error>(found)
        });
        let mut said = Vec::new();
        let ended = self.stream(&command, &mut empty(), &mut there, &mut said, cancel).await;
        drop(there);
        let unpacked = unpack.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        // A full disk here breaks the pipe: our own failure explains the stream's.
        let code = match (ended, &unpacked) {
            (Err(crate::run::Stop::Pipe(_)), Err(_)) => 0,
            (ended, _) => ended.map_err(|stop| self.stopped(&command, stop, &said))?,
        };
        if code != 0 {
            return Err(self.failed(&command, code, &said));
        }
        match unpacked.map_err(GuestError::local("write", target))? {
            true => Ok(()),
            false => Err(self.failed(&command, code, b"it is neither a file nor a directory")),
        }
    }

    async fn kind(&self, remote: &str, cancel: &CancellationToken) -> Result<Kind, GuestError> {
        let command = Command::script(format!("looking at {remote}"), r#"test -d "$1""#)
            .arg(Path::new(".").join(remote).to_string_lossy());
        match self.run_any(&command, cancel).await? {
            output if output.code == 0 => Ok(Kind::Directory),
            output if output.code == 1 => Ok(Kind::Other),
            output => Err(self.failed(&command, output.code, &output.stderr)),
        }
    }
}

enum Kind {
    Directory,
    Other,
}

/// Writes the first entry of an archive to the file `target`, which a reader sees whole. Says
/// whether there was one.
fn unpack_file(archive: &mut tar::Archive<impl io::Read>, target: &Path) -> io::Result<bool> {
    let Some(entry) = archive.entries()?.next() else { return Ok(false) };
    let mut entry = entry?;
    if !entry.header().entry_type().is_file() {
        return Ok(false);
    }
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(entry.header().mode()? & 0o777);
    let mut file =
        tempfile::Builder::new().prefix(".new-").tempfile_in(parent.unwrap_or(Path::new(".")))?;
    io::copy(&mut entry, file.as_file_mut())?;
    file.as_file().set_permissions(mode)?;
    file.persist(target).map(|_| true).map_err(|error| error.error)
}

fn name_of(path: &Path) -> Result<PathBuf, GuestError> {
    let nameless = || io::Error::other("it has no file name");
    let name = path.file_name().ok_or_else(nameless).map_err(GuestError::local("copy", path))?;
    Ok(name.into())
}
