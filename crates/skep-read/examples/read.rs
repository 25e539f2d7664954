//! Reads the file that is named, if it is one and has at most a MiB.

use std::path::Path;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() {
    let path = std::env::args().nth(1).unwrap_or_else(|| "/dev/zero".into());
    match skep_read::text(Path::new(&path), 1 << 20) {
        Ok(text) => println!("{} lines", text.lines().count()),
        Err(error) => println!("cannot read {path}: {error}"),
    }
}
