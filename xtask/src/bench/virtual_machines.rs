//! The driver `qemu`, emulated, against a [recipe](reference-qemu.sh) that does the bare minimum.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use super::{
    Bench, CLUSTER, LONGEST,
    figures::{Figure, Unit},
};
use crate::run::human;

/// The step of `skep up` that ends when a machine can be logged in to and its engine answers.
const READY: &str = "waiting until ready";

/// Always emulated, because the recipe it is compared with is emulated as well.
const ONE: [&str; 9] =
    ["up", "--driver", "qemu", "--accel", "tcg", "--managers", "1", "--progress", "json"];

impl Bench<'_> {
    pub(super) async fn virtual_machines(&self, runs: usize) -> Result<Vec<Figure>> {
        println!("\nvirtual machines; first, what is built once");
        self.build_recipe().await?;
        self.qemu_up(0).await?;
        self.skep(&["down"]).await?;
        let folder = self.folder().display().to_string();

        let (mut their_one, mut our_one) = (Vec::new(), Vec::new());
        let (mut their_four, mut our_four) = (Vec::new(), Vec::new());
        let mut small = Vec::new();
        for run in 1..=runs {
            let reference_one = self.recipe(&["one", &folder]).await?;
            self.recipe(&["down"]).await?;
            let (one, _) = self.qemu_up(0).await?;
            self.skep(&["down"]).await?;
            let reference_four = self.recipe(&["up", &folder]).await?;
            self.recipe(&["down"]).await?;
            let (_, four) = self.qemu_up(3).await?;
            if run == runs {
                small = self.of_a_running_cluster()?;
            }
            self.skep(&["down"]).await?;
            println!(
                "run {run}: one machine's engine: the recipe {}, skep {}; \
                 a swarm of four: the recipe {}, skep {}",
                human(reference_one),
                human(one),
                human(reference_four),
                human(four)
            );
            their_one.push(reference_one);
            our_one.push(one);
            their_four.push(reference_four);
            our_four.push(four);
        }
        let mut figures = vec![
            Figure::ratio("one virtual machine: engine / the recipe", &our_one, &their_one, 1.0),
            Figure::ratio(
                "four virtual machines: skep up / the recipe",
                &our_four,
                &their_four,
                1.1,
            ),
        ];
        figures.extend(small);
        Ok(figures)
    }

    /// Sizes and remaining processes while a cluster of four runs.
    fn of_a_running_cluster(&self) -> Result<Vec<Figure>> {
        let mut figures = Vec::new();
        let os = self.home.join("os");
        let base = newest(&os, "base.squashfs")?.context("no base disk is in the store")?;
        figures.push(size("the base disk", &base, 400.0)?);
        let machines = self.home.join("clusters").join(CLUSTER).join("machines");
        let mut disks = Vec::new();
        find(&machines, "data.img", &mut disks)?;
        let largest = disks.iter().max_by_key(|(_, data)| data.blocks());
        let (disk, _) = largest.context("no machine has a disk")?;
        figures.push(size("the largest disk of a machine that has joined", disk, 60.0)?);
        if let Some(iso) = newest(&os, ".iso")? {
            figures.push(size("the ISO", &iso, 300.0)?);
        }
        let left = running(&self.binary)?;
        figures.push(Figure::new("processes of skep left".into(), Unit::Count, left as f64, 0.0));
        Ok(figures)
    }

    /// `skep up`: when the last machine was ready, and when it ended.
    async fn qemu_up(&self, workers: usize) -> Result<(Duration, Duration)> {
        let program =
            Program::new(&self.binary).args(ONE).args(["--workers", &workers.to_string()]);
        let program = self.with_store(program).deadline(self.work.deadline(LONGEST));
        let started = std::time::Instant::now();
        let output = program.run(&self.work.cancel).await?;
        let ended = started.elapsed();
        let ready = ready(&String::from_utf8_lossy(&output.stderr));
        Ok((ready.context("skep has not said when its machines were ready")?, ended))
    }

    /// Builds what the recipe starts from, unless it was built from this guest.
    async fn build_recipe(&self) -> Result<()> {
        let built = self.with_store(Program::new(&self.binary).args(["os", "build"]));
        let built = built.deadline(self.work.deadline(LONGEST)).run(&self.work.cancel).await?;
        let digest = built.text();
        let rootfs = self.home.join("os").join(digest.trim()).join("rootfs.tar");
        if !rootfs.is_file() {
            bail!("skep os build has printed `{digest}`, but {} is not there", rootfs.display());
        }
        let folder = self.folder();
        let stamp = folder.join("digest");
        if fs::read_to_string(&stamp).is_ok_and(|built| built == digest) {
            return Ok(());
        }
        let rootfs = rootfs.display().to_string();
        self.recipe(&["build", &folder.display().to_string(), &rootfs]).await?;
        fs::write(&stamp, digest).context("cannot write down what the recipe was built from")
    }

    fn folder(&self) -> PathBuf {
        self.work.target().join("bench/reference-qemu")
    }

    /// Runs the recipe, in its own folder unless another is given.
    pub(super) async fn recipe(&self, args: &[&str]) -> Result<Duration> {
        let script = self.work.root.join("xtask/src/bench/reference-qemu.sh");
        let mut program = Program::new("sh").arg(script).args(args);
        if args.len() == 1 {
            program = program.arg(self.folder());
        }
        self.timed(program).await
    }
}

