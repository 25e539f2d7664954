//! `skep env` and `skep shell-init`.

use skep_cluster::environment::{engine_access, make_context};

use super::print;
use crate::{
    args::EnvArgs,
    context::Context,
    failure::Failure,
    shell::{self, Endpoint, Shell},
};

pub(super) async fn env(context: &Context, args: &EnvArgs) -> Result<(), Failure> {
    if let (true, Some(name)) = (args.context, &args.machine) {
        let cluster = context.cluster()?;
        let made = make_context(&cluster, cluster.machine(name)?, &context.cancel).await?;
        context.say(&format!("Use it:  docker --context {made} node ls"));
        return print(&format!("{made}\n"));
    }
    let shell = which_shell(context, args.shell.as_deref())?;
    let (lower, upper) = context.no_proxy();
    let no_proxy = |address: &str| {
        args.no_proxy.then(|| shell::no_proxy(lower.as_deref(), upper.as_deref(), address))
    };
    let settings = match &args.machine {
        _ if args.unset => Endpoint::unset(no_proxy("")),
        None => return Err(Failure::usage("say which machine, or --unset")),
        Some(name) => {
            let cluster = context.cluster()?;
            let access = engine_access(&cluster, cluster.machine(name)?)?;
            let endpoint = Endpoint {
                host: access.host,
                cert_path: text(access.certificates)?,
                machine: name.clone(),
            };
            endpoint.settings(no_proxy(&access.address))
        }
    };
    let text = shell::env(shell, &settings, &context.command_line)
        .map_err(|error| Failure::usage(error.to_string()))?;
    print(&text)
}

pub(super) fn shell_init(context: &Context, shell: Option<&str>) -> Result<(), Failure> {
    let shell = which_shell(context, shell)?;
    print(&shell::shell_init(shell, "skep"))
}

/// A path that a shell can be told.
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
