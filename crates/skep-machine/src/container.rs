//! Machines that are containers on the host's Docker Engine, each with an engine and an SSH
//! server of its own.
//!
//! One container, one volume (the inner engine's data) and one address per machine; one bridge
//! network per cluster. `objects` says what they are called and labelled, `privileges` what a
//! container is given, `preflight` what is looked at first, `image` how the guest system gets
//! into the engine, `network` and `removal` what their names say. The host reaches a machine at its address on the bridge, so the engine must
//! run on this very host.

mod api;
mod attach;
mod image;
mod kernel;
mod network;
mod objects;
pub(crate) mod options;
mod preflight;
mod privileges;
mod removal;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use bollard::{
    Docker,
    models::{ContainerSummary, ContainerSummaryStateEnum},
    query_parameters::{
        CreateContainerOptions, InspectContainerOptions, KillContainerOptions,
        ListContainersOptions, ListVolumesOptions, LogsOptions, StartContainerOptions,
        StopContainerOptions, UploadToContainerOptions,
    },
};
use futures_util::StreamExt;
use ipnet::Ipv4Net;
use skep_context::cancellable;
use skep_engine::{EndpointError, Engine, EngineError};
use skep_model::{Check, ClusterName, MachineName, MachineState, Port};
use skep_store::{Journal, Resource};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use self::{
    api::{api, is_status},
    privileges::Privileges,
};
pub use self::{image::remove_image, preflight::IPVS};
use crate::{
    Driver, GuestSystems, MachineError, MachineId, MachinePlan, Request, Work, host::HostRoot,
};

/// How long the host's engine may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(10);
/// How long it may take to make or remove a container.
const REQUEST: Duration = Duration::from_secs(60);
/// How often the engine is asked whether it has finished what an interrupted command began.
const POLL: Duration = Duration::from_millis(50);
/// How long the guest is asked to power off before it is not asked any more: its engine gives
/// containers ten seconds, one after another where they need each other.
const GRACE_SECONDS: i32 = 30;

/// The unix socket of the host's engine; or why the engine that was named cannot be the one,
/// which is an error only once it is asked for something.
pub type Socket = Result<PathBuf, EndpointError>;

/// The `container` driver.
pub struct ContainerDriver {
    host: HostRoot,
    socket: Socket,
    store: String,
    os: GuestSystems,
    engine: OnceCell<Engine>,
    client: OnceCell<Docker>,
}

