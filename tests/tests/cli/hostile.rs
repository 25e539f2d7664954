//! A path may name a device, a named pipe or a file that is far too long, and its content may
//! control a terminal: it is refused at once with the reason, or shown escaped.

use skep_tests::{Lab, Run};

use crate::nothing_was_touched;

/// Paths that are not regular files, and their descriptions. Reading one of them never ends.
fn no_files(lab: &Lab) -> Vec<(String, &'static str)> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let pipe = lab.files().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    vec![
        (pipe.display().to_string(), "a named pipe"),
        ("/dev/zero".into(), "a device"),
        (lab.files().display().to_string(), "a directory"),
    ]
}

#[test]
fn what_is_no_file_is_refused_by_every_command() {
    let lab = Lab::without_machines();
    for (path, what) in no_files(&lab) {
        let refused = |run: Run| {
            run.exits(2)
                .prints_nothing()
                .says(&path)
                .says(what)
                .says("only a regular file is read");
        };
        refused(lab.skep("secret create s").args([&path]));
        refused(lab.skep("config create c").args([&path]));
        refused(lab.skep("service create --env-file").args([path.as_str(), "nginx"]));
        refused(lab.skep("stack deploy web -c").args([&path]));
        refused(lab.skep("cert install").args([&path]));
        for text in [
            format!("services: {{a: {{image: a, env_file: {path}}}}}\n"),
            format!("services: {{a: {{image: a}}}}\nsecrets: {{s: {{file: {path}}}}}\n"),
            format!("services: {{a: {{image: a}}}}\nconfigs: {{c: {{file: {path}}}}}\n"),
        ] {
            refused(lab.skep("stack deploy -c - web").stdin(text));
        }
        let run = lab.skep("machine create -d generic --generic-ip-address 192.0.2.1 h");
        let run = run.args(["--generic-ssh-key", path.as_str()]);
        run.exits(3).says(&path).says("only a regular file is read");
        let run = lab.skep("os import").args([&path]);
        run.exits(1).says(&path).says("only a regular file is read");
    }
}

#[test]
fn what_is_too_long_is_refused_with_both_numbers() {
    let lab = Lab::without_machines();
    let file = |name: &str, bytes: usize| lab.file(name, vec![b'x'; bytes]);
    let secret = file("secret", 512_000);
    let most = "has 512000 bytes; at most 511999 bytes are read";
    lab.skep("secret create s").args([&secret]).exits(2).says(most);
    let text = "services: {a: {image: a}}\nsecrets: {s: {file: SECRET}}\n";
    let text = text.replace("SECRET", &secret.display().to_string());
    lab.skep("stack deploy -c - web").stdin(text).exits(2).says(most).says("stdin:2");
    let variables = lab.file("variables", "A=b\n".repeat(300_000));
    let run = lab.skep("service create --env-file").args([&variables]).args(["nginx"]);
    run.exits(2).says("has 1200000 bytes; at most 1048576 bytes (1 MiB) are read");
    let line = lab.file("line", format!("A=1\nB={}\n", "x".repeat(70_000)));
    let run = lab.skep("service create --env-file").args([&line]).args(["nginx"]);
    run.exits(2).says("line 2 has 70002 bytes");
    let other = lab.file("other", b"A=1\nB=\xff\n");
    let run = lab.skep("service create --env-file").args([&other]).args(["nginx"]);
    run.exits(2).says("line 2 is not UTF-8");
    let key = file("key", 70_000);
    let run = lab.skep("machine create -d generic --generic-ip-address 192.0.2.1 h");
    let run = run.args(["--generic-ssh-key", &key.display().to_string()]);
    run.exits(3).says("has 70000 bytes; at most 65536 bytes (64 KiB)");
    nothing_was_touched(&lab);
}

#[test]
fn ports_and_empty_objects_are_refused_before_anything_is_made() {
    let lab = Lab::without_machines();
    let ports = "      - 1-65535:1-65535\n".repeat(100);
    let text = format!("services:\n  a:\n    image: a\n    ports:\n{ports}");
    let run = lab.skep("stack deploy -c - web").stdin(text);
    run.exits(2).says("more than 65535 ports").says("stdin:6");
    let empty = lab.file("empty", "");
    let text =
        format!("services: {{a: {{image: a}}}}\nsecrets: {{s: {{file: {}}}}}\n", empty.display());
    lab.skep("stack deploy -c - web").stdin(text).exits(2).says("is empty").says("stdin:2");
    let text = "services: {a: {image: a}}\nconfigs: {c: {content: ''}}\n";
    lab.skep("stack deploy -c - web").stdin(text).exits(2).says("is empty");
    nothing_was_touched(&lab);
}

#[test]
fn a_file_of_variables_may_be_optional() {
    let lab = Lab::without_machines();
    let file = |required: &str| {
        format!("services: {{a: {{image: a, env_file: [{{path: gone.env{required}}}]}}}}\n")
    };
    let deploy = |text: String| lab.skep("stack deploy -c - web").stdin(text);
    deploy(file("")).exits(2).says("gone.env");
    // What is missing then is a cluster.
    deploy(file(", required: false")).exits(1).says("there is no cluster");
    deploy(file(", format: odd")).exits(2).says("odd");
}

#[test]
fn nothing_that_acts_on_a_terminal_gets_there() {
    let lab = Lab::without_machines();
    const EVIL: &str = "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}y";
    let key = "\"x\\u001b]0;owned\\u0007\\u009b2J\\u202ey\"";
    let cluster = crate::store_files::store_with_a_cluster();
    let runs = [
        lab.skep("stack deploy -c - web")
            .stdin(format!("services: {{a: {{image: a, {key}: 1}}}}\n")),
        lab.skep("stack deploy -c - web")
            .stdin(format!("{key}: 1\nservices: {{a: {{image: a}}}}\n")),
        cluster.bare(["machine", "ip", EVIL]),
        lab.skep("machine").args([EVIL]),
        lab.skep("service create --replicas").args([EVIL, "nginx"]),
        lab.skep("secret create s").args([EVIL]),
        cluster.bare(["--progress", "json", "machine", "ip", EVIL]),
    ];
    for run in runs {
        let run = run.ends().prints_nothing();
        let acts = |letter: char| letter != '\n' && (letter.is_control() || letter == '\u{202e}');
        assert!(!run.stderr.contains(acts), "{run}");
        assert!(run.stderr.contains("owned"), "it is shown: {run}");
    }
}
