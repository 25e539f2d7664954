//! `skep cert …`: CA certificates on every machine.

use std::path::{Path, PathBuf};

use skep_cluster::{
    ClusterError, Home,
    answers::{Scope, all, sort},
    certificates::{self, Installed},
    reach::Cluster,
    trust,
};
use skep_guest::certificate::{Handshake, Verification};
use skep_model::{Events, MachineName, MachineState};
use skep_pki::{CaCertificate, CaCertificates, Purpose, ReadError, Registry, Server};

use super::{print, print_json, print_lines};
use crate::{
    args::{Cert, Format, Listing, Target},
    cluster_name::name_option,
    context::Context,
    failure::Failure,
    table::Table,
};

pub(super) async fn run(context: &Context, command: Cert) -> Result<(), Failure> {
    match command {
        Cert::Install { files, target, drain } => install(context, &files, &target, drain).await,
        Cert::Ls { target, listing } => ls(context, &target, listing).await,
        Cert::Verify { files, server, machine } => verify(context, &files, &server, &machine).await,
        Cert::Rm { certificates, target, drain } => {
            rm(context, &certificates, &target, drain).await
        }
    }
}

/// Reads and judges certificates before anything else is done.
pub(super) fn read(
    home: &Home,
    files: &[PathBuf],
    purpose: Purpose,
    events: &Events,
) -> Result<Vec<CaCertificate>, Failure> {
    let read = CaCertificates::read_files(files, purpose, home.settings().now);
    let read = read.map_err(|error| match error {
        ReadError::Refused(wrong) => ClusterError::Certificates(wrong).into(),
        ReadError::File { ref source, .. } => Failure::usage(format!("{error}: {source}")),
    })?;
    for note in &read.notes {
        events.warn("", note.to_string());
    }
    Ok(read.certificates)
}

fn registry(target: &Target) -> Result<Option<Registry>, Failure> {
    let parsed = target.registry.as_deref().map(str::parse::<Registry>).transpose();
    parsed.map_err(|error| Failure::usage(error.to_string()))
}

fn scope<'a>(context: &'a Context, cluster: &'a Cluster, machines: &'a [String]) -> Scope<'a> {
    Scope { cluster, machines, context: context.operation() }
}

/// Names the machines that are off and get a change when they are started.
fn say_off(context: &Context, off: &[(MachineName, MachineState)]) {
    for (machine, state) in off {
        let text = match state {
            MachineState::Absent => "it is not there, and takes this when it is made".to_owned(),
            state => {
                format!(
                    "it is {}, and takes this when it is started",
                    state.to_string().to_lowercase()
                )
            }
        };
        context.events.warn(machine, text);
    }
}

/// Names the machines that could not be asked, being off, and those that are behind.
fn say_behind(
    context: &Context,
    cluster: &Cluster,
    off: &[(MachineName, MachineState)],
) -> Result<(), Failure> {
    for (machine, state) in off {
        let state = state.to_string().to_lowercase();
        context.events.warn(machine, format!("it is {state}, and was not asked"));
    }
    for behind in trust::behind(cluster.home(), cluster.record()) {
        let name = &behind.machine;
        if off.contains(&(name.clone(), MachineState::Absent)) {
            continue;
        }
        let takes = if off.iter().any(|(machine, _)| machine == name) {
            format!("`skep machine start {name}` brings it up to date")
        } else {
            format!("`skep up{}` brings it up to date", name_option(&cluster.record().name))
        };
        context.events.warn(name, format!("{behind}; {takes}"));
    }
    Ok(())
}

async fn install(
    context: &Context,
    files: &[PathBuf],
    target: &Target,
    drain: bool,
) -> Result<(), Failure> {
    let home = context.home()?;
    let registry = registry(target)?;
    let purpose = if registry.is_some() { Purpose::Registry } else { Purpose::System };
    let roots = read(&home, files, purpose, &context.events)?;
    let cluster = context.cluster()?;
    let scope = scope(context, &cluster, &target.machine);
    let installed = certificates::install(scope, &roots, registry.as_ref(), drain).await?;
    say_off(context, &installed.off);
    for (machine, Installed { new, repaired, .. }) in all(installed.answers)? {
        context.say(&match new {
            0 if repaired => {
                format!("{machine}: already installed, and its damaged bundle of roots was mended")
            }
            0 => format!("{machine}: nothing to do, already installed"),
            1 => format!("{machine}: installed"),
            count => format!("{machine}: {count} installed"),
        });
    }
    Ok(())
}

