//! The flow table: hash, buckets of tags, the flows' arrays.

use alloc::vec::Vec;

mod find;
mod hashed;
pub use hashed::Hashed;

use super::entry;
use super::hash::Nh;
use super::key::{Kind, key_of};
use super::wheel::Wheel;
use super::{Cold, EndReason, FlowConfig, FlowIx, FlowView, Group, Hot, Key, State, flag};
use crate::Dir;
use crate::keyed::{Secret, Sip13};
use crate::packet::{Head, Packet};
use crate::pool::{self, Zeroed};
use crate::stream::Streams;

const NIL: u32 = u32::MAX;
const SEC: u64 = 1_000_000_000;
/// Entries of a bucket.
pub(super) const WAYS: usize = 4;
/// Buckets looked at for one key: the bound of any lookup.
const PROBES: usize = 8;

/// Answer of [`FlowTable::lookup_or_insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The packet's flow, and its direction in it.
    Flow { ix: FlowIx, dir: Dir, new: bool },
    /// Packets of this kind have no flow.
    NotTracked,
    /// No room, even by the emergency rule: counted in [`Counters::refused`].
    Full,
    /// The flow found has ended ([`EndReason`] is set: timed out, ports reused, or given up to make room).
    /// Finish it, [`FlowTable::remove`] it and ask again.
    Ended(FlowIx),
}

/// Counts since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    pub total: u64,
    pub tcp: u64,
    pub udp: u64,
    pub icmpv4: u64,
    pub icmpv6: u64,
    pub tcp_reuse: u64,
    /// Packets without a flow because the table was full.
    pub refused: u64,
    /// Flows given up to make room.
    pub evicted: u64,
    /// Most buckets looked at in one lookup.
    pub longest_probe: u64,
    /// Most flows alive at once.
    pub peak: u64,
}

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Bucket([[u64; 2]; WAYS]);

// SAFETY: numbers.
#[allow(unsafe_code)]
unsafe impl pool::Plain for Bucket {}

/// A key in a cache line of its own.
#[repr(C, align(64))]
#[derive(Clone, Copy, Default)]
struct Line(Key);

/// The flow table.
///
/// # When it is full
///
/// With every flow taken, or the 32 entries of a key's eight buckets, a victim is given up: the flow of the key's
/// own buckets with the oldest packet, closed and new ones before established ones, and of those the ones before
/// others whose server said nothing after the handshake ([`Hot::worth`]). It ends with reason
/// `forced` and is counted in [`Counters::evicted`]. While more than 90 % are taken, the `emergency` timeouts
/// apply.
pub struct FlowTable {
    cfg: FlowConfig,
    sip: Sip13,
    nh: Nh,
    buckets: Zeroed<Bucket>,
    /// How many keys found a bucket full and went on to the next.
    over: Zeroed<u8>,
    mask: u64,
    hot: Vec<Hot>,
    keys: Vec<Line>,
    cold: Vec<Cold>,
    /// Next free number, [`LIVE`] for a live one.
    free_next: Vec<u32>,
    free: u32,
    high: u32,
    live: u32,
    /// With more live flows than this, the emergency timeouts apply.
    crowd: u32,
    wheel: Wheel,
    /// The engine's time, by which deadlines are in order; packets have times of their own.
    now: u64,
    /// Where [`FlowTable::victim`] looks next beyond a key's own buckets.
    hand: u32,
    counters: Counters,
}

const LIVE: u32 = NIL - 1;

/// Flows beyond a key's own buckets that are asked whether they can go.
const LOOK_FURTHER: usize = 15;

impl FlowTable {
    /// Takes all memory for `cfg.max_flows` flows; keys are hashed under `secret`.
    pub fn new(cfg: FlowConfig, secret: Secret) -> Self {
        let n = cfg.max_flows.clamp(1, entry::MAX_FLOWS);
        let buckets = Self::buckets(n);
        FlowTable {
            sip: Sip13::new(secret.key(*b"flow ids")),
            nh: Nh::new(secret.key(*b"flows   ")),
            buckets: Zeroed::new(buckets),
            over: Zeroed::new(buckets),
            mask: buckets as u64 - 1,
            hot: Vec::with_capacity(n),
            keys: Vec::with_capacity(n),
            cold: Vec::with_capacity(n),
            free_next: Vec::with_capacity(n),
            free: NIL,
            high: 0,
            live: 0,
            crowd: (n as u64 * 9 / 10) as u32,
            wheel: Wheel::new(n),
            now: 0,
            hand: 0,
            counters: Counters::default(),
            cfg: FlowConfig { max_flows: n, ..cfg },
        }
    }

