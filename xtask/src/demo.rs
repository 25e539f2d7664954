//! `cargo xtask demo`: the walkthrough, every command shown as it is typed, on a cluster that
//! stays up.
//!
//! A TLS [`server`] on this machine stands in for the network with an intercepting proxy. Its
//! certificate is issued by a root that is not trusted until skep has installed it.

mod server;
mod services;

use std::{
    ffi::OsString,
    fs,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use self::server::PrivateRoot;
use crate::{
    run::{Work, human},
    setup,
    skep::{self, Profile},
};

/// How the demo is run.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    /// Skip the check for what this machine needs
    #[arg(long)]
    no_setup: bool,
    /// The driver that creates the machines; `skep up` chooses if this is not given
    #[arg(long)]
    driver: Option<String>,
}

/// How long one command may take; the first builds the guest system.
const STEP: Duration = Duration::from_secs(15 * 60);

/// Where the root certificate is put.
const FOLDER: &str = "target/demo";

/// Runs the walkthrough.
pub(crate) async fn perform(work: &Work, options: &Options) -> Result<()> {
    if !options.no_setup {
        println!("== What this machine needs");
        let needs = setup::Options { only_to_run: true, ..Default::default() };
        setup::perform(work, &needs).await?;
    }
    println!("\n== Building skep");
    let binary = skep::build(work, Profile::Release).await?;
    let show = Show { work, path: path_with(&binary)? };

    println!("\n== Four machines, one swarm");
    let driver = options.driver.as_ref().map(|name| format!(" --driver {name}"));
    let driver = driver.unwrap_or_default();
    show.step(&format!("skep up{driver} --publish {}", services::PORT)).await?;
    show.step("skep status").await?;
    show.step("skep machine ls").await?;
    show.step("skep machine ip manager1").await?;

    println!("\n== A root certificate that only this network knows");
    intercepted_network(&show).await?;

    println!("\n== The swarm, from skep, from inside a machine, and from the docker CLI");
    show.step("skep node ls").await?;
    show.step("skep machine ssh manager1 docker info 2>&1 | sed -n '/Swarm:/,/Managers:/p'")
        .await?;
    if crate::run::find_program("docker").is_some() {
        show.step("eval \"$(skep env --shell bash manager1)\"; docker node ls").await?;
    }
    show.step("skep node ls").await?;

    println!("\n== Images without a registry");
    services::show(&show).await?;
    println!(
        "\nThe cluster is up and stays so. skep is {}; to type it as below:\n\n  \
         export PATH=\"{}:$PATH\"\n\n  \
         skep node ls                 what the swarm's nodes do\n  \
         skep service ls              what runs on them\n  \
         skep service probe nginx     who answers, at which machine, how fast\n  \
         skep machine ssh manager1    a shell on a machine\n  \
         skep down                    remove it all",
        binary.display(),
        binary.parent().unwrap_or(&binary).display()
    );
    Ok(())
}

/// A server with its own root: refused from inside each machine, accepted once the root is
/// installed, refused again when it has been removed.
async fn intercepted_network(show: &Show<'_>) -> Result<()> {
    let folder = show.work.root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let root = PrivateRoot::new()?;
    let certificate = folder.join("root.crt");
    fs::write(&certificate, root.pem())
        .with_context(|| format!("cannot write {}", certificate.display()))?;
    let address = own_address(show).await?;
    let server = root.serve(address, listening_address(address)).await?;
    println!(
        "   a TLS server whose certificate ends in {FOLDER}/root.crt: {address}:{}",
        server.port
    );
    let verify = format!("skep cert verify --server {address}:{} {FOLDER}/root.crt", server.port);
    show.refused(&verify).await?;
    show.step(&format!("skep cert install {FOLDER}/root.crt")).await?;
    show.step(&verify).await?;
    show.step("skep cert ls").await?;
    // The root's key is gone with this process, so nothing should trust the root any longer.
    show.step(&format!("skep cert rm {FOLDER}/root.crt")).await
}

