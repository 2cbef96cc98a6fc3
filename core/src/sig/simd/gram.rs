//! Many windows of four bytes: a bitmap over their hash, small enough for the first-level caches.
//!
//! Three passes over up to 1024 positions at a time, so that none waits for the stores of the one before: vectors
//! fold and hash the four bytes at each position into a byte index and a bit number; scalar loads fetch the bytes
//! (faster than gathers on the machines measured); vectors test the bit in each.
use super::super::{
    rank::FOLD,
    verify::{MUL, hash},
};
use super::vector::Vector;
use super::{BLOCK, HEAD, Level, WORDS, padded, words};
use alloc::{boxed::Box, vec};
use core::mem::MaybeUninit;

/// Largest bitmap, as a power of two of bits: a byte index has 16 bits.
const MOST: u32 = 19;

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
        // One bit in 64 set, or fewer, while that is small; at least 4 KiB, which any cache holds.
        let log = (n * 64).next_power_of_two().trailing_zeros().clamp(15, MOST);
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

    /// Fills `masks` with the words `first..`; see [`super::fill`].
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        let total = words(hay.len());
        if first >= total {
            return 0;
        }
        if hay.len() < BLOCK {
            // SAFETY: `hay.len()` bytes are readable at its start.
            let block = unsafe { padded(hay.as_ptr(), hay.len()) };
            self.run(&block, 0, 1, masks);
            // `total` was 1 or more, so `hay.len()` exceeds `HEAD`, and there are at most 63 ends.
            masks[0] &= (1u64 << (hay.len() - HEAD)) - 1;
            return 1;
        }
        let n = (total - first).min(WORDS);
        self.run(hay, first, n, masks);
        n
    }

    /// The passes for `n <= WORDS` words from `first` of a `hay` of `BLOCK` bytes or more that has so many.
    #[inline(always)]
    fn run(&self, hay: &[u8], first: usize, n: usize, masks: &mut [u64; WORDS]) {
        assert!(n <= WORDS && hay.len() >= BLOCK && first + n <= words(hay.len()));
        let mut b = Buffers {
            at: [MaybeUninit::uninit(); 64 * WORDS],
            got: [MaybeUninit::uninit(); 64 * WORDS],
            test: [MaybeUninit::uninit(); 64 * WORDS],
        };
        // SAFETY: `n` was checked for `hay` just now; a level is given at build only when the machine has it
        // (`Level::available`); each pass finds what the one before wrote: `n` blocks of indices below the length
        // of `bits`, then `n` blocks of bytes and tests.
        unsafe {
            self.hash_pass(hay, first, n, &mut b);
            fetch(&self.bits, &mut b, n);
            self.test_pass(&b, n, masks);
        }
        // The last block was moved down to end with the input.
        let at = 64 * (first + n - 1);
        let start = at.min(hay.len() - BLOCK);
        masks[n - 1] >>= at - start;
    }

    /// # Safety
    /// As [`hash_words`], and the level is there.
    #[inline(always)]
    unsafe fn hash_pass(&self, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.level {
                #[cfg(target_arch = "x86_64")]
                Level::Ssse3 => x86::hash_ssse3(self.shift, hay, first, n, b),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::hash_avx2(self.shift, hay, first, n, b),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::hash_avx512(self.shift, hay, first, n, b),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => hash_words::<core::arch::aarch64::uint8x16_t>(self.shift, hay, first, n, b),
                _ => unreachable!("a bitmap is built for vectors only"),
            }
        }
    }

    /// # Safety
    /// As [`test_words`], and the level is there.
    #[inline(always)]
    unsafe fn test_pass(&self, b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.level {
                #[cfg(target_arch = "x86_64")]
                Level::Ssse3 => x86::test_ssse3(b, n, masks),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::test_avx2(b, n, masks),
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => x86::test_avx512(b, n, masks),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => test_words::<core::arch::aarch64::uint8x16_t>(b, n, masks),
                _ => unreachable!("a bitmap is built for vectors only"),
            }
        }
    }
}

/// What the passes hand on, by block of 64 positions.
#[repr(align(64))]
struct Buffers {
    /// Byte indices: of positions 4j and 4j + 1 for each j of 16, then of 4j + 2 and 4j + 3.
    at: [MaybeUninit<u16>; 64 * WORDS],
    /// The bytes there, by position.
    got: [MaybeUninit<u8>; 64 * WORDS],
    /// The bit to test, by position.
    test: [MaybeUninit<u8>; 64 * WORDS],
}

