//! From when on a log is wanted, as docker reads it: a time, or how long ago.

use std::time::Duration;

use jiff::{Timestamp, Zoned, civil::DateTime, tz::TimeZone};

/// Why a text is neither a time nor how long ago.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no time: write 2026-01-02T13:23:37Z, 2026-01-02, seconds since 1970, or how long ago: 42m, 1h30m"
)]
pub struct SinceError {
    pub text: String,
}

/// Reads `text` and gives the seconds since 1970 with nine digits behind the point, as an engine
/// takes it. `now` is what "ago" is from, `zone` that of a time without one.
pub fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Result<String, SinceError> {
    let wrong = || SinceError { text: text.to_owned() };
    if is_seconds(text) {
        return Ok(text.to_owned());
    }
    let at = if let Some(ago) = ago(text) {
        now.checked_sub(jiff::SignedDuration::try_from(ago).map_err(|_| wrong())?)
            .map_err(|_| wrong())?
    } else if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else {
        let civil: DateTime = text.parse().map_err(|_| wrong())?;
        zone.to_zoned(civil).map(|zoned: Zoned| zoned.timestamp()).map_err(|_| wrong())?
    };
    if at.as_second() < 0 {
        return Err(wrong());
    }
    Ok(format!("{}.{:09}", at.as_second(), at.subsec_nanosecond()))
}

fn is_seconds(text: &str) -> bool {
    let (seconds, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits(seconds) && digits(rest) && rest.len() <= 9 && seconds.len() <= 12
}

/// How long ago, as Go writes it: `1h30m`, `1.5h`, `300ms`.
fn ago(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = number.parse::<f64>().ok()? * seconds;
        all = all.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, SinceError> {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        since(text, "2026-01-02T12:00:00.5Z".parse().unwrap(), &zone)
    }

    #[test]
    fn a_time_or_how_long_ago() {
        assert_eq!(read("2026-01-02T11:00:00Z").unwrap(), "1767351600.000000000");
        assert_eq!(read("2026-01-02T11:00:00+01:00").unwrap(), "1767348000.000000000");
        assert_eq!(read("2026-01-02T13:00:00").unwrap(), "1767351600.000000000");
        assert_eq!(read("2026-01-02").unwrap(), "1767304800.000000000");
        assert_eq!(read("1h").unwrap(), "1767351600.500000000");
        assert_eq!(read("1h30m").unwrap(), "1767349800.500000000");
        assert_eq!(read("0.5s").unwrap(), "1767355200.000000000");
        assert_eq!(read("1767351600").unwrap(), "1767351600");
        assert_eq!(read("1767351600.25").unwrap(), "1767351600.25");
    }

    #[test]
    fn what_is_no_time_is_named() {
        for text in ["", "yesterday", "5x", "m", "-5m", "1.2.3", "2026-13-01", "1e300h"] {
            assert_eq!(read(text).unwrap_err().text, text);
        }
    }
}
