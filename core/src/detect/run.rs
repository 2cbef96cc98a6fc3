//! One worker's detection: packets and transactions with their context go in, matches come out.
//!
//! Owns the worker's scratch; nothing here allocates after [`Detector::new`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::FlowDetect;
use super::inspect::transform::{self, Inflater};
use super::inspect::{Bytes, Inspector, NoSets, Sets, Spent};
use super::packet as packet_match;
use super::queue::{Hit, Queue};
use super::ruleset::{
    CInt, CPost, CState, CValue, Hook, List, NONE, PortGroup, ProtoTest, RuleSet, Sig, SigIx, Source,
};
use super::state::{self, FlowTag, HostKey, HostTable, TagMetric};
use super::threshold::Thresholds;
use crate::app::{AppProto, Buffer, BufferKind, Parser, StateId, TxDetect, TxIdx, file};
use crate::event::Action;
use crate::packet::{EventSet, L3, L4, Packet, Source as PacketSource};
use crate::pool::{BytePool, PBuf, Scratch};
use crate::rules::ir::{
    self, AddrSet, AppProtoMode, FlowNumber, IntIndex, PacketHeader, Side, TagMetric as IrTag,
};
use crate::sig;
use crate::sig::regex::Cache;
use crate::{Dir, app};

/// Reassembled bytes of one direction, as far as they may be inspected now.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// A retained tail followed by the new bytes.
    pub data: &'a [u8],
    /// Stream offset of `data[0]`.
    pub offset: u64,
    /// Index in `data` of the first new byte.
    pub new_from: usize,
}

/// The packet at hand and what the stations before detection found out about it.
#[derive(Clone, Copy)]
pub struct PacketCx<'a> {
    pub pkt: &'a Packet<'a>,
    pub dir: Dir,
    pub has_flow: bool,
    /// The engine made it (end of a flow): it has no bytes of its own.
    pub pseudo: bool,
    /// Its flow is established (TCP: handshake done; otherwise: both sides were seen).
    pub established: bool,
    /// First packet of its flow.
    pub first: bool,
    /// Its payload belongs to a reassembled stream and is inspected there.
    pub in_stream: bool,
    /// Payload is opaque or not wanted.
    pub no_payload: bool,
    pub stream_events: EventSet,
    /// Detection-level application events on this packet (bit per event).
    pub app_events: u8,
    /// Bytes of stream seen from client and server.
    pub stream_size: Option<[u32; 2]>,
    pub raw: Option<Raw<'a>>,
    pub flow_id: u64,
    /// The application protocol became known with this packet.
    pub proto_decided: bool,
}

/// The flow of the packet at hand.
pub struct FlowCx<'a> {
    pub detect: &'a mut FlowDetect,
    pub app: AppProto,
    pub app_by_dir: [AppProto; 2],
    pub app_orig: AppProto,
    /// Seconds since the flow began.
    pub age: u64,
    pub pkts: [u64; 2],
    pub bytes: [u64; 2],
}

/// Counters of one worker.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counters {
    pub alerts: u64,
    pub suppressed: u64,
    /// Regexes that met their step limit.
    pub regex_limits: u64,
    /// Steps that evaluating took: of rules, and of their regexes.
    pub work: u64,
    pub candidates: u64,
    pub evaluated: u64,
}

/// Sizes of a worker's tables.
#[derive(Debug, Clone, Copy)]
pub struct DetectConfig {
    /// Most alerts a packet may raise (`packet-alert-max`).
    pub packet_alert_max: usize,
    pub threshold_slots: usize,
    pub host_slots: usize,
    /// Growing values (bodies, files) are looked at when that many bytes are there, per direction, and then again
    /// each time that many more came; always at their end. 0: whenever they grow (inline).
    pub body_min: [u32; 2],
    pub body_step: [u32; 2],
    /// Largest buffer that transforms and built buffers may reach, bytes.
    pub scratch: usize,
    pub seed: u64,
}

impl Default for DetectConfig {
    fn default() -> Self {
        DetectConfig {
            packet_alert_max: 15,
            threshold_slots: 16 << 10,
            host_slots: 16 << 10,
            body_min: [32 << 10, 40 << 10],
            body_step: [4 << 10, 16 << 10],
            scratch: 256 << 10,
            seed: 0x7469_6465_6761_7465,
        }
    }
}

/// Memory used while a rule is evaluated.
struct Bench {
    vars: [u64; 16],
    base64: Scratch,
    base64_ready: bool,
    regex: Cache,
    inflater: Inflater,
    build: Scratch,
    xf: [Scratch; 2],
    sets: alloc::boxed::Box<dyn Sets + Send>,
    spent: Spent,
    body_min: [u32; 2],
}

/// Detection of one engine.
pub struct Detector {
    rules: Arc<RuleSet>,
    bench: Bench,
    scratch: sig::Scratch,
    /// Per rule: the last epoch in which it became a candidate.
    seen: Vec<u32>,
    epoch: u32,
    cands: Vec<SigIx>,
    stream_cands: Vec<(SigIx, u64)>,
    waiting: Vec<u32>,
    body_step: [u32; 2],
    pub queue: Queue,
    pub thresholds: Thresholds,
    hosts: HostTable<()>,
    pub counters: Counters,
}

