//! `skep secret …`, `skep config …`, `skep network …`: what `docker` does with the same words.

use std::path::Path;

use secrecy::SecretSlice;
use skep_model::natural;
use skep_read::limit;
use skep_service::{
    ServiceError, Services,
    objects::{
        NewObject, Object, ObjectKind,
        network::{Network as Found, NewNetwork},
    },
};

use tokio_util::sync::CancellationToken;

use super::{print, print_json, print_lines};
use crate::{
    args::{
        Format,
        objects::{
            Config, CreateNetwork, CreateObject, LsNetworks, LsObjects, Network, Objects, Secret,
        },
    },
    context::Context,
    failure::{Exit, Failure},
    filters, input,
    screens::{ago, docker_json},
    table::Table,
};

pub(super) async fn secret(context: &Context, command: Secret) -> Result<(), Failure> {
    let kind = ObjectKind::Secret;
    match command {
        Secret::Create { create: new, driver } => create(context, kind, new, driver).await,
        Secret::Ls(args) => ls(context, kind, &args).await,
        Secret::Inspect(names) => inspect(context, kind, &names).await,
        Secret::Rm(names) => rm(context, kind, &names).await,
    }
}

pub(super) async fn config(context: &Context, command: Config) -> Result<(), Failure> {
    let kind = ObjectKind::Config;
    match command {
        Config::Create { create: new } => create(context, kind, new, None).await,
        Config::Ls(args) => ls(context, kind, &args).await,
        Config::Inspect(names) => inspect(context, kind, &names).await,
        Config::Rm(names) => rm(context, kind, &names).await,
    }
}

pub(super) async fn network(context: &Context, command: Network) -> Result<(), Failure> {
    match command {
        Network::Create(args) => create_network(context, *args).await,
        Network::Ls(args) => ls_networks(context, &args).await,
        Network::Inspect(names) => {
            let services = Services::new(&context.manager().await?);
            let mut all = Vec::new();
            for network in services.find_networks(&names.names, &context.cancel).await? {
                all.push(services.inspect_network(&network.id, &context.cancel).await?);
            }
            print(&docker_json(&all))
        }
        Network::Rm { networks, force, ingress } => {
            rm_networks(context, &networks, force, ingress).await
        }
    }
}

async fn create(
    context: &Context,
    kind: ObjectKind,
    args: CreateObject,
    driver: Option<String>,
) -> Result<(), Failure> {
    let data = match &args.file {
        Some(file) => content(file, kind, &context.cancel).await?,
        None if driver.is_some() => SecretSlice::from(Vec::new()),
        None => {
            return Err(Failure::usage(format!("what is to be in {} {}?", kind.kind(), args.name))
                .with_fix("give a file, or - for standard input"));
        }
    };
    let new = NewObject {
        name: args.name,
        labels: args.label,
        data,
        driver,
        template_driver: args.template_driver,
    };
    let services = Services::new(&context.manager().await?);
    let id = services.create_object(kind, &new, &context.cancel).await?;
    print(&format!("{id}\n"))
}

/// What is in a file, or comes on standard input; no more than the swarm keeps.
async fn content(
    file: &Path,
    kind: ObjectKind,
    cancel: &CancellationToken,
) -> Result<SecretSlice<u8>, Failure> {
    let limit = match kind {
        ObjectKind::Secret => limit::SECRET,
        ObjectKind::Config => limit::CONFIG,
    };
    let bytes = input::read(file, limit, cancel).await?;
    if bytes.is_empty() {
        return Err(Failure::usage(format!("{}: there is nothing in it", file.display())));
    }
    Ok(SecretSlice::from(bytes))
}

async fn ls(context: &Context, kind: ObjectKind, args: &LsObjects) -> Result<(), Failure> {
    let filters = filters::parse(&args.filter, &filters::OBJECTS)?;
    let services = Services::new(&context.manager().await?);
    let mut all = services.objects(kind, &filters, &context.cancel).await?;
    all.sort_by(|one, other| natural(&one.spec.name, &other.spec.name));
    if args.listing.quiet {
        return print_lines(all.iter().map(|one| &one.id));
    }
    match (args.listing.format, kind) {
        (Format::Table, _) => print(&table(&all, kind, context.now())),
        (Format::Json, ObjectKind::Secret) => print_json("secrets", json(&all, kind)),
        (Format::Json, ObjectKind::Config) => print_json("configs", json(&all, kind)),
    }
}

