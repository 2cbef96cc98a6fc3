//! The compiled form: a flat program, and the compiler from [`Node`].

use super::Error;
use super::ast::{Assert, ByteSet, Greed, INF, Node};
use alloc::vec::Vec;

/// No set, no target.
pub const NONE: u32 = u32::MAX;
/// Largest program, in instructions.
const MAX_INSTS: usize = 50_000;

#[derive(Clone, Copy, Debug)]
pub enum Inst {
    /// The literal bytes `lits[at..at + len]`; with `fold`, in either ASCII case (held in lower case).
    Lit {
        at: u32,
        len: u32,
        fold: bool,
    },
    Set(u32),
    /// One set, repeated; index into `reps`.
    Rep(u32),
    /// Try `first`, then `second`. When `set` is given, `first` can only match at one of its bytes.
    Split {
        first: u32,
        second: u32,
        set: u32,
    },
    Jmp(u32),
    Save(u32),
    /// Remembers the position at the start of a loop's turn.
    Mark(u32),
    /// Leaves the loop for `exit` when the turn took nothing.
    Progress {
        slot: u32,
        exit: u32,
    },
    Assert(Assert),
    Backref {
        group: u32,
        fold: bool,
    },
    /// Opens a lookaround or atomic group; `end` is behind its [`Inst::Close`].
    Open {
        kind: Kind,
        end: u32,
    },
    Close,
    /// Steps back for a lookbehind.
    Back(u32),
    Cond {
        group: u32,
        no: u32,
    },
    Keep,
    Fail,
    Match,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ahead,
    NotAhead,
    Atomic,
}

#[derive(Clone, Copy, Debug)]
pub struct Rep {
    pub set: u32,
    pub min: u32,
    pub max: u32,
    pub greed: Greed,
    /// The bytes at which what follows can match, when it must take one.
    pub next: u32,
    /// What follows cannot begin with a byte of the set: that is why it is possessive.
    pub apart: bool,
}

#[derive(Debug, Default)]
pub struct Prog {
    pub insts: Vec<Inst>,
    pub sets: Vec<ByteSet>,
    pub reps: Vec<Rep>,
    pub lits: Vec<u8>,
    /// Capture slots and loop marks.
    pub slots: u32,
    /// Whether a simulation of states decides it: no backreference, lookaround or atomic group.
    pub regular: bool,
    /// First simulation state of each instruction, and how many in all.
    pub states: Vec<u32>,
    pub state_count: u32,
}

/// Compiles `node` with `groups` capture groups.
pub fn compile(node: &Node, groups: u32) -> Result<Prog, Error> {
    let mut c = Compiler { p: Prog { slots: 2 * (groups + 1), regular: true, ..Prog::default() } };
    c.node(node)?;
    c.push(Inst::Match)?;
    let mut p = c.p;
    join_literals(&mut p);
    possessify(&mut p);
    let mut n = 0u32;
    for i in &p.insts {
        p.states.push(n);
        let width = match i {
            Inst::Lit { len, .. } => (*len).max(1),
            Inst::Rep(r) => {
                let r = &p.reps[*r as usize];
                1 + if r.max == INF { r.min } else { r.max }
            }
            _ => 1,
        };
        n = n.saturating_add(width);
    }
    p.state_count = n;
    Ok(p)
}

struct Compiler {
    p: Prog,
}

impl Compiler {
    fn push(&mut self, i: Inst) -> Result<usize, Error> {
        if self.p.insts.len() >= MAX_INSTS {
            return Err(Error { at: 0, reason: "regular expression is too large" });
        }
        self.p.insts.push(i);
        Ok(self.p.insts.len() - 1)
    }

    fn here(&self) -> u32 {
        self.p.insts.len() as u32
    }

    fn set(&mut self, s: &ByteSet) -> u32 {
        if let Some(i) = self.p.sets.iter().position(|o| o == s) {
            return i as u32;
        }
        self.p.sets.push(*s);
        self.p.sets.len() as u32 - 1
    }

    /// The bytes `node` must begin with, as a set, when that excludes anything.
    fn lead(&mut self, node: &Node) -> u32 {
        let mut s = ByteSet::EMPTY;
        if node.first(&mut s) || s == ByteSet::FULL { NONE } else { self.set(&s) }
    }

    fn lit(&mut self, b: u8, fold: bool) -> Result<(), Error> {
        let at = self.p.lits.len() as u32;
        self.p.lits.push(b);
        self.push(Inst::Lit { at, len: 1, fold }).map(|_| ())
    }

    fn split(&mut self, set: u32) -> Result<usize, Error> {
        self.push(Inst::Split { first: NONE, second: NONE, set })
    }

