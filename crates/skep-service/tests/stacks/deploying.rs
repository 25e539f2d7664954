//! Plans over an engine that answers from a script: what is asked of it, and in which order.

use serde_json::{Value, json};
use skep_service::stack::{Action, NAMESPACE_LABEL, Plan, Project, ResolveImage, StackError};
use tokio_util::sync::CancellationToken;

use super::{fake::Fake, load_with};

const FILE: &str = "services:\n  web: {image: 'web:1', ports: ['8080:80'], secrets: [pw], configs: [c]}\n\
                    secrets: {pw: {file: pw}}\nconfigs: {c: {content: text}}\n";

fn project() -> Project {
    load_with(&[FILE], &[("pw", "hush")], &[]).unwrap()
}

fn labels() -> Value {
    json!({NAMESPACE_LABEL: "s"})
}

/// An object of the stack as an engine lists it.
fn listed(id: &str, name: &str, more: Value) -> Value {
    let mut spec = json!({"Name": name, "Labels": labels()});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"ID": id, "Version": {"Index": 7}, "Spec": spec})
}

fn stale() -> Value {
    listed("old1", "s_old", json!({"TaskTemplate": {}, "Mode": {"Global": {}}}))
}

fn network() -> Value {
    json!({"Id": "net1", "Name": "s_default", "Scope": "swarm", "Driver": "overlay", "Labels": labels()})
}

async fn plan(fake: &Fake, project: &Project) -> Result<Plan, StackError> {
    fake.stacks.plan(project, ResolveImage::Never, &CancellationToken::new()).await
}

fn obstacles(error: StackError) -> Vec<String> {
    let StackError::Obstacles { obstacles, .. } = error else { panic!("{error}") };
    obstacles.into_iter().map(|one| one.problem).collect()
}

/// The requests that change something.
fn changing(fake: &Fake) -> Vec<String> {
    fake.asked().into_iter().filter(|request| !request.starts_with("GET")).collect()
}

