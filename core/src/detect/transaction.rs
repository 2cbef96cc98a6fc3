//! Rules on one transaction: its buffers are searched for the fast patterns, what that gives is evaluated.
//!
//! In: a transaction that changed, with its packet. Out: matches in the queue, and in the transaction what was
//! searched, what matched and what waits for more of it.

use super::bench::{Bench, transformed};
use super::context::{FlowCx, PacketCx, TxAt};
use super::evaluate::{Answer, TxCx};
use super::header::header;
use super::queue::Hit;
use super::ruleset::{Hook, RuleSet, TxBuf, TxGroup};
use super::run::Detector;
use super::wait::{self, Gate, Waiting, mark};
use crate::Dir;
use crate::app::registry::PROTOCOLS;
use crate::app::{AppProto, Buffer, BufferAt, BufferKind, GROWING_MAX, SEVERAL_MAX, TxDetect};
use crate::pool::BytePool;

// A direction's growing buffers each have a place in `TxDetect::scanned`, those with several values in `TxDetect::values`.
const _: () = {
    let mut p = 0;
    while p < PROTOCOLS.len() {
        let (mut n, mut several, mut chains, mut i) = ([0; 2], [0; 2], 0, 0);
        while i < PROTOCOLS[p].buffers.len() {
            let b = &PROTOCOLS[p].buffers[i];
            chains += matches!(b.kind, BufferKind::Chain) as usize;
            let count = match b.kind {
                BufferKind::Streaming | BufferKind::Chain => &mut n,
                BufferKind::Multi => &mut several,
                // A frame is one value.
                BufferKind::Single | BufferKind::Frame => &mut [0; 2],
            };
            count[0] += (b.dirs & 1) as usize;
            count[1] += (b.dirs >> 1 & 1) as usize;
            i += 1;
        }
        assert!(n[0] <= GROWING_MAX && n[1] <= GROWING_MAX);
        assert!(several[0] <= SEVERAL_MAX && several[1] <= SEVERAL_MAX);
        assert!(chains <= 1);
        p += 1;
    }
};

/// A growing value as the leading buffer of a group had it: address, length, first new byte.
type Lead = Option<(usize, usize, usize)>;

impl Detector {
    /// Whether any rule reads transactions of that protocol in that direction.
    pub fn wants_tx(&self, proto: AppProto, dir: Dir) -> bool {
        let wanted = |p: usize| self.tx_wanted[dir.ix()].checked_shr(p as u32).unwrap_or(0) & 1 == 1;
        proto.index().is_some_and(|p| self.guess_tx || wanted(p))
    }

    /// Whether any rule reads frames of that protocol in that direction.
    pub fn wants_frames(&self, proto: AppProto, dir: Dir) -> bool {
        let wanted = self.frames_wanted[dir.ix()];
        proto.index().is_some_and(|p| wanted.checked_shr(p as u32).unwrap_or(0) & 1 == 1)
    }

    /// Rules on one transaction, in the packet's direction.
    pub fn tx(&mut self, cx: &PacketCx<'_>, flow: &mut FlowCx<'_>, at: TxAt<'_>, pool: &mut BytePool) {
        let Some(rules) = self.lent.take() else { return };
        self.tx_rules(&rules, cx, flow, at, pool);
        self.lent = Some(rules);
    }

    fn tx_rules(
        &mut self,
        rules: &RuleSet,
        cx: &PacketCx<'_>,
        flow: &mut FlowCx<'_>,
        at: TxAt<'_>,
        pool: &mut BytePool,
    ) {
        let dir = cx.dir;
        let Some(p) = at.tx.proto.index() else { return };
        let groups = if at.frame { &rules.frames } else { &rules.tx };
        let Some(group) = groups.get(p).map(|g| &g[dir.ix()]) else { return };
        let common = at.parser.common(at.tx.idx);
        let (progress, events) = (common.progress(dir), common.events);
        let mut det: TxDetect = common.detect[dir.ix()];
        let complete = progress >= at.parser.complete_progress(dir);
        let view = TxCx {
            parser: &*at.parser,
            st: at.st,
            tx: at.tx,
            p,
            dir,
            progress,
            complete,
            files: at.files,
            frame: at.frame,
        };
        if !group.is_empty() {
            self.bench.tx = Some((p as u32 * 2 + u32::from(at.frame), common.serial()));
            let fresh = self.tx_candidates(rules, group, &mut det, (cx, &view), pool);
            // What was seen before and has not changed gives the same answers.
            if fresh || complete || group.restless || det.seen != progress.saturating_add(1) || events != 0 {
                self.tx_more_candidates(group, &det, events != 0, pool);
                self.tx_evaluate(rules, &mut det, (cx, &view), flow, pool);
            }
        }
        self.bench.tx = None;
        det.seen = progress.saturating_add(1);
        let common = at.parser.common_mut(at.tx.idx);
        common.detect[dir.ix()] = det;
        common.store |= core::mem::take(&mut self.store);
        common.unlogged |= core::mem::take(&mut self.unlogged);
        common.settle(dir);
    }

