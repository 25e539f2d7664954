//! The engine the docker CLI would talk to by its contexts, so that skep takes the same one.
//!
//! Source: docker/cli, `cli/context/store`: a context's metadata lies at
//! `contexts/meta/SHA256(NAME)/meta.json` below the CLI's configuration directory, whose
//! `config.json` names the current one.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The `Host` of the context `named`, or else of the current one, in the docker CLI's
/// configuration `directory`; `None` where that is the default, cannot be read, or is a context
/// that `skep env --context` made: that is a machine's engine, and machines are on this host's.
pub fn host(directory: &Path, named: Option<&str>) -> Option<String> {
    let read = |path: &str| -> Option<Value> {
        serde_json::from_slice(
            &skep_read::bytes(directory.join(path), skep_read::limit::RECORD).ok()?,
        )
        .ok()
    };
    let current = || read("config.json")?.get("currentContext")?.as_str().map(str::to_owned);
    let name = named.map(str::to_owned).or_else(current)?;
    if name.is_empty() || name == "default" || name.starts_with("skep-") {
        return None;
    }
    let digest: String = Sha256::digest(&name).iter().map(|byte| format!("{byte:02x}")).collect();
    let meta = read(&format!("contexts/meta/{digest}/meta.json"))?;
    meta["Endpoints"]["docker"]["Host"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(current: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("config.json", &format!(r#"{{"currentContext": "{current}"}}"#));
        // `printf rootless | sha256sum`
        let digest = "12b961af5feb3e9d39f93b2cefb9a1a944f18d02cca0cac2f04f5a982240605f";
        write(
            &format!("contexts/meta/{digest}/meta.json"),
            r#"{"Name": "rootless", "Metadata": {}, "Endpoints": {"docker": {"Host": "unix:///run/user/1/docker.sock", "SkipTLSVerify": false}}}"#,
        );
        directory
    }

    #[test]
    fn the_current_context_is_taken_and_a_named_one_before_it() {
        let socket = Some("unix:///run/user/1/docker.sock".to_owned());
        assert_eq!(host(configuration("rootless").path(), None), socket);
        assert_eq!(host(configuration("default").path(), Some("rootless")), socket);
        assert_eq!(host(configuration("rootless").path(), Some("default")), None);
    }

    #[test]
    fn what_is_default_missing_or_skeps_own_is_none() {
        assert_eq!(host(configuration("default").path(), None), None);
        assert_eq!(host(configuration("gone").path(), None), None);
        assert_eq!(host(configuration("skep-demo-manager1").path(), None), None);
        assert_eq!(host(Path::new("/no/such/directory"), Some("rootless")), None);
    }
}
