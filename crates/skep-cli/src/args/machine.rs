//! `skep machine …` and `docker-machine …`: docker-machine's verbs and flags.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use skep_model::{Bytes, MachineName, Port};

use super::{EnvArgs, Global, MOST_SECONDS, duration, given::Given};

/// The command line under the name `docker-machine`: its own global options, then its verbs.
#[derive(Debug, Parser)]
#[command(
    name = "docker-machine",
    about = "Create and manage machines running Docker.",
    after_help = "This is skep, which answers as docker-machine when it is started under that name.",
    disable_version_flag = true
)]
pub struct DockerMachine {
    #[command(flatten)]
    pub global: Global,
    #[command(flatten)]
    pub old: OldGlobal,
    #[command(subcommand)]
    pub verb: Option<Machine>,
}

/// docker-machine's global options, as far as they mean something here; the rest is accepted.
#[derive(Debug, Clone, Default, Args)]
pub struct OldGlobal {
    /// Print the version
    #[arg(long, short = 'v')]
    pub version: bool,
    /// Keep state below this directory, in `skep` [env: MACHINE_STORAGE_PATH]
    #[arg(long, short = 's', value_name = "DIRECTORY")]
    pub storage_path: Option<PathBuf>,
    /// Accepted; errors say what they know anyway
    #[arg(long, short = 'D', hide = true)]
    pub debug: bool,
    /// Accepted; OpenSSH is used
    #[arg(long, hide = true)]
    pub native_ssh: bool,
    /// Accepted; nothing is asked of GitHub
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub github_api_token: Option<String>,
    /// Accepted; nothing is reported
    #[arg(long, hide = true, value_name = "TOKEN")]
    pub bugsnag_api_token: Option<String>,
}

/// docker-machine's verbs.
#[derive(Debug, Subcommand)]
pub enum Machine {
    /// Print which machine the docker CLI is pointed at
    Active {
        /// Seconds to wait for each machine
        #[arg(
            long,
            short,
            default_value_t = 10,
            value_parser = clap::value_parser!(u64).range(..=MOST_SECONDS),
            value_name = "SECONDS"
        )]
        timeout: u64,
    },
    /// Print the docker CLI's options for a machine
    Config {
        /// The machine [default: default]
        machine: Vec<String>,
        /// Refused: Docker Swarm is part of every engine by now
        #[arg(long, hide = true)]
        swarm: bool,
    },
    /// Make a machine
    Create(Box<Create>),
    /// Print the environment that points the docker CLI at a machine
    Env(EnvArgs),
    /// Show what is known of machines, as docker-machine's JSON
    Inspect {
        /// The machines [default: default]
        machines: Vec<String>,
        /// A Go template: `{{.Driver.IPAddress}}`
        #[arg(long, short, value_name = "TEMPLATE")]
        format: Option<String>,
    },
    /// Print the addresses of machines, in the order asked
    Ip {
        /// The machines [default: default]
        machines: Vec<String>,
    },
    /// Switch machines off at once, as if the plug were pulled
    Kill(Take),
    /// List machines
    Ls(Ls),
    /// Mount a directory of a machine with sshfs
    Mount {
        /// The directory: MACHINE:PATH
        source: String,
        /// Where to mount it [default: the same path]
        mountpoint: Option<PathBuf>,
        /// Unmount instead
        #[arg(long, short)]
        unmount: bool,
    },
    /// Do again what is done to a machine when it is made
    Provision(Take),
    /// Give machines' engines new TLS certificates
    RegenerateCerts {
        /// The machines [default: default]
        machines: Vec<String>,
        /// Do not ask, and restart the engines even if their swarm loses its quorum
        #[arg(long, short)]
        force: bool,
        /// Make a new client certificate, too
        #[arg(long)]
        client_certs: bool,
    },
    /// Switch machines off and on again
    Restart(Take),
    /// Remove machines
    Rm {
        /// The machines
        #[arg(required = true)]
        machines: Vec<String>,
        /// Remove machines even if their swarm is lost with them, forget one that cannot be
        /// removed, and do not ask
        #[arg(long, short)]
        force: bool,
        /// Do not ask. What would cost a swarm its quorum is refused all the same
        #[arg(short)]
        yes: bool,
    },
    /// Copy files between this host and machines
    Scp {
        /// `PATH`, `MACHINE:PATH` or `USER@MACHINE:PATH`
        source: OsString,
        /// `PATH`, `MACHINE:PATH` or `USER@MACHINE:PATH`
        destination: OsString,
        /// Directories with what is in them
        #[arg(long, short)]
        recursive: bool,
        /// Send differences only, with rsync
        #[arg(long, short)]
        delta: bool,
        /// No progress, no warnings of ssh's
        #[arg(long, short)]
        quiet: bool,
    },
    /// Log in to a machine, or run a command there
    Ssh {
        /// The machine [default: default]
        machine: Option<String>,
        /// The command; read by the machine's shell, as with ssh.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Switch machines on, and wait until their engines answer
    Start(Switch),
    /// Print the state of a machine
    Status {
        /// The machine [default: default]
        machine: Vec<String>,
    },
    /// Ask machines to switch themselves off, and wait until they have
    Stop(Take),
    /// Give machines the newest engine there is for their system
    Upgrade(Take),
    /// Print the URL of a machine's engine
    Url {
        /// The machine [default: default]
        machine: Vec<String>,
    },
    /// Print this program's version, or that of a machine's engine
    Version {
        /// The machine
        machine: Vec<String>,
    },
    /// Take over docker-machine's machines, leaving its store as it is
    Import {
        /// docker-machine's store [default: ~/.docker/machine] [env: MACHINE_STORAGE_PATH]
        #[arg(long, value_name = "DIRECTORY")]
        from: Option<PathBuf>,
        /// These machines only
        machines: Vec<String>,
        /// Take a machine over under another name; may be repeated
        #[arg(id = "as", long = "as", value_name = "OLD=NEW", value_parser = renamed)]
        renamed: Vec<(String, MachineName)>,
        /// Say what would be done
        #[arg(long)]
        dry_run: bool,
    },
}

