//! The fast pattern of a rule: the one content that the prefilter looks for.

use alloc::vec::Vec;

use super::Compiler;
use crate::rules::ir::{self, BufferRef, Fast as FastWish, Match};
use crate::rules::refuse::{Fault, RefusalKind, Res};

/// Longest part of a content that the prefilter looks for, bytes.
const LONGEST: usize = 24;

/// The fast pattern of a rule.
#[derive(Clone, Debug)]
pub(super) enum Pick {
    None,
    Payload { bytes: Vec<u8>, nocase: bool, lo: u32, hi: u32 },
    App { key: u32, bytes: Vec<u8>, nocase: bool, lo: u32, hi: u32 },
}

impl Compiler {
    /// Chooses the content that the prefilter looks for: the rule's own wish, else the longest one in a named
    /// buffer, else the longest in the payload. Negated contents and lists that may be absent cannot serve.
    pub(super) fn pick(&mut self, r: &ir::Rule) -> Res<Pick> {
        let mut best: Option<(u32, usize, usize, &ir::Content)> = None;
        for (i, l) in r.lists.iter().enumerate() {
            let class = match l.buffer {
                BufferRef::App(_) => 1,
                BufferRef::Payload => 0,
                _ => continue,
            };
            if l.absent.is_some() || r.header.direction == ir::Direction::Transaction {
                continue;
            }
            for (j, m) in l.matches.iter().enumerate() {
                let Match::Content(c) = m else { continue };
                if c.negated || c.bytes.is_empty() {
                    continue;
                }
                let wish = if c.fast == FastWish::Auto { 0 } else { 1 << 20 };
                let strength = if COMMON.contains(&c.bytes.as_slice()) { 1 } else { strength(&c.bytes) };
                let score = wish + (class << 16) + strength.min(0xffff);
                if best.is_none_or(|b| score > b.0) {
                    best = Some((score, i, j, c));
                }
            }
        }
        let Some((_, i, j, c)) = best else { return Ok(Pick::None) };
        let l = &r.lists[i];
        let (from, len) = match c.fast {
            FastWish::Chop(o, n) => (o as usize, n as usize),
            _ => (0, c.bytes.len()),
        };
        let part = c.bytes.get(from..from.saturating_add(len)).filter(|b| !b.is_empty());
        let Some(bytes) = part.map(<[u8]>::to_vec) else {
            let what = "fast_pattern offset and length lie outside the content";
            return Err(Fault::new(RefusalKind::Value, what).near("fast_pattern", b""));
        };
        // A part of a long pattern is as selective as the whole, and a scan of a growing value has to look back
        // by no more than the longest pattern.
        let cut = (0..=bytes.len().saturating_sub(LONGEST))
            .max_by_key(|&i| strength(&bytes[i..bytes.len().min(i + LONGEST)]));
        let cut = cut.unwrap_or(0);
        let bytes = bytes[cut..bytes.len().min(cut + LONGEST)].to_vec();
        let used = from + cut + bytes.len();
        let place = l.matches.iter().take(j + 1).fold(None, place);
        let (lo, hi) = place.map_or((0, u32::MAX), |p| p.end_of(c.bytes.len(), used));
        Ok(match l.buffer {
            BufferRef::Payload => Pick::Payload { bytes, nocase: c.nocase, lo, hi },
            _ => Pick::App { key: self.key(&l.buffer, &l.transforms)?, bytes, nocase: c.nocase, lo, hi },
        })
    }
}

/// The prefilter alone looks for it.
pub(super) fn is_only(m: &Match) -> bool {
    matches!(m, Match::Content(c) if c.fast == FastWish::Only && !c.negated)
}

/// Values that most messages have: poor prefilters, however long they are.
const COMMON: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"200",
    b"HTTP/1.",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"Mozilla",
    b"Mozilla/",
    b"Mozilla/4.0",
    b"Mozilla/5.0",
    b"gzip",
    b"gzip, deflate",
    b"text/html",
    b"close",
    b"Keep-Alive",
    b"*/*",
    b"User-Agent",
    b"Content-Type",
];