/// docker's table: secrets have a driver, configs have none.
fn table(all: &[Object], kind: ObjectKind, now: std::time::SystemTime) -> String {
    let times = |one: &Object| {
        [one.created_at, one.updated_at].map(|time| format!("{} ago", ago(time, now)))
    };
    match kind {
        ObjectKind::Secret => {
            let mut table = Table::new(["ID", "NAME", "DRIVER", "CREATED", "UPDATED"]);
            for one in all {
                let [created, updated] = times(one);
                let (name, driver) = (one.spec.name.clone(), one.spec.driver.name.clone());
                table.row([one.id.to_string(), name, driver, created, updated]);
            }
            table.to_string()
        }
        ObjectKind::Config => {
            let mut table = Table::new(["ID", "NAME", "CREATED", "UPDATED"]);
            for one in all {
                let [created, updated] = times(one);
                table.row([one.id.to_string(), one.spec.name.clone(), created, updated]);
            }
            table.to_string()
        }
    }
}

fn json(all: &[Object], kind: ObjectKind) -> Vec<serde_json::Value> {
    let json = |one: &Object| {
        let mut json = serde_json::json!({
            "id": one.id.as_str(),
            "name": one.spec.name,
            "labels": one.spec.labels,
            "created": one.created_at,
            "updated": one.updated_at,
        });
        if kind == ObjectKind::Secret {
            json["driver"] = one.spec.driver.name.as_str().into();
        }
        json
    };
    all.iter().map(json).collect()
}

async fn inspect(context: &Context, kind: ObjectKind, names: &Objects) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let mut all = Vec::new();
    for one in services.find_objects(kind, &names.names, &context.cancel).await? {
        all.push(services.inspect_object(kind, &one.id, &context.cancel).await?);
    }
    print(&docker_json(&all))
}

async fn rm(context: &Context, kind: ObjectKind, names: &Objects) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let targets = services.find_objects(kind, &names.names, &context.cancel).await?;
    for (place, (one, name)) in targets.iter().zip(&names.names).enumerate() {
        let removed = services.remove_object(kind, &one.id, &context.cancel).await;
        removed.map_err(|error| partly(error, place))?;
        print(&format!("{name}\n"))?;
    }
    Ok(())
}

/// A failure after so many were removed; the same command goes on with the others.
fn partly(error: ServiceError, removed: usize) -> Failure {
    let failure = Failure::from(error);
    if removed == 0 { failure } else { Failure { exit: Exit::Partly, ..failure } }
}

async fn create_network(context: &Context, args: CreateNetwork) -> Result<(), Failure> {
    let new = NewNetwork {
        name: args.name,
        driver: args.driver,
        options: args.opt,
        labels: args.label,
        subnets: args.subnet,
        ranges: args.ip_range,
        gateways: args.gateway,
        internal: args.internal,
        attachable: args.attachable,
        ingress: args.ingress,
        ipv6: args.ipv6,
        scope: args.scope,
    };
    let json = new.to_json().map_err(|error| Failure::usage(error.to_string()))?;
    let services = Services::new(&context.manager().await?);
    let id = services.create_network(&json, &context.cancel).await?;
    print(&format!("{id}\n"))
}

