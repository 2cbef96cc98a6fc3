//! Many windows of four bytes: a bitmap over their hash, small enough for the first-level cache.
//!
//! Vectors fold and hash the four bytes at each of 64 positions; scalar loads fetch the bitmap's bytes (faster than
//! gathers on the machines measured); vectors test the bit in each.
use super::super::{rank::FOLD, verify::hash};
use super::vector::Vector;
use super::{BLOCK, Filter, Level, WORDS, fill, padded};
use alloc::{boxed::Box, vec};

/// The bitmap: bit `hash >> shift & 7` of byte `hash >> shift >> 3`.
#[derive(Debug)]
pub(in super::super) struct Gram {
    level: Level,
    shift: u32,
    bits: Box<[u8]>,
}

impl Gram {
    /// A bitmap of `keys`, the folded four bytes of `n` windows.
    pub(in super::super) fn new(keys: impl Iterator<Item = u32>, n: usize, level: Level) -> Gram {
        // One bit in 16 set, or fewer, up to 64 KiB.
        let log = (n * 16).next_power_of_two().trailing_zeros().clamp(10, 19);
        let shift = 32 - log;
        let mut bits = vec![0u8; 1 << (log - 3)].into_boxed_slice();
        for k in keys {
            let h = hash(k) >> shift;
            bits[(h >> 3) as usize] |= 1 << (h & 7);
        }
        Gram { level, shift, bits }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        self.bits.len()
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
            Level::Neon => unsafe {
                fill(&Hashed::<core::arch::aarch64::uint8x16_t>::new(self), hay, first, masks)
            },
            _ => 0,
        }
    }
}

/// The instance of one vector type.
struct Hashed<'a, V> {
    bits: &'a [u8],
    shift: u32,
    of: core::marker::PhantomData<V>,
}

impl<'a, V: Vector> Hashed<'a, V> {
    #[inline(always)]
    fn new(g: &'a Gram) -> Self {
        Hashed { bits: &g.bits, shift: g.shift, of: core::marker::PhantomData }
    }
}

impl<V: Vector> Filter for Hashed<'_, V> {
    #[inline(always)]
    unsafe fn full(&self, p: *const u8) -> u64 {
        const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
        /// Indices, 64 of them, for the word at each position.
        #[repr(align(64))]
        struct Ix([u32; 64]);
        #[repr(align(64))]
        struct Got([u8; 64]);
        let mut ix = Ix([0; 64]);
        let mut got = Got([0; 64]);
        let words = V::BYTES / 4;
        let mut word = 0;
        // SAFETY: loads read `V::BYTES` bytes at `part * V::BYTES + k`, `k < 4`, within the `BLOCK` bytes promised;
        // stores and the last loads stay in `ix` and `got`: the index `(part * 4 + k) * words` is below 64 by
        // `words * 4 == V::BYTES` and `part < 64 / V::BYTES`. A hash shifted right by `shift` is below
        // `8 * bits.len()`, which `Gram::new` sized so, so a third of its bits less is below `bits.len()`.
        unsafe {
            let (fold, mul) = (V::splat32(FOLD), V::splat32(super::super::verify::MUL));
            let seven = V::splat32(7);
            let powers = V::lanes(&POWERS);
            let mut tests = [V::splat(0); 4];
            for (part, test) in tests.iter_mut().enumerate().take(64 / V::BYTES) {
                let mut low = V::splat(0);
                for k in (0..4).rev() {
                    let h = V::load(p.add(part * V::BYTES + k)).or(fold).mul32(mul).shr32(self.shift);
                    h.shr32(3).store(ix.0.as_mut_ptr().add((part * 4 + k) * words).cast());
                    low = low.shl8().or(h.and(seven));
                }
                *test = powers.lookup(low);
            }
            for part in 0..64 / V::BYTES {
                for j in 0..words {
                    for k in 0..4 {
                        let i = ix.0[(part * 4 + k) * words + j] as usize;
                        got.0[part * V::BYTES + 4 * j + k] = *self.bits.get_unchecked(i);
                    }
                }
            }
            for (part, test) in tests.iter().enumerate().take(64 / V::BYTES) {
                let g = V::load(got.0.as_ptr().add(part * V::BYTES));
                word |= g.and(*test).nonzero() << (part * V::BYTES);
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

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use core::arch::x86_64::{__m128i, __m256i, __m512i};

    /// # Safety
    /// SSSE3 is there.
    #[target_feature(enable = "ssse3")]
    pub(super) unsafe fn ssse3(g: &Gram, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { fill(&Hashed::<__m128i>::new(g), hay, first, masks) }
    }

    /// # Safety
    /// AVX2 is there.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(g: &Gram, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { fill(&Hashed::<__m256i>::new(g), hay, first, masks) }
    }

    /// # Safety
    /// AVX-512 F, BW and VBMI are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) unsafe fn avx512(g: &Gram, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { fill(&Hashed::<__m512i>::new(g), hay, first, masks) }
    }

    const _: () = assert!(BLOCK == 64 + super::super::HEAD);
}