#[tokio::test]
async fn what_is_needed_comes_first_and_pruning_is_a_step_of_its_own() {
    let fake = Fake::start(&[
        ("GET /services", &[(200, json!([stale()]))]),
        ("GET /secrets", &[(200, json!([])), (200, json!([listed("sec1", "s_pw", json!({}))]))]),
        ("GET /configs", &[(200, json!([])), (200, json!([listed("con1", "s_c", json!({}))]))]),
        ("POST /networks/create", &[(201, json!({"Id": "net1"}))]),
        ("POST /secrets/create", &[(201, json!({"ID": "sec1"}))]),
        ("POST /configs/create", &[(201, json!({"ID": "con1"}))]),
        ("POST /services/create", &[(201, json!({"ID": "web1", "Warnings": ["careful"]}))]),
        ("DELETE /services/old1", &[(200, Value::Null)]),
    ])
    .await;
    let cancel = CancellationToken::new();
    let plan = plan(&fake, &project()).await.unwrap();
    assert_eq!(changing(&fake), [""; 0]);
    let (mut told, mut warned) = (Vec::new(), Vec::new());
    let tell = |step: &skep_service::stack::Step| told.push(step.name.clone());
    let deployed = fake.stacks.apply(&plan, tell, |text| warned.push(text), &cancel).await.unwrap();
    assert_eq!(told, ["s_default", "s_pw", "s_c", "s_web"]);
    assert_eq!(warned, ["careful"]);
    assert_eq!(deployed[0].id.as_str(), "web1");
    let order = ["networks", "secrets", "configs", "services"];
    assert_eq!(changing(&fake), order.map(|kind| format!("POST /{kind}/create")));
    let (_, service) = fake.bodies().into_iter().next_back().unwrap();
    let container = &service["TaskTemplate"]["ContainerSpec"];
    assert_eq!(container["Secrets"][0]["SecretID"], "sec1");
    assert_eq!(container["Configs"][0]["ConfigID"], "con1");

    fake.stacks.prune(&plan, |_| {}, &cancel).await.unwrap();
    assert_eq!(changing(&fake).last().unwrap(), "DELETE /services/old1");
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_at_once_and_nothing_is_touched() {
    let own = json!([{"Protocol": "tcp", "TargetPort": 1, "PublishedPort": 8080, "PublishMode": "ingress"}]);
    let mut foreign = json!({"ID": "f1", "Spec": {"Name": "foreign"}});
    foreign["Endpoint"] = json!({"Ports": own});
    let fake = Fake::start(&[
        ("GET /services", &[(200, json!([foreign, {"ID": "x", "Spec": {"Name": "s_web"}}]))]),
        (
            "GET /networks",
            &[(200, json!([{"Id": "n", "Name": "s_default", "Scope": "swarm", "Labels": {}}]))],
        ),
        ("GET /secrets", &[(200, json!([listed("sec1", "s_pw", json!({}))]))]),
        ("GET /configs", &[(200, json!([listed("con1", "s_c", json!({"Data": "b3RoZXI="}))]))]),
        (
            "POST /secrets/sec1/update",
            &[(400, json!({"message": "rpc error: only updates to Labels are allowed"}))],
        ),
    ])
    .await;
    let found = obstacles(plan(&fake, &project()).await.unwrap_err());
    let pw = found.iter().find(|text| text.starts_with("secret")).unwrap();
    assert!(pw.starts_with("secret s_pw has other data than /"), "{pw}");
    let others: Vec<_> = found.iter().filter(|text| !text.starts_with("secret")).collect();
    assert_eq!(
        others,
        [
            "there is a network s_default already, and it is not of this stack",
            "config s_c has other data than a.yaml:4: configs cannot be changed in a swarm",
            "port 8080/tcp of s_web is published by foreign too",
            "there is a service s_web already, and it is not of this stack",
        ]
    );
    // The question about the secret, of a version long gone, is all that was asked.
    assert_eq!(changing(&fake), ["POST /secrets/sec1/update?version=1"]);
}

#[tokio::test]
async fn what_is_as_it_should_be_is_not_touched() {
    let project = project();
    let mut spec = project.services[0].spec.clone();
    // As an engine keeps it.
    spec["TaskTemplate"]["ContainerSpec"]["Image"] = "web:1@sha256:00".into();
    spec["TaskTemplate"]["ContainerSpec"]["Isolation"] = "default".into();
    spec["TaskTemplate"]["ContainerSpec"]["Secrets"][0]["SecretID"] = "sec1".into();
    spec["TaskTemplate"]["Networks"][0]["Target"] = "net1".into();
    spec["TaskTemplate"]["ForceUpdate"] = 3.into();
    spec["EndpointSpec"]["Mode"] = "vip".into();
    let service = |spec: &Value| json!([{"ID": "web1", "Version": {"Index": 9}, "Spec": spec}]);
    let mut scaled = spec.clone();
    scaled["Mode"] = json!({"Replicated": {"Replicas": 5}});
    let fake = Fake::start(&[
        ("GET /services", &[(200, service(&spec)), (200, service(&scaled))]),
        ("GET /networks", &[(200, json!([network()]))]),
        ("GET /secrets", &[(200, json!([listed("sec1", "s_pw", json!({}))]))]),
        ("GET /configs", &[(200, json!([listed("con1", "s_c", json!({"Data": "dGV4dA=="}))]))]),
        (
            "POST /secrets/sec1/update",
            &[(500, json!({"message": "rpc error: update out of sequence"}))],
        ),
        ("POST /services/web1/update", &[(200, json!({"Warnings": null}))]),
    ])
    .await;
    let same = plan(&fake, &project).await.unwrap();
    assert!(same.is_done(), "{same:#?}");
    let cancel = CancellationToken::new();
    let deployed = fake.stacks.apply(&same, |_| {}, |_| {}, &cancel).await.unwrap();
    assert_eq!(deployed[0].id.as_str(), "web1");
    assert_eq!(changing(&fake), ["POST /secrets/sec1/update?version=1"]);

    let other = plan(&fake, &project).await.unwrap();
    let Action::Update(changes) = &other.steps.last().unwrap().action else { panic!("{other:#?}") };
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].field, "Mode.Replicated.Replicas");
    fake.stacks.apply(&other, |_| {}, |_| {}, &cancel).await.unwrap();
    let (request, sent) = fake.bodies().into_iter().next_back().unwrap();
    assert_eq!(request, "POST /services/web1/update?version=9&registryAuthFrom=spec");
    assert_eq!(sent["TaskTemplate"]["ForceUpdate"], 3);
    assert_eq!(sent["TaskTemplate"]["ContainerSpec"]["Image"], "web:1@sha256:00");
}

