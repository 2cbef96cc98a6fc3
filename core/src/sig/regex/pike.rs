//! The state simulation: all ways to match in step, so time is states × bytes whatever the pattern.
//!
//! Used for regular programs when the backtracker ran out of its budget. A repeat of one set takes one
//! state per count, not one copy per count.

use super::accel::Start;
use super::ast::{Greed, INF};
use super::backtrack::holds;
use super::prog::{Inst, NONE, Prog, Rep};
use alloc::vec;
use alloc::vec::Vec;

/// Threads of one position, in order of preference.
#[derive(Debug)]
struct Threads {
    dense: Vec<(u32, u32, u32)>,
    /// Position + 1 at which a state was last entered.
    seen: Vec<u32>,
}

#[derive(Debug)]
pub struct Memory {
    now: Threads,
    next: Threads,
    todo: Vec<(u32, u32, u32)>,
    /// Per repeat, where only existence is asked: stamp of the position, least count of a thread that may leave, and
    /// that thread's place in the list.
    least: Vec<(u32, u32, u32)>,
    stamp: u32,
    /// Threads moved over a byte since it was made.
    pub moved: u64,
}

impl Memory {
    /// For programs of up to `states` states.
    pub fn new(states: usize) -> Self {
        let t = || Threads { dense: Vec::with_capacity(states), seen: vec![0; states] };
        Memory {
            now: t(),
            next: t(),
            todo: Vec::with_capacity(2 * states + 2),
            least: vec![(0, 0, 0); REPEATS],
            stamp: 0,
            moved: 0,
        }
    }

    pub fn states(&self) -> usize {
        self.now.seen.len()
    }

    fn fresh(&mut self) -> u32 {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.now.seen.fill(0);
            self.next.seen.fill(0);
            self.least.fill((0, 0, 0));
            self.stamp = 1;
        }
        self.stamp
    }
}

struct Search<'a> {
    prog: &'a Prog,
    hay: &'a [u8],
    from: usize,
    /// Only whether there is a match is asked, not where it begins.
    exists: bool,
}

/// Lists that are written while states are entered.
struct Lists<'a> {
    list: &'a mut Threads,
    todo: &'a mut Vec<(u32, u32, u32)>,
    least: &'a mut [(u32, u32, u32)],
    stamp: u32,
}

impl Lists<'_> {
    /// Lists a thread in a repeat that goes on taking bytes.
    ///
    /// Of threads in a bounded repeat that all may leave it the one with the least count can do whatever the others
    /// can, and longer: where only existence is asked it stands for all, or `a{1,1000}` would have a thousand threads
    /// at every byte. Not so in a possessive repeat, which may leave only when it cannot
    /// go on, unless what follows begins otherwise.
    fn repeat(&mut self, exists: bool, (r, rep): (u32, &Rep), thread: (u32, u32, u32)) {
        let count = thread.1;
        let one_for_all = rep.apart || rep.greed != Greed::Possessive;
        if exists
            && rep.max != INF
            && one_for_all
            && count >= rep.min
            && let Some(least) = self.least.get_mut(r as usize)
        {
            if least.0 == self.stamp {
                if count < least.1 {
                    least.1 = count;
                    if let Some(t) = self.list.dense.get_mut(least.2 as usize) {
                        *t = thread;
                    }
                }
                return;
            }
            *least = (self.stamp, count, self.list.dense.len() as u32);
        }
        self.list.dense.push(thread);
    }
}

impl Search<'_> {
    /// Enters `(pc, count)` at `pos` and whatever is reached from it without taking a byte. Threads are
    /// `(pc, count, start)`.
    fn enter(&self, l: &mut Lists<'_>, thread: (u32, u32, u32), pos: usize) {
        let p = self.prog;
        l.todo.clear();
        l.todo.push(thread);
        while let Some((pc, count, start)) = l.todo.pop() {
            if pc & TAKE != 0 {
                let pc = pc & !TAKE;
                if let Inst::Rep(r) = p.insts[pc as usize] {
                    l.repeat(self.exists, (r, &p.reps[r as usize]), (pc, count, start));
                }
                continue;
            }
            let inst = p.insts[pc as usize];
            let state = (p.states[pc as usize] + count) as usize;
            if l.list.seen[state] == l.stamp {
                continue;
            }
            l.list.seen[state] = l.stamp;
            let here = |set: u32| self.hay.get(pos).is_some_and(|&b| p.sets[set as usize].has(b));
            match inst {
                Inst::Lit { .. } | Inst::Set(_) | Inst::Match => l.list.dense.push((pc, count, start)),
                Inst::Rep(r) => {
                    let rep = p.reps[r as usize];
                    let more = (rep.max == INF || count < rep.max) && here(rep.set);
                    // `count` stops at `min` when there is no upper bound.
                    let done = count >= rep.min && !(more && rep.greed == Greed::Possessive);
                    // The thread itself only takes bytes: leaving the repeat is a thread of its own.
                    match (more, done) {
                        (true, true) if rep.greed == Greed::Lazy => {
                            // Leaving is preferred, so it is expanded before the taking thread is listed.
                            l.todo.push((pc | TAKE, count, start));
                            l.todo.push((pc + 1, 0, start));
                        }
                        (true, _) => {
                            l.repeat(self.exists, (r, &rep), (pc, count, start));
                            if done {
                                l.todo.push((pc + 1, 0, start));
                            }
                        }
                        (false, true) => l.todo.push((pc + 1, 0, start)),
                        (false, false) => {}
                    }
                }
                Inst::Split { first, second, set } => {
                    l.todo.push((second, 0, start));
                    if set == NONE || here(set) {
                        l.todo.push((first, 0, start));
                    }
                }
                Inst::Jmp(t) => l.todo.push((t, 0, start)),
                Inst::Save(_) | Inst::Mark(_) | Inst::Progress { .. } => l.todo.push((pc + 1, 0, start)),
                Inst::Keep => l.todo.push((pc + 1, 0, pos as u32)),
                Inst::Assert(a) => {
                    if holds(a, self.hay, self.from, pos) {
                        l.todo.push((pc + 1, 0, start));
                    }
                }
                // Not in a regular program.
                Inst::Backref { .. }
                | Inst::Open { .. }
                | Inst::Close
                | Inst::Back(_)
                | Inst::Cond { .. } => {}
                Inst::Fail => {}
            }
        }
    }
}

