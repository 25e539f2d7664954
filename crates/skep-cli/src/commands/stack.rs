//! `skep stack …`: what `docker stack` does, with a look before and a wait after.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use futures_util::future::join_all;
use skep_model::natural;
use skep_read::limit;
use skep_service::{
    Kind,
    spec::image,
    stack::{Action, NAMESPACE_LABEL, Plan, Project, Source, Stacks, Step, check_name},
};

use super::{
    print, print_json, print_lines,
    service::{make::credentials, view, watch},
};
use crate::{
    args::{
        Format, Listing,
        service::{TaskListing, Wait},
        stack::{DeployArgs, Stack},
    },
    context::Context,
    failure::Failure,
    filters,
    input::{self, STDIN},
    progress::Progress,
    screens::{service_ls, stack_plan},
    table::Table,
    visible,
};

pub(super) async fn run(context: &Context, command: Stack) -> Result<(), Failure> {
    match command {
        Stack::Deploy(args) => deploy(context, &args).await,
        Stack::Ls { format } => ls(context, format).await,
        Stack::Ps { stack, tasks } => ps(context, &stack, &tasks).await,
        Stack::Services { stack, filter, listing } => {
            services(context, &stack, &filter, listing).await
        }
        Stack::Rm { stacks, wait } => rm(context, &stacks, &wait).await,
    }
}

/// The files, and the directory that relative paths in them begin at: the first file's.
async fn read(context: &Context, files: &[PathBuf]) -> Result<(Vec<Source>, PathBuf), Failure> {
    let mut sources = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let bytes = input::read(file, limit::COMPOSE_FILE, &context.cancel).await?;
        let text = skep_read::utf8(bytes).map_err(|error| input::cannot(file, &error))?;
        sources.push(Source { name: if name == STDIN { "stdin".into() } else { name }, text });
    }
    let first = files.iter().find(|file| file.as_os_str() != STDIN).or(files.first());
    let parent = first.and_then(|file| file.parent()).unwrap_or(Path::new(""));
    let directory =
        std::path::absolute(if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let nowhere = |error| Failure::failed(format!("cannot tell the current directory: {error}"));
    Ok((sources, directory.map_err(nowhere)?))
}

async fn deploy(context: &Context, args: &DeployArgs) -> Result<(), Failure> {
    let (sources, directory) = read(context, &args.compose_files).await?;
    let project = Project::load(&args.stack, &sources, &directory, &context.variables())?;
    for warning in &project.warnings {
        context.events.warn("", warning.as_str());
    }
    let stacks = Stacks::new(&context.manager().await?);
    let stacks =
        if args.with_registry_auth { authorised(context, stacks, &project)? } else { stacks };
    let plan = stacks.plan(&project, args.resolve_image.into(), &context.cancel).await?;
    for warning in &plan.warnings {
        context.events.warn("", warning.trim_end());
    }
    if args.dry_run {
        return print(&stack_plan::screen(&plan, true, args.prune));
    }
    // What reads JSON lines reads the plan with --dry-run.
    if context.global.progress != Progress::Json {
        let plan = stack_plan::screen(&plan, false, args.prune);
        io::stderr().lock().write_all(visible::text(&plan).as_bytes())?;
    }
    apply(context, &stacks, &plan, args).await
}

/// The same stacks, asked about with the credentials for the registries of the images.
fn authorised(context: &Context, stacks: Stacks, project: &Project) -> Result<Stacks, Failure> {
    let images = project.services.iter().map(|wanted| image::registry(&wanted.image));
    let registries: BTreeSet<_> = images.collect();
    let directory = context.docker_config();
    registries.into_iter().try_fold(stacks, |stacks, registry| {
        Ok(stacks.with_registry_auth(registry, &credentials(directory.as_deref(), registry)?))
    })
}

async fn apply(
    context: &Context,
    stacks: &Stacks,
    plan: &Plan,
    args: &DeployArgs,
) -> Result<(), Failure> {
    let mut said = Ok(());
    let mut say = |step: &Step| {
        let line = print(&doing(step));
        if said.is_ok() {
            said = line;
        }
    };
    let warn = |text: String| context.events.warn("", text);
    let deployed = stacks.apply(plan, &mut say, warn, &context.cancel).await?;
    let waited = join_all(deployed.iter().map(|service| {
        watch::until_converged(context, stacks.services(), &service.id, &args.wait)
    }))
    .await;
    let failures: Vec<_> = waited.into_iter().filter_map(Result::err).collect();
    watch::together(failures).map_err(|mut failure| {
        let left: Vec<_> = plan.pruned().map(|step| step.name.as_str()).collect();
        if args.prune && !left.is_empty() {
            let text = format!("nothing was pruned: {} still there", left.join(", "));
            failure.causes.push(text.into());
        }
        failure
    })?;
    if args.prune {
        stacks.prune(plan, &mut say, &context.cancel).await?;
    }
    said
}

