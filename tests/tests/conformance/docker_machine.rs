//! skep under the name `docker-machine`, compared with recorded answers of docker-machine 0.16.2.
//!
//! `fixtures/docker-machine` has its recorded sessions: the command, its exit code, its standard
//! output and its error output. Usage texts are cut: skep has its own. Its machines used the
//! driver `none`, with a fake engine behind their URL, and so do these.
//!
//! Intended differences are in [`DIFFERENT`] and [`REPLACED`], each with its reason;
//! `docs/differences.md` lists them for users.

use std::{
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use skep_tests::{Lab, Ran, Run, run};

use crate::engine::Engine;

/// The port that the engine had in the recording.
const PORT: &str = "23760";

/// A recorded answer.
#[derive(Debug)]
struct Session {
    command: String,
    exit: i32,
    stdout: String,
    stderr: String,
}

/// A different answer of skep, and why.
struct Different {
    /// The command; with `*` at its end, every command that begins so.
    command: &'static str,
    /// skep's exit code.
    exit: i32,
    /// What it says instead, in part.
    says: &'static str,
    why: &'static str,
}

const fn different(
    command: &'static str,
    exit: i32,
    says: &'static str,
    why: &'static str,
) -> Different {
    Different { command, exit, says, why }
}

const MISUSE: &str =
    "misuse ends with 2 and a sentence, as everywhere in skep; 0 hides it from scripts";
const OWN: &str = "it is skep that answers";
const FIX: &str = "it is said what to install";
const NO_LOGIN: &str = "a URL cannot be logged in to: said at once";
const CLASSIC: &str = "Swarm as a container of its own is gone; no machine has such options";
const STORE: &str = "only the store is asked, so it works for a machine that is still starting";

const DIFFERENT: &[Different] = &[
    different("docker-machine --nosuchflag ls", 2, "--nosuchflag", MISUSE),
    different("docker-machine status --nosuchflag", 2, "--nosuchflag", MISUSE),
    different("docker-machine ls --timeout abc", 2, "abc", MISUSE),
    different("docker-machine ls extra args", 2, "extra", MISUSE),
    different("docker-machine active nosuch", 2, "nosuch", MISUSE),
    different("docker-machine create", 2, "Error: No machine name specified", MISUSE),
    different("docker-machine create --driver none", 2, "Error: No machine name specified", MISUSE),
    different(
        "docker-machine create --driver none --url tcp://1.2.3.4:2376",
        2,
        "Error: No machine name specified",
        MISUSE,
    ),
    different("docker-machine create -d none nourl", 2, "--url option is required", MISUSE),
    different("docker-machine rm", 2, "MACHINES", MISUSE),
    different("docker-machine rm -y", 2, "MACHINES", MISUSE),
    different("docker-machine rm -f", 2, "MACHINES", MISUSE),
    different("docker-machine scp", 2, "SOURCE", MISUSE),
    different("docker-machine scp onlyone", 2, "DESTINATION", MISUSE),
    different("docker-machine scp a b c", 2, "'c'", MISUSE),
    different("docker-machine mount", 2, "SOURCE", MISUSE),
    different("docker-machine mount a b c", 2, "'c'", MISUSE),
    different("docker-machine version", 0, "docker-machine version ", OWN),
    different("docker-machine --version", 0, "docker-machine version ", OWN),
    different("docker-machine -v", 0, "docker-machine version ", OWN),
    different(
        "docker-machine scp nosuch:*",
        1,
        "does not exist",
        "one `Error loading host` is none",
    ),
    different("docker-machine scp ./x nosuch:/tmp", 1, "does not exist", "as above"),
    different("docker-machine scp -d*", 1, "apt install rsync", FIX),
    different("docker-machine mount nosuch:/etc /mnt", 1, "apt install sshfs", FIX),
    different("docker-machine mount /etc", 1, "apt install sshfs", FIX),
    different("docker-machine mount web1:/x /mnt", 1, "apt install sshfs", FIX),
    different("docker-machine mount -u*", 1, "apt install fuse", FIX),
    different(
        "docker-machine config nosuch1 nosuch2",
        1,
        "Error: Expected one machine name as an argument",
        "as for every other verb",
    ),
    different(
        "docker-machine inspect nosuch1 nosuch2",
        1,
        "Error: Expected one machine name as an argument",
        "the same words, without a screen of usage",
    ),
    different(
        "docker-machine inspect web1 dead",
        1,
        "Error: Expected one machine name as an argument",
        "the same words, without a screen of usage",
    ),
    different(
        "docker-machine create -d none --url garbage badurl",
        2,
        "`garbage` is no engine's URL",
        "refused before it is in the store, where nothing could be done with it",
    ),
    different(
        "docker-machine create -d none --url tcp://127.0.0.1:23760 --engine-label*",
        2,
        "--swarm",
        CLASSIC,
    ),
    different(
        "docker-machine create -d none --url tcp://127.0.0.1:23760 --swarm*",
        2,
        "--swarm",
        CLASSIC,
    ),
    different(
        "docker-machine rm -y dbg envdrv badurl",
        1,
        "Successfully removed envdrv",
        "two of the three were never made here",
    ),
    different(
        "docker-machine ls --format 'table {{.Nope}}'",
        1,
        "can't evaluate field Nope",
        "nothing is printed before the error, and the fields that there are are named",
    ),
    different(
        "docker-machine ls --format '{{.Nope}}'",
        1,
        "the fields are Name, ",
        "they are named",
    ),
    different(
        "docker-machine ls --format '{{json .}}'",
        0,
        "{\"Name\":\"dead\"",
        "`json` is there as in inspect",
    ),
    different("docker-machine ssh web1*", 1, "nobody can log in to web1", NO_LOGIN),
    different("docker-machine ssh dead", 1, "nobody can log in to dead", NO_LOGIN),
    different("docker-machine scp web1:/etc/hosts .", 1, "nobody can log in to web1", NO_LOGIN),
    different("docker-machine upgrade web1", 1, "nothing to log in to", NO_LOGIN),
    different("docker-machine upgrade dead", 1, "nothing to log in to", NO_LOGIN),
    different("docker-machine provision web1", 1, "nothing to log in to", NO_LOGIN),
    different("docker-machine regenerate-certs -f web1", 1, "nothing to log in to", NO_LOGIN),
    different(
        "docker-machine start web1 dead",
        1,
        "Starting \"web1\"...\nStarting \"dead\"...\n",
        "in the order asked; docker-machine's is one of chance",
    ),
    different("docker-machine config dead", 0, "-H=tcp://127.0.0.1:1\n", STORE),
    different("docker-machine env dead", 0, "DOCKER_HOST=\"tcp://127.0.0.1:1\"", STORE),
    different(
        "docker-machine inspect -f '{{.}}' lab1",
        0,
        "map[ConfigVersion:3 Driver:map[",
        CLASSIC,
    ),
    different(
        "DOCKER_HOST=tcp://127.0.0.1:3376 docker-machine active",
        1,
        "No active host found",
        CLASSIC,
    ),
    different("docker-machine active --timeout 0", 1, "No active host found", STORE),
    different("docker-machine config --swarm lab1", 1, "\"lab1\" is not a swarm master", CLASSIC),
    different("docker-machine env --swarm lab1", 1, "\"lab1\" is not a swarm master", CLASSIC),
    different(
        "docker-machine env --shell tcsh*",
        0,
        "'eval \"`docker-machine env",
        "`:` expands its words",
    ),
    different("docker-machine env --shell csh*", 0, "setenv", "csh has no `export`"),
    different(
        "docker-machine env --shell bogus*",
        2,
        "`bogus` is not a shell",
        "another shell's text sets nothing",
    ),
    different("SHELL= docker-machine env web1", 2, "the shell is unknown", MISUSE),
    different("unset SHELL; docker-machine env web1", 2, "the shell is unknown", MISUSE),
    different(
        "no_proxy=a.example docker-machine env --no-proxy -u",
        0,
        "unset no_proxy\n",
        "docker-machine's unsets a variable that is not there",
    ),
];

/// Texts of docker-machine's that are others here: where, theirs, ours.
const REPLACED: &[(&str, &str, &str)] = &[
    // One directory of certificates serves every machine.
    ("docker-machine env", "/STORE/.docker/machine/machines/web1", "/OURS/certs"),
    ("docker-machine config", "/STORE/.docker/machine/machines/web1", "/OURS/certs"),
    // The store has another shape.
    ("docker-machine inspect", "/STORE/.docker/machine/machines/", "/OURS/clusters/skep/machines/"),
    ("docker-machine inspect", "/STORE/.docker/machine", "/OURS"),
    // Engines come from the distribution's packages.
    ("docker-machine inspect", "https://get.docker.com", ""),
    // No machine of these is in a cluster of `skep up`, and Swarm as a container is gone.
    ("docker-machine ls", "SWARM           DOCKER", "SWARM   DOCKER"),
    ("docker-machine ls", "lab1 (master)   v24", "        v24"),
    ("docker-machine ls", "lab1            v24", "        v24"),
    ("docker-machine ls", "23760                   v24", "23760           v24"),
    ("docker-machine ls", "127.0.0.1:1                       Unk", "127.0.0.1:1               Unk"),
    ("docker-machine ls", "|lab1 (master)|", "||"),
    ("docker-machine ls", "|lab1|", "||"),
    ("docker-machine ls", "{true  token://abc true true ", "{false   false false "),
    ("docker-machine ls", "{true  token://abc true false ", "{false   false false "),
    ("docker-machine ls", "[a=b] [c=d] []", "[] [] []"),
];

fn sessions(name: &str) -> Vec<Session> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/conformance/fixtures/docker-machine")
        .join(name);
    let text = fs_err::read_to_string(path).unwrap();
    let session = |text: &str| {
        let (command, rest) = text.split_once("\n-------- exit: ").unwrap();
        let (exit, rest) = rest.split_once("\n-------- stdout:\n").unwrap();
        let (stdout, stderr) = rest.split_once("-------- stderr:\n").unwrap();
        Session {
            command: command.to_owned(),
            exit: exit.trim().parse().unwrap(),
            stdout: stdout.replace("<no newline at end>\n", ""),
            stderr: stderr.trim_end().to_owned(),
        }
    };
    text.split("######## $ ").skip(1).map(session).collect()
}

