//! The command lines of programs that reach into machines by themselves: `scp`, `rsync`, `sshfs`.
//!
//! As with [`Access::interactive`] they are to be executed in place of the caller, so that their
//! terminal, their progress and their exit status are its own.

use std::ffi::{OsStr, OsString};

use crate::{Access, GuestError, access::check_user};

/// One end of a copy.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    Here(&'a OsStr),
    There {
        access: &'a Access,
        /// The user to log in as, in place of the machine's own.
        user: Option<&'a str>,
        /// The path there; one that is not absolute begins in the user's home directory.
        path: &'a str,
    },
}

/// Options of a copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copying {
    /// Directories with what is in them.
    pub recursive: bool,
    pub quiet: bool,
}

/// The command line of `scp` from one end to the other, `scp` itself included. Between two machines
/// everything goes through this host, for they need not trust each other.
///
/// # Errors
/// [`GuestError::BadPath`].
pub fn scp(from: End<'_>, to: End<'_>, how: Copying) -> Result<Vec<OsString>, GuestError> {
    let mut argv = vec![OsString::from("scp")];
    from.check()?;
    to.check()?;
    let ends = [from, to].map(End::access);
    match ends {
        [Some(one), None] | [None, Some(one)] => argv.extend(shared(one.options()?)),
        [Some(one), Some(other)] => {
            argv.push("-3".into());
            argv.extend(both(one, other)?);
        }
        [None, None] => {}
    }
    argv.extend(how.recursive.then(|| "-r".into()));
    argv.extend(how.quiet.then(|| "-q".into()));
    argv.push("--".into());
    argv.push(from.of_scp());
    argv.push(to.of_scp());
    Ok(argv)
}

/// The command line of `rsync` from one end to the other, which sends differences only; `None`
/// between two machines, which `rsync` cannot do.
///
/// # Errors
/// [`GuestError::BadPath`].
pub fn rsync(
    from: End<'_>,
    to: End<'_>,
    how: Copying,
) -> Result<Option<Vec<OsString>>, GuestError> {
    let mut argv = vec![OsString::from("rsync")];
    from.check()?;
    to.check()?;
    match [from, to].map(End::access) {
        [Some(_), Some(_)] => return Ok(None),
        [None, None] => {}
        [Some(one), None] | [None, Some(one)] => {
            let mut ssh = OsString::from("ssh");
            for word in one.options()? {
                ssh.push(" ");
                ssh.push(quoted(&word));
            }
            argv.extend(["-e".into(), ssh]);
        }
    }
    argv.push(if how.quiet { "-q" } else { "--progress" }.into());
    argv.extend(how.recursive.then(|| "-r".into()));
    argv.push("-t".into());
    argv.push("--".into());
    argv.push(from.of_rsync());
    argv.push(to.of_rsync());
    Ok(Some(argv))
}

/// The command line of `sshfs`, which mounts a machine's directory at `mountpoint`.
///
/// # Errors
/// [`GuestError::BadPath`], also for a path with what `sshfs` has a meaning of its own for.
pub fn sshfs(
    access: &Access,
    user: Option<&str>,
    path: &str,
    mountpoint: &OsStr,
) -> Result<Vec<OsString>, GuestError> {
    End::There { access, user, path }.check()?;
    let mut command = OsString::from("ssh_command=ssh");
    for word in access.options()? {
        let text = word.to_string_lossy();
        if text.contains([' ', ',', '\'']) {
            return Err(GuestError::BadPath {
                path: word.into(),
                reason: "has a character that sshfs cannot take in a path",
            });
        }
        // The one pair of quotes that `ssh` wants around a path means nothing without blanks.
        command.push(" ");
        command.push(text.replace('"', ""));
    }
    let host = host(access, user);
    Ok(vec![
        "sshfs".into(),
        "-o".into(),
        command,
        format!("{host}:{path}").into(),
        plain(mountpoint),
    ])
}

