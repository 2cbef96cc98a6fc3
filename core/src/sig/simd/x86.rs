//! x86-64 vectors: SSSE3, AVX2, AVX-512 BW.
use super::vector::Vector;
use core::arch::x86_64::*;

/// Wraps intrinsic calls of a method. The safety is that of [`Vector`]: the caller has the instruction set, and
/// pointers are good for `BYTES` bytes.
macro_rules! via {
    ($e:expr) => {
        // SAFETY: the trait's contract: instruction set present, pointers good for `BYTES` bytes, no alignment needed.
        unsafe { $e }
    };
}

impl Vector for __m128i {
    const BYTES: usize = 16;
    #[inline(always)]
    unsafe fn load(p: *const u8) -> Self {
        via!(_mm_loadu_si128(p.cast()))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut u8) {
        via!(_mm_storeu_si128(p.cast(), self))
    }
    #[inline(always)]
    unsafe fn lanes(t: &[u8; 16]) -> Self {
        via!(_mm_loadu_si128(t.as_ptr().cast()))
    }
    #[inline(always)]
    unsafe fn splat(b: u8) -> Self {
        via!(_mm_set1_epi8(b as i8))
    }
    #[inline(always)]
    unsafe fn splat32(w: u32) -> Self {
        via!(_mm_set1_epi32(w as i32))
    }
    #[inline(always)]
    unsafe fn and(self, o: Self) -> Self {
        via!(_mm_and_si128(self, o))
    }
    #[inline(always)]
    unsafe fn or(self, o: Self) -> Self {
        via!(_mm_or_si128(self, o))
    }
    #[inline(always)]
    unsafe fn xor(self, o: Self) -> Self {
        via!(_mm_xor_si128(self, o))
    }
    #[inline(always)]
    unsafe fn lookup(self, i: Self) -> Self {
        via!(_mm_shuffle_epi8(self, i))
    }
    #[inline(always)]
    unsafe fn high(self) -> Self {
        via!(_mm_and_si128(_mm_srli_epi16::<4>(self), _mm_set1_epi8(15)))
    }
    #[inline(always)]
    unsafe fn mul32(self, o: Self) -> Self {
        // SSSE3 has no 32-bit product: even and odd words apart.
        via!({
            let even = _mm_mul_epu32(self, o);
            let odd = _mm_mul_epu32(_mm_srli_epi64::<32>(self), _mm_srli_epi64::<32>(o));
            _mm_unpacklo_epi32(_mm_shuffle_epi32::<0b1000>(even), _mm_shuffle_epi32::<0b1000>(odd))
        })
    }
    #[inline(always)]
    unsafe fn shr32(self, n: u32) -> Self {
        via!(_mm_srl_epi32(self, _mm_cvtsi32_si128(n as i32)))
    }
    #[inline(always)]
    unsafe fn shl8(self) -> Self {
        via!(_mm_slli_epi32::<8>(self))
    }
    #[inline(always)]
    unsafe fn shl16(self) -> Self {
        via!(_mm_slli_epi32::<16>(self))
    }
    #[inline(always)]
    unsafe fn nonzero(self) -> u64 {
        via!(u64::from(!_mm_movemask_epi8(_mm_cmpeq_epi8(self, _mm_setzero_si128())) as u16))
    }
}

