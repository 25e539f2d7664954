//! `docker-machine ls` with twenty machines, whose engines refuse: its start, its memory.
//!
//! docker-machine 0.16.2 itself took 319 ms for them on two cores, and 61 MB of proportional
//! sizes over its 21 processes (345 MB of resident ones).

use std::{fs, net::TcpListener, path::Path};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use super::{
    Bench, REPEATS,
    figures::{Figure, Unit, median},
};
use crate::run::find_program;

const MACHINES: usize = 20;
/// What docker-machine took, in milliseconds and megabytes.
const THEIRS: (f64, f64) = (319.0, 61.0);

impl Bench<'_> {
    pub(super) async fn docker_machine(&self) -> Result<Vec<Figure>> {
        println!("\ndocker-machine ls with {MACHINES} machines");
        let folder = self.work.target().join("bench/docker-machine");
        if folder.exists() {
            fs::remove_dir_all(&folder).context("cannot remove the last store")?;
        }
        fs::create_dir_all(&folder).context("cannot make a directory")?;
        let link = folder.join("docker-machine");
        std::os::unix::fs::symlink(&self.binary, &link).context("cannot make a link")?;
        let store = folder.join("store");
        // A port without a listener: it was free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let url = format!("tcp://127.0.0.1:{port}");
        let ask = |args: &[&str]| Program::new(&link).args(args).env("SKEP_HOME", &store);
        for number in 1..=MACHINES {
            let name = format!("m{number}");
            self.timed(ask(&["create", "-d", "none", "--url", &url, &name])).await?;
        }
        let (_, listed) = self.work.ask(ask(&["ls"])).await?;
        if listed.text().lines().count() != MACHINES + 1 {
            bail!("ls does not list {MACHINES} machines:\n{}", listed.text());
        }
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            times.push(self.timed(ask(&["ls"])).await?.as_secs_f64() * 1000.0);
        }
        let file = folder.join("resident");
        let megabytes = self.peak(&link, &store, &file).await?;
        let name = |what: &str| format!("docker-machine ls, {MACHINES} machines: {what}");
        Ok(vec![
            Figure::new(name("time"), Unit::Milliseconds, median(&times), THEIRS.0),
            Figure::new(name("memory"), Unit::Megabytes, megabytes, THEIRS.1),
        ])
    }

    /// The most memory one `ls` takes.
    async fn peak(&self, link: &Path, store: &Path, file: &Path) -> Result<f64> {
        let time =
            find_program("time").context("`time` is not here; cargo xtask setup brings it")?;
        let program = Program::new(time)
            .args(["--format", "%M", "--output"])
            .arg(file)
            .arg(link)
            .arg("ls")
            .env("SKEP_HOME", store);
        self.timed(program).await?;
        let kilobytes = fs::read_to_string(file).context("`time` has written nothing")?;
        let kilobytes = kilobytes.trim().parse::<f64>().context("`time` has written no number")?;
        Ok(kilobytes / 1024.0)
    }
}
