//! A machine by its name, whatever cluster it is in: docker-machine knows machines and no clusters.

use skep_model::ClusterName;
use skep_store::StoreError;

use crate::{ClusterError, ClusterRecord, Home, reach::Cluster};

/// Everything the store has, as far as it can be read.
#[derive(Debug, Default)]
pub struct Everything {
    /// The clusters, by name.
    pub clusters: Vec<Cluster>,
    /// Those whose record cannot be read, and why.
    pub damaged: Vec<(ClusterName, StoreError)>,
}

/// Reads every cluster's record. A directory without one is a cluster that is being made, or being
/// removed, and is not listed.
///
/// # Errors
/// [`ClusterError::Store`] if not even the list of clusters can be read.
pub fn everything(home: &Home) -> Result<Everything, ClusterError> {
    let mut all = Everything::default();
    for name in home.clusters()? {
        match ClusterRecord::load(home, &name) {
            Ok(Some(record)) => all.clusters.push(Cluster::new(home, record)),
            Ok(None) => {}
            Err(error) => all.damaged.push((name, error)),
        }
    }
    Ok(all)
}

/// The cluster that has the machine `name`. Of several, it is the one called `preferred`, which is
/// the one that other commands take by default.
///
/// # Errors
/// [`ClusterError::NoSuchMachine`] if none has it; [`ClusterError::Ambiguous`] if several have, and
/// `preferred` has not; [`ClusterError::Store`] if none has it and a record cannot be read, for that
/// one may.
pub fn cluster_of(
    home: &Home,
    name: &str,
    preferred: Option<&ClusterName>,
) -> Result<Cluster, ClusterError> {
    let all = everything(home)?;
    let mut having: Vec<Cluster> = all
        .clusters
        .into_iter()
        .filter(|cluster| cluster.record().machine(name).is_some())
        .collect();
    if having.len() > 1
        && let Some(place) =
            having.iter().position(|cluster| Some(&cluster.record().name) == preferred)
    {
        return Ok(having.swap_remove(place));
    }
    match (having.pop(), all.damaged.into_iter().next()) {
        (Some(only), _) if having.is_empty() => Ok(only),
        (Some(last), _) => {
            having.push(last);
            let clusters = having.iter().map(|cluster| cluster.record().name.clone()).collect();
            Err(ClusterError::Ambiguous { machine: name.into(), clusters })
        }
        (None, Some((_, error))) => Err(error.into()),
        (None, None) => Err(ClusterError::NoSuchMachine { machine: name.into() }),
    }
}

/// The machines of these names, with their clusters: each cluster once, in the order asked.
///
/// # Errors
/// As [`cluster_of`], of the first name that is none.
pub fn clusters_of(
    home: &Home,
    names: &[String],
    preferred: Option<&ClusterName>,
) -> Result<Vec<(Cluster, Vec<String>)>, ClusterError> {
    let mut found: Vec<(Cluster, Vec<String>)> = Vec::new();
    for name in names {
        let cluster = cluster_of(home, name, preferred)?;
        match found.iter_mut().find(|(other, _)| other.record().name == cluster.record().name) {
            Some((_, machines)) => machines.push(name.clone()),
            None => found.push((cluster, vec![name.clone()])),
        }
    }
    Ok(found)
}
