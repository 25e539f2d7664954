//! Making services, changing and removing them.

use std::path::Path;

use futures_util::future::join_all;
use secrecy::SecretString;
use skep_model::{Port, Protocol};
use skep_read::limit;
use skep_service::{
    Kind, ServiceError, Services,
    api::{Id, PortProtocol, PublishedPort, Service},
    find::find,
    make::{Made, Resolve},
    spec::{ServiceUpdate, env, image},
};

use super::watch::{together, until_converged};
use crate::{
    args::service::{CreateArgs, RollbackArgs, ScaleArgs, UpdateArgs, flags::RegistryFlags},
    commands::print,
    context::Context,
    failure::{Exit, Failure},
    input, registry_auth,
};

pub(super) async fn create(context: &Context, args: CreateArgs) -> Result<(), Failure> {
    let mut env = Vec::new();
    for file in &args.env_file {
        let named = |error| Failure::usage(format!("{}: {error}", file.display()));
        env.extend(env::file(&read_text(file)?, |name| context.environment(name)).map_err(named)?);
    }
    env.extend(variables(context, &args.env)?);
    let (service, registry, wait) = args.service(env);
    // What makes no sense is reported before a manager is looked for.
    service.spec(&skep_service::spec::Resolved::default()).map_err(ServiceError::from)?;
    let services = services(context, &registry, &service.image).await?;
    let made = services.create(&service, resolve(&registry), &context.cancel).await?;
    warn(context, &made);
    print(&format!("{}\n", made.id))?;
    forward(context, &services, &made.id, service.options.ports()).await;
    until_converged(context, &services, &made.id, &wait).await
}

pub(super) async fn update(context: &Context, args: UpdateArgs) -> Result<(), Failure> {
    let name = args.service.clone();
    let rollback = args.rollback;
    let env = variables(context, &args.add.env_add)?;
    let (update, registry, wait) = args.update(env);
    if rollback {
        let alone = update == ServiceUpdate::default()
            && !registry.with_registry_auth
            && !registry.no_resolve_image;
        if !alone {
            return Err(Failure::usage("other flags may not be combined with --rollback"));
        }
        return roll_back(context, &name, &wait).await;
    }
    let plain = Services::new(&context.manager().await?);
    let service = plain.service(&name, &context.cancel).await?;
    let image = &service.spec.task_template.container_spec.image;
    let image = update.image.as_deref().unwrap_or(image);
    let services = authorised(context, plain, &registry, image)?;
    let made = services.update(&service, &update, resolve(&registry), &context.cancel).await?;
    warn(context, &made);
    print(&format!("{name}\n"))?;
    forward(context, &services, &made.id, update.options.ports()).await;
    until_converged(context, &services, &made.id, &wait).await
}

pub(super) async fn rollback(context: &Context, args: RollbackArgs) -> Result<(), Failure> {
    roll_back(context, &args.service, &args.wait).await
}

async fn roll_back(
    context: &Context,
    name: &str,
    wait: &crate::args::service::Wait,
) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let service = services.service(name, &context.cancel).await?;
    let made = services.roll_back(&service.id, &context.cancel).await?;
    warn(context, &made);
    print(&format!("{name}\n"))?;
    until_converged(context, &services, &service.id, wait).await
}

pub(super) async fn scale(context: &Context, args: ScaleArgs) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let all = services.list(&context.cancel).await?;
    let mut targets: Vec<(&Service, u64)> = Vec::new();
    // Every service is understood before any is changed.
    for scale in &args.services {
        let service = find(Kind::Service, &all, &scale.service)?;
        ServiceUpdate::can_scale(&service.spec.mode)
            .map_err(|error| Failure::usage(format!("{}: {error}", scale.service)))?;
        targets.push((service, scale.replicas));
    }
    for (place, ((service, count), scale)) in targets.iter().zip(&args.services).enumerate() {
        let made = services.scale(&service.id, *count, &context.cancel).await;
        let made = made.map_err(|error| partly(error, place))?;
        warn(context, &made);
        print(&format!("{} scaled to {count}\n", scale.service))?;
    }
    let waits =
        targets.iter().map(|(one, _)| until_converged(context, &services, &one.id, &args.wait));
    together(join_all(waits).await.into_iter().filter_map(Result::err).collect())
}

