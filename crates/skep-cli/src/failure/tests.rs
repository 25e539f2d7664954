//! How failures end on the screen.

use super::*;

#[test]
fn a_failure_says_what_why_and_what_to_do() {
    let failures = vec![MachineFailure {
        machine: "worker1".parse().unwrap(),
        error: ClusterError::Request { reason: "the engine does not answer".into() },
    }];
    let failure = Failure::from(ClusterError::Partly { failures, of: 4 })
        .with_fix("`skep up` goes on where it stopped");
    assert_eq!(failure.exit, Exit::Partly);
    insta::assert_snapshot!(failure.render(Persona::Skep, false), @r"
    error: worker1 is not ready
      because: worker1: the engine does not answer
      fix: `skep up` goes on where it stopped
    ");
}

#[test]
fn docker_machine_says_it_without_a_prefix() {
    let chain = Failure { causes: vec!["b".into(), "c".into()], ..Failure::failed("a") };
    let text = chain.with_fix("mend it").render(Persona::DockerMachine, true);
    assert_eq!(text, "a: b: c\nmend it\n");
    let list = Failure::failed("a").listing(vec!["b", "c\nd"]);
    assert_eq!(list.render(Persona::DockerMachine, true), "a\n  b\n  c\n  d\n");
    let gone = Failure::from(ClusterError::NoSuchMachine { machine: "web1".into() });
    assert_eq!(
        gone.render(Persona::DockerMachine, false),
        "Docker machine \"web1\" does not exist. Use \"docker-machine ls\" to list machines. \
         Use \"docker-machine create\" to add a new one.\n"
    );
}

#[test]
fn a_program_reads_the_same_as_a_person() {
    let failure = Failure::failed("no \"bees\"").with_fix("look\nelsewhere");
    let line = failure.to_json();
    assert_eq!(line.lines().count(), 1);
    let read: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(read["exit"], 1);
    assert_eq!(read["message"], "no \"bees\"");
    assert_eq!(read["fix"], "look\nelsewhere");
}

#[test]
fn a_cluster_of_which_nothing_is_ready_has_failed() {
    let failures = vec![MachineFailure {
        machine: "manager1".parse().unwrap(),
        error: ClusterError::Request { reason: "no".into() },
    }];
    assert_eq!(Failure::from(ClusterError::Partly { failures, of: 1 }).exit, Exit::Failed);
}

#[test]
fn a_refused_preflight_names_each_fix() {
    let error = ClusterError::Preflight {
        driver: "container".into(),
        checks: vec![
            Check::pass("disk space", "plenty"),
            Check::fail("Docker Engine", "connection refused", "start it"),
        ],
    };
    let failure = Failure::from(error);
    assert_eq!(failure.exit, Exit::Preflight);
    insta::assert_snapshot!(failure.render(Persona::Skep, false), @r"
    error: preflight of driver container failed: nothing was touched
      because: Docker Engine: connection refused
          fix: start it
    ");
}

#[test]
fn no_advice_for_a_manager_that_cannot_be_asked_lets_it_go() {
    let tried = |state: &str, error: &str| {
        let local =
            serde_json::from_value(serde_json::json!({"LocalNodeState": state, "Error": error}));
        let machine: MachineName = "manager1".parse().unwrap();
        let error =
            ClusterError::NotManager { machine: machine.clone(), local: Box::new(local.unwrap()) };
        let tried = vec![MachineFailure { machine, error }];
        let error = ClusterError::NoManager { name: "lab".parse().unwrap(), tried };
        Failure::from(error).render(Persona::Skep, false)
    };
    let expired =
        "Swarm certificates have expired. To replace them, leave the swarm and join again.";
    let texts = [
        tried("locked", ""),
        tried("pending", ""),
        tried("error", "no route"),
        tried("error", expired),
    ];
    for text in &texts {
        assert!(!text.contains("leave") && !text.contains("skep down"), "{text}");
    }
    insta::assert_snapshot!(texts.concat(), @r"
    error: no manager of cluster lab answers
      because: manager1 is locked: it needs the swarm's unlock key
      fix: `skep swarm unlock --name lab manager1` with the swarm's unlock key, then the same command again
    error: no manager of cluster lab answers
      because: manager1 has not found the managers of its swarm yet (state pending)
      fix: start the other managers of the swarm (`skep machine start`); `skep status --name lab` shows what each machine says
    error: no manager of cluster lab answers
      because: manager1 cannot take its part in its swarm: no route
      fix: start the other managers of the swarm (`skep machine start`); `skep status --name lab` shows what each machine says
    error: no manager of cluster lab answers
      because: manager1 cannot take its part in its swarm: the node's certificates have expired
      fix: set the node's clock to a time before they expired and restart its engine, which then renews them; where other managers answer, remove the node there and make its machine anew
    ");
}

#[test]
fn cancelled_at_any_depth_is_interrupted() {
    let deep = ClusterError::Partly {
        failures: vec![MachineFailure {
            machine: "worker1".parse().unwrap(),
            error: ClusterError::Machine(MachineError::Cancelled),
        }],
        of: 1,
    };
    assert_eq!(Failure::from(deep).exit, Exit::Interrupted);
}

#[test]
fn advice_is_not_lost_on_the_way_to_the_screen() {
    let machine: MachineName = "worker1".parse().unwrap();
    let gone = || MachineError::NoSuchMachine { machine: machine.clone() };
    let failed = |error: ClusterError| vec![MachineFailure { machine: machine.clone(), error }];
    let refused = || {
        let reason = Reason::new("there is no way", Advice::ListMachines);
        ClusterError::Request { reason }
    };
    let left = skep_machine::Leftover {
        resource: skep_store::Resource::new("network", "demo"),
        source: MachineError::Host {
            action: "look at it".into(),
            reason: Reason::new("its record is gone", Advice::WriteAgain),
        },
    };
    let errors = [
        refused(),
        gone().into(),
        ClusterError::Partly { failures: failed(gone().into()), of: 2 },
        ClusterError::NoManager { name: "demo".parse().unwrap(), tried: failed(refused()) },
        ClusterError::Leftovers { name: "demo".parse().unwrap(), left: vec![left] },
        ClusterError::Guarded {
            reason: Reason::new("it comes back locked", Advice::NoteUnlockKey),
            fix: Advice::First(vec![Advice::Start(vec![machine.clone()])]),
        },
    ];
    let failures = errors.map(Failure::from);
    let texts = |persona| failures.iter().map(move |one| one.render(persona, false));
    insta::assert_snapshot!(texts(Persona::Skep).collect::<String>());
    insta::assert_snapshot!(texts(Persona::DockerMachine).collect::<String>());
    let lines = failures.iter().map(Failure::to_json).collect::<String>();
    insta::assert_snapshot!(lines);
}
