//! Services created and changed by skep, compared with the docker CLI's for the same arguments.

use serde_json::Value;
use skep_tests::Lab;

use crate::seen::inside;

/// Flags that make different services.
const SERVICES: [&str; 6] = [
    "--no-resolve-image --detach app",
    "--mode global --endpoint-mode dnsrr --no-resolve-image --detach app:1 run",
    "--mode replicated-job --replicas 3 --max-concurrent 2 --no-resolve-image --detach app:1",
    "--mode global-job --no-healthcheck --no-resolve-image --detach localhost:5000/app",
    "--cap-add all --cap-drop mknod -p 9000-9001:90-91/udp -p 70 --restart-max-attempts 2 \
     --update-delay 3s --rollback-order start-first --no-resolve-image --detach app:1 --flag -x",
    EVERYTHING,
];

/// A service with something of everything.
const EVERYTHING: &str = "-l a=b -l c --container-label x=y --env A=1 --env B=2 --env A=3 \
    --workdir /w --user 1000:1000 --group 10 --group 5 --hostname h --init --tty --read-only \
    --cap-add net_admin --cap-drop MKNOD --stop-signal SIGINT --stop-grace-period 1m30s \
    --mount type=bind,source=/srv,target=/srv,readonly,bind-propagation=rslave \
    --mount type=volume,source=v,target=/v,volume-label=a=b,volume-driver=local,volume-opt=type=tmpfs \
    --mount type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770 \
    --dns 1.1.1.1 --dns-option ndots:2 --dns-search example.org --host db:10.0.0.5 \
    --sysctl net.core.somaxconn=1024 --ulimit nofile=10:20 --ulimit core=0 \
    --secret s1 --secret source=s2,target=/x,uid=1,gid=2,mode=0400 \
    --config c1 --config source=c2,target=/etc/c,mode=0440 --network n1 --network name=n2,alias=al \
    --limit-cpu 0.5 --limit-memory 64m --limit-pids 50 --reserve-cpu 0.25 --reserve-memory 16m \
    --generic-resource gpu=2 --restart-condition on-failure --restart-delay 3s \
    --restart-max-attempts 4 --restart-window 1m --constraint node.role==worker \
    --constraint node.id!=x --placement-pref spread=node.labels.z --replicas-max-per-node 3 \
    --replicas 2 --update-parallelism 2 --update-delay 1s --update-monitor 7s \
    --update-failure-action rollback --update-max-failure-ratio 0.1 --update-order start-first \
    --rollback-parallelism 3 --rollback-delay 2s --rollback-monitor 8s \
    --rollback-failure-action continue --rollback-max-failure-ratio 0.25 \
    --rollback-order start-first -p 8080:80 -p published=1808,target=53,protocol=udp,mode=host \
    --log-driver json-file --log-opt max-size=1m --health-cmd true --health-interval 5s \
    --health-timeout 3s --health-retries 2 --health-start-period 10s --health-start-interval 2s \
    --entrypoint sh --isolation default --no-resolve-image --detach app:1 sleep 1000";

/// Each changes one thing of the service with everything, and says where.
const CHANGES: [(&str, &str); 8] = [
    ("--replicas 5", "/Mode"),
    ("--label-add new=1", "/Labels"),
    ("--env-add C=4", "/TaskTemplate/ContainerSpec/Env"),
    ("--limit-memory 128m", "/TaskTemplate/Resources/Limits"),
    ("--update-order stop-first", "/UpdateConfig"),
    ("--publish-add 8088:88", "/EndpointSpec"),
    ("--secret-rm s1", "/TaskTemplate/ContainerSpec/Secrets"),
    ("--force", "/TaskTemplate/ForceUpdate"),
];

fn docker(lab: &Lab, words: &str) -> String {
    inside(lab, "manager1", &format!("docker {words}")).succeeds().text().to_owned()
}

/// The service's specification, as the engine reports it. The docker CLI sends secrets, configs and the
/// ports of a range in random order.
fn spec(lab: &Lab, service: &str) -> Value {
    let text = docker(lab, &format!("service inspect --format '{{{{json .Spec}}}}' {service}"));
    let mut spec: Value = serde_json::from_str(&text).unwrap();
    let container = "/TaskTemplate/ContainerSpec";
    for list in [
        format!("{container}/Secrets"),
        format!("{container}/Configs"),
        "/EndpointSpec/Ports".into(),
    ] {
        if let Some(Value::Array(list)) = spec.pointer_mut(&list) {
            list.sort_by_key(ToString::to_string);
        }
    }
    spec
}

