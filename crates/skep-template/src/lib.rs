//! Go templates over JSON values, as docker and docker-machine take them after `--format`.
//!
//! ```
//! use skep_template::{Objects, Template};
//!
//! let machine = serde_json::json!({ "Name": "web1", "Labels": ["env=prod", "tier=web"] });
//! let template = Template::parse("{{.Name}}: {{range .Labels}}{{.}} {{end}}", Objects::Maps)?;
//! assert_eq!(template.render(&machine)?, "web1: env=prod tier=web ");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
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
//! **Never here:** a file, a clock, an environment variable: a template and a value give a text or
//! an error. Nothing panics, whatever is written; nesting is limited, so that the stack is as well.
//!
//! **Start reading** at [`Template`].

mod error;
mod eval;
mod functions;
mod lex;
mod objects;
mod parse;
mod print;
mod printf;
mod template;

pub use error::{ExecutionError, ParseError};
pub use functions::pretty;
pub use objects::Objects;
pub use template::Template;