    /// Sets where a split goes; `greedy` makes `body` the first choice.
    fn aim(&mut self, at: usize, body: u32, exit: u32, greedy: bool) {
        if let Some(Inst::Split { first, second, set }) = self.p.insts.get_mut(at) {
            if greedy {
                (*first, *second) = (body, exit);
            } else {
                // The set speaks of the body, which is now the second choice.
                (*first, *second, *set) = (exit, body, NONE);
            }
        }
    }

    fn node(&mut self, n: &Node) -> Result<(), Error> {
        match n {
            Node::Empty => {}
            Node::Fail => {
                self.push(Inst::Fail)?;
            }
            Node::Byte(b) => self.lit(*b, false)?,
            Node::ByteI(b) => self.lit(*b, true)?,
            Node::Set(s) => {
                let s = self.set(s);
                self.push(Inst::Set(s))?;
            }
            Node::Cat(v) => {
                for n in v {
                    self.node(n)?;
                }
            }
            Node::Alt(v) => self.alt(v)?,
            Node::Repeat { node, min, max, greed } => self.repeat(node, *min, *max, *greed)?,
            Node::Group { index, node } => {
                self.push(Inst::Save(2 * index))?;
                self.node(node)?;
                self.push(Inst::Save(2 * index + 1))?;
            }
            Node::Look { behind, neg, node } => {
                let open = self.open(if *neg { Kind::NotAhead } else { Kind::Ahead })?;
                if *behind {
                    self.behind(node)?;
                } else {
                    self.node(node)?;
                }
                self.close(open)?;
            }
            Node::Atomic(node) => {
                let open = self.open(Kind::Atomic)?;
                self.node(node)?;
                self.close(open)?;
            }
            Node::Backref { group, caseless } => {
                self.p.regular = false;
                self.push(Inst::Backref { group: *group, fold: *caseless })?;
            }
            Node::Assert(a) => {
                self.push(Inst::Assert(*a))?;
            }
            Node::Cond { group, yes, no } => {
                self.p.regular = false;
                let at = self.push(Inst::Cond { group: *group, no: NONE })?;
                self.node(yes)?;
                let jmp = self.push(Inst::Jmp(NONE))?;
                let here = self.here();
                self.p.insts[at] = Inst::Cond { group: *group, no: here };
                self.node(no)?;
                self.p.insts[jmp] = Inst::Jmp(self.here());
            }
            Node::Keep => {
                self.push(Inst::Keep)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<usize, Error> {
        self.p.regular = false;
        self.push(Inst::Open { kind, end: NONE })
    }

    fn close(&mut self, open: usize) -> Result<(), Error> {
        self.push(Inst::Close)?;
        let here = self.here();
        if let Some(Inst::Open { end, .. }) = self.p.insts.get_mut(open) {
            *end = here;
        }
        Ok(())
    }

    /// Each alternative of a lookbehind steps back by its own length.
    fn behind(&mut self, node: &Node) -> Result<(), Error> {
        let one = core::slice::from_ref(node);
        let alts = if let Node::Alt(v) = node { v.as_slice() } else { one };
        let mut jumps = Vec::new();
        for (i, n) in alts.iter().enumerate() {
            let last = i + 1 == alts.len();
            let split = if last { None } else { Some(self.split(NONE)?) };
            let body = self.here();
            self.push(Inst::Back(n.width().0))?;
            self.node(n)?;
            if let Some(s) = split {
                jumps.push(self.push(Inst::Jmp(NONE))?);
                let next = self.here();
                self.aim(s, body, next, true);
            }
        }
        self.land(&jumps);
        Ok(())
    }

    fn land(&mut self, jumps: &[usize]) {
        let here = self.here();
        for &j in jumps {
            self.p.insts[j] = Inst::Jmp(here);
        }
    }

    fn alt(&mut self, v: &[Node]) -> Result<(), Error> {
        let mut jumps = Vec::new();
        for (i, n) in v.iter().enumerate() {
            if i + 1 == v.len() {
                self.node(n)?;
                break;
            }
            let set = self.lead(n);
            let split = self.split(set)?;
            let body = self.here();
            self.node(n)?;
            jumps.push(self.push(Inst::Jmp(NONE))?);
            let next = self.here();
            self.aim(split, body, next, true);
        }
        self.land(&jumps);
        Ok(())
    }

    fn repeat(&mut self, node: &Node, min: u32, max: u32, greed: Greed) -> Result<(), Error> {
        if max == 0 {
            // The group exists, it just cannot be entered.
            return Ok(());
        }
        if let Some(s) = node.single() {
            let set = self.set(&s);
            self.p.reps.push(Rep { set, min, max, greed, next: NONE, apart: false });
            let r = self.p.reps.len() as u32 - 1;
            self.push(Inst::Rep(r))?;
            return Ok(());
        }
        if greed == Greed::Possessive {
            let open = self.open(Kind::Atomic)?;
            self.repeat(node, min, max, Greed::Greedy)?;
            return self.close(open);
        }
        let greedy = greed == Greed::Greedy;
        let lead = self.lead(node);
        for _ in 0..min {
            self.node(node)?;
        }
        if max == INF {
            let nullable = node.width().0 == 0;
            let split = self.split(lead)?;
            let body = self.here();
            let slot = self.p.slots;
            if nullable {
                self.p.slots += 1;
                self.push(Inst::Mark(slot))?;
            }
            self.node(node)?;
            let progress =
                if nullable { Some(self.push(Inst::Progress { slot, exit: NONE })?) } else { None };
            self.push(Inst::Jmp(split as u32))?;
            let exit = self.here();
            if let Some(at) = progress {
                self.p.insts[at] = Inst::Progress { slot, exit };
            }
            self.aim(split, body, exit, greedy);
            return Ok(());
        }
        // The optional rest nests: (x(x(x)?)?)?, every part leaving to the same end.
        let mut splits = Vec::new();
        for _ in min..max {
            let s = self.split(lead)?;
            splits.push((s, self.here()));
            self.node(node)?;
        }
        let exit = self.here();
        for (s, body) in splits {
            self.aim(s, body, exit, greedy);
        }
        Ok(())
    }
}

/// Whether anything jumps to each instruction.
fn targets(p: &Prog) -> Vec<bool> {
    let mut t = alloc::vec![false; p.insts.len() + 1];
    let mut mark = |i: u32| {
        if let Some(x) = t.get_mut(i as usize) {
            *x = true;
        }
    };
    for i in &p.insts {
        match *i {
            Inst::Split { first, second, .. } => {
                mark(first);
                mark(second);
            }
            Inst::Jmp(a)
            | Inst::Progress { exit: a, .. }
            | Inst::Open { end: a, .. }
            | Inst::Cond { no: a, .. } => {
                mark(a);
            }
            _ => {}
        }
    }
    t
}

/// Joins neighbouring one-byte literals into strings, and renumbers the rest.
fn join_literals(p: &mut Prog) {
    let target = targets(p);
    let mut map = Vec::with_capacity(p.insts.len() + 1);
    let mut out: Vec<Inst> = Vec::with_capacity(p.insts.len());
    for (i, inst) in p.insts.iter().enumerate() {
        if let (Inst::Lit { at, len, fold }, false) = (*inst, target[i])
            && let Some(Inst::Lit { at: a, len: l, fold: f }) = out.last_mut()
        {
            // A string without letters may join either kind.
            let neutral = |at: u32, len: u32| {
                p.lits[at as usize..(at + len) as usize].iter().all(|b| !b.is_ascii_alphabetic())
            };
            let joins = *f == fold || (fold && neutral(*a, *l)) || (*f && neutral(at, len));
            if *a + *l == at && joins {
                *f |= fold;
                *l += len;
                map.push(out.len() as u32 - 1);
                continue;
            }
        }
        map.push(out.len() as u32);
        out.push(*inst);
    }
    map.push(out.len() as u32);
    let go = |i: &mut u32| *i = map.get(*i as usize).copied().unwrap_or(*i);
    for inst in &mut out {
        match inst {
            Inst::Split { first, second, .. } => {
                go(first);
                go(second);
            }
            Inst::Jmp(a)
            | Inst::Progress { exit: a, .. }
            | Inst::Open { end: a, .. }
            | Inst::Cond { no: a, .. } => {
                go(a);
            }
            _ => {}
        }
    }
    p.insts = out;
}

/// Gives each repeat the set of what must follow it; where the two are disjoint giving back bytes is
/// useless, and a greedy repeat becomes possessive.
fn possessify(p: &mut Prog) {
    for i in 0..p.insts.len() {
        let Inst::Rep(r) = p.insts[i] else { continue };
        let mut at = i + 1;
        let next = loop {
            match p.insts.get(at) {
                Some(Inst::Save(_)) => at += 1,
                Some(Inst::Jmp(t)) if *t as usize > at => at = *t as usize,
                Some(Inst::Set(s)) => break Some(p.sets[*s as usize]),
                Some(Inst::Rep(n)) if p.reps[*n as usize].min > 0 => {
                    break Some(p.sets[p.reps[*n as usize].set as usize]);
                }
                Some(Inst::Lit { at: a, fold, .. }) => {
                    let b = p.lits[*a as usize];
                    let mut s = ByteSet::EMPTY;
                    s.add(b);
                    if *fold {
                        s.fold_case();
                    }
                    break Some(s);
                }
                _ => break None,
            }
        };
        let Some(next) = next else { continue };
        let set = p.sets[p.reps[r as usize].set as usize];
        let at = p.sets.iter().position(|o| *o == next).unwrap_or_else(|| {
            p.sets.push(next);
            p.sets.len() - 1
        });
        let rep = &mut p.reps[r as usize];
        rep.next = at as u32;
        if rep.greed == Greed::Greedy && set.disjoint(&next) {
            rep.greed = Greed::Possessive;
            rep.apart = true;
        }
    }
}
