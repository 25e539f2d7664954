//! Changing the JSON of a service that is there: what is named and nothing else.

use serde_json::{Value, json};

use crate::api::Mode;
use crate::spec::{
    Options, Resolved, SpecError, Words,
    command::Command,
    container,
    edit::Edit,
    env, image,
    json::{self, child, strings},
    options::Removals,
};

/// The words are docker's.
const NOT_SCALED: SpecError =
    SpecError::Mode { option: "scale", modes: "replicated or replicated-job" };

/// What is to change in a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceUpdate {
    /// Another image; `:latest` is added where there is neither tag nor digest.
    pub image: Option<String>,
    /// In place of the image's own command.
    pub args: Option<Words>,
    /// Whether tasks are replaced even if nothing else changes.
    pub force: bool,
    /// What is set, and what is added to lists.
    pub options: Options,
    pub remove: Removals,
}

impl ServiceUpdate {
    /// Whether a service of that mode can be scaled.
    ///
    /// # Errors
    /// [`SpecError::Mode`] for one with a task on each node; the words are docker's.
    pub fn can_scale(mode: &Mode) -> Result<(), SpecError> {
        match mode {
            Mode::Replicated { .. } | Mode::ReplicatedJob { .. } => Ok(()),
            Mode::Global {} | Mode::GlobalJob {} => Err(NOT_SCALED),
        }
    }

    /// Only how many tasks a service has.
    pub(crate) fn scale(spec: &mut Value, count: u64) -> Result<(), SpecError> {
        let mode = &mut spec["Mode"];
        if mode["Replicated"].is_object() {
            mode["Replicated"]["Replicas"] = count.into();
        } else if mode["ReplicatedJob"].is_object() {
            mode["ReplicatedJob"]["TotalCompletions"] = count.into();
        } else {
            return Err(NOT_SCALED);
        }
        Ok(())
    }

    /// Changes a service's JSON as the engine returned it.
    ///
    /// # Errors
    /// [`SpecError`]; the JSON may then be changed in part.
    pub fn apply(&self, spec: &mut Value, resolved: &Resolved) -> Result<(), SpecError> {
        let options = &self.options;
        let task = child(spec, "TaskTemplate");
        let container = child(task, "ContainerSpec");
        json::set(container, "Image", self.image.as_deref().map(image::with_tag));
        json::set(container, "Args", self.args.as_ref().map(|words| words.0.clone()));
        if !options.env.is_empty() || !self.remove.env.is_empty() {
            let mut all = strings(container, "Env");
            all.retain(|variable| !self.remove.env.iter().any(|gone| gone == env::name(variable)));
            container["Env"] = json!(env::merged(&all, &options.env));
        }
        if !options.cap_add.is_empty() || !options.cap_drop.is_empty() {
            let before =
                (strings(container, "CapabilityAdd"), strings(container, "CapabilityDrop"));
            let (add, drop) = container::changed_capabilities(
                (&before.0, &before.1),
                &options.cap_add,
                &options.cap_drop,
            );
            container["CapabilityAdd"] = json!(add);
            container["CapabilityDrop"] = json!(drop);
        }
        if self.force {
            let count = task["ForceUpdate"].as_u64().unwrap_or_default();
            task["ForceUpdate"] = (count + 1).into();
        }
        self.mode(&mut spec["Mode"])?;
        Edit { options, remove: &self.remove, resolved, command: Command::Update }.apply(spec)
    }

    fn mode(&self, mode: &mut Value) -> Result<(), SpecError> {
        if let Some(count) = self.options.replicas {
            if !mode["Replicated"].is_object() {
                return Err(SpecError::Mode { option: "replicas", modes: "replicated" });
            }
            mode["Replicated"]["Replicas"] = count.into();
        }
        if let Some(count) = self.options.max_concurrent {
            if !mode["ReplicatedJob"].is_object() {
                return Err(SpecError::Mode { option: "max-concurrent", modes: "replicated-job" });
            }
            mode["ReplicatedJob"]["MaxConcurrent"] = count.into();
        }
        Ok(())
    }
}
