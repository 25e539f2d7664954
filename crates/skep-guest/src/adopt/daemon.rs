//! The engine's `daemon.json`, with skep's settings beside those of the host's owner.
//!
//! What is changed is remembered ([`Before`]), so that it can be put back one by one: what the
//! owner changes meanwhile stays the owner's.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The newest schema of [`Before`] this program knows.
const SCHEMA: u64 = 1;

/// The engine's own socket, in each of the ways to say so. `fd://` is systemd's for it.
const OWN_SOCKETS: [&str; 4] =
    ["unix://", "unix:///run/docker.sock", "unix:///var/run/docker.sock", "fd://"];

/// What `daemon.json` had before skep changed it: `before.json` among skep's files on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    schema: u64,
    existed: bool,
    /// The keys that skep has set, with the values they had; one that was not there is left out.
    keys: Map<String, Value>,
    /// The values that skep gave them.
    written: Map<String, Value>,
}

/// A `daemon.json`, and what it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    pub text: String,
    /// What is to be remembered, as text.
    pub before: String,
}

/// The addresses an engine listens on: its own socket and `port` on every interface, and what is
/// `found` on its command line and in its file, as far as the two go together.
pub fn hosts(port: u16, found: &[String]) -> Vec<Value> {
    let ours = format!(":{port}");
    let is_own = |host: &String| OWN_SOCKETS.contains(&host.as_str());
    let mut hosts: Vec<String> =
        found.iter().filter(|host| is_own(host)).take(1).cloned().collect();
    if hosts.is_empty() {
        hosts.push("unix:///var/run/docker.sock".into());
    }
    hosts.push(format!("tcp://0.0.0.0:{port}"));
    // No other listener can have the port once we have it everywhere.
    let others = found.iter().filter(|host| !is_own(host));
    hosts.extend(
        others.filter(|host| !(host.starts_with("tcp://") && host.ends_with(&ours))).cloned(),
    );
    let mut known = Vec::new();
    hosts.retain(|host| {
        !known.contains(host) && {
            known.push(host.clone());
            true
        }
    });
    hosts.into_iter().map(Value::String).collect()
}

