//! What options become in JSON.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::UpdateOrder;

fn resolved() -> Resolved {
    let ids = |names: &[&str]| {
        names.iter().map(|name| ((*name).to_owned(), format!("id-{name}"))).collect()
    };
    Resolved { networks: ids(&["a", "b"]), secrets: ids(&["key"]), configs: ids(&["conf", "cred"]) }
}

fn created(create: &ServiceCreate) -> Value {
    create.spec(&resolved()).unwrap()
}

fn changed(mut spec: Value, update: &ServiceUpdate) -> Value {
    update.apply(&mut spec, &resolved()).unwrap();
    spec
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A service with something in every place.
fn full() -> Value {
    json!({
        "Name": "web", "Labels": {"a": "1"}, "Unheard": 1,
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "nginx:1@sha256:0", "Args": ["x"], "Env": ["A=1", "B=2"], "Dir": "/w",
                "Labels": {"l": "1"}, "Groups": ["g"], "Init": false, "StopGracePeriod": 10,
                "Mounts": [{"Type": "volume", "Source": "v", "Target": "/v"}],
                "Healthcheck": {"Test": ["CMD-SHELL", "true"], "Interval": 5},
                "Hosts": ["10.0.0.1 one two", "10.0.0.2 one"], "DNSConfig": {"Search": ["z", "y"]},
                "Secrets": [{"File": {"Name": "old"}, "SecretID": "i", "SecretName": "old"}],
                "Configs": [{"Runtime": {}, "ConfigID": "r", "ConfigName": "rt"}],
                "Privileges": {"CredentialSpec": {"Config": "r"}, "SELinuxContext": null},
                "Sysctls": {"a": "1"}, "CapabilityAdd": ["CAP_CHOWN"],
                "Ulimits": [{"Name": "nofile", "Hard": 1, "Soft": 1}], "Isolation": "default",
            },
            "Resources": {"Limits": {"NanoCPUs": 5, "Pids": 3}, "Reservations": {"GenericResources":
                [{"DiscreteResourceSpec": {"Kind": "gpu", "Value": 1}}]}},
            "RestartPolicy": {"Condition": "any", "MaxAttempts": 3},
            "Placement": {"Constraints": ["z", "a"], "Platforms": [{"OS": "linux"}]},
            "Networks": [{"Target": "id-a", "Aliases": ["q"]}],
            "LogDriver": {"Name": "none"}, "ForceUpdate": 4, "Runtime": "container",
        },
        "Mode": {"Replicated": {"Replicas": 2}},
        "UpdateConfig": {"Parallelism": 0, "MaxFailureRatio": 0.3},
        "EndpointSpec": {"Mode": "vip", "Ports": [
            {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "ingress"},
            {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8080, "PublishMode": "host"}]},
    })
}

#[test]
fn a_new_service_has_the_defaults_of_dockers() {
    let create = ServiceCreate { image: "nginx".into(), ..ServiceCreate::default() };
    insta::assert_snapshot!(format!("{:#}", created(&create)));
}

#[test]
fn an_update_of_nothing_changes_nothing() {
    assert_eq!(changed(full(), &ServiceUpdate::default()).to_string(), full().to_string());
}

#[test]
fn what_is_named_changes_and_nothing_else() {
    let with = |set: &dyn Fn(&mut ServiceUpdate)| {
        let mut update = ServiceUpdate::default();
        set(&mut update);
        difference(&full(), &changed(full(), &update), "")
    };
    let text = [
        with(&|update| update.image = Some("nginx".into())),
        with(&|update| update.args = Some("sh -c x".parse().unwrap())),
        with(&|update| update.force = true),
        with(&|update| {
            update.options.env = strings(&["B=3", "C=4"]);
            update.remove.env = strings(&["A"]);
        }),
        with(&|update| {
            update.options.labels = parsed(&["b=2"]);
            update.remove.container_labels = strings(&["l"]);
        }),
        with(&|update| update.options.mounts = parsed(&["type=bind,source=/a,target=/v"])),
        with(&|update| update.remove.mounts = strings(&["/v"])),
        with(&|update| update.remove.hosts = strings(&["one:10.0.0.2", "two"])),
        with(&|update| update.options.dns_search = strings(&["x"])),
        with(&|update| {
            update.options.secrets = parsed(&["key"]);
            update.remove.secrets = strings(&["old"]);
        }),
        with(&|update| update.options.configs = parsed(&["source=conf,target=/c"])),
        with(&|update| update.options.credential_spec = Some("config://cred".parse().unwrap())),
        with(&|update| update.options.credential_spec = Some(CredentialSpec::None)),
        with(&|update| update.options.cap_drop = strings(&["chown"])),
        with(&|update| update.options.ulimits = parsed(&["core=0"])),
        with(&|update| update.options.resources.limit_memory = Some("1m".parse().unwrap())),
        with(&|update| update.remove.generic_resources = strings(&["gpu"])),
        with(&|update| update.options.restart.delay = Some("1s".parse().unwrap())),
        with(&|update| update.options.constraints = strings(&["m"])),
        with(&|update| {
            update.options.networks = parsed(&["b"]);
            update.remove.networks = strings(&["a"]);
        }),
        with(&|update| update.options.replicas = Some(5)),
        with(&|update| update.options.update.order = Some(UpdateOrder::StartFirst)),
        with(&|update| update.options.rollback.parallelism = Some(2)),
        with(&|update| update.options.publish = parsed(&["53/udp"])),
        with(&|update| update.remove.publish = parsed(&["80"])),
        with(&|update| update.options.health.none = true),
        with(&|update| update.options.health.retries = Some(9)),
        with(&|update| update.options.log_driver = Some("json-file".into())),
    ];
    insta::assert_snapshot!(text.join("---\n"));
}

