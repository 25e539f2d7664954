//! From words to a tree.

use serde_json::Value;

use crate::{
    error::{ParseError, line},
    functions,
    lex::{Item, Token, lex},
};

/// How deep blocks and brackets may lie in each other.
const DEPTH: usize = 64;

/// The bytes of a template that something is written in.
pub(crate) type Place = (usize, usize);

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Text(String),
    /// What a pipeline gives.
    Action(Pipe),
    /// `if`, `with` or `range`.
    Block(Block),
    Break,
    Continue,
}

/// What a block does with its pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    If,
    With,
    Range,
}

#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) kind: Kind,
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Commands, each given what the one before gives.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) variables: Vec<String>,
    pub(crate) declares: bool,
    pub(crate) commands: Vec<Command>,
    pub(crate) place: Place,
}

/// A value, or a function with its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) operands: Vec<Operand>,
    pub(crate) place: Place,
}

/// A value with fields of it.
#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) base: Base,
    pub(crate) fields: Vec<String>,
    pub(crate) place: Place,
}

#[derive(Debug, Clone)]
pub(crate) enum Base {
    Dot,
    Literal(Value),
    Variable(String),
    Function(String),
    Pipe(Box<Pipe>),
}

/// Calls `with` for every text outside of actions.
pub(crate) fn each_text(nodes: &mut [Node], with: &impl Fn(&mut String)) {
    for node in nodes {
        match node {
            Node::Text(text) => with(text),
            Node::Block(block) => {
                each_text(&mut block.body, with);
                each_text(&mut block.otherwise, with);
            }
            Node::Action(_) | Node::Break | Node::Continue => {}
        }
    }
}

pub(crate) fn parse(source: &str) -> Result<Vec<Node>, ParseError> {
    let items = lex(source)?;
    let mut parser =
        Parser { source, items, next: 0, depth: 0, ranges: 0, variables: vec![String::new()] };
    let (nodes, end) = parser.list()?;
    match end {
        Ending::Template => Ok(nodes),
        Ending::End => Err(parser.error("unexpected {{end}}")),
        Ending::Else => Err(parser.error("unexpected {{else}}")),
    }
}

/// What a list of nodes ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Template,
    End,
    /// The action is read up to the word behind `else`.
    Else,
}

