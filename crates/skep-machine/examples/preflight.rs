//! Shows what the `container` driver finds on this host, touching nothing.

use std::path::Path;

use skep_machine::{Driver, Request, container::ContainerDriver};
use skep_model::Size;
use skep_os::{Builder, Source};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let os = || Ok(Builder::new("/tmp/skep-example-os", Source::detect(Path::new("/"))?));
    let driver =
        ContainerDriver::new("/", Ok("/var/run/docker.sock".into()), "example", Box::new(os));
    let request = Request {
        cluster: "example".parse()?,
        new_machines: 4,
        subnet: None,
        new_network: true,
        size: Size::default(),
        publish: Vec::new(),
        options: skep_machine::DriverOptions::Container,
    };
    for check in driver.preflight(&request, &CancellationToken::new()).await {
        println!("{:?} {}: {} {:?}", check.verdict, check.what, check.found, check.fix);
    }
    Ok(())
}
