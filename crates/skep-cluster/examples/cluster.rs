//! Makes a cluster of two machines in a store of its own, shows its status, and takes it
//! away again.

use std::{path::PathBuf, time::Duration};

use skep_cluster::{Desired, Home, Settings, down::down, reach::Cluster, status::status, up::up};
use skep_context::Context;
use skep_model::Events;
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[expect(clippy::disallowed_methods, reason = "a binary reads the clock and hands it on")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::temp_dir().join("skep-example");
    let home = Home::open(Settings {
        root: directory.join("store"),
        runtime: directory.join("run"),
        host_root: PathBuf::from("/"),
        docker_socket: Ok(PathBuf::from("/var/run/docker.sock")),
        now: std::time::SystemTime::now(),
        holder: "an example".into(),
    })?;
    let (events, cancel) = (Events::none(), CancellationToken::new());
    let name = "example".parse()?;
    let desired = Desired { managers: Some(1), workers: Some(1), ..Desired::default() };
    let context = Context::new(&events, &cancel).within(Duration::from_secs(60));
    up(&home, &name, &desired, context).await?;
    for machine in status(&Cluster::open(&home, &name)?, &cancel).await?.machines {
        println!("{} is {} with engine {:?}", machine.name, machine.state, machine.engine);
    }
    down(&home, &name, context).await?;
    Ok(())
}
