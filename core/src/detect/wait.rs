//! Rules that wait for more of a transaction, and what must come before one of them can match.
//!
//! In: a rule that depends on what is still to come, the transaction as it is now. Out: whether what it waits for is there
//! now, found by a look at the new bytes and values alone. Owns nothing; the list of a transaction lies in the byte pool.
//!
//! Inline, every packet is inspected as it comes. A sender who cuts a body into segments of one byte would otherwise have
//! all waiting rules run over the whole body with each of them.

use super::bench::Bench;
use super::evaluate::TxCx;
use super::inspect::Step;
use super::ruleset::{List, NONE, RuleSet, Sig, Source};
use crate::app::registry::PROTOCOLS;
use crate::app::{Buffer, BufferAt, BufferKind};
use crate::pool::{BytePool, PBuf, Scratch};

/// No list, or no content.
const NOT: u16 = u16::MAX;

/// What has to come before a rule can match: one of its lists, which did not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// Which list of the rule; `NOT`: it is not known what the rule waits for.
    list: u16,
    /// The content of that list that the value did not have; `NOT`: it has all of them, not as the rule wants them.
    missing: u16,
    /// Bytes (of a growing value) or values (of a buffer with several) looked at so far.
    seen: u32,
}

impl Gate {
    pub(super) const OPEN: Gate = Gate { list: NOT, missing: NOT, seen: 0 };

    /// A growing value of `total` bytes, all of which are in `bytes`, or were dropped before them.
    pub(super) fn grows(list: usize, l: &List, plain: bool, bytes: &[u8], total: u64) -> Gate {
        let absent = |s: &Step| matches!(s, Step::Content(c) if !c.negated && c.needle.find(bytes).is_none());
        let missing = l.steps.iter().position(absent).filter(|_| plain);
        Gate {
            list: u16::try_from(list).unwrap_or(NOT),
            missing: missing.and_then(|m| u16::try_from(m).ok()).unwrap_or(NOT),
            seen: u32::try_from(total).unwrap_or(u32::MAX),
        }
    }

    pub(super) const fn is_open(self) -> bool {
        self.list == NOT
    }

    /// A buffer that has `count` values, none of which fits (or a growing one of which nothing was looked at).
    pub(super) fn values(list: usize, count: u32) -> Gate {
        Gate { list: u16::try_from(list).unwrap_or(NOT), missing: NOT, seen: count }
    }
}

/// A waiting rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) sig: u32,
    pub(super) gate: Gate,
}

const SIZE: usize = 12;

/// The waiting rules in `list`, in order of their numbers.
pub(super) fn read<'p>(list: &PBuf, pool: &'p BytePool) -> impl Iterator<Item = Waiting> + 'p {
    list.get(pool).chunks_exact(SIZE).map(|c| {
        let word =
            |at: usize| c.get(at..).and_then(|c| c.first_chunk()).map_or(0, |w| u32::from_le_bytes(*w));
        let what = word(4);
        Waiting {
            sig: word(0),
            gate: Gate { list: (what >> 16) as u16, missing: what as u16, seen: word(8) },
        }
    })
}

/// Entry `i` of the list.
pub(super) fn nth(list: &PBuf, i: usize, pool: &BytePool) -> Option<Waiting> {
    let c = list.get(pool).get(i * SIZE..)?.first_chunk::<SIZE>()?;
    let [a, b, c] = [0, 4, 8].map(|at| u32::from_le_bytes([c[at], c[at + 1], c[at + 2], c[at + 3]]));
    Some(Waiting { sig: a, gate: Gate { list: (b >> 16) as u16, missing: b as u16, seen: c } })
}

/// Replaces what `list` holds; a full pool drops it all.
pub(super) fn write(list: &mut PBuf, rules: &[Waiting], pool: &mut BytePool) {
    if rules.is_empty() {
        list.free(pool);
        return;
    }
    list.truncate(0);
    if list.reserve(pool, rules.len() * SIZE).is_ok() {
        for w in rules {
            let what = u32::from(w.gate.list) << 16 | u32::from(w.gate.missing);
            for word in [w.sig, what, w.gate.seen] {
                let _reserved = list.extend(pool, &word.to_le_bytes());
            }
        }
    }
}

