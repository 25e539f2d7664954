//! Short forms into long ones, in the tree and at their lines, before files are merged: a port
//! `8080:80` becomes a mapping, a list of `KEY=VALUE` becomes a mapping, files of variables become
//! variables.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet},
    io::ErrorKind,
    path::Path,
};

use skep_model::Advice;
use skep_read::limit;

use super::{
    fault::{Fault, Place},
    last::LastOfEach,
    reader::{Faults, Spot, unknown},
    yaml::{Content, Entry, Node},
};
use crate::spec::{Ports, port::MAX_PORTS, value::Words};

/// What all files that Compose files name may have together, in bytes. A secret has at most half a
/// MB, and one file may be named a thousand times.
const MAX_FILES: usize = 256 << 20;

/// What normalising needs besides the tree.
#[derive(Debug)]
pub(super) struct World<'w> {
    pub(super) directory: &'w Path,
    pub(super) environment: &'w BTreeMap<String, String>,
    pub(super) faults: &'w Faults,
    /// What the files that the Compose files name may still have together, in bytes.
    budget: Cell<usize>,
    /// How many ports may still be published.
    ports: Cell<usize>,
}

impl<'w> World<'w> {
    pub(super) fn new(
        directory: &'w Path,
        environment: &'w BTreeMap<String, String>,
        faults: &'w Faults,
    ) -> Self {
        let (budget, ports) = (Cell::new(MAX_FILES), Cell::new(MAX_PORTS));
        Self { directory, environment, faults, budget, ports }
    }

    /// Counts what was read of a file.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), String> {
        let left = self.budget.get().checked_sub(bytes).ok_or_else(|| {
            format!("the files that are named here have more than {MAX_FILES} bytes together")
        })?;
        self.budget.set(left);
        Ok(())
    }

    fn wrong(&self, place: &Place, path: &str, problem: impl Into<String>, fix: impl Into<Advice>) {
        self.faults.add(Fault::at(place, problem).of(path).with_fix(fix));
    }

    /// A path as it is for the engine and for reading: absolute, with `~` replaced.
    pub(super) fn absolute(&self, path: &str) -> String {
        let home = self.environment.get("HOME");
        let path = match (path.strip_prefix('~'), home) {
            (Some(rest), Some(home)) => format!("{home}{rest}"),
            _ => path.to_owned(),
        };
        clean(&self.directory.join(path).to_string_lossy())
    }
}

/// A path without `.`, `..` and doubled slashes, as `filepath.Join` of Go leaves it.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Normalises one service of one file.
pub(super) fn service(node: &mut Node, path: &str, world: &World<'_>) {
    let Content::Map(entries) = &mut node.content else { return };
    variables(entries, path, world);
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        let value = &mut entry.value;
        match entry.key.as_str() {
            "command" | "entrypoint" => words(value, &path, world),
            "labels" | "sysctls" => pairs(value, false),
            "dns" | "dns_search" => one_is_a_list(value),
            "networks" => names(value),
            "secrets" | "configs" => each(value, |_, item| sources(item)),
            "ports" => ports(value, &path, world),
            "volumes" => {
                each(value, |index, item| volume(item, &format!("{path}[{index}]"), world));
            }
            "extra_hosts" => hosts(value),
            "healthcheck" => within(value, "test", health_test),
            "deploy" => within(value, "labels", |labels| pairs(labels, false)),
            _ => {}
        }
    }
}

/// Normalises a network, volume, secret or config of one file.
pub(super) fn object(node: &mut Node) {
    within(node, "labels", |labels| pairs(labels, false));
}

fn within(node: &mut Node, key: &str, change: impl FnOnce(&mut Node)) {
    let Content::Map(entries) = &mut node.content else { return };
    if let Some(entry) = entries.iter_mut().find(|entry| entry.key == key) {
        change(&mut entry.value);
    }
}

fn each(node: &mut Node, mut change: impl FnMut(usize, &mut Node)) {
    if let Content::List(items) = &mut node.content {
        items.iter_mut().enumerate().for_each(|(index, item)| change(index, item));
    }
}

/// The text of a scalar that is not nothing.
fn scalar(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar { text, .. } if !node.is_null() => Some(text),
        _ => None,
    }
}

fn words(node: &mut Node, path: &str, world: &World<'_>) {
    let Some(text) = scalar(node) else { return };
    match text.parse::<Words>() {
        Ok(Words(words)) => {
            let words = words.into_iter().map(|word| Node::text(&node.place, word)).collect();
            node.content = Content::List(words);
        }
        Err(error) => world.wrong(&node.place, path, error.to_string(), ""),
    }
}

fn health_test(node: &mut Node) {
    let Some(text) = scalar(node) else { return };
    let words = ["CMD-SHELL", text].map(|word| Node::text(&node.place, word));
    node.content = Content::List(words.into());
}

