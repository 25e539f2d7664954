//! `cargo xtask bench`: measures skep's performance targets.
//!
//! A machine's own speed cancels out where a ratio is taken in one run; the rest are figures that
//! any machine reaches. Nothing here is a test: a test must not depend on how busy a machine is.

mod docker_machine;
mod figures;
mod images;
mod services;
mod virtual_machines;
mod virtualbox;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use skep_process::Program;

use self::figures::{Figure, Unit, median};
use crate::{
    run::{Work, find_program, human},
    skep::{self, Profile},
};

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often each cluster is made
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Which driver's machines
    #[arg(long, value_enum, default_value_t = Driver::All)]
    driver: Driver,
    /// What is measured
    #[arg(long, value_enum, default_value_t = Subject::All)]
    only: Subject,
    /// Fail if a figure is missed
    #[arg(long)]
    check: bool,
}

/// Which machines are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Driver {
    /// All drivers that can run here
    All,
    /// Containers
    Container,
    /// Virtual machines, emulated
    Qemu,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// Everything
    All,
    /// Machines
    Machines,
    /// Lists of services and tasks, which need no machine
    Services,
    /// `docker-machine ls`, which needs none either
    DockerMachine,
    /// Machines of a fake VirtualBox, backed by containers
    Virtualbox,
}

/// The cluster's name; it has its own store.
const CLUSTER: &str = "bench";

/// How often a command that takes milliseconds is run.
const REPEATS: usize = 21;

const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Measures, prints the table, and writes `target/bench.json`.
pub(crate) async fn perform(work: &Work, options: &Options) -> Result<()> {
    let bench = Bench {
        work,
        binary: skep::build(work, Profile::Release).await?,
        home: work.target().join("bench/home"),
    };
    fs::create_dir_all(&bench.home).context("cannot make the store")?;
    let mut figures = Vec::new();
    let all = options.only == Subject::All;
    if all || options.only == Subject::Services {
        figures.extend(bench.services().await?);
    }
    if all || options.only == Subject::DockerMachine {
        figures.extend(bench.docker_machine().await?);
    }
    let runs = options.runs.max(1);
    let measured = match options.only {
        Subject::All => Some(bench.all_machines(options.driver, runs).await),
        Subject::Machines => Some(bench.measure(options.driver, runs).await),
        Subject::Virtualbox => Some(bench.virtualbox(runs).await),
        Subject::Services | Subject::DockerMachine => None,
    };
    if let Some(measured) = measured {
        // Clean up in any case; the first error is the one to report.
        let removed = bench.remove_all().await;
        figures.extend(measured?);
        removed?;
    }
    println!("\n{}", figures::table(&figures));
    let file = work.target().join("bench.json");
    fs::write(&file, figures::json(&figures)?).context("cannot write the figures")?;
    println!("\nwritten to {}", file.display());
    if options.check && figures.iter().any(|figure| !figure.kept()) {
        bail!("a figure was missed");
    }
    Ok(())
}

struct Bench<'a> {
    work: &'a Work,
    binary: PathBuf,
    home: PathBuf,
}

