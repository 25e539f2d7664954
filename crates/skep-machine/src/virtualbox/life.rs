//! Power on, power off, and what state a machine is in.

use std::{collections::BTreeMap, time::Duration};

use skep_model::{ClusterName, MachineName, MachineState};
use tokio_util::sync::CancellationToken;

use super::{
    VirtualBoxDriver,
    arguments::{forward, free_port, is_free, rejoin},
    failure::{Cause, VBoxError},
    parse::{self, Power, Vm},
    program::Call,
    record::Machine,
};
use crate::{MachineError, MachineId, console, record::Wanted, shelf::Files};

/// How long the guest is asked to power off before it is not asked any more.
const GRACE: Duration = Duration::from_secs(30);
/// How often the power button is pressed: a guest that is still booting does not notice.
const PRESS: Duration = Duration::from_secs(5);
/// How often is looked whether something has come about.
const POLL: Duration = Duration::from_millis(250);
/// How long VirtualBox may take from one state to another.
const SETTLE: Duration = Duration::from_secs(60);

/// One machine: its name, and where its files are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: MachineId,
    pub(super) files: Files,
}

impl Place {
    pub(super) fn refuse_vbox(&self, action: &'static str, error: VBoxError) -> MachineError {
        match error {
            VBoxError::Cancelled => MachineError::Cancelled,
            error => self.id.refuse_for(action, error.reason()),
        }
    }

    /// Its record, which must be there, and of a whole machine.
    pub(super) fn record(&self) -> Result<Machine, MachineError> {
        let record = self.files.read()?.filter(|record: &Machine| record.wanted != Wanted::Made);
        record.ok_or_else(|| self.id.missing())
    }

    /// Writes down what is wanted of it, before it is done.
    fn note(&self, record: &mut Machine, wanted: Wanted) -> Result<(), MachineError> {
        if record.wanted != wanted {
            record.wanted = wanted;
            self.files.write(record)?;
        }
        Ok(())
    }
}

fn state_of(power: Power, wanted: Wanted) -> MachineState {
    match power {
        Power::Running | Power::Changing => MachineState::Running,
        // A start lets it go on from where it is.
        Power::Off | Power::Saved | Power::Paused => MachineState::Stopped,
        Power::Aborted if wanted == Wanted::Off => MachineState::Stopped,
        Power::Aborted | Power::Stuck | Power::Inaccessible => MachineState::Failed,
    }
}

impl VirtualBoxDriver {
    /// Every machine of VirtualBox, whatever made it.
    pub(super) async fn vms(&self, cancel: &CancellationToken) -> Result<Vec<Vm>, VBoxError> {
        let text = self.vbox.run(Call::new(["list", "vms", "--long"]), cancel).await?;
        Ok(parse::vms_long(&text))
    }

