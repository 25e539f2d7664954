//! Plain values: durations, sizes, processors, key and value, words, truth.

use std::{fmt, str::FromStr};

/// A text that is not the value it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {fix}")]
pub struct ValueError {
    /// What it should be: `duration`.
    pub what: &'static str,
    pub text: String,
    pub fix: String,
}

impl ValueError {
    pub(crate) fn new(what: &'static str, text: &str, fix: impl Into<String>) -> Self {
        Self { what, text: text.into(), fix: fix.into() }
    }
}

/// A span of time in nanoseconds, as `time.ParseDuration` of Go reads it: `1m30s`, `1.5h`, `0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(i64);

impl Span {
    /// So many nanoseconds.
    pub const fn nanoseconds(count: i64) -> Self {
        Self(count)
    }

    /// In nanoseconds.
    pub fn as_nanoseconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Span {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = || ValueError::new("duration", text, "write 500ms, 90s, 1m30s or 2h");
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        let mut total: i64 = 0;
        let mut rest = rest;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(end);
            let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(end);
            let unit: i128 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(wrong()),
            };
            let part = scaled(number, unit).ok_or_else(wrong)?;
            total = i64::try_from(part)
                .ok()
                .and_then(|part| total.checked_add(part))
                .ok_or_else(wrong)?;
            rest = tail;
        }
        Ok(Self(sign * total))
    }
}

/// A decimal number times a whole one, cut to a whole one; `None` if it is no number.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    // More digits than these do not change the whole number that comes out.
    let fraction = fraction.get(..18).unwrap_or(fraction);
    if !digits(whole) || !digits(fraction) || whole.len() > 18 {
        return None;
    }
    let read = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let places = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(read(whole)?.checked_mul(unit)? + read(fraction)?.checked_mul(unit)? / places)
}

/// A span of time that is not negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PositiveSpan(pub Span);

impl FromStr for PositiveSpan {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let span: Span = text.parse()?;
        if span.as_nanoseconds() < 0 {
            return Err(ValueError::new("duration", text, "it cannot be negative"));
        }
        Ok(Self(span))
    }
}

/// Memory in bytes: a number, alone or with `k`, `m`, `g`, `t` or `p` (powers of 1024), each
/// perhaps followed by `b` or `ib`, as `units.RAMInBytes` of docker reads it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(i64);

impl Memory {
    /// In bytes.
    pub fn bytes(self) -> i64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong =
            || ValueError::new("size", text, "write a number with b, k, m or g: 512m, 1.5g");
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
        let power = match unit.trim_end_matches('b') {
            "" => 0,
            "k" | "ki" => 1,
            "m" | "mi" => 2,
            "g" | "gi" => 3,
            "t" | "ti" => 4,
            "p" | "pi" => 5,
            _ => return Err(wrong()),
        };
        if unit.ends_with("bb") {
            return Err(wrong());
        }
        let bytes = scaled(number, 1024_i128.pow(power)).ok_or_else(wrong)?;
        Ok(Self(i64::try_from(bytes).map_err(|_| wrong())?))
    }
}

/// Processors in billionths: `0.5`, `2`, `1/3` is refused since it is no whole number of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(i64);

impl Cpus {
    /// In billionths of a processor.
    pub fn nano(self) -> i64 {
        self.0
    }
}

impl FromStr for Cpus {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const NANO: i128 = 1_000_000_000;
        let wrong = || ValueError::new("number of processors", text, "write 0.5, 1 or 2.25");
        let (number, divisor) = match text.split_once('/') {
            None => (text, 1),
            Some((number, divisor)) => {
                (number, divisor.parse::<u32>().map_err(|_| wrong())?.into())
            }
        };
        if number.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 9) {
            return Err(ValueError::new("number of processors", text, "it is too precise"));
        }
        let nano = scaled(number, NANO).ok_or_else(wrong)?;
        if divisor == 0 {
            return Err(wrong());
        }
        if nano % divisor != 0 {
            return Err(ValueError::new("number of processors", text, "it is too precise"));
        }
        Ok(Self(i64::try_from(nano / divisor).map_err(|_| wrong())?))
    }
}

/// A share from 0 to 1, in the precision in which an engine keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Ratio(f32);

impl Ratio {
    /// The number that is written as it was read: 0.1 and not 0.10000000149.
    pub fn as_f64(self) -> f64 {
        // Through text, because the shortest text of a number is what both precisions share.
        self.0.to_string().parse().unwrap_or_default()
    }
}

impl FromStr for Ratio {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let ratio = text.parse::<f32>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.map(Self).ok_or_else(|| ValueError::new("ratio", text, "write a number from 0 to 1"))
    }
}

/// `KEY=VALUE`; `KEY` alone has an empty value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    pub key: String,
    pub value: String,
}

impl FromStr for KeyValue {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.trim().is_empty() {
            return Err(ValueError::new("KEY=VALUE", text, "its key is empty"));
        }
        Ok(Self { key: key.into(), value: value.into() })
    }
}

/// A label: `KEY=VALUE`, with no blank in its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(pub KeyValue);

