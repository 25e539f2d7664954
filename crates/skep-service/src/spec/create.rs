//! The JSON of a new service, with the defaults that the docker CLI sends.

use serde_json::{Value, json};

use crate::spec::{
    Options, Resolved, SpecError, command::Command, container, edit::Edit, env, image,
    options::Removals,
};

/// How many tasks a new service has, and whether they are meant to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NewMode {
    /// So many, anywhere.
    #[default]
    Replicated,
    /// One on each node.
    Global,
    /// So many that each run to their end.
    ReplicatedJob,
    /// One on each node that runs to its end.
    GlobalJob,
}

/// A service to be made.
#[derive(Debug, Clone, Default)]
pub struct ServiceCreate {
    /// Its name; the engine invents one for a service without.
    pub name: Option<String>,
    /// Its image; `:latest` is added where there is neither tag nor digest.
    pub image: String,
    /// In place of the image's own command.
    pub args: Vec<String>,
    pub mode: NewMode,
    pub options: Options,
}

impl ServiceCreate {
    /// The service's JSON, for `POST /services/create`. `resolved` has the identifiers of what the
    /// options name: see [`crate::Services::resolve`].
    pub fn spec(&self, resolved: &Resolved) -> Result<Value, SpecError> {
        let options = &self.options;
        let rollout = options.update.is_asked() || options.rollback.is_asked();
        let is_job = matches!(self.mode, NewMode::ReplicatedJob | NewMode::GlobalJob);
        if is_job && rollout {
            return Err(SpecError::JobRollout);
        }
        self.check_mode()?;
        let base = json!({
            "Name": self.name.as_deref().unwrap_or_default(),
            "Labels": {},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": image::with_tag(&self.image),
                    "Init": false,
                    "DNSConfig": {},
                },
                "Resources": { "Limits": {}, "Reservations": {} },
                "Placement": {},
            },
            "Mode": self.mode(),
            "EndpointSpec": { "Mode": "vip" },
        });
        self.write(base, resolved, Command::Create)
    }

    /// The JSON of a stack's service: with the fields that docker's `stack deploy` always sends, the
    /// image as its file has it, networks by their names, secrets and configs without identifiers.
    pub(crate) fn stack_spec(&self) -> Result<Value, SpecError> {
        let base = json!({
            "Name": self.name.as_deref().unwrap_or_default(),
            "Labels": {},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": self.image,
                    "Privileges": { "CredentialSpec": null, "SELinuxContext": null },
                },
                "Resources": {},
                "Placement": {},
                "ForceUpdate": 0,
            },
            "Mode": self.mode(),
            "EndpointSpec": {},
        });
        self.write(base, &Resolved::default(), Command::Stack)
    }

    fn write(
        &self,
        mut spec: Value,
        resolved: &Resolved,
        command: Command,
    ) -> Result<Value, SpecError> {
        let options = &self.options;
        let (cap_add, cap_drop) = container::new_capabilities(&options.cap_add, &options.cap_drop);
        let container = &mut spec["TaskTemplate"]["ContainerSpec"];
        for (key, list) in [
            ("Args", self.args.clone()),
            ("Env", env::last_of_each(&options.env)),
            ("CapabilityAdd", cap_add),
            ("CapabilityDrop", cap_drop),
        ] {
            if !list.is_empty() {
                container[key] = json!(list);
            }
        }
        Edit { options, remove: &Removals::default(), resolved, command }.apply(&mut spec)?;
        Ok(spec)
    }

    fn check_mode(&self) -> Result<(), SpecError> {
        let Options { replicas, max_concurrent, replicas_max_per_node, .. } = &self.options;
        let only = |asked: bool, option, modes| match asked {
            true => Err(SpecError::Mode { option, modes }),
            false => Ok(()),
        };
        let everywhere = matches!(self.mode, NewMode::Global | NewMode::GlobalJob);
        let modes = "replicated or replicated-job";
        only(everywhere && replicas.is_some(), "replicas", modes)?;
        let limited = replicas_max_per_node.is_some_and(|limit| limit > 0);
        only(everywhere && limited, "replicas-max-per-node", modes)?;
        let is_replicated_job = self.mode == NewMode::ReplicatedJob;
        only(max_concurrent.is_some() && !is_replicated_job, "max-concurrent", "replicated-job")
    }

    fn mode(&self) -> Value {
        let Options { replicas, max_concurrent, .. } = &self.options;
        match self.mode {
            NewMode::Global => json!({ "Global": {} }),
            NewMode::GlobalJob => json!({ "GlobalJob": {} }),
            NewMode::Replicated => match replicas {
                Some(count) => json!({ "Replicated": { "Replicas": count } }),
                None => json!({ "Replicated": {} }),
            },
            NewMode::ReplicatedJob => {
                let mut job = json!({});
                if let Some(count) = max_concurrent.or(*replicas) {
                    job["MaxConcurrent"] = count.into();
                }
                if let Some(count) = replicas {
                    job["TotalCompletions"] = (*count).into();
                }
                json!({ "ReplicatedJob": job })
            }
        }
    }
}
