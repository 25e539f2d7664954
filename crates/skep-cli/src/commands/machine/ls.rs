//! `machine ls`: docker-machine's list, with its filters and formats.

mod filter;
mod item;

use std::time::Duration;

use futures_util::future::join_all;
use skep_cluster::{ClusterError, find::everything, reach::Cluster, status::states};
use skep_model::{ClusterName, MachineState, natural};
use skep_template::{ExecutionError, Objects, Template};
use tokio::time::{Instant, timeout};

use self::{
    filter::Filters,
    item::{FIELDS, Item, TABLE, headers},
};
use super::{columns::aligned, facts::Found};
use crate::{
    args::machine::Ls,
    commands::{hand_on, print_json, print_lines},
    context::Context,
    failure::{Exit, Failure},
    persona::Persona,
};

#[derive(Debug)]
enum Form {
    /// Lined up, with a header.
    Table(Template),
    /// A text for each machine.
    Each(Template),
    Json,
}

/// Lists the machines of one cluster, or of all if none is named.
pub(super) async fn ls(context: &Context, listing: &Ls) -> Result<(), Failure> {
    let filters = Filters::parse(&listing.filter)?;
    let form = form(context.persona, &listing.format)?;
    let (clusters, damaged) = clusters(context)?;
    let mut broken = Vec::new();
    for (name, error) in &damaged {
        broken.extend(Item::damaged(context, name, error));
    }
    let quick = listing.quiet && !filters.need_states() && !filters.need_roles();
    let patience = Duration::from_secs(listing.timeout);
    let asked = clusters.into_iter().map(|cluster| machines(context, cluster, patience, quick));
    let mut items: Vec<Item> = join_all(asked).await.into_iter().flatten().chain(broken).collect();
    // Who is in a swarm is known when the engines have been asked. docker-machine's list does not
    // ask them, and shows what is recorded.
    let roles = context.persona == Persona::Skep;
    let early = roles && filters.need_roles();
    if early {
        ask_engines(context, &mut items, patience, roles).await;
    }
    items.retain(|item| filters.let_through(item));
    items.sort_by(|a, b| {
        let lower = |item: &Item| item.name.to_lowercase();
        natural(&lower(a), &lower(b)).then_with(|| natural(&a.name, &b.name))
    });
    if !listing.quiet && !early {
        ask_engines(context, &mut items, patience, roles).await;
    }
    if context.cancel.is_cancelled() {
        return Err(ClusterError::Cancelled.into());
    }
    if listing.quiet {
        print_lines(items.iter().map(|item| &item.name))?;
    } else {
        show(&form, &items)?;
    }
    match damaged.into_iter().next() {
        // docker-machine's list says it in its last column.
        Some((_, error)) if context.persona == Persona::Skep => Err(error),
        _ => Ok(()),
    }
}

/// The clusters that can be read, and those that cannot, by name.
type Read = (Vec<Cluster>, Vec<(ClusterName, Failure)>);

fn clusters(context: &Context) -> Result<Read, Failure> {
    let home = context.home()?;
    if let Some(name) = &context.global.name {
        return Ok((vec![Cluster::open(&home, name)?], Vec::new()));
    }
    let everything = everything(&home)?;
    let damaged = everything.damaged.into_iter();
    Ok((everything.clusters, damaged.map(|(name, error)| (name, error.into())).collect()))
}

/// A cluster's machines with their states; all are asked of the driver at once.
async fn machines(
    context: &Context,
    cluster: Cluster,
    patience: Duration,
    quick: bool,
) -> Vec<Item> {
    let start = Instant::now();
    let known = if quick { Ok(Ok(Vec::new())) } else { timeout(patience, states(&cluster)).await };
    let took = start.elapsed();
    let machines = cluster.record().machines.clone().into_iter().map(|machine| {
        let (state, error) = match &known {
            Ok(Ok(states)) => {
                let own = states.iter().find(|(other, _)| other.name == machine.name);
                (own.map_or(MachineState::Absent, |(_, state)| *state).to_string(), None)
            }
            Ok(Err(error)) => {
                (MachineState::Failed.to_string(), Some(crate::failure::one_line(error)))
            }
            Err(_) => ("Timeout".to_owned(), None),
        };
        Item::new(context, Found { cluster: cluster.clone(), machine }, state, error, took)
    });
    machines.collect()
}

