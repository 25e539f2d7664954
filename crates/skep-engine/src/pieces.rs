//! A request's body that is sent piece by piece.

use std::{io, pin::Pin};

use futures_util::{Stream, StreamExt as _};
use hyper::body::{Bytes, Frame};

/// Pieces of an archive.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

pub(crate) fn frames(
    pieces: Pieces,
) -> Pin<Box<dyn Stream<Item = io::Result<Frame<Bytes>>> + Send>> {
    Box::pin(pieces.map(|piece| piece.map(Frame::data)))
}