/// First pass: indices and bits.
///
/// # Safety
/// The instruction set of `V` is there; `n <= WORDS`; `hay` has `BLOCK` bytes or more and the words
/// `first..first + n`. Fills `n` blocks of `b.at` and `b.test`.
#[inline(always)]
unsafe fn hash_words<V: Vector>(shift: u32, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
    const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: a block starts at `hay.len() - BLOCK` at the latest, and its loads read `V::BYTES` bytes at
    // `part * V::BYTES + k`, `k < 4`, within `BLOCK`. Each part stores a vector of indices
    // at `V::BYTES * part` of either half of its block's 128 bytes, and one of bits at the same of its 64.
    unsafe {
        let (fold, mul, seven) = (V::splat32(FOLD), V::splat32(MUL), V::splat32(7));
        let powers = V::lanes(&POWERS);
        for i in 0..n {
            let p = hay.as_ptr().add((64 * (first + i)).min(hay.len() - BLOCK));
            for part in 0..64 / V::BYTES {
                let of = |k: usize| V::load(p.add(part * V::BYTES + k)).or(fold).mul32(mul).shr32(shift);
                let h = [of(0), of(1), of(2), of(3)];
                let at = b.at.as_mut_ptr().add(64 * i).cast::<u8>().add(V::BYTES * part);
                h[0].shr32(3).or(h[1].shr32(3).shl16()).store(at);
                h[2].shr32(3).or(h[3].shr32(3).shl16()).store(at.add(64));
                let low = h[0].and(seven).or(h[1].and(seven).shl8());
                let high = h[2].and(seven).or(h[3].and(seven).shl8());
                let test = powers.lookup(low.or(high.shl16()));
                test.store(b.test.as_mut_ptr().add(64 * i + part * V::BYTES).cast());
            }
        }
    }
}

/// Second pass: the bytes at the indices.
///
/// # Safety
/// `n <= WORDS` blocks of `b.at` are written, every index below `bits.len()`. Fills as many of `b.got`.
#[inline(never)]
unsafe fn fetch(bits: &[u8], b: &mut Buffers, n: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = bits.as_ptr();
        for i in 0..n {
            let at = b.at.as_ptr().add(64 * i).cast::<u16>();
            let got = b.got.as_mut_ptr().add(64 * i).cast::<u8>();
            for j in 0..16 {
                *got.add(4 * j) = *bits.add(usize::from(*at.add(2 * j)));
                *got.add(4 * j + 1) = *bits.add(usize::from(*at.add(2 * j + 1)));
                *got.add(4 * j + 2) = *bits.add(usize::from(*at.add(2 * j + 32)));
                *got.add(4 * j + 3) = *bits.add(usize::from(*at.add(2 * j + 33)));
            }
        }
    }
}

/// Third pass: the words.
///
/// # Safety
/// The instruction set of `V` is there; `n <= WORDS` blocks of `b.got` and `b.test` are written.
#[inline(always)]
unsafe fn test_words<V: Vector>(b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
    for (i, m) in masks.iter_mut().enumerate().take(n) {
        *m = 0;
        for part in 0..64 / V::BYTES {
            let at = 64 * i + part * V::BYTES;
            // SAFETY: `at + V::BYTES <= 64 * n`, which is written.
            unsafe {
                let (g, t) =
                    (V::load(b.got.as_ptr().add(at).cast()), V::load(b.test.as_ptr().add(at).cast()));
                *m |= g.and(t).nonzero() << (part * V::BYTES);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The instances. Each needs the instruction set of its name.
    use super::*;
    use core::arch::x86_64::{__m128i, __m256i, __m512i};

    /// # Safety
    /// As [`hash_words`].
    #[target_feature(enable = "ssse3")]
    pub(super) unsafe fn hash_ssse3(shift: u32, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { hash_words::<__m128i>(shift, hay, first, n, b) }
    }

    /// # Safety
    /// As [`hash_words`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn hash_avx2(shift: u32, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { hash_words::<__m256i>(shift, hay, first, n, b) }
    }

    /// # Safety
    /// As [`hash_words`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) unsafe fn hash_avx512(shift: u32, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { hash_words::<__m512i>(shift, hay, first, n, b) }
    }

    /// # Safety
    /// As [`test_words`].
    #[target_feature(enable = "ssse3")]
    pub(super) unsafe fn test_ssse3(b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { test_words::<__m128i>(b, n, masks) }
    }

    /// # Safety
    /// As [`test_words`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn test_avx2(b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { test_words::<__m256i>(b, n, masks) }
    }

    /// # Safety
    /// As [`test_words`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) unsafe fn test_avx512(b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { test_words::<__m512i>(b, n, masks) }
    }
}
