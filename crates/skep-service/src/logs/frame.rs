//! The frames in which an engine sends what several streams have written.
//!
//! Source: Docker Engine API, `ContainerAttach`, "Stream format": eight bytes of header, of which
//! the first is the stream and the last four are the length of what follows, big end first.

/// Which stream something was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Stdout,
    Stderr,
    /// The engine itself: why it could not go on.
    Engine,
}

const HEADER: usize = 8;

/// The longest frame, in bytes. An engine's logger cuts lines at 16 KiB, and one that is set otherwise
/// at some MiB.
const LONGEST: usize = 16 << 20;

/// Cuts a stream of bytes, which comes in pieces of any length, into frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    /// How many of them have been given out already.
    read: usize,
    /// Whether something came that is no frame: what follows cannot be read.
    broken: bool,
}

impl Frames {
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        if !self.broken {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// The next frame that is there as a whole.
    pub(super) fn next(&mut self) -> Option<(Stream, &[u8])> {
        let header = self.bytes[self.read..].first_chunk::<HEADER>()?;
        let [stream, _, _, _, a, b, c, d] = *header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        if length > LONGEST {
            self.broken = true;
            self.bytes.clear();
            self.read = 0;
            return Some((Stream::Engine, b"the engine sent a part that is longer than 16 MiB, and what follows cannot be read"));
        }
        let start = self.read + HEADER;
        let frame = self.bytes.get(start..start + length)?;
        self.read += HEADER + length;
        let stream = match stream {
            2 => Stream::Stderr,
            3 => Stream::Engine,
            _ => Stream::Stdout,
        };
        Some((stream, frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(stream: u8, text: &[u8]) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend_from_slice(&u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(text);
        bytes
    }

    #[test]
    fn a_frame_that_would_fill_the_memory_ends_the_log() {
        let mut frames = Frames::default();
        frames.push(&frame(1, b"a"));
        frames.push(&[1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, b'x']);
        assert_eq!(frames.next(), Some((Stream::Stdout, &b"a"[..])));
        assert!(matches!(frames.next(), Some((Stream::Engine, _))));
        frames.push(&frame(1, b"b"));
        assert_eq!(frames.next(), None);
        assert!(frames.bytes.is_empty());
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_they_are_cut(
            texts in prop::collection::vec((1u8..4, prop::collection::vec(any::<u8>(), 0..20)), 0..8),
            cut in 1usize..12,
        ) {
            let bytes: Vec<u8> = texts.iter().flat_map(|(stream, text)| frame(*stream, text)).collect();
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(cut) {
                frames.push(piece);
                while let Some((stream, text)) = frames.next() {
                    let number = match stream { Stream::Stdout => 1, Stream::Stderr => 2, Stream::Engine => 3 };
                    found.push((number, text.to_vec()));
                }
            }
            prop_assert_eq!(found, texts);
        }
    }
}
