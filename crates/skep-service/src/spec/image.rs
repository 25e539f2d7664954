//! Names of images: the tag that is meant when none is written, and the registry they come from.

use serde_json::Value;

use crate::api::Platform;

/// The registry of an image without one in its name.
pub const DEFAULT_REGISTRY: &str = "docker.io";

/// The image's name with `:latest` where it has neither tag nor digest. An identifier of an image
/// (64 hexadecimal digits) stays as it is.
pub fn with_tag(image: &str) -> String {
    if is_pinned(image) || is_identifier(image) || tag(image).is_some() {
        return image.into();
    }
    format!("{image}:latest")
}

/// Whether it names one content: `…@sha256:…`.
pub fn is_pinned(image: &str) -> bool {
    image.contains('@')
}

/// The host of the registry it comes from: `docker.io` unless its first part has a dot or a port,
/// or is `localhost`.
pub fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => DEFAULT_REGISTRY,
    }
}

/// The name with the digest that the engine's `GET /distribution/NAME/json` returned, and the
/// platforms it exists for; `None` if the answer has no digest.
pub(crate) fn pinned(image: &str, answer: &Value) -> Option<(String, Vec<Platform>)> {
    let digest = answer["Descriptor"]["digest"].as_str().filter(|digest| !digest.is_empty())?;
    let platforms = answer["Platforms"].as_array().map(Vec::as_slice).unwrap_or_default();
    let platform = |platform: &Value| Platform {
        // A registry says `arm` of several incompatible ones, nodes say which: docker leaves it out.
        architecture: match platform["architecture"].as_str().unwrap_or_default() {
            "arm" => String::new(),
            other => other.into(),
        },
        os: platform["os"].as_str().unwrap_or_default().into(),
    };
    Some((format!("{image}@{digest}"), platforms.iter().map(platform).collect()))
}

/// What the docker CLI prints where the digest could not be resolved.
pub fn digest_warning(image: &str) -> String {
    format!(
        "image {image} could not be accessed on a registry to record\nits digest. Each node will \
         access {image} independently,\npossibly leading to different nodes running \
         different\nversions of the image.\n"
    )
}

fn is_identifier(image: &str) -> bool {
    image.len() == 64 && image.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn tag(image: &str) -> Option<&str> {
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').map(|(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_latest_is_meant_if_nothing_is_said() {
        let id = "a".repeat(64);
        for (image, expected) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.26", "nginx:1.26"),
            ("localhost:5000/nginx", "localhost:5000/nginx:latest"),
            ("a/b@sha256:00", "a/b@sha256:00"),
            (&id, &id),
        ] {
            assert_eq!(with_tag(image), expected);
        }
    }

    #[test]
    fn registries_are_hosts() {
        assert_eq!(registry("nginx"), "docker.io");
        assert_eq!(registry("library/nginx"), "docker.io");
        assert_eq!(registry("localhost/nginx"), "localhost");
        assert_eq!(registry("host:5000/nginx:1"), "host:5000");
        assert_eq!(registry("quay.io/a/b"), "quay.io");
    }

    #[test]
    fn a_digest_is_pinned_with_its_platforms() {
        let answer = json!({"Descriptor": {"digest": "sha256:1"}, "Platforms": [
            {"architecture": "amd64", "os": "linux"}, {"architecture": "arm", "os": "linux"}]});
        let (image, platforms) = pinned("nginx:1", &answer).unwrap();
        assert_eq!(image, "nginx:1@sha256:1");
        assert_eq!(platforms[1], Platform { architecture: String::new(), os: "linux".into() });
        assert_eq!(pinned("nginx:1", &json!({})), None);
    }

    #[test]
    fn the_warning_is_dockers() {
        insta::assert_snapshot!(digest_warning("nginx:1"), @r"
        image nginx:1 could not be accessed on a registry to record
        its digest. Each node will access nginx:1 independently,
        possibly leading to different nodes running different
        versions of the image.
        ");
    }
}
