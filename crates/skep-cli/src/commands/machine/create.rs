//! `machine create`.

use crate::{args::machine::Create, context::Context, failure::Failure};

pub(super) async fn create(context: &Context, args: Create) -> Result<(), Failure> {
    let _ = (context, args);
    todo!("C")
}
