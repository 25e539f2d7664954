//! What others wrote, made fit to be shown.

/// A text from a certificate or a file name, fit to be shown: control characters, and those that
/// change the direction of what follows, are written out, and it has at most 200 characters.
pub fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == 200 {
            shown.push('…');
            break;
        }
        let hidden = matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        );
        if character.is_control() || hidden {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_cannot_reach_the_terminal() {
        assert_eq!(printable("Straßen CA"), "Straßen CA");
        assert_eq!(printable("a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb\\u{d}\\u{a}");
        assert_eq!(printable("evil\u{202e}gpj"), "evil\\u{202e}gpj");
        assert_eq!(printable(&"x".repeat(300)).chars().count(), 201);
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_printable(text in "\\PC{0,20}|(?s).{0,20}") {
            prop_assert!(!printable(&text).chars().any(char::is_control));
        }
    }
}