/// The address at which the machines reach this host: their default gateway.
async fn own_address(show: &Show<'_>) -> Result<IpAddr> {
    let asked = show.ask(&["machine", "ssh", "manager1", "ip route show default"]).await?;
    let route = asked.context("cannot read the routes of manager1")?;
    gateway(&route).with_context(|| format!("manager1 has no default route: `{route}`"))
}

/// The address in `default via ADDRESS dev …`.
fn gateway(route: &str) -> Option<IpAddr> {
    route.split_whitespace().skip_while(|word| *word != "via").nth(1)?.parse().ok()
}

/// Where to listen so that a connection of the machines to `address` arrives: there, if it is this
/// host's own. If not, it is an address of QEMU's, which passes it on to this host's loopback.
fn listening_address(address: IpAddr) -> IpAddr {
    match TcpListener::bind((address, 0)) {
        Ok(_) => address,
        Err(_) => Ipv4Addr::LOCALHOST.into(),
    }
}

/// Shows commands and runs them, with the skep that was just built first on the PATH.
struct Show<'a> {
    work: &'a Work,
    path: OsString,
}

impl Show<'_> {
    /// Shows a command, runs it, and says how long it took; fails if it does.
    async fn step(&self, command: &str) -> Result<()> {
        if self.run(command).await? {
            return Ok(());
        }
        bail!("`{command}` failed; `skep up` continues from here, `skep down` removes it all")
    }

    /// Shows a command that is expected to fail.
    async fn refused(&self, command: &str) -> Result<()> {
        if !self.run(command).await? {
            println!("   (refused, as it should be: the root is not installed yet)");
            return Ok(());
        }
        bail!("`{command}` succeeded before the root was installed: it proves nothing")
    }

    /// Runs skep without showing it; `None` if it fails.
    async fn ask(&self, args: &[&str]) -> Result<Option<String>> {
        let program = Program::new("skep").args(args).env("PATH", &self.path);
        let (status, output) = self.work.ask(program).await?;
        Ok(status.success().then(|| output.text()))
    }

    async fn run(&self, command: &str) -> Result<bool> {
        println!("\n$ {command}");
        let started = Instant::now();
        let mut path = OsString::from("PATH=");
        path.push(&self.path);
        let words = [path, "bash".into(), "-c".into(), command.into()];
        let status = self.work.watched("env", words, STEP).await?;
        println!("   ({})", human(started.elapsed()));
        Ok(status.success())
    }
}

fn path_with(binary: &Path) -> Result<OsString> {
    let own = binary.parent().into_iter().map(Path::to_path_buf);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(own.chain(std::env::split_paths(&path)))
        .context("the PATH cannot be extended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_skep_comes_first_on_the_path() {
        let path = path_with(Path::new("/b/release/skep")).unwrap();
        assert_eq!(std::env::split_paths(&path).next().unwrap(), Path::new("/b/release"));
    }

    #[test]
    fn the_way_out_leads_through_this_host() {
        let route = "default via 198.51.100.2 dev eth0 proto static \n";
        assert_eq!(gateway(route), Some(IpAddr::from([198, 51, 100, 2])));
        assert_eq!(gateway("default dev eth0 scope link"), None);
        assert_eq!(gateway(""), None);
        let own = IpAddr::from([127, 0, 0, 9]);
        assert_eq!(listening_address(own), own);
        // An address from a documentation range belongs to no host.
        assert_eq!(listening_address([198, 51, 100, 2].into()), IpAddr::from([127, 0, 0, 1]));
    }

    #[tokio::test]
    async fn a_refusal_that_does_not_come_is_a_failure() {
        let work = Work::new().unwrap();
        let show = Show { work: &work, path: std::env::var_os("PATH").unwrap() };
        show.refused("false").await.unwrap();
        assert!(show.refused("true").await.unwrap_err().to_string().contains("proves nothing"));
        assert!(show.step("false").await.unwrap_err().to_string().contains("skep down"));
    }
}
