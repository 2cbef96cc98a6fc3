//! Rules on one transaction: its buffers are searched for the fast patterns, what that gives is evaluated.
//!
//! In: a transaction that changed, with its packet. Out: matches in the queue, and in the transaction what was
//! searched, what matched and what waits for more of it.

use super::bench::{Bench, transformed};
use super::context::{FlowCx, PacketCx};
use super::evaluate::{Answer, TxCx};
use super::header::header;
use super::queue::Hit;
use super::ruleset::{RuleSet, TxGroup};
use super::run::{Detector, store};
use crate::Dir;
use crate::app::{AppProto, Buffer, BufferKind, Parser, StateId, TxDetect, TxIdx, file};
use crate::pool::BytePool;

impl Detector {
    /// Whether any rule reads transactions of that protocol in that direction.
    pub fn wants_tx(&self, proto: AppProto, dir: Dir) -> bool {
        proto.index().is_some_and(|p| self.tx_wanted[dir.ix()] >> (p & 63) & 1 == 1)
    }

    /// Rules on one transaction, in the packet's direction.
    #[allow(clippy::too_many_arguments)]
    pub fn tx(
        &mut self,
        cx: &PacketCx<'_>,
        flow: &mut FlowCx<'_>,
        proto: AppProto,
        parser: &mut dyn Parser,
        st: StateId,
        tx: TxIdx,
        files: &file::Files,
        pool: &mut BytePool,
    ) {
        let Some(rules) = self.lent.take() else { return };
        self.tx_rules(&rules, cx, flow, proto, parser, st, tx, files, pool);
        self.lent = Some(rules);
    }

