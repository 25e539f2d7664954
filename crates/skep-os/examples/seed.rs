//! Shows what a guest is made of on this host, and what a machine's seed holds.

use std::{path::Path, time::UNIX_EPOCH};

use skep_os::{Builder, Seed, Source};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let builder = Builder::new("/tmp/skep-example", Source::detect(Path::new("/"))?);
    println!("{} for {}", builder.source().release, builder.definition().architecture());
    println!("  {}", skep_os::container::image_reference(builder.digest()));
    println!("  {}", builder.definition().packages().join(" "));
    for mirror in &builder.source().mirrors {
        println!("  {}", mirror.line());
    }

    let seed = Seed::new("worker1".parse()?, "ssh-ed25519 AAAA… me", "(a private key)".into());
    let tar = seed.to_tar(UNIX_EPOCH)?;
    println!("{seed:?}: {} bytes", tar.len());
    Ok(())
}
