//! Several files as one, later ones over earlier ones.
//!
//! Mappings are merged key by key, single values replaced, lists joined. Of the rest:
//! - `command`, `entrypoint`, the test of a health check and the aliases of a network are replaced
//!   as a whole, so are ulimits;
//! - volumes are one by their target, ports by the published port and protocol, secrets and configs
//!   by their source: the later replaces the earlier, and the list is in that order;
//! - the options of a log driver are merged if the driver is the same, else replaced.
//!
//! So does docker's `cli/compose/loader/merge.go`, but that it joins health check tests, knows ports
//! apart by their number only, and lets a later `false` not win over an earlier `true`.

use std::collections::HashSet;

use super::yaml::{Content, Node};

/// Puts `over` over `base`. `path` is where they stand, names of services and objects left out:
/// `["services", "*", "ports"]`.
pub(super) fn merge(base: &mut Node, over: Node, path: &mut Vec<String>) {
    let here: Vec<&str> = path.iter().map(String::as_str).collect();
    if replaced(&here) || is_another_log_driver(&here, base, &over) {
        if !over.is_null() {
            *base = over;
        }
        return;
    }
    let key = list_key(&here);
    match (&mut base.content, over.content) {
        (Content::Map(base), Content::Map(over)) => {
            for entry in over {
                match base.iter_mut().find(|known| known.key == entry.key) {
                    Some(known) => {
                        let named = path.len() == 1 || (path.len() == 3 && path[2] == "networks");
                        path.push(if named { "*".to_owned() } else { entry.key });
                        merge(&mut known.value, entry.value, path);
                        path.pop();
                    }
                    None => base.push(entry),
                }
            }
        }
        (Content::List(base), Content::List(over)) => match key {
            Some(key) => {
                let owned = |item: &Node| identity(item, key).map(|part| part.map(str::to_owned));
                let mut seen = HashSet::new();
                // Of those with one identity the last counts, and what was there before gives way.
                let mut new: Vec<_> =
                    over.into_iter().rev().filter(|item| seen.insert(owned(item))).collect();
                base.retain(|known| !seen.contains(&owned(known)));
                new.reverse();
                base.extend(new);
                base.sort_by_key(|item| sort_key(item, key));
            }
            None => base.extend(over),
        },
        (_, content) => {
            let over = Node { place: over.place, content };
            if !over.is_null() {
                *base = over;
            }
        }
    }
}

fn replaced(path: &[&str]) -> bool {
    matches!(
        path,
        ["services", _, "command" | "entrypoint"]
            | ["services", _, "healthcheck", "test"]
            | ["services", _, "networks", _, "aliases"]
            | ["services", _, "ulimits", _]
    )
}

/// The key by which the members of a list are one.
fn list_key(path: &[&str]) -> Option<&'static str> {
    match path {
        ["services", _, "ports"] => Some("published"),
        ["services", _, "volumes"] => Some("target"),
        ["services", _, "secrets" | "configs"] => Some("source"),
        _ => None,
    }
}

fn is_another_log_driver(path: &[&str], base: &Node, over: &Node) -> bool {
    let named = |node| text_of(node, "driver").filter(|driver| !driver.is_empty());
    matches!(path, ["services", _, "logging"])
        && matches!((named(base), named(over)), (Some(base), Some(over)) if base != over)
}

fn text_of<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    match &node.get(key)?.content {
        Content::Scalar { text, .. } => Some(text),
        _ => None,
    }
}

/// By what members of a list are the same. A port that the swarm is to choose is one by its target,
/// and the same port of two protocols is two.
fn identity<'n>(node: &'n Node, key: &'static str) -> [Option<&'n str>; 3] {
    let own = text_of(node, key);
    if key != "published" {
        return [own, None, None];
    }
    let own = own.filter(|port| !matches!(*port, "" | "0"));
    let target = if own.is_none() { text_of(node, "target") } else { None };
    [own, target, Some(text_of(node, "protocol").unwrap_or("tcp"))]
}

/// Ports in the order of numbers, all else in that of letters.
fn sort_key(node: &Node, key: &str) -> (u64, String) {
    let text = text_of(node, key).unwrap_or_default();
    let number = if key == "published" { text.parse().unwrap_or_default() } else { 0 };
    (number, text.to_owned())
}
