//! The command line, without machines: what is refused, with which message, and which exit
//! code. Every test has its own store and an engine that does not exist, or a fake one.

mod bad_certificates;
mod clusters;
mod counts;
mod docker_machine;
mod engines;
mod fake_engine;
mod help;
mod hostile;
mod import;
mod imports;
mod machines;
mod names;
mod stacks;
mod store_files;
mod streams;
mod swarms;
mod values;
mod virtualbox;
mod virtualbox_recorded;

use skep_tests::Lab;

/// No part of a cluster may be in the store, and no certificate authority: the command was
/// refused before anything was touched.
#[track_caller]
fn nothing_was_touched(lab: &Lab) {
    let Ok(entries) = std::fs::read_dir(lab.store()) else { return };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let others: Vec<_> =
        names.filter(|name| ![".kept", "store.json", "lock"].contains(&name.as_str())).collect();
    assert!(others.is_empty(), "the store has {others:?}");
}
