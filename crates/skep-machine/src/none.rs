//! Engines that are known by their URL and by nothing else, as docker-machine's `none`.

use serde::{Deserialize, Serialize};

use std::{collections::BTreeMap, net::Ipv4Addr};

use async_trait::async_trait;
use ipnet::Ipv4Net;
use skep_model::{Check, ClusterName, MachineName, MachineState, Port};
use skep_store::{Layout, Resource};
use tokio_util::sync::CancellationToken;

use crate::{
    Driver, DriverKind, DriverOptions, MachineError, MachineId, MachinePlan, Reach, Request, Work,
};

/// Engines by URL.
#[derive(Debug)]
pub struct NoneDriver {
    layout: Layout,
}

impl NoneDriver {
    /// A driver of the machines of a store.
    pub fn new(layout: Layout) -> Self {
        Self { layout }
    }
}

#[async_trait]
impl Driver for NoneDriver {
    fn kind(&self) -> DriverKind {
        DriverKind::None
    }

    async fn preflight(&self, _: &Request, _: &CancellationToken) -> Vec<Check> {
        todo!("None, {:?}", self.layout)
    }

    async fn prepare(
        &self,
        _: &ClusterName,
        _: Option<Ipv4Net>,
        _: Work<'_>,
    ) -> Result<Option<Ipv4Net>, MachineError> {
        todo!()
    }

    fn reach(&self, _: &MachineId, _: Ipv4Addr, _: &DriverOptions) -> Result<Reach, MachineError> {
        todo!()
    }

    async fn publish(
        &self,
        _: &MachineId,
        _: &[Port],
        _: &CancellationToken,
    ) -> Result<(), MachineError> {
        Ok(())
    }

    async fn create(&self, _: &MachinePlan, _: Work<'_>) -> Result<(), MachineError> {
        todo!()
    }

    async fn start(&self, _: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        todo!()
    }

    async fn stop(&self, _: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        todo!()
    }

    async fn kill(&self, _: &MachineId, _: &CancellationToken) -> Result<(), MachineError> {
        todo!()
    }

    async fn states(
        &self,
        _: &ClusterName,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        todo!()
    }

    async fn console(&self, _: &MachineId) -> Result<String, MachineError> {
        Ok(String::new())
    }

    async fn remove(&self, _: &MachineId, _: Work<'_>) -> Result<(), MachineError> {
        todo!()
    }

    async fn resources(&self, _: &ClusterName) -> Result<Vec<Resource>, MachineError> {
        todo!()
    }

    async fn remove_resource(
        &self,
        _: &ClusterName,
        _: &Resource,
        _: Work<'_>,
    ) -> Result<(), MachineError> {
        todo!()
    }
}

/// An engine's URL, as it was given: `tcp://192.168.99.100:2376`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineUrl(pub String);