/// Machines to be switched on or off.
#[derive(Debug, Args)]
pub struct Switch {
    /// The machines [default: default]
    pub machines: Vec<String>,
    /// How long an engine may take to answer after a start
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "TIME")]
    pub timeout: Duration,
}

/// Machines that are taken away, for a while or until they are switched on again.
#[derive(Debug, Args)]
pub struct Take {
    #[command(flatten)]
    pub switch: Switch,
    /// Do it even if their swarm loses its quorum
    #[arg(long)]
    pub force: bool,
}

/// `machine ls`
#[derive(Debug, Args)]
pub struct Ls {
    /// How the list is printed: table, json, or a Go template
    #[arg(long, short, default_value = "table")]
    pub format: String,
    /// Print names only
    #[arg(long, short)]
    pub quiet: bool,
    /// Only those of which this holds: name=REGEX, driver=, state=, swarm=, label=KEY=VALUE
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// Seconds to wait for each machine
    #[arg(
        long,
        short,
        default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(..=MOST_SECONDS),
        value_name = "SECONDS"
    )]
    pub timeout: u64,
}

/// `machine create`
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    pub given: Given,
    /// The machine's name
    pub name: Option<String>,
    /// The driver that creates the machine: auto, container, qemu, virtualbox, ssh (generic) or none
    /// [default: auto; virtualbox as docker-machine] [env: MACHINE_DRIVER]
    #[arg(long, short)]
    pub driver: Option<String>,
    /// Memory, in megabytes or with a unit
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cpus: Option<u32>,
    /// The most the disk may hold (qemu, virtualbox)
    #[arg(long, value_name = "SIZE")]
    pub disk_size: Option<Bytes>,
    /// A port the machine answers on at its address, besides SSH and the engine
    #[arg(long, value_name = "[HOST:]PORT[/udp]")]
    pub publish: Vec<Port>,
    /// A CA certificate (PEM, bundle or DER) the machine is to trust; may be repeated
    #[arg(long = "ca-certificate", value_name = "FILE")]
    pub ca_certificates: Vec<PathBuf>,
    /// How long the machine may take to be ready
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "TIME")]
    pub timeout: Duration,
    /// Another name for the engine's certificate; may be repeated
    #[arg(long, value_name = "NAME")]
    pub tls_san: Vec<String>,
    /// The URL of the engine (none) [env: MACHINE_URL]
    #[arg(long, value_name = "URL", help_heading = "Driver none")]
    pub url: Option<String>,
    #[command(flatten)]
    pub engine: EngineFlags,
    #[command(flatten)]
    pub generic: Generic,
    #[command(flatten)]
    pub virtualbox: VirtualBox,
    #[command(flatten)]
    pub swarm: ClassicSwarm,
}

