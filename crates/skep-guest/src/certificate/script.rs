//! What is asked of a machine about its certificates, and how its answer is read.

use super::{CaCertificate, Registry, SYSTEM_DIRECTORY};

/// Prints every certificate skep installed, each after a line `@ PATH TRUSTED`, and what is left
/// to do, as lines `@ update` and `@ restart`.
///
/// A certificate is trusted if it is in the bundle: the last full line of a certificate is a part
/// of its signature, which no other one has. The engine's pid file is as old as the engine.
pub(super) const STATE: &str = r#"
bundle=/etc/ssl/certs/ca-certificates.crt
for file in /usr/local/share/ca-certificates/skep-*.crt; do
    [ -f "$file" ] || continue
    line=$(tail -n 3 -- "$file" | head -n 1)
    if [ -n "$line" ] && grep -qxF -- "$line" "$bundle"; then trusted=yes; else trusted=no; fi
    echo "@ $file $trusted"
    cat -- "$file"
    echo
done
for file in /etc/docker/certs.d/*/skep-*.crt; do
    [ -f "$file" ] || continue
    echo "@ $file yes"
    cat -- "$file"
    echo
done
for file in /usr/local/share/ca-certificates/skep-*.crt.removed; do
    if [ -f "$file" ]; then echo "@ update"; break; fi
done
if [ -f /run/docker.pid ] && [ "$bundle" -nt /run/docker.pid ]; then echo "@ restart"; fi
"#;

/// Unpacks an archive of `$2` certificates into the directory `$1`: all of them, or none if it
/// arrives in part only, which `tar` does not see when it is cut between two. They are unpacked beside it, where nothing looks for certificates.
pub(super) const PLACE: &str = r#"
umask 022
mkdir -p -- "$1"
new=$(mktemp -d -- "${1%/*}/.skep-XXXXXXXX")
trap 'rm -rf -- "$new"' EXIT
tar -xf - -m --no-same-owner -C "$new"
set -- "$1" "$2" "$new"/*
if [ $# -ne $(($2 + 2)) ]; then echo "only a part arrived" >&2; exit 1; fi
chmod 644 "$new"/*
mv -f -- "$new"/* "$1"/
"#;

/// Brings the bundle of roots up to date with the directory, and forgets what was set aside.
pub(super) const UPDATE: &str = r#"
update-ca-certificates "$@" >/dev/null
rm -f /usr/local/share/ca-certificates/skep-*.crt.removed
"#;

/// Sets system roots aside, so that an interrupted removal is seen, and finished, by the next
/// command; the bundle takes only names that end with `.crt`.
pub(super) const SET_ASIDE: &str = r#"
for file; do mv -f -- "$file" "$file.removed"; done
"#;

/// Removes certificates of one registry, and its directory when it has nothing else.
pub(super) const REMOVE: &str = r#"
for file; do rm -f -- "$file"; rmdir -- "${file%/*}" 2>/dev/null || :; done
"#;

/// Restarts the engine, by whatever supervises it.
pub(super) const RESTART: &str = r#"
if command -v sv >/dev/null && [ -d /etc/service/docker ]; then
    sv -w 90 restart docker
elif [ -d /run/systemd/system ]; then
    systemctl restart docker
elif [ -x /etc/init.d/docker ]; then
    /etc/init.d/docker restart
else
    echo "nothing that supervises the engine was found (runit, systemd, /etc/init.d/docker)" >&2
    exit 1
fi
"#;

/// What a machine has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) files: Vec<File>,
    /// The bundle has roots that were removed.
    pub(super) update: bool,
    /// The engine was started before the bundle last changed.
    pub(super) restart: bool,
}

/// One installed certificate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its directory's registry; none for the system's roots.
    pub(super) registry: Option<Registry>,
    /// Its absolute path.
    pub(super) path: String,
    /// What is in it.
    pub(super) content: String,
    /// Whether it takes effect for a program that starts now.
    pub(super) trusted: bool,
}

impl State {
    /// Reads the answer to [`STATE`]; what is not understood is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut state = Self::default();
        let mut open = false;
        for line in text.lines() {
            let words = line.strip_prefix("@ ").map(|words| words.split(' ').collect::<Vec<_>>());
            match words.as_deref() {
                Some(["update"]) => state.update = true,
                Some(["restart"]) => state.restart = true,
                Some([path, trusted]) => {
                    let file = File::at(path, *trusted == "yes");
                    open = file.is_some();
                    state.files.extend(file);
                }
                Some(_) => open = false,
                None if open => {
                    if let Some(file) = state.files.last_mut().filter(|_| !line.is_empty()) {
                        file.content.push_str(line);
                        file.content.push('\n');
                    }
                }
                None => {}
            }
        }
        state
    }

    /// The files of one registry, or of the system.
    pub(super) fn of<'a>(
        &'a self,
        registry: Option<&'a Registry>,
    ) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.registry.as_ref() == registry)
    }
}

impl File {
    fn at(path: &str, trusted: bool) -> Option<Self> {
        let (directory, _) = path.rsplit_once('/')?;
        let registry = if directory == SYSTEM_DIRECTORY {
            None
        } else {
            Some(directory.rsplit_once('/')?.1.parse().ok()?)
        };
        Some(Self { registry, path: path.to_owned(), content: String::new(), trusted })
    }

    /// The certificate, if the file still holds one.
    pub(super) fn certificate(&self) -> Option<CaCertificate> {
        CaCertificate::parse_trusted([&self.content]).ok()?.pop()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skep_process::Program;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn every_script_is_a_script() {
        for script in [STATE, PLACE, UPDATE, SET_ASIDE, REMOVE, RESTART] {
            let check = Program::new("sh").args(["-n", "-c", script]);
            check.run(&CancellationToken::new()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn certificates_are_placed_all_or_none() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("roots");
        let mut archive = tar::Builder::new(Vec::new());
        for name in ["a.crt", "b.crt"] {
            let mut header = tar::Header::new_ustar();
            header.set_size(600);
            header.set_mode(0o600);
            archive.append_data(&mut header, name, &[b'x'; 600][..]).unwrap();
        }
        let whole = archive.into_inner().unwrap();
        // Cut inside the second file's content, and inside its header.
        for length in [whole.len() - 1500, 1600, 600] {
            let cut = place(&directory, &whole[..length]).await;
            assert!(cut.is_err(), "{length}");
            assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{length}");
        }
        place(&directory, &whole).await.unwrap();
        assert_eq!(std::fs::read(directory.join("b.crt")).unwrap(), [b'x'; 600]);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside");
    }

    async fn place(
        directory: &std::path::Path,
        archive: &[u8],
    ) -> Result<skep_process::Output, skep_process::ProcessError> {
        let sh = Program::new("sh").args(["-euc", PLACE, "sh"]).arg(directory).arg("2");
        sh.stdin(archive).run(&CancellationToken::new()).await
    }

    #[test]
    fn a_machines_answer_is_read() {
        let text = "@ /usr/local/share/ca-certificates/skep-1.crt no\nA\nB\n\n\
            @ /etc/docker/certs.d/[::1]:5000/skep-2.crt yes\nC\n\n\
            @ /etc/docker/certs.d/not a registry/skep-3.crt yes\nD\n\n@ restart\n";
        let state = State::parse(text);
        assert_eq!(state.files.len(), 2);
        assert_eq!((state.files[0].content.as_str(), state.files[0].trusted), ("A\nB\n", false));
        assert_eq!(state.files[1].registry, Some("[::1]:5000".parse().unwrap()));
        assert_eq!(state.files[1].content, "C\n");
        assert!(state.restart && !state.update);
    }

    proptest! {
        #[test]
        fn any_answer_is_read(text in "(@ |/|yes|update|\n|[a-z ]){0,30}") {
            State::parse(&text);
        }
    }
}
