//! What a machine's engine is told beyond skep's own settings: docker-machine's `--engine-…`.

use serde::{Deserialize, Serialize};

/// Options of one machine's engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EngineOptions {
    /// Variables of its environment, `KEY=VALUE`.
    pub env: Vec<String>,
    /// Registries that may be asked without TLS.
    pub insecure_registries: Vec<String>,
    /// Labels, `KEY=VALUE`.
    pub labels: Vec<String>,
    /// Anything else, `FLAG=VALUE`.
    pub opts: Vec<String>,
    /// Mirrors of Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// The storage driver.
    pub storage_driver: Option<String>,
    /// Further names in its certificate.
    pub tls_sans: Vec<String>,
}
