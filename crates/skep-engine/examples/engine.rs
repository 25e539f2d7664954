//! Says what answers on a Docker Engine's socket:
//! `cargo run -p skep-engine --example engine -- unix:///var/run/docker.sock`.

use std::time::Duration;

use skep_engine::{Endpoint, Engine};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cancel = CancellationToken::new();
    let endpoint = Endpoint::resolve(std::env::args().nth(1).as_deref())?;
    let engine = Engine::connect(endpoint.local_socket()?, Duration::from_secs(5), &cancel).await?;
    let info = engine.info(&cancel).await?;
    println!("{endpoint}: Docker Engine {}, API {}", engine.release(), engine.api_version());
    println!(
        "{} with kernel {}, cgroup v{}",
        info.operating_system, info.kernel_version, info.cgroup_version
    );
    println!(
        "{} in {}, swarm {}",
        info.storage_driver, info.data_root, info.swarm.local_node_state
    );
    Ok(())
}
