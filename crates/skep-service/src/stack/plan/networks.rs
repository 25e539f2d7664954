//! Networks: they are made, or are as the files have them; nothing of them can be changed.

use std::collections::BTreeSet;

use serde_json::Value;
use skep_model::Advice;

use super::{Action, Desired, Found, Step, is_of, obstacle, step, text};
use crate::{
    Kind,
    stack::{fault::Obstacle, objects::Network},
};

pub(super) fn step_of(
    stack: &str,
    network: &Network,
    found: &Found,
    obstacles: &mut Vec<Obstacle>,
) -> Option<Step> {
    let name = &network.name;
    let named = || found.networks.iter().filter(|one| text(one, "/Name") == name);
    let swarm = named().find(|one| text(one, "/Scope") == "swarm");
    let Some(create) = &network.create else {
        // They are on every node, and not the swarm's.
        if matches!(name.as_str(), "bridge" | "host" | "none") || swarm.is_some() {
            return None;
        }
        let fix = format!("make it with `docker network create --driver overlay {name}`");
        obstacles.push(match named().next() {
            Some(local) => obstacle(
                format!(
                    "network {name} is declared external and is not the swarm's: its scope is {}",
                    text(local, "/Scope")
                ),
                fix,
            ),
            None => {
                obstacle(format!("there is no network {name}, which is declared external"), fix)
            }
        });
        return None;
    };
    let desired = Desired::Network(network.clone());
    let Some(known) = swarm else {
        if named().next().is_some() {
            let problem =
                format!("there is a network {name} on the manager, which is not the swarm's");
            obstacles.push(obstacle(problem, "remove it, or give the stack's another `name`"));
            return None;
        }
        return Some(step(Kind::Network, name, Action::Create, None, desired));
    };
    if !is_of(stack, &known["Labels"]) {
        let problem = format!("there is a network {name} already, and it is not of this stack");
        obstacles.push(obstacle(problem, "declare it `external: true`, or give another `name`"));
        return None;
    }
    let different = differences(known, create);
    if !different.is_empty() {
        obstacles.push(obstacle(
            format!(
                "network {name} differs in {}, and networks cannot be changed",
                different.join(", ")
            ),
            Advice::RemoveStack(stack.to_owned()),
        ));
        return None;
    }
    Some(step(Kind::Network, name, Action::Keep, Some(known), desired))
}

/// What of a network is asked for otherwise than it is. An engine adds options and a subnet.
fn differences(known: &Value, create: &Value) -> Vec<&'static str> {
    let flag = |value: &Value, key: &str| value[key].as_bool().unwrap_or_default();
    let mut different = Vec::new();
    if text(known, "/Driver") != text(create, "/Driver") {
        different.push("its driver");
    }
    for (key, what) in [("Internal", "`internal`"), ("Attachable", "`attachable`")] {
        if flag(known, key) != flag(create, key) {
            different.push(what);
        }
    }
    let options = create["Options"].as_object().into_iter().flatten();
    if options.into_iter().any(|(key, value)| known["Options"][key] != *value) {
        different.push("`driver_opts`");
    }
    let subnets = |value: &Value| -> BTreeSet<String> {
        let pools = value["IPAM"]["Config"].as_array().map(Vec::as_slice).unwrap_or_default();
        pools.iter().map(|pool| text(pool, "/Subnet").to_owned()).collect()
    };
    if !subnets(create).is_subset(&subnets(known)) {
        different.push("its subnet");
    }
    different
}
