//! Published ports, neighbours merged into ranges.

use std::fmt;

use crate::api::{PortProtocol, PublishMode, PublishedPort};

/// Ports of the mesh that lie side by side: `*:80-81->80-81/tcp`, or several that lead to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRange {
    /// The first and the last port of the nodes.
    pub published: (u16, u16),
    /// The first and the last port of the container.
    pub target: (u16, u16),
    pub protocol: PortProtocol,
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |(first, last): (u16, u16)| {
            if last > first { format!("{first}-{last}") } else { first.to_string() }
        };
        write!(f, "*:{}->{}/{}", span(self.published), span(self.target), self.protocol)
    }
}

impl PortRange {
    /// Whether `port` goes on where the range ends: the next published port, to the next target
    /// of a range or to the same target of a single one.
    fn goes_on_with(&self, port: &PublishedPort) -> bool {
        let step = |from: u16, to: u16| to.checked_sub(from);
        let is_range = self.target.0 != self.target.1;
        self.protocol == port.protocol
            && matches!(step(self.published.1, port.published_port), Some(0 | 1))
            && match step(self.target.1, port.target_port) {
                Some(0) => !is_range,
                Some(1) => true,
                _ => false,
            }
    }
}

/// The ports that the mesh publishes, in order of protocol and number, neighbours merged as
/// `docker service ls` merges them. Ports that only a task's own node publishes are not among them.
pub fn merged(ports: &[PublishedPort]) -> Vec<PortRange> {
    let mut mesh: Vec<_> =
        ports.iter().filter(|port| port.publish_mode == PublishMode::Ingress).collect();
    mesh.sort_by(|a, b| {
        (a.protocol.as_str(), a.published_port).cmp(&(b.protocol.as_str(), b.published_port))
    });
    let mut ranges: Vec<PortRange> = Vec::new();
    for port in mesh {
        match ranges.last_mut() {
            Some(range) if range.goes_on_with(port) => {
                range.published.1 = port.published_port;
                range.target.1 = port.target_port;
            }
            _ => ranges.push(PortRange {
                published: (port.published_port, port.published_port),
                target: (port.target_port, port.target_port),
                protocol: port.protocol.clone(),
            }),
        }
    }
    // A port the swarm has not chosen yet is not there to be used.
    ranges.retain(|range| range.published.0 > 0);
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn port(published: u16, target: u16, protocol: &str, mode: &str) -> PublishedPort {
        PublishedPort {
            protocol: protocol.into(),
            target_port: target,
            published_port: published,
            publish_mode: mode.into(),
        }
    }

    fn text(ports: &[(u16, u16, &str)]) -> String {
        let ports: Vec<_> =
            ports.iter().map(|&(p, t, proto)| port(p, t, proto, "ingress")).collect();
        merged(&ports).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn neighbours_are_merged_as_docker_merges_them() {
        assert_eq!(text(&[(80, 80, "tcp")]), "*:80->80/tcp");
        assert_eq!(text(&[(81, 81, "tcp"), (80, 80, "tcp")]), "*:80-81->80-81/tcp");
        assert_eq!(text(&[(80, 80, "tcp"), (81, 80, "tcp")]), "*:80-81->80/tcp");
        // Two to a range and one back: docker's own example.
        assert_eq!(
            text(&[(80, 80, "tcp"), (81, 81, "tcp"), (82, 80, "tcp")]),
            "*:80-81->80-81/tcp, *:82->80/tcp"
        );
        assert_eq!(text(&[(80, 80, "udp"), (80, 80, "tcp")]), "*:80->80/tcp, *:80->80/udp");
        assert_eq!(text(&[(80, 80, "tcp"), (82, 82, "tcp")]), "*:80->80/tcp, *:82->82/tcp");
        assert_eq!(
            text(&[(80, 80, "tcp"), (81, 81, "tcp"), (82, 81, "tcp")]),
            "*:80-81->80-81/tcp, *:82->81/tcp"
        );
    }

    #[test]
    fn a_node_s_own_ports_are_not_the_mesh_s() {
        assert!(merged(&[port(80, 80, "tcp", "host")]).is_empty());
        assert!(merged(&[port(0, 80, "tcp", "ingress")]).is_empty());
    }

    proptest! {
        #[test]
        fn every_published_port_is_in_one_range(
            ports in prop::collection::btree_map(1u16..40, 1u16..40, 0..20),
        ) {
            let list: Vec<_> = ports.iter().map(|(&p, &t)| port(p, t, "tcp", "ingress")).collect();
            let ranges = merged(&list);
            for (&published, &target) in &ports {
                let inside: Vec<_> = ranges
                    .iter()
                    .filter(|range| (range.published.0..=range.published.1).contains(&published))
                    .collect();
                prop_assert_eq!(inside.len(), 1);
                prop_assert!((inside[0].target.0..=inside[0].target.1).contains(&target));
            }
        }
    }
}
