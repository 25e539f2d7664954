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
    ($script:expr) => {
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

/// As [`with_places`], with a function `faults` that compares the bundle with what it is made of. It
/// prints nothing of a bundle that is whole, else how many of its certificates are cut off, are there
/// more often than in the sources, and are not there at all.
///
/// What a distribution's tool makes of `ca-certificates.conf` and the machine's own directory is known;
/// of the others' (p11-kit, which leaves out what is there twice) only that each certificate is whole
/// and there once. What somebody has added to the bundle by hand is left to them.
macro_rules! with_check {
    ($script:literal) => {
        with_places!(
            concat!(
                r#"
sources() {
    conf=$root/etc/ca-certificates.conf local=$root/usr/local/share/ca-certificates
    [ "$kind" != trust ] && [ -s "$conf" ] || return 0
    sed -n "/^[^#!]/s|^|$root/usr/share/ca-certificates/|p" "$conf" | tr '\n' '\0' |
        xargs -0 grep -hs '' -- || :
    [ ! -d "$local" ] || find -L "$local" -type f -name '*.crt' -exec grep -hs '' -- {} + || :
}
faults() {
    if [ ! -f "$bundle" ]; then
        # Nothing has been gathered yet, or there is nothing that gathers it.
        for file in "$root$roots"/skep-*.crt; do
            [ ! -f "$file" ] || { echo "1 0 0"; break; }
        done
        return 0
    fi
    sources | awk '
        side == "bundle" && FNR == 1 { open = 0 }
        { sub(/\r$/, "") }
        /-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/ { if (open && side != "") cut++; open = 1; block = ""; next }
        /-----END [A-Z0-9 ]*CERTIFICATE-----/ {
            if (side == "") source[block]++
            else if (open) held[block]++
            else cut++
            open = 0
            next
        }
        open { block = block $0 }
        END {
            if (open && side != "") cut++
            for (one in held) if (held[one] > 1 && held[one] > source[one]) twice++
            for (one in source) if (!(one in held)) missing++
            if (cut + twice + missing) print cut + 0, twice + 0, missing + 0
        }' - side=bundle "$bundle"
}
"#,
                $script
            )
        )
    };
}

/// Prints every certificate skep installed, each after a line `@ PATH TRUSTED`, and what is left
/// to do, as lines `@ update` and `@ restart`.
///
/// A certificate is trusted if it is in the bundle: the last full line of a certificate is a part
/// of its signature, which no other one has. The engine's pid file is as old as the engine.
pub(super) const STATE: &str = with_check!(
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
faults=$(faults)
[ -z "$faults" ] || echo "@ damaged $faults"
for pid in "$root/run/docker.pid" "$root/var/run/docker.pid"; do
    [ -f "$pid" ] || continue
    for newer in "$bundle" "$root/run/skep-restart-due"; do
        if [ "$newer" -nt "$pid" ]; then echo "@ restart"; break; fi
    done
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
# What killed ones have left: nobody else is at it now.
rm -rf -- "${1%/*}"/.skep-????????
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
///
/// The bundle is looked at afterwards: one that came out with less than whole certificates does not
/// stay. If nothing has changed in it, it stays as old as it was, and the engine need not read it.
pub(super) const UPDATE: &str = with_check!(
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
update() { "$tool" "$@" >/dev/null || "$tool" >/dev/null; }
old=$bundle.skep-old
[ ! -f "$bundle" ] || cp -p -- "$bundle" "$old"
# One that was killed has left a part, and the tool adds to what it finds.
rm -f -- "$bundle.new"
update "$@"
case $(faults) in
    '') ;;
    *) [ "$kind" = trust ] || set -- --fresh
        rm -f -- "$bundle.new"
        update "$@"
        ;;
esac
set -- $(faults)
has() { grep -qs -e '-----BEGIN' "$1"; }
if [ "${1:-0}" -gt 0 ] || { has "$old" && ! has "$bundle"; }; then
    [ ! -f "$old" ] || mv -f -- "$old" "$bundle"
    echo "$tool leaves certificates that are cut off in ${bundle#"$root"}: is the disk full?" >&2
    exit 1
fi
if cmp -s "$old" "$bundle"; then touch -r "$old" "$bundle"; fi
rm -f -- "$old" "$root$aside"/skep-*.crt.removed
"#
);

