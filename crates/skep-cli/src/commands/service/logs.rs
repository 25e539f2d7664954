//! What tasks have written, with docker's words before each line: `web.1.<task>@node    | line`.

use std::{
    collections::HashMap,
    io::{self, IsTerminal as _, Write as _},
};

use jiff::{Timestamp, tz::TimeZone};
use skep_service::{
    Services,
    api::{Id, Mode, Node, Task},
    logs::{Entry, LogItem, LogQuery, LogSource, Missing, Stream, since::since},
};

use crate::{
    args::service::LogsArgs,
    context::{Context, colors},
    failure::Failure,
    visible,
};

pub(super) async fn logs(context: &Context, args: &LogsArgs) -> Result<(), Failure> {
    let query = LogQuery {
        since: args.since.as_deref().map(|text| read_since(context, text)).transpose()?,
        tail: args.tail.0,
    };
    let services = Services::new(&context.manager().await?);
    let source = services.log_source(&args.target, &context.cancel).await?;
    if source.has_terminal() && !args.raw {
        return Err(Failure::usage("tty service logs only supported with --raw"));
    }
    let nodes = services.nodes(&context.cancel).await?;
    let mut writer = Writer::new(context, args, &source, &nodes);
    if args.follow || source.has_terminal() {
        let how = (args.follow, args.timestamps, args.details);
        let read = services
            .follow_log(&source, &query, how, &context.cancel, |item| writer.take_in(&item))
            .await;
        writer.finish();
        // Ctrl-C is how following ends.
        return match read {
            Err(error) if error.is_cancelled() && args.follow => Ok(()),
            other => Ok(other?),
        };
    }
    for item in services.log(&source, &query, &context.cancel).await? {
        writer.take_in(&item);
    }
    writer.finish();
    Ok(())
}

fn read_since(context: &Context, text: &str) -> Result<String, Failure> {
    let now = Timestamp::try_from(context.now())
        .map_err(|error| Failure::failed(format!("the clock is wrong: {error}")))?;
    since(text, now, &TimeZone::system())
        .map_err(|error| Failure::usage(format!("--since {error}")))
}

/// Colours of the words before a line, one task after the other.
const PAINTS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// Writes entries as they come. What tasks wrote to their standard error goes to skep's own.
struct Writer<'a> {
    context: &'a Context,
    args: &'a LogsArgs,
    service: String,
    /// Slots by task: new tasks come while a log is followed.
    slots: HashMap<Id, u64>,
    nodes: HashMap<&'a Id, &'a str>,
    width: usize,
    paint: bool,
    paints: HashMap<Id, u8>,
    /// The task whose line has begun and not ended, by stream.
    open: HashMap<Stream, Id>,
    /// The streams that a terminal shows. Elsewhere a log is handed on as it is.
    cleaned: HashMap<Stream, visible::Log>,
    /// Standard output is closed.
    closed: bool,
}

impl<'a> Writer<'a> {
    fn new(
        context: &'a Context,
        args: &'a LogsArgs,
        source: &LogSource,
        nodes: &'a [Node],
    ) -> Self {
        let service = source.service();
        let name = if args.no_resolve { service.id.to_string() } else { service.spec.name.clone() };
        let name = visible::line(&name).into_owned();
        let widest = match (source, &service.spec.mode) {
            (LogSource::Task(task, _), _) => task.slot,
            (LogSource::Service(..), Mode::Replicated { replicas }) => replicas.unwrap_or(1),
            (LogSource::Service(..), _) => 0,
        };
        let slots = source.tasks().iter().map(|task: &Task| (task.id.clone(), task.slot)).collect();
        let nodes = nodes.iter().map(|node| (&node.id, node.hostname.as_str())).collect();
        let paint = colors(context.global.color, io::stdout().is_terminal());
        Self {
            context,
            args,
            service: name,
            slots,
            nodes,
            width: digits(widest),
            paint,
            paints: HashMap::new(),
            open: HashMap::new(),
            cleaned: terminals(),
            closed: false,
        }
    }

