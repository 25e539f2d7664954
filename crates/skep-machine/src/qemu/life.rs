//! Power on, power off, and what state a machine is in.

use std::{io, path::PathBuf, time::Duration};

use skep_model::{Advice, MachineState, Port, Protocol, Reason};
use skep_process::{ProcessError, Program};
use tokio_util::sync::CancellationToken;

use super::{
    ACCEL, QemuDriver,
    accel::NATIVE,
    addresses::{self, ALWAYS},
    arguments::Launch,
    failure::{Failure, explain},
    monitor::{self, MonitorError, RunState},
    process::{self, Process},
    program,
    record::{Cluster, Machine, PID, Wire},
};
use crate::{MachineError, MachineId, console, host::HostRoot, record::Wanted, shelf::Files};

/// How long the guest is asked to power off before it is not asked any more.
const GRACE: Duration = Duration::from_secs(30);
/// How often the power button is pressed: a guest that is still booting does not notice.
const PRESS: Duration = Duration::from_secs(1);
const END: Duration = Duration::from_secs(5);
/// Without this much room on this host's disk a machine soon stands still, in bytes.
const ROOM: u64 = 16 << 20;
/// A machine's default memory, in bytes.
pub(super) const MEMORY: u64 = 1 << 30;

/// One machine: its name, where its files are, where its monitor listens.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: MachineId,
    pub(super) files: Files,
    pub(super) monitor: PathBuf,
}

impl Place {
    /// Where QEMU writes its process id.
    pub(super) fn pid(&self) -> PathBuf {
        self.files.other(PID)
    }

    /// Its record, which must be there.
    pub(super) fn record(&self) -> Result<Machine, MachineError> {
        self.files.read()?.ok_or_else(|| self.id.missing())
    }

    pub(super) fn process(&self, action: &'static str) -> Result<Option<Process>, MachineError> {
        process::find(&self.pid()).map_err(|error| self.id.refuse(action, error))
    }

    /// What state it is in; `None` where there is no machine, or only a part of one.
    pub(super) async fn state(&self) -> Option<MachineState> {
        let record = match self.files.read() {
            Ok(record) => record?,
            // It is there, and cannot be used as it is.
            Err(_) => return Some(MachineState::Failed),
        };
        // What cannot be seen from here (it may run in another container) is not said to run.
        if !process::is_alive(&self.pid()).unwrap_or(false) {
            return Some(self.state_at_rest(&record));
        }
        // Whether a console has become too long is checked whenever a command looks at the machine.
        let _ = console::bound(&self.files.console());
        Some(match monitor::status(&self.monitor).await {
            Ok(status) => state_of(status),
            // Its process lives, whatever keeps it from answering.
            Err(MonitorError::Silent | MonitorError::Refused(_)) => MachineState::Running,
            // It may have ended since.
            Err(MonitorError::Io(_)) if process::is_alive(&self.pid()).unwrap_or(false) => {
                MachineState::Running
            }
            Err(MonitorError::Io(_)) => self.state_at_rest(&record),
        })
    }

    /// A QEMU that ends in order, because its guest has powered off, takes its process id file
    /// along. One that left it behind was killed, or crashed, or the host was.
    fn state_at_rest(&self, record: &Machine) -> MachineState {
        let is_whole = self.files.data().exists();
        match record.wanted {
            _ if !is_whole => MachineState::Failed,
            Wanted::Made | Wanted::New | Wanted::Off => MachineState::Stopped,
            Wanted::On if self.pid().exists() => MachineState::Failed,
            Wanted::On => MachineState::Stopped,
        }
    }
}

/// A machine that QEMU holds since its disk is full, or that has crashed, is of no use as it is.
fn state_of(status: RunState) -> MachineState {
    match status {
        RunState::internal_error
        | RunState::io_error
        | RunState::guest_panicked
        | RunState::shutdown
        | RunState::watchdog => MachineState::Failed,
        _ => MachineState::Running,
    }
}