/// Sets system roots aside, so that an interrupted removal is seen, and finished, by the next
/// command; the bundle takes only names that end with `.crt`.
pub(super) const SET_ASIDE: &str = with_places!(
    r#"
mkdir -p -- "$root$aside"
for file; do
    [ ! -f "$root$file" ] || mv -f -- "$root$file" "$root$aside/${file##*/}.removed"
done
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
    rc-service docker restart 9>&-
elif [ -x /etc/init.d/docker ]; then
    # An engine that it starts must not hold on to our streams. Debian's restarts only what runs.
    /etc/init.d/docker restart </dev/null 9>&- || /etc/init.d/docker start </dev/null 9>&-
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
    /// The bundle is not what its sources make of it.
    pub(super) damaged: bool,
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
    /// Whether the bundle is not what it should be.
    pub(super) fn is_stale(&self) -> bool {
        self.update || self.damaged || self.of(None).any(|file| !file.trusted)
    }

    /// Reads the answer to [`STATE`]; what is not understood is left out.
    pub(super) fn parse(text: &str) -> Self {
        let mut state = Self::default();
        let mut open = false;
        for line in text.lines() {
            let words = line.strip_prefix("@ ").map(|words| words.split(' ').collect::<Vec<_>>());
            match words.as_deref() {
                Some(["update"]) => state.update = true,
                Some(["restart"]) => state.restart = true,
                Some(["damaged", ..]) => state.damaged = true,
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

    /// Whether it is the certificate's of this fingerprint, intact or not.
    pub(super) fn is_named(&self, fingerprint: &str) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let digits = name.strip_prefix("skep-").and_then(|name| name.strip_suffix(".crt"));
        digits.is_some_and(|digits| !digits.is_empty() && fingerprint.starts_with(digits))
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

    /// Stands in for what gathers a system's roots: as Debian's, it adds to a `.new` that it finds.
    const GATHER: &str = r#"#!/bin/sh
set -eu
root=ROOT bundle=$root/BUNDLE
mkdir -p "${bundle%/*}"
if [ -f "$root/etc/ca-certificates.conf" ]; then
    while read -r name; do cat "$root/usr/share/ca-certificates/$name" >>"$bundle.new"; done <"$root/etc/ca-certificates.conf"
fi
for file in "$root/DIRECTORY"/*.crt; do
    [ ! -f "$file" ] || cat "$file" >>"$bundle.new"
done
[ ! -f "$bundle.new" ] || mv -f "$bundle.new" "$bundle"
[ -s "$bundle" ] || : >"$bundle"
"#;

    fn program(root: &std::path::Path, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let path = root.join("bin").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn gathers(root: &std::path::Path, directory: &str, bundle: &str) {
        let text = GATHER
            .replace("ROOT", &root.display().to_string())
            .replace("DIRECTORY", directory.trim_start_matches('/'))
            .replace("BUNDLE", bundle);
        for name in ["update-ca-certificates", "update-ca-trust"] {
            program(root, name, &text);
        }
    }

    fn certificate(number: usize) -> String {
        let line = |of: usize| format!("{:064}\n", number * 10 + of);
        let body: String = (0..5).map(line).collect();
        format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    }

    fn archive(name: &str, text: &str) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
        archive.into_inner().unwrap()
    }

    async fn keeps(root: &std::path::Path, directory: &str, links: &str) {
        let bundle = match directory {
            "/etc/pki/ca-trust/source/anchors" => {
                "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"
            }
            "/etc/ca-certificates/trust-source/anchors" => {
                "etc/ca-certificates/extracted/tls-ca-bundle.pem"
            }
            "/etc/pki/trust/anchors" => "var/lib/ca-certificates/ca-bundle.pem",
            // boot2docker's own falls back to another place while this is not there.
            _ => "etc/ssl/certs/ca-certificates.crt",
        };
        std::fs::create_dir_all(root.join(bundle).parent().unwrap()).unwrap();
        std::fs::write(root.join(bundle), "").unwrap();
        gathers(root, directory, bundle);
        let text = certificate(1);
        run(root, PLACE, &[SYSTEM, "1"], &archive("skep-1.crt", &text)).await;
        let path = format!("{directory}/skep-1.crt");
        let said = run(root, STATE, &[], b"").await;
        assert!(said.starts_with(&format!("@ {path} no\n")), "{said}");
        let state = State::parse(&said);
        assert_eq!((state.files.len(), state.files[0].registry.as_ref()), (1, None), "{said}");
        run(root, UPDATE, &[], b"").await;
        assert_eq!(root.join(links).join("skep-1.crt").exists(), !links.is_empty());
        let state = State::parse(&run(root, STATE, &[], b"").await);
        assert!(state.files[0].trusted && !state.is_stale(), "{state:?}");

        // Twice, as two at once have left it; cut off; or empty.
        let cut = &text[..text.len() - 40];
        for damage in
            [format!("{text}{text}"), format!("{text}{cut}"), cut.to_owned(), String::new()]
        {
            std::fs::write(root.join(bundle), &damage).unwrap();
            // And what one that was killed has not finished.
            std::fs::write(root.join(format!("{bundle}.new")), cut).unwrap();
            let state = State::parse(&run(root, STATE, &[], b"").await);
            assert!(state.is_stale(), "{damage:?}");
            run(root, UPDATE, &["--fresh"], b"").await;
            assert_eq!(std::fs::read_to_string(root.join(bundle)).unwrap(), text, "{damage:?}");
            assert!(!State::parse(&run(root, STATE, &[], b"").await).is_stale());
        }

        run(root, SET_ASIDE, &[&path], b"").await;
        run(root, SET_ASIDE, &[&path], b"").await;
        assert!(State::parse(&run(root, STATE, &[], b"").await).update);
        std::fs::remove_file(root.join(bundle)).unwrap();
        run(root, UPDATE, &["--fresh"], b"").await;
        assert_eq!(State::parse(&run(root, STATE, &[], b"").await), State::default());
        assert!(!root.join(links).join("skep-1.crt").is_symlink());
    }

    /// A machine as Debian's, with `count` certificates of the distribution.
    fn debian(count: usize) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        for directory in ["etc/ssl/certs", "usr/share/ca-certificates", "run"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        let mut conf = "# a comment\n!not/this.crt\n".to_owned();
        for number in 1..=count {
            let name = format!("root {number}.crt");
            conf += &format!("{name}\n");
            let path = root.join("usr/share/ca-certificates").join(name);
            std::fs::write(path, certificate(number + 100)).unwrap();
        }
        std::fs::write(root.join("etc/ca-certificates.conf"), conf).unwrap();
        std::fs::create_dir_all(root.join("usr/local/share/ca-certificates")).unwrap();
        home
    }

    /// What a bundle is worth is judged by what it is made of.
    #[tokio::test]
    async fn a_bundle_is_held_against_its_sources() {
        let home = debian(5);
        let root = home.path();
        let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
        let local = root.join("usr/local/share/ca-certificates/own.crt");
        let all: String = (101..=105).map(certificate).collect();
        // One that somebody has put there although the distribution has it: twice, and rightly so.
        std::fs::write(local, certificate(105).trim_end()).unwrap();
        let judge = async |text: &str| {
            std::fs::write(&bundle, text).unwrap();
            run(root, STATE, &[], b"").await.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(judge(&format!("{all}{}", certificate(105))).await, none);
        assert_eq!(judge(&all).await, none, "p11-kit leaves out what is there twice");
        assert_eq!(judge(&format!("{all}{}", certificate(7))).await, none, "added by hand");
        assert_eq!(judge(&format!("{all}{all}")).await, ["@ damaged 0 4 0"]);
        // Cut between two, as if the disk had been full.
        assert_eq!(judge(&all[..all.len() / 5 * 3]).await, ["@ damaged 0 0 2"]);
        assert_eq!(judge(&all[..all.len() / 5 * 3 + 99]).await, ["@ damaged 1 0 2"]);
        assert_eq!(judge("").await, ["@ damaged 0 0 5"]);
        assert_eq!(judge(&all.replace('\n', "\r\n")).await, none);
    }

    /// A tool that fails, or writes a part and says that all is well.
    #[tokio::test]
    async fn a_bundle_that_comes_out_broken_does_not_stay() {
        let home = debian(0);
        let root = home.path();
        let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
        let whole = certificate(1);
        let write = |text: &str| std::fs::write(&bundle, text).unwrap();
        let tool = |text: &str| {
            let path = bundle.display();
            program(root, "update-ca-certificates", &format!("#!/bin/sh\n{text} >{path}\n"));
        };
        let update = async || {
            let sh = Program::new("sh").args(["-euc", &below(root, UPDATE), "sh", "--fresh"]);
            let sh = sh.env("PATH", format!("{}/bin:/usr/bin:/bin", root.display()));
            sh.run(&CancellationToken::new()).await
        };
        for text in ["printf -- '-----BEGIN CERTIFICATE-----\\nAB\\n'", ":"] {
            write(&whole);
            tool(text);
            let said = update().await.unwrap_err().to_string();
            assert!(said.contains("cut off"), "{said}");
            assert_eq!(std::fs::read_to_string(&bundle).unwrap(), whole);
        }
        // The same once more leaves it as old as it was: no engine need read it.
        write(&whole);
        let old = std::fs::metadata(&bundle).unwrap().modified().unwrap();
        tool(&format!("printf '%s' '{whole}'"));
        update().await.unwrap();
        assert_eq!(std::fs::metadata(&bundle).unwrap().modified().unwrap(), old);
        assert_eq!(std::fs::read_dir(bundle.parent().unwrap()).unwrap().count(), 1);
    }

    /// An engine is as old as its pid file; what it reads only once may be newer.
    #[tokio::test]
    async fn an_engine_is_older_than_what_it_has_not_read() {
        let home = debian(1);
        let root = home.path();
        let age = |path: &str, seconds: u64| {
            let path = root.join(path);
            let file = std::fs::File::options().append(true).create(true).open(path).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).unwrap();
        };
        std::fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), certificate(101)).unwrap();
        let due = async || State::parse(&run(root, STATE, &[], b"").await).restart;
        age("etc/ssl/certs/ca-certificates.crt", 1000);
        assert!(!due().await, "there is no engine");
        age("run/docker.pid", 2000);
        assert!(!due().await);
        age("run/skep-restart-due", 3000);
        assert!(due().await, "its own certificate is newer");
        age("run/docker.pid", 4000);
        assert!(!due().await);
        age("etc/ssl/certs/ca-certificates.crt", 5000);
        assert!(due().await);
    }

    /// The fault itself: the tool is run again while a killed command's is still at it.
    #[tokio::test]
    async fn what_a_killed_command_has_left_running_is_waited_for() {
        let home = debian(40);
        let root = home.path();
        let directory = "/usr/local/share/ca-certificates";
        let bundle = "etc/ssl/certs/ca-certificates.crt";
        gathers(root, directory, bundle);
        let lock = crate::exclusive::LOCK.replacen(
            "/run/skep-machine.lock",
            &root.join("run/lock").display().to_string(),
            1,
        );
        let script = format!("{lock}{}", below(root, UPDATE));
        let path = format!("{}/bin:/usr/bin:/bin", root.display());
        std::fs::write(root.join(bundle), "").unwrap();
        // The configuration's first two lines are no names: this tool knows no comments.
        let conf = root.join("etc/ca-certificates.conf");
        let text = std::fs::read_to_string(&conf).unwrap();
        std::fs::write(
            &conf,
            text.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>(),
        )
        .unwrap();
        for _ in 0..5 {
            // Its shell is killed as soon as the tool runs; the tool goes on.
            let dies = script.replacen(
                "update \"$@\"\n",
                "update \"$@\" & until [ -e \"$bundle.new\" ]; do :; done; kill -9 $$\n",
                1,
            );
            assert_ne!(dies, script);
            let sh = |text: &str| {
                Program::new("sh").args(["-euc", text, "sh", "--fresh"]).env("PATH", &path)
            };
            let none = CancellationToken::new();
            let (killed, next) = tokio::join!(sh(&dies).run(&none), async {
                // Begun while the other one has the lock, or has just been killed.
                while !root.join(format!("{bundle}.new")).exists() {
                    tokio::task::yield_now().await;
                }
                sh(&script).run(&none).await
            });
            killed.unwrap_err();
            next.unwrap();
            let held = std::fs::read_to_string(root.join(bundle)).unwrap();
            assert_eq!(held.matches("BEGIN").count(), 40);
            std::fs::write(root.join(bundle), "").unwrap();
        }
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