impl<'a> End<'a> {
    fn access(self) -> Option<&'a Access> {
        match self {
            End::Here(_) => None,
            End::There { access, .. } => Some(access),
        }
    }

    /// Whether nothing of it is taken for something else.
    fn check(self) -> Result<(), GuestError> {
        match self {
            End::There { user: Some(user), .. } => check_user(user),
            _ => Ok(()),
        }
    }

    /// As a URI, which has room for a port of its own.
    fn of_scp(self) -> OsString {
        match self {
            End::Here(path) => here(path),
            End::There { access, user, path } => {
                let user = user.unwrap_or(&access.user);
                format!("scp://{user}@{}/{}", access.address(), percent(path)).into()
            }
        }
    }

    fn of_rsync(self) -> OsString {
        match self {
            End::Here(path) => here(path),
            End::There { access, user, path } => {
                // Older ones hand it on to the other side's command line as it is.
                let dot = if path.starts_with('-') { "./" } else { "" };
                format!("{}:{dot}{path}", host(access, user)).into()
            }
        }
    }
}

/// The user and the host, an address with colons in brackets.
fn host(access: &Access, user: Option<&str>) -> String {
    let user = user.unwrap_or(&access.user);
    match access.host {
        std::net::IpAddr::V4(host) => format!("{user}@{host}"),
        std::net::IpAddr::V6(host) => format!("{user}@[{host}]"),
    }
}

/// A path that is not taken for an option.
pub fn plain(path: &OsStr) -> OsString {
    let mut plain = OsString::new();
    if path.as_encoded_bytes().starts_with(b"-") {
        plain.push("./");
    }
    plain.push(path);
    plain
}

/// A path of this host that is not taken for a host's name and a path there.
fn here(path: &OsStr) -> OsString {
    let text = path.to_string_lossy();
    let colon = text.find(':').unwrap_or(text.len());
    if colon < text.find('/').unwrap_or(text.len()) {
        let mut plain = OsString::from("./");
        plain.push(path);
        return plain;
    }
    path.to_owned()
}

/// A path in a URI.
fn percent(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// A word of the command that `rsync` splits at blanks; a quote inside quotes is written twice.
fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    if text.contains([' ', '"', '\'']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        text.into_owned()
    }
}

/// The options of `ssh` as `scp` has them: where to go stands in the URI, and the control socket is
/// said in words.
fn shared(options: Vec<OsString>) -> Vec<OsString> {
    let mut words = options.into_iter();
    let mut argv = Vec::new();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("-p" | "-l") => drop(words.next()),
            Some("-S") => {
                let mut option = OsString::from("-oControlPath=");
                option.push(words.next().unwrap_or_default());
                argv.push(option);
            }
            _ => argv.push(word),
        }
    }
    argv
}

