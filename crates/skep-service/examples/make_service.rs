//! Makes a service of an image on a manager's engine and says what it has become:
//! `cargo run -p skep-service --example make_service -- /var/run/docker.sock nginx 8080:80`.

use std::time::Duration;

use skep_engine::Engine;
use skep_service::{
    Services,
    make::Resolve,
    spec::{Options, ServiceCreate},
};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [socket, image, ports @ ..] = args.as_slice() else {
        return Err("usage: make_service SOCKET IMAGE [PUBLISHED:TARGET…]".into());
    };
    let publish = ports.iter().map(|port| port.parse()).collect::<Result<_, _>>()?;
    let service = ServiceCreate {
        image: image.clone(),
        options: Options { replicas: Some(2), publish, ..Options::default() },
        ..ServiceCreate::default()
    };
    let cancel = CancellationToken::new();
    let engine = Engine::connect(socket.as_ref(), Duration::from_secs(5), &cancel).await?;
    let services = Services::new(&engine);
    let made = services.create(&service, Resolve::Registry, &cancel).await?;
    for warning in &made.warnings {
        println!("mind: {warning}");
    }
    let service = services.service(made.id.as_str(), &cancel).await?;
    println!("{} is {}, published as {:?}", made.id, service.spec.name, service.endpoint.ports);
    Ok(())
}
