//! Lookups: a hashed packet in, the flow that a bucket names for it out; and asking for the lines it will need before.

use super::super::key::Kind;
use super::super::{FlowIx, Key, entry, probe};
use super::{FlowTable, Hashed, NIL, PROBES, WAYS};
use crate::Dir;
use crate::packet::Head;

impl FlowTable {
    /// Asks for the bucket of a hashed packet: the second stage.
    #[inline]
    pub fn prefetch(&self, h: &Hashed) {
        if let Some(b) = self.buckets.get((h.hash & self.mask) as usize) {
            probe::prefetch(b);
        }
    }

    /// Asks for the lines of the flow that the bucket names: the third stage.
    #[inline]
    pub fn prefetch_flow(&self, h: &mut Hashed) {
        if let Some(ix) = self.likely(h)
            && let (Some(k), Some(f)) = (self.keys.get(ix), self.hot.get(ix))
        {
            probe::prefetch(k);
            probe::prefetch(f);
            h.hint = ix as u32;
        }
    }

    /// The same for packets that are only counted: the key is not asked for when nobody will look at it.
    #[inline]
    pub(crate) fn prefetch_hot(&self, h: &mut Hashed) {
        if let Some(ix) = self.likely(h)
            && let (Some(k), Some(f)) = (self.keys.get(ix), self.hot.get(ix))
        {
            if !h.is_exact() {
                probe::prefetch(k);
            }
            probe::prefetch(f);
            h.hint = ix as u32;
        }
    }

    /// The flow that the bucket most likely names for a hashed packet, and its session: for asking what lies
    /// behind them, the fourth stage. A guess: other packets of the burst may have changed it.
    #[inline]
    pub fn peek(&self, h: &Hashed) -> Option<(FlowIx, u32)> {
        Some((FlowIx(h.hint), self.hot.get(h.hint as usize)?.tcp))
    }

    /// Asks for the rest of the record of a flow that [`FlowTable::peek`] named.
    #[inline]
    pub(crate) fn prefetch_cold(&self, ix: FlowIx) {
        if let Some(c) = self.cold.get(ix.0 as usize) {
            probe::prefetch(c);
        }
    }

    #[inline]
    fn likely(&self, h: &Hashed) -> Option<usize> {
        let b = self.buckets.get((h.hash & self.mask) as usize)?;
        let m = entry::matches(&b.0, h.want);
        if m == 0 {
            return None;
        }
        Some(entry::place(b.0[m.trailing_zeros() as usize & (WAYS - 1)]))
    }

    /// Looks the flows of a burst up, without a change and whatever their age: `found[i]` is the flow of `heads[i]`
    /// and that packet's direction in it. All keys are hashed and their buckets asked for before the first is compared.
    pub fn find_bulk(&self, heads: &[Head], found: &mut [Option<(FlowIx, Dir)>]) {
        let mut hashes = [Hashed::NONE; 32];
        for (heads, found) in heads.chunks(hashes.len()).zip(found.chunks_mut(hashes.len())) {
            for (h, head) in hashes.iter_mut().zip(heads) {
                *h = self.hash_head(head);
                self.prefetch(h);
            }
            for ((f, h), head) in found.iter_mut().zip(&hashes).zip(heads) {
                *f = self.search(h, || Key::of_head(head)).map(|(ix, dir)| (FlowIx(ix), dir));
            }
        }
    }

    /// Asks for the lines of flow `far`; says the session of flow `near`, whose lines were asked for before.
    pub(crate) fn prefetch_record(&self, far: FlowIx, near: FlowIx) -> u32 {
        let i = far.0 as usize;
        if let (Some(h), Some(k), Some(c)) = (self.hot.get(i), self.keys.get(i), self.cold.get(i)) {
            probe::prefetch(h);
            probe::prefetch(k);
            probe::prefetch(c);
            probe::prefetch(&c.hash);
        }
        let i = near.0 as usize;
        let (Some(f), Some(c)) = (self.hot.get(i), self.cold.get(i)) else { return NIL };
        // Taking it out of the table will look into its bucket.
        let b = (c.hash & self.mask) as usize;
        if let Some(b) = self.buckets.get(b) {
            probe::prefetch(b);
        }
        f.tcp
    }

    /// The flow of a hashed packet and the packet's direction. `key` is asked when an entry does not say it all.
    #[inline]
    pub(super) fn search(&self, h: &Hashed, key: impl Fn() -> Key) -> Option<(u32, Dir)> {
        let b = (h.hash & self.mask) as usize;
        let bucket = &self.buckets.get(b)?.0;
        let m = entry::matches(bucket, h.want);
        if m != 0 && h.is_exact() {
            let e = bucket[m.trailing_zeros() as usize & (WAYS - 1)];
            let dir = if entry::is_turned(e) == h.flipped { Dir::ToServer } else { Dir::ToClient };
            return Some((entry::place(e) as u32, dir));
        }
        if h.is_exact() && self.over.get(b) == Some(&0) {
            return None;
        }
        self.search_on(h, &key())
    }

    #[inline(never)]
    fn search_on(&self, h: &Hashed, key: &Key) -> Option<(u32, Dir)> {
        for p in 0..PROBES {
            let b = ((h.hash.wrapping_add(p as u64)) & self.mask) as usize;
            let bucket = &self.buckets[b].0;
            let mut m = entry::matches(bucket, h.want);
            while m != 0 {
                let e = bucket[m.trailing_zeros() as usize & (WAYS - 1)];
                m &= m - 1;
                let ix = entry::place(e) as u32;
                if h.is_exact() {
                    let dir = if entry::is_turned(e) == h.flipped { Dir::ToServer } else { Dir::ToClient };
                    return Some((ix, dir));
                }
                if self.same(ix, key, h.kind) {
                    return Some((ix, self.direction(ix, key, h.kind)));
                }
            }
            // A bucket that sent nothing on ends the search.
            if self.over[b] == 0 {
                break;
            }
        }
        None
    }

    #[inline]
    fn same(&self, ix: u32, k: &Key, kind: Kind) -> bool {
        let f = &self.keys[ix as usize].0;
        if f.proto != k.proto
            || f.v6 != k.v6
            || (self.cfg.vlan_tracking && f.vlan != k.vlan)
            || self.cfg.depth(f.recursion) != self.cfg.depth(k.recursion)
        {
            return false;
        }
        let ((fs, fd), (ks, kd)) =
            if k.proto == 1 { (f.cmp_ports(), k.cmp_ports()) } else { ((f.sp, f.dp), (k.sp, k.dp)) };
        (f.src == k.src && f.dst == k.dst && fs == ks && fd == kd)
            || (kind != Kind::OneWay && f.src == k.dst && f.dst == k.src && fs == kd && fd == ks)
    }

    /// Which way a packet of flow `ix` goes.
    #[inline]
    fn direction(&self, ix: u32, k: &Key, kind: Kind) -> Dir {
        let f = &self.keys[ix as usize].0;
        let to_server = match (kind, k.proto) {
            (Kind::OneWay, _) => true,
            (_, 6 | 17 | 132) if k.sp != k.dp => f.sp == k.sp,
            (_, 6 | 17 | 132 | 1 | 58) => f.src == k.src,
            _ => true,
        };
        if to_server { Dir::ToServer } else { Dir::ToClient }
    }
}
