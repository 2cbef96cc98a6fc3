//! IP defragmentation (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! In: packets whose `frag` is set, with the overlap policy of their destination. Out: complete datagrams, as
//! bytes that begin with the first fragment's link header and can be decoded like a frame from the network
//! header on. Owns the trackers, the fragments and their bytes: all fixed at construction. When trackers run
//! out, or fragments, or bytes, the datagrams that waited longest are given up. Time is that of the packets.
//!
//! Work is bounded, whatever fragments come. Their order is that of their offsets, and of long datagrams there is an index by
//! kilobyte ([`index`]), so the largest datagram in the smallest pieces, in any order, takes some 130 steps a fragment.
//! A fragment is compared with at most [`MAX_STEPS`] others that it overlaps; one that overlaps more is refused. A datagram
//! whose fragments overlap so much that it seems complete [`MAX_VAIN`] times without being so is given up. Both are
//! counted (`overlaps_refused`), and inline such a fragment stays: its receiver might make something of it.

mod assemble;
mod index;
mod overlap;
#[cfg(test)]
mod tests;
mod tracker;

use alloc::{vec, vec::Vec};

use self::overlap::{Extent, Outcome, Rule};
use self::tracker::{Frag, Key, Tracker};
use super::policy::OsPolicy;
use crate::keyed::{Secret, Sip13};
use crate::packet::{EventSet, Packet, events as ev};
use crate::pool::{BytePool, PBuf, Slab};

/// No slot of a slab.
const NIL: u32 = u32::MAX;
/// Most fragments of one datagram: what 64 KiB hold in pieces of eight bytes.
const MAX_PER_DATAGRAM: u32 = 8192;
/// Held fragments that a new one is compared with before it is refused.
const MAX_STEPS: u32 = 512;
/// Vain looks for a hole, of more than [`FEW`] fragments each, after which a datagram is given up.
const MAX_VAIN: u8 = 32;
const FEW: u32 = 64;
/// Trackers in one bucket; with a key that nobody knows there are never so many.
const MAX_CHAIN: u32 = 16;
/// Datagrams given up to make room for one fragment.
const MAX_EVICT: u32 = 8;
/// A tracker's time this far ahead of the engine's is wrong, ns.
const AHEAD: u64 = 3600 * 1_000_000_000;
/// Largest IP datagram.
const MAX_DATAGRAM: u32 = 65_535;

/// Sizes and times (Suricata's `defrag:` section).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefragConfig {
    /// Datagrams in reassembly at once (`trackers`).
    pub trackers: usize,
    /// Fragments held at once (`max-frags`).
    pub max_frags: usize,
    /// Bytes for fragments and reassembled datagrams (`memcap`).
    pub memory: usize,
    /// How long a datagram may stay incomplete, from its last fragment (`timeout`), nanoseconds.
    pub timeout_ns: u64,
}

impl Default for DefragConfig {
    fn default() -> Self {
        DefragConfig { trackers: 65_535, max_frags: 65_535, memory: 32 << 20, timeout_ns: 60_000_000_000 }
    }
}

/// What happened since construction (EVE `stats.defrag`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefragStats {
    pub ipv4_fragments: u64,
    pub ipv4_reassembled: u64,
    pub ipv6_fragments: u64,
    pub ipv6_reassembled: u64,
    /// Trackers given up before their time because all were taken.
    pub max_trackers_reached: u64,
    /// Fragments ignored for want of a slot or of bytes.
    pub max_frags_reached: u64,
    /// Fragments refused because they overlap more others than are compared, and those with which a datagram was given up
    /// because they overlap everywhere.
    pub overlaps_refused: u64,
    /// Datagrams given up before their time to make room for fragments of others.
    pub evicted: u64,
    /// Trackers whose time was over when the same identification came again.
    pub soft_reuse: u64,
    /// Trackers whose time ran out.
    pub timeouts: u64,
    /// Fragments and trackers looked at while placing, completing and looking up.
    pub steps: u64,
}

