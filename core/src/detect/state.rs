//! State that rules keep between packets: flowbits, flowints, flowvars in the flow; xbits, hostbits and tags in
//! the worker.
//!
//! In: numbers of variables. Out: their values. Owns the worker's table of host state, of fixed size: when a
//! slot's neighbourhood is full the entry that expires first makes room.

use alloc::vec::Vec;

use super::FlowDetect;
use crate::keyed::Sip13;
use crate::packet::Addr;
use crate::pool::{self, BytePool, PBuf};
use crate::rules::ir::{BitOp, Cmp, Track};

/// Longest flowvar value kept, bytes.
const MAX_VAR: usize = 256;
/// Most variables of a kind kept for one flow.
const MAX_VARS: usize = 1024;

fn position(buf: &[u8], bit: u16) -> Option<usize> {
    buf.chunks_exact(2).position(|c| c == bit.to_le_bytes())
}

/// Whether a flowbit is set.
pub fn bit(flow: &FlowDetect, pool: &BytePool, bit: u16) -> bool {
    position(flow.bits.get(pool), bit).is_some()
}

/// Sets, clears or toggles a flowbit. A full pool leaves it as it was.
pub fn change_bit(flow: &mut FlowDetect, pool: &mut BytePool, bit: u16, op: BitOp) {
    let at = position(flow.bits.get(pool), bit);
    match (at, op) {
        (None, BitOp::Set | BitOp::Toggle) if flow.bits.len() < MAX_VARS * 2 => {
            let _full = flow.bits.extend(pool, &bit.to_le_bytes());
        }
        (Some(i), BitOp::Unset | BitOp::Toggle) => {
            let n = flow.bits.len();
            let b = flow.bits.get_mut(pool);
            b.copy_within(n - 2..n, i * 2);
            flow.bits.truncate(n - 2);
        }
        _ => {}
    }
}

/// The value of a flowint.
pub fn int(flow: &FlowDetect, pool: &BytePool, var: u16) -> Option<u32> {
    flow.ints
        .get(pool)
        .chunks_exact(6)
        .find(|c| c[..2] == var.to_le_bytes())
        .map(|c| u32::from_le_bytes([c[2], c[3], c[4], c[5]]))
}

/// Sets a flowint.
pub fn set_int(flow: &mut FlowDetect, pool: &mut BytePool, var: u16, value: u32) {
    if let Some(c) = flow.ints.get_mut(pool).chunks_exact_mut(6).find(|c| c[..2] == var.to_le_bytes()) {
        c[2..].copy_from_slice(&value.to_le_bytes());
        return;
    }
    if flow.ints.len() >= MAX_VARS * 6 {
        return;
    }
    let mut rec = [0u8; 6];
    rec[..2].copy_from_slice(&var.to_le_bytes());
    rec[2..].copy_from_slice(&value.to_le_bytes());
    let _full = flow.ints.extend(pool, &rec);
}

/// Compares as `flowint` does.
pub fn compare(cmp: Cmp, a: u32, b: u32) -> bool {
    super::inspect::bytes::compare(cmp, u64::from(a), u64::from(b))
}

/// The value of a flowvar.
pub fn var<'p>(flow: &FlowDetect, pool: &'p BytePool, var: u16) -> Option<&'p [u8]> {
    let mut b = flow.vars.get(pool);
    while let Some((head, rest)) = b.split_at_checked(4) {
        let n = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let (value, next) = rest.split_at_checked(n)?;
        if head[..2] == var.to_le_bytes() {
            return Some(value);
        }
        b = next;
    }
    None
}

