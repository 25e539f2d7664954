//! What is inside a machine, for drivers whose machines have something inside.

use std::{net::SocketAddr, time::Duration};

use skep_guest::{Command, Guest, GuestError};
use skep_machine::Reach;
use skep_model::Port;
use skep_tests::ssh_offer::Offer;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::bench::Bench;

/// How long a port may take to answer once a process listens behind it.
const ANSWER: Duration = Duration::from_secs(20);

/// Sends `hello` to each client, on the port that is its argument, until the machine ends.
const HELLO: &str = r#"my $s = IO::Socket::INET->new(LocalPort => shift, Listen => 5, ReuseAddr => 1) or die;
exit if fork; setsid(); open STDIN, "</dev/null"; open STDOUT, ">/dev/null"; open STDERR, ">/dev/null";
while (my $c = $s->accept) { print $c "hello"; close $c }"#;

pub(crate) async fn it_answers_with_its_pinned_key(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, access) = bench.plan(network, "m1", 0);
    let (_, stranger) = bench.plan(network, "m1", 0);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let guest = bench.logged_in(&access).await;
    let name = guest.run(&Command::new("hostname"), &bench.cancel).await.unwrap();
    assert_eq!(name.text(), "m1");
    // It has the address among the nodes that it was planned to have.
    let addresses = guest.run(&Command::new("hostname").arg("-I"), &bench.cancel).await.unwrap();
    let planned = plan.address.to_string();
    assert!(addresses.text().split_whitespace().any(|one| one == planned), "{addresses:?}");
    // A client that expects another machine there notices the difference.
    let answer = Guest::connect(&stranger, &bench.cancel).await;
    assert!(matches!(answer, Err(GuestError::Unreachable { .. })), "{answer:?}");
    // Only algorithms that are considered safe today are offered.
    let offer = Offer::ask(access.address()).await.unwrap();
    assert_eq!(offer.weak(), [""; 0], "{offer:?}");
    assert!(offer.exchanges.iter().any(|name| name == "curve25519-sha256"), "OpenSSH 8.4");
    Guest::close_master(&access, &bench.cancel).await.unwrap();
}

pub(crate) async fn it_keeps_its_address_and_key_over_a_restart(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, access) = bench.plan(network, "m1", 3);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    for _ in 0..2 {
        bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
        bench.logged_in(&access).await;
        Guest::close_master(&access, &bench.cancel).await.unwrap();
        bench.driver.stop(&plan.id, &bench.cancel).await.unwrap();
    }
}

/// What was written a moment before, and is nowhere but in the guest's memory, is there after: the
/// guest was asked to power off, and did.
pub(crate) async fn it_loses_nothing_when_it_is_stopped(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, access) = bench.plan(network, "m1", 0);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let guest = bench.logged_in(&access).await;
    let write = Command::new("sh").args(["-c", "echo kept > note"]);
    guest.run(&write, &bench.cancel).await.unwrap();
    bench.driver.stop(&plan.id, &bench.cancel).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let guest = bench.logged_in(&access).await;
    let note = guest.run(&Command::new("cat").arg("note"), &bench.cancel).await.unwrap();
    assert_eq!(note.text(), "kept");
    Guest::close_master(&access, &bench.cancel).await.unwrap();
}

/// Its disk is as good as before, and so is its key.
pub(crate) async fn it_keeps_what_it_wrote_when_it_is_killed(bench: &Bench) {
    let network = bench.prepare().await;
    let (plan, access) = bench.plan(network, "m1", 0);
    bench.driver.create(&plan, bench.work()).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let guest = bench.logged_in(&access).await;
    let write = Command::new("sh").args(["-c", "echo kept > note && sync"]);
    guest.run(&write, &bench.cancel).await.unwrap();
    Guest::close_master(&access, &bench.cancel).await.unwrap();
    bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
    let guest = bench.logged_in(&access).await;
    let note = guest.run(&Command::new("cat").arg("note"), &bench.cancel).await.unwrap();
    assert_eq!(note.text(), "kept");
    Guest::close_master(&access, &bench.cancel).await.unwrap();
}

/// One port is known before the machine is made, the other is published while it runs; after the
/// next start both answer.
pub(crate) async fn a_published_port_answers_now_and_after_a_start(bench: &Bench) {
    let ports: [Port; 2] = ["8080", "8081"].map(|port| port.parse().unwrap());
    let network = bench.prepare().await;
    let (mut plan, access) = bench.plan(network, "m1", 0);
    plan.publish = vec![ports[0]];
    bench.driver.create(&plan, bench.work()).await.unwrap();
    let reach = bench.driver.reach(&plan.id, plan.address, &plan.options).unwrap();
    for round in 0..2 {
        bench.driver.start(&plan.id, &bench.cancel).await.unwrap();
        let guest = bench.logged_in(&access).await;
        for port in ports {
            let perl = ["-MIO::Socket::INET", "-MPOSIX=setsid", "-e", HELLO];
            let listen = Command::new("perl").args(perl).arg(port.machine.to_string());
            guest.run(&listen, &bench.cancel).await.unwrap();
        }
        if round == 0 {
            // Asking twice is asking once.
            for _ in 0..2 {
                bench.driver.publish(&plan.id, &ports, &bench.cancel).await.unwrap();
            }
        }
        for port in ports {
            assert_eq!(hello(reach, port).await, "hello", "{port}, round {round}");
        }
        Guest::close_master(&access, &bench.cancel).await.unwrap();
        bench.driver.kill(&plan.id, &bench.cancel).await.unwrap();
    }
}

/// What is said at a machine's host address.
async fn hello(reach: Reach, port: Port) -> String {
    let heard = async {
        let mut stream = TcpStream::connect(SocketAddr::new(reach.host, port.host)).await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    tokio::time::timeout(ANSWER, heard).await.unwrap().unwrap()
}