/// How selective a pattern is: its length, bytes that repeat counting less.
fn strength(b: &[u8]) -> u32 {
    let mut seen = [false; 256];
    let mut s = 0;
    for &c in b {
        let rare = if c.is_ascii_alphabetic() {
            3
        } else if c.is_ascii_graphic() {
            4
        } else if c == 0 || c == 0xff {
            2
        } else {
            5
        };
        s += if seen[c as usize] { 1 } else { rare };
        seen[c as usize] = true;
    }
    s
}

/// Where a match may end in its value, bytes from the start of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    lo: i64,
    /// `None`: anywhere behind.
    hi: Option<i64>,
}

impl Place {
    /// Where the part of a content of `len` bytes that ends `used` bytes into it may end.
    fn end_of(self, len: usize, used: usize) -> (u32, u32) {
        let back = len as i64 - used as i64;
        let lo = u32::try_from(self.lo - back).unwrap_or(0);
        let hi = self.hi.map_or(u32::MAX, |h| u32::try_from(h - back).unwrap_or(u32::MAX));
        // Conditions that contradict each other are left to the evaluation.
        if lo <= hi { (lo, hi) } else { (0, u32::MAX) }
    }
}

/// Where `m` ends, when what comes before it ends at `before`; `None` when nothing is known. A content that is
/// placed relative to one whose place is known has one too.
fn place(before: Option<Place>, m: &Match) -> Option<Place> {
    let c = match m {
        Match::Content(c) if !c.negated => c,
        // These look from where the match before ended, and leave it there.
        Match::Content(_) | Match::IsDataAt { .. } | Match::ByteTest(_) | Match::Size(_) => return before,
        _ => return None,
    };
    let number = |n: Option<ir::Num>| match n {
        None => Some(None),
        Some(ir::Num::Const(n)) => Some(Some(n)),
        Some(ir::Num::Var(_)) => None,
    };
    let len = c.bytes.len() as i64;
    if c.is_relative() {
        let from = before?;
        let distance = number(c.distance)?.unwrap_or(0);
        let hi = number(c.within)?.and_then(|w| Some(from.hi? + distance + w));
        return Some(Place { lo: (from.lo + distance).max(0) + len, hi });
    }
    if c.startswith {
        return Some(Place { lo: len, hi: Some(len) });
    }
    let offset = number(c.offset)?.unwrap_or(0);
    Some(Place { lo: offset + len, hi: number(c.depth)?.map(|d| offset + d) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ir::{Content, Num};

    fn content(
        bytes: &[u8],
        offset: Option<i64>,
        depth: Option<i64>,
        distance: Option<i64>,
        within: Option<i64>,
    ) -> Match {
        let n = |v: Option<i64>| v.map(Num::Const);
        Match::Content(Content {
            bytes: bytes.to_vec(),
            nocase: false,
            negated: false,
            offset: n(offset),
            depth: n(depth),
            distance: n(distance),
            within: n(within),
            startswith: false,
            endswith: false,
            rawbytes: false,
            fast: FastWish::Auto,
            replace: Vec::new(),
        })
    }

    fn of(list: &[Match]) -> Option<(i64, Option<i64>)> {
        list.iter().fold(None, place).map(|p| (p.lo, p.hi))
    }

    #[test]
    fn places_follow_from_those_before() {
        let first = || content(b"\0", None, Some(1), None, None);
        assert_eq!(of(&[first()]), Some((1, Some(1))));
        // |00| depth 1, then 5 bytes at a distance of 3 within 5: at 4 and nowhere else.
        let smb = content(b"\xffSMB\xa0", None, None, Some(3), Some(5));
        assert_eq!(of(&[first(), smb]), Some((9, Some(9))));
        assert_eq!(of(&[content(b"ab", Some(4), Some(10), None, None)]), Some((6, Some(14))));
        let far = || content(b"cd", None, None, Some(1), None);
        assert_eq!(of(&[first(), far()]), Some((4, None)));
        assert_eq!(of(&[first(), far(), content(b"e", None, None, None, Some(9))]), Some((5, None)));
        // Nothing is known behind what has no place of its own.
        assert_eq!(of(&[far()]), None);
        let any = content(b"x", None, None, None, None);
        assert_eq!(of(&[any, content(b"y", None, None, None, Some(1))]), Some((2, None)));
        assert_eq!(Place { lo: 9, hi: Some(9) }.end_of(5, 3), (7, 7));
        assert_eq!(Place { lo: 9, hi: Some(3) }.end_of(5, 5), (0, u32::MAX));
    }
}
