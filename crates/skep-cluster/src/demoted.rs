//! Before a node is promoted: its engine is done with the demotion before.
//!
//! The managers drop a demoted node at once. Its engine hears of it, ends its part as a manager and
//! asks for a worker's certificate, which takes it one to two seconds. Promoted meanwhile, it waits
//! for a worker's role that does not come (`superviseManager` in swarmkit's `node/node.go`, twice
//! 16 s), begins as a manager that the others may not know, and can stay like that for good. The
//! managers' list shows nothing of it; the role in the node's own certificate does.

use std::{convert::Infallible, time::Duration};

use futures_util::future::join_all;
use skep_context::{after, poll_until, when};
use skep_guest::{Command, Guest};
use skep_model::Role;
use skep_swarm::{Node, NodeState};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, reach::Cluster};

/// How long an engine may take: longer than the two rounds of 16 s after which it gives up.
const PATIENCE: Duration = Duration::from_secs(40);
const INTERVAL: Duration = Duration::from_millis(100);

impl Cluster {
    /// Waits until the engines of those nodes that are workers by the managers' list are workers by
    /// their certificates, too. A node on no machine of the cluster, or one whose certificate
    /// cannot be read, is not waited for.
    pub async fn until_demoted(&self, nodes: &[Node], cancel: &CancellationToken) {
        // A new leader knows no node's state until it hears of it: only one that is down is left out.
        let workers =
            nodes.iter().filter(|node| node.role == Role::Worker && node.state != NodeState::Down);
        let machines = workers.filter_map(|node| self.machine_of(node));
        join_all(machines.map(|machine| async move {
            let Ok((guest, look)) = self.certificate(machine, cancel).await else { return };
            let Ok(_) = poll_until(cancel, INTERVAL, after(PATIENCE), async || {
                Ok::<_, Infallible>(when(!is_managers(&guest, &look, cancel).await))
            })
            .await;
        }))
        .await;
    }

    fn machine_of(&self, node: &Node) -> Option<&MachineRecord> {
        let machines = &self.record().machines;
        let by_id = machines.iter().find(|machine| machine.node.as_ref() == Some(&node.id));
        by_id.or_else(|| machines.iter().find(|machine| machine.name.as_str() == node.hostname))
    }

    /// The guest of a machine, and the command that prints its node's certificate.
    async fn certificate(
        &self,
        machine: &MachineRecord,
        cancel: &CancellationToken,
    ) -> Result<(Guest, Command), ClusterError> {
        let engine = self.engine(machine, cancel).await?;
        let root = engine.info(cancel).await?.data_root;
        let file = format!("{root}/swarm/certificates/swarm-node.crt");
        let look = Command::new("openssl").args(["x509", "-noout", "-subject", "-in"]).arg(file);
        Ok((self.guest(machine, cancel).await?, look.as_root()))
    }
}

async fn is_managers(guest: &Guest, look: &Command, cancel: &CancellationToken) -> bool {
    // docs.docker.com, "Manage swarm security with PKI": the organizational unit is the role.
    let subject = guest.run(look, cancel).await;
    subject.is_ok_and(|subject| subject.text().contains("swarm-manager"))
}
