//! The engine: frames in; events to a sink and one verdict a frame out. One per core, sharing nothing.
//!
//! Owns one of every station and the memory between them, all taken in [`Engine::new`]. A burst is decoded as a
//! whole and its flow buckets are prefetched before the first of its packets is looked at; then each packet goes
//! flow → stream → app → detect. Time comes with the packets and from [`Engine::tick`].
//!
//! # When things happen
//!
//! As in Suricata: bytes of a direction reach parsers when the peer acknowledged them (inline: at once), rules of a
//! direction run on packets of that direction, and what is left at a flow's end is inspected on packets that the
//! engine makes up.

mod clock;
mod config;
mod control;
mod emit;
mod feed;
mod flows;
mod holders;
mod intel;
mod lean;
mod memory;
mod packet;
mod plain;
mod policy;
mod response;
mod scanner;
mod stats;
mod sweep;
mod transactions;
mod unseal;

pub use clock::{Clock, ClockCounters, Moved, NEAR};
pub use config::{Config, Memory};
pub use control::NotInline;
pub use intel::IntelCounters;
pub use memory::{MemoryPlan, Part, TooSmall};
pub use plain::{FeedError, MAX_TAG, StreamId, Tuple};
pub use policy::PolicyCounters;
pub use response::ResponseCounters;
pub use scanner::{Match, ScanStream, Scanner};
pub use stats::Stats;

use alloc::sync::Arc;
use alloc::vec::Vec;

use self::holders::{Holders, Links};
use self::intel::Watch;
use self::plain::Plain;
use self::policy::{FlowPolicy, Policing};
use self::response::{FlowResponse, Responding};
use self::unseal::Unsealing;
use crate::ai::ledger::Ledger;
use crate::app::{AppConfig, AppLayer, Encrypted, FlowApp};
use crate::detect::queue::Decision;
use crate::detect::{Detector, FlowDetect, RuleSet, Rules};
use crate::event::{Event, EventSink, Verdict};
use crate::fault::{Faults, Station};
use crate::flow::{FlowTable, Hashed};
use crate::packet::checksum::Sums;
use crate::packet::{Decoder, Packet, PacketBuf};
use crate::pool::{BytePool, Scratch};
use crate::stream::Streams;
use crate::stream::defrag::Defrag;
use crate::unseal::Unsealer;

/// Most frames decoded ahead of the first packet's inspection.
pub const BURST: usize = 32;

/// Packets between asking for a flow's session and its turn.
const AHEAD: usize = 3;

/// Largest reassembled datagram with its link header, bytes.
const WHOLE: usize = (64 << 10) + 256;
/// Bytes of a stream with holes that an alert shows.
const TEXT: usize = 16 << 10;

/// A frame as the caller has it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pub data: &'a [u8],
    /// Nanoseconds since the Unix epoch.
    pub ts: u64,
    /// LINKTYPE_ number.
    pub link: u16,
    /// 1-based number in its source (EVE `pcap_cnt`).
    pub index: u64,
    /// What its receiver says of its checksums; what it does not know is computed when somebody asks.
    pub sums: Sums,
    /// Bytes that it had on the wire, when fewer were captured; 0: as many as there are.
    pub wire: u32,
    /// The outermost VLAN tag, when its receiver took it out of the bytes.
    pub vlan: Option<u16>,
}

impl Frame<'_> {
    /// Bytes on the wire.
    #[inline]
    pub fn wire_len(&self) -> usize {
        self.data.len().max(self.wire as usize)
    }

    /// It is not its bytes alone: some were not captured, or a tag was taken out.
    #[inline]
    fn is_more(&self) -> bool {
        self.vlan.is_some() || self.wire_len() > self.data.len()
    }
}

impl<'a> Frame<'a> {
    /// Appends its packets, with all that its receiver says of them.
    #[inline]
    pub fn decode(&self, decoder: &Decoder, packets: &mut PacketBuf<'a>) {
        let first = packets.len();
        if self.is_more() {
            self.decode_more(decoder, packets);
        } else {
            decoder.decode(self.data, self.link, self.ts, self.index, packets);
        }
        // Of tunnels, receivers check one of the packets, and which one is theirs to choose.
        if self.sums != Sums::UNKNOWN
            && let Some([p]) = packets.get_mut(first..)
        {
            self.sums.apply(p);
        }
    }

