//! Says of each argument whether it may name a machine.

use skep_model::MachineName;

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() {
    for text in std::env::args().skip(1) {
        match text.parse::<MachineName>() {
            Ok(name) => println!("{name}: a machine may be called that"),
            Err(error) => println!("{error}"),
        }
    }
}
