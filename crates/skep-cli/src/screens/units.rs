//! Durations, sizes and words as docker writes them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// How long ago something was: `About a minute`, `5 hours`. Source: go-units' `HumanDuration`.
pub fn ago(since: Option<Timestamp>, now: SystemTime) -> String {
    // Docker counts what was never from the year 1, and its durations end after 292 years.
    let Some(since) = since else { return human(Duration::from_nanos(i64::MAX.unsigned_abs())) };
    human(now.duration_since(since.into()).unwrap_or_default())
}

fn human(age: Duration) -> String {
    let seconds = age.as_secs();
    let (minutes, hours) = (seconds / 60, (seconds + 1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".into(),
        () if seconds == 1 => "1 second".into(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".into(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours == 1 => "About an hour".into(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

/// Bytes in at most four digits: `512MiB`, `1.5GiB`. Source: go-units' `BytesSize`.
pub fn bytes_size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let decimals = match size {
        size if size < 10.0 => 3,
        size if size < 100.0 => 2,
        size if size < 1000.0 => 1,
        _ => 0,
    };
    let text = format!("{size:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{}", UNITS[unit])
}

/// Nanoseconds as Go writes a duration: `1m30s`, `1h0m0s`, `1.5s`, `250ms`.
pub(super) fn go_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let part = |unit: u64| {
        let (whole, rest) = (all / unit, all % unit);
        let digits = unit.ilog10() as usize;
        let rest = format!("{rest:0digits$}");
        let rest = rest.trim_end_matches('0');
        if digits == 0 || rest.is_empty() { whole.to_string() } else { format!("{whole}.{rest}") }
    };
    let text = match all {
        0 => "0s".to_owned(),
        1..1_000 => format!("{all}ns"),
        1_000..1_000_000 => format!("{}µs", part(1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", part(1_000_000)),
        _ => {
            let minutes = all / 60_000_000_000;
            let whole = part(1_000_000_000);
            let fraction = whole.split_once('.').map(|(_, rest)| format!(".{rest}"));
            let fraction = fraction.unwrap_or_default();
            let seconds = format!("{}{fraction}s", all / 1_000_000_000 % 60);
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

/// A word with an upper-case first letter only, as docker shows states and messages.
pub(super) fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    match (letters.next(), letters.as_str()) {
        (None, _) => String::new(),
        (Some(only), "") => only.to_lowercase().to_string(),
        (Some(first), rest) => format!("{}{}", first.to_uppercase(), rest.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_dockers() {
        let hours = |hours: u64| hours * 3600;
        for (seconds, expected) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (hours(1), "About an hour"),
            (hours(1) + 29 * 60, "About an hour"),
            (hours(1) + 30 * 60, "2 hours"),
            (hours(47), "47 hours"),
            (hours(48), "2 days"),
            (hours(24 * 13), "13 days"),
            (hours(24 * 14), "2 weeks"),
            (hours(24 * 59), "8 weeks"),
            (hours(24 * 60), "2 months"),
            (hours(24 * 365), "12 months"),
            (hours(24 * 365 * 2), "2 years"),
        ] {
            assert_eq!(human(Duration::from_secs(seconds)), expected, "{seconds}");
        }
        assert_eq!(ago(None, SystemTime::UNIX_EPOCH), "292 years");
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(ago(Some(later), SystemTime::UNIX_EPOCH), "Less than a second");
    }

    #[test]
    fn sizes_are_dockers() {
        for (bytes, expected) in [
            (1, "1B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (1536 << 20, "1.5GiB"),
            (512 << 20, "512MiB"),
            (100_000_000, "95.37MiB"),
            (25_281_650_688, "23.55GiB"),
            (1_000_000, "976.6KiB"),
        ] {
            assert_eq!(bytes_size(bytes), expected);
        }
    }

    #[test]
    fn durations_are_gos() {
        for (nanoseconds, expected) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (250_000_000, "250ms"),
            (5_000_000_000, "5s"),
            (1_500_000_000, "1.5s"),
            (60_000_000_000, "1m0s"),
            (90_250_000_000, "1m30.25s"),
            (3_600_000_000_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(nanoseconds), expected);
        }
    }
}