fn one_is_a_list(node: &mut Node) {
    if scalar(node).is_some() {
        let place = node.place.clone();
        let one = std::mem::replace(node, Node::null(&place));
        node.content = Content::List(vec![one]);
    }
}

/// A list of `KEY=VALUE` as a mapping. Where `nothing` is so, `KEY` alone has no value, elsewhere
/// an empty one. As in docker's list, the last one of a key counts.
fn pairs(node: &mut Node, nothing: bool) {
    let Content::List(items) = &node.content else { return };
    let mut entries = LastOfEach::default();
    for item in items {
        // What is no text stays a list, which the reader refuses.
        let Some(text) = scalar(item) else { return };
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Node::text(&item.place, value)),
            None if nothing => (text, Node::null(&item.place)),
            None => (text, Node::text(&item.place, "")),
        };
        entries.add(Entry { key: key.to_owned(), place: item.place.clone(), value });
    }
    node.content = Content::Map(entries.into_vec());
}

/// `[front, back]` as `{front: null, back: null}`.
fn names(node: &mut Node) {
    let Content::List(items) = &node.content else { return };
    let mut known = HashSet::new();
    let mut entries: Vec<Entry> = Vec::new();
    for item in items {
        let Some(text) = scalar(item) else { return };
        if known.insert(text) {
            let (key, place) = (text.to_owned(), item.place.clone());
            entries.push(Entry { key, value: Node::null(&place), place });
        }
    }
    node.content = Content::Map(entries);
}

fn sources(node: &mut Node) {
    if let Some(source) = scalar(node) {
        *node = Node::map(&node.place, vec![("source", Node::text(&node.place, source))]);
    }
}

fn ports(node: &mut Node, path: &str, world: &World<'_>) {
    let Content::List(items) = &mut node.content else { return };
    let mut long = Vec::new();
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let Some(text) = scalar(&item) else {
            long.push(item);
            continue;
        };
        let place = &item.place;
        let left = world.ports.get();
        match text.parse::<Ports>() {
            Ok(ports) if ports.count() > left => {
                let problem =
                    format!("with `{text}` the files publish more than {MAX_PORTS} ports");
                world.wrong(place, &format!("{path}[{index}]"), problem, "publish fewer");
            }
            Ok(ports) => long.extend(ports.iter().map(|port| {
                world.ports.set(world.ports.get().saturating_sub(1));
                let text = |text: String| Node::text(place, text);
                Node::map(
                    place,
                    vec![
                        ("target", text(port.target_port.to_string())),
                        ("published", text(port.published_port.to_string())),
                        ("protocol", text(port.protocol.to_string())),
                        ("mode", text(port.publish_mode.to_string())),
                    ],
                )
            })),
            Err(error) => {
                world.wrong(place, &format!("{path}[{index}]"), error.to_string(), "");
            }
        }
    }
    *items = long;
}

/// `[SOURCE:]TARGET[:MODE,…]`. Source: docker's `cli/compose/loader/volume.go`.
fn volume(node: &mut Node, path: &str, world: &World<'_>) {
    const FIX: &str = "write TARGET, SOURCE:TARGET or SOURCE:TARGET:MODE";
    let Some(spec) = scalar(node) else { return };
    let place = node.place.clone();
    let parts: Vec<&str> = spec.split(':').collect();
    let text = |text: &str| Node::text(&place, text);
    let (source, target, modes) = match parts.as_slice() {
        parts if parts.contains(&"") => {
            return world.wrong(&place, path, format!("`{spec}` has an empty part"), FIX);
        }
        [target] => ("", *target, ""),
        [source, target] => (*source, *target, ""),
        [source, target, modes] => (*source, *target, *modes),
        _ => return world.wrong(&place, path, format!("`{spec}` has too many colons"), FIX),
    };
    let bind = source.starts_with(['.', '/', '~']);
    let mut long = vec![("type", text(if bind { "bind" } else { "volume" }))];
    if !source.is_empty() {
        long.push(("source", text(source)));
    }
    long.push(("target", text(target)));
    for mode in modes.split(',').filter(|mode| !mode.is_empty()) {
        let inner = |key, value| Node::map(&place, vec![(key, text(value))]);
        match mode {
            "ro" => long.push(("read_only", text("true"))),
            "rw" => {}
            "nocopy" => long.push(("volume", inner("nocopy", "true"))),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                long.push(("bind", inner("propagation", mode)));
            }
            _ => {
                let problem = format!("`{mode}` in `{spec}` is not supported in a swarm");
                let fix = "ro, rw, nocopy, or a propagation as rshared are";
                return world.wrong(&place, path, problem, fix);
            }
        }
    }
    *node = Node::map(&place, long);
}

