//! The initramfs: what the kernel unpacks into memory and runs first, an archive in cpio's newc
//! format. It is not compressed: under emulation unpacking costs more than reading.

use std::io::{self, Write as _};

use cpio::newc::{Builder, ModeFileType, trailer};

/// Directories of the first program's own, and what it mounts.
const DIRECTORIES: [&str; 8] = ["base", "bin", "data", "dev", "modules", "proc", "root", "sys"];

/// Programs it uses, all of them busybox.
const APPLETS: [&str; 11] =
    ["dd", "insmod", "mkdir", "mount", "mv", "poweroff", "rm", "sh", "switch_root", "sync", "tar"];

/// An initramfs with `init` as its first program, which may read `disks`, and `modules` (file name,
/// content) in the order they are loaded in. The same input gives the same bytes.
pub(crate) fn archive(
    busybox: &[u8],
    init: &str,
    disks: Option<&str>,
    modules: &[(String, Vec<u8>)],
) -> Vec<u8> {
    let mut archive = Archive { bytes: Vec::new(), inode: 0 };
    for directory in DIRECTORIES {
        archive.add(directory, ModeFileType::Directory, 0o755, &[]);
    }
    archive.add("bin/busybox", ModeFileType::Regular, 0o755, busybox);
    for applet in APPLETS {
        archive.add(&format!("bin/{applet}"), ModeFileType::Symlink, 0o777, b"busybox");
    }
    for (number, (name, content)) in modules.iter().enumerate() {
        let name = format!("modules/{number:02}-{name}");
        archive.add(&name, ModeFileType::Regular, 0o644, content);
    }
    if let Some(disks) = disks {
        archive.add("disks", ModeFileType::Regular, 0o644, disks.as_bytes());
    }
    archive.add("init", ModeFileType::Regular, 0o755, init.as_bytes());
    trailer(archive.bytes).expect("memory takes any entry")
}

struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    fn add(&mut self, name: &str, kind: ModeFileType, mode: u32, content: &[u8]) {
        self.inode += 1;
        let header = Builder::new(name).ino(self.inode).mode(mode).set_mode_file_type(kind);
        let write = || -> io::Result<()> {
            let mut writer = header.write(&mut self.bytes, content.len() as u32);
            writer.write_all(content)?;
            writer.finish()?;
            Ok(())
        };
        write().expect("memory takes any entry");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_holds_the_first_program_and_the_modules_in_their_order() {
        let modules = [("b.ko".to_owned(), b"bee".to_vec()), ("a.ko".to_owned(), b"ant".to_vec())];
        let bytes = archive(b"ELF", "#!/bin/busybox sh\n", None, &modules);
        let mut listed = Vec::new();
        let mut rest = &bytes[..];
        loop {
            let mut reader = cpio::newc::Reader::new(rest).unwrap();
            if reader.entry().is_trailer() {
                break;
            }
            let line = format!("{:o} {}", reader.entry().mode(), reader.entry().name());
            let mut content = String::new();
            io::Read::read_to_string(&mut reader, &mut content).unwrap();
            listed.push(format!("{line} {content}").trim_end().to_owned());
            rest = reader.finish().unwrap();
        }
        insta::assert_snapshot!(listed.join("\n"));
    }
}
