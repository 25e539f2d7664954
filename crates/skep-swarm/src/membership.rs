//! A node's own way into a swarm and out of it, and the tokens that open it.

use std::{net::SocketAddr, ops::ControlFlow, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use skep_context::{Polled, after, pause, poll_until, when};
use skep_model::Role;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Swarm,
    cause::Cause,
    error::SwarmError,
    local::LocalState,
    local_state::LocalNodeState,
    node::NodeId,
    options::{InitOptions, JoinOptions, Joined, Tokens},
    pool,
    retry::INTERVAL,
};

const INIT: &str = "make a swarm";
const JOIN: &str = "join the swarm";
const LEAVE: &str = "leave the swarm";
const TOKENS: &str = "read the join tokens";
const ROTATE: &str = "rotate the join token";

/// How long an engine may take to leave. It gives its own parts 15 s to stop.
const LEAVE_DEADLINE: Duration = Duration::from_secs(60);

/// How long an engine has to show no identity before its join counts as one that got nowhere. A
/// member's engine that starts has read its own within a few milliseconds.
const NO_IDENTITY: Duration = Duration::from_millis(500);

/// How long an engine may take to found a swarm. To force a new one it stops its node first.
const INIT_DEADLINE: Duration = Duration::from_secs(60);

impl Swarm {
    /// Makes a swarm with this node as its first manager. On a node that is a manager at this
    /// advertise address already there is nothing to do.
    ///
    /// # Errors
    /// [`SwarmError::Pool`] and [`SwarmError::Setting`] before the engine is asked;
    /// [`SwarmError::Stuck`] for a node that is locked, in error or pending;
    /// [`SwarmError::Refused`], with [`Cause::AlreadyInSwarm`] for a worker or a manager at another
    /// address; [`SwarmError::Engine`].
    pub async fn init(
        &self,
        options: &InitOptions,
        cancel: &CancellationToken,
    ) -> Result<Joined, SwarmError> {
        pool::check(&options.pools, options.subnet_size, &[])?;
        options.settings.check()?;
        let engine = self.engine.with_deadline(INIT_DEADLINE);
        let posted = engine.post_json("/swarm/init", &[], &init_body(options), cancel).await;
        let error = match posted.map_err(|error| SwarmError::of(INIT, error)) {
            Ok(Value::String(id)) => return Ok(Joined { node: NodeId::new(id), already: false }),
            Ok(_) => return Err(SwarmError::Incomplete { action: INIT, field: "node ID" }),
            Err(error) => error,
        };
        if error.cause() != Some(Cause::AlreadyInSwarm) {
            return Err(error);
        }
        let local = self.local(cancel).await?;
        match (local.state, local.node) {
            (LocalNodeState::Active, Some(node))
                if local.is_manager && local.address == options.addresses.advertise.host() =>
            {
                Ok(Joined { node, already: true })
            }
            (LocalNodeState::Active | LocalNodeState::Inactive, _) => Err(error),
            (state, _) => Err(SwarmError::Stuck { action: INIT, state, reason: local.error }),
        }
    }

