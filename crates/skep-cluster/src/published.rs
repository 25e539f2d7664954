//! Where this host reaches what a machine publishes, and whether the machine's kernel can have a
//! routing mesh at all.

use std::{net::SocketAddr, time::Duration};

use skep_guest::Command;
use skep_model::{Advice, Protocol, Reason};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, reach::Cluster};

const LOOK: Duration = Duration::from_secs(15);

impl Cluster {
    /// Where this host reaches a TCP port of a machine.
    ///
    /// # Errors
    /// [`ClusterError::Request`] if the port is not forwarded to this host, with the fix; as
    /// [`Cluster::reach`].
    pub fn published_address(
        &self,
        machine: &MachineRecord,
        port: u16,
    ) -> Result<SocketAddr, ClusterError> {
        let host = self.reach(machine)?.host;
        let record = self.record();
        if !machine.options.features().forwards_ports {
            return Ok(SocketAddr::new(host, port));
        }
        let mut forwarded =
            record.publish.iter().filter(|forward| forward.protocol == Protocol::Tcp);
        match forwarded.find(|forward| forward.machine == port) {
            Some(forward) => Ok(SocketAddr::new(host, forward.host)),
            None => Err(ClusterError::Request {
                reason: Reason::new(
                    format!("port {port} of {} is not forwarded to this host", machine.name),
                    Advice::Publish { cluster: record.name.clone(), port },
                ),
            }),
        }
    }

    /// Whether a machine's kernel has IPVS, without which its engine takes part in a swarm and
    /// answers on no port of the routing mesh. It is there as soon as the engine has used it.
    ///
    /// # Errors
    /// [`ClusterError::Guest`].
    pub async fn has_ipvs(
        &self,
        machine: &MachineRecord,
        cancel: &CancellationToken,
    ) -> Result<bool, ClusterError> {
        let guest = self.guest(machine, cancel).await?;
        let look = Command::new("test").args(["-e", "/proc/net/ip_vs"]).deadline(LOOK);
        Ok(guest.run_any(&look, cancel).await?.code == 0)
    }
}
