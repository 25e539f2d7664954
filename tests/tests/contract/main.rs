//! What every driver owes its callers, asked of each of them.
//!
//! A term is one function over a [`Bench`]; it runs for every driver that has what it needs, as a
//! test of its own: `container::lifecycle::stop_and_start_again`.

mod bench;
mod cancellation;
mod container;
mod creation;
mod fake;
mod foreign;
mod guests;
mod lifecycle;
mod loss;
mod networks;
mod parallel;
mod qemu;
mod removal;
mod virtualbox;

use std::{future::Future, pin::Pin, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

use self::bench::Bench;

/// What a driver must have so that a term can be asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Nothing besides being a driver.
    Nothing,
    /// Machines that can be got at from outside: taken away, or cut from their power.
    World,
    /// Names that are not the store's alone.
    SharedNames,
    /// Something inside the machines that can be logged in to.
    Guests,
    /// A network that machines can be taken off from outside.
    Unplugging,
}

/// One thing every driver promises.
#[derive(Debug, Clone, Copy)]
struct Term {
    name: &'static str,
    needs: Needs,
    ask: for<'a> fn(&'a Bench) -> Pin<Box<dyn Future<Output = ()> + 'a>>,
}

macro_rules! terms {
    ($($needs:ident: $module:ident :: { $($name:ident),* $(,)? }),* $(,)?) => {
        [$($(Term {
            name: concat!(stringify!($module), "::", stringify!($name)),
            needs: Needs::$needs,
            ask: |bench| Box::pin($module::$name(bench)),
        }),*),*]
    };
}

const TERMS: &[Term] = &terms! {
    Nothing: lifecycle::{
        a_new_machine_is_stopped,
        a_started_machine_runs,
        stop_and_start_again,
        a_killed_machine_is_stopped,
        what_is_so_can_be_asked_again,
        an_absent_machine_cannot_be_started_stopped_or_killed,
        a_console_is_a_machines,
    },
    Nothing: creation::{a_machine_that_runs_is_kept, what_exists_is_in_the_journal},
    Guests: creation::{a_whole_machine_is_kept, one_never_started_is_made_anew},
    Nothing: removal::{
        a_removed_machine_leaves_nothing,
        an_absent_machine_can_be_removed,
        a_cluster_is_removed_piece_by_piece,
        one_machine_is_removed_and_no_other,
    },
    Nothing: networks::{
        preparing_twice_gives_one_network,
        two_clusters_have_two_networks,
        a_network_asked_for_is_had,
        a_taken_network_is_refused,
        a_network_that_is_none_of_ours_is_refused,
    },
    Nothing: parallel::{several_machines_at_once_and_again},
    Nothing: cancellation::{
        work_that_is_cancelled_before_it_begins_does_nothing,
        creation_can_be_cancelled_anywhere_and_goes_on,
        removal_can_be_cancelled_anywhere_and_is_finished,
    },
    World: loss::{
        a_lost_machine_is_absent,
        a_lost_machine_is_removed_with_what_is_left_of_it,
        a_lost_machine_is_made_again,
        a_machine_that_lost_its_power_can_be_started,
    },
    Unplugging: loss::{
        a_machine_that_was_taken_off_its_network_is_put_back,
        a_network_that_was_removed_is_made_again,
    },
    SharedNames: foreign::{
        what_has_our_name_and_not_our_labels_is_refused_and_kept,
        another_stores_cluster_of_the_same_name_is_refused_and_kept,
    },
    Guests: guests::{
        it_answers_with_its_pinned_key,
        it_keeps_its_address_and_key_over_a_restart,
        it_loses_nothing_when_it_is_stopped,
        it_keeps_what_it_wrote_when_it_is_killed,
        a_published_port_answers_now_and_after_a_start,
    },
};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = fake::terms().chain(container::terms()).chain(qemu::terms());
    let trials = trials.chain(virtualbox::terms()).collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The terms for a driver that has `abilities`, each on a bench of its own from `bench`.
fn trials(
    driver: &'static str,
    abilities: &'static [Needs],
    bench: fn(String) -> Bench,
) -> impl Iterator<Item = Trial> {
    let able = move |term: &&Term| term.needs == Needs::Nothing || abilities.contains(&term.needs);
    TERMS.iter().filter(able).enumerate().map(move |(number, term)| {
        let name = format!("t-contract-{}-{number}", std::process::id());
        Trial::test(format!("{driver}::{}", term.name), move || ask(term, bench(name)))
    })
}

fn ask(term: &Term, bench: Bench) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on((term.ask)(&bench));
    Ok(())
}