/// docker's line for a step, as it does it.
fn doing(step: &Step) -> String {
    let Step { kind, name, action, id, .. } = step;
    let id = id.as_ref().map(|id| format!(" (id: {id})")).unwrap_or_default();
    match action {
        Action::Create => format!("Creating {kind} {name}\n"),
        Action::Update(_) => format!("Updating {kind} {name}{id}\n"),
        Action::Keep => format!("Unchanged {kind} {name}{id}\n"),
        Action::Prune => format!("Removing {kind} {name}\n"),
    }
}

async fn ls(context: &Context, format: Format) -> Result<(), Failure> {
    let stacks = Stacks::new(&context.manager().await?).list(&context.cancel).await?;
    let mut stacks: Vec<_> = stacks.into_iter().collect();
    stacks.sort_by(|(one, _), (other, _)| natural(one, other));
    match format {
        Format::Table => {
            let mut table = Table::new(["NAME", "SERVICES"]);
            for (name, count) in stacks {
                table.row([name, count.to_string()]);
            }
            print(&table.to_string())
        }
        Format::Json => {
            let json = |(name, count)| serde_json::json!({"name": name, "services": count});
            print_json("stacks", stacks.into_iter().map(json).collect::<Vec<_>>())
        }
    }
}

/// The label by which all that a stack has is found.
fn label(stack: &str) -> Result<String, Failure> {
    check_name(stack)?;
    Ok(format!("{NAMESPACE_LABEL}={stack}"))
}

async fn ps(context: &Context, stack: &str, how: &TaskListing) -> Result<(), Failure> {
    let label = label(stack)?;
    let mut filters = filters::parse(&how.filter, &filters::TASKS)?;
    filters.push(("label", &label));
    let stacks = Stacks::new(&context.manager().await?);
    let names = view::names(how);
    let rows = stacks.services().task_rows(&filters, names, &context.cancel).await?;
    if rows.is_empty() {
        return Err(Failure::failed(format!("nothing found in stack: {stack}")));
    }
    // Here, and not in `service ps`, docker cuts identifiers for programs as it does for people.
    if how.listing.quiet && !how.no_trunc {
        return print_lines(rows.iter().map(|row| row.id.short()));
    }
    view::print_tasks(context, &rows, how)
}

async fn services(
    context: &Context,
    stack: &str,
    filter: &[String],
    listing: Listing,
) -> Result<(), Failure> {
    let label = label(stack)?;
    let mut filters = filters::parse(filter, &filters::SERVICES)?;
    filters.push(("label", &label));
    let stacks = Stacks::new(&context.manager().await?);
    let rows = stacks.services().service_rows(&filters, &context.cancel).await?;
    if rows.is_empty() && listing.format == Format::Table {
        return Ok(writeln!(io::stderr(), "Nothing found in stack: {stack}")?);
    }
    if listing.quiet {
        return print_lines(rows.iter().map(|row| row.id.short()));
    }
    match listing.format {
        Format::Table => print(&service_ls::table(&rows)),
        Format::Json => {
            print_json("services", rows.iter().map(service_ls::json).collect::<Vec<_>>())
        }
    }
}

async fn rm(context: &Context, names: &[String], wait: &Wait) -> Result<(), Failure> {
    // All names are understood before anything is removed.
    names.iter().try_for_each(|name| check_name(name))?;
    let stacks = Stacks::new(&context.manager().await?);
    let mut failures = Vec::new();
    for name in names {
        let parts = stacks.parts(name, &context.cancel).await?;
        if parts.is_empty() {
            writeln!(io::stderr(), "Nothing found in stack: {name}")?;
            continue;
        }
        let tell = |kind: Kind, name: &str| {
            // Whether the line is read or not, removing goes on.
            let _ = print(&format!("Removing {kind} {name}\n"));
        };
        let wait = (!wait.detach).then_some(wait.timeout);
        match stacks.remove(name, &parts, wait, tell, &context.cancel).await {
            Err(error) if error.is_cancelled() => return Err(error.into()),
            Err(error) => failures.push(Failure::from(error)),
            Ok(()) => {}
        }
    }
    let mut failures = failures.into_iter();
    let Some(mut first) = failures.next() else { return Ok(()) };
    for failure in failures {
        first.causes.push(failure.message);
        first.causes.extend(failure.causes);
    }
    Err(first)
}
