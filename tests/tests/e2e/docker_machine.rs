//! The walkthrough's own scripts, byte for byte, with a link `docker-machine` that leads to skep:
//! four machines, the root certificate in each, and a swarm of them.
//!
//! With `-d virtualbox` they use a fake VirtualBox, backed by real guests; with `-d qemu` in its
//! place nothing is fake.

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

use skep_tests::{
    Lab, Run,
    certificates::Root,
    run,
    vboxmanage::{Script, Settings, guest_image, state::Interface},
};

const CREATE: &str = include_str!("../../fixtures/walkthrough/multi-create.sh");
const JOIN: &str = include_str!("../../fixtures/walkthrough/multi-worker-join.sh");
const MACHINES: [&str; 4] = ["manager1", "worker1", "worker2", "worker3"];

/// How long the scripts may take on emulated machines, which are made, started twice and joined
/// one after the other.
const PATIENCE: Duration = Duration::from_secs(900);

/// A directory to work in, as the walkthrough's reader has it: `root.crt` is there, and
/// `docker-machine` is the first of its name.
struct Desk<'a> {
    lab: &'a Lab,
    path: String,
    root: String,
}

impl<'a> Desk<'a> {
    fn new(lab: &'a Lab, path: &str) -> Self {
        let programs = lab.files().join("bin");
        fs_err::create_dir_all(&programs).unwrap();
        fs_err::os::unix::fs::symlink(run::skep(), programs.join("docker-machine")).unwrap();
        let root = Root::new("A company that reads everything").pem();
        lab.file("root.crt", &root);
        lab.file("multi-create.sh", CREATE);
        lab.file("multi-worker-join.sh", JOIN);
        Self { lab, path: format!("{}:{path}", programs.display()), root }
    }

    /// A line typed there.
    fn types(&self, line: &str) -> Run {
        let line = format!("cd '{}' && {line}", self.lab.files().display());
        let shell = Run::program("bash").args(["-c", &line]).within(PATIENCE);
        let shell = shell.env("PATH", &self.path);
        let named: [(&str, PathBuf); 3] = self.lab.environment();
        named.into_iter().fold(shell, |shell, (name, value)| shell.env(name, value))
    }

    /// The walkthrough from its first script to four nodes.
    fn follow(&self, create: &str) {
        let made = self.types(create).succeeds();
        for machine in MACHINES {
            let progress = format!("Creating Docker machine '{machine}'");
            assert!(made.stdout.contains(&progress), "{made}");
            let ready = format!("docker-machine env {machine}");
            assert!(made.stdout.contains(&ready), "{made}");
            assert!(made.stdout.contains(&format!("Restarting \"{machine}\"...")), "{made}");
        }
        let init = "docker-machine ip manager1 | docker-machine ssh manager1 xargs docker swarm \
                    init --advertise-addr";
        let made = self.types(init).succeeds();
        assert!(made.stdout.contains("is now a manager"), "{made}");
        let joined = self.types("bash multi-worker-join.sh").succeeds();
        assert_eq!(joined.stdout, "This node joined a swarm as a worker.\n".repeat(3), "{joined}");

        let listed = crate::seen::until("four nodes that are ready", || {
            let listed = self.types("docker-machine ssh manager1 docker node ls").succeeds();
            (listed.stdout.matches(" Ready ").count() == 4).then_some(listed)
        });
        for machine in MACHINES {
            assert!(listed.stdout.contains(&format!(" {machine} ")), "{listed}");
        }
        let listed = self.types("docker-machine ls").succeeds();
        assert_eq!(listed.stdout.matches(" Running ").count(), 4, "{listed}");
        self.trusted_everywhere();
    }

    /// Every machine's system has the certificate among its roots, once, though the script adds it
    /// to a file with `tee -a`.
    fn trusted_everywhere(&self) {
        let line = self.root.lines().nth(1).unwrap();
        for machine in MACHINES {
            let roots = "cat /etc/ssl/certs/ca-certificates.crt";
            let roots = self.types(&format!("docker-machine ssh {machine} {roots}")).succeeds();
            assert_eq!(roots.stdout.matches(line).count(), 1, "on {machine}");
        }
    }

    fn removes_all(&self) {
        // Among them is the swarm's last manager: -y only answers the question.
        let kept = self.types(&format!("docker-machine rm -y {}", MACHINES.join(" "))).exits(3);
        assert!(kept.stderr.contains("gone for good"), "{kept}");
        let gone = self.types(&format!("docker-machine rm -f {}", MACHINES.join(" "))).succeeds();
        assert!(gone.stdout.contains("Successfully removed worker3"), "{gone}");
        let none = self.types("docker-machine ls -q").succeeds();
        assert_eq!(none.stdout, "");
    }
}

/// A test that fails leaves no machine behind: these are in a cluster the lab does not know of.
impl Drop for Desk<'_> {
    fn drop(&mut self) {
        self.types(&format!("docker-machine rm -f {}", MACHINES.join(" "))).ends();
    }
}

pub(crate) fn the_walkthroughs_scripts_on_virtualbox() {
    let lab = Lab::with_machines("scripts");
    let image = guest_image(&lab);
    let script = Script::with_guests(&Settings::default(), &image);
    // VirtualBox accepts the walkthrough's range if it is allowed in its configuration, or if an
    // interface already has it; no test writes to /etc.
    script.change(|state| {
        state.interfaces.push(Interface {
            name: "vboxnet0".into(),
            uuid: format!("{:08x}-0000-4000-8000-0a0027000000", std::process::id()),
            address: Ipv4Addr::new(192, 168, 99, 1),
            mask: Ipv4Addr::new(255, 255, 255, 0),
            mac: "0A0027000000".into(),
            up: true,
        });
    });
    let desk = Desk::new(&lab, &script.search_path());
    desk.follow("bash multi-create.sh");
    let ours = script.calls().into_iter().filter(|call| call.contains(" createvm ")).count();
    assert_eq!(ours, 4);
    assert!(script.state().machines.iter().all(|one| one.cards[1].kind == "Am79C973"));
    desk.removes_all();
    assert_eq!(script.state().machines.len(), 0);
    let left = script.traces().into_iter().filter(|trace| !trace.starts_with("network "));
    assert_eq!(left.collect::<Vec<_>>(), [""; 0]);
    lab.is_clean();
}

pub(crate) fn the_walkthroughs_scripts_on_qemu() {
    let lab = Lab::with_machines("scripts");
    let desk = Desk::new(&lab, &run::search_path());
    lab.file("multi-create-qemu.sh", CREATE.replace("-d virtualbox", "-d qemu"));
    desk.follow("bash multi-create-qemu.sh");
    desk.removes_all();
    lab.is_clean();
}
