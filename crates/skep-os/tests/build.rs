//! Builds with a scripted mmdebstrap: what is kept, what is cleaned up, what is said.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use fs_err as fs;
use skep_model::{Advise as _, Event, Events};
use skep_os::{
    Builder, Entry, OsError, Release, Source, cache,
    source::{Distribution, Mirror},
};
use tokio_util::sync::CancellationToken;

/// What every scripted mmdebstrap starts with: it notes that it ran and finds out, from its
/// arguments, where its result goes.
const PREAMBLE: &str = r#"#!/bin/sh
echo run >>"$0.runs"
for word; do case $word in */partial.tar) out=$word ;; esac; done
mkdir "$TMPDIR/half-made"
echo "I: running apt-get update..."
"#;

/// A host of its own: a cache, a scratch directory, a scripted mmdebstrap.
struct Host {
    root: tempfile::TempDir,
}

impl Host {
    fn new(script: &str) -> Self {
        let host = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(host.path("scratch")).unwrap();
        // A build without root wants these; one as root does not look.
        let id = rustix::process::geteuid().as_raw();
        for file in ["host/etc/subuid", "host/etc/subgid", "host/usr/bin/newuidmap"] {
            fs::create_dir_all(host.path(file).parent().unwrap()).unwrap();
            fs::write(host.path(file), format!("{id}:100000:65536\n")).unwrap();
        }
        host.script(script);
        host
    }

