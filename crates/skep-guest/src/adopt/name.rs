//! A host's name: the machine's, because that is what its node is called in a swarm.

use tokio_util::sync::CancellationToken;

use super::{AdoptError, Found};
use crate::{Command, Guest};

/// Calls the host `$2` from now on, below the root directory `$1` (empty but in tests), and keeps in
/// the directory `$3` what it was called before. `$4` is the file that is read at boot.
///
/// The files may be mounted into a container one by one, so they are written where they are. The
/// host's name comes last: one that has it is not named again.
const RENAME: &str = r#"
root=$1 name=$2 state=$3 file=$4
mkdir -p -- "$root$state" "$root${file%/*}"
if [ ! -s "$root$state/hostname.before" ]; then
    uname -n >"$root$state/hostname.new"
    mv -f -- "$root$state/hostname.new" "$root$state/hostname.before"
fi
: >"$root$state/restart-due"
echo "$name" >"$root$file"
if [ -f "$root/etc/hosts" ] && ! grep -qwF -- "$name" "$root/etc/hosts"; then
    echo "127.0.1.1 $name # skep" >>"$root/etc/hosts"
fi
[ -n "$root" ] || hostname "$name"
"#;

/// Gives the host the name back that [`RENAME`] has kept in `$2`; `$3` is the file that is read at
/// boot.
const UNNAME: &str = r#"
root=$1 state=$2 file=$3
[ -s "$root$state/hostname.before" ] || exit 0
read -r old <"$root$state/hostname.before"
[ -n "$root" ] || hostname "$old"
echo "$old" >"$root$file"
if [ -f "$root/etc/hosts" ]; then
    new=$root/etc/hosts.skep-new
    grep -v ' # skep$' "$root/etc/hosts" >"$new" || :
    chmod 644 "$new"
    # One that is mounted stays where it is.
    if ! mv -f -- "$new" "$root/etc/hosts" 2>/dev/null; then
        cat -- "$new" >"$root/etc/hosts"
        rm -f -- "$new"
    fi
fi
rm -f -- "$root$state/hostname.before"
"#;

/// Calls a host by the machine's name, if it is not already.
///
/// # Errors
/// As [`Guest::run`].
pub async fn rename(
    guest: &Guest,
    found: &Found,
    cancel: &CancellationToken,
) -> Result<bool, AdoptError> {
    if found.hostname == guest.machine() {
        return Ok(false);
    }
    let rename = Command::exclusive("naming the host", RENAME).args([
        "",
        guest.machine(),
        found.places().state,
        file(found),
    ]);
    guest.run(&rename, cancel).await?;
    Ok(true)
}

/// Gives a host its old name back, if it was given another.
///
/// # Errors
/// As [`Guest::run`].
pub(super) async fn give_back(
    guest: &Guest,
    found: &Found,
    cancel: &CancellationToken,
) -> Result<(), AdoptError> {
    let unname = Command::exclusive("giving the host its name back", UNNAME).args([
        "",
        found.places().state,
        file(found),
    ]);
    guest.run(&unname, cancel).await?;
    Ok(())
}

fn file(found: &Found) -> &'static str {
    if found.system.has_profile() { "/var/lib/boot2docker/etc/hostname" } else { "/etc/hostname" }
}

#[cfg(test)]
mod tests {
    use skep_process::Program;

    use super::*;

    #[tokio::test]
    async fn a_name_is_given_and_given_back() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        std::fs::create_dir(root.join("etc")).unwrap();
        let hosts = "127.0.0.1 localhost\n";
        std::fs::write(root.join("etc/hosts"), hosts).unwrap();
        let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let run = async |script: &str, args: &[&str]| {
            let sh = Program::new("sh").args(["-euc", script, "sh"]).arg(root).args(args);
            sh.run(&CancellationToken::new()).await.unwrap();
        };
        for _ in 0..2 {
            run(RENAME, &["worker1", "/etc/skep", "/etc/hostname"]).await;
            assert_eq!(text("etc/hostname"), "worker1\n");
            assert_eq!(text("etc/hosts"), format!("{hosts}127.0.1.1 worker1 # skep\n"));
        }
        let old = text("etc/skep/hostname.before");
        for _ in 0..2 {
            run(UNNAME, &["/etc/skep", "/etc/hostname"]).await;
            assert_eq!((text("etc/hostname"), text("etc/hosts")), (old.clone(), hosts.to_owned()));
        }
    }
}
