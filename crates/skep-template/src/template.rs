//! A template that has been understood.

use serde_json::Value;

use crate::{ExecutionError, Objects, ParseError, eval, parse};

/// A template that has been understood.
#[derive(Debug, Clone)]
pub struct Template {
    source: String,
    objects: Objects,
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`ParseError`], in Go's words.
    pub fn parse(source: &str, objects: Objects) -> Result<Self, ParseError> {
        let nodes = parse::parse(source)?;
        Ok(Self { source: source.to_owned(), objects, nodes })
    }

    /// The same template, with `\t` and `\n` in its text (not in its actions) made the characters
    /// that they write.
    #[must_use]
    pub fn with_escapes(mut self) -> Self {
        parse::each_text(&mut self.nodes, &|text| {
            *text = text.replace(r"\t", "\t").replace(r"\n", "\n");
        });
        self
    }

    /// What it makes of a value.
    ///
    /// # Errors
    /// [`ExecutionError`], in Go's words.
    pub fn render(&self, value: &Value) -> Result<String, ExecutionError> {
        eval::render(&self.source, &self.nodes, self.objects, value)
    }
}
