//! A swarm's manager that answers from a script.

pub(crate) use skep_engine::fake::Answer;
use skep_engine::fake::FakeEngine;
use skep_service::Services;

/// The engine, and what is tested before it.
pub(crate) struct Fake {
    _engine: FakeEngine,
    pub(crate) services: Services,
}

impl Fake {
    /// Starts it with the answers to each path that is read; `/tasks up-to-date` is what is
    /// answered where only tasks of the service as it is now are wanted.
    pub(crate) async fn start(script: Vec<(&str, Vec<Answer>)>) -> Self {
        let script = script.into_iter().map(|(path, answers)| (format!("GET {path}"), answers));
        let engine = FakeEngine::start(script).await;
        Self { services: Services::new(&engine.engine), _engine: engine }
    }
}
