//! Many windows of four bytes: a bitmap over their hash, small enough for the first-level caches.
//!
//! With a stride of 2 or 4 only every second or fourth position is looked at, and a pattern has as many windows,
//! one of which lies there. Three passes over up to 1024 positions at a time, so that none waits for the stores of the one before: vectors
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
    /// 1, 2 or 4.
    stride: u32,
    bits: Box<[u8]>,
}

impl Gram {
    /// A bitmap of `keys`, the folded four bytes of `n` windows, to be found at every `stride` positions.
    pub(in super::super) fn new(
        keys: impl Iterator<Item = u32>,
        n: usize,
        stride: usize,
        level: Level,
    ) -> Gram {
        // 16 positions in 1024 pass in vain, or fewer, while that is small; at least 4 KiB, which any cache holds.
        let log = (n * 128 / stride).next_power_of_two().trailing_zeros().clamp(15, MOST);
        let shift = 32 - log;
        let mut bits = vec![0u8; 1 << (log - 3)].into_boxed_slice();
        for k in keys {
            let h = hash(k) >> shift;
            bits[(h >> 3) as usize] |= 1 << (h & 7);
        }
        Gram { level, shift, stride: stride as u32, bits }
    }

    pub(in super::super) fn describe(&self) -> alloc::string::String {
        alloc::format!("hashed, {} bytes, every {} positions", self.bits.len(), self.stride)
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
        let mut b = Buffers::new();
        // SAFETY: `n` was checked for `hay` just now; a level is given at build only when the machine has it
        // (`Level::available`); each pass finds what the one before wrote: `n` blocks of indices below the length
        // of `bits`, then `n` blocks of bytes and tests.
        unsafe {
            self.hash_pass(hay, first, n, &mut b);
            self.fetch_pass(&mut b, n);
            self.test_pass(&b, n, masks);
        }
        let at = 64 * (first + n - 1);
        masks[n - 1] >>= at - start(hay, at, self.stride as usize);
    }

    /// Writes the words `first..first + n` of `hay` to `to`, all passes at once.
    ///
    /// # Safety
    /// AVX-512 F, BW, VL and BMI2 are there; `hay` has these words; `to` has room for `n`.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) unsafe fn fill_wide(&self, hay: &[u8], first: usize, n: usize, to: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.stride {
                1 => x86::fill_wide::<1>(self, hay, first, n, to),
                2 => x86::fill_wide::<2>(self, hay, first, n, to),
                _ => x86::fill_wide::<4>(self, hay, first, n, to),
            }
        }
    }

    /// # Safety
    /// As [`fetch`].
    #[inline(always)]
    unsafe fn fetch_pass(&self, b: &mut Buffers, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.stride {
                1 => fetch::<1>(&self.bits, b, n),
                2 => fetch::<2>(&self.bits, b, n),
                _ => fetch::<4>(&self.bits, b, n),
            }
        }
    }

    /// # Safety
    /// As [`hash_words`], and the level is there.
    #[inline(always)]
    unsafe fn hash_pass(&self, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.level {
                #[cfg(target_arch = "x86_64")]
                Level::Ssse3 => x86::hash_ssse3(self, hay, first, n, b),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::hash_avx2(self, hay, first, n, b),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => strides::<core::arch::aarch64::uint8x16_t>(self, hay, first, n, b),
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
                #[cfg(target_arch = "aarch64")]
                Level::Neon => test_words::<core::arch::aarch64::uint8x16_t>(b, n, masks),
                _ => unreachable!("a bitmap is built for vectors only"),
            }
        }
    }
}

/// Where the block of the words' position `at` is read: there, or for the last block as much before as keeps it in
/// the input, a multiple of `stride`.
#[inline(always)]
fn start(hay: &[u8], at: usize, stride: usize) -> usize {
    let last = (hay.len() - 4) & !(stride - 1);
    at.min(last - (64 - stride))
}

/// What the passes hand on, by block of 64 positions. A word is four positions.
#[repr(align(64))]
pub(super) struct Buffers {
    /// Two byte indices each: of the first two positions looked at of each of 16 words, then (with a stride of 1)
    /// of the others.
    at: [MaybeUninit<u32>; 32 * WORDS],
    /// The bytes there, by position.
    got: [MaybeUninit<u32>; 16 * WORDS],
    /// The bit to test, by position.
    test: [MaybeUninit<u32>; 16 * WORDS],
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers {
            at: [MaybeUninit::uninit(); 32 * WORDS],
            got: [MaybeUninit::uninit(); 16 * WORDS],
            test: [MaybeUninit::uninit(); 16 * WORDS],
        }
    }
}

