//! A command line's words: what stands by itself, and options, as `--name value` or `--name=value`.

use std::collections::VecDeque;

/// The words that are left to read.
#[derive(Debug)]
pub(super) struct Words(VecDeque<String>);

/// One part of a command line.
#[derive(Debug)]
pub(super) enum Word {
    /// An option's name, without its dashes; a value that follows it is asked for.
    Option(String),
    /// Anything else.
    Plain(String),
}

impl Words {
    pub(super) fn new(words: &[String]) -> Self {
        Self(words.iter().cloned().collect())
    }

    /// The next part. A value given with `=` becomes the next word.
    pub(super) fn part(&mut self) -> Option<Word> {
        let word = self.0.pop_front()?;
        let Some(option) = word.strip_prefix("--") else { return Some(Word::Plain(word)) };
        match option.split_once('=') {
            Some((name, value)) => {
                self.0.push_front(value.to_owned());
                Some(Word::Option(name.to_owned()))
            }
            None => Some(Word::Option(option.to_owned())),
        }
    }

    /// The next word, whatever it is.
    pub(super) fn value(&mut self) -> Option<String> {
        self.0.pop_front()
    }
}

/// The plain words of a command line and its options; options in `flags` have no value.
pub(super) fn sorted(words: &[String], flags: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
    let mut words = Words::new(words);
    let (mut plain, mut options) = (Vec::new(), Vec::new());
    while let Some(part) = words.part() {
        match part {
            Word::Plain(word) => plain.push(word),
            Word::Option(name) if flags.contains(&&*name) => options.push((name, String::new())),
            Word::Option(name) => options.push((name, words.value().unwrap_or_default())),
        }
    }
    (plain, options)
}

/// The last value of an option that goes by any of these names.
pub(super) fn option<'a>(options: &'a [(String, String)], names: &[&str]) -> Option<&'a str> {
    let mut all = options.iter().rev();
    all.find(|(name, _)| names.contains(&&**name)).map(|(_, value)| &**value)
}
