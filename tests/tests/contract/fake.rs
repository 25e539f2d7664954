//! The driver that other tests use in place of a real one.

use std::sync::Arc;

use libtest_mimic::Trial;
use skep_machine::fake::FakeDriver;

use crate::{bench::Bench, trials};

pub(crate) fn terms() -> impl Iterator<Item = Trial> {
    trials("fake", &[], |name| Bench::new(name, Arc::new(FakeDriver::new())))
}
