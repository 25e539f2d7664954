//! Lists the nodes of the swarm that an engine manages, and what losing each would mean:
//! `cargo run -p skep-swarm --example nodes -- /var/run/docker.sock`.

use std::{path::PathBuf, time::Duration};

use skep_engine::Engine;
use skep_swarm::{Change, Swarm, quorum};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cancel = CancellationToken::new();
    let socket = std::env::args_os().nth(1).map_or("/var/run/docker.sock".into(), PathBuf::from);
    let engine = Engine::connect(&socket, Duration::from_secs(5), &cancel).await?;
    let swarm = Swarm::new(&engine);
    let nodes = swarm.nodes(&cancel).await?;
    for row in swarm.rows(&cancel).await? {
        let rank = row.manager.map(|rank| rank.to_string()).unwrap_or_default();
        println!(
            "{} {} {} {} {rank}",
            row.id,
            row.hostname,
            row.state.capitalized(),
            row.availability
        );
        println!("  if it stops: {:?}", quorum::judge(&nodes, Change::Stop, &[row.id]));
    }
    Ok(())
}
