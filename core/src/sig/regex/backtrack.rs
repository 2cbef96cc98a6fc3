//! The backtracking matcher: a stack of choices in fixed memory, under a step budget.

use super::ast::{Assert, ByteSet, Greed, INF};
use super::prog::{Inst, Kind, NONE, Prog, Rep};
use alloc::vec::Vec;

/// A choice to come back to, or something to put right on the way back.
#[derive(Clone, Copy, Debug)]
pub enum Frame {
    Branch {
        pc: u32,
        pos: u32,
    },
    /// A greedy repeat that can give back bytes down to `min`.
    Greedy {
        pc: u32,
        min: u32,
        pos: u32,
    },
    /// A lazy repeat that can take `left` more.
    Lazy {
        pc: u32,
        left: u32,
        pos: u32,
    },
    Slot {
        slot: u32,
        old: u32,
    },
    /// An open lookaround or atomic group, with the one around it.
    Barrier {
        pc: u32,
        pos: u32,
        outer: u32,
    },
}

pub enum Outcome {
    Match(usize),
    NoMatch,
    OutOfBudget,
}

/// Whether `a` holds at `pos`.
#[inline]
pub fn holds(a: Assert, hay: &[u8], from: usize, pos: usize) -> bool {
    let word = |i: Option<&u8>| i.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    match a {
        Assert::TextStart => pos == 0,
        Assert::LineStart => pos == 0 || (pos < hay.len() && hay.get(pos - 1) == Some(&b'\n')),
        Assert::TextEnd => pos == hay.len(),
        Assert::TextEndNl => pos == hay.len() || (pos + 1 == hay.len() && hay.get(pos) == Some(&b'\n')),
        Assert::LineEnd => pos == hay.len() || hay.get(pos) == Some(&b'\n'),
        Assert::Word | Assert::NotWord => {
            let before = pos > 0 && word(hay.get(pos - 1));
            (before != word(hay.get(pos))) == (a == Assert::Word)
        }
        Assert::From => pos == from,
    }
}

/// How far `set` goes from `pos`, at most `max` bytes.
#[inline]
fn run(set: &ByteSet, hay: &[u8], pos: usize, max: u32) -> usize {
    let tail = hay.get(pos..).unwrap_or(&[]);
    let tail = if max == INF { tail } else { tail.get(..max as usize).unwrap_or(tail) };
    if *set == ByteSet::FULL {
        return tail.len();
    }
    tail.iter().position(|&b| !set.has(b)).unwrap_or(tail.len())
}

#[inline]
fn fits(prog: &Prog, set: u32, hay: &[u8], pos: usize) -> bool {
    set == NONE
        || match (prog.sets.get(set as usize), hay.get(pos)) {
            (Some(s), Some(&b)) => s.has(b),
            _ => false,
        }
}

