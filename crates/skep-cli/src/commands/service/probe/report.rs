//! What a probe has found, for people and for programs.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use serde_json::{Value as Json, json};
use skep_service::{
    api::UpdateState,
    probe::{Line, Tally, Value, Watched},
};

use crate::{
    failure::{Exit, Failure},
    table::Table,
};

pub(super) struct Report {
    pub(super) service: String,
    pub(super) header: String,
    pub(super) lines: Vec<Line>,
    /// Where it was watched: how long, and until what.
    pub(super) watched: Option<Watched>,
    pub(super) problems: Vec<String>,
}

impl Report {
    fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.lines.iter().filter_map(|line| line.tally.as_ref())
    }

    fn sent(&self) -> u64 {
        self.tallies().map(|tally| tally.sent).sum()
    }

    fn lost(&self) -> u64 {
        self.tallies().map(Tally::lost).sum()
    }

    fn losses(&self) -> Option<(Duration, Duration)> {
        let first = self.tallies().filter_map(|tally| tally.first_loss).min()?;
        Some((first, self.tallies().filter_map(|tally| tally.last_loss).max()?))
    }

    /// The values of the header, by when they were seen first.
    fn values(&self) -> Vec<(String, Value)> {
        let mut whole = Tally::default();
        self.tallies().for_each(|tally| whole.merge(tally.clone()));
        let mut values: Vec<_> = whole.values.into_iter().collect();
        values.sort_by_key(|(_, value)| value.first);
        values
    }

    /// The table, and the words below it where it was watched.
    pub(super) fn text(&self) -> String {
        let header = self.header.to_uppercase();
        let columns = ["NODE", "ANSWERS", "P50", "P90", "P99", "MAX", &header, "TASKS", "LOST"];
        let mut table = Table::new(columns);
        for line in &self.lines {
            table.row(cells(line));
        }
        let mut text = table.to_string();
        let Some(watched) = &self.watched else { return text };
        let mut table = Table::new([&header as &str, "FIRST", "LAST", "ANSWERS"]);
        for (value, seen) in self.values() {
            let name = if value.is_empty() { "(none)".into() } else { value };
            table.row([name, seconds(seen.first), seconds(seen.last), seen.count.to_string()]);
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{table}\nlost {} of {} requests", self.lost(), self.sent());
        if let Some((first, last)) = self.losses() {
            let _ = write!(text, ", between {} and {}", seconds(first), seconds(last));
        }
        let _ = write!(text, ", in {}", seconds(watched.time));
        if let Some(update) = watched.update() {
            let _ = write!(text, "; update: {}", update.as_str().replace('_', " "));
        }
        text + "\n"
    }

    pub(super) fn json(&self) -> Json {
        let mut document = json!({
            "service": self.service,
            "header": self.header,
            "sent": self.sent(),
            "lost": self.lost(),
            "nodes": self.lines.iter().map(line_json).collect::<Vec<_>>(),
            "problems": self.problems,
        });
        if let Some(watched) = &self.watched {
            let values = self.values().into_iter().map(|(value, seen)| {
                json!({"value": value, "answers": seen.count, "first": seen.first.as_secs_f64(), "last": seen.last.as_secs_f64()})
            });
            document["watched"] = json!({
                "seconds": watched.time.as_secs_f64(),
                "update": watched.update().map(UpdateState::as_str),
                "first_loss": self.losses().map(|(first, _)| first.as_secs_f64()),
                "last_loss": self.losses().map(|(_, last)| last.as_secs_f64()),
                "values": values.collect::<Vec<_>>(),
            });
        }
        document
    }

    /// Whether it went well: each node answered that should, with what was expected, and where it
    /// was watched nothing was lost.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let silent: Vec<_> = self.lines.iter().filter(|line| line.is_silent()).collect();
        let should = self.lines.iter().filter(|line| line.place.port.is_some()).count();
        let unexpected: u64 = self.tallies().map(Tally::unexpected).sum();
        let message = if should == 0 {
            format!("no node runs a task of {} that publishes the port", self.service)
        } else if !silent.is_empty() {
            let names: Vec<_> = silent.iter().map(|line| line.place.node.as_str()).collect();
            let (of, verb) = (silent.len(), if silent.len() == 1 { "does" } else { "do" });
            format!(
                "{of} of {should} nodes {verb} not answer for {}: {}",
                self.service,
                names.join(", ")
            )
        } else if unexpected > 0 {
            format!("{unexpected} of {} answers were not as expected", self.sent())
        } else if self.watched.is_some() && self.lost() > 0 {
            format!("{} of {} requests were lost", self.lost(), self.sent())
        } else {
            return Ok(());
        };
        let mut failure = Failure::new(Exit::NotConverged, message);
        failure.causes = self.problems.iter().cloned().map(Into::into).collect();
        failure.causes.dedup();
        Err(failure)
    }
}