#[tokio::test]
async fn an_engine_that_would_leave_something_out_is_not_asked() {
    let text = "services: {web: {image: a, healthcheck: {test: b, start_interval: 1s}}}";
    let fake = Fake::start(&[]).await;
    let project = load_with(&[text], &[], &[]).unwrap();
    assert_eq!(
        obstacles(plan(&fake, &project).await.unwrap_err()),
        ["s_web has healthcheck.start_interval, which needs API 1.44: this engine speaks 1.41"]
    );
}

#[tokio::test]
async fn what_is_external_must_be_there() {
    let text = "services: {web: {image: a, networks: [n, l, host], secrets: [x]}}\n\
                networks: {n: {external: true}, l: {external: true}, host: {external: true, name: host}}\n\
                secrets: {x: {external: true, name: y}}";
    let fake = Fake::start(&[(
        "GET /networks",
        &[(200, json!([{"Id": "l", "Name": "l", "Scope": "local"}]))],
    )])
    .await;
    let project = load_with(&[text], &[], &[]).unwrap();
    assert_eq!(
        obstacles(plan(&fake, &project).await.unwrap_err()),
        [
            "network l is declared external and is not the swarm's: its scope is local",
            "there is no network n, which is declared external",
            "there is no secret y, which is declared external",
        ]
    );
}

#[tokio::test]
async fn a_network_that_differs_cannot_be_changed() {
    let text =
        "services: {web: {image: a}}\nnetworks: {default: {attachable: true, driver_opts: {a: b}}}";
    let fake = Fake::start(&[("GET /networks", &[(200, json!([network()]))])]).await;
    let project = load_with(&[text], &[], &[]).unwrap();
    assert_eq!(
        obstacles(plan(&fake, &project).await.unwrap_err()),
        [
            "network s_default differs in `attachable`, `driver_opts`, and networks cannot be changed"
        ]
    );
}

#[tokio::test]
async fn removal_goes_on_and_says_what_is_left() {
    let fake = Fake::start(&[
        ("GET /services", &[(200, json!([stale()]))]),
        ("GET /networks", &[(200, json!([network()]))]),
        ("GET /secrets", &[(200, json!([listed("sec1", "s_pw", json!({}))]))]),
        ("DELETE /services/old1", &[(404, json!({"message": "gone"}))]),
        ("DELETE /secrets/sec1", &[(500, json!({"message": "no"}))]),
        (
            "DELETE /networks/net1",
            &[(409, json!({"message": "it is in use by task x"})), (204, Value::Null)],
        ),
    ])
    .await;
    let cancel = CancellationToken::new();
    let parts = fake.stacks.parts("s", &cancel).await.unwrap();
    let wait = Some(std::time::Duration::from_secs(60));
    let error = fake.stacks.remove("s", &parts, wait, |_, _| {}, &cancel).await.unwrap_err();
    let StackError::Left { left, .. } = error else { panic!("{error}") };
    assert_eq!(left.len(), 1);
    assert!(left[0].starts_with("secret s_pw: "), "{left:?}");
    let tried = changing(&fake);
    assert_eq!(
        tried,
        [
            "DELETE /services/old1",
            "DELETE /secrets/sec1",
            "DELETE /networks/net1",
            "DELETE /networks/net1"
        ]
    );
}