    fn take_in(&mut self, item: &LogItem) {
        match item {
            LogItem::Entry(entry) => self.entry(entry),
            LogItem::Tasks(tasks) => {
                self.slots.extend(tasks.iter().map(|task| (task.id.clone(), task.slot)));
            }
            LogItem::Bytes(bytes) => self.write(Stream::Stdout, bytes),
            LogItem::Missing(missing) => self.missing(missing),
        }
    }

    fn entry(&mut self, entry: &Entry) {
        let line = self.line(entry);
        self.write(entry.stream, &line);
    }

    fn line(&mut self, entry: &Entry) -> Vec<u8> {
        let mut line = Vec::new();
        // The rest of a long line follows its beginning, unless another task came between.
        match self.open.get(&entry.stream) {
            Some(task) if *task == entry.task => {}
            before => {
                if before.is_some() {
                    line.push(b'\n');
                }
                line.extend_from_slice(self.prefix(entry).as_bytes());
            }
        }
        line.extend_from_slice(&entry.text);
        if entry.ends_line() {
            self.open.remove(&entry.stream);
        } else {
            self.open.insert(entry.stream, entry.task.clone());
        }
        line
    }

    /// `2026-01-02T13:23:37.000000000Z web.1.abcdefghijkl@worker1    | a=b `
    fn prefix(&mut self, entry: &Entry) -> String {
        let mut text = String::new();
        if self.args.timestamps {
            text += &format!("{} ", entry.at);
        }
        if !self.args.raw {
            let name = self.name(entry);
            let pad = self.width.saturating_sub(digits(self.slot(&entry.task)));
            let whose = format!("{name}{:pad$}    | ", "");
            if self.paint {
                let next = PAINTS[self.paints.len() % PAINTS.len()];
                let paint = *self.paints.entry(entry.task.clone()).or_insert(next);
                text += &format!("\x1b[{paint}m{whose}\x1b[0m");
            } else {
                text += &whose;
            }
        }
        if self.args.details {
            let pairs: Vec<String> =
                entry.details.iter().map(|(name, value)| format!("{name}={value}")).collect();
            text += &format!("{} ", visible::line(&pairs.join(",")));
        }
        text
    }

    fn slot(&self, task: &Id) -> u64 {
        self.slots.get(task).copied().unwrap_or_default()
    }

    fn name(&self, entry: &Entry) -> String {
        let mut name = format!("{}.{}", self.service, self.slot(&entry.task));
        if !self.args.no_task_ids {
            let id = if self.args.no_trunc { entry.task.as_str() } else { entry.task.short() };
            name += &format!(".{id}");
        }
        let node = if self.args.no_resolve { None } else { self.nodes.get(&entry.node).copied() };
        format!("{name}@{}", visible::line(node.unwrap_or(entry.node.as_str())))
    }

    fn missing(&self, missing: &Missing) {
        let names: Vec<String> = missing
            .tasks
            .iter()
            .map(|task| format!("{}.{}.{}", self.service, self.slot(task), task.short()))
            .collect();
        let text = if names.is_empty() {
            missing.reason.clone()
        } else {
            format!("{}; the log of {} is missing, or its end", missing.reason, names.join(", "))
        };
        self.context.events.warn(&missing.node, text);
    }

    fn finish(&mut self) {
        for stream in std::mem::take(&mut self.open).into_keys() {
            self.write(stream, b"\n");
        }
        let held: Vec<_> =
            self.cleaned.iter_mut().map(|(stream, log)| (*stream, log.rest())).collect();
        // What is still there is no character: nothing of it is held back again.
        self.cleaned.clear();
        held.into_iter().for_each(|(stream, rest)| self.write(stream, &rest));
    }

    fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let cleaned = self.cleaned.get_mut(&stream).map(|log| log.piece(bytes));
        let bytes = cleaned.as_deref().unwrap_or(bytes);
        let written = match stream {
            Stream::Stderr => {
                let mut to = io::stderr().lock();
                to.write_all(bytes).and_then(|()| to.flush())
            }
            Stream::Stdout | Stream::Engine if self.closed => Ok(()),
            Stream::Stdout | Stream::Engine => {
                let mut to = io::stdout().lock();
                to.write_all(bytes).and_then(|()| to.flush())
            }
        };
        if written.is_err() && stream != Stream::Stderr {
            // A reader that has seen enough (`| head`): following for a closed pipe is no use.
            self.closed = true;
            self.context.cancel.cancel();
        }
    }
}

