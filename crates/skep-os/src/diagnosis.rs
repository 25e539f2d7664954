//! What went wrong in a build, from what mmdebstrap, apt and dpkg printed.

use std::path::Path;

use skep_process::ProcessError;

use crate::{OsError, Source};

/// The end of a build's output, as much as a diagnosis needs.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    lines: Vec<String>,
}

/// How many lines are kept. What apt says about a mirror comes once for each index and try, and
/// after it only a few lines follow.
const KEPT: usize = 400;

impl Diagnosis {
    pub(crate) fn note(&mut self, line: &str) {
        if self.lines.len() == KEPT {
            self.lines.drain(..KEPT / 2);
        }
        self.lines.push(line.trim().to_owned());
    }

    pub(crate) fn explain(
        &self,
        error: ProcessError,
        source: &Source,
        cache: &Path,
        scratch: &Path,
    ) -> OsError {
        match error {
            ProcessError::Cancelled { .. } => return OsError::Cancelled,
            ProcessError::Failed { .. } | ProcessError::Deadline { .. } => {}
            _ => return OsError::Build(error),
        }
        // The disk first: when it is full, everything else fails too.
        if self.find(&["No space left on device", "not enough free space"]).is_some() {
            return OsError::NoSpace { cache: cache.into(), scratch: scratch.into() };
        }
        if let Some(reason) = self.find(&SIGNATURE) {
            return OsError::Signature {
                mirror: self.mirror(source),
                reason,
                package: source.release.distribution.keyring_package(),
            };
        }
        if let Some(reason) = self.find(&UNREACHABLE) {
            return OsError::Mirror { mirror: self.mirror(source), reason };
        }
        if let Some(line) =
            self.find(&["Unable to locate package", "has no installation candidate"])
        {
            let quoted = line.split(['\'', '`']).nth(1);
            let package = quoted.or(line.split_whitespace().last()).unwrap_or_default().to_owned();
            return OsError::NoPackage { package, release: source.release.to_string() };
        }
        if let Some(reason) = self.find(&PERMISSION) {
            return OsError::NotPermitted { reason };
        }
        OsError::Build(error)
    }

    /// The first line with one of the texts, without apt's marks before it.
    fn find(&self, texts: &[&str]) -> Option<String> {
        let found = self.lines.iter().find(|line| texts.iter().any(|text| line.contains(text)))?;
        let text = found.trim_start_matches("E: ").trim_start_matches("W: ");
        // Failed to fetch URL  REASON
        let reason = text.split_once("  ").map_or(text, |(_, reason)| reason);
        Some(reason.trim().trim_end_matches('.').to_owned())
    }

    /// The mirror apt complained about first, or the first there is.
    fn mirror(&self, source: &Source) -> String {
        let complaint = |line: &&String| line.starts_with("Err:") || line.starts_with("E: ");
        let named = self.lines.iter().filter(complaint).find_map(|line| {
            source.mirrors.iter().find(|mirror| line.contains(mirror.uri.as_str()))
        });
        named.or(source.mirrors.first()).map_or(String::new(), |mirror| mirror.uri.clone())
    }
}

const SIGNATURE: [&str; 7] = [
    "NO_PUBKEY",
    "EXPKEYSIG",
    "BADSIG",
    "signatures were invalid",
    "signatures couldn't be verified",
    "is not signed",
    "Missing key",
];

const UNREACHABLE: [&str; 12] = [
    "Could not connect to",
    "Could not resolve",
    "Temporary failure resolving",
    "Unable to connect to",
    "Cannot initiate the connection to",
    "Connection timed out",
    "Connection failed",
    "Certificate verification failed",
    "does not have a Release file",
    "Hash Sum mismatch",
    "Failed to fetch",
    "is not valid yet",
];

const PERMISSION: [&str; 5] = [
    "Operation not permitted",
    "Permission denied",
    "unable to set up user namespace",
    "failed to parse /etc/subuid",
    "newuidmap",
];

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;
    use crate::source::{Distribution, Mirror, Release};

    fn source() -> Source {
        let mirror = |uri: &str, suite: &str| Mirror {
            uri: uri.into(),
            suite: suite.into(),
            components: "main",
            keyring: "/k.gpg".into(),
        };
        Source {
            release: Release { distribution: Distribution::Debian, suite: "trixie".into() },
            architecture: "amd64".into(),
            mirrors: vec![
                mirror("http://mirror.example/debian", "trixie"),
                mirror("http://127.0.0.1:1/debian", "trixie-security"),
            ],
        }
    }

    fn explained(output: &str) -> String {
        let mut diagnosis = Diagnosis::default();
        output.lines().for_each(|line| diagnosis.note(line));
        let failed = ProcessError::Failed {
            command: "mmdebstrap".into(),
            status: std::process::ExitStatus::from_raw(256),
            stderr: String::new(),
        };
        diagnosis.explain(failed, &source(), Path::new("/cache"), Path::new("/scratch")).to_string()
    }

    #[test]
    fn real_failures_are_told_by_their_cause() {
        let told = [
            include_str!("../tests/fixtures/mmdebstrap-refused.txt"),
            include_str!("../tests/fixtures/mmdebstrap-unresolved.txt"),
            include_str!("../tests/fixtures/mmdebstrap-no-release.txt"),
            include_str!("../tests/fixtures/mmdebstrap-signature.txt"),
            include_str!("../tests/fixtures/mmdebstrap-no-package.txt"),
            include_str!("../tests/fixtures/mmdebstrap-no-space.txt"),
            include_str!("../tests/fixtures/mmdebstrap-not-permitted.txt"),
            "E: something nobody has seen before\n",
        ]
        .map(explained);
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn only_the_end_of_a_long_output_is_kept() {
        let mut diagnosis = Diagnosis::default();
        for number in 0..10 * KEPT {
            diagnosis.note(&format!("line {number}"));
        }
        assert!(diagnosis.lines.len() <= KEPT);
        assert_eq!(diagnosis.lines.last().unwrap(), &format!("line {}", 10 * KEPT - 1));
    }
}
