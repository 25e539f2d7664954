//! Ports: each is one service's.

use serde_json::Value;

use super::{Found, obstacle, text};
use crate::{
    api::PublishedPort,
    spec::port,
    stack::{fault::Obstacle, project::Project},
};

/// Ports that two services of the stack ask for, or one that is another service's.
pub(super) fn taken(project: &Project, found: &Found) -> Vec<Obstacle> {
    let ports = |value: &Value| -> Vec<PublishedPort> {
        serde_json::from_value(value.clone()).unwrap_or_default()
    };
    let mut all: Vec<(&str, Vec<PublishedPort>)> = project
        .services
        .iter()
        .map(|wanted| (wanted.name.as_str(), ports(&wanted.spec["EndpointSpec"]["Ports"])))
        .collect();
    let own = all.len();
    for service in &found.services {
        let name = text(service, "/Spec/Name");
        if !all.iter().any(|(known, _)| *known == name) {
            all.push((name, ports(&service["Endpoint"]["Ports"])));
        }
    }
    let mut obstacles = Vec::new();
    for (index, (name, wanted)) in all.iter().enumerate().take(own) {
        for (other, theirs) in all.iter().skip(index + 1) {
            let taken =
                |port: &&PublishedPort| theirs.iter().any(|their| port::collide(port, their));
            if let Some(port) = wanted.iter().find(taken) {
                let PublishedPort { published_port, protocol, .. } = port;
                let problem = format!(
                    "port {published_port}/{protocol} of {name} is published by {other} too"
                );
                obstacles.push(obstacle(problem, "publish another port"));
            }
        }
    }
    obstacles
}