/// First pass: indices and bits.
///
/// # Safety
/// The instruction set of `V` is there; `n <= WORDS`; `hay` has `BLOCK` bytes or more and the words
/// `first..first + n`; `S` is 1, 2 or 4. Fills `n` blocks of `b.at` and `b.test`.
#[inline(always)]
unsafe fn hash_words<V: Vector, const S: usize>(
    shift: u32,
    hay: &[u8],
    first: usize,
    n: usize,
    b: &mut Buffers,
) {
    // SAFETY: a block's loads read `V::BYTES` bytes at `start + part * V::BYTES + k` for `k = 0, S, .. 4 - S`, so up
    // to `start + 64 + 4 - S`, and `start <= hay.len() - 4 - 64 + S` by its definition. Stores go to `V::BYTES * part`
    // of either half of the block's 128 bytes of indices, and to the same of its 64 of bits.
    unsafe {
        for i in 0..n {
            let p = hay.as_ptr().add(start(hay, 64 * (first + i), S));
            for part in 0..64 / V::BYTES {
                let at = b.at.as_mut_ptr().add(32 * i).cast::<u8>().add(V::BYTES * part);
                let test = b.test.as_mut_ptr().add(16 * i).cast::<u8>().add(V::BYTES * part);
                hash_part::<V, S>(shift, |k| V::load(p.add(part * V::BYTES + k)), at, test);
            }
        }
    }
}

/// The first pass for one vector: indices to `at`, for a stride of 1 also to 64 bytes behind, bits to `test`.
///
/// # Safety
/// The instruction set of `V` is there; the places can be written; `load(k)` gives the bytes at distance `k`.
#[inline(always)]
unsafe fn hash_part<V: Vector, const S: usize>(
    shift: u32,
    load: impl Fn(usize) -> V,
    at: *mut u8,
    test: *mut u8,
) {
    const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the caller's promise.
    unsafe {
        let (fold, mul, seven) = (V::splat32(FOLD), V::splat32(MUL), V::splat32(7));
        let powers = V::lanes(&POWERS);
        let of = |k: usize| load(k).or(fold).mul32(mul).shr32(shift);
        let bit = match S {
            1 => {
                let h = [of(0), of(1), of(2), of(3)];
                h[0].shr32(3).or(h[1].shr32(3).shl16()).store(at);
                h[2].shr32(3).or(h[3].shr32(3).shl16()).store(at.add(64));
                let low = h[0].and(seven).or(h[1].and(seven).shl8());
                low.or(h[2].and(seven).or(h[3].and(seven).shl8()).shl16())
            }
            2 => {
                let h = [of(0), of(2)];
                h[0].shr32(3).or(h[1].shr32(3).shl16()).store(at);
                h[0].and(seven).or(h[1].and(seven).shl16())
            }
            _ => {
                let h = of(0);
                h.shr32(3).store(at);
                h.and(seven)
            }
        };
        powers.lookup(bit).store(test);
    }
}

/// [`hash_words`] of the right stride.
///
/// # Safety
/// As [`hash_words`].
#[inline(always)]
unsafe fn strides<V: Vector>(g: &Gram, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
    // SAFETY: the caller's promise.
    unsafe {
        match g.stride {
            1 => hash_words::<V, 1>(g.shift, hay, first, n, b),
            2 => hash_words::<V, 2>(g.shift, hay, first, n, b),
            _ => hash_words::<V, 4>(g.shift, hay, first, n, b),
        }
    }
}

/// Second pass: the bytes at the indices.
///
/// # Safety
/// `n <= WORDS` blocks of `b.at` are written for stride `S`, every index below `bits.len()`. Fills as many of `b.got`.
#[inline(never)]
unsafe fn fetch<const S: usize>(bits: &[u8], b: &mut Buffers, n: usize) {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe {
            let at = b.at.as_ptr().add(32 * i).cast();
            fetch_word::<S>(bits, at, b.got.as_mut_ptr().add(16 * i).cast());
        }
    }
}

