//! A word of a small bitmap in one pass, without AVX-512: hashes stay in registers, and the bytes of the bitmap are put
//! where the positions are that they are of.
//!
//! All functions here have the instruction set, and with them their closures: one without it calls every operation as a function.
use super::put::{even, first_two, last_two, one};
use super::*;
use core::arch::x86_64::*;

/// Fills `masks` with the `n` words from `first` on.
///
/// # Safety
/// AVX2 and BMI1 are there; the bitmap is small; `n <= WORDS`; `hay` has `BLOCK` bytes or more, and those of longer windows,
/// and the words `first..first + n`.
#[target_feature(enable = "avx2,bmi1")]
pub(super) unsafe fn fill(g: &Gram, hay: &[u8], first: usize, n: usize, masks: &mut [u64; WORDS]) {
    // SAFETY: this function has the instruction set; the rest is promised.
    unsafe {
        match (g.stride, g.more > 0) {
            (1, false) => words_of::<1, false>(g, hay, first, n, masks),
            (2, false) => words_of::<2, false>(g, hay, first, n, masks),
            (_, false) => words_of::<4, false>(g, hay, first, n, masks),
            (1, true) => words_of::<1, true>(g, hay, first, n, masks),
            (2, true) => words_of::<2, true>(g, hay, first, n, masks),
            (_, true) => words_of::<4, true>(g, hay, first, n, masks),
        }
    }
}

/// # Safety
/// As [`fill`]; `S` is the stride, and `M` whether windows have more than four bytes.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
unsafe fn words_of<const S: usize, const M: bool>(
    g: &Gram,
    hay: &[u8],
    first: usize,
    n: usize,
    masks: &mut [u64; WORDS],
) {
    // SAFETY: a word reads 64 bytes at `start + k` and at `start + k + more` for `k = 0, S, .. 4 - S`, so up to
    // `start + 4 - S + more + 64 <= len`.
    unsafe {
        // Inputs are mostly new to the first-level cache: all lines of the block are asked for at once.
        for i in 0..n {
            _mm_prefetch::<_MM_HINT_T0>(hay.as_ptr().wrapping_add(64 * (first + i)).cast());
        }
        for (i, m) in masks.iter_mut().enumerate().take(n) {
            let at = 64 * (first + i);
            let from = start(hay, at, S, g.more);
            let p = hay.as_ptr().add(from);
            if let Some(a) = &g.alphabet
                && !a.may(|k| __m256i::load(p.add(k)))
            {
                *m = 0;
                continue;
            }
            let word = half::<S, M>(g, p) | half::<S, M>(g, p.add(32)) << 32;
            *m = down(word, at - from);
        }
    }
}

/// Which of the 32 positions from `p` on, those of the stride, may start a window.
///
/// # Safety
/// As [`words_of`].
#[inline]
#[target_feature(enable = "avx2,bmi1")]
unsafe fn half<const S: usize, const M: bool>(g: &Gram, p: *const u8) -> u64 {
    const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
    // SAFETY: the caller's promise. An index is a hash without its lowest three bits, of a small bitmap 16 bits, and
    // `bits` has a byte for each.
    unsafe {
        let bits = g.bits.as_ptr();
        let right = |v: __m256i, n: u32| _mm256_srl_epi32(v, _mm_cvtsi32_si128(n as i32));
        let hash = |k: usize| {
            let fold = __m256i::splat32(FOLD);
            let mut key = __m256i::load(p.add(k)).or(fold);
            if M {
                key = key.xor(__m256i::load(p.add(k + g.more)).or(fold).mul32(__m256i::splat32(MORE)));
            }
            key.mul32(__m256i::splat32(MUL))
        };
        // Byte indices of the words of two positions, in the low and the high half of each.
        let pair = |a: __m256i, b: __m256i| {
            _mm256_blend_epi16::<0xAA>(right(a, g.shift + 3), right(b, g.shift + 3).shl16())
        };
        let (got, bit) = match S {
            1 => {
                let h = [hash(0), hash(1), hash(2), hash(3)];
                let (ab, cd) = (pair(h[0], h[1]), pair(h[2], h[3]));
                let of = |ab: __m128i, cd: __m128i| _mm_or_si128(first_two(bits, ab), last_two(bits, cd));
                let got = both(ab, cd, of);
                let bit = |k: usize| right(h[k], g.shift).and(__m256i::splat32(7));
                (got, bit(0).or(bit(1).shl8()).or(bit(2).or(bit(3).shl8()).shl16()))
            }
            2 => {
                let h = [hash(0), hash(2)];
                let got = both(pair(h[0], h[1]), h[0], |a, _| even(bits, a));
                let bit = |k: usize| right(h[k], g.shift).and(__m256i::splat32(7));
                (got, bit(0).or(bit(1).shl16()))
            }
            _ => {
                let h = hash(0);
                let got = both(right(h, g.shift + 3), h, |a, _| one(bits, a));
                (got, right(h, g.shift).and(__m256i::splat32(7)))
            }
        };
        // Where no byte was put there is none to test.
        got.and(__m256i::lanes(&POWERS).lookup(bit)).nonzero()
    }
}

/// `of` for both halves of two vectors.
#[inline]
#[target_feature(enable = "avx2,bmi1")]
fn both(a: __m256i, b: __m256i, of: impl Fn(__m128i, __m128i) -> __m128i) -> __m256i {
    let low = of(_mm256_castsi256_si128(a), _mm256_castsi256_si128(b));
    let high = of(_mm256_extracti128_si256::<1>(a), _mm256_extracti128_si256::<1>(b));
    _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(low), high)
}
