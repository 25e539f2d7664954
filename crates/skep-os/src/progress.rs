//! What mmdebstrap, apt and dpkg print, in words for people.

/// What the build is at, by one line of output; `None` for a line with nothing new.
pub(crate) fn step(line: &str) -> Option<String> {
    if let Some(stage) = line.strip_prefix("I: ") {
        return stage_of(stage).map(String::from);
    }
    let mut words = line.split_whitespace();
    let text = match words.next()? {
        // Get:12 http://mirror/debian trixie/main amd64 docker.io amd64 26.1.5 [20.6 MB]
        word if word.starts_with("Get:") => {
            let package = words.nth(3)?;
            // An index has its size here: Get:3 http://mirror/debian trixie/main amd64 Packages [9 MB]
            if package == "Packages" {
                return Some("reading the package lists".into());
            }
            if package.starts_with('[') {
                return None;
            }
            format!("downloading {package}")
        }
        "Unpacking" => format!("unpacking {}", package_name(words.next()?)),
        "Setting" if words.next() == Some("up") => {
            format!("setting up {}", package_name(words.next()?))
        }
        _ => return None,
    };
    Some(text)
}

fn stage_of(stage: &str) -> Option<&'static str> {
    let stages = [
        ("running apt-get update", "reading the package lists"),
        ("downloading packages with apt", "resolving"),
        ("extracting archives", "unpacking the base system"),
        ("installing essential packages", "setting up the base system"),
        ("installing remaining packages", "resolving"),
        ("running --customize-hook", "adding skep's own files"),
        ("cleaning package lists", "cleaning up"),
        ("creating tarball", "writing the root file system"),
    ];
    stages.into_iter().find(|(begin, _)| stage.starts_with(begin)).map(|(_, text)| text)
}

/// The version of the engine's package, from the line that says it is unpacked:
/// `Unpacking docker.io (26.1.5+dfsg1-9) ...`.
pub(crate) fn engine_version(line: &str) -> Option<String> {
    let rest = line.strip_prefix("Unpacking docker.io (")?;
    let version = rest.split(')').next()?;
    // An epoch is a matter of packaging, not the engine's.
    Some(version.split_once(':').map_or(version, |(_, version)| version).to_owned())
}

fn package_name(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_as_it_is_told() {
        let output = include_str!("../tests/fixtures/mmdebstrap-success.txt");
        let mut told: Vec<String> = output.lines().filter_map(step).collect();
        told.dedup();
        insta::assert_snapshot!(told.join("\n"));
        let version = output.lines().find_map(engine_version);
        assert_eq!(version.as_deref(), Some("26.1.5+dfsg1-9+deb13u1"));
    }
}
