//! What is derived from whose a machine is: the same for the same machine, and no other's.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::MachineId;

/// Sixteen bytes that belong to these words and, in all likelihood, to no others.
pub(crate) fn digest(words: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for word in words {
        hash.update(word);
        hash.update([0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    bytes
}

/// The first eight of them as a number.
pub(crate) fn number(words: &[&str]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = digest(words);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A socket of a machine's, in a directory of sockets. Its path is short (108 bytes on Linux), so a
/// number stands for the names.
pub(crate) fn socket(directory: &Path, store: &str, id: &MachineId, kind: &str) -> PathBuf {
    let number = number(&[store, id.cluster.as_str(), id.machine.as_str()]);
    directory.join(format!("{number:016x}.{kind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_belongs_to_a_store_a_cluster_and_a_machine() {
        let id = |machine: &str| MachineId {
            cluster: "demo".parse().unwrap(),
            machine: machine.parse().unwrap(),
        };
        let socket = |store, machine| socket(Path::new("/run"), store, &id(machine), "qmp");
        assert_eq!(socket("a", "m1"), socket("a", "m1"));
        assert_ne!(socket("a", "m1"), socket("a", "m2"));
        assert_ne!(socket("a", "m1"), socket("b", "m1"));
        assert_eq!(socket("a", "m1").as_os_str().len(), "/run/0123456789abcdef.qmp".len());
    }
}
