//! An archive of images, looked into before any of it is sent anywhere.
//!
//! Two layouts: what `docker save` writes (`manifest.json`; Docker Image Specification v1.2), and
//! the OCI Image Layout v1.1 (`index.json`, `blobs/`). Engines load the first only; so a
//! `manifest.json` is added to the end of the second while it is sent.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

/// The longest file of an archive that is read, as opposed to sent: JSON.
const LONGEST: u64 = 8 << 20;

/// The longest header of an entry that is read, in bytes: a long name, or a few attributes.
const LONGEST_HEADER: u64 = 1 << 20;

/// How many files an archive may have. An image has at most 127 layers, of three files each.
const MOST_ENTRIES: usize = 100_000;

const MOST_IMAGES: usize = 1000;

/// How much JSON of an archive is read in all, in bytes.
const LONGEST_IN_ALL: u64 = 64 << 20;

/// An archive of images.
#[derive(Debug, Clone)]
pub struct Archive {
    pub(super) path: PathBuf,
    /// How much of the file is sent.
    pub(super) length: u64,
    pub(super) tail: Vec<u8>,
    pub(super) images: Vec<ArchivedImage>,
}

/// An image in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedImage {
    /// `sha256:` and the digest of its configuration, which is what an engine knows it by.
    pub id: String,
    /// Its names: `nginx:1.26`.
    pub names: Vec<String>,
    /// In the words of Go: `amd64`, `arm64`.
    pub architecture: String,
}

/// Why a file is not an archive that can be loaded.
#[derive(Debug, thiserror::Error)]
#[error("{} {what}", .path.display())]
pub struct ArchiveError {
    pub path: PathBuf,
    /// What is wrong with it, as it follows the path.
    pub what: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Manifest {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// A platform, which is part of a descriptor.
#[derive(Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Deserialize)]
struct OciManifest {
    config: Descriptor,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

impl Archive {
    /// Looks into a file. Blocks as long as reading the heads of its entries takes.
    ///
    /// # Errors
    /// [`ArchiveError`] if it is not an archive of images for Linux, or not a whole one.
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let wrong = |what: String| ArchiveError { path: path.to_owned(), what };
        let mut look = Look::open(path)?;
        if look.entries.contains_key("manifest.json") {
            let manifests: Vec<Manifest> = look.json("manifest.json")?;
            let images = look.images(&manifests)?;
            return Ok(Self { path: path.into(), length: look.length, tail: Vec::new(), images });
        }
        if !look.entries.contains_key("index.json") {
            return Err(wrong(
                "is no archive of images: it has neither manifest.json nor index.json; write one \
                 with `docker save`"
                    .into(),
            ));
        }
        let manifests = look.oci()?;
        let images = look.images(&manifests)?;
        let tail = tail(&manifests).map_err(|error| wrong(format!("cannot be sent: {error}")))?;
        Ok(Self { path: path.into(), length: look.end, tail, images })
    }

    /// The images in it.
    pub fn images(&self) -> &[ArchivedImage] {
        &self.images
    }

    /// How much is sent, in bytes.
    pub(super) fn sent(&self) -> u64 {
        self.length + self.tail.len() as u64
    }
}

/// A tar of which it is known where each entry is.
struct Look {
    path: PathBuf,
    file: File,
    /// Where each entry's content begins, and its length.
    entries: HashMap<String, (u64, u64)>,
    /// Where the last entry ends.
    end: u64,
    length: u64,
    /// How much may still be read.
    left: u64,
}

impl Look {
    fn open(path: &Path) -> Result<Self, ArchiveError> {
        let wrong = |what: String| ArchiveError { path: path.to_owned(), what };
        let unread = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => wrong("is not there".into()),
            _ => wrong(format!("cannot be read: {error}")),
        };
        let mut file = skep_read::open(path).map_err(|error| unread(&error))?;
        let data = file.metadata().map_err(|error| unread(&error))?;
        let length = data.len();
        let mut start = [0; 6];
        let begun = file.read(&mut start).map_err(|error| unread(&error))?;
        if start.starts_with(&[0x1f, 0x8b])
            || start.starts_with(b"BZh")
            || start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0])
            || start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        {
            return Err(wrong("is compressed: unpack it first, as with `gunzip`".into()));
        }
        if begun == 0 {
            return Err(wrong("is empty".into()));
        }
        file.seek(SeekFrom::Start(0)).map_err(|error| unread(&error))?;
        let no_tar = |_| wrong("is no tar archive, or a damaged one".into());
        headers(&mut file).map_err(no_tar)?.map_err(&wrong)?;
        file.seek(SeekFrom::Start(0)).map_err(|error| unread(&error))?;
        let mut entries = HashMap::new();
        let mut end = 0;
        let mut tar = tar::Archive::new(&mut file);
        for entry in tar.entries_with_seek().map_err(no_tar)? {
            let entry = entry.map_err(no_tar)?;
            let (position, size) = (entry.raw_file_position(), entry.size());
            end = size
                .checked_next_multiple_of(512)
                .and_then(|size| position.checked_add(size))
                .unwrap_or(u64::MAX);
            if end > length {
                return Err(wrong(format!("is truncated: it ends after {length} bytes of {end}")));
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            entries.insert(name.trim_start_matches("./").to_owned(), (position, size));
        }
        Ok(Self { path: path.into(), file, entries, end, length, left: LONGEST_IN_ALL })
    }

