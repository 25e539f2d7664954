//! A machine by its name, whatever cluster it is in: docker-machine knows machines and no clusters.

use skep_model::ClusterName;
use skep_store::StoreError;

use crate::{ClusterError, Home, reach::Cluster};

/// Everything the store has, as far as it can be read.
#[derive(Debug, Default)]
pub struct Everything {
    /// The clusters, by name.
    pub clusters: Vec<Cluster>,
    /// Those whose record cannot be read, and why.
    pub damaged: Vec<(ClusterName, StoreError)>,
}

/// Reads every cluster's record.
///
/// # Errors
/// [`ClusterError::Store`] if not even the list of clusters can be read.
pub fn everything(home: &Home) -> Result<Everything, ClusterError> {
    let _ = home;
    todo!("C")
}

/// The cluster that has the machine `name`.
///
/// # Errors
/// [`ClusterError::NoSuchMachine`] if none has it; [`ClusterError::Ambiguous`] if several have.
pub fn cluster_of(home: &Home, name: &str) -> Result<Cluster, ClusterError> {
    let _ = (home, name);
    todo!("C")
}
