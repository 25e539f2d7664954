//! Work can be cancelled at any moment, and continues from there.

use std::{future::Future, pin::pin};

use skep_machine::MachineError;
use skep_model::MachineState::{Absent, Running, Stopped};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;

pub(crate) async fn work_that_is_cancelled_before_it_begins_does_nothing(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, _) = bench.plan(network, "m1", 0);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let work = bench.work_ended_by(&cancel);
    let refused = |what: &str, answer: Result<(), MachineError>| {
        assert!(matches!(answer, Err(MachineError::Cancelled)), "{what}: {answer:?}");
    };
    refused("create", bench.driver.create(&plan, work).await);
    assert_eq!(bench.state(&plan.id).await, Absent);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    refused("start", bench.driver.start(&plan.id, &cancel).await);
    assert_eq!(bench.state(&plan.id).await, Stopped);
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    refused("stop", bench.driver.stop(&plan.id, &cancel).await);
    refused("kill", bench.driver.kill(&plan.id, &cancel).await);
    refused("remove", bench.driver.remove(&plan.id, work).await);
    assert_eq!(bench.state(&plan.id).await, Running);
    bench.tear_down().await;
    bench.is_empty().await;
}

/// Cancelled early or late, creation leaves nothing that the journal does not name, and the same
/// creation continues from there.
pub(crate) async fn creation_can_be_cancelled_anywhere_and_goes_on(bench: &Bench) {
    let network = bench.prepare().await;
    for looks in std::iter::successors(Some(1_u32), |looks| looks.checked_mul(2)) {
        let (plan, _) = bench.plan(network, "m1", 0);
        let cancel = CancellationToken::new();
        let work = bench.work_ended_by(&cancel);
        let answer = cancelled_after(looks, bench.driver.create(&plan, work), &cancel).await;
        let announced = bench.journal.outstanding().unwrap();
        for resource in bench.resources().await {
            assert!(announced.contains(&resource), "{looks} looks: {resource} is not announced");
        }
        if let Err(error) = &answer {
            assert!(matches!(error, MachineError::Cancelled), "{looks} looks: {error}");
        }
        let again = bench.driver.create(&plan, bench.work()).await;
        assert!(again.is_ok(), "after {looks} looks: {again:?}");
        assert_eq!(bench.state(&plan.id).await, Stopped);
        bench.remove(&plan.id).await.unwrap();
        if answer.is_ok() {
            break;
        }
    }
    bench.tear_down().await;
    bench.is_empty().await;
}

/// Cancelled early or late, a removal is announced before anything goes; what is announced is removed
/// for good when that is asked for again, and the machine can be made anew at once.
pub(crate) async fn removal_can_be_cancelled_anywhere_and_is_finished(bench: &Bench) {
    let network = bench.prepare().await;
    for looks in std::iter::successors(Some(1_u32), |looks| looks.checked_mul(4)) {
        let (plan, _) = bench.plan(network, "m1", 0);
        bench.driver.create(&plan, bench.work()).await.unwrap();
        bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
        let before = bench.resources().await;
        let cancel = CancellationToken::new();
        let work = bench.work_ended_by(&cancel);
        let answer = cancelled_after(looks, bench.driver.remove(&plan.id, work), &cancel).await;
        let leaving = bench.journal.leaving().unwrap();
        for resource in &leaving {
            bench.driver.remove_resource(&bench.cluster, resource, bench.work()).await.unwrap();
        }
        let left = bench.resources().await;
        for resource in &before {
            let is_announced = leaving.contains(resource);
            assert!(!is_announced || !left.contains(resource), "{looks} looks: {resource} stays");
            let is_gone = is_announced || answer.is_ok();
            assert!(
                is_gone || left.contains(resource),
                "{looks} looks: {resource} went unannounced"
            );
        }
        assert_eq!(bench.journal.leaving().unwrap(), []);
        bench.driver.create(&plan, bench.work()).await.unwrap();
        bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
        assert_eq!(bench.state(&plan.id).await, Running, "{looks} looks");
        bench.remove(&plan.id).await.unwrap();
        if answer.is_ok() {
            break;
        }
    }
    bench.tear_down().await;
    bench.is_empty().await;
}

/// Drives `work` to its end, looking at it all the time, and cancels it after so many looks:
/// before its first request, while one is on its way, between two.
async fn cancelled_after<T>(
    looks: u32,
    work: impl Future<Output = T>,
    cancel: &CancellationToken,
) -> T {
    let mut work = pin!(work);
    let mut left = looks;
    std::future::poll_fn(|context| {
        left = left.saturating_sub(1);
        if left == 0 {
            cancel.cancel();
        }
        context.waker().wake_by_ref();
        work.as_mut().poll(context)
    })
    .await
}
