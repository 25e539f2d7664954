//! Shows what a journal says is left after a crash between two lines.

use skep_store::{Journal, Resource};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), skep_store::StoreError> {
    let path = std::env::temp_dir().join(format!("skep-example-{}", std::process::id()));
    let journal = Journal::open(&path)?;
    let (network, container) = (Resource::new("network", "demo"), Resource::new("container", "a"));
    journal.intent(&network)?;
    journal.made(&network)?;
    journal.intent(&container)?; // and here the process dies
    for left in Journal::open(&path)?.outstanding()? {
        println!("may be left: {left}");
    }
    skep_store::file::remove(&path)
}
