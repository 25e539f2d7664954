//! `machine create`: from docker-machine's flags to a machine's options.

use std::path::PathBuf;

use skep_cluster::{
    ClusterError, EngineOptions, Home,
    machines::{NewMachine, Stage, check_name, create as make},
};
use skep_guest::adopt::{own_key, resolve};
use skep_machine::{
    DriverKind, DriverOptions,
    none::EngineUrl,
    ssh::Host,
    virtualbox::{Iso, Options as VirtualBoxOptions, Share},
};
use skep_model::{MachineName, Size, Verdict};
use skep_os::{Import, import::Origin};
use skep_pki::Purpose;

use super::flags;
use crate::{
    advice,
    args::machine::{ClassicSwarm, Create, EngineFlags, Generic, VirtualBox},
    cluster_name::default_cluster,
    commands::{cert, print_lines},
    context::Context,
    failure::{Exit, Failure, one_line_as},
    persona::Persona,
};

pub(super) async fn create(context: &Context, args: Create) -> Result<(), Failure> {
    refuse_classic_swarm(&args.swarm)?;
    let name = name(&args)?;
    let driver = driver(context, &args)?;
    let home = context.home()?;
    check_name(&home, &name).map_err(failure)?;
    let ca_certificates =
        cert::read(&home, &args.ca_certificates, Purpose::System, &context.events)?;
    let others = flags::of_others(driver, &args)?;
    for ignored in others.ignored {
        context.events.warn(&name, ignored);
    }
    let timeout = args.timeout;
    let (options, size) = match driver {
        Some(DriverKind::None) => (Some(none(context, &args)?), Size::default()),
        Some(DriverKind::Ssh) => (Some(host(&args.generic).await?), Size::default()),
        Some(DriverKind::Virtualbox) => {
            let (options, own) = virtualbox(context, &home, &args.virtualbox).await?;
            let options = DriverOptions::Virtualbox(Some(Box::new(options)));
            (Some(options), size(&args).or(own))
        }
        other => (other.map(Into::into), size(&args).or(others.size)),
    };
    let key = match driver {
        Some(DriverKind::Ssh) => Some(key(context, &args.generic)?),
        _ => None,
    };
    let machine = NewMachine {
        name: name.clone(),
        cluster: context.global.name.clone(),
        default_cluster: default_cluster(),
        driver: options,
        size,
        engine: engine(args.engine, args.tls_san),
        publish: if flags::makes_machines(driver) { args.publish } else { Vec::new() },
        ca_certificates,
        key,
        install_engine: args.generic.install_engine,
        force: args.generic.force,
    };
    let on_stage = |stage| match stage {
        Stage::Looking => context.message("Running pre-create checks..."),
        Stage::Making => context.message("Creating machine..."),
        Stage::Waiting => {
            context.message("Waiting for machine to be running, this may take a few minutes...");
        }
        Stage::Ready => context.message("Docker is up and running!"),
    };
    let operation = context.operation().within(timeout);
    make(&home, machine, on_stage, operation).await.map_err(failure)?;
    context.message(format_args!(
        "To see how to connect your Docker Client to the Docker Engine running on this virtual \
         machine, run: docker-machine env {name}"
    ));
    if context.persona == Persona::DockerMachine {
        return Ok(());
    }
    context.say(&format!(
        "Use its engine:  eval \"$(skep env {name})\"\nRemove it:       skep machine rm {name}"
    ));
    print_lines([name])
}

/// A create that failed, in docker-machine's words too.
fn failure(error: ClusterError) -> Failure {
    let theirs = match &error {
        _ if error.is_cancelled() => None,
        ClusterError::MachineExists { machine, .. } => {
            Some(format!("Docker machine \"{machine}\" already exists"))
        }
        ClusterError::Preflight { checks, .. } => {
            let failed = checks.iter().filter(|check| check.verdict == Verdict::Fail);
            let line = |check: &skep_model::Check| {
                let text =
                    format!("Error with pre-create check: \"{}: {}\"", check.what, check.found);
                let fix = advice::words(&check.fix, Persona::DockerMachine);
                if fix.is_empty() { text } else { format!("{text}\n{fix}") }
            };
            Some(failed.map(line).collect::<Vec<_>>().join("\n"))
        }
        other => {
            Some(format!("Error creating machine: {}", one_line_as(other, Persona::DockerMachine)))
        }
    };
    let failure = Failure::from(error);
    match theirs {
        Some(theirs) => failure.with_theirs(theirs),
        None => failure,
    }
}

