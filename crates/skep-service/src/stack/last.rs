//! Entries of which the last one of each key counts, however many there are.

use std::collections::HashMap;

use super::yaml::Entry;

/// Entries in the order in which they were given last.
#[derive(Debug, Default)]
pub(super) struct LastOfEach {
    places: HashMap<String, usize>,
    entries: Vec<Option<Entry>>,
}

impl LastOfEach {
    pub(super) fn add(&mut self, entry: Entry) {
        if let Some(earlier) = self.places.insert(entry.key.clone(), self.entries.len()) {
            self.entries[earlier] = None;
        }
        self.entries.push(Some(entry));
        // A file of one variable a hundred thousand times is no more than that variable.
        if self.entries.len() > 2 * self.places.len() + 64 {
            let entries = std::mem::take(&mut self.entries);
            self.entries = entries.into_iter().filter(Option::is_some).collect();
            let keys = self.entries.iter().flatten().map(|entry| entry.key.clone());
            self.places = keys.zip(0..).collect();
        }
    }

    pub(super) fn into_vec(self) -> Vec<Entry> {
        self.entries.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{fault::Place, yaml::Node},
        *,
    };

    proptest! {
        #[test]
        fn it_is_as_if_each_had_been_looked_for(keys in prop::collection::vec("[a-d]", 0..400)) {
            let place = Place { file: "a.yaml".into(), line: 1 };
            let (mut last, mut expected) = (LastOfEach::default(), Vec::new());
            for (number, key) in keys.iter().enumerate() {
                let value = Node::text(&place, number.to_string());
                let entry = Entry { key: key.clone(), place: place.clone(), value };
                expected.retain(|known: &Entry| known.key != *key);
                expected.push(entry.clone());
                last.add(entry);
                prop_assert!(last.entries.len() <= 2 * last.places.len() + 64);
            }
            prop_assert_eq!(last.into_vec(), expected);
        }
    }
}
