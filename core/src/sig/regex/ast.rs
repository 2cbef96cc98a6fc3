//! The tree between the parser and the compiler, and what can be read off it: lengths and first bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// A set of byte values.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByteSet(pub [u64; 4]);

impl ByteSet {
    pub const EMPTY: ByteSet = ByteSet([0; 4]);
    pub const FULL: ByteSet = ByteSet([u64::MAX; 4]);

    pub fn add(&mut self, b: u8) {
        self.0[(b >> 6) as usize] |= 1 << (b & 63);
    }

    pub fn add_range(&mut self, lo: u8, hi: u8) {
        for b in lo..=hi {
            self.add(b);
        }
    }

    #[inline]
    pub fn has(&self, b: u8) -> bool {
        self.0[(b >> 6) as usize] >> (b & 63) & 1 != 0
    }

    pub fn union(&mut self, o: &ByteSet) {
        for (a, b) in self.0.iter_mut().zip(o.0) {
            *a |= b;
        }
    }

    pub fn negated(&self) -> ByteSet {
        ByteSet(self.0.map(|w| !w))
    }

    pub fn disjoint(&self, o: &ByteSet) -> bool {
        self.0.iter().zip(o.0).all(|(a, b)| a & b == 0)
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|w| w.count_ones() as usize).sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=255u8).filter(|&b| self.has(b))
    }

    /// Adds the other case of every ASCII letter in the set.
    pub fn fold_case(&mut self) {
        for b in b'a'..=b'z' {
            let up = b.to_ascii_uppercase();
            if self.has(b) || self.has(up) {
                self.add(b);
                self.add(up);
            }
        }
    }
}

/// How a repeat chooses among its possible counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// Conditions on the position alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assert {
    /// `^` outside multiline, `\A`.
    TextStart,
    /// `^` in multiline mode.
    LineStart,
    /// `$` with dollar-end-only, `\z`.
    TextEnd,
    /// `$`, `\Z`: the end, or before a final newline.
    TextEndNl,
    /// `$` in multiline mode.
    LineEnd,
    Word,
    NotWord,
    /// `\G`: where the search began.
    From,
}

/// No upper bound.
pub const INF: u32 = u32::MAX;

#[derive(Clone, Debug)]
pub enum Node {
    Empty,
    /// Never matches (`(?!)`, an empty class).
    Fail,
    Byte(u8),
    /// An ASCII letter in either case; held in lower case.
    ByteI(u8),
    Set(ByteSet),
    Cat(Vec<Node>),
    Alt(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: u32,
        greed: Greed,
    },
    Group {
        index: u32,
        node: Box<Node>,
    },
    Look {
        behind: bool,
        neg: bool,
        node: Box<Node>,
    },
    Atomic(Box<Node>),
    Backref {
        group: u32,
        caseless: bool,
    },
    Assert(Assert),
    /// `(?(n)yes|no)`.
    Cond {
        group: u32,
        yes: Box<Node>,
        no: Box<Node>,
    },
    /// `\K`.
    Keep,
}

impl Node {
    /// The set of a node that always takes exactly one byte.
    pub fn single(&self) -> Option<ByteSet> {
        match self {
            Node::Byte(b) => {
                let mut s = ByteSet::EMPTY;
                s.add(*b);
                Some(s)
            }
            Node::ByteI(b) => {
                let mut s = ByteSet::EMPTY;
                s.add(*b);
                s.fold_case();
                Some(s)
            }
            Node::Set(s) => Some(*s),
            _ => None,
        }
    }

    /// Fewest and most bytes a match takes; `INF` when unbounded or unknown.
    pub fn width(&self) -> (u32, u32) {
        match self {
            Node::Byte(_) | Node::ByteI(_) | Node::Set(_) => (1, 1),
            Node::Empty | Node::Fail | Node::Look { .. } | Node::Assert(_) | Node::Keep => (0, 0),
            Node::Cat(v) => v.iter().map(Node::width).fold((0, 0), |a, w| (add(a.0, w.0), add(a.1, w.1))),
            Node::Alt(v) => v.iter().map(Node::width).fold((INF, 0), |a, w| (a.0.min(w.0), a.1.max(w.1))),
            Node::Repeat { node, min, max, .. } => {
                let w = node.width();
                let hi = if w.1 == 0 || *max == 0 {
                    0
                } else if *max == INF {
                    INF
                } else {
                    w.1.saturating_mul(*max)
                };
                (w.0.saturating_mul(*min), hi)
            }
            Node::Group { node, .. } | Node::Atomic(node) => node.width(),
            Node::Backref { .. } => (0, INF),
            Node::Cond { yes, no, .. } => {
                let (a, b) = (yes.width(), no.width());
                (a.0.min(b.0), a.1.max(b.1))
            }
        }
    }

    /// Adds every byte a match may begin with to `set`; `true` when the match may also take nothing,
    /// so that what follows the node decides.
    pub fn first(&self, set: &mut ByteSet) -> bool {
        match self {
            Node::Fail => false,
            Node::Empty | Node::Look { .. } | Node::Assert(_) | Node::Keep => true,
            Node::Byte(b) => {
                set.add(*b);
                false
            }
            Node::ByteI(b) => {
                set.add(*b);
                set.add(b.to_ascii_uppercase());
                false
            }
            Node::Set(s) => {
                set.union(s);
                false
            }
            Node::Cat(v) => v.iter().all(|n| n.first(set)),
            Node::Alt(v) => v.iter().fold(false, |open, n| n.first(set) | open),
            Node::Repeat { node, min, max, .. } => {
                if *max == 0 {
                    return true;
                }
                node.first(set) || *min == 0
            }
            Node::Group { node, .. } | Node::Atomic(node) => node.first(set),
            Node::Backref { .. } => {
                *set = ByteSet::FULL;
                true
            }
            Node::Cond { yes, no, .. } => yes.first(set) | no.first(set),
        }
    }
}

fn add(a: u32, b: u32) -> u32 {
    a.saturating_add(b)
}
