//! The scripts, run on directories that stand for machines.

use proptest::prelude::*;
use skep_process::Program;
use tokio_util::sync::CancellationToken;

use super::*;

#[tokio::test]
async fn every_script_is_a_script() {
    for script in [STATE, PLACE, UPDATE, SET_ASIDE, REMOVE, RESTART] {
        let check = Program::new("sh").args(["-n", "-c", script]);
        check.run(&CancellationToken::new()).await.unwrap();
    }
}

#[tokio::test]
async fn certificates_are_placed_all_or_none() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("roots");
    let mut archive = tar::Builder::new(Vec::new());
    for name in ["a.crt", "b.crt"] {
        let mut header = tar::Header::new_ustar();
        header.set_size(600);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, &[b'x'; 600][..]).unwrap();
    }
    let whole = archive.into_inner().unwrap();
    // Cut inside the second file's content, and inside its header.
    for length in [whole.len() - 1500, 1600, 600] {
        let cut = place(&directory, &whole[..length]).await;
        assert!(cut.is_err(), "{length}");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "{length}");
    }
    place(&directory, &whole).await.unwrap();
    assert_eq!(std::fs::read(directory.join("b.crt")).unwrap(), [b'x'; 600]);
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside");
}

/// A script that takes another directory for the root of the file system.
fn below(root: &std::path::Path, script: &str) -> String {
    script.replacen("root=\n", &format!("root={}\n", root.display()), 1)
}

/// Runs a script there, with what stands in for the programs that gather a system's roots.
async fn run(root: &std::path::Path, script: &str, args: &[&str], stdin: &[u8]) -> String {
    let text = below(root, script);
    let sh = Program::new("sh").args(["-euc", &text, "sh"]).args(args);
    let path = format!("{}/bin:/usr/bin:/bin", root.display());
    let sh = sh.stdin(stdin).env("PATH", path);
    sh.run(&CancellationToken::new()).await.unwrap().text()
}

/// Each system's own way, with a stand-in for the program that gathers its roots.
#[tokio::test]
async fn every_system_keeps_its_roots_where_it_looks_for_them() {
    let systems = [
        ("etc/os-release", "ID=debian\n", "/usr/local/share/ca-certificates"),
        ("etc/pki/ca-trust/source/anchors/x", "", "/etc/pki/ca-trust/source/anchors"),
        (
            "etc/ca-certificates/trust-source/anchors/x",
            "",
            "/etc/ca-certificates/trust-source/anchors",
        ),
        ("etc/pki/trust/anchors/x", "", "/etc/pki/trust/anchors"),
    ];
    for (file, text, directory) in systems {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), text).unwrap();
        keeps(root, directory, "").await;
    }
    let home = tempfile::tempdir().unwrap();
    let root = home.path();
    std::fs::create_dir_all(root.join("var/lib/boot2docker")).unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/os-release"), "NAME=b\nID=boot2docker\n").unwrap();
    let links = "usr/local/share/ca-certificates/boot2docker";
    keeps(root, "/var/lib/boot2docker/certs", links).await;
    // skep's own guest knows that directory too, and has its own way.
    std::fs::create_dir_all(root.join("var/lib/skep/seed")).unwrap();
    keeps(root, "/usr/local/share/ca-certificates", "").await;
}

