//! Single files of a machine, read and written as root.

use tokio_util::sync::CancellationToken;

use crate::{Command, Guest, GuestError};

/// Writes a file whole or not at all. The connection may break at any byte, which the machine sees
/// as the end of the input: so the size is passed, and checked, before the file takes its place.
const WRITE: &str = r#"
path=$1 mode=$2 size=$3
if [ -d "$path" ]; then echo "$path is a directory" >&2; exit 1; fi
directory=$(dirname -- "$path")
mkdir -p -- "$directory"
# What killed ones have left: nobody else is at it now.
rm -f -- "$directory"/.new-????????
new=$(mktemp -- "$directory/.new-XXXXXXXX")
trap 'rm -f -- "$new"' EXIT
cat >"$new"
if [ "$(wc -c <"$new")" -ne "$size" ]; then echo "only a part arrived" >&2; exit 1; fi
chmod -- "$mode" "$new"
mv -f -- "$new" "$path"
"#;

/// Writes the files `$3…` of an archive to the directory `$1`, one directly after the other in this
/// order, or none of them. With `$2` (`restart`) a mark says that the engine has not read them; it
/// is as old as they are, and a restart of the machine takes it away.
const WRITE_ALL: &str = r#"
directory=$1 restart=$2
shift 2
umask 077
rm -rf -- "$directory"/.new-????????
new=$(mktemp -d -- "$directory/.new-XXXXXXXX")
trap 'rm -rf -- "$new"' EXIT
tar -xpf - -m --no-same-owner -C "$new"
for file; do
    if [ ! -f "$new/$file" ]; then echo "only a part arrived" >&2; exit 1; fi
done
[ -z "$restart" ] || : >/run/skep-restart-due
for file; do mv -f -- "$new/$file" "$directory/$file"; done
"#;

/// A file that is written together with others.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub name: &'a str,
    /// Its permissions, as `0o644`.
    pub mode: u32,
    pub bytes: &'a [u8],
}

impl Guest {
    /// Writes files that belong together, as a key and its certificate, to a directory that is there:
    /// all of them, in order, or none. The engine reads them when it is started the next time, and
    /// [`restart_due`](crate::certificate::restart_due) says so until then.
    ///
    /// Their content travels through the command's input and appears in no argument.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub async fn write_engine_files(
        &self,
        directory: &str,
        files: &[Member<'_>],
        cancel: &CancellationToken,
    ) -> Result<(), GuestError> {
        let mut archive = tar::Builder::new(Vec::new());
        for file in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(file.bytes.len() as u64);
            header.set_mode(file.mode);
            // The names are short and the archive is memory: neither can fail.
            let _ = archive.append_data(&mut header, file.name, file.bytes);
        }
        let command = Command::exclusive(format!("writing to {directory}"), WRITE_ALL)
            .args([directory, "restart"])
            .args(files.iter().map(|file| file.name))
            .stdin(archive.into_inner().unwrap_or_default());
        self.run(&command, cancel).await.map(drop)
    }

    /// Writes `bytes` to the file `path` in the machine, owned by root, with the permissions
    /// `mode` (`0o644`). A reader sees the old content or the new; missing directories are made.
    ///
    /// The content travels through the command's input and appears in no argument.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub async fn write_file(
        &self,
        path: &str,
        mode: u32,
        bytes: &[u8],
        cancel: &CancellationToken,
    ) -> Result<(), GuestError> {
        let command = Command::exclusive(format!("writing {path}"), WRITE)
            .args([path.to_owned(), format!("{mode:04o}"), bytes.len().to_string()])
            .stdin(bytes);
        self.run(&command, cancel).await.map(drop)
    }

    /// Reads the file `path` of the machine, with root's rights.
    ///
    /// # Errors
    /// As [`Guest::run`].
    pub async fn read_file(
        &self,
        path: &str,
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, GuestError> {
        let command = Command::script(format!("reading {path}"), r#"cat -- "$1""#).arg(path);
        self.run(&command.as_root(), cancel).await.map(|output| output.stdout)
    }
}

#[cfg(test)]
mod tests {
    use skep_process::Program;

    use super::*;

    /// Cut anywhere, the files of a pair are both old or both new.
    #[tokio::test]
    async fn files_that_belong_together_come_together() {
        let home = tempfile::tempdir().unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        for name in ["key", "certificate"] {
            let mut header = tar::Header::new_ustar();
            header.set_size(700);
            header.set_mode(0o600);
            archive.append_data(&mut header, name, &[b'n'; 700][..]).unwrap();
        }
        let whole = archive.into_inner().unwrap();
        let path = |name| home.path().join(name);
        let write = async |bytes: &[u8]| {
            let sh = Program::new("sh").args(["-euc", WRITE_ALL, "sh"]).arg(home.path());
            let sh = sh.args(["", "key", "certificate"]).stdin(bytes);
            sh.run(&CancellationToken::new()).await
        };
        for name in ["key", "certificate"] {
            std::fs::write(path(name), "old").unwrap();
        }
        // One that was killed has left a key behind.
        std::fs::create_dir(path(".new-abcdefgh")).unwrap();
        for length in (0..3000).step_by(512) {
            if write(&whole[..length]).await.is_err() {
                assert_eq!(std::fs::read(path("key")).unwrap(), b"old", "{length}");
                assert_eq!(std::fs::read(path("certificate")).unwrap(), b"old", "{length}");
            }
        }
        write(&whole).await.unwrap();
        assert_eq!(std::fs::read(path("key")).unwrap(), [b'n'; 700]);
        assert_eq!(std::fs::read(path("certificate")).unwrap(), [b'n'; 700]);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 2, "something is left behind");
    }
}
