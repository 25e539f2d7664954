//! `skep doctor`: what `up` looks at before it touches anything, shown in full.

use std::collections::BTreeSet;

use skep_cluster::{Choice, ClusterRecord, choose};
use skep_machine::{DriverKind, Request};
use skep_model::{Check, Verdict};

use super::{machine_options, print, print_json_with};
use crate::{
    advice,
    args::{DoctorArgs, Format},
    cluster_name::default_cluster,
    context::Context,
    failure::{Exit, Failure},
    persona::Persona,
};

/// Shows every driver's checks for a cluster as it is asked for, and the driver `auto` takes; or
/// the checks of the one driver that was named.
pub(super) async fn doctor(context: &Context, args: &DoctorArgs) -> Result<(), Failure> {
    let desired = machine_options::desired(&args.machines)?;
    let named = desired.driver;
    let home = context.home()?;
    if let Some(driver) = named {
        machine_options::warn_of_ignored(context, driver, &args.machines);
    }
    let name = context.global.name.clone().unwrap_or_else(default_cluster);
    // What `up` would refuse of a cluster that is not there yet.
    let mut record = ClusterRecord::new(name, named.unwrap_or(DriverKind::Container));
    desired.apply_to(&mut record, &BTreeSet::new())?;
    let request = Request {
        cluster: record.name,
        new_machines: record.machines.len(),
        subnet: args.machines.subnet,
        new_network: true,
        size: record.size,
        publish: record.publish,
        options: desired.driver_options(named.unwrap_or(DriverKind::Qemu)),
    };
    let choice = match named {
        None => choose(&home, &request, &context.cancel).await,
        Some(kind) => {
            let driver = home.driver(request.options.clone());
            let checks = driver.preflight(&request, &context.cancel).await;
            let driver = works(&checks).then_some(kind);
            let reason = if driver.is_some() { "it was named" } else { "it cannot be used" };
            Choice { driver, reason: reason.into(), checks: vec![(kind, checks)] }
        }
    };
    if context.cancel.is_cancelled() {
        return Err(Failure::new(Exit::Interrupted, "interrupted"));
    }
    match args.format {
        Format::Table => print(&text(&choice))?,
        Format::Json => print_json_with(json(&choice))?,
    }
    match (choice.driver, named) {
        (Some(_), _) => Ok(()),
        (None, Some(kind)) => {
            Err(Failure::preflight(format!("driver {kind} cannot be used on this host as it is")))
        }
        (None, None) => Err(Failure::preflight(choice.reason)),
    }
}

fn works(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.verdict != Verdict::Fail)
}

fn json(choice: &Choice) -> serde_json::Value {
    let check = |check: &Check| {
        let fix = advice::words(&check.fix, Persona::Skep);
        serde_json::json!({ "what": check.what, "verdict": check.verdict, "found": check.found, "fix": fix })
    };
    let driver = |(kind, checks): &(DriverKind, Vec<Check>)| {
        let all: Vec<_> = checks.iter().map(check).collect();
        serde_json::json!({ "driver": kind, "usable": works(checks), "checks": all })
    };
    let drivers: Vec<_> = choice.checks.iter().map(driver).collect();
    serde_json::json!({ "drivers": drivers, "driver": choice.driver, "reason": choice.reason })
}

/// Each driver with its checks, and the choice.
fn text(choice: &Choice) -> String {
    let mut text = String::new();
    for (kind, checks) in &choice.checks {
        text.push_str(&format!("{kind}\n{}\n", lines(checks)));
    }
    match choice.driver {
        Some(driver) => text.push_str(&format!("skep up takes {driver}: {}\n", choice.reason)),
        None => text.push_str(&format!("skep up cannot work: {}\n", choice.reason)),
    }
    text
}

/// A line for each check, its fix below: found texts are too long for columns.
fn lines(checks: &[Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Pass => "ok",
            Verdict::Warn => "warning",
            Verdict::Fail => "FAILED",
        };
        text.push_str(&format!("  {verdict:<9}{}: {}\n", check.what, check.found));
        if !check.fix.is_empty() {
            let fix = advice::words(&check.fix, Persona::Skep);
            text.push_str(&format!("  {:<9}fix: {fix}\n", ""));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_a_line_and_its_fix_the_next() {
        let checks = [
            Check::pass("Docker Engine", "28.2.2 (API 1.50)"),
            Check::warn("IPVS in the kernel", "none", "use another kernel"),
            Check::fail("disk space", "12 MB free at /", "free some: 900 MB are needed"),
        ];
        insta::assert_snapshot!(lines(&checks), @r"
        ok       Docker Engine: 28.2.2 (API 1.50)
        warning  IPVS in the kernel: none
                 fix: use another kernel
        FAILED   disk space: 12 MB free at /
                 fix: free some: 900 MB are needed
        ");
    }
}
