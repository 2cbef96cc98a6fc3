//! Rules that wait for more of a transaction, and what must come before one of them can match.
//!
//! In: a rule that depends on what is still to come, the transaction as it is now. Out: whether what it waits for is there
//! now, found by a look at the new bytes and values alone. Owns nothing; the list of a transaction lies in the byte pool.
//!
//! Inline, every packet is inspected as it comes. A sender who cuts a body into segments of one byte would otherwise have
//! all waiting rules run over the whole body with each of them; one who sends values one by one (recipients, files of an
//! upload), over all that came before.

use super::bench::Bench;
use super::evaluate::{Answer, TxCx};
use super::inspect::{Bytes, Step};
use super::ruleset::{List, NONE, RuleSet, Sig, Source};
use crate::app::registry::PROTOCOLS;
use crate::app::{Buffer, BufferAt, BufferKind};
use crate::pool::{BytePool, PBuf, Scratch};
use crate::rules::ir::Num;

/// No list, or no content.
const NOT: u16 = u16::MAX;
/// In the place of a list: all lists held, what is missing is a number, a state or the end of a file.
const REST: u16 = u16::MAX - 1;

/// What has to come before a rule can match: one of its lists, which did not hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    /// Which list of the rule; `NOT`: it is not known what the rule waits for.
    list: u16,
    /// The content of that list that the value did not have; `NOT`: it has all of them, not as the rule wants them.
    missing: u16,
    /// Bytes (of a growing value) or values (of a buffer with several) looked at so far.
    seen: u32,
    /// Of a chain, which value grows: those before it are over, and the list did not hold on them.
    turn: u16,
}

impl Gate {
    pub(super) const OPEN: Gate = Gate { list: NOT, missing: NOT, seen: 0, turn: 0 };
    /// All lists held.
    pub(super) const REST: Gate = Gate { list: REST, ..Gate::OPEN };

    /// Value `turn` of a growing buffer, `total` bytes long, all of which are in `bytes`, or were dropped before them.
    pub(super) fn grows(list: (usize, &List), plain: bool, turn: u32, bytes: &[u8], total: u64) -> Gate {
        let absent = |s: &Step| matches!(s, Step::Content(c) if !c.negated && c.needle.find(bytes).is_none());
        let missing = list.1.steps.iter().position(absent).filter(|_| plain);
        Gate {
            missing: missing.and_then(|m| u16::try_from(m).ok()).unwrap_or(NOT),
            seen: u32::try_from(total).unwrap_or(u32::MAX),
            ..Gate::value(list.0, BufferKind::Chain, turn)
        }
    }

    pub(super) const fn is_open(self) -> bool {
        self.list == NOT
    }

    /// Value `index` of a buffer of that kind is to come; the list did not hold on those before it.
    pub(super) fn value(list: usize, kind: BufferKind, index: u32) -> Gate {
        let several = kind == BufferKind::Multi;
        Gate {
            list: u16::try_from(list).unwrap_or(NOT),
            missing: NOT,
            seen: if several { index } else { 0 },
            turn: if several { 0 } else { u16::try_from(index).unwrap_or(u16::MAX) },
        }
    }

    /// The first value on which list `n` has to be run: it did not hold on those before it, and never will if its answer
    /// depends on the value alone.
    pub(super) fn first(self, n: usize, l: &List, kind: BufferKind) -> u32 {
        if usize::from(self.list) != n || !depends_on_the_value_alone(l) {
            return 0;
        }
        match kind {
            BufferKind::Multi => self.seen,
            BufferKind::Chain => self.turn.into(),
            _ => 0,
        }
    }
}

/// Whether running the list again, or apart from the rule's other lists, gives the same and leaves nothing behind.
pub(super) fn depends_on_the_value_alone(l: &List) -> bool {
    let fixed = |n: &Option<Num>| !matches!(n, Some(Num::Var(_)));
    l.steps.iter().all(|s| match s {
        Step::Content(c) => {
            c.replace.is_none() && [&c.offset, &c.depth, &c.distance, &c.within].into_iter().all(fixed)
        }
        Step::Pcre(p) => p.captures.is_empty(),
        Step::IsDataAt { at, .. } => matches!(at, Num::Const(_)),
        Step::Size(_) => true,
        _ => false,
    })
}

