//! One worker's detection: packets and transactions with their context go in, matches come out.
//!
//! Owns the worker's scratch; nothing here allocates after [`Detector::new`]. Here are the rules on packets and on raw
//! bytes of streams; those on transactions are in [`super::transaction`].

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::FlowDetect;
use super::asked::{Asked, Contexts};
use super::bench::Bench;
use super::captured::Captured;
use super::context::{Counters, DetectConfig, FlowCx, PacketCx, Raw};
use super::header::header;
use super::inspect::transform::Inflater;
use super::inspect::{Bytes, Spent};
use super::queue::{Hit, Queue};
use super::ruleset::{CPost, Groups, RuleSet, Rules, Sig, SigIx, TxGroup};
use super::state::HostTable;
use super::tag::{HostTags, host_tags};
use super::threshold::Thresholds;
use super::wait::{Gate, Waiting};
use crate::Dir;
use crate::keyed::Secret;
use crate::packet::{L4, Packet};
use crate::pool::{BytePool, Scratch};
use crate::sig;
use crate::sig::regex::Cache;

/// Detection of one engine.
pub struct Detector {
    pub(super) rules: Arc<RuleSet>,
    /// Counts rule sets, from 1.
    generation: u32,
    /// The same, lent out while rules run: a move costs nothing, a shared count two locked operations a packet.
    pub(super) lent: Option<Arc<RuleSet>>,
    /// Transactions are kept until rules of their direction had a look, whether they want it or not.
    pub(super) guess_tx: bool,
    /// Per direction: protocols (bit by place in the registry) with rules on their transactions.
    pub(super) tx_wanted: [u64; 2],
    /// The same of frames.
    pub(super) frames_wanted: [u64; 2],
    faults: crate::fault::Faults,
    pub(super) bench: Bench,
    pub(super) scratch: sig::Scratch,
    /// Per rule: the last epoch in which it became a candidate.
    pub(super) seen: Vec<u32>,
    pub(super) epoch: u32,
    pub(super) cands: Vec<SigIx>,
    /// Rules that wait for more of the transaction at hand.
    pub(super) tx_waiting: Vec<Waiting>,
    pub(super) body_step: [u32; 2],
    pub queue: Queue,
    pub thresholds: Thresholds,
    pub(super) hosts: HostTable<()>,
    pub(super) host_tags: HostTags,
    /// What rules that matched on the packet at hand found in datasets.
    pub contexts: Contexts,
    /// Directions in which rules that matched the transaction at hand want its files stored (bits of [`Dir::bit`]).
    pub(super) store: u8,
    /// A rule that matched the transaction at hand wants no record of it.
    pub(super) unlogged: bool,
    /// Some rule wants files stored: whether a file is, is known when its transaction is complete.
    pub storing: bool,
    pub counters: Counters,
}

impl Detector {
    /// Takes all memory that detection with `rules` needs; its tables are keyed under `secret`.
    pub fn new(cfg: &DetectConfig, secret: Secret, rules: Rules) -> Self {
        let mut d = Detector {
            bench: Bench {
                vars: [0; 16],
                base64: Scratch::new(cfg.scratch),
                base64_ready: false,
                regex: Cache::default(),
                inflater: Inflater::new(64 << 10),
                build: Scratch::new(cfg.scratch),
                xf: [Scratch::new(cfg.scratch), Scratch::new(cfg.scratch)],
                sets: rules.sets.clone(),
                asked: Asked::default(),
                captured: Captured::default(),
                tx: None,
                spent: Spent::default(),
                dce_little: false,
                body_min: cfg.body_min,
                gate: Gate::OPEN,
                past: Gate::OPEN,
            },
            scratch: sig::Scratch::new(),
            seen: Vec::new(),
            epoch: 0,
            cands: Vec::new(),
            tx_waiting: Vec::with_capacity(4096),
            body_step: cfg.body_step,
            queue: Queue::new(cfg.packet_alert_max),
            thresholds: Thresholds::new(cfg.threshold_slots, secret.key(*b"threshld")),
            hosts: HostTable::new(cfg.host_slots, secret.key(*b"hosts   ")),
            contexts: Contexts::default(),
            store: 0,
            unlogged: false,
            storing: false,
            host_tags: HostTags::new(host_tags(cfg.host_slots), secret),
            counters: Counters::default(),
            rules: rules.set.clone(),
            generation: 0,
            lent: None,
            guess_tx: false,
            tx_wanted: [0; 2],
            frames_wanted: [0; 2],
            faults: crate::fault::Faults::default(),
        };
        drop(d.swap(rules));
        d
    }