pub(super) async fn rm(context: &Context, args: &[String]) -> Result<(), Failure> {
    let services = Services::new(&context.manager().await?);
    let all = services.list(&context.cancel).await?;
    let targets: Vec<_> =
        args.iter().map(|name| find(Kind::Service, &all, name)).collect::<Result<_, _>>()?;
    for (place, (service, name)) in targets.iter().zip(args).enumerate() {
        let removed = services.remove(&service.id, &context.cancel).await;
        removed.map_err(|error| partly(error, place))?;
        print(&format!("{name}\n"))?;
    }
    Ok(())
}

/// A failure after so many were changed; the same command goes on with the others.
fn partly(error: ServiceError, changed: usize) -> Failure {
    let failure = Failure::from(error);
    match failure.exit {
        Exit::Failed | Exit::Usage if changed > 0 => Failure { exit: Exit::Partly, ..failure },
        _ => failure,
    }
}

fn warn(context: &Context, made: &Made) {
    for warning in &made.warnings {
        context.events.warn("", warning.trim_end());
    }
}

fn resolve(registry: &RegistryFlags) -> Resolve {
    if registry.no_resolve_image { Resolve::Never } else { Resolve::Registry }
}

async fn services(
    context: &Context,
    registry: &RegistryFlags,
    image: &str,
) -> Result<Services, Failure> {
    let plain = Services::new(&context.manager().await?);
    authorised(context, plain, registry, image)
}

/// The same services, asked about with the credentials for the image's registry, if that is wanted.
fn authorised(
    context: &Context,
    services: Services,
    registry: &RegistryFlags,
    image: &str,
) -> Result<Services, Failure> {
    if !registry.with_registry_auth {
        return Ok(services);
    }
    let directory = context.docker_config();
    let auth = credentials(directory.as_deref(), image::registry(image))?;
    Ok(Services::new(&services.engine().with_registry_auth(&auth)))
}

/// What docker's configuration in `directory` logs in to a registry with.
pub(in crate::commands) fn credentials(
    directory: Option<&Path>,
    registry: &str,
) -> Result<SecretString, Failure> {
    registry_auth::read(directory, registry).map_err(|error| {
        Failure::of(Exit::Usage, &error)
            .with_fix("log in with `docker login` where no credential helper is set up, or leave --with-registry-auth out")
    })
}

fn variables(context: &Context, texts: &[String]) -> Result<Vec<String>, Failure> {
    let variable = |text: &String| env::variable(text, |name| context.environment(name));
    let variables: Result<_, _> = texts.iter().map(variable).collect();
    variables.map_err(|error| Failure::usage(error.to_string()))
}

fn read_text(file: &Path) -> Result<String, Failure> {
    skep_read::lines(file, limit::ENV_FILE, limit::ENV_LINE)
        .map_err(|error| input::cannot(file, &error))
}

/// Has the machines of a cluster answer on published ports at this host, where that takes doing.
/// That it cannot is no failure of the service.
async fn forward(
    context: &Context,
    services: &Services,
    service: &Id,
    asked: impl Iterator<Item = PublishedPort>,
) {
    if context.global.engine.is_some() || asked.count() == 0 {
        return;
    }
    let Ok(cluster) = context.cluster() else { return };
    // The swarm has chosen those that were left open.
    let Ok(service) = services.service(service.as_str(), &context.cancel).await else { return };
    let port = |port: &PublishedPort| {
        let protocol = match port.protocol {
            PortProtocol::Tcp => Protocol::Tcp,
            PortProtocol::Udp => Protocol::Udp,
            _ => return None,
        };
        let number = port.published_port;
        (number != 0).then_some(Port { host: number, machine: number, protocol })
    };
    let ports: Vec<Port> = service.endpoint.ports.iter().filter_map(port).collect();
    if let Err(error) = cluster.publish(&ports, &context.cancel).await {
        let flags: Vec<_> = ports.iter().map(|port| format!("--publish {port}")).collect();
        context.events.warn(
            "",
            format!(
                "the machines do not answer on the published ports at this host: {}; `skep up {}` \
                 tries again",
                crate::failure::one_line(&error),
                flags.join(" ")
            ),
        );
    }
}
