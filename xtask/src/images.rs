//! `cargo xtask images`: the container images that tests and the demo run as services, built
//! from Debian's packages, so that no registry is needed.
//!
//! | image | contents |
//! |---|---|
//! | `nginx:1.22` | nginx of Debian 12, and busybox |
//! | `nginx:1.26` | nginx of Debian 13, and busybox |
//! | `ping:latest` | busybox: a shell, `ping`, `wget` and the like |
//!
//! Each is one archive as `docker save` writes it, in `target/images`, built once. nginx writes its log
//! to standard output and error, and names the container that answered in the header `X-Served-By`.
//!
//! The image contains what a rolling update needs to lose no request: a health check, so that a
//! new task gets requests only when it answers, and a stop that keeps answering for some
//! seconds, until every node has removed the old task from its mesh.

mod archive;
mod layer;
mod packages;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};

use crate::run::{Work, human};

/// An image to build.
#[derive(Debug, Clone, Copy)]
struct Image {
    tag: &'static str,
    /// The Debian release its packages are from.
    suite: &'static str,
    /// The packages; what they depend on comes with them.
    packages: &'static str,
    /// A text that must be in its programs: the version in its tag.
    proof: &'static str,
    command: &'static str,
    /// Whether that is a web server.
    is_web: bool,
}

const NGINX: Image = Image {
    tag: "nginx:1.22",
    suite: "bookworm",
    packages: "nginx,busybox-static",
    proof: "nginx/1.22.",
    command: layer::SERVE,
    is_web: true,
};

/// All of them.
const IMAGES: [Image; 3] = [
    NGINX,
    Image { tag: "nginx:1.26", suite: "trixie", proof: "nginx/1.26.", ..NGINX },
    Image {
        tag: "ping:latest",
        suite: "trixie",
        packages: "busybox-static",
        proof: "BusyBox v1.",
        command: "sh",
        is_web: false,
    },
];

/// Changed when the same description builds a different image.
const RECIPE: u32 = 5;

/// Builds the missing images and returns their archives, in the table's order.
pub(crate) async fn perform(work: &Work) -> Result<Vec<PathBuf>> {
    let folder = work.target().join("images");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut archives = Vec::new();
    for image in &IMAGES {
        let archive = folder.join(format!("{}.tar", image.tag.replace(':', "-")));
        let stamp = archive.with_extension("recipe");
        let recipe = format!("{RECIPE} {image:?}");
        let made = fs::read_to_string(&stamp).is_ok_and(|made| made == recipe);
        if !(made && archive.is_file()) {
            let started = Instant::now();
            make(work, image, &archive)
                .await
                .with_context(|| format!("cannot make {}", image.tag))?;
            fs::write(&stamp, recipe)
                .with_context(|| format!("cannot write {}", stamp.display()))?;
            println!("   made {} ({})", image.tag, human(started.elapsed()));
        }
        archives.push(archive);
    }
    for archive in &archives {
        println!("   {}", archive.strip_prefix(&work.root).unwrap_or(archive).display());
    }
    Ok(archives)
}

/// Writes the archive of a new image with so many megabytes of random bytes.
pub(crate) fn fill(archive: &Path, megabytes: usize) -> Result<()> {
    let image = Image {
        tag: "filler:latest",
        suite: "",
        packages: "",
        proof: "",
        command: "sh",
        is_web: false,
    };
    let file = fs::File::create(archive).context("cannot make the archive")?;
    archive::write(&image, &layer::fill(megabytes << 20)?, file)
}

async fn make(work: &Work, image: &Image, archive: &Path) -> Result<()> {
    // Files of a killed run are overwritten by the next.
    let (packages, unfinished) =
        (archive.with_extension("packages"), archive.with_extension("new"));
    packages::extract(work, image, &packages).await?;
    let layer = layer::make(image, &packages)?;
    let file = fs::File::create(&unfinished).context("cannot make the archive")?;
    archive::write(image, &layer, file).context("cannot write the archive")?;
    fs::rename(&unfinished, archive).context("cannot put the archive in its place")?;
    fs::remove_file(&packages).context("cannot remove the packages")
}