async fn ls_networks(context: &Context, args: &LsNetworks) -> Result<(), Failure> {
    let filters = filters::parse(&args.filter, &filters::NETWORKS)?;
    let services = Services::new(&context.manager().await?);
    let mut all = services.networks(&filters, &context.cancel).await?;
    all.sort_by(|one, other| natural(&one.name, &other.name));
    let id = |one: &Found| match args.no_trunc {
        true => one.id.to_string(),
        false => one.id.short().to_owned(),
    };
    if args.listing.quiet {
        return print_lines(all.iter().map(id));
    }
    match args.listing.format {
        Format::Table => {
            let mut table = Table::new(["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
            for one in &all {
                table.row([id(one), one.name.clone(), one.driver.clone(), one.scope.clone()]);
            }
            print(&table.to_string())
        }
        Format::Json => {
            let json = |one: &Found| {
                serde_json::json!({
                    "id": one.id.as_str(),
                    "name": one.name,
                    "driver": one.driver,
                    "scope": one.scope,
                    "ingress": one.ingress,
                    "labels": one.labels,
                })
            };
            print_json("networks", all.iter().map(json).collect::<Vec<_>>())
        }
    }
}

async fn rm_networks(
    context: &Context,
    names: &[String],
    force: bool,
    ingress: bool,
) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let mut targets = Vec::new();
    for name in names {
        let found = services.find_networks(std::slice::from_ref(name), &context.cancel).await;
        match found {
            Ok(networks) => targets.extend(networks.into_iter().map(|network| (network, name))),
            Err(ServiceError::Unknown { .. }) if force => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some((_, name)) = targets.iter().find(|(network, _)| network.ingress && !ingress) {
        let text = format!("{name} is the routing mesh's: without it, no port is published");
        return Err(Failure::preflight(text).with_fix("give --ingress to remove it all the same"));
    }
    for (place, (network, name)) in targets.iter().enumerate() {
        let removed = services.remove_network(&network.id, &context.cancel).await;
        removed.map_err(|error| partly(error, place))?;
        print(&format!("{name}\n"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn objects() -> Vec<Object> {
        let text = r#"[{"ID":"mjcp8pbskwlq263wh4ackqgo9","CreatedAt":"1970-01-01T00:00:00Z",
            "UpdatedAt":"1970-01-01T01:00:00Z","Spec":{"Name":"key","Labels":{"a":"b"},"Driver":null}},
            {"ID":"hzfdkh8pmksodya49d3o32lcf","CreatedAt":"1970-01-01T00:00:00Z",
            "UpdatedAt":"1970-01-01T01:59:00Z","Spec":{"Name":"vault","Labels":null,"Driver":{"Name":"vault"}}}]"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn lists_are_dockers() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(7200);
        insta::assert_snapshot!(table(&objects(), ObjectKind::Secret, now), @r"
        ID                          NAME      DRIVER    CREATED       UPDATED
        mjcp8pbskwlq263wh4ackqgo9   key                 2 hours ago   About an hour ago
        hzfdkh8pmksodya49d3o32lcf   vault     vault     2 hours ago   About a minute ago
        ");
        insta::assert_snapshot!(table(&objects(), ObjectKind::Config, now), @r"
        ID                          NAME      CREATED       UPDATED
        mjcp8pbskwlq263wh4ackqgo9   key       2 hours ago   About an hour ago
        hzfdkh8pmksodya49d3o32lcf   vault     2 hours ago   About a minute ago
        ");
        assert_eq!(json(&objects(), ObjectKind::Secret)[1]["driver"], "vault");
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_refused_before_a_manager_is_asked() {
        let cancel = CancellationToken::new();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data");
        std::fs::write(&file, "").unwrap();
        let (secret, config) = (ObjectKind::Secret, ObjectKind::Config);
        let error = content(&file, secret, &cancel).await.unwrap_err();
        assert!(error.message.text.ends_with("there is nothing in it"), "{error:?}");
        for (kind, most) in [(secret, 511_999), (config, 1_023_999)] {
            std::fs::write(&file, vec![b'x'; most + 1]).unwrap();
            let error = content(&file, kind, &cancel).await.unwrap_err();
            assert!(
                error.message.text.contains(&format!("has {} bytes; at most {most}", most + 1))
            );
            std::fs::write(&file, vec![b'x'; most]).unwrap();
            assert!(content(&file, kind, &cancel).await.is_ok());
        }
        let missing = content(&directory.path().join("none"), secret, &cancel).await;
        assert_eq!(missing.unwrap_err().exit, Exit::Usage);
    }
}
