//! `skep service create`

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use skep_service::spec::{
    Attachment, FileReference, GenericResource, Host, KeyValue, Label, Mount, NewMode, Options,
    Ports, Preference, Resources, ServiceCreate, Ulimit, container::search_domain,
};

use super::{
    super::OtherName,
    Wait,
    flags::{RegistryFlags, ServiceFlags},
};

/// `skep service create`
#[derive(Debug, Args)]
#[command(override_usage = "skep service create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
pub struct CreateArgs {
    /// The image, and what to run in place of the image's own command
    // One list, because nothing behind the image is a flag of skep's, as with docker.
    #[arg(required = true, trailing_var_arg = true, num_args = 1.., value_name = "IMAGE [COMMAND]")]
    pub image: Vec<String>,
    /// Its name [default: one that the engine invents]
    #[arg(long)]
    pub name: Option<String>,
    /// How many tasks there are, and whether they are meant to end
    #[arg(long, value_enum, default_value_t)]
    pub mode: ModeArg,
    /// Publish a port: PUBLISHED:TARGET[/udp], ranges of them, or published=,target=,protocol=,mode=; may be repeated
    #[arg(long, short, value_name = "PORT")]
    pub publish: Vec<Ports>,
    /// Set an environment variable, NAME alone from the environment here; may be repeated
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read environment variables from a file, one a line; may be repeated
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Mount a volume, a directory of the node or memory: type=,source=,target=,readonly, …; may be repeated
    #[arg(long, value_name = "MOUNT")]
    pub mount: Vec<Mount>,
    /// Give it a secret: NAME, or source=,target=,uid=,gid=,mode=; may be repeated
    #[arg(long, value_name = "SECRET")]
    pub secret: Vec<FileReference>,
    /// Give it a config: NAME, or source=,target=,uid=,gid=,mode=; may be repeated
    #[arg(long, value_name = "CONFIG")]
    pub config: Vec<FileReference>,
    /// Attach it to a network: NAME, or name=,alias=,driver-opt=; may be repeated
    #[arg(long, value_name = "NETWORK")]
    pub network: Vec<Attachment>,
    /// Place tasks only where this holds: node.role==worker; may be repeated
    #[arg(long, value_name = "CONSTRAINT")]
    pub constraint: Vec<String>,
    /// Spread tasks: spread=node.labels.NAME; may be repeated
    #[arg(long, value_name = "PREFERENCE")]
    pub placement_pref: Vec<Preference>,
    /// Reserve a number of what nodes say they have; may be repeated
    #[arg(long, value_name = "KIND=COUNT")]
    pub generic_resource: Vec<GenericResource>,
    /// A label of the service; may be repeated
    #[arg(long, short, value_name = "KEY[=VALUE]")]
    pub label: Vec<Label>,
    /// A label of its containers; may be repeated
    #[arg(long, value_name = "KEY[=VALUE]")]
    pub container_label: Vec<Label>,
    /// One more group of the container's user; may be repeated
    #[arg(long, value_name = "GROUP")]
    pub group: Vec<String>,
    /// A name server; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<IpAddr>,
    /// An option of the resolver; may be repeated
    #[arg(long, value_name = "OPTION")]
    pub dns_option: Vec<String>,
    /// A domain to search; may be repeated
    #[arg(long, value_name = "DOMAIN", value_parser = search_domain)]
    pub dns_search: Vec<String>,
    /// A host name and its address; may be repeated
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub host: Vec<Host>,
    /// A sysctl; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<KeyValue>,
    /// A limit of processes; may be repeated
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<Ulimit>,
    #[command(flatten)]
    pub flags: ServiceFlags,
    #[command(flatten)]
    pub other_name: OtherName,
    #[command(flatten)]
    pub wait: Wait,
}

/// A mode on the command line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// So many tasks, anywhere
    #[default]
    Replicated,
    /// A task on each node
    Global,
    /// So many tasks that each run to their end
    ReplicatedJob,
    /// A task on each node that runs to its end
    GlobalJob,
}

impl From<ModeArg> for NewMode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Replicated => NewMode::Replicated,
            ModeArg::Global => NewMode::Global,
            ModeArg::ReplicatedJob => NewMode::ReplicatedJob,
            ModeArg::GlobalJob => NewMode::GlobalJob,
        }
    }
}

impl CreateArgs {
    /// The service that is asked for, given its environment variables, which may come from files
    /// and from the environment.
    pub fn service(self, env: Vec<String>) -> (ServiceCreate, RegistryFlags, Wait) {
        let (shared, registry) = self.flags.options();
        let options = Options {
            labels: self.label,
            container_labels: self.container_label,
            env,
            groups: self.group,
            mounts: self.mount,
            dns: self.dns.iter().map(ToString::to_string).collect(),
            dns_options: self.dns_option,
            dns_search: self.dns_search,
            hosts: self.host,
            sysctls: self.sysctl,
            ulimits: self.ulimit,
            secrets: self.secret,
            configs: self.config,
            networks: self.network,
            resources: Resources { generic: self.generic_resource, ..shared.resources },
            constraints: self.constraint,
            placement_preferences: self.placement_pref,
            publish: self.publish,
            ..shared
        };
        let mut words = self.image.into_iter();
        let service = ServiceCreate {
            name: self.name,
            image: words.next().unwrap_or_default(),
            args: words.collect(),
            mode: self.mode.into(),
            options,
        };
        (service, registry, self.wait)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command, service::Service};

    fn create(words: &str) -> Result<(ServiceCreate, RegistryFlags, Wait), String> {
        let words = ["skep", "service", "create"].into_iter().chain(words.split(' '));
        let cli = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        let Command::Service(Service::Create(args)) = cli.command else {
            return Err("another command".into());
        };
        let env = args.env.clone();
        Ok(args.service(env))
    }

    #[test]
    fn what_stands_behind_the_image_is_the_containers() {
        let (service, _, wait) = create("-dtp 80:80 --init=false nginx -p 1 --name x").unwrap();
        assert_eq!(
            (service.image.as_str(), service.args.join(" ")),
            ("nginx", "-p 1 --name x".into())
        );
        assert_eq!(service.options.ports().count(), 1);
        assert_eq!((service.options.init, service.options.tty), (Some(false), Some(true)));
        assert!(wait.detach && service.name.is_none());
    }

    #[test]
    fn the_name_is_the_services() {
        let (service, ..) = create("--name web --cluster other -l a=b -e A=1 nginx").unwrap();
        assert_eq!(service.name.as_deref(), Some("web"));
        assert_eq!((service.options.labels.len(), service.options.env.len()), (1, 1));
        assert!(create("-n web nginx").is_err(), "-n is neither the service nor the cluster");
    }

    #[test]
    fn a_flag_that_is_no_good_is_named_with_its_value() {
        for (words, what) in [
            ("-p 1-2:3-5 nginx", "--publish"),
            ("--limit-memory much nginx", "--limit-memory"),
            ("--restart-condition never nginx", "--restart-condition"),
            ("--ulimit files=1 nginx", "--ulimit"),
            ("--dns nowhere nginx", "--dns"),
            ("--no-such nginx", "--no-such"),
            ("--tty", "IMAGE"),
        ] {
            let error = create(words).unwrap_err();
            assert!(error.contains(what), "{words}: {error}");
        }
    }
}
