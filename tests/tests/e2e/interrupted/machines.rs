//! `machine create` and `machine rm`, alternately, of the only machine.

use std::ops::Range;

use skep_tests::Lab;

use super::{Matrix, Subject, asked, is_gone};

pub(super) fn rounds(rounds: Range<u32>) {
    let lab = Lab::with_machines("cutone");
    let mut create = Subject::measure(&lab, "machine create -d container one", rounds.start);
    let mut rm = Subject::measure(&lab, "machine rm -y one", rounds.start);
    let mut matrix = Matrix::default();
    for _ in rounds {
        matrix.point(&lab, &mut create, |lab| !is_half_made(lab) && runs(lab).is_ok(), runs);
        matrix.point(&lab, &mut rm, |lab| is_gone(lab).is_ok(), is_gone);
        if is_gone(&lab).is_err() {
            // So that one failure is not counted again at the next point.
            lab.down().ends();
        }
    }
    matrix.close("machine create and rm", lab);
}

/// Whether the store has the mark of a machine that is being made.
fn is_half_made(lab: &Lab) -> bool {
    lab.store().join("clusters").join(lab.cluster()).join("making/one").exists()
}

fn runs(lab: &Lab) -> Result<(), String> {
    let list = asked(lab.skep("machine ls").ends())?;
    let runs = list.lines().iter().any(|line| line.starts_with("one ") && line.contains("Running"));
    if !runs {
        return Err(list.to_string());
    }
    asked(lab.skep("machine ssh one docker version").ends()).map(drop)
}
