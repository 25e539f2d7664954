//! Ports that a cluster's machines come to answer on while they run.

use skep_machine::MachineId;
use skep_model::Port;
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, ClusterRecord, MachineFailure, reach::Cluster};

impl Cluster {
    /// Makes every machine answer on `ports` at its host address, now and after each start, as
    /// `skep up --publish` does. A port that some forward already leads to is left as it is; with
    /// machines that answer on all their ports anyway, nothing is done.
    ///
    /// # Errors
    /// [`ClusterError::Store`] if another command changes the cluster; [`ClusterError::Partly`] with
    /// each machine that does not answer there.
    pub async fn publish(
        &self,
        ports: &[Port],
        cancel: &CancellationToken,
    ) -> Result<(), ClusterError> {
        let name = &self.record().name;
        if !self.record().driver.features().forwards_ports || ports.is_empty() {
            return Ok(());
        }
        let _lock = self.home().lock(name)?;
        let record = ClusterRecord::load(self.home(), name)?;
        let mut record = record.ok_or_else(|| ClusterError::NoCluster { name: name.clone() })?;
        let missing = missing(&record.publish, ports);
        if missing.is_empty() {
            return Ok(());
        }
        let driver = self.home().driver(record.driver);
        let mut failures = Vec::new();
        for machine in &record.machines {
            let id = MachineId { cluster: name.clone(), machine: machine.name.clone() };
            if let Err(error) = driver.publish(&id, &missing, cancel).await {
                let machine = machine.name.clone();
                failures.push(MachineFailure { machine, error: error.into() });
            }
        }
        if !failures.is_empty() {
            return Err(ClusterError::Partly { failures, of: record.machines.len() });
        }
        record.publish.extend(missing);
        Ok(record.save(self.home())?)
    }
}

/// Those of `ports` that no forward leads to.
fn missing(forwards: &[Port], ports: &[Port]) -> Vec<Port> {
    let mut missing: Vec<Port> = Vec::new();
    for port in ports {
        let leads = |other: &Port| other.machine == port.machine && other.protocol == port.protocol;
        if !forwards.iter().any(leads) && !missing.iter().any(leads) {
            missing.push(*port);
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(texts: &[&str]) -> Vec<Port> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn only_what_no_forward_leads_to_is_missing() {
        let there = ports(&["1080:80", "53/udp"]);
        let wanted = ports(&["80", "53", "53/udp", "8080", "8080"]);
        assert_eq!(missing(&there, &wanted), ports(&["53", "8080"]));
        assert_eq!(missing(&there, &[]), []);
    }
}
