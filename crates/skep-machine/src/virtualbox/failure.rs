//! What VBoxManage refuses, why, and what to do about it.

use std::time::Duration;

use skep_model::{Advice, Reason};
use skep_process::ProcessError;

/// Why a call of VBoxManage came to nothing.
#[derive(Debug)]
pub(super) enum VBoxError {
    /// It is not in any of the usual places.
    Missing,
    Silent {
        command: String,
        deadline: Duration,
    },
    Refused(Refusal),
    Cancelled,
    Process(ProcessError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) cause: Cause,
    /// Its own words, without codes and places in its source.
    pub(super) text: String,
}

/// What a refusal comes to, as far as it makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NoSuchMachine,
    /// VirtualBox's service is coming up, or going down.
    NotReady,
    /// Another process has the machine: it runs, its settings are open, or it has only just ended.
    Locked,
    NotRunning,
    /// The name is taken by a settings file that is there.
    NameTaken,
    FileExists,
    /// An address that host-only interfaces must not have.
    NotAllowed,
    NoInterface,
    DhcpExists,
    NoModule,
    ModuleDenied,
    ModuleVersion,
    Hypervisor,
    /// Windows' own hypervisor has it.
    HyperV,
    /// The processor cannot, or its firmware does not let it.
    NoVirtualization,
    /// A file that the machine needs is gone.
    NoMedium,
    /// Another process has one of its disks open.
    MediumLocked,
    DiskFull,
    /// There is not that much memory.
    NoMemory,
    Other,
}

/// Texts and what they mean; the first that is found counts. Codes come before sentences, which
/// may be translated.
const CAUSES: [(&str, Cause); 44] = [
    ("Could not find a registered machine", Cause::NoSuchMachine),
    ("The object is not ready", Cause::NotReady),
    ("E_ACCESSDENIED (0x80070005) - The object functionality is limited", Cause::NotReady),
    ("Failed to create the VirtualBox object", Cause::NotReady),
    ("NS_ERROR_ABORT", Cause::NotReady),
    ("NS_ERROR_CALL_FAILED", Cause::NotReady),
    ("is already locked", Cause::Locked),
    ("while it is locked", Cause::Locked),
    ("is not currently running", Cause::NotRunning),
    ("Machine settings file", Cause::NameTaken),
    ("VERR_ALREADY_EXISTS", Cause::FileExists),
    ("WHvCapabilityCodeHypervisorPresent", Cause::HyperV),
    ("VERR_NEM_NOT_AVAILABLE", Cause::HyperV),
    ("VERR_NEM_VM_CREATE_FAILED", Cause::HyperV),
    ("courtesy of Hyper-V", Cause::HyperV),
    ("HYPER_V", Cause::HyperV),
    ("VERR_VMX_IN_VMX_ROOT_MODE", Cause::Hypervisor),
    ("VERR_SVM_IN_USE", Cause::Hypervisor),
    ("being used by another hypervisor", Cause::Hypervisor),
    ("VERR_VMX_NO_VMX", Cause::NoVirtualization),
    ("VERR_VMX_MSR", Cause::NoVirtualization),
    ("VERR_SVM_NO_SVM", Cause::NoVirtualization),
    ("VERR_SVM_DISABLED", Cause::NoVirtualization),
    ("VT-x is not available", Cause::NoVirtualization),
    ("AMD-V is not available", Cause::NoVirtualization),
    ("VERR_SUP_DRIVERLESS", Cause::NoModule),
    ("VERR_VM_DRIVER_NOT_INSTALLED", Cause::NoModule),
    ("VERR_VM_DRIVER_LOAD_ERROR", Cause::NoModule),
    ("rc=-1908", Cause::NoModule),
    ("/dev/vboxnetctl: No such file", Cause::NoModule),
    ("VERR_VM_DRIVER_NOT_ACCESSIBLE", Cause::ModuleDenied),
    ("VERR_VM_DRIVER_VERSION_MISMATCH", Cause::ModuleVersion),
    ("terminated unexpectedly during startup", Cause::NoModule),
    ("Nonexistent host networking interface", Cause::NoInterface),
    ("VERR_INTNET_FLT_IF_NOT_FOUND", Cause::NoInterface),
    ("The host network interface named", Cause::NoInterface),
    ("DHCP server already exists", Cause::DhcpExists),
    ("VERR_DISK_FULL", Cause::DiskFull),
    ("VERR_NO_MEMORY", Cause::NoMemory),
    ("VERR_NO_LOW_MEMORY", Cause::NoMemory),
    ("Could not find file for the medium", Cause::NoMedium),
    ("VERR_FILE_NOT_FOUND", Cause::NoMedium),
    ("VERR_PDM_MEDIA_LOCKED", Cause::MediumLocked),
    ("E_ACCESSDENIED (0x80070005) - Access denied", Cause::NotAllowed),
];

