//! Says of each file which CA certificates it has, or why none of it can be used.

use std::time::SystemTime;

use skep_guest::certificate::{CaCertificates, Purpose};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[expect(clippy::disallowed_methods, reason = "a program of its own reads the clock")]
fn main() -> std::io::Result<()> {
    for name in std::env::args().skip(1) {
        let content = fs_err::read(&name)?;
        match CaCertificates::read(
            [(name.as_str(), content.as_slice())],
            Purpose::System,
            SystemTime::now(),
        ) {
            Ok(taken) => {
                taken.certificates.iter().for_each(|certificate| println!("{certificate}"));
                taken.notes.iter().for_each(|note| println!("{note}"));
            }
            Err(errors) => errors.iter().for_each(|error| println!("{error}")),
        }
    }
    Ok(())
}
