//! The driver `virtualbox` and the real VBoxManage, as far as it goes without kernel modules: a
//! machine is created, inspected and removed, and VirtualBox's errors are recognised.
//!
//! `SKEP_VIRTUALBOX_ROOT` names a root directory that VirtualBox is installed in;
//! [docs/testing.md](../../../docs/testing.md) says how one is made. Each call enters it in a mount
//! namespace of its own, so nothing stays mounted, and with a configuration of the test's own.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use skep_context::Context;
use skep_machine::{
    Driver, DriverOptions, MachineId, MachinePlan, Work,
    virtualbox::{Host, Options, Os, Share, VirtualBoxDriver},
};
use skep_model::{Events, MachineState, Size};
use skep_os::{Builder, Seed, Source};
use skep_store::{Journal, Layout};
use skep_tests::{
    Run, lab,
    vboxmanage::{Script, Settings},
};
use tokio_util::sync::CancellationToken;

/// The root directory that was named.
#[expect(clippy::disallowed_methods, reason = "a test program is configured by its environment")]
pub(crate) fn root() -> Option<PathBuf> {
    std::env::var_os("SKEP_VIRTUALBOX_ROOT").map(PathBuf::from)
}

/// A VBoxManage that enters the root, with its configuration beside it.
fn real(directory: &Path) -> PathBuf {
    let root = root().expect("SKEP_VIRTUALBOX_ROOT names a directory");
    let (program, home) = (directory.join("RealVBoxManage"), directory.join("home"));
    fs_err::create_dir_all(&home).unwrap();
    let text = format!(
        "#!/bin/sh\nexec unshare --mount sh -c '\n\
         mount --rbind /dev \"$0/dev\" && mount --rbind /sys \"$0/sys\" && \
         mount -t proc proc \"$0/proc\" && mount --rbind /tmp \"$0/tmp\" && \
         exec chroot \"$0\" env HOME={home} VBOX_USER_HOME={home} \
         /usr/lib/virtualbox/VBoxManage \"$@\"\n' '{root}' \"$@\"\n",
        home = home.display(),
        root = root.display(),
    );
    fs_err::write(&program, text).unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn driver(directory: &Path, program: PathBuf) -> VirtualBoxDriver {
    let guests = || Ok(Builder::new(lab::guest_systems(), Source::detect(Path::new("/"))?));
    let (runtime, holder) = (directory.to_owned(), "a test".to_owned());
    let host = Host { root: "/".into(), os: Os::Linux, runtime, holder };
    let layout = Layout::new(directory.join("store"));
    VirtualBoxDriver::new(layout, "t-real", Box::new(guests), host)
        .with_program(program)
        .with_iso(directory.join("guest.iso"))
}

pub(crate) fn the_real_vboxmanage_makes_and_removes_a_machine() {
    let script = Script::new(&Settings::default());
    let here = script.directory();
    let mut iso = vec![0; 17 * 2048];
    iso[0x8000..0x8006].copy_from_slice(b"\x01CD001");
    fs_err::write(here.join("guest.iso"), iso).unwrap();
    fs_err::create_dir_all(here.join("shared")).unwrap();
    let program = real(here);
    let ask = |words: &[&str]| Run::program(&program).args(words);
    let journal = Journal::open(&here.join("journal")).unwrap();
    let (events, cancel) = (Events::none(), CancellationToken::new());
    let work = Work { journal: &journal, context: Context::new(&events, &cancel) };
    let options = Options {
        share: Share::Directory { path: here.join("shared"), name: "shared".into() },
        host_only_nic: "Am79C973".into(),
        ..Options::default()
    };
    let id = MachineId { cluster: "t-real".parse().unwrap(), machine: "m1".parse().unwrap() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // Interfaces are made by the kernel's modules, so the network is the fake's.
        let fake = driver(here, script.program());
        let network = fake.prepare(&id.cluster, None, work).await.unwrap().unwrap();
        let driver: Arc<dyn Driver> = Arc::new(driver(here, program.clone()));
        let plan = |options: Options| MachinePlan {
            id: id.clone(),
            address: network.hosts().nth(99).unwrap(),
            seed: Seed::new(id.machine.clone(), "ssh-ed25519 AAAA", "key".to_owned().into()),
            written: std::time::UNIX_EPOCH,
            size: Size::default(),
            publish: Vec::new(),
            options: DriverOptions::Virtualbox(Some(Box::new(options))),
        };
        let bad = Options { nat_nic: "nosuch".into(), ..options.clone() };
        let refused = driver.create(&plan(bad), work).await.unwrap_err().to_string();
        assert!(refused.contains("nosuch"), "{refused}");
        driver.remove(&id, work).await.unwrap();

        driver.create(&plan(options), work).await.unwrap();
        let states = driver.states(&id.cluster).await.unwrap();
        assert_eq!(states.get(&id.machine), Some(&MachineState::Stopped));
        let info = ask(&["showvminfo", "m1", "--machinereadable"]).succeeds();
        for line in [
            "nictype2=\"Am79C973\"",
            "hostonlyadapter2=\"vboxnet0\"",
            "memory=1024",
            "SharedFolderNameMachineMapping1=\"shared\"",
        ] {
            assert!(info.lines().contains(&line), "{line} is not in {info}");
        }
        for part in ["Forwarding(0)=\"ssh,tcp,127.0.0.1,", "\"SATA-0-0\"=", "\"SATA-2-0\"=\"/tmp/"]
        {
            assert!(info.stdout.contains(part), "{part} is not in {info}");
        }
        let mount = ["guestproperty", "get", "m1", "/VirtualBox/GuestAdd/SharedFolders/MountDir"];
        assert_eq!(ask(&mount).succeeds().text(), "Value: /");
        let refused = driver.start(&id, &cancel).await.unwrap_err();
        assert!(!format!("{refused}").is_empty());

        driver.remove(&id, work).await.unwrap();
        assert_eq!(ask(&["list", "vms"]).succeeds().text(), "");
        assert_eq!(ask(&["list", "hdds"]).succeeds().text(), "");
        fake.remove_resource(&id.cluster, &network_of(&journal), work).await.unwrap();
        assert_eq!(journal.outstanding().unwrap(), []);
    });
    // VirtualBox's server ends by itself some seconds after its last client.
    crate::seen::until("VirtualBox's server gone", || (!is_in_use()).then_some(()));
}

/// Whether a process has this as its root directory.
fn is_in_use() -> bool {
    let root = root().and_then(|root| fs_err::canonicalize(root).ok());
    let processes = fs_err::read_dir("/proc").unwrap().filter_map(Result::ok);
    let mut roots = processes.filter_map(|one| std::fs::read_link(one.path().join("root")).ok());
    roots.any(|one| Some(one) == root)
}

fn network_of(journal: &Journal) -> skep_store::Resource {
    journal.outstanding().unwrap().into_iter().find(|one| one.kind == "network").unwrap()
}