    /// Touches the memory of the first `flows` flows; for a table that has had none yet.
    pub(crate) fn warm(&mut self, flows: usize) {
        pool::touch(&mut self.buckets);
        pool::touch(&mut self.over);
        self.wheel.warm(flows);
        pool::touch_reserved(&mut self.hot, flows, Hot::EMPTY);
        pool::touch_reserved(&mut self.keys, flows, Line::default());
        pool::touch_reserved(&mut self.cold, flows, Cold::default());
        pool::touch_reserved(&mut self.free_next, flows, NIL);
    }

    pub fn config(&self) -> &FlowConfig {
        &self.cfg
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// No flow is decided by a policy any more.
    pub(crate) fn forget_policy(&mut self) {
        self.hot.iter_mut().for_each(|h| h.policy = 0);
    }

    /// Live flows.
    pub fn len(&self) -> usize {
        self.live as usize
    }

    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Buckets for `flows`: at half load when every flow is taken.
    const fn buckets(flows: usize) -> usize {
        (flows * 2).div_ceil(WAYS).next_power_of_two()
    }

    /// Bytes of a table of `flows`.
    pub const fn bytes(flows: usize) -> usize {
        let own =
            size_of::<Hot>() + size_of::<Line>() + size_of::<Cold>() + size_of::<u32>() + Wheel::PER_FLOW;
        flows * own + Self::buckets(flows) * (size_of::<Bucket>() + 1)
    }

    /// Finds or makes the flow of `pkt`. `streams` tells whether a SYN opens a new connection on old ports.
    ///
    /// The answer [`Found::Ended`] leaves that flow in the table: the caller finishes and removes it, then asks
    /// again. That happens at most a few times for one packet.
    #[inline]
    pub fn lookup_or_insert(&mut self, pkt: &Packet<'_>, h: &Hashed, streams: &Streams) -> Found {
        if h.kind == Kind::None {
            return Found::NotTracked;
        }
        let key = || key_of(pkt).0;
        if let Some((ix, mut dir)) = self.search(h, key) {
            if self.timed_out(ix, pkt.ts) {
                self.cold[ix as usize].end = EndReason::Timeout;
                return Found::Ended(FlowIx(ix));
            }
            let f = &self.hot[ix as usize];
            if h.kind == Kind::Quoted {
                // The sender of an error is judged by its own address, as Suricata does.
                dir = if self.keys[ix as usize].0.src == pkt.src { Dir::ToServer } else { Dir::ToClient };
            }
            if f.proto == 6 && h.kind == Kind::Plain && streams.is_reuse(f.tcp, pkt, dir) {
                self.counters.tcp_reuse += 1;
                self.cold[ix as usize].end = EndReason::TcpReuse;
                return Found::Ended(FlowIx(ix));
            }
            return Found::Flow { ix: FlowIx(ix), dir, new: false };
        }
        self.make(pkt, h)
    }

    #[inline(never)]
    fn make(&mut self, pkt: &Packet<'_>, h: &Hashed) -> Found {
        if matches!(h.kind, Kind::Quoted | Kind::NoNew) {
            return Found::NotTracked;
        }
        match self.insert(pkt, h, &key_of(pkt).0) {
            Ok(ix) => Found::Flow { ix: FlowIx(ix), dir: Dir::ToServer, new: true },
            Err(Some(victim)) => {
                self.counters.evicted += 1;
                self.cold[victim as usize].end = EndReason::Forced;
                Found::Ended(FlowIx(victim))
            }
            Err(None) => {
                self.counters.refused += 1;
                Found::Full
            }
        }
    }

    fn insert(&mut self, pkt: &Packet<'_>, h: &Hashed, key: &Key) -> Result<u32, Option<u32>> {
        let home = (0..PROBES).find_map(|p| {
            let b = (h.hash.wrapping_add(p as u64) & self.mask) as usize;
            let way = self.buckets[b].0.iter().position(|e| entry::is_empty(*e))?;
            Some((p, b, way))
        });
        let Some((passed, b, way)) = home else { return Err(self.victim(h)) };
        let Some(ix) = self.take() else { return Err(self.victim(h)) };
        for p in 0..passed {
            let over = &mut self.over[(h.hash.wrapping_add(p as u64) & self.mask) as usize];
            *over = over.saturating_add(1);
        }
        self.counters.longest_probe = self.counters.longest_probe.max(passed as u64 + 1);
        self.buckets[b].0[way] = entry::new(h.want, ix, h.flipped);

        self.counters.total += 1;
        match key.proto {
            6 => self.counters.tcp += 1,
            17 => self.counters.udp += 1,
            1 => self.counters.icmpv4 += 1,
            58 => self.counters.icmpv6 += 1,
            _ => {}
        }
        self.live += 1;
        self.counters.peak = self.counters.peak.max(u64::from(self.live));
        // The low bits name the place, so that a flow is found by its number; the rest nobody can foretell.
        let id =
            self.sip.words([h.hash, pkt.ts, self.counters.total]) >> 1 & !self.id_places() | u64::from(ix);
        let timeout = self.timeout_for(Group::of(key.proto), State::New);
        let i = ix as usize;
        self.keys[i] = Line(*key);
        self.hot[i] = Hot { last: pkt.ts, timeout, proto: key.proto, ..Hot::EMPTY };
        self.cold[i] = Cold { id, start: pkt.ts, first_index: pkt.index, hash: h.hash, ..Cold::default() };
        self.wheel.arm(ix, deadline(pkt.ts, timeout).div_ceil(SEC), self.now / SEC);
        Ok(ix)
    }

    fn take(&mut self) -> Option<u32> {
        let ix = if self.free != NIL {
            let ix = self.free;
            self.free = self.free_next[ix as usize];
            ix
        } else if (self.high as usize) < self.cfg.max_flows {
            let ix = self.high;
            self.high += 1;
            self.hot.push(Hot::EMPTY);
            self.keys.push(Line::default());
            self.cold.push(Cold::default());
            self.free_next.push(NIL);
            self.wheel.reset(ix);
            ix
        } else {
            return None;
        };
        self.free_next[ix as usize] = LIVE;
        Some(ix)
    }

    /// The flow given up for a new one: the oldest of the key's own buckets, or of a few others when those are
    /// empty; in the order of [`Hot::worth`].
    fn victim(&mut self, h: &Hashed) -> Option<u32> {
        let mut best: Option<(u8, u64, u32)> = None;
        let mut look = |t: &Self, ix: u32| {
            let f = &t.hot[ix as usize];
            // A time far ahead of the engine's is a wrong one, not that of a lively flow.
            let last = if f.last > t.now.saturating_add(3600 * SEC) { 0 } else { f.last };
            let rank = (f.worth(), last, ix);
            if best.is_none_or(|b| rank < b) {
                best = Some(rank);
            }
        };
        for p in 0..PROBES {
            let b = (h.hash.wrapping_add(p as u64) & self.mask) as usize;
            for e in self.buckets[b].0.iter().filter(|e| !entry::is_empty(**e)) {
                look(self, entry::place(*e) as u32);
            }
        }
        for _ in 0..LOOK_FURTHER {
            self.hand = if self.hand + 1 < self.high { self.hand + 1 } else { 0 };
            if self.free_next.get(self.hand as usize) == Some(&LIVE) {
                look(self, self.hand);
            }
        }
        best.map(|b| b.2)
    }

    fn timeout_for(&self, group: Group, state: State) -> u32 {
        let of = |t: &super::Timeouts| match state {
            State::New => t.new,
            State::Established => t.established,
            State::Closed => t.closed,
            State::Bypassed => t.bypassed,
        };
        of(&self.cfg.timeouts[group as usize])
    }

    #[cold]
    fn timed_out_early(&self, f: &Hot, now: u64) -> bool {
        let t = &self.cfg.emergency[Group::of(f.proto) as usize];
        let timeout = match f.state {
            State::New => t.new,
            State::Established => t.established,
            State::Closed => t.closed,
            State::Bypassed => t.bypassed,
        };
        now >= deadline(f.last, timeout)
    }

    fn crowded(&self) -> bool {
        self.live > self.crowd
    }

    #[inline]
    pub(crate) fn timed_out(&self, ix: u32, now: u64) -> bool {
        let f = &self.hot[ix as usize];
        now >= deadline(f.last, f.timeout) || (self.crowded() && self.timed_out_early(f, now))
    }

    /// Counts `pkt` to its flow and lets the time and the "seen" flags follow. Non-TCP flows are established once
    /// both sides were heard. Returns whether the flow counts as established for this packet (TCP: by its state
    /// before the packet).
    #[inline]
    pub fn update(&mut self, ix: FlowIx, pkt: &Packet<'_>, dir: Dir) -> bool {
        let f = &mut self.hot[ix.0 as usize];
        let d = dir.ix();
        if pkt.ts > f.last {
            f.last = pkt.ts;
        }
        f.pkts[d] = f.pkts[d].saturating_add(1);
        f.bytes[d] = f.bytes[d].saturating_add(u64::from(pkt.wire));
        let seen = if dir == Dir::ToServer { flag::TO_SERVER_SEEN } else { flag::TO_CLIENT_SEEN };
        if f.flags & seen == 0 && !super::key::is_icmpv4_error(pkt) {
            f.flags |= seen;
        }
        if pkt.has_ip() {
            f.ttl_min[d] = if f.ttl_min[d] == 0 { pkt.ttl } else { f.ttl_min[d].min(pkt.ttl) };
            f.ttl_max[d] = f.ttl_max[d].max(pkt.ttl);
        }
        let first = f.pkts[d] == 1;
        let both = flag::TO_SERVER_SEEN | flag::TO_CLIENT_SEEN;
        let rise = f.proto != 6 && f.state == State::New && f.flags & both == both;
        if first {
            self.cold[ix.0 as usize].mac[d] = pkt.mac;
        }
        if rise {
            self.set_state(ix, State::Established);
        }
        self.hot[ix.0 as usize].state == State::Established
    }

    /// The flow of a head's packet, unless it is idle for too long by time `now`.
    #[inline]
    pub(crate) fn known(&self, h: &Hashed, head: &Head, now: u64) -> Option<(FlowIx, Dir)> {
        let (ix, dir) = self.search(h, || Key::of_head(head))?;
        if self.timed_out(ix, now) { None } else { Some((FlowIx(ix), dir)) }
    }

    /// [`FlowTable::update`] for a direction that was seen before: nothing but counters moves.
    #[inline]
    pub(crate) fn count(&mut self, ix: FlowIx, dir: Dir, ts: u64, bytes: usize, ttl: u8) {
        let f = &mut self.hot[ix.0 as usize];
        let d = dir.ix() & 1;
        f.last = f.last.max(ts);
        f.pkts[d] = f.pkts[d].saturating_add(1);
        f.bytes[d] = f.bytes[d].saturating_add(bytes as u64);
        f.ttl_min[d] = if f.ttl_min[d] == 0 { ttl } else { f.ttl_min[d].min(ttl) };
        f.ttl_max[d] = f.ttl_max[d].max(ttl);
    }

    /// Changes a flow's state, and with it the time after which it ends.
    pub fn set_state(&mut self, ix: FlowIx, state: State) {
        let f = self.hot[ix.0 as usize];
        if f.state == state || f.state == State::Bypassed {
            return;
        }
        let timeout = self.timeout_for(Group::of(f.proto), state);
        let f = &mut self.hot[ix.0 as usize];
        let sooner = timeout < f.timeout;
        f.state = state;
        f.timeout = timeout;
        let last = f.last;
        if sooner {
            self.wheel.arm(ix.0, deadline(last, timeout).div_ceil(SEC), self.now / SEC);
        }
    }

    /// Exchanges client and server: the first packet turned out to come from the server.
    pub fn swap(&mut self, ix: FlowIx) {
        let i = ix.0 as usize;
        let k = &mut self.keys[i].0;
        core::mem::swap(&mut k.src, &mut k.dst);
        core::mem::swap(&mut k.sp, &mut k.dp);
        let one_end = k.src == k.dst && k.sp == k.dp;
        let f = &mut self.hot[i];
        f.bytes.swap(0, 1);
        f.pkts.swap(0, 1);
        f.tcp_flags.swap(0, 1);
        f.ttl_min.swap(0, 1);
        f.ttl_max.swap(0, 1);
        let (s, c) = (f.flags & flag::TO_SERVER_SEEN, f.flags & flag::TO_CLIENT_SEEN);
        f.flags = f.flags & !(flag::TO_SERVER_SEEN | flag::TO_CLIENT_SEEN) | s << 1 | c >> 1;
        f.flags ^= flag::SWAPPED;
        f.policy = 0;
        self.cold[i].mac.swap(0, 1);
        if !one_end && let Some((_, e)) = self.entry_of(ix) {
            entry::turn(e);
        }
    }

    /// The entry that names flow `ix`, and how many buckets its key passed.
    fn entry_of(&mut self, ix: FlowIx) -> Option<(usize, &mut [u64; 2])> {
        let hash = self.cold.get(ix.0 as usize)?.hash;
        let (p, b, way) = (0..PROBES).find_map(|p| {
            let b = (hash.wrapping_add(p as u64) & self.mask) as usize;
            let of = |e: &[u64; 2]| !entry::is_empty(*e) && entry::place(*e) == ix.0 as usize;
            Some((p, b, self.buckets[b].0.iter().position(of)?))
        })?;
        Some((p, self.buckets.get_mut(b)?.0.get_mut(way)?))
    }

    /// The engine's time.
    #[inline]
    pub(crate) fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    /// The engine's time went back: puts all deadlines in order by it.
    pub(crate) fn reorder(&mut self) {
        self.wheel.restart(self.now / SEC);
        for ix in 0..self.high {
            if self.free_next[ix as usize] == LIVE {
                let f = &self.hot[ix as usize];
                self.wheel.arm(ix, deadline(f.last, f.timeout).div_ceil(SEC), self.now / SEC);
            }
        }
    }

    /// The next flow that is idle beyond its timeout at packet time `now`, its [`EndReason`] set. It stays in the
    /// table until [`FlowTable::remove`]; call again until `None`.
    pub fn next_expired(&mut self, now: u64) -> Option<FlowIx> {
        while let Some(ix) = self.wheel.due(now / SEC) {
            let f = &self.hot[ix as usize];
            let at = deadline(f.last, f.timeout);
            if now >= at || self.timed_out(ix, now) {
                self.cold[ix as usize].end = EndReason::Timeout;
                return Some(FlowIx(ix));
            }
            self.wheel.arm(ix, at.div_ceil(SEC), now / SEC);
        }
        None
    }

    /// Mask of the bits of a flow's number that name its place.
    fn id_places(&self) -> u64 {
        (self.cfg.max_flows as u64).next_power_of_two() - 1
    }

    /// The live flow with number `id` (EVE `flow_id`).
    pub fn by_id(&self, id: u64) -> Option<FlowIx> {
        let i = (id & self.id_places()) as usize;
        let live = self.free_next.get(i) == Some(&LIVE) && self.cold.get(i)?.id == id;
        live.then_some(FlowIx(i as u32))
    }

    /// The live flow that `pkt` belongs to.
    pub fn by_packet(&self, pkt: &Packet<'_>) -> Option<FlowIx> {
        let (key, kind) = key_of(pkt);
        if kind == Kind::None { None } else { self.by_key(&key) }
    }

    /// The live flow of `key`, in either direction (ESP: in its own).
    pub fn by_key(&self, key: &Key) -> Option<FlowIx> {
        let kind = if key.proto == 50 { Kind::OneWay } else { Kind::Plain };
        self.search(&self.hash_key(key, kind), || *key).map(|(ix, _)| FlowIx(ix))
    }

    /// Any live flow at or after number `from`: for the end of capture
    /// (`let mut at = 0; while let Some(ix) = table.next_live(at) { …; table.remove(ix); at = ix.0 + 1 }`).
    pub fn next_live(&self, from: u32) -> Option<FlowIx> {
        (from..self.high).find(|&i| self.free_next[i as usize] == LIVE).map(FlowIx)
    }

    /// All live flows, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = FlowIx> + '_ {
        (0..self.high).filter(|&i| self.free_next[i as usize] == LIVE).map(FlowIx)
    }

