//! Go templates over JSON values: what `--format` takes of docker-machine's users.
//!
//! The language is that of Go's `text/template` (<https://pkg.go.dev/text/template>) without
//! templates that call each other: fields, variables, pipelines, `if`, `with`, `range`, the
//! comparisons, `and`, `or`, `not`, `len`, `index`, `print`, `println`, `printf`, and
//! docker-machine's `json` and `prettyjson`. Values print as Go prints them, and errors are in Go's
//! words, for scripts look at both.
//!
//! No crate on crates.io that is kept up reads this language and prints values so; the engines of
//! other template languages differ in nearly every construct.
//!
//! Pure: a template and a value give a text or an error. Nothing here panics, whatever is written;
//! nesting is limited, so that the stack is as well.
//!
//! **Start reading** at [`Template`].

mod error;
mod eval;
mod functions;
mod lex;
mod parse;
mod print;
mod printf;

pub use error::{ExecutionError, ParseError};
pub(crate) use functions::pretty;
use serde_json::Value;

/// What a JSON object stands for: Go's templates treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// A map: what is not in it is `<no value>`, and it prints as `map[a:1 b:2]`, by name.
    Maps,
    /// A struct, the outermost of this type: what is not in it is an error, and it prints as
    /// `{1 2}`, in the order of its fields.
    Structs(&'static str),
}

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
        eval::render(self, value)
    }
}

#[cfg(test)]
mod tests;