/// `--engine-…`
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineFlags {
    /// A variable of the engine's environment: proxies
    #[arg(long, value_name = "KEY=VALUE")]
    pub engine_env: Vec<String>,
    /// A registry that may be asked without TLS
    #[arg(long, value_name = "HOST[:PORT]")]
    pub engine_insecure_registry: Vec<String>,
    /// Where the engine is installed from; here always the distribution's packages
    #[arg(long, value_name = "URL", env = "MACHINE_DOCKER_INSTALL_URL", hide_env_values = true)]
    pub engine_install_url: Option<String>,
    /// A label of the engine
    #[arg(long, value_name = "KEY=VALUE")]
    pub engine_label: Vec<String>,
    /// An option of the engine's, as in its configuration file
    #[arg(long, value_name = "FLAG=VALUE")]
    pub engine_opt: Vec<String>,
    /// A mirror of Docker Hub
    #[arg(long, value_name = "URL", env = "ENGINE_REGISTRY_MIRROR", hide_env_values = true)]
    pub engine_registry_mirror: Vec<String>,
    /// The engine's storage driver
    #[arg(long, value_name = "NAME")]
    pub engine_storage_driver: Option<String>,
}

/// `--generic-…`
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Driver ssh (docker-machine's generic)")]
pub struct Generic {
    /// The host's address
    #[arg(
        long,
        visible_alias = "ssh-host",
        value_name = "ADDRESS",
        env = "GENERIC_IP_ADDRESS",
        hide_env_values = true
    )]
    pub generic_ip_address: Option<String>,
    /// The private key [default: the user's own]
    #[arg(
        long,
        visible_alias = "ssh-key",
        value_name = "FILE",
        env = "GENERIC_SSH_KEY",
        hide_env_values = true
    )]
    pub generic_ssh_key: Option<PathBuf>,
    /// The port of its SSH server
    #[arg(
        long,
        visible_alias = "ssh-port",
        default_value_t = 22,
        value_name = "PORT",
        value_parser = clap::value_parser!(u16).range(1..),
        env = "GENERIC_SSH_PORT",
        hide_env_values = true
    )]
    pub generic_ssh_port: u16,
    /// The user to log in as; root, or one with sudo without a password
    #[arg(
        long,
        visible_alias = "ssh-user",
        default_value = "root",
        value_name = "USER",
        value_parser = user,
        env = "GENERIC_SSH_USER",
        hide_env_values = true
    )]
    pub generic_ssh_user: String,
    /// The port its engine is to answer on, with TLS
    #[arg(
        long,
        visible_alias = "engine-port",
        default_value_t = 2376,
        value_name = "PORT",
        value_parser = clap::value_parser!(u16).range(1..),
        env = "GENERIC_ENGINE_PORT",
        hide_env_values = true
    )]
    pub generic_engine_port: u16,
    /// Install an engine from the distribution's packages if there is none
    #[arg(long)]
    pub install_engine: bool,
    /// Take the host over even if it is in another swarm, or its engine belongs to another user
    #[arg(long)]
    pub force: bool,
}

fn renamed(text: &str) -> Result<(String, MachineName), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() => {
            let new = new.parse().map_err(|error: skep_model::NameError| error.to_string())?;
            Ok((old.to_owned(), new))
        }
        _ => Err("write the name there and the name here: OLD=NEW".into()),
    }
}

fn user(text: &str) -> Result<String, skep_guest::GuestError> {
    skep_guest::check_user(text).map(|()| text.to_owned())
}

