//! `skep service ps`, `skep node ps` and `skep stack ps`: what `docker service ps` prints.

use std::time::SystemTime;

use serde_json::{Value, json};
use skep_service::{
    api::PublishedPort,
    rows::{TaskRow, familiar},
};
use unicode_width::UnicodeWidthChar as _;

use super::units::{ago, capitalized};
use crate::table::Table;

/// Cells of a terminal that an error has.
const ERROR_WIDTH: usize = 30;

/// Whether long texts are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    Cut,
    Whole,
}

/// The table of `rows`, in their order, at the time `now`.
pub fn table(rows: &[TaskRow], texts: Texts, now: SystemTime) -> String {
    let mut table = Table::new([
        "ID",
        "NAME",
        "IMAGE",
        "NODE",
        "DESIRED STATE",
        "CURRENT STATE",
        "ERROR",
        "PORTS",
    ]);
    for row in rows {
        let name = if row.previous { format!(" \\_ {}", row.name) } else { row.name.clone() };
        let (id, image) = match texts {
            Texts::Cut => (row.id.short().to_owned(), familiar(&row.image)),
            Texts::Whole => (row.id.to_string(), row.image.clone()),
        };
        let state = capitalized(row.state.as_str());
        table.row([
            id,
            name,
            image,
            row.node.clone(),
            capitalized(row.desired.as_str()),
            format!("{state} {} ago", ago(row.since, now).to_lowercase()),
            error(&row.error, texts),
            row.ports.iter().map(port).collect::<Vec<_>>().join(","),
        ]);
    }
    table.to_string()
}

fn error(text: &str, texts: Texts) -> String {
    match (text, texts) {
        ("", _) => String::new(),
        (text, Texts::Whole) => format!("\"{text}\""),
        (text, Texts::Cut) => format!("\"{}\"", cut(text, ERROR_WIDTH)),
    }
}

/// The beginning of a text that, with an ellipsis, has so many cells; all of it if it has them.
fn cut(text: &str, width: usize) -> String {
    // A mark above another letter takes a place of its own here, as it does for docker.
    let cells = |letter: char| letter.width().unwrap_or(1).max(1);
    if text.chars().map(cells).sum::<usize>() <= width {
        return text.to_owned();
    }
    let mut used = 0;
    let fits = |letter: &char| {
        used += cells(*letter);
        used < width
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

fn port(port: &PublishedPort) -> String {
    format!("*:{}->{}/{}", port.published_port, port.target_port, port.protocol)
}

/// A row for programs.
pub fn json(row: &TaskRow) -> Value {
    json!({
        "id": row.id.as_str(),
        "name": row.name,
        "previous": row.previous,
        "service_id": row.service_id.as_str(),
        "slot": row.slot,
        "image": row.image,
        "node_id": row.node_id.as_str(),
        "node": row.node,
        "desired_state": row.desired.as_str(),
        "state": row.state.as_str(),
        "since": row.since.map(|since| since.to_string()),
        "error": row.error,
        "ports": row.ports.iter().map(port).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use skep_service::api::{Id, TaskState};

    use super::*;

    fn row(name: &str, previous: bool, state: TaskState, error: &str) -> TaskRow {
        let (id, service_id, node_id) = (Id::new("t".repeat(25)), Id::default(), Id::default());
        TaskRow {
            id,
            name: name.into(),
            service_id,
            slot: 1,
            previous,
            image: format!("nginx:1.26@sha256:{}", "0".repeat(64)),
            node_id,
            node: "worker1".into(),
            desired: TaskState::Running,
            state,
            since: Some(jiff::Timestamp::UNIX_EPOCH),
            error: error.into(),
            ports: Vec::new(),
        }
    }

    #[test]
    fn a_history_is_indented_and_an_error_cut() {
        let long = "starting container failed: no such file or directory";
        let published = PublishedPort {
            protocol: "tcp".into(),
            target_port: 80,
            published_port: 8080,
            publish_mode: "host".into(),
        };
        let rows = [
            TaskRow {
                ports: vec![published.clone(), published],
                ..row("web.1", false, TaskState::Running, "")
            },
            row("web.1", true, TaskState::Failed, long),
            row("web.1", true, TaskState::Rejected, "task: non-zero exit (1)"),
        ];
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(330);
        insta::assert_snapshot!(table(&rows, Texts::Cut, now), @r#"
        ID             NAME        IMAGE        NODE      DESIRED STATE   CURRENT STATE            ERROR                              PORTS
        tttttttttttt   web.1       nginx:1.26   worker1   Running         Running 5 minutes ago                                       *:8080->80/tcp,*:8080->80/tcp
        tttttttttttt    \_ web.1   nginx:1.26   worker1   Running         Failed 5 minutes ago     "starting container failed: no…"   
        tttttttttttt    \_ web.1   nginx:1.26   worker1   Running         Rejected 5 minutes ago   "task: non-zero exit (1)"          
        "#);
        let whole = table(&rows, Texts::Whole, now);
        assert!(whole.contains(long) && whole.contains("@sha256:"), "{whole}");
    }

    #[test]
    fn what_is_cut_has_its_width() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 6), "日本語");
    }
}
