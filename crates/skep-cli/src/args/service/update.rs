//! `skep service update`, `rollback` and `scale`

use std::net::IpAddr;

use clap::Args;
use skep_service::spec::{
    Attachment, FileReference, GenericResource, Host, KeyValue, Label, Mount, Options, Ports,
    Preference, Removals, Resources, ServiceUpdate, Ulimit, Words, container::search_domain,
};

use super::{
    Wait,
    flags::{RegistryFlags, ServiceFlags},
};

/// `skep service update`
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The service: name or ID
    pub service: String,
    /// Another image
    #[arg(long)]
    pub image: Option<String>,
    /// What to run in place of the image's own command
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub args: Option<Words>,
    /// Replace tasks even if nothing else changes
    #[arg(long)]
    pub force: bool,
    /// Take the last update back
    #[arg(long)]
    pub rollback: bool,
    #[command(flatten)]
    pub add: AddFlags,
    #[command(flatten)]
    pub remove: RemoveFlags,
    #[command(flatten)]
    pub flags: ServiceFlags,
    #[command(flatten)]
    pub wait: Wait,
}

/// Flags that add to lists, or change what is in them.
#[derive(Debug, Args)]
#[command(next_help_heading = "To add or change; each may be repeated")]
pub struct AddFlags {
    /// A published port, as with create
    #[arg(long, value_name = "PORT")]
    pub publish_add: Vec<Ports>,
    /// An environment variable
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env_add: Vec<String>,
    /// A mount, in place of the one at the same target
    #[arg(long, value_name = "MOUNT")]
    pub mount_add: Vec<Mount>,
    /// A secret
    #[arg(long, value_name = "SECRET")]
    pub secret_add: Vec<FileReference>,
    /// A config
    #[arg(long, value_name = "CONFIG")]
    pub config_add: Vec<FileReference>,
    /// A network
    #[arg(long, value_name = "NETWORK")]
    pub network_add: Vec<Attachment>,
    /// A constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_add: Vec<String>,
    /// A placement preference
    #[arg(long, value_name = "PREFERENCE")]
    pub placement_pref_add: Vec<Preference>,
    /// A number of what nodes say they have
    #[arg(long, value_name = "KIND=COUNT")]
    pub generic_resource_add: Vec<GenericResource>,
    /// A label of the service
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub label_add: Vec<Label>,
    /// A label of its containers
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub container_label_add: Vec<Label>,
    /// A group
    #[arg(long, value_name = "GROUP")]
    pub group_add: Vec<String>,
    /// A name server
    #[arg(long, value_name = "ADDRESS")]
    pub dns_add: Vec<IpAddr>,
    /// An option of the resolver
    #[arg(long, value_name = "OPTION")]
    pub dns_option_add: Vec<String>,
    /// A domain to search
    #[arg(long, value_name = "DOMAIN", value_parser = search_domain)]
    pub dns_search_add: Vec<String>,
    /// A host name and its address
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub host_add: Vec<Host>,
    /// A sysctl
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl_add: Vec<KeyValue>,
    /// A limit of processes
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit_add: Vec<Ulimit>,
}

/// Flags that take away from lists.
#[derive(Debug, Args)]
#[command(next_help_heading = "To remove; each may be repeated")]
pub struct RemoveFlags {
    /// A published port, by the container's own: 80, 53/udp, target=80,mode=host
    #[arg(long, value_name = "TARGET")]
    pub publish_rm: Vec<Ports>,
    /// An environment variable
    #[arg(long, value_name = "NAME")]
    pub env_rm: Vec<String>,
    /// A mount, by its place in the container
    #[arg(long, value_name = "TARGET")]
    pub mount_rm: Vec<String>,
    /// A secret
    #[arg(long, value_name = "SECRET")]
    pub secret_rm: Vec<String>,
    /// A config
    #[arg(long, value_name = "CONFIG")]
    pub config_rm: Vec<String>,
    /// A network
    #[arg(long, value_name = "NETWORK")]
    pub network_rm: Vec<String>,
    /// A constraint
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint_rm: Vec<String>,
    /// A placement preference
    #[arg(long, value_name = "PREFERENCE")]
    pub placement_pref_rm: Vec<Preference>,
    /// What nodes say they have
    #[arg(long, value_name = "KIND")]
    pub generic_resource_rm: Vec<String>,
    /// A label of the service
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// A label of its containers
    #[arg(long, value_name = "KEY")]
    pub container_label_rm: Vec<String>,
    /// A group
    #[arg(long, value_name = "GROUP")]
    pub group_rm: Vec<String>,
    /// A name server
    #[arg(long, value_name = "ADDRESS")]
    pub dns_rm: Vec<String>,
    /// An option of the resolver
    #[arg(long, value_name = "OPTION")]
    pub dns_option_rm: Vec<String>,
    /// A domain to search
    #[arg(long, value_name = "DOMAIN")]
    pub dns_search_rm: Vec<String>,
    /// A host name, from this address or from all
    #[arg(long, value_name = "NAME[:ADDRESS]")]
    pub host_rm: Vec<String>,
    /// A sysctl
    #[arg(long, value_name = "NAME")]
    pub sysctl_rm: Vec<String>,
    /// A limit of processes
    #[arg(long, value_name = "NAME")]
    pub ulimit_rm: Vec<String>,
}

