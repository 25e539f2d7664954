//! Why a template gives nothing, in Go's words.

/// A text that is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: :{line}: {reason}")]
pub struct ParseError {
    /// The line in it, from 1.
    pub line: usize,
    pub reason: String,
}

/// A template that makes nothing of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: :{line}:{column}: executing \"\" at <{at}>: {reason}")]
pub struct ExecutionError {
    /// The line in the template, from 1.
    pub line: usize,
    /// The byte in that line, from 0.
    pub column: usize,
    /// The part of the template that was being evaluated.
    pub at: String,
    pub reason: String,
    /// The field that does not exist, if that is the reason.
    pub missing: Option<String>,
}

/// The line of a byte in a text, from 1.
pub(crate) fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

/// How much of an action an error repeats, in characters.
const CONTEXT: usize = 20;

impl ExecutionError {
    /// An error at the bytes `start..end` of a template.
    pub(crate) fn new(source: &str, (start, end): (usize, usize), reason: String) -> Self {
        let before = source.get(..start).unwrap_or_default();
        let column = before.rfind('\n').map_or(start, |newline| start - newline - 1);
        let text = source.get(start..end).unwrap_or_default();
        let mut at: String = text.chars().take(CONTEXT).collect();
        if text.chars().count() > CONTEXT {
            at.push_str("...");
        }
        Self { line: line(source, start), column, at, reason, missing: None }
    }
}