/// When the last machine was ready, in what `skep up --progress json` prints: lines of
/// `{"t": milliseconds, "event": "started", "id": 3, "step": …}` and `{…, "event": "ended", "id": 3}`.
fn ready(lines: &str) -> Option<Duration> {
    let events = lines.lines().filter_map(|line| serde_json::from_str(line).ok());
    let events = events.collect::<Vec<serde_json::Value>>();
    let is_start =
        |event: &&serde_json::Value| event["event"] == "started" && event["step"] == READY;
    let ids = events.iter().filter(is_start).map(|event| &event["id"]).collect::<Vec<_>>();
    let ends =
        events.iter().filter(|event| event["event"] == "ended" && ids.contains(&&event["id"]));
    ends.filter_map(|event| event["t"].as_u64()).max().map(Duration::from_millis)
}

/// The space that a file uses on the disk, which is less than its length if it has holes.
fn size(name: &str, file: &Path, limit: f64) -> Result<Figure> {
    let data = fs::metadata(file).with_context(|| format!("cannot look at {}", file.display()))?;
    let megabytes = data.blocks() as f64 * 512.0 / f64::from(1 << 20);
    Ok(Figure::new(name.into(), Unit::Megabytes, megabytes, limit))
}

/// The file below a folder that was written last, of those whose names end so.
fn newest(folder: &Path, end: &str) -> Result<Option<PathBuf>> {
    let mut found = Vec::new();
    find(folder, end, &mut found)?;
    let written = |data: &fs::Metadata| data.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let newest = found.into_iter().max_by_key(|(_, data)| written(data));
    Ok(newest.map(|(path, _)| path))
}

fn find(folder: &Path, end: &str, found: &mut Vec<(PathBuf, fs::Metadata)>) -> Result<()> {
    let reading = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let data = entry.metadata().with_context(reading)?;
        if data.is_dir() {
            find(&entry.path(), end, found)?;
        } else if data.is_file() && entry.file_name().to_string_lossy().ends_with(end) {
            found.push((entry.path(), data));
        }
    }
    Ok(())
}

/// How many processes run a program.
fn running(program: &Path) -> Result<usize> {
    let program = fs::canonicalize(program).context("skep has no path")?;
    let processes = fs::read_dir("/proc").context("cannot read /proc")?.filter_map(Result::ok);
    // Other users' processes cannot be read: none of them is ours.
    let runs = |path: PathBuf| fs::read_link(path.join("exe")).is_ok_and(|exe| exe == program);
    Ok(processes.filter(|entry| runs(entry.path())).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_machine_that_was_ready_counts() {
        let lines = "a warning\n\
            {\"schema\":1,\"t\":10,\"event\":\"started\",\"id\":3,\"subject\":\"manager1\",\"step\":\"waiting until ready\"}\n\
            {\"schema\":1,\"t\":11,\"event\":\"started\",\"id\":4,\"subject\":\"worker1\",\"step\":\"waiting until ready\"}\n\
            {\"schema\":1,\"t\":12,\"event\":\"started\",\"id\":5,\"subject\":\"\",\"step\":\"founding the swarm\"}\n\
            {\"schema\":1,\"t\":2500,\"event\":\"ended\",\"id\":4,\"outcome\":\"done\"}\n\
            {\"schema\":1,\"t\":2400,\"event\":\"ended\",\"id\":3,\"outcome\":\"done\"}\n\
            {\"schema\":1,\"t\":9000,\"event\":\"ended\",\"id\":5,\"outcome\":\"done\"}\n";
        assert_eq!(ready(lines), Some(Duration::from_millis(2500)));
        assert_eq!(ready(""), None);
    }

    #[test]
    fn this_test_runs_and_nothing_else_does() {
        assert!(running(&std::env::current_exe().unwrap()).unwrap() >= 1);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("base.squashfs");
        fs::write(&file, "bees").unwrap();
        assert_eq!(running(&file).unwrap(), 0);
        assert_eq!(newest(folder.path(), ".squashfs").unwrap(), Some(file));
        assert_eq!(newest(folder.path(), ".iso").unwrap(), None);
    }
}
