//! From one state to the next.

use skep_machine::MachineError;
use skep_model::MachineState::{Running, Stopped};

use crate::bench::Bench;

pub(crate) async fn a_new_machine_is_stopped(bench: &Bench) {
    let plan = bench.made("m1").await;
    assert_eq!(bench.state(&plan.id).await, Stopped);
}

pub(crate) async fn a_started_machine_runs(bench: &Bench) {
    let plan = bench.running("m1").await;
    assert_eq!(bench.state(&plan.id).await, Running);
}

pub(crate) async fn stop_and_start_again(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.driver.stop(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Stopped);
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
}

pub(crate) async fn a_killed_machine_is_stopped(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Stopped);
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
}

pub(crate) async fn what_is_so_can_be_asked_again(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
    for _ in 0..2 {
        bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
        bench.driver.stop(&plan.id, &bench.cancel).await.unwrap();
        assert_eq!(bench.state(&plan.id).await, Stopped);
    }
}

pub(crate) async fn an_absent_machine_cannot_be_started_stopped_or_killed(bench: &Bench) {
    bench.prepare().await;
    let (id, cancel) = (bench.id("m1"), &bench.cancel);
    let driver = &bench.driver;
    let asked = [
        ("start", driver.start(&id, cancel).await),
        ("stop", driver.stop(&id, cancel).await),
        ("kill", driver.kill(&id, cancel).await),
    ];
    for (what, answer) in asked {
        let named = matches!(&answer, Err(MachineError::NoSuchMachine { machine }) if *machine == id.machine);
        assert!(named, "{what}: {answer:?}");
    }
}

pub(crate) async fn a_console_is_a_machines(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.driver.console(&plan.id).await.unwrap();
    let answer = bench.driver.console(&bench.id("m2")).await;
    assert!(matches!(answer, Err(MachineError::NoSuchMachine { .. })), "{answer:?}");
}
