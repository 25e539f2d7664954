//! An existing Debian host with sshd and without an engine: a container built from Debian's
//! packages, with process 1, an sshd, a user who may use sudo, and space for its own
//! engine. Scripts in `/etc/init.d` start its services.
//!
//! It contains an engine's packages as an archive that its apt is configured with, so that
//! installing one needs no network.

use std::{path::PathBuf, process, time::Duration};

use crate::{Lab, Run, host as engine, lab};

/// The release the host is made of.
const SUITE: &str = "trixie";
/// The image's name on the engine; made again when the recipe is another.
const IMAGE: &str = "skep-test-host";
/// Changed when a host made from the same description would be another.
const RECIPE: &str = "2";
/// How long the packages may take to come and be installed.
const MAKING: Duration = Duration::from_secs(480);

/// The user who logs in.
pub const USER: &str = "ann";

/// What is done to the root file system `$1` when its packages are installed.
const CUSTOMIZE: &str = r#"
set -eu
chroot "$1" useradd --create-home --shell /bin/bash ann
echo 'ann ALL=(ALL) NOPASSWD: ALL' >"$1/etc/sudoers.d/ann"
# It lives for a minute: nothing of it need survive a power failure.
echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unsafe-io"
# In a sandbox nobody may raise limits, as the script that starts the engine does.
mkdir -p "$1/etc/default"
echo "ulimit() { :; }" >"$1/etc/default/docker"
chroot "$1" apt-get install -y --no-install-recommends --download-only docker.io docker-cli iptables ca-certificates openssl
mkdir -p "$1/srv/packages"
mv "$1"/var/cache/apt/archives/*.deb "$1/srv/packages/"
cd "$1/srv/packages"
for file in *.deb; do
    dpkg-deb -f "$file"
    echo "Filename: ./$file"
    echo "Size: $(stat -c %s "$file")"
    echo "SHA256: $(sha256sum "$file" | cut -d " " -f 1)"
    echo
done >Packages
rm -rf "$1"/etc/apt/sources.list.d/* "$1"/var/lib/apt/lists/*
echo "deb [trusted=yes] file:/srv/packages ./" >"$1/etc/apt/sources.list"
"#;

/// What process 1 starts: it makes the container fit for an engine, and becomes the sshd.
const START: &str = r#"
set -u
mount --make-rshared /
while read -r _ target _ options _; do
    case $target in
        /sys | /proc/sys | /sys/fs/cgroup | /sys/fs/cgroup/*) ;;
        *) continue ;;
    esac
    case ,$options, in *,ro,*) mount -o remount,bind,rw "$target" ;; esac
done </proc/mounts
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs; done </sys/fs/cgroup/cgroup.procs
fi
iptables-nft -t nat -L -n >/dev/null 2>&1 || {
    update-alternatives --set iptables /usr/sbin/iptables-legacy
    update-alternatives --set ip6tables /usr/sbin/ip6tables-legacy
}
mkdir -p /run/sshd /home/ann/.ssh
echo "$KEY" >/home/ann/.ssh/authorized_keys
chown -R ann:ann /home/ann
# Tests fail to log in on purpose, and not at the pace of a person: it would turn this host away.
if /usr/sbin/sshd -T 2>/dev/null | grep -q '^persourcepenalties'; then
    echo 'PerSourcePenalties no' >>/etc/ssh/sshd_config
fi
exec /usr/sbin/sshd -D -e
"#;

/// A host that runs. Dropping it removes it with its network.
#[derive(Debug)]
pub struct Host {
    name: String,
    /// Its address on a network of its own.
    pub address: String,
    /// The private key that its user is logged in to with.
    pub key: PathBuf,
}

impl Host {
    /// Starts a host. It carries the label of the lab's store, which must be there.
    ///
    /// # Panics
    /// If it cannot be made.
    #[track_caller]
    pub fn start(lab: &Lab) -> Self {
        import();
        let key = lab.files().join("host-key");
        let path = key.display().to_string();
        Run::program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path]).succeeds();
        let public =
            fs_err::read_to_string(key.with_extension("pub")).expect("a key has two halves");
        let name = format!("{}-host", lab.cluster());
        let mut host = Self { name: name.clone(), address: String::new(), key };
        let label = lab.label().expect("the store has a label");
        let labelled = ["--label", label.as_str()];
        engine::docker(["network", "create"]).args(labelled).args([&name]).succeeds();
        let start = |privileges: &[&str]| {
            engine::docker(["run", "--detach", "--init", "--cgroupns", "private"])
                .args(["--name", &name, "--network", &name, "--hostname", "old-name"])
                .args(["--volume", "/var/lib/docker", "--tmpfs", "/run", "--tmpfs", "/tmp:exec"])
                .args(labelled)
                .args(privileges)
                .args(["--env", &format!("KEY={}", public.trim()), &tag(), "sh", "-c", START])
                .within(Duration::from_secs(60))
                .ends()
        };
        // A host's engine that lacks a capability itself cannot give it away, whatever is asked.
        if start(&["--privileged"]).code != Some(0) {
            engine::remove("container", &name);
            let ran = start(&[
                "--cap-add=ALL",
                "--cap-drop=SYS_RESOURCE",
                "--security-opt=seccomp=unconfined",
                "--security-opt=apparmor=unconfined",
                "--security-opt=systempaths=unconfined",
                "--device-cgroup-rule=a *:* rwm",
            ]);
            assert!(ran.code == Some(0), "the host does not start: {ran}");
        }
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        host.address = engine::inspect("container", &name, format);
        // It is written when the sshd listens.
        host.sh("until [ -s /run/sshd.pid ]; do sleep 0.1; done").succeeds();
        host
    }

    /// Runs a script on the host as root, past SSH and skep.
    pub fn sh(&self, script: &str) -> Run {
        engine::docker(["exec", &self.name, "sh", "-euc", script])
    }

    /// Removes the host with everything that belongs to it.
    pub fn remove(self) {
        drop(self);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        engine::remove("container", &self.name);
        engine::remove("network", &self.name);
    }
}

fn tag() -> String {
    format!("{IMAGE}:{RECIPE}")
}

/// Brings the image to the engine, making it once for each build directory.
#[track_caller]
fn import() {
    if engine::has("image", &tag()) {
        return;
    }
    let folder = lab::target().join("images");
    fs_err::create_dir_all(&folder).expect("a directory can be made");
    let archive = folder.join(format!("host-{RECIPE}.tar"));
    if !archive.is_file() {
        // Where two make it at once, the last one's stays, and both are whole.
        let new = folder.join(format!("host-{}.new", process::id()));
        debootstrap(&new);
        fs_err::rename(&new, &archive).expect("a file can be renamed");
    }
    let archive = archive.display().to_string();
    engine::docker(["import", &archive, &tag()]).within(Duration::from_secs(120)).succeeds();
}

#[track_caller]
fn debootstrap(result: &std::path::Path) {
    let mut mmdebstrap = Run::program("mmdebstrap")
        .args(["--quiet", "--mode=root", "--variant=minbase", "--format=tar"])
        .args(["--include=openssh-server,sudo,iptables,iproute2,procps"])
        .args([r#"--aptopt=APT::Install-Recommends "false""#])
        .args(
            ["doc", "locale", "man"].map(|it| format!("--dpkgopt=path-exclude=/usr/share/{it}/*")),
        )
        .args([format!("--customize-hook={}", CUSTOMIZE.trim())])
        .env("LC_ALL", "C.UTF-8");
    for setting in ["Acquire::Check-Valid-Until", "Acquire::Check-Date"] {
        if let Some(value) = setting_of_apt(setting) {
            mmdebstrap = mmdebstrap.args([format!("--aptopt={setting} \"{value}\"")]);
        }
    }
    for (variable, setting) in
        [("http_proxy", "Acquire::http::Proxy"), ("https_proxy", "Acquire::https::Proxy")]
    {
        if let Some(proxy) = setting_of_apt(setting).filter(|proxy| proxy != "DIRECT") {
            mmdebstrap = mmdebstrap.env(variable, proxy);
        }
    }
    let mmdebstrap = mmdebstrap.args([SUITE]).args([result]);
    let line = mirror().map(|mirror| format!("deb {mirror} {SUITE} main"));
    mmdebstrap.args(line).within(MAKING).succeeds();
}

/// Where this host gets Debian from, if it is one.
fn mirror() -> Option<String> {
    let release = fs_err::read_to_string("/etc/os-release").ok()?;
    let codename = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    release.lines().find(|line| *line == "ID=debian")?;
    let format = "$(RELEASE) $(COMPONENT) $(REPO_URI)";
    let targets = ["indextargets", "--format", format, "Created-By: Packages"];
    let ran = Run::program("apt-get").args(targets).ends();
    let wanted = format!("{codename} main ");
    let uri = ran.stdout.lines().find_map(|line| line.strip_prefix(&wanted))?;
    Some(uri.trim_end_matches('/').to_owned())
}

fn setting_of_apt(name: &str) -> Option<String> {
    let ran = Run::program("apt-config").args(["shell", "VALUE", name]).ends();
    let value = ran.text().strip_prefix("VALUE='")?.strip_suffix('\'')?.to_owned();
    Some(value).filter(|value| !value.is_empty())
}