    fn script(&self, script: &str) {
        let program = self.path("mmdebstrap");
        fs::write(&program, format!("{PREAMBLE}{script}")).unwrap();
        fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
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

    /// What a build has left behind: nothing but locks in the cache, nothing in the scratch.
    fn leftovers(&self) -> Vec<String> {
        let names = |directory: &Path| {
            let entries = fs::read_dir(directory).into_iter().flatten();
            entries
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        let mut left = names(&self.path("cache"));
        left.retain(|name| !name.ends_with(".lock"));
        left.extend(names(&self.path("scratch")));
        left
    }
}

async fn ensure(builder: &Builder) -> Result<skep_os::Image, OsError> {
    builder.ensure(&Events::none(), &CancellationToken::new()).await
}

const WORKS: &str =
    "rmdir $TMPDIR/half-made\necho 'Unpacking docker.io (1:26.1.5) ...'\necho root >$out\n";

#[tokio::test]
async fn what_was_built_is_built_once() {
    let host = Host::new(WORKS);
    let builder = host.builder();
    assert_eq!(builder.cached().unwrap(), None);
    let image = ensure(&builder).await.unwrap();
    assert_eq!(fs::read_to_string(&image.rootfs).unwrap(), "root\n");
    assert_eq!((image.size, image.engine.as_deref()), (5, Some("26.1.5")));
    assert_eq!(image.digest, builder.digest());
    assert_eq!(ensure(&builder).await.unwrap(), image);
    assert_eq!(host.runs(), 1);
    assert_eq!(host.leftovers(), [builder.digest()]);
}

#[tokio::test]
async fn a_root_file_system_cut_short_is_built_anew() {
    let host = Host::new(WORKS);
    let builder = host.builder();
    let image = ensure(&builder).await.unwrap();
    fs::write(&image.rootfs, "ro").unwrap();
    assert!(matches!(
        &cache::list(builder.cache()).unwrap()[..],
        [Entry::Unfinished { building: false, .. }]
    ));
    assert_eq!(ensure(&builder).await.unwrap().size, 5);
    fs::write(image.rootfs.with_file_name("image.json"), "{\"schema\": 1,").unwrap();
    assert_eq!(ensure(&builder).await.unwrap().size, 5);
    assert_eq!(host.runs(), 3);
}

#[tokio::test]
async fn a_failed_build_says_why_and_leaves_nothing() {
    let failure = include_str!("fixtures/mmdebstrap-refused.txt");
    let host = Host::new(&format!("cat <<'END' >&2\n{failure}END\necho part >$out\nexit 1\n"));
    let error = ensure(&host.builder()).await.unwrap_err();
    assert!(
        matches!(&error, OsError::Mirror { mirror, .. } if mirror == "http://127.0.0.1:1/debian"),
        "{error}"
    );
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert_eq!(host.leftovers(), [""; 0]);
    host.script(WORKS);
    ensure(&host.builder()).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_build_leaves_nothing() {
    let host = Host::new("echo part >$out\nexec tail -f /dev/null\n");
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let events = Events::new(move |event| {
        if matches!(event, Event::Progress { .. }) {
            stop.cancel();
        }
    });
    let error = host.builder().ensure(&events, &cancel).await.unwrap_err();
    assert!(matches!(error, OsError::Cancelled), "{error}");
    assert_eq!(host.leftovers(), [""; 0]);
}

#[tokio::test]
async fn a_second_build_waits_for_the_first() {
    let host = Host::new(&format!("until [ -e \"$0.go\" ]; do sleep 0.02; done\n{WORKS}"));
    let said = Arc::new(Mutex::new(Vec::new()));
    let (log, go) = (said.clone(), host.path("mmdebstrap.go"));
    let events = Events::new(move |event| {
        if let Event::Progress { detail, .. } = event
            && detail.starts_with("waiting")
        {
            fs::write(&go, "").unwrap();
            log.lock().unwrap().push(detail);
        }
    });
    let (first, second) = (host.builder(), host.builder());
    let cancel = CancellationToken::new();
    let (a, b) = tokio::join!(first.ensure(&events, &cancel), second.ensure(&events, &cancel));
    assert_eq!(a.unwrap(), b.unwrap());
    assert_eq!(host.runs(), 1);
    let holder = format!("waiting for the build by process {}", std::process::id());
    assert_eq!(*said.lock().unwrap(), [holder]);
}

#[tokio::test]
async fn one_that_waits_can_be_cancelled() {
    let host = Host::new(WORKS);
    let builder = host.builder();
    let lock = builder.cache().join(format!("{}.lock", builder.digest()));
    let _held = skep_store::Lock::try_acquire(&lock, "", "process 1").unwrap();
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let events = Events::new(move |event| {
        if matches!(event, Event::Progress { .. }) {
            stop.cancel();
        }
    });
    let error = builder.ensure(&events, &cancel).await.unwrap_err();
    assert!(matches!(error, OsError::Cancelled), "{error}");
    assert_eq!(host.runs(), 0);
}

#[tokio::test]
async fn without_mmdebstrap_nothing_is_touched() {
    let host = Host::new(WORKS);
    let builder = host.builder().with_mmdebstrap("/nowhere/mmdebstrap");
    let error = ensure(&builder).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    assert_eq!(
        error.to_string(),
        "the guest system cannot be built: mmdebstrap: it is not installed"
    );
    assert_eq!(error.advice(), Some("install it with `apt-get install mmdebstrap`".into()));
    assert_eq!(host.leftovers(), [""; 0]);
}

#[tokio::test]
async fn what_a_killed_build_left_is_listed_and_removed_with_its_scratch() {
    let host = Host::new(WORKS);
    let builder = host.builder();
    let directory = builder.cache().join(builder.digest());
    let scratch = host.path("scratch/left");
    fs::create_dir_all(scratch.join("usr/bin")).unwrap();
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("scratch"), scratch.to_string_lossy().as_bytes()).unwrap();
    fs::write(directory.join("partial.tar"), "ro").unwrap();

    let unfinished = Entry::Unfinished { digest: builder.digest().into(), building: false };
    assert_eq!(cache::list(builder.cache()).unwrap(), [unfinished]);
    let prefix = &builder.digest()[..8];
    assert_eq!(cache::remove(builder.cache(), prefix).unwrap(), builder.digest());
    assert_eq!(host.leftovers(), [""; 0]);
    let again = cache::remove(builder.cache(), prefix).unwrap_err();
    assert!(matches!(again, OsError::NotFound(_)), "{again}");
}

#[tokio::test]
async fn removing_wants_one_digest_and_no_build_under_way() {
    let host = Host::new(WORKS);
    let builder = host.builder();
    let image = ensure(&builder).await.unwrap();
    let other = builder.cache().join(format!(
        "{}{}",
        &image.digest[..63],
        if image.digest.ends_with('0') { 1 } else { 0 }
    ));
    fs::create_dir(&other).unwrap();
    let ambiguous = cache::remove(builder.cache(), &image.digest[..10]).unwrap_err();
    assert!(matches!(ambiguous, OsError::Ambiguous(_)), "{ambiguous}");
    assert!(matches!(cache::remove(builder.cache(), ""), Err(OsError::NotFound(_))));

    let lock = builder.cache().join(format!("{}.lock", image.digest));
    let held = skep_store::Lock::try_acquire(&lock, "", "process 1").unwrap();
    let busy = cache::remove(builder.cache(), &image.digest).unwrap_err();
    assert!(busy.to_string().contains("process 1"), "{busy}");
    drop(held);
    cache::remove(builder.cache(), &image.digest).unwrap();
    assert!(!image.rootfs.exists());
}