/// `host: address` or a list of `host=address` and `host:address`, as a list of the latter.
fn hosts(node: &mut Node) {
    match &mut node.content {
        Content::Map(entries) => {
            entries.sort_by(|one, other| one.key.cmp(&other.key));
            let host = |entry: &Entry| {
                let address = scalar(&entry.value)?;
                Some(Node::text(&entry.place, format!("{}:{}", entry.key, bare(address))))
            };
            // What has no address stays a mapping, which the reader refuses.
            if let Some(hosts) = entries.iter().map(host).collect() {
                node.content = Content::List(hosts);
            }
        }
        Content::List(items) => {
            for item in items {
                let Some(text) = scalar(item) else { continue };
                let both = text.split_once('=').or_else(|| text.split_once(':'));
                if let Some((host, address)) = both {
                    *item = Node::text(&item.place, format!("{host}:{}", bare(address)));
                }
            }
        }
        Content::Scalar { .. } => {}
    }
}

/// An address of version 6 without its brackets.
fn bare(address: &str) -> &str {
    let inner = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.filter(|inner| !inner.is_empty()).unwrap_or(address)
}

/// `env_file` and `environment` as one mapping `environment`; what has no value, or an empty one,
/// takes it from the variables, as docker's `resolveEnvironment` does.
fn variables(entries: &mut Vec<Entry>, path: &str, world: &World<'_>) {
    let mut all = LastOfEach::default();
    if let Some(index) = entries.iter().position(|entry| entry.key == "env_file") {
        let mut file = entries.remove(index).value;
        one_is_a_list(&mut file);
        let spot = Spot { node: &file, path: format!("{path}.env_file"), faults: world.faults };
        let files = if file.is_null() { None } else { spot.items() };
        for spot in files.into_iter().flatten() {
            let Some((name, required)) = env_file_name(&spot) else { continue };
            match env_file(Path::new(&world.absolute(&name)), required, world) {
                Ok(found) => found.into_iter().for_each(|(key, value)| {
                    let place = spot.place().clone();
                    all.add(Entry { key, value: Node::text(&place, value), place });
                }),
                Err(problem) => world.wrong(spot.place(), &spot.path, problem, ""),
            }
        }
    }
    let place = match entries.iter().position(|entry| entry.key == "environment") {
        Some(index) => {
            let mut own = entries[index].value.clone();
            pairs(&mut own, true);
            let Content::Map(own_entries) = own.content else {
                // The reader refuses what is neither; nothing at all is nothing.
                let all = all.into_vec();
                if own.is_null() && !all.is_empty() {
                    entries[index].value.content = Content::Map(all);
                }
                return;
            };
            own_entries.into_iter().for_each(|entry| all.add(entry));
            Some(entries.remove(index).place)
        }
        None => None,
    };
    let mut all = all.into_vec();
    let Some(place) = place.or_else(|| Some(all.first()?.place.clone())) else { return };
    for entry in &mut all {
        let empty = matches!(&entry.value.content, Content::Scalar { text, .. } if text.is_empty());
        if let (true, Some(value)) =
            (empty || entry.value.is_null(), world.environment.get(&entry.key))
        {
            entry.value = Node::text(&entry.place, value.as_str());
        }
    }
    let value = Node { place: place.clone(), content: Content::Map(all) };
    entries.push(Entry { key: "environment".into(), place, value });
}

/// Which file of variables is meant, and whether it must be there: its name, or a mapping of the
/// Compose specification. Its `format: raw` is how files are read here.
fn env_file_name(spot: &Spot<'_>) -> Option<(String, bool)> {
    if !matches!(spot.node.content, Content::Map(_)) {
        return Some((spot.text()?, true));
    }
    let mut fields = spot.fields()?;
    let path = fields.take("path");
    let required = fields.take("required").map(|spot| spot.truth());
    if let Some(format) = fields.take("format") {
        format.word(&["raw"]);
    }
    fields.end(unknown);
    match path {
        Some(path) => Some((path.text()?, required.unwrap_or(Some(true))?)),
        None => spot.wrong("`path`, the file, is missing", ""),
    }
}

/// The variables of a file: `NAME=VALUE` as it stands, without quotes being read; `NAME` alone is
/// taken from the environment, if it is there. Source: docker's `opts/file.go`.
fn env_file(
    path: &Path,
    required: bool,
    world: &World<'_>,
) -> Result<Vec<(String, String)>, String> {
    let cannot = |why: String| format!("cannot read {}: {why}", path.display());
    let text = match skep_read::lines(path, limit::ENV_FILE, limit::ENV_LINE) {
        Err(error) if error.kind() == ErrorKind::NotFound && !required => return Ok(Vec::new()),
        read => read.map_err(|error| cannot(error.to_string()))?,
    };
    world.spend(text.len())?;
    let mut found = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (line.trim_end(), world.environment.get(line.trim_end()).cloned()),
        };
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(format!(
                "{}:{}: `{key}` is no name of a variable",
                path.display(),
                number + 1
            ));
        }
        found.extend(value.map(|value| (key.to_owned(), value)));
    }
    Ok(found)
}