/// The second pass for one block. The reads are volatile so that they stay scalar: a vectorizer makes it slower.
///
/// # Safety
/// `at` has the indices of a block for stride `S`, below `bits.len()`; its bytes can be written to `got`.
#[inline(always)]
unsafe fn fetch_word<const S: usize>(bits: &[u8], at: *const u32, got: *mut u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let of = |i: u32| u32::from(bits.as_ptr().add(i as usize).read_volatile());
        for j in 0..16 {
            let x = at.add(j).read_volatile();
            let bytes = match S {
                1 => {
                    let y = at.add(16 + j).read_volatile();
                    of(x & 0xffff) | of(x >> 16) << 8 | of(y & 0xffff) << 16 | of(y >> 16) << 24
                }
                2 => of(x & 0xffff) | of(x >> 16) << 16,
                _ => of(x),
            };
            got.add(j).write_volatile(bytes);
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
            // SAFETY: `at + V::BYTES <= 64 * n` bytes, which are written.
            unsafe {
                let (g, t) = (
                    V::load(b.got.as_ptr().cast::<u8>().add(at)),
                    V::load(b.test.as_ptr().cast::<u8>().add(at)),
                );
                *m |= g.and(t).nonzero() << (part * V::BYTES);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The instances. Each needs the instruction set of its name.
    use super::super::vbmi::x86::{load_first, valid};
    use super::*;
    use core::arch::x86_64::*;

    /// # Safety
    /// As [`Gram::fill_wide`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,bmi1,bmi2")]
    pub(super) unsafe fn fill_wide<const S: usize>(
        g: &Gram,
        hay: &[u8],
        first: usize,
        n: usize,
        to: *mut u64,
    ) {
        let (p, len) = (hay.as_ptr(), hay.len());
        // SAFETY: a word reads 64 bytes at `start + k` for `k = 0, S, .. 4 - S`, so up to `start + 4 - S + 64 <= len`; in a
        // shorter input, which has one word at most, it reads under a mask.
        unsafe {
            if len >= BLOCK {
                for i in 0..n {
                    let p = p.add(start(hay, 64 * (first + i), S));
                    to.add(i).write(word::<S>(g, |k| __m512i::load(p.add(k))));
                }
                if let Some(i) = n.checked_sub(1) {
                    let at = 64 * (first + i);
                    to.add(i).write(to.add(i).read() >> (at - start(hay, at, S)));
                }
            } else if n > 0 {
                to.write(word::<S>(g, |k| load_first(p.add(k), len - k)) & valid(len - HEAD));
            }
        }
    }

    /// The word at `load(0)`, where `load(k)` gives the 64 bytes at distance `k`, 0 to 3.
    ///
    /// # Safety
    /// As [`fill_wide`].
    #[inline(always)]
    unsafe fn word<const S: usize>(g: &Gram, load: impl Fn(usize) -> __m512i) -> u64 {
        const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
        // SAFETY: the caller's promise. An index is a hash without its lowest three bits, and `bits` has a byte for
        // each.
        unsafe {
            let powers = _mm_loadu_si128(POWERS.as_ptr().cast());
            let bits = g.bits.as_ptr();
            let mut word = 0;
            // Volatile, so that the reads stay scalar: a vectorizer makes them slower. Bytes are put into vectors one by
            // one: a quarter faster than shifting them together.
            let of = |i: u64| i32::from(bits.add((i & 0xffff) as usize).read_volatile());
            let four = |i: u64| {
                let x = _mm_insert_epi8::<1>(_mm_cvtsi32_si128(of(i)), of(i >> 16));
                _mm_insert_epi8::<3>(_mm_insert_epi8::<2>(x, of(i >> 32)), of(i >> 48))
            };
            let eight = |at: __m128i| {
                let (low, high) = (_mm_cvtsi128_si64(at) as u64, _mm_extract_epi64::<1>(at) as u64);
                _mm_unpacklo_epi32(four(low), four(high))
            };
            for k in (0..4).step_by(S) {
                let h = load(k).or(__m512i::splat32(FOLD)).mul32(__m512i::splat32(MUL)).shr32(g.shift);
                let at = _mm512_cvtepi32_epi16(h.shr32(3));
                let (low, high) = (_mm256_castsi256_si128(at), _mm256_extracti128_si256::<1>(at));
                let got = _mm_unpacklo_epi64(eight(low), eight(high));
                let bit = _mm_shuffle_epi8(powers, _mm_and_si128(_mm512_cvtepi32_epi8(h), _mm_set1_epi8(7)));
                let hit = _mm_test_epi8_mask(got, bit);
                word |= _pdep_u64(u64::from(hit), 0x1111_1111_1111_1111 << k);
            }
            word
        }
    }

    /// # Safety
    /// As [`hash_words`].
    #[target_feature(enable = "ssse3")]
    pub(super) unsafe fn hash_ssse3(g: &Gram, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { strides::<__m128i>(g, hay, first, n, b) }
    }

    /// # Safety
    /// As [`hash_words`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn hash_avx2(g: &Gram, hay: &[u8], first: usize, n: usize, b: &mut Buffers) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { strides::<__m256i>(g, hay, first, n, b) }
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
}
