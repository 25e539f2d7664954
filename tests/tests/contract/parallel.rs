//! Operations on different machines run at the same time.

use futures_util::future::join_all;
use skep_model::MachineState::{self, Running, Stopped};

use crate::bench::Bench;

pub(crate) async fn several_machines_at_once_and_again(bench: &Bench) {
    let network = bench.prepare().await;
    let plans: Vec<_> =
        (0..4).map(|place| bench.plan(network, &format!("m{place}"), place).0).collect();
    let all_are = async |wanted: MachineState| {
        let states = bench.driver.states(&bench.cluster).await.unwrap();
        assert_eq!(states.values().copied().collect::<Vec<_>>(), [wanted; 4]);
    };
    for _ in 0..2 {
        let made = join_all(plans.iter().map(|plan| bench.driver.create(plan, bench.work())));
        made.await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    }
    all_are(Stopped).await;
    for _ in 0..2 {
        let started =
            join_all(plans.iter().map(|plan| bench.driver.start(&plan.id, &bench.cancel)));
        started.await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    }
    all_are(Running).await;
    let killed = join_all(plans.iter().map(|plan| bench.driver.kill(&plan.id, &bench.cancel)));
    killed.await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    all_are(Stopped).await;
    for _ in 0..2 {
        let removed = join_all(plans.iter().map(|plan| bench.remove(&plan.id)));
        removed.await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    }
    bench.tear_down().await;
    bench.is_empty().await;
}
