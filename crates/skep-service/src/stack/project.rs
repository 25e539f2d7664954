//! Files into a stack: what is to be in the swarm, checked as far as files tell.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::{
    DEFAULT_NETWORK,
    fault::{Fault, StackError},
    interpolate::interpolate,
    merge::merge,
    normal::{self, World},
    objects::{self, Network, Object},
    reader::{Faults, Spot},
    service::{self, Declared, Wanted},
    unsupported::top_key,
    yaml::{self, Content, Entry, Node},
};

/// The sections of a Compose file whose members have names.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];

/// A Compose file.
#[derive(Debug, Clone)]
pub struct Source {
    /// As messages name it.
    pub name: String,
    pub text: String,
}

/// A stack as its files have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub stack: String,
    /// The networks that its services use.
    pub networks: Vec<Network>,
    pub secrets: Vec<Object>,
    pub configs: Vec<Object>,
    pub services: Vec<Wanted>,
    /// What is not wrong, and perhaps not meant.
    pub warnings: Vec<String>,
}

impl Project {
    /// Reads Compose files, later ones over earlier ones. Relative paths in them begin at
    /// `directory`, which is absolute; `environment` has the variables. Files of variables, secrets
    /// and configs are read, too.
    ///
    /// # Errors
    /// [`StackError::Name`]; [`StackError::Files`] with every mistake there is, with none if there
    /// are no sources.
    pub fn load(
        stack: &str,
        sources: &[Source],
        directory: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, StackError> {
        check_name(stack)?;
        let faults = Faults::default();
        let world = World::new(directory, environment, &faults);
        let mut unset = BTreeSet::new();
        let mut warnings = Vec::new();
        let mut whole: Option<Node> = None;
        for source in sources {
            match file(source, &world, &mut unset, &mut warnings) {
                Ok(node) => match &mut whole {
                    Some(whole) => merge(whole, node, &mut Vec::new()),
                    None => whole = Some(node),
                },
                Err(fault) => faults.add(fault),
            }
        }
        warnings.extend(unset.iter().map(|name| {
            format!("the variable {name} is not set, and is taken as empty; ${{{name}:-}} says so")
        }));
        let project = whole.map(|whole| read(stack, &whole, &world));
        let mut faults = faults.into_vec();
        if let (Some(project), true) = (project, faults.is_empty()) {
            return Ok(Project { warnings, ..project });
        }
        // Of one value the first mistake is reported: others follow from it.
        let mut seen = BTreeSet::new();
        faults.retain(|fault| {
            fault.path.is_empty() || seen.insert((fault.place.clone(), fault.path.clone()))
        });
        faults.sort_by(|one, other| one.place.cmp(&other.place));
        Err(StackError::Files { faults })
    }
}

/// A stack's name stands before the names of all it has.
///
/// # Errors
/// [`StackError::Name`].
pub fn check_name(name: &str) -> Result<(), StackError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && name.bytes().all(legal) && name.len() <= 63 {
        return Ok(());
    }
    Err(StackError::Name { name: name.into() })
}

/// One file, with its variables replaced and its short forms made long.
fn file(
    source: &Source,
    world: &World<'_>,
    unset: &mut BTreeSet<String>,
    warnings: &mut Vec<String>,
) -> Result<Node, Fault> {
    let mut node = yaml::parse(&source.name, &source.text)?;
    let Content::Map(entries) = &mut node.content else {
        return Err(Fault::at(
            &node.place,
            format!("a Compose file is a mapping, and this is {}", node.kind()),
        )
        .with_fix("begin with `services:`"));
    };
    entries.retain(|entry| {
        let known = SECTIONS.contains(&entry.key.as_str());
        if entry.key == "version" {
            warnings.push(format!("{}: `version` says nothing any more; remove it", entry.place));
        } else if !known && !entry.key.starts_with("x-") {
            let (problem, fix) = match top_key(&entry.key) {
                Some((problem, fix)) => (problem.to_owned(), fix),
                None => {
                    let problem = format!("`{}` is no section of a Compose file", entry.key);
                    (problem, "services, networks, volumes, secrets and configs are")
                }
            };
            let fault = Fault::at(&entry.place, problem).of(entry.key.as_str()).with_fix(fix);
            world.faults.add(fault);
        }
        known && !entry.value.is_null()
    });
    for Entry { key, value, .. } in entries {
        let mut found = Vec::new();
        interpolate(value, key, world.environment, unset, &mut found);
        found.into_iter().for_each(|fault| world.faults.add(fault));
        let Content::Map(members) = &mut value.content else { continue };
        members.retain(|member| !member.key.starts_with("x-"));
        for member in members {
            match key.as_str() {
                "services" => {
                    let path = format!("services.{}", member.key);
                    normal::service(&mut member.value, &path, world);
                }
                _ => normal::object(&mut member.value),
            }
        }
    }
    Ok(node)
}

fn read(stack: &str, whole: &Node, world: &World<'_>) -> Project {
    let mut declared = Declared::default();
    for (entry, spot) in section(whole, "networks", world) {
        declared
            .networks
            .insert(entry.key.clone(), objects::network(stack, &entry.key, Some(&spot)));
    }
    for (entry, spot) in section(whole, "volumes", world) {
        declared.volumes.insert(entry.key.clone(), objects::volume(stack, &entry.key, &spot));
    }
    for (name, secret) in [("secrets", true), ("configs", false)] {
        for (entry, spot) in section(whole, name, world) {
            let object = objects::object(stack, &entry.key, &spot, secret, world);
            let all = if secret { &mut declared.secrets } else { &mut declared.configs };
            // A name whose object is wrong is known nevertheless: one mistake is reported once.
            let place = spot.place().clone();
            let unknown = || Object {
                name: entry.key.clone(),
                create: None,
                data: None,
                origin: String::new(),
                place,
            };
            all.insert(entry.key.clone(), object.unwrap_or_else(unknown));
        }
    }
    let mut used = BTreeSet::new();
    let mut services = Vec::new();
    for (entry, spot) in section(whole, "services", world) {
        services.extend(service::service(stack, &entry.key, &spot, &declared, world, &mut used));
    }
    if section(whole, "services", world).is_empty() {
        let fault = Fault::at(&whole.place, "there are no services")
            .with_fix("write `services:` with one at least");
        world.faults.add(fault);
    }
    services.sort_by(|one, other| one.name.cmp(&other.name));
    let network = |key: &String| match declared.networks.get(key) {
        Some(network) => Some(network.clone()),
        None if key == DEFAULT_NETWORK => Some(objects::network(stack, key, None)),
        None => None,
    };
    let mut networks: Vec<_> = used.iter().filter_map(network).collect();
    networks.sort_by(|one, other| one.name.cmp(&other.name));
    Project {
        stack: stack.to_owned(),
        networks,
        secrets: declared.secrets.into_values().collect(),
        configs: declared.configs.into_values().collect(),
        services,
        warnings: Vec::new(),
    }
}

fn section<'n>(whole: &'n Node, name: &str, world: &World<'n>) -> Vec<(&'n Entry, Spot<'n>)> {
    let spot = |node| Spot { node, path: name.to_owned(), faults: world.faults };
    whole.get(name).and_then(|node| spot(node).members()).unwrap_or_default()
}
