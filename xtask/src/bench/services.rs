//! Lists of a hundred services and a thousand tasks, against the docker CLI on the same answers.
//!
//! The answers are one service, one task and one node that an engine gave once, as
//! `tests/tests/conformance/fixtures/recorded.json` keeps them, many times over under other names.

use std::{collections::HashMap, fs, path::Path, rc::Rc, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use skep_process::Program;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream},
    net::{UnixListener, UnixStream},
};

use super::{
    Bench, REPEATS,
    figures::{Figure, Unit},
};
use crate::run::{find_program, human};

const SERVICES: usize = 100;
const TASKS_EACH: usize = 10;
const NODES: usize = 10;

impl Bench<'_> {
    pub(super) async fn services(&self) -> Result<Vec<Figure>> {
        println!("\nlists of {SERVICES} services and {} tasks", SERVICES * TASKS_EACH);
        let docker = find_program("docker").context("there is no docker CLI to compare with")?;
        let answers = Answers::of(&self.work.root)?;
        let directory = self.work.target().join("bench");
        fs::create_dir_all(directory.join("empty")).context("cannot make a directory")?;
        // The path of a socket must be short, and a target directory's need not be.
        let socket = std::env::temp_dir().join(format!("skep-bench-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&socket).context("cannot listen")?;
        let measured = tokio::select! {
            never = serve(listener, Rc::new(answers)) => match never {},
            measured = self.compare(&docker, &socket, &directory) => measured,
        };
        fs::remove_file(&socket).context("cannot remove the socket")?;
        measured
    }

    async fn compare(&self, docker: &Path, socket: &Path, directory: &Path) -> Result<Vec<Figure>> {
        let names: Vec<_> = (0..SERVICES).map(service_name).collect();
        let mut ps = vec!["service", "ps"];
        ps.extend(names.iter().map(String::as_str));
        let mut figures = Vec::new();
        for (name, words) in [("service ls", &["service", "ls"][..]), ("service ps", &ps)] {
            let list = List { words, socket, directory };
            let printed =
                [list.printed(self, docker).await?, list.printed(self, &self.binary).await?];
            if printed[0] != printed[1] {
                bail!("docker and skep print different lists for `{name}`");
            }
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..REPEATS {
                theirs.push(self.timed(list.by(docker)).await?);
                ours.push(self.timed(list.by(&self.binary)).await?);
            }
            let memory =
                [list.resident(self, docker).await?, list.resident(self, &self.binary).await?];
            println!(
                "{name}: docker {} and {:.1} MB, skep {} and {:.1} MB",
                human(middle(&theirs)),
                memory[0],
                human(middle(&ours)),
                memory[1]
            );
            let title = |what: &str| format!("{name}, {SERVICES} services: {what}, skep / docker");
            figures.push(Figure::ratio(&title("time"), &ours, &theirs, 1.0));
            let ratio = memory[1] / memory[0];
            figures.push(Figure::new(title("memory"), Unit::Ratio, ratio, 1.0));
        }
        Ok(figures)
    }
}

/// A list that both print.
struct List<'a> {
    words: &'a [&'a str],
    socket: &'a Path,
    directory: &'a Path,
}

impl List<'_> {
    fn by(&self, program: &Path) -> Program {
        self.about(Program::new(program))
    }

    fn about(&self, program: Program) -> Program {
        let (url, empty) =
            (format!("unix://{}", self.socket.display()), self.directory.join("empty"));
        program
            .args(self.words)
            .env("DOCKER_HOST", &url)
            .env("DOCKER_CONFIG", &empty)
            .env("SKEP_ENGINE", &url)
            .env("SKEP_HOME", &empty)
    }

    async fn printed(&self, bench: &Bench<'_>, program: &Path) -> Result<String> {
        let (status, output) = bench.work.ask(self.by(program)).await?;
        if !status.success() {
            bail!("a list was refused: {}", output.text());
        }
        Ok(output.text())
    }

    /// The most memory a program takes, in megabytes.
    async fn resident(&self, bench: &Bench<'_>, program: &Path) -> Result<f64> {
        let file = self.directory.join("resident");
        // A process counts what it was before it became another program, so a small one starts it.
        let time =
            find_program("time").context("`time` is not here; cargo xtask setup brings it")?;
        let time = Program::new(time).args(["--format", "%M", "--output"]).arg(&file).arg(program);
        bench.work.ask(self.about(time)).await?;
        let kilobytes = fs::read_to_string(&file).context("`time` has written nothing")?;
        let kilobytes = kilobytes.trim().parse::<f64>().context("`time` has written no number")?;
        Ok(kilobytes / 1024.0)
    }
}

