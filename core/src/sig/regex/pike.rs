//! The state simulation: all ways to match in step, so time is states × bytes whatever the pattern.
//!
//! Used for regular programs when the backtracker ran out of its budget. A repeat of one set takes one
//! state per count, not one copy per count.

use super::accel::Start;
use super::ast::{Greed, INF};
use super::backtrack::holds;
use super::prog::{Inst, NONE, Prog};
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
    stamp: u32,
    /// Threads moved over a byte since it was made.
    pub moved: u64,
}

impl Memory {
    /// For programs of up to `states` states.
    pub fn new(states: usize) -> Self {
        let t = || Threads { dense: Vec::with_capacity(states), seen: vec![0; states] };
        Memory { now: t(), next: t(), todo: Vec::with_capacity(2 * states + 2), stamp: 0, moved: 0 }
    }

    pub fn states(&self) -> usize {
        self.now.seen.len()
    }

    fn fresh(&mut self) -> u32 {
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.now.seen.fill(0);
            self.next.seen.fill(0);
            self.stamp = 1;
        }
        self.stamp
    }
}

struct Search<'a> {
    prog: &'a Prog,
    hay: &'a [u8],
    from: usize,
}

impl Search<'_> {
    /// Enters `(pc, count)` at `pos` and whatever is reached from it without taking a byte. Threads are
    /// `(pc, count, start)`.
    fn enter(
        &self,
        list: &mut Threads,
        todo: &mut Vec<(u32, u32, u32)>,
        stamp: u32,
        thread: (u32, u32, u32),
        pos: usize,
    ) {
        let p = self.prog;
        todo.clear();
        todo.push(thread);
        while let Some((pc, count, start)) = todo.pop() {
            if pc & TAKE != 0 {
                list.dense.push((pc & !TAKE, count, start));
                continue;
            }
            let inst = p.insts[pc as usize];
            let state = (p.states[pc as usize] + count) as usize;
            if list.seen[state] == stamp {
                continue;
            }
            list.seen[state] = stamp;
            let here = |set: u32| self.hay.get(pos).is_some_and(|&b| p.sets[set as usize].has(b));
            match inst {
                Inst::Lit { .. } | Inst::Set(_) | Inst::Match => list.dense.push((pc, count, start)),
                Inst::Rep(r) => {
                    let rep = p.reps[r as usize];
                    let more = (rep.max == INF || count < rep.max) && here(rep.set);
                    // `count` stops at `min` when there is no upper bound.
                    let done = count >= rep.min && !(more && rep.greed == Greed::Possessive);
                    // The thread itself only takes bytes: leaving the repeat is a thread of its own.
                    match (more, done) {
                        (true, true) if rep.greed == Greed::Lazy => {
                            // Leaving is preferred, so it is expanded before the taking thread is listed.
                            todo.push((pc | TAKE, count, start));
                            todo.push((pc + 1, 0, start));
                        }
                        (true, _) => {
                            list.dense.push((pc, count, start));
                            if done {
                                todo.push((pc + 1, 0, start));
                            }
                        }
                        (false, true) => todo.push((pc + 1, 0, start)),
                        (false, false) => {}
                    }
                }
                Inst::Split { first, second, set } => {
                    todo.push((second, 0, start));
                    if set == NONE || here(set) {
                        todo.push((first, 0, start));
                    }
                }
                Inst::Jmp(t) => todo.push((t, 0, start)),
                Inst::Save(_) | Inst::Mark(_) | Inst::Progress { .. } => todo.push((pc + 1, 0, start)),
                Inst::Keep => todo.push((pc + 1, 0, pos as u32)),
                Inst::Assert(a) => {
                    if holds(a, self.hay, self.from, pos) {
                        todo.push((pc + 1, 0, start));
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
    from: usize,
    at: usize,
    mem: &mut Memory,
) -> Option<(usize, usize)> {
    let s = Search { prog, hay, from };
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
                s.enter(&mut mem.now, &mut mem.todo, stamp, (0, 0, pos as u32), pos);
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
            s.enter(&mut mem.next, &mut mem.todo, next_stamp, to, pos + 1);
        }
        core::mem::swap(&mut mem.now, &mut mem.next);
        stamp = next_stamp;
        if pos >= hay.len() {
            return found;
        }
        pos += 1;
    }
}
