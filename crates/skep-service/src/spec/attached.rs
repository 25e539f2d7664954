//! What a service is attached to by name: networks, secrets and configs. The engine wants
//! identifiers; they are looked up before anything is made.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::spec::value::{ValueError, fields, is_long_form};

/// `--network web` or `--network name=web,alias=shop,driver-opt=key=value`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The network's name or identifier.
    pub network: String,
    /// More names of the service there.
    pub aliases: Vec<String>,
    pub driver_options: Map<String, Value>,
}

impl Attachment {
    /// The API's JSON, with the network's identifier.
    pub fn to_json(&self, id: &str) -> Value {
        let mut json = json!({ "Target": id });
        if !self.aliases.is_empty() {
            json["Aliases"] = json!(self.aliases);
        }
        if !self.driver_options.is_empty() {
            json["DriverOpts"] = self.driver_options.clone().into();
        }
        json
    }
}

impl FromStr for Attachment {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const WHAT: &str = "network";
        let wrong = |fix: String| ValueError::new(WHAT, text, fix);
        if !is_long_form(text) {
            if text.is_empty() {
                return Err(wrong("write its name, or name=NAME,alias=NAME".into()));
            }
            return Ok(Self { network: text.into(), ..Self::default() });
        }
        let mut found = Self::default();
        for field in fields(WHAT, text)? {
            let field = field.to_lowercase();
            let (key, value) = field
                .split_once('=')
                .ok_or_else(|| wrong(format!("`{field}` must be a key=value pair")))?;
            let value = value.trim();
            match key.trim() {
                "name" => found.network = value.into(),
                "alias" => found.aliases.push(value.into()),
                "driver-opt" => {
                    let (key, value) = value
                        .split_once('=')
                        .filter(|(key, _)| !key.is_empty())
                        .ok_or_else(|| wrong("write driver-opt=KEY=VALUE".into()))?;
                    found.driver_options.insert(key.trim().into(), value.trim().into());
                }
                key => {
                    let fix = format!("`{key}` is not name, alias or driver-opt");
                    return Err(wrong(fix));
                }
            }
        }
        if found.network.is_empty() {
            return Err(wrong("name=NETWORK is missing".into()));
        }
        Ok(found)
    }
}

/// A secret or a config as a file in each container: `NAME`, or
/// `source=NAME,target=FILE,uid=0,gid=0,mode=0444`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileReference {
    pub source: String,
    /// The file; a relative one is in `/run/secrets`, or for a config in `/`.
    pub target: String,
    /// The owner, as a number in text.
    pub uid: String,
    /// The group, as a number in text.
    pub gid: String,
    pub mode: u32,
}

impl FileReference {
    /// A file that every user may read.
    pub fn new(source: &str, target: &str) -> Self {
        let root = || "0".to_owned();
        Self { source: source.into(), target: target.into(), uid: root(), gid: root(), mode: 0o444 }
    }

    /// The API's JSON; `kind` is `Secret` or `Config`, `id` its identifier, if it is known.
    pub fn to_json(&self, kind: &str, id: Option<&str>) -> Value {
        let mut json = json!({
            "File": { "Name": self.target, "UID": self.uid, "GID": self.gid, "Mode": self.mode },
        });
        if let Some(id) = id {
            json[format!("{kind}ID")] = id.into();
        }
        json[format!("{kind}Name")] = self.source.as_str().into();
        json
    }
}

impl FromStr for FileReference {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        const WHAT: &str = "reference to a file";
        let wrong = |fix: String| ValueError::new(WHAT, text, fix);
        let fields = fields(WHAT, text)?;
        if let [name] = fields.as_slice()
            && !name.contains('=')
        {
            return Ok(Self::new(name, name));
        }
        let mut found = Self::new("", "");
        for field in fields {
            let (key, value) = field
                .split_once('=')
                .ok_or_else(|| wrong(format!("`{field}` must be a key=value pair")))?;
            match key.to_lowercase().as_str() {
                "source" | "src" => found.source = value.into(),
                "target" => found.target = value.into(),
                "uid" => found.uid = value.into(),
                "gid" => found.gid = value.into(),
                "mode" => {
                    let bad = || wrong(format!("mode `{value}` is no number: write 0440"));
                    found.mode = mode(value).ok_or_else(bad)?;
                }
                _ => {
                    let fix = format!("`{key}` is not source, target, uid, gid or mode");
                    return Err(wrong(fix));
                }
            }
        }
        if found.source.is_empty() {
            return Err(wrong("source=NAME is missing".into()));
        }
        if found.target.is_empty() {
            found.target.clone_from(&found.source);
        }
        Ok(found)
    }
}

/// A number as Go reads one: `0440` and `0o440` octal, `0x` hexadecimal, `0b` binary, else decimal.
fn mode(text: &str) -> Option<u32> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', b'o' | b'O', ..] => (&text[2..], 8),
        [b'0', b'b' | b'B', ..] => (&text[2..], 2),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_a_short_and_a_long_form() {
        let json = |text: &str| text.parse::<Attachment>().unwrap().to_json("id1").to_string();
        assert_eq!(json("web"), r#"{"Target":"id1"}"#);
        assert_eq!(
            json("name=web,alias=a,alias=B,driver-opt=k=v"),
            r#"{"Target":"id1","Aliases":["a","b"],"DriverOpts":{"k":"v"}}"#
        );
        for text in ["", "alias=a", "name=web,ip=10.0.0.1", "name=web,alias", "name=w,driver-opt=k"]
        {
            assert!(text.parse::<Attachment>().is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_and_configs_are_files() {
        let json = |text: &str| text.parse::<FileReference>().unwrap().to_json("Secret", Some("i"));
        assert_eq!(
            json("key").to_string(),
            r#"{"File":{"Name":"key","UID":"0","GID":"0","Mode":292},"SecretID":"i","SecretName":"key"}"#
        );
        let long = json("source=key,target=/k,uid=1000,gid=1001,mode=0400");
        assert_eq!(long["File"]["Mode"], 0o400);
        assert_eq!(long["File"]["Name"], "/k");
        assert_eq!(json("src=key,mode=256")["File"]["Mode"], 256);
        for text in ["", "target=a", "source=a,b", "source=a,mode=rw", "source=a,owner=b"] {
            assert!(text.parse::<FileReference>().is_err(), "{text}");
        }
    }
}
