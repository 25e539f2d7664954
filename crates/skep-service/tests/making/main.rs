//! Making and changing services, against an engine that answers from a script.

mod fake;

use fake::Fake;
use serde_json::{Value, json};
use skep_service::{
    ServiceError,
    api::{Id, Service},
    make::{Made, Resolve},
    spec::{Options, ServiceCreate, ServiceUpdate},
};
use tokio_util::sync::CancellationToken;

fn cancel() -> CancellationToken {
    CancellationToken::new()
}

fn web(options: Options) -> ServiceCreate {
    let (name, image) = (Some("web".into()), "nginx".into());
    ServiceCreate { name, image, options, ..ServiceCreate::default() }
}

async fn make(fake: &Fake, options: Options, resolve: Resolve) -> Result<Made, ServiceError> {
    fake.services.create(&web(options), resolve, &cancel()).await
}

fn published(texts: &[&str]) -> Options {
    let publish = texts.iter().map(|text| text.parse().unwrap()).collect();
    Options { publish, ..Options::default() }
}

fn service(id: &str) -> Service {
    Service { id: Id::new(id), ..Service::default() }
}

fn answer(version: u64) -> Value {
    json!({"ID": "s1", "Version": {"Index": version}, "Spec": {
        "Name": "web", "Unheard": {"of": [1]},
        "TaskTemplate": {"ContainerSpec": {"Image": "nginx:1", "Env": ["A=1"]}},
        "Mode": {"Replicated": {"Replicas": 1}}}})
}

#[tokio::test]
async fn a_service_is_made_with_its_digest_and_platforms() {
    let digest = json!({"Descriptor": {"digest": "sha256:1"},
        "Platforms": [{"architecture": "amd64", "os": "linux"}]});
    let fake = Fake::start(&[
        ("GET /distribution/nginx:latest/json", &[(200, digest)]),
        ("POST /services/create", &[(201, json!({"ID": "s1", "Warnings": ["mind"]}))]),
    ])
    .await;
    let made = make(&fake, Options::default(), Resolve::Registry);
    let made = made.await.unwrap();
    assert_eq!((made.id.as_str(), made.warnings), ("s1", vec!["mind".to_owned()]));
    let bodies = fake.bodies();
    let (request, body) = bodies.last().unwrap();
    assert_eq!(request, "POST /services/create");
    assert_eq!(body["TaskTemplate"]["ContainerSpec"]["Image"], "nginx:latest@sha256:1");
    let platforms = json!([{"Architecture": "amd64", "OS": "linux"}]);
    assert_eq!(body["TaskTemplate"]["Placement"]["Platforms"], platforms);
}

#[tokio::test]
async fn an_image_that_its_registry_does_not_have_is_refused_unless_the_manager_has_it() {
    let unknown = json!({"message": "manifest unknown: manifest unknown"});
    let asked = "GET /distribution/nginx:latest/json";
    let fake = Fake::start(&[(asked, &[(404, unknown.clone())])]).await;
    let refused = make(&fake, Options::default(), Resolve::Registry);
    let refused = refused.await.unwrap_err();
    assert!(matches!(refused, ServiceError::NoImage { denied: false, .. }), "{refused}");
    assert!(!fake.asked().iter().any(|request| request.starts_with("POST")));

    let fake = Fake::start(&[
        (asked, &[(404, unknown)]),
        ("GET /images/nginx:latest/json", &[(200, json!({}))]),
        ("POST /services/create", &[(201, json!({"ID": "s1"}))]),
    ])
    .await;
    let made = make(&fake, Options::default(), Resolve::Registry);
    assert!(made.await.unwrap().warnings[0].contains("could not be accessed on a registry"));
}