    /// One machine, by its UUID or name.
    pub(super) async fn vm(
        &self,
        which: &str,
        cancel: &CancellationToken,
    ) -> Result<Option<Vm>, VBoxError> {
        let call = Call::new(["showvminfo", which, "--machinereadable"]);
        match self.vbox.run(call, cancel).await {
            Ok(text) => Ok(parse::showvminfo(&text)),
            Err(error) if error.cause() == Some(Cause::NoSuchMachine) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A machine that must be there: one that was removed in VirtualBox's own window is not.
    async fn look(
        &self,
        place: &Place,
        record: &Machine,
        action: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Vm, MachineError> {
        let found = self.vm(&record.uuid, cancel).await;
        found.map_err(|error| place.refuse_vbox(action, error))?.ok_or_else(|| place.id.missing())
    }

    /// The same once it is not on its way from one state to another.
    async fn settled(
        &self,
        place: &Place,
        record: &Machine,
        action: &'static str,
        cancel: &CancellationToken,
    ) -> Result<Vm, MachineError> {
        let settled = async {
            loop {
                let vm = self.look(place, record, action, cancel).await?;
                if vm.power != Power::Changing {
                    return Ok(vm);
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let late = || place.id.refuse(action, "VirtualBox does not finish what it does with it");
        tokio::time::timeout(SETTLE, settled).await.map_err(|_| late())?
    }

    /// Starts a machine, or lets one go on that is held.
    pub(super) async fn power_on(
        &self,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let refuse = |error| place.refuse_vbox("start", error);
        let mut record = place.record()?;
        let vm = self.settled(place, &record, "start", cancel).await?;
        match vm.power {
            Power::Running => return place.note(&mut record, Wanted::On),
            Power::Paused => {
                place.note(&mut record, Wanted::On)?;
                let call = Call::new(["controlvm", &record.uuid, "resume"]);
                return self.vbox.run(call, cancel).await.map(drop).map_err(refuse);
            }
            Power::Inaccessible => {
                let reason = format!(
                    "VirtualBox cannot read its settings {}: remove the machine and make it again",
                    vm.settings
                );
                return Err(place.id.refuse("start", reason));
            }
            Power::Stuck => self.end(place, &record.uuid, "start", cancel).await?,
            Power::Off | Power::Saved | Power::Aborted | Power::Changing => {}
        }
        if !record.is_adopted {
            self.mend_machine(place, &mut record, &vm, cancel).await?;
        }
        let console = console::begin(&place.files.console());
        console.map_err(|error| place.id.refuse("start", error))?;
        place.note(&mut record, Wanted::On)?;
        let call = Call::new(["startvm", &record.uuid, "--type", &record.ui]).long();
        match self.vbox.run(call, cancel).await {
            Ok(_) => Ok(()),
            // Another command, or its owner, may have been faster.
            Err(error) if error.cause() == Some(Cause::Locked) => {
                let vm = self.look(place, &record, "start", cancel).await?;
                if vm.power == Power::Running { Ok(()) } else { Err(refuse(error)) }
            }
            Err(error) => Err(refuse(error)),
        }
    }

    /// What may have changed since it was made: the network, and whether the port that leads to it
    /// is still free.
    async fn mend_machine(
        &self,
        place: &Place,
        record: &mut Machine,
        vm: &Vm,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let refuse = |error| place.refuse_vbox("start", error);
        let network = self.mend_network(&place.id.cluster, cancel).await?;
        if vm.power == Power::Saved {
            // Nothing of it can be changed before it has gone on.
            return Ok(());
        }
        let version = self.vbox.find(cancel).await.map_err(refuse)?.version;
        if vm.host_only.as_deref() != Some(network.wire.name()) {
            let call = rejoin(version, &record.uuid, &network.wire);
            self.vbox.run(call, cancel).await.map_err(refuse)?;
        }
        if record.ssh_port.is_none_or(is_free) {
            return Ok(());
        }
        let port = free_port();
        let [delete, add] = forward(version, &record.uuid, port);
        // What is not there need not be taken away.
        let _ = self.vbox.run(delete, cancel).await;
        self.vbox.run(add, cancel).await.map_err(refuse)?;
        record.ssh_port = (port != 0).then_some(port);
        Ok(place.files.write(record)?)
    }

    /// Asks the guest to power off, and pulls the plug where it does not.
    pub(super) async fn power_off(
        &self,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let mut record = place.record()?;
        let vm = self.settled(place, &record, "stop", cancel).await?;
        if record.wanted != Wanted::New {
            place.note(&mut record, Wanted::Off)?;
        }
        match vm.power {
            Power::Off | Power::Saved | Power::Aborted | Power::Inaccessible => return Ok(()),
            Power::Paused => {
                // The button does nothing to a machine that is held.
                let call = Call::new(["controlvm", &record.uuid, "resume"]);
                let _ = self.vbox.run(call, cancel).await;
            }
            Power::Running | Power::Changing | Power::Stuck => {}
        }
        let asked = self.ask_until_off(place, &record, cancel);
        match tokio::time::timeout(GRACE, asked).await {
            Ok(done) => done,
            Err(_) => self.end(place, &record.uuid, "stop", cancel).await,
        }
    }

    /// Presses the power button now and then until the machine is off.
    async fn ask_until_off(
        &self,
        place: &Place,
        record: &Machine,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        loop {
            let call = Call::new(["controlvm", &record.uuid, "acpipowerbutton"]);
            match self.vbox.run(call, cancel).await {
                Ok(_) => {}
                Err(error) if error.cause() == Some(Cause::NotRunning) => {}
                Err(error) => return Err(place.refuse_vbox("stop", error)),
            }
            let pressed = tokio::time::Instant::now();
            while pressed.elapsed() < PRESS {
                match self.look(place, record, "stop", cancel).await?.power {
                    Power::Off | Power::Saved | Power::Aborted | Power::Inaccessible => {
                        return Ok(());
                    }
                    _ => tokio::time::sleep(POLL).await,
                }
            }
        }
    }

    pub(super) async fn cut_off(
        &self,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let mut record = place.record()?;
        self.look(place, &record, "kill", cancel).await?;
        if record.wanted != Wanted::New {
            place.note(&mut record, Wanted::Off)?;
        }
        self.end(place, &record.uuid, "kill", cancel).await
    }

    /// Pulls the plug of whatever runs under a UUID; what does not run, or is gone, is success.
    pub(super) async fn end(
        &self,
        place: &Place,
        uuid: &str,
        action: &'static str,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let refuse = |error| place.refuse_vbox(action, error);
        let ended = async {
            loop {
                let vm = self.vm(uuid, cancel).await.map_err(refuse)?;
                match vm.map(|vm| vm.power) {
                    Some(Power::Running | Power::Paused | Power::Stuck) => {
                        let call = Call::new(["controlvm", uuid, "poweroff"]);
                        match self.vbox.run(call, cancel).await {
                            Err(error) if error.cause() != Some(Cause::NotRunning) => {
                                return Err(refuse(error));
                            }
                            _ => {}
                        }
                    }
                    Some(Power::Changing) => tokio::time::sleep(POLL).await,
                    None
                    | Some(Power::Off | Power::Saved | Power::Aborted | Power::Inaccessible) => {
                        return Ok(());
                    }
                }
            }
        };
        let late = || place.id.refuse(action, "VirtualBox was told to power it off and does not");
        tokio::time::timeout(SETTLE, ended).await.map_err(|_| late())?
    }

    /// The state of every machine of a cluster, with one question.
    pub(super) async fn look_at_all(
        &self,
        cluster: &ClusterName,
        cancel: &CancellationToken,
    ) -> Result<BTreeMap<MachineName, MachineState>, MachineError> {
        let mut known = Vec::new();
        for place in self.machines(cluster)? {
            match place.files.read::<Machine>() {
                Ok(Some(record)) if record.wanted != Wanted::Made => {
                    known.push((place.id.machine, Some(record)));
                }
                Ok(_) => {}
                // It is there, and cannot be used as it is.
                Err(_) => known.push((place.id.machine, None)),
            }
        }
        if known.is_empty() {
            return Ok(BTreeMap::new());
        }
        let all = self.vms(cancel).await;
        let all = all.map_err(|error| self.refuse(&format!("look at cluster {cluster}"), error))?;
        let state = |record: &Option<Machine>| {
            let Some(record) = record else { return Some(MachineState::Failed) };
            let vm = all.iter().find(|vm| vm.uuid == record.uuid)?;
            Some(state_of(vm.power, record.wanted))
        };
        Ok(known.into_iter().filter_map(|(name, record)| Some((name, state(&record)?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_ended_by_itself_has_failed() {
        assert_eq!(state_of(Power::Aborted, Wanted::On), MachineState::Failed);
        assert_eq!(state_of(Power::Aborted, Wanted::Off), MachineState::Stopped);
        assert_eq!(state_of(Power::Paused, Wanted::On), MachineState::Stopped);
        assert_eq!(state_of(Power::Saved, Wanted::On), MachineState::Stopped);
        assert_eq!(state_of(Power::Changing, Wanted::On), MachineState::Running);
        assert_eq!(state_of(Power::Stuck, Wanted::On), MachineState::Failed);
    }
}