/// A reassembled datagram; its bytes are read with [`Defrag::datagram`] until it is given back with
/// [`Defrag::release`].
#[derive(Debug)]
#[must_use = "give it back with Defrag::release"]
pub struct Datagram {
    buf: PBuf,
    l3_off: u32,
    link: u16,
}

impl Datagram {
    /// Offset of the IP header: before it lies the first fragment's link header.
    pub const fn l3_off(&self) -> usize {
        self.l3_off as usize
    }

    /// LINKTYPE_ number of the first fragment.
    pub const fn link(&self) -> u16 {
        self.link
    }
}

/// The defragmenter of one worker.
#[derive(Debug)]
pub struct Defrag {
    trackers: Slab<Tracker>,
    frags: Slab<Frag>,
    bytes: BytePool,
    /// First tracker of a hash + 1; 0: none.
    buckets: Vec<u32>,
    oldest: u32,
    newest: u32,
    timeout_ns: u64,
    sip: Sip13,
    stats: DefragStats,
}

impl Defrag {
    /// Takes all memory at once; keys are hashed under `secret`.
    pub fn new(cfg: &DefragConfig, secret: Secret) -> Self {
        let trackers = cfg.trackers.max(1);
        Defrag {
            trackers: Slab::new(trackers),
            frags: Slab::new(cfg.max_frags.max(1)),
            bytes: BytePool::new(cfg.memory),
            buckets: vec![0; trackers.next_power_of_two()],
            oldest: NIL,
            newest: NIL,
            timeout_ns: cfg.timeout_ns,
            sip: Sip13::new(secret.key(*b"defrag  ")),
            stats: DefragStats::default(),
        }
    }

    /// Touches all memory; for a defragmenter that has had no fragment yet.
    pub(crate) fn warm(&mut self) {
        self.trackers.warm(usize::MAX);
        self.frags.warm(usize::MAX);
        self.bytes.warm(usize::MAX);
        crate::pool::touch(&mut self.buckets);
    }

    /// Bytes of a fragment and of a tracker, without their data.
    pub const FRAGMENT: usize = Slab::<Frag>::bytes(1);
    pub const TRACKER: usize = Slab::<Tracker>::bytes(1) + 2 * size_of::<u32>();

    /// Bytes that `cfg` takes.
    pub const fn bytes(cfg: &DefragConfig) -> usize {
        Slab::<Tracker>::bytes(cfg.trackers)
            + cfg.trackers.next_power_of_two() * size_of::<u32>()
            + Slab::<Frag>::bytes(cfg.max_frags)
            + BytePool::bytes(cfg.memory)
    }

    pub fn stats(&self) -> DefragStats {
        self.stats
    }

    /// Bytes held at the moment.
    pub fn in_use(&self) -> usize {
        self.bytes.in_use()
    }

    /// Datagrams in reassembly at the moment.
    pub fn active(&self) -> usize {
        self.trackers.used()
    }

    /// Takes a fragment; gives the datagram that it completes. Anomalies are set in `events`, which the caller
    /// merges into the packet's. A packet that is no fragment changes nothing.
    pub fn insert(&mut self, pkt: &Packet<'_>, policy: OsPolicy, events: &mut EventSet) -> Option<Datagram> {
        let frag = pkt.frag?;
        let v6 = pkt.is_ipv6();
        if v6 {
            self.stats.ipv6_fragments += 1;
        } else {
            self.stats.ipv4_fragments += 1;
        }
        let id = self.tracker(Key::of(pkt, frag.id), Rule::of(policy), pkt.ts);
        let new = Extent { off: frag.offset, len: frag.data.len, ..Extent::default() };
        // Suricata counts the smallest header for IPv4 and none for IPv6.
        let header = if v6 { 0 } else { 20 };
        if header + new.end() > MAX_DATAGRAM {
            events.set(if v6 { ev::IPV6_FRAG_PKT_TOO_LARGE } else { ev::IPV4_FRAG_PKT_TOO_LARGE });
            self.drop_if_empty(id);
            return None;
        }
        self.touch(id, pkt.ts);
        let Some((new, overlap)) = self.place(id, new) else {
            self.refused(v6, events);
            self.drop_if_empty(id);
            return None;
        };
        if overlap {
            events.set(if v6 { ev::IPV6_FRAG_OVERLAP } else { ev::IPV4_FRAG_OVERLAP });
        }
        let Some(new) = new else {
            self.drop_if_empty(id);
            return None;
        };
        if !self.hold(id, new, pkt) {
            return self.ignored(id, v6, events);
        }
        let t = self.trackers.get_mut(id);
        t.seen_last |= !frag.more;
        if !t.seen_last {
            return None;
        }
        if !self.complete(id) {
            if self.trackers.get(id).vain > MAX_VAIN {
                self.refused(v6, events);
                self.remove(id);
            }
            return None;
        }
        let whole = self.assemble(id);
        self.remove(id);
        if whole.is_some() {
            if v6 {
                self.stats.ipv6_reassembled += 1;
            } else {
                self.stats.ipv4_reassembled += 1;
            }
        }
        whole
    }

