//! How far an import is, reported as often as a user can see a difference.

use skep_model::event::Span;

/// How many bytes make a difference at least.
const STEP: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Meter<'a> {
    span: &'a Span,
    what: &'static str,
    total: Option<u64>,
    done: u64,
    next: u64,
}

impl<'a> Meter<'a> {
    /// A pass over an image of so many bytes, if that is known, of which some are done.
    pub(super) fn new(span: &'a Span, what: &'static str, done: u64, total: Option<u64>) -> Self {
        Self { span, what, total, done, next: done }
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.done < self.next {
            return;
        }
        self.next = self.done + (self.total.unwrap_or_default() / 100).max(STEP);
        match self.total {
            Some(total) => self.span.progress_of(self.what, self.done, total),
            None => self.span.progress(format!("{}: {} MB", self.what, self.done / 1_000_000)),
        }
    }
}