    #[allow(clippy::too_many_arguments)]
    fn tx_rules(
        &mut self,
        rules: &RuleSet,
        cx: &PacketCx<'_>,
        flow: &mut FlowCx<'_>,
        proto: AppProto,
        parser: &mut dyn Parser,
        st: StateId,
        tx: TxIdx,
        files: &file::Files,
        pool: &mut BytePool,
    ) {
        let dir = cx.dir;
        let Some(p) = proto.index() else { return };
        let common = parser.common(tx);
        let (progress, events, id) = (common.progress[dir.ix()], common.events, common.id);
        let mut det: TxDetect = common.detect[dir.ix()];
        let complete = progress >= parser.complete_progress(dir);
        let Some(group) = rules.tx.get(p).map(|g| &g[dir.ix()]) else { return };
        if !group.is_empty() {
            let epoch = self.next_epoch();
            self.cands.clear();
            let scanned =
                self.prefilter(rules, group, &mut det, epoch, parser, st, tx, dir, progress, complete, pool);
            let asked = self.cands.len();
            if let Some(m) = &group.payload {
                // Of the stream what is new; what came before was looked at then.
                let (data, offset, new) = match &cx.raw {
                    Some(r) => {
                        let from = r.new_from.saturating_sub(m.max_len() - 1);
                        (&r.data[from..], r.offset + from as u64, r.offset + r.new_from as u64)
                    }
                    None => (cx.pkt.payload(), 0, 0),
                };
                let (seen, cands) = (&mut self.seen, &mut self.cands);
                m.scan(data, offset, &mut self.scratch, |s, end| {
                    if end > new && seen[s as usize] != epoch {
                        seen[s as usize] = epoch;
                        cands.push(s);
                    }
                });
            }
            // What was seen before and has not changed gives the same answers.
            let scanned = scanned || self.cands.len() > asked;
            if !scanned && !complete && det.seen == progress.saturating_add(1) && events == 0 {
                parser.common_mut(tx).dirty[dir.ix()] = false;
                return;
            }
            let (seen, cands) = (&mut self.seen, &mut self.cands);
            let mut note = |s: u32| {
                if let Some(e) = seen.get_mut(s as usize)
                    && *e != epoch
                {
                    *e = epoch;
                    cands.push(s);
                }
            };
            for c in det.pending.get(pool).chunks_exact(4) {
                note(u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
            }
            group.always.iter().for_each(|s| note(*s));
            if events != 0 {
                group.on_event.iter().for_each(|s| note(*s));
            }
            self.cands.sort_unstable();
            self.counters.candidates += self.cands.len() as u64;
            self.waiting.clear();
            for i in 0..self.cands.len() {
                let s = self.cands[i];
                let done = det.done.get(pool).chunks_exact(4).any(|c| c == s.to_le_bytes());
                if done {
                    continue;
                }
                let sig = &rules.sigs[s as usize];
                if !header(sig, cx, Some(flow)) {
                    continue;
                }
                self.counters.evaluated += 1;
                self.bench.begin();
                if !self.bench.state(rules, &mut self.hosts, &sig.state, cx, Some(flow), pool) {
                    continue;
                }
                let view = TxCx { parser, st, tx, p, dir, complete, files };
                match self.bench.transaction(rules, sig, cx, &view, pool) {
                    Answer::Yes => {
                        let _full = det.done.extend(pool, &s.to_le_bytes());
                        self.matched(
                            sig,
                            Hit { sig: s, tx: Some((tx, id)), in_stream: true },
                            cx,
                            Some(flow),
                            pool,
                        );
                    }
                    Answer::Wait if self.waiting.len() < self.waiting.capacity() => self.waiting.push(s),
                    _ => {}
                }
            }
            store(&mut det.pending, if complete { &[] } else { &self.waiting }, pool);
        }
        det.seen = progress.saturating_add(1);
        let common = parser.common_mut(tx);
        common.detect[dir.ix()] = det;
        common.dirty[dir.ix()] = false;
    }

    #[allow(clippy::too_many_arguments)]
    fn prefilter(
        &mut self,
        rules: &RuleSet,
        group: &TxGroup,
        det: &mut TxDetect,
        epoch: u32,
        parser: &dyn Parser,
        st: StateId,
        tx: TxIdx,
        dir: Dir,
        progress: u8,
        complete: bool,
        pool: &BytePool,
    ) -> bool {
        let mut scanned = false;
        // Place, length and first new byte of the value that the leading growing buffer had.
        let mut lead = None;
        for (i, b) in group.bufs.iter().enumerate() {
            let flag = if i < 64 { 1u64 << i } else { 0 };
            if progress < b.progress || det.scanned_bufs & flag != 0 {
                continue;
            }
            let nth = usize::from(b.nth);
            let key = &rules.bufs[b.key as usize];
            let mut index = 0;
            let Bench { build, xf, regex, inflater, body_min, .. } = &mut self.bench;
            loop {
                build.clear();
                let got = parser.buffer(st, tx, b.local, dir, index, pool, build);
                let Buffer::Data { bytes, offset, end } = got else {
                    if got == Buffer::Absent || complete {
                        det.scanned_bufs |= if b.kind == BufferKind::Multi && !complete { 0 } else { flag };
                    }
                    break;
                };
                if b.kind == BufferKind::Streaming && !end {
                    let total = offset + bytes.len() as u64;
                    let known = u64::from(det.scanned[nth.min(3)]);
                    let more = if known == 0 { body_min[dir.ix()] } else { self.body_step[dir.ix()] };
                    if total < known + u64::from(more) {
                        break;
                    }
                }
                scanned = true;
                let (seen, cands) = (&mut self.seen, &mut self.cands);
                let note = |s: u32, _end: u64| {
                    if seen[s as usize] != epoch {
                        seen[s as usize] = epoch;
                        cands.push(s);
                    }
                };
                if !key.xforms.is_empty() {
                    if let Some(which) = transformed(&key.xforms, bytes, xf, regex, inflater) {
                        b.mpm.scan(xf[which].as_slice(), 0, &mut self.scratch, note);
                    }
                } else if b.kind == BufferKind::Streaming && nth < 4 {
                    let known = u64::from(det.scanned[nth]);
                    let from = (known.saturating_sub(offset) as usize).min(bytes.len());
                    let back = from.saturating_sub(b.mpm.max_len() - 1);
                    let this = Some((bytes.as_ptr() as usize, bytes.len(), from));
                    if b.leads {
                        lead = this;
                    }
                    if from < bytes.len() && !b.leads && lead == this {
                        det.scanned[nth] = u32::try_from(offset + bytes.len() as u64).unwrap_or(u32::MAX);
                    } else if from < bytes.len() {
                        b.mpm.scan(&bytes[back..], offset + back as u64, &mut self.scratch, note);
                        det.scanned[nth] = u32::try_from(offset + bytes.len() as u64).unwrap_or(u32::MAX);
                    }
                } else {
                    b.mpm.scan(bytes, offset, &mut self.scratch, note);
                }
                if b.kind == BufferKind::Multi {
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
