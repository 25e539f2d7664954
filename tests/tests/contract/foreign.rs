//! What has the name of something of ours and is not ours is neither used nor removed.

use skep_machine::MachineError;
use skep_model::MachineState::Running;

use crate::bench::Bench;

pub(crate) async fn what_has_our_name_and_not_our_labels_is_refused_and_kept(bench: &Bench) {
    // What a machine of this name consists of, as the driver itself calls it.
    let plan = bench.made("m1").await;
    let resources = bench.resources().await;
    bench.tear_down().await;
    for resource in &resources {
        bench.names().plant(resource);
        let answer = async {
            let network = bench.driver.prepare(&bench.cluster, None, bench.work()).await?;
            let (plan, _) = bench.plan(network.expect("a network"), plan.id.machine.as_str(), 0);
            bench.driver.create(&plan, bench.work()).await
        };
        let answer = answer.await;
        let refused = matches!(&answer, Err(MachineError::Foreign { resource: named, .. }) if named == resource);
        let listed = bench.resources().await.contains(resource);
        bench.remove(&plan.id).await.unwrap();
        bench.tear_down().await;
        let kept = bench.names().has(resource);
        bench.names().uproot(resource);
        assert!(refused, "{resource}: {answer:?}");
        assert!(!listed, "{resource} is listed as the cluster's");
        assert!(kept, "{resource} was not ours and was removed");
    }
}

pub(crate) async fn another_stores_cluster_of_the_same_name_is_refused_and_kept(bench: &Bench) {
    let plan = bench.running("m1").await;
    let stranger = bench.names().stranger();
    let answer = stranger.prepare(&bench.cluster, None, bench.work()).await;
    assert!(matches!(answer, Err(MachineError::Foreign { .. })), "{answer:?}");
    let answer = stranger.create(&plan, bench.work()).await;
    assert!(matches!(answer, Err(MachineError::Foreign { .. })), "{answer:?}");

    assert!(stranger.states(&bench.cluster).await.unwrap().is_empty());
    assert_eq!(stranger.resources(&bench.cluster).await.unwrap(), []);
    stranger.remove(&plan.id, bench.work()).await.unwrap();
    for resource in bench.resources().await {
        stranger.remove_resource(&bench.cluster, &resource, bench.work()).await.unwrap();
    }
    assert_eq!(bench.state(&plan.id).await, Running);
}
