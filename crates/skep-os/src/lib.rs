//! The guest OS: what every machine runs, built from the host's own Debian or Ubuntu mirror
//! without a container registry, and kept in a cache by the digest of its definition.
//!
//! ```no_run
//! use std::{path::Path, time::UNIX_EPOCH};
//!
//! use skep_model::Events;
//! use skep_os::{Builder, Seed, Source};
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let builder = Builder::new("/var/cache/guests", Source::detect(Path::new("/"))?);
//! let image = builder.ensure(&Events::none(), &CancellationToken::new()).await?;
//! println!("{image:?}");
//!
//! let seed = Seed::new("worker1".parse()?, "ssh-ed25519 AAAA… me", "(its host key)".into());
//! std::fs::write("seed.tar", seed.to_tar(UNIX_EPOCH)?)?;
//! # Ok(())
//! # }
//! ```
//!
//! - [`definition`]: the one list of packages and files a guest is made of, and its digest.
//! - [`source`]: which mirror, release and keyring the host itself is configured for.
//! - [`builder`]: builds the root file system once, however many processes ask at the same time.
//! - [`cache`]: what has been built; listing and removing it.
//! - [`seed`]: what one machine reads at its first boot, as the tar the guest understands.
//! - [`import`]: disc images that others have made, taken into the cache.
//! - [`vm`]: how it is packaged for virtual machines: kernel, initramfs, disks.
//! - [`iso`]: how it is packaged as a bootable ISO.
//! - [`container`]: how the root file system is packaged as a container image.
//!
//! `docs/guest-os.md` describes the guest from within; its programs lie in `guest/`.
//!
//! **Never here:** a machine's life (`skep-machine`), anything said to a running guest
//! (`skep-guest`), a container registry, a download past the host's package manager but of an
//! image that was asked for by its address.
//!
//! **Start reading** at [`Builder::ensure`].

mod apt_options;
pub mod builder;
pub mod cache;
pub mod container;
mod debootstrap;
pub mod definition;
mod diagnosis;
pub mod error;
mod image;
pub mod import;
pub mod iso;
mod kernel;
mod lock;
mod pack;
mod place;
mod preflight;
mod progress;
mod scratch;
pub mod seed;
pub mod source;
pub mod vm;

pub use builder::Builder;
pub use cache::Entry;
pub use definition::Definition;
pub use error::OsError;
pub use image::Image;
pub use import::Import;
pub use iso::IsoImage;
pub use seed::{Interface, Seed, SeedError, TlsFiles};
pub use source::{Release, Source, SourceError};
pub use vm::VmImage;