struct Parser<'a> {
    source: &'a str,
    items: Vec<Item>,
    next: usize,
    depth: usize,
    /// How many `range` there are around.
    ranges: usize,
    /// The variables there are; `$` is there always.
    variables: Vec<String>,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.items.get(self.next).map_or(&Token::End, |item| &item.token)
    }

    fn start(&self) -> usize {
        self.items.get(self.next).map_or(self.source.len(), |item| item.start)
    }

    fn end(&self) -> usize {
        self.next.checked_sub(1).and_then(|last| self.items.get(last)).map_or(0, |item| item.end)
    }

    fn is_spaced(&self) -> bool {
        self.items.get(self.next).is_none_or(|item| item.spaced)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn error(&self, reason: impl Into<String>) -> ParseError {
        let at = self.items.get(self.next.saturating_sub(1)).map_or(0, |item| item.start);
        ParseError { line: line(self.source, at), reason: reason.into() }
    }

    fn unexpected(&mut self, context: &str) -> ParseError {
        let item = self.items.get(self.next).cloned();
        self.next += 1;
        let what = match item {
            None => "EOF".to_owned(),
            Some(item) if item.token == Token::End => "EOF".to_owned(),
            Some(item) if item.token == Token::Close => "\"}}\"".to_owned(),
            Some(item) => {
                format!("<{}>", self.source.get(item.start..item.end).unwrap_or_default())
            }
        };
        self.error(format!("unexpected {what} in {context}"))
    }

    /// Goes one level deeper, if that is not too deep.
    fn deeper(&mut self) -> Result<(), ParseError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.error("it is nested too deeply"));
        }
        Ok(())
    }

    /// Reads nodes up to the end of the template or of the block they are in.
    fn list(&mut self) -> Result<(Vec<Node>, Ending), ParseError> {
        let mut nodes = Vec::new();
        loop {
            match self.take() {
                Token::Text(text) => nodes.push(Node::Text(text)),
                Token::Open => match self.peek().clone() {
                    Token::Word(word) if word == "end" => {
                        self.next += 1;
                        self.close("end")?;
                        return Ok((nodes, Ending::End));
                    }
                    Token::Word(word) if word == "else" => {
                        self.next += 1;
                        return Ok((nodes, Ending::Else));
                    }
                    Token::Word(word) => nodes.push(self.keyword(&word)?),
                    _ => nodes.push(self.action()?),
                },
                _ => return Ok((nodes, Ending::Template)),
            }
        }
    }

    fn close(&mut self, context: &str) -> Result<(), ParseError> {
        match self.peek() {
            Token::Close => {
                self.next += 1;
                Ok(())
            }
            _ => Err(self.unexpected(context)),
        }
    }

    fn action(&mut self) -> Result<Node, ParseError> {
        let pipe = self.pipe("command")?;
        self.close("command")?;
        Ok(Node::Action(pipe))
    }

    fn keyword(&mut self, word: &str) -> Result<Node, ParseError> {
        let kind = match word {
            "if" => Kind::If,
            "with" => Kind::With,
            "range" => Kind::Range,
            "break" | "continue" => {
                self.next += 1;
                if self.ranges == 0 {
                    return Err(self.error(format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                self.close(word)?;
                return Ok(if word == "break" { Node::Break } else { Node::Continue });
            }
            "define" | "template" | "block" => {
                return Err(self.error(format!("{{{{{word}}}}} is not understood here")));
            }
            _ => return self.action(),
        };
        self.next += 1;
        Ok(Node::Block(self.block(kind)?))
    }

    /// Reads a block; its keyword has been read.
    fn block(&mut self, kind: Kind) -> Result<Block, ParseError> {
        let context = match kind {
            Kind::If => "if",
            Kind::With => "with",
            Kind::Range => "range",
        };
        self.deeper()?;
        let known = self.variables.len();
        let pipe = self.pipe(context)?;
        self.close(context)?;
        let inner = usize::from(kind == Kind::Range);
        self.ranges += inner;
        let (body, ending) = self.list()?;
        self.ranges -= inner;
        let mut otherwise = Vec::new();
        match ending {
            Ending::Template => return Err(self.error("unexpected EOF")),
            Ending::End => {}
            Ending::Else => match self.peek().clone() {
                // `else if` and `else with` are a block in the other branch with a common end.
                Token::Word(word) if word == "if" && kind == Kind::If => {
                    self.next += 1;
                    otherwise.push(Node::Block(self.block(kind)?));
                }
                Token::Word(word) if word == "with" && kind == Kind::With => {
                    self.next += 1;
                    otherwise.push(Node::Block(self.block(kind)?));
                }
                _ => {
                    self.close("else")?;
                    let (nodes, ending) = self.list()?;
                    otherwise = nodes;
                    match ending {
                        Ending::End => {}
                        Ending::Template => return Err(self.error("unexpected EOF")),
                        Ending::Else => return Err(self.error("expected end; found {{else}}")),
                    }
                }
            },
        }
        self.variables.truncate(known);
        self.depth -= 1;
        Ok(Block { kind, pipe, body, otherwise })
    }

    fn pipe(&mut self, context: &str) -> Result<Pipe, ParseError> {
        let start = self.start();
        let (variables, declares) = self.assigned(context)?;
        let mut commands = Vec::new();
        loop {
            commands.push(self.command(context)?);
            match self.peek() {
                Token::Pipe => self.next += 1,
                _ => break,
            }
        }
        // What only is a value cannot be given one.
        let is_value = |command: &Command| match command.operands.first() {
            Some(Operand { base: Base::Function(_), fields, .. }) => !fields.is_empty(),
            Some(Operand { base: Base::Literal(_), .. }) => true,
            _ => false,
        };
        if let Some(place) = commands.iter().skip(1).position(is_value) {
            let text = format!("non executable command in pipeline stage {}", place + 2);
            return Err(self.error(text));
        }
        Ok(Pipe { variables, declares, commands, place: (start, self.end()) })
    }

    /// Reads `$a, $b :=` or `$a =`, if that is there.
    fn assigned(&mut self, context: &str) -> Result<(Vec<String>, bool), ParseError> {
        let begin = self.next;
        let mut names = Vec::new();
        while let Token::Variable(name) = self.peek().clone() {
            self.next += 1;
            names.push(name);
            match self.peek() {
                Token::Comma if context == "range" && names.len() < 2 => self.next += 1,
                Token::Declare => {
                    self.next += 1;
                    self.variables.extend(names.iter().cloned());
                    return Ok((names, true));
                }
                Token::Assign => {
                    self.next += 1;
                    if let Some(unknown) = names.iter().find(|name| !self.variables.contains(name))
                    {
                        return Err(self.error(format!("undefined variable \"${unknown}\"")));
                    }
                    return Ok((names, false));
                }
                _ => break,
            }
        }
        self.next = begin;
        Ok((Vec::new(), false))
    }

    fn command(&mut self, context: &str) -> Result<Command, ParseError> {
        let start = self.start();
        let mut operands: Vec<Operand> = Vec::new();
        while let Some(operand) = self.operand(context)? {
            operands.push(operand);
        }
        match operands.as_slice() {
            [] if matches!(self.peek(), Token::Close | Token::Pipe | Token::Right) => {
                Err(self.error(format!("missing value for {context}")))
            }
            [] => Err(self.unexpected(context)),
            [first, _, ..] if matches!(first.base, Base::Literal(_) | Base::Dot) => {
                let (start, end) = first.place;
                let text = self.source.get(start..end).unwrap_or_default();
                Err(self.error(format!("can't give argument to non-function {text}")))
            }
            _ => Ok(Command { operands, place: (start, self.end()) }),
        }
    }

    fn operand(&mut self, context: &str) -> Result<Option<Operand>, ParseError> {
        let start = self.start();
        let mut fields = Vec::new();
        let base = match self.peek().clone() {
            Token::Dot => Base::Dot,
            Token::Field(name) => {
                fields.push(name);
                Base::Dot
            }
            Token::Variable(name) if self.variables.contains(&name) => Base::Variable(name),
            Token::Variable(name) => {
                self.next += 1;
                return Err(self.error(format!("undefined variable \"${name}\"")));
            }
            Token::Quoted(text) => Base::Literal(Value::String(text)),
            Token::Number(number) => Base::Literal(Value::Number(number)),
            Token::Word(word) => match word.as_str() {
                "true" => Base::Literal(Value::Bool(true)),
                "false" => Base::Literal(Value::Bool(false)),
                "nil" => Base::Literal(Value::Null),
                name if functions::is_one(name) => Base::Function(word),
                name => {
                    self.next += 1;
                    return Err(self.error(format!("function {name:?} not defined")));
                }
            },
            Token::Left => {
                self.next += 1;
                self.deeper()?;
                let pipe = self.pipe(context)?;
                self.depth -= 1;
                if *self.peek() != Token::Right {
                    return Err(self.error("unclosed left paren"));
                }
                Base::Pipe(Box::new(pipe))
            }
            _ => return Ok(None),
        };
        self.next += 1;
        while let (Token::Field(name), false) = (self.peek().clone(), self.is_spaced()) {
            self.next += 1;
            fields.push(name);
        }
        Ok(Some(Operand { base, fields, place: (start, self.end()) }))
    }
}
