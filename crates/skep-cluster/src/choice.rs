//! Which driver `auto` takes, and why.
//!
//! Containers start in a second and share the host's kernel; a swarm's routing mesh and virtual
//! addresses need IPVS in it. So: containers where the kernel has IPVS, virtual machines where it
//! has not, and containers all the same, with that drawback, where there is no QEMU either.

use futures_util::future::join_all;
use skep_context::Context;
use skep_machine::{DriverKind, DriverOptions, Request, container::IPVS};
use skep_model::{Check, Events, Verdict};
use tokio_util::sync::CancellationToken;

use crate::{ClusterError, Home};

/// The drivers that make machines, in the order they are considered.
pub const DRIVERS: [DriverKind; 2] = [DriverKind::Container, DriverKind::Qemu];

/// What every driver found, and which one `auto` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub driver: Option<DriverKind>,
    pub reason: String,
    pub checks: Vec<(DriverKind, Vec<Check>)>,
}

/// Lets every driver look at this host, all at once, and chooses. The request's options are for one
/// of them; the others have their usual ones.
pub async fn choose(home: &Home, request: &Request, cancel: &CancellationToken) -> Choice {
    let looks = DRIVERS.map(|kind| async move {
        let usual = || DriverOptions::from(kind);
        let asked = Some(&request.options).filter(|asked| asked.kind() == kind).cloned();
        let request = Request { options: asked.unwrap_or_else(usual), ..request.clone() };
        let driver = home.driver(request.options.clone());
        (kind, driver.preflight(&request, cancel).await)
    });
    decide(join_all(looks).await)
}

/// As [`choose`], as a step that says which driver is taken and why.
pub(crate) async fn choose_as_step(
    home: &Home,
    request: &Request,
    context: Context<'_>,
) -> Result<(DriverKind, Vec<Check>), ClusterError> {
    let step = context.events.step("", "choosing a driver");
    let choice = choose(home, request, context.cancel).await;
    let reason = choice.reason.clone();
    let (kind, checks) = step.end_with(choice.taken())?;
    context.events.step("", format!("driver {kind}: {reason}")).done();
    Ok((kind, checks))
}

/// The checks of a driver that were passed.
///
/// # Errors
/// [`ClusterError::Preflight`] if one was not; [`ClusterError::Cancelled`].
pub(crate) fn passed(
    driver: DriverKind,
    checks: Vec<Check>,
    cancel: &CancellationToken,
) -> Result<Vec<Check>, ClusterError> {
    if cancel.is_cancelled() {
        return Err(ClusterError::Cancelled);
    }
    if checks.iter().any(|check| check.verdict == Verdict::Fail) {
        return Err(ClusterError::Preflight { driver: driver.to_string(), checks });
    }
    Ok(checks)
}

/// Says what the driver of a new cluster warns of.
pub(crate) fn warn(checks: &[Check], events: &Events) {
    for check in checks.iter().filter(|check| check.verdict == Verdict::Warn) {
        events.warn("", check.reason());
    }
}

impl Choice {
    /// The driver with its checks.
    ///
    /// # Errors
    /// [`ClusterError::Preflight`] with the checks of every driver if none can be used.
    pub fn taken(self) -> Result<(DriverKind, Vec<Check>), ClusterError> {
        let Self { driver, mut checks, .. } = self;
        let place = driver.and_then(|driver| checks.iter().position(|(kind, _)| *kind == driver));
        if let Some(place) = place {
            return Ok(checks.swap_remove(place));
        }
        let named = |(kind, checks): (DriverKind, Vec<Check>)| {
            let with_driver =
                move |check: Check| Check { what: format!("{kind}: {}", check.what), ..check };
            checks.into_iter().map(with_driver)
        };
        let names = DRIVERS.map(|kind| kind.to_string()).join(" and ");
        Err(ClusterError::Preflight {
            driver: names,
            checks: checks.into_iter().flat_map(named).collect(),
        })
    }
}

fn decide(checks: Vec<(DriverKind, Vec<Check>)>) -> Choice {
    let of = |kind| {
        let found = checks.iter().find(|(other, _)| *other == kind);
        found.map(|(_, checks)| checks.as_slice()).unwrap_or_default()
    };
    let works = |kind| {
        let checks = of(kind);
        !checks.is_empty() && checks.iter().all(|check| check.verdict != Verdict::Fail)
    };
    let ipvs = of(DriverKind::Container)
        .iter()
        .any(|check| check.what == IPVS && check.verdict == Verdict::Pass);
    let (container, qemu) = (works(DriverKind::Container), works(DriverKind::Qemu));
    let (driver, reason) = match (container, ipvs, qemu) {
        (true, true, _) => {
            (Some(DriverKind::Container), "a Docker Engine answers and its kernel has IPVS")
        }
        (true, false, true) => (
            Some(DriverKind::Qemu),
            "the host's kernel has no IPVS, which the routing mesh needs; virtual machines have",
        ),
        (true, false, false) => (
            Some(DriverKind::Container),
            "QEMU cannot be used; without IPVS in the kernel published ports will not answer \
             on every node",
        ),
        (false, _, true) => {
            (Some(DriverKind::Qemu), "containers cannot be used, virtual machines can")
        }
        (false, _, false) => (None, "no driver can be used on this host as it is"),
    };
    Choice { driver, reason: reason.into(), checks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(container: Check, qemu: Check) -> Choice {
        decide(vec![(DriverKind::Container, vec![container]), (DriverKind::Qemu, vec![qemu])])
    }

    fn fine() -> Check {
        Check::pass("QEMU", "10.0")
    }

    fn broken(what: &str) -> Check {
        Check::fail(what, "nothing", "install it")
    }

    #[test]
    fn containers_where_the_kernel_has_ipvs() {
        let taken = choice(Check::pass(IPVS, "present"), fine());
        assert_eq!(taken.driver, Some(DriverKind::Container));
    }

    #[test]
    fn virtual_machines_where_it_has_not() {
        let taken = choice(Check::warn(IPVS, "none", "another kernel"), fine());
        assert_eq!(taken.driver, Some(DriverKind::Qemu));
        assert!(taken.reason.contains("no IPVS"), "{}", taken.reason);
        let taken = choice(broken("Docker Engine"), fine());
        assert_eq!(taken.driver, Some(DriverKind::Qemu));
    }

    #[test]
    fn containers_all_the_same_where_nothing_else_works() {
        let taken = choice(Check::warn(IPVS, "none", "another kernel"), broken("QEMU"));
        assert_eq!(taken.driver, Some(DriverKind::Container));
        assert!(taken.reason.contains("published ports"), "{}", taken.reason);
        let (kind, checks) = taken.taken().unwrap();
        assert_eq!((kind, checks.len()), (DriverKind::Container, 1));
    }

    #[test]
    fn nothing_that_works_is_said_with_everybodys_reasons() {
        let taken = choice(broken("Docker Engine"), broken("QEMU"));
        assert_eq!(taken.driver, None);
        let Err(ClusterError::Preflight { driver, checks }) = taken.taken() else {
            panic!("no driver works, and one was taken");
        };
        assert_eq!(driver, "container and qemu");
        let whats: Vec<_> = checks.iter().map(|check| check.what.as_str()).collect();
        assert_eq!(whats, ["container: Docker Engine", "qemu: QEMU"]);
    }
}
