//! Regular expressions over bytes with PCRE's meaning, for the `pcre` keyword.
//!
//! In: a pattern and flags, once; then text and a [`Cache`]. Out: the leftmost match and its captures.
//! A [`Regex`] is immutable and shared between workers; a worker owns one [`Cache`], whose memory is
//! fixed when it is made.
//!
//! Three things happen in a search. First the literal that every match must hold is looked for, and the
//! places where a match can start are found by `memchr`. There a backtracking matcher runs under a step
//! budget. Where the budget ends, a pattern that is regular (no backreference, lookaround or atomic
//! group) is decided by a state simulation in time linear in the text; any other pattern gets a larger
//! hard limit, and [`Outcome::LimitHit`] when it passes it, as PCRE does with its match limit.

mod accel;
mod ast;
mod backtrack;
mod multi;
mod parse;
mod pike;
mod prog;
#[cfg(test)]
mod tests;

use accel::{Literal, Start};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use backtrack::Frame;
use prog::Prog;

pub use multi::{Automata, States};

/// Steps a regular pattern may backtrack before the simulation takes over, plus some for each byte.
const SOFT_STEPS: u64 = 20_000;
const SOFT_STEPS_PER_BYTE: u64 = 8;
/// Steps of a first try of a pattern that can start at one place only.
const FIRST_STEPS: u64 = 256;
/// Steps of a search that only backtracking can decide.
const HARD_STEPS: u64 = 400_000;

/// How a pattern is to be read; the letters are those of Suricata's `pcre` keyword.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `i`
    pub caseless: bool,
    /// `s`
    pub dotall: bool,
    /// `m`
    pub multiline: bool,
    /// `x`
    pub extended: bool,
    /// `A`
    pub anchored: bool,
    /// `E`
    pub dollar_endonly: bool,
    /// `G`
    pub ungreedy: bool,
}

/// Why a pattern was refused, and at which byte of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at offset {at}")]
pub struct Error {
    pub at: usize,
    pub reason: &'static str,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Start and end of the match.
    Match(usize, usize),
    NoMatch,
    /// Too much work: nothing is known. Callers treat it as no match and count it.
    LimitHit,
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex {
    prog: Prog,
    start: Start,
    required: Option<Literal>,
    /// The required literal is what the search looks for anyway.
    required_is_start: bool,
    /// Fewest bytes of a match.
    min_len: usize,
    groups: u32,
    names: Vec<(String, u32)>,
}

/// A worker's memory for matching. One serves all patterns.
#[derive(Debug)]
pub struct Cache {
    stack: Vec<Frame>,
    slots: Vec<u32>,
    pike: pike::Memory,
    /// Steps of the backtracker.
    steps: u64,
}

impl Cache {
    /// Slots of the largest pattern: captures, and loops over what may be empty.
    const SLOTS: usize = 1024;

    /// Memory for `frames` pending choices and simulations of up to `states` states: 16 and 56 bytes each.
    pub fn new(frames: usize, states: usize) -> Self {
        Cache {
            stack: Vec::with_capacity(frames),
            slots: vec![u32::MAX; Self::SLOTS],
            pike: pike::Memory::new(states),
            steps: 0,
        }
    }

    /// Steps taken by all searches so far, whatever they found.
    pub fn work(&self) -> u64 {
        self.steps + self.pike.moved
    }
}

impl Default for Cache {
    /// Enough for every pattern of the open rule sets: about one megabyte.
    fn default() -> Self {
        Cache::new(32 * 1024, 8 * 1024)
    }
}

impl Regex {
    /// Compiles `pattern` (without the slashes and letters around it).
    pub fn compile(pattern: &[u8], flags: Flags) -> Result<Regex, Error> {
        let parsed = parse::parse(pattern, flags)?;
        let prog = prog::compile(&parsed.node, parsed.groups)?;
        if prog.slots as usize > Cache::SLOTS {
            return Err(Error { at: 0, reason: "regular expression is too large" });
        }
        let start = accel::start_of(&parsed.node, flags.anchored);
        let required = accel::required(&parsed.node);
        let required_is_start = match (&start, &required) {
            (Start::Literal(a), Some(b)) => a.bytes().len() >= b.bytes().len(),
            (Start::One(_) | Start::Two(..), Some(b)) => b.bytes().len() == 1,
            _ => false,
        };
        let min_len = parsed.node.width().0 as usize;
        Ok(Regex {
            prog,
            start,
            required,
            required_is_start,
            min_len,
            groups: parsed.groups,
            names: parsed.names,
        })
    }

    /// Capture groups, the whole match not counted.
    pub fn group_count(&self) -> usize {
        self.groups as usize
    }

    /// The name of group `index`, when it has one.
    pub fn group_name(&self, index: usize) -> Option<&str> {
        self.names.iter().find(|(_, i)| *i as usize == index).map(|(n, _)| n.as_str())
    }

    /// The number of the group called `name`.
    pub fn group_index(&self, name: &str) -> Option<usize> {
        self.names.iter().find(|(n, _)| n == name).map(|(_, i)| *i as usize)
    }