#[tokio::test]
async fn a_registry_that_cannot_be_asked_is_a_warning() {
    let lookup = json!({"message": "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host"});
    let fake = Fake::start(&[
        ("GET /distribution/nginx:latest/json", &[(500, lookup)]),
        ("POST /services/create", &[(201, json!({"ID": "s1"}))]),
    ])
    .await;
    let made = make(&fake, Options::default(), Resolve::Registry);
    assert_eq!(made.await.unwrap().warnings.len(), 1);
    let made = make(&fake, Options::default(), Resolve::Never);
    assert_eq!(made.await.unwrap().warnings.len(), 0);
}

#[tokio::test]
async fn a_port_of_another_service_is_named_with_it() {
    let others = json!([{"ID": "s9", "Spec": {"Name": "old"}, "Endpoint": {"Ports": [
        {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 8081, "PublishMode": "ingress"}]}}]);
    let fake = Fake::start(&[("GET /services", &[(200, others)])]).await;
    let new = web(published(&["8080-8082:80-82"]));
    let refused = fake.services.create(&new, Resolve::Never, &cancel()).await.unwrap_err();
    assert_eq!(refused.to_string(), "port 8081/tcp is published by service old already");
    // The service's own port is not in its way.
    let own = ServiceUpdate { options: published(&["8081:80"]), ..ServiceUpdate::default() };
    let update = fake.services.update(&service("s9"), &own, Resolve::Never, &cancel()).await;
    assert!(!matches!(update, Err(ServiceError::PortInUse { .. })));
}

#[tokio::test]
async fn what_is_named_must_be_there() {
    let all = json!([{"ID": "x1", "Spec": {"Name": "key"}}]);
    let fake = Fake::start(&[
        ("GET /secrets", &[(200, all.clone())]),
        ("GET /configs", &[(200, all)]),
        ("GET /networks/front", &[(200, json!({"Id": "n1"}))]),
        ("POST /services/create", &[(201, json!({"ID": "s1"}))]),
    ])
    .await;
    let ask = |secret: &str, config: &str, network: &str| {
        web(Options {
            secrets: vec![secret.parse().unwrap()],
            configs: vec![config.parse().unwrap()],
            networks: vec![network.parse().unwrap()],
            ..Options::default()
        })
    };
    for (new, error) in [
        (ask("lock", "key", "front"), "no such secret: lock"),
        (ask("key", "lock", "front"), "no such config: lock"),
        (ask("key", "key", "back"), "no such network: back"),
    ] {
        let refused = fake.services.create(&new, Resolve::Never, &cancel()).await.unwrap_err();
        assert_eq!(refused.to_string(), error);
    }
    assert!(!fake.asked().iter().any(|request| request.starts_with("POST")));
    let new = ask("key", "key", "front");
    fake.services.create(&new, Resolve::Never, &cancel()).await.unwrap();
    let (_, body) = fake.bodies().pop().unwrap();
    let container = &body["TaskTemplate"]["ContainerSpec"];
    assert_eq!(
        (&container["Secrets"][0]["SecretID"], &container["Configs"][0]["ConfigID"]),
        (&json!("x1"), &json!("x1"))
    );
    assert_eq!(body["TaskTemplate"]["Networks"], json!([{"Target": "n1"}]));
}

#[tokio::test]
async fn a_name_that_no_path_can_hold_reaches_nobody() {
    let refusal = json!({"message": "ContainerSpec: \"a b\" is not a valid repository/tag"});
    let fake = Fake::start(&[("POST /services/create", &[(400, refusal)])]).await;
    for image in ["a b", "ü", "a?b", "a#b", "a%20b", "a\nb"] {
        let new = ServiceCreate { image: image.into(), ..ServiceCreate::default() };
        let refused = fake.services.create(&new, Resolve::Registry, &cancel()).await.unwrap_err();
        assert!(matches!(refused, ServiceError::Engine { .. }), "{refused}");
        let networks =
            vec![skep_service::spec::Attachment { network: image.into(), ..Default::default() }];
        let refused = make(&fake, Options { networks, ..Options::default() }, Resolve::Never).await;
        assert_eq!(refused.unwrap_err().to_string(), format!("no such network: {image}"));
    }
    assert!(fake.asked().iter().all(|request| request == "POST /services/create"));
}

