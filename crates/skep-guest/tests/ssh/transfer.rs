//! `scp`, with the arguments that skep makes.

use std::{ffi::OsString, path::Path};

use skep_guest::transfer::{Copying, End, scp};
use skep_process::Program;

use crate::sshd::Sshd;

fn there<'a>(sshd: &'a Sshd, path: &'a Path) -> End<'a> {
    End::There { access: &sshd.access, user: None, path: path.to_str().unwrap() }
}

async fn run(argv: Vec<OsString>, sshd: &Sshd) {
    Program::new(&argv[0]).args(&argv[1..]).run(&sshd.cancel).await.unwrap();
}

#[tokio::test]
async fn a_file_goes_there_and_comes_back() {
    let (sshd, _guest) = Sshd::connected().await;
    let (here, far, back) = (sshd.path("here"), sshd.path("a b%41:c"), sshd.path("back"));
    std::fs::write(&here, "honey").unwrap();
    let quiet = Copying { recursive: false, quiet: true };
    run(scp(End::Here(here.as_os_str()), there(&sshd, &far), quiet).unwrap(), &sshd).await;
    assert_eq!(std::fs::read_to_string(&far).unwrap(), "honey");
    run(scp(there(&sshd, &far), End::Here(back.as_os_str()), quiet).unwrap(), &sshd).await;
    assert_eq!(std::fs::read_to_string(&back).unwrap(), "honey");
}

/// Each has a port, a key and a host key of its own.
#[tokio::test]
async fn a_directory_goes_from_one_machine_to_another() {
    let (one, _guest) = Sshd::connected().await;
    let (other, _guest) = Sshd::connected().await;
    let (from, to) = (one.path("from"), other.path("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::write(from.join("file"), "honey").unwrap();
    let how = Copying { recursive: true, quiet: true };
    run(scp(there(&one, &from), there(&other, &to), how).unwrap(), &one).await;
    assert_eq!(std::fs::read_to_string(to.join("file")).unwrap(), "honey");
}
