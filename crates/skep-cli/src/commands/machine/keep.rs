//! `machine rm|provision|regenerate-certs|upgrade|import`: what changes machines that are there.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use skep_cluster::{
    ClusterError,
    guard::{Loss, guard},
    import::{Source, import as take_over},
    machines::{provision as set_up, regenerate_certificates, remove, upgrade as renew},
    reach::Cluster,
};
use skep_model::{Events, MachineName, Reason};

use super::named::named;
use crate::{
    advice::worded,
    args::machine::Take,
    cluster_name::default_cluster,
    commands::{print, print_lines},
    context::Context,
    failure::{Exit, Failure, one_line},
    input,
    persona::Persona,
    visible,
};

/// How long a machine may take where the verb has no option for it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(300);

/// Asks, and reads one line: yes is whatever begins with y, as for docker-machine. `None` is the
/// end of the input.
async fn ask(context: &Context, question: &str) -> Result<Option<bool>, Failure> {
    match context.persona {
        Persona::DockerMachine => print(question)?,
        Persona::Skep => {
            let mut stderr = io::stderr().lock();
            // A question that cannot be shown is not answered.
            let question = visible::text(question);
            let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
        }
    }
    let line = input::answer(&context.cancel).await?;
    Ok(line.map(|line| line.trim_start().to_lowercase().starts_with('y')))
}

/// Prints a text before a question: where docker-machine prints it, or on standard error.
fn preface(context: &Context, text: &str) {
    match context.persona {
        Persona::DockerMachine => context.message(text),
        Persona::Skep => {
            let _ = writeln!(io::stderr(), "{}", visible::text(text));
        }
    }
}

pub(super) async fn rm(
    context: &Context,
    machines: &[String],
    force: bool,
    yes: bool,
) -> Result<(), Failure> {
    let asks = !force && !yes;
    let mut failed: Vec<(String, Failure)> = Vec::new();
    let mut found: Vec<(Cluster, Vec<MachineName>)> = Vec::new();
    for name in machines {
        match place(context, name) {
            Err(failure) => failed.push((name.clone(), failure)),
            Ok((cluster, machine)) => match found
                .iter_mut()
                .find(|(other, _)| other.record().name == cluster.record().name)
            {
                Some((_, machines)) => machines.push(machine),
                None => found.push((cluster, vec![machine])),
            },
        }
    }
    if asks || context.persona == Persona::DockerMachine {
        preface(context, &format!("About to remove {}", machines.join(", ")));
        preface(
            context,
            "WARNING: This action will delete both local reference and remote instance.",
        );
    }
    // Before the question: it names what a yes costs.
    let mut cleared = Vec::new();
    for (cluster, names) in found {
        let guarded = guard(&cluster, &names, Loss::Remove, force, context.operation()).await;
        match guarded {
            Ok(machines) => cleared.push((cluster, names, machines)),
            Err(error @ ClusterError::Guarded { .. }) => return Err(error.into()),
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(error) => not_done(&mut failed, &names, &error),
        }
    }
    if asks {
        match (ask(context, "Are you sure? (y/n): ").await?, context.persona) {
            (Some(true), _) => {}
            (None, Persona::Skep) => return Err(unanswered("removed", "-y")),
            (Some(false) | None, _) => return Ok(()),
        }
    }
    for (cluster, names, machines) in cleared {
        let ended = remove(&cluster, &machines, force, context.operation().within(PATIENCE)).await;
        match ended {
            Ok(()) => {}
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(ClusterError::NotRemoved { failures, .. }) => {
                for failure in failures {
                    failed.push((failure.machine.to_string(), failure.error.into()));
                }
            }
            Err(error) => not_done(&mut failed, &names, &error),
        }
    }
    let gone = machines.iter().filter(|name| !failed.iter().any(|(other, _)| other == *name));
    let gone: Vec<_> = gone.collect();
    match context.persona {
        Persona::DockerMachine => {
            gone.iter()
                .for_each(|name| context.message(format_args!("Successfully removed {name}")));
        }
        Persona::Skep => print_lines(&gone)?,
    }
    if failed.is_empty() {
        return Ok(());
    }
    let mut failure = not_removed(&failed, gone.is_empty(), force);
    if context.persona == Persona::DockerMachine {
        failure.exit = Exit::Failed;
    }
    // As docker-machine: with --force a removal may fail.
    if force {
        context.say(failure.render(context.persona, false).trim_end());
        return Ok(());
    }
    Err(failure)
}