    #[cold]
    fn ignored(&mut self, id: u32, v6: bool, events: &mut EventSet) -> Option<Datagram> {
        self.stats.max_frags_reached += 1;
        events.set(if v6 { ev::IPV6_FRAG_IGNORED } else { ev::IPV4_FRAG_IGNORED });
        self.drop_if_empty(id);
        None
    }

    #[cold]
    fn refused(&mut self, v6: bool, events: &mut EventSet) {
        self.stats.overlaps_refused += 1;
        events.set(if v6 { ev::IPV6_FRAG_IGNORED } else { ev::IPV4_FRAG_IGNORED });
    }

    /// The bytes of a datagram: link header of its first fragment, then the IP datagram.
    pub fn datagram(&self, d: &Datagram) -> &[u8] {
        d.buf.get(&self.bytes)
    }

    /// Gives a datagram's bytes back.
    pub fn release(&mut self, mut d: Datagram) {
        d.buf.free(&mut self.bytes);
    }

    /// Gives up the datagrams that waited too long at `now`.
    pub fn tick(&mut self, now: u64) {
        while self.oldest != NIL {
            let id = self.oldest;
            // A time far ahead is a wrong one, and those behind it in the order must not wait for it.
            let wrong = self.trackers.get(id).ts > now.saturating_add(AHEAD);
            if !wrong && !self.expired(id, now) {
                return;
            }
            self.stats.timeouts += 1;
            self.remove(id);
        }
    }

    fn expired(&self, id: u32, now: u64) -> bool {
        self.trackers.get(id).ts.saturating_add(self.timeout_ns) < now
    }

    fn bucket(&self, hash: u64) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    /// The tracker of `key`: one that waits, or a new one.
    fn tracker(&mut self, key: Key, rule: Rule, now: u64) -> u32 {
        let hash = key.hash(&self.sip);
        let mut id = self.buckets[self.bucket(hash)].wrapping_sub(1);
        let (mut chained, mut last) = (0, NIL);
        while id != NIL {
            let t = self.trackers.get(id);
            self.stats.steps += 1;
            chained += 1;
            last = id;
            if t.hash == hash && t.key == key {
                if !self.expired(id, now) {
                    return id;
                }
                self.stats.soft_reuse += 1;
                self.remove(id);
                break;
            }
            id = t.chain;
        }
        if chained >= MAX_CHAIN && id == NIL {
            self.stats.evicted += 1;
            self.remove(last);
        }
        let id = match self.trackers.alloc() {
            Some(id) => id,
            None => {
                self.stats.max_trackers_reached += 1;
                self.remove(self.oldest);
                // One was just given back.
                match self.trackers.alloc() {
                    Some(id) => id,
                    None => return self.oldest,
                }
            }
        };
        let bucket = self.bucket(hash);
        let chain = core::mem::replace(&mut self.buckets[bucket], id + 1).wrapping_sub(1);
        let older = core::mem::replace(&mut self.newest, id);
        if older == NIL {
            self.oldest = id;
        } else {
            self.trackers.get_mut(older).newer = id;
        }
        *self.trackers.get_mut(id) = Tracker { key, hash, rule, ts: now, chain, older, ..Tracker::default() };
        id
    }

