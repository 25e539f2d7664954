//! The known reasons for which an engine refuses an operation on a swarm, known by its message.
//!
//! Source of the messages: `daemon/cluster` of moby and `manager`, `ca` and `node` of swarmkit. The
//! API has no codes for them, so the text decides; a message that changes falls back to the
//! engine's own words.

use std::fmt;

/// Why an engine refused. `Display` says it in a few words; [`Cause::fix`] says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The node is not in a swarm, or is a worker.
    NotAManager,
    NotInSwarm,
    AlreadyInSwarm,
    /// The node did not get through in time and goes on trying by itself.
    StillJoining,
    /// The node's keys are encrypted and it was restarted.
    Locked,
    /// The node is not locked, so there is nothing to unlock.
    NotLocked,
    /// The unlock key is none, or another one than the node's.
    WrongKey,
    /// The node was away for longer than its certificate lived.
    CertificatesExpired,
    /// More than half of the managers are away.
    NoLeader,
    /// The Raft group is between two states; the same request may succeed in a moment.
    Unsettled,
    /// The manager cannot reach the new manager where that one says it is.
    AdvertiseUnreachable,
    ManagerUnreachable,
    /// A certificate is not valid yet or any more, by this node's clock.
    ClockSkew,
    /// The join token is none, or was rotated.
    BadToken,
    /// The join token is of another swarm than the manager at that address.
    OtherSwarmsToken,
    /// Something listens on the swarm's port already.
    PortTaken,
    /// An address is not one of the node's own, or is written wrongly.
    BadAddress,
    BadPool,
    /// The engine keeps containers running without it, which swarm mode excludes.
    LiveRestore,
    LastManager,
    /// The node was promoted and has not joined the managers' Raft group yet.
    NotInRaft,
    /// The managers left could not decide anything.
    QuorumLoss,
    /// The node is a manager and has to be demoted first.
    MustDemote,
    /// The node is a manager and would leave without being demoted.
    ManagerLeaves,
    NotDown,
    OutOfSequence,
}

/// A part of a message, in lower case, and what it means. The first that matches decides, so the
/// particular stands before the general.
const KNOWN: &[(&str, Cause)] = &[
    ("not a swarm manager. manager is being prepared", Cause::Unsettled),
    ("not a swarm manager", Cause::NotAManager),
    ("not part of a swarm", Cause::NotInSwarm),
    ("already part of a swarm", Cause::AlreadyInSwarm),
    ("participating as a manager", Cause::ManagerLeaves),
    ("timeout was reached before node joined", Cause::StillJoining),
    ("needs to be unlocked", Cause::Locked),
    ("encrypted and locked", Cause::Locked),
    ("swarm is not locked", Cause::NotLocked),
    ("invalid key provided", Cause::WrongKey),
    ("invalid key string", Cause::WrongKey),
    ("swarm certificates have expired", Cause::CertificatesExpired),
    ("does not have a leader", Cause::NoLeader),
    ("no elected cluster leader", Cause::NoLeader),
    ("raft: node is not yet part", Cause::Unsettled),
    ("lost leader status", Cause::Unsettled),
    ("propose configuration change refused", Cause::Unsettled),
    ("ca signer is still starting", Cause::Unsettled),
    ("certificate has expired or is not yet valid", Cause::ClockSkew),
    ("connect to prospective new cluster member", Cause::AdvertiseUnreachable),
    ("valid join token is necessary", Cause::BadToken),
    ("invalid join token", Cause::BadToken),
    ("remote ca does not match fingerprint", Cause::OtherSwarmsToken),
    ("address already in use", Cause::PortTaken),
    ("must specify a listening address", Cause::BadAddress),
    ("advertise address must be", Cause::BadAddress),
    ("data path address must be", Cause::BadAddress),
    ("listen address must be", Cause::BadAddress),
    ("cannot assign requested address", Cause::BadAddress),
    ("subnet size", Cause::BadPool),
    ("invalid base pool", Cause::BadPool),
    ("invalid cidr", Cause::BadPool),
    ("overlap", Cause::BadPool),
    ("live-restore", Cause::LiveRestore),
    ("demote the last manager", Cause::LastManager),
    ("in raft memberlist", Cause::NotInRaft),
    ("loss of quorum", Cause::QuorumLoss),
    ("must be demoted", Cause::MustDemote),
    ("is not down", Cause::NotDown),
    ("out of sequence", Cause::OutOfSequence),
    ("connection refused", Cause::ManagerUnreachable),
    ("no route to host", Cause::ManagerUnreachable),
    ("network is unreachable", Cause::ManagerUnreachable),
    ("i/o timeout", Cause::ManagerUnreachable),
    ("deadline exceeded", Cause::ManagerUnreachable),
    ("code = unavailable", Cause::ManagerUnreachable),
];

