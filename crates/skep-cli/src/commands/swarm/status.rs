//! `skep swarm status`

use skep_cluster::{
    ClusterError,
    reach::Cluster,
    survey::{Found, Part, Survey, survey},
    up::Doubt,
};
use skep_model::Role;
use skep_swarm::{LocalNodeState, ManagerRank, NodeRow, Quorum, Swarm, SwarmError};

use crate::{
    cluster_name::name_option,
    commands::print,
    context::Context,
    failure::{Failure, one_line, way_out_of},
};

pub(super) async fn status(context: &Context) -> Result<(), Failure> {
    if context.global.engine.is_some() {
        let swarm = Swarm::new(&context.manager().await?);
        return match show(context, &swarm).await {
            Ok(quorum) if quorum.is_there() => Ok(()),
            Ok(quorum) => Err(Failure::failed(quorum.to_string())),
            Err(Unlisted::NoQuorum(quorum)) => Err(Failure::failed(quorum.to_string())),
            Err(Unlisted::Other(failure)) => Err(failure),
        };
    }
    let cluster = context.cluster()?;
    let shown = match cluster.manager(&context.cancel).await {
        Ok((engine, _)) => show(context, &Swarm::new(&engine)).await,
        Err(error @ ClusterError::NoManager { .. }) => Err(Unlisted::Other(error.into())),
        Err(error) => return Err(error.into()),
    };
    match shown {
        Ok(quorum) if quorum.is_there() => Ok(()),
        Ok(quorum) => Err(explained(&cluster, &survey(&cluster, &context.cancel).await?, quorum)),
        Err(unlisted) => {
            let found = survey(&cluster, &context.cancel).await?;
            // The swarm with the most managers among the machines: with several, `up` shows all.
            let main = found.swarms.iter().max_by_key(|swarm| swarm.managers.len());
            let quorum = main.filter(|swarm| swarm.known_managers > 0).map(Found::quorum);
            match (unlisted, quorum) {
                (Unlisted::NoQuorum(asked), quorum) => {
                    Err(explained(&cluster, &found, quorum.unwrap_or(asked)))
                }
                (Unlisted::Other(_), Some(quorum)) if !quorum.is_there() => {
                    Err(explained(&cluster, &found, quorum))
                }
                (Unlisted::Other(failure), _) => Err(failure),
            }
        }
    }
}

/// Why there is no list of the nodes.
enum Unlisted {
    /// The managers have no leader; as many as the one that was asked knows of, itself reachable.
    NoQuorum(Quorum),
    Other(Failure),
}

impl From<SwarmError> for Unlisted {
    fn from(error: SwarmError) -> Self {
        Unlisted::Other(error.into())
    }
}

impl From<Failure> for Unlisted {
    fn from(failure: Failure) -> Self {
        Unlisted::Other(failure)
    }
}

/// Prints what a manager says, and returns how its group stands.
async fn show(context: &Context, swarm: &Swarm) -> Result<Quorum, Unlisted> {
    let local = swarm.local(&context.cancel).await?;
    let rows = match swarm.rows(&context.cancel).await {
        Ok(rows) => rows,
        Err(error) if error.may_pass() && local.is_manager => {
            return Err(Unlisted::NoQuorum(Quorum { members: local.managers.len(), reachable: 1 }));
        }
        Err(error) => return Err(error.into()),
    };
    let managers: Vec<_> = rows.iter().filter(|row| row.manager.is_some()).collect();
    let heard =
        |row: &&&NodeRow| matches!(row.manager, Some(ManagerRank::Leader | ManagerRank::Reachable));
    let quorum =
        Quorum { members: managers.len(), reachable: managers.iter().filter(heard).count() };
    let leader = rows.iter().find(|row| row.manager == Some(ManagerRank::Leader));
    print(&format!(
        "Swarm:      {}\nLeader:     {}\nManagers:   {} ({} reachable, {} needed, {} may be lost)\n\
         Workers:    {}\n",
        local.cluster.unwrap_or_default(),
        leader.map_or("none", |row| row.hostname.as_str()),
        quorum.members,
        quorum.reachable,
        skep_swarm::quorum::needed(quorum.members),
        quorum.spare(),
        rows.len() - quorum.members,
    ))?;
    Ok(quorum)
}

/// The quorum is lost, with what each of the machines lacks that could bring it back.
fn explained(cluster: &Cluster, found: &Survey, quorum: Quorum) -> Failure {
    let record = cluster.record();
    let option = name_option(&record.name);
    let mut causes = Vec::new();
    for (name, part) in &found.parts {
        let is_manager =
            record.machine(name.as_str()).is_some_and(|one| one.role == Some(Role::Manager));
        match part {
            Part::Off(state) if is_manager => {
                causes.push(format!("{name}: machine is {}", state.to_string().to_lowercase()));
            }
            Part::Silent(error) if is_manager => {
                causes.push(format!("{name}: {}", one_line(error.as_ref())));
            }
            Part::Known(local) if local.state == LocalNodeState::Locked => {
                causes.push(format!("{name} is locked: it needs the swarm's unlock key"));
            }
            _ => {}
        }
    }
    let doubt = Doubt::NoQuorum { quorum, locked: found.locked() };
    Failure::failed(doubt.to_string()).listing(causes).with_fix(way_out_of(&doubt, &option))
}
