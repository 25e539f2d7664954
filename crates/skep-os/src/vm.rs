//! The packaging for virtual machines: a kernel, an initramfs, and disks.
//!
//! | disk | serial number | what | access |
//! |---|---|---|---|
//! | base | `skep-base` | [`VmImage::base`]: the root file system and the kernel's modules, a squashfs; one file for all machines | read-only |
//! | data | `skep-data` | [`make_data_disk`]: what the machine writes, laid over the base; ext4 | one machine's own |
//! | configuration | `skep-config` | [`configuration_disk`]: the machine's [`crate::Seed`], a tar | read-only |
//!
//! The guest finds them by these serial numbers, or else by what is on them, in any order. The
//! program that does so is `guest/vm/init`; `docs/guest-os.md` describes the rest of a boot.

pub(crate) mod build;
mod disks;
pub(crate) mod image;
pub(crate) mod initramfs;

pub(crate) use self::image::Record;
pub use self::{
    disks::{DATA_LABEL, DEFAULT_DISK_BYTES, configuration_disk, make_data_disk},
    image::VmImage,
};

/// The kernel's command line for a machine whose console is `console` (`ttyS0`, `hvc0`, `ttyAMA0`).
/// An emulated machine is given [`EMULATED_OPTIONS`] as well.
///
/// - `panic=-1`: a kernel that cannot go on starts the machine anew, which ends a QEMU with
///   `-no-reboot`, instead of leaving it hanging.
/// - `quiet`: errors are shown, the rest is in `dmesg`.
/// - The rest leaves out what costs time at each start and is of no use in such a machine: tests of
///   the kernel's own cryptography, auditing, pressure statistics, a watchdog over the kernel; and
///   it waits for less when network namespaces are made and removed.
pub fn kernel_command_line(console: &str) -> String {
    format!(
        "console={console} panic=-1 quiet cryptomgr.notests=1 audit=0 psi=0 nowatchdog \
         rcupdate.rcu_expedited=1 transparent_hugepage=madvise"
    )
}

/// What the guest's first program says to the console where it finds no base disk, before it powers
/// off: the proof that a kernel which was started without disks has come up.
pub const NO_BASE_DISK: &str = "skep: there is no base disk";

/// Further words for the command line of an emulated machine: an emulated processor has none of the
/// real one's weaknesses, so their remedies only cost time, and a timer that ticks evenly costs far
/// less than one that is set anew for each event.
pub const EMULATED_OPTIONS: &str = "mitigations=off highres=off";

/// The processor of an emulated machine of an architecture (`x86_64`, `aarch64`), for QEMU's `-cpu`:
/// all QEMU can emulate, but for the instructions that fill and copy memory byte by byte. A real
/// processor has a fast way to do so, which is why Go and the kernel use them wherever they are
/// announced, and QEMU has not.
pub fn emulated_cpu(architecture: &str) -> &'static str {
    match architecture {
        "x86_64" => "max,-erms,-fsrm,-fsrs,-fzrm",
        _ => "max",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_its_console() {
        assert!(kernel_command_line("hvc0").starts_with("console=hvc0 panic=-1 "));
        assert!(!kernel_command_line("ttyS0").contains("  "));
    }

    #[test]
    fn a_guest_without_disks_says_so_in_these_words() {
        let init = include_str!("../guest/vm/init");
        assert!(init.contains(r#"echo "<3>skep: $*" >/dev/kmsg"#));
        let (who, what) = NO_BASE_DISK.split_once(' ').unwrap();
        assert_eq!(who, "skep:");
        assert!(init.contains(&format!("give_up \"{what}")), "{what}");
    }
}
