//! The name of a cluster where none is given.

use skep_model::ClusterName;

/// The cluster's name where none is given and there is not exactly one.
const DEFAULT_CLUSTER: &str = "skep";

/// ` --name NAME`, where it has to be said.
pub(crate) fn name_option(name: &ClusterName) -> String {
    if *name == default_cluster() { String::new() } else { format!(" --name {name}") }
}

/// The cluster that `up` makes where none is named.
pub(crate) fn default_cluster() -> ClusterName {
    #[expect(clippy::expect_used, reason = "a constant that a test of this module parses")]
    DEFAULT_CLUSTER.parse().expect("the default name is a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_cluster_has_a_legal_name() {
        assert_eq!(default_cluster().as_str(), DEFAULT_CLUSTER);
    }
}
