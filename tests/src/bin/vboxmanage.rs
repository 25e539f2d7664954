//! A `VBoxManage` that plays VirtualBox's part: see [`skep_tests::vboxmanage`].

use std::process::ExitCode;

fn main() -> ExitCode {
    skep_tests::vboxmanage::main()
}