/// What evaluating a rule on a transaction gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Yes,
    No,
    /// Depends on what is still to come.
    Wait,
}

/// Most raw stream rules that wait for more bytes, per direction of a flow.
const MAX_WAITING: usize = 16;

impl Detector {
    /// Takes all memory that detection with `rules` needs.
    pub fn new(cfg: &DetectConfig, rules: Arc<RuleSet>) -> Self {
        let mut d = Detector {
            bench: Bench {
                vars: [0; 16],
                base64: Scratch::new(cfg.scratch),
                base64_ready: false,
                regex: Cache::default(),
                inflater: Inflater::new(64 << 10),
                build: Scratch::new(cfg.scratch),
                xf: [Scratch::new(cfg.scratch), Scratch::new(cfg.scratch)],
                sets: alloc::boxed::Box::new(NoSets),
                spent: Spent::default(),
                body_min: cfg.body_min,
            },
            scratch: sig::Scratch::new(),
            seen: Vec::new(),
            epoch: 0,
            cands: Vec::new(),
            stream_cands: Vec::new(),
            waiting: Vec::with_capacity(4096),
            body_step: cfg.body_step,
            queue: Queue::new(cfg.packet_alert_max),
            thresholds: Thresholds::new(cfg.threshold_slots, cfg.seed),
            hosts: HostTable::new(cfg.host_slots, cfg.seed),
            counters: Counters::default(),
            rules: rules.clone(),
        };
        d.swap(rules);
        d
    }

    /// Takes another rule set. Allocates: call between two batches.
    pub fn swap(&mut self, rules: Arc<RuleSet>) {
        for m in rules.mpms() {
            m.prepare(&mut self.scratch);
        }
        self.seen = alloc::vec![0; rules.len()];
        self.epoch = 0;
        self.cands = Vec::with_capacity(rules.len());
        self.stream_cands = Vec::with_capacity(rules.len());
        self.rules = rules;
    }

    /// Where datasets are kept.
    pub fn set_sets(&mut self, sets: alloc::boxed::Box<dyn Sets + Send>) {
        self.bench.sets = sets;
    }

    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Counters since construction.
    pub fn counters(&self) -> Counters {
        let Spent { steps, limits } = self.bench.spent;
        Counters { regex_limits: limits, work: steps + self.bench.regex.work(), ..self.counters }
    }