fn name(args: &Create) -> Result<MachineName, Failure> {
    let Some(name) = &args.name else {
        return Err(Failure::usage("say what the machine is to be called")
            .with_fix("`skep machine create NAME`")
            .with_theirs("Error: No machine name specified"));
    };
    name.parse().map_err(|error: skep_model::NameError| {
        Failure::usage(error.to_string()).with_theirs(format!("Error creating machine: {error}"))
    })
}

fn refuse_classic_swarm(swarm: &ClassicSwarm) -> Result<(), Failure> {
    let named = swarm.swarm
        || swarm.swarm_master
        || swarm.swarm_experimental
        || !swarm.swarm_opt.is_empty()
        || !swarm.swarm_join_opt.is_empty()
        || [
            &swarm.swarm_discovery,
            &swarm.swarm_addr,
            &swarm.swarm_host,
            &swarm.swarm_image,
            &swarm.swarm_strategy,
        ]
        .iter()
        .any(|option| option.is_some());
    if !named {
        return Ok(());
    }
    Err(Failure::usage(
        "the --swarm options are of the Swarm that ran as a container, which is gone",
    )
    .with_fix(
        "make the machine without them; then `skep swarm init MACHINE` and `skep swarm join \
             MACHINE…`, or `skep up` for a whole swarm at once",
    ))
}

/// The driver: named, or by the environment, or the default one.
fn driver(context: &Context, args: &Create) -> Result<Option<DriverKind>, Failure> {
    let named = args.driver.clone().or_else(|| set(context, "MACHINE_DRIVER"));
    let default = match context.persona {
        Persona::Skep => "auto",
        Persona::DockerMachine => "virtualbox",
    };
    match named.as_deref().unwrap_or(default) {
        "auto" => Ok(None),
        name => name
            .parse()
            .map(Some)
            .map_err(|error: skep_machine::MachineError| Failure::usage(error.to_string())),
    }
}

/// A variable's value, if it has one.
fn set(context: &Context, name: &str) -> Option<String> {
    context.environment(name).filter(|value| !value.is_empty())
}

fn size(args: &Create) -> Size {
    Size {
        memory: args.memory.map(|bytes| bytes.0),
        cpus: args.cpus,
        disk: args.disk_size.map(|bytes| bytes.0),
    }
}

fn engine(flags: EngineFlags, tls_sans: Vec<String>) -> EngineOptions {
    EngineOptions {
        env: flags.engine_env,
        insecure_registries: flags.engine_insecure_registry,
        labels: flags.engine_label,
        opts: flags.engine_opt,
        // An empty variable is none.
        registry_mirrors: flags
            .engine_registry_mirror
            .into_iter()
            .filter(|mirror| !mirror.is_empty())
            .collect(),
        storage_driver: flags.engine_storage_driver.filter(|driver| !driver.is_empty()),
        tls_sans,
    }
}

fn none(context: &Context, args: &Create) -> Result<DriverOptions, Failure> {
    let url = args.url.clone().or_else(|| set(context, "MACHINE_URL"));
    let url = url.filter(|url| !url.is_empty()).ok_or_else(|| {
        Failure::usage("driver none takes an engine that is there: say where with --url")
            .with_fix("`--url tcp://HOST:PORT`")
            .with_theirs(
                "Error setting machine configuration from flags provided: --url option is \
                 required when no driver is selected",
            )
    })?;
    let url = EngineUrl(url);
    url.authority().map_err(|error| {
        Failure::usage(error.to_string()).with_fix("write it as tcp://HOST:PORT")
    })?;
    Ok(DriverOptions::None(Some(url)))
}

async fn host(generic: &Generic) -> Result<DriverOptions, Failure> {
    let address = generic.generic_ip_address.as_deref().filter(|address| !address.is_empty());
    let address = address.ok_or_else(|| {
        Failure::usage("driver ssh takes a host that is there: say which with --ssh-host")
            .with_theirs(
                "Error setting machine configuration from flags provided: generic driver requires \
                 the --generic-ip-address option",
            )
    })?;
    let resolved = resolve(address).await.map_err(|why| {
        Failure::preflight(format!("the host {address} has no address: {why}"))
            .with_fix("look at the name, or give its IPv4 address")
    })?;
    Ok(DriverOptions::Ssh(Some(Host {
        address: resolved,
        ssh_port: generic.generic_ssh_port,
        engine_port: generic.generic_engine_port,
        user: generic.generic_ssh_user.clone(),
    })))
}