    /// Makes `id` the newest.
    fn touch(&mut self, id: u32, now: u64) {
        self.trackers.get_mut(id).ts = now;
        if self.newest == id {
            return;
        }
        self.unlink(id);
        let older = core::mem::replace(&mut self.newest, id);
        if older == NIL {
            self.oldest = id;
        } else {
            self.trackers.get_mut(older).newer = id;
        }
        let t = self.trackers.get_mut(id);
        t.older = older;
        t.newer = NIL;
    }

    /// Takes `id` out of the order of times.
    fn unlink(&mut self, id: u32) {
        let t = self.trackers.get(id);
        let (older, newer) = (t.older, t.newer);
        if older == NIL {
            self.oldest = newer;
        } else {
            self.trackers.get_mut(older).newer = newer;
        }
        if newer == NIL {
            self.newest = older;
        } else {
            self.trackers.get_mut(newer).older = older;
        }
    }

    fn drop_if_empty(&mut self, id: u32) {
        if self.trackers.get(id).first == NIL {
            self.remove(id);
        }
    }

    /// Gives a tracker and its fragments back.
    fn remove(&mut self, id: u32) {
        let t = self.trackers.get(id);
        let (hash, chain, mut frag, mut index) = (t.hash, t.chain, t.first, t.index);
        index.free(&mut self.bytes);
        while frag != NIL {
            let next = self.frags.get(frag).next;
            self.free_frag(frag);
            frag = next;
        }
        let bucket = self.bucket(hash);
        let mut at = self.buckets[bucket].wrapping_sub(1);
        if at == id {
            self.buckets[bucket] = chain.wrapping_add(1);
        } else {
            while at != NIL {
                let next = self.trackers.get(at).chain;
                if next == id {
                    self.trackers.get_mut(at).chain = chain;
                    break;
                }
                at = next;
            }
        }
        self.unlink(id);
        self.trackers.free(id);
    }

    fn free_frag(&mut self, frag: u32) {
        self.frags.get_mut(frag).bytes.free(&mut self.bytes);
        self.frags.free(frag);
    }

    /// Compares a new fragment with those held, trimming either: what of it is wanted, if anything, and whether it
    /// overlapped one. `None`: it overlaps too many.
    fn place(&mut self, id: u32, mut new: Extent) -> Option<(Option<Extent>, bool)> {
        let t = self.trackers.get(id);
        if new.off >= t.top && t.first != NIL {
            return Some((Some(new).filter(|n| n.len > 0), false));
        }
        let rule = t.rule;
        // The comparison begins with the last fragment that begins before the new one.
        let mut old = self.last_before(id, new.off)?;
        let at = if old == NIL { self.trackers.get(id).first } else { self.frags.get(old).next };
        if old == NIL || at == NIL {
            // Nothing begins before it; or nothing at or after it, and then all are compared.
            old = self.trackers.get(id).first;
        }
        let mut steps = 0;
        let mut overlap = false;
        while old != NIL {
            let f = self.frags.get(old);
            self.stats.steps += 1;
            steps += 1;
            if steps > MAX_STEPS {
                return None;
            }
            let (mut x, after) = (f.x, f.next);
            if x.off >= new.end().max(new.off + 1) {
                // It begins behind the new one, and so do all that follow.
                break;
            }
            if !x.skip {
                overlap |= new.overlaps(&x);
                let mut y = (after != NIL).then(|| self.frags.get(after).x);
                let outcome = overlap::decide(rule, &mut new, &mut x, y.as_mut());
                self.frags.get_mut(old).x = x;
                if let Some(y) = y {
                    self.frags.get_mut(after).x = y;
                }
                match outcome {
                    Outcome::Next => {}
                    Outcome::Drop => return Some((None, overlap)),
                    Outcome::Settled => {
                        if x.skip || x.trim >= x.len {
                            self.take_out(id, old);
                        }
                        break;
                    }
                }
            }
            old = after;
        }
        Some((Some(new).filter(|n| n.trim < n.len), overlap))
    }