    /// The longest string that every match holds, and whether its case is free.
    pub fn required_literal(&self) -> Option<(&[u8], bool)> {
        self.required.as_ref().map(|l| (l.bytes(), l.fold))
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        let p = &self.prog;
        core::mem::size_of::<Regex>()
            + core::mem::size_of_val(p.insts.as_slice())
            + core::mem::size_of_val(p.sets.as_slice())
            + core::mem::size_of_val(p.reps.as_slice())
            + p.lits.len()
            + core::mem::size_of_val(p.states.as_slice())
    }

    /// The leftmost match that starts at or after `from`. What stands before `from` is seen by
    /// lookbehinds, `\b` and `^`; pass a slice to hide it. `caps` gets start and end of the match, then
    /// of each group, as far as it reaches; `usize::MAX` where unset.
    pub fn find_at(&self, hay: &[u8], from: usize, cache: &mut Cache, caps: &mut [usize]) -> Outcome {
        caps.fill(usize::MAX);
        if from > hay.len() || hay.len() - from < self.min_len || hay.len() >= u32::MAX as usize - 1 {
            return Outcome::NoMatch;
        }
        if matches!(self.start, Start::From | Start::Text) {
            // One place to start: most tries end after a few bytes, cheaper than looking for the literal in all
            // of the text, which a caller that tries behind every match of a content would do each time.
            let mut left = FIRST_STEPS;
            let out = self.search(hay, from, false, &mut left, cache, caps);
            cache.steps += FIRST_STEPS - left;
            if out != Outcome::LimitHit {
                return out;
            }
        }
        if let (Some(lit), false) = (&self.required, self.required_is_start)
            && lit.find(hay, from).is_none()
        {
            return Outcome::NoMatch;
        }
        let linear = self.prog.regular && self.prog.state_count as usize <= cache.pike.states();
        let budget =
            if linear { SOFT_STEPS + SOFT_STEPS_PER_BYTE * (hay.len() - from) as u64 } else { HARD_STEPS };
        let mut left = budget;
        let out = self.search(hay, from, linear, &mut left, cache, caps);
        cache.steps += budget - left;
        out
    }

    /// The search itself, with `steps` left to take.
    fn search(
        &self,
        hay: &[u8],
        from: usize,
        linear: bool,
        steps: &mut u64,
        cache: &mut Cache,
        caps: &mut [usize],
    ) -> Outcome {
        let Some(slots) = cache.slots.get_mut(..self.prog.slots as usize) else { return Outcome::LimitHit };
        let mut at = from;
        while let Some(start) = self.start.next(hay, from, at) {
            // Finding the places to start costs too, or a search could be quadratic in nothing.
            *steps = steps.saturating_sub(1);
            slots.fill(u32::MAX);
            match backtrack::match_at(&self.prog, hay, from, start, &mut cache.stack, slots, steps) {
                backtrack::Outcome::Match(end) => {
                    fill(caps, slots, self.groups);
                    return Outcome::Match(slots[0] as usize, end);
                }
                backtrack::Outcome::NoMatch => {}
                backtrack::Outcome::OutOfBudget if !linear => return Outcome::LimitHit,
                backtrack::Outcome::OutOfBudget => {
                    // Nothing matched before `start`, so the simulation goes on there.
                    return self.simulate(hay, from, start, cache, caps);
                }
            }
            at = start + 1;
        }
        Outcome::NoMatch
    }

    /// Whether there is a match at or after `from`.
    pub fn is_match(&self, hay: &[u8], from: usize, cache: &mut Cache) -> bool {
        matches!(self.find_at(hay, from, cache, &mut []), Outcome::Match(..))
    }

    fn simulate(&self, hay: &[u8], from: usize, at: usize, cache: &mut Cache, caps: &mut [usize]) -> Outcome {
        let Some((start, end)) = pike::search(&self.prog, &self.start, hay, (from, at), &mut cache.pike)
        else {
            return Outcome::NoMatch;
        };
        if caps.len() > 2 && self.groups > 0 {
            // The simulation knows only where the match is. Its groups are worth one bounded try.
            let slots = cache.slots.get_mut(..self.prog.slots as usize).unwrap_or(&mut []);
            slots.fill(u32::MAX);
            let mut steps = HARD_STEPS;
            let tried =
                backtrack::match_at(&self.prog, hay, from, start, &mut cache.stack, slots, &mut steps);
            cache.steps += HARD_STEPS - steps;
            if matches!(tried, backtrack::Outcome::Match(_)) {
                fill(caps, slots, self.groups);
            }
        }
        for (c, v) in caps.iter_mut().zip([start, end]) {
            *c = v;
        }
        Outcome::Match(start, end)
    }
}

/// Copies capture slots out.
fn fill(caps: &mut [usize], slots: &[u32], groups: u32) {
    for (i, pair) in caps.chunks_mut(2).enumerate().take(groups as usize + 1) {
        let (s, e) = (slots[2 * i], slots[2 * i + 1]);
        if e != u32::MAX {
            pair[0] = s as usize;
            if let Some(p) = pair.get_mut(1) {
                *p = e as usize;
            }
        }
    }
}
