//! Files of the store that are damaged, or from a newer version.

use skep_tests::Lab;

/// A store with one cluster of two machines that have never been made.
pub(crate) fn store_with_a_cluster() -> Lab {
    let lab = Lab::without_machines();
    let record = serde_json::json!({
        "schema": 1,
        "name": "lab",
        "driver": "container",
        "subnet": "192.168.99.0/24",
        "machines": [
            { "name": "manager1", "role": "manager", "place": 0 },
            { "name": "worker1", "role": "worker", "place": 1 },
        ],
        "ca_certificates": [],
    });
    write_record(&lab, &record.to_string());
    fs_err::write(lab.store().join("store.json"), r#"{"schema": 1, "id": "0123456789ab"}"#)
        .unwrap();
    lab
}

fn write_record(lab: &Lab, text: &str) {
    let directory = lab.store().join("clusters/lab");
    fs_err::create_dir_all(&directory).unwrap();
    fs_err::write(directory.join("cluster.json"), text).unwrap();
}

#[test]
fn a_record_that_is_cut_short_is_said_to_be_damaged() {
    let lab = store_with_a_cluster();
    let path = lab.store().join("clusters/lab/cluster.json");
    let whole = fs_err::read_to_string(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        write_record(&lab, &whole[..length]);
        for words in ["machine ip manager1", "up --name lab", "status", "node ls", "env manager1"] {
            let ran = lab.bare(words.split(' ')).exits(1).prints_nothing();
            let ran = ran.says("cluster.json is damaged").says("from a backup");
            assert!(!ran.stderr.contains("skep down"), "what the file describes runs: {ran}");
        }
    }
}

#[test]
fn a_record_of_a_newer_skep_is_left_alone() {
    let lab = store_with_a_cluster();
    write_record(&lab, r#"{"schema": 99, "hives": []}"#);
    for words in ["machine ip manager1", "up --name lab", "status"] {
        let ran = lab.bare(words.split(' ')).exits(1).prints_nothing();
        ran.says("has schema 99").says("newer one");
    }
    let path = lab.store().join("clusters/lab/cluster.json");
    assert!(fs_err::read_to_string(path).unwrap().contains("hives"));
}

#[test]
fn a_store_of_a_newer_skep_is_left_alone() {
    let lab = store_with_a_cluster();
    fs_err::write(lab.store().join("store.json"), r#"{"schema": 7, "id": "x"}"#).unwrap();
    for words in ["machine ls", "up", "down", "status", "os ls"] {
        lab.bare(words.split(' ')).exits(1).says("store.json has schema 7").prints_nothing();
    }
}

/// The store's id is the label of everything it has created: with a new id nothing would be found.
#[test]
fn a_store_that_lost_its_id_gets_no_new_one() {
    let lab = store_with_a_cluster();
    let id = lab.store().join("store.json");
    fs_err::remove_file(&id).unwrap();
    for words in ["machine ip manager1", "up --name lab", "status"] {
        lab.bare(words.split(' ')).exits(1).says("store.json is damaged").prints_nothing();
    }
    assert!(!id.exists());
}
