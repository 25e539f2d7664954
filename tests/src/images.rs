//! The container images that services of tests run, as archives: `cargo xtask images` makes them.

use std::path::PathBuf;

/// The archive of an image: `nginx-1.22`, `nginx-1.26` or `ping-latest`.
///
/// # Panics
/// If it has not been made.
pub fn archive(name: &str) -> PathBuf {
    let path = crate::lab::target().join("images").join(format!("{name}.tar"));
    assert!(path.is_file(), "{} is not there: make it with `cargo xtask images`", path.display());
    path
}
