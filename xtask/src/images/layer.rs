//! The one layer of an image: from the packages the program and its libraries, and a few files
//! of our own.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result, bail};
use tar::{Builder, EntryType, Header};

use super::Image;

/// The programs that busybox provides, each selected by the name of its link.
const APPLETS: [&str; 44] = [
    "ash", "awk", "cat", "chmod", "cp", "date", "dd", "df", "echo", "env", "expr", "false", "find",
    "grep", "head", "hostname", "httpd", "id", "ip", "kill", "ln", "ls", "mkdir", "mount", "mv",
    "nc", "nslookup", "ping", "printf", "ps", "rm", "sed", "seq", "sh", "sleep", "sort", "tail",
    "test", "top", "touch", "true", "wc", "wget", "yes",
];

/// nginx's configuration: the answer to a request.
const PAGE: &str =
    "<!DOCTYPE html>\n<title>Welcome to nginx!</title>\n<h1>Welcome to nginx!</h1>\n";

const CONFIGURATION: &str = "\
user nobody nogroup;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 1024; }
http {
    include mime.types;
    access_log /dev/stdout;
    add_header X-Served-By $hostname;
    server {
        listen 80;
        root /usr/share/nginx/html;
    }
}
";

/// The script that runs nginx.
pub(super) const SERVE: &str = "serve";

/// When asked to stop, it keeps answering for `$LINGER` seconds, until no node's mesh routes here
/// any more, then finishes the open requests.
const SERVE_SCRIPT: &str = "\
#!/bin/sh
nginx -g 'daemon off;' &
trap 'sleep ${LINGER:-5}; kill -QUIT $!; wait; exit 0' TERM
wait
";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\nnogroup:x:65534:\n";

/// Makes the layer's tar from the packages' tar.
pub(super) fn make(image: &Image, packages: &Path) -> Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for (folder, mode) in [("tmp", 0o1777), ("run", 0o755), ("root", 0o700), ("etc", 0o755)] {
        directory(&mut layer, folder, mode)?;
    }
    let proven = take(image, packages, &mut layer).context("cannot read the packages")?;
    if !proven {
        bail!("`{}` is nowhere in the packages of {}", image.proof, image.suite);
    }
    file(&mut layer, "etc/passwd", PASSWD)?;
    file(&mut layer, "etc/group", GROUP)?;
    // A link's target is the path as the container sees it.
    for applet in APPLETS {
        link(&mut layer, &format!("usr/bin/{applet}"), "busybox")?;
    }
    if image.is_web {
        program(&mut layer, &format!("usr/bin/{SERVE}"), SERVE_SCRIPT)?;
        // nginx creates its directories for bodies and proxies in the first, and opens its first
        // log in the second before it has read where its logs go.
        for folder in ["var", "var/lib", "var/lib/nginx", "var/log", "var/log/nginx"] {
            directory(&mut layer, folder, 0o755)?;
        }
        link(&mut layer, "var/log/nginx/error.log", "/dev/stderr")?;
        file(&mut layer, "etc/nginx/nginx.conf", CONFIGURATION)?;
        file(&mut layer, "usr/share/nginx/html/index.html", PAGE)?;
    }
    layer.into_inner().context("cannot finish the layer")
}

/// A layer with one file of random bytes, which do not compress.
pub(super) fn fill(length: usize) -> Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    let chance = fs::File::open("/dev/urandom").context("there is no chance")?;
    let mut header = header(EntryType::Regular, 0o644, length);
    layer.append_data(&mut header, "filler", chance.take(length as u64))?;
    layer.into_inner().context("cannot finish the layer")
}

/// Copies the wanted files from the packages; returns whether the expected text was found.
fn take(image: &Image, packages: &Path, layer: &mut Builder<Vec<u8>>) -> io::Result<bool> {
    let mut proven = false;
    let mut tar = tar::Archive::new(fs::File::open(packages)?);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let mut header = entry.header().clone();
        header.set_mtime(0);
        match header.entry_type() {
            EntryType::Symlink if is_wanted(&path) => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                layer.append_link(&mut header, path, target)?;
            }
            EntryType::Regular if is_wanted(&path) => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                let proof = image.proof.as_bytes();
                proven |= content.windows(proof.len()).any(|window| window == proof);
                layer.append_data(&mut header, path, content.as_slice())?;
            }
            _ => {}
        }
    }
    Ok(proven)
}

/// Programs, the libraries directly in their directory, and nginx's table of file types.
fn is_wanted(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    match parts.as_slice() {
        ["bin" | "sbin" | "lib" | "lib64"]
        | ["usr", "bin", "busybox"]
        | ["usr", "sbin", "nginx"]
        | ["usr", "lib64", _]
        | ["etc", "nginx", "mime.types"] => true,
        ["usr", "lib", library] | ["usr", "lib", _, library] => library.contains(".so"),
        _ => false,
    }
}

fn directory(layer: &mut Builder<Vec<u8>>, path: &str, mode: u32) -> Result<()> {
    let mut header = header(EntryType::Directory, mode, 0);
    layer.append_data(&mut header, format!("{path}/"), io::empty()).with_context(|| adding(path))
}

fn file(layer: &mut Builder<Vec<u8>>, path: &str, content: &str) -> Result<()> {
    regular(layer, path, 0o644, content)
}

fn program(layer: &mut Builder<Vec<u8>>, path: &str, content: &str) -> Result<()> {
    regular(layer, path, 0o755, content)
}

fn regular(layer: &mut Builder<Vec<u8>>, path: &str, mode: u32, content: &str) -> Result<()> {
    let mut header = header(EntryType::Regular, mode, content.len());
    layer.append_data(&mut header, path, content.as_bytes()).with_context(|| adding(path))
}

fn link(layer: &mut Builder<Vec<u8>>, path: &str, target: &str) -> Result<()> {
    let mut header = header(EntryType::Symlink, 0o777, 0);
    layer.append_link(&mut header, path, target).with_context(|| adding(path))
}

fn adding(path: &str) -> String {
    format!("cannot add {path}")
}

/// The header of an entry that belongs to root, with a fixed time.
pub(super) fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_libraries_are_taken_and_nothing_else() {
        for path in [
            "bin",
            "lib64",
            "usr/bin/busybox",
            "usr/sbin/nginx",
            "usr/lib64/ld-linux-x86-64.so.2",
            "usr/lib/x86_64-linux-gnu/libc.so.6",
            "usr/lib/ld-linux-aarch64.so.1",
        ] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "",
            "etc/apt/sources.list",
            "dev/null",
            "usr/bin/perl",
            "usr/lib/x86_64-linux-gnu/gconv/IBM1390.so",
            "usr/share/doc/nginx/copyright",
        ] {
            assert!(!is_wanted(path), "{path}");
        }
    }
}