impl fmt::Debug for ContainerDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerDriver").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl ContainerDriver {
    /// A driver on the engine that answers at `socket`, or on none, for the store with the id `store`, with
    /// guests built by what `os` gives. `root` is the host's root directory. Nothing is touched or
    /// asked yet.
    pub fn new(
        root: impl Into<PathBuf>,
        socket: Socket,
        store: impl Into<String>,
        os: GuestSystems,
    ) -> Self {
        let (host, store) = (HostRoot::new(root), store.into());
        Self { host, socket, store, os, engine: OnceCell::new(), client: OnceCell::new() }
    }

    async fn engine(&self) -> Result<&Engine, EngineError> {
        let connect = async {
            // A token of its own: the connection is shared, and outlives the operation that asked
            // first.
            Engine::connect(&self.socket.clone()?, GREETING, &CancellationToken::new()).await
        };
        self.engine.get_or_try_init(|| connect).await
    }

    /// bollard's client of the engine.
    async fn client(&self) -> Result<&Docker, EngineError> {
        let engine = self.engine().await?;
        self.client.get_or_try_init(async || api::client(engine)).await
    }

    async fn privileges(&self) -> Privileges {
        Privileges::of_engine(self.socket.as_deref().unwrap_or(Path::new("")), &self.host).await
    }

    /// The container of a machine, if it is there, found by its labels.
    async fn find(&self, id: &MachineId) -> Result<Option<ContainerSummary>, EngineError> {
        let mut filters = objects::cluster_filter(&self.store, &id.cluster);
        let machine = format!("{}={}", objects::MACHINE_LABEL, id.machine);
        filters.entry("label".into()).or_default().push(machine);
        let options =
            ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found = self.client().await?.list_containers(Some(options)).await;
        let found = found.map_err(api("list containers"))?;
        Ok(found.into_iter().next())
    }

    /// The engine's id of a machine that must be there.
    async fn must_find(
        &self,
        id: &MachineId,
        action: &'static str,
    ) -> Result<String, MachineError> {
        let found = self.must_look(id, action).await?;
        found.id.ok_or_else(|| id.missing())
    }

    /// What the engine lists of a machine that must be there; one that is being removed is not.
    async fn must_look(
        &self,
        id: &MachineId,
        action: &'static str,
    ) -> Result<ContainerSummary, MachineError> {
        let found = self.find(id).await.map_err(|source| refused(id, action, source))?;
        let found = found.filter(|container| !removal::is_leaving(container));
        found.ok_or_else(|| id.missing())
    }

    async fn make(&self, plan: &MachinePlan, journal: &Journal) -> Result<(), MachineError> {
        let id = &plan.id;
        let refuse = |source| refused(id, "make", source);
        let docker = self.docker(id, "make").await?;
        if let Some(existing) = self.find(id).await.map_err(refuse)? {
            // The seed is uploaded last: one that was never started may lack it.
            let is_whole = existing.state != Some(ContainerSummaryStateEnum::CREATED);
            if is_whole && !removal::is_leaving(&existing) {
                return self.attach(id, &existing, plan.address).await.map_err(refuse);
            }
            removal::remove_container(docker, &existing.id.unwrap_or_default())
                .await
                .map_err(refuse)?;
        }
        let volume = objects::volume(id);
        journal.intent(&volume)?;
        let made = docker
            .create_volume(objects::volume_request(&self.store, id))
            .await
            .map_err(|error| refuse(api("create the volume")(error)))?;
        // Asked for a volume that is there, the engine returns that one, with the labels it has.
        if made.labels != objects::machine_labels(&self.store, id) {
            let cluster = id.cluster.clone();
            return Err(MachineError::Foreign { resource: volume, cluster });
        }
        journal.made(&volume)?;
        let container = objects::container(id);
        let options =
            CreateContainerOptions { name: Some(container.name.clone()), ..Default::default() };
        let request = objects::container_request(
            &self.store,
            plan,
            self.networks(&id.cluster).await.map_err(refuse)?.0,
            &image::tag(&(self.os)()?),
            &self.privileges().await,
            self.host.path("/lib/modules").is_dir(),
        );
        journal.intent(&container)?;
        let create = async {
            loop {
                let created = docker.create_container(Some(options.clone()), request.clone());
                match created.await {
                    Ok(_) => return Ok(()),
                    Err(error) if is_status(&error, 409) => self.free_name(docker, id).await?,
                    Err(error) => {
                        if matches!(error, bollard::errors::Error::DockerResponseServerError { .. })
                        {
                            // The engine has said no: nothing comes of the intent.
                            journal.gone(&container)?;
                        }
                        return Err(refuse(api("create the container")(error)));
                    }
                }
            }
        };
        match tokio::time::timeout(REQUEST, create).await {
            Ok(created) => created?,
            Err(_) => {
                return Err(MachineError::Driver {
                    machine: id.machine.clone(),
                    action: "make",
                    reason: format!(
                        "the engine keeps the name {} for a container that it does not finish: \
                         restart the engine",
                        container.name
                    )
                    .into(),
                });
            }
        }
        let upload = UploadToContainerOptions { path: "/".into(), ..Default::default() };
        let seed = bollard::body_full(plan.seed.to_tar(plan.written)?.into());
        let uploaded = docker.upload_to_container(&container.name, Some(upload), seed).await;
        uploaded.map_err(|error| refuse(api("upload the seed")(error)))?;
        Ok(journal.made(&container)?)
    }

    /// Frees a machine's name for its container. What has the name is either not skep's, or
    /// it was being made for this machine when a command was interrupted: the engine finishes
    /// such a request all the same, and until it has, there is nothing but the name.
    async fn free_name(&self, docker: &Docker, id: &MachineId) -> Result<(), MachineError> {
        let container = objects::container(id);
        let found = docker.inspect_container(&container.name, None::<InspectContainerOptions>);
        let found = match found.await {
            Ok(found) => found,
            Err(error) if is_status(&error, 404) => {
                tokio::time::sleep(POLL).await;
                return Ok(());
            }
            Err(error) => return Err(refused(id, "make", api("inspect the container")(error))),
        };
        // The image has labels too, so there are more than a machine's.
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let ours = objects::machine_labels(&self.store, id);
        if !ours.iter().all(|(name, value)| labels.get(name) == Some(value)) {
            return Err(MachineError::Foreign { resource: container, cluster: id.cluster.clone() });
        }
        let removed = removal::remove_container(docker, &found.id.unwrap_or_default()).await;
        removed.map_err(|source| refused(id, "make", source))
    }
}