/// A waiting rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) sig: u32,
    pub(super) gate: Gate,
}

const SIZE: usize = 16;

/// The waiting rules in `list`, in order of their numbers.
pub(super) fn read<'p>(list: &PBuf, pool: &'p BytePool) -> impl Iterator<Item = Waiting> + 'p {
    list.get(pool).chunks_exact(SIZE).map(|c| {
        let word =
            |at: usize| c.get(at..).and_then(|c| c.first_chunk()).map_or(0, |w| u32::from_le_bytes(*w));
        let what = word(4);
        Waiting {
            sig: word(0),
            gate: Gate {
                list: (what >> 16) as u16,
                missing: what as u16,
                seen: word(8),
                turn: word(12) as u16,
            },
        }
    })
}

/// Entry `i` of the list.
pub(super) fn nth(list: &PBuf, i: usize, pool: &BytePool) -> Option<Waiting> {
    let c = list.get(pool).get(i * SIZE..)?.first_chunk::<SIZE>()?;
    let [a, b, c, d] = [0, 4, 8, 12].map(|at| u32::from_le_bytes([c[at], c[at + 1], c[at + 2], c[at + 3]]));
    Some(Waiting {
        sig: a,
        gate: Gate { list: (b >> 16) as u16, missing: b as u16, seen: c, turn: d as u16 },
    })
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
            for word in [w.sig, what, w.gate.seen, w.gate.turn.into()] {
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
        if t.complete {
            return false;
        }
        if gate.list == REST {
            return self.rest(sig, t, pool) == Answer::Wait;
        }
        let Some(l) = sig.lists.get(usize::from(gate.list)) else { return false };
        let Source::App(key) = l.source else { return false };
        let local = rules.bufs[key as usize].local.get(t.p).copied().unwrap_or(NONE);
        let Some(def) = PROTOCOLS[t.p].buffers.get(local as usize) else { return false };
        let dir = l.dir(def, t.dir);
        let progress = t.parser.common(t.tx.idx).progress(dir);
        if progress >= t.parser.complete_progress(dir) {
            return false;
        }
        if progress < def.progress {
            return true;
        }
        // The builder's place is lent out so that the conditions may use the rest of the bench.
        let mut build = core::mem::replace(&mut self.build, Scratch::new(0));
        let at = BufferAt { local, dir, index: gate.turn.into(), pool, scratch: &mut build };
        let waits = if def.kind == BufferKind::Multi {
            self.none_fits(rules, (key, l), gate, t, at)
        } else {
            at.scratch.clear();
            match t.parser.buffer(t.st, t.tx.idx, at) {
                Buffer::Data { bytes, offset, end } => {
                    let least = if def.kind == BufferKind::Frame { 0 } else { self.body_min[dir.ix()] };
                    !end && !self.came(l, gate, bytes, offset, least)
                }
                Buffer::NotYet => true,
                Buffer::Absent => def.kind == BufferKind::Chain && l.absent.is_none(),
            }
        };
        self.build = build;
        waits
    }

    /// Whether the list holds on none of the values that came since: it is run on them alone, or, where that is not the same
    /// as with the rest of the rule, the rule when their number passes a [`mark`].
    fn none_fits(
        &mut self,
        rules: &RuleSet,
        (key, l): (u32, &List),
        gate: &mut Gate,
        t: &TxCx<'_>,
        at: BufferAt<'_>,
    ) -> bool {
        let BufferAt { local, dir, pool, scratch, .. } = at;
        let alone = depends_on_the_value_alone(l);
        let mut index = gate.seen;
        loop {
            scratch.clear();
            let at = BufferAt { local, dir, index, pool, scratch };
            let Buffer::Data { bytes, offset, end } = t.parser.buffer(t.st, t.tx.idx, at) else { break };
            if l.absent.is_some()
                || alone && self.run_transformed(rules, key, l, Bytes { buf: bytes, offset, end })
            {
                gate.seen = index;
                return false;
            }
            index += 1;
        }
        if l.absent.is_some() || !alone && mark(index.into()) != mark(gate.seen.into()) {
            return false;
        }
        if alone {
            gate.seen = index;
        }
        true
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
        let w = |sig, list, missing, seen| Waiting { sig, gate: Gate { list, missing, seen, turn: 5 } };
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
