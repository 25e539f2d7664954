//! PEM blocks (RFC 7468) with any text around them, and what a piece of DER is.

use base64::{Engine as _, engine::general_purpose::STANDARD};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// What it says it is: `CERTIFICATE`.
    pub(crate) label: String,
    /// The line it begins at, counted from 1.
    pub(crate) line: usize,
    /// What is in it, or what is wrong with it.
    pub(crate) content: Result<Vec<u8>, String>,
}

pub(crate) fn blocks(text: &[u8]) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<(String, usize, Vec<u8>)> = None;
    let cut_short = |label: &str| Err(format!("its {label} block has no end"));
    for (number, line) in pieces(text) {
        if let Some(label) = marker(line, "BEGIN ") {
            if let Some((label, line, _)) = open.take() {
                found.push(Block { content: cut_short(&label), label, line });
            }
            open = Some((label, number, Vec::new()));
        } else if let Some(end) = marker(line, "END ") {
            let Some((label, line, base64)) = open.take() else { continue };
            let content = if end == label {
                STANDARD.decode(base64).map_err(|error| format!("its base64 is broken: {error}"))
            } else {
                cut_short(&label)
            };
            found.push(Block { label, line, content });
        } else if let Some((_, _, base64)) = &mut open {
            base64.extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        }
    }
    if let Some((label, line, _)) = open {
        found.push(Block { content: cut_short(&label), label, line });
    }
    found
}

/// Whether a text has a private key of any kind, whole or not; the line it begins at.
pub(crate) fn private_key(text: &[u8]) -> Option<usize> {
    let begins = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        line.starts_with("--") && line.contains("PRIVATE KEY")
            || line.starts_with("PuTTY-User-Key-File-")
    };
    pieces(text).find(|(_, piece)| begins(piece)).map(|(number, _)| number)
}

/// Whether DER is a private key: PKCS#1, PKCS#8 and SEC 1 begin with a version of 0 or 1, and an
/// encrypted PKCS#8 key is an algorithm followed by an octet string.
pub(crate) fn is_private_key(der: &[u8]) -> bool {
    let Some((0x30, inside, _)) = element(der) else { return false };
    match element(inside) {
        Some((0x02, [0 | 1], _)) => true,
        Some((0x30, algorithm, rest)) => {
            algorithm.first() == Some(&0x06) && rest.first() == Some(&0x04)
        }
        _ => false,
    }
}

/// What a piece of DER that is not a certificate may be.
pub(crate) fn describe(der: &[u8]) -> String {
    let Some((0x30, inside, _)) = element(der) else {
        return "it is no X.509 structure, or is cut short".into();
    };
    match element(inside) {
        Some((0x02, [3], _)) => {
            "it looks like a PKCS#12 archive, which may hold a private key; take the certificate out of it"
        }
        // 1.2.840.113549.1.7.2, signedData.
        Some((0x06, [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2], _)) => {
            "it is a PKCS#7 bundle; `openssl pkcs7 -print_certs` gives its certificates"
        }
        Some((0x30, algorithm, rest))
            if algorithm.first() == Some(&0x06) && rest.first() == Some(&0x03) =>
        {
            "it is a public key"
        }
        _ => "its X.509 structure is broken",
    }
    .into()
}

/// The first DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let (digits, rest) = rest.split_at_checked(count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The lines of a text with their numbers, from 1; whatever ends them. One that has more than a
/// marker, as where files without a last line's end were joined, is taken apart.
fn pieces(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let end = if text.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines = text.split(move |&byte| byte == end).enumerate();
    lines.flat_map(|(number, line)| {
        let parts = line.split(|&byte| byte == b'\r').flat_map(apart);
        parts.map(move |part| (number + 1, part))
    })
}

