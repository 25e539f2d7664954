//! Locked managers: the key that lets them start, and giving it to them.
//!
//! A manager of a swarm with autolock keeps its keys encrypted on its disk. After a restart of its
//! engine it is *locked*: it takes no part, answers nothing about the swarm, and has everything
//! the swarm has. It must not leave, for what it has goes with it.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use skep_engine::EngineError;
use tokio_util::sync::CancellationToken;

use crate::{Swarm, error::SwarmError, local_state::LocalNodeState, spec::is_autolocked};

const UNLOCK: &str = "unlock the swarm";
const KEY: &str = "fetch the unlock key";
const ROTATE: &str = "rotate the unlock key";

/// How long a manager that was given its key may take until it takes part.
/// An election takes up to 20 s.
pub const UNLOCK_PATIENCE: Duration = Duration::from_secs(30);

/// What became of a manager that was given the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocked {
    Ready,
    /// The key was right, and it waits for the other managers: too few of them are there yet.
    Waiting,
}

impl Swarm {
    /// Gives a locked manager the swarm's unlock key. Its engine answers once the manager has
    /// found a leader; where most managers are locked, that takes more of them than this one, so
    /// they are given the key at once.
    ///
    /// # Errors
    /// [`SwarmError::Refused`], with [`Cause::WrongKey`](crate::Cause::WrongKey) or
    /// [`Cause::NotLocked`](crate::Cause::NotLocked); [`SwarmError::Engine`].
    pub async fn unlock(
        &self,
        key: &SecretString,
        patience: Duration,
        cancel: &CancellationToken,
    ) -> Result<Unlocked, SwarmError> {
        let body = json!({"UnlockKey": key.expose_secret()});
        let engine = self.engine.with_deadline(patience);
        let late = match engine.post_json("/swarm/unlock", &[], &body, cancel).await {
            Ok(_) => return Ok(Unlocked::Ready),
            Err(error @ EngineError::Deadline { .. }) => error,
            Err(error) => return Err(SwarmError::of(UNLOCK, error)),
        };
        // Its identity is behind the key: who knows it again has been unlocked.
        let local = self.local(cancel).await?;
        match local.state {
            LocalNodeState::Active => Ok(Unlocked::Ready),
            LocalNodeState::Pending if local.node.is_some() => Ok(Unlocked::Waiting),
            _ => Err(SwarmError::of(UNLOCK, late)),
        }
    }

    /// The key that unlocks the swarm's managers; `None` where autolock is off.
    ///
    /// # Errors
    /// [`SwarmError::Refused`] if this node is not a manager; [`SwarmError::Engine`].
    pub async fn unlock_key(
        &self,
        cancel: &CancellationToken,
    ) -> Result<Option<SecretString>, SwarmError> {
        let answer: Value = self
            .engine
            .get_json("/swarm/unlockkey", &[], cancel)
            .await
            .map_err(|error| SwarmError::of(KEY, error))?;
        let key = answer["UnlockKey"].as_str().filter(|key| !key.is_empty());
        Ok(key.map(SecretString::from))
    }

    /// Replaces the unlock key. Managers that are away keep the old one until they have been back.
    ///
    /// # Errors
    /// [`SwarmError::NotAutolocked`]; as [`Swarm::unlock_key`].
    pub async fn rotate_unlock_key(&self, cancel: &CancellationToken) -> Result<(), SwarmError> {
        let query = [("rotateManagerUnlockKey", "true")];
        let edited = self.edit_swarm(ROTATE, &query, cancel, |swarm| {
            if is_autolocked(swarm) { Ok(()) } else { Err(SwarmError::NotAutolocked) }
        });
        edited.await.map(drop)
    }
}