    /// What regexes captured for the packet at hand.
    pub(crate) fn captured(&self) -> &Captured {
        &self.bench.captured
    }

    /// The packet's alerts are told: what was kept for them is forgotten.
    pub(crate) fn told(&mut self) {
        self.contexts.clear();
        self.bench.captured.clear();
    }

    /// Touches the memory of tables, before the first packet.
    pub(crate) fn warm(&mut self) {
        self.thresholds.warm();
        self.hosts.warm();
        self.host_tags.warm();
    }

    /// See [`Config::guess_tx`](crate::engine::Config::guess_tx).
    pub(crate) fn guessing(mut self, guess: bool) -> Self {
        self.guess_tx = guess;
        self
    }

    /// What tables of thresholds and of hosts pushed out before its time.
    pub(crate) fn evicted(&self) -> [u64; 2] {
        [self.thresholds.evicted(), self.hosts.evicted]
    }

    /// Takes other rules and gives back the old ones, for the caller to free where that may take long. Allocates: call
    /// between two batches.
    #[must_use = "the last owner of rules frees them, which takes long"]
    pub fn swap(&mut self, rules: Rules) -> Rules {
        let Rules { set: rules, sets, policy, intel } = rules;
        for m in rules.mpms() {
            m.prepare(&mut self.scratch);
        }
        self.seen = alloc::vec![0; rules.len()];
        self.storing = rules.sigs.iter().flat_map(|s| &s.post).any(|p| matches!(p, CPost::FileStore { .. }));
        self.epoch = 0;
        // A rule both ways may be in two lists by port.
        self.cands = Vec::with_capacity(rules.len() + rules.ip_only.len());
        let asked = |groups: &[[TxGroup; 2]]| {
            Dir::BOTH.map(|d| {
                let groups = groups.iter().zip(0..64).filter(|(g, _)| !g[d.ix()].is_empty());
                groups.fold(0, |all, (_, p)| all | 1 << p)
            })
        };
        (self.tx_wanted, self.frames_wanted) = (asked(&rules.tx), asked(&rules.frames));
        self.generation = self.generation.wrapping_add(1).max(1);
        self.lent = Some(rules.clone());
        Rules {
            set: core::mem::replace(&mut self.rules, rules),
            sets: core::mem::replace(&mut self.bench.sets, sets),
            policy,
            intel,
        }
    }

    /// Panics at the next packet, see [`crate::fault`].
    pub fn fail(&mut self) -> bool {
        self.faults.ask(crate::fault::Station::Detect)
    }

    /// The sets that rules look into.
    pub fn sets(&self) -> &dyn super::inspect::Sets {
        &*self.bench.sets
    }

    /// Number of the rule set in force: what is kept of a flow under another number was written by other rules.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Makes what older rules noted on a flow fit for these: variables go, as with Suricata, and so do rules that
    /// wait; a `tag` goes on if the rule that set it still exists.
    pub fn renew(&self, flow: &mut FlowDetect, pool: &mut BytePool) {
        let tag = flow.tag;
        flow.release(pool);
        *flow = FlowDetect { generation: self.generation, ..FlowDetect::default() };
        flow.tag = tag.and_then(|t| t.renewed(|rule| self.rules.find(rule)));
    }

    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Counters since construction.
    pub fn counters(&self) -> Counters {
        let Spent { steps, limits, searched } = self.bench.spent;
        let work = steps + self.bench.regex.work();
        Counters { regex_limits: limits, work, searched, ..self.counters }
    }

