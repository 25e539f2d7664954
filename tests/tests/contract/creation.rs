//! The effect of creating a machine again on the existing one.

use skep_guest::{Guest, GuestError};
use skep_model::MachineState::Running;

use crate::bench::Bench;

pub(crate) async fn a_machine_that_runs_is_kept(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.driver.create(&plan, bench.work()).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
}

pub(crate) async fn what_exists_is_in_the_journal(bench: &Bench) {
    bench.running("m1").await;
    let announced = bench.journal.outstanding().unwrap();
    let resources = bench.resources().await;
    assert!(!resources.is_empty());
    for resource in resources {
        assert!(announced.contains(&resource), "{resource} is not among {announced:?}");
    }
}

/// A machine that has run once has its seed: another one changes nothing.
pub(crate) async fn a_whole_machine_is_kept(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, access) = bench.plan(network, "m1", 0);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    bench.logged_in(&access).await;
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();

    let (other, other_access) = bench.plan(network, "m1", 0);
    bench.driver.create(&other, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    bench.logged_in(&access).await;
    let answer = Guest::connect(&other_access, &bench.cancel).await;
    assert!(matches!(answer, Err(GuestError::Unreachable { .. })), "{answer:?}");
}

/// A machine that has never run may lack its seed: it gets the one of the new plan.
pub(crate) async fn one_never_started_is_made_anew(bench: &Bench) {
    let network = bench.prepare().await;
    let (first, _) = bench.plan(network, "m1", 0);
    bench.driver.create(&first, bench.work()).await.unwrap();
    let (second, access) = bench.plan(network, "m1", 0);
    bench.driver.create(&second, bench.work()).await.unwrap();
    bench.driver.start(&second.id, &bench.cancel).await.unwrap();
    bench.logged_in(&access).await;
}
