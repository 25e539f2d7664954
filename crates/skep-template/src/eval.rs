//! From a tree and a value to a text.

use serde_json::Value;

use crate::{
    Objects,
    error::ExecutionError,
    functions::{call, truth},
    parse::{Base, Block, Command, Kind, Node, Operand, Pipe, Place},
    print::{inner, outer, sorted, type_name},
};

pub(crate) fn render(
    source: &str,
    nodes: &[Node],
    objects: Objects,
    value: &Value,
) -> Result<String, ExecutionError> {
    let variables = vec![(String::new(), value.clone())];
    let mut run = Run { source, objects, variables, out: String::new() };
    run.nodes(nodes, value)?;
    Ok(run.out)
}

/// What a piece of a template asks of the `range` around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'a> {
    source: &'a str,
    objects: Objects,
    /// Variables in force, the innermost last; `$` has an empty name.
    variables: Vec<(String, Value)>,
    out: String,
}

impl Run<'_> {
    fn error(&self, place: Place, reason: impl Into<String>) -> ExecutionError {
        ExecutionError::new(self.source, place, reason.into())
    }

    fn nodes(&mut self, nodes: &[Node], dot: &Value) -> Result<Flow, ExecutionError> {
        for node in nodes {
            let flow = match node {
                Node::Text(text) => {
                    self.out.push_str(text);
                    Flow::On
                }
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        let text = outer(&value, self.objects);
                        self.out.push_str(&text);
                    }
                    Flow::On
                }
                Node::Block(block) => self.block(block, dot)?,
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn block(&mut self, block: &Block, dot: &Value) -> Result<Flow, ExecutionError> {
        let known = self.variables.len();
        let flow = match block.kind {
            Kind::Range => self.range(block, dot),
            Kind::If | Kind::With => {
                let value = self.pipe(&block.pipe, dot)?;
                let inner = if block.kind == Kind::With { &value } else { dot };
                if truth(&value, self.objects) {
                    self.nodes(&block.body, inner)
                } else {
                    self.nodes(&block.otherwise, dot)
                }
            }
        };
        self.variables.truncate(known);
        flow
    }

    fn range(&mut self, block: &Block, dot: &Value) -> Result<Flow, ExecutionError> {
        let value = self.commands(&block.pipe, dot)?;
        let entries: Vec<(Value, Value)> = match &value {
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(place, value)| (place.into(), value.clone()))
                .collect(),
            Value::Object(map) if self.objects == Objects::Maps => {
                let entry =
                    |(name, value): (&String, &Value)| (name.as_str().into(), value.clone());
                sorted(map).into_iter().map(entry).collect()
            }
            Value::Null => Vec::new(),
            other => {
                let text = format!("range can't iterate over {}", inner(other, self.objects));
                return Err(self.error(block.pipe.place, text));
            }
        };
        if entries.is_empty() {
            return self.nodes(&block.otherwise, dot);
        }
        for (place, value) in entries {
            let known = self.variables.len();
            match block.pipe.variables.as_slice() {
                [] => {}
                [one] => self.set(&block.pipe, one, &value),
                [first, second, ..] => {
                    self.set(&block.pipe, first, &place);
                    self.set(&block.pipe, second, &value);
                }
            }
            let flow = self.nodes(&block.body, &value)?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn set(&mut self, pipe: &Pipe, name: &str, value: &Value) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match known {
            Some(variable) if !pipe.declares => variable.1 = value.clone(),
            _ => self.variables.push((name.to_owned(), value.clone())),
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, ExecutionError> {
        let value = self.commands(pipe, dot)?;
        for name in &pipe.variables {
            self.set(pipe, name, &value);
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &Pipe, dot: &Value) -> Result<Value, ExecutionError> {
        let mut given = None;
        for command in &pipe.commands {
            given = Some(self.command(command, given, dot)?);
        }
        Ok(given.unwrap_or_default())
    }

    fn command(
        &mut self,
        command: &Command,
        given: Option<Value>,
        dot: &Value,
    ) -> Result<Value, ExecutionError> {
        let Some((first, rest)) = command.operands.split_first() else { return Ok(Value::Null) };
        let name = match &first.base {
            Base::Function(name) if first.fields.is_empty() => name,
            _ if rest.is_empty() && given.is_none() => return self.operand(first, dot),
            _ => {
                let (start, end) = first.place;
                let text = self.source.get(start..end).unwrap_or_default();
                let reason = format!("{text} is not a method but has arguments");
                return Err(self.error(first.place, reason));
            }
        };
        if name == "and" || name == "or" {
            return self.shortcut(name, rest, given, command.place, dot);
        }
        let mut arguments = Vec::new();
        for operand in rest {
            arguments.push(self.operand(operand, dot)?);
        }
        arguments.extend(given);
        call(name, &arguments, self.objects).map_err(|reason| self.error(command.place, reason))
    }

    /// `and` and `or`: the first argument that decides, or the last.
    fn shortcut(
        &mut self,
        name: &str,
        operands: &[Operand],
        given: Option<Value>,
        place: Place,
        dot: &Value,
    ) -> Result<Value, ExecutionError> {
        let mut last = None;
        for operand in operands {
            let value = self.operand(operand, dot)?;
            if truth(&value, self.objects) == (name == "or") {
                return Ok(value);
            }
            last = Some(value);
        }
        let missing = format!("wrong number of args for {name}: want at least 1 got 0");
        given.or(last).ok_or_else(|| self.error(place, missing))
    }

    fn operand(&mut self, operand: &Operand, dot: &Value) -> Result<Value, ExecutionError> {
        let base = match &operand.base {
            Base::Dot => dot.clone(),
            Base::Literal(value) => value.clone(),
            Base::Variable(name) => {
                let known = self.variables.iter().rev().find(|(known, _)| known == name);
                known.map(|(_, value)| value.clone()).unwrap_or_default()
            }
            Base::Function(name) => {
                call(name, &[], self.objects).map_err(|reason| self.error(operand.place, reason))?
            }
            Base::Pipe(pipe) => self.pipe(pipe, dot)?,
        };
        let mut value = base;
        for (depth, name) in operand.fields.iter().enumerate() {
            value = self.field(value, name, depth, operand)?;
        }
        Ok(value)
    }

    fn field(
        &self,
        value: Value,
        name: &str,
        depth: usize,
        operand: &Operand,
    ) -> Result<Value, ExecutionError> {
        let maps = self.objects == Objects::Maps;
        let kind = match (&value, self.objects) {
            (Value::Object(map), _) if maps || map.contains_key(name) => {
                return Ok(map.get(name).cloned().unwrap_or_default());
            }
            (Value::Null, Objects::Maps) => return Ok(Value::Null),
            (Value::Object(_), Objects::Structs(of)) if depth == 0 => of,
            (other, _) => type_name(other),
        };
        let error =
            self.error(operand.place, format!("can't evaluate field {name} in type {kind}"));
        Err(ExecutionError { missing: Some(name.to_owned()), ..error })
    }
}