impl FromStr for Label {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let pair: KeyValue =
            text.parse().map_err(|_| ValueError::new("label", text, "its name is empty"))?;
        if pair.key.trim_start_matches([' ', '\t']).contains([' ', '\t']) {
            return Err(ValueError::new("label", text, "its name has a blank in it"));
        }
        Ok(Self(pair))
    }
}

/// Words as a shell would split them: `sh -c 'echo a b'` is three.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl FromStr for Words {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let words = shlex::split(text);
        words.map(Self).ok_or_else(|| ValueError::new("command", text, "a quote is not closed"))
    }
}

/// Yes or no, in the words that docker takes: `true`, `1`, `t`, `false`, `0`, `f`.
///
/// # Errors
/// [`ValueError`] if it is neither.
pub fn truth(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(ValueError::new("truth value", text, "write true or false")),
    }
}

/// The fields of `a=1,b=2`, of which those with a comma in them stand between double quotes. `what`
/// is what an error calls the text.
///
/// # Errors
/// [`ValueError`] if a quote is not closed, or there is nothing.
pub fn fields(what: &'static str, text: &str) -> Result<Vec<String>, ValueError> {
    let wrong = |fix: String| ValueError::new(what, text, fix);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    match reader.records().next() {
        Some(Ok(record)) => Ok(record.iter().map(str::to_owned).collect()),
        Some(Err(error)) => Err(wrong(error.to_string())),
        None => Err(wrong("it is empty".into())),
    }
}

/// Whether a text is written as `key=value,…`: somewhere in it a word is followed by `=` and
/// another one. docker decides so between the long and the short form of ports and networks.
pub(crate) fn is_long_form(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('=')
        .any(|(at, _)| text[..at].ends_with(word) && text[at + 1..].starts_with(word))
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}b", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nanoseconds(text: &str) -> Option<i64> {
        text.parse().ok().map(Span::as_nanoseconds)
    }

    #[test]
    fn durations_are_gos() {
        for (text, expected) in [
            ("0", 0),
            ("1ns", 1),
            ("1.5us", 1_500),
            ("2µs", 2_000),
            ("300ms", 300_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("-3s", -3_000_000_000),
            ("+3s", 3_000_000_000),
            (".5s", 500_000_000),
            ("1h0m0.000000001s", 3_600_000_000_001),
        ] {
            assert_eq!(nanoseconds(text), Some(expected), "{text}");
        }
        for text in ["", "3", "s", "1x", "1 s", "1d", ".s", "--1s", "99999999999h", "1.2.3s"] {
            assert_eq!(nanoseconds(text), None, "{text}");
        }
        assert_eq!(
            "-1s".parse::<PositiveSpan>().unwrap_err().to_string(),
            "`-1s` is no duration: it cannot be negative"
        );
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        let bytes = |text: &str| text.parse::<Memory>().ok().map(Memory::bytes);
        for (text, expected) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32k", 32 << 10),
            ("32KiB", 32 << 10),
            ("32 mb", 32 << 20),
            ("1.5g", 3 << 29),
            ("1T", 1 << 40),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for text in ["", "m", "-1", "1x", "1mm", "1bb", "32  b", "1.2.3", "9999999999p"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn processors_are_exact() {
        let nano = |text: &str| text.parse::<Cpus>().ok().map(Cpus::nano);
        assert_eq!(nano("0.5"), Some(500_000_000));
        assert_eq!(nano("1/4"), Some(250_000_000));
        assert_eq!(nano("2"), Some(2_000_000_000));
        for text in ["", "x", "1/3", "1/0", "0.0000000001", "-1"] {
            assert_eq!(nano(text), None, "{text}");
        }
    }

    #[test]
    fn a_ratio_is_written_as_it_was_read() {
        assert_eq!("0.1".parse::<Ratio>().unwrap().as_f64().to_string(), "0.1");
        assert!("1.1".parse::<Ratio>().is_err() && "NaN".parse::<Ratio>().is_err());
    }

    #[test]
    fn labels_have_names() {
        assert_eq!("a=b=c".parse::<Label>().unwrap().0.value, "b=c");
        assert_eq!("a".parse::<Label>().unwrap().0.value, "");
        assert!("=a".parse::<Label>().is_err() && "a b=c".parse::<Label>().is_err());
    }

    #[test]
    fn words_are_a_shells() {
        let words: Words = "sh -c 'echo a  b'".parse().unwrap();
        assert_eq!(words.0, ["sh", "-c", "echo a  b"]);
        assert!("'".parse::<Words>().is_err());
    }

    #[test]
    fn a_field_may_hold_a_comma() {
        let fields = fields("mount", r#"type=volume,"volume-opt=o=addr=1,rw""#).unwrap();
        assert_eq!(fields, ["type=volume", "volume-opt=o=addr=1,rw"]);
        assert!(is_long_form("a=b") && !is_long_form("8080:80") && !is_long_form("=b"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,20}") {
            let _ = (text.parse::<Span>(), text.parse::<Memory>(), text.parse::<Cpus>());
        }

        #[test]
        fn whole_seconds_are_read(count in 0i64..1_000_000_000) {
            prop_assert_eq!(nanoseconds(&format!("{count}s")), Some(count * 1_000_000_000));
        }
    }
}
