//! Ports that a machine answers on at its host address besides SSH and the engine.

use std::io;

use skep_model::Port;

use super::{
    QemuDriver, addresses,
    failure::{is_own, parse_forwards},
    life::{Place, port_error},
    monitor,
};
use crate::MachineError;

const ACTION: &str = "publish a port of";

impl QemuDriver {
    /// Makes a machine answer on `ports`: now if it runs, and after each start.
    pub(super) async fn forward(&self, place: &Place, ports: &[Port]) -> Result<(), MachineError> {
        let mut record = place.record()?;
        let host = addresses::host_address(self.cluster(&place.id.cluster)?.host, record.address);
        let is_running = place.process(ACTION)?.is_some();
        // A running machine's own table says what it answers on; a command that was interrupted
        // may not have come to write it down.
        let present = if is_running {
            let table = monitor::human(&place.monitor, "info usernet".into()).await;
            parse_forwards(&table.map_err(|error| place.id.refuse(ACTION, error))?, host)
        } else {
            record.publish.clone()
        };
        for &port in ports {
            check(place, host, port, &present)?;
            if present.contains(&port) {
                continue;
            }
            if let Err(error) = addresses::is_free(host, port.host, port.protocol) {
                return Err(port_error(&self.host, place, host, port, &error));
            }
        }
        for port in ports {
            if is_running && !present.contains(port) {
                let rule = addresses::forward(host, port);
                let command = format!("hostfwd_add {} {rule}", monitor::OUTER);
                let said = monitor::human(&place.monitor, command).await;
                let said = said.map_err(|error| place.id.refuse(ACTION, error))?;
                if !said.trim().is_empty() {
                    return Err(port_error(
                        &self.host,
                        place,
                        host,
                        *port,
                        &io::Error::other(said.trim()),
                    ));
                }
            }
            if !record.publish.contains(port) {
                record.publish.push(*port);
                place.files.write(&record)?;
            }
        }
        Ok(())
    }
}

/// Ports that lead somewhere else already.
fn check(
    place: &Place,
    host: std::net::Ipv4Addr,
    port: Port,
    present: &[Port],
) -> Result<(), MachineError> {
    let refuse = |reason: String| MachineError::Port {
        machine: place.id.machine.clone(),
        address: host.into(),
        port,
        reason,
        free: addresses::free_instead(host, port),
    };
    if addresses::is_reserved(port.host, port.protocol) && !is_own(&port) {
        return Err(refuse("the machine's SSH server or engine answers there".into()));
    }
    let at_same = |other: &&Port| other.host == port.host && other.protocol == port.protocol;
    match present.iter().find(at_same) {
        Some(other) if other.machine != port.machine => {
            Err(refuse(format!("it leads to the machine's port {} already", other.machine)))
        }
        _ => Ok(()),
    }
}