/// The addresses in a `daemon.json` that skep has not put there.
///
/// # Errors
/// What is wrong with the text.
pub fn hosts_of(found: Option<&str>, before: Option<&str>) -> Result<Vec<String>, String> {
    let base = give_back_keys(found, before)?.unwrap_or_default();
    let Some(Value::Array(hosts)) = base.get("hosts") else { return Ok(Vec::new()) };
    Ok(hosts.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// Adds `wanted` to the text of a `daemon.json`, if there is one: lists are added to, except
/// `hosts`, which is taken as it is, and every other value takes the place of the one that was
/// there. `before` is what was remembered the last time.
///
/// # Errors
/// What is wrong with the text: nothing is added to what cannot be read.
pub fn merge(
    found: Option<&str>,
    before: Option<&str>,
    wanted: &Map<String, Value>,
) -> Result<Merged, String> {
    let base = give_back_keys(found, before)?;
    let existed = base.is_some();
    let mut merged = base.unwrap_or_default();
    let (mut keys, mut written) = (Map::new(), Map::new());
    for (key, value) in wanted {
        let was = merged.get(key).cloned();
        let value = match (&was, value) {
            (Some(Value::Array(theirs)), Value::Array(ours)) if key != "hosts" => {
                let mut all = theirs.clone();
                all.extend(ours.iter().filter(|one| !theirs.contains(one)).cloned());
                Value::Array(all)
            }
            (_, value) => value.clone(),
        };
        if let Some(was) = was {
            keys.insert(key.clone(), was);
        }
        written.insert(key.clone(), value.clone());
        merged.insert(key.clone(), value);
    }
    let before = Before { schema: SCHEMA, existed, keys, written };
    let before = serde_json::to_string_pretty(&before).map_err(|error| error.to_string())?;
    Ok(Merged { text: format!("{:#}\n", Value::Object(merged)), before: format!("{before}\n") })
}

/// Takes skep's settings out of the text of a `daemon.json`; none if no file is to be left.
///
/// # Errors
/// What is wrong with the text.
pub fn give_back(found: Option<&str>, before: Option<&str>) -> Result<Option<String>, String> {
    let base = give_back_keys(found, before)?;
    Ok(base.map(|base| format!("{:#}\n", Value::Object(base))))
}

fn give_back_keys(
    found: Option<&str>,
    before: Option<&str>,
) -> Result<Option<Map<String, Value>>, String> {
    let Some(found) = found else { return Ok(None) };
    let mut keys: Map<String, Value> = if found.trim().is_empty() {
        Map::new()
    } else {
        serde_json::from_str(found).map_err(|error| {
            format!("it is no JSON object ({error}); mend or remove it, and try again")
        })?
    };
    let Some(before) = before else { return Ok(Some(keys)) };
    let before: Before = serde_json::from_str(before)
        .map_err(|error| format!("what it was before cannot be read ({error})"))?;
    for (key, written) in &before.written {
        // What has another value by now is its owner's again.
        if keys.get(key) != Some(written) {
            continue;
        }
        match before.keys.get(key) {
            Some(was) => drop(keys.insert(key.clone(), was.clone())),
            None => drop(keys.shift_remove(key)),
        }
    }
    Ok(Some(keys).filter(|keys| before.existed || !keys.is_empty()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_others_have_set_stays_and_comes_back() {
        let theirs = json!({
            "log-driver": "journald", "labels": ["rack=1"], "hosts": ["fd://"], "big": 12345678901u64,
            "nested": {"b": 1, "a": null}
        });
        let text = format!("{theirs:#}\n");
        let wanted = object(json!({
            "hosts": ["fd://", "tcp://0.0.0.0:2376"], "tlsverify": true, "labels": ["env=prod"]
        }));
        let merged = merge(Some(&text), None, &wanted).unwrap();
        insta::assert_snapshot!(merged.text, @r#"
        {
          "log-driver": "journald",
          "labels": [
            "rack=1",
            "env=prod"
          ],
          "hosts": [
            "fd://",
            "tcp://0.0.0.0:2376"
          ],
          "big": 12345678901,
          "nested": {
            "b": 1,
            "a": null
          },
          "tlsverify": true
        }
        "#);
        // The same again changes nothing.
        let again = merge(Some(&merged.text), Some(&merged.before), &wanted).unwrap();
        assert_eq!(again, merged);
        let back = give_back(Some(&merged.text), Some(&merged.before)).unwrap();
        assert_eq!(back.as_deref(), Some(text.as_str()));
        let hosts = hosts_of(Some(&merged.text), Some(&merged.before)).unwrap();
        assert_eq!(hosts, ["fd://"]);
    }

    #[test]
    fn what_the_owner_changes_meanwhile_is_not_put_back() {
        let wanted = object(json!({"debug": true, "tlsverify": true}));
        let merged = merge(None, None, &wanted).unwrap();
        let changed = merged.text.replace("\"debug\": true", "\"debug\": false");
        let back = give_back(Some(&changed), Some(&merged.before)).unwrap();
        assert_eq!(back.as_deref(), Some("{\n  \"debug\": false\n}\n"));
        assert_eq!(give_back(Some(&merged.text), Some(&merged.before)), Ok(None));
        assert_eq!(give_back(None, Some(&merged.before)), Ok(None));
    }

    #[test]
    fn a_setting_that_is_not_wanted_any_more_goes() {
        let one = merge(Some("{}"), None, &object(json!({"debug": true, "mtu": 1400}))).unwrap();
        let two = merge(Some(&one.text), Some(&one.before), &object(json!({"mtu": 9000}))).unwrap();
        assert_eq!(two.text, "{\n  \"mtu\": 9000\n}\n");
        assert_eq!(give_back(Some(&two.text), Some(&two.before)).unwrap().unwrap(), "{}\n");
    }

    #[test]
    fn nothing_is_added_to_what_cannot_be_read() {
        for text in ["{\"a\": 1,}", "[]", "x"] {
            let error = merge(Some(text), None, &Map::new()).unwrap_err();
            assert!(error.starts_with("it is no JSON object"), "{text}: {error}");
        }
        assert_eq!(merge(Some(" \n"), None, &Map::new()).unwrap().text, "{}\n");
    }

    #[test]
    fn addresses_go_together() {
        let listen = |found: &[&str]| {
            let found: Vec<_> = found.iter().map(|&host| host.to_owned()).collect();
            let hosts = hosts(2376, &found);
            hosts.iter().map(|host| host.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let usual = ["unix:///var/run/docker.sock", "tcp://0.0.0.0:2376"];
        assert_eq!(listen(&[]), usual);
        assert_eq!(
            listen(&["tcp://127.0.0.1:2376", "tcp://:2376", "unix:///var/run/docker.sock"]),
            usual
        );
        assert_eq!(listen(&["fd://", "unix:///x"]), ["fd://", "tcp://0.0.0.0:2376", "unix:///x"]);
        let other = "tcp://127.0.0.1:12376";
        assert_eq!(listen(&[other, other]), [usual[0], usual[1], other]);
    }

    fn settings() -> impl Strategy<Value = Map<String, Value>> {
        let value = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-c]{0,3}".prop_map(Value::from),
            prop::collection::vec("[a-c]", 0..3).prop_map(Value::from),
        ];
        prop::collection::btree_map("[a-d]", value, 0..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        /// Whatever is wanted, one after the other, giving back leaves what was there.
        #[test]
        fn everything_comes_back(theirs in settings(), first in settings(), second in settings()) {
            let text = format!("{:#}\n", Value::Object(theirs.clone()));
            let one = merge(Some(&text), None, &first).unwrap();
            let two = merge(Some(&one.text), Some(&one.before), &second).unwrap();
            let back = give_back(Some(&two.text), Some(&two.before)).unwrap().unwrap();
            prop_assert_eq!(object(serde_json::from_str(&back).unwrap()), theirs);
        }
    }
}
