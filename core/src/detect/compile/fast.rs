//! The fast pattern of a rule: the one content that the prefilter looks for.

use alloc::vec::Vec;

use super::{Compiler, Refuse};
use crate::rules::ir::{self, BufferRef, Fast as FastWish, Match};

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
    pub(super) fn pick(&mut self, r: &ir::Rule) -> Result<Pick, Refuse> {
        let mut best: Option<(u32, usize, &ir::Content)> = None;
        for (i, l) in r.lists.iter().enumerate() {
            let class = match l.buffer {
                BufferRef::App(_) => 1,
                BufferRef::Payload => 0,
                _ => continue,
            };
            if l.absent.is_some() || r.header.direction == ir::Direction::Transaction {
                continue;
            }
            for m in &l.matches {
                let Match::Content(c) = m else { continue };
                if c.negated || c.bytes.is_empty() {
                    continue;
                }
                let wish = if c.fast == FastWish::Auto { 0 } else { 1 << 20 };
                let strength = if COMMON.contains(&c.bytes.as_slice()) { 1 } else { strength(&c.bytes) };
                let score = wish + (class << 16) + strength.min(0xffff);
                if best.is_none_or(|b| score > b.0) {
                    best = Some((score, i, c));
                }
            }
        }
        let Some((_, i, c)) = best else { return Ok(Pick::None) };
        let l = &r.lists[i];
        let (from, len) = match c.fast {
            FastWish::Chop(o, n) => (o as usize, n as usize),
            _ => (0, c.bytes.len()),
        };
        let bytes = c
            .bytes
            .get(from..from.saturating_add(len))
            .filter(|b| !b.is_empty())
            .ok_or("fast_pattern offset and length lie outside the content")?
            .to_vec();
        // A part of a long pattern is as selective as the whole, and a scan of a growing value has to look back
        // by no more than the longest pattern.
        let cut = (0..=bytes.len().saturating_sub(LONGEST))
            .max_by_key(|&i| strength(&bytes[i..bytes.len().min(i + LONGEST)]));
        let cut = cut.unwrap_or(0);
        let bytes = bytes[cut..bytes.len().min(cut + LONGEST)].to_vec();
        let (lo, hi) = bounds(c, from + cut + bytes.len());
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

/// Where the byte behind the pattern (which ends `used` bytes into the content) may lie.
fn bounds(c: &ir::Content, used: usize) -> (u32, u32) {
    let any = (0, u32::MAX);
    if c.is_relative() {
        return any;
    }
    let used = used as i64;
    let offset = match c.offset {
        None => 0,
        Some(ir::Num::Const(o)) if !c.startswith => o,
        Some(ir::Num::Const(_)) => 0,
        Some(ir::Num::Var(_)) => return any,
    };
    let depth = if c.startswith { Some(ir::Num::Const(c.bytes.len() as i64)) } else { c.depth };
    let lo = u32::try_from(offset + used).unwrap_or(0);
    let hi = match depth {
        Some(ir::Num::Const(d)) => {
            u32::try_from(offset + d - c.bytes.len() as i64 + used).unwrap_or(u32::MAX)
        }
        Some(ir::Num::Var(_)) => return any,
        None => u32::MAX,
    };
    (lo, hi)
}
