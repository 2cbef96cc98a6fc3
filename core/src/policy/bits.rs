//! Sets of lines by class: which lines fit a segment, or a service. Sets go in; the lines that are in several of them come
//! out, in order. Owns the words of all sets.
//!
//! A set is words of 64 lines, of which only those that are not empty are kept, behind a summary with a bit for each word.
//! Lines that fit every class of a dimension are kept once beside.

use alloc::vec::Vec;

/// The sets of one dimension.
#[derive(Debug)]
pub struct Dim {
    /// Of lines without a condition in this dimension: summary and all words.
    any: Vec<u64>,
    /// Beginning of each class's set in `data`.
    starts: Vec<u32>,
    /// Summary, then the words that are not empty.
    data: Vec<u64>,
    summary: usize,
}

/// Words of a set of so many lines.
const fn words(lines: usize) -> usize {
    lines.div_ceil(64)
}

impl Dim {
    /// For `lines` lines; `any` fit all classes.
    pub fn new(lines: usize, any: impl Iterator<Item = usize>) -> Dim {
        let summary = words(words(lines)).max(1);
        let mut all = alloc::vec![0; summary + words(lines)];
        for i in any {
            all[summary + i / 64] |= 1 << (i % 64);
            all[i / 4096] |= 1 << (i / 64 % 64);
        }
        Dim { any: all, starts: Vec::new(), data: Vec::new(), summary }
    }

    /// Adds a class whose lines are `of`, in order; its number.
    pub fn push(&mut self, of: &[u32]) -> u32 {
        let at = self.data.len();
        self.starts.push(at as u32);
        self.data.resize(at + self.summary, 0);
        let mut last = None;
        for &i in of {
            let i = i as usize;
            if last != Some(i / 64) {
                self.data[at + i / 4096] |= 1 << (i / 64 % 64);
                self.data.push(0);
                last = Some(i / 64);
            }
            if let Some(w) = self.data.last_mut() {
                *w |= 1 << (i % 64);
            }
        }
        (self.starts.len() - 1) as u32
    }

    /// The set of a class; that of lines without a condition when there is no such class.
    #[inline]
    fn of(&self, class: u32) -> Class<'_> {
        let at = self.starts.get(class as usize).map_or(self.data.len(), |s| *s as usize);
        let own = self.data.get(at..).unwrap_or(&[]);
        Class { any: &self.any, own, rest: own.get(self.summary..).unwrap_or(&[]), summary: self.summary }
    }

    pub fn bytes(&self) -> usize {
        (self.any.len() + self.data.len()) * 8 + self.starts.len() * 4
    }
}

#[derive(Clone, Copy)]
struct Class<'a> {
    any: &'a [u64],
    own: &'a [u64],
    /// Words that are not empty, from the current one of the summary on.
    rest: &'a [u64],
    summary: usize,
}

impl Class<'_> {
    #[inline(always)]
    fn has(&self, s: usize) -> u64 {
        self.own.get(s).copied().unwrap_or(0)
    }

    /// Bits of the summary.
    #[inline(always)]
    fn sum(&self, s: usize) -> u64 {
        self.any.get(s).copied().unwrap_or(0) | if self.rest.is_empty() { 0 } else { self.has(s) }
    }

    /// Word `b` below word `s` of the summary.
    #[inline(always)]
    fn word(&self, s: usize, b: u32) -> u64 {
        let any = self.any.get(self.summary + s * 64 + b as usize).copied().unwrap_or(0);
        let sum = if self.rest.is_empty() { 0 } else { self.has(s) };
        if sum >> b & 1 == 0 {
            return any;
        }
        let rank = (sum & ((1u64 << b) - 1)).count_ones() as usize;
        any | self.rest.get(rank).copied().unwrap_or(0)
    }

    /// The summary's word `s` is done with.
    #[inline(always)]
    fn pass(&mut self, s: usize) {
        if !self.rest.is_empty() {
            let n = self.has(s).count_ones() as usize;
            self.rest = self.rest.get(n..).unwrap_or(&[]);
        }
    }
}

impl Dim {
    /// Whether a line is in the set of a class.
    pub fn has(&self, class: u32, line: usize) -> bool {
        let mut c = self.of(class);
        let (s, b) = (line / 4096, (line / 64 % 64) as u32);
        (0..s).for_each(|s| c.pass(s));
        c.word(s, b) >> (line % 64) & 1 == 1
    }
}

/// Calls `f` with each line that is in all three sets, in order, until it says `true`.
#[inline(always)]
pub fn each(of: [(&Dim, u32); 3], mut f: impl FnMut(usize) -> bool) {
    let [mut a, mut b, mut c] = of.map(|(d, class)| d.of(class));
    for s in 0..a.summary {
        let mut sum = a.sum(s) & b.sum(s) & c.sum(s);
        while sum != 0 {
            let i = sum.trailing_zeros();
            sum &= sum - 1;
            let mut w = a.word(s, i) & b.word(s, i) & c.word(s, i);
            while w != 0 {
                let line = (s * 64 + i as usize) * 64 + w.trailing_zeros() as usize;
                w &= w - 1;
                if f(line) {
                    return;
                }
            }
        }
        if s + 1 < a.summary {
            a.pass(s);
            b.pass(s);
            c.pass(s);
        }
    }
}
