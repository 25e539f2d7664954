//! Four VirtualBox machines, against docker-machine's calls to VirtualBox for the same four.
//!
//! The tests' fake VirtualBox stands in for it, with calls that take as long as the recorded ones
//! and are serialised where VirtualBox serialises them. skep's machines are backed by containers
//! of its guest system, so its time is that of a whole swarm, while the other side's is that of
//! the calls alone.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use skep_process::Program;

use super::{Bench, figures::Figure};
use crate::run::human;

/// The label of the containers that back the machines.
const LABEL: &str = "skep=bench-virtualbox";

/// How long building the fake may take.
const BUILD: Duration = Duration::from_secs(10 * 60);

/// How long a call takes, in milliseconds: as recorded, and a twelfth of a second for the rest.
fn delays() -> Value {
    json!({
        "*": 80,
        "createvm": 190,
        "startvm": 500,
        "unregistervm": 290,
        "hostonlyif create": 140,
        "hostonlyif remove": 170,
        "controlvm": 110,
    })
}

impl Bench<'_> {
    pub(super) async fn virtualbox(&self, runs: usize) -> Result<Vec<Figure>> {
        println!("\nfour VirtualBox machines; first, what is built once");
        let build = ["build", "--package", "skep-tests", "--bin", "vboxmanage"];
        self.work.shown(self.work.cargo(build), BUILD, |_| {}).await?;
        self.up(0).await?;
        let image = self.image().await?;
        self.skep(&["down"]).await?;
        self.skep(&["os", "build", "--iso"]).await?;
        let fake = self.work.target().join("bench/virtualbox");
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            self.set_up(&fake, json!("nothing"))?;
            let script = self.work.root.join("xtask/src/bench/reference-virtualbox.sh");
            let script = Program::new("sh").arg(script).arg(&fake);
            let script = self.timed(on_path(script, &fake)?).await?;

            self.set_up(&fake, json!({"containers": {"image": image, "label": LABEL}}))?;
            let up = ["up", "--driver", "virtualbox", "--managers", "1", "--workers", "3"];
            let up = self.with_store(Program::new(&self.binary).args(up));
            let made = self.timed(on_path(up, &fake)?).await;
            let down = self.with_store(Program::new(&self.binary).arg("down"));
            // Clean up in any case; the first error is the one to report.
            let removed = self.timed(on_path(down, &fake)?).await;
            let made = made?;
            removed?;
            println!(
                "run {run}: docker-machine's calls {}, skep up {}",
                human(script),
                human(made)
            );
            theirs.push(script);
            ours.push(made);
        }
        let name = "four VirtualBox machines: skep up / docker-machine's calls";
        Ok(vec![Figure::ratio(name, &ours, &theirs, 0.4)])
    }

    /// A new, unused fake VirtualBox.
    fn set_up(&self, fake: &Path, guests: Value) -> Result<()> {
        if fake.exists() {
            fs::remove_dir_all(fake).context("cannot remove the last fake VirtualBox")?;
        }
        fs::create_dir_all(fake.join("bin")).context("cannot make a directory")?;
        let settings = json!({"delays": delays(), "guests": guests});
        fs::write(fake.join("settings.json"), settings.to_string()).context("cannot write")?;
        let program = self.work.target().join("debug/vboxmanage");
        let text = format!(
            "#!/bin/sh\nSKEP_VBOX_STATE='{}' exec '{}' \"$@\"\n",
            fake.display(),
            program.display()
        );
        let wrapper = fake.join("bin/VBoxManage");
        fs::write(&wrapper, text).context("cannot write a program")?;
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(wrapper, executable).context("cannot make it executable")
    }
}

/// The program with the fake VBoxManage first on its PATH.
fn on_path(program: Program, fake: &Path) -> Result<Program> {
    let path = std::env::var("PATH").context("there is no PATH")?;
    Ok(program.env("PATH", format!("{}:{path}", fake.join("bin").display())))
}
