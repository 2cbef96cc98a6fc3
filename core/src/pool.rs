//! Memory taken once, at construction: a byte pool with size classes and a typed slab.
//!
//! In: sizes. Out: handles that are plain numbers (no `Drop`, no borrow), resolved against the pool that
//! gave them. Owns every variable-length byte of the hot path. A pool that is full says so; the caller
//! degrades by its documented rule and counts it.
mod arena;
mod growth;
mod zeroed;

use alloc::vec::Vec;

pub use arena::{Arena, PAGE, Records};
pub use growth::{Credit, Growth, RATIO, STOCK};
pub(crate) use zeroed::{Plain, Zeroed};

/// Smallest block, bytes. Blocks are powers of two from here up.
const MIN_SHIFT: u32 = 6;
/// Number of size classes: 64 B … 8 MiB.
const CLASSES: usize = 18;
const NIL: u32 = u32::MAX;
/// Size classes whose blocks are kept for a while before they are merged (64 B … 32 KiB), and how many bytes of each.
const QUICK_CLASSES: usize = 10;
const QUICK_BYTES: u32 = 64 << 10;

/// The pool has no block of the wanted size left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory pool is full")]
pub struct PoolFull;

/// A region split into power-of-two blocks by the buddy rule.
///
/// All memory is reserved in [`BytePool::new`]; untouched pages cost nothing until first use.
#[derive(Debug)]
pub struct BytePool {
    mem: Vec<u8>,
    /// Minimal blocks in all; of those, how many were split or handed out so far: the arrays reach as far.
    blocks: usize,
    begun: usize,
    /// Per minimal block: next in its free list, valid for the first minimal block of a free block.
    next: Vec<u32>,
    prev: Vec<u32>,
    /// Per minimal block: class + 1 when it starts a free block, 0 otherwise.
    free_class: Vec<u8>,
    heads: [u32; CLASSES],
    /// Blocks given back and not merged with their buddies yet: the next request for their size takes them.
    /// Linked by `next` alone; how many there are.
    quick: [(u32, u32); QUICK_CLASSES],
    in_use: usize,
    refused: u64,
    growth: Growth,
}

/// A growable byte buffer inside a [`BytePool`]. Copy it only to move it; free it exactly once.
#[derive(Clone, Copy, Debug, Default)]
pub struct PBuf {
    /// Offset in minimal blocks.
    at: u32,
    len: u32,
    /// Class + 1; 0 for a buffer that owns nothing.
    class: u8,
}

impl BytePool {
    /// Reserves `bytes` (rounded down to whole minimal blocks) once and for all.
    pub fn new(bytes: usize) -> Self {
        let blocks = (bytes >> MIN_SHIFT).min(NIL as usize - 1);
        BytePool {
            mem: Vec::with_capacity(blocks << MIN_SHIFT),
            blocks,
            begun: 0,
            next: Vec::with_capacity(blocks),
            prev: Vec::with_capacity(blocks),
            free_class: Vec::with_capacity(blocks),
            heads: [NIL; CLASSES],
            quick: [(NIL, 0); QUICK_CLASSES],
            in_use: 0,
            refused: 0,
            growth: Growth::new(),
        }
    }

    /// Begins the next block of the largest size that nobody had yet. `false`: there is none.
    #[cold]
    fn begin(&mut self) -> bool {
        let at = self.begun;
        if at >= self.blocks {
            return false;
        }
        let mut class = CLASSES - 1;
        while (1usize << class) > self.blocks - at {
            class -= 1;
        }
        self.begun += 1 << class;
        // Within what is reserved.
        self.next.resize(self.begun, 0);
        self.prev.resize(self.begun, 0);
        self.free_class.resize(self.begun, 0);
        self.push_free(at as u32, class);
        true
    }

    /// Touches the `bytes` that are handed out first, so that the kernel gives them now and not while packets wait.
    /// For a pool of which nothing was taken yet.
    pub fn warm(&mut self, bytes: usize) {
        let n = bytes.min(self.capacity());
        touch_reserved(&mut self.mem, n, 0);
        touch_reserved(&mut self.next, n.div_ceil(1 << MIN_SHIFT), 0);
        touch_reserved(&mut self.prev, n.div_ceil(1 << MIN_SHIFT), 0);
        touch_reserved(&mut self.free_class, n.div_ceil(1 << MIN_SHIFT), 0);
    }

    /// Bytes that a pool of `capacity` takes with what it notes of each block.
    pub const fn bytes(capacity: usize) -> usize {
        (capacity >> MIN_SHIFT) * Self::PER_BLOCK
    }

