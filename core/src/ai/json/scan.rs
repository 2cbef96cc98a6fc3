//! Looking for the few bytes that mean something in JSON, 16 and 64 at once. Long texts are left to `memchr`, which has
//! wider vectors.

use crate::sig::{either, equal, outside};

/// Where the number or word that begins before `at` ends: at a byte that is no letter, digit, sign or full stop.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    if let Some(block) = bytes.get(at..).and_then(|b| b.first_chunk()) {
        let m = outside(block, ENDS) & !equal(block, b'+', 0);
        if m != 0 {
            return at + m.trailing_zeros() as usize;
        }
        at += block.len();
    }
    let ends = |c: u8| (c <= ENDS[0] && c != b'+') || c == ENDS[1] || (c | ENDS[3]) >= ENDS[2];
    while bytes.get(at).is_some_and(|c| !ends(*c)) {
        at += 1;
    }
    at
}

/// Signs up to the comma, the colon, and brackets of both kinds with what follows them, as [`outside`] takes them.
const ENDS: [u8; 4] = [b',', b':', b'{', 0x20];

/// Where the first quotation mark or backslash from `at` on is; the length if there is none.
#[inline(always)]
pub(super) fn quote_or_slash(bytes: &[u8], mut at: usize) -> usize {
    // Most strings are short: then a call costs more than the search.
    for _ in 0..3 {
        let Some(block) = bytes.get(at..).and_then(|s| s.first_chunk()) else {
            return last_of(bytes, at);
        };
        match specials(block) {
            0 => at += BLOCK,
            m => return at + m.trailing_zeros() as usize,
        }
    }
    at + memchr::memchr2(b'"', b'\\', &bytes[at..]).unwrap_or(bytes.len() - at)
}

/// As [`quote_or_slash`], where less than a block is left.
#[inline(always)]
fn last_of(bytes: &[u8], at: usize) -> usize {
    let to = bytes.len();
    if let Some(block) = bytes.last_chunk()
        && to > at
    {
        let m = specials(block) >> (at + BLOCK - to);
        return if m == 0 { to } else { at + m.trailing_zeros() as usize };
    }
    let rest = bytes.get(at..).unwrap_or(&[]);
    at + rest.iter().position(|c| matches!(c, b'"' | b'\\')).unwrap_or(rest.len())
}

/// Bytes of a block.
pub(super) const BLOCK: usize = 32;

/// Bits for the quotation marks and backslashes of a block.
#[inline(always)]
pub(super) fn specials(b: &[u8; BLOCK]) -> u32 {
    let (halves, _) = b.as_chunks();
    halves.iter().enumerate().fold(0, |m, (i, h)| m | half(h) << (16 * i))
}

/// As [`specials`], of half a block.
#[inline(always)]
pub(super) fn half(b: &[u8; 16]) -> u32 {
    either(b, b'"', b'\\')
}

/// Quotation marks and backslashes of 64 bytes, looked up once for all strings that begin or end among them.
pub(super) struct Ahead {
    from: usize,
    marks: u64,
}

/// Bytes that are looked up at once.
const SIGHT: usize = 64;
/// Blocks of a string that are looked through before it is left to `memchr`.
const NEAR: usize = 4;

impl Ahead {
    /// Nothing is known yet of what begins there.
    pub(super) fn before(at: usize) -> Ahead {
        Ahead { from: at.wrapping_sub(SIGHT), marks: 0 }
    }

    /// Where the first quotation mark or backslash from `at` on is; the length if there is none. `at` never goes back.
    #[inline(always)]
    pub(super) fn find(&mut self, bytes: &[u8], at: usize) -> usize {
        let off = at.wrapping_sub(self.from);
        let mut next = at;
        if off < SIGHT {
            let m = self.marks >> off;
            if m != 0 {
                return at + m.trailing_zeros() as usize;
            }
            next = self.from + SIGHT;
        }
        for _ in 0..NEAR {
            let Some(block) = bytes.get(next..).and_then(|b| b.first_chunk::<SIGHT>()) else {
                let (from, marks) = last(bytes);
                *self = Ahead { from, marks };
                let m = if next < bytes.len() { marks >> (next - from) } else { 0 };
                return if m == 0 { bytes.len() } else { next + m.trailing_zeros() as usize };
            };
            let m = both(block);
            if m != 0 {
                *self = Ahead { from: next, marks: m };
                return next + m.trailing_zeros() as usize;
            }
            next += SIGHT;
        }
        next + memchr::memchr2(b'"', b'\\', &bytes[next..]).unwrap_or(bytes.len() - next)
    }
}

