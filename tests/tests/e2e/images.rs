//! Images without a registry: from an archive and from the host's engine to every machine.

use serde_json::Value;
use skep_tests::{Lab, host, images::archive};

use crate::seen::{inside, until};

/// Image, identifier and machines of each line of `skep image ls`.
fn listed(lab: &Lab) -> Vec<(String, String, Vec<String>)> {
    let ran = lab.skep("image ls --format json").succeeds();
    let document: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(document["schema"], 1);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let images = document["images"].as_array().unwrap().iter().map(|image| {
        let machines = image["machines"].as_array().unwrap().iter().map(text).collect();
        (text(&image["image"]), text(&image["id"]), machines)
    });
    images.collect()
}

pub(crate) fn loaded_once_and_run_without_a_registry() {
    let lab = Lab::with_machines("images");
    lab.up("--workers 2").succeeds();
    let (old, new) = (archive("nginx-1.22"), archive("nginx-1.26"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());

    what_cannot_be_loaded_touches_nothing(&lab, old);

    // One machine has it already: it is not sent there again.
    let one = lab.skep("image load --machine worker1").args([old]).succeeds().prints_nothing();
    one.says("nginx:1.22: loaded on worker1");
    let rest = lab.skep("image load").args([old, new]).succeeds();
    rest.says("nginx:1.22: loaded on manager1, worker2; present on worker1")
        .says("nginx:1.26: loaded on manager1, worker1, worker2");
    lab.skep("image load").args([old, new]).succeeds().says("nginx:1.26: present on manager1");
    let images = listed(&lab);
    assert_eq!(images.len(), 2, "{images:?}");
    assert!(images.iter().all(|(_, _, machines)| machines.len() == 3), "{images:?}");
    let table = lab.skep("image ls").succeeds();
    assert!(
        table.lines()[1].starts_with("nginx:1.22 ") && table.lines()[1].ends_with(" all"),
        "{table}"
    );

    // A name that refers to another image is set again.
    inside(&lab, "worker2", "docker tag nginx:1.26 nginx:1.22").succeeds();
    lab.skep("image load").args([old]).succeeds().says("nginx:1.22: named on worker2");
    assert_eq!(listed(&lab), images);

    let create = "docker service create --quiet --detach --no-resolve-image --name web --mode global nginx:1.22";
    inside(&lab, "manager1", create).succeeds();
    let running =
        "docker service ps --filter desired-state=running --format '{{.CurrentState}}' web";
    until("a task on each machine", || {
        let states = inside(&lab, "manager1", running).succeeds();
        (states.stdout.matches("Running").count() == 3).then_some(())
    });
    lab.finish();
}

fn what_cannot_be_loaded_touches_nothing(lab: &Lab, whole: &str) {
    let bytes = fs_err::read(whole).unwrap();
    let cut = lab.file("cut.tar", &bytes[..bytes.len() / 2]);
    let cut = cut.to_str().unwrap();
    // An error in one is reported before the other is sent anywhere.
    lab.skep("image load").args([whole, cut]).exits(2).says("cut.tar is truncated");
    let text = lab.file("bees.tar", "bees ".repeat(1000));
    let text = text.to_str().unwrap();
    lab.skep("image load").args([text]).exits(2).says("is no tar archive");
    lab.skep("image load nowhere.tar").exits(2).says("nowhere.tar is not there");
    lab.skep("image load no-such-image:1").exits(2).says("the host's engine has no image");
    lab.skep("image load --machine worker9").args([whole]).exits(1).says("no machine worker9");
    assert!(listed(lab).is_empty());
}

pub(crate) fn from_the_hosts_engine_and_only_where_a_machine_answers() {
    let lab = Lab::with_machines("host-images");
    lab.up("--workers 1").succeeds();
    let name = format!("{}:1", lab.cluster());
    let import = |content: &str| {
        let file = lab.file("content", content);
        let script = "tar --create --directory \"$1\" content | docker import - \"$2\"";
        let folder = file.parent().unwrap().to_str().unwrap().to_owned();
        skep_tests::Run::program("sh").args(["-c", script, "sh", &folder, &name]).succeeds();
    };
    import("first");
    lab.skep("image load").args([&name]).succeeds().says("loaded on manager1, worker1");
    // The same name, another image.
    import("second");
    lab.skep("machine stop worker1").succeeds();
    let partly = lab.skep("image load").args([&name]).exits(5);
    partly.says("loaded on manager1").says("worker1 does not have all images");
    lab.skep("machine start worker1").within(std::time::Duration::from_secs(120)).succeeds();
    lab.skep("image load").args([&name]).succeeds().says("loaded on worker1; present on manager1");
    let named = listed(&lab).into_iter().filter(|(image, _, _)| *image == name);
    let named: Vec<_> = named.collect();
    let own = host::docker(["image", "inspect", "--format", "{{.Id}}", &name]).succeeds();
    assert_eq!(named.len(), 1, "{named:?}");
    assert_eq!((named[0].1.as_str(), named[0].2.len()), (own.text(), 2));
    lab.finish();
    host::docker(["image", "rm", "--force", &name]).succeeds();
}
