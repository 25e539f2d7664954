//! YAML as it was written: every value with the line it stands on, scalars as text with their
//! notation, so that `1.10` stays `1.10` and a mistake can be shown.
//!
//! Source: YAML 1.2, and the merge key `<<` of YAML 1.1, which Compose files use.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::fault::{Fault, Place};

/// Values in one file, what aliases stand for included. Far more than any stack has, and few
/// enough that a file of aliases to aliases does not fill the memory.
const MAX_VALUES: usize = 100_000;

/// How long all texts of one file may be, in bytes, what aliases stand for included.
const MAX_TEXT: usize = 64 << 20;

/// How deep values may lie within one another.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A text; `plain` if it stands without quotes, so that it may be a number, a truth or null.
    Scalar { text: String, plain: bool },
    /// `[a, b]`
    List(Vec<Node>),
    /// `{a: b}`, in the order written; no key is there twice.
    Map(Vec<Entry>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn text(place: &Place, text: impl Into<String>) -> Self {
        let content = Content::Scalar { text: text.into(), plain: false };
        Self { place: place.clone(), content }
    }

    /// Nothing.
    pub(super) fn null(place: &Place) -> Self {
        let content = Content::Scalar { text: String::new(), plain: true };
        Self { place: place.clone(), content }
    }

    /// A mapping of these, all at one place.
    pub(super) fn map(place: &Place, entries: Vec<(&str, Node)>) -> Self {
        let entry =
            |(key, value): (&str, Node)| Entry { key: key.to_owned(), place: place.clone(), value };
        let content = Content::Map(entries.into_iter().map(entry).collect());
        Self { place: place.clone(), content }
    }

    /// Whether it is `null`, `~` or not there.
    pub(super) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain: true } => {
                matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// The value of a key, if this is a mapping that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let Content::Map(entries) = &self.content else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// As messages call it.
    pub(super) fn kind(&self) -> &'static str {
        match self.content {
            _ if self.is_null() => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }
}

/// The one document of a file.
///
/// # Errors
/// A [`Fault`] at its line: what is no YAML, a key that is there twice, a tag, a second document,
/// aliases without end.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, Fault> {
    let mut builder = Builder {
        file: file.into(),
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        left: MAX_VALUES,
        text_left: MAX_TEXT,
    };
    let mut document = None;
    loop {
        let (event, span) = builder.next()?;
        match event {
            Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            Event::DocumentStart(..) if document.is_none() => {
                let (event, span) = builder.next()?;
                document = Some(builder.node(event, span, 0)?);
            }
            _ => {
                let problem = "a second document begins here; a Compose file has one";
                return Err(Fault::at(&builder.place(span), problem)
                    .with_fix("give each document as a file of its own with its own -c"));
            }
        }
    }
    let empty = Place { file: file.into(), line: 1 };
    document.ok_or_else(|| Fault::at(&empty, "the file is empty"))
}

struct Builder<'text> {
    file: Arc<str>,
    parser: Parser<'text, granit_parser::StrInput<'text>>,
    anchors: HashMap<usize, Node>,
    left: usize,
    text_left: usize,
}

impl<'text> Builder<'text> {
    fn place(&self, span: Span) -> Place {
        Place { file: self.file.clone(), line: span.start.line() }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let place = Place { file: self.file.clone(), line: error.marker().line() };
                Err(Fault::at(&place, format!("this is no YAML: {}", error.info())))
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Fault> {
        let place = self.place(span);
        self.spend(1, 0, &place)?;
        if depth > MAX_DEPTH {
            return Err(Fault::at(&place, format!("values lie deeper than {MAX_DEPTH} levels")));
        }
        let (content, anchor) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Fault::at(&place, "an alias stands within what it stands for"));
                };
                self.spend(values(&node), texts(&node), &place)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let string = known_tag(tag.as_deref(), &place)? == Some("str");
                let plain = style == ScalarStyle::Plain && !string;
                (Content::Scalar { text: text.into_owned(), plain }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                known_tag(tag.as_deref(), &place)?;
                (Content::List(self.list(depth)?), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                known_tag(tag.as_deref(), &place)?;
                (Content::Map(self.entries(depth)?), anchor)
            }
            _ => return Err(Fault::at(&place, "a value is missing")),
        };
        let node = Node { place, content };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn spend(&mut self, values: usize, texts: usize, place: &Place) -> Result<(), Fault> {
        self.text_left = self.text_left.checked_sub(texts).ok_or_else(|| {
            Fault::at(place, format!("the values of the file have more than {MAX_TEXT} bytes"))
                .with_fix("look for aliases of long values")
        })?;
        self.left = self.left.checked_sub(values).ok_or_else(|| {
            Fault::at(place, format!("the file has more than {MAX_VALUES} values"))
                .with_fix("look for aliases of aliases")
        })?;
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Fault> {
        let mut own: Vec<Entry> = Vec::new();
        let mut keys = HashSet::new();
        let mut merged = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match key.content {
                Content::Scalar { text, plain: true } if text == "<<" => merged.push(value),
                Content::Scalar { text, .. } if !keys.insert(text.clone()) => {
                    return Err(Fault::at(&key.place, format!("`{text}` is here a second time"))
                        .with_fix("keep one of them"));
                }
                Content::Scalar { text, .. } => {
                    own.push(Entry { key: text, place: key.place, value });
                }
                _ => return Err(Fault::at(&key.place, "a key must be a single word")),
            }
        }
        for value in merged {
            merge_key(&mut own, value)?;
        }
        Ok(own)
    }
}