    /// Fills the list of candidates by searching the buffers and the new payload. Whether anything new was searched.
    fn tx_candidates(
        &mut self,
        rules: &RuleSet,
        group: &TxGroup,
        det: &mut TxDetect,
        (cx, view): (&PacketCx<'_>, &TxCx<'_>),
        pool: &BytePool,
    ) -> bool {
        self.next_epoch();
        self.cands.clear();
        let scanned = self.prefilter(rules, group, det, view, pool);
        let asked = self.cands.len();
        if let Some(m) = &group.payload {
            // Scan only the new bytes of the stream; earlier bytes were scanned when they arrived.
            let data = match &cx.raw {
                Some(r) => r.chunk(),
                None => cx.pkt.payload(),
            };
            let (seen, cands, epoch) = (&mut self.seen, &mut self.cands, self.epoch);
            m.scan(data, 0, &mut self.scratch, |s, _| {
                if seen[s as usize] != epoch {
                    seen[s as usize] = epoch;
                    cands.push(s);
                }
            });
        }
        scanned || self.cands.len() > asked
    }

    /// Adds the rules that wait for more of the transaction, and those without a pattern.
    fn tx_more_candidates(&mut self, group: &TxGroup, det: &TxDetect, events: bool, pool: &BytePool) {
        let (seen, cands, epoch) = (&mut self.seen, &mut self.cands, self.epoch);
        let mut note = |s: u32| {
            if let Some(e) = seen.get_mut(s as usize)
                && *e != epoch
            {
                *e = epoch;
                cands.push(s);
            }
        };
        wait::read(&det.pending, pool).for_each(|w| note(w.sig));
        group.always.iter().for_each(|s| note(*s));
        if events {
            group.on_event.iter().for_each(|s| note(*s));
        }
        cands.sort_unstable();
        self.counters.candidates += cands.len() as u64;
    }

    fn tx_evaluate(
        &mut self,
        rules: &RuleSet,
        det: &mut TxDetect,
        (cx, view): (&PacketCx<'_>, &TxCx<'_>),
        flow: &mut FlowCx<'_>,
        pool: &mut BytePool,
    ) {
        self.tx_waiting.clear();
        self.bench.dce_little = view.parser.little(view.tx.idx, view.dir);
        // Both are in order of the rules' numbers.
        let mut next = 0;
        for i in 0..self.cands.len() {
            let s = self.cands[i];
            let mut gate = Gate::OPEN;
            while let Some(w) = wait::nth(&det.pending, next, pool).filter(|w| w.sig <= s) {
                next += 1;
                if w.sig == s {
                    gate = w.gate;
                }
            }
            if det.done.get(pool).chunks_exact(4).any(|c| c == s.to_le_bytes()) {
                continue;
            }
            let sig = &rules.sigs[s as usize];
            if !header(sig, cx, Some(flow)) {
                continue;
            }
            self.bench.begin();
            if !self.bench.state(rules, &mut self.hosts, &sig.state, cx, Some(flow), pool) {
                continue;
            }
            if self.bench.waits_on(rules, sig, &mut gate, view, pool) {
                if self.tx_waiting.len() < self.tx_waiting.capacity() {
                    self.tx_waiting.push(Waiting { sig: s, gate });
                }
                continue;
            }
            self.counters.evaluated += 1;
            self.bench.past = gate;
            match self.bench.transaction(rules, sig, cx, view, pool) {
                Answer::Yes => {
                    // A state alone is told each time that something came in it.
                    let hooked = matches!(sig.hook, Some(Hook::Progress(d, at)) if d == view.dir && at == view.progress);
                    let stays = hooked || sig.states_only();
                    if !(sig.lingers() && stays) {
                        let _full = det.done.extend(pool, &s.to_le_bytes());
                    }
                    let hit = Hit { sig: s, tx: Some(view.tx), in_stream: true, frame: view.frame };
                    self.matched(sig, hit, cx, Some(flow), pool);
                }
                Answer::Wait if self.tx_waiting.len() < self.tx_waiting.capacity() => {
                    self.tx_waiting.push(Waiting { sig: s, gate: self.bench.gate });
                }
                _ => {}
            }
        }
        wait::write(&mut det.pending, if view.complete { &[] } else { &self.tx_waiting }, pool);
    }

