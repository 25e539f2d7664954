//! Text as a person may be shown it.
//!
//! Names, errors and descriptions come from engines, archives, files and hosts of any owner.
//! Sent to a terminal as they are, they could move its cursor, set its title, answer for its user, or
//! by changing the direction of writing show another text than there is. So all that is printed goes
//! through here, and what would act and not be seen is shown as an escape: `\u{1b}`.
//!
//! Colours of skep's own are put around text after it was cleaned.

use std::borrow::Cow;

/// Whether a character acts on a terminal, or on the text around it, in place of being seen: control
/// characters (C0, DEL, C1), marks, embeddings, overrides and isolates of direction (Unicode Standard
/// Annex #9), separators of lines and paragraphs.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

fn replaced<'t>(text: &'t str, stays: impl Fn(char) -> bool) -> Cow<'t, str> {
    let acts = |letter: char| is_hidden(letter) && !stays(letter);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            letter if !acts(letter) => shown.push(letter),
            '\n' | '\r' | '\t' => shown.extend(letter.escape_default()),
            letter => shown.extend(letter.escape_unicode()),
        }
    }
    Cow::Owned(shown)
}

/// A text of lines, with its tabs.
pub fn text(text: &str) -> Cow<'_, str> {
    replaced(text, |letter| matches!(letter, '\n' | '\t'))
}

/// A text that stands on one line: a cell, a name.
pub fn line(text: &str) -> Cow<'_, str> {
    replaced(text, |_| false)
}

/// JSON with the same meaning: what a serializer leaves as it is within strings is escaped as JSON
/// has it.
pub fn json(document: &str) -> String {
    let mut shown = String::with_capacity(document.len());
    for letter in document.chars() {
        match letter {
            '\n' => shown.push('\n'),
            letter if is_hidden(letter) => shown.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => shown.push(letter),
        }
    }
    shown
}

/// What a program has logged, on its way to a terminal: its colours stay, and the ends of its lines.
/// It comes in pieces, which may cut a character in two.
#[derive(Debug, Default)]
pub struct Log {
    held: Vec<u8>,
}

impl Log {
    /// What is to be written of a piece.
    pub fn piece(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let mut shown = Vec::with_capacity(all.len());
        for chunk in all.utf8_chunks() {
            log_text(chunk.valid(), &mut shown);
            shown.extend_from_slice(chunk.invalid());
        }
        let cut = match std::str::from_utf8(&all) {
            Err(error) if error.error_len().is_none() => all.len() - error.valid_up_to(),
            // An earlier mistake hides the end: what is no text there is no character cut in two.
            _ => 0,
        };
        self.held = all.split_off(all.len() - cut);
        shown.truncate(shown.len() - cut);
        shown
    }

    /// What was held back.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

fn log_text(text: &str, shown: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.find(['\u{1b}', '\r']) {
        let (before, from) = rest.split_at(at);
        shown.extend_from_slice(self::text(before).as_bytes());
        let length = if from.starts_with("\r\n") { 2 } else { color(from).unwrap_or(0) };
        if length > 0 {
            shown.extend_from_slice(&from.as_bytes()[..length]);
            rest = &from[length..];
        } else {
            shown.extend_from_slice(line(&from[..1]).as_bytes());
            rest = &from[1..];
        }
    }
    shown.extend_from_slice(self::text(rest).as_bytes());
}

/// How long the sequence is that sets colours (ECMA-48, SGR) and that a text begins with.
fn color(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|letter: char| !letter.is_ascii_digit() && letter != ';')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

/// A text without the sequences that set colours.
pub fn without_colors(text: &str) -> String {
    let mut bare = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, from) = rest.split_at(at);
        bare.push_str(before);
        let length = color(from).unwrap_or(0);
        if length == 0 {
            bare.push('\u{1b}');
        }
        rest = &from[length.max(1)..];
    }
    bare.push_str(rest);
    bare
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_acts_is_shown_and_what_is_seen_stays() {
        let hostile =
            "a\u{1b}]0;owned\u{7}\r\u{9b}2J\u{7f}\u{202e}txt.exe\u{2066}\u{61c}\u{200f}\u{2028}";
        assert_eq!(
            text(hostile),
            "a\\u{1b}]0;owned\\u{7}\\r\\u{9b}2J\\u{7f}\\u{202e}txt.exe\\u{2066}\\u{61c}\\u{200f}\\u{2028}"
        );
        let harmless = "Zürich 蜂 👩‍🚀 ✓ …\n\tעברית";
        assert!(matches!(text(harmless), Cow::Borrowed(same) if same == harmless));
        assert_eq!(line("a\n\tb"), "a\\n\\tb");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"a\u{202e}": "\u{1b}[2J\u{7f}\u{85}\n"});
        let shown = json(&format!("{value:#}"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert_eq!(text(&shown), shown);
    }

    #[test]
    fn a_log_keeps_its_colors_and_no_more() {
        let mut log = Log::default();
        let said = "\u{1b}[1;31mred\u{1b}[0m\r\nodd\u{1b}[2Jx\r50 %\u{202e}\n".as_bytes();
        assert_eq!(
            String::from_utf8(log.piece(said)).unwrap(),
            "\u{1b}[1;31mred\u{1b}[0m\r\nodd\\u{1b}[2Jx\\r50 %\\u{202e}\n"
        );
        assert_eq!(log.piece(b"\xff\xfe\n"), b"\xff\xfe\n");
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(raw in any::<String>(), cut in 0usize..40) {
            let left = |shown: &str, stays: &[char]| {
                shown.chars().any(|letter| is_hidden(letter) && !stays.contains(&letter))
            };
            prop_assert!(!left(&text(&raw), &['\n', '\t']));
            prop_assert!(!left(&line(&raw), &[]));
            prop_assert!(!left(&json(&raw), &['\n']));
            let mut log = Log::default();
            let bytes = raw.as_bytes();
            let cut = cut.min(bytes.len());
            let mut shown = log.piece(&bytes[..cut]);
            shown.extend(log.piece(&bytes[cut..]));
            shown.extend(log.rest());
            // Colours and ends of lines aside.
            let shown = without_colors(&String::from_utf8(shown).unwrap()).replace("\r\n", "\n");
            prop_assert!(!left(&shown, &['\n', '\t']), "{:?}", shown);
        }

        #[test]
        fn no_bytes_make_a_log_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let mut log = Log::default();
            for piece in &pieces {
                let _ = log.piece(piece);
            }
            prop_assert!(log.rest().len() < 4);
        }
    }
}