/// `--virtualbox-…`
#[derive(Debug, Args)]
#[command(next_help_heading = "Driver virtualbox")]
pub struct VirtualBox {
    /// A boot2docker.iso to start from: a path or URL [default: skep's own system]
    #[arg(long, value_name = "URL", env = "VIRTUALBOX_BOOT2DOCKER_URL", hide_env_values = true)]
    pub virtualbox_boot2docker_url: Option<String>,
    /// Processors; -1 for as many as the host has
    #[arg(
        long,
        default_value_t = 1,
        value_name = "N",
        allow_negative_numbers = true,
        env = "VIRTUALBOX_CPU_COUNT",
        hide_env_values = true
    )]
    pub virtualbox_cpu_count: i64,
    /// The disk, in megabytes
    #[arg(
        long,
        default_value_t = 20000,
        value_name = "MB",
        env = "VIRTUALBOX_DISK_SIZE",
        hide_env_values = true
    )]
    pub virtualbox_disk_size: u64,
    /// Resolve names with the host's resolver
    #[arg(long, env = "VIRTUALBOX_HOST_DNS_RESOLVER", hide_env_values = true)]
    pub virtualbox_host_dns_resolver: bool,
    /// The host-only network: the host's own address in it
    #[arg(
        long,
        default_value = "192.168.99.1/24",
        value_name = "CIDR",
        env = "VIRTUALBOX_HOSTONLY_CIDR",
        hide_env_values = true
    )]
    pub virtualbox_hostonly_cidr: String,
    /// The host-only card's promiscuous mode: deny, allow-vms, allow-all
    #[arg(
        long,
        default_value = "deny",
        value_name = "MODE",
        env = "VIRTUALBOX_HOSTONLY_NIC_PROMISC",
        hide_env_values = true
    )]
    pub virtualbox_hostonly_nicpromisc: String,
    /// The host-only card: 82540EM, 82543GC, 82545EM, Am79C970A, Am79C973, virtio
    #[arg(
        long,
        default_value = "82540EM",
        value_name = "TYPE",
        env = "VIRTUALBOX_HOSTONLY_NIC_TYPE",
        hide_env_values = true
    )]
    pub virtualbox_hostonly_nictype: String,
    /// No DHCP server on the host-only network
    #[arg(long, env = "VIRTUALBOX_HOSTONLY_NO_DHCP", hide_env_values = true)]
    pub virtualbox_hostonly_no_dhcp: bool,
    /// The name of a Boot2Docker VM to take the disk of
    #[arg(
        long,
        value_name = "VM",
        env = "VIRTUALBOX_BOOT2DOCKER_IMPORT_VM",
        hide_env_values = true
    )]
    pub virtualbox_import_boot2docker_vm: Option<String>,
    /// Memory, in megabytes
    #[arg(
        long,
        default_value_t = 1024,
        value_name = "MB",
        env = "VIRTUALBOX_MEMORY_SIZE",
        hide_env_values = true
    )]
    pub virtualbox_memory: u64,
    /// The card to the outside, of the same types
    #[arg(
        long,
        default_value = "82540EM",
        value_name = "TYPE",
        env = "VIRTUALBOX_NAT_NICTYPE",
        hide_env_values = true
    )]
    pub virtualbox_nat_nictype: String,
    /// Do not answer the machine's DNS requests on the host
    #[arg(long, env = "VIRTUALBOX_NO_DNS_PROXY", hide_env_values = true)]
    pub virtualbox_no_dns_proxy: bool,
    /// Share no directory
    #[arg(long, env = "VIRTUALBOX_NO_SHARE", hide_env_values = true)]
    pub virtualbox_no_share: bool,
    /// Do not look for hardware virtualization
    #[arg(long, env = "VIRTUALBOX_NO_VTX_CHECK", hide_env_values = true)]
    pub virtualbox_no_vtx_check: bool,
    /// Share this directory in place of the users' homes
    #[arg(long, value_name = "DIR:NAME", env = "VIRTUALBOX_SHARE_FOLDER", hide_env_values = true)]
    pub virtualbox_share_folder: Option<String>,
    /// gui, sdl, headless or separate
    #[arg(
        long,
        default_value = "headless",
        value_name = "TYPE",
        env = "VIRTUALBOX_UI_TYPE",
        hide_env_values = true
    )]
    pub virtualbox_ui_type: String,
}

/// `--swarm…`: Docker Swarm as a container of its own, which no engine has any more. Understood so
/// that it can be refused with what to do instead.
#[derive(Debug, Default, Args)]
pub struct ClassicSwarm {
    /// Refused: use `skep up`, or `docker swarm init`
    #[arg(long, hide = true)]
    pub swarm: bool,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_master: bool,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_discovery: Option<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_addr: Option<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_host: Option<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_image: Option<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_strategy: Option<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_experimental: bool,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_opt: Vec<String>,
    /// Refused.
    #[arg(long, hide = true)]
    pub swarm_join_opt: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn docker_machines_command_line_is_consistent() {
        DockerMachine::command().debug_assert();
    }

    #[test]
    fn what_follows_a_machine_is_its_command() {
        let command = |words: &[&str]| {
            let words = [&["docker-machine", "ssh"], words].concat();
            match DockerMachine::try_parse_from(words).unwrap().verb {
                Some(Machine::Ssh { machine, command }) => (machine.unwrap_or_default(), command),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(command(&["gen1", "ls", "-l", "/"]).1, ["ls", "-l", "/"]);
        assert_eq!(command(&["gen1", "-v", "--help"]).1, ["-v", "--help"]);
        let (machine, command) = command(&["gen1", "--", "echo", "hi"]);
        assert_eq!(machine, "gen1");
        // Behind the machine `--` may stay; `machine ssh` passes over it.
        assert_eq!(command[command.len() - 2..], ["echo", "hi"]);
    }
}
