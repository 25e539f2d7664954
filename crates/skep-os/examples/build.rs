//! Builds the guest system into the directory given, or shows that it is there already.

use std::path::Path;

use skep_model::{Event, Events};
use skep_os::{Builder, Source};
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = std::env::args().nth(1).ok_or("usage: build CACHE-DIRECTORY")?;
    let builder = Builder::new(cache, Source::detect(Path::new("/"))?);
    for check in builder.preflight() {
        println!("{:?}: {}: {} {:?}", check.verdict, check.what, check.found, check.fix);
    }
    let events = Events::new(|event| {
        if let Event::Progress { detail, .. } = event {
            println!("{detail}");
        }
    });
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    println!("{:#?}", builder.ensure(&events, &cancel).await?);
    Ok(())
}