    /// Joins the swarm that the token and the managers' addresses belong to. A node that is in
    /// it already has nothing to do (its role is then not looked at); one that is still on its
    /// way is waited for. A join that has got nowhere is undone, so that the next one starts
    /// afresh. One that has got an identity from the swarm is not: the managers may count it
    /// already. It goes on inside the engine, as one does that is cancelled, or whose deadline is
    /// shorter than the 20 s for which an engine cannot be asked to stop; the next join finds it.
    ///
    /// Nodes may join all at once: see the crate's documentation.
    ///
    /// # Errors
    /// [`SwarmError::OtherSwarm`], [`SwarmError::Stuck`], [`SwarmError::JoinDeadline`],
    /// [`SwarmError::Refused`], [`SwarmError::Engine`].
    pub async fn join(
        &self,
        options: &JoinOptions,
        cancel: &CancellationToken,
    ) -> Result<Joined, SwarmError> {
        let end = after(options.deadline);
        let mut remotes = options.remotes.iter().cycle().copied();
        let mut untried = options.remotes.len();
        let mut may_discard = true;
        loop {
            let Some(remote) = remotes.next() else {
                return Err(SwarmError::Incomplete { action: JOIN, field: "manager address" });
            };
            untried = untried.saturating_sub(1);
            let left = end.saturating_duration_since(Instant::now());
            let engine = self.engine.with_deadline(left);
            let posted =
                engine.post_json("/swarm/join", &[], &join_body(options, remote), cancel).await;
            let Err(error) = posted else {
                return self.wait_joined(options, end, false, cancel).await;
            };
            let error = SwarmError::of(JOIN, error);
            let in_time = Instant::now() + INTERVAL < end;
            match error.cause() {
                Some(Cause::AlreadyInSwarm) => {
                    if may_discard && self.is_leftover(options, cancel).await? {
                        self.leave(false, cancel).await?;
                        // Once: an engine that shows the same after it has left is not helped by
                        // leaving again.
                        may_discard = false;
                        continue;
                    }
                    return self.wait_joined(options, end, true, cancel).await;
                }
                Some(Cause::StillJoining) => {
                    return self.wait_joined(options, end, false, cancel).await;
                }
                Some(Cause::ManagerUnreachable) if untried > 0 && in_time => {}
                Some(cause) if cause.may_pass() && in_time => {
                    pause(cancel, INTERVAL).await;
                }
                _ => return Err(error),
            }
        }
    }

    /// Waits until the node is in the swarm, `already` or as the end of a join.
    async fn wait_joined(
        &self,
        options: &JoinOptions,
        end: Instant,
        already: bool,
        cancel: &CancellationToken,
    ) -> Result<Joined, SwarmError> {
        let polled = poll_until(cancel, INTERVAL, end - INTERVAL, async || {
            let local = self.local(cancel).await?;
            match (local.state, local.node.clone()) {
                (LocalNodeState::Active, Some(node)) => {
                    if already && !is_same_swarm(&local, &node, options) {
                        return Err(SwarmError::OtherSwarm { node });
                    }
                    Ok(ControlFlow::Break(Some(Joined { node, already })))
                }
                (LocalNodeState::Locked, _) => Err(stuck(local)),
                // The engine gave up between our request and this one.
                (LocalNodeState::Inactive, _) => Ok(ControlFlow::Break(None)),
                // A member that has lost its managers says so until it has found them again.
                (LocalNodeState::Error | LocalNodeState::Pending | LocalNodeState::Active, _) => {
                    Ok(ControlFlow::Continue(local))
                }
            }
        });
        match polled.await?.met() {
            Ok(Some(joined)) => return Ok(joined),
            Err(local) if local.state != LocalNodeState::Pending || !local.has_never_joined() => {
                return Err(stuck(local));
            }
            // Not by force: should the engine know better, it refuses.
            Err(_) => drop(self.leave(false, cancel).await?),
            Ok(None) => {}
        }
        let remotes: Vec<String> = options.remotes.iter().map(ToString::to_string).collect();
        Err(SwarmError::JoinDeadline {
            remotes: remotes.join(", "),
            deadline: options.deadline,
            reason: "no manager answered, so the attempt was given up".to_owned(),
        })
    }

    /// Whether the engine is still at a join that cannot become this one, and is in no swarm.
    async fn is_leftover(
        &self,
        options: &JoinOptions,
        cancel: &CancellationToken,
    ) -> Result<bool, SwarmError> {
        let polled = poll_until(cancel, INTERVAL, after(NO_IDENTITY), async || {
            let local = self.local(cancel).await?;
            Ok::<_, SwarmError>(when(!is_leftover(&local, options)))
        });
        Ok(matches!(polled.await?, Polled::Late(())))
    }

    /// Takes the node out of its swarm. Returns whether it was in one. The swarm's managers keep
    /// listing it as down until it is removed there ([`Swarm::remove`]).
    ///
    /// # Errors
    /// [`SwarmError::Refused`], with [`Cause::ManagerLeaves`] for a manager without `force`;
    /// [`SwarmError::Engine`].
    pub async fn leave(&self, force: bool, cancel: &CancellationToken) -> Result<bool, SwarmError> {
        let query: &[_] = if force { &[("force", "true")] } else { &[] };
        let engine = self.engine.with_deadline(LEAVE_DEADLINE);
        match engine.post_json("/swarm/leave", query, &(), cancel).await {
            Ok(_) => Ok(true),
            Err(error) => match SwarmError::of(LEAVE, error) {
                error if error.cause() == Some(Cause::NotInSwarm) => Ok(false),
                error => Err(error),
            },
        }
    }