/// Sets a flowvar to at most 256 bytes of `value`; an older value of the same name is hidden by the newer.
pub fn set_var(flow: &mut FlowDetect, pool: &mut BytePool, name: u16, value: &[u8]) {
    let value = &value[..value.len().min(MAX_VAR)];
    if var(flow, pool, name) == Some(value) || flow.vars.len() > 16 * MAX_VAR {
        return;
    }
    let mut fresh = PBuf::new();
    let old = flow.vars;
    let mut head = [0u8; 4];
    head[..2].copy_from_slice(&name.to_le_bytes());
    head[2..].copy_from_slice(&(value.len() as u16).to_le_bytes());
    let n = 4 + value.len() + old.len();
    if fresh.resize(pool, n).is_err() {
        return;
    }
    // The new record goes first so that lookups find it before an older one.
    let mut tail = [0u8; 64];
    let mut at = 0;
    fresh.get_mut(pool)[..4].copy_from_slice(&head);
    fresh.get_mut(pool)[4..4 + value.len()].copy_from_slice(value);
    while at < old.len() {
        let k = (old.len() - at).min(tail.len());
        tail[..k].copy_from_slice(&old.get(pool)[at..at + k]);
        let to = 4 + value.len() + at;
        fresh.get_mut(pool)[to..to + k].copy_from_slice(&tail[..k]);
        at += k;
    }
    flow.vars.free(pool);
    flow.vars = fresh;
}

/// What host state is kept for: two addresses (the second zero unless a pair is tracked) and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HostKey {
    /// What is kept: a name ([`named`]), or the number of a rule. It means the same in every rule set.
    pub what: u64,
    /// Tells several of one rule apart, and its revisions.
    pub part: u32,
    pub a: Addr,
    pub b: Addr,
}

impl HostKey {
    /// The key for `track` on a packet from `src` to `dst`; pairs are symmetric.
    pub fn new(what: u64, track: Track, src: Addr, dst: Addr) -> Self {
        let zero = Addr::default();
        let (a, b) = match track {
            Track::Src => (src, zero),
            Track::Dst => (dst, zero),
            Track::Pair | Track::Flow | Track::Tx if src <= dst => (src, dst),
            Track::Pair | Track::Flow | Track::Tx => (dst, src),
            Track::Rule => (zero, zero),
        };
        HostKey { what, part: 0, a, b }
    }
}

impl HostKey {
    /// The key for a bit of a transaction: its protocol, and its number among all transactions of that.
    pub fn of_tx(what: u64, (proto, serial): (u32, u64)) -> Self {
        let mut a = Addr::default();
        a.0[..8].copy_from_slice(&serial.to_le_bytes());
        HostKey { what, part: proto.wrapping_add(1), a, b: Addr::default() }
    }
}