    /// Takes a flow out. Its session and application state must have been given back before.
    pub fn remove(&mut self, ix: FlowIx) {
        let i = ix.0 as usize;
        if self.free_next.get(i) != Some(&LIVE) {
            return;
        }
        let hash = self.cold[i].hash;
        if let Some((passed, e)) = self.entry_of(ix) {
            *e = [0; 2];
            for q in 0..passed {
                let over = &mut self.over[(hash.wrapping_add(q as u64) & self.mask) as usize];
                // A count that reached its ceiling is no longer exact and stays.
                if *over != u8::MAX {
                    *over -= 1;
                }
            }
        }
        self.wheel.disarm(ix.0);
        self.free_next[i] = self.free;
        self.free = ix.0;
        self.live -= 1;
    }

    pub fn key(&self, ix: FlowIx) -> &Key {
        &self.keys[ix.0 as usize].0
    }
    pub fn hot(&self, ix: FlowIx) -> &Hot {
        &self.hot[ix.0 as usize]
    }
    pub fn hot_mut(&mut self, ix: FlowIx) -> &mut Hot {
        &mut self.hot[ix.0 as usize]
    }
    pub fn cold(&self, ix: FlowIx) -> &Cold {
        &self.cold[ix.0 as usize]
    }
    pub fn cold_mut(&mut self, ix: FlowIx) -> &mut Cold {
        &mut self.cold[ix.0 as usize]
    }

    /// The flow as outputs see it.
    pub fn view<'a>(&'a self, ix: FlowIx, streams: &'a Streams) -> FlowView<'a> {
        let hot = self.hot(ix);
        FlowView {
            key: self.key(ix),
            hot,
            cold: self.cold(ix),
            tcp: streams.session(hot.tcp),
            extra: crate::event::FlowExtra::default(),
        }
    }
}

fn deadline(last: u64, timeout: u32) -> u64 {
    last.saturating_add(u64::from(timeout) * SEC)
}