    /// The swarm's join tokens.
    ///
    /// # Errors
    /// [`SwarmError::Refused`] if the node is not a manager; [`SwarmError::Engine`].
    pub async fn tokens(&self, cancel: &CancellationToken) -> Result<Tokens, SwarmError> {
        let swarm = self.swarm_object(TOKENS, cancel).await?;
        let token = |field: &'static str| {
            let token = swarm["JoinTokens"][field].as_str();
            token.map(SecretString::from).ok_or(SwarmError::Incomplete { action: TOKENS, field })
        };
        Ok(Tokens { manager: token("Manager")?, worker: token("Worker")? })
    }

    /// Replaces the join token of a role and returns the new ones. Nodes in the swarm stay.
    ///
    /// # Errors
    /// As [`Swarm::tokens`].
    pub async fn rotate(
        &self,
        role: Role,
        cancel: &CancellationToken,
    ) -> Result<Tokens, SwarmError> {
        let which = match role {
            Role::Manager => "rotateManagerToken",
            Role::Worker => "rotateWorkerToken",
        };
        self.edit_swarm(ROTATE, &[(which, "true")], cancel, |_| Ok(())).await?;
        self.tokens(cancel).await
    }
}

fn init_body(options: &InitOptions) -> Value {
    let mut body = json!({
        "ListenAddr": options.addresses.listen.to_string(),
        "AdvertiseAddr": options.addresses.advertise.to_string(),
        "DataPathAddr": options.addresses.data_path.to_string(),
        "Availability": options.availability,
    });
    if !options.pools.is_empty() {
        body["DefaultAddrPool"] = json!(options.pools);
    }
    if let Some(size) = options.subnet_size {
        body["SubnetSize"] = size.into();
    }
    if let Some(port) = options.data_path_port {
        body["DataPathPort"] = port.into();
    }
    // Merged by the engine into its defaults, so only what was asked for is in it.
    let mut spec = Value::Null;
    if options.settings.apply(&mut spec, None) {
        body["Spec"] = spec;
    }
    if options.settings.autolock == Some(true) {
        body["AutoLockManagers"] = true.into();
    }
    if options.force_new_cluster {
        body["ForceNewCluster"] = true.into();
    }
    body
}

fn join_body(options: &JoinOptions, remote: SocketAddr) -> Value {
    json!({
        "ListenAddr": options.addresses.listen.to_string(),
        "AdvertiseAddr": options.addresses.advertise.to_string(),
        "DataPathAddr": options.addresses.data_path.to_string(),
        "RemoteAddrs": [remote.to_string()],
        "JoinToken": options.token.expose_secret(),
        "Availability": options.availability,
    })
}

/// That a join ends at what the engine says of itself.
fn stuck(local: LocalState) -> SwarmError {
    let reason = match (local.state, &local.node) {
        (LocalNodeState::Pending, Some(node)) if local.error.is_empty() => format!("it is {node}"),
        _ => local.error,
    };
    SwarmError::Stuck { action: JOIN, state: local.state, reason }
}

/// Whether what the engine shows is a join that got nowhere and cannot become this one.
fn is_leftover(local: &LocalState, options: &JoinOptions) -> bool {
    let never_joined = local.has_never_joined();
    match local.state {
        // What a member in error shows is the same, so here the caller has to know.
        LocalNodeState::Error => never_joined && options.discard_leftover,
        LocalNodeState::Pending => never_joined && !knows_a_manager(local, options),
        LocalNodeState::Inactive | LocalNodeState::Active | LocalNodeState::Locked => false,
    }
}

fn knows_a_manager(local: &LocalState, options: &JoinOptions) -> bool {
    let is_named = |address: &str| options.remotes.iter().any(|one| one.to_string() == address);
    local.managers.iter().any(|manager| is_named(&manager.address))
}

