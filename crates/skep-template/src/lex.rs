//! From a template to its texts and the words of its actions.

use serde_json::Number;

use crate::error::{ParseError, line};

/// A word of an action, or a text between two.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Text(String),
    Open,
    Close,
    /// A function's name, or a keyword.
    Word(String),
    /// `.Name`, without its point.
    Field(String),
    /// `$name`, without its sign; `$` is empty.
    Variable(String),
    Dot,
    Quoted(String),
    /// A number, or a character in single quotes.
    Number(Number),
    Pipe,
    Left,
    Right,
    Declare,
    Assign,
    Comma,
    End,
}

/// A token and the bytes it is written in.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) token: Token,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether blanks stand before it.
    pub(crate) spaced: bool,
}

pub(crate) fn lex(source: &str) -> Result<Vec<Item>, ParseError> {
    let mut lexer = Lexer { source, at: 0, action: None, items: Vec::new() };
    lexer.all()?;
    Ok(lexer.items)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    /// Where the action began that is being read.
    action: Option<usize>,
    items: Vec<Item>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn error(&self, reason: impl Into<String>) -> ParseError {
        let mut reason = reason.into();
        let here = line(self.source, self.at);
        let began = self.action.map_or(here, |start| line(self.source, start));
        if began != here {
            let how = if reason.ends_with(" action") { "" } else { " in action" };
            reason = format!("{reason}{how} started at :{began}");
        }
        ParseError { line: here, reason }
    }

    fn push(&mut self, token: Token, start: usize, spaced: bool) {
        self.items.push(Item { token, start, end: self.at, spaced });
    }

    fn all(&mut self) -> Result<(), ParseError> {
        let mut trim = false;
        loop {
            let start = self.at;
            let rest = self.rest();
            let open = rest.find("{{");
            let text = open.map_or(rest, |open| &rest[..open]);
            let text = if trim { text.trim_start() } else { text };
            self.at = self.source.len();
            let Some(open) = open else {
                if !text.is_empty() {
                    self.push(Token::Text(text.to_owned()), start, false);
                }
                self.push(Token::End, self.source.len(), false);
                return Ok(());
            };
            self.at = start + open;
            let begin = self.at;
            let mut inside = self.source.get(begin + 2..).unwrap_or_default();
            let trimmed = inside.strip_prefix('-').filter(|rest| rest.starts_with(is_blank));
            let text = if trimmed.is_some() { text.trim_end() } else { text };
            if !text.is_empty() {
                self.push(Token::Text(text.to_owned()), start, false);
            }
            self.at = begin + 2;
            self.action = Some(begin);
            if let Some(rest) = trimmed {
                self.at += 1;
                inside = rest;
            }
            let blank = inside.len() - inside.trim_start_matches(is_blank).len();
            trim = if trimmed.map_or(inside, |rest| &rest[blank..]).starts_with("/*") {
                self.at += if trimmed.is_some() { blank } else { 0 };
                self.comment()?
            } else {
                self.items.push(Item {
                    token: Token::Open,
                    start: begin,
                    end: self.at,
                    spaced: false,
                });
                self.inside()?
            };
            self.action = None;
        }
    }

    /// Passes over a comment; gives whether blanks behind it go.
    fn comment(&mut self) -> Result<bool, ParseError> {
        let Some(end) = self.rest().find("*/") else {
            return Err(self.error("unclosed comment"));
        };
        self.at += end + 2;
        match self.close() {
            Some(trim) => Ok(trim),
            None => Err(self.error("comment ends before closing delimiter")),
        }
    }

    /// Passes over the action's end, if it is here; gives whether blanks behind it go.
    fn close(&mut self) -> Option<bool> {
        let rest = self.rest();
        if rest.starts_with("}}") {
            self.at += 2;
            return Some(false);
        }
        let trimmed = rest.trim_start_matches(is_blank);
        if trimmed.len() < rest.len() && trimmed.starts_with("-}}") {
            self.at += rest.len() - trimmed.len() + 3;
            return Some(true);
        }
        None
    }

    /// Reads the words of an action, its end included; gives whether blanks behind it go.
    fn inside(&mut self) -> Result<bool, ParseError> {
        loop {
            let start = self.at;
            if let Some(trim) = self.close() {
                self.push(Token::Close, start, false);
                return Ok(trim);
            }
            let rest = self.rest();
            let trimmed = rest.trim_start_matches(is_blank);
            let spaced = trimmed.len() < rest.len();
            if spaced {
                self.at += rest.len() - trimmed.len();
                // The action's end, if it has no mark, is looked for at the top again.
                if self.rest().starts_with("}}") {
                    continue;
                }
            }
            let start = self.at;
            let token = self.token()?;
            self.push(token, start, spaced);
        }
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Err(self.error("unclosed action"));
        };
        let single = match first {
            '|' => Some(Token::Pipe),
            '(' => Some(Token::Left),
            ')' => Some(Token::Right),
            '=' => Some(Token::Assign),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(token) = single {
            self.at += 1;
            return Ok(token);
        }
        match first {
            ':' if rest.starts_with(":=") => {
                self.at += 2;
                Ok(Token::Declare)
            }
            ':' => Err(self.error("expected :=")),
            '"' => self.quoted(),
            '`' => {
                let Some(end) = rest[1..].find('`') else {
                    return Err(self.error("unterminated raw quoted string"));
                };
                self.at += end + 2;
                Ok(Token::Quoted(rest[1..=end].to_owned()))
            }
            '\'' => self.character(),
            '$' => Ok(Token::Variable(self.name(1))),
            '.' if rest[1..].starts_with(is_name) && !rest[1..].starts_with(is_digit) => {
                Ok(Token::Field(self.name(1)))
            }
            '.' if !rest[1..].starts_with(is_digit) => {
                self.at += 1;
                Ok(Token::Dot)
            }
            '.' | '+' | '-' | '0'..='9' => self.number(),
            first if is_name(first) => Ok(Token::Word(self.name(0))),
            other => {
                Err(self
                    .error(format!("unexpected bad character U+{:04X} {other:?}", other as u32)))
            }
        }
    }

    /// Takes a name that begins `skip` bytes from here.
    fn name(&mut self, skip: usize) -> String {
        let rest = self.rest().get(skip..).unwrap_or_default();
        let name: String = rest.chars().take_while(|&c| is_name(c)).collect();
        self.at += skip + name.len();
        name
    }

    /// A text in double quotes; Go's escapes are JSON's and a few more.
    fn quoted(&mut self) -> Result<Token, ParseError> {
        let mut text = String::new();
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        while let Some((place, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += place + 1;
                    return Ok(Token::Quoted(text));
                }
                '\n' => break,
                '\\' => match escape(&mut characters) {
                    Some(character) => text.push(character),
                    None => return Err(self.error("invalid syntax")),
                },
                other => text.push(other),
            }
        }
        Err(self.error("unterminated quoted string"))
    }

    fn character(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let mut characters = rest.char_indices().skip(1);
        let character = match characters.next() {
            Some((_, '\\')) => escape(&mut characters),
            Some((_, character)) if character != '\'' => Some(character),
            _ => None,
        };
        match (character, characters.next()) {
            (Some(character), Some((place, '\''))) => {
                self.at += place + 1;
                Ok(Token::Number(u32::from(character).into()))
            }
            _ => Err(self.error("unterminated character constant")),
        }
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let rest = self.rest();
        let sign = usize::from(rest.starts_with(['+', '-']));
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let mut length = sign + rest[sign..].chars().take_while(|&c| is_part(c)).count();
        // The sign of an exponent: 1e-3.
        if rest[..length].ends_with(['e', 'E']) && rest[length..].starts_with(['+', '-']) {
            length += 1 + rest[length + 1..].chars().take_while(|&c| is_part(c)).count();
        }
        let text = &rest[..length];
        let plain = text.replace('_', "");
        let plain = plain.strip_prefix('+').unwrap_or(&plain);
        let hexadecimal = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X"));
        let number = match hexadecimal {
            Some(digits) => i64::from_str_radix(digits, 16).ok().map(Number::from),
            None => plain
                .parse::<i64>()
                .ok()
                .map(Number::from)
                .or_else(|| Number::from_f64(plain.parse().ok()?)),
        };
        let Some(number) = number else {
            return Err(self.error(format!("bad number syntax: {text:?}")));
        };
        self.at += length;
        Ok(Token::Number(number))
    }
}

/// The character that an escape writes; its backslash has been read.
fn escape(characters: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let (_, kind) = characters.next()?;
    let mut digits = |count: usize| {
        let mut code: u32 = 0;
        for _ in 0..count {
            code = code.checked_mul(16)?.checked_add(characters.next()?.1.to_digit(16)?)?;
        }
        char::from_u32(code)
    };
    match kind {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'v' => Some('\u{b}'),
        'x' => digits(2),
        'u' => digits(4),
        'U' => digits(8),
        '\\' | '"' | '\'' => Some(kind),
        _ => None,
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\n')
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}