impl Bench<'_> {
    async fn measure(&self, driver: Driver, runs: usize) -> Result<Vec<Figure>> {
        self.remove_all().await?;
        let mut figures = Vec::new();
        let engine = self.work.ask(Program::new("docker").arg("version")).await;
        match engine.map(|(status, _)| status.success()) {
            _ if driver == Driver::Qemu => {}
            Ok(true) => figures.extend(self.containers(runs).await?),
            _ if driver == Driver::Container => bail!("no engine answers: cargo xtask setup"),
            _ => println!("\nno engine answers: containers are not measured"),
        }
        let qemu = find_program(&format!("qemu-system-{}", std::env::consts::ARCH)).is_some();
        match driver {
            Driver::Container => {}
            Driver::All if !qemu => println!("\nQEMU is not here: it is not measured"),
            Driver::All | Driver::Qemu => {
                self.remove_all().await?;
                figures.extend(self.virtual_machines(runs).await?);
            }
        }
        Ok(figures)
    }

    /// Everything that creates machines; those of the fake VirtualBox need an engine.
    async fn all_machines(&self, driver: Driver, runs: usize) -> Result<Vec<Figure>> {
        let mut figures = self.measure(driver, runs).await?;
        if driver != Driver::Qemu && find_program("docker").is_some() {
            self.remove_all().await?;
            figures.extend(self.virtualbox(runs).await?);
        }
        Ok(figures)
    }

    async fn containers(&self, runs: usize) -> Result<Vec<Figure>> {
        println!("\ncontainers; first, what is built once");
        self.up(3).await?;
        let image = self.image().await?;
        self.skep(&["down"]).await?;
        let flags = self.flags(&image).await?;

        let (mut reference, mut four, mut ten) = (Vec::new(), Vec::new(), Vec::new());
        for run in 1..=runs {
            let script = self.reference(&image, &flags).await?;
            self.script(&["down"]).await?;
            let ours = self.up(3).await?;
            self.skep(&["down"]).await?;
            let many = self.up(9).await?;
            self.skep(&["down"]).await?;
            println!(
                "run {run}: the script {}, skep up {}, ten machines {}",
                human(script),
                human(ours),
                human(many)
            );
            reference.push(script);
            four.push(ours);
            ten.push(many);
        }
        self.up(3).await?;
        let mut figures = vec![
            Figure::ratio("four machines: skep up / the script", &four, &reference, 1.3),
            Figure::ratio("skep up: ten machines / four", &ten, &four, 3.0),
        ];
        figures.extend(self.small().await?);
        figures.extend(self.images(runs).await?);
        Ok(figures)
    }

    /// The figures of commands on a cluster that is up.
    async fn small(&self) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        for (name, args) in
            [("skep --help", &["--help"][..]), ("skep machine ls", &["machine", "ls"])]
        {
            let (times, resident) = self.repeated(args).await?;
            figures.push(Figure::new(
                format!("{name}: time"),
                Unit::Milliseconds,
                median(&times),
                10.0,
            ));
            figures.push(Figure::new(format!("{name}: memory"), Unit::Megabytes, resident, 20.0));
        }
        self.skep(&["node", "ls"]).await?;
        let (times, _) = self.repeated(&["node", "ls"]).await?;
        let name = "skep node ls, the second in a row: time".to_owned();
        figures.push(Figure::new(name, Unit::Milliseconds, median(&times), 60.0));
        Ok(figures)
    }

    /// Runs a command again and again: milliseconds each, and the most memory in megabytes.
    async fn repeated(&self, args: &[&str]) -> Result<(Vec<f64>, f64)> {
        let mut times = Vec::new();
        for _ in 0..REPEATS {
            times.push(self.skep(args).await?.as_secs_f64() * 1000.0);
        }
        // A process counts what it was before it became another program, so a small one starts it.
        let time =
            find_program("time").context("`time` is not here; cargo xtask setup brings it")?;
        let file = self.work.target().join("bench/resident");
        let program = Program::new(time)
            .args(["--format", "%M", "--output"])
            .arg(&file)
            .arg(&self.binary)
            .args(args);
        let (status, _) = self.work.ask(self.with_store(program)).await?;
        if !status.success() {
            bail!("`skep {}` ended with {status}", args.join(" "));
        }
        let kilobytes = fs::read_to_string(&file).context("`time` has written nothing")?;
        let kilobytes = kilobytes.trim().parse::<f64>().context("`time` has written no number")?;
        Ok((times, kilobytes / 1024.0))
    }

    async fn up(&self, workers: usize) -> Result<Duration> {
        let workers = workers.to_string();
        self.skep(&["up", "--driver", "container", "--managers", "1", "--workers", &workers]).await
    }

    /// Runs skep and says how long it took.
    async fn skep(&self, args: &[&str]) -> Result<Duration> {
        let program = self.with_store(Program::new(&self.binary).args(args));
        self.timed(program).await
    }

    fn with_store(&self, program: Program) -> Program {
        program.env("SKEP_HOME", &self.home).env("SKEP_CLUSTER", CLUSTER)
    }

    async fn reference(&self, image: &str, flags: &[&str]) -> Result<Duration> {
        self.script(&[&["up", image], flags].concat()).await
    }

    async fn script(&self, args: &[&str]) -> Result<Duration> {
        let script = self.work.root.join("xtask/src/bench/reference.sh");
        self.timed(Program::new("sh").arg(script).args(args)).await
    }

    async fn timed(&self, program: Program) -> Result<Duration> {
        let started = Instant::now();
        program.deadline(self.work.deadline(LONGEST)).run(&self.work.cancel).await?;
        Ok(started.elapsed())
    }

    /// The image the cluster that is up was made from.
    async fn image(&self) -> Result<String> {
        let filter = format!("label=skep.cluster={CLUSTER}");
        let list = ["ps", "--filter", &filter, "--format", "{{.Image}}"];
        let (_, output) = self.work.ask(Program::new("docker").args(list)).await?;
        let image = output.text().lines().next().map(str::to_owned);
        image.context("skep up has made no container: this bench measures the driver `container`")
    }

    /// The privileges of a container that runs an engine: full, or as many as this host allows.
    async fn flags(&self, image: &str) -> Result<Vec<&'static str>> {
        let args = ["run", "--rm", "--privileged", "--entrypoint", "true", image];
        let (status, _) = self.work.ask(Program::new("docker").args(args)).await?;
        if status.success() {
            return Ok(vec!["--privileged", "--cgroupns=private"]);
        }
        Ok(vec![
            "--cap-add=ALL",
            "--cap-drop=SYS_RESOURCE",
            "--security-opt=seccomp=unconfined",
            "--security-opt=apparmor=unconfined",
            "--security-opt=systempaths=unconfined",
            "--device-cgroup-rule=a *:* rwm",
            "--cgroupns=private",
        ])
    }

    async fn remove_all(&self) -> Result<()> {
        self.recipe(&["down"]).await?;
        if find_program("docker").is_some() {
            self.script(&["down"]).await?;
        }
        let program = self.with_store(Program::new(&self.binary).arg("down"));
        // There may be nothing to remove, which is fine.
        self.work.ask(program).await.map(drop)
    }
}
