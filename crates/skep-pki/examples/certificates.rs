//! Says of files which CA certificates they have, or why none of them can be used.

use std::time::SystemTime;

use skep_pki::{CaCertificates, Purpose, ReadError};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
#[expect(clippy::disallowed_methods, reason = "a program of its own reads the clock")]
fn main() -> Result<(), ReadError> {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    match CaCertificates::read_files(&files, Purpose::System, SystemTime::now()) {
        Ok(taken) => {
            taken.certificates.iter().for_each(|certificate| println!("{certificate}"));
            taken.notes.iter().for_each(|note| println!("{note}"));
        }
        Err(ReadError::Refused(errors)) => errors.iter().for_each(|error| println!("{error}")),
        Err(error) => return Err(error),
    }
    Ok(())
}
