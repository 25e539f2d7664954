//! One file: what it becomes, and what is said of one that is wrong.

use serde_json::{Value, json};
use skep_service::stack::StackError;

use super::{load, load_at, load_with};

/// Every mistake, each with its fix behind it.
fn mistakes(text: &str) -> String {
    let StackError::Files { faults } = load_at(&[text], &[]).unwrap_err() else { panic!() };
    let line = |fault: &skep_service::stack::Fault| match fault.fix.words() {
        Some("") => format!("{fault}\n"),
        Some(fix) => format!("{fault}\n  {fix}\n"),
        None => format!("{fault}\n  {:?}\n", fault.fix),
    };
    faults.iter().map(line).collect()
}

/// The container of the only service of a file.
fn container(service: &str) -> Value {
    let text = format!("services: {{web: {{image: 'a:1', {service}}}}}\nvolumes: {{data: }}\n");
    let project = load_at(&[&text], &[("HOME", "/home/bee"), ("SET", "value")]).unwrap();
    project.services[0].spec["TaskTemplate"]["ContainerSpec"].clone()
}

#[test]
fn a_large_file_becomes_what_docker_sends() {
    let files = [
        ("pw.txt", "hush\n"),
        ("app.conf", "conf\n"),
        ("app.env", "# c\nFROM_FILE=file\nBOTH=file\nQUOTED=\"a\"\nABSENT\n"),
    ];
    let variables = [("FROM_ENV", "here")];
    let project = load_with(&[include_str!("everything.yaml")], &files, &variables).unwrap();
    let specs: Vec<_> = project.services.iter().map(|wanted| &wanted.spec).collect();
    insta::assert_json_snapshot!("services", specs);
    insta::assert_debug_snapshot!("networks", project.networks);
    let secret = &project.secrets[0];
    assert_eq!(secret.name, "s_pw");
    let shown = format!("{project:?}");
    assert!(!shown.contains("hush") && !shown.contains("aHVzaAo="), "{shown}");
}

#[test]
fn the_smallest_file_is_enough() {
    let project = load(&["services: {web: {image: nginx}}"]).unwrap();
    let wanted = &project.services[0];
    assert_eq!((wanted.name.as_str(), wanted.image.as_str()), ("s_web", "nginx"));
    assert_eq!(
        wanted.spec["TaskTemplate"]["Networks"],
        json!([{"Target": "s_default", "Aliases": ["web"]}])
    );
    assert_eq!(project.networks[0].name, "s_default");
    assert_eq!(project.warnings, [""; 0]);
}

#[test]
fn what_a_swarm_does_not_do_is_refused_with_what_to_do() {
    insta::assert_snapshot!(mistakes(include_str!("unsupported.yaml")));
}

#[test]
fn what_is_written_wrong_is_refused_at_its_line() {
    insta::assert_snapshot!(mistakes(include_str!("wrong.yaml")));
}

#[test]
fn a_file_that_is_none_is_refused() {
    assert_eq!(
        mistakes("[]"),
        "a.yaml:1: a Compose file is a mapping, and this is a list\n  begin with `services:`\n"
    );
    assert_eq!(
        mistakes("x-a: 1\n"),
        "a.yaml:1: there are no services\n  write `services:` with one at least\n"
    );
    insta::assert_snapshot!(mistakes("services: [\n"));
    assert_eq!(
        mistakes("service:\n  web: {}\n").lines().next().unwrap(),
        "a.yaml:1: service: `service` is no section of a Compose file"
    );
}

#[test]
fn names_of_stacks_are_looked_at_first() {
    for name in ["", "a b", "-a", "a/b", "ü", &"x".repeat(64)] {
        let error = skep_service::stack::check_name(name).unwrap_err();
        assert!(matches!(error, StackError::Name { .. }), "{name}");
    }
    skep_service::stack::check_name("web-1.x_y").unwrap();
}

#[test]
fn numbers_keep_their_writing_and_modes_are_in_base_eight() {
    assert_eq!(
        container("environment: {A: 1.10, B: 010, C: 1e3}")["Env"],
        json!(["A=1.10", "B=010", "C=1e3"])
    );
    let text = "services: {w: {image: a, secrets: [{source: x, mode: 0440}]}}\nsecrets: {x: {external: true}}";
    let project = load(&[text]).unwrap();
    let secret = &project.services[0].spec["TaskTemplate"]["ContainerSpec"]["Secrets"][0];
    assert_eq!(secret["File"]["Mode"], 0o440);
    assert_eq!(secret["SecretName"], "x");
}

#[test]
fn variables_without_a_value_are_the_environments() {
    let env = container("environment: [SET, 'EMPTY=', MISSING, 'A=$SET', 'B=$$SET']");
    assert_eq!(env["Env"], json!(["A=value", "B=$SET", "EMPTY=", "MISSING", "SET=value"]));
}

#[test]
fn a_variable_that_is_not_set_is_empty_and_told() {
    let project = load(&["services: {web: {image: 'a:1${NO}', hostname: '${NO2:-x}'}}"]).unwrap();
    assert_eq!(project.services[0].image, "a:1");
    assert_eq!(
        project.warnings,
        ["the variable NO is not set, and is taken as empty; ${NO:-} says so"]
    );
    let wrong = mistakes("services:\n  web:\n    image: ${NO?give it}\n");
    assert!(
        wrong.starts_with("a.yaml:3: services.web.image: the variable NO is not set: give it\n"),
        "{wrong}"
    );
}

#[test]
fn volumes_have_a_short_form() {
    let mounts = container("volumes: ['data:/d', './x:/x:ro,rshared', '~/h:/h', '/anonymous']");
    assert_eq!(
        mounts["Mounts"],
        json!([
            {"Type": "volume", "Target": "/d", "Source": "s_data",
             "VolumeOptions": {"Labels": {"com.docker.stack.namespace": "s"}}},
            {"Type": "bind", "Target": "/x", "ReadOnly": true, "Source": "/nowhere/x",
             "BindOptions": {"Propagation": "rshared"}},
            {"Type": "bind", "Target": "/h", "Source": "/home/bee/h"},
            {"Type": "volume", "Target": "/anonymous"},
        ])
    );
}

#[test]
fn hosts_turn_round_and_capabilities_are_normal() {
    let found = container(
        "extra_hosts: ['a=::1', 'b:[::2]', 'c:1.2.3.4'], cap_add: [net_admin], cap_drop: [all, CAP_NET_ADMIN]",
    );
    assert_eq!(found["Hosts"], json!(["::1 a", "::2 b", "1.2.3.4 c"]));
    assert_eq!(found["CapabilityAdd"], json!(["CAP_NET_ADMIN"]));
    assert_eq!(found["CapabilityDrop"], json!(["ALL"]));
}
