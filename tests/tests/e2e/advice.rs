//! Every piece of advice is followed to the letter, on a swarm of three managers with a service:
//! afterwards the swarm lives, with all it had.

use rustix::process::Signal;
use skep_tests::{Lab, Ran, host, watch};

use crate::seen::{container, inside, until};

/// A condition, and what a person would type in it.
struct Case {
    what: &'static str,
    /// Creates the condition.
    cause: fn(&Bench),
    /// The command that reports it, whose advice is followed.
    asked: &'static str,
    /// What the message about it contains.
    message: &'static str,
}

/// One cluster for all conditions.
struct Bench {
    lab: Lab,
    /// The swarm's unlock key, for advice that asks for it.
    key: String,
}

const CASES: &[Case] = &[
    Case {
        what: "a worker that is off",
        cause: |bench| bench.stop(&["worker1"]),
        asked: "status",
        message: "worker1",
    },
    Case {
        what: "a manager that is off",
        cause: |bench| bench.stop(&["manager2"]),
        asked: "status",
        message: "manager2",
    },
    Case {
        what: "a quorum that is lost",
        cause: Bench::lose_quorum,
        asked: "status",
        message: "quorum lost: 1 of 3 managers reachable, 2 needed",
    },
    Case {
        what: "a quorum that is lost, seen by a command that asks a manager",
        cause: Bench::lose_quorum,
        asked: "node ls",
        message: "",
    },
    Case {
        what: "every machine off",
        cause: |bench| bench.stop(&["manager1", "manager2", "manager3", "worker1"]),
        asked: "node ls",
        message: "manager1",
    },
    Case {
        what: "one locked manager",
        cause: |bench| bench.lock(&["manager2"]),
        asked: "status",
        message: "locked",
    },
    Case {
        what: "a locked swarm",
        cause: |bench| bench.lock(&["manager1", "manager2", "manager3"]),
        asked: "status",
        message: "locked",
    },
    Case {
        what: "a locked swarm that is to be brought up",
        cause: |bench| bench.lock(&["manager1", "manager2", "manager3"]),
        asked: "up",
        message: "locked",
    },
    Case {
        what: "a locked swarm that a manager is asked about",
        cause: |bench| bench.lock(&["manager1", "manager2", "manager3"]),
        asked: "node ls",
        message: "locked",
    },
    Case {
        what: "a manager's machine that was removed by hand",
        cause: |bench| {
            let container = container(&bench.lab, "manager3");
            host::docker(["rm", "--force", &container]).succeeds();
            host::docker(["volume", "rm", &container]).succeeds();
        },
        asked: "status",
        message: "manager3",
    },
    Case {
        what: "a machine that was cut off its network",
        cause: |bench| {
            let container = container(&bench.lab, "worker1");
            let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
            let network = host::inspect("container", &container, networks);
            host::docker(["network", "disconnect", "--force", &network, &container]).succeeds();
        },
        asked: "status",
        message: "worker1",
    },
    Case {
        what: "an up that was interrupted",
        cause: |bench| {
            bench.stop(&["worker1"]);
            watch::interrupt(&bench.lab, "up", "waiting for SSH", Signal::INT);
            // It may have been started before.
            host::docker(["kill", &container(&bench.lab, "worker1")]).ends();
        },
        asked: "status",
        message: "worker1",
    },
];

pub(crate) fn followed_to_the_letter_it_costs_no_swarm() {
    let lab = Lab::with_machines("advice");
    lab.up("--managers 3 --workers 1").succeeds();
    lab.skep("service create --detach --no-resolve-image --name web busybox").succeeds();
    lab.skep("node update --label-add kept=yes worker1").succeeds();
    let service = service(&lab).expect("a service was made");
    inside(&lab, "manager1", "docker swarm update --autolock=true").succeeds();
    let key = inside(&lab, "manager1", "docker swarm unlock-key --quiet").succeeds();
    let bench = Bench { lab, key: key.text().to_owned() };
    for case in CASES {
        (case.cause)(&bench);
        let ran = bench.lab.skep(case.asked).ends();
        assert_ne!(ran.code, Some(0), "{}: nothing is wrong? {ran}", case.what);
        let ran = ran.says(case.message);
        bench.follow(case.what, &ran);
        bench.follow_status(case.what);
        assert_eq!(self::service(&bench.lab).as_deref(), Some(service.as_str()), "{}", case.what);
    }
    bench.lab.finish();
}

/// The service's ID, if the swarm can be asked and has it.
fn service(lab: &Lab) -> Option<String> {
    let ran = lab.skep("service ls --quiet").ends();
    (ran.code == Some(0)).then(|| ran.text().to_owned()).filter(|text| !text.is_empty())
}

impl Bench {
    fn stop(&self, machines: &[&str]) {
        let containers: Vec<_> = machines.iter().map(|name| container(&self.lab, name)).collect();
        let words = ["kill"].into_iter().chain(containers.iter().map(String::as_str));
        host::docker(words).succeeds();
    }

    /// Ends two of the three managers, and waits until the third has noticed.
    fn lose_quorum(&self) {
        self.stop(&["manager2", "manager3"]);
        until("a swarm without a leader", || {
            inside(&self.lab, "manager1", "docker node ls").ends().code.filter(|code| *code != 0)
        });
    }

    /// Restarts the engines of managers, which then want the key.
    fn lock(&self, machines: &[&str]) {
        for machine in machines {
            inside(&self.lab, machine, "sudo sv -w 60 restart docker").succeeds();
        }
        for machine in machines {
            let state = "docker info --format '{{.Swarm.LocalNodeState}}'";
            until("a locked engine", || {
                (inside(&self.lab, machine, state).ends().text() == "locked").then_some(())
            });
        }
    }

    /// Types every command of skep's that the advice names, as it stands.
    fn follow(&self, what: &str, ran: &Ran) {
        let commands = advised(&ran.stderr);
        assert!(!commands.is_empty(), "{what}: no way out is shown in {ran}");
        for command in commands {
            let words: Vec<_> = command.split(' ').skip(1).collect();
            // A command that asks for the key gets it on standard input; others ignore it.
            self.lab
                .bare(words)
                .env("SKEP_CLUSTER", self.lab.cluster())
                .stdin(format!("{}\n", self.key))
                .within(std::time::Duration::from_secs(300))
                .ends();
        }
    }

    /// The advice may be one step of several: `status` prints the next one until all is well.
    fn follow_status(&self, what: &str) {
        for _step in 0..4 {
            let status = self.lab.skep("status").ends();
            if status.code == Some(0) {
                return;
            }
            self.follow(what, &status);
        }
        let status = self.lab.skep("status").ends();
        assert_eq!(status.code, Some(0), "{what}: following the advice does not end: {status}");
    }
}

/// The commands between backticks that begin with `skep` and have no word to be filled in.
fn advised(text: &str) -> Vec<String> {
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = flat.split('`').skip(1).step_by(2);
    let is_command = |words: &&str| {
        let to_fill = |word: &str| word.len() > 1 && word.chars().all(|c| c.is_ascii_uppercase());
        words.starts_with("skep ") && !words.split(' ').any(to_fill)
    };
    quoted.filter(is_command).map(str::to_owned).collect()
}
