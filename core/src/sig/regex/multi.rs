//! Many regular expressions in step: every offset at which a match of any of them ends.
//!
//! In: compiled patterns, once; then text, [`States`] and which patterns are wanted. Out: `(pattern, end)` for every
//! `end` at which some match of the pattern ends, wherever it began, in order of `end`: the set that an automaton
//! accepts, so greed does not matter. Time is states × bytes, whatever the patterns. A pattern that no automaton can
//! decide (backreference, lookaround, atomic group, condition) is refused.

use super::ast::{Assert, ByteSet, Greed, INF, Node};
use super::backtrack::holds;
use super::prog::{Inst, NONE, Prog};
use super::{Error, Flags, accel, parse, prog};
use alloc::vec;
use alloc::vec::Vec;

/// Patterns to search at once. Immutable once all are added.
#[derive(Debug, Default)]
pub struct Automata {
    list: Vec<One>,
    states: u32,
}

#[derive(Debug)]
struct One {
    prog: Prog,
    /// Bytes a match may begin with; all when it may be empty.
    first: ByteSet,
    /// A match may take no byte, so it may also begin at the end of the text.
    empty: bool,
    /// Only at the start of the text.
    anchored: bool,
    /// Its states are numbered from here.
    base: u32,
    required: Option<(Vec<u8>, bool)>,
}

/// Memory of a search: fixed by the automata it is made for.
#[derive(Clone, Debug, Default)]
pub struct States {
    now: Vec<Thread>,
    next: Vec<Thread>,
    todo: Vec<Thread>,
    /// Per state: the stamp of the position at which it was last entered.
    seen: Vec<u32>,
    stamp: u32,
    /// Patterns with a match that ends here.
    hits: Vec<u32>,
    pos: usize,
    moved: u64,
}

/// A pattern, a place in its program, and how often a repeat has taken its byte.
#[derive(Clone, Copy, Debug)]
struct Thread {
    one: u32,
    pc: u32,
    count: u32,
}

/// Most states of one pattern: the product with the length of the text is the cost of a search.
const MAX_STATES: u32 = 1 << 17;

impl Automata {
    pub fn new() -> Self {
        Automata::default()
    }