/// Takes over what `<<` points at: what the mapping has itself, or has taken over before, stays.
fn merge_key(own: &mut Vec<Entry>, value: Node) -> Result<(), Fault> {
    match value.content {
        Content::Map(entries) => {
            let known: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
            own.extend(entries.into_iter().filter(|entry| !known.contains(&entry.key)));
            Ok(())
        }
        Content::List(maps) => maps.into_iter().try_for_each(|map| match map.content {
            Content::Map(_) => merge_key(own, map),
            _ => Err(Fault::at(&map.place, "`<<` takes mappings only")),
        }),
        Content::Scalar { .. } => Err(Fault::at(&value.place, "`<<` takes mappings only")),
    }
}

fn values(node: &Node) -> usize {
    match &node.content {
        Content::Scalar { .. } => 1,
        Content::List(items) => 1 + items.iter().map(values).sum::<usize>(),
        Content::Map(entries) => {
            1 + entries.iter().map(|entry| 1 + values(&entry.value)).sum::<usize>()
        }
    }
}

fn texts(node: &Node) -> usize {
    match &node.content {
        Content::Scalar { text, .. } => text.len(),
        Content::List(items) => items.iter().map(texts).sum(),
        Content::Map(entries) => {
            entries.iter().map(|entry| entry.key.len() + texts(&entry.value)).sum()
        }
    }
}

/// The core tags change nothing but `!!str`; others would have to mean something.
fn known_tag<'tag>(tag: Option<&'tag Tag>, place: &Place) -> Result<Option<&'tag str>, Fault> {
    match tag {
        None => Ok(None),
        Some(tag) => match tag.core_suffix() {
            Some(core) => Ok(Some(core)),
            None => Err(Fault::at(place, format!("the tag `{}` is not supported", tag.original()))
                .with_fix("leave it out: skep merges files as docs/stacks.md says")),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(text: &str) -> String {
        parse("a.yaml", text).unwrap_err().to_string()
    }

    fn text(node: Option<&Node>) -> (&str, usize) {
        match &node.unwrap().content {
            Content::Scalar { text, .. } => (text, node.unwrap().place.line),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_keep_their_text_and_their_line() {
        let node = parse("a.yaml", "# first\na: 1.10\nb:\n  c: '0444'\n  d: ~\n").unwrap();
        assert_eq!(text(node.get("a")), ("1.10", 2));
        let b = node.get("b").unwrap();
        assert_eq!(text(b.get("c")), ("0444", 4));
        assert!(b.get("d").unwrap().is_null());
        assert!(!b.get("c").unwrap().is_null());
    }

    #[test]
    fn a_merge_key_gives_what_is_not_there() {
        let node = parse(
            "a.yaml",
            "one: &one {a: 1, b: 1}\ntwo: &two {b: 2, c: 2}\nall:\n  <<: [*one, *two]\n  a: 0\n",
        )
        .unwrap();
        let all = node.get("all").unwrap();
        assert_eq!(text(all.get("a")), ("0", 5));
        assert_eq!(text(all.get("b")), ("1", 1));
        assert_eq!(text(all.get("c")), ("2", 2));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_at_its_line() {
        assert_eq!(wrong("a: 1\nb: 2\na: 3\n"), "a.yaml:3: `a` is here a second time");
        assert_eq!(
            wrong("a: 1\n---\nb: 2\n"),
            "a.yaml:2: a second document begins here; a Compose file has one"
        );
        assert_eq!(wrong("a: !reset []\n"), "a.yaml:1: the tag `!reset` is not supported");
        assert_eq!(wrong("a:\n  <<: 3\n"), "a.yaml:2: `<<` takes mappings only");
        assert_eq!(wrong(""), "a.yaml:1: the file is empty");
        assert_eq!(wrong("a: &x [*x]\n"), "a.yaml:1: an alias stands within what it stands for");
        assert!(wrong("a: [1\nb: 2\n").starts_with("a.yaml:2: this is no YAML: "));
        assert!(wrong("a: *nobody\n").starts_with("a.yaml:1: this is no YAML: "));
    }

    #[test]
    fn aliases_of_long_values_end() {
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 99].join(", "));
        assert!(wrong(&long).contains("more than 67108864 bytes"));
    }

    #[test]
    fn aliases_of_aliases_end() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
        }
        assert!(wrong(&bomb).contains("more than 100000 values"));
        let deep = format!("a: {}{}", "[".repeat(100), "]".repeat(100));
        assert!(wrong(&deep).contains("deeper than 64 levels"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-c:&*<{}\\[\\]\\-\n #'\"|>!~0-9]{0,60}") {
            let _ = parse("a.yaml", &text);
        }
    }
}
