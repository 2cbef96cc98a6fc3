//! A set of bytes: exact, so that what it finds is a match.
use super::vector::Vector;
use super::{Filter, HEAD, Level, WORDS, fill, padded, words};
use alloc::boxed::Box;

/// Bit `h & 7` of `tables[h >> 3][l]` for the byte of nibbles `h`, `l`.
#[derive(Debug)]
pub(in super::super) struct Bytes {
    level: Level,
    tables: Box<[[u8; 16]; 2]>,
}

impl Bytes {
    pub(in super::super) fn new(set: impl Iterator<Item = u8>, level: Level) -> Bytes {
        let mut tables = Box::new([[0u8; 16]; 2]);
        for b in set {
            tables[usize::from(b >> 7)][usize::from(b & 15)] |= 1 << (b >> 4 & 7);
        }
        Bytes { level, tables }
    }

    #[inline]
    pub(in super::super) fn has(&self, b: u8) -> bool {
        self.tables[usize::from(b >> 7)][usize::from(b & 15)] >> (b >> 4 & 7) & 1 != 0
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        32
    }

    /// Fills `masks`; see [`super::fill`].
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        match self.level {
            // SAFETY: a level is given at build only when the machine has it (`Level::available`).
            #[cfg(target_arch = "x86_64")]
            Level::Ssse3 => unsafe { x86::ssse3(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { run::<core::arch::aarch64::uint8x16_t>(self, hay, first, masks) },
            _ => {
                let n = words(hay.len()).saturating_sub(first).min(WORDS);
                let text = hay.get(HEAD + 64 * first..).unwrap_or_default();
                for (m, part) in masks.iter_mut().zip(text.chunks(64)).take(n) {
                    *m = part.iter().zip(0..).fold(0, |all, (&b, i)| all | u64::from(self.has(b)) << i);
                }
                n
            }
        }
    }
}

/// The tables in registers, and for each the bit of a high nibble.
struct Set<V>([V; 4]);

impl<V: Vector> Filter for Set<V> {
    #[inline(always)]
    unsafe fn full(&self, p: *const u8) -> u64 {
        let mut word = 0;
        // SAFETY: each load reads `V::BYTES` bytes at `HEAD + part * V::BYTES`, within the `BLOCK` bytes promised.
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

    #[inline(always)]
    unsafe fn part(&self, p: *const u8, n: usize) -> u64 {
        // SAFETY: `n` bytes are readable; the copy has `BLOCK`.
        unsafe { self.full(padded(p, n).as_ptr()) }
    }
}

/// # Safety
/// The instruction set of `V` is there.
#[inline(always)]
unsafe fn run<V: Vector>(t: &Bytes, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
    const LOW: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    const HIGH: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: the caller's promise, passed on.
    unsafe {
        let [a, b] = &*t.tables;
        fill(&Set([V::lanes(a), V::lanes(b), V::lanes(&LOW), V::lanes(&HIGH)]), hay, first, masks)
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use core::arch::x86_64::{__m128i, __m256i, __m512i};

    /// # Safety
    /// SSSE3 is there.
    #[target_feature(enable = "ssse3")]
    pub(super) unsafe fn ssse3(t: &Bytes, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { run::<__m128i>(t, hay, first, masks) }
    }

    /// # Safety
    /// AVX2 is there.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(t: &Bytes, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { run::<__m256i>(t, hay, first, masks) }
    }

    /// # Safety
    /// AVX-512 F and BW are there.
    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) unsafe fn avx512(t: &Bytes, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { run::<__m512i>(t, hay, first, masks) }
    }
}
