//! The `VBoxManage` of a fake VirtualBox: see [`skep_tests::vboxmanage`].

use std::process::ExitCode;

fn main() -> ExitCode {
    skep_tests::vboxmanage::main()
}
