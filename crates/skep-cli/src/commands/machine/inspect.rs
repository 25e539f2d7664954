//! `machine inspect`: docker-machine's JSON of a machine, and Go templates over it.
//!
//! The shape is that of its `config.json`, version 3. What skep has no use for is there with the
//! value it has in a machine that docker-machine made with its defaults.

use serde_json::{Value, json};
use skep_machine::{
    DriverOptions,
    virtualbox::{Iso, Options, Share},
};
use skep_model::Size;
use skep_pki::store::{AUTHORITY, AUTHORITY_KEY, CLIENT, CLIENT_KEY};
use skep_template::{Objects, Template};

use super::{
    facts::{Found, driver_name, text},
    named::named_one,
};
use crate::{
    commands::hand_on,
    context::Context,
    failure::{Exit, Failure},
    persona::Persona,
    visible,
};

/// The version of docker-machine's format.
const CONFIG_VERSION: u64 = 3;

pub(super) async fn inspect(
    context: &Context,
    machines: &[String],
    format: Option<&str>,
) -> Result<(), Failure> {
    // Understood before anything is looked for.
    let template = match format {
        None | Some("") => None,
        Some(format) => Some(Template::parse(format, Objects::Maps).map_err(|error| {
            let exit = misuse(context.persona);
            Failure::new(exit, format!("template parsing error: {error}"))
        })?),
    };
    let found = Found::of(context, &named_one(context, machines)?)?;
    let config = config(&found, context.persona);
    let text = match template {
        None => visible::json(&pretty(&config)?),
        Some(template) => {
            template.render(&config).map_err(|error| Failure::failed(error.to_string()))?
        }
    };
    hand_on(&format!("{text}\n"))
}

/// The code of a template that is none: docker-machine has no code for misuse.
fn misuse(persona: Persona) -> Exit {
    match persona {
        Persona::Skep => Exit::Usage,
        Persona::DockerMachine => Exit::Failed,
    }
}

fn pretty(config: &Value) -> Result<String, Failure> {
    skep_template::pretty(config).map_err(Failure::failed)
}

/// A machine's configuration, as docker-machine keeps it.
pub(super) fn config(found: &Found, persona: Persona) -> Value {
    let record = found.cluster.record();
    json!({
        "ConfigVersion": CONFIG_VERSION,
        "Driver": driver(found),
        "DriverName": driver_name(persona, record.driver),
        "HostOptions": host_options(found),
        "Name": found.machine.name,
    })
}

/// What docker-machine keeps of a host besides its driver's configuration.
pub(super) fn host_options(found: &Found) -> Value {
    let engine = &found.machine.engine;
    let layout = found.cluster.home().layout();
    let (certs, own) = (layout.certs(), directory(found));
    json!({
        "Driver": "",
        "Memory": 0,
        "Disk": 0,
        "EngineOptions": {
            "ArbitraryFlags": engine.opts,
            "Dns": null,
            "GraphDir": "",
            "Env": engine.env,
            "Ipv6": false,
            "InsecureRegistry": engine.insecure_registries,
            "Labels": engine.labels,
            "LogLevel": "",
            "StorageDriver": engine.storage_driver.as_deref().unwrap_or_default(),
            "SelinuxEnabled": false,
            "TlsVerify": true,
            "RegistryMirror": engine.registry_mirrors,
            "InstallURL": "",
        },
        "SwarmOptions": {
            "IsSwarm": false,
            "Address": "",
            "Discovery": "",
            "Agent": false,
            "Master": false,
            "Host": "tcp://0.0.0.0:3376",
            "Image": "swarm:latest",
            "Strategy": "spread",
            "Heartbeat": 0,
            "Overcommit": 0,
            "ArbitraryFlags": [],
            "ArbitraryJoinFlags": [],
            "Env": null,
            "IsExperimental": false,
        },
        "AuthOptions": {
            "CertDir": text(&certs),
            "CaCertPath": text(certs.join(AUTHORITY)),
            "CaPrivateKeyPath": text(certs.join(AUTHORITY_KEY)),
            "CaCertRemotePath": "",
            "ServerCertPath": text(own.join("server.pem")),
            "ServerKeyPath": text(own.join("server-key.pem")),
            "ClientKeyPath": text(certs.join(CLIENT_KEY)),
            "ServerCertRemotePath": "",
            "ServerKeyRemotePath": "",
            "ClientCertPath": text(certs.join(CLIENT)),
            "ServerCertSANs": engine.tls_sans,
            "StorePath": text(own),
        },
    })
}

fn directory(found: &Found) -> std::path::PathBuf {
    let layout = found.cluster.home().layout();
    let cluster = layout.cluster(&found.cluster.record().name);
    cluster.machine(&found.machine.name).directory().to_owned()
}

fn driver(found: &Found) -> Value {
    let mut driver = json!({
        "IPAddress": found.address().unwrap_or_default(),
        "MachineName": found.machine.name,
        "SSHUser": "",
        "SSHPort": 0,
        "SSHKeyPath": "",
        "StorePath": text(found.cluster.home().layout().root()),
        "SwarmMaster": false,
        "SwarmHost": "",
        "SwarmDiscovery": "",
    });
    let size = found.machine.size.or(found.cluster.record().size);
    if found.machine.system().has_login()
        && let Ok(access) = found.cluster.access(&found.machine)
    {
        driver["SSHUser"] = access.user.into();
        driver["SSHPort"] = access.port.into();
        driver["SSHKeyPath"] = text(access.key).into();
    }
    let more = match &found.machine.options {
        DriverOptions::None(Some(url)) => json!({ "URL": url.0 }),
        DriverOptions::Ssh(Some(host)) => json!({ "EnginePort": host.engine_port, "SSHKey": "" }),
        DriverOptions::Virtualbox(Some(options)) => {
            driver["SwarmHost"] = "tcp://0.0.0.0:3376".into();
            virtualbox(options, size)
        }
        _ => json!({
            "CPU": size.cpus.unwrap_or_default(),
            "Memory": megabytes(size.memory),
            "DiskSize": megabytes(size.disk),
        }),
    };
    if let (Some(driver), Value::Object(more)) = (driver.as_object_mut(), more) {
        driver.extend(more);
    }
    driver
}

fn virtualbox(options: &Options, size: Size) -> Value {
    let iso = match &options.iso {
        Iso::Skep => String::new(),
        Iso::Boot2docker(path) => format!("file://{}", path.display()),
    };
    let share = match &options.share {
        Share::Directory { path, name } => format!("{}:{name}", path.display()),
        Share::Homes | Share::Nothing => String::new(),
    };
    json!({
        "VBoxManager": {},
        "HostInterfaces": {},
        "CPU": size.cpus.unwrap_or(1),
        "Memory": megabytes(size.memory),
        "DiskSize": megabytes(size.disk),
        "NatNicType": options.nat_nic,
        "Boot2DockerURL": iso,
        "Boot2DockerImportVM": options.import_vm.as_deref().unwrap_or_default(),
        "HostDNSResolver": options.host_dns_resolver,
        "HostOnlyCIDR": options.host_only.to_string(),
        "HostOnlyNicType": options.host_only_nic,
        "HostOnlyPromiscMode": options.host_only_promiscuous,
        "UIType": options.ui,
        "HostOnlyNoDHCP": options.no_dhcp,
        "NoShare": options.share == Share::Nothing,
        "DNSProxy": options.dns_proxy,
        "NoVTXCheck": options.no_vtx_check,
        "ShareFolder": share,
    })
}

fn megabytes(bytes: Option<u64>) -> u64 {
    bytes.unwrap_or_default() >> 20
}
