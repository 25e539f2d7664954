//! What is asked of a machine about its certificates, and how its answer is read.
//!
//! | system | its own roots | what reads them | the bundle |
//! |---|---|---|---|
//! | skep's guest, Debian, Ubuntu, Alpine | `/usr/local/share/ca-certificates` | `update-ca-certificates` | `/etc/ssl/certs/ca-certificates.crt` |
//! | Fedora, Red Hat | `/etc/pki/ca-trust/source/anchors` | `update-ca-trust` | `/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem` |
//! | Arch | `/etc/ca-certificates/trust-source/anchors` | `update-ca-trust` | `/etc/ca-certificates/extracted/tls-ca-bundle.pem` |
//! | SUSE | `/etc/pki/trust/anchors` | `update-ca-certificates` | `/var/lib/ca-certificates/ca-bundle.pem` |
//! | boot2docker | `/var/lib/boot2docker/certs`, linked at boot | `update-ca-certificates` | as Debian's |

use super::{CaCertificate, Registry, SYSTEM_DIRECTORIES};

/// Finds out where the machine keeps its roots. On skep's own guest it is one test and no program.
///
/// What is removed is set aside where nothing reads it, though its name says the same everywhere.
macro_rules! with_places {
    ($script:literal) => {
        concat!(
            r#"root=
roots=/usr/local/share/ca-certificates bundle=$root/etc/ssl/certs/ca-certificates.crt kind=debian
aside=
if [ ! -d "$root/var/lib/skep/seed" ]; then
    if [ -d "$root/var/lib/boot2docker" ] && grep -q '^ID="*boot2docker' "$root/etc/os-release"; then
        kind=boot2docker roots=/var/lib/boot2docker/certs
        [ -f "$bundle" ] || bundle=$root/usr/local/etc/ssl/certs/ca-certificates.crt
    elif [ -d "$root/etc/pki/ca-trust/source/anchors" ]; then
        kind=trust roots=/etc/pki/ca-trust/source/anchors aside=/etc/skep/removed
        bundle=$root/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
    elif [ -d "$root/etc/ca-certificates/trust-source/anchors" ]; then
        kind=trust roots=/etc/ca-certificates/trust-source/anchors aside=/etc/skep/removed
        bundle=$root/etc/ca-certificates/extracted/tls-ca-bundle.pem
    elif [ -d "$root/etc/pki/trust/anchors" ]; then
        kind=debian roots=/etc/pki/trust/anchors aside=/etc/skep/removed
        bundle=$root/var/lib/ca-certificates/ca-bundle.pem
    fi
fi
aside=${aside:-$roots}
"#,
            $script
        )
    };
}
pub(super) use with_places;

/// Prints every certificate skep installed, each after a line `@ PATH TRUSTED`, and what is left
/// to do, as lines `@ update` and `@ restart`.
///
/// A certificate is trusted if it is in the bundle: the last full line of a certificate is a part
/// of its signature, which no other one has. The engine's pid file is as old as the engine.
pub(super) const STATE: &str = with_places!(
    r#"
for file in "$root$roots"/skep-*.crt; do
    [ -f "$file" ] || continue
    line=$(tail -n 3 -- "$file" | head -n 1)
    if [ -n "$line" ] && grep -qxF -- "$line" "$bundle"; then trusted=yes; else trusted=no; fi
    echo "@ ${file#"$root"} $trusted"
    cat -- "$file"
    echo
done
for file in "$root"/etc/docker/certs.d/*/skep-*.crt; do
    [ -f "$file" ] || continue
    echo "@ ${file#"$root"} yes"
    cat -- "$file"
    echo
done
for file in "$root$aside"/skep-*.crt.removed; do
    if [ -f "$file" ]; then echo "@ update"; break; fi
done
for pid in "$root/run/docker.pid" "$root/var/run/docker.pid"; do
    [ -f "$pid" ] || continue
    if [ "$bundle" -nt "$pid" ]; then echo "@ restart"; fi
    break
done
"#
);

/// What [`PLACE`] takes for the system's own directory.
pub(super) const SYSTEM: &str = "system";

/// Unpacks an archive of `$2` certificates into the directory `$1`: all of them, or none if it
/// arrives in part only, which `tar` does not see when it is cut between two. They are unpacked beside it, where nothing looks for certificates.
pub(super) const PLACE: &str = with_places!(
    r#"
umask 022
if [ "$1" = system ]; then set -- "$root$roots" "$2"; fi
mkdir -p -- "$1"
new=$(mktemp -d -- "${1%/*}/.skep-XXXXXXXX")
trap 'rm -rf -- "$new"' EXIT
tar -xf - -m --no-same-owner -C "$new"
set -- "$1" "$2" "$new"/*
if [ $# -ne $(($2 + 2)) ]; then echo "only a part arrived" >&2; exit 1; fi
chmod 644 "$new"/*
mv -f -- "$new"/* "$1"/
"#
);

/// Brings the bundle of roots up to date with the directory, and forgets what was set aside.
pub(super) const UPDATE: &str = with_places!(
    r#"
tool=update-ca-certificates
case $kind in
    trust)
        tool=update-ca-trust
        set -- extract
        ;;
    boot2docker)
        # What its boot does.
        links=$root/usr/local/share/ca-certificates/boot2docker
        mkdir -p -- "$links"
        for link in "$links"/skep-*.crt; do [ -e "$link" ] || rm -f -- "$link"; done
        for file in "$root$roots"/skep-*.crt; do
            [ ! -f "$file" ] || ln -sf -- "$file" "$links/${file##*/}"
        done
        if [ -x /usr/local/tce.installed/ca-certificates ]; then
            tool=/usr/local/tce.installed/ca-certificates
            set --
        fi
        ;;
