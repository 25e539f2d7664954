//! One archive, read once, to several engines at the same time.

use std::{
    io,
    time::{Duration, Instant},
};

use futures_util::{future::join_all, stream};
use skep_context::Context;
use skep_engine::{Engine, EngineStream, image::Bytes};
use skep_model::{MachineName, Span};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, Take},
    sync::mpsc::{Receiver, Sender, channel},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::source::Source;
use crate::ClusterError;

/// The length of a piece that is read from a file.
const PIECE: usize = 256 << 10;

/// Pieces on their way to one engine, at most.
const AHEAD: usize = 8;

/// How long an engine may take no piece.
const STALL: Duration = Duration::from_secs(60);

/// How long an engine may work after the last piece.
const LAST: Duration = Duration::from_secs(600);

const FRAME: Duration = Duration::from_millis(100);

/// Sends what `source` has to engines; what came of it, in their order.
pub(super) async fn send(
    source: &Source,
    machines: &[(MachineName, Engine)],
    context: Context<'_>,
) -> Vec<Result<(), ClusterError>> {
    let Context { events, cancel, .. } = context;
    if machines.is_empty() {
        return Vec::new();
    }
    let all_sent = CancellationToken::new();
    let (mut lanes, mut loads) = (Vec::new(), Vec::new());
    for (machine, engine) in machines {
        let (pieces, taken) = channel(AHEAD);
        let step = events.step(machine, format!("loading {}", source.label()));
        let given_up = cancel.child_token();
        loads.push(load(engine, taken, given_up.clone(), &all_sent));
        lanes.push(Lane { pieces: Some(pieces), stalled: false, given_up, step });
    }
    let feeding = async {
        let fed = feed(source, &mut lanes, cancel).await;
        if let Err(error) = &fed {
            // An engine must not take what there is for all there is.
            let broken = || Err(io::Error::other(error.to_string()));
            let open = lanes.iter().filter_map(|lane| lane.pieces.as_ref());
            join_all(open.map(|pieces| timeout(STALL, pieces.send(broken())))).await;
        }
        lanes.iter_mut().for_each(|lane| lane.pieces = None);
        // From here on no piece that is taken shows that an engine is alive, so its time is
        // limited.
        all_sent.cancel();
        fed
    };
    let (fed, loaded) = tokio::join!(feeding, join_all(loads));
    let fed = fed.map_err(|error| match error.is_cancelled() {
        true => None,
        false => Some(error.to_string()),
    });
    let ended = lanes.into_iter().zip(loaded).map(|(lane, loaded)| {
        let result = match (&fed, loaded) {
            (Err(None), _) => Err(ClusterError::Cancelled),
            (Err(Some(reason)), _) => Err(ClusterError::Request { reason: reason.clone().into() }),
            (Ok(()), Err(_)) if lane.stalled => Err(ClusterError::Request {
                reason: format!("its engine took nothing for {} s", STALL.as_secs()).into(),
            }),
            (Ok(()), loaded) => loaded,
        };
        lane.step.end_with(result)
    });
    ended.collect()
}

struct Lane {
    /// None once nothing more is sent.
    pieces: Option<Sender<io::Result<Bytes>>>,
    stalled: bool,
    given_up: CancellationToken,
    step: Span,
}

impl Lane {
    /// Sends a piece; an engine that has ended early, or takes nothing, is left behind.
    async fn send(&mut self, piece: Bytes) {
        let Some(pieces) = &self.pieces else { return };
        match timeout(STALL, pieces.send(Ok(piece))).await {
            Ok(Ok(())) => {}
            // It has said why, or will.
            Ok(Err(_)) => self.pieces = None,
            Err(_) => {
                self.stalled = true;
                self.given_up.cancel();
                self.pieces = None;
            }
        }
    }
}

/// Puts an archive that comes piece by piece into an engine.
async fn load(
    engine: &Engine,
    taken: Receiver<io::Result<Bytes>>,
    given_up: CancellationToken,
    all_sent: &CancellationToken,
) -> Result<(), ClusterError> {
    let pieces = stream::unfold(taken, async |mut taken| Some((taken.recv().await?, taken)));
    let too_long = async {
        all_sent.cancelled().await;
        tokio::time::sleep(LAST).await;
    };
    tokio::select! {
        loaded = engine.load_images(Box::pin(pieces), &given_up) => Ok(loaded?),
        () = too_long => Err(ClusterError::Request {
            reason: format!("its engine had all, and did not end within {} s", LAST.as_secs()).into(),
        }),
    }
}

/// Reads the source, and sends each piece to every engine before the next is read.
async fn feed(
    source: &Source,
    lanes: &mut [Lane],
    cancel: &CancellationToken,
) -> Result<(), ClusterError> {
    let mut reading = Reading::begin(source, cancel).await?;
    let total = source.size();
    let (mut sent, mut shown) = (0, Instant::now());
    while let Some(piece) = reading.next().await? {
        sent += piece.len() as u64;
        // The slowest engine sets the pace: read faster, the rest of the archive would wait in
        // memory.
        join_all(lanes.iter_mut().map(|lane| lane.send(piece.clone()))).await;
        if cancel.is_cancelled() {
            return Err(ClusterError::Cancelled);
        }
        if lanes.iter().all(|lane| lane.pieces.is_none()) {
            return Ok(());
        }
        if shown.elapsed() >= FRAME {
            shown = Instant::now();
            let megabytes = format!("{} MB", sent / 1_000_000);
            for lane in lanes.iter().filter(|lane| lane.pieces.is_some()) {
                lane.step.progress_of(megabytes.clone(), sent.min(total), total);
            }
        }
    }
    for lane in lanes.iter() {
        lane.step.progress("unpacking");
    }
    Ok(())
}

enum Reading<'a> {
    Host(EngineStream),
    File { path: &'a std::path::Path, file: Take<File>, tail: &'a [u8] },
}

impl<'a> Reading<'a> {
    async fn begin(source: &'a Source, cancel: &CancellationToken) -> Result<Self, ClusterError> {
        match source {
            Source::Host(host) => Ok(Self::Host(host.engine.save_image(&host.name, cancel).await?)),
            Source::File(archive) => {
                let file = skep_read::open(&archive.path).map(File::from_std);
                let file = file.map_err(|error| unread(&archive.path, &error))?;
                let file = file.take(archive.length);
                Ok(Self::File { path: &archive.path, file, tail: &archive.tail })
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, ClusterError> {
        match self {
            Self::Host(stream) => Ok(stream.next().await?),
            Self::File { path, file, tail } => {
                let mut piece = Vec::with_capacity(PIECE);
                let mut part = file.take(PIECE as u64);
                part.read_to_end(&mut piece).await.map_err(|error| unread(path, &error))?;
                // Cut between two entries, it would be loaded as a whole archive.
                if piece.is_empty() && file.limit() > 0 {
                    let reason = format!("{} has become shorter meanwhile", path.display());
                    return Err(ClusterError::Request { reason: reason.into() });
                }
                if piece.is_empty() {
                    piece.extend(std::mem::take(tail));
                }
                Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
            }
        }
    }
}

fn unread(path: &std::path::Path, error: &io::Error) -> ClusterError {
    ClusterError::Request { reason: format!("{} cannot be read: {error}", path.display()).into() }
}

#[cfg(test)]
mod tests;
