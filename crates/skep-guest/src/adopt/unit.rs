//! How systemd starts the engine, and how it is to: without addresses on the command line.
//!
//! The addresses an engine listens on may stand on its command line or in `daemon.json`, not in
//! both. Distributions' units give it systemd's own socket (`-H fd://`), so a drop-in repeats their
//! command without that, and the addresses go to `daemon.json`.
//!
//! Source: what `systemctl cat` prints, in the format of systemd.unit(5) and systemd.service(5).

/// The name of skep's drop-in; it comes after those of others.
pub(crate) const DROP_IN: &str = "/etc/systemd/system/docker.service.d/90-skep.conf";

/// How systemd starts the engine when skep has said nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// The command line, its lines joined.
    pub command: Option<String>,
    /// The addresses on it, less systemd's own.
    pub hosts: Vec<String>,
    /// The command line without any address.
    pub bare: String,
}

impl Unit {
    /// Reads what `systemctl cat docker.service` prints: each file after a line with its path.
    pub fn parse(text: &str) -> Self {
        let mut command = None;
        let mut ours = false;
        let joined = text.replace("\\\n", " ");
        for line in joined.lines() {
            if let Some(path) = line.strip_prefix("# /") {
                ours = DROP_IN.strip_prefix('/') == Some(path.trim());
            }
            let Some(value) = line.trim().strip_prefix("ExecStart=") else { continue };
            if !ours {
                // An empty one forgets those before it.
                command = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            }
        }
        let (hosts, bare) = without_hosts(command.as_deref().unwrap_or_default());
        Self { command, hosts, bare }
    }

    /// The text of skep's drop-in, with variables for the engine (`KEY=VALUE`); none if there is
    /// nothing to say.
    pub(crate) fn drop_in(&self, env: &[String]) -> Option<String> {
        let mut lines = Vec::new();
        if self.command.as_ref().is_some_and(|command| *command != self.bare) {
            lines.push(
                "# daemon.json has the addresses: an engine refuses them in two places.".into(),
            );
            lines.push("ExecStart=".to_owned());
            lines.push(format!("ExecStart={}", self.bare));
        }
        lines.extend(env.iter().map(|variable| format!("Environment={}", quote(variable))));
        if lines.is_empty() {
            return None;
        }
        Some(format!("# Written by skep.\n[Service]\n{}\n", lines.join("\n")))
    }
}

/// Takes the addresses off an engine's command line.
fn without_hosts(command: &str) -> (Vec<String>, String) {
    let mut hosts = Vec::new();
    let mut rest = Vec::new();
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        let host = match word {
            "-H" | "--host" | "-host" => words.next(),
            _ => ["--host=", "-H=", "-H"].iter().find_map(|flag| word.strip_prefix(flag)),
        };
        match host {
            Some(host) if host.starts_with("fd://") => {}
            Some(host) => hosts.push(host.trim_matches(['"', '\'']).to_owned()),
            None if matches!(word, "-H" | "--host" | "-host") => {}
            None => rest.push(word),
        }
    }
    (hosts, rest.join(" "))
}

/// A word as systemd reads it: quoted, with what it would expand written out.
fn quote(word: &str) -> String {
    let word = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{word}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "# /lib/systemd/system/docker.service\n[Service]\nType=notify\n\
        EnvironmentFile=-/etc/default/docker\n\
        ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS\n";

    #[test]
    fn systemds_socket_is_taken_off_the_command() {
        let unit = Unit::parse(DEBIAN);
        insta::assert_snapshot!(unit.drop_in(&[]).unwrap(), @r"
        # Written by skep.
        [Service]
        # daemon.json has the addresses: an engine refuses them in two places.
        ExecStart=
        ExecStart=/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
        ");
        let fedora = "# /usr/lib/systemd/system/docker.service\n[Service]\nExecStart=/usr/bin/dockerd \\\n          --host=fd:// \\\n          --exec-opt native.cgroupdriver=systemd \\\n          $OPTIONS\n";
        let unit = Unit::parse(fedora);
        assert_eq!(unit.bare, "/usr/bin/dockerd --exec-opt native.cgroupdriver=systemd $OPTIONS");
    }

    #[test]
    fn skeps_own_drop_in_is_not_read_and_those_of_others_are() {
        let others = format!(
            "{DEBIAN}\n# /etc/systemd/system/docker.service.d/10-machine.conf\n[Service]\nExecStart=\n\
             ExecStart=/usr/sbin/dockerd -H unix:///run/docker.sock --host tcp://0.0.0.0:2376 --debug\n"
        );
        let unit = Unit::parse(&others);
        assert_eq!(unit.hosts, ["unix:///run/docker.sock", "tcp://0.0.0.0:2376"]);
        assert_eq!(unit.bare, "/usr/sbin/dockerd --debug");
        let drop_in = unit.drop_in(&["A=b".into()]).unwrap();
        assert_eq!(Unit::parse(&format!("{others}\n# {DROP_IN}\n{drop_in}")), unit);
    }

    #[test]
    fn a_command_without_addresses_needs_no_drop_in() {
        let unit = Unit::parse("# /x\n[Service]\nExecStart=/usr/bin/dockerd\n");
        assert_eq!(unit.drop_in(&[]), None);
        let env = unit.drop_in(&["NO_PROXY=a \"b\" 50%".into()]).unwrap();
        assert!(env.ends_with("\nEnvironment=\"NO_PROXY=a \\\"b\\\" 50%%\"\n"), "{env}");
        assert!(!env.contains("ExecStart"), "{env}");
        assert_eq!(Unit::parse(""), Unit::default());
    }
}
