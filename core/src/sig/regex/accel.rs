//! What makes a search that finds nothing cheap: where a match can start, and a literal it must hold.

use super::ast::{Assert, ByteSet, Node};
use alloc::vec::Vec;
use memchr::{memchr, memchr2, memchr3};

/// A string to look for, by its rarest byte.
#[derive(Clone, Debug)]
pub struct Literal {
    bytes: Vec<u8>,
    rare: usize,
    /// Case does not matter; `bytes` are in lower case.
    pub fold: bool,
    /// Where case matters.
    finder: Option<memchr::memmem::Finder<'static>>,
}

impl Literal {
    fn new(bytes: Vec<u8>, fold: bool) -> Self {
        let cost = |b: u8| -> u8 {
            match b {
                b' ' | b'e' | b't' | b'a' | b'o' | b'i' | b'n' | 0 => 9,
                b'a'..=b'z' => 6,
                b'0'..=b'9' | b'/' | b'.' | b'=' | b'\r' | b'\n' | b'<' | b'>' | b'"' => 5,
                b'A'..=b'Z' => 4,
                _ => 2,
            }
        };
        let rare = (0..bytes.len()).min_by_key(|&i| cost(bytes[i])).unwrap_or(0);
        let finder = (!fold).then(|| memchr::memmem::Finder::new(&bytes).into_owned());
        Literal { bytes, rare, fold, finder }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// First place at or after `from` where the string stands.
    pub fn find(&self, hay: &[u8], from: usize) -> Option<usize> {
        if let Some(f) = &self.finder {
            return hay.get(from..).and_then(|h| f.find(h)).map(|p| p + from);
        }
        let want = *self.bytes.get(self.rare)?;
        let (first, last) = (*self.bytes.first()?, *self.bytes.last()?);
        let mut at = from + self.rare;
        loop {
            let tail = hay.get(at..)?;
            let hit = if want.is_ascii_alphabetic() {
                memchr2(want, want.to_ascii_uppercase(), tail)?
            } else {
                memchr(want, tail)?
            };
            let start = at + hit - self.rare;
            let here = hay.get(start..start + self.bytes.len())?;
            // Both ends settle most places without a call.
            if here.first().is_some_and(|b| b.eq_ignore_ascii_case(&first))
                && here.last().is_some_and(|b| b.eq_ignore_ascii_case(&last))
                && here.eq_ignore_ascii_case(&self.bytes)
            {
                return Some(start);
            }
            at += hit + 1;
        }
    }
}

/// Where a match can start.
#[derive(Clone, Debug)]
pub enum Start {
    Anywhere,
    /// Only at the start of the text.
    Text,
    /// Only where the search begins.
    From,
    /// At the start of a line.
    Line,
    One(u8),
    Two(u8, u8),
    Three(u8, u8, u8),
    Set(ByteSet),
    Literal(alloc::boxed::Box<Literal>),
}

impl Start {
    /// The first place at or after `at` where a match can start.
    pub fn next(&self, hay: &[u8], from: usize, at: usize) -> Option<usize> {
        let tail = hay.get(at..)?;
        let hit = match self {
            Start::Anywhere => Some(0),
            Start::Text => (at == 0).then_some(0),
            Start::From => (at == from).then_some(0),
            Start::Line => {
                if at == 0 || hay.get(at - 1) == Some(&b'\n') {
                    Some(0)
                } else {
                    memchr(b'\n', tail).map(|i| i + 1)
                }
            }
            Start::One(a) => memchr(*a, tail),
            Start::Two(a, b) => memchr2(*a, *b, tail),
            Start::Three(a, b, c) => memchr3(*a, *b, *c, tail),
            Start::Set(s) => tail.iter().position(|&b| s.has(b)),
            Start::Literal(l) => return l.find(hay, at),
        };
        hit.map(|i| at + i)
    }
}

/// Finds how matches of `node` start.
pub fn start_of(node: &Node, anchored: bool) -> Start {
    if anchored {
        return Start::From;
    }
    for (a, start) in
        [(Assert::TextStart, Start::Text), (Assert::From, Start::From), (Assert::LineStart, Start::Line)]
    {
        if begins_with(node, a) {
            return start;
        }
    }
    let (prefix, fold) = prefix(node);
    if prefix.len() > 1 {
        return Start::Literal(alloc::boxed::Box::new(Literal::new(prefix, fold)));
    }
    let mut set = ByteSet::EMPTY;
    if node.first(&mut set) || set.len() > 200 {
        return Start::Anywhere;
    }
    let few: Vec<u8> = set.iter().take(4).collect();
    match few[..] {
        [a] => Start::One(a),
        [a, b] => Start::Two(a, b),
        [a, b, c] => Start::Three(a, b, c),
        _ => Start::Set(set),
    }
}

pub fn begins_with(node: &Node, a: Assert) -> bool {
    match node {
        Node::Assert(b) => *b == a,
        Node::Cat(v) => v.first().is_some_and(|n| begins_with(n, a)),
        Node::Alt(v) => v.iter().all(|n| begins_with(n, a)),
        Node::Group { node, .. } | Node::Atomic(node) => begins_with(node, a),
        Node::Repeat { node, min, .. } => *min > 0 && begins_with(node, a),
        _ => false,
    }
}

/// A run of literal bytes being put together; letters decide whether case matters.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    /// `None` while no letter was seen.
    fold: Option<bool>,
    best: (Vec<u8>, bool),
}

