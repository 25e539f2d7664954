//! How many machines may be asked for.

use skep_tests::Lab;

use crate::nothing_was_touched;

#[test]
fn each_bad_count_gets_an_answer_of_its_own() {
    let cases = [
        ("--managers 0", "needs at least one manager"),
        ("--managers 1 --workers 100", "more than the 100 machines"),
        ("--managers 101 --workers 0", "more than the 100 machines"),
        ("--managers 18446744073709551615 --workers 18446744073709551615", "more than the 100"),
        ("--managers -1", "-1"),
        ("--workers 1.5", "it is not a number of machines"),
        ("--workers many", "it is not a number of machines"),
    ];
    for (words, answer) in cases {
        let lab = Lab::without_machines();
        lab.skep(&format!("up {words}")).exits(2).says(answer).prints_nothing();
        nothing_was_touched(&lab);
    }
}

#[test]
fn a_hundred_machines_may_be_asked_for() {
    let lab = Lab::without_machines();
    lab.skep("up --managers 1 --workers 99").exits(3).says("there is no Docker Engine");
}

#[test]
fn an_even_number_of_managers_is_warned_of_with_the_reason() {
    let lab = Lab::without_machines();
    lab.skep("up --managers 2").exits(3).says("warning: two managers tolerate the loss of neither");
    lab.skep("up --managers 4").exits(3).says("warning:").says("3 or 5");
    let odd = lab.skep("up --managers 3").exits(3);
    assert!(!odd.stderr.contains("warning"), "{odd}");
}

#[test]
fn a_driver_or_a_time_that_is_none_is_said() {
    let lab = Lab::without_machines();
    lab.skep("up --driver bees").exits(2).says("`bees`").says("container");
    lab.skep("up --timeout soon").exits(2).says("write 90s, 5m or 1h");
    lab.skep("up --subnet 300.0.0.0/8").exits(2).says("--subnet");
    nothing_was_touched(&lab);
}