/// A link named `docker-machine` with a store of its own.
struct Stage {
    lab: Lab,
    /// Held for the engine, which needs the store's authority before it can answer.
    port: u16,
    programs: PathBuf,
}

impl Stage {
    fn new() -> (Self, TcpListener) {
        let lab = Lab::without_machines();
        // As wide as the recorded one, so that columns are.
        let listener = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
            .find(|listener| listener.local_addr().unwrap().port() >= 10_000)
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let programs = lab.files().join("bin");
        fs_err::create_dir(&programs).unwrap();
        symlink(run::skep(), programs.join("docker-machine")).unwrap();
        // Neither rsync nor sshfs nor fusermount was there when it was recorded, and scp was.
        let scp = programs.join("scp");
        fs_err::write(&scp, "#!/bin/sh\nexit 0\n").unwrap();
        fs_err::set_permissions(&scp, std::fs::Permissions::from_mode(0o755)).unwrap();
        (Self { lab, port, programs }, listener)
    }

    /// Runs a command line as it was recorded: variables, the program, its arguments.
    fn run(&self, command: &str) -> Ran {
        let command = command.replace(PORT, &self.port.to_string());
        let (shell, command) = match command.strip_prefix("unset SHELL; ") {
            Some(command) => ("", command.to_owned()),
            None => ("/bin/bash", command),
        };
        let storage = self.lab.files().join("storage").display().to_string();
        let command = command.replace("/STORE", &storage);
        let mut words = shlex::split(&command).unwrap();
        let program = words.iter().position(|word| word == "docker-machine").unwrap();
        let arguments = words.split_off(program + 1);
        let mut run = Run::program(self.programs.join("docker-machine"))
            .args(arguments)
            .env("PATH", &self.programs)
            .env("SHELL", shell);
        for (name, value) in self.lab.environment() {
            run = run.env(name, value);
        }
        for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
            run = run.env(name, value);
        }
        let ran = run.ends();
        let own = |text: String| {
            text.replace(&self.lab.store().display().to_string(), "/OURS")
                .replace(&storage, "/STORE")
                .replace(&self.port.to_string(), PORT)
        };
        Ran { stdout: own(ran.stdout), stderr: own(ran.stderr), ..ran }
    }

    /// Replays a file of sessions, and gives where skep's answers are not as they should be.
    fn replay(&self, name: &str) -> Vec<String> {
        let all = sessions(name);
        assert!(!all.is_empty(), "{name} has no session");
        all.iter().filter_map(|session| self.complaint(session)).collect()
    }

    fn complaint(&self, session: &Session) -> Option<String> {
        let ran = self.run(&session.command);
        let theirs = expected(session);
        let ours = Session {
            command: session.command.clone(),
            exit: ran.code.unwrap_or(-1),
            stdout: steady(&session.command, &ran.stdout),
            stderr: ran.stderr.trim_end().to_owned(),
        };
        let same = ours.exit == theirs.exit
            && ours.stdout == theirs.stdout
            && ours.stderr == theirs.stderr;
        let said = format!("{}{}", ours.stdout, ours.stderr);
        match difference(&session.command) {
            None if same => None,
            None => Some(format!("docker-machine: {theirs:#?}\nskep: {ours:#?}")),
            Some(known) if same => {
                Some(format!("`{}` is no difference any more ({})", known.command, known.why))
            }
            Some(known) if ours.exit == known.exit && said.contains(known.says) => None,
            Some(known) => Some(format!(
                "skep was to end with {} and say `{}` ({}): {ours:#?}",
                known.exit, known.says, known.why
            )),
        }
    }

    /// The machines of the recording, made.
    fn with_machines(self, listener: TcpListener) -> (Self, Engine, Vec<String>) {
        let complaints = self.replay("made.txt");
        let engine = Engine::start(listener, &self.lab.store());
        // In the recording they had options of Swarm, too.
        let lab1 = "docker-machine create -d none --url tcp://127.0.0.1:23760 --engine-label env=prod \
                    --engine-label tier=web --tls-san foo.example lab1";
        let lab2 = "docker-machine create -d none --url tcp://127.0.0.1:23760 lab2";
        for command in [lab1, lab2] {
            let ran = self.run(command);
            assert_eq!(ran.code, Some(0), "{ran}");
        }
        (self, engine, complaints)
    }
}

