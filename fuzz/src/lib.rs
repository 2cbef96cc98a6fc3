//! What the fuzz targets share: bytes read as numbers, patterns and conversations; the naive oracle of the matcher.
use std::collections::BTreeSet;

#[path = "../../dataplane/tests/common/mod.rs"]
pub mod common;

/// The input, read from its start; zeros behind its end.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn byte(&mut self) -> u8 {
        let (b, rest) = self.0.split_first().map_or((0, self.0), |(b, r)| (*b, r));
        self.0 = rest;
        b
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// At most `n` bytes.
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (a, b) = self.0.split_at(n.min(self.0.len()));
        self.0 = b;
        a
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A pattern: one byte tells its length and case, some lengths are long.
    pub fn pattern(&mut self) -> (&'a [u8], bool) {
        let b = self.byte();
        let n = match b >> 1 {
            n @ 0..=40 => 1 + usize::from(n % 12),
            n @ 41..=120 => 1 + usize::from(n - 40),
            _ => 64 + usize::from(self.byte()),
        };
        (self.take(n), b & 1 != 0)
    }

    /// Up to `most` patterns, each with an id below 64.
    pub fn patterns(&mut self, most: usize) -> Vec<(&'a [u8], bool, u32)> {
        let n = usize::from(self.byte()) % most;
        let mut v = Vec::new();
        for i in 0..n {
            let (p, caseless) = self.pattern();
            if !p.is_empty() {
                v.push((p, caseless, i as u32 % 64));
            }
        }
        v
    }
}

/// All `(end, id)` by comparing every pattern at every place.
pub fn oracle(pats: &[(&[u8], bool, u32)], hay: &[u8]) -> BTreeSet<(u64, u32)> {
    let mut out = BTreeSet::new();
    for &(p, caseless, id) in pats {
        for (i, w) in hay.windows(p.len()).enumerate() {
            if w == p || caseless && w.eq_ignore_ascii_case(p) {
                out.insert(((i + p.len()) as u64, id));
            }
        }
    }
    out
}