#[async_trait]
impl Driver for ContainerDriver {
    async fn preflight(&self, request: &Request, cancel: &CancellationToken) -> Vec<Check> {
        let looked = cancel.run_until_cancelled(preflight::look(self, request));
        looked.await.unwrap_or_default()
    }

    async fn prepare(
        &self,
        cluster: &ClusterName,
        wanted: Option<Ipv4Net>,
        work: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        image::ensure(self, work).await?;
        let made = Box::pin(self.make_network(cluster, wanted));
        work.make(&objects::network(cluster), made).await.map(Some)
    }

    fn resource(&self, id: &MachineId) -> Resource {
        objects::container(id)
    }

    /// Every port of a machine answers at its address as it is.
    async fn publish(
        &self,
        id: &MachineId,
        _: &[Port],
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        cancellable(cancel, self.must_find(id, "publish ports of")).await.map(drop)
    }

    async fn create(&self, plan: &MachinePlan, work: Work<'_>) -> Result<(), MachineError> {
        let made = cancellable(work.context.cancel, Box::pin(self.make(plan, work.journal))).await;
        if let Err(MachineError::Foreign { resource, .. }) = &made {
            // It is there and is not ours: nothing of ours came of the intent.
            work.journal.gone(resource)?;
        }
        made
    }

    async fn start(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        let start = Box::pin(async {
            let found = self.must_look(id, "start").await?;
            let docker = self.docker(id, "start").await?;
            let container = found.id.clone().unwrap_or_default();
            self.restore(id, &found).await?;
            let started = docker.start_container(&container, None::<StartContainerOptions>).await;
            let started = match started {
                Err(error) if is_status(&error, 409) => {
                    // It was paused outside of skep; or it is being removed since it was looked at.
                    let unpaused = docker.unpause_container(&container).await;
                    if unpaused.is_err() {
                        self.must_look(id, "start").await?;
                    }
                    unpaused.map_err(|_| error)
                }
                Err(error) if is_status(&error, 404) => {
                    self.must_look(id, "start").await?;
                    Err(error)
                }
                other => other,
            };
            started.map_err(|error| refused(id, "start", api("start")(error)))
        });
        cancellable(cancel, start).await
    }

