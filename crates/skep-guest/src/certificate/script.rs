//! What is asked of a machine about its certificates, and how its answer is read.
//!
//! | system | its own roots | what reads them | the bundle |
//! |---|---|---|---|
//! | skep's guest, Debian, Ubuntu, Alpine | `/usr/local/share/ca-certificates` | `update-ca-certificates` | `/etc/ssl/certs/ca-certificates.crt` |
//! | Fedora, Red Hat | `/etc/pki/ca-trust/source/anchors` | `update-ca-trust` | `/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem` |
//! | Arch | `/etc/ca-certificates/trust-source/anchors` | `update-ca-trust` | `/etc/ca-certificates/extracted/tls-ca-bundle.pem` |
//! | SUSE | `/etc/pki/trust/anchors` | `update-ca-certificates` | `/var/lib/ca-certificates/ca-bundle.pem` |
//! | boot2docker | `/var/lib/boot2docker/certs`, linked at boot | `update-ca-certificates` | as Debian's |

use skep_pki::{CaCertificate, Registry, is_file_name_of};

/// Where Debian's `update-ca-certificates` looks for a machine's own roots.
pub const SYSTEM_DIRECTORY: &str = "/usr/local/share/ca-certificates";

/// Where the systems that skep knows look for a machine's own roots.
const SYSTEM_DIRECTORIES: [&str; 5] = [
    SYSTEM_DIRECTORY,
    "/etc/pki/ca-trust/source/anchors",
    "/etc/ca-certificates/trust-source/anchors",
    "/etc/pki/trust/anchors",
    "/var/lib/boot2docker/certs",
];

/// Where an engine looks for the roots of one registry, in a directory named `HOST[:PORT]`.
pub const REGISTRY_DIRECTORY: &str = "/etc/docker/certs.d";

pub(super) fn registry_directory(registry: &Registry) -> String {
    format!("{REGISTRY_DIRECTORY}/{registry}")
}

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
/// What a distribution's tool makes of `ca-certificates.conf` and the machine's own directory is
/// known; of the others' (p11-kit, which leaves out what is there twice) only that each certificate
/// is whole and there once. What an administrator has added to the bundle by hand is left alone.
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

#[derive(Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Its directory's registry; none for the system's roots.
    pub(super) registry: Option<Registry>,
    pub(super) path: String,
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
        is_file_name_of(self.path.rsplit('/').next().unwrap_or_default(), fingerprint)
    }

    pub(super) fn certificate(&self) -> Option<CaCertificate> {
        CaCertificate::from_pem(&self.content).ok()
    }
}

#[cfg(test)]
mod tests;
