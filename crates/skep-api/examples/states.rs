//! Reads nodes as an engine lists them, and says which take tasks:
//! `curl -s --unix-socket /var/run/docker.sock http://localhost/nodes | cargo run -p skep-api --example states`.

use skep_api::{Availability, Node, NodeState};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), serde_json::Error> {
    let nodes: Vec<Node> = serde_json::from_reader(std::io::stdin())?;
    for node in nodes {
        let takes = node.state == NodeState::Ready && node.availability == Availability::Active;
        println!("{} is {} and {}: {takes}", node.called(), node.state, node.availability);
    }
    Ok(())
}
