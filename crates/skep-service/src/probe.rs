//! Requests to a service at every node: who answers, how fast, with what.
//!
//! Each request has a connection of its own, for the routing mesh chooses a task for each
//! connection. A request is *answered* if an answer came in whole and was what was expected;
//! otherwise it is *lost*, and [`Loss`] says how.
//!
//! - [`Probe`] asks a service at every node, so often or until an update has ended.
//! - [`Ask`] and [`Target`]: what is sent, and where.
//! - [`count`] sends so many and ends; [`steady`] sends at a rate until it is stopped.
//! - [`Tally`]: what came of it at one node.

mod answerer;
mod ask;
mod client;
mod follow;
mod port;
mod run;
mod survey;
mod tally;

use std::{fmt, net::SocketAddr};

pub use ask::{Ask, AskError};
pub use port::{Place, PortError};
pub use run::{count, steady};
pub use survey::{Line, Probe, ProbeError, Watched};
pub use tally::{Percentiles, Tally, Value};

/// A node, and where this host sends its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub node: String,
    /// Where its port is reached from here.
    pub address: SocketAddr,
}

/// What a request can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    Connect,
    /// The beginning of an answer.
    Answer,
    Body,
}

/// How a request was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    Refused,
    Unreachable,
    /// The connection was reset or closed before the answer was whole.
    Reset,
    TimedOut(Phase),
    NotHttp,
    Status(u16),
    /// An answer without a text that was expected.
    Content,
    /// This host could not send it: no port or no file descriptor was free.
    NotSent,
}

impl Loss {
    /// Whether there was an answer, which was not as expected.
    pub fn is_answer(self) -> bool {
        matches!(self, Loss::Status(_) | Loss::Content)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Loss::Refused => "refused",
            Loss::Unreachable => "unreachable",
            Loss::Reset => "reset",
            Loss::TimedOut(Phase::Connect) => "no connection in time",
            Loss::TimedOut(Phase::Answer) => "no answer in time",
            Loss::TimedOut(Phase::Body) => "answer not whole in time",
            Loss::NotHttp => "not HTTP",
            Loss::Status(status) => return write!(f, "status {status}"),
            Loss::Content => "unexpected content",
            Loss::NotSent => "not sent",
        })
    }
}