    /// The largest pool that takes `bytes` with what it notes of each block.
    pub const fn within(bytes: usize) -> usize {
        (bytes / Self::PER_BLOCK) << MIN_SHIFT
    }

    const PER_BLOCK: usize = (1 << MIN_SHIFT) + 2 * size_of::<u32>() + 1;

    /// Bytes handed out at the moment, block sizes counted.
    pub fn in_use(&self) -> usize {
        self.in_use
    }

    /// Bytes reserved.
    pub fn capacity(&self) -> usize {
        self.blocks << MIN_SHIFT
    }

    /// Requests refused since construction because no block was left.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How much may be made of the bytes at work.
    pub fn growth(&mut self) -> &mut Growth {
        &mut self.growth
    }

    /// Times that decoding ended because senders had spent what they may have made; see [`Growth`].
    pub fn outgrown(&self) -> u64 {
        self.growth.refused()
    }

    /// Counts requests that another pool beside this one refused.
    pub fn refuse(&mut self, requests: u64) {
        self.refused += requests;
    }

    /// Copies `len` bytes of `src` from `from` into `dst` at `to`; what lies outside either is left out.
    pub fn copy_between(&mut self, src: &PBuf, from: usize, dst: &PBuf, to: usize, len: usize) {
        let len = len.min(src.len().saturating_sub(from)).min(dst.len().saturating_sub(to));
        if len > 0 {
            let at = src.start() + from;
            self.mem.copy_within(at..at + len, dst.start() + to);
        }
    }

    fn push_free(&mut self, at: u32, class: usize) {
        let head = self.heads[class];
        self.next[at as usize] = head;
        self.prev[at as usize] = NIL;
        if head != NIL {
            self.prev[head as usize] = at;
        }
        self.heads[class] = at;
        self.free_class[at as usize] = class as u8 + 1;
    }

    fn unlink(&mut self, at: u32, class: usize) {
        let (n, p) = (self.next[at as usize], self.prev[at as usize]);
        if p == NIL {
            self.heads[class] = n;
        } else {
            self.next[p as usize] = n;
        }
        if n != NIL {
            self.prev[n as usize] = p;
        }
        self.free_class[at as usize] = 0;
    }

    #[inline]
    fn take(&mut self, class: usize) -> Result<u32, PoolFull> {
        if let Some(q) = self.quick.get_mut(class)
            && q.0 != NIL
        {
            let at = q.0;
            *q = (self.next[at as usize], q.1 - 1);
            self.in_use += 1 << (class as u32 + MIN_SHIFT);
            return Ok(at);
        }
        self.split(class)
    }

    /// A block out of the least free one that is large enough.
    fn split(&mut self, class: usize) -> Result<u32, PoolFull> {
        let free = |p: &Self| (class..CLASSES).find(|&c| p.heads[c] != NIL);
        let mut found = free(self);
        while found.is_none() && self.begin() {
            found = free(self);
        }
        let Some(mut from) = found.or_else(|| {
            self.merge_all();
            free(self)
        }) else {
            self.refused += 1;
            return Err(PoolFull);
        };
        let at = self.heads[from];
        self.unlink(at, from);
        while from > class {
            from -= 1;
            self.push_free(at + (1 << from), from);
        }
        self.in_use += 1 << (class as u32 + MIN_SHIFT);
        let end = (at as usize + (1 << class)) << MIN_SHIFT;
        if end > self.mem.len() {
            // Within what is reserved: pages are written when they are first needed.
            self.mem.resize(end, 0);
        }
        Ok(at)
    }

    #[inline]
    fn give(&mut self, at: u32, class: usize) {
        self.in_use -= 1 << (class as u32 + MIN_SHIFT);
        if let Some(q) = self.quick.get_mut(class)
            && q.1 < QUICK_BYTES >> (class as u32 + MIN_SHIFT)
        {
            self.next[at as usize] = q.0;
            *q = (at, q.1 + 1);
            return;
        }
        self.merge(at, class);
    }

    /// Merges what was kept for quick use: for a request that finds no room otherwise.
    #[cold]
    fn merge_all(&mut self) {
        for class in 0..QUICK_CLASSES {
            let (mut at, _) = core::mem::replace(&mut self.quick[class], (NIL, 0));
            while at != NIL {
                let next = self.next[at as usize];
                self.merge(at, class);
                at = next;
            }
        }
    }

    fn merge(&mut self, at: u32, class: usize) {
        let (mut at, mut class) = (at, class);
        while class + 1 < CLASSES {
            let buddy = at ^ (1 << class);
            let free = self.free_class.get(buddy as usize).copied() == Some(class as u8 + 1);
            if !free {
                break;
            }
            self.unlink(buddy, class);
            at &= !(1 << class);
            class += 1;
        }
        self.push_free(at, class);
    }
}