/// Stands in for what gathers a system's roots: as Debian's, it adds to a `.new` that it finds.
const GATHER: &str = r#"#!/bin/sh
set -eu
root=ROOT bundle=$root/BUNDLE
mkdir -p "${bundle%/*}"
if [ -f "$root/etc/ca-certificates.conf" ]; then
while read -r name; do cat "$root/usr/share/ca-certificates/$name" >>"$bundle.new"; done <"$root/etc/ca-certificates.conf"
fi
for file in "$root/DIRECTORY"/*.crt; do
[ ! -f "$file" ] || cat "$file" >>"$bundle.new"
done
[ ! -f "$bundle.new" ] || mv -f "$bundle.new" "$bundle"
[ -s "$bundle" ] || : >"$bundle"
"#;

fn program(root: &std::path::Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(root.join("bin")).unwrap();
    let path = root.join("bin").join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn gathers(root: &std::path::Path, directory: &str, bundle: &str) {
    let text = GATHER
        .replace("ROOT", &root.display().to_string())
        .replace("DIRECTORY", directory.trim_start_matches('/'))
        .replace("BUNDLE", bundle);
    for name in ["update-ca-certificates", "update-ca-trust"] {
        program(root, name, &text);
    }
}

fn certificate(number: usize) -> String {
    let line = |of: usize| format!("{:064}\n", number * 10 + of);
    let body: String = (0..5).map(line).collect();
    format!("-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
}

fn archive(name: &str, text: &str) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    archive.into_inner().unwrap()
}

async fn keeps(root: &std::path::Path, directory: &str, links: &str) {
    let bundle = match directory {
        "/etc/pki/ca-trust/source/anchors" => "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ca-certificates/trust-source/anchors" => {
            "etc/ca-certificates/extracted/tls-ca-bundle.pem"
        }
        "/etc/pki/trust/anchors" => "var/lib/ca-certificates/ca-bundle.pem",
        // boot2docker's own falls back to another place while this is not there.
        _ => "etc/ssl/certs/ca-certificates.crt",
    };
    std::fs::create_dir_all(root.join(bundle).parent().unwrap()).unwrap();
    std::fs::write(root.join(bundle), "").unwrap();
    gathers(root, directory, bundle);
    let text = certificate(1);
    run(root, PLACE, &[SYSTEM, "1"], &archive("skep-1.crt", &text)).await;
    let path = format!("{directory}/skep-1.crt");
    let said = run(root, STATE, &[], b"").await;
    assert!(said.starts_with(&format!("@ {path} no\n")), "{said}");
    let state = State::parse(&said);
    assert_eq!((state.files.len(), state.files[0].registry.as_ref()), (1, None), "{said}");
    run(root, UPDATE, &[], b"").await;
    assert_eq!(root.join(links).join("skep-1.crt").exists(), !links.is_empty());
    let state = State::parse(&run(root, STATE, &[], b"").await);
    assert!(state.files[0].trusted && !state.is_stale(), "{state:?}");

    // Twice, as two at once have left it; cut off; or empty.
    let cut = &text[..text.len() - 40];
    for damage in [format!("{text}{text}"), format!("{text}{cut}"), cut.to_owned(), String::new()] {
        std::fs::write(root.join(bundle), &damage).unwrap();
        // And what one that was killed has not finished.
        std::fs::write(root.join(format!("{bundle}.new")), cut).unwrap();
        let state = State::parse(&run(root, STATE, &[], b"").await);
        assert!(state.is_stale(), "{damage:?}");
        run(root, UPDATE, &["--fresh"], b"").await;
        assert_eq!(std::fs::read_to_string(root.join(bundle)).unwrap(), text, "{damage:?}");
        assert!(!State::parse(&run(root, STATE, &[], b"").await).is_stale());
    }

    run(root, SET_ASIDE, &[&path], b"").await;
    run(root, SET_ASIDE, &[&path], b"").await;
    assert!(State::parse(&run(root, STATE, &[], b"").await).update);
    std::fs::remove_file(root.join(bundle)).unwrap();
    run(root, UPDATE, &["--fresh"], b"").await;
    assert_eq!(State::parse(&run(root, STATE, &[], b"").await), State::default());
    assert!(!root.join(links).join("skep-1.crt").is_symlink());
}

/// A machine as Debian's, with `count` certificates of the distribution.
fn debian(count: usize) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let root = home.path();
    for directory in ["etc/ssl/certs", "usr/share/ca-certificates", "run"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    let mut conf = "# a comment\n!not/this.crt\n".to_owned();
    for number in 1..=count {
        let name = format!("root {number}.crt");
        conf += &format!("{name}\n");
        let path = root.join("usr/share/ca-certificates").join(name);
        std::fs::write(path, certificate(number + 100)).unwrap();
    }
    std::fs::write(root.join("etc/ca-certificates.conf"), conf).unwrap();
    std::fs::create_dir_all(root.join("usr/local/share/ca-certificates")).unwrap();
    home
}

/// What a bundle is worth is judged by what it is made of.
#[tokio::test]
async fn a_bundle_is_held_against_its_sources() {
    let home = debian(5);
    let root = home.path();
    let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
    let local = root.join("usr/local/share/ca-certificates/own.crt");
    let all: String = (101..=105).map(certificate).collect();
    // One that was put there although the distribution has it: twice, and rightly so.
    std::fs::write(local, certificate(105).trim_end()).unwrap();
    let judge = async |text: &str| {
        std::fs::write(&bundle, text).unwrap();
        run(root, STATE, &[], b"").await.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    assert_eq!(judge(&format!("{all}{}", certificate(105))).await, none);
    assert_eq!(judge(&all).await, none, "p11-kit leaves out what is there twice");
    assert_eq!(judge(&format!("{all}{}", certificate(7))).await, none, "added by hand");
    assert_eq!(judge(&format!("{all}{all}")).await, ["@ damaged 0 4 0"]);
    // Cut between two, as if the disk had been full.
    assert_eq!(judge(&all[..all.len() / 5 * 3]).await, ["@ damaged 0 0 2"]);
    assert_eq!(judge(&all[..all.len() / 5 * 3 + 99]).await, ["@ damaged 1 0 2"]);
    assert_eq!(judge("").await, ["@ damaged 0 0 5"]);
    assert_eq!(judge(&all.replace('\n', "\r\n")).await, none);
}

/// A tool that fails, or writes a part and says that all is well.
#[tokio::test]
async fn a_bundle_that_comes_out_broken_does_not_stay() {
    let home = debian(0);
    let root = home.path();
    let bundle = root.join("etc/ssl/certs/ca-certificates.crt");
    let whole = certificate(1);
    let write = |text: &str| std::fs::write(&bundle, text).unwrap();
    let tool = |text: &str| {
        let path = bundle.display();
        program(root, "update-ca-certificates", &format!("#!/bin/sh\n{text} >{path}\n"));
    };
    let update = async || {
        let sh = Program::new("sh").args(["-euc", &below(root, UPDATE), "sh", "--fresh"]);
        let sh = sh.env("PATH", format!("{}/bin:/usr/bin:/bin", root.display()));
        sh.run(&CancellationToken::new()).await
    };
    for text in ["printf -- '-----BEGIN CERTIFICATE-----\\nAB\\n'", ":"] {
        write(&whole);
        tool(text);
        let said = update().await.unwrap_err().to_string();
        assert!(said.contains("cut off"), "{said}");
        assert_eq!(std::fs::read_to_string(&bundle).unwrap(), whole);
    }
    // The same once more leaves it as old as it was: no engine need read it.
    write(&whole);
    let old = std::fs::metadata(&bundle).unwrap().modified().unwrap();
    tool(&format!("printf '%s' '{whole}'"));
    update().await.unwrap();
    assert_eq!(std::fs::metadata(&bundle).unwrap().modified().unwrap(), old);
    assert_eq!(std::fs::read_dir(bundle.parent().unwrap()).unwrap().count(), 1);
}

/// An engine is as old as its pid file; what it reads only once may be newer.
#[tokio::test]
async fn an_engine_is_older_than_what_it_has_not_read() {
    let home = debian(1);
    let root = home.path();
    let age = |path: &str, seconds: u64| {
        let path = root.join(path);
        let file = std::fs::File::options().append(true).create(true).open(path).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(time).unwrap();
    };
    std::fs::write(root.join("etc/ssl/certs/ca-certificates.crt"), certificate(101)).unwrap();
    let due = async || State::parse(&run(root, STATE, &[], b"").await).restart;
    age("etc/ssl/certs/ca-certificates.crt", 1000);
    assert!(!due().await, "there is no engine");
    age("run/docker.pid", 2000);
    assert!(!due().await);
    age("run/skep-restart-due", 3000);
    assert!(due().await, "its own certificate is newer");
    age("run/docker.pid", 4000);
    assert!(!due().await);
    age("etc/ssl/certs/ca-certificates.crt", 5000);
    assert!(due().await);
}

/// The fault itself: the tool is run again while a killed command's is still at it.
#[tokio::test]
async fn what_a_killed_command_has_left_running_is_waited_for() {
    let home = debian(40);
    let root = home.path();
    let directory = "/usr/local/share/ca-certificates";
    let bundle = "etc/ssl/certs/ca-certificates.crt";
    gathers(root, directory, bundle);
    let lock = crate::exclusive::LOCK.replacen(
        "/run/skep-machine.lock",
        &root.join("run/lock").display().to_string(),
        1,
    );
    let script = format!("{lock}{}", below(root, UPDATE));
    let path = format!("{}/bin:/usr/bin:/bin", root.display());
    std::fs::write(root.join(bundle), "").unwrap();
    // The configuration's first two lines are no names: this tool knows no comments.
    let conf = root.join("etc/ca-certificates.conf");
    let text = std::fs::read_to_string(&conf).unwrap();
    std::fs::write(&conf, text.lines().skip(2).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    for _ in 0..5 {
        // Its shell is killed as soon as the tool runs; the tool goes on.
        let dies = script.replacen(
            "update \"$@\"\n",
            "update \"$@\" & until [ -e \"$bundle.new\" ]; do :; done; kill -9 $$\n",
            1,
        );
        assert_ne!(dies, script);
        let sh = |text: &str| {
            Program::new("sh").args(["-euc", text, "sh", "--fresh"]).env("PATH", &path)
        };
        let none = CancellationToken::new();
        let (killed, next) = tokio::join!(sh(&dies).run(&none), async {
            // Begun while the other one has the lock, or has just been killed.
            while !root.join(format!("{bundle}.new")).exists() {
                tokio::task::yield_now().await;
            }
            sh(&script).run(&none).await
        });
        killed.unwrap_err();
        next.unwrap();
        let held = std::fs::read_to_string(root.join(bundle)).unwrap();
        assert_eq!(held.matches("BEGIN").count(), 40);
        std::fs::write(root.join(bundle), "").unwrap();
    }
}

async fn place(
    directory: &std::path::Path,
    archive: &[u8],
) -> Result<skep_process::Output, skep_process::ProcessError> {
    let sh = Program::new("sh").args(["-euc", PLACE, "sh"]).arg(directory).arg("2");
    sh.stdin(archive).run(&CancellationToken::new()).await
}

#[test]
fn a_registry_has_a_directory_of_its_own() {
    let registry = "[fd00::2]:5000".parse().unwrap();
    assert_eq!(registry_directory(&registry), "/etc/docker/certs.d/[fd00::2]:5000");
}

#[test]
fn a_machines_answer_is_read() {
    let text = "@ /usr/local/share/ca-certificates/skep-1.crt no\nA\nB\n\n\
        @ /etc/docker/certs.d/[::1]:5000/skep-2.crt yes\nC\n\n\
        @ /etc/docker/certs.d/not a registry/skep-3.crt yes\nD\n\n@ restart\n";
    let state = State::parse(text);
    assert_eq!(state.files.len(), 2);
    assert_eq!((state.files[0].content.as_str(), state.files[0].trusted), ("A\nB\n", false));
    assert_eq!(state.files[1].registry, Some("[::1]:5000".parse().unwrap()));
    assert_eq!(state.files[1].content, "C\n");
    assert!(state.restart && !state.update);
}

proptest! {
    #[test]
    fn any_answer_is_read(text in "(@ |/|yes|update|\n|[a-z ]){0,30}") {
        State::parse(&text);
    }
}
