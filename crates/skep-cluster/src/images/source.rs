//! Where images come from: the host's engine, or a file.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use skep_engine::{Engine, EngineError, image::Image};
use tokio_util::sync::CancellationToken;

use super::{archive::Archive, names::familiar};
use crate::{ClusterError, Home};

/// How long an engine may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(10);

/// Where images come from.
#[derive(Debug, Clone)]
pub enum Source {
    Host(Box<HostImage>),
    File(Archive),
}

/// An image of the host's engine.
#[derive(Debug, Clone)]
pub struct HostImage {
    pub(super) engine: Engine,
    /// The name it was asked for by, with its tag.
    pub(super) name: String,
    image: Image,
}

/// What one image of a source should be on a machine.
pub(super) struct Wanted<'a> {
    pub(super) id: &'a str,
    pub(super) names: Vec<&'a str>,
    pub(super) architecture: &'a str,
}

impl Wanted<'_> {
    pub(super) fn label(&self) -> String {
        self.names.first().map_or_else(|| self.id.to_owned(), |name| (*name).to_owned())
    }
}

impl Source {
    pub(super) fn wanted(&self) -> Vec<Wanted<'_>> {
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

    pub(super) fn label(&self) -> String {
        self.wanted().iter().map(Wanted::label).collect::<Vec<_>>().join(", ")
    }

    /// How much will be sent, in bytes; of an engine's image, about.
    pub(super) fn size(&self) -> u64 {
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
    let request = |reason: String| ClusterError::Request { reason: reason.into() };
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
    let request = |reason: String| ClusterError::Request { reason: reason.into() };
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