    fn next_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.seen.fill(0);
            self.epoch = 1;
        }
        self.epoch
    }

    /// Rules on the packet itself and on raw bytes of its stream.
    pub fn packet(&mut self, cx: &PacketCx<'_>, mut flow: Option<&mut FlowCx<'_>>, pool: &mut BytePool) {
        let rules = self.rules.clone();
        if rules.is_empty() {
            return;
        }
        if !cx.pkt.events.is_empty() || !cx.stream_events.is_empty() {
            for &s in &rules.on_event {
                self.plain(&rules, s, cx, flow.as_deref_mut(), pool);
            }
        }
        if !cx.pseudo {
            for &s in &rules.pkthdr {
                self.plain(&rules, s, cx, flow.as_deref_mut(), pool);
            }
        }
        if !cx.pkt.has_ip() {
            return;
        }
        if cx.first || !cx.has_flow {
            for &s in &rules.ip_only {
                self.plain(&rules, s, cx, flow.as_deref_mut(), pool);
            }
        }
        let port = if cx.dir == Dir::ToServer { cx.pkt.dp } else { cx.pkt.sp };
        let groups = match cx.pkt.l4 {
            L4::Tcp => rules.tcp[cx.dir.ix()].get(port),
            L4::Udp => rules.udp[cx.dir.ix()].get(port),
            _ => [Some(&rules.other[cx.dir.ix()]), None],
        };
        self.payload_rules(&rules, groups, cx, flow, pool);
    }

    fn payload_rules(
        &mut self,
        rules: &RuleSet,
        groups: [Option<&PortGroup>; 2],
        cx: &PacketCx<'_>,
        mut flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) {
        let epoch = self.next_epoch();
        let payload = if cx.no_payload || cx.pseudo { &[][..] } else { cx.pkt.payload() };
        self.cands.clear();
        self.stream_cands.clear();
        {
            let (seen, cands) = (&mut self.seen, &mut self.cands);
            let mut note = |s: u32, _end: u64| {
                if seen[s as usize] != epoch {
                    seen[s as usize] = epoch;
                    cands.push(s);
                }
            };
            for group in groups.into_iter().flatten() {
                if !payload.is_empty() {
                    if let Some(m) = &group.packet {
                        m.scan(payload, 0, &mut self.scratch, &mut note);
                    }
                    if !cx.in_stream {
                        if let Some(m) = &group.stream {
                            m.scan(payload, 0, &mut self.scratch, &mut note);
                        }
                        group.always_stream.iter().for_each(|s| note(*s, 0));
                    }
                }
                group.always.iter().for_each(|s| note(*s, 0));
            }
        }
        let proto_asked = flow.as_deref_mut().is_none_or(|f| {
            let asked = f.detect.proto_only & cx.dir.bit() != 0;
            if f.app != AppProto::UNKNOWN {
                f.detect.proto_only |= cx.dir.bit();
            }
            asked || f.app == AppProto::UNKNOWN
        });
        if let (Some(raw), Some(f)) = (&cx.raw, flow.as_deref_mut()) {
            self.stream_candidates(groups, raw, f, cx.dir, pool);
        }
        self.counters.candidates += (self.cands.len() + self.stream_cands.len()) as u64;
        self.cands.sort_unstable();
        for i in 0..self.cands.len() {
            let s = self.cands[i];
            let sig = &rules.sigs[s as usize];
            if (sig.proto_only && proto_asked) || !header(sig, cx, flow.as_deref()) {
                continue;
            }
            self.bench.begin();
            let ok = self.bench.state(rules, &mut self.hosts, &sig.state, cx, flow.as_deref_mut(), pool)
                && self.bench.header_lists(rules, sig, cx)
                && sig.payload_list.as_ref().is_none_or(|l| self.bench.run(rules, l, Bytes::whole(payload)))
                && self.bench.base64_lists(rules, sig);
            self.counters.evaluated += 1;
            if ok {
                self.matched(sig, Hit { sig: s, tx: None, in_stream: false }, cx, flow.as_deref_mut(), pool);
            }
        }
        let Some(raw) = &cx.raw else { return };
        if self.stream_cands.is_empty() {
            return;
        }
        self.stream_cands.sort_unstable();
        let bytes = Bytes { buf: raw.data, offset: raw.offset, end: true };
        self.waiting.clear();
        for i in 0..self.stream_cands.len() {
            let (s, end) = self.stream_cands[i];
            if i > 0 && self.stream_cands[i - 1].0 == s {
                continue;
            }
            let sig = &rules.sigs[s as usize];
            if !header(sig, cx, flow.as_deref()) {
                continue;
            }
            self.bench.begin();
            self.counters.evaluated += 1;
            if !self.bench.state(rules, &mut self.hosts, &sig.state, cx, flow.as_deref_mut(), pool) {
                continue;
            }
            let ok = self.bench.header_lists(rules, sig, cx)
                && sig.payload_list.as_ref().is_none_or(|l| self.bench.run(rules, l, bytes))
                && self.bench.base64_lists(rules, sig);
            if ok {
                self.matched(sig, Hit { sig: s, tx: None, in_stream: true }, cx, flow.as_deref_mut(), pool);
            } else if sig.payload_list.as_ref().is_some_and(|l| l.steps.len() > 1)
                && self.waiting.len() < MAX_WAITING * 2
            {
                self.waiting.extend([s, u32::try_from(end).unwrap_or(u32::MAX)]);
            }
        }
        if let Some(f) = flow {
            let list = &mut f.detect.waiting[cx.dir.ix()];
            store(list, &self.waiting, pool);
        }
    }

    /// Fills `stream_cands` with the rules whose pattern ends in the new bytes, and those that waited for them.
    fn stream_candidates(
        &mut self,
        groups: [Option<&PortGroup>; 2],
        raw: &Raw<'_>,
        f: &mut FlowCx<'_>,
        dir: Dir,
        pool: &mut BytePool,
    ) {
        if raw.data.len() <= raw.new_from {
            return;
        }
        let list = &mut f.detect.waiting[dir.ix()];
        if !list.is_empty() {
            for c in list.get(pool).chunks_exact(8) {
                let s = u32::from_le_bytes([c[0], c[1], c[2], c[3]]);
                let end = u64::from(u32::from_le_bytes([c[4], c[5], c[6], c[7]]));
                if end > raw.offset
                    && (s as usize) < self.seen.len()
                    && self.stream_cands.len() < self.seen.len()
                {
                    self.stream_cands.push((s, end));
                }
            }
            list.free(pool);
        }
        let cap = self.seen.len();
        let new = raw.offset + raw.new_from as u64;
        for group in groups.into_iter().flatten() {
            if let Some(m) = &group.stream {
                let from = raw.new_from.saturating_sub(m.max_len() - 1);
                let cands = &mut self.stream_cands;
                m.scan(&raw.data[from..], raw.offset + from as u64, &mut self.scratch, |s, end| {
                    if end > new && cands.len() < cap {
                        cands.push((s, end));
                    }
                });
            }
            for &s in group.always_stream.iter().chain(&group.always) {
                if self.stream_cands.len() < cap && self.rules.sigs[s as usize].payload.stream {
                    self.stream_cands.push((s, new));
                }
            }
        }
    }

    /// A rule without payload conditions.
    fn plain(
        &mut self,
        rules: &RuleSet,
        s: SigIx,
        cx: &PacketCx<'_>,
        mut flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) {
        let sig = &rules.sigs[s as usize];
        if !header(sig, cx, flow.as_deref()) {
            return;
        }
        self.bench.begin();
        let payload = cx.pkt.payload();
        if self.bench.state(rules, &mut self.hosts, &sig.state, cx, flow.as_deref_mut(), pool)
            && self.bench.header_lists(rules, sig, cx)
            && sig.payload_list.as_ref().is_none_or(|l| self.bench.run(rules, l, Bytes::whole(payload)))
        {
            self.matched(sig, Hit { sig: s, tx: None, in_stream: false }, cx, flow, pool);
        }
    }

    fn matched(
        &mut self,
        sig: &Sig,
        hit: Hit,
        cx: &PacketCx<'_>,
        flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) {
        self.queue.push(hit);
        let Some(f) = flow else {
            for p in &sig.post {
                self.host_post(p, cx);
            }
            return;
        };
        let d = &mut *f.detect;
        let get = |d: &FlowDetect, pool: &BytePool, v: &CValue| match v {
            CValue::Const(c) => *c,
            CValue::Var(n) => state::int(d, pool, *n).unwrap_or(0),
        };
        for p in &sig.post {
            match p {
                CPost::BitsSet(b) => b.iter().for_each(|b| state::change_bit(d, pool, *b, ir::BitOp::Set)),
                CPost::BitsUnset(b) => {
                    b.iter().for_each(|b| state::change_bit(d, pool, *b, ir::BitOp::Unset))
                }
                CPost::BitsToggle(b) => {
                    b.iter().for_each(|b| state::change_bit(d, pool, *b, ir::BitOp::Toggle));
                }
                CPost::IntSet(n, v) => {
                    let v = get(d, pool, v);
                    state::set_int(d, pool, *n, v);
                }
                CPost::IntAdd(n, v) => {
                    let v = state::int(d, pool, *n).unwrap_or(0).wrapping_add(get(d, pool, v));
                    state::set_int(d, pool, *n, v);
                }
                CPost::IntSub(n, v) => {
                    let v = state::int(d, pool, *n).unwrap_or(0).wrapping_sub(get(d, pool, v));
                    state::set_int(d, pool, *n, v);
                }
                CPost::Tag(t) if t.host.is_none() => {
                    let n = u64::from(t.count);
                    d.tag = match t.metric {
                        IrTag::Packets => {
                            FlowTag { active: true, metric: TagMetric::Packets, left: n, sig: hit.sig }
                        }
                        IrTag::Bytes => {
                            FlowTag { active: true, metric: TagMetric::Bytes, left: n, sig: hit.sig }
                        }
                        IrTag::Seconds => FlowTag {
                            active: true,
                            metric: TagMetric::Until,
                            left: cx.pkt.ts.saturating_add(n.saturating_mul(1_000_000_000)),
                            sig: hit.sig,
                        },
                    };
                }
                p => self.host_post(p, cx),
            }
        }
    }

    fn host_post(&mut self, p: &CPost, cx: &PacketCx<'_>) {
        if let CPost::Xbit { bit, track, op, expire } = p {
            let now = cx.pkt.ts;
            let k = HostKey::new(u32::from(*bit), *track, cx.pkt.src, cx.pkt.dst);
            let has = self.hosts.get(&k, now).is_some();
            let end = now.saturating_add(u64::from((*expire).max(1)).saturating_mul(1_000_000_000));
            match (op, has) {
                (ir::BitOp::Set, _) | (ir::BitOp::Toggle, false) => self.hosts.set(k, (), end, now),
                (ir::BitOp::Unset | ir::BitOp::Toggle, _) => self.hosts.remove(&k),
            }
        }
    }

    /// Whether any rule reads transactions of that protocol in that direction.
    pub fn wants_tx(&self, proto: AppProto, dir: Dir) -> bool {
        proto.index().and_then(|p| self.rules.tx.get(p)).is_some_and(|g| !g[dir.ix()].is_empty())
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
        let rules = self.rules.clone();
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
                self.prefilter(&rules, group, &mut det, epoch, parser, st, tx, dir, progress, complete, pool);
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
                if !self.bench.state(&rules, &mut self.hosts, &sig.state, cx, Some(flow), pool) {
                    continue;
                }
                let view = TxCx { parser, st, tx, p, dir, complete, files };
                match self.bench.transaction(&rules, sig, cx, &view, pool) {
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
        group: &super::ruleset::TxGroup,
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
        let mut streaming = 0usize;
        let mut scanned = false;
        // Place, length and first new byte of the value that the leading growing buffer had.
        let mut lead = None;
        for (i, b) in group.bufs.iter().enumerate() {
            let nth = streaming;
            streaming += usize::from(b.kind == BufferKind::Streaming);
            let flag = if i < 64 { 1u64 << i } else { 0 };
            if progress < b.progress || det.scanned_bufs & flag != 0 {
                continue;
            }
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

    /// Whether the packet is to be logged because of a `tag`; counts it.
    pub fn tagged(&mut self, flow: &mut FlowDetect, pkt: &Packet<'_>) -> Option<SigIx> {
        let t = &mut flow.tag;
        if !t.active {
            return None;
        }
        match t.metric {
            TagMetric::Packets => {
                t.left = t.left.saturating_sub(1);
                t.active = t.left > 0;
            }
            TagMetric::Bytes => {
                t.left = t.left.saturating_sub(pkt.data.len() as u64);
                t.active = t.left > 0;
            }
            TagMetric::Until => {
                if pkt.ts > t.left {
                    t.active = false;
                    return None;
                }
            }
        }
        Some(t.sig)
    }
}

/// Replaces what `list` holds by `values`, as little-endian `u32`s; a full pool drops them.
fn store(list: &mut PBuf, values: &[u32], pool: &mut BytePool) {
    if values.is_empty() {
        list.free(pool);
        return;
    }
    list.truncate(0);
    if list.reserve(pool, values.len() * 4).is_ok() {
        for v in values {
            let _reserved = list.extend(pool, &v.to_le_bytes());
        }
    }
}

/// The transaction at hand.
struct TxCx<'a> {
    parser: &'a dyn Parser,
    st: StateId,
    tx: TxIdx,
    /// Index of the protocol in the registry.
    p: usize,
    dir: Dir,
    complete: bool,
    files: &'a file::Files,
}

fn transformed(
    xforms: &[transform::XForm],
    input: &[u8],
    xf: &mut [Scratch; 2],
    regex: &mut Cache,
    inflater: &mut Inflater,
) -> Option<usize> {
    let [a, b] = xf;
    let mut which = 0;
    for (i, x) in xforms.iter().enumerate() {
        let ok = match (i, which) {
            (0, _) => transform::apply(x, input, a, regex, inflater),
            (_, 0) => transform::apply(x, a.as_slice(), b, regex, inflater),
            _ => transform::apply(x, b.as_slice(), a, regex, inflater),
        };
        if i > 0 {
            which ^= 1;
        }
        // An empty result is still a value to the conditions behind it.
        if !ok {
            if which == 0 { a.clear() } else { b.clear() }
        }
    }
    Some(which)
}

impl Bench {
    fn begin(&mut self) {
        self.base64_ready = false;
    }

    fn inspector(&mut self) -> Inspector<'_> {
        Inspector {
            vars: &mut self.vars,
            base64: &mut self.base64,
            base64_ready: &mut self.base64_ready,
            regex: &mut self.regex,
            sets: self.sets.as_mut(),
            dce_little: false,
            tries: 0,
            spent: &mut self.spent,
        }
    }

    fn run(&mut self, _rules: &RuleSet, l: &List, b: Bytes<'_>) -> bool {
        self.inspector().run(&l.steps, b)
    }

    /// A list on bytes that its transforms change first.
    fn run_transformed(&mut self, rules: &RuleSet, key: u32, l: &List, b: Bytes<'_>) -> bool {
        let key = &rules.bufs[key as usize];
        if key.xforms.is_empty() {
            return self.inspector().run(&l.steps, b);
        }
        let Bench { vars, base64, base64_ready, regex, inflater, xf, sets, spent, .. } = self;
        let Some(which) = transformed(&key.xforms, b.buf, xf, regex, inflater) else { return false };
        let mut i = Inspector {
            vars,
            base64,
            base64_ready,
            regex,
            sets: sets.as_mut(),
            dce_little: false,
            tries: 0,
            spent,
        };
        i.run(&l.steps, Bytes { buf: xf[which].as_slice(), offset: 0, end: b.end })
    }

    /// Lists on packet headers.
    fn header_lists(&mut self, rules: &RuleSet, sig: &Sig, cx: &PacketCx<'_>) -> bool {
        for l in &sig.lists {
            let Source::Header(h, key) = l.source else { continue };
            let p = cx.pkt;
            let span = match h {
                PacketHeader::Ipv4 if p.l3 == L3::Ipv4 => p.l3_hdr,
                PacketHeader::Ipv6 if p.l3 == L3::Ipv6 => p.l3_hdr,
                PacketHeader::Tcp if p.l4 == L4::Tcp => p.l4_hdr,
                PacketHeader::Udp if p.l4 == L4::Udp => p.l4_hdr,
                PacketHeader::Icmpv4 if p.l4 == L4::Icmpv4 => p.l4_hdr,
                PacketHeader::Icmpv6 if p.l4 == L4::Icmpv6 => p.l4_hdr,
                PacketHeader::Ether => crate::packet::Span::new(0, p.data.len()),
                _ => return false,
            };
            let bytes = span.of(p.data);
            if bytes.is_empty() || !self.run_transformed(rules, key, l, Bytes::whole(bytes)) {
                return false;
            }
        }
        true
    }

    /// Lists on what `base64_decode` gave.
    fn base64_lists(&mut self, rules: &RuleSet, sig: &Sig) -> bool {
        for l in &sig.lists {
            let Source::Base64(key) = l.source else { continue };
            if !self.base64_list(rules, key, l) {
                return false;
            }
        }
        true
    }

    fn base64_list(&mut self, rules: &RuleSet, key: u32, l: &List) -> bool {
        if !self.base64_ready {
            return false;
        }
        // The list reads what was decoded while the decoder's place is lent out.
        let data = core::mem::replace(&mut self.base64, Scratch::new(0));
        let ok = self.run_transformed(rules, key, l, Bytes::whole(data.as_slice()));
        self.base64 = data;
        ok
    }

    /// Conditions on kept state.
    fn state(
        &mut self,
        rules: &RuleSet,
        hosts: &mut HostTable<()>,
        list: &[CState],
        cx: &PacketCx<'_>,
        flow: Option<&mut FlowCx<'_>>,
        pool: &BytePool,
    ) -> bool {
        if list.is_empty() {
            return true;
        }
        let d = flow.as_ref().map(|f| &*f.detect);
        list.iter().all(|s| match s {
            CState::BitsAnySet(b) => d.is_some_and(|d| b.iter().any(|b| state::bit(d, pool, *b))),
            CState::BitsNoneSet(b) => d.is_some_and(|d| !b.iter().any(|b| state::bit(d, pool, *b))),
            CState::Int { var, cmp, value } => d.is_some_and(|d| {
                let right = match value {
                    CValue::Const(c) => Some(*c),
                    CValue::Var(n) => state::int(d, pool, *n),
                };
                match (state::int(d, pool, *var), right) {
                    (Some(a), Some(b)) => state::compare(*cmp, a, b),
                    _ => false,
                }
            }),
            CState::IntIsSet { var, set } => d.is_some_and(|d| state::int(d, pool, *var).is_some() == *set),
            CState::Xbit { bit, track, set } => {
                let k = HostKey::new(u32::from(*bit), *track, cx.pkt.src, cx.pkt.dst);
                hosts.get(&k, cx.pkt.ts).is_some() == *set
            }
            CState::AppProtocol { protos, negated, mode } => flow.as_ref().is_some_and(|f| {
                let has = |p: AppProto| protos.contains(&p);
                let [ts, tc] = f.app_by_dir;
                let known = match mode {
                    AppProtoMode::ToServer => ts,
                    AppProtoMode::ToClient => tc,
                    AppProtoMode::Original => f.app_orig,
                    _ => f.app,
                };
                if known == AppProto::UNKNOWN && f.app == AppProto::UNKNOWN {
                    return false;
                }
                let yes = match mode {
                    AppProtoMode::Either => has(ts) || has(tc) || has(f.app),
                    AppProtoMode::Both => has(ts) && has(tc),
                    _ => has(known),
                };
                yes != *negated
            }),
            // Asked where the transaction is at hand.
            CState::AppEvent { .. } | CState::AppState { .. } => true,
            CState::AppLayerEvent(e) => cx.app_events >> (e & 7) & 1 == 1,
            CState::FlowVar { var, value, negated } => d.is_some_and(|d| {
                state::var(d, pool, *var).is_some_and(|v| (v == value.as_slice()) != *negated)
            }),
            CState::DceIface { .. } | CState::FtpBounce => false,
            CState::Reputation { side, category, cmp, value } => {
                let score = |a: &crate::packet::Addr| {
                    let r = &rules.reputation;
                    if cx.pkt.is_ipv6() {
                        r.v6(u128::from_be_bytes(a.0), *category)
                    } else {
                        r.v4(packet_match::v4(a), *category)
                    }
                };
                // "Not set" is written as a score below 0.
                let unset = *cmp == ir::Cmp::Lt && *value == 0;
                let ok = |a| match score(a) {
                    None => unset,
                    Some(s) => {
                        !unset && super::inspect::bytes::compare(*cmp, u64::from(s), u64::from(*value))
                    }
                };
                let (src, dst) = (&cx.pkt.src, &cx.pkt.dst);
                match side {
                    ir::RepSide::Src => ok(src),
                    ir::RepSide::Dst => ok(dst),
                    ir::RepSide::Any => ok(src) || ok(dst),
                    ir::RepSide::Both => ok(src) && ok(dst),
                }
            }
            CState::AddrSet { src, set, op } => {
                let a = if *src { &cx.pkt.src } else { &cx.pkt.dst };
                let n = if cx.pkt.is_ipv6() { 16 } else { 4 };
                self.sets.dataset(*set, *op, &a.0[..n])
            }
        })
    }

    /// All conditions of a rule on one transaction.
    fn transaction(
        &mut self,
        rules: &RuleSet,
        sig: &Sig,
        cx: &PacketCx<'_>,
        t: &TxCx<'_>,
        pool: &BytePool,
    ) -> Answer {
        let common = t.parser.common(t.tx);
        let mut wait = false;
        if let Some(Hook::Progress(dir, at)) = sig.hook {
            let at = if at == u8::MAX { t.parser.complete_progress(dir) } else { at };
            if common.progress[dir.ix()] < at {
                return Answer::Wait;
            }
        }
        for s in &sig.state {
            match s {
                CState::AppEvent { proto, event }
                    if (proto.index() != Some(t.p) || common.events >> event & 1 == 0) =>
                {
                    return Answer::No;
                }
                CState::AppState { test, dir } if !test.test(u64::from(common.progress[dir.ix()])) => {
                    wait = true;
                }
                _ => {}
            }
        }
        for i in &sig.ints {
            match self.number(i, t, pool, sig) {
                Answer::Yes => {}
                Answer::No => return Answer::No,
                Answer::Wait => wait = true,
            }
        }
        if !self.header_lists(rules, sig, cx) {
            return Answer::No;
        }
        for l in &sig.lists {
            let a = match l.source {
                Source::App(key) => self.buffer(rules, key, l, t, pool),
                Source::Base64(key) if wait && !self.base64_ready => {
                    let _ = key;
                    Answer::Wait
                }
                Source::Base64(key) => {
                    if self.base64_list(rules, key, l) {
                        Answer::Yes
                    } else {
                        Answer::No
                    }
                }
                Source::Header(..) | Source::Payload => Answer::Yes,
            };
            match a {
                Answer::Yes => {}
                Answer::No => return Answer::No,
                Answer::Wait => wait = true,
            }
        }
        if let Some(l) = &sig.payload_list {
            let bytes = match &cx.raw {
                Some(r) => Bytes { buf: r.data, offset: r.offset, end: true },
                None => Bytes::whole(cx.pkt.payload()),
            };
            if !self.run(rules, l, bytes) {
                return Answer::No;
            }
        }
        if !sig.files.is_empty() && !wait {
            match files_match(&sig.files, t) {
                Answer::Yes => {}
                other => return other,
            }
        }
        if !wait {
            Answer::Yes
        } else if t.complete {
            Answer::No
        } else {
            Answer::Wait
        }
    }

    fn number(&mut self, i: &CInt, t: &TxCx<'_>, pool: &BytePool, sig: &Sig) -> Answer {
        let local = i.local.get(t.p).copied().unwrap_or(NONE);
        let Some(def) = app::registry::PROTOCOLS[t.p].ints.get(local as usize) else { return Answer::No };
        let dir = if def.dirs & t.dir.bit() != 0 || sig.dirs != 3 { t.dir } else { t.dir.flip() };
        if def.dirs & dir.bit() == 0 {
            return Answer::No;
        }
        if t.parser.common(t.tx).progress[dir.ix()] < def.progress {
            return Answer::Wait;
        }
        let get = |n: u32| t.parser.int(t.st, t.tx, local, dir, n, pool);
        let count = || (0..u32::from(u16::MAX)).take_while(|n| get(*n).is_some()).count() as u32;
        let yes = match i.index {
            IntIndex::Any if !def.multi => get(0).is_some_and(|v| i.test.test(v)),
            IntIndex::Any => (0..count()).filter_map(get).any(|v| i.test.test(v)),
            IntIndex::All => {
                let n = count();
                n > 0 && (0..n).filter_map(get).all(|v| i.test.test(v))
            }
            IntIndex::AllOrNone => (0..count()).filter_map(get).all(|v| i.test.test(v)),
            IntIndex::Nth(n) => {
                let at = if n < 0 { i64::from(count()) + i64::from(n) } else { i64::from(n) };
                u32::try_from(at).ok().and_then(get).is_some_and(|v| i.test.test(v))
            }
            IntIndex::Count => i.test.test(u64::from(count())),
        };
        if yes {
            Answer::Yes
        } else if t.complete {
            Answer::No
        } else {
            Answer::Wait
        }
    }

    fn buffer(&mut self, rules: &RuleSet, key: u32, l: &List, t: &TxCx<'_>, pool: &BytePool) -> Answer {
        let local = rules.bufs[key as usize].local.get(t.p).copied().unwrap_or(NONE);
        let Some(def) = app::registry::PROTOCOLS[t.p].buffers.get(local as usize) else { return Answer::No };
        let here = if def.dirs & t.dir.bit() != 0 { t.dir } else { t.dir.flip() };
        let dir = l.side.unwrap_or(here);
        let progress = t.parser.common(t.tx).progress[dir.ix()];
        let over = progress >= t.parser.complete_progress(dir);
        if progress < def.progress && !over {
            return Answer::Wait;
        }
        // The builder's place is lent out so that the conditions may use the rest of the bench.
        let mut build = core::mem::replace(&mut self.build, Scratch::new(0));
        let mut index = 0;
        let mut present = false;
        let answer = loop {
            build.clear();
            match t.parser.buffer(t.st, t.tx, local, dir, index, pool, &mut build) {
                Buffer::NotYet => {
                    break if over { Answer::No } else { Answer::Wait };
                }
                Buffer::Absent => {
                    break if present {
                        if l.absent == Some(ir::Absent::Only) || over { Answer::No } else { Answer::Wait }
                    } else if l.absent.is_some() {
                        Answer::Yes
                    } else if def.kind == BufferKind::Multi && !over {
                        Answer::Wait
                    } else {
                        Answer::No
                    };
                }
                Buffer::Data { bytes, offset, end } => {
                    let total = offset + bytes.len() as u64;
                    if !end && def.kind == BufferKind::Streaming && total < u64::from(self.body_min[dir.ix()])
                    {
                        break Answer::Wait;
                    }
                    present = true;
                    if l.absent == Some(ir::Absent::Only) {
                        break Answer::No;
                    }
                    if self.run_transformed(rules, key, l, Bytes { buf: bytes, offset, end }) {
                        break Answer::Yes;
                    }
                    if def.kind == BufferKind::Multi {
                        index += 1;
                        continue;
                    }
                    break if end || over { Answer::No } else { Answer::Wait };
                }
            }
        };
        self.build = build;
        answer
    }
}

