//! `volumes` of a service, as the mounts of its containers.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    normal::World,
    objects::Volume,
    reader::{Spot, unknown},
};
use crate::spec::{BindOptions, DriverConfig, Memory, Mount, TmpfsOptions, VolumeOptions};

/// Reads one mount in its long form. `volumes` are those of the stack.
pub(super) fn mount(
    spot: &Spot<'_>,
    volumes: &BTreeMap<String, Volume>,
    world: &World<'_>,
) -> Option<Mount> {
    let mut fields = spot.fields()?;
    let kind = fields.take("type").map_or_else(
        || Some("volume".to_owned()),
        |spot| spot.word(&["volume", "bind", "tmpfs", "npipe"]),
    );
    let source_spot = fields.take("source");
    let source = source_spot.as_ref().and_then(Spot::text).unwrap_or_default();
    let target = fields.take("target").and_then(|spot| spot.text());
    let read_only = fields.take("read_only").and_then(|spot| spot.truth()).filter(|yes| *yes);
    let consistency = fields.take("consistency");
    let consistency =
        consistency.and_then(|spot| spot.word(&["default", "consistent", "cached", "delegated"]));
    let bind = fields.take("bind").and_then(|spot| Some((bind(&spot)?, spot)));
    let volume = fields.take("volume").and_then(|spot| Some((volume(&spot)?, spot)));
    let tmpfs = fields.take("tmpfs").and_then(|spot| Some((tmpfs(&spot)?, spot)));
    fields.end(|key| match key {
        "cluster" => Some(("cluster volumes (CSI) are not supported", "use a volume driver")),
        _ => None,
    });
    let kind = kind?;
    for (key, spot) in [
        ("bind", bind.as_ref().map(|(_, spot)| spot)),
        ("volume", volume.as_ref().map(|(_, spot)| spot)),
        ("tmpfs", tmpfs.as_ref().map(|(_, spot)| spot)),
    ] {
        let fits = key == kind || (key == "bind" && kind == "npipe");
        if let (Some(spot), false) = (spot, fits) {
            spot.wrong::<()>(format!("`{key}` options do not go with type {kind}"), "remove them");
        }
    }
    let Some(target) = target else {
        return spot.wrong("`target`, the path in the container, is missing", "");
    };
    let mut mount = Mount { kind, target, read_only, consistency, ..Mount::default() };
    match (mount.kind.as_str(), source.as_str()) {
        ("bind" | "npipe", "") => {
            return spot.wrong("`source`, the path on the node, is missing", "");
        }
        ("tmpfs", "") => mount.tmpfs_options = tmpfs.map(|(options, _)| options),
        ("tmpfs", _) => return spot.wrong("a mount of type tmpfs has no `source`", "remove it"),
        ("bind" | "npipe", path) => {
            // A pipe of Windows has no place below a directory.
            let path = if mount.kind == "bind" { world.absolute(path) } else { path.to_owned() };
            mount.source = Some(path);
            mount.bind_options = bind.map(|(options, _)| options);
        }
        (_, "") => {}
        (_, name) => {
            let Some(declared) = volumes.get(name) else {
                let spot = source_spot.as_ref().unwrap_or(spot);
                return spot.wrong(
                    format!("there is no volume `{name}` in this stack"),
                    format!("declare it at the top: `volumes: {{{name}: {{}}}}`"),
                );
            };
            mount.source = Some(declared.name.clone());
            let no_copy = volume.and_then(|(no_copy, _)| no_copy);
            mount.volume_options = Some(VolumeOptions { no_copy, ..declared.options.clone() });
        }
    }
    Some(mount)
}

fn bind(spot: &Spot<'_>) -> Option<BindOptions> {
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
    Some(BindOptions { propagation, ..BindOptions::default() })
}

/// Whether what the image has there is left out.
fn volume(spot: &Spot<'_>) -> Option<Option<bool>> {
    let mut fields = spot.fields()?;
    let no_copy = fields.take("nocopy").and_then(|spot| spot.truth());
    fields.end(unknown);
    Some(no_copy.filter(|no| *no))
}

fn tmpfs(spot: &Spot<'_>) -> Option<TmpfsOptions> {
    let mut fields = spot.fields()?;
    let size = fields.take("size").and_then(|spot| spot.parse::<Memory>());
    fields.end(unknown);
    Some(TmpfsOptions { size_bytes: size.map(Memory::bytes), mode: None })
}

/// Labels and driver of a volume that is made where a task needs it.
pub(super) fn volume_options(
    labels: Map<String, Value>,
    driver: Option<String>,
    options: Option<BTreeMap<String, String>>,
) -> VolumeOptions {
    let driver_config = (driver.is_some() || options.is_some()).then(|| DriverConfig {
        name: driver,
        options: options
            .map(|all| all.into_iter().map(|(key, value)| (key, value.into())).collect()),
    });
    VolumeOptions { labels: Some(labels), driver_config, ..VolumeOptions::default() }
}