#[tokio::test]
async fn a_port_that_is_asked_for_and_not_yet_in_force_is_taken() {
    let others = json!([{"ID": "s9", "Spec": {"Name": "old", "EndpointSpec": {"Ports": [
        {"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 80, "PublishMode": "host"}]}}}]);
    let fake = Fake::start(&[("GET /services", &[(200, others)])]).await;
    let refused = make(&fake, published(&["80:80"]), Resolve::Never).await.unwrap_err();
    assert!(matches!(refused, ServiceError::PortInUse { .. }), "{refused}");
}

#[tokio::test]
async fn an_update_out_of_sequence_is_done_on_what_others_have_made() {
    let stale = json!({"message": "rpc error: code = Unknown desc = update out of sequence"});
    let mut newer = answer(8);
    newer["Spec"]["Mode"]["Replicated"]["Replicas"] = 7.into();
    let fake = Fake::start(&[
        ("GET /services/s1", &[(200, answer(5)), (200, answer(5)), (200, newer)]),
        ("POST /services/s1/update", &[(500, stale), (200, json!({"Warnings": null}))]),
    ])
    .await;
    let mut update = ServiceUpdate::default();
    update.options.env = vec!["B=2".into()];
    fake.services.update(&service("s1"), &update, Resolve::Registry, &cancel()).await.unwrap();
    let asked = fake.asked();
    assert_eq!(asked.last().unwrap(), "POST /services/s1/update?version=8&registryAuthFrom=spec");
    let (_, body) = fake.bodies().pop().unwrap();
    assert_eq!(body["Mode"]["Replicated"]["Replicas"], 7, "what others did is kept");
    assert_eq!(body["TaskTemplate"]["ContainerSpec"]["Env"], json!(["A=1", "B=2"]));
    assert_eq!(body["Unheard"], json!({"of": [1]}), "what skep does not know is kept");
}

#[tokio::test]
async fn one_who_is_never_in_sequence_is_told_so() {
    let stale = json!({"message": "rpc error: code = Unknown desc = update out of sequence"});
    let fake = Fake::start(&[
        ("GET /services/s1", &[(200, answer(5))]),
        ("POST /services/s1/update", &[(500, stale)]),
    ])
    .await;
    let error = fake.services.roll_back(&Id::new("s1"), &cancel()).await.unwrap_err();
    assert!(matches!(error, ServiceError::OutOfSequence { .. }), "{error}");
    assert_eq!(fake.asked()[1], "POST /services/s1/update?version=5&rollback=previous");
}

#[tokio::test]
async fn credentials_go_in_the_header_and_nowhere_else() {
    let fake = Fake::start(&[
        ("GET /services/s1", &[(200, answer(5))]),
        ("POST /services/s1/update", &[(500, json!({"message": "no"}))]),
    ])
    .await;
    let engine = fake.services.engine().with_registry_auth(&"c2VjcmV0".into());
    assert!(!format!("{engine:?}").contains("c2VjcmV0"));
    let services = skep_service::Services::new(&engine);
    let update = ServiceUpdate { force: true, ..ServiceUpdate::default() };
    let failed = services.update(&service("s1"), &update, Resolve::Registry, &cancel()).await;
    assert!(!format!("{:?}", failed.unwrap_err()).contains("c2VjcmV0"));
    assert_eq!(fake.auth().last().unwrap(), "c2VjcmV0");
    assert_eq!(fake.asked().last().unwrap(), "POST /services/s1/update?version=5");
}

#[tokio::test]
async fn what_an_old_engine_would_leave_out_is_refused() {
    let fake = Fake::start(&[]).await;
    let mut options = Options::default();
    options.health.start_interval = Some("1s".parse().unwrap());
    let refused = fake.services.create(&web(options), Resolve::Never, &cancel()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "--health-start-interval needs an engine of API 1.44 or newer, and this one speaks 1.41"
    );
    assert!(fake.asked().is_empty());
}
