//! What docker's own configuration has to log in to a registry with.
//!
//! Source: docker/cli, `cli/config/configfile`: `auths` in `config.json` holds, for each registry,
//! `auth` (base64 of `user:password`) or `identitytoken`; `credsStore` and `credHelpers` name
//! programs that hold them instead. An engine takes an `AuthConfig` as JSON in URL-safe base64.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The name of Docker's own registry in the configuration.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Why there is nothing to log in with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("{path} is not a configuration of docker's: {reason}")]
    Damaged {
        path: String,
        /// What is wrong with it, without what is in it.
        reason: &'static str,
    },
    /// A program holds the credentials.
    #[error(
        "the credentials for {registry} are held by the program docker-credential-{helper}, which skep does not run"
    )]
    Helper {
        registry: String,
        /// The program's name, without what they all begin with.
        helper: String,
    },
}

/// The credentials an engine gets to log in to `registry` (a host: `docker.io`,
/// `localhost:5000`), from the configuration in `directory`; where that has nothing, an empty
/// `AuthConfig`, as docker sends it.
pub fn read(directory: Option<&Path>, registry: &str) -> Result<SecretString, AuthError> {
    let file = directory.map(|directory| directory.join("config.json"));
    let text = file.as_ref().and_then(|file| skep_read::bytes(file, skep_read::limit::RECORD).ok());
    let damaged = |reason| AuthError::Damaged {
        path: file.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
        reason,
    };
    let config: Value = match text {
        None => Value::Null,
        Some(text) => serde_json::from_slice(&text).map_err(|_| damaged("it is not JSON"))?,
    };
    let key = if registry == "docker.io" { DOCKER_HUB } else { registry };
    let helper = config["credHelpers"][key].as_str();
    if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
        return Err(AuthError::Helper { registry: registry.into(), helper: helper.into() });
    }
    let entry = entry(&config["auths"], key);
    let has_any = entry.is_some_and(|entry| entry.as_object().is_some_and(|map| !map.is_empty()));
    if let Some(store) = config["credsStore"].as_str().filter(|store| !store.is_empty() && !has_any)
    {
        return Err(AuthError::Helper { registry: registry.into(), helper: store.into() });
    }
    let mut auth = json!({});
    if let Some(entry) = entry {
        if let Some(token) = entry["identitytoken"].as_str() {
            auth["identitytoken"] = token.into();
        }
        if let Some(both) = entry["auth"].as_str().filter(|both| !both.is_empty()) {
            let (user, password) =
                decoded(both).ok_or_else(|| damaged("an `auth` is not base64 of user:password"))?;
            auth["username"] = user.into();
            auth["password"] = password.into();
        }
        auth["serveraddress"] = key.into();
    }
    Ok(general_purpose::URL_SAFE.encode(auth.to_string()).into())
}

/// The entry of a registry: under its name, or under an address with that host.
fn entry<'a>(auths: &'a Value, key: &str) -> Option<&'a Value> {
    let auths = auths.as_object()?;
    auths.get(key).or_else(|| {
        let wanted = host(key);
        auths.iter().find(|(name, _)| host(name) == wanted).map(|(_, entry)| entry)
    })
}

fn host(address: &str) -> &str {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    bare.split('/').next().unwrap_or(bare)
}

fn decoded(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(general_purpose::STANDARD.decode(auth).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // Old versions of docker fill up with zeroes.
    Some((user.into(), password.trim_end_matches('\0').into()))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn told(config: &str, registry: &str) -> Result<Value, AuthError> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        let auth = read(Some(directory.path()), registry)?;
        let json = general_purpose::URL_SAFE.decode(auth.expose_secret()).unwrap();
        Ok(serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn credentials_are_those_of_the_images_registry() {
        let config = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YmVlOmhvbmV5"},
            "http://localhost:5000/v2/": {"auth": "cXVlZW46YToy"}, "quay.io": {"identitytoken": "t"}}}"#;
        assert_eq!(
            told(config, "docker.io").unwrap(),
            json!({"username": "bee", "password": "honey", "serveraddress": DOCKER_HUB})
        );
        assert_eq!(told(config, "localhost:5000").unwrap()["password"], "a:2");
        assert_eq!(told(config, "quay.io").unwrap()["identitytoken"], "t");
        assert_eq!(told(config, "ghcr.io").unwrap(), json!({}));
        assert_eq!(read(None, "ghcr.io").unwrap().expose_secret(), "e30=");
    }

    #[test]
    fn what_cannot_be_had_is_said_without_what_is_in_it() {
        let helper = told(r#"{"credHelpers": {"ghcr.io": "pass"}}"#, "ghcr.io").unwrap_err();
        assert!(helper.to_string().contains("docker-credential-pass"), "{helper}");
        let store = told(r#"{"auths": {"ghcr.io": {}}, "credsStore": "pass"}"#, "ghcr.io");
        assert!(matches!(store, Err(AuthError::Helper { .. })));
        let damaged =
            told(r#"{"auths": {"ghcr.io": {"auth": "secret!"}}}"#, "ghcr.io").unwrap_err();
        assert!(!damaged.to_string().contains("secret!"), "{damaged}");
        assert!(matches!(told("{", "ghcr.io"), Err(AuthError::Damaged { .. })));
    }
}
