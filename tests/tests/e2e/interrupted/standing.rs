//! Operations on running machines: CA certificates and images.

use std::ops::Range;

use skep_tests::{Lab, certificates::Root, images::archive};

use super::{Matrix, Subject, asked};
use crate::seen::inside;

const TWO: [&str; 2] = ["manager1", "worker1"];
const IMAGE: &str = "nginx:1.22";

/// `cert install` and `cert rm`, alternately.
pub(super) fn certificates(points: Range<u32>) {
    let lab = Lab::with_machines("cutcert");
    lab.up("--workers 1").succeeds();
    let file = lab.file("root.crt", Root::new("skep test root").pem()).display().to_string();
    let before = trusted(&lab).expect("a machine says what it trusts");
    let expect = |more: usize| {
        let wanted: Vec<usize> = before.iter().map(|count| count + more).collect();
        move |lab: &Lab| {
            let found = trusted(lab)?;
            let listed = asked(lab.skep("cert ls -q").ends())?.lines().len();
            if found == wanted && listed == more {
                return Ok(());
            }
            Err(format!("{found:?} certificates are trusted and {listed} listed, not {wanted:?}"))
        }
    };
    let mut install = Subject::measure(&lab, &format!("cert install {file}"), points.start);
    let mut remove = Subject::measure(&lab, &format!("cert rm {file}"), points.start);
    let mut matrix = Matrix::default();
    for _ in points {
        matrix.point(&lab, &mut install, |_| false, expect(1));
        matrix.point(&lab, &mut remove, |_| false, expect(0));
    }
    matrix.close("cert install and rm", lab);
}

/// How many certificates each machine trusts, every copy counted.
fn trusted(lab: &Lab) -> Result<Vec<usize>, String> {
    let count = |machine| {
        let script = "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt";
        let ran = asked(inside(lab, machine, script).ends())?;
        ran.text().parse().map_err(|_| ran.to_string())
    };
    TWO.into_iter().map(count).collect()
}

/// `image load` of an archive that no machine has.
pub(super) fn images(points: Range<u32>) {
    let lab = Lab::with_machines("cutimg");
    lab.up("--workers 1").succeeds();
    let words = format!("image load {}", archive("nginx-1.22").display());
    let mut load = Subject::measure(&lab, &words, points.start);
    let mut matrix = Matrix::default();
    for _ in points {
        for machine in TWO {
            inside(&lab, machine, &format!("docker image rm --force {IMAGE}")).ends();
        }
        matrix.point(&lab, &mut load, |_| false, is_everywhere);
    }
    matrix.close("image load", lab);
}

fn is_everywhere(lab: &Lab) -> Result<(), String> {
    let list = asked(lab.skep("image ls").ends())?;
    let everywhere =
        list.lines().iter().any(|line| line.starts_with("nginx:1.22 ") && line.ends_with(" all"));
    if everywhere { Ok(()) } else { Err(list.to_string()) }
}