    /// Searches what is new in the buffers of the group. Whether there was anything.
    fn prefilter(
        &mut self,
        rules: &RuleSet,
        group: &TxGroup,
        det: &mut TxDetect,
        view: &TxCx<'_>,
        pool: &BytePool,
    ) -> bool {
        let mut scanned = false;
        let mut lead: Lead = None;
        // Several keys of one growing buffer start from the same place.
        let (before, values_before, turn_before) = (det.scanned, det.values, det.turn);
        let Detector { bench, scratch, seen, cands, epoch, body_step, .. } = self;
        let Bench { build, xf, regex, inflater, body_min, spent, .. } = bench;
        for (i, b) in group.bufs.iter().enumerate() {
            let flag = 1u64.checked_shl(i as u32).unwrap_or(0);
            if view.progress < b.progress || det.scanned_bufs & flag != 0 {
                continue;
            }
            let chain = b.kind == BufferKind::Chain;
            let growing = matches!(b.kind, BufferKind::Streaming | BufferKind::Frame) || chain;
            let several = b.kind == BufferKind::Multi;
            let mut known = before.get(usize::from(b.nth)).map_or(0, |n| u64::from(*n));
            // Values only come behind those there are; when the transaction is complete all are searched once more, because
            // fields of trailers join those before them.
            let searched = values_before.get(usize::from(b.nth)).filter(|_| several && !view.complete);
            let first = if chain { Some(&turn_before) } else { searched };
            let mut index = first.map_or(0, |n| u32::from(*n));
            loop {
                build.clear();
                let at = BufferAt { local: b.local, dir: view.dir, index, pool, scratch: build };
                let got = view.parser.buffer(view.st, view.tx.idx, at);
                let Buffer::Data { bytes, offset, end } = got else {
                    if several && let Some(n) = det.values.get_mut(usize::from(b.nth)) {
                        *n = (*n).max(u16::try_from(index).unwrap_or(u16::MAX));
                    }
                    if got == Buffer::Absent || view.complete {
                        let open = (several || chain) && !view.complete;
                        det.scanned_bufs |= if open { 0 } else { flag };
                    }
                    break;
                };
                let total = offset + bytes.len() as u64;
                if b.kind == BufferKind::Frame {
                    if total <= known && !end {
                        break;
                    }
                } else if growing && !end {
                    let more = if known == 0 { body_min[view.dir.ix()] } else { body_step[view.dir.ix()] };
                    if total < known + u64::from(more) {
                        break;
                    }
                }
                let key = &rules.bufs[b.key as usize];
                // A transform has to see all of the value.
                if growing && !end && !key.xforms.is_empty() && mark(known) == mark(total) {
                    break;
                }
                scanned = true;
                let note = |s: u32, _end: u64| {
                    if seen[s as usize] != *epoch {
                        seen[s as usize] = *epoch;
                        cands.push(s);
                    }
                };
                if !key.xforms.is_empty() {
                    spent.searched += bytes.len() as u64;
                    if let Some(which) = transformed(&key.xforms, bytes, xf, regex, inflater) {
                        b.mpm.scan(xf[which].as_slice(), 0, scratch, note);
                    }
                } else if growing {
                    if let Some((part, at)) = fresh_part(b, (bytes, offset), known, &mut lead) {
                        spent.searched += part.len() as u64;
                        b.mpm.scan(part, at, scratch, note);
                    }
                } else {
                    spent.searched += bytes.len() as u64;
                    b.mpm.scan(bytes, offset, scratch, note);
                }
                if growing && let Some(n) = det.scanned.get_mut(usize::from(b.nth)) {
                    let turn = if chain { index as u16 } else { det.turn };
                    if turn > det.turn {
                        (det.turn, *n) = (turn, 0);
                    }
                    if turn == det.turn {
                        *n = (*n).max(u32::try_from(total).unwrap_or(u32::MAX));
                    }
                }
                if chain && end {
                    (index, known) = (index + 1, 0);
                    continue;
                }
                if several {
                    index += 1;
                    continue;
                }
                if end {
                    det.scanned_bufs |= flag;
                }
                break;
            }
        }
        scanned
    }
}

/// What is to be searched of a growing value of which `known` bytes were: the new bytes, and as many before them as
/// a pattern may reach back; with the offset. Nothing if there is no new byte, or if the leading buffer of the group,
/// which is searched for the patterns of all, had the same bytes.
fn fresh_part<'v>(
    b: &TxBuf,
    (bytes, offset): (&'v [u8], u64),
    known: u64,
    lead: &mut Lead,
) -> Option<(&'v [u8], u64)> {
    let from = (known.saturating_sub(offset) as usize).min(bytes.len());
    let this = Some((bytes.as_ptr() as usize, bytes.len(), from));
    if b.leads {
        *lead = this;
    } else if *lead == this {
        return None;
    }
    if from == bytes.len() {
        return None;
    }
    let back = from.saturating_sub(b.mpm.max_len() - 1);
    Some((bytes.get(back..)?, offset + back as u64))
}