/// Marks a repeat whose taking thread waits for its place in the order.
const TAKE: u32 = 1 << 31;

/// The leftmost match at or after `at` of a search that began at `from`, as the backtracker prefers it.
pub fn search(
    prog: &Prog,
    start: &Start,
    hay: &[u8],
    (from, at): (usize, usize),
    mem: &mut Memory,
) -> Option<(usize, usize)> {
    // What has no match, as inputs made to cost time do, is told cheaply.
    if prog.reps.iter().any(|r| r.max != INF && r.max - r.min > FEW) {
        run(prog, start, hay, (from, at, true), mem)?;
    }
    run(prog, start, hay, (from, at, false), mem)
}

/// Repeats of a program that have a place in [`Memory::least`]; further ones have a thread for each count.
const REPEATS: usize = 64;

/// Counts that a bounded repeat may leave at from which on existence is asked first; tests ask it always.
const FEW: u32 = if cfg!(test) { 0 } else { 16 };

/// The simulation; with `exists` it ends at the first match, wherever that begins.
fn run(
    prog: &Prog,
    start: &Start,
    hay: &[u8],
    (from, at, exists): (usize, usize, bool),
    mem: &mut Memory,
) -> Option<(usize, usize)> {
    let s = Search { prog, hay, from, exists };
    let mut found = None;
    mem.now.dense.clear();
    let mut pos = at;
    let mut stamp = mem.fresh();
    loop {
        if found.is_none() {
            if mem.now.dense.is_empty() {
                match start.next(hay, from, pos) {
                    Some(p) if p != pos => {
                        pos = p;
                        // States seen at the place skipped over do not count here.
                        stamp = mem.fresh();
                    }
                    Some(_) => {}
                    None => return None,
                }
            }
            let seed = match start {
                Start::Text => pos == 0,
                Start::From => pos == from,
                _ => true,
            };
            if seed {
                let Memory { now, todo, least, .. } = mem;
                s.enter(&mut Lists { list: now, todo, least, stamp }, (0, 0, pos as u32), pos);
            }
        } else if mem.now.dense.is_empty() {
            return found;
        }
        let next_stamp = mem.fresh();
        mem.next.dense.clear();
        let byte = hay.get(pos).copied();
        mem.moved += mem.now.dense.len() as u64 + 1;
        for i in 0..mem.now.dense.len() {
            let (pc, count, begun) = mem.now.dense[i];
            let to = match prog.insts[pc as usize] {
                Inst::Match => {
                    found = Some((begun as usize, pos));
                    if exists {
                        return found;
                    }
                    break;
                }
                Inst::Lit { at, len, fold } => {
                    let want = prog.lits[(at + count) as usize];
                    let ok = byte.is_some_and(|b| b == want || (fold && b.to_ascii_lowercase() == want));
                    match ok {
                        true if count + 1 == len => (pc + 1, 0, begun),
                        true => (pc, count + 1, begun),
                        false => continue,
                    }
                }
                Inst::Set(set) => match byte {
                    Some(b) if prog.sets[set as usize].has(b) => (pc + 1, 0, begun),
                    _ => continue,
                },
                Inst::Rep(r) => {
                    let rep = &prog.reps[r as usize];
                    match byte {
                        Some(b) if prog.sets[rep.set as usize].has(b) => {
                            let n = if rep.max == INF { (count + 1).min(rep.min) } else { count + 1 };
                            (pc, n, begun)
                        }
                        _ => continue,
                    }
                }
                _ => continue,
            };
            let Memory { next, todo, least, .. } = mem;
            s.enter(&mut Lists { list: next, todo, least, stamp: next_stamp }, to, pos + 1);
        }
        core::mem::swap(&mut mem.now, &mut mem.next);
        stamp = next_stamp;
        if pos >= hay.len() {
            return found;
        }
        pos += 1;
    }
}