    fn wrong(&self, what: String) -> ArchiveError {
        ArchiveError { path: self.path.clone(), what }
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, ArchiveError> {
        let Some(&(position, size)) = self.entries.get(name) else {
            return Err(self.wrong(format!("is not whole: {name} is missing")));
        };
        if size > LONGEST {
            return Err(self.wrong(format!("is damaged: {name} has {size} bytes")));
        }
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            self.wrong(format!(
                "is damaged: more than {LONGEST_IN_ALL} bytes of JSON belong to its images"
            ))
        })?;
        let read = self.file.seek(SeekFrom::Start(position));
        let read = read.and_then(|_| skep_read::to_end((&mut self.file).take(size), LONGEST));
        read.map_err(|error| self.wrong(format!("cannot be read: {}", error.kind())))
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ArchiveError> {
        let bytes = self.bytes(name)?;
        self.parse(name, &bytes)
    }

    fn parse<T: DeserializeOwned>(&self, name: &str, bytes: &[u8]) -> Result<T, ArchiveError> {
        let read = serde_json::from_slice(bytes);
        read.map_err(|_| self.wrong(format!("is damaged: {name} is not the JSON it should be")))
    }

    /// The images of manifests, after a look at whether all of them is there.
    fn images(&mut self, manifests: &[Manifest]) -> Result<Vec<ArchivedImage>, ArchiveError> {
        if manifests.len() > MOST_IMAGES {
            return Err(self.wrong(format!("has more than {MOST_IMAGES} images in it")));
        }
        let mut images = Vec::new();
        for manifest in manifests {
            if let Some(layer) =
                manifest.layers.iter().find(|layer| !self.entries.contains_key(*layer))
            {
                return Err(self.wrong(format!("is not whole: the layer {layer} is missing")));
            }
            let bytes = self.bytes(&manifest.config)?;
            let configuration: Configuration = self.parse(&manifest.config, &bytes)?;
            if !configuration.os.is_empty() && configuration.os != "linux" {
                return Err(
                    self.wrong(format!("has an image for {}, not for linux", configuration.os))
                );
            }
            let digest = Sha256::digest(&bytes);
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            images.push(ArchivedImage {
                id: format!("sha256:{hex}"),
                names: manifest.repo_tags.clone().unwrap_or_default(),
                architecture: configuration.architecture,
            });
        }
        if images.is_empty() {
            return Err(self.wrong("has no image in it".into()));
        }
        Ok(images)
    }

    /// The images of an OCI layout, for this processor's architecture where there are several.
    fn oci(&mut self) -> Result<Vec<Manifest>, ArchiveError> {
        let index: Index = self.json("index.json")?;
        if index.manifests.len() > MOST_IMAGES {
            return Err(self.wrong(format!("has more than {MOST_IMAGES} images in it")));
        }
        let mut manifests = Vec::new();
        for mut entry in index.manifests {
            let names = names(&entry.annotations);
            if entry.media_type.contains("index") || entry.media_type.contains("manifest.list") {
                let nested: Index = self.json(&blob(&entry.digest))?;
                entry = choose(nested.manifests)
                    .ok_or_else(|| self.wrong("has no image for linux in it".into()))?;
            }
            let manifest: OciManifest = self.json(&blob(&entry.digest))?;
            manifests.push(Manifest {
                config: blob(&manifest.config.digest),
                repo_tags: Some(names),
                layers: manifest.layers.iter().map(|layer| blob(&layer.digest)).collect(),
            });
        }
        Ok(manifests)
    }
}

