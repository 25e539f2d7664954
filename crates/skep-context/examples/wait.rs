//! Waits until a file is there, at most five seconds.

use std::{convert::Infallible, ops::ControlFlow, path::Path, time::Duration};

use skep_context::{Context, Polled, poll_until};
use skep_model::Events;
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/dev/null".into());
    let (events, cancel) = (Events::none(), CancellationToken::new());
    let context = Context::new(&events, &cancel).within(Duration::from_secs(5));
    let look = async || {
        Ok::<_, Infallible>(match Path::new(&path).exists() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue("it is not there"),
        })
    };
    let Ok(polled) =
        poll_until(context.cancel, Duration::from_millis(50), context.deadline(), look).await;
    match polled {
        Polled::Met(()) => println!("{path} is there"),
        Polled::Late(why) | Polled::Cancelled(why) => println!("{path}: {why}"),
    }
}
