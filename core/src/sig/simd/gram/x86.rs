//! The instances. Each needs the instruction set of its name.
use super::super::vbmi::x86::load_first;
use super::put::eight;
use super::*;
use core::arch::x86_64::*;

/// The word `i` of `hay`.
///
/// # Safety
/// AVX-512 F, BW, VL and BMI are there; `hay` has this word; `S` is the stride of `g`.
#[inline(always)]
pub(in super::super) unsafe fn at<const S: usize>(g: &Gram, hay: &[u8], i: usize) -> u64 {
    let (p, len, at) = (hay.as_ptr(), hay.len(), 64 * i);
    // SAFETY: a word reads 64 bytes at `start + k` and at `start + k + more` for `k = 0, S, .. 4 - S`, so up to
    // `start + 4 - S + more + 64 <= len`. In a shorter input it reads under a mask.
    unsafe {
        if len < BLOCK + g.more {
            let (p, len) = (p.wrapping_add(at), len.saturating_sub(at));
            let word = word::<S>(g, |k| load_first(p.wrapping_add(k), len.saturating_sub(k)));
            return word & valid(len.saturating_sub(HEAD));
        }
        let from = start(hay, at, S, g.more);
        if let Some(a) = &g.alphabet
            && !a.may(|k| __m512i::load(p.add(from + k)))
        {
            return 0;
        }
        down(word::<S>(g, |k| __m512i::load(p.add(from + k))), at - from)
    }
}

/// The word at `load(0)`, where `load(k)` gives the 64 bytes at distance `k`.
///
/// # Safety
/// As [`at`].
#[inline(always)]
unsafe fn word<const S: usize>(g: &Gram, load: impl Fn(usize) -> __m512i) -> u64 {
    let mut word = 0;
    for k in (0..4).step_by(S) {
        // SAFETY: the caller's promise.
        let m = unsafe { sixteen(g, |more| load(k + more)) };
        // SAFETY: as above.
        word |= unsafe { _pdep_u64(u64::from(m), 0x1111_1111_1111_1111 << k) };
    }
    word
}

/// Which of 16 windows are in the bitmap: `load(k)` gives four bytes of each at distance `k` from its start.
///
/// # Safety
/// As [`at`].
#[inline(always)]
unsafe fn sixteen(g: &Gram, load: impl Fn(usize) -> __m512i) -> u32 {
    const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the caller's promise. An index is a hash without its lowest three bits, and `bits` has a byte for
    // each; or one without its lowest five, and four.
    unsafe {
        let powers = _mm_loadu_si128(POWERS.as_ptr().cast());
        let bits = g.bits.as_ptr();
        let fold = __m512i::splat32(FOLD);
        let mut key = load(0).or(fold);
        if g.more > 0 {
            key = key.xor(load(g.more).or(fold).mul32(__m512i::splat32(MORE)));
        }
        let h = key.mul32(__m512i::splat32(MUL)).shr32(g.shift);
        if g.is_large() {
            // As words of 32 bits, of which a bitmap has a whole number.
            let got = _mm512_i32gather_epi32::<4>(h.shr32(5), bits.cast());
            let bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), h.and(__m512i::splat32(31)));
            return u32::from(_mm512_test_epi32_mask(got, bit));
        }
        let at = _mm512_cvtepi32_epi16(h.shr32(3));
        let (low, high) = (_mm256_castsi256_si128(at), _mm256_extracti128_si256::<1>(at));
        let got = _mm_unpacklo_epi64(eight(bits, low), eight(bits, high));
        let bit = _mm_shuffle_epi8(powers, _mm_and_si128(_mm512_cvtepi32_epi8(h), _mm_set1_epi8(7)));
        u32::from(_mm_test_epi8_mask(got, bit))
    }
}

/// # Safety
/// As [`hash_words`].
#[target_feature(enable = "ssse3")]
pub(super) unsafe fn hash_ssse3(g: &Gram, hay: &[u8], first: usize, n: usize, b: &mut Buffers) -> usize {
    // SAFETY: this function has the instruction set; the rest is promised.
    unsafe { strides::<__m128i>(g, hay, first, n, b) }
}

/// # Safety
/// As [`hash_words`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn hash_avx2(g: &Gram, hay: &[u8], first: usize, n: usize, b: &mut Buffers) -> usize {
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
