//! `skep env` and `skep shell-init`.

use skep_cluster::environment::make_context;

use super::{
    hand_on,
    machine::{facts::Found, named::named_one, where_is::no_swarm_master},
    print,
};
use crate::{
    args::EnvArgs,
    context::Context,
    failure::Failure,
    shell::{self, Endpoint, Shell},
};

pub(super) async fn env(context: &Context, args: &EnvArgs) -> Result<(), Failure> {
    if args.unset && !args.machine.is_empty() {
        return Err(Failure::failed("--unset needs no machine")
            .with_theirs("Error: Expected no machine name when the -u flag is present"));
    }
    let found = match args.unset {
        true => None,
        false => Some(Found::of(context, &named_one(context, &args.machine)?)?),
    };
    if let (true, Some(Found { cluster, machine })) = (args.context, &found) {
        let made = make_context(cluster, machine, &context.cancel).await?;
        context.say(&format!("Use it:  docker --context {made} node ls"));
        return print(&format!("{made}\n"));
    }
    if let (true, Some(found)) = (args.swarm, &found) {
        return Err(no_swarm_master(found, "Error checking TLS connection"));
    }
    let shell = which_shell(context, args.shell.as_deref())?;
    let (lower, upper) = context.no_proxy();
    let no_proxy = |address: &str| {
        args.no_proxy.then(|| shell::no_proxy(lower.as_deref(), upper.as_deref(), address))
    };
    let settings = match &found {
        None => Endpoint::unset(no_proxy("")),
        Some(found) => {
            let access = found.access()?;
            let endpoint = Endpoint {
                host: access.host,
                cert_path: text(access.certificates)?,
                machine: found.machine.name.to_string(),
            };
            endpoint.settings(no_proxy(&access.address))
        }
    };
    let text = shell::env(shell, &settings, &context.command_line)
        .map_err(|error| Failure::usage(error.to_string()))?;
    hand_on(&text)
}

pub(super) fn shell_init(context: &Context, shell: Option<&str>) -> Result<(), Failure> {
    let shell = which_shell(context, shell)?;
    hand_on(&shell::shell_init(shell, "skep"))
}

/// A path as text that a shell can take.
fn text(path: std::path::PathBuf) -> Result<String, Failure> {
    path.into_os_string().into_string().map_err(|path| {
        let path = path.display().to_string();
        Failure::usage(format!("the store's path {path} is not valid UTF-8: move it with --home"))
    })
}

fn which_shell(context: &Context, named: Option<&str>) -> Result<Shell, Failure> {
    let found = match named {
        Some(name) => name.parse(),
        None => {
            let parent = context.parent_program();
            Shell::detect(parent.as_deref(), context.login_shell().as_deref())
        }
    };
    found.map_err(|error| Failure::usage(error.to_string()))
}
