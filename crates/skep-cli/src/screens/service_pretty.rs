//! `skep service inspect --pretty`: what docker prints, trailing spaces included.

use std::{collections::HashMap, time::SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    fields::{Fields, Screen},
    units::{ago, bytes_size, go_duration},
};

/// One service as the engine sent it, at the time `now`; `networks` are the names of networks by
/// identifier.
pub fn screen(service: &Value, networks: &HashMap<String, String>, now: SystemTime) -> String {
    let service = Fields(service);
    let spec = service.at("Spec");
    let task = spec.at("TaskTemplate");
    let mut out = Screen::default();
    head(&mut out, service, now);
    placement(&mut out, task.at("Placement"));
    way(&mut out, spec.at("UpdateConfig"), "UpdateConfig", "Update order:      ");
    way(&mut out, spec.at("RollbackConfig"), "RollbackConfig", "Rollback order:    ");
    container(&mut out, task.at("ContainerSpec"));
    needs(&mut out, task.at("ContainerSpec"));
    log_driver(&mut out, task.at("LogDriver"));
    resources(&mut out, task.at("Resources"));
    if task.at("Networks").has_any() {
        out.line("", "Networks:");
        for network in task.at("Networks").list() {
            let target = network.at("Target").text();
            out.more(" ");
            out.more(networks.get(&target).unwrap_or(&target));
        }
        out.more(" ");
    }
    out.line("Endpoint Mode:\t", spec.at("EndpointSpec/Mode").text());
    ports(&mut out, service.at("Endpoint/Ports"));
    health_check(&mut out, task.at("ContainerSpec/Healthcheck"));
    // The template ends its last line, and so does the docker CLI's printing.
    out.end() + "\n"
}

fn head(out: &mut Screen, service: Fields<'_>, now: SystemTime) {
    let spec = service.at("Spec");
    out.line("ID:\t\t", service.at("ID").text());
    out.line("Name:\t\t", spec.at("Name").text());
    if spec.at("Labels").has_any() {
        out.line("", "Labels:");
        out.entries(" ", "=", &spec.at("Labels").entries());
    }
    out.line("", "Service Mode:");
    if spec.at("Mode/Global").is_there() {
        out.as_it_is("\tGlobal");
    } else if spec.at("Mode/Replicated").is_there() {
        out.as_it_is("\tReplicated");
        if spec.at("Mode/Replicated/Replicas").is_there() {
            out.line(" Replicas:\t", spec.at("Mode/Replicated/Replicas").text());
        }
    }
    let update = service.at("UpdateStatus");
    let state = update.at("State").text();
    if !state.is_empty() {
        let time = |field: &str| update.at(field).text().parse::<Timestamp>().ok();
        out.line("", "UpdateStatus:");
        out.line(" State:\t\t", &state);
        if let Some(started) = time("StartedAt") {
            out.line(" Started:\t", format!("{} ago", ago(Some(started), now)));
        }
        if let Some(completed) = time("CompletedAt").filter(|_| state == "completed") {
            out.line(" Completed:\t", format!("{} ago", ago(Some(completed), now)));
        }
        out.line(" Message:\t", update.at("Message").text());
    }
}

fn placement(out: &mut Screen, placement: Fields<'_>) {
    out.line("", "Placement:");
    if placement.at("Constraints").has_any() {
        out.line(" Constraints:\t", bracketed(placement.at("Constraints").joined(" ")));
    }
    let spread = placement.at("Preferences").list().map(|preference| preference.at("Spread"));
    let spread: Vec<_> = spread
        .filter(|spread| spread.is_there())
        .map(|spread| format!("spread={}", spread.at("SpreadDescriptor").text()))
        .collect();
    if !spread.is_empty() {
        out.line(" Preferences:   ", bracketed(spread.join(" ")));
    }
    if placement.at("MaxReplicas").number() > 0 {
        out.line(" Max Replicas Per Node:   ", placement.at("MaxReplicas").text());
    }
}

/// A list as Go writes it.
fn bracketed(list: impl std::fmt::Display) -> String {
    format!("[{list}]")
}

/// How an update or a rollback goes.
fn way(out: &mut Screen, config: Fields<'_>, title: &str, order: &str) {
    if !config.is_there() {
        return;
    }
    out.line(title, ":");
    out.line(" Parallelism:\t", config.at("Parallelism").number().to_string());
    if config.at("Delay").number() > 0 {
        out.line(" Delay:\t\t", go_duration(config.at("Delay").number()));
    }
    out.line(" On failure:\t", config.at("FailureAction").text());
    if config.at("Monitor").number() > 0 {
        out.line(" Monitoring Period: ", go_duration(config.at("Monitor").number()));
    }
    out.line(" Max failure ratio: ", config.at("MaxFailureRatio").ratio());
    out.line(" ", order);
    out.more(config.at("Order").text());
}