impl Cause {
    /// The cause that an engine's message stands for, if it is a known one.
    pub fn of(message: &str) -> Option<Self> {
        let message = message.to_lowercase();
        KNOWN.iter().find(|(part, _)| message.contains(part)).map(|(_, cause)| *cause)
    }

    /// Whether the same request may succeed a moment later.
    pub fn may_pass(self) -> bool {
        matches!(self, Cause::Unsettled | Cause::NoLeader | Cause::NotInRaft | Cause::OutOfSequence)
    }

    /// What to do about it. Following it costs no swarm: nothing here lets a
    /// node leave that may be a manager.
    pub fn fix(self) -> &'static str {
        match self {
            Cause::NotAManager => "ask a manager, or promote this node",
            Cause::NotInSwarm => "make a swarm or join one first",
            Cause::AlreadyInSwarm => {
                "go on with the swarm it is in (`docker node ls` on its managers shows it), or take another node"
            }
            Cause::StillJoining | Cause::ManagerUnreachable => {
                "see that the manager runs and that 2377/tcp, 7946/tcp, 7946/udp and 4789/udp are open between the nodes"
            }
            Cause::Locked => "give the swarm's unlock key to `docker swarm unlock` on that node",
            Cause::NotLocked => "there is nothing to unlock",
            Cause::WrongKey => {
                "give the key that `docker swarm unlock-key` prints on a manager that is not locked; a manager that was away while it was rotated needs the one before"
            }
            Cause::CertificatesExpired => {
                "set the node's clock to a time before they expired and restart its engine, which then renews them; where other managers answer, remove the node there and make its machine anew"
            }
            Cause::NoLeader => {
                "start the other managers, or unlock them; only if they are gone for good, `docker swarm init --force-new-cluster` on one that is left makes it the only one"
            }
            Cause::Unsettled | Cause::OutOfSequence => "try again",
            Cause::AdvertiseUnreachable => {
                "advertise an address of this node that the managers reach, with 2377/tcp open"
            }
            Cause::ClockSkew => "set the clocks of the node and the manager to the same time",
            Cause::BadToken => {
                "take the token that `docker swarm join-token` prints on a manager now"
            }
            Cause::OtherSwarmsToken => "take the token and the address from the same swarm",
            Cause::PortTaken => "stop what listens on 2377/tcp, or listen on another port",
            Cause::BadAddress => "give an IP address that the node itself has",
            Cause::BadPool => "give pools that do not overlap, each larger than one subnet",
            Cause::LiveRestore => {
                "remove `live-restore` from the engine's daemon.json and restart it"
            }
            Cause::LastManager => "promote another node first",
            Cause::NotInRaft => "wait until it is ready, or start it",
            Cause::QuorumLoss => "start or promote other managers first",
            Cause::MustDemote => "demote the node first",
            Cause::ManagerLeaves => {
                "demote the node first; with --force the swarm loses it as a manager, and with the last one itself"
            }
            Cause::NotDown => "stop it first, or use --force",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::NotAManager => "the node is not a manager",
            Cause::NotInSwarm => "the node is in no swarm",
            Cause::AlreadyInSwarm => "the node is in a swarm already",
            Cause::StillJoining => "the node got no answer from the manager in time",
            Cause::Locked => "the node is locked: it needs the swarm's unlock key",
            Cause::NotLocked => "swarm is not locked",
            Cause::WrongKey => "swarm could not be unlocked: invalid key provided",
            Cause::CertificatesExpired => "the node's certificates have expired",
            Cause::NoLeader => "the swarm has no leader: too few of its managers can be reached",
            Cause::Unsettled => "the managers are not ready yet",
            Cause::AdvertiseUnreachable => {
                "the managers cannot reach the node at the address it advertises"
            }
            Cause::ManagerUnreachable => "the manager cannot be reached",
            Cause::ClockSkew => "the clocks of the node and the manager differ",
            Cause::BadToken => "the join token is not valid, or not any more",
            Cause::OtherSwarmsToken => "the join token belongs to another swarm than the manager",
            Cause::PortTaken => "the swarm's port is taken on the node",
            Cause::BadAddress => "an address is not the node's own",
            Cause::BadPool => "the default address pool cannot be used",
            Cause::LiveRestore => "the engine has live-restore on, which swarm mode excludes",
            Cause::LastManager => "the node is the last manager",
            Cause::NotInRaft => "the node has not joined the managers yet",
            Cause::QuorumLoss => "the managers would lose their quorum",
            Cause::MustDemote | Cause::ManagerLeaves => "the node is a manager",
            Cause::NotDown => "the node is not down",
            Cause::OutOfSequence => "it was changed by somebody else at the same time",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as engines 20.10 and 26.1 sent them.
    #[test]
    fn the_messages_of_engines_are_known() {
        for (message, cause) in [
            (
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.",
                Cause::NotAManager,
            ),
            (
                "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.",
                Cause::Unsettled,
            ),
            ("This node is not part of a swarm", Cause::NotInSwarm),
            (
                "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one.",
                Cause::AlreadyInSwarm,
            ),
            ("invalid join token", Cause::BadToken),
            (
                "rpc error: code = InvalidArgument desc = A valid join token is necessary to join this cluster",
                Cause::BadToken,
            ),
            (
                "remote CA does not match fingerprint. Expected: 2944b8f9a8705cbd",
                Cause::OtherSwarmsToken,
            ),
            (
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 172.31.77.12:2377: connect: connection refused\"",
                Cause::ManagerUnreachable,
            ),
            (
                "manager stopped: can't initialize raft node: rpc error: code = Unavailable desc = could not connect to prospective new cluster member using its advertised address: rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial tcp 172.31.77.99:2377: connect: no route to host\"",
                Cause::AdvertiseUnreachable,
            ),
            (
                "Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the \"docker info\" command to see the current swarm status of your node.",
                Cause::StillJoining,
            ),
            (
                "data path address must be a non-zero IP address or network interface (without a port number)",
                Cause::BadAddress,
            ),
            (
                "invalid CIDR: \"10.0.0.0/28\". Subnet size is too small for pool: 24",
                Cause::BadPool,
            ),
            ("rpc error: code = Unknown desc = update out of sequence", Cause::OutOfSequence),
            (
                "rpc error: code = FailedPrecondition desc = attempting to demote the last manager of the swarm",
                Cause::LastManager,
            ),
            (
                "rpc error: code = FailedPrecondition desc = can't remove member from the raft: this would result in a loss of quorum",
                Cause::QuorumLoss,
            ),
            (
                "rpc error: code = FailedPrecondition desc = raft: member cannot be removed, because removing it may result in loss of quorum",
                Cause::QuorumLoss,
            ),
            (
                "rpc error: code = NotFound desc = can't find manager in raft memberlist",
                Cause::NotInRaft,
            ),
            ("swarm is not locked", Cause::NotLocked),
            ("swarm could not be unlocked: invalid key provided", Cause::WrongKey),
            (
                "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to unlock it.",
                Cause::Locked,
            ),
            (
                "rpc error: code = FailedPrecondition desc = node x is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal",
                Cause::MustDemote,
            ),
            (
                "rpc error: code = FailedPrecondition desc = node x is not down and can't be removed",
                Cause::NotDown,
            ),
            (
                "You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message. ",
                Cause::ManagerLeaves,
            ),
            (
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
                Cause::ManagerUnreachable,
            ),
            (
                "rpc error: code = Unavailable desc = connection error: desc = \"transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-11-22T16:01:00Z\"",
                Cause::ClockSkew,
            ),
            (
                "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.",
                Cause::NoLeader,
            ),
            (
                "--live-restore daemon configuration is incompatible with swarm mode",
                Cause::LiveRestore,
            ),
        ] {
            assert_eq!(Cause::of(message), Some(cause), "{message}");
        }
    }

    /// By what an engine tells, a node that is not plainly a worker may hold the whole swarm.
    #[test]
    fn no_advice_lets_a_node_leave() {
        for (_, cause) in KNOWN {
            let fix = cause.fix();
            assert!(!fix.contains("swarm leave") && !fix.contains("skep down"), "{cause:?}: {fix}");
        }
    }

    #[test]
    fn an_unknown_message_is_not_guessed_at() {
        assert_eq!(Cause::of("something new"), None);
        assert_eq!(Cause::of(""), None);
    }

    #[test]
    fn every_part_can_be_found_and_is_not_hidden_by_an_earlier_one() {
        for (part, cause) in KNOWN {
            assert_eq!(part, &part.to_lowercase(), "compared with a lower-case message");
            assert_eq!(Cause::of(part), Some(*cause), "{part}");
        }
    }
}
