//! Where the host itself gets its packages from: release, mirrors and keyring.
//!
//! The host's own configuration is the only source of addresses: a machine behind a company's
//! mirror builds its guests from that mirror. What is not the distribution's own archive (vendors'
//! repositories, PPAs) is left out.

mod apt;
mod os_release;

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use fs_err as fs;

use self::{apt::Repository, os_release::OsRelease};

/// The Debian release guests are built from on every Debian host: the first with Engine 26 and
/// the client in a package of its own.
const DEBIAN_SUITE: &str = "trixie";

/// A family of releases with archives of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    Debian,
    Ubuntu,
}

impl Distribution {
    /// The archive's keyring, as its own package installs it; older and newer names.
    fn keyrings(self) -> [&'static str; 2] {
        match self {
            Self::Debian => [
                "/usr/share/keyrings/debian-archive-keyring.gpg",
                "/usr/share/keyrings/debian-archive-keyring.pgp",
            ],
            Self::Ubuntu => [
                "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
                "/usr/share/keyrings/ubuntu-archive-keyring.pgp",
            ],
        }
    }

    pub(crate) fn keyring_package(self) -> &'static str {
        match self {
            Self::Debian => "debian-archive-keyring",
            Self::Ubuntu => "ubuntu-keyring",
        }
    }

    fn components(self) -> &'static str {
        match self {
            Self::Debian => "main",
            // docker.io and runit are in universe.
            Self::Ubuntu => "main universe",
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debian => "Debian",
            Self::Ubuntu => "Ubuntu",
        })
    }
}

/// One release of a distribution; shown as `Debian trixie`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub distribution: Distribution,
    /// Its code name, which is the name of its suite in the archive.
    pub suite: String,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.distribution, self.suite)
    }
}

/// Why the host's configuration does not say where packages come from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The host is something else.
    #[error(
        "the guest system is built from the packages of a Debian or Ubuntu host; this host is \
         {found}: build it on one of those, or in a container of one"
    )]
    NotSupported { found: String },
    /// The processor has no Debian architecture skep knows.
    #[error("there is no guest system for the processor architecture `{0}`")]
    Architecture(String),
    /// No source is the distribution's own archive.
    #[error(
        "apt on this host has no source for {release}: add one to /etc/apt/sources.list, as in \
         `deb http://MIRROR/{} {} main`", .release.distribution.to_string().to_lowercase(), .release.suite
    )]
    NoSource { release: Release },
    /// The keyring the archive is checked with is not there.
    #[error("the archive's keyring {} is missing: install it with `apt-get install {package}`", .path.display())]
    KeyringMissing { path: PathBuf, package: &'static str },
    #[error("cannot read {}", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// One archive to take packages from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    /// Its address, without a slash at its end.
    pub uri: String,
    /// The suite taken from it: `trixie`, `trixie-security`.
    pub suite: String,
    /// The components taken from it, separated by spaces.
    pub components: &'static str,
    pub keyring: PathBuf,
}

impl Mirror {
    /// The line apt understands.
    pub fn line(&self) -> String {
        let Self { uri, suite, components, keyring } = self;
        format!("deb [signed-by={}] {uri} {suite} {components}", keyring.display())
    }
}

/// Where a guest's packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub release: Release,
    /// The guest's architecture, in Debian's words: that of the host.
    pub architecture: String,
    /// The archives, that of the release itself first.
    pub mirrors: Vec<Mirror>,
}

impl Source {
    /// Reads `etc/os-release` and apt's configuration below `root` (`/` but in tests).
    pub fn detect(root: &Path) -> Result<Self, SourceError> {
        let host = host_release(root)?;
        let architecture = architecture()?;
        let repositories = repositories(root)?;
        let mut source = choose(&host, &architecture, &repositories)
            .ok_or_else(|| SourceError::NoSource { release: host.clone() })?;
        let default = default_keyring(root, host.distribution);
        for mirror in &mut source.mirrors {
            if mirror.keyring.as_os_str().is_empty() {
                mirror.keyring.clone_from(&default);
            }
            if !below(root, &mirror.keyring).exists() {
                return Err(SourceError::KeyringMissing {
                    path: mirror.keyring.clone(),
                    package: host.distribution.keyring_package(),
                });
            }
        }
        Ok(source)
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn default_keyring(root: &Path, distribution: Distribution) -> PathBuf {
    let names = distribution.keyrings().map(PathBuf::from);
    let found = names.iter().find(|path| below(root, path).exists());
    found.unwrap_or(&names[0]).clone()
}

fn host_release(root: &Path) -> Result<Release, SourceError> {
    let text = read(&root.join("etc/os-release"))?.or(read(&root.join("usr/lib/os-release"))?);
    let host = text.as_deref().map(OsRelease::parse).unwrap_or_default();
    host.release().ok_or_else(|| SourceError::NotSupported { found: host.name() })
}

fn architecture() -> Result<String, SourceError> {
    let name = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "riscv64" => "riscv64",
        "s390x" => "s390x",
        "powerpc64" => "ppc64el",
        other => return Err(SourceError::Architecture(other.into())),
    };
    Ok(name.into())
}

/// Every repository apt is configured for, in the order apt reads them.
fn repositories(root: &Path) -> Result<Vec<Repository>, SourceError> {
    let apt = root.join("etc/apt");
    let mut found =
        read(&apt.join("sources.list"))?.map_or_else(Vec::new, |text| apt::parse_list(&text));
    let directory = apt.join("sources.list.d");
    let mut paths: Vec<PathBuf> = match fs::read_dir(&directory) {
        Ok(entries) => entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(SourceError::Io { path: directory, source }),
    };
    paths.sort();
    for path in paths {
        let parse = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => apt::parse_list,
            Some("sources") => apt::parse_sources,
            _ => continue,
        };
        found.extend(read(&path)?.map_or_else(Vec::new, |text| parse(&text)));
    }
    for repository in &mut found {
        resolve_mirror_list(root, repository)?;
    }
    Ok(found)
}