    /// Gives up the datagram that waited longest, but not `id`, to make room. Whether there was one.
    fn evict(&mut self, id: u32) -> bool {
        let victim = if self.oldest == id { self.trackers.get(id).newer } else { self.oldest };
        if victim == NIL {
            return false;
        }
        self.stats.evicted += 1;
        self.remove(victim);
        true
    }

    /// A free slot and room for `bytes`, for which others may have to go.
    fn room(&mut self, id: u32, bytes: usize) -> Option<(u32, PBuf)> {
        let mut buf = PBuf::new();
        let mut left = MAX_EVICT;
        while buf.reserve(&mut self.bytes, bytes).is_err() {
            left = left.checked_sub(1)?;
            if !self.evict(id) {
                return None;
            }
        }
        loop {
            if let Some(slot) = self.frags.alloc() {
                return Some((slot, buf));
            }
            let more = left.checked_sub(1);
            if more.is_none() || !self.evict(id) {
                buf.free(&mut self.bytes);
                return None;
            }
            left = more.unwrap_or(0);
        }
    }

    /// Removes the fragment `frag`.
    fn take_out(&mut self, id: u32, frag: u32) {
        self.index_without(id, frag);
        let f = self.frags.get(frag);
        let (before, next, len) = (f.prev, f.next, f.x.len);
        let t = self.trackers.get_mut(id);
        if t.first == frag {
            t.first = next;
        }
        if t.last == frag {
            t.last = before;
        }
        t.count -= 1;
        t.held -= len;
        if before != NIL {
            self.frags.get_mut(before).next = next;
        }
        if next != NIL {
            self.frags.get_mut(next).prev = before;
        }
        self.free_frag(frag);
    }

    /// Copies a fragment in, behind those that begin no later; `false` when there is no room for it.
    fn hold(&mut self, id: u32, new: Extent, pkt: &Packet<'_>) -> bool {
        let Some(f) = pkt.frag else { return false };
        if self.trackers.get(id).count >= MAX_PER_DATAGRAM {
            return false;
        }
        let x = Extent { off: new.off + new.trim, len: new.len - new.trim, ..Extent::default() };
        let l3_off = pkt.l3_hdr.off;
        let data_at = f.data.off as usize;
        let is_first = x.off == 0;
        let head = if is_first { (l3_off + f.unfrag_len) as usize } else { 0 };
        let from = data_at + new.trim as usize;
        let parts = (pkt.data.get(..head), pkt.data.get(from..from + x.len as usize));
        let (Some(h), Some(d)) = parts else { return false };
        let Some((slot, mut bytes)) = self.room(id, h.len() + d.len()) else { return false };
        let copied = bytes.extend(&mut self.bytes, h).is_ok() && bytes.extend(&mut self.bytes, d).is_ok();
        if !copied {
            bytes.free(&mut self.bytes);
            self.frags.free(slot);
            return false;
        }
        let t = self.trackers.get(id);
        let tail_fits = t.last != NIL && self.frags.get(t.last).x.off <= x.off;
        let before = if tail_fits {
            t.last
        } else {
            // Behind those that begin where it does.
            match self.last_before(id, x.off + 1) {
                Some(before) => before,
                None => {
                    bytes.free(&mut self.bytes);
                    self.frags.free(slot);
                    return false;
                }
            }
        };
        let t = self.trackers.get(id);
        let next = if before == NIL { t.first } else { self.frags.get(before).next };
        *self.frags.get_mut(slot) = Frag {
            x,
            more: f.more,
            next,
            prev: before,
            bytes,
            head: head as u32,
            l3_off,
            l3_len: pkt.l3_hdr.len,
            nh_off: f.nh_off,
            nh: f.next,
            link: pkt.link,
        };
        if before != NIL {
            self.frags.get_mut(before).next = slot;
        }
        if next != NIL {
            self.frags.get_mut(next).prev = slot;
        }
        let t = self.trackers.get_mut(id);
        if before == NIL {
            t.first = slot;
        }
        if next == NIL {
            t.last = slot;
        }
        t.count += 1;
        t.held += x.len;
        t.top = t.top.max(x.end());
        self.index_with(id, slot);
        true
    }
}