fn middle(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

fn service_name(number: usize) -> String {
    format!("service{number}")
}

/// An identifier: 25 characters.
fn id(kind: char, number: usize) -> String {
    format!("{kind}{number:024}")
}

/// What the engine answers: whole lists whatever they are filtered by, and single objects.
struct Answers {
    lists: HashMap<&'static str, Vec<u8>>,
    objects: HashMap<String, Vec<u8>>,
}

impl Answers {
    fn of(root: &Path) -> Result<Self> {
        let path = root.join("tests/tests/conformance/fixtures/recorded.json");
        let text = fs::read_to_string(&path).context("cannot read the recording")?;
        let recorded: Value = serde_json::from_str(&text).context("the recording is not JSON")?;
        let first = |kind: &str, of: &str| {
            let all = recorded["answers"].as_object().into_iter().flatten();
            let lists = all.filter(|(request, _)| request.starts_with(&format!("GET /{kind}")));
            let objects = lists.filter_map(|(_, answer)| answer["body"].as_array()).flatten();
            let mut fitting = objects.filter(|object| object.to_string().contains(of));
            fitting.next().cloned().with_context(|| format!("no {kind} were recorded"))
        };
        let service = first("services?", "\"web10\"")?;
        let task = first("tasks?", "\"Slot\"")?;
        let node = first("nodes", "Hostname")?;

        let services = (0..SERVICES).map(|number| {
            let mut service = service.clone();
            service["ID"] = json!(id('s', number));
            service["Spec"]["Name"] = json!(service_name(number));
            service
        });
        let nodes = (0..NODES).map(|number| {
            let mut node = node.clone();
            node["ID"] = json!(id('n', number));
            node["Description"]["Hostname"] = json!(format!("worker{number}"));
            node
        });
        let tasks = (0..SERVICES * TASKS_EACH).map(|number| {
            let mut task = task.clone();
            task["ID"] = json!(id('t', number));
            task["ServiceID"] = json!(id('s', number / TASKS_EACH));
            task["Slot"] = json!(number % TASKS_EACH + 1);
            task["NodeID"] = json!(id('n', number % NODES));
            task
        });
        let lists = HashMap::from([
            ("/services", services.collect::<Vec<_>>()),
            ("/nodes", nodes.collect()),
            ("/tasks", tasks.collect()),
        ]);
        let objects = lists.iter().flat_map(|(path, list)| {
            let id = move |object: &Value| {
                format!("{path}/{}", object["ID"].as_str().unwrap_or_default())
            };
            list.iter().map(move |object| (id(object), object.to_string().into_bytes()))
        });
        let objects = objects.collect();
        let bytes =
            |(path, list): (&'static str, Vec<Value>)| (path, json!(list).to_string().into_bytes());
        Ok(Self { objects, lists: lists.into_iter().map(bytes).collect() })
    }

    fn to(&self, target: &str) -> &[u8] {
        let path = target.split('?').next().unwrap_or_default();
        let versioned =
            path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
        let path = versioned.unwrap_or(path);
        let found = self.lists.get(path).or_else(|| self.objects.get(path));
        found.map_or(b"{}", Vec::as_slice)
    }
}

async fn serve(listener: UnixListener, answers: Rc<Answers>) -> std::convert::Infallible {
    let all = tokio::task::LocalSet::new();
    all.run_until(async {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            // A client that disconnects has read all it needed.
            tokio::task::spawn_local(converse(stream, answers.clone()));
        }
    })
    .await
}

/// Answers one request after the other; none has a body.
async fn converse(stream: UnixStream, answers: Rc<Answers>) -> Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let (mut first, mut line) = (String::new(), String::new());
        if stream.read_line(&mut first).await? == 0 {
            return Ok(());
        }
        while stream.read_line(&mut line).await? > 2 {
            line.clear();
        }
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = if method == "HEAD" { b"" } else { answers.to(target) };
        let head = format!(
            "HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nOstype: linux\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        stream.flush().await?;
    }
}