/// Whether one file of the transaction satisfies all file conditions.
fn files_match(conds: &[ir::FileMatch], t: &TxCx<'_>) -> Answer {
    let head = t.parser.common(t.tx).files[t.dir.ix()];
    let mut answer = Answer::No;
    for id in t.files.chain(head) {
        let f = t.files.view(id);
        if !f.ended() {
            answer = Answer::Wait;
            continue;
        }
        let ok = conds.iter().all(|c| match c {
            ir::FileMatch::Size(test) => test.test(f.size()),
            ir::FileMatch::Hash { len, negated, digests } => {
                let d: Option<&[u8]> = match len {
                    16 => f.md5().map(|d| &d[..]),
                    20 => f.sha1().map(|d| &d[..]),
                    _ => f.sha256().map(|d| &d[..]),
                };
                d.is_some_and(|d| digests.chunks_exact(usize::from(*len)).any(|x| x == d) != *negated)
            }
        });
        if ok {
            return Answer::Yes;
        }
    }
    answer
}

fn addr_ok(set: Option<&Arc<AddrSet>>, a: &crate::packet::Addr, v6: bool) -> bool {
    set.is_none_or(|s| if v6 { s.has_v6(u128::from_be_bytes(a.0)) } else { s.has_v4(packet_match::v4(a)) })
}

