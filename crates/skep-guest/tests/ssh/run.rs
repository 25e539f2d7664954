//! Running commands: status, streams, deadline, cancellation, readiness.

use std::time::Duration;

use skep_context::Context;
use skep_guest::{Command, GuestError, Requirement, wait_until_ready};
use skep_model::Events;

use crate::sshd::Sshd;

#[tokio::test]
async fn status_and_streams_come_back() {
    let (sshd, guest) = Sshd::connected().await;
    let script = Command::script("testing", "cat; echo \"$1\" >&2; exit 7").arg("it's $HOME");
    let output = guest.run_any(&script.stdin("in\n"), &sshd.cancel).await.unwrap();
    assert_eq!((output.code, output.text().as_str()), (7, "in"));
    assert_eq!(output.stderr, b"it's $HOME\n");
    for code in [0, 1, 127, 255] {
        let exit = Command::script("leaving", format!("exit {code}"));
        assert_eq!(guest.run_any(&exit, &sshd.cancel).await.unwrap().code, code);
    }
    let killed = Command::script("ending", "kill -KILL $$");
    assert_eq!(guest.run_any(&killed, &sshd.cancel).await.unwrap().code, 137);
}

#[tokio::test]
async fn a_failure_says_what_where_and_why() {
    let (sshd, guest) = Sshd::connected().await;
    let command = Command::script("mending the roof", "echo no ladder >&2; false");
    let error = guest.run(&command, &sshd.cancel).await.unwrap_err();
    insta::assert_snapshot!(error, @r"
    mending the roof failed on worker1 with status 1:
      no ladder
    ");
}

#[tokio::test]
async fn lines_are_told_as_they_come() {
    let (sshd, guest) = Sshd::connected().await;
    let fifo = sshd.path("fifo");
    // It goes on only when its first line has been seen.
    let script = "mkfifo \"$1\"; echo one; read -r word <\"$1\"; echo \"$word\"";
    let command = Command::script("talking", script).arg(fifo.to_str().unwrap());
    let mut lines = Vec::new();
    let run = guest.run_with(&command, &sshd.cancel, |line| {
        if line == "one" {
            std::fs::write(&fifo, "two\n").unwrap();
        }
        lines.push(line.to_owned());
    });
    run.await.unwrap();
    assert_eq!(lines, ["one", "two"]);
}

#[tokio::test]
async fn much_goes_in_and_out_at_once() {
    let (sshd, guest) = Sshd::connected().await;
    let much: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
    let command = Command::new("cat").stdin(much.clone());
    let output = guest.run(&command, &sshd.cancel).await.unwrap();
    assert!(output.stdout == much);
    // Input that is not read does not hold anything up.
    guest.run(&Command::new("true").stdin(much), &sshd.cancel).await.unwrap();
}

#[tokio::test]
async fn more_commands_than_sshd_has_sessions_take_turns() {
    let (sshd, guest) = Sshd::connected().await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..14 {
        let (guest, cancel) = (guest.clone(), sshd.cancel.clone());
        let command = Command::new("echo").arg(number.to_string());
        tasks.spawn(async move { guest.run(&command, &cancel).await.map(|output| output.text()) });
    }
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

#[tokio::test]
async fn time_and_cancellation_end_a_command() {
    let (sshd, guest) = Sshd::connected().await;
    // It ends when no client listens any longer, so that nothing is left behind.
    let endless = Command::script("ticking", "while echo tick; do sleep 0.05; done");
    let short = endless.clone().deadline(Duration::from_millis(300));
    let error = guest.run(&short, &sshd.cancel).await.unwrap_err();
    assert_eq!(error.to_string(), "ticking did not end on worker1 within 0.3 s");
    let cancel = sshd.cancel.child_token();
    let error = guest.run_with(&endless, &cancel, |_| cancel.cancel()).await.unwrap_err();
    assert!(matches!(error, GuestError::Cancelled { .. }), "{error}");
    // The connection is as good as before.
    guest.run(&Command::new("true"), &sshd.cancel).await.unwrap();
}

#[tokio::test]
async fn readiness_is_waited_for_and_its_absence_explained() {
    let (sshd, guest) = Sshd::connected().await;
    let flag = sshd.path("flag");
    let script = format!("[ -e {0} ] || {{ echo no flag; exit 1; }}", flag.display());
    let flagged = Requirement::script("the flag is up", script, "raise the flag")
        .with_evidence("echo wind: none");
    let met = Requirement::script("the sky is up", "true", "wait");
    let requirements = [met, flagged];
    let (events, cancel) = (Events::none(), &sshd.cancel);
    let soon = Context::new(&events, cancel).within(Duration::from_millis(100));
    let error = wait_until_ready(&guest, &requirements, soon).await.unwrap_err();
    insta::with_settings!({filters => vec![(r"after [0-9.]+ s", "after [time] s")]}, {
        insta::assert_snapshot!(error, @r"
        worker1 is not ready after [time] s:
          the flag is up: no flag
          wind: none
          (raise the flag)
        ");
    });
    let raise = Command::new("touch").arg(flag.to_str().unwrap());
    let raised = tokio::join!(
        wait_until_ready(&guest, &requirements, soon.within(Duration::from_secs(20))),
        guest.run(&raise, cancel),
    );
    raised.0.unwrap();
    raised.1.unwrap();
}
