//! `skep image …`: images on every machine, without a registry.

use std::collections::BTreeMap;

use skep_cluster::{
    MachineFailure,
    answers::{Answer, Scope},
    images::{self, Outcome, Put},
    reach::Cluster,
};
use skep_engine::image::ImageSummary;
use skep_model::{MachineName, natural};

use super::{print, print_json, print_lines};
use crate::{
    args::{Format, Listing, image::Image},
    context::Context,
    failure::{Exit, Failure, machine_line},
    table::Table,
};

pub(super) async fn run(context: &Context, command: Image) -> Result<(), Failure> {
    match command {
        Image::Load { sources, machine } => load(context, &sources, &machine).await,
        Image::Ls { machine, listing } => ls(context, &machine, listing).await,
    }
}

fn scope<'a>(context: &'a Context, cluster: &'a Cluster, machines: &'a [String]) -> Scope<'a> {
    Scope { cluster, machines, context: context.operation() }
}

async fn load(context: &Context, sources: &[String], machines: &[String]) -> Result<(), Failure> {
    let home = context.home()?;
    let sources = images::open(&home, sources, &context.cancel).await?;
    let cluster = context.cluster()?;
    let answers = images::load(scope(context, &cluster, machines), &sources).await?;
    let (puts, failed) = sort(answers, "does not have all images");
    for line in load_lines(&puts) {
        context.say(&line);
    }
    failed
}

/// The answers, and a failure for the machines without one.
fn sort<T>(answers: Vec<Answer<T>>, what: &str) -> (Vec<(MachineName, T)>, Result<(), Failure>) {
    let of = answers.len();
    let (mut fine, mut failures) = (Vec::new(), Vec::new());
    for Answer { machine, result } in answers {
        match result {
            Ok(found) => fine.push((machine, found)),
            Err(error) => failures.push(MachineFailure { machine, error }),
        }
    }
    if failures.iter().any(|failure| failure.error.is_cancelled()) {
        return (fine, Err(Failure::new(Exit::Interrupted, "interrupted")));
    }
    if failures.is_empty() {
        return (fine, Ok(()));
    }
    let exit = if failures.len() < of { Exit::Partly } else { Exit::Failed };
    let names: Vec<_> = failures.iter().map(|failure| failure.machine.as_str()).collect();
    let mut failure = Failure::new(exit, format!("{} {what}", names.join(", ")))
        .with_fix("`skep status` shows details; run the command again once it is repaired");
    failure.causes = failures.iter().map(machine_line).collect();
    (fine, Err(failure))
}

/// A line for each image: where it was loaded, and where it was already.
fn load_lines(answers: &[(MachineName, Vec<Put>)]) -> Vec<String> {
    let mut images: Vec<&Put> = Vec::new();
    for put in answers.iter().flat_map(|(_, puts)| puts) {
        if !images.iter().any(|other| (&other.image, &other.id) == (&put.image, &put.id)) {
            images.push(put);
        }
    }
    let line = |image: &&Put| {
        let with = |outcome: Outcome| {
            let here = |put: &&Put| {
                put.outcome == outcome && put.image == image.image && put.id == image.id
            };
            let machines = answers.iter().filter(|(_, puts)| puts.iter().any(|put| here(&put)));
            let names: Vec<_> = machines.map(|(name, _)| name.as_str()).collect();
            (!names.is_empty()).then(|| format!("{} on {}", outcome.as_str(), names.join(", ")))
        };
        let outcomes = [Outcome::Loaded, Outcome::Named, Outcome::Present];
        let outcomes: Vec<_> = outcomes.into_iter().filter_map(with).collect();
        format!("{}: {}", image.image, outcomes.join("; "))
    };
    images.iter().map(line).collect()
}

/// An image and the machines that have it under a name.
struct Row {
    name: String,
    id: String,
    size: u64,
    machines: Vec<MachineName>,
}

async fn ls(context: &Context, machines: &[String], listing: Listing) -> Result<(), Failure> {
    let cluster = context.cluster()?;
    let answers = images::list(scope(context, &cluster, machines)).await?;
    let asked = answers.len();
    // A machine that does not answer hides nothing of the others.
    let (lists, failed) = sort(answers, "does not say what it has");
    let rows = rows(lists);
    if listing.quiet {
        let mut ids: Vec<_> = rows.iter().map(|row| short(&row.id)).collect();
        ids.dedup();
        print_lines(ids)?;
        return failed;
    }
    match listing.format {
        Format::Table => print(&table(&rows, asked))?,
        Format::Json => {
            let row = |row: &Row| serde_json::json!({"image": row.name, "id": row.id, "size": row.size, "machines": row.machines});
            print_json("images", rows.iter().map(row).collect::<Vec<_>>())?;
        }
    }
    failed
}