/// Tries to match at exactly `start`. `slots` is as long as the program wants, and comes filled with
/// `u32::MAX`; `stack` never grows beyond its capacity. `steps` goes down with the work done.
pub fn match_at(
    prog: &Prog,
    hay: &[u8],
    from: usize,
    start: usize,
    stack: &mut Vec<Frame>,
    slots: &mut [u32],
    steps: &mut u64,
) -> Outcome {
    stack.clear();
    let room = stack.capacity();
    let mut pc = 0usize;
    let mut pos = start;
    // Index of the innermost open barrier, NONE outside.
    let mut barrier = NONE;
    slots[0] = start as u32;
    macro_rules! push {
        ($f:expr) => {{
            if stack.len() >= room {
                return Outcome::OutOfBudget;
            }
            stack.push($f);
        }};
    }
    loop {
        if *steps == 0 {
            return Outcome::OutOfBudget;
        }
        *steps -= 1;
        let ok = match prog.insts[pc] {
            Inst::Lit { at, len, fold } => {
                let want = &prog.lits[at as usize..(at + len) as usize];
                let ok = match hay.get(pos..pos + len as usize) {
                    Some(got) => got == want || (fold && got.eq_ignore_ascii_case(want)),
                    None => false,
                };
                pos += len as usize;
                pc += 1;
                ok
            }
            Inst::Set(s) => {
                let ok = hay.get(pos).is_some_and(|&b| prog.sets[s as usize].has(b));
                pos += 1;
                pc += 1;
                ok
            }
            Inst::Rep(r) => {
                let Rep { set, min, max, greed, next, apart: _ } = prog.reps[r as usize];
                let set = &prog.sets[set as usize];
                let first = if greed == Greed::Lazy { min } else { max };
                let n = run(set, hay, pos, first);
                *steps = steps.saturating_sub(n as u64 / 16);
                if n < min as usize {
                    false
                } else {
                    match greed {
                        Greed::Possessive => {}
                        Greed::Greedy if n > min as usize => {
                            push!(Frame::Greedy {
                                pc: pc as u32,
                                min: (pos + min as usize) as u32,
                                pos: (pos + n) as u32
                            });
                        }
                        Greed::Lazy if max > min => {
                            let left = if max == INF { INF } else { max - min };
                            push!(Frame::Lazy { pc: pc as u32, left, pos: (pos + n) as u32 });
                        }
                        _ => {}
                    }
                    pos += n;
                    pc += 1;
                    fits(prog, next, hay, pos)
                }
            }
            Inst::Split { first, second, set } => {
                if fits(prog, set, hay, pos) {
                    push!(Frame::Branch { pc: second, pos: pos as u32 });
                    pc = first as usize;
                } else {
                    pc = second as usize;
                }
                true
            }
            Inst::Jmp(t) => {
                pc = t as usize;
                true
            }
            Inst::Save(s) | Inst::Mark(s) => {
                push!(Frame::Slot { slot: s, old: slots[s as usize] });
                slots[s as usize] = pos as u32;
                pc += 1;
                true
            }
            Inst::Progress { slot, exit } => {
                pc = if slots[slot as usize] == pos as u32 { exit as usize } else { pc + 1 };
                true
            }
            Inst::Assert(a) => {
                pc += 1;
                holds(a, hay, from, pos)
            }
            Inst::Backref { group, fold } => {
                let (s, e) = (slots[2 * group as usize], slots[2 * group as usize + 1]);
                let want = if e == NONE { None } else { hay.get(s as usize..e as usize) };
                match want {
                    Some(want) => {
                        *steps = steps.saturating_sub(want.len() as u64 / 16);
                        let got = hay.get(pos..pos + want.len());
                        pos += want.len();
                        pc += 1;
                        got.is_some_and(|g| g == want || (fold && g.eq_ignore_ascii_case(want)))
                    }
                    None => false,
                }
            }
            Inst::Open { .. } => {
                push!(Frame::Barrier { pc: pc as u32, pos: pos as u32, outer: barrier });
                barrier = stack.len() as u32 - 1;
                pc += 1;
                true
            }
            Inst::Close => {
                let at = barrier as usize;
                let Some(Frame::Barrier { pc: open, pos: entered, outer }) = stack.get(at).copied() else {
                    return Outcome::NoMatch;
                };
                let Inst::Open { kind, end } = prog.insts[open as usize] else { return Outcome::NoMatch };
                barrier = outer;
                *steps = steps.saturating_sub((stack.len() - at) as u64 / 4);
                if kind == Kind::NotAhead {
                    // It matched, so the assertion fails: undo the captures, then go back.
                    while stack.len() > at {
                        if let Some(Frame::Slot { slot, old }) = stack.pop() {
                            slots[slot as usize] = old;
                        }
                    }
                    false
                } else {
                    // Its choices are gone, but its captures must still be undone by who backs over it.
                    let mut keep = at;
                    for i in at + 1..stack.len() {
                        if matches!(stack[i], Frame::Slot { .. }) {
                            stack[keep] = stack[i];
                            keep += 1;
                        }
                    }
                    stack.truncate(keep);
                    if kind == Kind::Ahead {
                        pos = entered as usize;
                    }
                    pc = end as usize;
                    true
                }
            }
            Inst::Back(n) => {
                pc += 1;
                match pos.checked_sub(n as usize) {
                    Some(p) => {
                        pos = p;
                        true
                    }
                    None => false,
                }
            }
            Inst::Cond { group, no } => {
                pc = if slots[2 * group as usize + 1] == NONE { no as usize } else { pc + 1 };
                true
            }
            Inst::Keep => {
                push!(Frame::Slot { slot: 0, old: slots[0] });
                slots[0] = pos as u32;
                pc += 1;
                true
            }
            Inst::Fail => false,
            Inst::Match => {
                slots[1] = pos as u32;
                return Outcome::Match(pos);
            }
        };
        if ok {
            continue;
        }
        // Back to the latest choice.
        loop {
            *steps = steps.saturating_sub(1);
            match stack.pop() {
                None => return Outcome::NoMatch,
                Some(Frame::Branch { pc: p, pos: at }) => {
                    pc = p as usize;
                    pos = at as usize;
                    break;
                }
                Some(Frame::Slot { slot, old }) => slots[slot as usize] = old,
                Some(Frame::Barrier { pc: open, pos: at, outer }) => {
                    barrier = outer;
                    if let Inst::Open { kind: Kind::NotAhead, end } = prog.insts[open as usize] {
                        pc = end as usize;
                        pos = at as usize;
                        break;
                    }
                }
                Some(Frame::Greedy { pc: p, min, pos: at }) => {
                    let Inst::Rep(r) = prog.insts[p as usize] else { return Outcome::NoMatch };
                    let next = prog.reps[r as usize].next;
                    let mut at = at - 1;
                    let was = at;
                    while at > min && !fits(prog, next, hay, at as usize) {
                        at -= 1;
                    }
                    *steps = steps.saturating_sub(u64::from(was - at) / 8);
                    if at > min {
                        stack.push(Frame::Greedy { pc: p, min, pos: at });
                    }
                    if fits(prog, next, hay, at as usize) {
                        pos = at as usize;
                        pc = p as usize + 1;
                        break;
                    }
                }
                Some(Frame::Lazy { pc: p, mut left, pos: at }) => {
                    let Inst::Rep(r) = prog.insts[p as usize] else { return Outcome::NoMatch };
                    let rep = prog.reps[r as usize];
                    let set = &prog.sets[rep.set as usize];
                    let mut at = at as usize;
                    let was = at;
                    // Take one more, and go on taking while what follows cannot match here.
                    let found = loop {
                        if left == 0 || !hay.get(at).is_some_and(|&b| set.has(b)) {
                            break false;
                        }
                        at += 1;
                        if left != INF {
                            left -= 1;
                        }
                        if fits(prog, rep.next, hay, at) {
                            break true;
                        }
                    };
                    *steps = steps.saturating_sub((at - was) as u64 / 8);
                    if found {
                        if left > 0 {
                            stack.push(Frame::Lazy { pc: p, left, pos: at as u32 });
                        }
                        pos = at;
                        pc = p as usize + 1;
                        break;
                    }
                }
            }
        }
    }
}