/// Whether a node that is in some swarm is in the one it is asked to join.
fn is_same_swarm(local: &LocalState, node: &NodeId, options: &JoinOptions) -> bool {
    match &options.members {
        Some(members) => members.contains(node),
        None => knows_a_manager(local, options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{local::RemoteManager, spec::SwarmUpdate};

    fn options() -> JoinOptions {
        JoinOptions::new(
            "172.31.0.2:2377".parse().unwrap(),
            SecretString::from("SWMTKN-1-aaaa-bbbb"),
            "172.31.0.3".parse().unwrap(),
        )
    }

    fn member(id: &str, manager: &str) -> (LocalState, NodeId) {
        let node = NodeId::new(id);
        let state = LocalState {
            state: LocalNodeState::Active,
            node: Some(node.clone()),
            address: "172.31.0.3".to_owned(),
            is_manager: false,
            error: String::new(),
            cluster: None,
            tls_info: Value::Null,
            auto_lock: false,
            managers: vec![RemoteManager { node: NodeId::new("m1"), address: manager.to_owned() }],
        };
        (state, node)
    }

    #[test]
    fn a_member_is_known_by_the_managers_list_before_any_address() {
        let (local, node) = member("w1", "172.31.0.2:2377");
        assert!(is_same_swarm(&local, &node, &options()));
        let members = Some(vec![NodeId::new("m1")]);
        assert!(!is_same_swarm(&local, &node, &JoinOptions { members, ..options() }));
        let (local, node) = member("w1", "10.9.9.9:2377");
        assert!(!is_same_swarm(&local, &node, &options()));
        let members = Some(vec![NodeId::new("w1")]);
        assert!(is_same_swarm(&local, &node, &JoinOptions { members, ..options() }));
    }

    #[test]
    fn what_may_be_a_manager_is_no_leftover_and_must_not_leave() {
        let state = |state, node: Option<&str>, spoken: bool| {
            let spoken = if spoken { "m1" } else { "" };
            let manager =
                RemoteManager { node: NodeId::new(spoken), address: "10.9.9.9:2377".into() };
            let (local, _) = member("x", "10.9.9.9:2377");
            LocalState { state, node: node.map(NodeId::new), managers: vec![manager], ..local }
        };
        use LocalNodeState::{Active, Error, Inactive, Locked, Pending};
        let allowed = JoinOptions { discard_leftover: true, ..options() };
        for (local, leftover, with_leave, may_be_manager) in [
            (state(Pending, None, false), true, true, false),
            (state(Pending, Some("w1"), false), false, false, true),
            (state(Pending, None, true), false, false, true),
            (state(Error, None, false), false, true, true),
            (state(Error, Some("w1"), false), false, false, true),
            (state(Locked, None, false), false, false, true),
            (state(Active, Some("w1"), true), false, false, false),
            (state(Inactive, None, false), false, false, false),
        ] {
            assert_eq!(is_leftover(&local, &options()), leftover, "{local:?}");
            assert_eq!(is_leftover(&local, &allowed), with_leave, "{local:?}");
            assert_eq!(local.may_be_manager(), may_be_manager, "{local:?}");
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        assert!(!format!("{:?}", options()).contains("SWMTKN"));
        assert_eq!(
            join_body(&options(), "[fd00::2]:2377".parse().unwrap())["RemoteAddrs"][0],
            "[fd00::2]:2377"
        );
    }

    #[test]
    fn what_is_not_said_is_left_to_the_engine() {
        let plain = InitOptions::new("172.31.0.2".parse().unwrap());
        assert_eq!(
            init_body(&plain),
            json!({"ListenAddr": "0.0.0.0:2377", "AdvertiseAddr": "172.31.0.2",
                   "DataPathAddr": "172.31.0.2", "Availability": "active"})
        );
        let pools = vec!["10.77.0.0/16".parse().unwrap()];
        let settings = SwarmUpdate { autolock: Some(true), ..SwarmUpdate::default() };
        let force_new_cluster = true;
        let options =
            InitOptions { pools, subnet_size: Some(26), settings, force_new_cluster, ..plain };
        let body = init_body(&options);
        assert_eq!(body["DefaultAddrPool"], json!(["10.77.0.0/16"]));
        assert_eq!(body["SubnetSize"], 26);
        assert_eq!(body["Spec"], json!({"EncryptionConfig": {"AutoLockManagers": true}}));
        assert_eq!(
            (&body["AutoLockManagers"], &body["ForceNewCluster"]),
            (&json!(true), &json!(true))
        );
    }
}
