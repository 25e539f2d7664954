//! What VBoxManage prints, read. Pure functions over text; none of them fails, and what is not
//! understood is passed over.

mod host;
mod machines;
mod networks;

pub(super) use self::{
    host::{Hostinfo, hostinfo, split_warning},
    machines::{Power, Vm, created, showvminfo, vms_long},
    networks::{Dhcp, created_interface, dhcpservers, hostonlyifs, hostonlynets},
};

/// The value of a line `Key:   value`; the key must be all there is before the colon.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = line.split_once(':')?;
    (found == key).then(|| value.trim())
}

/// The records of a list: each begins with a line whose key is `first`.
fn records<'a>(text: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let mut records: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        if field(line, first).is_some() {
            records.push(Vec::new());
        }
        if let Some(record) = records.last_mut() {
            record.push(line);
        }
    }
    records
}

/// The value of a key in a record.
fn value<'a>(record: &[&'a str], key: &str) -> Option<&'a str> {
    record.iter().find_map(|line| field(line, key))
}

#[cfg(test)]
pub(super) fn stdout(recording: &str) -> &str {
    let start = recording.split_once("--- stdout ---\n").unwrap().1;
    start.split_once("--- stderr ---").unwrap().0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(\\PC|\n|Name: |UUID: |State: |IPAddress: |VMState=\"|WARNING:){0,60}") {
            let _ = (hostinfo(&text), split_warning(&text), created(&text), showvminfo(&text));
            let _ = (vms_long(&text), hostonlyifs(&text), hostonlynets(&text), dhcpservers(&text));
            let _ = created_interface(&text);
        }
    }
}
