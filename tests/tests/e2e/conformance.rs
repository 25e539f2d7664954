//! Against one engine, the docker CLI of the guest system and skep print the same bytes.
//!
//! Both query a swarm with services of every kind through a recording proxy; then its answers are
//! replayed, and both print their output for them.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use jiff::Timestamp;
use skep_tests::{
    Lab, Run,
    conformance::{
        COMMANDS, DIFFERENT, DockerCli, Recording, Screen, difference, none_differ, skep,
    },
    host, lab,
    replay::{Answers, Replay},
};

const IMAGE: &str = include_str!("conformance/image.sh");
const SERVICES: &str = include_str!("conformance/services.sh");
const CONVERGENCE: Duration = Duration::from_secs(240);

pub(crate) fn the_docker_cli_and_skep_print_the_same() {
    let lab = Lab::with_machines("conform");
    lab.up("--managers 1 --workers 2").succeeds();
    for machine in ["manager1", "worker1", "worker2"] {
        in_guest(&lab, machine, IMAGE);
    }
    in_guest(&lab, "manager1", SERVICES);
    let stage = Stage::new(&lab);

    let answers =
        stage.recorded(&lab, &COMMANDS.iter().chain(&DIFFERENT).copied().collect::<Vec<_>>());
    stage.keep(&answers);
    let differences = COMMANDS.iter().filter_map(|words| {
        let (docker, skep) = stage.both(&answers, words);
        difference(&docker, &skep)
    });
    none_differ(&differences.collect::<Vec<_>>());

    // docker lists the first node's tasks again with the second's.
    let (docker, skep) = stage.both(&answers, "node ps manager1 worker1");
    assert!(docker.stdout.lines().count() > skep.stdout.lines().count(), "{docker:?}\n{skep:?}");
    let mut ids: Vec<_> = skep.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "a task is listed twice:\n{}", skep.stdout);

    a_dead_node(&lab, &stage);
    lab.finish();
}

/// docker counts the tasks of a node that is down, skep does not.
fn a_dead_node(lab: &Lab, stage: &Stage) {
    lab.skep("machine kill worker1").succeeds();
    let end = Instant::now() + CONVERGENCE;
    let moved = "test \"$(docker node inspect --format '{{.Status.State}}' worker1)\" = down && \
        docker service ps --filter desired-state=running --format '{{.Node}}{{.CurrentState}}' web9 | \
        grep -c ^manager1Running | grep -qx 2";
    while lab.skep("machine ssh manager1").args([moved]).ends().code != Some(0) {
        assert!(Instant::now() < end, "the dead node's tasks were not moved");
    }
    let answers = stage.recorded(lab, &["service ls --filter name=web9"]);
    let (docker, skep) = stage.both(&answers, "service ls --filter name=web9");
    assert!(docker.stdout.contains(" 3/2 "), "{}", docker.stdout);
    assert!(skep.stdout.contains(" 2/2 "), "{}", skep.stdout);
    assert_eq!(docker.stdout.replace(" 3/2 ", " 2/2 "), skep.stdout);
}

fn in_guest(lab: &Lab, machine: &str, script: &str) {
    let ssh = lab.skep(&format!("machine ssh {machine} sh -eu"));
    ssh.stdin(script).within(CONVERGENCE).succeeds();
}

/// What both run on.
struct Stage {
    docker: DockerCli,
    directory: PathBuf,
}

impl Stage {
    fn new(lab: &Lab) -> Self {
        let directory = lab.files().to_owned();
        fs_err::create_dir_all(directory.join("empty")).expect("a directory can be made");
        let systems = fs_err::read_dir(lab::guest_systems()).expect("there are guest systems");
        let newest = systems
            .filter_map(|entry| Some(entry.ok()?.path().join("rootfs.tar")))
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .max();
        let (_, rootfs) = newest.expect("the containers' guest system was built");
        Self { docker: DockerCli::of_guest(&rootfs, &directory.join("guest")), directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("e.sock")
    }

    fn docker(&self, words: &str, url: &str) -> Run {
        self.docker.run(words, url, &self.directory.join("empty"))
    }

    fn skep(&self, words: &str, url: &str) -> Run {
        skep(words, url, &self.directory.join("empty"), None)
    }

    /// The engine's answers to both, whatever they print.
    fn recorded(&self, lab: &Lab, commands: &[&str]) -> Answers {
        let proxy = Replay::record(&self.socket(), &engine(lab));
        for words in commands {
            self.docker(words, &proxy.url()).ends();
            self.skep(words, &proxy.url()).ends();
        }
        proxy.answers()
    }

    /// What docker and skep print of the same answers.
    fn both(&self, answers: &Answers, words: &str) -> (Screen, Screen) {
        let replay = Replay::serve(&self.socket(), answers.at(now()));
        let docker = self.docker(words, &replay.url()).ends();
        let skep = self.skep(words, &replay.url()).ends();
        (Screen::of(words, docker), Screen::of(words, skep))
    }

    /// Writes a recording for `tests/conformance`, if `SKEP_RECORD` names a file for it.
    fn keep(&self, answers: &Answers) {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test program is configured by its environment"
        )]
        let Some(file) = std::env::var_os("SKEP_RECORD") else { return };
        let now = now();
        let mut answers = answers.at(now);
        // Of the machine under it only its part in the swarm: the rest is this host's alone.
        if let Some(info) = answers.0.get_mut("GET /info") {
            info.body = serde_json::json!({"Swarm": info.body["Swarm"]});
        }
        let replay = Replay::serve(&self.socket(), answers.clone());
        let screen = |words: &&str| Screen::of(words, self.docker(words, &replay.url()).ends());
        let screens: Vec<_> = COMMANDS.iter().map(screen).collect();
        let by_docker = replay.asked().len();
        for words in COMMANDS {
            self.skep(words, &replay.url()).ends();
        }
        // Only skep's requests are kept: the docker CLI has already run.
        let asked = replay.asked().split_off(by_docker);
        let answers = answers.0.into_iter().filter(|(request, _)| asked.contains(request));
        let answers = Answers(answers.collect());
        Recording { now, answers, screens }.write(Path::new(&file));
    }
}

/// A socket that skep has forwarded to the first manager's engine.
fn engine(lab: &Lab) -> PathBuf {
    lab.skep("node ls").succeeds();
    let sockets = host::sockets_below(lab.runtime()).into_iter().map(PathBuf::from);
    let mut managers = sockets.filter(|socket| {
        let url = format!("unix://{}", socket.display());
        host::docker(["-H", &url, "info", "--format", "{{.Swarm.ControlAvailable}}"]).ends().text()
            == "true"
    });
    managers.next().expect("skep keeps a manager's socket")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the docker CLI reads the clock, so answers follow it"
)]
fn now() -> Timestamp {
    SystemTime::now().try_into().expect("it is a time")
}
