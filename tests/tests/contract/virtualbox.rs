//! The driver `virtualbox`, over the scripted VBoxManage.

use std::{path::Path, sync::Arc};

use libtest_mimic::Trial;
use skep_machine::{
    MachineId,
    virtualbox::{Host, Os, VirtualBoxDriver},
};
use skep_os::{Builder, Source};
use skep_store::Layout;
use skep_tests::{
    lab,
    vboxmanage::{Script, Settings},
};
use tempfile::TempDir;

use crate::{
    Needs,
    bench::{Bench, World},
    trials,
};

pub(crate) fn terms() -> impl Iterator<Item = Trial> {
    trials("virtualbox", &[Needs::World], |name| {
        let home = tempfile::Builder::new().prefix("skt").tempdir_in("/tmp").unwrap();
        let conf = home.path().join("etc/vbox/networks.conf");
        skep_store::write_private(&conf, b"* 192.168.0.0/16\n").unwrap();
        let iso = home.path().join("guest.iso");
        fs_err::write(&iso, "an image").unwrap();
        let script = Script::new(&Settings { networks_conf: conf, ..Settings::default() });
        let guests = || Ok(Builder::new(lab::guest_systems(), Source::detect(Path::new("/"))?));
        let host = Host {
            root: home.path().to_owned(),
            os: Os::Linux,
            runtime: home.path().join("run"),
            holder: "a test".into(),
        };
        let layout = Layout::new(home.path().join("store"));
        let driver = VirtualBoxDriver::new(layout, &name, Box::new(guests), host)
            .with_program(script.program())
            .with_iso(iso);
        Bench::new(name, Arc::new(driver)).with_world(Play { script, _home: home })
    })
}

#[derive(Debug)]
struct Play {
    script: Script,
    _home: TempDir,
}

impl World for Play {
    fn lose(&self, id: &MachineId) {
        self.script.change(|state| {
            state.machines.retain(|machine| machine.name != id.machine.as_str());
        });
    }

    fn cut_power(&self, id: &MachineId) {
        self.script.change(|state| {
            for machine in &mut state.machines {
                if machine.name == id.machine.as_str() {
                    machine.state = "aborted".into();
                }
            }
        });
    }

    fn clear(&self) {}
}