impl Refusal {
    pub(super) fn read(stderr: &str) -> Self {
        let cause = CAUSES.iter().find(|(text, _)| stderr.contains(text));
        let cause = cause.map_or(Cause::Other, |(_, cause)| *cause);
        let mut said: Vec<&str> = Vec::new();
        for line in stderr.lines() {
            let Some((_, text)) = line.split_once(": error: ") else { continue };
            let text = text.trim();
            let places = ["Details: ", "Context: ", "Error code "];
            let is_place = places.iter().any(|word| text.starts_with(word));
            if !text.is_empty() && !is_place && !said.contains(&text) {
                said.push(text);
            }
        }
        if said.is_empty() {
            // Whatever it printed last, so that there is something to look for.
            said.extend(stderr.lines().map(str::trim).rfind(|line| !line.is_empty()));
        }
        Self { cause, text: said.join("; ") }
    }

    fn fix(&self) -> Option<&'static str> {
        Some(match self.cause {
            Cause::NoSuchMachine => {
                "it was removed from VirtualBox: remove the machine here as well"
            }
            Cause::NotReady => {
                "VirtualBox's service does not come up: end the program VBoxSVC, then try again"
            }
            Cause::Locked => {
                "VirtualBox is busy with it, or its settings are open in a window: close that, then \
                 try again"
            }
            Cause::NotAllowed => "VirtualBox does not let host-only interfaces have that address",
            Cause::NoInterface => "`VBoxManage list hostonlyifs` shows which there are",
            Cause::NoModule => {
                "VirtualBox's kernel module is missing or not loaded: `sudo /sbin/vboxconfig` builds \
                 it, or `apt-get install virtualbox-dkms` with the kernel's headers on Debian; on \
                 macOS allow Oracle's extension in the settings of the system"
            }
            Cause::ModuleDenied => {
                "this user may not use /dev/vboxdrv: add it to the group vboxusers and log in again"
            }
            Cause::ModuleVersion => {
                "the kernel module is of another version of VirtualBox: `sudo /sbin/vboxconfig` \
                 builds the right one; restart the host if that does not help"
            }
            Cause::Hypervisor => {
                "end the virtual machines of other programs (QEMU with KVM, VMware), or unload KVM: \
                 `sudo modprobe -r kvm_intel kvm_amd kvm`"
            }
            Cause::HyperV => {
                "Windows' Hyper-V has the processor: `bcdedit /set hypervisorlaunchtype off` as \
                 administrator and restart, or switch on the Windows Hypervisor Platform"
            }
            Cause::NoVirtualization => {
                "switch VT-x or AMD-V on in the firmware's settings; in a virtual machine its host \
                 must allow nested virtualization"
            }
            Cause::NoMedium => "one of its files is gone: remove the machine and make it again",
            Cause::MediumLocked => "another virtual machine has one of its disks: stop that one",
            Cause::DiskFull => "make room, then try again",
            Cause::NoMemory => "close something, or give the machine less memory",
            Cause::NameTaken
            | Cause::FileExists
            | Cause::NotRunning
            | Cause::DhcpExists
            | Cause::Other => return None,
        })
    }
}

impl VBoxError {
    pub(super) fn cause(&self) -> Option<Cause> {
        match self {
            VBoxError::Refused(refusal) => Some(refusal.cause),
            _ => None,
        }
    }

