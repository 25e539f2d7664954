//! One piece of a log: its time, its task, and its text.

use super::Stream;
use crate::api::Id;

/// Something a task has written: a line, with its end, or a part of a long one, without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, as the engine writes it: RFC 3339 with nine digits of a second, so that the order of
    /// texts is the order of times.
    pub at: String,
    pub stream: Stream,
    pub node: Id,
    pub task: Id,
    /// What a logging driver adds (`labels`, `env`), without the swarm's own, by name.
    pub details: Vec<(String, String)>,
    pub text: Vec<u8>,
}

const NODE: &str = "com.docker.swarm.node.id";
const TASK: &str = "com.docker.swarm.task.id";
const SERVICE: &str = "com.docker.swarm.service.id";

impl Entry {
    /// Reads `TIME DETAILS TEXT`, as an engine sends it when it is asked for times and details.
    pub(super) fn read(stream: Stream, frame: &[u8]) -> Option<Self> {
        let mut parts = frame.splitn(3, |byte| *byte == b' ');
        let at = std::str::from_utf8(parts.next()?).ok()?.to_owned();
        let details = std::str::from_utf8(parts.next()?).ok()?;
        let text = parts.next().unwrap_or_default().to_vec();
        let (mut node, mut task) = (Id::default(), Id::default());
        let mut rest = Vec::new();
        for pair in details.split(',').filter(|pair| !pair.is_empty()) {
            // Both halves are written as in a URL's query.
            for (name, value) in form_urlencoded::parse(pair.as_bytes()) {
                match name.as_ref() {
                    NODE => node = Id::new(value),
                    TASK => task = Id::new(value),
                    SERVICE => {}
                    _ => rest.push((name.into_owned(), value.into_owned())),
                }
            }
        }
        rest.sort();
        Some(Self { at, stream, node, task, details: rest, text })
    }

    /// Whether it ends a line.
    pub fn ends_line(&self) -> bool {
        self.text.ends_with(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_and_whose() {
        let line = b"2026-11-22T23:33:09.919379812Z com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t,b=x%2Cy,a=1+2 two words \n";
        let entry = Entry::read(Stream::Stderr, line).unwrap();
        assert_eq!((entry.node.as_str(), entry.task.as_str()), ("n", "t"));
        assert_eq!(entry.at, "2026-11-22T23:33:09.919379812Z");
        assert_eq!(entry.text, b"two words \n");
        let details = [("a", "1 2"), ("b", "x,y")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(entry.details, details);
        assert!(entry.ends_line());
    }

    #[test]
    fn an_empty_line_is_a_line_and_less_is_not() {
        let empty = Entry::read(Stream::Stdout, b"2026-01-01T00:00:00Z a=b \n").unwrap();
        assert_eq!(empty.text, b"\n");
        assert_eq!(Entry::read(Stream::Stdout, b"no-details"), None);
        assert_eq!(Entry::read(Stream::Stdout, b"\xff a b"), None);
    }
}