/// Looks at all headers, before those that are longer than a block are read: their content is kept
/// in memory as a whole. The inner result is what is wrong with them.
fn headers(file: &mut File) -> io::Result<Result<(), String>> {
    let mut tar = tar::Archive::new(file);
    for (count, entry) in tar.entries_with_seek()?.raw(true).enumerate() {
        if count >= MOST_ENTRIES {
            return Ok(Err(format!(
                "is no archive of images: it has more than {MOST_ENTRIES} files"
            )));
        }
        let entry = entry?;
        let (kind, size) = (entry.header().entry_type(), entry.size());
        let is_header = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if is_header && size > LONGEST_HEADER {
            return Ok(Err(format!(
                "is damaged: it has a header of {size} bytes; at most {LONGEST_HEADER} are read"
            )));
        }
    }
    Ok(Ok(()))
}

/// Where a blob lies: `sha256:abc` is `blobs/sha256/abc`.
fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// Of one image for several platforms, that for this host's, else the first for Linux.
fn choose(manifests: Vec<Descriptor>) -> Option<Descriptor> {
    let platform = |one: &Descriptor| one.platform.as_ref().is_none_or(|of| of.os == "linux");
    let mut linux: Vec<_> = manifests.into_iter().filter(platform).collect();
    let own = linux.iter().position(|one| {
        let of = one.platform.as_ref();
        of.is_some_and(|of| super::names::is_same(&of.architecture, std::env::consts::ARCH))
    });
    match own {
        Some(place) => Some(linux.swap_remove(place)),
        None => linux.into_iter().next(),
    }
}

/// An image's name in an index: whole, as containerd writes it, or in the OCI's own annotation,
/// which may be a tag alone and then names no image.
fn names(annotations: &HashMap<String, String>) -> Vec<String> {
    let name = annotations
        .get("io.containerd.image.name")
        .or_else(|| annotations.get("org.opencontainers.image.ref.name"))
        .filter(|name| name.contains(':'));
    name.map(|name| super::names::familiar(name)).into_iter().collect()
}

