//! A real sshd on this host, run as the current user, that stands in for a machine.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::ExposeSecret;
use skep_context::Context;
use skep_guest::{Access, Guest, KeyPair, known_hosts_line};
use skep_model::Events;
use skep_process::Program;
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Long enough for a loaded machine; nothing that works takes near as long.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Sshd {
    pub(crate) access: Access,
    pub(crate) cancel: CancellationToken,
    home: TempDir,
    program: PathBuf,
    running: Option<DropGuard>,
}

impl Sshd {
    /// Everything prepared, nothing started.
    pub(crate) async fn prepared() -> Self {
        let program = PathBuf::from("/usr/sbin/sshd");
        assert!(program.exists(), "{} is missing: run `cargo xtask setup`", program.display());
        let cancel = CancellationToken::new();
        let user = Program::new("id").arg("-un").run(&cancel).await.unwrap().text();
        if user == "root" {
            // Where sshd, as root, locks up its unprivileged half.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let home = tempfile::tempdir().unwrap();
        let port = {
            let free = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            free.local_addr().unwrap().port()
        };
        let at = |name: &str| home.path().join(name);
        let (host, login) = (KeyPair::generate("host").unwrap(), KeyPair::generate("me").unwrap());
        write(&at("host"), host.private.expose_secret());
        write(&at("key"), login.private.expose_secret());
        write(&at("authorized_keys"), &login.public);
        let address = "127.0.0.1".parse().unwrap();
        write(&at("known_hosts"), &known_hosts_line(address, port, &host.public));
        // A home of its own too, so that the person's shell has nothing to read there.
        let home_path = home.path().display();
        write(
            &at("config"),
            &format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {home_path}/host\n\
                 AuthorizedKeysFile {home_path}/authorized_keys\nPidFile none\nUsePAM no\n\
                 StrictModes no\nPasswordAuthentication no\nSetEnv HOME={home_path}\n\
                 Subsystem sftp internal-sftp\n"
            ),
        );
        let access = Access {
            machine: "worker1".into(),
            host: address,
            port,
            user,
            key: at("key"),
            known_hosts: at("known_hosts"),
            control: at("ctl"),
            engine: at("engine"),
        };
        Self { access, cancel, home, program, running: None }
    }

    /// Prepared and starting.
    pub(crate) async fn started() -> Self {
        let mut sshd = Self::prepared().await;
        sshd.start();
        sshd
    }

    /// Started and logged in to.
    pub(crate) async fn connected() -> (Self, Guest) {
        let sshd = Self::started().await;
        let guest = sshd.wait(SOON).await.unwrap();
        (sshd, guest)
    }

    pub(crate) fn start(&mut self) {
        let stop = CancellationToken::new();
        let program = Program::new(&self.program)
            .args(["-D", "-e", "-f"])
            .arg(self.path("config"))
            .deadline(Duration::from_secs(600));
        self.running = Some(stop.clone().drop_guard());
        tokio::spawn(async move { program.run(&stop).await });
    }

    /// Ends the listening sshd; connections that exist live on.
    pub(crate) fn stop_listening(&mut self) {
        self.running = None;
    }

    pub(crate) async fn wait(&self, time: Duration) -> Result<Guest, skep_guest::GuestError> {
        let events = Events::none();
        Guest::wait(&self.access, Context::new(&events, &self.cancel).within(time)).await
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The master's process id, in `ssh`'s own words.
    pub(crate) async fn master(&self) -> Option<u32> {
        let ask = Program::new("ssh").args(["-F", "none", "-O", "check", "-S"]);
        let ask = ask.arg(&self.access.control).arg("any");
        let said = ask.run(&self.cancel).await.ok()?.stderr;
        let said = String::from_utf8(said).unwrap();
        said.split_once("pid=")?.1.split_once(')')?.0.parse().ok()
    }

    pub(crate) async fn kill_master(&self) {
        let pid = self.master().await.expect("a master lives").to_string();
        Program::new("kill").args(["-KILL", &pid]).run(&self.cancel).await.unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let access = self.access.clone();
        let close = move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(Guest::close_master(&access, &CancellationToken::new()))
        };
        // Another thread, because a test's runtime cannot be entered a second time.
        let closed = std::thread::spawn(close).join();
        if !std::thread::panicking() {
            closed.unwrap().unwrap();
        }
    }
}

pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
