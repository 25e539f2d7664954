//! `skep service ls` and `skep stack services`: what `docker service ls` prints.

use serde_json::{Value, json};
use skep_service::{api::Mode, rows::ServiceRow};

use crate::table::Table;

/// The table of `rows`, in their order.
pub fn table(rows: &[ServiceRow]) -> String {
    let mut table = Table::new(["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]);
    for row in rows {
        table.row([
            row.id.short().to_owned(),
            row.name.clone(),
            row.mode.as_str().replace('-', " "),
            replicas(row),
            row.image.clone(),
            joined(&row.ports, ", "),
        ]);
    }
    table.to_string()
}

/// `3/3`, `1/2 (max 1 per node)`, `0/1 (4/5 completed)`
fn replicas(row: &ServiceRow) -> String {
    let ServiceRow { running, desired, completed, max_per_node, .. } = row;
    match row.mode {
        Mode::ReplicatedJob { total_completions, .. } => {
            let total = total_completions.unwrap_or(1);
            format!("{running}/{desired} ({completed}/{total} completed)")
        }
        Mode::GlobalJob {} => {
            // What is still to complete, and what has.
            format!("{running}/{desired} ({completed}/{} completed)", desired + completed)
        }
        Mode::Replicated { .. } if *max_per_node > 0 => {
            format!("{running}/{desired} (max {max_per_node} per node)")
        }
        _ => format!("{running}/{desired}"),
    }
}

/// A row for programs.
pub fn json(row: &ServiceRow) -> Value {
    json!({
        "id": row.id.as_str(),
        "name": row.name,
        "mode": row.mode.as_str(),
        "running": row.running,
        "desired": row.desired,
        "completed": row.completed,
        "max_per_node": row.max_per_node,
        "image": row.image,
        "ports": row.ports.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

pub(super) fn joined(items: &[impl ToString], between: &str) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use skep_service::{api::Id, rows::PortRange};

    use super::*;

    fn row(name: &str, mode: Mode) -> ServiceRow {
        ServiceRow {
            id: Id::new("o4qjbp22utt3vx0jjkd4xzp2y"),
            name: name.into(),
            mode,
            running: 1,
            desired: 2,
            completed: 3,
            max_per_node: 0,
            image: "nginx:1.26".into(),
            ports: Vec::new(),
        }
    }

    #[test]
    fn every_mode_has_its_cell() {
        let job = Mode::ReplicatedJob { max_concurrent: Some(1), total_completions: Some(5) };
        let range = |published, target| PortRange { published, target, protocol: "tcp".into() };
        let rows = [
            row("global", Mode::Global {}),
            row("global-job", Mode::GlobalJob {}),
            row("job", job),
            ServiceRow { max_per_node: 2, ..row("few", Mode::Replicated { replicas: Some(2) }) },
            ServiceRow {
                ports: vec![range((80, 81), (80, 80)), range((443, 443), (443, 443))],
                ..row("web", Mode::default())
            },
        ];
        insta::assert_snapshot!(table(&rows), @r"
        ID             NAME         MODE             REPLICAS               IMAGE        PORTS
        o4qjbp22utt3   global       global           1/2                    nginx:1.26   
        o4qjbp22utt3   global-job   global job       1/2 (3/5 completed)    nginx:1.26   
        o4qjbp22utt3   job          replicated job   1/2 (3/5 completed)    nginx:1.26   
        o4qjbp22utt3   few          replicated       1/2 (max 2 per node)   nginx:1.26   
        o4qjbp22utt3   web          replicated       1/2                    nginx:1.26   *:80-81->80/tcp, *:443->443/tcp
        ");
    }
}
