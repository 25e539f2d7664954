//! Nothing is left of what was removed.

use skep_model::MachineState::{Absent, Running};

use crate::bench::Bench;

pub(crate) async fn a_removed_machine_leaves_nothing(bench: &Bench) {
    let before = {
        bench.prepare().await;
        bench.resources().await
    };
    let plan = bench.running("m1").await;
    bench.remove(&plan.id).await.unwrap();
    assert_eq!(bench.state(&plan.id).await, Absent);
    assert_eq!(bench.resources().await, before);
    assert_eq!(bench.journal.outstanding().unwrap(), before);
}

pub(crate) async fn an_absent_machine_can_be_removed(bench: &Bench) {
    bench.prepare().await;
    bench.remove(&bench.id("m1")).await.unwrap();
    let plan = bench.made("m1").await;
    bench.remove(&plan.id).await.unwrap();
    bench.remove(&plan.id).await.unwrap();
}

pub(crate) async fn a_cluster_is_removed_piece_by_piece(bench: &Bench) {
    bench.running("m1").await;
    let (plan, _) = bench.plan(bench.prepare().await, "m2", 1);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.tear_down().await;
    bench.is_empty().await;
    // What is gone can be removed again.
    bench.tear_down().await;
}

pub(crate) async fn one_machine_is_removed_and_no_other(bench: &Bench) {
    let first = bench.running("m1").await;
    let network = bench.prepare().await;
    // One name begins with the other's: nothing is found by a part of its name.
    let (second, _) = bench.plan(network, "m10", 1);
    bench.driver.create(&second, bench.work()).await.unwrap();
    bench.driver.start(&second.id, &bench.cancel).await.unwrap();
    bench.remove(&first.id).await.unwrap();
    assert_eq!(bench.state(&first.id).await, Absent);
    assert_eq!(bench.state(&second.id).await, Running);
}
