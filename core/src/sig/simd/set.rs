//! A set of bytes: exact, so that what it finds is a match.
use super::vector::Vector;
use super::{HEAD, WORDS, words};
use alloc::boxed::Box;

/// Bit `h & 7` of `tables[h >> 3][l]` for the byte of nibbles `h`, `l`.
#[derive(Debug)]
pub(in super::super) struct Bytes {
    tables: Box<[[u8; 16]; 2]>,
}

impl Bytes {
    pub(in super::super) fn new(set: impl Iterator<Item = u8>) -> Bytes {
        let mut tables = Box::new([[0u8; 16]; 2]);
        for b in set {
            tables[usize::from(b >> 7)][usize::from(b & 15)] |= 1 << (b >> 4 & 7);
        }
        Bytes { tables }
    }

    #[inline]
    pub(in super::super) fn has(&self, b: u8) -> bool {
        self.tables[usize::from(b >> 7)][usize::from(b & 15)] >> (b >> 4 & 7) & 1 != 0
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        32
    }

    /// Fills `masks` with the words `first..`, on any machine.
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) {
        let n = words(hay.len()).saturating_sub(first).min(WORDS);
        let text = hay.get(HEAD + 64 * first..).unwrap_or_default();
        for (m, part) in masks.iter_mut().zip(text.chunks(64)).take(n) {
            *m = part.iter().zip(0..).fold(0, |all, (&b, i)| all | u64::from(self.has(b)) << i);
        }
    }
}

/// The tables in registers, and for each the bit of a high nibble.
pub(super) struct Set<V>([V; 4]);

impl<V: Vector> Set<V> {
    /// # Safety
    /// The instruction set of `V` is there.
    #[inline(always)]
    pub(super) unsafe fn new(t: &Bytes) -> Self {
        const LOW: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
        const HIGH: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128];
        let [a, b] = &*t.tables;
        // SAFETY: the caller's promise.
        unsafe { Set([V::lanes(a), V::lanes(b), V::lanes(&LOW), V::lanes(&HIGH)]) }
    }

    /// The word of the 64 positions of the block at `p`.
    ///
    /// # Safety
    /// The instruction set of `V` is there, and `HEAD + 64` bytes are readable.
    #[inline(always)]
    pub(super) unsafe fn word(&self, p: *const u8) -> u64 {
        let mut word = 0;
        // SAFETY: each load reads `V::BYTES` bytes at `HEAD + part * V::BYTES`, of those promised.
        unsafe {
            let low = V::splat(15);
            for part in 0..64 / V::BYTES {
                let v = V::load(p.add(HEAD + part * V::BYTES));
                let (l, h) = (v.and(low), v.high());
                let [a, b, bit_a, bit_b] = self.0;
                let hit = a.lookup(l).and(bit_a.lookup(h)).or(b.lookup(l).and(bit_b.lookup(h)));
                word |= hit.nonzero() << (part * V::BYTES);
            }
        }
        word
    }
}
