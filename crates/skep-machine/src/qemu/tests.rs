//! Which accelerator the driver takes, with a script in QEMU's place.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{Arc, Mutex as Told},
    time::SystemTime,
};

use skep_model::Event;
use skep_os::{Builder, Source};

use super::*;

const COMES_UP: &str = "echo '[    2.1] skep: there is no base disk: it needs one'; exec sleep 60";
const DIES: &str = "echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60";

/// A host whose QEMU writes down how it was started.
struct Scene {
    home: tempfile::TempDir,
    warnings: Arc<Told<Vec<String>>>,
}

impl Scene {
    fn new(kernel: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let scene = Self { home, warnings: Arc::default() };
        let text = format!(
            "#!/bin/sh\n\
             case $1 in\n\
             -version) echo 'QEMU emulator version 10.0.2'; exit ;;\n\
             -netdev) exit ;;\n\
             esac\n\
             echo \"$*\" >>{0}/trials\n\
             . {0}/plays\n",
            scene.home.path().display()
        );
        fs_err::write(scene.binary(), text).unwrap();
        fs_err::set_permissions(scene.binary(), std::fs::Permissions::from_mode(0o755)).unwrap();
        scene.plays(kernel);
        scene
    }

    fn binary(&self) -> PathBuf {
        self.home.path().join("qemu")
    }

    /// What the next guests do.
    fn plays(&self, kernel: &str) {
        fs_err::write(self.home.path().join("plays"), kernel).unwrap();
    }

    /// How many guests were started.
    fn trials(&self) -> usize {
        fs_err::read_to_string(self.home.path().join("trials")).unwrap_or_default().lines().count()
    }

    fn guest(&self, digest: &str) -> VmImage {
        let [kernel, initramfs, base] =
            ["kernel", "initramfs", "base"].map(|name| self.home.path().join(name));
        VmImage {
            kernel,
            initramfs,
            base,
            digest: digest.into(),
            size: 0,
            release: "Debian trixie".into(),
            architecture: "amd64".into(),
            kernel_release: "6.12.107+deb13-cloud-amd64".into(),
            engine: None,
            built: SystemTime::UNIX_EPOCH,
        }
    }

    /// What a command that is given `accel`, the next one of its store, comes to know of a guest.
    async fn finds(&self, accel: Option<Accel>, guest: &VmImage) -> Native {
        let home = self.home.path().to_owned();
        let os = Box::new(move || Ok(Builder::new(&home, Source::detect(Path::new("/"))?)));
        let options = Options { binary: Some(self.binary()), accel, ..Options::default() };
        let layout = Layout::new(self.home.path().join("store"));
        let driver = QemuDriver::new("/", &layout, self.home.path(), "store", os, options);
        let warnings = self.warnings.clone();
        let events = Events::new(move |event| {
            if let Event::Warning { text, .. } = event {
                warnings.lock().unwrap().push(text);
            }
        });
        let cancel = CancellationToken::new();
        driver.tried(driver.asked(None), None, guest, Some(&events), &cancel).await.unwrap()
    }
}

#[tokio::test]
async fn a_kernel_is_tried_once_and_again_when_it_is_another() {
    let scene = Scene::new(COMES_UP);
    let guest = scene.guest("1");
    assert_eq!(scene.finds(None, &guest).await, Native::Works);
    assert_eq!(scene.trials(), 1);
    scene.plays(DIES);
    assert_eq!(scene.finds(None, &guest).await, Native::Works);
    assert_eq!(scene.trials(), 1, "it was known");
    let other = scene.guest("2");
    assert!(matches!(scene.finds(None, &other).await, Native::Fails { .. }));
    assert_eq!(scene.trials(), 2);
}

#[tokio::test]
async fn a_kernel_that_does_not_come_up_is_emulated_and_why_is_said_once() {
    let scene = Scene::new(DIES);
    let guest = scene.guest("1");
    for _ in 0..2 {
        let native = scene.finds(None, &guest).await;
        assert_eq!(native.choose(None), Accel::Tcg);
        assert_eq!(native.check(None).verdict, Verdict::Warn);
    }
    assert_eq!(scene.trials(), 1);
    let said = scene.warnings.lock().unwrap().clone();
    assert_eq!(said.len(), 1, "{said:?}");
    let why = format!("a guest's kernel does not come up with {NATIVE} (KVM internal error.");
    assert!(said[0].starts_with("acceleration: tcg (emulation), since"), "{said:?}");
    assert!(said[0].contains(&why), "{said:?}");
}

#[tokio::test]
async fn who_asks_for_the_accelerator_by_name_has_it_tried_again() {
    let scene = Scene::new(DIES);
    let guest = scene.guest("1");
    for trials in 1..=2 {
        let native = scene.finds(Some(NATIVE), &guest).await;
        assert_eq!(native.check(Some(NATIVE)).verdict, Verdict::Fail);
        assert_eq!(scene.trials(), trials);
    }
    scene.plays(COMES_UP);
    assert_eq!(scene.finds(Some(NATIVE), &guest).await, Native::Works);
    assert_eq!(scene.finds(None, &guest).await, Native::Works);
    assert_eq!(scene.trials(), 3, "what works is known from then on");
    assert!(scene.warnings.lock().unwrap().is_empty());
}
