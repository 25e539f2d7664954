//! What skep or its tests created on this machine: used to check that tests clean up.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result, bail};
use skep_process::Program;

use crate::run::Work;

/// What the names of the tests' temporary directories begin with; they are in `/tmp`, because
/// socket paths must be short.
const TEMPORARY: &str = "skt";

/// Everything found: the engine's objects, virtual machines, files, bridges. One line each.
pub(crate) async fn everything(work: &Work) -> Result<BTreeSet<String>> {
    let mut all = labelled(work).await?;
    all.extend(virtual_machines()?);
    let temporary = names_in("/tmp")?.into_iter().filter(|name| name.starts_with(TEMPORARY));
    all.extend(temporary.map(|name| format!("directory /tmp/{name}")));
    let interfaces = names_in("/sys/class/net")?.into_iter();
    let bridges =
        interfaces.filter(|name| Path::new("/sys/class/net").join(name).join("bridge").exists());
    // The engine's own bridges are counted as its networks.
    all.extend(
        bridges.filter(|name| !name.starts_with("br-")).map(|name| format!("bridge {name}")),
    );
    Ok(all)
}

/// Every QEMU that skep has started, as `process 12 qemu-system-x86_64 demo/manager1`.
fn virtual_machines() -> Result<Vec<String>> {
    let numbers = names_in("/proc")?.into_iter().filter(|name| name.parse::<u32>().is_ok());
    let found = numbers.filter_map(|number| {
        // A process may end while it is read, and one that is exiting has no command line.
        let line = fs::read(Path::new("/proc").join(&number).join("cmdline")).ok()?;
        Some(format!("process {number} {}", virtual_machine(&line)?))
    });
    Ok(found.collect())
}

/// The program and the machine's name in a command line, if skep wrote it.
fn virtual_machine(line: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split('\0');
    let program = words.next()?.rsplit('/').next()?;
    let name = words.skip_while(|word| *word != "-name").nth(1)?.strip_prefix("guest=")?;
    let ours = program.starts_with("qemu-system-") && name.contains('/');
    ours.then(|| format!("{program} {name}"))
}

fn names_in(folder: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {folder}"))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// Everything labelled `skep`, as `container skep-manager1`, `network …`, `volume …`.
async fn labelled(work: &Work) -> Result<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    let kinds: [(&str, &[&str], &str); 3] = [
        ("container", &["ps", "--all", "--no-trunc"], "{{.ID}} {{.Names}}"),
        ("network", &["network", "ls", "--no-trunc"], "{{.ID}} {{.Name}}"),
        ("volume", &["volume", "ls"], "{{.Name}}"),
    ];
    for (kind, list, format) in kinds {
        let program =
            Program::new("docker").args(list).args(["--filter", "label=skep", "--format", format]);
        let (status, output) = work.ask(program).await?;
        if !status.success() {
            bail!(
                "cannot list the engine's {kind}s: {}; `cargo xtask setup` brings an engine",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        all.extend(output.text().lines().map(|line| format!("{kind} {line}")));
    }
    Ok(all)
}

/// Fails when there is something that did not exist `before`.
pub(crate) fn compare(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Result<()> {
    let left = after.difference(before).map(String::as_str).collect::<Vec<_>>();
    if left.is_empty() {
        return Ok(());
    }
    bail!("the tests left behind what they made:\n  {}", left.join("\n  "));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_what_is_new_is_a_leftover() {
        assert!(compare(&set(&["volume a", "network b"]), &set(&["volume a"])).is_ok());
        let error = compare(&set(&["volume a"]), &set(&["volume a", "container c"])).unwrap_err();
        assert!(error.to_string().contains("container c"), "{error}");
        assert!(!error.to_string().contains("volume a"), "{error}");
    }

    #[test]
    fn a_virtual_machine_is_known_by_its_command_line() {
        let ours = b"/usr/bin/qemu-system-x86_64\0-name\0guest=t-a/worker1\0-m\0";
        assert_eq!(virtual_machine(ours).unwrap(), "qemu-system-x86_64 t-a/worker1");
        assert_eq!(virtual_machine(b"qemu-system-x86_64\0-name\0guest=desktop\0"), None);
        assert_eq!(virtual_machine(b"vi\0-name\0guest=t-a/worker1\0"), None);
        assert_eq!(virtual_machine(b""), None);
    }
}
