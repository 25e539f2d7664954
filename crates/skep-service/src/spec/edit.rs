//! What making and changing a service share: each option's place in the JSON.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::spec::{
    FileReference, Options, Ports, Resolved, SpecError,
    command::Command,
    container::{CredentialSpec, host_removal},
    json::{child, edit_map, edit_strings, list, map, set, strings, text},
    options::Removals,
    policy::{health, nanoseconds, restart, rollout},
    port::{self, Claims},
    value::{KeyValue, Label},
};

/// One edit of one service.
pub(super) struct Edit<'a> {
    pub(super) options: &'a Options,
    pub(super) remove: &'a Removals,
    pub(super) resolved: &'a Resolved,
    pub(super) command: Command,
}

impl Edit<'_> {
    pub(super) fn apply(&self, spec: &mut Value) -> Result<(), SpecError> {
        let Self { options, remove, .. } = *self;
        edit_map(spec, "Labels", &remove.labels, labels(&options.labels));
        let task = child(spec, "TaskTemplate");
        self.container(child(task, "ContainerSpec"))?;
        self.resources(task)?;
        restart(task, &options.restart, self.command);
        self.placement(task);
        self.networks(task)?;
        self.log_driver(task)?;
        rollout(spec, "UpdateConfig", &options.update, self.command);
        rollout(spec, "RollbackConfig", &options.rollback, self.command);
        self.endpoint(spec)
    }

    fn container(&self, container: &mut Value) -> Result<(), SpecError> {
        let Self { options, remove, .. } = *self;
        let command = self.command;
        let added = labels(&options.container_labels);
        edit_map(container, "Labels", &remove.container_labels, added);
        set(container, "Command", options.entrypoint.as_ref().map(|words| words.0.clone()));
        set(container, "Hostname", options.hostname.clone());
        set(container, "Dir", options.workdir.clone());
        set(container, "User", options.user.clone());
        edit_strings(container, "Groups", &remove.groups, options.groups.clone(), command);
        set(container, "Init", options.init);
        set(container, "StopSignal", options.stop_signal.clone());
        set(container, "TTY", options.tty);
        set(container, "OpenStdin", options.open_stdin);
        set(container, "ReadOnly", options.read_only);
        set(container, "Isolation", options.isolation.clone());
        set(container, "StopGracePeriod", nanoseconds(options.stop_grace_period));
        self.mounts(container)?;
        health(container, &options.health)?;
        self.names(container);
        edit_map(container, "Sysctls", &keys(&remove.sysctls), pairs(&options.sysctls));
        self.ulimits(container);
        self.each_once("secret target", options.secrets.iter().map(|file| &file.target))?;
        self.each_once("config target", options.configs.iter().map(|file| &file.target))?;
        let secrets = (&remove.secrets[..], &options.secrets[..], &self.resolved.secrets);
        self.references(container, "Secret", secrets);
        let configs = (&remove.configs[..], &options.configs[..], &self.resolved.configs);
        self.references(container, "Config", configs);
        self.credentials(container);
        Ok(())
    }

    fn mounts(&self, container: &mut Value) -> Result<(), SpecError> {
        let (add, remove) = (&self.options.mounts, &self.remove.mounts);
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        let mut mounts = list(container, "Mounts");
        mounts.retain(|mount| {
            let target = text(mount, "Target");
            !remove.iter().any(|gone| gone == target) && !add.iter().any(|new| new.target == target)
        });
        self.each_once("mount target", add.iter().map(|mount| &mount.target))?;
        for mount in add {
            if !remove.contains(&mount.target) {
                mounts.push(mount.to_json());
            }
        }
        if self.command == Command::Update {
            let key = |mount: &Value| {
                (text(mount, "Source").to_owned(), text(mount, "Target").to_owned())
            };
            mounts.sort_by_key(key);
        }
        container["Mounts"] = mounts.into();
        Ok(())
    }

    /// Name servers and lines of `/etc/hosts`.
    fn names(&self, container: &mut Value) {
        let Self { options, remove, .. } = *self;
        let command = self.command;
        let lists = [
            ("Nameservers", &remove.dns, options.dns.clone()),
            ("Search", &remove.dns_search, options.dns_search.clone()),
            ("Options", &remove.dns_options, options.dns_options.clone()),
        ];
        if lists.iter().any(|(_, remove, add)| !remove.is_empty() || !add.is_empty()) {
            let dns = child(container, "DNSConfig");
            for (key, remove, add) in lists {
                edit_strings(dns, key, remove, add, command);
            }
        }
        if options.hosts.is_empty() && remove.hosts.is_empty() {
            return;
        }
        let mut hosts: Vec<String> = Vec::new();
        for entry in strings(container, "Hosts") {
            let mut words = entry.split_whitespace();
            let address = words.next().unwrap_or_default();
            let is_gone = |name: &str| {
                remove.hosts.iter().any(|gone| {
                    let (gone, from) = host_removal(gone);
                    gone == name && (from.is_empty() || from == address)
                })
            };
            let names: Vec<&str> = words.filter(|name| !is_gone(name)).collect();
            if !names.is_empty() {
                hosts.push(format!("{address} {}", names.join(" ")));
            }
        }
        for host in &options.hosts {
            hosts.push(host.to_entry());
        }
        let mut once = Vec::new();
        for host in hosts {
            if self.command == Command::Stack || !once.contains(&host) {
                once.push(host);
            }
        }
        container["Hosts"] = json!(once);
    }

    fn ulimits(&self, container: &mut Value) {
        let (add, remove) = (&self.options.ulimits, keys(&self.remove.ulimits));
        if add.is_empty() && remove.is_empty() {
            return;
        }
        let mut all = list(container, "Ulimits");
        all.retain(|one| !remove.iter().any(|gone| gone == text(one, "Name")));
        for limit in add {
            all.retain(|one| text(one, "Name") != limit.name);
            all.push(limit.to_json());
        }
        all.sort_by_key(|one| text(one, "Name").to_owned());
        container["Ulimits"] = all.into();
    }

    /// Secrets or configs as files.
    fn references(&self, container: &mut Value, kind: &str, (remove, add, ids): Names<'_>) {
        if remove.is_empty() && add.is_empty() {
            return;
        }
        let list_key = format!("{kind}s");
        let mut all = list(container, &list_key);
        let name = format!("{kind}Name");
        all.retain(|one| {
            !one["Runtime"].is_null() || !remove.iter().any(|gone| gone == text(one, &name))
        });
        all.extend(add.iter().map(|file| {
            // A stack's secrets have identifiers only when they are deployed.
            let id = ids.get(&file.source).map_or("", String::as_str);
            file.to_json(kind, (self.command != Command::Stack).then_some(id))
        }));
        container[list_key] = all.into();
    }

    /// Whether no name is there twice.
    fn each_once<'n>(
        &self,
        what: &'static str,
        names: impl Iterator<Item = &'n String>,
    ) -> Result<(), SpecError> {
        let mut seen = HashSet::new();
        let again =
            names.filter(|_| self.command != Command::Stack).find(|name| !seen.insert(*name));
        again.map_or(Ok(()), |name| Err(SpecError::Duplicate { what, name: name.clone() }))
    }

    fn credentials(&self, container: &mut Value) {
        let Some(spec) = &self.options.credential_spec else { return };
        // A config that only the old credentials used goes with them.
        let mut configs = list(container, "Configs");
        let before = configs.len();
        configs.retain(|config| config["Runtime"].is_null());
        let json = match spec {
            CredentialSpec::None => {
                if let Some(privileges) = container["Privileges"].as_object_mut() {
                    privileges.shift_remove("CredentialSpec");
                }
                None
            }
            CredentialSpec::File(file) => Some(json!({ "File": file })),
            CredentialSpec::Registry(value) => Some(json!({ "Registry": value })),
            CredentialSpec::Config(name) => {
                let id = self.resolved.configs.get(name).cloned().unwrap_or_default();
                configs.push(json!({ "Runtime": {}, "ConfigID": id, "ConfigName": name }));
                Some(json!({ "Config": id }))
            }
        };
        if let Some(json) = json {
            child(container, "Privileges")["CredentialSpec"] = json;
        }
        if before > 0 || !configs.is_empty() {
            container["Configs"] = configs.into();
        }
    }

    fn resources(&self, task: &mut Value) -> Result<(), SpecError> {
        let asked = &self.options.resources;
        let gone = &self.remove.generic_resources;
        if asked.limit_cpu.is_some() || asked.limit_memory.is_some() || asked.limit_pids.is_some() {
            let limits = child(child(task, "Resources"), "Limits");
            set(limits, "NanoCPUs", asked.limit_cpu.map(|cpus| cpus.nano()));
            set(limits, "MemoryBytes", asked.limit_memory.map(|memory| memory.bytes()));
            set(limits, "Pids", asked.limit_pids);
        }
        if asked.reserve_cpu.is_some() || asked.reserve_memory.is_some() {
            let reserved = child(child(task, "Resources"), "Reservations");
            set(reserved, "NanoCPUs", asked.reserve_cpu.map(|cpus| cpus.nano()));
            set(reserved, "MemoryBytes", asked.reserve_memory.map(|memory| memory.bytes()));
        }
        if asked.generic.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let reserved = child(child(task, "Resources"), "Reservations");
        let kind = |one: &Value| text(&one["DiscreteResourceSpec"], "Kind").to_owned();
        let mut all = list(reserved, "GenericResources");
        for new in &asked.generic {
            match all.iter_mut().find(|one| kind(one) == new.kind) {
                Some(one) => *one = new.to_json(),
                None => all.push(new.to_json()),
            }
        }
        for gone in gone {
            let before = all.len();
            all.retain(|one| kind(one) != *gone);
            if all.len() == before {
                let name = gone.clone();
                return Err(SpecError::NotThere { what: "generic resource", name });
            }
        }
        reserved["GenericResources"] = all.into();
        Ok(())
    }

    fn placement(&self, task: &mut Value) {
        let Self { options, remove, .. } = *self;
        let (add, gone) = (&options.placement_preferences, &remove.placement_preferences);
        let constraints = !options.constraints.is_empty() || !remove.constraints.is_empty();
        let preferences = !add.is_empty() || !gone.is_empty();
        if !constraints && !preferences && options.replicas_max_per_node.is_none() {
            return;
        }
        let placement = child(task, "Placement");
        let new = options.constraints.clone();
        edit_strings(placement, "Constraints", &remove.constraints, new, self.command);
        if preferences {
            let mut all = list(placement, "Preferences");
            all.retain(|one| {
                let over = text(&one["Spread"], "SpreadDescriptor");
                !gone.iter().any(|gone| gone.spread == over)
            });
            all.extend(add.iter().map(|preference| preference.to_json()));
            placement["Preferences"] = all.into();
        }
        set(placement, "MaxReplicas", options.replicas_max_per_node);
    }

    fn networks(&self, task: &mut Value) -> Result<(), SpecError> {
        let (add, remove) = (&self.options.networks, &self.remove.networks);
        if add.is_empty() && remove.is_empty() {
            return Ok(());
        }
        // What has not been looked up yet stands for itself.
        let id = |name: &str| {
            self.resolved.networks.get(name).cloned().unwrap_or_else(|| name.to_owned())
        };
        let gone: Vec<String> = remove.iter().map(|name| id(name)).collect();
        let mut all = list(task, "Networks");
        all.retain(|one| !gone.iter().any(|gone| gone == text(one, "Target")));
        for attachment in add {
            let id = id(&attachment.network);
            if all.iter().any(|one| text(one, "Target") == id) {
                return Err(SpecError::Attached { network: attachment.network.clone() });
            }
            all.push(attachment.to_json(&id));
        }
        all.sort_by_key(|one| text(one, "Target").to_owned());
        task["Networks"] = all.into();
        Ok(())
    }

    fn log_driver(&self, task: &mut Value) -> Result<(), SpecError> {
        let options = &self.options.log_options;
        let is_stack = self.command == Command::Stack;
        // A file may give options to the driver that the engine chooses.
        let driver = self.options.log_driver.as_ref();
        match driver.filter(|driver| is_stack || !driver.is_empty()) {
            None if options.is_empty() => {}
            None => return Err(SpecError::Needs { one: "--log-opt", other: "--log-driver" }),
            Some(driver) => {
                task["LogDriver"] = json!({ "Name": driver });
                if !options.is_empty() || !is_stack {
                    task["LogDriver"]["Options"] = map(pairs(options));
                }
            }
        }
        Ok(())
    }

    fn endpoint(&self, spec: &mut Value) -> Result<(), SpecError> {
        let Self { options, remove, .. } = *self;
        if let Some(mode) = &options.endpoint_mode {
            child(spec, "EndpointSpec")["Mode"] = mode.into();
        }
        if options.publish.is_empty() && remove.publish.is_empty() {
            return Ok(());
        }
        let endpoint = child(spec, "EndpointSpec");
        for ports in [&options.publish, &remove.publish] {
            let count = ports.iter().map(Ports::count).sum();
            if count > port::MAX_PORTS {
                return Err(SpecError::Ports { count });
            }
        }
        let mut all = list(endpoint, "Ports");
        let gone: Vec<_> = remove.publish.iter().flat_map(Ports::iter).collect();
        let gone: HashSet<_> = gone
            .iter()
            .map(|gone| (gone.target_port, gone.protocol.as_str(), gone.publish_mode.as_str()))
            .collect();
        all.retain(|one| {
            let target = one["TargetPort"].as_u64().and_then(|port| u16::try_from(port).ok());
            let protocol = or(text(one, "Protocol"), "tcp");
            let mode = or(text(one, "PublishMode"), "ingress");
            target.is_none_or(|target| !gone.contains(&(target, protocol, mode)))
        });
        let mut before: HashSet<String> = all.iter().map(key).collect();
        let mut claims = Claims::default();
        for port in options.ports() {
            if claims.collides(&port) {
                let name = format!("{}/{}", port.published_port, port.protocol);
                return Err(SpecError::Duplicate { what: "published port", name });
            }
            claims.add(&port);
            let json = port.to_json();
            if before.insert(key(&json)) {
                all.push(json);
            }
        }
        if self.command == Command::Update {
            all.sort_by_key(key);
        }
        endpoint["Ports"] = all.into();
        Ok(())
    }
}

/// What makes a published port the same as another one; docker sorts by this text.
fn key(port: &Value) -> String {
    let number = |name: &str| port[name].as_u64().unwrap_or_default();
    let (protocol, mode) = (text(port, "Protocol"), text(port, "PublishMode"));
    format!("{}:{}/{protocol}/{mode}", number("PublishedPort"), number("TargetPort"))
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

type Names<'a> =
    (&'a [String], &'a [FileReference], &'a std::collections::BTreeMap<String, String>);

fn labels(labels: &[Label]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|label| (label.0.key.as_str(), label.0.value.as_str()))
}

fn pairs(pairs: &[KeyValue]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|pair| (pair.key.as_str(), pair.value.as_str()))
}

/// The names of what is to be removed; docker takes `NAME=VALUE` for it, too.
fn keys(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.split('=').next().unwrap_or(name).to_owned()).collect()
}
