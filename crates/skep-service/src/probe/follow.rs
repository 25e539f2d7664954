//! When an update of a service has ended that is under way, or begins while one looks on.

use std::time::Duration;

use jiff::Timestamp;
use skep_context::pause;
use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, Service, UpdateState},
    error::ServiceError,
};

const INTERVAL: Duration = Duration::from_millis(250);

/// What an update of a service does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Update {
    /// None is under way, and none has been seen.
    Idle,
    UnderWay,
    /// The one that was seen has ended so.
    Ended(UpdateState),
}

/// Distinguishes an update that is seen from those that were before.
#[derive(Debug, Clone)]
pub(super) struct Follow {
    before: Option<Timestamp>,
    seen: bool,
}

impl Follow {
    /// Begins to look at a service.
    pub(super) fn new(service: &Service) -> Self {
        let mut follow = Self { before: None, seen: false };
        if follow.look(service) != Update::UnderWay {
            follow.before = service.update_status.as_ref().and_then(|status| status.started_at);
            follow.seen = false;
        }
        follow
    }

    /// Looks again.
    pub(super) fn look(&mut self, service: &Service) -> Update {
        let Some(status) = &service.update_status else { return Update::Idle };
        match &status.state {
            UpdateState::Updating | UpdateState::RollbackStarted => {
                self.seen = true;
                Update::UnderWay
            }
            UpdateState::None | UpdateState::Other(_) => Update::Idle,
            // One that began and ended between two looks has another beginning.
            state if self.seen || status.started_at != self.before => {
                self.seen = true;
                Update::Ended(state.clone())
            }
            _ => Update::Idle,
        }
    }
}

impl Services {
    /// Waits until an update of a service has ended that is under way or begins meanwhile, and says
    /// how; forever, if none begins. A manager that does not answer for a while is asked again.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`] if the service is removed; cancelled.
    pub async fn until_updated(
        &self,
        service: &Service,
        cancel: &CancellationToken,
    ) -> Result<UpdateState, ServiceError> {
        let mut follow = Follow::new(service);
        loop {
            match self.service_of(&service.id, cancel).await {
                Ok(now) => {
                    if let Update::Ended(state) = follow.look(&now) {
                        return Ok(state);
                    }
                }
                Err(ServiceError::Engine { source, .. }) if source.may_pass() => {}
                Err(error) => return Err(error),
            }
            // The next request sees a cancellation.
            pause(cancel, INTERVAL).await;
        }
    }

    async fn service_of(
        &self,
        id: &Id,
        cancel: &CancellationToken,
    ) -> Result<Service, ServiceError> {
        let one = self.engine.get_json(&format!("/services/{id}"), &[], cancel).await;
        one.map_err(ServiceError::of("look at the service"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(state: &str, second: u32) -> Service {
        let started = format!("2026-01-02T03:04:{second:02}Z");
        let status = json!({"UpdateStatus": {"State": state, "StartedAt": started}});
        serde_json::from_value(if state.is_empty() { json!({}) } else { status }).unwrap()
    }

    #[test]
    fn an_update_from_before_is_not_waited_for() {
        let mut follow = Follow::new(&service("completed", 1));
        assert_eq!(follow.look(&service("completed", 1)), Update::Idle);
        assert_eq!(follow.look(&service("updating", 2)), Update::UnderWay);
        assert_eq!(follow.look(&service("paused", 2)), Update::Ended(UpdateState::Paused));
    }

    #[test]
    fn an_update_under_way_and_one_between_two_looks_are_seen() {
        let mut follow = Follow::new(&service("updating", 1));
        assert_eq!(follow.look(&service("completed", 1)), Update::Ended(UpdateState::Completed));
        let mut follow = Follow::new(&service("", 0));
        assert_eq!(follow.look(&service("", 0)), Update::Idle);
        assert_eq!(follow.look(&service("completed", 1)), Update::Ended(UpdateState::Completed));
        let mut follow = Follow::new(&service("completed", 1));
        assert_eq!(follow.look(&service("completed", 2)), Update::Ended(UpdateState::Completed));
    }

    #[test]
    fn a_rollback_belongs_to_its_update() {
        let mut follow = Follow::new(&service("completed", 1));
        assert_eq!(follow.look(&service("updating", 2)), Update::UnderWay);
        assert_eq!(follow.look(&service("rollback_started", 3)), Update::UnderWay);
        let ended = Update::Ended(UpdateState::RollbackCompleted);
        assert_eq!(follow.look(&service("rollback_completed", 3)), ended);
    }
}