/// Cloud images name a file with a list of mirrors, which the guest does not have: its first
/// address stands for it.
fn resolve_mirror_list(root: &Path, repository: &mut Repository) -> Result<(), SourceError> {
    let Some(path) = repository.uri.strip_prefix("mirror+file:") else { return Ok(()) };
    let path = Path::new("/").join(path.trim_start_matches('/'));
    let text = read(&below(root, &path))?.unwrap_or_default();
    let mut addresses = text.lines().filter_map(|line| line.split_whitespace().next());
    if let Some(address) = addresses.find(|word| !word.starts_with('#')) {
        repository.uri = address.trim_end_matches('/').to_owned();
    }
    Ok(())
}

/// A file's text, or `None` if there is no such file.
fn read(path: &Path) -> Result<Option<String>, SourceError> {
    match skep_read::bytes(path, skep_read::limit::SYSTEM) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SourceError::Io { path: path.to_owned(), source }),
    }
}

/// Picks the archives the guest is built from, or `None` if none is the distribution's own.
fn choose(host: &Release, architecture: &str, repositories: &[Repository]) -> Option<Source> {
    let own = |suites: &[String]| {
        let candidates = repositories.iter().filter(|repository| {
            suites.contains(&repository.suite)
                && repository.components.iter().any(|component| component == "main")
                && repository.serves(architecture)
                && host.distribution.is_own(repository)
        });
        candidates.max_by_key(|repository| {
            // The first of equals: apt, too, prefers what is named first.
            (
                host.distribution.likelihood(repository),
                std::cmp::Reverse(position(repositories, repository)),
            )
        })
    };
    let suite = match host.distribution {
        Distribution::Debian => DEBIAN_SUITE.to_owned(),
        Distribution::Ubuntu => host.suite.clone(),
    };
    let mirror = |repository: &Repository, suite: String| Mirror {
        uri: repository.uri.clone(),
        suite,
        components: host.distribution.components(),
        keyring: repository.keyring.clone().unwrap_or_default(),
    };
    let main = own(&main_suites(host))?;
    let mut mirrors = vec![mirror(main, suite.clone())];
    for pocket in host.distribution.pockets() {
        let of_host = [format!("{}-{pocket}", host.suite), format!("{}/{pocket}", host.suite)];
        let of_class = main_suites(host).into_iter().map(|suite| format!("{suite}-{pocket}"));
        if let Some(found) = own(&of_host.into_iter().chain(of_class).collect::<Vec<_>>()) {
            mirrors.push(mirror(found, format!("{suite}-{pocket}")));
        }
    }
    Some(Source {
        release: Release { distribution: host.distribution, suite },
        architecture: architecture.to_owned(),
        mirrors,
    })
}

fn position(repositories: &[Repository], one: &Repository) -> usize {
    repositories.iter().position(|other| std::ptr::eq(other, one)).unwrap_or(usize::MAX)
}

/// What the host's own release may be called in apt's configuration.
fn main_suites(host: &Release) -> Vec<String> {
    let mut suites = vec![host.suite.clone()];
    if host.distribution == Distribution::Debian {
        let classes =
            ["stable", "testing", "unstable", "oldstable", "oldoldstable", "sid", DEBIAN_SUITE];
        suites.extend(classes.map(String::from));
    }
    suites
}

impl Distribution {
    /// The suites beside the release itself that bring newer versions of packages the guest has.
    fn pockets(self) -> &'static [&'static str] {
        match self {
            Self::Debian => &["security"],
            Self::Ubuntu => &["updates", "security"],
        }
    }

    /// Whether a repository may be the distribution's own archive, going by how apt checks it.
    fn is_own(self, repository: &Repository) -> bool {
        let fetched =
            ["http://", "https://"].iter().any(|scheme| repository.uri.starts_with(scheme));
        let personal = repository.uri.contains("://ppa.launchpad");
        let keyring = repository.keyring.as_ref().map(|path| path.to_string_lossy().into_owned());
        let own_keyring = keyring.is_none_or(|path| {
            path.contains(&format!("{}-archive", self.to_string().to_lowercase()))
        });
        fetched && !personal && own_keyring && !repository.inline_key
    }

    /// How likely a repository is the distribution's own archive, among those that may be.
    fn likelihood(self, repository: &Repository) -> u8 {
        let name = self.to_string().to_lowercase();
        let last = repository.uri.rsplit('/').next().unwrap_or_default();
        u8::from(repository.keyring.is_some()) * 4
            + u8::from(
                last == name
                    || last == format!("{name}-ports")
                    || last == format!("{name}-security"),
            ) * 2
            + u8::from(repository.components.iter().any(|component| component == "universe"))
    }
}

#[cfg(test)]
mod tests;