fn rows(lists: Vec<(MachineName, Vec<ImageSummary>)>) -> Vec<Row> {
    let mut rows: BTreeMap<(String, String), (u64, Vec<MachineName>)> = BTreeMap::new();
    for (machine, images) in lists {
        for image in images {
            let mut names = image.repo_tags;
            if names.is_empty() {
                names.push("<none>:<none>".into());
            }
            for name in names {
                let row = rows.entry((name, image.id.clone())).or_default();
                row.0 = image.size;
                row.1.push(machine.clone());
            }
        }
    }
    let row = |((name, id), (size, machines))| Row { name, id, size, machines };
    let mut rows: Vec<Row> = rows.into_iter().map(row).collect();
    rows.sort_by(|one, other| natural(&one.name, &other.name));
    rows
}

fn table(rows: &[Row], of: usize) -> String {
    let mut table = Table::new(["IMAGE", "ID", "SIZE", "MACHINES"]);
    for row in rows {
        let all = row.machines.len() == of;
        let names: Vec<_> = row.machines.iter().map(MachineName::as_str).collect();
        let machines = if all { "all".to_owned() } else { names.join(", ") };
        table.row([row.name.clone(), short(&row.id).to_owned(), human(row.size), machines]);
    }
    table.to_string()
}

/// The first twelve digits of an identifier, as lists show it.
fn short(id: &str) -> &str {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    digits.get(..12).unwrap_or(digits)
}

/// A size as docker's lists have it: three digits, in powers of 1000.
fn human(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if size < 999.5 {
            let digits = if size < 9.995 { 2 } else { usize::from(size < 99.95) };
            let text = format!("{size:.digits$}");
            let text = if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.')
            } else {
                &text
            };
            return format!("{text}{unit}");
        }
        size /= 1000.0;
    }
    format!("{size:.1}TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str) -> MachineName {
        name.parse().unwrap()
    }

    #[test]
    fn sizes_are_dockers() {
        let shown = [0, 999, 2_020_000, 18_800_000, 187_654_321, 1_500_000_000].map(human);
        assert_eq!(shown, ["0B", "999B", "2.02MB", "18.8MB", "188MB", "1.5GB"]);
    }

    #[test]
    fn who_has_what_is_one_line_an_image() {
        let image = |name: &str, id: &str| ImageSummary {
            id: format!("sha256:{id}0123456789abcdef"),
            repo_tags: if name.is_empty() { vec![] } else { vec![name.into()] },
            size: 22_400_000,
        };
        let lists = vec![
            (machine("manager1"), vec![image("nginx:1.26", "aa"), image("nginx:1.9", "bb")]),
            (machine("worker1"), vec![image("nginx:1.26", "aa"), image("", "cc")]),
            (machine("worker2"), vec![image("nginx:1.26", "dd"), image("nginx:1.9", "bb")]),
        ];
        insta::assert_snapshot!(table(&rows(lists), 3));
    }

    #[test]
    fn what_became_of_an_image_is_one_line() {
        let put = |image: &str, outcome| Put { image: image.into(), id: "i".into(), outcome };
        let answers = [
            (
                machine("manager1"),
                vec![put("nginx:1.26", Outcome::Present), put("ping:latest", Outcome::Loaded)],
            ),
            (
                machine("worker1"),
                vec![put("nginx:1.26", Outcome::Loaded), put("ping:latest", Outcome::Loaded)],
            ),
        ];
        assert_eq!(
            load_lines(&answers),
            [
                "nginx:1.26: loaded on worker1; present on manager1",
                "ping:latest: loaded on manager1, worker1"
            ]
        );
    }

    #[test]
    fn some_machines_that_failed_are_named_with_their_reasons() {
        let fine = Answer { machine: machine("manager1"), result: Ok(()) };
        let reason = "its engine took nothing for 60 s".into();
        let bad = Answer {
            machine: machine("worker1"),
            result: Err(skep_cluster::ClusterError::Request { reason }),
        };
        let (done, failed) = sort(vec![fine, bad], "does not have all images");
        assert_eq!(done.len(), 1);
        let failure = failed.unwrap_err();
        assert_eq!(failure.exit, Exit::Partly);
        assert_eq!(failure.message, "worker1 does not have all images".into());
        assert_eq!(failure.causes, ["worker1: its engine took nothing for 60 s".into()]);
    }
}
