//! Ports: each is one service's.

use serde_json::Value;

use super::{Found, obstacle, text};
use crate::{
    api::PublishedPort,
    spec::port::Claims,
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
    let claims: Vec<Claims> = all.iter().map(|(_, ports)| ports.iter().collect()).collect();
    let mut obstacles = Vec::new();
    for (index, (name, wanted)) in all.iter().enumerate().take(own) {
        for ((other, _), theirs) in all.iter().zip(&claims).skip(index + 1) {
            if let Some(port) = wanted.iter().find(|port| theirs.collides(port)) {
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