impl Run {
    fn push(&mut self, b: u8, fold: bool) {
        if b.is_ascii_alphabetic() {
            if self.fold.is_some_and(|f| f != fold) {
                self.end();
            }
            self.fold = Some(fold);
        }
        self.bytes.push(b);
    }

    fn end(&mut self) {
        if self.bytes.len() > self.best.0.len() {
            self.best = (core::mem::take(&mut self.bytes), self.fold.unwrap_or(false));
        }
        self.bytes.clear();
        self.fold = None;
    }
}

/// The literal that every match begins with, and whether its case is free.
fn prefix(node: &Node) -> (Vec<u8>, bool) {
    /// `false` when the run stops here.
    fn walk(n: &Node, r: &mut Run) -> bool {
        let take = |b: u8, fold: bool, r: &mut Run| {
            if b.is_ascii_alphabetic() && r.fold.is_some_and(|f| f != fold) {
                return false;
            }
            r.push(b, fold);
            true
        };
        match n {
            Node::Byte(b) => take(*b, false, r),
            Node::ByteI(b) => take(*b, true, r),
            Node::Cat(v) => v.iter().all(|n| walk(n, r)),
            Node::Group { node, .. } | Node::Atomic(node) => walk(node, r),
            Node::Look { .. } | Node::Empty => true,
            Node::Repeat { node, min, .. } if *min > 0 => {
                walk(node, r);
                false
            }
            _ => false,
        }
    }
    let mut r = Run::default();
    walk(node, &mut r);
    (r.bytes, r.fold.unwrap_or(false))
}

/// The longest literal that every match holds.
pub fn required(node: &Node) -> Option<Literal> {
    fn walk(n: &Node, r: &mut Run) {
        match n {
            Node::Byte(b) => r.push(*b, false),
            Node::ByteI(b) => r.push(*b, true),
            Node::Cat(v) => v.iter().for_each(|n| walk(n, r)),
            Node::Group { node, .. } | Node::Atomic(node) => walk(node, r),
            Node::Look { .. } | Node::Empty | Node::Assert(_) | Node::Keep => {}
            Node::Repeat { node, min, .. } if *min > 0 => {
                r.end();
                walk(node, r);
                r.end();
            }
            _ => r.end(),
        }
    }
    let mut r = Run::default();
    walk(node, &mut r);
    r.end();
    let (bytes, fold) = r.best;
    (!bytes.is_empty()).then(|| Literal::new(bytes, fold))
}