/// Marks on the lengths of a value, each up to a 64th beyond the one before. What must look at all of a growing value
/// does so when its length passes a mark: all looks together cost at most some hundred times the value's length, and
/// full segments of bodies up to 90 KB all pass one.
pub(super) const fn mark(len: u64) -> u64 {
    if len < 64 {
        return len;
    }
    let e = len.ilog2() as u64;
    e << 6 | (len >> (e - 6)) & 63
}

impl Bench {
    /// Whether the rule waits on: what it waits for did not come with what is new.
    pub(super) fn waits_on(
        &mut self,
        rules: &RuleSet,
        sig: &Sig,
        gate: &mut Gate,
        t: &TxCx<'_>,
        pool: &BytePool,
    ) -> bool {
        let Some(l) = sig.lists.get(usize::from(gate.list)).filter(|_| !t.complete) else { return false };
        let Source::App(key) = l.source else { return false };
        let local = rules.bufs[key as usize].local.get(t.p).copied().unwrap_or(NONE);
        let Some(def) = PROTOCOLS[t.p].buffers.get(local as usize) else { return false };
        let dir = l.dir(def, t.dir);
        if t.parser.common(t.tx.idx).progress(dir) >= t.parser.complete_progress(dir) {
            return false;
        }
        let several = def.kind == BufferKind::Multi;
        let mut build = core::mem::replace(&mut self.build, Scratch::new(0));
        build.clear();
        let index = if several { gate.seen } else { 0 };
        let at = BufferAt { local, dir, index, pool, scratch: &mut build };
        let waits = match t.parser.buffer(t.st, t.tx.idx, at) {
            Buffer::Data { bytes, offset, end } if !several => {
                let least = if def.kind == BufferKind::Frame { 0 } else { self.body_min[dir.ix()] };
                !end && !self.came(l, gate, bytes, offset, least)
            }
            Buffer::Data { .. } => false,
            Buffer::NotYet | Buffer::Absent => several,
        };
        self.build = build;
        waits
    }

    /// Whether a growing value may now have what its list missed.
    fn came(&mut self, l: &List, gate: &mut Gate, bytes: &[u8], offset: u64, least: u32) -> bool {
        let (total, seen) = (offset + bytes.len() as u64, u64::from(gate.seen));
        if total < u64::from(least) || total <= seen {
            return false;
        }
        let Some(Step::Content(c)) = l.steps.get(usize::from(gate.missing)) else {
            return mark(total) != mark(seen);
        };
        let back = (c.needle.len() as u64).saturating_sub(1);
        let from = (seen.saturating_sub(back).saturating_sub(offset) as usize).min(bytes.len());
        self.spent.searched += (bytes.len() - from) as u64;
        gate.seen = u32::try_from(total).unwrap_or(u32::MAX);
        c.needle.find(&bytes[from..]).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_rise_with_the_length_and_never_further_apart_than_a_64th() {
        let mut last = 0;
        let mut at = 0u64;
        for n in 1..300_000u64 {
            let m = mark(n);
            assert!(m >= last);
            if m != last {
                assert!(n - at <= (n / 64).max(1), "{at} {n}");
                (last, at) = (m, n);
            }
        }
        assert!(mark(u64::MAX) > mark(u64::MAX / 2));
    }

    #[test]
    fn lists_are_kept() {
        let mut pool = BytePool::new(1 << 16);
        let mut list = PBuf::new();
        let w = |sig, list, missing, seen| Waiting { sig, gate: Gate { list, missing, seen } };
        write(&mut list, &[w(1, 2, 3, 4), w(70_000, NOT, NOT, u32::MAX)], &mut pool);
        let same = |a: Waiting, b: Waiting| alloc::format!("{a:?}") == alloc::format!("{b:?}");
        assert!(
            read(&list, &pool).zip([w(1, 2, 3, 4), w(70_000, NOT, NOT, u32::MAX)]).all(|(a, b)| same(a, b))
        );
        assert!(same(nth(&list, 1, &pool).unwrap(), w(70_000, NOT, NOT, u32::MAX)));
        assert!(nth(&list, 2, &pool).is_none());
        write(&mut list, &[], &mut pool);
        assert_eq!(pool.in_use(), 0);
    }
}
