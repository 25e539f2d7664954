//! Which port of a service is asked, at which nodes, and what stands in the way of answers.

use std::collections::BTreeMap;

use skep_model::{Advice, Reason};

use crate::api::{
    Node, NodeState, PortProtocol, PublishMode, PublishedPort, Service, Task, TaskState,
};

use super::{Loss, Phase, Tally};

/// Why a service cannot be asked at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// It publishes nothing that HTTP could be spoken to.
    #[error("service {service} publishes no TCP port: there is nothing to send requests to")]
    None { service: String },
    #[error("service {service} publishes several ports: {}", list(.ports))]
    Several { service: String, ports: Vec<PublishedPort> },
    /// It does not publish the one that was asked for.
    #[error("service {service} does not publish port {port}: it publishes {}", list(.ports))]
    Unknown { service: String, port: u16, ports: Vec<PublishedPort> },
}

fn list(ports: &[PublishedPort]) -> String {
    let text = |port: &PublishedPort| match port.published_port {
        0 => format!("{} (on each node another)", port.target_port),
        published if published == port.target_port => published.to_string(),
        published => format!("{published} (for {})", port.target_port),
    };
    ports.iter().map(text).collect::<Vec<_>>().join(", ")
}

/// The TCP port of a service that is to be asked: the only one, or the one whose published port is
/// `wanted`, or else whose port in the container is.
pub(super) fn published(
    service: &Service,
    wanted: Option<u16>,
) -> Result<PublishedPort, PortError> {
    // What is published in the mode `host` is in the spec only.
    let given = service.endpoint.ports.iter();
    let spec = service.spec.endpoint_spec.iter().flat_map(|spec| &spec.ports);
    let mut ports: Vec<PublishedPort> = Vec::new();
    for port in given.chain(spec.filter(|port| port.publish_mode == PublishMode::Host)) {
        if port.protocol == PortProtocol::Tcp && !ports.contains(port) {
            ports.push(port.clone());
        }
    }
    let name = || service.spec.name.clone();
    match (wanted, ports.as_slice()) {
        (_, []) => Err(PortError::None { service: name() }),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(PortError::Several { service: name(), ports }),
        (Some(wanted), _) => {
            let published = ports.iter().find(|port| port.published_port == wanted);
            let found = published.or_else(|| ports.iter().find(|port| port.target_port == wanted));
            found.cloned().ok_or_else(|| PortError::Unknown {
                service: name(),
                port: wanted,
                ports,
            })
        }
    }
}

/// A node, and its port that should answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub node: String,
    /// The node's address in the swarm.
    pub address: String,
    /// Its port; `None` if no answer is to be expected there: the service is published on its
    /// tasks' own nodes only, and no task runs here.
    pub port: Option<u16>,
}

/// Where a service should answer, in the nodes' order: on every node through the mesh, or on those
/// that run a task of it.
pub(super) fn places(port: &PublishedPort, nodes: &[Node], tasks: &[Task]) -> Vec<Place> {
    let of_tasks = |node: &Node| {
        let here = tasks.iter().filter(|task| task.node_id == node.id && runs(task));
        let ports = here.flat_map(|task| &task.status.port_status.ports);
        let mut same = ports
            .filter(|one| one.target_port == port.target_port && one.protocol == port.protocol);
        same.next().map(|port| port.published_port)
    };
    let place = |node: &Node| Place {
        node: node.hostname.clone(),
        address: node.address.clone(),
        port: if is_mesh(port) { Some(port.published_port) } else { of_tasks(node) },
    };
    nodes.iter().map(place).collect()
}

/// Whether every node answers for a port, by the routing mesh.
pub(super) fn is_mesh(port: &PublishedPort) -> bool {
    port.publish_mode != PublishMode::Host
}

fn runs(task: &Task) -> bool {
    task.status.state == TaskState::Running && task.desired_state == TaskState::Running
}

/// What stands in the way of every answer: that no task runs; `None` if one does.
pub(super) fn no_task(service: &Service, tasks: &[Task]) -> Option<String> {
    if tasks.iter().any(|task| task.status.state == TaskState::Running) {
        return None;
    }
    let mut states: BTreeMap<(&TaskState, &str), usize> = BTreeMap::new();
    for task in tasks.iter().filter(|task| !task.desired_state.is_over()) {
        *states.entry((&task.status.state, task.status.err.as_str())).or_default() += 1;
    }
    let text = |((state, error), count): (&(&TaskState, &str), &usize)| match *error {
        "" => format!("{count} {}", state.as_str()),
        error => format!("{count} {}: {error}", state.as_str()),
    };
    let name = &service.spec.name;
    if states.is_empty() {
        return Some(format!("no task of {name} runs, and it is meant to have none"));
    }
    let states = states.iter().map(text).collect::<Vec<_>>().join("; ");
    Some(format!("no task of {name} runs: {states}"))
}

/// What is known of a node that does not answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Silent {
    pub node: String,
    /// How it is, where the manager says.
    pub state: Option<NodeState>,
    /// Whether its kernel has IPVS, where that could be asked.
    pub ipvs: Option<bool>,
}