/// Everything a rule asks before bytes: header, direction, flow, protocol, packet.
fn header(sig: &Sig, cx: &PacketCx<'_>, flow: Option<&FlowCx<'_>>) -> bool {
    let p = cx.pkt;
    if sig.dirs & cx.dir.bit() == 0 || (sig.dirs != 3 && !cx.has_flow) {
        return false;
    }
    if sig.pkthdr {
        return packet_match::all(&sig.packet, cx);
    }
    let v6 = p.l3 == L3::Ipv6;
    if !p.has_ip() || (sig.ip == 4 && v6) || (sig.ip == 6 && !v6) {
        return false;
    }
    let proto_ok = match sig.proto {
        ProtoTest::Any => true,
        ProtoTest::Number(n) => p.proto == n,
        ProtoTest::Icmp => matches!(p.l4, L4::Icmpv4 | L4::Icmpv6),
    };
    if !proto_ok {
        return false;
    }
    if sig.apps != 0 {
        let Some(f) = flow else { return false };
        if f.app.index().is_none_or(|i| sig.apps >> (i & 63) & 1 != 1) {
            return false;
        }
    }
    let port = |s: &Option<Arc<ir::PortSet>>, v: u16| s.as_ref().is_none_or(|s| s.has(v));
    let ends = |src, dst, sp, dp| {
        port(&sig.sp, sp)
            && port(&sig.dp, dp)
            && addr_ok(sig.src.as_ref(), src, v6)
            && addr_ok(sig.dst.as_ref(), dst, v6)
    };
    if !(ends(&p.src, &p.dst, p.sp, p.dp) || (sig.bidir && ends(&p.dst, &p.src, p.dp, p.sp))) {
        return false;
    }
    let f = &sig.flow;
    if (f.established && !(cx.has_flow && cx.established))
        || (f.not_established && (!cx.has_flow || cx.established))
        || (f.only_frag && p.source != PacketSource::Defrag)
        || (f.no_frag && p.source == PacketSource::Defrag)
    {
        return false;
    }
    if sig.hook == Some(Hook::FlowStart) && !cx.first {
        return false;
    }
    if !f.counters.is_empty() {
        let Some(fl) = flow else { return false };
        let side = |v: &[u64; 2], s: Side, t: &ir::IntTest| match s {
            Side::ToServer => t.test(v[0]),
            Side::ToClient => t.test(v[1]),
            Side::Both => t.test(v[0] + v[1]),
            Side::Either => t.test(v[0]) || t.test(v[1]),
        };
        let ok = f.counters.iter().all(|c| match c.what {
            FlowNumber::Age => c.test.test(fl.age),
            FlowNumber::Pkts(s) => side(&fl.pkts, s, &c.test),
            FlowNumber::Bytes(s) => side(&fl.bytes, s, &c.test),
        });
        if !ok {
            return false;
        }
    }
    packet_match::all(&sig.packet, cx)
}

/// Whether an action ends the flow's inspection.
pub const fn is_pass(a: Action) -> bool {
    matches!(a, Action::Pass)
}