fn container(out: &mut Screen, container: Fields<'_>) {
    let words =
        |field: &str| container.at(field).list().map(|word| word.text() + " ").collect::<String>();
    out.line("", "ContainerSpec:");
    out.line(" Image:\t\t", container.at("Image").text());
    if container.at("Args").has_any() {
        out.line(" Args:\t\t", words("Args"));
    }
    if container.at("Env").has_any() {
        out.line(" Env:\t\t", words("Env"));
    }
    for (field, title) in [("Dir", " Dir:\t\t"), ("Init", " Init:\t\t"), ("User", " User: ")] {
        let text = container.at(field).text();
        if !text.is_empty() {
            out.line(title, text);
        }
    }
    let (add, drop) = (container.at("CapabilityAdd"), container.at("CapabilityDrop"));
    if add.has_any() || drop.has_any() {
        out.line("", "Capabilities:");
        for (title, list) in [(" Add: ", add), (" Drop: ", drop)] {
            if list.has_any() {
                out.line(title, list.joined(", "));
            }
        }
    }
    if container.at("Sysctls").has_any() {
        out.line("", "SysCtls:");
        out.entries(" ", ": ", &container.at("Sysctls").entries());
    }
    if container.at("Ulimits").has_any() {
        out.line("", "Ulimits:");
        let limit = |limit: Fields<'_>| {
            let bounds = [limit.at("Soft").number(), limit.at("Hard").number()];
            format!("{}: {}:{}", limit.at("Name").text(), bounds[0], bounds[1])
        };
        let mut limits: Vec<_> = container.at("Ulimits").list().map(limit).collect();
        limits.sort();
        for limit in limits {
            out.line(" ", limit);
        }
    }
}

/// Mounts, configs and secrets.
fn needs(out: &mut Screen, container: Fields<'_>) {
    if container.at("Mounts").has_any() {
        out.line("", "Mounts:");
    }
    for mount in container.at("Mounts").list() {
        out.line(" Target:\t", mount.at("Target").text());
        out.line("  Source:\t", mount.at("Source").text());
        let read_only = mount.at("ReadOnly").0.as_bool().unwrap_or_default();
        out.line("  ReadOnly:\t", read_only.to_string());
        out.line("  Type:\t\t", mount.at("Type").text());
    }
    for (field, name) in [("Configs", "ConfigName"), ("Secrets", "SecretName")] {
        if container.at(field).has_any() {
            out.line(field, ":");
        }
        for file in container.at(field).list() {
            out.line(" Target:\t", file.at("File/Name").text());
            out.line("  Source:\t", file.at(name).text());
        }
    }
}

fn log_driver(out: &mut Screen, driver: Fields<'_>) {
    if !driver.is_there() {
        return;
    }
    out.line("", "Log Driver:");
    let name = driver.at("Name").text();
    if !name.is_empty() {
        out.line(" Name:\t\t", name);
    }
    if driver.at("Options").has_any() {
        out.line("", " LogOpts:");
        out.entries("  ", ":       ", &driver.at("Options").entries());
    }
    out.as_it_is("\n");
}

fn resources(out: &mut Screen, resources: Fields<'_>) {
    if !resources.is_there() {
        return;
    }
    out.line("", "Resources:");
    let (reserved, limits) = (resources.at("Reservations"), resources.at("Limits"));
    let some =
        |part: Fields<'_>| part.at("NanoCPUs").number() > 0 || part.at("MemoryBytes").number() > 0;
    if some(reserved) {
        out.line("", " Reservations:");
        amounts(out, reserved);
    }
    let pids = limits.at("Pids").number();
    if some(limits) || pids > 0 {
        out.line("", " Limits:");
        amounts(out, limits);
    }
    if pids > 0 {
        out.line("  PIDs:\t\t", pids.to_string());
    }
}

fn amounts(out: &mut Screen, amounts: Fields<'_>) {
    let cpus = amounts.at("NanoCPUs").number();
    if cpus > 0 {
        #[expect(clippy::cast_precision_loss, reason = "docker shows it so")]
        let cpus = cpus as f64 / 1e9;
        out.line("  CPU:\t\t", cpus.to_string());
    }
    if let Ok(memory @ 1..) = u64::try_from(amounts.at("MemoryBytes").number()) {
        out.line("  Memory:\t", bytes_size(memory));
    }
}

fn ports(out: &mut Screen, ports: Fields<'_>) {
    if !ports.has_any() {
        return;
    }
    out.line("", "Ports:");
    for port in ports.list() {
        out.line(" PublishedPort = ", port.at("PublishedPort").number().to_string());
        out.line("  Protocol = ", port.at("Protocol").text());
        out.line("  TargetPort = ", port.at("TargetPort").number().to_string());
        out.line("  PublishMode = ", port.at("PublishMode").text());
    }
    out.more(" ");
}

fn health_check(out: &mut Screen, check: Fields<'_>) {
    if !check.is_there() {
        return;
    }
    let duration = |field: &str| go_duration(check.at(field).number());
    out.line("", " Healthcheck:");
    out.line("  Interval = ", duration("Interval"));
    out.line("  Retries = ", check.at("Retries").number().to_string());
    out.line("  StartPeriod =\t", duration("StartPeriod"));
    out.line("  Timeout =\t", duration("Timeout"));
    if check.at("Test").has_any() {
        out.line("", "  Tests:");
        for test in check.at("Test").list() {
            out.line("\t Test = ", test.text());
        }
        out.more(" ");
    }
}
