//! The container packaging: the root file system as an image of a container engine.
//!
//! The image is imported (`POST /images/create?fromSrc=-`) from [`crate::Image::rootfs`] with
//! [`image_changes`], under the name [`image_reference`] gives for its digest, so that its presence
//! in an engine is a question of one name. A machine is a container of it; its state is in the
//! volume at [`STATE`], its seed is unpacked into it before it is first started.

/// The image's repository in the engine.
pub const REPOSITORY: &str = "skep-os";

/// The image's label that carries the whole digest.
pub const DIGEST_LABEL: &str = "skep.os";

/// What runs as process 1.
pub const ENTRYPOINT: &str = "/usr/sbin/skep-init";

/// Asks a machine to stop its engine and end; it then ends with status 0. It is what an engine
/// sends unless set, and an import has no way to set it.
pub const STOP_SIGNAL: &str = "SIGTERM";

/// The engine's state: images, containers, volumes and the machine's identity in the swarm. It has
/// to be a volume, since an overlay file system does not carry another one.
pub const STATE: &str = "/var/lib/docker";

/// The ports a machine listens on: SSH, the engine with TLS, and swarm's own.
pub const PORTS: [&str; 6] = ["22/tcp", "2376/tcp", "2377/tcp", "7946/tcp", "7946/udp", "4789/udp"];

/// The image's name in an engine, `repository:tag`, for a definition's digest.
pub fn image_reference(digest: &str) -> String {
    format!("{REPOSITORY}:{}", digest.get(..12).unwrap_or(digest))
}

/// The Dockerfile instructions to import the image with, one a line: the value of the API's
/// `changes`.
pub fn image_changes(digest: &str) -> String {
    let ports = PORTS.join(" ");
    [
        format!("ENTRYPOINT [\"{ENTRYPOINT}\"]"),
        format!("VOLUME {STATE}"),
        format!("EXPOSE {ports}"),
        format!("LABEL {DIGEST_LABEL}={digest}"),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_is_the_beginning_of_the_digest() {
        assert_eq!(image_reference(&"0123456789abcdef".repeat(4)), "skep-os:0123456789ab");
    }

    #[test]
    fn the_image_says_what_it_runs_and_what_it_is() {
        insta::assert_snapshot!(image_changes("ab12"));
    }
}
