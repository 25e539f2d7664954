//! Quoting: a text as one word of a shell, in the style docker-machine has (`"text"`) as far as
//! the shell lets a text be said in it.

use super::Shell;

/// `text` as one word of `shell`. Control characters must have been refused before.
pub(super) fn quote(shell: Shell, text: &str) -> String {
    match shell {
        Shell::Sh | Shell::Bash | Shell::Zsh => posix(text),
        // Of what is special in double quotes, a backslash takes the meaning.
        Shell::Fish => escaped(text, '\\', |c| matches!(c, '"' | '$' | '\\')),
        Shell::Nu | Shell::Emacs => escaped(text, '\\', |c| matches!(c, '"' | '\\')),
        // PowerShell takes typographic quotes for plain ones.
        Shell::PowerShell => escaped(text, '`', |c| {
            matches!(c, '"' | '$' | '`' | '\u{201c}' | '\u{201d}' | '\u{201e}')
        }),
        Shell::Tcsh => tcsh(text),
        Shell::Cmd => cmd(text),
    }
}

fn escaped(text: &str, escape: char, special: impl Fn(char) -> bool) -> String {
    let mut word = String::from('"');
    for c in text.chars() {
        if special(c) {
            word.push(escape);
        }
        word.push(c);
    }
    word.push('"');
    word
}

/// Double quotes. People write `eval $(…)` without quotes around it, which puts one space where
/// several were: between two spaces an empty `""` keeps them apart.
fn posix(text: &str) -> String {
    let word = escaped(text, '\\', |c| matches!(c, '"' | '$' | '\\' | '`'));
    let mut apart = String::new();
    for c in word.chars() {
        if c == ' ' && apart.ends_with(' ') {
            apart.push_str("\"\"");
        }
        apart.push(c);
    }
    apart
}

/// Double quotes where nothing in them is special; else single quotes, in which only the history
/// character has a meaning (and a quote is said outside of them).
fn tcsh(text: &str) -> String {
    if !text.contains(['"', '$', '`', '\\', '!']) {
        return format!("\"{text}\"");
    }
    let mut word = String::from('\'');
    for c in text.chars() {
        match c {
            '\'' => word.push_str(r"'\''"),
            '!' => word.push_str(r"\!"),
            c => word.push(c),
        }
    }
    word.push('\'');
    word
}

/// Bare as docker-machine has it; in quotes, which then go around `NAME=value` as a whole, where
/// a character would end the command.
fn cmd(text: &str) -> String {
    if text.contains(['&', '|', '<', '>', '^', '(', ')']) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}