    #[inline(never)]
    fn decode_more(&self, decoder: &Decoder, packets: &mut PacketBuf<'a>) {
        let first = packets.len();
        let wire = u32::try_from(self.wire_len()).unwrap_or(u32::MAX);
        let p = Packet { wire, ..Packet::new(self.data, self.link, self.ts, self.index) };
        decoder.decode_packet(p, packets);
        if let (Some(tag), Some(p)) = (self.vlan, packets.get_mut(first)) {
            p.put_tag(tag);
        }
    }
}

impl Default for Frame<'_> {
    /// No bytes, of Ethernet.
    fn default() -> Self {
        Frame { data: &[], ts: 0, link: 1, index: 0, sums: Sums::UNKNOWN, wire: 0, vlan: None }
    }
}

/// What the engine keeps of a flow beside the table's own record.
#[derive(Clone, Copy, Debug, Default)]
struct FlowState {
    app: FlowApp,
    detect: FlowDetect,
    /// Least bytes worth feeding again, per direction.
    need: [u32; 2],
    /// Detection-level events already reported.
    app_events: u8,
    txs: u32,
    /// Directions (bits of [`crate::Dir::bit`]) whose protocol was found on a packet of the other direction: the next one of
    /// their own is told.
    found: u8,
    /// Place in the list of flows with a parser.
    holder: Links,
    /// The stream without packets whose flow it is, plus 1; or 0.
    plain: u32,
    policy: FlowPolicy,
    response: FlowResponse,
    /// The session that is read with keys; see [`unseal`].
    unseal: Unsealing,
}

