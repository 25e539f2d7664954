//! What came of the requests to one node.

use std::{collections::BTreeMap, time::Duration};

use super::{Loss, client::Answer};

/// How many values, and sets of clues, are kept apart: a header with another value each time
/// must not fill the memory.
const DISTINCT: usize = 1000;

/// What the rest is counted under.
const OTHERS: &str = "(others)";

/// What came of the requests to one node. Times are since the probe's start.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub sent: u64,
    pub answered: u64,
    pub losses: BTreeMap<Loss, u64>,
    pub first_loss: Option<Duration>,
    pub last_loss: Option<Duration>,
    /// The values of the header in answers; empty for answers without it.
    pub values: BTreeMap<String, Value>,
    /// How often each set of clues to a task was seen.
    pub clues: BTreeMap<Vec<String>, u64>,
    /// How long each answer took, in microseconds.
    pub latencies: Vec<u32>,
}

/// How often, and when, a header had a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value {
    /// In how many answers.
    pub count: u64,
    /// When the first of them came.
    pub first: Duration,
    /// When the last of them came.
    pub last: Duration,
}

/// How long answers took: so many of a hundred took no longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: Duration,
    pub p90: Duration,
    pub p99: Duration,
    pub max: Duration,
}

impl Tally {
    pub(super) fn add(&mut self, ended: Result<Answer, Loss>, at: Duration) {
        self.sent += 1;
        match ended {
            Ok(answer) => {
                self.answered += 1;
                self.latencies.push(u32::try_from(answer.latency.as_micros()).unwrap_or(u32::MAX));
                let value = answer.value.unwrap_or_default();
                let room = self.values.len() < DISTINCT || self.values.contains_key(&value);
                let value = if room { value } else { OTHERS.to_owned() };
                let seen =
                    self.values.entry(value).or_insert(Value { count: 0, first: at, last: at });
                seen.count += 1;
                seen.last = seen.last.max(at);
                let known = self.clues.contains_key(&answer.clues);
                if !answer.clues.is_empty() && (known || self.clues.len() < DISTINCT) {
                    *self.clues.entry(answer.clues).or_default() += 1;
                }
            }
            Err(loss) => {
                *self.losses.entry(loss).or_default() += 1;
                self.first_loss.get_or_insert(at);
                self.last_loss = self.last_loss.max(Some(at));
            }
        }
    }

    /// Adds what another has counted at the same node.
    pub fn merge(&mut self, other: Tally) {
        self.sent += other.sent;
        self.answered += other.answered;
        for (loss, count) in other.losses {
            *self.losses.entry(loss).or_default() += count;
        }
        self.first_loss = [self.first_loss, other.first_loss].into_iter().flatten().min();
        self.last_loss = self.last_loss.max(other.last_loss);
        for (value, seen) in other.values {
            let own = self.values.entry(value).or_insert(Value { count: 0, ..seen });
            own.count += seen.count;
            own.first = own.first.min(seen.first);
            own.last = own.last.max(seen.last);
        }
        for (clues, count) in other.clues {
            *self.clues.entry(clues).or_default() += count;
        }
        self.latencies.extend(other.latencies);
    }

    /// How many were lost.
    pub fn lost(&self) -> u64 {
        self.sent - self.answered
    }

    /// How many had an answer that was not as expected.
    pub fn unexpected(&self) -> u64 {
        self.losses.iter().filter(|(loss, _)| loss.is_answer()).map(|(_, count)| count).sum()
    }

    /// How long the answers took; `None` if there was none.
    pub fn latency(&self) -> Option<Percentiles> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        // The nearest rank: the smallest that so many do not exceed.
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            Duration::from_micros(sorted[rank.min(last)].into())
        };
        Some(Percentiles { p50: at(50), p90: at(90), p99: at(99), max: at(100) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(micros: u64, value: &str) -> Result<Answer, Loss> {
        let value = Some(value.to_owned()).filter(|value| !value.is_empty());
        Ok(Answer { latency: Duration::from_micros(micros), value, clues: Vec::new() })
    }

    #[test]
    fn the_percentiles_are_of_the_nearest_rank() {
        let mut tally = Tally::default();
        assert_eq!(tally.latency(), None);
        for micros in (1..=100).rev() {
            tally.add(answer(micros, ""), Duration::ZERO);
        }
        let micros = Duration::from_micros;
        let expected =
            Percentiles { p50: micros(50), p90: micros(90), p99: micros(99), max: micros(100) };
        assert_eq!(tally.latency(), Some(expected));
    }

    #[test]
    fn a_header_that_is_another_each_time_does_not_fill_the_memory() {
        let mut tally = Tally::default();
        for number in 0..3000 {
            tally.add(answer(1, &number.to_string()), Duration::ZERO);
        }
        assert_eq!(tally.values.len(), DISTINCT + 1);
        assert_eq!(tally.values[OTHERS].count, 2000);
    }

    proptest! {
        /// However the requests are divided, the sum is the same.
        #[test]
        fn halves_make_a_whole(requests in prop::collection::vec((any::<bool>(), 0u64..50, "[ab]?"), 0..60), cut in 0usize..60) {
            let cut = cut.min(requests.len());
            let (mut whole, mut first, mut second) = (Tally::default(), Tally::default(), Tally::default());
            for (place, (fine, at, value)) in requests.iter().enumerate() {
                let ended = || if *fine { answer(*at, value) } else { Err(Loss::Reset) };
                let at = Duration::from_millis(*at);
                whole.add(ended(), at);
                if place < cut { first.add(ended(), at) } else { second.add(ended(), at) }
            }
            second.merge(first);
            prop_assert_eq!(whole.lost(), second.lost());
            prop_assert_eq!(whole.latency(), second.latency());
            prop_assert_eq!(whole.first_loss, second.losses.get(&Loss::Reset).and(second.first_loss).and(whole.first_loss));
            let counts = |tally: &Tally| tally.values.iter().map(|(text, value)| (text.clone(), value.count)).collect::<Vec<_>>();
            prop_assert_eq!(counts(&whole), counts(&second));
        }
    }
}
