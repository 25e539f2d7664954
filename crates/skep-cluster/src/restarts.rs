//! Engines restarted in an order that services outlive.
//!
//! | what runs in the swarm | order |
//! |---|---|
//! | no tasks, or there is no swarm | all engines at once, managers too |
//! | tasks | workers without any at once; then managers, one by one; then nodes with tasks, one by one |
//! | no manager answers | one by one |
//!
//! Where tasks run, the next engine waits until the node is ready again and every service that had
//! tasks there has as many as before. So a service of several tasks is never down as a whole. With
//! `drain` the tasks move away first, and the node's availability is put back afterwards, whatever
//! happened in between.

mod drained;
mod picture;

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use futures_util::future::join_all;
use skep_context::{Context, Polled, after, poll_until};
use skep_guest::certificate::restart_engine;
use skep_model::{Advice, MachineName, Reason};
use skep_service::{Services, api::Id};
use skep_swarm::{Expected, Swarm};
use tokio::time::Instant;

pub use self::drained::put_back;
pub use self::picture::How;
use self::picture::{Load, World};
use crate::{ClusterError, MachineRecord, answers::Answer, reach::Cluster};

/// How long nodes may take to be ready again after their engines were restarted.
const READY_AGAIN: Duration = Duration::from_secs(60);

/// How long services may take to have again as many tasks as before.
const WHOLE_AGAIN: Duration = Duration::from_secs(120);

/// Between two looks at the tasks.
const LOOK: Duration = Duration::from_millis(250);

/// Restarts the engines of machines, in order.
///
/// # Errors
/// [`ClusterError::Cancelled`]; what fails on one machine is its answer.
pub async fn engines(
    cluster: &Cluster,
    names: &[MachineName],
    drain: bool,
    context: Context<'_>,
) -> Result<Vec<Answer<()>>, ClusterError> {
    let machines: Vec<_> =
        names.iter().map(|name| cluster.machine(name.as_str())).collect::<Result<_, _>>()?;
    let how = How { drain, certain: true };
    in_order(cluster, &machines, how, context, async |machine| {
        let guest = cluster.guest(machine, context.cancel).await?;
        let step = context.events.step(&machine.name, "restarting the engine");
        step.end_with(restart_engine(&guest, context.cancel).await)?;
        Ok(())
    })
    .await
}

/// Does something that restarts, or may restart, engines to machines in order, after a warning of
/// what that interrupts. After a failure where tasks run, machines that have tasks are left alone.
///
/// # Errors
/// As [`engines`].
pub(crate) async fn in_order<T>(
    cluster: &Cluster,
    machines: &[&MachineRecord],
    how: How,
    context: Context<'_>,
    work: impl AsyncFn(&MachineRecord) -> Result<T, ClusterError>,
) -> Result<Vec<Answer<T>>, ClusterError> {
    let Context { events, cancel, .. } = context;
    if machines.is_empty() {
        return Ok(Vec::new());
    }
    if let Err(error) = put_back(cluster, context).await {
        let text = format!("a node is still drained by an interrupted command: {error}");
        events.warn("", Reason::about(text, &error));
    }
    let world = picture::look(cluster, machines, cancel).await?;
    let names: Vec<_> = machines.iter().map(|machine| &machine.name).collect();
    if let Some(text) = world.announcement(&names, how) {
        events.warn("", text);
    }
    let restart = Restart { cluster, how, context };
    let mut answers = Vec::new();
    let mut stopped: Option<MachineName> = None;
    for batch in world.batches(&names) {
        let batch: Vec<_> = batch.into_iter().filter_map(|place| machines.get(place)).collect();
        if cancel.is_cancelled() {
            return Err(ClusterError::Cancelled);
        }
        if let Some(before) = &stopped {
            let reason = format!("left alone, since {before} is not as it was before");
            answers.extend(batch.iter().map(|machine| Answer {
                machine: machine.name.clone(),
                result: Err(ClusterError::Request { reason: reason.clone().into() }),
            }));
            continue;
        }
        let alone = match batch.as_slice() {
            [one] if world.has_tasks() || matches!(world, World::Silent { .. }) => Some(*one),
            _ => None,
        };
        let Some(machine) = alone else {
            let each = batch.iter().map(|machine| async {
                Answer { machine: machine.name.clone(), result: work(machine).await }
            });
            answers.extend(join_all(each).await);
            let own = batch.iter().map(|machine| machine.name.as_str());
            restart.see_ready(&world, own).await?;
            continue;
        };
        let result = restart.alone(machine, &world, &work).await;
        if result.is_err() {
            stopped = Some(machine.name.clone());
        }
        answers.push(Answer { machine: machine.name.clone(), result });
    }
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if stopped.is_none() {
        // A manager that came last hears of the other nodes a moment after it is ready itself.
        restart.see_ready(&world, names.iter().map(|name| name.as_str())).await?;
    }
    let place = |name: &MachineName| names.iter().position(|other| *other == name);
    answers.sort_by_key(|answer| place(&answer.machine));
    Ok(answers)
}

