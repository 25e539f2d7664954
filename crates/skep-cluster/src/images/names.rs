//! What images and architectures are called by engines.

/// A name as engines list it: without what stands before every name of Docker Hub.
pub(super) fn familiar(name: &str) -> String {
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    let short = short.strip_prefix("library/").unwrap_or(short);
    short.to_owned()
}

/// Whether an image's architecture, in Go's words, is an engine's, in the kernel's.
pub(super) fn is_same(image: &str, engine: &str) -> bool {
    let name = |text: &str| match text {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        "armv7l" | "armv6l" => "arm".to_owned(),
        "i686" | "i386" => "386".to_owned(),
        other => other.to_owned(),
    };
    image.is_empty() || name(image) == name(engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_the_same_in_either_words() {
        assert!(is_same("amd64", "x86_64") && is_same("arm64", "aarch64") && is_same("", "x86_64"));
        assert!(!is_same("arm64", "x86_64"));
    }

    #[test]
    fn names_are_as_engines_list_them() {
        assert_eq!(familiar("docker.io/library/nginx:1.26"), "nginx:1.26");
        assert_eq!(familiar("docker.io/bees/hive:2"), "bees/hive:2");
        assert_eq!(familiar("registry.example:5000/a:1"), "registry.example:5000/a:1");
    }
}