/// Why a node does not answer, as far as it shows from outside, and what to do.
pub(super) fn why(silent: &Silent, port: &PublishedPort, at: u16, tally: &Tally) -> Reason {
    let Silent { node, state, ipvs } = silent;
    if let Some(state) = state.as_ref().filter(|state| **state != NodeState::Ready) {
        return format!("{node} is {state}").into();
    }
    if is_mesh(port) && *ipvs == Some(false) {
        return Reason::new(
            format!(
                "{node}: the kernel has no IPVS, without which the routing mesh does not answer"
            ),
            Advice::UseVirtualMachines,
        );
    }
    let most = tally.losses.iter().max_by_key(|(_, count)| **count).map(|(loss, _)| *loss);
    let text = match most {
        Some(Loss::Refused) if is_mesh(port) => format!(
            "{node}: nothing listens on port {at}; the node may not have heard of the service yet"
        ),
        Some(Loss::Refused) => format!("{node}: nothing listens on port {at}"),
        Some(Loss::Unreachable) => format!("{node}: there is no way there from this host"),
        Some(Loss::TimedOut(Phase::Connect)) => {
            format!("{node}: port {at} does not answer; a firewall may be in the way")
        }
        Some(Loss::TimedOut(_)) => {
            format!("{node}: it takes the connection and does not answer in time")
        }
        Some(Loss::Reset) => format!("{node}: it takes the connection and closes it"),
        Some(Loss::NotHttp) => format!("{node}: what answers on port {at} does not speak HTTP"),
        Some(Loss::Status(status)) => format!("{node}: it answers with status {status}"),
        Some(Loss::Content) => format!("{node}: its answers are not what was expected"),
        Some(Loss::NotSent) => "this host has no free port or file descriptor left".into(),
        None => format!("{node}: nothing was sent"),
    };
    text.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(ports: serde_json::Value) -> Service {
        serde_json::from_value(json!({"Spec": {"Name": "web"}, "Endpoint": {"Ports": ports}}))
            .unwrap()
    }

    fn port(protocol: &str, target: u16, published: u16, mode: &str) -> serde_json::Value {
        json!({"Protocol": protocol, "TargetPort": target, "PublishedPort": published, "PublishMode": mode})
    }

    #[test]
    fn the_port_is_the_only_one_or_the_one_that_was_named() {
        let one =
            service(json!([port("udp", 53, 53, "ingress"), port("tcp", 80, 8080, "ingress")]));
        assert_eq!(published(&one, None).unwrap().published_port, 8080);
        assert_eq!(published(&one, Some(80)).unwrap().published_port, 8080);
        let error = published(&one, Some(81)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "service web does not publish port 81: it publishes 8080 (for 80)"
        );
        let two = service(json!([port("tcp", 443, 443, "ingress"), port("tcp", 80, 443, "host")]));
        let error = published(&two, None).unwrap_err();
        assert_eq!(error.to_string(), "service web publishes several ports: 443, 443 (for 80)");
        let none = published(&service(json!([])), None).unwrap_err();
        assert!(none.to_string().contains("publishes no TCP port"), "{none}");
    }

    #[test]
    fn what_is_published_on_the_tasks_nodes_is_looked_for_there() {
        let mut one = service(json!([]));
        let spec = json!({"Ports": [port("tcp", 80, 0, "host")]});
        one.spec.endpoint_spec = serde_json::from_value(spec).unwrap();
        let port = published(&one, None).unwrap();
        let node = |id: &str| json!({"ID": id, "Description": {"Hostname": id}, "Status": {"Addr": "192.0.2.1"}});
        let nodes: Vec<Node> = serde_json::from_value(json!([node("a"), node("b")])).unwrap();
        let task = |node: &str, state: &str| {
            json!({"NodeID": node, "DesiredState": "running", "Status": {"State": state, "PortStatus":
                {"Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": 32768, "PublishMode": "host"}]}}})
        };
        let tasks: Vec<Task> =
            serde_json::from_value(json!([task("a", "failed"), task("b", "running")])).unwrap();
        let ports: Vec<_> =
            places(&port, &nodes, &tasks).into_iter().map(|place| place.port).collect();
        assert_eq!(ports, [None, Some(32768)]);
    }

    #[test]
    fn without_a_running_task_its_states_are_told() {
        let task = |state: &str, error: &str, desired: &str| json!({"DesiredState": desired, "Status": {"State": state, "Err": error}});
        let tasks = |list: serde_json::Value| serde_json::from_value::<Vec<Task>>(list).unwrap();
        let web = service(json!([]));
        let pending = "no suitable node (1 node not available for new tasks)";
        let waiting = tasks(json!([
            task("pending", pending, "running"),
            task("preparing", "", "running"),
            task("pending", pending, "running"),
            task("failed", "task: non-zero exit (1)", "shutdown"),
        ]));
        assert_eq!(
            no_task(&web, &waiting).unwrap(),
            format!("no task of web runs: 2 pending: {pending}; 1 preparing")
        );
        assert!(no_task(&web, &tasks(json!([]))).unwrap().contains("meant to have none"));
        assert_eq!(no_task(&web, &tasks(json!([task("running", "", "running")]))), None);
    }

    #[test]
    fn each_cause_has_its_words() {
        let mesh: PublishedPort = serde_json::from_value(port("tcp", 80, 80, "ingress")).unwrap();
        let mut tally = Tally::default();
        tally.losses.insert(Loss::Refused, 5);
        let mut silent =
            Silent { node: "w1".into(), state: Some(NodeState::Ready), ipvs: Some(true) };
        assert!(why(&silent, &mesh, 80, &tally).text.contains("nothing listens on port 80"));
        silent.ipvs = Some(false);
        let no_ipvs = why(&silent, &mesh, 80, &tally);
        assert!(no_ipvs.text.contains("no IPVS"));
        assert_eq!(no_ipvs.advice(), Some(Advice::UseVirtualMachines));
        silent.state = Some(NodeState::Down);
        assert_eq!(why(&silent, &mesh, 80, &tally), "w1 is down".into());
    }
}
