//! Measurements, compared with their targets.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Unit {
    /// How many times the other.
    Ratio,
    Milliseconds,
    /// 1024 × 1024 bytes.
    Megabytes,
    Count,
}

impl Unit {
    fn sign(self) -> &'static str {
        match self {
            Self::Ratio => "×",
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
            Self::Count => "",
        }
    }
}

/// One target and its measurement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Figure {
    name: String,
    unit: Unit,
    measured: f64,
    limit: f64,
}

impl Figure {
    /// A figure as it was measured.
    pub(super) fn new(name: String, unit: Unit, measured: f64, limit: f64) -> Self {
        Self { name, unit, measured, limit }
    }

    /// The median of `ours` in terms of the median of `theirs`.
    pub(super) fn ratio(name: &str, ours: &[Duration], theirs: &[Duration], limit: f64) -> Self {
        let seconds = |times: &[Duration]| {
            median(&times.iter().map(Duration::as_secs_f64).collect::<Vec<_>>())
        };
        Self::new(name.into(), Unit::Ratio, seconds(ours) / seconds(theirs), limit)
    }

    /// Whether the target was met; an unmeasured one was not.
    pub(super) fn kept(&self) -> bool {
        self.measured <= self.limit
    }
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The figures as a table.
pub(super) fn table(figures: &[Figure]) -> String {
    let widest = figures.iter().map(|figure| figure.name.chars().count()).max().unwrap_or_default();
    let line = |figure: &Figure| {
        let sign = figure.unit.sign();
        let verdict = if figure.kept() { "kept" } else { "MISSED" };
        let Figure { name, measured, limit, .. } = figure;
        format!(
            "{name:<widest$}  {measured:>8.2} {sign:<2}  at most {limit:>5} {sign:<2}  {verdict}"
        )
    };
    figures.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The figures as JSON: `{"schema": 1, "figures": [{name, unit, measured, limit}]}`.
pub(super) fn json(figures: &[Figure]) -> Result<String> {
    let document = serde_json::json!({"schema": 1, "figures": figures});
    let mut text = serde_json::to_string_pretty(&document).context("cannot write JSON")?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 100.0]), 3.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 100.0]), 3.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_is_kept_up_to_its_limit() {
        let seconds = |values: &[u64]| -> Vec<_> {
            values.iter().copied().map(Duration::from_secs).collect()
        };
        let kept = Figure::ratio("a", &seconds(&[6, 5]), &seconds(&[5]), 1.3);
        assert!(kept.kept() && (kept.measured - 1.1).abs() < 1e-9);
        assert!(!Figure::ratio("a", &seconds(&[7]), &seconds(&[5]), 1.3).kept());
        assert!(!Figure::ratio("a", &[], &seconds(&[5]), 1.3).kept());
    }

    #[test]
    fn the_table_lines_up_and_shouts_what_was_missed() {
        let figures = [
            Figure::new("skep --help: time".into(), Unit::Milliseconds, 4.2, 10.0),
            Figure::new("ten".into(), Unit::Ratio, 3.5, 3.0),
        ];
        assert_eq!(
            table(&figures),
            "skep --help: time      4.20 ms  at most    10 ms  kept\n\
             ten                    3.50 ×   at most     3 ×   MISSED"
        );
        assert!(json(&figures).unwrap().contains("\"unit\": \"milliseconds\""));
    }
}
