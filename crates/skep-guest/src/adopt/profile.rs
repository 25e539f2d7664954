//! boot2docker's profile: a shell script that the engine's start reads, as docker-machine writes it.
//!
//! Source of the format: boot2docker's `/etc/init.d/docker` and docker-machine's provisioner for it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::command::quote;

/// Where boot2docker's start looks for it.
pub const PROFILE: &str = "/var/lib/boot2docker/profile";

/// Makes the engine's socket be where skep looks for it, on a system where `/run` is another place.
const LINK: &str = "[ /run -ef /var/run ] || ln -sf /var/run/docker.sock /run/docker.sock\n";

/// An option that cannot be a word of the profile, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub option: String,
    pub reason: &'static str,
}

/// Writes a profile: the engine's port, its variables (`KEY=VALUE`), and its options by their names in
/// `daemon.json`.
///
/// # Errors
/// [`Unfit`] for a value that a word of a command line cannot be.
pub fn write(port: u16, env: &[String], options: &Map<String, Value>) -> Result<String, Unfit> {
    let mut extra = String::new();
    let mut storage = None;
    for (key, value) in options {
        match (key.as_str(), value) {
            ("storage-driver", Value::String(driver)) => storage = Some(word(key, driver)?),
            (_, Value::Array(values)) => {
                for value in values {
                    flag(&mut extra, singular(key), value)?;
                }
            }
            (_, value) => flag(&mut extra, key, value)?,
        }
    }
    let mut text = format!(
        "EXTRA_ARGS='\n{extra}'\n\
         CACERT=/var/lib/boot2docker/ca.pem\n\
         DOCKER_HOST='-H tcp://0.0.0.0:{port}'\n\
         DOCKER_STORAGE={}\n\
         DOCKER_TLS=auto\n\
         SERVERKEY=/var/lib/boot2docker/server-key.pem\n\
         SERVERCERT=/var/lib/boot2docker/server.pem\n\n",
        storage.as_deref().unwrap_or("auto"),
    );
    for variable in env {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "export {}", quote(variable));
    }
    text.push_str(LINK);
    Ok(text)
}

fn flag(extra: &mut String, key: &str, value: &Value) -> Result<(), Unfit> {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            let reason = "boot2docker gives the engine words, and this is none";
            return Err(Unfit { option: key.to_owned(), reason });
        }
    };
    // Writing to a string cannot fail.
    let _ = writeln!(extra, "--{}={}", word(key, key)?, word(key, &value)?);
    Ok(())
}

/// A word that the shell takes apart at spaces and nowhere else.
fn word(key: &str, value: &str) -> Result<String, Unfit> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if value.chars().all(plain) {
        Ok(value.to_owned())
    } else {
        let reason = "boot2docker takes letters, digits and -_./:@%+,= only";
        Err(Unfit { option: key.to_owned(), reason })
    }
}

/// The flag's name where `daemon.json` has the plural (dockerd(8)).
fn singular(key: &str) -> &str {
    match key {
        "insecure-registries" => "insecure-registry",
        "dns-opts" => "dns-opt",
        _ => match key {
            "labels"
            | "registry-mirrors"
            | "exec-opts"
            | "storage-opts"
            | "log-opts"
            | "authorization-plugins"
            | "hosts" => key.trim_end_matches('s'),
            _ => key,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skep_process::Program;
    use tokio_util::sync::CancellationToken;

    use super::*;

    fn options(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn it_is_what_docker_machine_writes_and_a_shell_reads() {
        let options = options(&json!({
            "labels": ["env=prod", "provider=virtualbox"], "insecure-registries": ["10.0.0.0/8"],
            "registry-mirrors": ["https://mirror.example"], "storage-driver": "overlay2", "debug": true
        }));
        let text = write(2376, &["NO_PROXY=a b'c".into()], &options).unwrap();
        insta::assert_snapshot!(text, @r"
        EXTRA_ARGS='
        --label=env=prod
        --label=provider=virtualbox
        --insecure-registry=10.0.0.0/8
        --registry-mirror=https://mirror.example
        --debug=true
        '
        CACERT=/var/lib/boot2docker/ca.pem
        DOCKER_HOST='-H tcp://0.0.0.0:2376'
        DOCKER_STORAGE=overlay2
        DOCKER_TLS=auto
        SERVERKEY=/var/lib/boot2docker/server-key.pem
        SERVERCERT=/var/lib/boot2docker/server.pem

        export 'NO_PROXY=a b'\''c'
        [ /run -ef /var/run ] || ln -sf /var/run/docker.sock /run/docker.sock
        ");
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("profile");
        std::fs::write(&path, text.replace(LINK, "")).unwrap();
        let script = ". \"$1\"; echo $EXTRA_ARGS; echo \"$DOCKER_HOST|$NO_PROXY\"";
        let sh = Program::new("sh").args(["-euc", script, "sh"]).arg(&path);
        let said = sh.run(&CancellationToken::new()).await.unwrap().text();
        assert_eq!(
            said,
            "--label=env=prod --label=provider=virtualbox --insecure-registry=10.0.0.0/8 \
             --registry-mirror=https://mirror.example --debug=true\n-H tcp://0.0.0.0:2376|a b'c"
        );
    }

    #[test]
    fn what_is_no_word_is_refused() {
        for value in [json!(["a b"]), json!("$(reboot)"), json!({"a": 1}), json!("it's")] {
            let options = options(&json!({ "label": value }));
            assert_eq!(write(2376, &[], &options).unwrap_err().option, "label");
        }
    }
}
