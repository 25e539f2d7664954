//! Conflicts with another `up`, another network, another store.

use skep_tests::{Lab, host, watch};

use crate::seen::{all_ready, containers};

pub(crate) fn two_ups_at_once() {
    let lab = Lab::with_machines("two");
    let mut second = None;
    let first = watch::watch(&lab, "up --workers 1", "creating", |pid| {
        let ran = lab.skep("up --workers 1").ends();
        second = Some((pid, ran));
    });
    let (pid, second) = second.expect("the first began to create machines");
    assert_eq!(second.code, Some(1), "{second}");
    let holder = format!("process {}", pid.as_raw_nonzero());
    second.prints_nothing().says("is in use by another skep").says(&holder).says("skep up");
    assert_eq!(first.code, Some(0), "{}", first.lines.join("\n"));
    all_ready(&lab, &["manager1", "worker1"]);
    lab.finish();
}

pub(crate) fn a_subnet_that_is_taken() {
    let lab = Lab::with_machines("subnet");
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let bridge = host::inspect("network", "bridge", format);
    let ran = lab.up(&format!("--subnet {bridge}")).exits(3).prints_nothing();
    ran.says(&bridge).says("overlaps").says("nothing was touched");
    lab.up("--subnet 10.99.0.0/24").exits(3).says("overlay networks").prints_nothing();
    lab.up("--subnet 8.8.8.0/24").exits(3).says("not a private network").prints_nothing();
    assert!(!lab.store().join("clusters").exists(), "something was touched");
    assert!(lab.traces().is_empty(), "{:?}", lab.traces());
}

pub(crate) fn a_cluster_of_another_store() {
    let lab = Lab::with_machines("same");
    let other = lab.namesake();
    lab.up("--workers 0").succeeds();
    let machines = containers(&lab);

    let ran = other.up("--workers 0").exits(3).prints_nothing();
    ran.says("does not belong to").says("--name");
    other.down().succeeds();
    assert!(other.traces().is_empty(), "{:?}", other.traces());
    assert_eq!(containers(&lab), machines, "another store's machines were touched");
    lab.skep("status").succeeds();
    lab.finish();
}