    pub(super) fn next_epoch(&mut self) -> u32 {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.seen.fill(0);
            self.epoch = 1;
        }
        self.epoch
    }

    /// Asks for what chooses the groups of the packet `far`, and for the groups of the packet `near`. Which side is the
    /// server's is not known yet, so both are asked for.
    #[inline]
    pub fn prefetch(&self, far: Option<&Packet<'_>>, near: Option<&Packet<'_>>) {
        let of = |p: &Packet<'_>| match p.l4 {
            L4::Tcp => Some((&self.rules.tcp, [p.dp, p.sp])),
            L4::Udp => Some((&self.rules.udp, [p.dp, p.sp])),
            _ => None,
        };
        if let Some((groups, ports)) = far.and_then(of) {
            groups.iter().zip(ports).for_each(|(g, port)| g.prefetch_number(port));
        }
        if let Some((groups, ports)) = near.and_then(of) {
            groups.iter().zip(ports).for_each(|(g, port)| g.prefetch_group(port));
        }
    }

    /// Rules on the packet itself and on raw bytes of its stream.
    pub fn packet(&mut self, cx: &PacketCx<'_>, flow: Option<&mut FlowCx<'_>>, pool: &mut BytePool) {
        let Some(rules) = self.lent.take() else { return };
        self.faults.here(crate::fault::Station::Detect);
        self.packet_rules(&rules, cx, flow, pool);
        self.lent = Some(rules);
    }

    fn packet_rules(
        &mut self,
        rules: &RuleSet,
        cx: &PacketCx<'_>,
        mut flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) {
        if rules.is_empty() {
            return;
        }
        if !cx.pkt.events.is_empty() || !cx.stream_events.is_empty() {
            for &s in &rules.on_event {
                self.plain(rules, s, cx, flow.as_deref_mut(), pool);
            }
        }
        if !cx.pseudo {
            for &s in &rules.pkthdr {
                self.plain(rules, s, cx, flow.as_deref_mut(), pool);
            }
        }
        if !cx.pkt.has_ip() {
            return;
        }
        // Bytes that came without packets have ends all the same.
        let ends = !cx.pseudo || cx.pkt.source == crate::packet::Source::Stream;
        if ends && first_for_addresses(cx.dir, flow.as_deref_mut()) {
            rules.ip_only.candidates(cx.pkt, &mut self.cands);
            self.counters.candidates += self.cands.len() as u64;
            for i in 0..self.cands.len() {
                self.plain(rules, self.cands[i], cx, flow.as_deref_mut(), pool);
            }
        }
        let groups = select(rules, cx, flow.as_deref());
        self.payload_rules(rules, groups, cx, flow, pool);
    }

    fn payload_rules(
        &mut self,
        rules: &RuleSet,
        groups: Groups<'_>,
        cx: &PacketCx<'_>,
        mut flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) {
        let payload = if cx.no_payload || cx.pseudo { &[][..] } else { cx.pkt.payload() };
        let chunk = cx.raw.as_ref().map(Raw::chunk);
        self.payload_candidates(groups, (payload, chunk), cx);
        self.counters.candidates += self.cands.len() as u64;
        self.cands.sort_unstable();
        for i in 0..self.cands.len() {
            let s = self.cands[i];
            let sig = &rules.sigs[s as usize];
            if (sig.proto_only && !cx.found) || (sig.needs_sent && cx.pseudo) {
                continue;
            }
            // A rule alerts once for a packet, whether on the stream that the packet brings or on its own payload.
            if sig.payload.stream
                && let Some(bytes) = chunk
                && self.holds(rules, sig, Bytes::whole(bytes), cx, flow.as_deref_mut(), pool)
            {
                let hit = Hit { sig: s, tx: None, in_stream: true, frame: false };
                self.matched(sig, hit, cx, flow.as_deref_mut(), pool);
                continue;
            }
            if sig.payload_list.is_some() {
                // What is in a stream is looked at there. A packet without payload is no case for these rules.
                let elsewhere = (cx.in_stream && !sig.payload.packet) || sig.flow.only_stream;
                if elsewhere || (payload.is_empty() && chunk.is_none()) {
                    continue;
                }
            }
            if self.holds(rules, sig, Bytes::whole(payload), cx, flow.as_deref_mut(), pool) {
                let hit = Hit { sig: s, tx: None, in_stream: false, frame: false };
                self.matched(sig, hit, cx, flow.as_deref_mut(), pool);
            }
        }
    }

    /// Fills `cands` with the rules of the groups whose pattern is in the packet's payload or in the new chunk of its
    /// stream, and those without a pattern.
    fn payload_candidates(
        &mut self,
        groups: Groups<'_>,
        (payload, chunk): (&[u8], Option<&[u8]>),
        cx: &PacketCx<'_>,
    ) {
        let in_stream = cx.in_stream;
        let epoch = self.next_epoch();
        self.cands.clear();
        let (seen, cands) = (&mut self.seen, &mut self.cands);
        let mut note = |s: u32, _end: u64| {
            if seen[s as usize] != epoch {
                seen[s as usize] = epoch;
                cands.push(s);
            }
        };
        for group in groups.into_iter().flatten() {
            if let (Some(m), false) = (&group.packet, payload.is_empty() || cx.no_patterns) {
                m.scan(payload, 0, &mut self.scratch, &mut note);
            }
            if let (Some(m), false) = (&group.stream, cx.no_patterns) {
                if let Some(bytes) = chunk {
                    m.scan(bytes, 0, &mut self.scratch, &mut note);
                }
                if !in_stream && !payload.is_empty() {
                    m.scan(payload, 0, &mut self.scratch, &mut note);
                }
            }
            if chunk.is_some() || (!in_stream && !payload.is_empty()) {
                group.always_stream.iter().for_each(|s| note(*s, 0));
            }
            group.always.iter().for_each(|s| note(*s, 0));
        }
    }

    /// Whether a rule holds, its conditions on payload on `bytes`.
    fn holds(
        &mut self,
        rules: &RuleSet,
        sig: &Sig,
        bytes: Bytes<'_>,
        cx: &PacketCx<'_>,
        flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) -> bool {
        if !header(sig, cx, flow.as_deref()) {
            return false;
        }
        self.bench.begin();
        self.counters.evaluated += 1;
        self.bench.state(rules, &mut self.hosts, &sig.state, cx, flow, pool)
            && self.bench.header_lists(rules, sig, cx)
            && sig.payload_list.as_ref().is_none_or(|l| self.bench.run(rules, l, bytes))
            && self.bench.base64_lists(rules, sig)
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
            self.matched(sig, Hit { sig: s, tx: None, in_stream: false, frame: false }, cx, flow, pool);
        }
    }
}

