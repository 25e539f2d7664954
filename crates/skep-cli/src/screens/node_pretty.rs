//! `skep node inspect --pretty`: what docker prints.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fields::{Fields, Screen},
    units::{bytes_size, capitalized},
};

/// One node as the engine sent it.
pub fn screen(node: &Value) -> String {
    let node = Fields(node);
    let mut out = Screen::default();
    out.line("ID:\t\t\t", node.at("ID").text());
    let name = node.at("Spec/Name").text();
    if !name.is_empty() {
        out.line("Name:\t\t\t", name);
    }
    labels(&mut out, "Labels:", node.at("Spec/Labels"));
    let description = node.at("Description");
    out.line("Hostname:              \t", description.at("Hostname").text());
    out.line("Joined at:             \t", joined_at(&node.at("CreatedAt").text()));
    out.line("", "Status:");
    out.line(" State:\t\t\t", capitalized(&node.at("Status/State").text()));
    let message = node.at("Status/Message").text();
    if !message.is_empty() {
        out.line(" Message:              \t", capitalized(&message));
    }
    out.line(" Availability:         \t", capitalized(&node.at("Spec/Availability").text()));
    let address = node.at("Status/Addr").text();
    if !address.is_empty() {
        out.line(" Address:\t\t", address);
    }
    manager(&mut out, node.at("ManagerStatus"));
    out.line("", "Platform:");
    out.line(" Operating System:\t", description.at("Platform/OS").text());
    out.line(" Architecture:\t\t", description.at("Platform/Architecture").text());
    out.line("", "Resources:");
    let cpus = description.at("Resources/NanoCPUs").number() / 1_000_000_000;
    out.line(" CPUs:\t\t\t", cpus.to_string());
    let memory = u64::try_from(description.at("Resources/MemoryBytes").number());
    let memory = memory.ok().filter(|bytes| *bytes > 0).map(bytes_size);
    out.line(" Memory:\t\t", memory.unwrap_or_default());
    engine(&mut out, description.at("Engine"));
    trust(&mut out, description.at("TLSInfo"));
    // The template begins without a line's end.
    out.end().split_off(1)
}

fn labels(out: &mut Screen, title: &str, labels: Fields<'_>) {
    if labels.has_any() {
        out.line("", title);
        out.entries(" - ", "=", &labels.entries());
    }
}

fn manager(out: &mut Screen, manager: Fields<'_>) {
    if !manager.is_there() {
        return;
    }
    out.line("", "Manager Status:");
    out.line(" Address:\t\t", manager.at("Addr").text());
    out.line(" Raft Status:\t\t", capitalized(&manager.at("Reachability").text()));
    let leads = manager.at("Leader").0.as_bool().unwrap_or_default();
    out.line(" Leader:\t\t", if leads { "Yes" } else { "No" });
}

fn engine(out: &mut Screen, engine: Fields<'_>) {
    if engine.at("Plugins").has_any() {
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for plugin in engine.at("Plugins").list() {
            kinds.entry(plugin.at("Type").text()).or_default().push(plugin.at("Name").text());
        }
        out.line("", "Plugins:");
        for (kind, names) in kinds {
            out.line(" ", format!("{kind}:"));
            out.as_it_is("\t\t");
            out.more(names.join(", "));
        }
    }
    out.line("Engine Version:\t\t", engine.at("EngineVersion").text());
    labels(out, "Engine Labels:", engine.at("Labels"));
}

fn trust(out: &mut Screen, info: Fields<'_>) {
    let (root, subject, key) = (
        info.at("TrustRoot").text(),
        info.at("CertIssuerSubject").text(),
        info.at("CertIssuerPublicKey").text(),
    );
    if root.is_empty() && subject.is_empty() && key.is_empty() {
        return;
    }
    out.line("", "TLS Info:");
    out.line("", " TrustRoot:");
    // PEM: lines of its own, with an end behind the last.
    out.as_it_is("\n");
    for (place, line) in root.split('\n').enumerate() {
        if place > 0 {
            out.as_it_is("\n");
        }
        out.more(line);
    }
    out.line(" Issuer Subject:\t", subject);
    out.line(" Issuer Public Key:\t", key);
}

/// A time as Go prints it, after docker has made its letters small: `2026-01-02 03:04:05.6 +0000 utc`.
fn joined_at(text: &str) -> String {
    let Ok(time) = text.parse::<Timestamp>() else { return capitalized(text) };
    let seconds = time.strftime("%Y-%m-%d %H:%M:%S");
    let fraction = format!("{:09}", time.subsec_nanosecond());
    match fraction.trim_end_matches('0') {
        "" => format!("{seconds} +0000 utc"),
        digits => format!("{seconds}.{digits} +0000 utc"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos() {
        assert_eq!(joined_at("2026-01-02T03:04:05.120Z"), "2026-01-02 03:04:05.12 +0000 utc");
        assert_eq!(joined_at("2026-01-02T03:04:05Z"), "2026-01-02 03:04:05 +0000 utc");
    }
}