/// Nothing was done to the machines of a cluster, for one reason.
fn not_done(failed: &mut Vec<(String, Failure)>, names: &[MachineName], error: &ClusterError) {
    let text = one_line(error);
    failed.extend(names.iter().map(|name| (name.to_string(), Failure::failed(text.clone()))));
}

/// A question that the end of the input answers.
fn unanswered(done: &str, option: &str) -> Failure {
    Failure::failed(format!("nobody answered, so nothing was {done}"))
        .with_fix(format!("{option} does not ask"))
}

/// Refuses what would cost a swarm of any of the clusters its quorum, before the first is touched.
pub(super) async fn allowed(
    context: &Context,
    clusters: &[(Cluster, Vec<String>)],
    loss: Loss,
) -> Result<(), Failure> {
    for (cluster, names) in clusters {
        let names = names.iter().map(|name| Ok(cluster.machine(name)?.name.clone()));
        let names: Vec<_> = names.collect::<Result<_, ClusterError>>()?;
        // Warnings are given when it is done.
        let quiet = Events::none();
        let operation = skep_context::Context::new(&quiet, &context.cancel);
        guard(cluster, &names, loss, false, operation).await?;
    }
    Ok(())
}

/// What could not be removed, each with its reason.
fn not_removed(failed: &[(String, Failure)], all: bool, force: bool) -> Failure {
    let reason = |failure: &Failure, persona| {
        let chain = std::iter::once(&failure.message).chain(&failure.causes);
        chain.map(|reason| worded(reason, persona)).collect::<Vec<_>>().join(": ")
    };
    let names: Vec<_> = failed.iter().map(|(name, _)| name.as_str()).collect();
    let theirs = failed.iter().map(|(name, failure)| {
        let text = failure.theirs.clone();
        let text = text.unwrap_or_else(|| reason(failure, Persona::DockerMachine));
        let forced = if force { format!("\nCan't remove \"{name}\"") } else { String::new() };
        format!("Error removing host \"{name}\": {text}{forced}")
    });
    let theirs = theirs.collect::<Vec<_>>().join("\n");
    let causes =
        failed.iter().map(|(name, failure)| format!("{name}: {}", reason(failure, Persona::Skep)));
    let exit = if all { Exit::Failed } else { Exit::Partly };
    Failure::new(exit, format!("{} could not be removed", names.join(" and ")))
        .listing(causes.collect::<Vec<_>>())
        .with_theirs(theirs)
}

/// A machine's cluster, and its name.
fn place(context: &Context, name: &str) -> Result<(Cluster, MachineName), Failure> {
    let cluster = context.cluster_of(name)?;
    let machine = cluster.machine(name)?.name.clone();
    Ok((cluster, machine))
}

pub(super) async fn provision(context: &Context, args: &Take) -> Result<(), Failure> {
    let Take { switch: args, force } = args;
    let machines = named(context, &args.machines)?;
    let clusters = context.clusters_of(&machines)?;
    if !force && clusters.len() > 1 {
        allowed(context, &clusters, Loss::Restart).await?;
    }
    for (cluster, names) in clusters {
        set_up(&cluster, &names, *force, context.operation().within(args.timeout)).await?;
    }
    done(context, &machines)
}