/// One worker's engine.
pub struct Engine {
    decoder: Decoder,
    ledger: Ledger,
    defrag: Defrag,
    flows: FlowTable,
    streams: Streams,
    app: AppLayer,
    detect: Detector,
    stream_pool: BytePool,
    app_pool: BytePool,
    state: Vec<FlowState>,
    max_flows: usize,
    packets: PacketBuf<'static>,
    hashes: Vec<Hashed>,
    decisions: Vec<Decision>,
    /// Bytes around a hole, for an alert.
    text: Scratch,
    /// Reassembled datagrams and their packets, one place per nesting level.
    whole: [Vec<u8>; 2],
    inner: [PacketBuf<'static>; 2],
    /// Packet time of the last expiry run.
    last_tick: u64,
    /// Packets since idle flows were looked for.
    since_sweep: u32,
    /// Records or bytes for parsers run out: flows must give theirs up before the next packet.
    pressed: bool,
    /// Flows with a parser.
    holders: Holders,
    plain: Plain,
    clock: Clock,
    /// Packets that the clock saw, one by one, so that bursts of any size are the same.
    passed: u64,
    /// Of them, how many when a time was far off.
    unsteady_at: u64,
    /// The clock went back: deadlines must be put in order by it, not more often than every so many packets.
    reorder: bool,
    reordered_at: u64,
    ips: bool,
    tell_packets: bool,
    tell_streams: bool,
    guess_tx: bool,
    /// No protocols are recognised.
    app_off: bool,
    app_error: crate::stream::ExceptionPolicy,
    flow_memcap: crate::stream::ExceptionPolicy,
    defrag_memcap: crate::stream::ExceptionPolicy,
    raw_wanted: [bool; 2],
    /// Encrypted flows of some protocol are bypassed.
    bypass_encrypted: bool,
    /// Nothing is inspected: there are no rules.
    no_rules: bool,
    /// Rules, a policy or intelligence see more of transactions than their number.
    shown: bool,
    policing: Policing,
    responding: Responding,
    watch: Watch,
    unseal: Unsealer,
    stats: Stats,
    faults: Faults,
}

/// What rules and intelligence ask of files that begin from here on.
fn asked_of_files(app: &mut AppLayer, rules: &Rules) {
    let magic = app.config().file_magic || rules.set.wants_magic();
    let known = rules.intel.as_ref().map_or([false; 3], |i| i.wants_digests());
    let ruled = rules.set.wants_digests();
    let files = app.files_mut();
    files.set_judging(rules.set.judges_files());
    files.want_magic(magic);
    files.want_digests(core::array::from_fn(|i| known[i] | ruled[i]));
}

impl Engine {
    /// Takes all memory at once.
    pub fn new(cfg: Config, rules: Rules) -> Self {
        let max_flows = cfg.flow.max_flows;
        let app_off = cfg.app.off;
        let app =
            AppConfig { seed: cfg.secret.word(*b"parsers "), tls_keys: cfg.unseal.sessions > 0, ..cfg.app };
        let bypass_encrypted = [app.tls_encrypted, app.ssh_encrypted].contains(&Encrypted::Bypass);
        let mut app = AppLayer::new(app);
        app.set_wanted(&rules.wanted());
        app.set_ruled(rules.look());
        asked_of_files(&mut app, &rules);
        let ledger = Ledger::new(&cfg.ledger, cfg.secret);
        let mut streams = Streams::new(cfg.stream);
        streams.compare_overlaps(rules.set.overlaps_wanted);
        let mut app_pool = BytePool::new(cfg.memory.app);
        app_pool.growth().seed(cfg.secret.word(*b"decoded "));
        Engine {
            decoder: Decoder::new(cfg.decode),
            defrag: Defrag::new(&cfg.defrag, cfg.secret),
            flows: FlowTable::new(cfg.flow, cfg.secret),
            streams,
            app,
            raw_wanted: rules.set.raw_wanted,
            ledger,
            bypass_encrypted,
            no_rules: rules.set.is_empty(),
            shown: rules.look(),
            policing: Policing::new(rules.policy.clone()),
            responding: Responding::new(),
            watch: Watch::new(rules.intel.clone()),
            unseal: Unsealer::new(cfg.unseal, cfg.secret),
            detect: Detector::new(&cfg.detect, cfg.secret, rules).guessing(cfg.guess_tx),
            stream_pool: BytePool::new(cfg.memory.stream),
            app_pool,
            state: Vec::with_capacity(max_flows),
            max_flows,
            packets: PacketBuf::new(BURST * crate::packet::MAX_PER_FRAME),
            hashes: Vec::with_capacity(BURST * crate::packet::MAX_PER_FRAME),
            decisions: Vec::with_capacity(512),
            text: Scratch::new(TEXT),
            whole: [Vec::with_capacity(WHOLE), Vec::with_capacity(WHOLE)],
            inner: [0, 1].map(|_| PacketBuf::new(crate::packet::MAX_PER_FRAME)),
            last_tick: 0,
            since_sweep: 0,
            pressed: false,
            holders: Holders::default(),
            plain: Plain::new(max_flows),
            clock: Clock::default(),
            passed: 0,
            unsteady_at: 0,
            reorder: false,
            reordered_at: 0,
            ips: cfg.ips,
            tell_packets: cfg.tell_packets,
            tell_streams: cfg.tell_streams,
            guess_tx: cfg.guess_tx,
            app_off,
            app_error: cfg.app_error,
            flow_memcap: cfg.flow_memcap,
            defrag_memcap: cfg.defrag_memcap,
            stats: Stats::default(),
            faults: Faults::default(),
        }
    }

    /// Touches all memory, so that the kernel gives it now and not while packets wait: for live traffic. What an engine
    /// takes at construction is a promise that the kernel keeps page by page at first use.
    pub fn warm_all(&mut self) {
        self.warm(usize::MAX, usize::MAX);
        self.app.warm();
        self.detect.warm();
        self.defrag.warm();
    }

    /// Touches memory for as many flows, and as many bytes of each of the two pools, before the first packet: what is
    /// taken at construction is a promise of the kernel's, which it keeps page by page at first use, while packets wait.
    pub fn warm(&mut self, flows: usize, bytes: usize) {
        self.flows.warm(flows);
        self.streams.warm(flows);
        crate::pool::touch_reserved(&mut self.state, flows, FlowState::default());
        self.stream_pool.warm(bytes);
        self.app_pool.warm(bytes);
    }

    /// Panics when a packet gets there next; `false` when that is not built in. See [`crate::fault`].
    pub fn fail_at(&mut self, at: Station) -> bool {
        if at == Station::Detect { self.detect.fail() } else { self.faults.ask(at) }
    }

