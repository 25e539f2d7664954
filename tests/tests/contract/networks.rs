//! Each cluster has a network of its own.

use skep_machine::MachineError;

use crate::bench::Bench;

pub(crate) async fn preparing_twice_gives_one_network(bench: &Bench) {
    let first = bench.prepare().await;
    let before = bench.resources().await;
    assert_eq!(bench.prepare().await, first);
    assert_eq!(bench.resources().await, before);
}

pub(crate) async fn two_clusters_have_two_networks(bench: &Bench) {
    let first = bench.prepare().await;
    let other = bench.other_cluster();
    let second =
        bench.driver.prepare(&other, None, bench.work()).await.unwrap().expect("a network");
    assert!(!first.contains(&second) && !second.contains(&first), "{first} and {second}");
    // Each is listed with its own cluster.
    let (first, second) = (bench.resources().await, bench.driver.resources(&other).await.unwrap());
    assert!(!first.is_empty() && !second.is_empty());
    assert!(first.iter().all(|resource| !second.contains(resource)));
}

pub(crate) async fn a_network_asked_for_is_had(bench: &Bench) {
    // One that is free now, and asked for by name a moment later.
    let free = bench.prepare().await;
    bench.tear_down().await;
    match bench.driver.prepare(&bench.cluster, Some(free), bench.work()).await {
        Ok(network) => assert_eq!(network, Some(free)),
        // Another test has taken it in between.
        Err(error) => assert!(matches!(error, MachineError::Subnet { .. }), "{error}"),
    }
}

pub(crate) async fn a_taken_network_is_refused(bench: &Bench) {
    let taken = bench.prepare().await;
    let other = bench.other_cluster();
    let answer = bench.driver.prepare(&other, Some(taken), bench.work()).await;
    let refused = matches!(&answer, Err(MachineError::Subnet { subnet, .. }) if *subnet == taken);
    assert!(refused, "{answer:?}");
    assert_eq!(bench.driver.resources(&other).await.unwrap(), []);
}

pub(crate) async fn a_network_that_is_none_of_ours_is_refused(bench: &Bench) {
    for wanted in ["8.8.8.0/24", "10.1.2.0/24", "192.168.7.0/28"] {
        let wanted = wanted.parse().unwrap();
        let answer = bench.driver.prepare(&bench.cluster, Some(wanted), bench.work()).await;
        assert!(matches!(answer, Err(MachineError::Subnet { .. })), "{wanted}: {answer:?}");
    }
    assert_eq!(bench.resources().await, []);
}