/// Rules on addresses alone are asked once a direction, and again after other rules came.
fn first_for_addresses(dir: Dir, flow: Option<&mut FlowCx<'_>>) -> bool {
    let Some(f) = flow else { return true };
    let first = f.detect.addresses & dir.bit() == 0;
    f.detect.addresses |= dir.bit();
    first
}

/// The groups of a packet: by its transport and ports, and by the protocol of its flow.
#[inline]
pub(super) fn select<'r>(rules: &'r RuleSet, cx: &PacketCx<'_>, flow: Option<&FlowCx<'_>>) -> Groups<'r> {
    let d = cx.dir.ix();
    let (over, ports) = match cx.pkt.l4 {
        L4::Tcp => (0, &rules.tcp[d]),
        L4::Udp => (1, &rules.udp[d]),
        _ => return [Some(&rules.other[d]), None, None, None],
    };
    let (server, client) = match cx.dir {
        Dir::ToServer => (cx.pkt.dp, cx.pkt.sp),
        Dir::ToClient => (cx.pkt.sp, cx.pkt.dp),
    };
    let [any, near, far] = ports.get(server, client);
    let app = flow.and_then(|f| f.app.index()).and_then(|p| rules.apps.get(p)).map(|g| &g[over][d]);
    [any, near, far, app]
}
