//! An answer that goes on: logs, events.

use std::{fmt, io};

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use tokio_util::sync::CancellationToken;

use crate::{error::EngineError, wire::Wire};

/// The body of an answer, read piece by piece. Dropped, it ends the request.
pub struct EngineStream {
    wire: Wire,
    request: String,
    body: Incoming,
    cancel: CancellationToken,
}

impl fmt::Debug for EngineStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineStream").field("request", &self.request).finish_non_exhaustive()
    }
}

impl EngineStream {
    pub(crate) fn new(
        wire: Wire,
        request: String,
        body: Incoming,
        cancel: CancellationToken,
    ) -> Self {
        Self { wire, request, body, cancel }
    }

    /// The next piece, of any length, or `None` at the end. A call that is given up (in a `select`,
    /// by a timeout) loses nothing.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`]; [`EngineError::Broken`] if the connection breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
        loop {
            let frame = tokio::select! {
                biased;
                () = self.cancel.cancelled() => {
                    return Err(EngineError::Cancelled { request: self.request.clone() });
                }
                frame = self.body.frame() => frame,
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => {
                    return Err(self.wire.broken(&self.request, io::Error::other(error)));
                }
                // Trailers say nothing that an engine's streams need.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
