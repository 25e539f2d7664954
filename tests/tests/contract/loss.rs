//! Machines that were removed without skep.

use skep_machine::MachineError;
use skep_model::MachineState::{Absent, Failed, Running, Stopped};

use crate::bench::Bench;

pub(crate) async fn a_lost_machine_is_absent(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.world().lose(&plan.id);
    assert_eq!(bench.state(&plan.id).await, Absent);
    let answer = bench.driver.start(&plan.id, &bench.cancel).await;
    assert!(matches!(answer, Err(MachineError::NoSuchMachine { .. })), "{answer:?}");
}

pub(crate) async fn a_lost_machine_is_removed_with_what_is_left_of_it(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.world().lose(&plan.id);
    bench.remove(&plan.id).await.unwrap();
    bench.tear_down().await;
    bench.is_empty().await;
}

pub(crate) async fn a_lost_machine_is_made_again(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.world().lose(&plan.id);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
}

pub(crate) async fn a_machine_that_was_taken_off_its_network_is_put_back(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, access) = bench.plan(network, "m1", 0);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    bench.world().unplug(&plan.id);
    assert_eq!(bench.state(&plan.id).await, Failed);
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
    let guest = bench.logged_in(&access).await;
    drop(guest);
    skep_guest::Guest::close_master(&access, &bench.cancel).await.unwrap();
    // With its plan it is put back, too.
    bench.world().unplug(&plan.id);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
}

pub(crate) async fn a_network_that_was_removed_is_made_again(bench: &Bench) {
    let network = bench.prepare().await;
    let plan = bench.running("m1").await;
    let before = bench.resources().await;
    bench.world().unplug(&plan.id);
    bench.world().remove_network(&bench.cluster);
    assert_ne!(bench.resources().await, before);
    // Its machines go back to it, so another cluster may not have it.
    let other = bench.other_cluster();
    let answer = bench.driver.prepare(&other, Some(network), bench.work()).await;
    assert!(matches!(answer, Err(MachineError::Subnet { .. })), "{answer:?}");
    assert_ne!(bench.driver.prepare(&other, None, bench.work()).await.unwrap(), Some(network));
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
    assert_eq!(bench.resources().await, before);
    bench.tear_down().await;
    bench.is_empty().await;
}

pub(crate) async fn a_machine_that_lost_its_power_can_be_started(bench: &Bench) {
    let plan = bench.running("m1").await;
    bench.world().cut_power(&plan.id);
    let state = bench.state(&plan.id).await;
    assert!(matches!(state, Stopped | Failed), "{state:?}");
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Running);
}
