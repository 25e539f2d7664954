//! `machine inspect`: docker-machine's JSON of a machine, and Go templates over it.

use crate::{context::Context, failure::Failure};

pub(super) async fn inspect(
    context: &Context,
    machines: &[String],
    format: Option<&str>,
) -> Result<(), Failure> {
    let _ = (context, machines, format);
    todo!("D")
}
