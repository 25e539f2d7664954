//! Images on the machines' engines without a registry: from the host's engine or an archive, read
//! once, to every machine that lacks them at the same time.
//!
//! The slowest machine sets the pace: no more than a few pieces are ever held in memory. A machine
//! that fails, or takes nothing for a minute, is left behind, and the others go on.

pub mod archive;
mod fan;

use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use skep_engine::{
    Engine, EngineError,
    image::{Image, ImageSummary},
};
use skep_model::MachineName;
use tokio_util::sync::CancellationToken;

pub use crate::certificates::{Answer, Scope};
use crate::{ClusterError, Home, images::archive::Archive};

/// How long an engine may take to answer a greeting.
const GREETING: std::time::Duration = std::time::Duration::from_secs(10);

/// Where images come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The host's own engine.
    Host(Box<HostImage>),
    /// A file.
    File(Archive),
}

/// An image of the host's engine.
#[derive(Debug, Clone)]
pub struct HostImage {
    /// The engine.
    engine: Engine,
    /// The name it was asked for by, with its tag.
    name: String,
    /// What the engine says of it.
    image: Image,
}

/// What became of an image on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was brought.
    Loaded,
    /// It was there, and was given its name.
    Named,
    /// It was there.
    Present,
}

impl Outcome {
    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Loaded => "loaded",
            Outcome::Named => "named",
            Outcome::Present => "present",
        }
    }
}

/// An image on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its first name, or its identifier if it has none.
    pub image: String,
    /// Its identifier.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What one image of a source should be on a machine.
struct Wanted<'a> {
    id: &'a str,
    names: Vec<&'a str>,
    architecture: &'a str,
}

impl Wanted<'_> {
    fn label(&self) -> String {
        self.names.first().map_or_else(|| self.id.to_owned(), |name| (*name).to_owned())
    }
}

impl Source {
    fn wanted(&self) -> Vec<Wanted<'_>> {
        match self {
            Source::Host(host) => {
                let HostImage { name, image, .. } = host.as_ref();
                let named = image.repo_tags.iter().any(|tag| tag == name);
                let names = if named { vec![name.as_str()] } else { Vec::new() };
                vec![Wanted { id: &image.id, names, architecture: &image.architecture }]
            }
            Source::File(archive) => {
                let wanted = archive.images().iter().map(|image| Wanted {
                    id: &image.id,
                    names: image.names.iter().map(String::as_str).collect(),
                    architecture: &image.architecture,
                });
                wanted.collect()
            }
        }
    }

    fn label(&self) -> String {
        self.wanted().iter().map(Wanted::label).collect::<Vec<_>>().join(", ")
    }

    /// How much will be sent, in bytes; of an engine's image, about.
    fn size(&self) -> u64 {
        match self {
            Source::Host(host) => host.image.size,
            Source::File(archive) => archive.sent(),
        }
    }
}

/// Finds what each text means: a file if there is one by that path or it ends as one does, else an
/// image of the host's engine. Nothing is sent anywhere.
///
/// # Errors
/// [`ClusterError::Request`], naming what cannot be used and why; [`ClusterError::Engine`].
pub async fn open(
    home: &Home,
    texts: &[String],
    cancel: &CancellationToken,
) -> Result<Vec<Source>, ClusterError> {
    let mut host = None;
    let mut sources = Vec::new();
    for text in texts {
        let is_file = [".tar", ".tar.gz", ".tgz"].iter().any(|end| text.ends_with(end))
            || Path::new(text).is_file();
        if is_file {
            sources.push(Source::File(open_file(text.into()).await?));
            continue;
        }
        let engine = match &host {
            Some(engine) => engine,
            None => host.insert(host_engine(home, cancel).await?),
        };
        sources.push(find(engine, text, cancel).await?);
    }
    Ok(sources)
}

async fn open_file(path: PathBuf) -> Result<Archive, ClusterError> {
    let opened = tokio::task::spawn_blocking(move || Archive::open(&path)).await;
    let request = |reason: String| ClusterError::Request { reason };
    opened.map_err(|error| request(error.to_string()))?.map_err(|error| request(error.to_string()))
}

async fn host_engine(home: &Home, cancel: &CancellationToken) -> Result<Engine, ClusterError> {
    let socket = home.settings().docker_socket.clone().map_err(EngineError::from)?;
    Ok(Engine::connect(&socket, GREETING, cancel).await?)
}

async fn find(
    engine: &Engine,
    text: &str,
    cancel: &CancellationToken,
) -> Result<Source, ClusterError> {
    let request = |reason: String| ClusterError::Request { reason };
    // It becomes a part of a path.
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    if text.is_empty() || !text.chars().all(legal) || text.contains("..") {
        return Err(request(format!("`{text}` is neither a file nor the name of an image")));
    }
    let image = engine.image(text, cancel).await?.ok_or_else(|| {
        request(format!(
            "the host's engine has no image {text}, and there is no such file: `docker image ls` \
             shows what it has"
        ))
    })?;
    if !image.os.is_empty() && image.os != "linux" {
        return Err(request(format!("{text} is an image for {}, not for linux", image.os)));
    }
    // Without a tag an engine would give all images of that name.
    let tagged = text.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let named = familiar(&if tagged { text.to_owned() } else { format!("{text}:latest") });
    let name = if image.repo_tags.contains(&named) { named } else { image.id.clone() };
    Ok(Source::Host(Box::new(HostImage { engine: engine.clone(), name, image })))
}

/// A name as engines list it: without what stands before every name of Docker Hub.
fn familiar(name: &str) -> String {
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    let short = short.strip_prefix("library/").unwrap_or(short);
    short.to_owned()
}