    async fn stop(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, async {
            let container = self.must_find(id, "stop").await?;
            let docker = self.docker(id, "stop").await?;
            let options = StopContainerOptions { t: Some(GRACE_SECONDS), ..Default::default() };
            let stopped = docker.stop_container(&container, Some(options)).await;
            stopped.map_err(|error| refused(id, "stop", api("stop")(error)))
        })
        .await
    }

    async fn kill(&self, id: &MachineId, cancel: &CancellationToken) -> Result<(), MachineError> {
        cancellable(cancel, async {
            let container = self.must_find(id, "kill").await?;
            let docker = self.docker(id, "kill").await?;
            match docker.kill_container(&container, None::<KillContainerOptions>).await {
                // It does not run: that is what was asked for.
                Err(error) if is_status(&error, 409) => Ok(()),
                other => other.map_err(|error| refused(id, "kill", api("kill")(error))),
            }
        })
        .await
    }

    async fn states(
        &self,
        cluster: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let action = format!("list the machines of cluster {cluster}");
        let shared = |source| MachineError::Shared { action: action.clone(), source };
        let docker = self.client().await.map_err(shared)?;
        let filters = objects::cluster_filter(&self.store, cluster);
        let options =
            ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
        let found = docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| shared(api("list containers")(error)))?;
        Ok(found
            .into_iter()
            .filter_map(|container| {
                let name = container.labels.as_ref()?.get(objects::MACHINE_LABEL)?.parse().ok()?;
                // One that is being removed is as good as gone.
                Some((name, state(&container, cluster)?))
            })
            .collect())
    }

    /// A container's machine is on its volume: a container that is gone is made again around it.
    async fn disks(&self, cluster: &ClusterName) -> Result<BTreeSet<MachineName>, MachineError> {
        let action = format!("list the disks of cluster {cluster}");
        let shared = |source| MachineError::Shared { action: action.clone(), source };
        let docker = self.client().await.map_err(shared)?;
        let filters = Some(objects::cluster_filter(&self.store, cluster));
        let found = docker.list_volumes(Some(ListVolumesOptions { filters })).await;
        let found = found.map_err(|error| shared(api("list volumes")(error)))?;
        let machine = |labels: &std::collections::HashMap<String, String>| {
            labels.get(objects::MACHINE_LABEL)?.parse().ok()
        };
        let volumes = found.volumes.unwrap_or_default();
        Ok(volumes.iter().filter_map(|volume| machine(&volume.labels)).collect())
    }

    async fn console(&self, id: &MachineId) -> Result<String, MachineError> {
        let container = self.must_find(id, "read the console of").await?;
        let docker = self.docker(id, "read the console of").await?;
        let options =
            LogsOptions { stdout: true, stderr: true, tail: "40".into(), ..Default::default() };
        let mut text = String::new();
        let mut logs = std::pin::pin!(docker.logs(&container, Some(options)));
        while let Some(chunk) = logs.next().await {
            let chunk =
                chunk.map_err(|error| refused(id, "read the console of", api("logs")(error)))?;
            text.push_str(&chunk.to_string());
        }
        Ok(text)
    }

    async fn remove(&self, id: &MachineId, work: Work<'_>) -> Result<(), MachineError> {
        let (container, volume) = (objects::container(id), objects::volume(id));
        cancellable(work.context.cancel, async {
            let refuse = |source| refused(id, "remove", source);
            let found = self.list(&id.cluster).await.map_err(refuse)?;
            let own = |resource: &Resource| *resource == container || *resource == volume;
            self.remove_labelled(own, found, work.journal).await
        })
        .await?;
        work.journal.gone(&container)?;
        Ok(work.journal.gone(&volume)?)
    }

    async fn resources(&self, cluster: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        let found = self.list(cluster).await.map_err(|source| MachineError::Shared {
            action: format!("list what cluster {cluster} has"),
            source,
        })?;
        Ok(found.into_iter().map(|found| found.resource).collect())
    }

    async fn remove_resource(
        &self,
        cluster: &ClusterName,
        resource: &Resource,
        work: Work<'_>,
    ) -> Result<(), MachineError> {
        let shared = |source| MachineError::Shared { action: format!("remove {resource}"), source };
        cancellable(work.context.cancel, async {
            // What lacks the labels is not this store's and stays.
            let found = self.list(cluster).await.map_err(shared)?;
            self.remove_labelled(|other| other == resource, found, work.journal).await
        })
        .await?;
        Ok(work.journal.gone(resource)?)
    }
}

impl ContainerDriver {
    async fn docker(&self, id: &MachineId, action: &'static str) -> Result<&Docker, MachineError> {
        self.client().await.map_err(|source| refused(id, action, source))
    }
}

fn refused(id: &MachineId, action: &'static str, source: EngineError) -> MachineError {
    MachineError::Engine { machine: id.machine.clone(), action, source }
}