    /// Inspects `frames`. `verdicts[i]` is the decision for `frames[i]`; frames beyond the shorter of the two are
    /// left alone. Never allocates, never blocks.
    pub fn process(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict], sink: &mut dyn EventSink) {
        for (f, v) in frames.chunks(BURST).zip(verdicts.chunks_mut(BURST)) {
            // Without rules nobody looks at packets beyond what the engine itself needs.
            if !(self.no_rules && self.lean_burst(f, v, sink)) {
                self.burst(f, v, sink);
            }
        }
    }

    /// Stage by stage where that hides the memory's latency: all frames are decoded, hashed and their buckets asked
    /// for; then the flows that the buckets name; then, a few frames ahead, what those name.
    fn burst(&mut self, frames: &[Frame<'_>], verdicts: &mut [Verdict], sink: &mut dyn EventSink) {
        let mut packets = core::mem::replace(&mut self.packets, PacketBuf::new(0)).recycle();
        self.faults.here(Station::Decode);
        let mut hashes = core::mem::take(&mut self.hashes);
        hashes.clear();
        // For each frame: the end of its packets.
        let mut ends = [0u16; BURST];
        let (mut bytes, mut longest) = (0, 0);
        for (f, end) in frames.iter().zip(&mut ends) {
            bytes += f.wire_len() as u64;
            longest = longest.max(f.wire_len());
            let first = packets.len();
            f.decode(&self.decoder, &mut packets);
            for p in packets.iter().skip(first) {
                let h = self.flows.hash(p);
                self.flows.prefetch(&h);
                hashes.push(h);
            }
            *end = packets.len() as u16;
        }
        self.stats.frames += frames.len() as u64;
        self.stats.bytes += bytes;
        self.stats.max_len = self.stats.max_len.max(longest as u32);
        for h in &mut hashes {
            self.flows.prefetch_flow(h);
        }
        // Inner packets come before their carriers, frame by frame.
        let mut at = 0;
        for (i, slot) in verdicts.iter_mut().enumerate().take(frames.len()) {
            let end = ends.get(i).map_or(at, |&e| usize::from(e));
            self.prefetch_behind(hashes.get(at + AHEAD), sink);
            if !self.no_rules {
                self.detect.prefetch(packets.get(at + AHEAD), packets.get(at + 1));
            }
            let mut verdict = Verdict::Forward;
            for j in (at..end).rev() {
                let (Some(p), Some(h)) = (packets.get(j), hashes.get(j)) else { continue };
                let root = if j > at { packets.get(at) } else { None };
                verdict = stronger(verdict, self.packet(p, h, root, sink, 0));
            }
            if end > at {
                self.count_verdict(verdict);
            }
            *slot = verdict;
            at = end;
        }
        self.packets = packets.recycle();
        self.hashes = hashes;
    }

    /// Asks for the session and the state of a packet's flow.
    #[inline]
    fn prefetch_behind(&self, hashed: Option<&Hashed>, sink: &mut dyn EventSink) {
        if let Some(h) = hashed
            && let Some((ix, tcp)) = self.flows.peek(h)
        {
            if self.tell_packets {
                sink.packet_soon(ix.0 as usize);
            }
            if let Some(s) = self.state.get(ix.0 as usize) {
                crate::flow::prefetch(&s.app);
                crate::flow::prefetch(&s.need);
            }
            self.streams.prefetch(tcp);
            if !self.no_rules {
                self.flows.prefetch_cold(ix);
            }
        }
    }

    fn count_verdict(&mut self, v: Verdict) {
        match v {
            Verdict::Forward => self.stats.accepted += 1,
            Verdict::Drop => self.stats.blocked += 1,
            Verdict::Reject { .. } => {
                self.stats.blocked += 1;
                self.stats.rejected += 1;
            }
            Verdict::Bypass => {
                self.stats.accepted += 1;
                self.stats.bypassed += 1;
            }
        }
    }

    /// Takes other rules between two batches; flows go on, and meet them with fresh variables. Gives back the old
    /// rules: their last owner frees them, which takes long for large sets. Allocates.
    #[must_use = "the last owner of rules frees them, which takes long"]
    pub fn swap_rules(&mut self, rules: Rules) -> Rules {
        self.app.set_wanted(&rules.wanted());
        self.shown = rules.look();
        self.app.set_ruled(self.shown || self.responding.asks_names());
        asked_of_files(&mut self.app, &rules);
        let intel = self.watch.swap(rules.intel.clone());
        let policy = self.policing.swap(rules.policy.clone());
        self.renumber();
        self.raw_wanted = rules.set.raw_wanted;
        self.streams.compare_overlaps(rules.set.overlaps_wanted);
        self.no_rules = rules.set.is_empty();
        self.detect.swap(rules).with_policy(policy).with_intel(intel)
    }

    /// The source of packets ended: every flow is finished and reported.
    pub fn finish(&mut self, sink: &mut dyn EventSink) {
        while self.finish_some(usize::MAX, sink) {}
    }

    /// The same for at most so many flows, for callers that want to do something with their events in between. Whether
    /// it is to be called again.
    pub fn finish_some(&mut self, most: usize, sink: &mut dyn EventSink) -> bool {
        let mut at = 0;
        for _ in 0..most.max(1) {
            let Some(ix) = self.flows.next_live(at) else {
                self.app.finish(&mut self.app_pool);
                self.ledger.finish(&mut |s| sink.event(Event::Summary(&s)));
                return false;
            };
            // Flows are taken in order of their numbers: what they hold can be asked for ahead.
            let ahead = |n: u32| crate::flow::FlowIx(ix.0.saturating_add(n));
            let tcp = self.flows.prefetch_record(ahead(6), ahead(3));
            self.streams.prefetch(tcp);
            if let Some(s) = self.state.get(ahead(3).0 as usize) {
                crate::flow::prefetch(&s.app);
                crate::flow::prefetch(&s.need);
            }
            self.flows.cold_mut(ix).end = crate::flow::EndReason::Shutdown;
            self.end_flow(ix, sink);
            at = ix.0 + 1;
        }
        true
    }

    /// Counters since construction.
    pub fn stats(&self) -> Stats {
        let mut s = self.stats;
        s.sum_kinds();
        s.flow = self.flows.counters();
        s.flows_active = self.flows.len() as u64;
        s.stream = self.streams.counters();
        s.detect = self.detect.counters();
        s.alert_overflow = self.detect.queue.overflow;
        s.pools = self.pools();
        (s.record_pages, s.records_refused) = self.app.records();
        s.hosts_evicted = self.detect.evicted();
        s.defrag = self.defrag.stats();
        s.clock = self.clock.counters;
        s.policy = self.policing.counters();
        s.response = self.responding.counters();
        s.intel = self.watch.counters();
        s.unseal = self.unseal.counters();
        s.decoders_refused = self.app.decoders_refused();
        s.decoded_outgrown = self.app_pool.outgrown();
        s.decoders_evicted = self.app.decoders_evicted();
        s.artifacts = self.app.files().judged();
        s.files_in_parts_evicted = self.app.files().parts_evicted();
        s.ledger = self.ledger.counts();
        s.expectations_evicted = self.app.expectations_evicted();
        s.shared_evicted = self.app.shared_evicted();
        s.pool_refused = [self.stream_pool.refused(), self.app_pool.refused()];
        s
    }

    /// Bytes in use and reserved: stream pool, application pool.
    fn pools(&self) -> [(u64, u64); 2] {
        [&self.stream_pool, &self.app_pool].map(|p| (p.in_use() as u64, p.capacity() as u64))
    }

    /// The rules in force.
    pub fn rules(&self) -> &Arc<RuleSet> {
        self.detect.rules()
    }

    /// Gives a new flow a fresh state.
    #[inline(never)]
    fn fresh_state(&mut self, ix: crate::flow::FlowIx) {
        let i = ix.0 as usize;
        // Flow numbers are handed out from 0 up, so this grows by one into reserved memory.
        while self.state.len() <= i && self.state.len() < self.max_flows {
            self.state.push(FlowState::default());
        }
        self.state[i] = FlowState::default();
        self.state[i].detect.generation = self.detect.generation();
        self.state[i].plain = self.plain.feeding();
        if self.app_off {
            self.state[i].app.switch_off();
        }
    }
}

/// The more severe of two verdicts.
fn stronger(a: Verdict, b: Verdict) -> Verdict {
    let rank = |v: &Verdict| match v {
        Verdict::Forward => 0,
        Verdict::Bypass => 1,
        Verdict::Drop => 2,
        Verdict::Reject { .. } => 3,
    };
    if rank(&b) > rank(&a) { b } else { a }
}
