//! Every help text, as it is printed. Read the difference before accepting it.

use skep_tests::Lab;

/// Every command there is, as it is typed.
const COMMANDS: [&str; 99] = [
    "",
    "up",
    "down",
    "status",
    "doctor",
    "env",
    "shell-init",
    "completions",
    "man",
    "machine",
    "machine active",
    "machine config",
    "machine create",
    "machine inspect",
    "machine ls",
    "machine mount",
    "machine provision",
    "machine regenerate-certs",
    "machine rm",
    "machine scp",
    "machine status",
    "machine upgrade",
    "machine url",
    "machine version",
    "machine import",
    "machine ip",
    "machine ssh",
    "machine start",
    "machine stop",
    "machine restart",
    "machine kill",
    "machine env",
    "cert",
    "cert install",
    "cert ls",
    "cert verify",
    "cert rm",
    "swarm",
    "swarm init",
    "swarm join",
    "swarm join-token",
    "swarm leave",
    "swarm status",
    "swarm unlock",
    "swarm unlock-key",
    "swarm update",
    "swarm ca",
    "node",
    "node ls",
    "node inspect",
    "node ps",
    "node update",
    "node drain",
    "node activate",
    "node promote",
    "node demote",
    "node rm",
    "service",
    "service create",
    "service ls",
    "service inspect",
    "service ps",
    "service scale",
    "service update",
    "service rollback",
    "service rebalance",
    "service watch",
    "service logs",
    "service probe",
    "service rm",
    "secret",
    "secret create",
    "secret ls",
    "secret inspect",
    "secret rm",
    "config",
    "config create",
    "config ls",
    "config inspect",
    "config rm",
    "network",
    "network create",
    "network ls",
    "network inspect",
    "network rm",
    "stack",
    "stack deploy",
    "stack ls",
    "stack ps",
    "stack services",
    "stack rm",
    "image",
    "image load",
    "image ls",
    "os",
    "os build",
    "os ls",
    "os import",
    "os rm",
];

#[test]
fn every_command_says_how_it_is_used() {
    let lab = Lab::without_machines();
    let mut general: Option<String> = None;
    for command in COMMANDS {
        let words = command.split_whitespace().chain(["-h"]);
        let ran = lab.bare(words).succeeds();
        assert_eq!(ran.stderr, "", "help is data: {ran}");
        let name = format!("skep {command}").trim_end().replace([' ', '-'], "_");
        // What every command takes is shown once, with the first.
        let (own, everywhere) = ran.stdout.split_once("\nEverywhere:\n").unwrap();
        // Where `--name` means something else, it all looks a little different.
        let is_general = everywhere.contains("--name <CLUSTER>");
        match &general {
            Some(_) if !is_general => {}
            Some(general) => assert_eq!(everywhere.trim_end(), general, "of `{command}`"),
            None => {
                let end = everywhere.find("\n\n").unwrap_or(everywhere.len());
                general = Some(everywhere[..end].to_owned());
            }
        }
        let all = command.is_empty() || !is_general;
        insta::assert_snapshot!(name, if all { &ran.stdout } else { own });
    }
    assert!(!lab.store().exists(), "help made a store");
}

#[test]
fn no_command_is_forgotten_here() {
    let lab = Lab::without_machines();
    let is_group =
        |name: &&str| !name.contains(' ') && COMMANDS.contains(&format!("{name} ls").as_str());
    for group in COMMANDS.into_iter().filter(is_group).chain(["", "swarm"]) {
        let ran = lab.bare(group.split_whitespace().chain(["-h"])).succeeds();
        let listed = ran.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
        let listed = listed.take_while(|line| !line.is_empty());
        // A text too long for its line continues on the next, indented.
        let first = |line: &'_ str| Some(line.strip_prefix("  ")?.split(' ').next()?.to_owned());
        let names: Vec<_> = listed
            .filter_map(first)
            .filter(|name| !["", "help"].contains(&name.as_str()))
            .collect();
        assert!(names.len() > 1, "`{group}` lists {names:?}");
        for name in names {
            let command = format!("{group} {name}").trim().to_owned();
            assert!(
                COMMANDS.contains(&command.as_str()),
                "`{command}` has no snapshot of its help"
            );
        }
    }
}

#[test]
fn the_version_is_the_packages() {
    let ran = Lab::without_machines().bare(["--version"]).succeeds();
    assert_eq!(ran.text(), format!("skep {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_and_the_manual_are_data() {
    let lab = Lab::without_machines();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = lab.bare(["completions", shell]).succeeds();
        assert!(ran.stdout.contains("skep") && ran.stderr.is_empty(), "{ran}");
    }
    let manual = lab.bare(["man"]).succeeds();
    assert!(manual.stdout.contains(".TH skep"), "{manual}");
}
