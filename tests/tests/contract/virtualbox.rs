//! The driver `virtualbox`, on a fake VirtualBox.
//!
//! Where a term wants something inside the machines, containers of skep's guest system stand
//! behind them. The rest needs no engine.

use std::{path::Path, sync::Arc, time::Duration};

use libtest_mimic::{Failed, Trial};
use skep_machine::{
    Driver as _, DriverKind, MachineId, Request,
    virtualbox::{Host, Os, VirtualBoxDriver},
};
use skep_model::{Size, Verdict};
use skep_os::{Builder, Source};
use skep_store::Layout;
use skep_tests::{
    Lab, host, lab,
    vboxmanage::{Failure, Fault, Script, Settings, guest_image},
};

use crate::{
    Needs,
    bench::{Bench, World},
    trials,
};

pub(crate) fn terms() -> impl Iterator<Item = Trial> {
    let quiet = trials("virtualbox", &[Needs::World], |name| bench(name, None));
    let guests = |name: String| {
        let lab = Lab::with_machines("contract");
        let image = guest_image(&lab);
        bench(name, Some(&image))
    };
    let with_guests = trials("virtualbox", &[Needs::World, Needs::Guests], guests);
    let with_guests = with_guests.filter(|trial| is_about_guests(trial.name()));
    let quiet = quiet.filter(|trial| !is_about_guests(trial.name()));
    quiet.chain(with_guests).chain(faults())
}

/// Whether a term looks inside a machine.
fn is_about_guests(name: &str) -> bool {
    let alone = ["a_whole_machine_is_kept", "one_never_started_is_made_anew"];
    name.contains("::guests::") || alone.iter().any(|term| name.ends_with(term))
}

fn bench(name: String, image: Option<&str>) -> Bench {
    let fake = FakeVirtualBox::new(&name, &Settings::default(), image);
    let driver = fake.driver();
    Bench::new(name, Arc::new(driver)).with_driver(DriverKind::Virtualbox).with_world(fake)
}

/// A fake VirtualBox with its own store.
#[derive(Debug)]
struct FakeVirtualBox {
    script: Script,
    store: String,
}

impl FakeVirtualBox {
    fn new(store: &str, settings: &Settings, image: Option<&str>) -> Self {
        let conf = "etc/vbox/networks.conf";
        let script = Script::new(settings);
        let root = script.directory().join("root");
        fs_err::create_dir_all(root.join("etc/vbox")).unwrap();
        fs_err::write(root.join(conf), "* 192.168.0.0/16\n").unwrap();
        fs_err::os::unix::fs::symlink("/proc", root.join("proc")).unwrap();
        // As much of an ISO as is checked without booting it.
        let mut iso = vec![0; 17 * 2048];
        iso[0x8000..0x8006].copy_from_slice(b"\x01CD001");
        fs_err::write(script.directory().join("guest.iso"), iso).unwrap();
        let settings = Settings { networks_conf: root.join(conf), ..settings.clone() };
        match image {
            Some(image) => script.set(&script.guests(&settings, image)),
            None => script.set(&settings),
        }
        Self { script, store: store.to_owned() }
    }

    fn driver(&self) -> VirtualBoxDriver {
        let guests = || Ok(Builder::new(lab::guest_systems(), Source::detect(Path::new("/"))?));
        let here = self.script.directory();
        let host = Host {
            root: here.join("root"),
            os: Os::Linux,
            runtime: here.to_owned(),
            holder: "a test".into(),
        };
        VirtualBoxDriver::new(Layout::new(here.join("store")), &self.store, Box::new(guests), host)
            .with_program(self.script.program())
            .with_iso(here.join("guest.iso"))
    }

    /// What VirtualBox calls a machine.
    fn uuid(&self, id: &MachineId) -> String {
        let machines = self.script.state().machines;
        let machine = machines.into_iter().find(|one| one.name == id.machine.as_str());
        machine.unwrap_or_else(|| panic!("VirtualBox has no {id}")).uuid
    }
}

impl World for FakeVirtualBox {
    /// It is removed in VirtualBox's GUI.
    fn lose(&self, id: &MachineId) {
        let uuid = self.uuid(id);
        self.script.call(["controlvm", &uuid, "poweroff"]).ends();
        self.script.call(["unregistervm", &uuid, "--delete"]).succeeds();
    }

    /// The machine's process ends, as when it is killed.
    fn cut_power(&self, id: &MachineId) {
        let uuid = self.uuid(id);
        self.script.change(|state| {
            let machine = state.machines.iter_mut().find(|one| one.uuid == uuid).unwrap();
            if let Some(container) = &machine.container {
                host::docker(["kill", container]).succeeds();
            }
            machine.state = "aborted".into();
        });
    }

    fn clear(&self) {
        // The containers that back the machines are removed with the script.
    }
}

/// A test of one fault, with a unique name.
type Ask = fn(String);

/// What VirtualBox does now and then, beyond what all drivers have in common.
fn faults() -> impl Iterator<Item = Trial> {
    let faults: [(&str, Ask); 2] = [
        ("virtualbox::faults::one_that_is_not_ready_is_asked_again", not_ready),
        ("virtualbox::faults::one_that_hangs_is_given_up", hangs),
    ];
    faults.into_iter().enumerate().map(|(number, (name, ask))| {
        let own = format!("t-vbox-{}-{number}", std::process::id());
        let run = move || -> Result<(), Failed> {
            ask(own);
            Ok(())
        };
        Trial::test(name, run)
    })
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn not_ready(name: String) {
    let busy = |call: &str| Failure { call: call.into(), times: Some(2), how: Fault::NotReady };
    let failures = ["createvm", "modifyvm", "startvm", "list vms"].map(busy).to_vec();
    let fake = FakeVirtualBox::new(&name, &Settings { failures, ..Settings::default() }, None);
    let driver = fake.driver();
    let bench =
        Bench::new(name, Arc::new(driver)).with_driver(DriverKind::Virtualbox).with_world(fake);
    block_on(async {
        let plan = bench.running("m1").await;
        assert_eq!(bench.state(&plan.id).await, skep_model::MachineState::Running);
        bench.tear_down().await;
        bench.is_empty().await;
    });
}

/// Nothing but a deadline ends this; how long it is does not matter.
fn hangs(name: String) {
    let failures = vec![Failure { call: "list".into(), times: None, how: Fault::Hang }];
    let fake = FakeVirtualBox::new(&name, &Settings { failures, ..Settings::default() }, None);
    let driver = fake.driver().with_deadline(Duration::from_secs(2));
    let request = Request {
        cluster: name.parse().unwrap(),
        new_machines: 1,
        subnet: None,
        new_network: true,
        size: Size::default(),
        publish: Vec::new(),
        options: DriverKind::Virtualbox.into(),
    };
    let cancel = tokio_util::sync::CancellationToken::new();
    let checks = block_on(driver.preflight(&request, &cancel));
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
    let reasons: Vec<_> = failed
        .map(|check| format!("{}: {}", check.found, check.fix.words().unwrap_or_default()))
        .collect();
    assert!(reasons.iter().any(|reason| reason.contains("did not end within")), "{reasons:?}");
}
