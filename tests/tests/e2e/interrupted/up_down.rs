//! `up` and `down`, alternately.

use std::ops::Range;

use skep_tests::Lab;

use super::{Matrix, Subject, asked, is_gone};

const UP: &str = "up --workers 1";

/// Two points each: an `up` is interrupted and run again, then a `down`; after that, alternately,
/// the same `down` continues or an `up` completes the cluster again.
pub(super) fn rounds(rounds: Range<u32>) {
    let lab = Lab::with_machines("cutup");
    let mut up = Subject::measure(&lab, UP, rounds.start);
    let mut down = Subject::measure(&lab, "down", rounds.start);
    let mut matrix = Matrix::default();
    for round in rounds {
        matrix.point(&lab, &mut up, |_| false, is_whole);
        if round % 2 == 0 {
            matrix.point(&lab, &mut down, |lab| is_gone(lab).is_ok(), is_gone);
        } else {
            matrix.point_healed_by(
                &lab,
                &mut down,
                &format!("{UP} --driver container"),
                |_| false,
                is_whole,
            );
            lab.down().ends();
        }
        if is_gone(&lab).is_err() {
            // So that one failure is not counted again at the next point.
            lab.down().ends();
        }
    }
    matrix.close("up and down", lab);
}

fn is_whole(lab: &Lab) -> Result<(), String> {
    let status = asked(lab.skep("status").ends())?;
    let ready = status.stdout.matches("Ready").count();
    if ready == 2 { Ok(()) } else { Err(format!("{ready} nodes are ready: {status}")) }
}