    /// Adds a pattern; its number is how many there were before.
    ///
    /// # Errors
    /// What is no valid pattern, what only backtracking can decide, and what is too large.
    pub fn add(&mut self, pattern: &[u8], flags: Flags) -> Result<u32, Error> {
        let parsed = parse::parse(pattern, flags)?;
        let prog = prog::compile(&parsed.node, parsed.groups)?;
        if !prog.regular {
            return Err(Error { at: 0, reason: "backreferences and lookaround need backtracking" });
        }
        if prog.state_count > MAX_STATES || self.states.checked_add(prog.state_count).is_none() {
            return Err(Error { at: 0, reason: "regular expression is too large" });
        }
        let mut first = ByteSet::EMPTY;
        let empty = parsed.node.first(&mut first);
        let anchored = flags.anchored || anchored(&parsed.node);
        let required = accel::required(&parsed.node).map(|l| (l.bytes().to_vec(), l.fold));
        let first = if empty { ByteSet::FULL } else { first };
        let one = One { first, empty, anchored, base: self.states, required, prog };
        self.states += one.prog.state_count;
        self.list.push(one);
        Ok(self.list.len() as u32 - 1)
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The longest string that every match of pattern `one` holds, and whether its case is free.
    pub fn required_literal(&self, one: u32) -> Option<(&[u8], bool)> {
        self.list.get(one as usize)?.required.as_ref().map(|(b, f)| (&b[..], *f))
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        self.list.iter().fold(0, |n, o| {
            n + core::mem::size_of::<One>()
                + core::mem::size_of_val(o.prog.insts.as_slice())
                + core::mem::size_of_val(o.prog.sets.as_slice())
                + core::mem::size_of_val(o.prog.reps.as_slice())
                + o.prog.lits.len()
                + core::mem::size_of_val(o.prog.states.as_slice())
                + o.required.as_ref().map_or(0, |r| r.0.len())
        })
    }

    /// Grows `states` to what a search of all patterns may need. Takes memory only here.
    pub fn prepare(&self, states: &mut States) {
        let n = self.states as usize;
        let reserve = |v: &mut Vec<Thread>, n: usize| v.reserve(n.saturating_sub(v.len()));
        reserve(&mut states.now, n);
        reserve(&mut states.next, n);
        // Every state is expanded at most once a position, and leaves at most two to do.
        reserve(&mut states.todo, 2 * n + 2);
        if states.seen.len() < n {
            states.seen = vec![0; n];
            states.stamp = 0;
        }
        states.hits.reserve(self.list.len().saturating_sub(states.hits.len()));
    }

    /// Calls `on(pattern, end)` for every end of a match of one of the patterns `active`, in order of `end`, until it
    /// says `false`.
    pub fn ends(
        &self,
        active: &[u32],
        hay: &[u8],
        states: &mut States,
        mut on: impl FnMut(u32, usize) -> bool,
    ) {
        self.begin(states);
        self.advance(active, hay, hay.len(), states, &mut on);
    }

    /// Begins a search that [`Automata::advance`] goes on with.
    pub fn begin(&self, states: &mut States) {
        self.prepare(states);
        states.now.clear();
        states.pos = 0;
        fresh(states);
    }

    /// Goes on to the ends up to `upto`, that included; `false` when `on` stopped it.
    pub fn advance(
        &self,
        active: &[u32],
        hay: &[u8],
        upto: usize,
        states: &mut States,
        on: &mut impl FnMut(u32, usize) -> bool,
    ) -> bool {
        while states.pos <= upto.min(hay.len()) {
            let pos = states.pos;
            let byte = hay.get(pos).copied();
            for &one in active {
                let Some(o) = self.list.get(one as usize) else { continue };
                let may = byte.map_or(o.empty, |b| o.first.has(b)) && (pos == 0 || !o.anchored);
                if may {
                    self.enter(states, false, Thread { one, pc: 0, count: 0 }, hay, pos);
                }
            }
            for i in 0..states.hits.len() {
                if !on(states.hits[i], pos) {
                    return false;
                }
            }
            states.hits.clear();
            fresh(states);
            states.next.clear();
            states.moved += states.now.len() as u64 + 1;
            if let Some(b) = byte {
                for i in 0..states.now.len() {
                    if let Some(to) = self.step(states.now[i], b) {
                        self.enter(states, true, to, hay, pos + 1);
                    }
                }
            }
            core::mem::swap(&mut states.now, &mut states.next);
            states.pos += 1;
        }
        true
    }

    /// The thread behind `b`, if it takes it.
    fn step(&self, t: Thread, b: u8) -> Option<Thread> {
        let p = &self.list[t.one as usize].prog;
        let to = |pc, count| Some(Thread { one: t.one, pc, count });
        match p.insts[t.pc as usize] {
            Inst::Lit { at, len, fold } => {
                let want = p.lits[(at + t.count) as usize];
                let ok = b == want || fold && b.to_ascii_lowercase() == want;
                match ok {
                    true if t.count + 1 == len => to(t.pc + 1, 0),
                    true => to(t.pc, t.count + 1),
                    false => None,
                }
            }
            Inst::Set(set) if p.sets[set as usize].has(b) => to(t.pc + 1, 0),
            Inst::Rep(r) => {
                let rep = &p.reps[r as usize];
                let n = if rep.max == INF { (t.count + 1).min(rep.min) } else { t.count + 1 };
                if p.sets[rep.set as usize].has(b) { to(t.pc, n) } else { None }
            }
            _ => None,
        }
    }

    /// Enters `thread` at `pos` and whatever is reached from it without taking a byte.
    fn enter(&self, s: &mut States, next: bool, thread: Thread, hay: &[u8], pos: usize) {
        let o = &self.list[thread.one as usize];
        let p = &o.prog;
        s.todo.clear();
        s.todo.push(thread);
        while let Some(t) = s.todo.pop() {
            let state = (o.base + p.states[t.pc as usize] + t.count) as usize;
            if s.seen[state] == s.stamp {
                continue;
            }
            s.seen[state] = s.stamp;
            let list = if next { &mut s.next } else { &mut s.now };
            let here = |set: u32| hay.get(pos).is_some_and(|&b| p.sets[set as usize].has(b));
            let to = |pc| Thread { one: t.one, pc, count: 0 };
            match p.insts[t.pc as usize] {
                Inst::Lit { .. } | Inst::Set(_) => list.push(t),
                Inst::Match => s.hits.push(t.one),
                Inst::Rep(r) => {
                    let rep = p.reps[r as usize];
                    let more = (rep.max == INF || t.count < rep.max) && here(rep.set);
                    if more {
                        list.push(t);
                    }
                    if t.count >= rep.min && !(more && rep.greed == Greed::Possessive) {
                        s.todo.push(to(t.pc + 1));
                    }
                }
                Inst::Split { first, second, set } => {
                    s.todo.push(to(second));
                    if set == NONE || here(set) {
                        s.todo.push(to(first));
                    }
                }
                Inst::Jmp(pc) => s.todo.push(to(pc)),
                Inst::Save(_) | Inst::Mark(_) | Inst::Progress { .. } | Inst::Keep => {
                    s.todo.push(to(t.pc + 1));
                }
                Inst::Assert(a) => {
                    if holds(a, hay, 0, pos) {
                        s.todo.push(to(t.pc + 1));
                    }
                }
                // Not in a regular program, or the end of a thread.
                Inst::Backref { .. }
                | Inst::Open { .. }
                | Inst::Close
                | Inst::Back(_)
                | Inst::Cond { .. }
                | Inst::Fail => {}
            }
        }
    }
}

impl States {
    /// Threads moved over a byte, and positions passed, since it was made.
    pub fn work(&self) -> u64 {
        self.moved
    }

    /// Bytes of memory held.
    pub fn memory_bytes(&self) -> usize {
        let threads = self.now.capacity() + self.next.capacity() + self.todo.capacity();
        threads * core::mem::size_of::<Thread>() + 4 * (self.seen.capacity() + self.hits.capacity())
    }
}

/// A stamp that no state has.
fn fresh(s: &mut States) {
    s.hits.clear();
    s.stamp = s.stamp.wrapping_add(1);
    if s.stamp == 0 {
        s.seen.fill(0);
        s.stamp = 1;
    }
}

/// Every match begins at the start of the text.
fn anchored(n: &Node) -> bool {
    accel::begins_with(n, Assert::TextStart) || accel::begins_with(n, Assert::From)
}