/// Takes a line apart before and behind each marker in it.
fn apart(line: &[u8]) -> Vec<&[u8]> {
    const DASHES: &[u8] = b"-----";
    let position =
        |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|window| window == wanted);
    let mut parts = Vec::new();
    let mut rest = line;
    loop {
        let begin = [&b"-----BEGIN "[..], b"-----END "]
            .iter()
            .filter_map(|marker| position(rest, marker))
            .min();
        let inside = begin.and_then(|begin| {
            let behind = rest.get(begin + DASHES.len()..)?;
            Some((begin, begin + 2 * DASHES.len() + position(behind, DASHES)?))
        });
        let Some((begin, end)) = inside else { break };
        let (before, marker, after) = (&rest[..begin], &rest[begin..end], &rest[end..]);
        // A byte order mark belongs to what follows it.
        if before.is_empty() || before == "\u{feff}".as_bytes() {
            parts.push(&rest[..end]);
        } else {
            parts.extend([before, marker]);
        }
        rest = after;
    }
    if parts.is_empty() || !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

fn marker(line: &[u8], kind: &str) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim();
    // A byte order mark may come before the first block.
    let line = line.strip_prefix('\u{feff}').unwrap_or(line);
    let label = line.strip_prefix("-----")?.strip_prefix(kind)?.strip_suffix("-----")?;
    Some(label.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_around_blocks_does_not_matter() {
        let text = b"Some CA\r\n=======\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\nBA==\r\n-----END CERTIFICATE-----\r\n# next\r\n-----BEGIN X-----\r\nAQ==\r\n-----END X-----";
        let found = blocks(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].line, &found[0].content), (3, &Ok(vec![1, 2, 3, 4])));
        assert_eq!((found[1].label.as_str(), found[1].line), ("X", 8));
    }

    /// As `cat a.pem b.pem` joins files without a last line's end.
    #[test]
    fn joined_blocks_are_two() {
        let one = "-----BEGIN A-----\nAQID\n-----END A-----";
        let two = "-----BEGIN B-----\nBAUG\n-----END B-----";
        for between in ["", "  ", "# B", "\r", "\n", "\r\n\r\n"] {
            let text = format!("{one}{between}{two}{between}{one}");
            let found = blocks(text.as_bytes());
            let labels: Vec<_> = found.iter().map(|block| block.label.as_str()).collect();
            assert_eq!(labels, ["A", "B", "A"], "{between:?}");
            assert!(found.iter().all(|block| block.content.is_ok()), "{found:?}");
        }
        // A key is found wherever it begins.
        let text = format!("{one}-----BEGIN RSA PRIVATE KEY-----\nAQID\n");
        assert_eq!(private_key(text.as_bytes()), Some(3));
        assert_eq!(private_key(b"AQID-----BEGIN PRIVATE KEY-----\n"), Some(1));
    }

    #[test]
    fn a_block_without_its_end_is_said_to_have_none() {
        let texts: [&[u8]; 3] = [
            b"-----BEGIN A-----\nAQID\n",
            b"-----BEGIN A-----\nAQID\n-----END B-----\n",
            b"-----BEGIN A-----\nAQID\n-----BEGIN B-----\nAQID\n-----END B-----\n",
        ];
        for text in texts {
            assert_eq!(blocks(text)[0].content, Err("its A block has no end".into()));
        }
    }

    proptest! {
        /// However blocks are joined, each is read with what is in it.
        #[test]
        fn blocks_are_read_however_they_are_joined(
            contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..90), 1..5),
            joins in prop::collection::vec("\n|\r\n|\r|| |\t", 5),
        ) {
            let mut text = String::new();
            for (content, join) in contents.iter().zip(&joins) {
                let base64 = STANDARD.encode(content);
                text += &format!("-----BEGIN X-----\n{base64}\n-----END X-----{join}");
            }
            let found: Vec<_> =
                blocks(text.as_bytes()).into_iter().map(|block| block.content).collect();
            prop_assert_eq!(found, contents.into_iter().map(Ok).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            blocks(&bytes);
            private_key(&bytes);
            let parts: Vec<u8> = apart(&bytes).concat();
            is_private_key(&bytes);
            describe(&bytes);
            prop_assert_eq!(parts, bytes, "nothing is lost where a line is taken apart");
        }
    }
}
