//! Sending requests to several nodes at once.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use skep_context::Context;
use tokio::time::{MissedTickBehavior, interval};

use super::{Ask, Loss, Tally, Target, client::send};

/// Unanswered requests at one node after which no more are sent: the rest would be
/// lost as well, each after its whole time.
const ENOUGH: u64 = 5;

const FRAME: Duration = Duration::from_millis(250);

/// Requests under way at one node, at most: they wait for a node that is slower than the rate.
const UNDER_WAY: usize = 2000;

/// Sends `requests` to each target, `concurrency` at once, and says what came of them, in the
/// targets' order. A node that has not answered any of the first few is given up. A cancellation
/// ends it, with what there is.
pub async fn count(
    targets: &[Target],
    ask: &Ask,
    requests: u64,
    concurrency: usize,
    context: Context<'_>,
) -> Vec<Tally> {
    let Context { events, cancel, .. } = context;
    let start = Instant::now();
    let nodes = targets.iter().map(|target| async move {
        let step = events.step(&target.node, "sending requests");
        let (begun, answered, lost) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let worker = || async {
            let mut tally = Tally::default();
            while begun.fetch_add(1, Relaxed) < requests {
                if answered.load(Relaxed) == 0 && lost.load(Relaxed) >= ENOUGH {
                    break;
                }
                let sent = cancel.run_until_cancelled(send(target.address, ask)).await;
                let Some(ended) = sent else { break };
                // A node that answers, even with an error, is not given up.
                let heard = ended.as_ref().map_or_else(|loss: &Loss| loss.is_answer(), |_| true);
                if heard { &answered } else { &lost }.fetch_add(1, Relaxed);
                tally.add(ended, start.elapsed());
            }
            tally
        };
        let workers = join_all((0..concurrency.max(1)).map(|_| Box::pin(worker()))).await;
        let mut all = Tally::default();
        workers.into_iter().for_each(|tally| all.merge(tally));
        match all.answered {
            0 => step.failed("no answer"),
            _ => step.done(),
        }
        all
    });
    join_all(nodes).await
}

/// Sends `rate` requests a second to each target until it is cancelled, waits for those under way,
/// and says what came of all, in the targets' order.
pub async fn steady(targets: &[Target], ask: &Ask, rate: f64, context: Context<'_>) -> Vec<Tally> {
    let Context { events, cancel, .. } = context;
    let start = Instant::now();
    let nodes = targets.iter().map(|target| async move {
        let step = events.step(&target.node, "sending requests");
        let mut tally = Tally::default();
        let mut under_way = FuturesUnordered::new();
        let mut due = interval(Duration::from_secs_f64(1.0 / rate));
        // A busy host sends fewer; it does not send them in one burst afterwards.
        due.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut shown = interval(FRAME);
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                Some(ended) = under_way.next(), if !under_way.is_empty() => {
                    tally.add(ended, start.elapsed());
                }
                _ = due.tick(), if under_way.len() < UNDER_WAY => {
                    under_way.push(Box::pin(send(target.address, ask)));
                }
                _ = shown.tick() => step.progress(line(&tally)),
            }
        }
        while let Some(ended) = under_way.next().await {
            tally.add(ended, start.elapsed());
        }
        match tally.lost() {
            0 => step.done(),
            lost => step.failed(format!("{lost} of {} lost", tally.sent)),
        }
        tally
    });
    join_all(nodes.map(Box::pin)).await
}

/// `1200 sent, 3 lost, nginx/1.22.1 900, nginx/1.26.3 297`
fn line(tally: &Tally) -> String {
    let mut line = format!("{} sent, {} lost", tally.sent, tally.lost());
    for (value, seen) in tally.values.iter().filter(|(value, _)| !value.is_empty()).take(4) {
        line.push_str(&format!(", {value} {}", seen.count));
    }
    line
}
