//! Single files of a machine, read and written as root.

use tokio_util::sync::CancellationToken;

use crate::{Command, Guest, GuestError};

/// Writes a file whole or not at all. The connection may break at any byte, which the machine sees
/// as the end of the input: so the size is told, and checked, before the file takes its place.
const WRITE: &str = r#"
path=$1 mode=$2 size=$3
if [ -d "$path" ]; then echo "$path is a directory" >&2; exit 1; fi
directory=$(dirname -- "$path")
mkdir -p -- "$directory"
new=$(mktemp -- "$directory/.new-XXXXXXXX")
trap 'rm -f -- "$new"' EXIT
cat >"$new"
if [ "$(wc -c <"$new")" -ne "$size" ]; then echo "only a part arrived" >&2; exit 1; fi
chmod -- "$mode" "$new"
mv -f -- "$new" "$path"
"#;

impl Guest {
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
        let command = Command::script(format!("writing {path}"), WRITE)
            .args([path.to_owned(), format!("{mode:04o}"), bytes.len().to_string()])
            .stdin(bytes)
            .as_root();
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
