//! The guest system of a fake VirtualBox's machines, as an image of the host's engine.

use std::time::Duration;

use skep_os::container::{image_changes, image_reference};

use crate::{Lab, host, lab};

/// How long a build may take, if this is the first of all.
const BUILD: Duration = Duration::from_secs(420);
/// How long the engine may take to read it.
const IMPORT: Duration = Duration::from_secs(120);

/// The image of skep's guest system, built and loaded into the host's engine if needed. One test
/// does it, and others wait for it, as the driver `container` does.
///
/// # Panics
/// If it cannot be built, or the engine does not take it.
pub fn guest_image(of: &Lab) -> String {
    let digest = of.bare(["os", "build"]).within(BUILD).succeeds().text().to_owned();
    let image = image_reference(&digest);
    let systems = lab::guest_systems();
    let lock = systems.join(format!("{digest}.import.lock"));
    let lock = fs_err::OpenOptions::new().create(true).append(true).open(lock);
    let lock = lock.expect("a lock can be made").into_parts().0;
    lock.lock().expect("a lock can be had");
    if host::has("image", &image) {
        return image;
    }
    let changes = image_changes(&digest);
    let rootfs = systems.join(&digest).join("rootfs.tar").display().to_string();
    let mut words = vec!["import"];
    words.extend(changes.lines().flat_map(|change| ["--change", change]));
    words.extend([&*rootfs, &*image]);
    host::docker(words).within(IMPORT).succeeds();
    image
}
