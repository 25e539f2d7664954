//! Invalid names, wherever a name may be given.

use skep_tests::Lab;

use crate::nothing_was_touched;

#[test]
fn each_bad_name_gets_an_answer_of_its_own() {
    let long = "a".repeat(64);
    let cases = [
        ("", "must not be empty"),
        (&*long, "has 64 characters; at most 63"),
        ("my.cluster", "try `my-cluster`"),
        ("MyCluster", "try `mycluster`"),
        ("../../etc", "has '.'"),
        ("a/b", "try `a-b`"),
        ("-rf", "starts with a hyphen"),
        ("bienenkörbe", "has 'ö'"),
        ("日本", "has '日'"),
        ("ends-", "ends with a hyphen"),
        ("two words", "try `two-words`"),
    ];
    for (name, answer) in cases {
        let lab = Lab::without_machines();
        let option = format!("--name={name}");
        lab.bare(["up", &option]).exits(2).says(answer).prints_nothing();
        // An empty variable is none, not an empty name.
        if !name.is_empty() {
            lab.bare(["up"]).env("SKEP_CLUSTER", name).exits(2).says(answer).prints_nothing();
        }
        nothing_was_touched(&lab);
    }
}

#[test]
fn the_longest_name_is_one() {
    let lab = Lab::without_machines();
    let option = format!("--name={}", "a".repeat(63));
    // It gets as far as the engine that is not there.
    lab.bare(["up", &option]).exits(3).says("there is no Docker Engine");
}

#[test]
fn a_name_that_is_an_option_is_not_taken_for_one() {
    let lab = Lab::without_machines();
    lab.bare(["up", "--name", "--workers"]).exits(2).prints_nothing();
    nothing_was_touched(&lab);
}
