//! `--mount type=volume,source=data,target=/data,readonly`: volumes, directories of the node and
//! memory, with their options.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::spec::value::{Memory, ValueError, fields, truth};

const WHAT: &str = "mount";

/// A mount, in the API's JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where in the container.
    pub target: String,
    /// `{"Type": "volume", "Source": …, "Target": …, …}`
    pub json: Value,
}

/// The options of one kind of mount, as they are read.
#[derive(Default)]
struct Reading {
    volume: Map<String, Value>,
    driver: Map<String, Value>,
    has_volume: bool,
    bind: Map<String, Value>,
    tmpfs: Map<String, Value>,
}

impl FromStr for Mount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |fix: String| ValueError::new(WHAT, text, fix);
        let mut mount = Map::new();
        mount.insert("Type".into(), "volume".into());
        let mut reading = Reading::default();
        for field in fields(WHAT, text)? {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) => (key.to_lowercase(), value),
                None => {
                    let key = field.to_lowercase();
                    let alone = ["readonly", "ro", "volume-nocopy", "bind-nonrecursive"];
                    if !alone.contains(&key.as_str()) {
                        return Err(wrong(format!("`{field}` must be a key=value pair")));
                    }
                    (key, "true")
                }
            };
            let bad = |value: &str| wrong(format!("{key} cannot be `{value}`"));
            match key.as_str() {
                "type" => put(&mut mount, "Type", value.to_lowercase()),
                "source" | "src" => put(&mut mount, "Source", value),
                "target" | "dst" | "destination" => put(&mut mount, "Target", value),
                "readonly" | "ro" => {
                    put(&mut mount, "ReadOnly", truth(value).map_err(|_| bad(value))?);
                }
                "consistency" => put(&mut mount, "Consistency", value.to_lowercase()),
                _ => reading.option(&key, value).map_err(|problem| match problem {
                    Problem::Key => wrong(format!("there is no option `{key}`")),
                    Problem::Value => bad(value),
                })?,
            }
        }
        reading.finish(&mut mount).map_err(wrong)?;
        let target = mount.get("Target").and_then(Value::as_str).unwrap_or_default().to_owned();
        if target.is_empty() {
            return Err(wrong("target=PATH, the place in the container, is missing".into()));
        }
        Ok(Self { target, json: Value::Object(mount) })
    }
}

fn put(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    map.insert(key.into(), value.into());
}

enum Problem {
    Key,
    Value,
}

impl Reading {
    fn option(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let yes = |value: &str| truth(value).map_err(|_| Problem::Value);
        match key {
            "bind-propagation" => put(&mut self.bind, "Propagation", value.to_lowercase()),
            "bind-nonrecursive" => put(&mut self.bind, "NonRecursive", yes(value)?),
            "bind-recursive" => match value {
                "enabled" => {}
                "disabled" => put(&mut self.bind, "NonRecursive", true),
                "writable" => put(&mut self.bind, "ReadOnlyNonRecursive", true),
                "readonly" => put(&mut self.bind, "ReadOnlyForceRecursive", true),
                _ => return Err(Problem::Value),
            },
            "tmpfs-size" => {
                let size: Memory = value.parse().map_err(|_| Problem::Value)?;
                put(&mut self.tmpfs, "SizeBytes", size.bytes());
            }
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| Problem::Value)?;
                put(&mut self.tmpfs, "Mode", mode);
            }
            _ => {
                self.volume_option(key, value)?;
                self.has_volume = true;
            }
        }
        Ok(())
    }

    fn volume_option(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let pair = |map: &mut Map<String, Value>, name: &str| {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            let inner = map.entry(name).or_insert_with(|| json!({}));
            if !key.is_empty() {
                inner[key] = value.into();
            }
        };
        match key {
            "volume-subpath" => put(&mut self.volume, "Subpath", value),
            "volume-nocopy" => {
                put(&mut self.volume, "NoCopy", truth(value).map_err(|_| Problem::Value)?);
            }
            "volume-label" => pair(&mut self.volume, "Labels"),
            "volume-driver" => put(&mut self.driver, "Name", value),
            "volume-opt" => pair(&mut self.driver, "Options"),
            _ => return Err(Problem::Key),
        }
        Ok(())
    }

    fn finish(mut self, mount: &mut Map<String, Value>) -> Result<(), String> {
        let text = |mount: &Map<String, Value>, key: &str| {
            mount.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let (kind, source) = (text(mount, "Type"), text(mount, "Source"));
        if !matches!(kind.as_str(), "volume" | "bind" | "tmpfs" | "npipe" | "cluster") {
            return Err(format!("type `{kind}` is not volume, bind, tmpfs, npipe or cluster"));
        }
        if kind == "bind" && (source.starts_with("./") || source == ".") {
            return Err(
                "nodes have no current directory: write the whole path of the source".into()
            );
        }
        for (given, owner) in [
            (self.has_volume, "volume"),
            (!self.bind.is_empty(), "bind"),
            (!self.tmpfs.is_empty(), "tmpfs"),
        ] {
            if given && kind != owner {
                return Err(format!("{owner}-* options and type={kind} do not go together"));
            }
        }
        let read_only = mount.get("ReadOnly") == Some(&Value::Bool(true));
        let is_set = |key: &str| self.bind.get(key) == Some(&Value::Bool(true));
        if is_set("ReadOnlyNonRecursive") && !read_only {
            return Err("bind-recursive=writable needs readonly".into());
        }
        if is_set("ReadOnlyForceRecursive")
            && (!read_only || self.bind.get("Propagation") != Some(&"rprivate".into()))
        {
            return Err("bind-recursive=readonly needs readonly,bind-propagation=rprivate".into());
        }
        if self.has_volume {
            self.volume.entry("Labels").or_insert_with(|| json!({}));
            put(&mut self.volume, "DriverConfig", self.driver);
            put(mount, "VolumeOptions", self.volume);
        }
        if !self.bind.is_empty() {
            put(mount, "BindOptions", self.bind);
        }
        if !self.tmpfs.is_empty() {
            put(mount, "TmpfsOptions", self.tmpfs);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mounts_are_the_engines_json() {
        let json = |text: &str| text.parse::<Mount>().unwrap().json.to_string();
        let all = [
            "target=/data",
            "type=bind,source=/srv,dst=/srv,ro,bind-propagation=rshared",
            "type=bind,src=/a,target=/b,readonly=false,bind-recursive=disabled",
            "type=volume,src=data,target=/d,volume-nocopy,volume-label=a=b,volume-driver=local",
            r#"source=nfs,target=/d,volume-opt=type=nfs,"volume-opt=o=addr=10.0.0.1,rw""#,
            "type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1770",
        ];
        insta::assert_snapshot!(all.map(json).join("\n"));
    }

    #[test]
    fn what_is_no_mount_says_why() {
        let error = |text: &str| text.parse::<Mount>().unwrap_err().to_string();
        let all = [
            "",
            "type=bind",
            "type=disk,target=/a",
            "data:/data",
            "type=bind,source=./x,target=/x",
            "type=tmpfs,target=/t,volume-nocopy",
            "target=/t,bind-propagation=shared",
            "target=/t,colour=red",
            "target=/t,readonly=maybe",
            "type=tmpfs,target=/t,tmpfs-mode=9",
            "type=bind,source=/a,target=/a,bind-recursive=writable",
            "type=bind,source=/a,target=/a,ro,bind-recursive=readonly",
        ];
        insta::assert_snapshot!(all.map(error).join("\n"));
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[-a-z=,\"/.0-9]{0,40}") {
            let _ = text.parse::<Mount>();
        }
    }
}
