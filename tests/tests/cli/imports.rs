//! Imported images: imported, listed, removed, and refused with the reason.

use serde_json::Value;
use skep_tests::Lab;

use crate::nothing_was_touched;

/// What an import looks at: a volume of 17 blocks that says so.
fn image() -> Vec<u8> {
    let mut image = vec![0; 17 * 2048];
    image[0x8000..0x8006].copy_from_slice(b"\x01CD001");
    image[0x8050] = 17;
    image[0x8081] = 8;
    image
}

#[test]
fn an_image_is_taken_over_listed_and_removed() {
    let lab = Lab::without_machines();
    let path = lab.file("boot2docker.iso", image()).display().to_string();
    let ran = lab.bare(["os", "import", &path]).succeeds();
    let digest = ran.text().to_owned();
    assert_eq!(digest.len(), 64, "{ran}");
    assert_eq!(lab.bare(["os", "import", &path, "--sha256", &digest]).succeeds().text(), digest);

    let listed = lab.bare(["os", "ls"]).succeeds();
    let words: Vec<_> = listed.lines()[1].split_whitespace().collect();
    assert_eq!(words, [&digest[..12], "boot2docker.iso", "0", "MB", "imported", "whole"]);
    let listed = lab.bare(["os", "ls", "--format", "json"]).succeeds();
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["systems"][0]["kind"], "imported");
    assert_eq!(listed["systems"][0]["origin"], *path);

    lab.bare(["os", "import", &path, "--as", "old"]).succeeds();
    assert_eq!(lab.bare(["os", "rm", "old"]).succeeds().text(), digest);
    assert_eq!(lab.bare(["os", "ls", "-q"]).succeeds().text(), "");
    lab.bare(["os", "rm", "old"]).exits(1).says("no guest system has the name `old`");
}

#[test]
fn what_is_refused_says_why() {
    let lab = Lab::without_machines();
    let page = lab.file("page.iso", vec![b'<'; 40_000]).display().to_string();
    let good = lab.file("good.iso", image()).display().to_string();
    let zeros = "0".repeat(64);
    let import =
        |words: &[&str]| lab.bare(["os", "import"].into_iter().chain(words.iter().copied()));
    import(&[&page]).exits(1).prints_nothing().says("page.iso is not a disc image");
    import(&[&good, "--sha256", &zeros])
        .exits(1)
        .prints_nothing()
        .says(&format!("and {zeros} was expected; nothing of it was kept"));
    import(&["no.iso"]).exits(1).prints_nothing().says("cannot read no.iso");
    // Nothing listens on port 1.
    import(&["http://bee:honey@127.0.0.1:1/a.iso?key=wax"])
        .exits(1)
        .prints_nothing()
        .says("cannot reach http://127.0.0.1:1/a.iso");
    assert_eq!(lab.bare(["os", "ls", "-q"]).succeeds().text(), "");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_touched() {
    let lab = Lab::without_machines();
    for (words, reason) in [
        ("ftp://hive.example/a.iso", "not http or https"),
        ("a.iso --sha256 12", "a sha256 has 64 hex digits"),
        ("a.iso --as ../a", "a name has up to 64"),
    ] {
        let words = ["os", "import"].into_iter().chain(words.split(' '));
        lab.bare(words).exits(2).prints_nothing().says(reason);
    }
    nothing_was_touched(&lab);
}
