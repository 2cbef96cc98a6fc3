//! Rules on a text that comes in pieces, without packets or flows.
//!
//! In: the last bytes of the text with what is new of them. Out: matches in the queue. Owns nothing: rules whose
//! pattern was seen and that wait for more are kept by the caller.

use alloc::vec::Vec;

use super::context::{PacketCx, Raw};
use super::header::header;
use super::inspect::Bytes;
use super::queue::Hit;
use super::ruleset::{Groups, RuleSet, SigIx};
use super::run::{Detector, select};
use crate::pool::BytePool;

/// Most rules that wait for more of a text.
const WAITING: usize = 64;

impl Detector {
    /// Asks the rules about what is new of a text. `done` says which need not be asked any more.
    ///
    /// A piece costs by its bytes: patterns are searched in what is new, and only rules whose pattern ends there, those
    /// that wait, and those without a pattern are evaluated.
    pub fn text(
        &mut self,
        cx: &PacketCx<'_>,
        raw: &Raw<'_>,
        waiting: &mut Vec<SigIx>,
        done: impl Fn(SigIx) -> bool,
        pool: &mut BytePool,
    ) {
        let Some(rules) = self.lent.take() else { return };
        self.text_candidates(select(&rules, cx, None), raw);
        for s in waiting.drain(..) {
            if let Some(e) = self.seen.get_mut(s as usize)
                && *e != self.epoch
            {
                *e = self.epoch;
                self.cands.push(s);
            }
        }
        self.cands.sort_unstable();
        let bytes = Bytes { buf: raw.data, offset: raw.offset, end: true };
        for i in 0..self.cands.len() {
            let s = self.cands[i];
            if done(s) {
                continue;
            }
            if self.text_rule(&rules, s, cx, bytes, pool) {
                continue;
            }
            let sig = &rules.sigs[s as usize];
            let more = sig.fast.is_some() && sig.payload_list.as_ref().is_some_and(|l| l.steps.len() > 1);
            if more && waiting.len() < WAITING {
                waiting.push(s);
            }
        }
        self.lent = Some(rules);
    }

    fn text_candidates(&mut self, groups: Groups<'_>, raw: &Raw<'_>) {
        let epoch = self.next_epoch();
        self.cands.clear();
        let new = raw.offset + raw.new_from as u64;
        let Detector { seen, cands, scratch, .. } = self;
        let mut note = |s: u32| {
            if let Some(e) = seen.get_mut(s as usize)
                && *e != epoch
            {
                *e = epoch;
                cands.push(s);
            }
        };
        for group in groups.into_iter().flatten() {
            for m in group.packet.iter().chain(&group.stream) {
                let from = raw.new_from.saturating_sub(m.max_len() - 1);
                let tail = raw.data.get(from..).unwrap_or(&[]);
                m.scan(tail, raw.offset + from as u64, scratch, |s, end| {
                    if end > new {
                        note(s);
                    }
                });
            }
            group.always.iter().chain(&group.always_stream).for_each(|s| note(*s));
        }
    }

    /// Whether a rule matches; if so it is in the queue.
    fn text_rule(
        &mut self,
        rules: &RuleSet,
        s: SigIx,
        cx: &PacketCx<'_>,
        bytes: Bytes<'_>,
        pool: &mut BytePool,
    ) -> bool {
        let sig = &rules.sigs[s as usize];
        // Rules without conditions on payload say nothing about a text.
        let Some(list) = &sig.payload_list else { return false };
        if !header(sig, cx, None) {
            return false;
        }
        self.bench.begin();
        self.counters.evaluated += 1;
        let yes = self.bench.state(rules, &mut self.hosts, &sig.state, cx, None, pool)
            && self.bench.header_lists(rules, sig, cx)
            && self.bench.run(rules, list, bytes)
            && self.bench.base64_lists(rules, sig);
        if yes {
            self.matched(sig, Hit { sig: s, tx: None, in_stream: false, frame: false }, cx, None, pool);
        }
        yes
    }
}
