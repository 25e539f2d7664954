//! What a JSON object stands for.

/// What a JSON object stands for: Go's templates treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objects {
    /// A map: what is not in it is `<no value>`, and it prints as `map[a:1 b:2]`, by name.
    Maps,
    /// A struct, the outermost of this type: what is not in it is an error, and it prints as
    /// `{1 2}`, in the order of its fields.
    Structs(&'static str),
}
