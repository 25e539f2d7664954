//! JSON as `docker … inspect` prints it.

use std::io;

use serde::Serialize as _;
use serde_json::{Value, ser::Formatter, ser::PrettyFormatter, ser::Serializer};

use crate::visible;

/// The characters that Go's encoder escapes, so that JSON can stand in a web page.
const ESCAPED: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

/// A list with an indent of four and the escapes of Go's encoder; its line has an end.
pub fn docker_json(list: &[Value]) -> String {
    if list.is_empty() {
        return "[]\n".into();
    }
    let mut text = Vec::new();
    let formatter = GoFormatter { pretty: PrettyFormatter::with_indent(b"    ") };
    let written = list.serialize(&mut Serializer::with_formatter(&mut text, formatter));
    debug_assert!(written.is_ok(), "a value that was read can be written");
    visible::json(&String::from_utf8_lossy(&text)) + "\n"
}

struct GoFormatter {
    pretty: PrettyFormatter<'static>,
}

impl Formatter for GoFormatter {
    fn begin_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.begin_array(to)
    }
    fn end_array<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.end_array(to)
    }
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_array_value(to, first)
    }
    fn end_array_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.end_array_value(to)
    }
    fn begin_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.begin_object(to)
    }
    fn end_object<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.end_object(to)
    }
    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.pretty.begin_object_key(to, first)
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.begin_object_value(to)
    }
    fn end_object_value<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.pretty.end_object_value(to)
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(ESCAPED) {
            let (before, from) = rest.split_at(at);
            to.write_all(before.as_bytes())?;
            let mut letters = from.chars();
            if let Some(letter) = letters.next() {
                write!(to, "\\u{:04x}", u32::from(letter))?;
            }
            rest = letters.as_str();
        }
        to.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_look_like_dockers() {
        assert_eq!(docker_json(&[]), "[]\n");
        let value = serde_json::json!({"b": "a <&> b\n", "a": {}, "l": [], "n": [1]});
        let expected = "[\n    {\n        \"b\": \"a \\u003c\\u0026\\u003e b\\n\",\n        \"a\": {},\n        \
            \"l\": [],\n        \"n\": [\n            1\n        ]\n    }\n]\n";
        assert_eq!(docker_json(&[value]), expected);
    }
}