/// Writes to every page of `mem` what is there.
pub(crate) fn touch<T: Copy>(mem: &mut [T]) {
    const PAGE: usize = 4096;
    for page in mem.chunks_mut((PAGE / size_of::<T>()).max(1)) {
        if let Some(x) = page.first_mut() {
            *x = core::hint::black_box(*x);
        }
    }
}

/// Touches the first `n` places of the reserved memory of an empty `v`.
pub(crate) fn touch_reserved<T: Clone>(v: &mut Vec<T>, n: usize, value: T) {
    if v.is_empty() {
        v.resize(n.min(v.capacity()), value);
        core::hint::black_box(&mut *v).clear();
    }
}

const fn class_for(bytes: usize) -> usize {
    if bytes <= 1 << MIN_SHIFT { 0 } else { (usize::BITS - (bytes - 1).leading_zeros() - MIN_SHIFT) as usize }
}

impl PBuf {
    /// An empty buffer that owns no block yet.
    pub const fn new() -> Self {
        PBuf { at: 0, len: 0, class: 0 }
    }

    /// A buffer holding a copy of `bytes`.
    pub fn from_slice(pool: &mut BytePool, bytes: &[u8]) -> Result<Self, PoolFull> {
        let mut b = PBuf::new();
        b.extend(pool, bytes)?;
        Ok(b)
    }

    pub const fn len(&self) -> usize {
        self.len as usize
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a block is held (even if it holds no bytes at the moment).
    pub const fn is_allocated(&self) -> bool {
        self.class != 0
    }

    /// Bytes that fit without another block.
    pub const fn capacity(&self) -> usize {
        if self.class == 0 { 0 } else { 1 << (self.class as u32 - 1 + MIN_SHIFT) }
    }

    const fn start(&self) -> usize {
        (self.at as usize) << MIN_SHIFT
    }

    /// The bytes held.
    pub fn get<'p>(&self, pool: &'p BytePool) -> &'p [u8] {
        if self.class == 0 {
            return &[];
        }
        pool.mem.get(self.start()..self.start() + self.len()).unwrap_or(&[])
    }

    /// The bytes held, to change in place.
    pub fn get_mut<'p>(&self, pool: &'p mut BytePool) -> &'p mut [u8] {
        if self.class == 0 {
            return &mut [];
        }
        let (s, l) = (self.start(), self.len());
        pool.mem.get_mut(s..s + l).unwrap_or(&mut [])
    }

    /// Makes room for `bytes` in all; moves to a larger block when needed.
    #[inline]
    pub fn reserve(&mut self, pool: &mut BytePool, bytes: usize) -> Result<(), PoolFull> {
        if bytes <= self.capacity() { Ok(()) } else { self.grow(pool, bytes) }
    }

    fn grow(&mut self, pool: &mut BytePool, bytes: usize) -> Result<(), PoolFull> {
        let class = class_for(bytes);
        if class >= CLASSES {
            pool.refused += 1;
            return Err(PoolFull);
        }
        let at = pool.take(class)?;
        if self.class != 0 {
            let from = self.start();
            pool.mem.copy_within(from..from + self.len(), (at as usize) << MIN_SHIFT);
            pool.give(self.at, self.class as usize - 1);
        }
        self.at = at;
        self.class = class as u8 + 1;
        Ok(())
    }

    /// Appends `bytes`; on `PoolFull` nothing changed.
    #[inline]
    pub fn extend(&mut self, pool: &mut BytePool, bytes: &[u8]) -> Result<(), PoolFull> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.reserve(pool, self.len() + bytes.len())?;
        let end = self.start() + self.len();
        pool.mem[end..end + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u32;
        Ok(())
    }

    /// Appends one byte.
    pub fn push(&mut self, pool: &mut BytePool, byte: u8) -> Result<(), PoolFull> {
        self.extend(pool, &[byte])
    }

    /// Sets the length to `len`, filling new bytes with zero.
    pub fn resize(&mut self, pool: &mut BytePool, len: usize) -> Result<(), PoolFull> {
        self.reserve(pool, len)?;
        if len > self.len() {
            let (from, to) = (self.start() + self.len(), self.start() + len);
            pool.mem[from..to].fill(0);
        }
        self.len = len as u32;
        Ok(())
    }

    /// Sets the length to `len`; what new bytes hold is undefined: for whoever writes before they read.
    pub fn stretch(&mut self, pool: &mut BytePool, len: usize) -> Result<(), PoolFull> {
        self.reserve(pool, len)?;
        self.len = len as u32;
        Ok(())
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len as u32);
    }

    /// Drops the first `n` bytes, moving the rest down.
    pub fn drain_front(&mut self, pool: &mut BytePool, n: usize) {
        let n = n.min(self.len());
        let s = self.start();
        if n > 0 && n < self.len() {
            pool.mem.copy_within(s + n..s + self.len(), s);
        }
        self.len -= n as u32;
    }

    /// Moves to a smaller block when at most a quarter of the held one is in use.
    pub fn shrink(&mut self, pool: &mut BytePool) {
        let class = class_for(self.len());
        if self.class == 0 || class + 2 >= self.class as usize {
            return;
        }
        // Half of what is given back always has room for the rest, so this does not fail in practice.
        if let Ok(at) = pool.take(class) {
            let from = self.start();
            pool.mem.copy_within(from..from + self.len(), (at as usize) << MIN_SHIFT);
            pool.give(self.at, self.class as usize - 1);
            self.at = at;
            self.class = class as u8 + 1;
        }
    }

    /// Gives the block back; the buffer is empty and may be used again.
    #[inline]
    pub fn free(&mut self, pool: &mut BytePool) {
        if self.class != 0 {
            pool.give(self.at, self.class as usize - 1);
        }
        *self = PBuf::new();
    }
}