esac
if ! command -v "$tool" >/dev/null; then
    echo "$tool is not there: install the package ca-certificates in the machine" >&2
    exit 1
fi
# Not every distribution's knows --fresh, and those that do not begin anew each time.
"$tool" "$@" >/dev/null || "$tool" >/dev/null
rm -f -- "$root$aside"/skep-*.crt.removed
"#
);

/// Sets system roots aside, so that an interrupted removal is seen, and finished, by the next
/// command; the bundle takes only names that end with `.crt`.
pub(super) const SET_ASIDE: &str = with_places!(
    r#"
mkdir -p -- "$root$aside"
for file; do mv -f -- "$root$file" "$root$aside/${file##*/}.removed"; done
"#
);

/// Removes certificates of one registry, and its directory when it has nothing else.
pub(super) const REMOVE: &str = r#"
for file; do rm -f -- "$file"; rmdir -- "${file%/*}" 2>/dev/null || :; done
"#;

/// Restarts the engine, by whatever supervises it, which reads its own settings anew before.
pub(crate) const RESTART: &str = r#"
if command -v sv >/dev/null && [ -d /etc/service/docker ]; then
    sv -w 90 restart docker
elif [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # One that failed too often is not started any more.
    systemctl reset-failed docker 2>/dev/null || :
    systemctl restart docker
elif command -v rc-service >/dev/null && [ -d /run/openrc ]; then
    rc-service docker restart
elif [ -x /etc/init.d/docker ]; then
    # An engine that it starts must not hold on to our streams. Debian's restarts only what runs.
    /etc/init.d/docker restart </dev/null || /etc/init.d/docker start </dev/null
else
    echo "nothing that starts the engine was found (runit, systemd, OpenRC, /etc/init.d/docker)" >&2
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
        let registry = if SYSTEM_DIRECTORIES.contains(&directory) {
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

    /// A script that takes another directory for the root of the file system.
    fn below(root: &std::path::Path, script: &str) -> String {
        script.replacen("root=\n", &format!("root={}\n", root.display()), 1)
    }

    /// Runs a script there, with what stands in for the programs that gather a system's roots.
    async fn run(root: &std::path::Path, script: &str, args: &[&str], stdin: &[u8]) -> String {
        let text = below(root, script);
        let sh = Program::new("sh").args(["-euc", &text, "sh"]).args(args);
        let path = format!("{}/bin:/usr/bin:/bin", root.display());
        let sh = sh.stdin(stdin).env("PATH", path);
        sh.run(&CancellationToken::new()).await.unwrap().text()
    }

    /// Each system's own way, with a stand-in for the program that gathers its roots.
    #[tokio::test]
    async fn every_system_keeps_its_roots_where_it_looks_for_them() {
        let systems = [
            ("etc/os-release", "ID=debian\n", "/usr/local/share/ca-certificates"),
            ("etc/pki/ca-trust/source/anchors/x", "", "/etc/pki/ca-trust/source/anchors"),
            (
                "etc/ca-certificates/trust-source/anchors/x",
                "",
                "/etc/ca-certificates/trust-source/anchors",
            ),
            ("etc/pki/trust/anchors/x", "", "/etc/pki/trust/anchors"),
        ];
        for (file, text, directory) in systems {
            let home = tempfile::tempdir().unwrap();
            let root = home.path();
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), text).unwrap();
            keeps(root, directory, "").await;
        }
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        std::fs::create_dir_all(root.join("var/lib/boot2docker")).unwrap();
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("etc/os-release"), "NAME=b\nID=boot2docker\n").unwrap();
        let links = "usr/local/share/ca-certificates/boot2docker";
        keeps(root, "/var/lib/boot2docker/certs", links).await;
        // skep's own guest knows that directory too, and has its own way.
        std::fs::create_dir_all(root.join("var/lib/skep/seed")).unwrap();
        keeps(root, "/usr/local/share/ca-certificates", "").await;
    }

    async fn keeps(root: &std::path::Path, directory: &str, links: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let tools = [
            ("update-ca-certificates", "#!/bin/sh\n"),
            ("update-ca-trust", "#!/bin/sh\n[ $1 = extract ]\n"),
        ];
        for (name, text) in tools {
            let path = root.join("bin").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(10);
        archive.append_data(&mut header, "skep-1.crt", &b"a\nbc\nd\nef\n"[..]).unwrap();
        let archive = archive.into_inner().unwrap();
        run(root, PLACE, &[SYSTEM, "1"], &archive).await;
        let path = format!("{directory}/skep-1.crt");
        let said = run(root, STATE, &[], b"").await;
        assert!(said.starts_with(&format!("@ {path} no\n")), "{said}");
        let state = State::parse(&said);
        assert_eq!((state.files.len(), state.files[0].registry.as_ref()), (1, None), "{said}");
        run(root, UPDATE, &[], b"").await;
        assert_eq!(root.join(links).join("skep-1.crt").exists(), !links.is_empty());
        run(root, SET_ASIDE, &[&path], b"").await;
        assert!(State::parse(&run(root, STATE, &[], b"").await).update);
        run(root, UPDATE, &["--fresh"], b"").await;
        assert_eq!(State::parse(&run(root, STATE, &[], b"").await), State::default());
        assert!(!root.join(links).join("skep-1.crt").is_symlink());
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
