//! Whether a machine's engine was ever let into a swarm, which its disk shows when the engine does
//! not: one whose node cannot start shows no node ID, a manager's no more than that of a join
//! that never got anywhere.

use std::time::Duration;

use skep_engine::Engine;
use skep_guest::Command;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, MachineRecord, reach::Cluster};

/// The certificate that a swarm gives a node, under the engine's directory. An engine that starts
/// without it forgets its swarm by itself (`loadPersistentState` of moby).
const CERTIFICATE: &str = "swarm/certificates/swarm-node.crt";

const LOOK: Duration = Duration::from_secs(15);

impl Cluster {
    /// Whether the engine of a machine keeps the certificate of a node.
    ///
    /// # Errors
    /// [`ClusterError::Guest`], [`ClusterError::Engine`].
    pub(crate) async fn has_identity(
        &self,
        machine: &MachineRecord,
        engine: &Engine,
        cancel: &CancellationToken,
    ) -> Result<bool, ClusterError> {
        let root = engine.info(cancel).await?.data_root;
        let path = format!("{}/{CERTIFICATE}", root.trim_end_matches('/'));
        let guest = self.guest(machine, cancel).await?;
        // By word and not by status: a sudo that refuses has one of its own.
        let script = r#"if [ -e "$0" ]; then echo there; else echo absent; fi"#;
        let look = Command::new("sh").args(["-c", script, &path]).as_root().deadline(LOOK);
        Ok(guest.run(&look, cancel).await?.text().trim() != "absent")
    }
}