/// Why QEMU holds a machine that is of no use as it is, and what to do about it.
pub(super) fn held(status: RunState) -> Option<String> {
    match status {
        RunState::io_error => Some("this host's disk is full. Make room, then start it".into()),
        RunState::internal_error => {
            let name = NATIVE.name().to_uppercase();
            Some(format!(
                "the accelerator gave up: {name} internal error; `dmesg` on this host may say \
                 more. Emulation (the accelerator tcg) does without"
            ))
        }
        RunState::guest_panicked => Some("its kernel has crashed. Start it again".into()),
        _ => None,
    }
}

impl QemuDriver {
    /// Starts a machine, or lets one go on that QEMU holds.
    pub(super) async fn power_on(
        &self,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let mut record = place.record()?;
        if let Some(process) = place.process("start")? {
            match monitor::status(&place.monitor).await {
                Ok(RunState::running) | Err(MonitorError::Silent) => {
                    return self.note(place, &mut record, Wanted::On);
                }
                // It was paused outside of skep, or the host's disk was full.
                Ok(RunState::paused | RunState::io_error | RunState::suspended) => {
                    look_for_room(place)?;
                    monitor::go_on(&place.monitor)
                        .await
                        .map_err(|error| place.id.refuse("start", error))?;
                    return self.note(place, &mut record, Wanted::On);
                }
                other => {
                    if let Ok(RunState::internal_error) = other {
                        // Whatever was known of the accelerator is true no longer.
                        skep_store::file::remove(&self.shelf.of_store(ACCEL))?;
                    }
                    end(place, &process, "start").await?;
                }
            }
        }
        let cluster = self.cluster(&place.id.cluster)?;
        self.look_before(place, &cluster, &record)?;
        console::begin(&place.files.console()).map_err(|error| place.id.refuse("start", error))?;
        let binary = self.binary(Some(&cluster));
        let launch = self.launch(place, &cluster, &record, cancel).await?;
        skep_store::file::create_private_dir(&self.sockets)?;
        // Noted before the effect: a machine that does not run although it should has ended by
        // itself.
        self.note(place, &mut record, Wanted::On)?;
        let arguments = launch.arguments();
        // QEMU goes on in the background and its first process ends when all is set up.
        match Program::new(&binary).args(arguments).directory("/").run(cancel).await {
            Ok(_) => Ok(()),
            Err(ProcessError::Cancelled { .. }) => Err(MachineError::Cancelled),
            Err(ProcessError::Failed { stderr, .. }) => {
                self.not_started(place, &cluster, explain(&stderr))
            }
            Err(ProcessError::NotFound { program }) => {
                let fix = program::how_to_install();
                Err(place.id.refuse("start", format!("there is no `{program}`: {fix}")))
            }
            Err(error) => Err(place.id.refuse("start", error)),
        }
    }

    /// What would keep QEMU from starting and has a better name than QEMU would give it.
    fn look_before(
        &self,
        place: &Place,
        cluster: &Cluster,
        record: &Machine,
    ) -> Result<(), MachineError> {
        for (path, what, fix) in [
            (place.files.data(), "disk", Advice::Replace),
            (place.files.config(), "configuration", Advice::WriteAgain),
        ] {
            if !path.exists() {
                let text = format!("its {what} {} is gone", path.display());
                return Err(place.id.refuse_for("start", Reason::new(text, fix)));
            }
        }
        look_for_room(place)?;
        let host = addresses::host_address(cluster.host, record.address);
        for port in ALWAYS.iter().chain(&record.publish) {
            if let Err(error) = addresses::is_free(host, port.host, port.protocol) {
                return Err(port_error(&self.host, place, host, *port, &error));
            }
        }
        if let Wire::Multicast { group, port } = cluster.segment
            && addresses::is_group_taken(&addresses::udp_table(&self.host), group, port)
            // The cluster's own machines share the group's port.
            && !self.any_alive(&place.id.cluster)
        {
            return Err(group_error(place, cluster));
        }
        Ok(())
    }