/// A fixed number of `T`s with a free list. Indices are `u32`; [`Slab::NIL`] names none.
#[derive(Debug)]
pub struct Slab<T> {
    items: Vec<T>,
    next: Vec<u32>,
    free: u32,
    /// Slots handed out at least once: those beyond were never touched, so their pages cost nothing.
    high: u32,
    cap: u32,
    used: u32,
}

impl<T: Default> Slab<T> {
    /// The index that names no slot.
    pub const NIL: u32 = NIL;

    /// Reserves `cap` slots.
    pub fn new(cap: usize) -> Self {
        let cap = cap.min(NIL as usize - 1);
        Slab {
            items: Vec::with_capacity(cap),
            next: Vec::with_capacity(cap),
            free: NIL,
            high: 0,
            cap: cap as u32,
            used: 0,
        }
    }

    /// Bytes of a slab of `cap`.
    pub const fn bytes(cap: usize) -> usize {
        cap * (size_of::<T>() + size_of::<u32>())
    }

    /// Touches the memory of the first `n` slots of a slab of which none was taken yet.
    pub fn warm(&mut self, n: usize) {
        let n = n.min(self.cap as usize);
        if self.items.is_empty() {
            self.items.resize_with(n, T::default);
            core::hint::black_box(&mut self.items).clear();
        }
        touch_reserved(&mut self.next, n, NIL);
    }

    /// A slot holding `T::default()`, or `None` when all are taken.
    pub fn alloc(&mut self) -> Option<u32> {
        let was = self.high;
        let id = self.alloc_as_left()?;
        if id < was {
            self.items[id as usize] = T::default();
        }
        Some(id)
    }

    /// As [`Slab::alloc`], but a slot that was taken before is as it was left: for what is large and cheap to begin anew.
    pub fn alloc_as_left(&mut self) -> Option<u32> {
        let id = if self.free != NIL {
            let id = self.free;
            self.free = self.next[id as usize];
            id
        } else if self.high < self.cap {
            let id = self.high;
            self.high += 1;
            self.items.push(T::default());
            self.next.push(NIL);
            id
        } else {
            return None;
        };
        self.used += 1;
        Some(id)
    }

    /// Gives a slot back. The caller has freed what the slot's value owned.
    pub fn free(&mut self, id: u32) {
        self.next[id as usize] = self.free;
        self.free = id;
        self.used -= 1;
    }

    pub fn get(&self, id: u32) -> &T {
        &self.items[id as usize]
    }

    /// As [`Slab::get`], for a number that may name no slot.
    pub fn peek(&self, id: u32) -> Option<&T> {
        self.items.get(id as usize)
    }

    pub fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.items[id as usize]
    }

    /// Slots handed out now.
    pub fn used(&self) -> usize {
        self.used as usize
    }

    pub fn capacity(&self) -> usize {
        self.cap as usize
    }
}

/// Fixed scratch that a worker lends to whoever must build a buffer for one evaluation.
#[derive(Debug)]
pub struct Scratch {
    buf: Vec<u8>,
}

impl Scratch {
    /// Reserves `bytes`.
    pub fn new(bytes: usize) -> Self {
        Scratch { buf: Vec::with_capacity(bytes) }
    }

    pub fn clear(&mut self) {
        self.buf.clear();
    }

