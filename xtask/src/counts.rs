//! How many tests passed and failed, read from what the test runners print.

use std::{iter::Sum, ops::Add};

/// Who runs tests, and so what its summary looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `Summary [ 0.1s] 12 tests run: 11 passed (1 slow), 1 failed, 2 skipped`
    Nextest,
    /// `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`
    Libtest,
}

/// What a test runner, or several, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    /// Tests that failed, timed out or could not be started.
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Counts {
    /// The counts in one line of a test runner's output, if it is its summary.
    ///
    /// The other runner's summaries are not: nextest shows what a failed test printed, and a
    /// test may be a libtest of one.
    pub(crate) fn in_line(runner: Runner, line: &str) -> Option<Self> {
        let line = without_colour(line);
        let line = line.trim();
        let counted = match runner {
            Runner::Nextest => line.strip_prefix("Summary [")?.split_once(" run: ")?.1,
            Runner::Libtest => line.strip_prefix("test result: ")?.split_once(". ")?.1,
        };
        let mut counts = Self::default();
        for part in outside_brackets(counted).split([',', ';']) {
            let mut words = part.split_whitespace();
            let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
                continue;
            };
            match words.collect::<Vec<_>>().join(" ").as_str() {
                "passed" => counts.passed += number,
                // nextest counts what timed out or could not be started beside what failed.
                "failed" | "timed out" | "exec failed" => counts.failed += number,
                "skipped" | "ignored" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }
}

fn outside_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    let mut kept = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// The text without the terminal's colour sequences.
fn without_colour(text: &str) -> String {
    let mut kept = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A sequence ends with its first letter.
            let _ = chars.find(char::is_ascii_alphabetic);
        } else {
            kept.push(c);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{
        Runner::{Libtest, Nextest},
        *,
    };

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn nextest_summaries_are_read() {
        let line = "     Summary [   0.034s] 12 tests run: 12 passed, 0 skipped";
        assert_eq!(Counts::in_line(Nextest, line), counts(12, 0, 0));
        let line = "Summary [ 9.1s] 5/12 tests run: 2 passed (1 slow, 1 flaky), 2 failed (1 due to being leaky), 1 timed out, 3 skipped";
        assert_eq!(Counts::in_line(Nextest, line), counts(2, 3, 3));
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.034s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m";
        assert_eq!(Counts::in_line(Nextest, line), counts(2, 0, 0));
        let line = "Summary [ 0.1s] 1 test run: 0 passed, 1 exec failed, 0 skipped";
        assert_eq!(Counts::in_line(Nextest, line), counts(0, 1, 0));
    }

    #[test]
    fn libtest_results_are_read() {
        let line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.10s";
        assert_eq!(Counts::in_line(Libtest, line), counts(3, 0, 1));
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Counts::in_line(Libtest, line), counts(1, 2, 0));
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            Counts::in_line(Nextest, "        PASS [   0.005s] skep-model name::tests::ok"),
            None
        );
        assert_eq!(Counts::in_line(Nextest, "Summary of the day: 3 passed"), None);
        let of_a_failed_test = "test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(Counts::in_line(Nextest, of_a_failed_test), None);
    }
}