async fn ls(context: &Context, target: &Target, listing: Listing) -> Result<(), Failure> {
    let wanted = registry(target)?.map(|registry| registry.to_string());
    let cluster = context.cluster()?;
    let scope = scope(context, &cluster, &target.machine);
    let mut lines = Vec::new();
    // A machine that does not answer hides nothing of the others.
    let listed = certificates::list(scope).await?;
    say_behind(context, &cluster, &listed.off)?;
    let (answers, failed) = sort(listed.answers);
    for (machine, listed) in answers {
        for found in listed {
            let place = found.registry.as_ref().map(ToString::to_string);
            let Some(root) = found.certificate else {
                let text = format!("{} is damaged: install it again", found.file);
                context.events.warn(&machine, text);
                continue;
            };
            if wanted.is_none() || place == wanted {
                lines.push((machine.clone(), place, root));
            }
        }
    }
    if listing.quiet {
        let mut prints: Vec<_> =
            lines.iter().map(|(_, _, root)| root.fingerprint().to_owned()).collect();
        prints.sort_unstable();
        prints.dedup();
        print_lines(&prints)?;
        return Ok(failed?);
    }
    match listing.format {
        Format::Table => {
            let mut table =
                Table::new(["MACHINE", "FINGERPRINT", "REGISTRY", "EXPIRES", "SUBJECT"]);
            for (machine, place, root) in lines {
                table.row([
                    machine.to_string(),
                    root.short_fingerprint().to_owned(),
                    place.unwrap_or_else(|| "all".into()),
                    root.expiry(),
                    root.subject().to_owned(),
                ]);
            }
            print(&table.to_string())?;
        }
        Format::Json => {
            let value = |(machine, place, root): &(MachineName, Option<String>, CaCertificate)| {
                serde_json::json!({
                    "machine": machine,
                    "fingerprint": root.fingerprint(),
                    "registry": place,
                    "expires": humantime::format_rfc3339_seconds(root.not_after()).to_string(),
                    "subject": root.subject(),
                })
            };
            print_json("certificates", lines.iter().map(value).collect::<Vec<_>>())?;
        }
    }
    Ok(failed?)
}

async fn verify(
    context: &Context,
    files: &[PathBuf],
    server: &str,
    machines: &[String],
) -> Result<(), Failure> {
    let server: Server = server.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    let cluster = context.cluster()?;
    let scope = scope(context, &cluster, machines);
    let roots = if files.is_empty() {
        cluster.record().ca_certificates.clone()
    } else {
        read(cluster.home(), files, Purpose::Registry, &context.events)?
    };
    let registry = Some(&server);
    let verified = certificates::verify(scope, &server, &roots, registry).await?;
    say_behind(context, &cluster, &verified.off)?;
    let answers = all(verified.answers)?;
    if answers.is_empty() {
        return Err(Failure::failed("no machine runs that could prove it")
            .with_fix("`skep machine start` starts one"));
    }
    let mut table = Table::new(["MACHINE", "SERVER", "HANDSHAKE", "ROOT"]);
    for (machine, verification) in &answers {
        table.row([
            machine.to_string(),
            verification.server.clone(),
            outcome(&verification.machine).to_owned(),
            proof(verification),
        ]);
        if verification.restart_due {
            let text = "its engine was started before its roots last changed and does not know \
                        them yet: `skep cert install` again, or restart the engine";
            context.events.warn(machine, text);
        }
    }
    let proven = answers.iter().all(|(_, verification)| verification.passed());
    print(&table.to_string())?;
    if proven {
        return Ok(());
    }
    let unreachable = |(_, verification): &(MachineName, Verification)| {
        matches!(verification.machine, Handshake::Unreachable { .. })
    };
    if answers.iter().any(unreachable) {
        return Err(Failure::failed(format!("not every machine reaches {server}"))
            .with_fix("name a server that machines can reach with --server HOST:PORT"));
    }
    Err(Failure::failed(format!("not every machine trusts {server}"))
        .with_fix("`skep cert install FILE` with the root that the server's chain ends in"))
}

/// A handshake in a word.
fn outcome(handshake: &Handshake) -> &'static str {
    match handshake {
        Handshake::Trusted { .. } => "trusted",
        Handshake::Unreachable { .. } => "unreachable",
        Handshake::Failed { .. } => "failed",
        Handshake::Untrusted { .. } => "untrusted",
        Handshake::WrongName { .. } => "wrong name",
    }
}

/// The root a chain was proven to end in, or why there is none.
fn proof(verification: &Verification) -> String {
    match (&verification.machine, &verification.roots) {
        (
            Handshake::Unreachable { reason }
            | Handshake::Failed { reason }
            | Handshake::Untrusted { reason }
            | Handshake::WrongName { reason },
            _,
        ) => reason.clone(),
        (_, Some(Handshake::Trusted { root })) => root.clone(),
        (Handshake::Trusted { root }, None) => root.clone(),
        (Handshake::Trusted { root }, Some(_)) => format!("{root}, which is none of those given"),
    }
}

async fn rm(
    context: &Context,
    certificates: &[String],
    target: &Target,
    drain: bool,
) -> Result<(), Failure> {
    let home = context.home()?;
    // A file stands for the certificates in it; anything else is a fingerprint or a subject.
    let mut selectors = Vec::new();
    for text in certificates {
        if Path::new(text).is_file() {
            let roots = read(&home, &[PathBuf::from(text)], Purpose::Naming, &context.events)?;
            selectors.extend(roots.iter().map(|root| root.fingerprint().to_owned()));
        } else {
            selectors.push(text.clone());
        }
    }
    let registry = registry(target)?;
    let cluster = context.cluster()?;
    let scope = scope(context, &cluster, &target.machine);
    let removal = certificates::remove(scope, &selectors, registry.as_ref(), drain).await?;
    let answers = all(removal.machines.answers)?;
    if removal.named.is_empty() {
        let named = certificates.join(", ");
        return Err(Failure::failed(format!("no machine has a CA certificate {named} to remove"))
            .with_fix("`skep cert ls` shows what is installed, and for which registry"));
    }
    say_off(context, &removal.machines.off);
    for (machine, removed) in answers {
        context.say(&match removed {
            0 => format!("{machine}: nothing to remove"),
            1 => format!("{machine}: removed"),
            count => format!("{machine}: {count} removed"),
        });
    }
    Ok(())
}