/// A machine's state, from what the engine lists of its container; none for one that is being
/// removed. One that ended without being asked shows in its status text, `Exited (1) 5 seconds
/// ago`: 0, 137 (killed) and 143 (terminated) are how a machine ends that was asked to. One that
/// runs and was taken off its network is of no use as it is.
fn state(container: &ContainerSummary, cluster: &ClusterName) -> Option<MachineState> {
    use ContainerSummaryStateEnum as Found;
    let ended_as_asked = |status: &str| {
        ["Exited (0)", "Exited (137)", "Exited (143)"].iter().any(|text| status.starts_with(text))
    };
    Some(match container.state {
        Some(Found::RUNNING) if !attach::is_attached(container, cluster) => MachineState::Failed,
        Some(Found::RUNNING | Found::RESTARTING | Found::STOPPING) => MachineState::Running,
        Some(Found::CREATED | Found::PAUSED) => MachineState::Stopped,
        Some(Found::EXITED) if container.status.as_deref().is_some_and(ended_as_asked) => {
            MachineState::Stopped
        }
        Some(Found::REMOVING | Found::DEAD) => return None,
        Some(Found::EXITED | Found::EMPTY) | None => MachineState::Failed,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use bollard::models::{ContainerSummaryNetworkSettings, EndpointSettings};

    use super::*;

    fn container(state: ContainerSummaryStateEnum, status: &str) -> ContainerSummary {
        let endpoint =
            EndpointSettings { ip_address: Some("192.168.99.100".into()), ..Default::default() };
        let networks = HashMap::from([("skep-demo".to_owned(), endpoint)]);
        ContainerSummary {
            state: Some(state),
            status: Some(status.into()),
            labels: Some(HashMap::from([(
                objects::ADDRESS_LABEL.to_owned(),
                "192.168.99.100/24".to_owned(),
            )])),
            network_settings: Some(ContainerSummaryNetworkSettings { networks: Some(networks) }),
            ..Default::default()
        }
    }

    fn state(container: &ContainerSummary) -> Option<MachineState> {
        super::state(container, &"demo".parse().unwrap())
    }

    #[test]
    fn a_machine_that_ended_unasked_has_failed() {
        use ContainerSummaryStateEnum::{CREATED, EXITED, RUNNING};
        let of = |found, status: &str| state(&container(found, status)).unwrap();
        assert_eq!(of(RUNNING, "Up 3 seconds"), MachineState::Running);
        assert_eq!(of(CREATED, "Created"), MachineState::Stopped);
        assert_eq!(of(EXITED, "Exited (0) 2 minutes ago"), MachineState::Stopped);
        assert_eq!(of(EXITED, "Exited (137) 2 minutes ago"), MachineState::Stopped);
        assert_eq!(of(EXITED, "Exited (1) 2 minutes ago"), MachineState::Failed);
        assert_eq!(of(EXITED, "Exited (139) 2 minutes ago"), MachineState::Failed);
    }

    #[test]
    fn a_machine_that_is_being_removed_is_gone() {
        use ContainerSummaryStateEnum::{DEAD, REMOVING};
        assert_eq!(state(&container(REMOVING, "Removal In Progress")), None);
        assert_eq!(state(&container(DEAD, "Dead")), None);
    }

    #[test]
    fn a_machine_off_its_network_or_at_another_address_has_failed() {
        use ContainerSummaryStateEnum::{EXITED, RUNNING};
        let with = |found, networks: &[(&str, &str)]| {
            let mut container = container(found, "Exited (0) 2 minutes ago");
            let networks = networks.iter().map(|(name, address)| {
                let ip_address = Some((*address).to_owned());
                ((*name).to_owned(), EndpointSettings { ip_address, ..Default::default() })
            });
            container.network_settings.as_mut().unwrap().networks = Some(networks.collect());
            state(&container).unwrap()
        };
        assert_eq!(with(RUNNING, &[]), MachineState::Failed);
        assert_eq!(with(RUNNING, &[("bridge", "172.17.0.2")]), MachineState::Failed);
        assert_eq!(with(RUNNING, &[("skep-demo", "192.168.99.7")]), MachineState::Failed);
        let both = [("bridge", "172.17.0.2"), ("skep-demo", "192.168.99.100")];
        assert_eq!(with(RUNNING, &both), MachineState::Running);
        // Where it does not run there is nothing to be reached, and its start puts it back.
        assert_eq!(with(EXITED, &[]), MachineState::Stopped);
    }
}
