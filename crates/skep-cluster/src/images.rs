//! Images on the machines' engines without a registry: from the host's engine or an archive, read
//! once, to every machine that lacks them at the same time.
//!
//! The slowest machine sets the pace: no more than a few pieces are ever held in memory. A machine
//! that fails, or takes nothing for a minute, is left behind, and the others go on.

pub mod archive;
mod fan;
mod names;
mod source;

use futures_util::future::join_all;
use skep_engine::{Engine, image::ImageSummary};
use skep_model::MachineName;

pub use self::source::{HostImage, Source, open};
use self::{names::is_same, source::Wanted};
use crate::{
    ClusterError,
    answers::{Answer, Scope},
};

/// What became of an image on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Loaded,
    /// It was there, and was given its name.
    Named,
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
    pub id: String,
    pub outcome: Outcome,
}

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
                Ok(()) => finish(scope, name, there, source, loaded).await,
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
async fn finish(
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
                )
                .into(),
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
