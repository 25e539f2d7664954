//! `volumes` of a service, as the mounts of its containers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    deploy::put,
    normal::World,
    objects::Volume,
    reader::{Fields, Spot, unknown},
};
use crate::spec::value::Memory;

/// Reads one mount in its long form. `volumes` are those of the stack.
pub(super) fn mount(
    spot: &Spot<'_>,
    volumes: &BTreeMap<String, Volume>,
    world: &World<'_>,
) -> Option<Value> {
    let mut fields = spot.fields()?;
    let kind = fields.take("type").map_or_else(
        || Some("volume".to_owned()),
        |spot| spot.word(&["volume", "bind", "tmpfs", "npipe"]),
    );
    let source_spot = fields.take("source");
    let source = source_spot.as_ref().and_then(Spot::text).unwrap_or_default();
    let target = fields.take("target").and_then(|spot| spot.text());
    let mut map = Map::new();
    put(&mut map, "Type", kind.clone());
    put(&mut map, "Target", target.clone());
    if let Some(true) = fields.take("read_only").and_then(|spot| spot.truth()) {
        map.insert("ReadOnly".into(), true.into());
    }
    let consistency = fields.take("consistency");
    let consistency =
        consistency.and_then(|spot| spot.word(&["default", "consistent", "cached", "delegated"]));
    put(&mut map, "Consistency", consistency);
    let options = options(&mut fields);
    fields.end(|key| match key {
        "cluster" => Some(("cluster volumes (CSI) are not supported", "use a volume driver")),
        _ => None,
    });
    let kind = kind?;
    for (key, of) in
        [("bind", &options.bind), ("volume", &options.volume), ("tmpfs", &options.tmpfs)]
    {
        let fits = key == kind || (key == "bind" && kind == "npipe");
        if let (Some((spot, _)), false) = (of, fits) {
            spot.wrong::<()>(format!("`{key}` options do not go with type {kind}"), "remove them");
        }
    }
    if target.is_none() {
        return spot.wrong("`target`, the path in the container, is missing", "");
    }
    let found = |of: Option<(Spot<'_>, Map<String, Value>)>| of.map(|(_, map)| map);
    match (kind.as_str(), source.as_str()) {
        ("bind" | "npipe", "") => {
            return spot.wrong("`source`, the path on the node, is missing", "");
        }
        ("tmpfs", "") => put(&mut map, "TmpfsOptions", found(options.tmpfs)),
        ("tmpfs", _) => return spot.wrong("a mount of type tmpfs has no `source`", "remove it"),
        ("bind", path) => {
            map.insert("Source".into(), world.absolute(path).into());
            put(&mut map, "BindOptions", found(options.bind));
        }
        ("npipe", path) => {
            map.insert("Source".into(), path.into());
            put(&mut map, "BindOptions", found(options.bind));
        }
        (_, "") => {}
        (_, name) => {
            let Some(volume) = volumes.get(name) else {
                let spot = source_spot.as_ref().unwrap_or(spot);
                return spot.wrong(
                    format!("there is no volume `{name}` in this stack"),
                    format!("declare it at the top: `volumes: {{{name}: {{}}}}`"),
                );
            };
            map.insert("Source".into(), volume.name.as_str().into());
            let mut all = found(options.volume).unwrap_or_default();
            all.extend(volume.options.clone());
            map.insert("VolumeOptions".into(), all.into());
        }
    }
    Some(map.into())
}

type Found<'n> = Option<(Spot<'n>, Map<String, Value>)>;

struct Options<'n> {
    bind: Found<'n>,
    volume: Found<'n>,
    tmpfs: Found<'n>,
}

fn options<'n>(fields: &mut Fields<'n>) -> Options<'n> {
    let bind = fields.take("bind").and_then(|spot| {
        let mut fields = spot.fields()?;
        let words = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];
        let propagation = fields.take("propagation").and_then(|spot| spot.word(&words));
        fields.end(|key| match key {
            "create_host_path" => Some((
                "a swarm does not make a directory on a node",
                "make it on the nodes, or use a volume",
            )),
            _ => None,
        });
        let mut map = Map::new();
        put(&mut map, "Propagation", propagation);
        Some((spot, map))
    });
    let volume = fields.take("volume").and_then(|spot| {
        let mut fields = spot.fields()?;
        let no_copy = fields.take("nocopy").and_then(|spot| spot.truth());
        fields.end(unknown);
        let mut map = Map::new();
        put(&mut map, "NoCopy", no_copy.filter(|no| *no));
        Some((spot, map))
    });
    let tmpfs = fields.take("tmpfs").and_then(|spot| {
        let mut fields = spot.fields()?;
        let size = fields.take("size").and_then(|spot| spot.parse::<Memory>());
        fields.end(unknown);
        let mut map = Map::new();
        put(&mut map, "SizeBytes", size.map(Memory::bytes));
        Some((spot, map))
    });
    Options { bind, volume, tmpfs }
}

/// Labels and driver of a volume that is made where a task needs it.
pub(super) fn volume_options(
    labels: Map<String, Value>,
    driver: Option<String>,
    options: Option<BTreeMap<String, String>>,
) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("Labels".into(), labels.into());
    if driver.is_some() || options.is_some() {
        let mut config = Map::new();
        put(&mut config, "Name", driver);
        put(&mut config, "Options", options.map(|options| json!(options)));
        map.insert("DriverConfig".into(), config.into());
    }
    map
}
