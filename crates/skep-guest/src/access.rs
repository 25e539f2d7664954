//! How to log in to a machine, and the options every `ssh` is started with.

use std::{
    ffi::OsString,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use crate::GuestError;

/// Where the engine listens inside a guest.
pub const GUEST_ENGINE_SOCKET: &str = "/run/docker.sock";

/// The longest path a local socket may have, in bytes. A socket's address holds 104 bytes (macOS)
/// or 108 (Linux) with its end, and `ssh` binds its control socket under a name 17 bytes longer
/// before it moves it into place.
pub const MAX_SOCKET_PATH: usize = 86;

/// How one machine is logged in to. Plain paths and addresses: where they come from is the
/// caller's business, nothing here reads a configuration.
///
/// `key` and `known_hosts` are files that exist; `control` and `engine` are made by [`Guest`] and
/// removed by [`Guest::close_master`]. Both sockets give their owner the machine, so they belong in
/// a directory of mode 0700.
///
/// [`Guest`]: crate::Guest
/// [`Guest::close_master`]: crate::Guest::close_master
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The machine's name, for messages only.
    pub machine: String,
    /// Where the host reaches it.
    pub host: IpAddr,
    /// The port its sshd is reached at.
    pub port: u16,
    pub user: String,
    /// The private key, mode 0600, without a passphrase.
    pub key: PathBuf,
    /// The pinned host key, as [`known_hosts_line`](crate::known_hosts_line) writes it. The only
    /// such file that is read; never written.
    pub known_hosts: PathBuf,
    /// The control socket of the SSH master; at most [`MAX_SOCKET_PATH`] bytes.
    pub control: PathBuf,
    /// The local end of the machine's engine socket; at most [`MAX_SOCKET_PATH`] bytes.
    pub engine: PathBuf,
}

impl Access {
    /// The address of the machine's sshd.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.host, self.port)
    }

    /// The command line of an interactive login, or of one command with the terminal attached,
    /// `ssh` itself included; to be executed in place of the caller. It goes through the living
    /// master if there is one, and connects by itself if not.
    ///
    /// `terminal` asks for a terminal in the machine; without `command` the login shell starts.
    /// As with `ssh`, the words of `command` are joined with spaces and read by that shell.
    ///
    /// # Errors
    /// [`GuestError::BadPath`].
    pub fn interactive(
        &self,
        terminal: bool,
        command: &[OsString],
    ) -> Result<Vec<OsString>, GuestError> {
        let mut argv = vec![OsString::from("ssh")];
        argv.extend(self.options()?);
        argv.push("-oControlMaster=no".into());
        argv.push(if terminal { "-t" } else { "-T" }.into());
        argv.extend(self.destination());
        argv.extend_from_slice(command);
        Ok(argv)
    }

    /// The arguments that start a master which goes to the background once logged in.
    pub(crate) fn master_args(&self, persist_seconds: u64) -> Result<Vec<OsString>, GuestError> {
        let mut args = self.options()?;
        // `-f` lets `ssh` leave its session, its process group and our pipes behind, but only after
        // it has logged in: until then it is an ordinary child whose failure can be read.
        args.extend(["-f", "-N", "-T"].map(OsString::from));
        args.push("-oControlMaster=yes".into());
        args.push(format!("-oControlPersist={persist_seconds}").into());
        args.push("-oExitOnForwardFailure=yes".into());
        args.push("-oStreamLocalBindUnlink=yes".into());
        args.push("-oStreamLocalBindMask=0177".into());
        // The hybrid exchange that OpenSSH 9.0 to 9.8 prefer takes twice as long as all the rest.
        args.push("-oKexAlgorithms=^curve25519-sha256".into());
        // Images go this way. What OpenSSH prefers takes twice as long on a processor that knows AES
        // (100 MB into a container: 0.19 s, and 0.09 s so), and longer into an emulated machine, too.
        args.push("-oCiphers=^aes128-gcm@openssh.com".into());
        args.push("-L".into());
        let local = plain_path(&self.engine)?.replace(':', "\\:");
        args.push(format!("{local}:{GUEST_ENGINE_SOCKET}").into());
        args.extend(self.destination());
        Ok(args)
    }

    /// The private key's path, as `ssh` takes it.
    pub(crate) fn identity(&self) -> Result<String, GuestError> {
        plain_path(&self.key)
    }

    /// The path of the pinned host key, as `ssh` takes it.
    pub(crate) fn pinned(&self) -> Result<String, GuestError> {
        plain_path(&self.known_hosts)
    }

    /// The options every `ssh` is started with; the host is not among them.
    pub(crate) fn options(&self) -> Result<Vec<OsString>, GuestError> {
        for socket in [&self.control, &self.engine] {
            if socket.as_os_str().len() > MAX_SOCKET_PATH {
                return Err(bad_path(socket, "is too long for a socket; use a shorter directory"));
            }
        }
        check_user(&self.user)?;
        let mut options: Vec<OsString> = Vec::new();
        options.extend(["-F".into(), "none".into()]);
        options.extend(["-i".into(), plain_path(&self.key)?.into()]);
        options.extend(["-S".into(), plain_path(&self.control)?.into()]);
        options.extend(["-p".into(), self.port.to_string().into()]);
        options.extend(["-l".into(), OsString::from(&self.user)]);
        options.push(format!("-oUserKnownHostsFile=\"{}\"", plain_path(&self.known_hosts)?).into());
        // Nothing but this key, this pin and this file takes part, whatever the user's agent,
        // configuration or other known hosts say; and nothing is asked or written.
        options.extend(
            [
                "-oGlobalKnownHostsFile=/dev/null",
                "-oStrictHostKeyChecking=yes",
                "-oUpdateHostKeys=no",
                "-oCheckHostIP=no",
                "-oIdentitiesOnly=yes",
                "-oIdentityAgent=none",
                "-oPreferredAuthentications=publickey",
                "-oBatchMode=yes",
                "-oConnectTimeout=10",
                "-oServerAliveInterval=3",
                "-oServerAliveCountMax=3",
            ]
            .map(OsString::from),
        );
        Ok(options)
    }

    fn destination(&self) -> [OsString; 2] {
        ["--".into(), self.host.to_string().into()]
    }
}

