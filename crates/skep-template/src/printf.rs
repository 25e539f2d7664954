//! Go's `printf`.

use serde_json::Value;

use crate::{
    Objects,
    print::{digits, inner, type_name},
};

/// The widest a verb may ask for; Go draws the line at a million.
const WIDEST: usize = 1_000_000;

#[derive(Debug, Default)]
struct Verb {
    left: bool,
    zero: bool,
    plus: bool,
    sharp: bool,
    blank: bool,
    width: usize,
    precision: Option<usize>,
}

/// What `printf` prints. A verb that its value does not fit is reported in the text, as Go does.
pub(crate) fn printf(format: &str, arguments: &[Value], objects: Objects) -> String {
    let mut text = String::new();
    let mut arguments = arguments.iter();
    let mut characters = format.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        let mut verb = Verb::default();
        while let Some(flag) = characters.next_if(|c| "-0+# ".contains(*c)) {
            match flag {
                '-' => verb.left = true,
                '0' => verb.zero = true,
                '+' => verb.plus = true,
                '#' => verb.sharp = true,
                _ => verb.blank = true,
            }
        }
        verb.width = number(&mut characters).unwrap_or_default();
        if characters.next_if_eq(&'.').is_some() {
            verb.precision = Some(number(&mut characters).unwrap_or_default());
        }
        match characters.next() {
            None => text.push_str("%!(NOVERB)"),
            Some('%') => text.push('%'),
            Some(letter) => match arguments.next() {
                None => text.push_str(&format!("%!{letter}(MISSING)")),
                Some(value) => text.push_str(&verb.print(letter, value, objects)),
            },
        }
    }
    let left: Vec<String> =
        arguments.map(|value| format!("{}={}", type_name(value), inner(value, objects))).collect();
    if !left.is_empty() {
        text.push_str(&format!("%!(EXTRA {})", left.join(", ")));
    }
    text
}

fn number(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number: Option<usize> = None;
    while let Some(digit) = characters.next_if(char::is_ascii_digit) {
        let digit = digit.to_digit(10).unwrap_or_default() as usize;
        number = Some(number.unwrap_or_default().saturating_mul(10).saturating_add(digit));
    }
    number.map(|number| number.min(WIDEST))
}

impl Verb {
    fn print(&self, letter: char, value: &Value, objects: Objects) -> String {
        let text = match (letter, value) {
            ('v', Value::Number(number)) => Some(self.sign(digits(number))),
            ('v', Value::String(text)) if self.sharp => Some(quoted(text)),
            ('v', value) => Some(self.cut(&inner(value, objects))),
            ('s', Value::String(_) | Value::Array(_) | Value::Object(_)) => {
                Some(self.cut(&inner(value, objects)))
            }
            ('q', Value::String(text)) => Some(quoted(text)),
            ('q', Value::Array(list)) => {
                let each = list.iter().map(|value| self.print('q', value, objects));
                Some(format!("[{}]", each.collect::<Vec<_>>().join(" ")))
            }
            ('t', Value::Bool(truth)) => Some(truth.to_string()),
            ('d', Value::Number(number)) if !number.is_f64() => Some(self.sign(digits(number))),
            // A number of a map was a number of JSON, which Go takes for a float.
            ('d', Value::Number(number)) => number
                .as_f64()
                .filter(|number| number.fract() == 0.0)
                .map(|number| self.sign(format!("{number:.0}"))),
            ('x' | 'X', Value::Number(number)) if number.is_i64() => {
                let number = number.as_i64().unwrap_or_default();
                let digits = format!("{:x}", number.unsigned_abs());
                let digits = if letter == 'X' { digits.to_uppercase() } else { digits };
                let digits = if self.sharp { format!("0{letter}{digits}") } else { digits };
                Some(self.sign(if number < 0 { format!("-{digits}") } else { digits }))
            }
            ('f' | 'F', Value::Number(number)) => {
                let precision = self.precision.unwrap_or(6).min(1000);
                number.as_f64().map(|number| self.sign(format!("{number:.precision$}")))
            }
            ('g', Value::Number(number)) => Some(self.sign(digits(number))),
            ('c', Value::Number(number)) => number
                .as_u64()
                .and_then(|code| char::from_u32(code.try_into().ok()?))
                .map(String::from),
            _ => None,
        };
        let is_number = value.is_number();
        match text {
            Some(text) => self.pad(&text, is_number),
            None if value.is_null() => format!("%!{letter}(<nil>)"),
            None => format!("%!{letter}({}={})", type_name(value), inner(value, objects)),
        }
    }

    fn sign(&self, text: String) -> String {
        match text.starts_with('-') {
            false if self.plus => format!("+{text}"),
            false if self.blank => format!(" {text}"),
            _ => text,
        }
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn pad(&self, text: &str, is_number: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.left {
            format!("{text}{}", " ".repeat(missing))
        } else if self.zero && is_number {
            let (sign, digits) = match text.strip_prefix(['-', '+', ' ']) {
                Some(digits) => (&text[..1], digits),
                None => ("", text),
            };
            format!("{sign}{}{digits}", "0".repeat(missing))
        } else {
            format!("{}{text}", " ".repeat(missing))
        }
    }
}

/// A text as Go writes it between quotes.
fn quoted(text: &str) -> String {
    let mut word = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => word.extend(['\\', character]),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            '\r' => word.push_str("\\r"),
            other if (other as u32) < 0x20 || other == '\u{7f}' => {
                word.push_str(&format!("\\x{:02x}", other as u32));
            }
            other => word.push(other),
        }
    }
    word.push('"');
    word
}