impl UpdateArgs {
    /// What is to change, given the environment variables to add.
    pub fn update(self, env: Vec<String>) -> (ServiceUpdate, RegistryFlags, Wait) {
        let (shared, registry) = self.flags.options();
        let AddFlags { generic_resource_add, .. } = self.add;
        let options = Options {
            labels: self.add.label_add,
            container_labels: self.add.container_label_add,
            env,
            groups: self.add.group_add,
            mounts: self.add.mount_add,
            dns: self.add.dns_add.iter().map(ToString::to_string).collect(),
            dns_options: self.add.dns_option_add,
            dns_search: self.add.dns_search_add,
            hosts: self.add.host_add,
            sysctls: self.add.sysctl_add,
            ulimits: self.add.ulimit_add,
            secrets: self.add.secret_add,
            configs: self.add.config_add,
            networks: self.add.network_add,
            resources: Resources { generic: generic_resource_add, ..shared.resources },
            constraints: self.add.constraint_add,
            placement_preferences: self.add.placement_pref_add,
            publish: self.add.publish_add,
            ..shared
        };
        let remove = Removals {
            labels: self.remove.label_rm,
            container_labels: self.remove.container_label_rm,
            env: self.remove.env_rm,
            groups: self.remove.group_rm,
            mounts: self.remove.mount_rm,
            dns: self.remove.dns_rm,
            dns_options: self.remove.dns_option_rm,
            dns_search: self.remove.dns_search_rm,
            hosts: self.remove.host_rm,
            sysctls: self.remove.sysctl_rm,
            ulimits: self.remove.ulimit_rm,
            secrets: self.remove.secret_rm,
            configs: self.remove.config_rm,
            networks: self.remove.network_rm,
            generic_resources: self.remove.generic_resource_rm,
            constraints: self.remove.constraint_rm,
            placement_preferences: self.remove.placement_pref_rm,
            publish: self.remove.publish_rm,
        };
        let update = ServiceUpdate {
            image: self.image,
            args: self.args,
            force: self.force,
            options,
            remove,
        };
        (update, registry, self.wait)
    }
}

/// `skep service rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The service: name or ID
    pub service: String,
    #[command(flatten)]
    pub wait: Wait,
}

/// `skep service scale`
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Services, each with how many tasks it is to have
    #[arg(required = true, value_name = "SERVICE=REPLICAS")]
    pub services: Vec<Scale>,
    #[command(flatten)]
    pub wait: Wait,
}

/// `web=3`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// The service: name or ID.
    pub service: String,
    pub replicas: u64,
}

impl std::str::FromStr for Scale {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, replicas) = text
            .split_once('=')
            .filter(|(service, replicas)| !service.is_empty() && !replicas.is_empty())
            .ok_or("write SERVICE=REPLICAS, as web=3")?;
        let replicas = replicas
            .parse()
            .map_err(|_| format!("`{replicas}` is no number of tasks: write web=3"))?;
        Ok(Self { service: service.into(), replicas })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, service::Service};

    fn update(words: &str) -> UpdateArgs {
        let words = ["skep", "service", "update"].into_iter().chain(words.split(' '));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Service(Service::Update(args)) => *args,
            _ => panic!("another command"),
        }
    }

    #[test]
    fn flags_may_stand_on_either_side_of_the_service() {
        let args = update("--image nginx:2 web --env-rm A --publish-rm 80 --user= -d");
        let (update, _, wait) = args.update(Vec::new());
        assert_eq!(update.image.as_deref(), Some("nginx:2"));
        assert_eq!(update.remove.env, ["A"]);
        assert_eq!(update.options.user.as_deref(), Some(""), "an empty value is one");
        assert!(wait.detach);
    }

    #[test]
    fn a_rollback_is_asked_for_alone() {
        let alone = |words: &str| update(words).update(Vec::new()).0 == ServiceUpdate::default();
        assert!(alone("--rollback -q --timeout 1m web"));
        assert!(!alone("--rollback --force web") && !alone("--rollback --tty=false web"));
    }

    #[test]
    fn scaling_is_a_service_and_a_number() {
        let scale: Scale = "web=0".parse().unwrap();
        assert_eq!((scale.service.as_str(), scale.replicas), ("web", 0));
        for text in ["web", "=1", "web=", "web=-1", "web=a"] {
            assert!(text.parse::<Scale>().is_err(), "{text}");
        }
    }
}
