//! Stacks on a real swarm: as docker deploys them, and what docker does not do.

use std::collections::BTreeMap;

use serde_json::Value;
use skep_tests::{Lab, Ran, Run};

use crate::seen::inside;

/// A file with something of everything.
const EVERYTHING: &str = include_str!("../../../crates/skep-service/tests/stacks/everything.yaml");

const FILES: [(&str, &str); 3] =
    [("pw.txt", "hush\n"), ("app.conf", "conf\n"), ("app.env", "# c\nFROM_FILE=file\nBOTH=file\n")];

/// Makes images of the guest's own shell, so that no registry is needed.
const IMAGES: &str = "cd / && for tag in 1 2; do tar -ch bin/sh bin/sleep \
    $(for program in sh sleep; do ldd /bin/$program | grep -o '/[^ ]*' | grep -v :; done | sort -u) \
    2>/dev/null | docker import - web:$tag; done";

fn lab(subject: &str) -> Lab {
    let lab = Lab::with_machines(subject);
    lab.up("--workers 0").succeeds();
    inside(&lab, "manager1", IMAGES).succeeds();
    for (name, text) in FILES {
        lab.file(name, text);
    }
    lab
}

/// Deploys a file of this text.
fn deploy(lab: &Lab, text: &str, words: &str) -> Run {
    let file = lab.file("stack.yaml", text);
    let run = lab.skep(&format!("stack deploy {words} -c")).args([&file]).args(["s"]);
    run.env("FROM_ENV", "here")
}

/// The specs of the stack's services by their names, without identifiers.
fn specs(lab: &Lab) -> BTreeMap<String, Value> {
    let list = "docker service inspect $(docker service ls -q)";
    let services: Value =
        serde_json::from_str(&inside(lab, "manager1", list).succeeds().stdout).unwrap();
    let spec = |service: &Value| {
        let mut spec = service["Spec"].clone();
        let task = &mut spec["TaskTemplate"];
        let container = task["ContainerSpec"].as_object_mut().unwrap();
        for (list, id) in [("Secrets", "SecretID"), ("Configs", "ConfigID")] {
            let Some(Value::Array(references)) = container.get_mut(list) else { continue };
            references.iter_mut().for_each(|reference| reference[id] = Value::Null);
            // docker gives the files of one secret in random order.
            references.sort_by_key(|reference| reference["File"]["Name"].to_string());
        }
        for network in task["Networks"].as_array_mut().unwrap() {
            network["Target"] = Value::Null;
        }
        (spec["Name"].as_str().unwrap().to_owned(), spec)
    };
    services.as_array().unwrap().iter().map(spec).collect()
}

/// The networks, secrets and configs of the stack, with their labels.
fn others(lab: &Lab) -> String {
    let mut text = String::new();
    for (kind, format) in [
        ("network", "{{.Name}} {{.Driver}} {{.Attachable}} {{.Internal}} {{.Labels}}"),
        ("secret", "{{.Spec.Name}} {{.Spec.Labels}}"),
        ("config", "{{.Spec.Name}} {{.Spec.Labels}} {{printf \"%s\" .Spec.Data}}"),
    ] {
        let filter = "--filter label=com.docker.stack.namespace=s";
        let script =
            format!("docker {kind} inspect -f '{format}' $(docker {kind} ls -q {filter}) | sort");
        text.push_str(&inside(lab, "manager1", &script).succeeds().stdout);
    }
    text
}

/// The versions of all services: they grow with each change.
fn versions(lab: &Lab) -> String {
    let script = "docker service inspect -f '{{.Spec.Name}} {{.Version.Index}}' $(docker service ls -q) | sort";
    inside(lab, "manager1", script).succeeds().stdout
}

#[track_caller]
fn only(ran: &Ran, sign: &str) {
    let other = ran.lines().into_iter().find(|line| !line.starts_with(sign));
    assert_eq!(other, None, "{ran}");
}