/// Asks the engines of the machines that run, all at once, for their releases, and for their roles.
async fn ask_engines(context: &Context, items: &mut [Item], patience: Duration, roles: bool) {
    let asked = items.iter_mut().map(|item| item.ask_engine(patience, roles, &context.cancel));
    join_all(asked).await;
}

fn form(persona: Persona, format: &str) -> Result<Form, Failure> {
    let template = |text: &str| {
        // The line's end belongs to the template, so that an error names the line it is in.
        let template = Template::parse(&format!("{text}\n"), Objects::Structs(item::TYPE));
        template.map(Template::with_escapes).map_err(|error| {
            let exit = match persona {
                Persona::Skep => Exit::Usage,
                Persona::DockerMachine => Exit::Failed,
            };
            Failure::new(exit, error.to_string())
        })
    };
    match format {
        "" | "table" => template(TABLE).map(Form::Table),
        "json" => Ok(Form::Json),
        format => match format.strip_prefix("table ") {
            Some(columns) => template(columns.trim_start()).map(Form::Table),
            None if format.contains("{{") => template(format).map(Form::Each),
            None => Err(Failure::usage(format!("--format {format}: there is no such format"))
                .with_fix("write table, json, or a Go template: '{{.Name}}: {{.State}}'")),
        },
    }
}

fn show(form: &Form, items: &[Item]) -> Result<(), Failure> {
    let lines = |template: &Template| {
        let line = |item: &Item| template.render(&item.fields()).map_err(wrong_field);
        items.iter().map(line).collect::<Result<String, Failure>>()
    };
    match form {
        Form::Each(template) => hand_on(&lines(template)?),
        Form::Table(template) => {
            // Fields of fields have no header.
            let header = match template.render(&headers()) {
                Ok(header) => header,
                Err(error)
                    if error.missing.as_deref().is_some_and(|name| !FIELDS.contains(&name)) =>
                {
                    lines(template)?;
                    String::new()
                }
                Err(error) => return Err(wrong_field(error)),
            };
            hand_on(&aligned(&(header + &lines(template)?)))
        }
        Form::Json => print_json("machines", items.iter().map(Item::document).collect::<Vec<_>>()),
    }
}

/// The error for a template that names no field lists those there are.
fn wrong_field(error: ExecutionError) -> Failure {
    let failure = Failure::failed(error.to_string());
    match error.missing {
        Some(_) => failure.with_fix(format!("the fields are {}", FIELDS.join(", "))),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(format: &str) -> Failure {
        form(Persona::Skep, format).unwrap_err()
    }

    #[test]
    fn a_format_is_a_table_json_or_a_template() {
        assert!(matches!(form(Persona::Skep, "table"), Ok(Form::Table(_))));
        assert!(matches!(form(Persona::Skep, "table {{.Name}}"), Ok(Form::Table(_))));
        assert!(matches!(form(Persona::Skep, "json"), Ok(Form::Json)));
        assert!(matches!(form(Persona::Skep, "{{.Name}}"), Ok(Form::Each(_))));
        assert_eq!(refused("yaml").exit, Exit::Usage);
        assert_eq!(refused("{{.Name").exit, Exit::Usage);
        assert_eq!(form(Persona::DockerMachine, "{{.Name").unwrap_err().exit, Exit::Failed);
    }

    #[test]
    fn the_header_of_the_table_is_docker_machines() {
        let Ok(Form::Table(template)) = form(Persona::Skep, "table") else { panic!("a table") };
        let header = aligned(&template.render(&headers()).unwrap());
        assert_eq!(header, "NAME   ACTIVE   DRIVER   STATE   URL   SWARM   DOCKER   ERRORS\n");
        assert_eq!(headers().as_object().unwrap().len(), FIELDS.len());
    }
}