/// The streams that end on a terminal.
fn terminals() -> HashMap<Stream, visible::Log> {
    let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let all = [(Stream::Stdout, out), (Stream::Engine, out), (Stream::Stderr, err)];
    all.into_iter()
        .filter(|(_, shown)| *shown)
        .map(|(stream, _)| (stream, visible::Log::default()))
        .collect()
}

fn digits(number: u64) -> usize {
    number.to_string().len()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;
    use skep_model::Events;
    use skep_service::api::Service;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::args::{Cli, Command, service::Service as Subcommand};

    const FIRST: &str = "aaaaaaaaaaaaaaaaaaaaaaaaa";
    const TENTH: &str = "bbbbbbbbbbbbbbbbbbbbbbbbb";

    /// What the entries look like with these options.
    fn written(options: &str, entries: &[Entry]) -> String {
        let words = ["skep", "--color", "never", "service", "logs", "web"];
        let cli = Cli::parse_from(words.into_iter().chain(options.split_whitespace()));
        let Command::Service(Subcommand::Logs(args)) = cli.command else {
            panic!("another command")
        };
        let context = Context::new(
            crate::persona::Persona::Skep,
            cli.global,
            Events::none(),
            CancellationToken::new(),
            String::new(),
        );
        let service: Service = serde_json::from_value(json!({"ID": "sssssssssssssssssssssssss",
            "Spec": {"Name": "web", "Mode": {"Replicated": {"Replicas": 10}}}}))
        .unwrap();
        let task = |id: &str, slot: u64| -> Task {
            serde_json::from_value(json!({"ID": id, "Slot": slot})).unwrap()
        };
        let source = LogSource::Service(Box::new(service), vec![task(FIRST, 1), task(TENTH, 10)]);
        let nodes: Vec<Node> =
            serde_json::from_value(json!([{"ID": "n1", "Description": {"Hostname": "worker1"}}]))
                .unwrap();
        let mut writer = Writer::new(&context, &args, &source, &nodes);
        let all: Vec<u8> = entries.iter().flat_map(|entry| writer.line(entry)).collect();
        String::from_utf8(all).unwrap()
    }

    fn entry(task: &str, node: &str, text: &str) -> Entry {
        Entry {
            at: "2026-01-02T03:04:05.000000006Z".into(),
            stream: Stream::Stdout,
            node: Id::new(node),
            task: Id::new(task),
            details: vec![("a".into(), "b".into()), ("c".into(), "d".into())],
            text: text.into(),
        }
    }

    #[test]
    fn a_line_begins_as_dockers() {
        let entries = [entry(FIRST, "n1", "one\n"), entry(TENTH, "gone", "two\n")];
        insta::assert_snapshot!(written("", &entries), @r"
        web.1.aaaaaaaaaaaa@worker1     | one
        web.10.bbbbbbbbbbbb@gone    | two
        ");
        insta::assert_snapshot!(written("-t --details --no-task-ids", &entries), @r"
        2026-01-02T03:04:05.000000006Z web.1@worker1     | a=b,c=d one
        2026-01-02T03:04:05.000000006Z web.10@gone    | a=b,c=d two
        ");
        insta::assert_snapshot!(written("--no-resolve --no-trunc", &entries[..1]), @"sssssssssssssssssssssssss.1.aaaaaaaaaaaaaaaaaaaaaaaaa@n1     | one");
        insta::assert_snapshot!(written("--raw", &entries), @r"
        one
        two
        ");
    }

    #[test]
    fn a_long_line_stays_one_unless_another_task_comes_between() {
        let parts = [entry(FIRST, "n1", "one "), entry(FIRST, "n1", "two\n")];
        assert_eq!(written("--no-task-ids", &parts), "web.1@worker1     | one two\n");
        let between =
            [entry(FIRST, "n1", "one "), entry(TENTH, "n1", "ten\n"), entry(FIRST, "n1", "two\n")];
        assert_eq!(
            written("--no-task-ids", &between),
            "web.1@worker1     | one \nweb.10@worker1    | ten\nweb.1@worker1     | two\n"
        );
    }
}
