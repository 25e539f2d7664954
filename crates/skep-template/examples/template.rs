//! Renders JSON from standard input with a template, as `docker … --format` does:
//!
//! ```text
//! docker inspect web | cargo run --example template '{{range .}}{{.Name}} {{.State.Status}}{{end}}'
//! ```

use std::{error::Error, io};

use skep_template::{Objects, Template};

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn Error>> {
    let source = std::env::args().nth(1).ok_or("what is the template?")?;
    let template = Template::parse(&source, Objects::Maps)?.with_escapes();
    println!("{}", template.render(&serde_json::from_reader(io::stdin())?)?);
    Ok(())
}