pub(super) async fn regenerate(
    context: &Context,
    machines: &[String],
    force: bool,
    client: bool,
) -> Result<(), Failure> {
    if !force {
        // Before the question. A missing machine is reported after it, as docker-machine does.
        if let Ok(clusters) = named(context, machines).and_then(|all| context.clusters_of(&all)) {
            allowed(context, &clusters, Loss::Restart).await?;
        }
        let question = "Regenerate TLS machine certs?  Warning: this is irreversible. (y/n): ";
        match ask(context, question).await? {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => return Err(unanswered("done", "--force").with_theirs("EOF")),
        }
    }
    context.message("Regenerating TLS certificates");
    let machines = named(context, machines)?;
    let clusters = context.clusters_of(&machines)?;
    if client {
        context.message("Regenerating local certificates");
    }
    for (place, (cluster, names)) in clusters.iter().enumerate() {
        // The store has one client certificate, for all of them.
        let client = client && place == 0;
        regenerate_certificates(
            cluster,
            names,
            client,
            force,
            context.operation().within(PATIENCE),
        )
        .await?;
    }
    done(context, &machines)
}

pub(super) async fn upgrade(context: &Context, args: &Take) -> Result<(), Failure> {
    let Take { switch: args, force } = args;
    let machines = named(context, &args.machines)?;
    let clusters = context.clusters_of(&machines)?;
    if !force && clusters.len() > 1 {
        allowed(context, &clusters, Loss::Restart).await?;
    }
    for (cluster, names) in clusters {
        let renewed =
            renew(&cluster, &names, *force, context.operation().within(args.timeout)).await;
        renewed.map_err(|error| {
            let failure = Failure::from(error);
            match failure.exit {
                Exit::Interrupted | Exit::Preflight => failure,
                _ => failure.with_fix(
                    "a machine of skep's own system is as new as that is: `skep machine rm` and \
                     `skep machine create` make it anew",
                ),
            }
        })?;
    }
    done(context, &machines)
}

/// Ends a verb that worked on machines: under skep's name with theirs.
fn done(context: &Context, machines: &[String]) -> Result<(), Failure> {
    match context.persona {
        Persona::DockerMachine => Ok(()),
        Persona::Skep => print_lines(machines),
    }
}

pub(super) async fn import(
    context: &Context,
    from: Option<&Path>,
    machines: &[String],
    renamed: &[(String, MachineName)],
    dry_run: bool,
) -> Result<(), Failure> {
    let set = |name: &str| context.environment(name).filter(|value| !value.is_empty());
    let from = from
        .map(Path::to_owned)
        .or_else(|| set("MACHINE_STORAGE_PATH").map(PathBuf::from))
        .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".docker/machine")));
    let from = from.ok_or_else(|| {
        Failure::usage("HOME is not set: say where docker-machine's store is with --from")
    })?;
    let home = context.home()?;
    let source = Source {
        from: &from,
        only: machines,
        renamed,
        cluster: context.global.name.clone(),
        default_cluster: default_cluster(),
        dry_run,
    };
    let imported = take_over(&home, &source, context.operation().within(PATIENCE)).await?;
    let mut failed = Vec::new();
    let mut taken = 0;
    for one in &imported {
        match &one.outcome {
            Ok(name) => {
                taken += 1;
                print(&format!("{name}\n"))?;
            }
            Err(reason) => failed
                .push(Reason { text: format!("{}: {}", one.entry, reason.text), ..reason.clone() }),
        }
    }
    if failed.is_empty() {
        context.say(&match (taken, dry_run) {
            (0, _) => format!("There are no machines in {}.", from.display()),
            (_, true) => "They would be taken over; nothing was touched.".to_owned(),
            (_, false) => "Their engines trust docker-machine's certificates until \
                           `skep machine provision` gives them this store's."
                .to_owned(),
        });
        return Ok(());
    }
    let exit = if taken > 0 { Exit::Partly } else { Exit::Failed };
    let count = match failed.len() {
        1 => "one machine was".to_owned(),
        many => format!("{many} machines were"),
    };
    Err(Failure::new(exit, format!("{count} not taken over")).listing(failed))
}
