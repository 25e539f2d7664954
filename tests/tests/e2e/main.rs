//! The whole program on real machines: real engines, real SSH, real swarms. Each test has its own
//! store and cluster, and checks at its end that nothing is left.
//!
//! A test that cannot run on this machine is skipped, and says why; a run in which all are
//! skipped fails, in `needs::something_runs`.

mod advice;
mod by_hand;
mod certificates;
mod conflicts;
mod conformance;
mod convergence;
mod docker_cli;
mod docker_machine;
mod faults;
mod hosts;
mod images;
mod interrupted;
mod iso;
mod managers;
mod needs;
mod probe;
mod seen;
mod services;
mod services_made;
mod stacks;
mod virtual_machines;
mod virtualbox;
mod walkthrough;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use self::needs::Need;

/// One test, and what it needs besides a checkout.
struct Test {
    name: String,
    needs: Vec<Need>,
    run: Box<dyn FnOnce() + Send>,
}

impl Test {
    fn new(name: impl Into<String>, needs: &[Need], run: impl FnOnce() + Send + 'static) -> Self {
        Self { name: name.into(), needs: needs.to_vec(), run: Box::new(run) }
    }
}

macro_rules! tests {
    ($needs:expr, $module:ident :: { $($name:ident),* $(,)? }) => {
        [$(Test::new(
            concat!(stringify!($module), "::", stringify!($name)),
            $needs,
            $module::$name,
        )),*]
    };
}

fn main() -> ExitCode {
    use Need::{Debootstrap, DockerCli, Engine, Pc, Qemu, VirtualBox};
    let arguments = Arguments::from_args();
    let mut tests = Vec::new();
    tests.extend(tests!(&[Engine], walkthrough::{four_nodes_from_nothing_to_nothing}));
    tests.extend(tests!(&[Engine], services_made::{
        the_same_words_make_the_same_service,
        an_update_loses_nothing_that_it_does_not_name,
    }));
    tests.extend(tests!(&[Engine, DockerCli], docker_cli::{
        the_real_cli_speaks_to_a_machine,
    }));
    tests.extend(tests!(&[Engine, DockerCli], conformance::{
        the_docker_cli_and_skep_print_the_same,
    }));
    tests.extend(tests!(&[Engine], certificates::{
        installed_on_machines_that_run,
        given_at_creation,
        for_one_registry_only,
    }));
    tests.extend(tests!(&[Engine, DockerCli], faults::{
        machines_removed_behind_our_back_are_made_again,
        machines_stopped_and_killed_behind_our_back_come_back,
        machines_are_switched_by_name,
        a_machine_with_another_host_key_is_not_talked_to,
        every_file_of_the_store_may_be_damaged_or_lost,
    }));
    tests.extend(tests!(&[Engine, DockerCli, Debootstrap], hosts::{
        a_host_is_taken_over_ssh_and_given_back,
    }));
    tests.extend(tests!(&[Engine, DockerCli], conflicts::{
        two_ups_at_once,
        a_subnet_that_is_taken,
        a_cluster_of_another_store,
    }));
    tests.extend(tests!(&[Engine, DockerCli], convergence::{
        what_does_not_converge_says_why,
        a_node_dies_while_skep_waits,
    }));
    tests.extend(tests!(&[Engine], stacks::{
        a_stack_is_what_docker_makes_of_it,
        pruning_comes_last_and_nothing_changes_what_cannot_be,
    }));
    tests.extend(tests!(&[Engine, DockerCli], managers::{
        three_managers_survive_one,
        a_manager_that_lost_its_disk_is_replaced,
        removed_workers_leave_no_node,
    }));
    tests.extend(tests!(&[Engine], by_hand::{a_swarm_made_by_hand_is_the_clusters}));
    tests.extend(tests!(&[Engine, DockerCli], advice::{followed_to_the_letter_it_costs_no_swarm}));
    tests.extend(tests!(&[Engine, DockerCli], images::{
        loaded_once_and_run_without_a_registry,
        from_the_hosts_engine_and_only_where_a_machine_answers,
    }));
    tests.extend(tests!(&[Engine], probe::{who_answers_with_what}));
    tests.extend(tests!(&[Qemu], virtual_machines::{
        a_mesh_over_four_machines,
        a_program_creates_one_without_a_cluster,
        power_that_fails_on_the_way_up,
        what_stands_in_the_way,
    }));
    tests.extend(tests!(&[Qemu], services::{the_walkthrough_on_virtual_machines}));
    tests.extend(tests!(&[Engine, DockerCli], docker_machine::{
        the_walkthroughs_scripts_on_virtualbox,
    }));
    tests.extend(tests!(&[VirtualBox], virtualbox::{
        the_real_vboxmanage_makes_and_removes_a_machine,
    }));
    tests.extend(tests!(&[Qemu], docker_machine::{the_walkthroughs_scripts_on_qemu}));
    tests.extend(tests!(&[Qemu, Pc], iso::{a_disk_of_docker_machines_is_taken_over}));
    tests.extend(interrupted::tests());
    let trials = needs::trials(tests);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The trial of a test that can run here, or of one that is skipped.
fn trial(test: Test, skipped: bool) -> Trial {
    let Test { name, run, .. } = test;
    let run = move || {
        run();
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(skipped)
}