/// The options for two machines at once: both keys, both pinned host keys, and no master of either.
fn both(one: &Access, other: &Access) -> Result<Vec<OsString>, GuestError> {
    let mut argv = Vec::new();
    let mut words = shared(one.options()?).into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        if text.starts_with("-oControlPath=") {
            argv.push("-oControlPath=none".into());
        } else if let Some(file) = text.strip_prefix("-oUserKnownHostsFile=") {
            let second = other.pinned()?;
            argv.push(format!("-oUserKnownHostsFile={file} \"{second}\"").into());
        } else if text == "-i" {
            argv.extend([word, words.next().unwrap_or_default()]);
            argv.extend(["-i".into(), other.identity()?.into()]);
        } else {
            argv.push(word);
        }
    }
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::access;

    fn there<'a>(access: &'a Access, path: &'a str) -> End<'a> {
        End::There { access, user: None, path }
    }

    fn text(argv: Vec<OsString>) -> Vec<String> {
        argv.into_iter().map(|word| word.into_string().unwrap()).collect()
    }

    const QUIET: Copying = Copying { recursive: true, quiet: true };

    #[test]
    fn scp_is_told_the_way_in_the_uri_and_everything_else_in_options() {
        let access = access("/s p");
        let argv = text(
            scp(there(&access, "/etc/a b%"), End::Here(OsStr::new("-x")), Copying::default())
                .unwrap(),
        );
        assert_eq!(argv[0], "scp");
        let tail = &argv[argv.len() - 3..];
        assert_eq!(tail, ["--", "scp://docker@10.1.2.3:22//etc/a%20b%25", "-x"]);
        assert!(argv.contains(&"-oControlPath=/s p/ctl".to_owned()), "{argv:?}");
        assert!(argv.contains(&"-oBatchMode=yes".to_owned()), "{argv:?}");
        assert!(!argv.iter().any(|word| ["-S", "-l", "-p", "-3"].contains(&word.as_str())));
    }

    #[test]
    fn between_two_machines_both_keys_and_both_pins_count() {
        let (one, other) = (access("/one"), Access { port: 2200, ..access("/other") });
        let argv = text(scp(there(&one, "a"), there(&other, "b"), QUIET).unwrap());
        assert_eq!(
            argv[argv.len() - 5..],
            ["-r", "-q", "--", "scp://docker@10.1.2.3:22/a", "scp://docker@10.1.2.3:2200/b"]
        );
        let pins = r#"-oUserKnownHostsFile="/one/known_hosts" "/other/known_hosts""#.to_owned();
        assert!(argv.contains(&pins), "{argv:?}");
        for word in ["-3", "/one/id_ed25519", "/other/id_ed25519", "-oControlPath=none"] {
            assert!(argv.contains(&word.to_owned()), "{word}: {argv:?}");
        }
    }

    #[test]
    fn a_path_with_a_colon_stays_here() {
        let argv =
            text(scp(End::Here(OsStr::new("a:b")), End::Here(OsStr::new("/c:d")), QUIET).unwrap());
        assert_eq!(argv, ["scp", "-r", "-q", "--", "./a:b", "/c:d"]);
    }

    #[test]
    fn neither_a_user_nor_a_path_is_an_option() {
        let access = access("/k");
        let user = Some("-oProxyCommand=x");
        let bad = End::There { access: &access, user, path: "x" };
        let here = End::Here(OsStr::new("-x"));
        assert!(scp(bad, here, QUIET).is_err() && scp(here, bad, QUIET).is_err());
        assert!(rsync(bad, here, QUIET).is_err());
        assert!(sshfs(&access, user, "/x", OsStr::new("/mnt")).is_err());
        let argv = text(rsync(here, there(&access, "-x"), QUIET).unwrap().unwrap());
        assert_eq!(argv[argv.len() - 3..], ["--", "-x", "docker@10.1.2.3:./-x"]);
        let argv = text(sshfs(&access, None, "/x", OsStr::new("-omodules=x")).unwrap());
        assert_eq!(argv[argv.len() - 1], "./-omodules=x");
    }

    #[test]
    fn rsync_starts_ssh_with_the_same_options() {
        let access = access("/s p");
        let argv = rsync(End::Here(OsStr::new("x")), there(&access, "y"), QUIET).unwrap().unwrap();
        let argv = text(argv);
        assert!(argv[2].starts_with("ssh -F none -i '/s p/id_ed25519' -S '/s p/ctl' -p 22 "));
        assert_eq!(argv[3..], ["-q", "-r", "-t", "--", "x", "docker@10.1.2.3:y"]);
        let between = rsync(there(&access, "x"), there(&access, "y"), QUIET).unwrap();
        assert!(between.is_none());
    }

    #[test]
    fn sshfs_starts_ssh_with_the_same_options() {
        let argv = text(sshfs(&access("/k"), Some("root"), "/x", OsStr::new("/mnt")).unwrap());
        assert!(argv[2].starts_with("ssh_command=ssh -F none -i /k/id_ed25519 "), "{argv:?}");
        assert_eq!(argv[3..], ["root@10.1.2.3:/x", "/mnt"]);
        let error = sshfs(&access("/a b"), None, "/x", OsStr::new("/mnt")).unwrap_err();
        assert!(error.to_string().contains("sshfs"), "{error}");
    }
}