/// A `manifest.json` and the end of a tar.
fn tail(manifests: &[Manifest]) -> io::Result<Vec<u8>> {
    let manifest = |one: &Manifest| serde_json::json!({"Config": one.config, "RepoTags": one.repo_tags, "Layers": one.layers});
    let text = serde_json::Value::from_iter(manifests.iter().map(manifest)).to_string();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(text.len() as u64);
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_data(&mut header, "manifest.json", text.as_bytes())?;
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Writes a tar of these files.
    fn write(files: &[(&str, Vec<u8>)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut tar = tar::Builder::new(file.reopen().unwrap());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        tar.into_inner().unwrap();
        file
    }

    fn bytes(value: &Value) -> Vec<u8> {
        value.to_string().into_bytes()
    }

    fn docker() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("c.json", bytes(&json!({"architecture": "amd64", "os": "linux"}))),
            ("l/layer.tar", vec![7; 4000]),
            (
                "manifest.json",
                bytes(
                    &json!([{"Config": "c.json", "RepoTags": ["a:1", "b:2"], "Layers": ["l/layer.tar"]}]),
                ),
            ),
        ]
    }

    fn error(file: &tempfile::NamedTempFile) -> String {
        Archive::open(file.path()).unwrap_err().what
    }

    #[test]
    fn what_docker_saves_is_known_by_its_configuration() {
        let file = write(&docker());
        let archive = Archive::open(file.path()).unwrap();
        let image = &archive.images()[0];
        assert_eq!(image.names, ["a:1", "b:2"]);
        let digest = Sha256::digest(&docker()[0].1);
        assert_eq!(
            image.id,
            format!("sha256:{}", digest.iter().map(|b| format!("{b:02x}")).collect::<String>())
        );
        assert_eq!(
            (archive.sent(), image.architecture.as_str()),
            (file.path().metadata().unwrap().len(), "amd64")
        );
    }

    #[test]
    fn an_oci_layout_is_sent_with_a_manifest_engines_read() {
        let own = |digest: &str, annotations: Value| json!({"digest": format!("sha256:{digest}"), "annotations": annotations});
        let platform = |digest: &str, architecture: &str| json!({"digest": format!("sha256:{digest}"), "platform": {"os": "linux", "architecture": architecture}});
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let mut top =
            own("list", json!({"io.containerd.image.name": "docker.io/library/nginx:1.26"}));
        top["mediaType"] = "application/vnd.oci.image.index.v1+json".into();
        let file = write(&[
            ("oci-layout", bytes(&json!({"imageLayoutVersion": "1.0.0"}))),
            ("index.json", bytes(&json!({"manifests": [top]}))),
            (
                "blobs/sha256/list",
                bytes(
                    &json!({"manifests": [platform("other", "riscv64"), platform("mine", architecture)]}),
                ),
            ),
            (
                "blobs/sha256/mine",
                bytes(
                    &json!({"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l"}]}),
                ),
            ),
            ("blobs/sha256/c", bytes(&json!({"architecture": architecture, "os": "linux"}))),
            ("blobs/sha256/l", vec![1; 700]),
        ]);
        let archive = Archive::open(file.path()).unwrap();
        assert_eq!(archive.images()[0].names, ["nginx:1.26"]);
        // What is sent is a tar again, in which an engine finds everything.
        let mut sent = std::fs::read(file.path()).unwrap();
        sent.truncate(usize::try_from(archive.length).unwrap());
        sent.extend(&archive.tail);
        let again = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(again.path(), sent).unwrap();
        let again = Archive::open(again.path()).unwrap();
        assert_eq!(again.images(), archive.images());
        assert!(again.tail.is_empty(), "its manifest.json was not found");
    }

    #[test]
    fn an_archive_that_would_fill_the_memory_is_refused() {
        // A name of 6 GB: sparse, so that the test's disk has none of it.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::GNULongName);
        header.set_size(6 << 30);
        header.set_cksum();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), header.as_bytes()).unwrap();
        file.as_file().set_len((6 << 30) + 2048).unwrap();
        assert!(error(&file).contains("a header of 6442450944 bytes"), "{}", error(&file));
        // One configuration, named as often as fits.
        let one = json!({"Config": "c.json", "RepoTags": ["a:1"], "Layers": []});
        let mut files = docker();
        files[2].1 = bytes(&json!(vec![one.clone(); 1001]));
        assert!(error(&write(&files)).contains("more than 1000 images"));
        // And a long one not so often.
        let long = json!({"architecture": "amd64", "os": "linux", "x": "x".repeat(7 << 20)});
        files[0].1 = bytes(&long);
        files[2].1 = bytes(&json!(vec![one; 20]));
        assert!(error(&write(&files)).contains("more than 67108864 bytes"));
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::MAX);
        header.set_cksum();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), header.as_bytes()).unwrap();
        assert!(Archive::open(file.path()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            content in proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..600),
            place in 0usize..1024,
        ) {
            // Bytes of an archive that is one, replaced by others.
            let file = write(&docker());
            let mut whole = std::fs::read(file.path()).unwrap();
            let end = (place + content.len()).min(whole.len());
            whole[place..end].copy_from_slice(&content[..end - place]);
            std::fs::write(file.path(), whole).unwrap();
            let _ = Archive::open(file.path());
        }
    }

    #[test]
    fn what_is_no_whole_archive_is_told_by_what_it_is() {
        let whole = write(&docker());
        let length = whole.path().metadata().unwrap().len();
        whole.as_file().set_len(length - 4096).unwrap();
        assert!(error(&whole).contains("truncated"), "{}", error(&whole));
        let without_layer: Vec<_> =
            docker().into_iter().filter(|(name, _)| *name != "l/layer.tar").collect();
        assert!(error(&write(&without_layer)).contains("the layer l/layer.tar is missing"));
        assert!(error(&write(&[("etc/passwd", vec![])])).contains("no archive of images"));
        assert!(error(&write(&[("manifest.json", b"[]".to_vec())])).contains("no image"));
        assert!(error(&write(&[("manifest.json", b"bees".to_vec())])).contains("JSON"));
        let plain = |content: &[u8]| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            file
        };
        assert!(error(&plain(&[b'x'; 5000])).contains("no tar archive"));
        assert!(error(&plain(&[0x1f, 0x8b, 8, 0])).contains("compressed"));
        assert!(error(&plain(b"")).contains("empty"));
        assert!(
            Archive::open(Path::new("/nowhere.tar"))
                .unwrap_err()
                .to_string()
                .contains("/nowhere.tar")
        );
        assert!(Archive::open(Path::new("/tmp")).unwrap_err().what.contains("only a regular file"));
        let mut windows = docker();
        windows[0].1 = bytes(&json!({"architecture": "amd64", "os": "windows"}));
        assert!(error(&write(&windows)).contains("windows"));
    }
}
