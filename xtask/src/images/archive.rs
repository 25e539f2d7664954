//! An image as `docker save` writes it: `manifest.json`, the image's configuration, and its layer.
//! Source: the Docker Image Specification v1.2.

use std::io::Write;

use anyhow::{Context as _, Result};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType};

use super::{Image, layer::header};

/// Writes the archive of an image with one layer.
pub(super) fn write(image: &Image, layer: &[u8], to: impl Write) -> Result<()> {
    let diff = hex(layer);
    let mut config = json!({
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        "Cmd": [image.command],
    });
    if image.is_web {
        config["ExposedPorts"] = json!({"80/tcp": {}});
        // Often until the first answer, rarely afterwards. In nanoseconds.
        config["Healthcheck"] = json!({
            "Test": ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"],
            "StartPeriod": 120_000_000_000_u64,
            "StartInterval": 1_000_000_000,
            "Interval": 60_000_000_000_u64,
            "Timeout": 20_000_000_000_u64,
        });
    }
    let configuration = json!({
        "architecture": architecture(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": image.suite}],
    });
    let configuration = configuration.to_string();
    let name = format!("{}.json", hex(configuration.as_bytes()));
    let layer_name = format!("{diff}/layer.tar");
    let manifest = json!([{"Config": name, "RepoTags": [image.tag], "Layers": [layer_name]}]);

    let mut archive = Builder::new(to);
    let mut add = |path: &str, content: &[u8]| {
        let mut header = header(EntryType::Regular, 0o644, content.len());
        archive
            .append_data(&mut header, path, content)
            .with_context(|| format!("cannot add {path}"))
    };
    add(&name, configuration.as_bytes())?;
    add(&layer_name, layer)?;
    add("manifest.json", manifest.to_string().as_bytes())?;
    archive.into_inner().context("cannot finish")?.flush().context("cannot write")
}

/// The architecture by the name that images use, which is Go's.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::IMAGES, *};

    #[test]
    fn an_archive_names_its_configuration_by_digest() {
        let mut bytes = Vec::new();
        write(&IMAGES[0], b"layer", &mut bytes).unwrap();
        let mut names = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            std::io::copy(&mut entry, &mut content).unwrap();
            if let Some(digest) = name.strip_suffix(".json").filter(|name| *name != "manifest") {
                assert_eq!(digest, hex(&content));
            }
            names.push(name);
        }
        assert_eq!(names.len(), 3);
        assert_eq!(names[1], format!("{}/layer.tar", hex(b"layer")));
    }
}
