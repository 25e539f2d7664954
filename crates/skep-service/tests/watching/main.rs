//! Watching services on an engine that follows a script: convergence, causes, logs.

mod fake;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use skep_context::Context;
use skep_model::{Event, Events};
use skep_service::{
    api::Id,
    converge::{Outcome, Reason, Shortfall},
    drain::DrainOutcome,
    logs::{LogItem, LogQuery},
};
use tokio_util::sync::CancellationToken;

use fake::{Answer, Fake};

const LONG: Duration = Duration::from_secs(30);

fn ok(body: Value) -> Answer {
    Answer::Json(200, body)
}

fn nodes() -> Value {
    let node = |name: &str, state: &str| {
        json!({"ID": format!("id-{name}"), "Description": {"Hostname": name},
            "Status": {"State": state}, "Spec": {"Availability": "active", "Role": "worker"}})
    };
    json!([node("worker1", "ready"), node("worker2", "ready"), node("worker3", "down")])
}

fn service(replicas: u64, update: &Value) -> Answer {
    ok(json!({"ID": "s1", "UpdatedAt": "2026-01-01T00:00:00Z", "Spec": {"Name": "web",
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": {"Monitor": 150_000_000, "FailureAction": "pause"}}, "UpdateStatus": update}))
}

fn task(slot: u64, id: &str, node: &str, desired: &str, state: &str, more: &Value) -> Value {
    let mut status = json!({"State": state, "Timestamp": "2026-01-01T00:00:02Z"});
    for (name, value) in more.as_object().into_iter().flatten() {
        status[name] = value.clone();
    }
    json!({"ID": id, "ServiceID": "s1", "Slot": slot, "NodeID": format!("id-{node}"),
        "CreatedAt": "2026-01-01T00:00:01Z", "DesiredState": desired, "Status": status})
}

fn frame(stream: u8, task: &str, node: &str, at: u8, text: &str) -> Vec<u8> {
    let line = format!(
        "2026-01-01T00:00:{at:02}.000000000Z com.docker.swarm.node.id=id-{node},com.docker.swarm.service.id=s1,com.docker.swarm.task.id={task} {text}\n"
    );
    let mut bytes = vec![stream, 0, 0, 0];
    bytes.extend_from_slice(&u32::try_from(line.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(line.as_bytes());
    bytes
}

async fn converge(script: Vec<(&str, Vec<Answer>)>, timeout: Duration) -> (Outcome, Vec<Event>) {
    let fake = Fake::start(script).await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = log.clone();
    let events = Events::new(move |event| sink.lock().unwrap().push(event));
    let cancel = CancellationToken::new();
    let context = Context::new(&events, &cancel).within(timeout);
    let outcome = fake.services.converge(&Id::new("s1"), context).await.unwrap();
    let seen = log.lock().unwrap().clone();
    (outcome, seen)
}

fn short(outcome: Outcome) -> Shortfall {
    match outcome {
        Outcome::NotConverged(short) => *short,
        Outcome::Converged => panic!("it has not converged"),
    }
}

#[tokio::test]
async fn a_service_converges_slot_by_slot_and_a_lost_leader_is_waited_out() {
    let running =
        |slot: u64| task(slot, &format!("t{slot}"), "worker1", "running", "running", &json!({}));
    let starting = task(2, "t2", "worker2", "running", "starting", &json!({}));
    let lost = Answer::Json(500, json!({"message": "rpc error: the swarm does not have a leader"}));
    let script = vec![
        ("/services/s1", vec![service(2, &Value::Null)]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", vec![ok(json!([]))]),
        (
            "/tasks up-to-date",
            vec![ok(json!([running(1), starting])), lost, ok(json!([running(1), running(2)]))],
        ),
    ];
    let (outcome, seen) = converge(script, LONG).await;
    assert_eq!(outcome, Outcome::Converged);
    let lines: Vec<String> =
        seen.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[tokio::test]
async fn a_paused_update_tells_the_task_that_failed_with_its_last_lines() {
    let status = json!({"State": "paused", "Message": "update paused due to failure", "StartedAt": "2026-01-01T00:00:00.5Z"});
    let failed = task(
        1,
        "t1",
        "worker2",
        "shutdown",
        "failed",
        &json!({"Err": "task: non-zero exit (3)",
        "ContainerStatus": {"ContainerID": "c1", "ExitCode": 3}}),
    );
    let mut older = failed.clone();
    older["ID"] = json!("t0");
    older["Status"]["Timestamp"] = json!("2026-01-01T00:00:01Z");
    let log =
        [frame(2, "t1", "worker2", 9, "cannot read"), frame(1, "t1", "worker2", 8, "starting")];
    let script = vec![
        ("/services/s1", vec![service(2, &status)]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", vec![ok(json!([failed, older]))]),
        ("/tasks up-to-date", vec![ok(json!([failed, older]))]),
        ("/tasks/t1/logs", vec![Answer::Bytes(log.concat())]),
    ];
    let short = short(converge(script, LONG).await.0);
    assert_eq!(short.reason, Reason::UpdatePaused("update paused due to failure".into()));
    insta::assert_snapshot!(format!("{short}\n{}", short.cause.as_ref().unwrap()), @r"
    the update of service web was paused: update paused due to failure
    task web.1 (t1) on worker2 failed: task: non-zero exit (3); exit code 3
    its last lines:
      starting
      cannot read
    ");
}

#[tokio::test]
async fn tasks_that_keep_failing_are_given_up_before_the_deadline() {
    let failed = |id: &str| {
        task(1, id, "worker1", "shutdown", "rejected", &json!({"Err": "No such image: web:9"}))
    };
    let next = task(1, "t4", "worker1", "ready", "ready", &json!({}));
    let script = vec![
        ("/services/s1", vec![service(1, &Value::Null)]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", vec![ok(json!([failed("t1"), failed("t2"), failed("t3"), next]))]),
        // The engine keeps no more than some of them.
        (
            "/tasks up-to-date",
            vec![
                ok(json!([failed("t1"), next])),
                ok(json!([failed("t2"), next])),
                ok(json!([failed("t3"), next])),
            ],
        ),
    ];
    let short = short(converge(script, LONG).await.0);
    assert_eq!(short.reason, Reason::Failing);
    let cause = short.cause.unwrap();
    assert_eq!(cause.error, "No such image: web:9");
    assert_eq!(cause.exit_code, None, "there was no container");
}

#[tokio::test]
async fn failures_from_before_the_last_change_are_an_old_story() {
    let old = |id: &str| {
        let mut task = task(1, id, "worker1", "shutdown", "failed", &json!({}));
        task["CreatedAt"] = json!("2025-12-31T00:00:00Z");
        task
    };
    let starting = task(1, "t4", "worker1", "running", "starting", &json!({}));
    let running = task(1, "t4", "worker1", "running", "running", &json!({}));
    let script = vec![
        ("/services/s1", vec![service(1, &Value::Null)]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", vec![ok(json!([]))]),
        (
            "/tasks up-to-date",
            vec![
                ok(json!([old("t1"), old("t2"), old("t3"), starting])),
                ok(json!([old("t1"), old("t2"), old("t3"), running])),
            ],
        ),
    ];
    assert_eq!(converge(script, LONG).await.0, Outcome::Converged);
}

#[tokio::test]
async fn what_takes_too_long_says_what_is_missing() {
    let script = vec![
        ("/services/s1", vec![service(2, &Value::Null)]),
        ("/nodes", vec![ok(nodes())]),
        (
            "/tasks",
            vec![ok(json!([task(
                1,
                "t1",
                "worker1",
                "running",
                "preparing",
                &json!({"Message": "preparing"})
            )]))],
        ),
        (
            "/tasks up-to-date",
            vec![ok(json!([task(1, "t1", "worker1", "running", "preparing", &json!({}))]))],
        ),
    ];
    let short = short(converge(script, Duration::from_millis(300)).await.0);
    insta::assert_snapshot!(format!("{short}\n{}", short.cause.as_ref().unwrap()), @r"
    service web has not converged within 300ms (0 out of 2 tasks)
    task web.1 (t1) on worker1 is preparing: preparing
    ");
}

#[tokio::test]
async fn a_service_that_is_gone_is_said_to_be() {
    let gone = Answer::Json(404, json!({"message": "service s1 not found"}));
    let script = vec![
        ("/services/s1", vec![service(1, &Value::Null), gone]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", vec![ok(json!([]))]),
        ("/tasks up-to-date", vec![ok(json!([]))]),
    ];
    let short = short(converge(script, LONG).await.0);
    assert_eq!(short.to_string(), "service web was removed meanwhile");
}

#[tokio::test]
async fn a_cancelled_watch_ends_at_once() {
    let fake = Fake::start(vec![
        ("/services/s1", vec![service(1, &Value::Null), Answer::Silence]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", vec![ok(json!([]))]),
        ("/tasks up-to-date", vec![ok(json!([]))]),
    ])
    .await;
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    // Cancelled as soon as something is shown.
    let events = Events::new(move |_| stop.cancel());
    let id = Id::new("s1");
    let watched = fake.services.converge(&id, Context::new(&events, &cancel).within(LONG));
    let ended = tokio::time::timeout(Duration::from_secs(5), watched).await.unwrap();
    assert!(ended.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn a_log_is_in_the_order_of_times_and_says_what_is_missing() {
    let tasks = json!([
        task(1, "t1", "worker1", "running", "running", &json!({})),
        task(2, "t2", "worker2", "running", "running", &json!({})),
        task(3, "t3", "worker3", "running", "running", &json!({})),
        task(4, "t4", "worker1", "running", "running", &json!({})),
    ]);
    let one = [frame(1, "t1", "worker1", 1, "a"), frame(2, "t1", "worker1", 3, "c")];
    let two = [frame(1, "t2", "worker2", 2, "b"), frame(1, "t2", "worker2", 4, "d")];
    let list = json!([{"ID": "s1", "Spec": {"Name": "web"}}]);
    let fake = Fake::start(vec![
        ("/services", vec![ok(list)]),
        ("/tasks", vec![ok(tasks)]),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks/t1/logs", vec![Answer::Bytes(one.concat())]),
        ("/tasks/t2/logs", vec![Answer::Bytes(two.concat())]),
        (
            "/tasks/t4/logs",
            vec![Answer::Json(500, json!({"message": "log driver none cannot be read"}))],
        ),
    ])
    .await;
    let cancel = CancellationToken::new();
    let source = fake.services.log_source("web", &cancel).await.unwrap();
    let items = fake.services.log(&source, &LogQuery::default(), &cancel).await.unwrap();
    let told: Vec<String> = items
        .iter()
        .map(|item| match item {
            LogItem::Entry(entry) => {
                let text = String::from_utf8_lossy(&entry.text).trim().to_owned();
                format!("{} {:?} {text}", entry.task, entry.stream)
            }
            LogItem::Missing(missing) => {
                format!("{} {:?}: {}", missing.node, missing.tasks, missing.reason)
            }
            other => format!("{other:?}"),
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    t1 Stdout a
    t2 Stdout b
    t1 Stderr c
    t2 Stdout d
    worker1 {Id("t4")}: log driver none cannot be read
    worker3 {Id("t3")}: it is down
    "#);
}

#[tokio::test]
async fn a_followed_log_takes_in_tasks_that_are_made_meanwhile() {
    let first = task(1, "t1", "worker1", "running", "running", &json!({}));
    let later = task(2, "t9", "worker1", "running", "running", &json!({}));
    let log = [
        frame(1, "t1", "worker1", 1, "a"),
        frame(1, "t9", "worker1", 2, "b"),
        frame(3, "", "", 3, "x"),
    ];
    let fake = Fake::start(vec![
        ("/services", vec![ok(json!([{"ID": "s1", "Spec": {"Name": "web"}}]))]),
        ("/tasks", vec![ok(json!([first])), ok(json!([first, later]))]),
        ("/nodes", vec![ok(nodes())]),
        ("/services/s1/logs", vec![Answer::Bytes(log.concat())]),
    ])
    .await;
    let cancel = CancellationToken::new();
    let source = fake.services.log_source("web", &cancel).await.unwrap();
    let mut told = Vec::new();
    let sink = |item| {
        told.push(match item {
            LogItem::Entry(entry) => format!("{}", entry.task),
            LogItem::Tasks(tasks) => format!("{} tasks", tasks.len()),
            LogItem::Missing(missing) => format!("missing on {:?}", missing.node),
            LogItem::Bytes(_) => "bytes".to_owned(),
        });
    };
    let query = LogQuery::default();
    fake.services.follow_log(&source, &query, (true, false, false), &cancel, sink).await.unwrap();
    assert_eq!(told, ["t1", "2 tasks", "t9", "missing on \"\""]);
}

fn move_script(after: Vec<Answer>) -> Vec<(&'static str, Vec<Answer>)> {
    let here = task(1, "t1", "worker1", "running", "running", &json!({}));
    let mut tasks = vec![ok(json!([here]))];
    tasks.extend(after);
    vec![
        (
            "/services",
            vec![ok(
                json!([{"ID": "s1", "Spec": {"Name": "web", "Mode": {"Replicated": {"Replicas": 1}}}}]),
            )],
        ),
        ("/nodes", vec![ok(nodes())]),
        ("/tasks", tasks),
    ]
}

async fn drained(script: Vec<(&str, Vec<Answer>)>, node: &str, time: Duration) -> DrainOutcome {
    let fake = Fake::start(script).await;
    let cancel = CancellationToken::new();
    let (_, before) = fake.services.before_drain(&[Id::new(node)], &cancel).await.unwrap();
    let events = Events::none();
    let context = Context::new(&events, &cancel).within(time);
    fake.services.until_drained(&before, context).await.unwrap()
}

#[tokio::test]
async fn a_drain_ends_when_the_old_task_is_gone_and_the_new_one_runs() {
    let old = |state: &str| task(1, "t1", "worker1", "shutdown", state, &json!({}));
    let new = |state: &str| task(1, "t2", "worker2", "running", state, &json!({}));
    let steps = vec![
        ok(json!([old("running"), new("ready")])),
        ok(json!([old("shutdown"), new("starting")])),
        ok(json!([old("shutdown"), new("running")])),
    ];
    assert_eq!(drained(move_script(steps), "id-worker1", LONG).await, DrainOutcome::Drained);

    let half = vec![ok(json!([old("shutdown"), new("starting")]))];
    let outcome = drained(move_script(half), "id-worker1", Duration::from_millis(400)).await;
    let DrainOutcome::NotDrained(stuck) = outcome else { panic!("{outcome:?}") };
    let told: Vec<String> = stuck.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["service web: 0 out of 1 tasks run\ntask web.1 (t2) on worker2 is starting"]);

    let stays = vec![ok(json!([old("running"), new("running")]))];
    let outcome = drained(move_script(stays), "id-worker1", Duration::from_millis(400)).await;
    let DrainOutcome::NotDrained(stuck) = outcome else { panic!("{outcome:?}") };
    assert_eq!(stuck[0].to_string(), "task web.1 still runs on worker1");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_what_a_dead_node_last_said() {
    let old = task(1, "t1", "worker3", "shutdown", "running", &json!({}));
    let new = task(1, "t2", "worker2", "running", "running", &json!({}));
    let script = move_script(vec![ok(json!([old, new]))]);
    assert_eq!(drained(script, "id-worker3", LONG).await, DrainOutcome::Drained);
}
