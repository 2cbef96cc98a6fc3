//! Pickles in bytes that are something else: behind tensors, in storages, in strings.
//!
//! In: bytes. Out: findings. Owns the last 256 bytes and a small machine.

use super::names::{self, Class};
use super::pickle::{Machine, Status, name_like};
use super::report::Report;

/// Finds pickles in bytes that are something else: a name that no weights need, as pickles write names, and then what
/// calls it.
pub struct Carver {
    last: [u8; 256],
    at: u8,
    machine: Machine,
    on: bool,
}

impl Carver {
    const SLOTS: usize = 256;
    /// What it takes beside itself.
    pub const HEAP: usize = Machine::heap(Self::SLOTS, Self::SLOTS);

    pub fn new() -> Self {
        Self { last: [0; 256], at: 0, machine: Machine::new(Self::SLOTS, Self::SLOTS, true), on: false }
    }

    pub fn reset(&mut self) {
        self.last = [0; 256];
        self.at = 0;
        self.on = false;
    }

    /// A name was found, and what follows is read.
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// As [`Carver::byte`] of bytes in which no name ends, while it is not [on](Carver::is_on).
    pub fn pass(&mut self, run: &[u8]) {
        let run = run.get(run.len().saturating_sub(self.last.len())..).unwrap_or(run);
        let from = usize::from(self.at.wrapping_add(1));
        let (a, b) = run.split_at(run.len().min(self.last.len() - from));
        if let Some(p) = self.last.get_mut(from..from + a.len()) {
            p.copy_from_slice(a);
        }
        if let Some(p) = self.last.get_mut(..b.len()) {
            p.copy_from_slice(b);
        }
        self.at = self.at.wrapping_add(run.len() as u8);
    }

    fn back(&self, i: usize) -> u8 {
        self.last.get(usize::from(self.at.wrapping_sub(i as u8))).copied().unwrap_or(0)
    }

    fn span<'a>(&self, from: usize, n: usize, out: &'a mut [u8; 64]) -> Option<&'a str> {
        let out = out.get_mut(..n)?;
        for (k, p) in out.iter_mut().enumerate() {
            *p = self.back(from + n - 1 - k);
        }
        core::str::from_utf8(out).ok()
    }

    /// Takes one byte; with `look`, a name may end there.
    pub fn byte(&mut self, b: u8, look: bool, rep: &mut Report) {
        if self.on {
            self.on = self.machine.byte(b, rep) == Status::Running;
        }
        self.at = self.at.wrapping_add(1);
        if let Some(p) = self.last.get_mut(usize::from(self.at)) {
            *p = b;
        }
        if !look {
            return;
        }
        if b == b'\n' {
            self.line_name(rep);
        } else if b == 0x93 {
            self.stack_name(rep);
        }
    }

    /// `c` module line feed name line feed.
    fn line_name(&mut self, rep: &mut Report) {
        let run = |from: usize| (0..60).take_while(|i| name_like(Some(&[b'a', self.back(from + i)]))).count();
        let n = run(1);
        if n == 0 || self.back(1 + n) != b'\n' {
            return;
        }
        let m = run(2 + n);
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let Some(name) = self.span(1, n, &mut a) else { return };
        let mut found = 0;
        for len in (1..m).filter(|len| matches!(self.back(2 + n + len), b'c' | b'i')) {
            rep.cost += names::COST;
            match self.span(2 + n, len, &mut b).map(|module| names::class(module, name)) {
                // The opcode's letter is also one of names: `c` before `numpy.core.multiarray` and within it.
                Some(Class::Safe) => return,
                Some(Class::Danger) if found == 0 => found = len,
                _ => {}
            }
        }
        if let Some(module) = self.span(2 + n, found, &mut b).filter(|m| !m.is_empty()) {
            self.machine.begin_with(module.as_bytes(), name.as_bytes());
            self.on = true;
        }
    }

    /// Two strings with their lengths before them, and `STACK_GLOBAL`.
    fn stack_name(&mut self, rep: &mut Report) {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let Some((at, n)) = self.counted(1) else { return };
        let Some((at2, m)) = self.counted(at + n + self.prefix(at + n)) else { return };
        let (Some(name), Some(module)) = (self.span(at, n, &mut a), self.span(at2, m, &mut b)) else {
            return;
        };
        rep.cost += names::COST;
        if names::class(module, name) == Class::Danger {
            self.machine.begin_with(module.as_bytes(), name.as_bytes());
            self.on = true;
        }
    }

    /// Bytes of an opcode and its length before a string that begins after `from` bytes back.
    fn prefix(&self, from: usize) -> usize {
        if self.back(from + 1) == 0x8c { 2 } else { 5 }
    }

    /// A string that ends `from` bytes back: where it ends and its length.
    fn counted(&self, from: usize) -> Option<(usize, usize)> {
        let from = match (self.back(from), self.back(from + 1), self.back(from + 4)) {
            (0x94, ..) => from + 1,
            (_, b'q', _) => from + 2,
            (_, _, b'r') => from + 5,
            _ => from,
        };
        (1..60)
            .take_while(|n| name_like(Some(&[b'a', self.back(from + n - 1)])))
            .find(|n| {
                let short = usize::from(self.back(from + n)) == *n && self.back(from + n + 1) == 0x8c;
                let long = self.back(from + n + 4) == b'X'
                    && usize::from(self.back(from + n + 3)) == *n
                    && (0..3).all(|i| self.back(from + n + i) == 0);
                short || long
            })
            .map(|n| (from, n))
    }
}