/// The number by which host state of that name is kept: the same in every rule set, so that bits survive a reload
/// and never are another's. FNV-1a, mixed once more.
pub fn named(name: &str) -> u64 {
    let h =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (h ^ h >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A table of fixed size from [`HostKey`] to `T`, with expiry.
#[derive(Debug)]
pub struct HostTable<T> {
    /// By hash: number of the entry + 1. Entries are made at first use, so an unused table touches no memory.
    slots: Vec<u32>,
    entries: Vec<Slot<T>>,
    mask: usize,
    sip: Sip13,
    /// Entries pushed out before their time.
    pub evicted: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot<T> {
    key: HostKey,
    used: bool,
    expire: u64,
    value: T,
}

/// Slots looked at for one key.
const PROBES: usize = 16;

impl<T: Copy + Default> HostTable<T> {
    /// `slots` is rounded up to a power of two; keys are hashed under `key`.
    pub fn new(slots: usize, key: [u64; 2]) -> Self {
        let n = slots.max(PROBES).next_power_of_two();
        HostTable {
            slots: alloc::vec![0; n],
            entries: Vec::with_capacity(n),
            mask: n - 1,
            sip: Sip13::new(key),
            evicted: 0,
        }
    }

    fn start(&self, k: &HostKey) -> usize {
        let word = |b: &[u8; 16], at: usize| {
            b.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| u64::from_le_bytes(*b))
        };
        let (a, b) = (&k.a.0, &k.b.0);
        self.sip.words([k.what, u64::from(k.part), word(a, 0), word(a, 8), word(b, 0), word(b, 8)]) as usize
    }

    /// Bytes of a table of `slots`.
    pub const fn bytes(slots: usize) -> usize {
        slots * (size_of::<u32>() + size_of::<Slot<T>>())
    }

    /// Touches all memory of a table that is empty.
    pub(super) fn warm(&mut self) {
        pool::touch(&mut self.slots);
        pool::touch_reserved(&mut self.entries, usize::MAX, Slot::default());
    }

    /// The entry of slot `i`, if it ever had one.
    fn entry(&self, i: usize) -> Option<&Slot<T>> {
        self.entries.get((*self.slots.get(i)?).checked_sub(1)? as usize)
    }

    fn entry_mut(&mut self, i: usize) -> Option<&mut Slot<T>> {
        self.entries.get_mut((*self.slots.get(i)?).checked_sub(1)? as usize)
    }

    /// The live value of a key.
    pub fn get(&mut self, k: &HostKey, now: u64) -> Option<&mut T> {
        let s = self.start(k);
        let mask = self.mask;
        let i = (0..PROBES)
            .map(|i| (s.wrapping_add(i)) & mask)
            .find(|&i| self.entry(i).is_some_and(|e| e.used && e.expire > now && e.key == *k))?;
        self.entry_mut(i).map(|e| &mut e.value)
    }

    /// Sets the value of a key until `expire`.
    pub fn set(&mut self, k: HostKey, value: T, expire: u64, now: u64) {
        let s = self.start(&k);
        // The best slot so far, and when what it holds expires; 0: it is free.
        let mut best: Option<(usize, u64)> = None;
        for i in (0..PROBES).map(|i| (s.wrapping_add(i)) & self.mask) {
            let e = self.entry(i);
            if e.is_some_and(|e| e.used && e.key == k) {
                best = Some((i, 0));
                break;
            }
            let until = e.filter(|e| e.used && e.expire > now).map_or(0, |e| e.expire);
            if best.is_none_or(|(_, b)| until < b) {
                best = Some((i, until));
            }
        }
        let Some((i, until)) = best else { return };
        self.evicted += u64::from(until > 0);
        let new = Slot { key: k, used: true, expire, value };
        if let Some(e) = self.entry_mut(i) {
            *e = new;
        } else {
            self.entries.push(new);
            if let Some(slot) = self.slots.get_mut(i) {
                *slot = self.entries.len() as u32;
            }
        }
    }

    /// Forgets a key.
    pub fn remove(&mut self, k: &HostKey) {
        let s = self.start(k);
        for i in 0..PROBES {
            let i = s.wrapping_add(i) & self.mask;
            if let Some(e) = self.entry_mut(i).filter(|e| e.used && e.key == *k) {
                e.used = false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_ints_and_vars() {
        let mut pool = BytePool::new(1 << 16);
        let mut f = FlowDetect::default();
        for b in [3u16, 7, 300] {
            change_bit(&mut f, &mut pool, b, BitOp::Set);
        }
        change_bit(&mut f, &mut pool, 3, BitOp::Toggle);
        assert!(!bit(&f, &pool, 3) && bit(&f, &pool, 7) && bit(&f, &pool, 300));
        set_int(&mut f, &mut pool, 1, 5);
        set_int(&mut f, &mut pool, 1, 6);
        assert_eq!((int(&f, &pool, 1), int(&f, &pool, 2)), (Some(6), None));
        set_var(&mut f, &mut pool, 9, b"one");
        set_var(&mut f, &mut pool, 8, &[7; 200]);
        set_var(&mut f, &mut pool, 9, b"two");
        assert_eq!(var(&f, &pool, 9), Some(&b"two"[..]));
        assert_eq!(var(&f, &pool, 8), Some(&[7u8; 200][..]));
        f.release(&mut pool);
        assert_eq!(pool.in_use(), 0);
    }

    #[test]
    fn host_state_expires_and_never_grows() {
        let mut t: HostTable<u32> = HostTable::new(64, [1, 1]);
        for i in 0..10_000u32 {
            let k = HostKey::new(u64::from(i), Track::Src, Addr::v4(i.to_be_bytes()), Addr::default());
            t.set(k, i, 100, 1);
            assert_eq!(t.get(&k, 1).copied(), Some(i));
            assert_eq!(t.get(&k, 100), None);
        }
        assert!(t.evicted > 0);
    }
}
