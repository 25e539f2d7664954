//! Requests to services at every machine of a cluster of containers.

use std::{path::Path, thread};

use serde_json::Value;
use skep_tests::{Lab, images::archive};

use crate::seen::{inside, until};

/// A service with a task on each machine that is published there, and running.
fn hosted(lab: &Lab) {
    let create = "docker service create --quiet --detach --no-resolve-image --name hosted --mode global \
                  --publish mode=host,target=80,published=8080 nginx:1.22";
    inside(lab, "manager1", create).succeeds();
    until("a task on each machine", || {
        let ran = lab.skep("service probe hosted --requests 4 --format json").ends();
        let report: Value = serde_json::from_str(&ran.stdout).ok()?;
        let nodes = report["nodes"].as_array()?;
        nodes.iter().all(|node| node["answered"].as_u64() > Some(0)).then_some(())
    });
}

pub(crate) fn who_answers_with_what() {
    let lab = Lab::with_machines("probe");
    lab.up("--workers 2").succeeds();
    let load = [archive("nginx-1.22"), archive("nginx-1.26")];
    lab.skep("image load").args(&load).succeeds();

    lab.skep("service probe web").exits(1).says("no such service: web").prints_nothing();
    inside(
        &lab,
        "manager1",
        "docker service create --quiet --detach --no-resolve-image --name silent nginx:1.22",
    )
    .succeeds();
    let nothing = lab.skep("service probe silent").exits(2).prints_nothing();
    nothing.says("publishes no TCP port").says("--publish-add");
    let pending = "docker service create --quiet --detach --no-resolve-image --name pending --publish 8090:80 \
                   --constraint node.labels.moon==full nginx:1.22";
    inside(&lab, "manager1", pending).succeeds();
    until("a task that waits", || {
        let ran = lab.skep("service probe pending").exits(4);
        ran.stderr.contains("no suitable node").then_some(())
    });

    hosted(&lab);
    let ran = lab
        .skep("service probe hosted -n 50 --expect Welcome --expect 200 --format json")
        .succeeds();
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&report["schema"], &report["sent"], &report["lost"]),
        (&1.into(), &150.into(), &0.into())
    );
    for (node, name) in
        report["nodes"].as_array().unwrap().iter().zip(["manager1", "worker1", "worker2"])
    {
        assert_eq!(node["node"], name);
        assert_eq!(node["values"]["nginx/1.22.1"], 50, "{node}");
        assert_eq!(node["tasks"][format!("hosted.{name}")], 50, "who answered: {node}");
    }
    lab.skep("service probe hosted -n 5 --path /nowhere")
        .exits(4)
        .says("15 of 15 answers were not as expected");
    lab.skep("service probe hosted -n 5 --expect apache").exits(4);
    lab.skep("service probe hosted --path nowhere").exits(2).says("is no path");

    the_mesh_says_what_it_lacks(&lab);
    an_update_is_watched(&lab);
    lab.finish();
}

/// Published on every node: it answers, or says that the kernel of these containers cannot.
fn the_mesh_says_what_it_lacks(lab: &Lab) {
    let create = "docker service create --quiet --detach --no-resolve-image --name mesh --replicas 2 \
                  --publish 8081:80 nginx:1.22";
    inside(lab, "manager1", create).succeeds();
    until("a report of the mesh", || {
        let ran = lab.skep("service probe mesh -n 20").ends();
        // It is loaded when the first engine has used it.
        let expected = if Path::new("/proc/net/ip_vs").exists() {
            ran.code == Some(0)
        } else {
            ran.code == Some(4) && ran.stderr.contains("no IPVS")
        };
        expected.then_some(())
    });
}

/// One task at a time is replaced, each gone before the next is there: requests are lost.
fn an_update_is_watched(lab: &Lab) {
    let update =
        "docker service update --quiet --detach --no-resolve-image --image nginx:1.26 hosted";
    let watched = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            lab.skep("service probe hosted --watch --rate 40 --duration 90s --format json")
                .within(std::time::Duration::from_secs(120))
                .exits(4)
        });
        inside(lab, "manager1", update).succeeds();
        watching.join().unwrap()
    });
    let report: Value = serde_json::from_str(&watched.stdout).unwrap();
    let seen = &report["watched"];
    assert_eq!(seen["update"], "completed", "{watched}");
    let values: Vec<_> =
        seen["values"].as_array().unwrap().iter().map(|value| &value["value"]).collect();
    assert!(values.contains(&&"nginx/1.26.3".into()), "{watched}");
    assert!(report["lost"].as_u64() > Some(0) && seen["first_loss"].is_number(), "{watched}");
    watched.says("requests were lost");
}
