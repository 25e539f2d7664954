//! An image's name as people write it.

const HUB: &str = "docker.io";

/// The name without its digest and without what everyone leaves out: `docker.io/library/nginx:1.26@sha256:…`
/// is `nginx:1.26`. What has no tag, or is no image's name, stays as it is. Source: the grammar and
/// `FamiliarString` of github.com/distribution/reference.
pub fn familiar(image: &str) -> String {
    familiar_tagged(image).unwrap_or_else(|| image.to_owned())
}

fn familiar_tagged(image: &str) -> Option<String> {
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    let (name, tag) = named.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'))?;
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (host, path),
        _ => (HUB, name),
    };
    let whole = is_path(path) && is_tag(tag) && digest.is_none_or(is_digest);
    if !whole {
        return None;
    }
    Some(if matches!(host, HUB | "index.docker.io") {
        let official = path.strip_prefix("library/").filter(|rest| !rest.contains('/'));
        format!("{}:{tag}", official.unwrap_or(path))
    } else {
        format!("{host}/{path}:{tag}")
    })
}

/// Whether the part before the first slash is a registry and not the beginning of a path.
fn is_host(text: &str) -> bool {
    text.contains(['.', ':']) || text == "localhost" || text.contains(|c: char| c.is_uppercase())
}

fn is_path(path: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    path.split('/').all(|part| {
        let edges = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        edges(part.chars().next()) && edges(part.chars().last()) && part.chars().all(allowed)
    })
}

fn is_tag(tag: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.starts_with(word)
        && tag.chars().all(|c| word(c) || c == '.' || c == '-')
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, value)| {
        !algorithm.is_empty() && value.len() >= 32 && value.chars().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_everyone_leaves_out_is_left_out() {
        let digest = format!("@sha256:{}", "0a".repeat(32));
        for (image, expected) in [
            ("nginx:1.26", "nginx:1.26"),
            ("docker.io/library/nginx:1.26", "nginx:1.26"),
            ("index.docker.io/library/nginx:1", "nginx:1"),
            ("docker.io/some/thing:1", "some/thing:1"),
            ("docker.io/library/a/b:1", "library/a/b:1"),
            ("registry.example:5000/library/nginx:1", "registry.example:5000/library/nginx:1"),
            ("localhost/a:1", "localhost/a:1"),
            // Nothing to leave out, or not a name.
            ("docker.io/library/nginx", "docker.io/library/nginx"),
            ("registry.example:5000/nginx", "registry.example:5000/nginx"),
            ("Nginx:1", "Nginx:1"),
            ("a/Nginx:1@sha256:12", "a/Nginx:1@sha256:12"),
            ("", ""),
        ] {
            assert_eq!(familiar(image), expected);
        }
        assert_eq!(familiar(&format!("nginx:1.26{digest}")), "nginx:1.26");
        assert_eq!(familiar(&format!("r.example/n:1{digest}")), "r.example/n:1");
        let bare = format!("nginx{digest}");
        assert_eq!(familiar(&bare), bare, "a digest alone is all there is to show");
    }
}