/// What every restart here takes.
#[derive(Clone, Copy)]
struct Restart<'a> {
    cluster: &'a Cluster,
    how: How,
    context: Context<'a>,
}

impl Restart<'_> {
    /// One machine of a swarm that runs tasks, until all is as before.
    async fn alone<T>(
        &self,
        machine: &MachineRecord,
        first: &World,
        work: &impl AsyncFn(&MachineRecord) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        // Others' restarts have moved tasks since the first look; and a manager that was restarted
        // hears of its nodes, and so of their tasks, a moment later.
        let world = match first {
            World::Silent { .. } | World::None => return work(machine).await,
            World::Swarm { .. } => {
                self.see_ready(first, first.ready()).await?;
                self.look_again(machine).await?
            }
        };
        let Some(load) = world.load(&machine.name).cloned() else { return work(machine).await };
        let drains = self.how.drain && !load.tasks.is_empty();
        let done = async {
            if drains {
                drained::drain(self.cluster, machine, &load, self.context).await?;
            }
            let before = self.engine_process(machine).await;
            let done = work(machine).await?;
            // An engine that `work` left alone has kept its tasks: there is nothing to wait for.
            let restarted = before.is_none() || self.engine_process(machine).await != before;
            self.see_ready(&world, [machine.name.as_str()]).await?;
            // Tasks that were drained run elsewhere by now, and nothing moves them back.
            if restarted && !drains {
                self.see_tasks_back(&load).await?;
            }
            Ok(done)
        };
        let done = done.await;
        let back = drained::give_back(self.cluster, machine, self.context.events).await;
        done.and_then(|done| back.map(|()| done))
    }

    /// Distinguishes one run of an engine from another.
    async fn engine_process(&self, machine: &MachineRecord) -> Option<String> {
        if !machine.system().has_login() {
            return None;
        }
        // On some hosts they are two directories: see `skep_guest::adopt::profile`.
        let script = "cat /run/docker.pid /var/run/docker.pid 2>/dev/null || :";
        let ask = skep_guest::Command::script("asking which engine runs", script).as_root();
        let guest = self.cluster.guest(machine, self.context.cancel).await.ok()?;
        let text = guest.run(&ask, self.context.cancel).await.ok()?.text();
        Some(text).filter(|text| !text.is_empty())
    }

    /// What runs where, from a manager that may have been restarted just now.
    async fn look_again(&self, machine: &MachineRecord) -> Result<World, ClusterError> {
        let cancel = self.context.cancel;
        let looked = poll_until(cancel, LOOK, after(READY_AGAIN), async || {
            let world = picture::look(self.cluster, &[machine], cancel).await?;
            Ok::<_, ClusterError>(match world {
                World::Swarm { .. } => ControlFlow::Break(world),
                World::Silent { .. } | World::None => ControlFlow::Continue(world),
            })
        });
        let reason = match looked.await? {
            Polled::Met(world) => return Ok(world),
            Polled::Cancelled(_) => return Err(ClusterError::Cancelled),
            Polled::Late(World::Silent { reason }) => {
                format!("no manager tells what runs there any more: {reason}")
            }
            Polled::Late(_) => "it is in no swarm any more".to_owned(),
        };
        Err(ClusterError::Request { reason: reason.into() })
    }

    /// Waits until the nodes of these names are ready in the swarm again, if they were.
    async fn see_ready<'n>(
        &self,
        world: &World,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<(), ClusterError> {
        let expected: Vec<_> = names
            .into_iter()
            .filter_map(|name| world.of(name))
            .filter(|load| load.was_ready)
            .map(|load| {
                let expected = Expected::id(&load.node);
                if load.is_manager { expected.as_manager() } else { expected }
            })
            .collect();
        if expected.is_empty() {
            return Ok(());
        }
        let step = self.context.events.step("", "waiting until every node is ready");
        let ready = async {
            let (end, cancel) = (after(READY_AGAIN), self.context.cancel);
            // Managers whose engines have just been started elect a leader first.
            let found =
                poll_until(cancel, LOOK, end, async || match self.cluster.manager(cancel).await {
                    Ok((engine, _)) => Ok(ControlFlow::Break(engine)),
                    Err(error) if error.is_cancelled() => Err(error),
                    Err(error) => Ok(ControlFlow::Continue(error)),
                });
            let engine = match found.await? {
                Polled::Met(engine) => engine,
                Polled::Late(error) => return Err(error),
                Polled::Cancelled(_) => return Err(ClusterError::Cancelled),
            };
            let left = end.saturating_duration_since(Instant::now()).max(LOOK);
            Swarm::new(&engine).wait_until_ready(&expected, left, cancel).await?;
            Ok(())
        };
        step.end_with(ready.await)
    }

    /// Waits until every service that had tasks on a node has as many as before, of which none is
    /// one that the restart has ended: a manager hears of their end from the node, a moment later.
    async fn see_tasks_back(&self, load: &Load) -> Result<(), ClusterError> {
        let cancel = self.context.cancel;
        if load.services.is_empty() {
            return Ok(());
        }
        let step = self.context.events.step("", "waiting until the tasks run again");
        let back = poll_until(cancel, LOOK, after(WHOLE_AGAIN), async || {
            let missing = match self.missing(load).await {
                Ok(missing) if missing.is_empty() => return Ok(ControlFlow::Break(())),
                Ok(missing) => missing.join(", "),
                Err(error) if error.is_cancelled() => return Err(ClusterError::Cancelled),
                // The manager that was asked may be the one that was restarted.
                Err(error) => error.to_string(),
            };
            step.progress(&missing);
            Ok(ControlFlow::Continue(missing))
        });
        let back = back.await.and_then(|polled| match polled {
            Polled::Met(()) => Ok(()),
            Polled::Cancelled(_) => Err(ClusterError::Cancelled),
            Polled::Late(missing) => {
                let seconds = WHOLE_AGAIN.as_secs();
                let text = format!("not everything runs again after {seconds} s: {missing}");
                Err(ClusterError::Request { reason: Reason::new(text, Advice::ShowTasks) })
            }
        });
        step.end_with(back)
    }

    /// The services that are not whole again, each with what there is.
    async fn missing(&self, load: &Load) -> Result<Vec<String>, ClusterError> {
        let cancel = self.context.cancel;
        let (engine, _) = self.cluster.manager(cancel).await?;
        let services = Services::new(&engine);
        let (all, tasks) = (services.list(cancel).await, services.tasks(&[], cancel).await);
        let (all, tasks) = (all.map_err(picture::error)?, tasks.map_err(picture::error)?);
        let counts: BTreeMap<&Id, usize> = picture::running(&tasks)
            .filter(|task| !load.ids.contains(&task.id))
            .fold(BTreeMap::new(), |mut counts, task| {
                *counts.entry(&task.service_id).or_default() += 1;
                counts
            });
        let mut missing = Vec::new();
        for service in &all {
            let Some(before) = load.services.get(&service.id) else { continue };
            // A service that was scaled down meanwhile is whole with what it wants now.
            let wanted = (*before).min(picture::replicas(service).unwrap_or(*before));
            let there = counts.get(&service.id).copied().unwrap_or_default();
            if there < wanted {
                missing.push(format!("service {}: {there} of {wanted} tasks", service.spec.name));
            }
        }
        Ok(missing)
    }
}
