//! `skep os …`: the guest system of the machines.

use std::path::Path;

use skep_machine::{MachineError, container::remove_image};
use skep_os::{
    Entry, Import, OsError, cache,
    import::{self, ImportError, Imported, Item},
};

use super::{print, print_json, print_lines};
use crate::{
    args::{Format, Listing, Os},
    context::Context,
    failure::{Exit, Failure},
    table::Table,
};

pub(super) async fn run(context: &Context, command: Os) -> Result<(), Failure> {
    let home = context.home()?;
    let directory = home.layout().os();
    match command {
        Os::Build { vm, iso } => {
            let (os, events, cancel) = (home.os()?, &context.events, &context.cancel);
            let mut digests = vec![os.ensure(events, cancel).await?.digest];
            if vm {
                digests.push(os.ensure_vm(events, cancel).await?.digest);
            }
            if iso {
                digests.push(os.ensure_iso(events, cancel).await?.digest);
            }
            print_lines(digests)
        }
        Os::Ls(listing) => {
            let current = home.os().ok().map(|os| {
                let packaged = [os.vm_digest(), os.iso_digest()];
                packaged.into_iter().chain([os.digest().to_owned()]).collect::<Vec<_>>()
            });
            let current = current.unwrap_or_default();
            let built = cache::list(&directory)?;
            let imported = import::list(&directory).map_err(failure)?;
            let built = built.iter().map(|entry| Row::built(entry, &current));
            let rows: Vec<_> = built.chain(imported.iter().map(Row::imported)).collect();
            ls(&rows, listing)
        }
        Os::Import { origin, sha256, name } => {
            let import = Import::new(directory, origin)
                .with_digest(sha256)
                .with_name(name)
                .with_network(context.network());
            let imported = import.run(&context.events, &context.cancel).await.map_err(failure)?;
            print(&format!("{}\n", imported.digest))
        }
        Os::Rm { systems } => {
            for system in systems {
                let digest = match import::remove(&directory, &system) {
                    Err(ImportError::NotFound(_)) => remove_built(context, &system).await?,
                    other => other.map_err(failure)?,
                };
                print(&format!("{digest}\n"))?;
            }
            Ok(())
        }
    }
}

/// Removes a guest system that was built, and its image from the engine.
async fn remove_built(context: &Context, prefix: &str) -> Result<String, Failure> {
    let home = context.home()?;
    let digest = match cache::remove(&home.layout().os(), prefix) {
        Err(OsError::NotFound(_)) => {
            let text =
                format!("no guest system has the name `{prefix}` or a digest that starts so");
            return Err(Failure::failed(text).with_fix("`skep os ls` shows them"));
        }
        other => other?,
    };
    let socket = &home.settings().docker_socket;
    let removed = remove_image(socket, &digest, &context.cancel).await;
    if let Err(MachineError::Shared { action, source }) = removed
        && let Some((_, reason)) = source.api()
    {
        context.events.warn("", format!("cannot {action}: {reason}"));
    }
    Ok(digest)
}

fn failure(error: ImportError) -> Failure {
    let exit = match &error {
        ImportError::Cancelled => Exit::Interrupted,
        _ => Exit::Failed,
    };
    Failure::of(exit, &error)
}

#[derive(Debug)]
struct Row<'a> {
    digest: &'a str,
    kind: &'static str,
    name: Option<&'a str>,
    size: Option<u64>,
    state: &'static str,
    origin: Option<&'a str>,
    path: Option<&'a Path>,
}

impl<'a> Row<'a> {
    fn built(entry: &'a Entry, current: &[String]) -> Self {
        let (kind, release, size, path) = match entry {
            Entry::Whole(image) => ("rootfs", &image.release, image.size, &image.rootfs),
            Entry::Vm(image) => ("vm", &image.release, image.size, &image.base),
            Entry::Iso(image) => ("iso", &image.release, image.size, &image.iso),
            Entry::Unfinished { digest, .. } => return Self::unfinished(digest, "built"),
        };
        let is_current = current.iter().any(|digest| digest == entry.digest());
        Self {
            kind,
            name: Some(release),
            size: Some(size),
            state: if is_current { "current" } else { "superseded" },
            path: Some(path),
            ..Self::unfinished(entry.digest(), kind)
        }
    }

    fn unfinished(digest: &'a str, kind: &'static str) -> Self {
        Self { digest, kind, name: None, size: None, state: "unfinished", origin: None, path: None }
    }

    fn imported(item: &'a Item) -> Self {
        match item {
            Item::Whole(Imported { digest, name, size, origin, iso, .. }) => Self {
                digest,
                kind: "imported",
                name: Some(name),
                size: Some(*size),
                state: "whole",
                origin: Some(origin),
                path: Some(iso),
            },
            Item::Unfinished { key, size, origin } => Self {
                size: Some(*size),
                origin: origin.as_deref(),
                ..Self::unfinished(key, "imported")
            },
        }
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "digest": self.digest,
            "kind": self.kind,
            // As before there was another kind.
            "release": self.name.filter(|_| self.kind != "imported"),
            "name": self.name,
            "size": self.size,
            "state": self.state,
            "current": self.state == "current",
            "origin": self.origin,
            "path": self.path,
        })
    }
}

fn ls(rows: &[Row<'_>], listing: Listing) -> Result<(), Failure> {
    if listing.quiet {
        return print_lines(rows.iter().map(|row| row.digest));
    }
    match listing.format {
        Format::Table => {
            let mut table = Table::new(["DIGEST", "NAME", "SIZE", "KIND", "STATE"]);
            for row in rows {
                let size =
                    row.size.map_or_else(String::new, |size| format!("{} MB", size / 1_000_000));
                let digest = row.digest.chars().take(12).collect();
                let name = row.name.unwrap_or_default().to_owned();
                table.row([digest, name, size, row.kind.to_owned(), row.state.to_owned()]);
            }
            print(&table.to_string())
        }
        Format::Json => print_json("systems", rows.iter().map(Row::json).collect::<Vec<_>>()),
    }
}
