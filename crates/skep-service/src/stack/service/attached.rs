//! How a service is reached: its networks, and its published ports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Map;

use super::Declared;
use crate::{
    api::{PortProtocol, PublishMode, PublishedPort},
    spec::{Attachment, port::Claims},
    stack::{DEFAULT_NETWORK, fault::Fault, reader::Spot, scope},
};

/// Reads `networks`: the attachments, in the order of the networks' names.
pub(super) fn networks(
    stack: &str,
    key: &str,
    spot: Option<Spot<'_>>,
    service: &Spot<'_>,
    declared: &Declared,
    used: &mut BTreeSet<String>,
) -> Vec<Attachment> {
    let mut all = BTreeMap::new();
    let mut attach = |name: &str, aliases: Vec<String>| {
        used.insert(name.to_owned());
        let declared = declared.networks.get(name).map(|network| network.name.clone());
        let target = declared.unwrap_or_else(|| scope(stack, name));
        let mut aliases = aliases;
        // Predefined networks know no aliases.
        if !matches!(target.as_str(), "default" | "bridge" | "host" | "none") {
            aliases.push(key.to_owned());
        }
        let driver_options = Map::new();
        all.insert(target.clone(), Attachment { network: target, aliases, driver_options });
    };
    let members = spot.and_then(|spot| spot.members()).unwrap_or_default();
    if members.is_empty() {
        attach(DEFAULT_NETWORK, Vec::new());
    }
    for (entry, spot) in members {
        let mut aliases = Vec::new();
        let fields = if spot.node.is_null() { None } else { spot.fields() };
        if let Some(mut fields) = fields {
            aliases = fields.take("aliases").and_then(|spot| spot.texts()).unwrap_or_default();
            fields.end(|_| {
                Some((
                    "a swarm chooses the address of a task itself",
                    "remove this key; only `aliases` can be given",
                ))
            });
        }
        if entry.key != DEFAULT_NETWORK && !declared.networks.contains_key(&entry.key) {
            let name = &entry.key;
            let fault =
                Fault::at(&entry.place, format!("there is no network `{name}` in this stack"));
            service.faults.add(
                fault
                    .of(spot.path)
                    .with_fix(format!("declare it at the top: `networks: {{{name}: {{}}}}`")),
            );
            continue;
        }
        attach(&entry.key, aliases);
    }
    all.into_values().collect()
}

/// Reads `ports`: in the order of the nodes' ports.
pub(super) fn ports(spot: Option<Spot<'_>>) -> Vec<PublishedPort> {
    let mut ports: Vec<PublishedPort> = Vec::new();
    let mut claims = Claims::default();
    for spot in spot.and_then(|spot| spot.items()).into_iter().flatten() {
        let Some(found) = published(&spot) else { continue };
        if claims.collides(&found) {
            let number = format!("{}/{}", found.published_port, found.protocol);
            spot.wrong::<()>(format!("port {number} is published twice"), "give another port");
            continue;
        }
        claims.add(&found);
        ports.push(found);
    }
    ports.sort_by_key(|port| port.published_port);
    ports
}

fn published(spot: &Spot<'_>) -> Option<PublishedPort> {
    let mut fields = spot.fields()?;
    let target_spot = fields.take("target");
    let target = target_spot.as_ref().and_then(Spot::whole::<u16>);
    let published = fields.take("published").map(|spot| spot.whole::<u16>());
    let protocol =
        fields.take("protocol").map(|spot| spot.api::<PortProtocol>(PortProtocol::WORDS));
    let mode = fields.take("mode").map(|spot| spot.api::<PublishMode>(PublishMode::WORDS));
    fields.end(|key| match key {
        "host_ip" => Some((
            "a service listens on every address of its nodes",
            "remove it, and let a firewall decide who may come",
        )),
        _ => None,
    });
    match (target, &target_spot) {
        (Some(1..), _) => {}
        (Some(0), Some(spot)) => return spot.wrong("ports are 1 to 65535", ""),
        (_, None) => return spot.wrong("`target`, the container's own port, is missing", ""),
        (_, Some(_)) => return None,
    }
    Some(PublishedPort {
        target_port: target?,
        published_port: published.unwrap_or(Some(0))?,
        protocol: protocol.unwrap_or(Some(PortProtocol::Tcp))?,
        publish_mode: mode
            .map_or(Some(PublishMode::Ingress), |word| Some(word?.as_str().into()))?,
    })
}
