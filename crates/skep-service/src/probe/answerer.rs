//! Which task has answered, where an answer tells.
//!
//! A container's host name is the beginning of its identifier, and many programs answer with it
//! (`X-Served-By`, `whoami`); others are given a task's name or identifier in their environment.
//! So an answer is searched for words that look like one.

use std::collections::{BTreeMap, HashMap};

use crate::api::{Mode, Service, Task};

/// How much of a body is searched.
const SEARCHED: usize = 4096;

/// Clues of one answer, at most.
const MOST: usize = 8;

/// Words of an answer's headers and body that may be an identifier: of a container (12 or 64
/// hexadecimal digits, of which the first 12 are taken), or of a task (25 of `0-9a-z`).
pub(super) fn clues<'a>(headers: impl Iterator<Item = &'a [u8]>, body: &'a [u8]) -> Vec<String> {
    let body = &body[..body.len().min(SEARCHED)];
    let mut clues = Vec::new();
    for text in headers.chain([body]) {
        for word in text.split(|byte| !byte.is_ascii_alphanumeric()) {
            let hex = word.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            let base36 = word.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'));
            let clue = match word.len() {
                12 | 64 if hex => &word[..12],
                25 if base36 => word,
                _ => continue,
            };
            let clue = String::from_utf8_lossy(clue).into_owned();
            if clues.len() < MOST && !clues.contains(&clue) {
                clues.push(clue);
            }
        }
    }
    clues
}

/// The tasks that may answer, by everything that identifies them.
#[derive(Debug, Clone, Default)]
pub(super) struct Answerers {
    names: HashMap<String, String>,
}

impl Answerers {
    /// Adds tasks of a service, called as lists call them: `web.1`, or `web.worker2` for a service
    /// with one task on each node. `node` gives a node's name by its identifier.
    pub(super) fn add(&mut self, service: &Service, tasks: &[Task], node: impl Fn(&str) -> String) {
        let each_node = matches!(service.spec.mode, Mode::Global {} | Mode::GlobalJob {});
        for task in tasks {
            let place = match each_node {
                true => node(task.node_id.as_str()),
                false => task.slot.to_string(),
            };
            let name = format!("{}.{place}", service.spec.name);
            if let Some(container) = &task.status.container_status
                && let Some(short) = container.container_id.get(..12)
            {
                self.names.insert(short.to_owned(), name.clone());
            }
            self.names.insert(task.id.as_str().to_owned(), name);
        }
    }

    /// How often each task answered, from how often each set of clues was seen.
    pub(super) fn count(&self, seen: &BTreeMap<Vec<String>, u64>) -> BTreeMap<String, u64> {
        let mut counted = BTreeMap::new();
        for (clues, count) in seen {
            if let Some(name) = clues.iter().find_map(|clue| self.names.get(clue)) {
                *counted.entry(name.clone()).or_default() += count;
            }
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TASK: &str = "0123456789abcdefghijklmno";
    const CONTAINER: &str = "b7a4c1708ca39995594c841128c0c4959d296f29aee2239ff752eb4bbe3532ad";

    #[test]
    fn identifiers_are_found_wherever_an_answer_has_them() {
        let found = clues(
            [&b"b7a4c1708ca3"[..], b"nginx/1.26"].into_iter(),
            b"I am web.1.0123456789abcdefghijklmno!",
        );
        assert_eq!(found, ["b7a4c1708ca3", TASK]);
        assert_eq!(clues([].into_iter(), CONTAINER.as_bytes()), ["b7a4c1708ca3"]);
        assert!(
            clues([&b"B7A4C1708CA3"[..]].into_iter(), b"b7a4c1708cag 012345678901234567890123")
                .is_empty()
        );
    }

    #[test]
    fn an_answer_with_two_clues_to_one_task_counts_once() {
        let service: Service = serde_json::from_value(json!({"Spec": {"Name": "web"}})).unwrap();
        let task: Task = serde_json::from_value(json!({
            "ID": TASK, "Slot": 3, "Status": {"ContainerStatus": {"ContainerID": CONTAINER}}
        }))
        .unwrap();
        let mut answerers = Answerers::default();
        answerers.add(&service, &[task], |_| String::new());
        let both = clues([&b"b7a4c1708ca3"[..]].into_iter(), TASK.as_bytes());
        let seen = BTreeMap::from([
            (both, 5),
            (vec!["000000000000".to_owned()], 9),
            (vec![TASK.to_owned()], 2),
        ]);
        assert_eq!(answerers.count(&seen), BTreeMap::from([("web.3".to_owned(), 7)]));
    }
}