    fn not_started(
        &self,
        place: &Place,
        cluster: &Cluster,
        failure: Failure,
    ) -> Result<(), MachineError> {
        let record = place.record()?;
        let host = addresses::host_address(cluster.host, record.address);
        Err(match failure {
            // Another command was faster.
            Failure::Running => return Ok(()),
            Failure::Port(port) => {
                let refused = addresses::is_free(host, port.host, port.protocol);
                let error = refused.err().unwrap_or_else(|| io::ErrorKind::AddrInUse.into());
                port_error(&self.host, place, host, port, &error)
            }
            Failure::Group => group_error(place, cluster),
            Failure::Other(reason) => place.id.refuse_for("start", reason),
        })
    }

    async fn launch(
        &self,
        place: &Place,
        cluster: &Cluster,
        record: &Machine,
        cancel: &CancellationToken,
    ) -> Result<Launch, MachineError> {
        let image = self.image_of(place, record)?;
        let accel = self.accel(Some(cluster), &image, None, cancel).await;
        let accel = accel.map_err(|error| match error {
            MachineError::Acceleration { why, fix, .. } => {
                place.id.refuse_for("start", Reason::new(why, Advice::UpWith(fix)))
            }
            other => other,
        })?;
        Ok(Launch {
            name: format!("{}/{}", place.id.cluster, place.id.machine),
            architecture: program::ARCHITECTURE,
            accel,
            memory: record.size.memory.unwrap_or(MEMORY),
            cpus: record.size.cpus.unwrap_or(accel.usual_cpus()),
            kernel: image.kernel,
            initramfs: image.initramfs,
            base: image.base,
            files: place.files.clone(),
            monitor: place.monitor.clone(),
            host: addresses::host_address(cluster.host, record.address),
            publish: record.publish.clone(),
            macs: [record.outer_mac.clone(), record.inner_mac.clone()],
            wire: cluster.segment.clone(),
        })
    }

    /// Writes down what is wanted of a machine, before it is done.
    pub(super) fn note(
        &self,
        place: &Place,
        record: &mut Machine,
        wanted: Wanted,
    ) -> Result<(), MachineError> {
        if record.wanted != wanted {
            record.wanted = wanted;
            place.files.write(record)?;
        }
        Ok(())
    }

    /// Asks the guest to power off, and pulls the plug where it does not.
    pub(super) async fn power_off(&self, place: &Place) -> Result<(), MachineError> {
        let mut record = place.record()?;
        let process = place.process("stop")?;
        // A machine that was never started stays new: `create` may still give it another seed.
        if record.wanted != Wanted::New {
            self.note(place, &mut record, Wanted::Off)?;
        }
        let Some(process) = process else { return Ok(()) };
        let gone = tokio::time::timeout(GRACE, ask_until_gone(place, &process)).await;
        match gone {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => end(place, &process, "stop").await,
        }
    }

    pub(super) async fn cut_off(&self, place: &Place) -> Result<(), MachineError> {
        let mut record = place.record()?;
        let process = place.process("kill")?;
        if record.wanted != Wanted::New {
            self.note(place, &mut record, Wanted::Off)?;
        }
        match process {
            None => Ok(()),
            Some(process) => end_by_force(place, &process, "kill").await,
        }
    }
}

/// Refuses to start a machine that could not write to its disk.
fn look_for_room(place: &Place) -> Result<(), MachineError> {
    let Ok(stat) = rustix::fs::statvfs(place.files.data()) else { return Ok(()) };
    let free = stat.f_bavail * stat.f_frsize;
    if free >= ROOM {
        return Ok(());
    }
    let data = place.files.data();
    let reason = format!(
        "this host's disk is full ({} MB left for {}): make room, then start it again",
        free >> 20,
        data.display()
    );
    Err(place.id.refuse("start", reason))
}

