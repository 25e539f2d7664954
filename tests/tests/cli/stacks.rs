//! Stacks that cannot be: said before any engine is looked for.

use skep_tests::Lab;

use crate::nothing_was_touched;

/// Deploys standard input.
fn deploy(lab: &Lab, text: &str) -> skep_tests::Run {
    lab.skep("stack deploy -c - web").stdin(text)
}

#[test]
fn every_mistake_is_named_with_its_line_and_what_to_do() {
    let lab = Lab::without_machines();
    let text = "services:\n  front:\n    image: nginx\n    build: .\n    restart: always\n";
    deploy(&lab, text)
        .exits(2)
        .prints_nothing()
        .says("2 values of stdin cannot be deployed")
        .says("stdin:4: services.front.build: a swarm does not build images")
        .says("fix: build and push the image")
        .says("stdin:5: services.front.restart:");
    nothing_was_touched(&lab);
}

#[test]
fn a_later_file_is_named_too() {
    let lab = Lab::without_machines();
    let one = lab.file("one.yaml", "services: {front: {image: nginx}}\n");
    let other = lab.file("other.yaml", "services:\n  front:\n    ports: [80:80:80]\n");
    let run = lab.skep("stack deploy -c").args([&one]).args(["-c"]).args([&other]).args(["web"]);
    run.exits(2).says("other.yaml:3: services.front.ports[0]: `80:80:80` is no port");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let lab = Lab::without_machines();
    lab.skep("stack deploy -c nowhere.yaml web").exits(2).says("cannot read nowhere.yaml");
    let text = "services: {a: {image: a, env_file: nope.env}}\n";
    deploy(&lab, text).exits(2).says("services.a.env_file[0]: cannot read").says("nope.env");
}

#[test]
fn what_makes_no_sense_on_the_command_line_is_refused() {
    let lab = Lab::without_machines();
    lab.skep("stack deploy web").exits(2).says("--compose-file");
    lab.skep("stack deploy -c - --prune --detach web").exits(2).says("--prune");
    lab.skep("stack rm").exits(2);
    for words in ["stack ps a/b", "stack services a/b", "stack rm a/b", "stack deploy -c - a/b"] {
        lab.skep(words).stdin("").exits(2).says("`a/b` cannot be the name of a stack");
    }
    nothing_was_touched(&lab);
}

#[test]
fn variables_come_from_the_environment() {
    let lab = Lab::without_machines();
    let text = "services: {a: {image: 'a:${TAG:?which}'}}\n";
    deploy(&lab, text).exits(2).says("the variable TAG is not set: which");
    // With it, the next thing that is missing is a cluster.
    let refused = deploy(&lab, text).env("TAG", "1").ends();
    assert!(!refused.stderr.contains("TAG"), "{refused}");
    assert_ne!(refused.code, Some(2), "{refused}");
}
