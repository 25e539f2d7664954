//! Screens about services, tasks and nodes: what the docker CLI prints for the same facts.
//!
//! Sources: the formatters under `cli/command` of docker/cli 26.1 and the durations and sizes of
//! github.com/docker/go-units. `tests/tests/conformance` holds both against each other.

mod docker_json;
mod fields;
pub mod node_pretty;
pub mod service_ls;
pub mod service_pretty;
pub mod stack_plan;
pub mod task_ps;
mod units;

pub use docker_json::docker_json;
pub use units::{ago, bytes_size};