/// Whether files under a directory can be named to `ssh`, so that this is known before a machine
/// is made whose keys cannot be.
///
/// # Errors
/// [`GuestError::BadPath`] with what is wrong.
pub fn check_directory(path: &Path) -> Result<(), GuestError> {
    plain_path(path).map(drop)
}

/// Whether a name can be a user's to log in as: none that `ssh` or a shell would take for something
/// else, an option above all (as `valid_ruser` of OpenSSH 9.6).
///
/// # Errors
/// [`GuestError::BadUser`] with what is wrong.
pub fn check_user(user: &str) -> Result<(), GuestError> {
    let bad = |reason| Err(GuestError::BadUser { user: user.escape_debug().to_string(), reason });
    if user.is_empty() {
        return bad("is empty");
    }
    if user.starts_with('-') {
        return bad("begins with `-`, as an option does");
    }
    if user.ends_with('\\') {
        return bad("ends with a backslash");
    }
    let is_bad = |c: char| c.is_control() || c.is_whitespace() || "'`\"$;&<>|(){}".contains(c);
    if user.contains(is_bad) {
        return bad("has a character that no user's name has");
    }
    Ok(())
}

/// A path as `ssh` takes it: its own `%` escaped. What `ssh` would expand or unquote in ways that
/// cannot be escaped is refused.
fn plain_path(path: &Path) -> Result<String, GuestError> {
    let Some(text) = path.to_str() else {
        return Err(bad_path(path, "is not valid UTF-8"));
    };
    if !path.is_absolute() {
        return Err(bad_path(path, "is not absolute"));
    }
    if text.chars().any(|c| c.is_control() || "\"\\$".contains(c)) {
        return Err(bad_path(path, "has a character that ssh cannot take in a path"));
    }
    Ok(text.replace('%', "%%"))
}

fn bad_path(path: &Path, reason: &'static str) -> GuestError {
    GuestError::BadPath { path: path.to_owned(), reason }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn access(directory: &str) -> Access {
        let directory = Path::new(directory);
        Access {
            machine: "worker1".into(),
            host: "10.1.2.3".parse().unwrap(),
            port: 22,
            user: "docker".into(),
            key: directory.join("id_ed25519"),
            known_hosts: directory.join("known_hosts"),
            control: directory.join("ctl"),
            engine: directory.join("eng"),
        }
    }

    fn text(args: Vec<OsString>) -> Vec<String> {
        args.into_iter().map(|arg| arg.into_string().unwrap()).collect()
    }

    #[test]
    fn the_path_of_every_file_survives_expansion_by_ssh() {
        let args = text(access("/s p/50%:x").master_args(600).unwrap());
        assert!(args.contains(&"/s p/50%%:x/id_ed25519".to_owned()), "{args:?}");
        assert!(args.contains(&"/s p/50%%\\:x/eng:/run/docker.sock".to_owned()), "{args:?}");
        let hosts = "-oUserKnownHostsFile=\"/s p/50%%:x/known_hosts\"".to_owned();
        assert!(args.contains(&hosts), "{args:?}");
    }

    #[test]
    fn a_path_that_ssh_would_misread_is_refused() {
        for directory in ["relative", "/a\"b", "/a\nb", "/${HOME}", &"/long".repeat(18)] {
            let error = access(directory).interactive(false, &[]).unwrap_err();
            assert!(matches!(error, GuestError::BadPath { .. }), "{directory}: {error}");
        }
    }

    #[test]
    fn a_user_is_never_an_option_nor_a_command() {
        for user in ["root", "docker", "DOM\\user", "user@realm", "a.b-c_d", "me+x"] {
            check_user(user).unwrap();
        }
        let bad =
            ["", "-oProxyCommand=x", "a b", "a\nb", "$(id)", "a;b", "`id`", "a\\", "\u{1b}[0m"];
        for user in bad {
            let access = Access { user: user.into(), ..access("/k") };
            let error = access.interactive(false, &[]).unwrap_err();
            assert!(matches!(error, GuestError::BadUser { .. }), "{user:?}: {error}");
            assert!(access.master_args(1).is_err(), "{user:?}");
            assert!(!error.to_string().contains(char::is_control), "{user:?}: {error}");
        }
    }

    #[test]
    fn a_host_or_a_command_is_never_an_option() {
        let argv = access("/k").interactive(true, &["-v".into()]).unwrap();
        assert_eq!(text(argv)[argv_tail()..], ["-t", "--", "10.1.2.3", "-v"]);
    }

    fn argv_tail() -> usize {
        access("/k").interactive(true, &["-v".into()]).unwrap().len() - 4
    }
}