fn lab_with_objects(subject: &str) -> Lab {
    let lab = Lab::with_machines(subject);
    lab.up("--managers 1 --workers 0").succeeds();
    for (kind, name) in [("secret", "s1"), ("secret", "s2"), ("config", "c1"), ("config", "c2")] {
        let made = lab.skep(&format!("{kind} create {name} -")).stdin("content").succeeds();
        assert_eq!(
            made.text(),
            docker(&lab, &format!("{kind} inspect --format {{{{.ID}}}} {name}"))
        );
    }
    for name in ["n1", "n2"] {
        lab.skep(&format!("network create -d overlay --attachable {name}")).succeeds();
    }
    lab
}

pub(crate) fn the_same_words_make_the_same_service() {
    let lab = lab_with_objects("same-service");
    for words in SERVICES {
        docker(&lab, &format!("service create --name one {words}"));
        let expected = spec(&lab, "one");
        docker(&lab, "service rm one");
        let made = lab.skep(&format!("service create --name one {words}")).succeeds();
        assert_eq!(made.text(), docker(&lab, "service inspect --format {{.ID}} one"));
        assert_eq!(spec(&lab, "one"), expected, "{words}");
        let removed = lab.skep("service rm one").succeeds();
        assert_eq!(removed.text(), "one");
    }
    what_is_refused(&lab);
    lists_are_dockers(&lab);
    lab.finish();
}

fn what_is_refused(lab: &Lab) {
    let create =
        |words: &str| lab.skep(&format!("service create --no-resolve-image -d {words}")).ends();
    assert_eq!(create("--name front -p 8080:80 app:1").code, Some(0));
    let taken = create("-p 8079-8081:79-81 app:1");
    assert_eq!(taken.code, Some(2), "{taken}");
    assert!(taken.stderr.contains("port 8080/tcp is published by service front"), "{taken}");
    for (words, code, why) in [
        ("--secret none app:1", 1, "no such secret: none"),
        ("--network none app:1", 1, "no such network: none"),
        ("-p 1-2:3-5 app:1", 2, "not equally long"),
        ("--mode global --replicas 2 app:1", 2, "replicas can only be used with"),
    ] {
        let refused = create(words);
        assert_eq!(refused.code, Some(code), "{refused}");
        assert!(refused.stderr.contains(why), "{refused}");
    }
    lab.skep("service scale front=1 none=2")
        .exits(1)
        .says("no such service: none")
        .prints_nothing();
    lab.skep("service rm front none").exits(1).says("no such service: none").prints_nothing();
    assert_eq!(docker(lab, "service ls --format {{.Name}}"), "front");
    let scaled = lab.skep("service scale -d front=3").succeeds();
    assert_eq!(scaled.text(), "front scaled to 3");
    lab.skep("service update -d --label-add a=b front").succeeds();
    let back = lab.skep("service rollback -d front").succeeds();
    assert_eq!(back.text(), "front");
    let after = spec(lab, "front");
    assert_eq!(
        (&after["Labels"], &after["Mode"]["Replicated"]["Replicas"]),
        (&serde_json::json!({}), &3.into())
    );
}

fn lists_are_dockers(lab: &Lab) {
    // Neither "Less than a second ago" nor the like may change between the two.
    for list in ["network ls", "secret ls -q", "config ls -q", "network ls -q --no-trunc"] {
        assert_eq!(lab.skep(list).succeeds().text(), docker(lab, list), "{list}");
    }
    for one in ["network inspect n1", "secret inspect s1", "config inspect c1 c2"] {
        assert_eq!(lab.skep(one).succeeds().text(), docker(lab, one), "{one}");
    }
    lab.skep("network rm ingress").exits(3).says("routing mesh").prints_nothing();
    lab.skep("service rm front").succeeds();
    assert_eq!(lab.skep("secret rm s1 s2").succeeds().lines(), ["s1", "s2"]);
    assert_eq!(lab.skep("config rm c1 c2").succeeds().lines(), ["c1", "c2"]);
    assert_eq!(lab.skep("network rm n1 n2").succeeds().lines(), ["n1", "n2"]);
}

pub(crate) fn an_update_loses_nothing_that_it_does_not_name() {
    let lab = lab_with_objects("lossless");
    docker(&lab, &format!("service create --name one {EVERYTHING}"));
    for (words, place) in CHANGES {
        let before = spec(&lab, "one");
        let updated = lab.skep(&format!("service update -d {words} one")).succeeds();
        assert_eq!(updated.text(), "one");
        let mut after = spec(&lab, "one");
        let (was, is) = (before.pointer(place), after.pointer_mut(place).unwrap());
        assert_ne!(was, Some(&*is), "{words} changes {place}");
        *is = was.unwrap().clone();
        assert_eq!(after, before, "{words} changes more than {place}");
    }
    lab.finish();
}