/// Presses the power button until the machine is gone, and says whether it is. A guest that has
/// not written to its disk yet has nothing to lose and is not waited for; nor is one that has
/// crashed.
async fn ask_until_gone(place: &Place, process: &Process) -> bool {
    loop {
        match monitor::status(&place.monitor).await.map(state_of) {
            Ok(MachineState::Failed) => return false,
            // The button does nothing to a machine that is held.
            Ok(_) => drop(monitor::go_on(&place.monitor).await),
            Err(_) => {}
        }
        if matches!(monitor::has_written(&place.monitor).await, Ok(false)) {
            return false;
        }
        // One that cannot be pressed now is pressed again.
        let _ = monitor::press_power_button(&place.monitor).await;
        if let Ok(ended) = tokio::time::timeout(PRESS, process.ended()).await {
            return ended.is_ok();
        }
    }
}

/// Ends QEMU in order, and by force where it does not.
pub(super) async fn end(
    place: &Place,
    process: &Process,
    action: &'static str,
) -> Result<(), MachineError> {
    let asked =
        async { monitor::quit(&place.monitor).await.is_ok() && process.ended().await.is_ok() };
    match tokio::time::timeout(END, asked).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => end_by_force(place, process, action).await,
    }
}

pub(super) async fn end_by_force(
    place: &Place,
    process: &Process,
    action: &'static str,
) -> Result<(), MachineError> {
    process.kill().map_err(|error| place.id.refuse(action, error))?;
    match tokio::time::timeout(END, process.ended()).await {
        Ok(ended) => ended.map_err(|error| place.id.refuse(action, error)),
        Err(_) => {
            Err(place.id.refuse(action, "QEMU was killed and does not end: is a disk hanging?"))
        }
    }
}

pub(super) fn port_error(
    root: &HostRoot,
    place: &Place,
    host: std::net::Ipv4Addr,
    port: Port,
    error: &io::Error,
) -> MachineError {
    let mut reason = refusal(root, port, error);
    let mut free = None;
    if ALWAYS.contains(&port) {
        reason.push_str(": end it, since every machine has this port");
    } else {
        free = addresses::free_instead(host, port);
    }
    MachineError::Port {
        machine: place.id.machine.clone(),
        address: host.into(),
        port,
        reason,
        free,
    }
}

/// What stands between this user and a port.
pub(super) fn refusal(root: &HostRoot, port: Port, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let first = root.text("/proc/sys/net/ipv4/ip_unprivileged_port_start");
            let first = first.ok().and_then(|text| text.trim().parse::<u16>().ok());
            format!(
                "ports below {} take a permission (`sudo sysctl \
                 net.ipv4.ip_unprivileged_port_start={}` gives it to everybody)",
                first.unwrap_or(1024),
                port.host
            )
        }
        io::ErrorKind::AddrInUse => {
            let table = if port.protocol == Protocol::Udp { "ss -lunp" } else { "ss -ltnp" };
            format!("another program has it, `{table}` shows which")
        }
        _ => error.to_string(),
    }
}

fn group_error(place: &Place, cluster: &Cluster) -> MachineError {
    let Wire::Multicast { group, port } = &cluster.segment else {
        return place.id.refuse("start", "its network is in use");
    };
    place.id.refuse(
        "start",
        format!(
            "another program uses {group}:{port}/udp, which joins this cluster's machines \
             (`ss -lunp` shows which): end it"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_held_says_by_what_and_one_that_runs_says_nothing() {
        let gave_up = held(RunState::internal_error).unwrap();
        assert!(gave_up.contains("the accelerator gave up"), "{gave_up}");
        assert!(gave_up.contains("the accelerator tcg"), "{gave_up}");
        assert!(held(RunState::io_error).unwrap().contains("disk is full"));
        for status in [RunState::internal_error, RunState::io_error, RunState::guest_panicked] {
            assert_eq!(state_of(status), MachineState::Failed);
        }
        assert_eq!(held(RunState::running), None);
        assert_eq!(held(RunState::paused), None);
    }
}
