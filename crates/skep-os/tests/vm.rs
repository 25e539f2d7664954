//! What virtual machines are started from, with a scripted mmdebstrap: built once, and any damage to
//! it noticed.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use fs_err as fs;
use skep_model::{Advice, Event, Events, Reason};
use skep_os::{
    Builder, Entry, OsError, Release, Source, VmImage, cache,
    source::{Distribution, Mirror},
};
use tokio_util::sync::CancellationToken;

/// The root file system, or, if that is what is asked for, the kernel layer: the last hook then
/// says where it goes.
const MMDEBSTRAP: &str = r#"#!/bin/sh
echo run >>"$0.runs"
for word; do
    case $word in
        */partial.tar) cp "${0%/*}/rootfs.tar" "$word" ;;
        *=download*) path=${word##* } && eval cp "${0%/*}/layer.tar" "$path" ;;
    esac
done
"#;

struct Host {
    root: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(host.path("scratch")).unwrap();
        // A build without root wants these; one as root does not look.
        let id = rustix::process::geteuid().as_raw();
        for file in ["host/etc/subuid", "host/etc/subgid", "host/usr/bin/newuidmap"] {
            fs::create_dir_all(host.path(file).parent().unwrap()).unwrap();
            fs::write(host.path(file), format!("{id}:100000:65536\n")).unwrap();
        }
        fs::write(host.path("mmdebstrap"), MMDEBSTRAP).unwrap();
        fs::set_permissions(host.path("mmdebstrap"), std::fs::Permissions::from_mode(0o755))
            .unwrap();
        host.tar("rootfs.tar", &[("./usr/sbin/skep-init", "#!/bin/sh\n")]);
        let modules = "./usr/lib/modules/6.12";
        host.tar(
            "layer.tar",
            &[
                ("./boot/vmlinuz", "MZ, a kernel that needs no taking apart"),
                ("./usr/bin/busybox", "ELF, a busybox"),
                (
                    &format!("{modules}/modules.dep"),
                    "kernel/virtio_net.ko: kernel/net_failover.ko\nkernel/net_failover.ko:\n",
                ),
                (&format!("{modules}/kernel/virtio_net.ko"), "ELF, a network card"),
                (&format!("{modules}/kernel/net_failover.ko"), "ELF, what it needs"),
            ],
        );
        host
    }

    fn tar(&self, name: &str, files: &[(&str, &str)]) {
        let mut tar = tar::Builder::new(fs::File::create(self.path(name)).unwrap());
        for (path, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        tar.finish().unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn builder(&self) -> Builder {
        let mirror = Mirror {
            uri: "http://127.0.0.1:1/debian".into(),
            suite: "trixie".into(),
            components: "main",
            keyring: "/k.gpg".into(),
        };
        let source = Source {
            release: Release { distribution: Distribution::Debian, suite: "trixie".into() },
            architecture: "amd64".into(),
            mirrors: vec![mirror],
        };
        Builder::new(self.path("cache"), source)
            .with_mmdebstrap(self.path("mmdebstrap"))
            .with_scratch(self.path("scratch"))
            .with_host(self.path("host"))
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.path("mmdebstrap.runs")).unwrap_or_default().lines().count()
    }
}

async fn ensure(builder: &Builder) -> Result<VmImage, OsError> {
    builder.ensure_vm(&Events::none(), &CancellationToken::new()).await
}

fn damage(builder: &Builder) -> Reason {
    let error = builder.cached_vm().unwrap_err();
    assert!(matches!(error, OsError::Damaged { .. }), "{error}");
    Reason::of(&error)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_machines_start_from_is_built_once_with_its_root_file_system() {
    let host = Host::new();
    let builder = host.builder();
    assert_eq!(builder.cached_vm().unwrap(), None);
    let image = ensure(&builder).await.unwrap();
    assert_eq!(image.digest, builder.vm_digest());
    assert_eq!(image.kernel_release, "6.12");
    assert!(fs::read_to_string(&image.kernel).unwrap().starts_with("MZ"));
    let initramfs = String::from_utf8_lossy(&fs::read(&image.initramfs).unwrap()).into_owned();
    for part in ["modules/00-net_failover.ko", "modules/01-virtio_net.ko", "a busybox"] {
        assert!(initramfs.contains(part), "{part}");
    }
    assert!(fs::read(&image.base).unwrap().starts_with(b"hsqs"));
    image.verify().unwrap();

    assert_eq!(ensure(&builder).await.unwrap(), image);
    assert_eq!(host.runs(), 2);
    assert_eq!(
        names(image.kernel.parent().unwrap()),
        ["base.squashfs", "initramfs", "kernel", "vm.json"]
    );
    let listed = cache::list(builder.cache()).unwrap();
    assert!(listed.contains(&Entry::Vm(image.clone())), "{listed:?}");
    cache::remove(builder.cache(), &image.digest).unwrap();
    assert_eq!(builder.cached_vm().unwrap(), None);
}

#[tokio::test]
async fn a_file_cut_short_is_named_and_built_again() {
    let host = Host::new();
    let builder = host.builder();
    let image = ensure(&builder).await.unwrap();
    let size = fs::metadata(&image.base).unwrap().len();
    fs::OpenOptions::new().write(true).open(&image.base).unwrap().set_len(size - 1).unwrap();
    let told = damage(&builder);
    let expected = format!("base.squashfs is damaged: it has {} bytes instead of {size}", size - 1);
    assert!(told.text.contains(&expected), "{told:?}");
    assert_eq!(told.advice(), Some(Advice::RemoveImage(image.digest[..12].to_owned())));

    let warned = Arc::new(Mutex::new(Vec::new()));
    let log = warned.clone();
    let events = Events::new(move |event| {
        if let Event::Warning { text, advice, .. } = event {
            log.lock().unwrap().push(Reason::new(text, advice.unwrap()));
        }
    });
    builder.ensure_vm(&events, &CancellationToken::new()).await.unwrap().verify().unwrap();
    assert_eq!(*warned.lock().unwrap(), [told]);
}

#[tokio::test]
async fn other_content_of_the_same_size_is_noticed() {
    let host = Host::new();
    let builder = host.builder();
    let image = ensure(&builder).await.unwrap();
    let modified = fs::metadata(&image.initramfs).unwrap().modified().unwrap();
    let mut content = fs::read(&image.initramfs).unwrap();
    content[200] ^= 1;
    fs::write(&image.initramfs, &content).unwrap();
    assert!(damage(&builder).text.contains("initramfs is damaged: its content"));

    // With its old time it takes a closer look.
    let file = fs::OpenOptions::new().write(true).open(&image.initramfs).unwrap();
    file.file().set_modified(modified).unwrap();
    assert_eq!(builder.cached_vm().unwrap().as_ref(), Some(&image));
    let error = image.verify().unwrap_err();
    assert!(matches!(error, OsError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn what_was_copied_with_another_time_is_still_what_was_built() {
    let host = Host::new();
    let builder = host.builder();
    let image = ensure(&builder).await.unwrap();
    let file = fs::OpenOptions::new().write(true).open(&image.kernel).unwrap();
    file.file().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(builder.cached_vm().unwrap(), Some(image));
}

#[tokio::test]
async fn a_build_that_was_killed_is_no_image() {
    let host = Host::new();
    let builder = host.builder();
    let image = ensure(&builder).await.unwrap();
    // The record comes last.
    fs::remove_file(image.kernel.with_file_name("vm.json")).unwrap();
    assert_eq!(builder.cached_vm().unwrap(), None);
    let unfinished = Entry::Unfinished { digest: builder.vm_digest(), building: false };
    assert!(cache::list(builder.cache()).unwrap().contains(&unfinished));
    ensure(&builder).await.unwrap().verify().unwrap();
}

#[tokio::test]
async fn two_builds_at_once_are_one() {
    let host = Host::new();
    let (first, second) = (host.builder(), host.builder());
    let (a, b) = tokio::join!(ensure(&first), ensure(&second));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(host.runs(), 2);
}

#[tokio::test]
async fn a_layer_that_lacks_a_part_leaves_nothing() {
    let host = Host::new();
    host.tar("layer.tar", &[("./boot/vmlinuz", "MZ")]);
    let builder = host.builder();
    let error = ensure(&builder).await.unwrap_err();
    assert!(matches!(error, OsError::Io { .. }), "{error}");
    assert!(!builder.cache().join(builder.vm_digest()).exists());
}