/// Each place in which two JSON texts differ, one a line.
fn difference(one: &Value, other: &Value, path: &str) -> String {
    match (one, other) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            let child = |key: &&String| {
                difference(&one[key.as_str()], &other[key.as_str()], &format!("{path}/{key}"))
            };
            keys.iter().map(child).collect()
        }
        _ if one == other => String::new(),
        _ => format!("{path}: {one} -> {other}\n"),
    }
}

#[test]
fn what_makes_no_sense_is_named() {
    let create = |set: &dyn Fn(&mut ServiceCreate)| {
        let mut create = ServiceCreate { image: "a".into(), ..ServiceCreate::default() };
        set(&mut create);
        create.spec(&resolved()).unwrap_err().to_string()
    };
    let update = |set: &dyn Fn(&mut ServiceUpdate)| {
        let mut update = ServiceUpdate::default();
        set(&mut update);
        update.apply(&mut full(), &resolved()).unwrap_err().to_string()
    };
    let all = [
        create(&|new| {
            new.mode = NewMode::Global;
            new.options.replicas = Some(1);
        }),
        create(&|new| {
            new.mode = NewMode::GlobalJob;
            new.options.replicas_max_per_node = Some(1);
        }),
        create(&|new| new.options.max_concurrent = Some(1)),
        create(&|new| {
            new.mode = NewMode::ReplicatedJob;
            new.options.update.parallelism = Some(1);
        }),
        create(&|new| new.options.publish = parsed(&["80:1", "80:2"])),
        create(&|new| new.options.mounts = parsed(&["target=/a", "target=/a"])),
        create(&|new| new.options.secrets = parsed(&["key", "source=b,target=key"])),
        create(&|new| new.options.networks = parsed(&["a", "a"])),
        create(&|new| new.options.log_options = parsed(&["a=b"])),
        create(&|new| {
            new.options.health.none = true;
            new.options.health.retries = Some(1);
        }),
        update(&|update| update.options.networks = parsed(&["a"])),
        update(&|update| update.options.max_concurrent = Some(1)),
        update(&|update| update.remove.generic_resources = strings(&["fpga"])),
        ServiceUpdate::scale(&mut json!({"Mode": {"Global": {}}}), 1).unwrap_err().to_string(),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn jobs_have_two_counts() {
    let mut job =
        ServiceCreate { image: "a".into(), mode: NewMode::ReplicatedJob, ..Default::default() };
    assert_eq!(created(&job)["Mode"], json!({"ReplicatedJob": {}}));
    job.options.replicas = Some(5);
    let both = json!({"ReplicatedJob": {"MaxConcurrent": 5, "TotalCompletions": 5}});
    assert_eq!(created(&job)["Mode"], both);
    job.options.max_concurrent = Some(2);
    let spec = created(&job);
    assert_eq!(spec["Mode"]["ReplicatedJob"]["MaxConcurrent"], 2);
    let mut scaled = spec;
    ServiceUpdate::scale(&mut scaled, 9).unwrap();
    assert_eq!(scaled["Mode"]["ReplicatedJob"], json!({"MaxConcurrent": 2, "TotalCompletions": 9}));
}

proptest! {
    #[test]
    fn a_variable_is_there_once_after_it_was_set(names in prop::collection::vec("[A-D]", 0..6), value in "[a-z=]{0,3}") {
        let mut update = ServiceUpdate::default();
        update.options.env = names.iter().map(|name| format!("{name}={value}")).collect();
        let spec = changed(full(), &update);
        let env = spec["TaskTemplate"]["ContainerSpec"]["Env"].as_array().unwrap().clone();
        for name in names.iter().map(String::as_str).chain(["A", "B"]) {
            let count = env.iter().filter(|one| one.as_str().unwrap().starts_with(&format!("{name}="))).count();
            prop_assert_eq!(count, 1);
        }
    }
}
