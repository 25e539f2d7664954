//! Reading fields of an object as the engine sent it, as docker's templates read them: what is not
//! there is empty, maps are in the order of their keys.

use std::fmt::Write as _;

use serde_json::Value;

use crate::visible;

#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Value);

impl<'a> Fields<'a> {
    /// The part at a path of keys, `Spec/Name`; null where there is none.
    pub(super) fn at(self, path: &str) -> Fields<'a> {
        Fields(path.split('/').fold(self.0, |value, key| value.get(key).unwrap_or(&Value::Null)))
    }

    pub(super) fn is_there(self) -> bool {
        !self.0.is_null()
    }

    /// A text as it is, a number or a truth as it is written; empty for anything else.
    pub(super) fn text(self) -> String {
        match self.0 {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => self.0.to_string(),
            _ => String::new(),
        }
    }

    /// A whole number, 0 where there is none.
    pub(super) fn number(self) -> i64 {
        self.0.as_i64().unwrap_or_default()
    }

    /// A number with a fraction, in the precision docker keeps it in, as it writes it.
    pub(super) fn ratio(self) -> String {
        #[expect(clippy::cast_possible_truncation, reason = "docker keeps 32 bits of it")]
        let ratio = self.0.as_f64().unwrap_or_default() as f32;
        if ratio != 0.0 && ratio.abs() < 1e-4 {
            let text = format!("{ratio:e}");
            let (digits, exponent) = text.split_once("e-").unwrap_or((&text, ""));
            return format!("{digits}e-{exponent:0>2}");
        }
        ratio.to_string()
    }

    pub(super) fn list(self) -> impl Iterator<Item = Fields<'a>> {
        self.0.as_array().into_iter().flatten().map(Fields)
    }

    pub(super) fn has_any(self) -> bool {
        match self.0 {
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
            _ => false,
        }
    }

    /// The texts of a list with `between` between them.
    pub(super) fn joined(self, between: &str) -> String {
        self.list().map(Fields::text).collect::<Vec<_>>().join(between)
    }

    /// The entries of a map, by their keys.
    pub(super) fn entries(self) -> Vec<(&'a str, String)> {
        let map = self.0.as_object().into_iter().flatten();
        let mut entries: Vec<_> =
            map.map(|(key, value)| (key.as_str(), Fields(value).text())).collect();
        entries.sort();
        entries
    }
}

/// A screen that grows by lines, each begun by its line's end as in docker's templates.
#[derive(Debug, Default)]
pub(super) struct Screen(String);

impl Screen {
    /// Begins a line. What would act on a terminal is shown, as in tables.
    pub(super) fn line(&mut self, before: &str, text: impl AsRef<str>) {
        self.0.push('\n');
        self.0.push_str(before);
        self.more(text);
    }

    pub(super) fn more(&mut self, text: impl AsRef<str>) {
        self.0.push_str(&visible::line(text.as_ref()));
    }

    /// `before` KEY `between` VALUE for each entry of a map; `between` only where there is a value.
    pub(super) fn entries(&mut self, before: &str, between: &str, entries: &[(&str, String)]) {
        for (key, value) in entries {
            self.line(before, key);
            if !value.is_empty() {
                self.0.push_str(between);
                self.more(value);
            }
        }
    }

    /// Text as it is, for what holds line breaks of its own.
    pub(super) fn as_it_is(&mut self, text: &str) {
        // Writing to a text does not fail.
        let _ = self.0.write_str(text);
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('\n');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ratios_are_written_as_go_writes_them() {
        for (ratio, expected) in
            [(json!(0), "0"), (json!(0.1), "0.1"), (json!(0.25), "0.25"), (json!(1e-5), "1e-05")]
        {
            assert_eq!(Fields(&ratio).ratio(), expected);
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        let value = json!({"A": {"B": [1, "x"]}, "M": {"b": "2", "a": ""}});
        let fields = Fields(&value);
        assert_eq!(fields.at("A/C/D").text(), "");
        assert_eq!(fields.at("A/B").joined("+"), "1+x");
        assert!(!fields.at("C").has_any() && fields.at("A").has_any());
        let mut screen = Screen::default();
        screen.entries(" ", "=", &fields.at("M").entries());
        assert_eq!(screen.end(), "\n a\n b=2\n");
    }
}