    pub fn len(&self) -> usize {
        self.buf.len()
    }

    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Appends what fits; `false` when something was cut off. Never grows.
    pub fn extend(&mut self, bytes: &[u8]) -> bool {
        let room = self.buf.capacity() - self.buf.len();
        let n = bytes.len().min(room);
        self.buf.extend_from_slice(&bytes[..n]);
        n == bytes.len()
    }

    /// Appends one byte if it fits.
    pub fn push(&mut self, b: u8) -> bool {
        self.extend(&[b])
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.buf
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.buf
    }

    pub fn truncate(&mut self, n: usize) {
        self.buf.truncate(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn warming_changes_nothing() {
        let (mut cold, mut warm) = (BytePool::new(20 << 20), BytePool::new(20 << 20));
        warm.warm(9 << 20);
        let mut slab: Slab<u64> = Slab::new(10);
        slab.warm(100);
        assert_eq!((slab.alloc(), slab.alloc()), (Some(0), Some(1)));
        for n in [1usize, 70, 5000, 8 << 20, 3] {
            let of = |p: &mut BytePool| PBuf::from_slice(p, &vec![7; n]).map(|b| (b.start(), b.len())).ok();
            assert_eq!(of(&mut cold), of(&mut warm));
        }
        assert_eq!(cold.in_use(), warm.in_use());
    }

    #[test]
    fn copies_between_buffers_stay_inside() {
        let mut p = BytePool::new(1 << 12);
        let a = PBuf::from_slice(&mut p, b"abcdef").unwrap();
        let b = PBuf::from_slice(&mut p, b"......").unwrap();
        p.copy_between(&a, 2, &b, 1, 2);
        assert_eq!(b.get(&p), b".cd...");
        p.copy_between(&a, 4, &b, 5, 100);
        p.copy_between(&a, 9, &b, 0, 1);
        p.copy_between(&a, 0, &b, 9, 1);
        assert_eq!((a.get(&p), b.get(&p)), (&b"abcdef"[..], &b".cd..e"[..]));
    }

    #[test]
    fn grows_and_gives_everything_back() {
        let mut p = BytePool::new(1 << 20);
        let mut b = PBuf::new();
        for i in 0..1000u32 {
            b.extend(&mut p, &i.to_le_bytes()).unwrap();
        }
        assert_eq!(b.len(), 4000);
        assert_eq!(&b.get(&p)[396..400], &99u32.to_le_bytes());
        b.drain_front(&mut p, 396);
        assert_eq!(&b.get(&p)[..4], &99u32.to_le_bytes());
        b.free(&mut p);
        assert_eq!(p.in_use(), 0);
        let mut all = PBuf::new();
        all.resize(&mut p, 1 << 20).unwrap();
        assert_eq!(all.extend(&mut p, b"x"), Err(PoolFull));
    }

    #[test]
    fn what_is_kept_for_quick_use_is_there_for_others() {
        let mut p = BytePool::new(64 << 10);
        let mut small: Vec<PBuf> = Vec::new();
        while let Ok(b) = PBuf::from_slice(&mut p, b"x") {
            small.push(b);
        }
        assert_eq!(small.len(), 1024);
        small.iter_mut().for_each(|b| b.free(&mut p));
        let mut all = PBuf::new();
        all.resize(&mut p, 64 << 10).unwrap();
        assert!(PBuf::from_slice(&mut p, b"x").is_err());
        all.free(&mut p);
        assert!(PBuf::from_slice(&mut p, b"x").is_ok());
    }

    proptest! {
        #[test]
        fn blocks_never_overlap(ops in proptest::collection::vec((0usize..20, 1usize..3000), 1..200)) {
            let mut p = BytePool::new(64 * 1024);
            let mut held: Vec<(PBuf, u8, usize)> = Vec::new();
            for (n, (slot, size)) in ops.into_iter().enumerate() {
                if slot < held.len() {
                    let (mut b, v, l) = held.swap_remove(slot);
                    prop_assert_eq!(b.len(), l);
                    prop_assert!(b.get(&p).iter().all(|&x| x == v));
                    b.free(&mut p);
                } else {
                    let v = n as u8;
                    if let Ok(b) = PBuf::from_slice(&mut p, &vec![v; size]) {
                        held.push((b, v, size));
                    }
                }
            }
            for (mut b, v, _) in held {
                prop_assert!(b.get(&p).iter().all(|&x| x == v));
                b.free(&mut p);
            }
            prop_assert_eq!(p.in_use(), 0);
            let mut all = PBuf::new();
            prop_assert!(all.resize(&mut p, 64 * 1024).is_ok());
        }
    }
}