fn difference(command: &str) -> Option<&'static Different> {
    DIFFERENT.iter().find(|known| is_meant(known, command))
}

fn is_meant(known: &Different, command: &str) -> bool {
    match known.command.strip_suffix('*') {
        Some(beginning) => command.starts_with(beginning),
        None => known.command == command,
    }
}

/// A recorded answer with what is replaced in it.
fn expected(session: &Session) -> Session {
    let mut stdout = session.stdout.clone();
    for (place, theirs, ours) in REPLACED {
        if session.command.contains(place) {
            stdout = stdout.replace(theirs, ours);
        }
    }
    Session {
        command: session.command.clone(),
        exit: session.exit,
        stdout: steady(&session.command, &stdout),
        stderr: session.stderr.clone(),
    }
}

/// The text, with times that are others each time made one.
fn steady(command: &str, text: &str) -> String {
    if !command.contains("ResponseTime") {
        return text.to_owned();
    }
    let line = |line: &str| match line.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '.') {
        Some(place) if line.ends_with('s') => format!("{}TIME\n", &line[..=place]),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[track_caller]
fn no_complaints(complaints: &[String]) {
    assert!(complaints.is_empty(), "{} differ:\n{}", complaints.len(), complaints.join("\n\n"));
}

#[test]
fn an_empty_store_answers_as_docker_machines() {
    let (stage, _listener) = Stage::new();
    no_complaints(&stage.replay("empty.txt"));
}

#[test]
fn machines_are_created_listed_and_shown_as_docker_machines() {
    let (stage, listener) = Stage::new();
    let (stage, _engine, mut complaints) = stage.with_machines(listener);
    complaints.extend(stage.replay("listed.txt"));
    complaints.extend(stage.replay("machines.txt"));
    no_complaints(&complaints);
}

#[test]
fn every_shell_gets_the_text_of_docker_machine() {
    let (stage, listener) = Stage::new();
    let (stage, _engine, _) = stage.with_machines(listener);
    no_complaints(&stage.replay("env.txt"));
}

#[test]
fn every_difference_is_one_of_a_recorded_session() {
    let files = ["empty.txt", "made.txt", "listed.txt", "machines.txt", "env.txt"];
    let all: Vec<Session> = files.iter().flat_map(|name| sessions(name)).collect();
    for known in DIFFERENT {
        let any = all.iter().any(|session| {
            difference(&session.command).is_some_and(|found| std::ptr::eq(found, known))
        });
        assert!(any, "no session is `{}`", known.command);
    }
}