/// Whether an image's architecture, in Go's words, is an engine's, in the kernel's.
fn is_same(image: &str, engine: &str) -> bool {
    let name = |text: &str| match text {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        "armv7l" | "armv6l" => "arm".to_owned(),
        "i686" | "i386" => "386".to_owned(),
        other => other.to_owned(),
    };
    image.is_empty() || name(image) == name(engine)
}

/// A machine whose engine answers.
struct Node {
    engine: Engine,
    images: Vec<ImageSummary>,
    architecture: String,
}

impl Node {
    fn has(&self, wanted: &Wanted<'_>) -> bool {
        self.images.iter().any(|image| image.id == wanted.id)
    }

    /// The names that the image does not have here.
    fn unnamed<'w>(&self, wanted: &Wanted<'w>) -> Vec<&'w str> {
        let own = self.images.iter().filter(|image| image.id == wanted.id);
        let names: Vec<_> = own.flat_map(|image| &image.repo_tags).collect();
        wanted.names.iter().copied().filter(|name| !names.iter().any(|own| own == name)).collect()
    }
}

/// Puts the images of `sources` on each machine that is meant and lacks them.
///
/// # Errors
/// [`ClusterError::NoMachine`]; [`ClusterError::Request`] if an image is for another kind of
/// processor, before anything is sent. What fails on one machine is its answer.
pub async fn load(
    scope: Scope<'_>,
    sources: &[Source],
) -> Result<Vec<Answer<Vec<Put>>>, ClusterError> {
    let mut machines = Vec::new();
    for (name, node) in nodes(scope).await? {
        if let Ok(node) = &node {
            check_architecture(sources, &name, node)?;
        }
        machines.push((name, node, Vec::new()));
    }
    for source in sources {
        let lacking = machines.iter().filter_map(|(name, node, _)| {
            let node = node.as_ref().ok()?;
            let lacks = source.wanted().iter().any(|wanted| !node.has(wanted));
            lacks.then(|| (name.clone(), node.engine.clone()))
        });
        let lacking: Vec<_> = lacking.collect();
        let mut brought = fan::send(source, &lacking, scope.context).await.into_iter();
        for (name, node, puts) in &mut machines {
            let Ok(there) = node else { continue };
            let loaded = lacking.iter().any(|(lacking, _)| lacking == name);
            let done = match loaded {
                true => brought.next().unwrap_or(Err(ClusterError::Cancelled)),
                false => Ok(()),
            };
            let named = match done {
                Ok(()) => settle(scope, name, there, source, loaded).await,
                Err(error) => Err(error),
            };
            match named {
                Ok(done) => puts.extend(done),
                Err(error) => *node = Err(error),
            }
        }
    }
    let answer = |(machine, node, puts): (MachineName, Result<Node, ClusterError>, Vec<Put>)| {
        Answer { machine, result: node.map(|_| puts) }
    };
    Ok(machines.into_iter().map(answer).collect())
}

/// Gives images that were there the names they lack, and says what became of each.
async fn settle(
    scope: Scope<'_>,
    machine: &MachineName,
    node: &Node,
    source: &Source,
    loaded: bool,
) -> Result<Vec<Put>, ClusterError> {
    let mut puts = Vec::new();
    for wanted in source.wanted() {
        let unnamed = node.unnamed(&wanted);
        let outcome = match (loaded, unnamed.is_empty()) {
            (true, _) => Outcome::Loaded,
            (false, true) => Outcome::Present,
            (false, false) => Outcome::Named,
        };
        if outcome == Outcome::Named {
            let step = scope.context.events.step(machine, format!("naming {}", wanted.label()));
            for name in unnamed {
                node.engine.tag_image(wanted.id, name, scope.context.cancel).await?;
            }
            step.done();
        }
        puts.push(Put { image: wanted.label(), id: wanted.id.to_owned(), outcome });
    }
    Ok(puts)
}

fn check_architecture(
    sources: &[Source],
    machine: &MachineName,
    node: &Node,
) -> Result<(), ClusterError> {
    for wanted in sources.iter().flat_map(Source::wanted) {
        if !is_same(wanted.architecture, &node.architecture) {
            return Err(ClusterError::Request {
                reason: format!(
                    "{} is an image for {}, and {machine} is a machine for {}: nothing was sent",
                    wanted.label(),
                    wanted.architecture,
                    node.architecture
                ),
            });
        }
    }
    Ok(())
}

/// The machines that are meant, each with its engine and what that has.
async fn nodes(
    scope: Scope<'_>,
) -> Result<Vec<(MachineName, Result<Node, ClusterError>)>, ClusterError> {
    let each = scope.meant()?.into_iter().map(|machine| async move {
        let node = async {
            let engine = scope.cluster.engine(machine, scope.context.cancel).await?;
            let (images, info) = tokio::try_join!(
                engine.images(scope.context.cancel),
                engine.info(scope.context.cancel)
            )?;
            Ok(Node { engine, images, architecture: info.architecture })
        };
        (machine.name.clone(), node.await)
    });
    Ok(join_all(each).await)
}

/// What each machine that is meant has.
///
/// # Errors
/// [`ClusterError::NoMachine`]; what fails on one machine is its answer.
pub async fn list(scope: Scope<'_>) -> Result<Vec<Answer<Vec<ImageSummary>>>, ClusterError> {
    let answer = |(machine, node): (MachineName, Result<Node, ClusterError>)| Answer {
        machine,
        result: node.map(|node| node.images),
    };
    Ok(nodes(scope).await?.into_iter().map(answer).collect())
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
