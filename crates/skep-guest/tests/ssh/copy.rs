//! Files and directories, there and back.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use skep_guest::GuestError;

use crate::sshd::Sshd;

#[tokio::test]
async fn a_file_is_written_whole_with_its_mode() {
    let (sshd, guest) = Sshd::connected().await;
    let path = sshd.path("a dir/it's.conf");
    let name = path.to_str().unwrap();
    for text in ["first\0", "", "second"] {
        guest.write_file(name, 0o640, text.as_bytes(), &sshd.cancel).await.unwrap();
        let read = guest.read_file(name, &sshd.cancel).await.unwrap();
        assert_eq!(read, text.as_bytes());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    }
    let others = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(others, 1, "nothing is left beside it");
    let error = guest.write_file("/", 0o600, b"", &sshd.cancel).await.unwrap_err();
    assert!(error.to_string().contains("is a directory"), "{error}");
    let error = guest.read_file("/nowhere", &sshd.cancel).await.unwrap_err();
    assert!(matches!(error, GuestError::Failed { .. }), "{error}");
}

#[tokio::test]
async fn a_directory_goes_there_and_comes_back_the_same() {
    let (sshd, guest) = Sshd::connected().await;
    let (here, there, back) = (sshd.path("here"), sshd.path("there"), sshd.path("back"));
    std::fs::create_dir_all(here.join("sub")).unwrap();
    std::fs::write(here.join("sub/run"), "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(here.join("sub/run"), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(here.join("big"), vec![7; 700_000]).unwrap();
    std::os::unix::fs::symlink("big", here.join("link")).unwrap();
    let remote = there.to_str().unwrap();
    guest.upload(&here, remote, &sshd.cancel).await.unwrap();
    // Into a directory that exists, under the name it came with.
    std::fs::create_dir(&back).unwrap();
    guest.download(remote, &back, &sshd.cancel).await.unwrap();
    let back = back.join("there");
    assert!(std::fs::read(back.join("big")).unwrap() == vec![7; 700_000]);
    assert_eq!(std::fs::metadata(back.join("sub/run")).unwrap().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_link(back.join("link")).unwrap().to_str(), Some("big"));
}

#[tokio::test]
async fn a_file_goes_to_a_name_or_into_a_directory() {
    let (sshd, guest) = Sshd::connected().await;
    let file = sshd.path("-file");
    std::fs::write(&file, "text").unwrap();
    let named = sshd.path("new/name");
    guest.upload(&file, named.to_str().unwrap(), &sshd.cancel).await.unwrap();
    assert_eq!(std::fs::read_to_string(&named).unwrap(), "text");
    let directory = named.parent().unwrap();
    guest.upload(&file, directory.to_str().unwrap(), &sshd.cancel).await.unwrap();
    assert_eq!(std::fs::read_to_string(directory.join("-file")).unwrap(), "text");
    let back = sshd.path("back");
    guest.download(directory.join("-file").to_str().unwrap(), &back, &sshd.cancel).await.unwrap();
    assert_eq!(std::fs::read_to_string(back).unwrap(), "text");
}

#[tokio::test]
async fn what_cannot_be_copied_is_said() {
    let (sshd, guest) = Sshd::connected().await;
    let (missing, here) = (sshd.path("missing"), sshd.path("here"));
    let error = guest.upload(&missing, "x", &sshd.cancel).await.unwrap_err();
    assert!(matches!(error, GuestError::Local { action: "read", .. }), "{error}");
    let error = guest.download(missing.to_str().unwrap(), &here, &sshd.cancel).await.unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    assert!(!here.exists());
    let device = guest.download("/dev/null", &here, &sshd.cancel).await.unwrap_err();
    assert!(device.to_string().contains("neither a file nor a directory"), "{device}");
    std::fs::write(&here, "text").unwrap();
    let error = guest.upload(&here, "/dev/null/x", &sshd.cancel).await.unwrap_err();
    assert!(matches!(error, GuestError::Failed { .. }), "{error}");
    let error =
        guest.download(here.to_str().unwrap(), &missing.join("x"), &sshd.cancel).await.unwrap_err();
    assert!(matches!(error, GuestError::Local { action: "write", .. }), "{error}");
}
