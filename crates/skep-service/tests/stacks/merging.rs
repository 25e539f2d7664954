//! Several files as one.

use serde_json::json;
use skep_service::stack::Project;

use super::load;

fn merged(one: &str, other: &str) -> Project {
    load(&[one, other]).unwrap()
}

#[test]
fn later_files_win_and_mappings_are_merged() {
    let project = merged(
        "services: {web: {image: 'a:1', command: [x, y], tty: true, environment: {A: 1, B: 1}, \
         deploy: {replicas: 3, labels: {a: 1}, restart_policy: {condition: none, delay: 1s}}}}",
        "services: {web: {image: 'a:2', command: z, tty: false, environment: ['B=2', 'C=2'], \
         deploy: {replicas: 0, labels: [b=2], restart_policy: {condition: any}}}, more: {image: m}}",
    );
    let [more, web] = project.services.as_slice() else { panic!("{:?}", project.services) };
    assert_eq!(more.name, "s_more");
    let container = &web.spec["TaskTemplate"]["ContainerSpec"];
    assert_eq!(web.image, "a:2");
    assert_eq!(container["Args"], json!(["z"]));
    assert_eq!(container["Env"], json!(["A=1", "B=2", "C=2"]));
    assert!(container.get("TTY").is_none());
    assert_eq!(web.spec["Mode"], json!({"Replicated": {"Replicas": 0}}));
    assert_eq!(web.spec["Labels"]["a"], "1");
    assert_eq!(web.spec["Labels"]["b"], "2");
    let restart = &web.spec["TaskTemplate"]["RestartPolicy"];
    assert_eq!(*restart, json!({"Condition": "any", "Delay": 1_000_000_000}));
}

#[test]
fn lists_are_joined_or_go_by_what_their_members_are() {
    let project = merged(
        "services: {web: {image: a, dns: [1.1.1.1], ports: ['8080:80', '53:53/udp', '99'], \
         volumes: ['a:/data', 'b:/b'], secrets: [s], \
         networks: [n], healthcheck: {test: [CMD, a]}}}\n\
         networks: {n: {labels: {a: 1}}}\nvolumes: {a: , b: , c: }\nsecrets: {s: {external: true}}",
        "services: {web: {dns: 2.2.2.2, ports: ['8080:81', '53:53'], volumes: ['c:/data:ro'], \
         secrets: [{source: s, target: other}], networks: {n: {aliases: [x]}}, \
         healthcheck: {test: b}}}\nnetworks: {n: {labels: {b: 1}}}",
    );
    let spec = &project.services[0].spec;
    let container = &spec["TaskTemplate"]["ContainerSpec"];
    assert_eq!(container["DNSConfig"]["Nameservers"], json!(["1.1.1.1", "2.2.2.2"]));
    let ports: Vec<_> = spec["EndpointSpec"]["Ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| (port["PublishedPort"].as_u64(), port["TargetPort"].as_u64().unwrap()))
        .collect();
    assert_eq!(ports, [(None, 99), (Some(53), 53), (Some(53), 53), (Some(8080), 81)]);
    let mounts = container["Mounts"].as_array().unwrap();
    assert_eq!(mounts.len(), 2);
    assert_eq!((&mounts[1]["Source"], &mounts[1]["ReadOnly"]), (&json!("s_c"), &json!(true)));
    assert_eq!(container["Secrets"].as_array().unwrap().len(), 1);
    assert_eq!(container["Secrets"][0]["File"]["Name"], "other");
    assert_eq!(container["Healthcheck"]["Test"], json!(["CMD-SHELL", "b"]));
    assert_eq!(spec["TaskTemplate"]["Networks"][0]["Aliases"], json!(["x", "web"]));
    let labels = &project.networks[0].create.as_ref().unwrap()["Labels"];
    assert_eq!((&labels["a"], &labels["b"]), (&json!("1"), &json!("1")));
}

#[test]
fn options_of_another_log_driver_go() {
    let logging = |other: &str| {
        let one =
            "services: {web: {image: a, logging: {driver: json-file, options: {max-size: 1m}}}}";
        let other = format!("services: {{web: {{logging: {other}}}}}");
        merged(one, &other).services[0].spec["TaskTemplate"]["LogDriver"].clone()
    };
    assert_eq!(
        logging("{options: {max-file: 2}}"),
        json!({"Name": "json-file", "Options": {"max-size": "1m", "max-file": "2"}})
    );
    assert_eq!(logging("{driver: syslog}"), json!({"Name": "syslog"}));
}

#[test]
fn a_mistake_is_told_in_the_file_it_is_in() {
    let error = load(&["services:\n  web: {image: a}\n", "services:\n  web:\n    tty: 3\n"]);
    let skep_service::stack::StackError::Files { faults } = error.unwrap_err() else { panic!() };
    assert_eq!(faults[0].to_string(), "b.yaml:3: services.web.tty: `3` is neither true nor false");
}
