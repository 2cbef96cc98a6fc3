//! YAML with the place of every value: text goes in, [`Node`]s come out. Anchors, aliases and keys given twice are refused.

use std::path::Path;

use saphyr_parser::{Event, Parser};

use super::PolicyError;

/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// Something wrong at a place, 1-based.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub line: u32,
    pub column: u32,
    pub what: String,
}

impl Wrong {
    /// In the file `path`.
    pub fn of(self, path: &Path) -> PolicyError {
        PolicyError::Wrong { path: path.into(), line: self.line, column: self.column, what: self.what }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub line: u32,
    pub column: u32,
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug)]
pub enum Kind {
    Empty,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// The first document of `text`; an empty one is an empty mapping.
    ///
    /// # Errors
    /// What is no YAML, and what is refused here.
    pub fn parse(text: &str) -> Result<Node, Wrong> {
        let mut stack: Vec<Node> = Vec::new();
        for ev in Parser::new_from_str(text) {
            let (ev, span) = ev.map_err(|e| Wrong {
                line: e.marker().line() as u32,
                column: e.marker().col() as u32 + 1,
                what: e.info().to_string(),
            })?;
            let (line, column) = (span.start.line() as u32, span.start.col() as u32 + 1);
            let mut node = Node { line, column, kind: Kind::Empty };
            let done = match ev {
                Event::Scalar(text, style, 0, _) => {
                    let plain = style == saphyr_parser::ScalarStyle::Plain;
                    if !(plain && (text.is_empty() || text == "~")) {
                        node.kind = Kind::Text(text.into_owned());
                    }
                    Some(node)
                }
                Event::SequenceStart(0, _) => {
                    node.kind = Kind::List(Vec::new());
                    stack.push(node);
                    None
                }
                Event::MappingStart(0, _) => {
                    node.kind = Kind::Map(Vec::new());
                    stack.push(node);
                    None
                }
                Event::SequenceEnd | Event::MappingEnd => stack.pop(),
                Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_) => {
                    return Err(node.wrong("anchors and aliases are not read here; write the value out"));
                }
                _ => None,
            };
            if stack.len() > MAX_DEPTH {
                return Err(Wrong { line, column, what: "nested too deeply".into() });
            }
            let Some(done) = done else { continue };
            match stack.last_mut() {
                None => return Ok(done),
                Some(n) => n.add(done)?,
            }
        }
        Ok(Node { line: 1, column: 1, kind: Kind::Map(Vec::new()) })
    }

    fn add(&mut self, value: Node) -> Result<(), Wrong> {
        match &mut self.kind {
            Kind::List(l) => l.push(value),
            // A key waits for its value as its own.
            Kind::Map(m) => match m.last_mut() {
                Some((_, v)) if v.line == 0 => *v = value,
                _ => {
                    let Kind::Text(name) = &value.kind else {
                        return Err(value.wrong("expected a name as the key of a mapping"));
                    };
                    if m.iter().any(|(k, _)| matches!(&k.kind, Kind::Text(t) if t == name)) && m.len() < 4096
                    {
                        return Err(value.wrong(&format!("`{name}` is given twice")));
                    }
                    m.push((value, Node { line: 0, column: 0, kind: Kind::Empty }));
                }
            },
            _ => {}
        }
        Ok(())
    }

    /// An error here.
    pub fn wrong(&self, what: &str) -> Wrong {
        Wrong { line: self.line, column: self.column, what: what.to_string() }
    }

    /// What it is, for messages.
    fn shown(&self) -> String {
        match &self.kind {
            Kind::Empty => "nothing".into(),
            Kind::Text(t) => format!("`{t}`"),
            Kind::List(_) => "a list".into(),
            Kind::Map(_) => "a mapping".into(),
        }
    }

    /// An error here: something else was expected.
    pub fn expected(&self, what: &str) -> Wrong {
        self.wrong(&format!("{} is not {what}", self.shown()))
    }

    pub fn text(&self, expected: &str) -> Result<&str, Wrong> {
        match &self.kind {
            Kind::Text(t) => Ok(t),
            _ => Err(self.expected(expected)),
        }
    }

    /// Its entries: names with their places, and values.
    pub fn map(&self, expected: &str) -> Result<impl Iterator<Item = (&str, &Node, &Node)>, Wrong> {
        let Kind::Map(m) = &self.kind else { return Err(self.expected(expected)) };
        Ok(m.iter().map(|(k, v)| {
            let Kind::Text(name) = &k.kind else { return ("", k, v) };
            (name.as_str(), k, v)
        }))
    }

    pub fn list(&self, expected: &str) -> Result<&[Node], Wrong> {
        match &self.kind {
            Kind::List(l) => Ok(l),
            Kind::Empty => Ok(&[]),
            _ => Err(self.expected(expected)),
        }
    }

    /// The items of a list, or the one value that stands for a list of one.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(l) => l,
            Kind::Empty => &[],
            _ => std::slice::from_ref(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_right() {
        let n = Node::parse("a: 1\nb:\n  - x\n  - {c: d}\n").unwrap();
        let all: Vec<_> =
            n.map("").unwrap().map(|(k, at, v)| (k.to_string(), at.line, v.line, v.column)).collect();
        assert_eq!(all, [("a".into(), 1, 1, 4), ("b".into(), 2, 3, 3)]);
        for (text, line, column) in
            [("a: 1\na: 2\n", 2, 1), ("a: &x 1\n", 1, 4), ("a: [1\n", 2, 1), ("[a]: 1", 1, 1)]
        {
            let e = Node::parse(text).unwrap_err();
            assert_eq!((e.line, e.column), (line, column), "{text}: {}", e.what);
        }
    }
}
