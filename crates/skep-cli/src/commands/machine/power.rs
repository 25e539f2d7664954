//! `machine start|stop|restart|kill`.

use skep_cluster::{
    ClusterError, MachineFailure,
    power::{Power, power as change},
    reach::Cluster,
    status::states,
};
use skep_machine::MachineError;
use skep_model::MachineState;

use super::named::named;
use crate::{
    advice::worded,
    args::machine::Switch,
    commands::print_lines,
    context::Context,
    failure::{Exit, Failure, one_line},
    persona::Persona,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    On,
    /// Off, after asking.
    Off,
    Cut,
    /// Off and on again.
    Again,
}

impl Step {
    /// docker-machine's message as it begins.
    fn begins(self) -> &'static str {
        match self {
            Step::On => "Starting",
            Step::Off => "Stopping",
            Step::Cut => "Killing",
            Step::Again => "Restarting",
        }
    }

    /// docker-machine's message about a machine afterwards.
    fn ended(self) -> Option<&'static str> {
        match self {
            Step::On => Some("started"),
            Step::Off => Some("stopped"),
            Step::Cut => Some("killed"),
            Step::Again => None,
        }
    }

    /// The state in which docker-machine finds nothing to do, and its word for that.
    fn already(self) -> Option<(MachineState, &'static str)> {
        match self {
            Step::On => Some((MachineState::Running, "running")),
            Step::Off | Step::Cut => Some((MachineState::Stopped, "stopped")),
            Step::Again => None,
        }
    }
}

/// Takes machines through a step, and prints their names. What would cost a swarm its quorum is
/// refused unless forced, for the machines of all clusters before the first is touched.
pub(super) async fn switch(
    context: &Context,
    args: &Switch,
    step: Step,
    force: bool,
) -> Result<(), Failure> {
    let machines = named(context, &args.machines)?;
    let power = match step {
        Step::On => Power::On,
        Step::Off => Power::Off,
        Step::Cut => Power::Cut,
        Step::Again => Power::Again,
    };
    let clusters = context.clusters_of(&machines)?;
    let at_once = clusters.len() == 1 && context.persona == Persona::Skep;
    if let (Some(loss), false, false) = (power.loss(), force, at_once) {
        super::keep::allowed(context, &clusters, loss).await?;
    }
    let operation = context.operation().within(args.timeout);
    if context.persona == Persona::DockerMachine {
        return as_docker_machine(context, &clusters, step, power, force, operation).await;
    }
    for (cluster, names) in &clusters {
        change(cluster, names, power, force, operation).await?;
    }
    print_lines(&machines)
}

/// The same in docker-machine's words: there a machine that is so already is a failure.
async fn as_docker_machine(
    context: &Context,
    clusters: &[(Cluster, Vec<String>)],
    step: Step,
    power: Power,
    force: bool,
    operation: skep_context::Context<'_>,
) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for (cluster, names) in clusters {
        let found = states(cluster).await?;
        let state = |name: &String| {
            let mut found = found.iter().filter(|(machine, _)| machine.name.as_str() == name);
            found.next().map_or(MachineState::Absent, |(_, state)| *state)
        };
        let mut meant = Vec::new();
        for name in names {
            context.message(format_args!("{} \"{name}\"...", step.begins()));
            match step.already() {
                Some((already, word)) if state(name) == already => {
                    wrong.push(format!("Machine \"{name}\" is already {word}."));
                }
                _ => meant.push(name.clone()),
            }
        }
        let changed = change(cluster, &meant, power, force, operation).await;
        let failures = match changed {
            Ok(()) => Vec::new(),
            Err(ClusterError::Partly { failures, .. }) => failures,
            Err(error) => return Err(error.into()),
        };
        let failed = |name: &String| failures.iter().any(|one| one.machine.as_str() == name);
        for name in meant.iter().filter(|name| !failed(name)) {
            if let Some(ended) = step.ended() {
                context.message(format_args!("Machine \"{name}\" was {ended}."));
            }
        }
        if matches!(step, Step::On | Step::Again) && meant.iter().any(|name| !failed(name)) {
            context.message(format_args!(
                "{}ed machines may have new IP addresses. You may need to re-run the \
                 `docker-machine env` command.",
                step.begins().trim_end_matches("ing")
            ));
        }
        wrong.extend(failures.iter().map(|failure| reason(cluster, failure, step)));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, wrong.join("\n")))
}

/// Why a machine failed, in docker-machine's words where it has some.
fn reason(cluster: &Cluster, failure: &MachineFailure, step: Step) -> String {
    let has_login = cluster.record().driver.features().system.has_login();
    match &failure.error {
        _ if !has_login && step == Step::Again => {
            "hosts without a driver cannot be restarted".into()
        }
        ClusterError::Machine(MachineError::Driver { reason, .. }) if !has_login => {
            worded(reason, Persona::DockerMachine)
        }
        other => one_line(other),
    }
}
