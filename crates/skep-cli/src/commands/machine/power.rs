//! `machine start|stop|restart|kill`.

use skep_cluster::power::{Power, power as change};

use crate::{args::machine::Switch, commands::print_lines, context::Context, failure::Failure};

/// What is done to a machine's power.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// On.
    On,
    /// Off, after asking.
    Off,
    /// Off at once.
    Cut,
}

/// Takes machines through some steps, and prints their names.
pub(super) async fn switch(
    context: &Context,
    args: &Switch,
    steps: &[Step],
) -> Result<(), Failure> {
    for step in steps {
        let power = match step {
            Step::On => Power::On { timeout: args.timeout },
            Step::Off => Power::Off,
            Step::Cut => Power::Cut,
        };
        for (cluster, machines) in context.clusters_of(&args.machines)? {
            change(&cluster, &machines, power, &context.events, &context.cancel).await?;
        }
    }
    print_lines(&args.machines)
}