pub(crate) fn a_stack_is_what_docker_makes_of_it() {
    let lab = lab("same");
    for (name, text) in FILES.into_iter().chain([("stack.yaml", EVERYTHING)]) {
        inside(&lab, "manager1", &format!("cat > {name}")).stdin(text).succeeds();
    }
    let dockers = "FROM_ENV=here docker stack deploy --detach=true -c stack.yaml s";
    inside(&lab, "manager1", dockers).succeeds();
    let (expected, expected_others) = (specs(&lab), others(&lab));
    assert_eq!(expected.len(), 3);

    // What docker has deployed is as skep would have it.
    only(&deploy(&lab, EVERYTHING, "--dry-run").succeeds(), "= ");
    lab.skep("stack rm s").succeeds();
    lab.skep("stack rm s").succeeds().prints_nothing().says("Nothing found in stack: s");
    assert_eq!(lab.skep("stack ls").succeeds().text(), "NAME      SERVICES");

    only(&deploy(&lab, EVERYTHING, "").succeeds(), "Creating ");
    let (made, made_others) = (specs(&lab), others(&lab));
    for (name, spec) in &expected {
        assert_eq!(format!("{:#}", made[name]), format!("{spec:#}"));
    }
    assert_eq!(made_others, expected_others);
    assert_eq!(lab.skep("stack ls").succeeds().lines()[1], "s         3");

    let before = versions(&lab);
    only(&deploy(&lab, EVERYTHING, "").succeeds(), "Unchanged ");
    assert_eq!(versions(&lab), before);
    lab.finish();
}

/// A stack with a service that runs this, and perhaps another.
fn small(script: &str, more: bool) -> String {
    let more =
        if more { "  more: {image: 'web:1', init: true, command: [sleep, '1000']}\n" } else { "" };
    format!(
        "services:\n  front:\n    image: web:1\n    init: true\n    command: [sh, -c, '{script}']\n    \
         secrets: [pw]\n    deploy: {{restart_policy: {{delay: 100ms}}, update_config: {{monitor: 1s}}}}\n\
         {more}secrets: {{pw: {{file: pw.txt}}}}\n"
    )
}

pub(crate) fn pruning_comes_last_and_nothing_changes_what_cannot_be() {
    let lab = lab("prune");
    deploy(&lab, &small("sleep 1000", true), "").succeeds();
    let services = || lab.skep("stack services s").succeeds().stdout;
    assert!(services().contains("s_more"));

    let broken = deploy(&lab, &small("exit 7", false), "--prune").exits(4);
    broken.says("s_front").says("nothing was pruned: s_more still there");
    assert!(services().contains("s_more"));

    let before = versions(&lab);
    lab.file("pw.txt", "other\n");
    deploy(&lab, &small("sleep 1000", false), "--prune")
        .exits(3)
        .prints_nothing()
        .says("secret s_pw has other data than")
        .says("nothing was touched");
    assert_eq!(versions(&lab), before);
    lab.file("pw.txt", "hush\n");

    let plan = deploy(&lab, &small("sleep 2000", false), "--prune --dry-run").succeeds();
    assert!(plan.stdout.contains("~ service s_front\n"), "{plan}");
    assert!(plan.stdout.contains("- service s_more\n"), "{plan}");
    assert_eq!(versions(&lab), before);
    let done = deploy(&lab, &small("sleep 2000", false), "--prune").succeeds();
    assert_eq!(done.lines().last(), Some(&"Removing service s_more"), "{done}");
    assert!(!services().contains("s_more"));
    let tasks = lab.skep("stack ps s").succeeds();
    assert!(tasks.stdout.contains("s_front.1"), "{tasks}");
    lab.skep("stack ps nobody").exits(1).says("nothing found in stack: nobody");

    let removed = lab.skep("stack rm s").succeeds();
    assert_eq!(
        removed.stdout,
        "Removing service s_front\nRemoving secret s_pw\nRemoving network s_default\n"
    );
    lab.finish();
}