    /// The cause and the fix, as the end of a sentence.
    pub(super) fn reason(&self) -> Reason {
        let text = match self {
            VBoxError::Missing => format!("there is no VBoxManage: {HOW_TO_INSTALL}"),
            VBoxError::Silent { command, deadline } => format!(
                "`{command}` did not end within {} s and was killed: VirtualBox's service hangs; \
                 end the program VBoxSVC, then try again",
                deadline.as_secs_f32()
            ),
            VBoxError::Refused(refusal) => match refusal.fix() {
                Some(fix) => format!("VirtualBox says: {}: {fix}", refusal.text),
                None => format!("VirtualBox says: {}", refusal.text),
            },
            VBoxError::Cancelled => "interrupted".into(),
            VBoxError::Process(error) => error.to_string(),
        };
        match self.cause() {
            Some(Cause::NotAllowed) => Reason::new(text, Advice::Diagnose(Some("virtualbox"))),
            _ => text.into(),
        }
    }
}

pub(super) const HOW_TO_INSTALL: &str = "install VirtualBox 6.1 to 7.2 (www.virtualbox.org, or your distribution's package \
     `virtualbox`) so that VBoxManage is on the PATH";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The error output of a recording.
    fn stderr(recording: &str) -> &str {
        let start = recording.split_once("--- stderr ---\n").unwrap().1;
        start.split_once("--- end ---").unwrap().0
    }

    macro_rules! recorded {
        ($($name:literal),* $(,)?) => {
            [$(($name, include_str!(concat!("fixtures/", $name, ".txt")))),*]
        };
    }

    #[test]
    fn what_was_recorded_is_understood() {
        let recordings = recorded![
            "010-showvminfo-missing",
            "012-createvm-name-exists",
            "020-convertfromraw-exists",
            "023-storageattach-missing-medium",
            "045-bad-nictype",
            "048-bad-promisc",
            "051-bad-memory-zero",
            "053-unknown-option",
            "059-controlvm-poweroff-stopped",
            "081-hostonlyif-create",
            "085-dhcpserver-add-netname",
            "112-hostonlyif-ipconfig-disallowed",
            "140-startvm-headless-default-engine",
            "163-startvm-already-running",
            "164-unregistervm-running",
            "165-modifyvm-running",
            "190-startvm-driverless-no-extradata",
            "230-startvm-driverless-hostonly-missing-if",
        ];
        let read: Vec<String> = recordings
            .into_iter()
            .map(|(name, text)| {
                let Refusal { cause, text } = Refusal::read(stderr(text));
                format!("{name}: {cause:?}: {text}")
            })
            .collect();
        insta::assert_snapshot!(read.join("\n"));
    }

    #[test]
    fn causes_that_need_a_running_kernel_module_have_a_fix() {
        for (said, cause) in [
            (
                "VT-x is disabled in the BIOS for all CPU modes (VERR_VMX_MSR_ALL_VMX_DISABLED)",
                Cause::NoVirtualization,
            ),
            (
                "VT-x is being used by another hypervisor (VERR_VMX_IN_VMX_ROOT_MODE).",
                Cause::Hypervisor,
            ),
            (
                "Raw-mode is unavailable courtesy of Hyper-V. (VERR_SUPDRV_NO_RAW_MODE_HYPER_V_ROOT)",
                Cause::HyperV,
            ),
            ("The object is not ready", Cause::NotReady),
            ("Kernel driver not accessible (VERR_VM_DRIVER_NOT_ACCESSIBLE)", Cause::ModuleDenied),
        ] {
            let refusal = Refusal::read(&format!("VBoxManage: error: {said}\n"));
            assert_eq!(refusal.cause, cause, "{said}");
            let reason = VBoxError::Refused(refusal).reason().text;
            assert!(reason.starts_with(&format!("VirtualBox says: {said}: ")), "{reason}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_passed_on() {
        assert_eq!(Refusal::read("Segmentation fault\n\n").text, "Segmentation fault");
        assert_eq!(Refusal::read("").text, "");
    }

    proptest! {
        #[test]
        fn any_text_is_a_refusal(text in "(\\PC|\n){0,200}") {
            let _ = VBoxError::Refused(Refusal::read(&text)).reason();
        }
    }
}
