//! `skep node ls`: what `docker node ls` prints.
//!
//! The expected texts of the tests are those of the docker CLI 28.2, asked for the same nodes.

use skep_swarm::NodeRow;

use crate::table::Table;

/// The table of `rows`, in their order.
pub fn table(rows: &[NodeRow]) -> String {
    let mut table = Table::new([
        // Behind an identifier there is room for the star, and so there is behind its title.
        if rows.is_empty() { "ID" } else { "ID  " },
        "HOSTNAME",
        "STATUS",
        "AVAILABILITY",
        "MANAGER STATUS",
        "ENGINE VERSION",
    ]);
    for row in rows {
        table.row([
            format!("{} {}", row.id, if row.is_self { '*' } else { ' ' }),
            row.hostname.clone(),
            row.state.capitalized(),
            row.availability.capitalized(),
            row.manager.map(|rank| rank.to_string()).unwrap_or_default(),
            row.engine_version.clone(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use skep_swarm::Availability::{self, Active, Drain, Pause};
    use skep_swarm::{
        ManagerRank::{self, Leader, Reachable, Unreachable},
        NodeId,
        NodeState::{self, Disconnected, Down, Ready, Unknown},
        TlsStatus,
    };

    use super::*;

    fn row(
        id: char,
        hostname: &str,
        state: NodeState,
        availability: Availability,
        manager: Option<ManagerRank>,
        engine_version: &str,
    ) -> NodeRow {
        NodeRow {
            id: NodeId::new(id.to_string().repeat(25)),
            is_self: false,
            hostname: hostname.into(),
            state,
            availability,
            manager,
            engine_version: engine_version.into(),
            tls: TlsStatus::Unknown,
        }
    }

    fn asked(row: NodeRow) -> NodeRow {
        NodeRow { is_self: true, ..row }
    }

    #[test]
    fn four_nodes_are_listed_as_docker_lists_them() {
        let version = "26.1.5+dfsg1";
        let rows = [
            asked(row('m', "manager1", Ready, Active, Some(Leader), version)),
            row('c', "worker1", Down, Pause, None, version),
            row('b', "worker2", Ready, Drain, None, version),
            row('z', "worker10", Ready, Active, None, version),
        ];
        let expected = "\
ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
mmmmmmmmmmmmmmmmmmmmmmmmm *   manager1   Ready     Active         Leader           26.1.5+dfsg1
ccccccccccccccccccccccccc     worker1    Down      Pause                           26.1.5+dfsg1
bbbbbbbbbbbbbbbbbbbbbbbbb     worker2    Ready     Drain                           26.1.5+dfsg1
zzzzzzzzzzzzzzzzzzzzzzzzz     worker10   Ready     Active                          26.1.5+dfsg1
";
        assert_eq!(table(&rows), expected);
    }

    #[test]
    fn odd_nodes_are_listed_as_docker_lists_them() {
        let long = "a-very-long-host-name-of-some-machine-somewhere";
        let rows = [
            row('c', "", Unknown, Active, None, "26.1.5+dfsg1"),
            row('d', long, Disconnected, Active, None, "28.5.2"),
            asked(row('f', "x2", Ready, Active, None, "26.1.5+dfsg1")),
            row('b', "ünïcødéxxxxxxxxxx", Ready, Active, Some(Reachable), ""),
            row('a', "日本ホスト名です", Ready, Active, Some(Unreachable), "26.1.5+dfsg1"),
        ];
        // A line ends in spaces where its last cell is empty: the one before is padded.
        let expected = [
            "ID                            HOSTNAME                                          STATUS         AVAILABILITY   MANAGER STATUS   ENGINE VERSION",
            "ccccccccccccccccccccccccc                                                       Unknown        Active                          26.1.5+dfsg1",
            "ddddddddddddddddddddddddd     a-very-long-host-name-of-some-machine-somewhere   Disconnected   Active                          28.5.2",
            "fffffffffffffffffffffffff *   x2                                                Ready          Active                          26.1.5+dfsg1",
            "bbbbbbbbbbbbbbbbbbbbbbbbb     ünïcødéxxxxxxxxxx                                 Ready          Active         Reachable        ",
            "aaaaaaaaaaaaaaaaaaaaaaaaa     日本ホスト名です                                  Ready          Active         Unreachable      26.1.5+dfsg1",
        ];
        assert_eq!(table(&rows).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn one_node_and_none_are_listed_as_docker_lists_them() {
        assert_eq!(
            table(&[asked(row('q', "a", Ready, Active, Some(Leader), "1"))]),
            "\
ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
qqqqqqqqqqqqqqqqqqqqqqqqq *   a          Ready     Active         Leader           1
"
        );
        assert_eq!(
            table(&[]),
            "ID        HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION\n"
        );
    }
}