/// The key a host is logged in to with: the one named, else the first of the user's own.
fn key(context: &Context, generic: &Generic) -> Result<PathBuf, Failure> {
    let named = generic.generic_ssh_key.clone().filter(|key| !key.as_os_str().is_empty());
    if let Some(key) = named {
        return Ok(key);
    }
    let directory = set(context, "HOME").map(|home| PathBuf::from(home).join(".ssh"));
    directory.and_then(|directory| own_key(&directory)).ok_or_else(|| {
        Failure::usage("there is no key to log in with: none of your own is in ~/.ssh")
            .with_fix("name the private key that the host knows with --ssh-key")
    })
}

/// VirtualBox's options, and how big the machine is to be by its own flags.
async fn virtualbox(
    context: &Context,
    home: &Home,
    flags: &VirtualBox,
) -> Result<(VirtualBoxOptions, Size), Failure> {
    let cidr = &flags.virtualbox_hostonly_cidr;
    let host_only = cidr.parse().map_err(|_| {
        Failure::usage(format!("`{cidr}` is no --virtualbox-hostonly-cidr"))
            .with_fix("write the host's own address with the network's prefix: 192.168.99.1/24")
    })?;
    let size = Size {
        memory: flags::vbox_megabytes(flags.virtualbox_memory),
        cpus: Some(flags::vbox_cpus(flags.virtualbox_cpu_count)?),
        disk: flags::vbox_megabytes(flags.virtualbox_disk_size),
    };
    let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
    let share = match given(&flags.virtualbox_share_folder) {
        _ if flags.virtualbox_no_share => Share::Nothing,
        None => Share::Homes,
        Some(text) => match text.rsplit_once(':') {
            Some((path, name)) if !path.is_empty() && !name.is_empty() => {
                Share::Directory { path: path.into(), name: name.into() }
            }
            _ => {
                return Err(Failure::usage(format!("`{text}` is no --virtualbox-share-folder"))
                    .with_fix("write it as DIRECTORY:NAME"));
            }
        },
    };
    let iso = match given(&flags.virtualbox_boot2docker_url) {
        None => Iso::Skep,
        Some(url) => Iso::Boot2docker(boot2docker(context, home, &url).await?),
    };
    let options = VirtualBoxOptions {
        iso,
        host_only,
        host_only_nic: flags.virtualbox_hostonly_nictype.clone(),
        host_only_promiscuous: flags.virtualbox_hostonly_nicpromisc.clone(),
        no_dhcp: flags.virtualbox_hostonly_no_dhcp,
        nat_nic: flags.virtualbox_nat_nictype.clone(),
        host_dns_resolver: flags.virtualbox_host_dns_resolver,
        dns_proxy: !flags.virtualbox_no_dns_proxy,
        share,
        ui: flags.virtualbox_ui_type.clone(),
        no_vtx_check: flags.virtualbox_no_vtx_check,
        import_vm: given(&flags.virtualbox_import_boot2docker_vm),
        ..VirtualBoxOptions::default()
    };
    Ok((options, size))
}

/// A boot2docker.iso, in the cache: from a path, or an address.
async fn boot2docker(context: &Context, home: &Home, url: &str) -> Result<PathBuf, Failure> {
    // docker-machine's users write files as addresses.
    let text = url.strip_prefix("file://").unwrap_or(url);
    let origin: Origin = text
        .parse()
        .map_err(|error| Failure::usage(format!("--virtualbox-boot2docker-url {url}: {error}")))?;
    let import = Import::new(home.layout().os(), origin).with_network(context.network());
    match import.run(&context.events, &context.cancel).await {
        Ok(imported) => Ok(imported.iso),
        Err(skep_os::import::ImportError::Cancelled) => {
            Err(Failure::new(Exit::Interrupted, "interrupted"))
        }
        Err(error) => Err(Failure::of(Exit::Preflight, &error)),
    }
}
