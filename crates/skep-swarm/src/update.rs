//! A change of a node, applied to the specification as the engine returned it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use skep_api::Availability;
use skep_model::Role;

/// What shall change about a node; what is not named stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeUpdate {
    /// Whether it is given tasks.
    pub availability: Option<Availability>,
    pub role: Option<Role>,
    /// Labels to set; a label that is there gets the new value.
    pub label_add: BTreeMap<String, String>,
    /// Labels to take away; one that is not there is no error.
    pub label_rm: BTreeSet<String>,
}

impl NodeUpdate {
    /// Moves its tasks away and gives it no new ones.
    pub fn drain() -> Self {
        Self { availability: Some(Availability::Drain), ..Self::default() }
    }

    /// Gives it tasks again. Those that were moved away stay where they are.
    pub fn activate() -> Self {
        Self { availability: Some(Availability::Active), ..Self::default() }
    }

    /// Makes it a manager.
    pub fn promote() -> Self {
        Self { role: Some(Role::Manager), ..Self::default() }
    }

    /// Makes it a worker.
    pub fn demote() -> Self {
        Self { role: Some(Role::Worker), ..Self::default() }
    }

    /// Sets a label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.label_add.insert(name.into(), value.into());
        self
    }

    /// Edits a node's specification (the API's `NodeSpec`) and says whether that changed it.
    /// Labels are taken away before others are set.
    pub fn apply(&self, spec: &mut Value) -> bool {
        let before = spec.clone();
        if let Some(availability) = &self.availability {
            spec["Availability"] = json!(availability);
        }
        if let Some(role) = self.role {
            spec["Role"] = json!(role);
        }
        if !self.label_rm.is_empty()
            && let Some(labels) = spec.get_mut("Labels").and_then(Value::as_object_mut)
        {
            labels.retain(|name, _| !self.label_rm.contains(name));
        }
        if !self.label_add.is_empty() {
            // An engine sends null where there are none.
            if !spec["Labels"].is_object() {
                spec["Labels"] = Map::new().into();
            }
            for (name, value) in &self.label_add {
                spec["Labels"][name] = value.as_str().into();
            }
        }
        *spec != before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_newer_engine_knows_survives() {
        let mut spec = json!({"Role": "worker", "Labels": {"a": "1", "b": "2"}, "Availability": "active",
            "Name": "n", "Future": {"Deep": [1, 2]}});
        let update = NodeUpdate {
            label_rm: BTreeSet::from(["a".to_owned(), "absent".to_owned()]),
            ..NodeUpdate::drain().label("c", "")
        };
        assert!(update.apply(&mut spec));
        assert_eq!(
            spec,
            json!({"Role": "worker", "Labels": {"b": "2", "c": ""}, "Availability": "drain",
                "Name": "n", "Future": {"Deep": [1, 2]}})
        );
        assert!(!update.apply(&mut spec), "asked again, there is nothing to do");
    }

    #[test]
    fn labels_that_are_null_can_be_added_to() {
        let mut spec = json!({"Role": "worker", "Labels": null, "Availability": "active"});
        assert!(NodeUpdate::default().label("disk", "ssd").apply(&mut spec));
        assert_eq!(spec["Labels"], json!({"disk": "ssd"}));
    }

    fn any_update() -> impl Strategy<Value = NodeUpdate> {
        let availability = prop_oneof![
            Just(None),
            Just(Some(Availability::Active)),
            Just(Some(Availability::Pause)),
            Just(Some(Availability::Drain))
        ];
        let role = prop_oneof![Just(None), Just(Some(Role::Manager)), Just(Some(Role::Worker))];
        let labels = prop::collection::btree_map("[a-d]", "[xy]?", 0..3);
        let gone = prop::collection::btree_set("[a-d]", 0..3);
        (availability, role, labels, gone).prop_map(|(availability, role, label_add, label_rm)| {
            NodeUpdate { availability, role, label_add, label_rm }
        })
    }

    proptest! {
        #[test]
        fn an_update_changes_only_what_it_names_and_only_once(update in any_update(), labels in prop::collection::btree_map("[a-d]", "[xy]?", 0..4)) {
            let before = json!({"Role": "worker", "Labels": labels, "Availability": "active", "Kept": 1});
            let mut spec = before.clone();
            prop_assert_eq!(update.apply(&mut spec), spec != before);
            prop_assert_eq!(&spec["Kept"], &before["Kept"]);
            if update.role.is_none() { prop_assert_eq!(&spec["Role"], &before["Role"]); }
            if update.availability.is_none() { prop_assert_eq!(&spec["Availability"], &before["Availability"]); }
            for (name, value) in &labels {
                if !update.label_rm.contains(name) && !update.label_add.contains_key(name) {
                    prop_assert_eq!(&spec["Labels"][name], &json!(value));
                }
            }
            let once = spec.clone();
            update.apply(&mut spec);
            prop_assert_eq!(spec, once);
        }
    }
}