/// Where the last block begins, and what is marked in it.
#[inline(never)]
fn last(bytes: &[u8]) -> (usize, u64) {
    if let Some(block) = bytes.last_chunk() {
        return (bytes.len() - SIGHT, both(block));
    }
    let mut block = [0; SIGHT];
    block[..bytes.len()].copy_from_slice(bytes);
    (0, both(&block))
}

/// Bits for the quotation marks and backslashes of 64 bytes.
#[inline(always)]
fn both(b: &[u8; SIGHT]) -> u64 {
    let (quarters, _) = b.as_chunks();
    quarters.iter().enumerate().fold(0, |m, (i, q)| m | u64::from(half(q)) << (16 * i))
}

/// Bits for the bytes of 64 that are quotation marks, backslashes, brackets that open, and that close.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) quotes: u64,
    pub(super) slashes: u64,
    pub(super) opens: u64,
    pub(super) closes: u64,
}

impl Marks {
    #[inline(always)]
    pub(super) fn of(bytes: &[u8; 64]) -> Marks {
        let mut all = Marks::default();
        let (blocks, _) = bytes.as_chunks();
        for (i, b) in blocks.iter().enumerate() {
            let to = i * 16;
            all.quotes |= u64::from(equal(b, b'"', 0)) << to;
            all.slashes |= u64::from(equal(b, b'\\', 0)) << to;
            // `[` and `{`, `]` and `}` differ in one bit.
            all.opens |= u64::from(equal(b, b'{', 0x20)) << to;
            all.closes |= u64::from(equal(b, b'}', 0x20)) << to;
        }
        all
    }

    /// Those before the first backslash, and the backslashes.
    #[inline(always)]
    pub(super) fn before_escape(self) -> Marks {
        let before = (self.slashes & self.slashes.wrapping_neg()).wrapping_sub(1);
        let Marks { quotes, slashes, opens, closes } = self;
        Marks { quotes: quotes & before, slashes, opens: opens & before, closes: closes & before }
    }

    /// Bits that lie inside of strings, quotation marks that open them included, if no byte is escaped.
    #[inline(always)]
    pub(super) fn inside(&self) -> u64 {
        let mut x = self.quotes;
        for n in [1, 2, 4, 8, 16, 32] {
            x ^= x << n;
        }
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes() -> impl Strategy<Value = u8> {
        prop_oneof![prop::sample::select(&b"\"\\[]{}\x02\x22\x5b\xdb\xfb\x7b\x80\xa2"[..]), any::<u8>()]
    }

    proptest! {
        #[test]
        fn as_byte_by_byte(data in prop::collection::vec(bytes(), 64), tail in prop::collection::vec(bytes(), 0..80)) {
            let block: &[u8; 64] = data.first_chunk().unwrap();
            let m = Marks::of(block);
            for (i, c) in block.iter().enumerate() {
                let bit = |m: u64| m >> i & 1 == 1;
                prop_assert_eq!(bit(m.quotes), *c == b'"');
                prop_assert_eq!(bit(m.slashes), *c == b'\\');
                prop_assert_eq!(bit(m.opens), matches!(c, b'[' | b'{'));
                prop_assert_eq!(bit(m.closes), matches!(c, b']' | b'}'));
                let before = block[..=i].iter().filter(|c| **c == b'"').count();
                prop_assert_eq!(bit(m.inside()), before % 2 == 1);
            }
            let long: std::vec::Vec<u8> = data.iter().chain(&tail).map(|c| if *c < 0x80 { *c } else { b'x' }).collect();
            for from in 0..long.len() {
                let place = |s: &[u8]| s.iter().position(|c| matches!(c, b'"' | b'\\')).unwrap_or(s.len());
                prop_assert_eq!(quote_or_slash(&long, from), from + place(&long[from..]));
                prop_assert_eq!(quote_or_slash(&long[from..], 0), place(&long[from..]));
                let plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.');
                let end = plain_end(&long, from);
                let other = long[from..end].iter().any(|c| b"\"[]{},: ".contains(c));
                prop_assert!(!other);
                prop_assert!(long.get(end).is_none_or(|c| !plain(c)));
                // In steps, as strings are read.
                let (mut ahead, mut at) = (Ahead::before(from), from);
                while at < long.len() {
                    let found = ahead.find(&long, at);
                    prop_assert_eq!(found, at + place(&long[at..]));
                    at = found + 1;
                }
            }
        }
    }
}
