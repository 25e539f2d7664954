//! A swarm's manager that answers from a script.

use serde_json::Value;
use skep_engine::fake::FakeEngine;
use skep_service::stack::Stacks;

/// A status and a body.
type Answer = (u16, Value);

/// The engine, and what is tested before it.
pub(crate) struct Fake {
    engine: FakeEngine,
    pub(crate) stacks: Stacks,
}

impl Fake {
    /// Starts it with the answers to each request.
    pub(crate) async fn start(script: &[(&'static str, &[Answer])]) -> Self {
        let script = script.iter().map(|(request, answers)| (*request, answers.to_vec()));
        let engine = FakeEngine::with_empty_lists(script).await;
        Self { stacks: Stacks::new(&engine.engine), engine }
    }

    /// What it was asked, queries included.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.engine.requests()
    }

    /// The same, with the bodies.
    pub(crate) fn bodies(&self) -> Vec<(String, Value)> {
        self.engine.asked().into_iter().map(|asked| (asked.request, asked.body)).collect()
    }
}