impl Vector for __m256i {
    const BYTES: usize = 32;
    #[inline(always)]
    unsafe fn load(p: *const u8) -> Self {
        via!(_mm256_loadu_si256(p.cast()))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut u8) {
        via!(_mm256_storeu_si256(p.cast(), self))
    }
    #[inline(always)]
    unsafe fn lanes(t: &[u8; 16]) -> Self {
        via!(_mm256_broadcastsi128_si256(_mm_loadu_si128(t.as_ptr().cast())))
    }
    #[inline(always)]
    unsafe fn splat(b: u8) -> Self {
        via!(_mm256_set1_epi8(b as i8))
    }
    #[inline(always)]
    unsafe fn splat32(w: u32) -> Self {
        via!(_mm256_set1_epi32(w as i32))
    }
    #[inline(always)]
    unsafe fn and(self, o: Self) -> Self {
        via!(_mm256_and_si256(self, o))
    }
    #[inline(always)]
    unsafe fn or(self, o: Self) -> Self {
        via!(_mm256_or_si256(self, o))
    }
    #[inline(always)]
    unsafe fn xor(self, o: Self) -> Self {
        via!(_mm256_xor_si256(self, o))
    }
    #[inline(always)]
    unsafe fn lookup(self, i: Self) -> Self {
        via!(_mm256_shuffle_epi8(self, i))
    }
    #[inline(always)]
    unsafe fn high(self) -> Self {
        via!(_mm256_and_si256(_mm256_srli_epi16::<4>(self), _mm256_set1_epi8(15)))
    }
    #[inline(always)]
    unsafe fn mul32(self, o: Self) -> Self {
        via!(_mm256_mullo_epi32(self, o))
    }
    #[inline(always)]
    unsafe fn shr32(self, n: u32) -> Self {
        via!(_mm256_srl_epi32(self, _mm_cvtsi32_si128(n as i32)))
    }
    #[inline(always)]
    unsafe fn shl8(self) -> Self {
        via!(_mm256_slli_epi32::<8>(self))
    }
    #[inline(always)]
    unsafe fn shl16(self) -> Self {
        via!(_mm256_slli_epi32::<16>(self))
    }
    #[inline(always)]
    unsafe fn nonzero(self) -> u64 {
        via!(u64::from(!_mm256_movemask_epi8(_mm256_cmpeq_epi8(self, _mm256_setzero_si256())) as u32))
    }
}

impl Vector for __m512i {
    const BYTES: usize = 64;
    #[inline(always)]
    unsafe fn load(p: *const u8) -> Self {
        via!(_mm512_loadu_si512(p.cast()))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut u8) {
        via!(_mm512_storeu_si512(p.cast(), self))
    }
    #[inline(always)]
    unsafe fn lanes(t: &[u8; 16]) -> Self {
        via!(_mm512_broadcast_i32x4(_mm_loadu_si128(t.as_ptr().cast())))
    }
    #[inline(always)]
    unsafe fn splat(b: u8) -> Self {
        via!(_mm512_set1_epi8(b as i8))
    }
    #[inline(always)]
    unsafe fn splat32(w: u32) -> Self {
        via!(_mm512_set1_epi32(w as i32))
    }
    #[inline(always)]
    unsafe fn and(self, o: Self) -> Self {
        via!(_mm512_and_si512(self, o))
    }
    #[inline(always)]
    unsafe fn or(self, o: Self) -> Self {
        via!(_mm512_or_si512(self, o))
    }
    #[inline(always)]
    unsafe fn xor(self, o: Self) -> Self {
        via!(_mm512_xor_si512(self, o))
    }
    #[inline(always)]
    unsafe fn lookup(self, i: Self) -> Self {
        via!(_mm512_shuffle_epi8(self, i))
    }
    #[inline(always)]
    unsafe fn high(self) -> Self {
        via!(_mm512_and_si512(_mm512_srli_epi16::<4>(self), _mm512_set1_epi8(15)))
    }
    #[inline(always)]
    unsafe fn mul32(self, o: Self) -> Self {
        via!(_mm512_mullo_epi32(self, o))
    }
    #[inline(always)]
    unsafe fn shr32(self, n: u32) -> Self {
        via!(_mm512_srl_epi32(self, _mm_cvtsi32_si128(n as i32)))
    }
    #[inline(always)]
    unsafe fn shl8(self) -> Self {
        via!(_mm512_slli_epi32::<8>(self))
    }
    #[inline(always)]
    unsafe fn shl16(self) -> Self {
        via!(_mm512_slli_epi32::<16>(self))
    }
    #[inline(always)]
    unsafe fn nonzero(self) -> u64 {
        via!(_mm512_test_epi8_mask(self, self))
    }
}
