//! Volumes, directories of the node and memory, with their options; as docker's flag writes them:
//! `--mount type=volume,source=data,target=/data,readonly`.

use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::spec::value::{Memory, ValueError, fields, truth};

const WHAT: &str = "mount";

/// A mount. What is `None` is left to the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Mount {
    /// `volume`, `bind`, `tmpfs`, `npipe`, `cluster`
    #[serde(rename = "Type")]
    pub kind: String,
    /// The volume's name, or the path on the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Where in the container.
    pub target: String,
    /// Whether nothing can be written there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// Of Docker Desktop: how soon writes are seen on the other side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// What only a volume has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Whether what the image has there is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_copy: Option<bool>,
    /// A directory of the volume in place of all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subpath: Option<String>,
    /// Labels of the volume, if it is made for the mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver_config: Option<DriverConfig>,
}

/// The driver of a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DriverConfig {
    /// `local`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Map<String, Value>>,
}

/// What only a directory of the node has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BindOptions {
    /// `rprivate`, `rshared`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<String>,
    /// Whether what is mounted below it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub non_recursive: Option<bool>,
    /// Whether what is mounted below it stays writable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_non_recursive: Option<bool>,
    /// Whether it is an error if what is mounted below it cannot be made read-only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_force_recursive: Option<bool>,
}

/// What only memory has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TmpfsOptions {
    /// At most so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

impl FromStr for Mount {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let wrong = |fix: String| ValueError::new(WHAT, text, fix);
        let mut mount = Mount { kind: "volume".into(), ..Self::default() };
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
            mount.option(&key, value).map_err(|problem| match problem {
                Problem::Key => wrong(format!("there is no option `{key}`")),
                Problem::Value => wrong(format!("{key} cannot be `{value}`")),
            })?;
        }
        mount.check().map_err(wrong)?;
        Ok(mount)
    }
}

enum Problem {
    Key,
    Value,
}

impl Mount {
    /// The API's JSON.
    pub fn to_json(&self) -> Value {
        json!(self)
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let yes = || truth(value).map(Some).map_err(|_| Problem::Value);
        match key {
            "type" => self.kind = value.to_lowercase(),
            "source" | "src" => self.source = Some(value.into()),
            "target" | "dst" | "destination" => self.target = value.into(),
            "readonly" | "ro" => self.read_only = yes()?,
            "consistency" => self.consistency = Some(value.to_lowercase()),
            "bind-propagation" => self.bind().propagation = Some(value.to_lowercase()),
            "bind-nonrecursive" => self.bind().non_recursive = yes()?,
            "bind-recursive" => match value {
                "enabled" => {}
                "disabled" => self.bind().non_recursive = Some(true),
                "writable" => self.bind().read_only_non_recursive = Some(true),
                "readonly" => self.bind().read_only_force_recursive = Some(true),
                _ => return Err(Problem::Value),
            },
            "tmpfs-size" => {
                let size: Memory = value.parse().map_err(|_| Problem::Value)?;
                self.tmpfs().size_bytes = Some(size.bytes());
            }
            "tmpfs-mode" => {
                let mode = u32::from_str_radix(value, 8).map_err(|_| Problem::Value)?;
                self.tmpfs().mode = Some(mode);
            }
            "volume-subpath" => self.volume().subpath = Some(value.into()),
            "volume-nocopy" => self.volume().no_copy = yes()?,
            "volume-label" => pair(self.volume().labels.get_or_insert_default(), value),
            "volume-driver" => self.driver().name = Some(value.into()),
            "volume-opt" => pair(self.driver().options.get_or_insert_default(), value),
            _ => return Err(Problem::Key),
        }
        Ok(())
    }

    fn bind(&mut self) -> &mut BindOptions {
        self.bind_options.get_or_insert_default()
    }

    fn tmpfs(&mut self) -> &mut TmpfsOptions {
        self.tmpfs_options.get_or_insert_default()
    }

    /// As soon as one option is given, docker sends labels and a driver, too, be they empty.
    fn volume(&mut self) -> &mut VolumeOptions {
        self.volume_options.get_or_insert_with(|| VolumeOptions {
            labels: Some(Map::new()),
            driver_config: Some(DriverConfig::default()),
            ..VolumeOptions::default()
        })
    }

    fn driver(&mut self) -> &mut DriverConfig {
        self.volume().driver_config.get_or_insert_default()
    }

    fn check(&self) -> Result<(), String> {
        let (kind, source) = (self.kind.as_str(), self.source.as_deref().unwrap_or_default());
        if !matches!(kind, "volume" | "bind" | "tmpfs" | "npipe" | "cluster") {
            return Err(format!("type `{kind}` is not volume, bind, tmpfs, npipe or cluster"));
        }
        if kind == "bind" && (source.starts_with("./") || source == ".") {
            return Err(
                "nodes have no current directory: write the whole path of the source".into()
            );
        }
        for (given, owner) in [
            (self.volume_options.is_some(), "volume"),
            (self.bind_options.is_some(), "bind"),
            (self.tmpfs_options.is_some(), "tmpfs"),
        ] {
            if given && kind != owner {
                return Err(format!("{owner}-* options and type={kind} do not go together"));
            }
        }
        let read_only = self.read_only == Some(true);
        let bind = self.bind_options.as_ref();
        if bind.is_some_and(|bind| bind.read_only_non_recursive.is_some()) && !read_only {
            return Err("bind-recursive=writable needs readonly".into());
        }
        let is_private = || bind.and_then(|bind| bind.propagation.as_deref()) == Some("rprivate");
        if bind.is_some_and(|bind| bind.read_only_force_recursive.is_some())
            && (!read_only || !is_private())
        {
            return Err("bind-recursive=readonly needs readonly,bind-propagation=rprivate".into());
        }
        if self.target.is_empty() {
            return Err("target=PATH, the place in the container, is missing".into());
        }
        Ok(())
    }
}

fn pair(map: &mut Map<String, Value>, text: &str) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    if !key.is_empty() {
        map.insert(key.into(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn mounts_are_the_engines_json() {
        let json = |text: &str| text.parse::<Mount>().unwrap().to_json().to_string();
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