fn cells(line: &Line) -> [String; 9] {
    let dash = || "-".to_owned();
    let node = line.place.node.clone();
    let Some(tally) = &line.tally else {
        let note = if line.closed.is_some() { "not reached from here" } else { "no task here" };
        return [node, dash(), dash(), dash(), dash(), dash(), dash(), dash(), note.into()];
    };
    let latency = tally.latency();
    let time = |pick: fn(&skep_service::probe::Percentiles) -> Duration| {
        latency.as_ref().map_or_else(dash, |latency| millis(pick(latency)))
    };
    let values = tally.values.iter().map(|(value, seen)| {
        let name = if value.is_empty() { "(none)" } else { value };
        format!("{name} {}", seen.count)
    });
    let losses = tally.losses.iter().map(|(loss, count)| format!("{loss} {count}"));
    let tasks = line.tasks.iter().map(|(task, count)| format!("{task} {count}"));
    [
        node,
        format!("{}/{}", tally.answered, tally.sent),
        time(|latency| latency.p50),
        time(|latency| latency.p90),
        time(|latency| latency.p99),
        time(|latency| latency.max),
        joined(values),
        joined(tasks),
        joined(losses),
    ]
}

fn line_json(line: &Line) -> Json {
    let mut document =
        json!({"node": line.place.node, "port": line.place.port, "tasks": line.tasks});
    if let Some(tally) = &line.tally {
        let millis = |time: Duration| time.as_micros() as f64 / 1000.0;
        let latency = tally.latency().map(|latency| {
            json!({"p50": millis(latency.p50), "p90": millis(latency.p90), "p99": millis(latency.p99), "max": millis(latency.max)})
        });
        let values: BTreeMap<_, _> =
            tally.values.iter().map(|(value, seen)| (value, seen.count)).collect();
        let losses: BTreeMap<_, _> =
            tally.losses.iter().map(|(loss, count)| (loss.to_string(), count)).collect();
        document["sent"] = tally.sent.into();
        document["answered"] = tally.answered.into();
        document["latency_ms"] = json!(latency);
        document["values"] = json!(values);
        document["lost"] = json!(losses);
    }
    document
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let text = parts.collect::<Vec<_>>().join(", ");
    if text.is_empty() { "-".into() } else { text }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use skep_service::probe::{Loss, Place};

    use super::*;

    fn value(count: u64, first: u64, last: u64) -> Value {
        Value { count, first: Duration::from_secs(first), last: Duration::from_secs(last) }
    }

    fn line(node: &str, port: Option<u16>, tally: Option<Tally>) -> Line {
        let place = Place { node: node.into(), address: "192.0.2.1".into(), port };
        Line { place, tally, closed: None, tasks: BTreeMap::new() }
    }

    fn report() -> Report {
        let mut good = Tally { sent: 100, answered: 99, ..Tally::default() };
        good.values.insert("nginx/1.22.1".into(), value(60, 0, 9));
        good.values.insert("nginx/1.26.3".into(), value(39, 5, 12));
        good.losses.insert(Loss::Reset, 1);
        (good.first_loss, good.last_loss) =
            (Some(Duration::from_secs(5)), Some(Duration::from_secs(5)));
        let mut bad = Tally { sent: 5, ..Tally::default() };
        bad.losses.insert(Loss::Refused, 5);
        let mut first = line("manager1", Some(8080), Some(good));
        first.tasks = BTreeMap::from([("web.1".into(), 50), ("web.2".into(), 49)]);
        Report {
            service: "web".into(),
            header: "Server".into(),
            lines: vec![first, line("worker1", Some(8080), Some(bad)), line("worker2", None, None)],
            watched: None,
            problems: vec!["worker1: nothing listens on port 8080".into()],
        }
    }

    #[test]
    fn a_node_that_does_not_answer_is_told_with_its_cause() {
        let report = report();
        insta::assert_snapshot!(report.text());
        let failure = report.verdict().unwrap_err();
        assert_eq!(failure.exit, Exit::NotConverged);
        insta::assert_snapshot!(failure.render(crate::persona::Persona::Skep, false), @r"
        error: 1 of 2 nodes does not answer for web: worker1
          because: worker1: nothing listens on port 8080
        ");
        insta::assert_snapshot!(format!("{:#}", report.json()));
    }

    #[test]
    fn what_was_lost_while_watching_is_the_last_line() {
        let mut report = report();
        report.lines.truncate(1);
        report.problems.clear();
        assert!(report.verdict().is_ok(), "one of a hundred is told, and is no failure");
        report.watched = Some(Watched {
            time: Duration::from_secs(12),
            ended: Some(Ok(UpdateState::RollbackCompleted)),
        });
        insta::assert_snapshot!(report.text());
        assert_eq!(report.verdict().unwrap_err().message, "1 of 100 requests were lost".into());
    }
}
