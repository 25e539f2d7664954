//! What a deployment of a stack would do: `+` made, `~` changed field by field, `=` as it is,
//! `-` left over.

use std::fmt::Write as _;

use serde_json::Value;
use skep_service::stack::{Action, Change, Plan, Step};

/// The longest value that is shown whole.
const LONGEST: usize = 80;

/// The plan, a line for each object and each field; without `all`, what stays is left out. `prune`
/// says whether what is left over will go.
pub fn screen(plan: &Plan, all: bool, prune: bool) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        // Writing to a string cannot fail.
        let _ = write_step(&mut text, step, all, prune);
    }
    text
}

fn write_step(text: &mut String, step: &Step, all: bool, prune: bool) -> std::fmt::Result {
    let Step { kind, name, action, .. } = step;
    match action {
        Action::Create => writeln!(text, "+ {kind} {name}"),
        Action::Keep if !all => Ok(()),
        Action::Keep => writeln!(text, "= {kind} {name}"),
        Action::Prune if prune => writeln!(text, "- {kind} {name}"),
        Action::Prune => writeln!(text, "- {kind} {name} (left as it is without --prune)"),
        Action::Update(changes) => {
            writeln!(text, "~ {kind} {name}")?;
            changes.iter().try_for_each(|change| write_change(text, change))
        }
    }
}

fn write_change(text: &mut String, change: &Change) -> std::fmt::Result {
    match (&change.old, &change.new) {
        (None, Some(new)) => writeln!(text, "    + {}: {}", change.field, shown(new)),
        (Some(old), None) => writeln!(text, "    - {}: {}", change.field, shown(old)),
        (old, new) => {
            let side = |value: &Option<Value>| value.as_ref().map(shown).unwrap_or_default();
            writeln!(text, "    ~ {}: {} → {}", change.field, side(old), side(new))
        }
    }
}

/// A value as JSON, which shows what a terminal must not be sent as it is.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skep_service::Kind;

    use super::*;

    fn change(field: &str, old: Option<Value>, new: Option<Value>) -> Change {
        Change { field: field.into(), old, new }
    }

    fn plan() -> Plan {
        let changes = vec![
            change("Image", Some(json!("a:1")), Some(json!("a:2"))),
            change("Env", None, Some(json!(["A=\u{1b}[2J", "x".repeat(200)]))),
            change("User", Some(json!("0")), None),
        ];
        let step = |kind, name: &str, action| Step::new(kind, name, action);
        Plan {
            stack: "s".into(),
            steps: vec![
                step(Kind::Network, "s_default", Action::Keep),
                step(Kind::Secret, "s_pw", Action::Create),
                step(Kind::Service, "s_web", Action::Update(changes)),
                step(Kind::Service, "s_old", Action::Prune),
            ],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_plan_is_read_from_its_signs() {
        insta::assert_snapshot!(screen(&plan(), true, true), @r#"
        = network s_default
        + secret s_pw
        ~ service s_web
            ~ Image: "a:1" → "a:2"
            + Env: ["A=\u001b[2J","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
            - User: "0"
        - service s_old
        "#);
    }

    #[test]
    fn before_a_deployment_only_what_changes_is_shown() {
        insta::assert_snapshot!(screen(&plan(), false, false), @r#"
        + secret s_pw
        ~ service s_web
            ~ Image: "a:1" → "a:2"
            + Env: ["A=\u001b[2J","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…
            - User: "0"
        - service s_old (left as it is without --prune)
        "#);
    }
}
