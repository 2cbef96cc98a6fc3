//! aarch64 vectors: NEON.
use super::vector::Vector;
use core::arch::aarch64::*;

/// Wraps intrinsic calls of a method. The safety is that of [`Vector`]: pointers are good for `BYTES` bytes; NEON is
/// always there on aarch64.
macro_rules! via {
    ($e:expr) => {
        // SAFETY: the trait's contract: pointers good for `BYTES` bytes, no alignment needed; NEON is baseline.
        unsafe { $e }
    };
}

impl Vector for uint8x16_t {
    const BYTES: usize = 16;
    #[inline(always)]
    unsafe fn load(p: *const u8) -> Self {
        via!(vld1q_u8(p))
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut u8) {
        via!(vst1q_u8(p, self))
    }
    #[inline(always)]
    unsafe fn lanes(t: &[u8; 16]) -> Self {
        via!(vld1q_u8(t.as_ptr()))
    }
    #[inline(always)]
    unsafe fn splat(b: u8) -> Self {
        via!(vdupq_n_u8(b))
    }
    #[inline(always)]
    unsafe fn splat32(w: u32) -> Self {
        via!(vreinterpretq_u8_u32(vdupq_n_u32(w)))
    }
    #[inline(always)]
    unsafe fn and(self, o: Self) -> Self {
        via!(vandq_u8(self, o))
    }
    #[inline(always)]
    unsafe fn or(self, o: Self) -> Self {
        via!(vorrq_u8(self, o))
    }
    #[inline(always)]
    unsafe fn xor(self, o: Self) -> Self {
        via!(veorq_u8(self, o))
    }
    #[inline(always)]
    unsafe fn lookup(self, i: Self) -> Self {
        via!(vqtbl1q_u8(self, i))
    }
    #[inline(always)]
    unsafe fn high(self) -> Self {
        via!(vshrq_n_u8::<4>(self))
    }
    #[inline(always)]
    unsafe fn mul32(self, o: Self) -> Self {
        via!(vreinterpretq_u8_u32(vmulq_u32(vreinterpretq_u32_u8(self), vreinterpretq_u32_u8(o))))
    }
    #[inline(always)]
    unsafe fn shr32(self, n: u32) -> Self {
        via!(vreinterpretq_u8_u32(vshlq_u32(vreinterpretq_u32_u8(self), vdupq_n_s32(-(n as i32)))))
    }
    #[inline(always)]
    unsafe fn shl8(self) -> Self {
        via!(vreinterpretq_u8_u32(vshlq_n_u32::<8>(vreinterpretq_u32_u8(self))))
    }
    #[inline(always)]
    unsafe fn shl16(self) -> Self {
        via!(vreinterpretq_u8_u32(vshlq_n_u32::<16>(vreinterpretq_u32_u8(self))))
    }
    #[inline(always)]
    unsafe fn nonzero(self) -> u64 {
        const BIT: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];
        via!({
            let bits = vandq_u8(vtstq_u8(self, self), vld1q_u8(BIT.as_ptr()));
            // Three pairwise sums bring the eight bits of each half into its first byte.
            let s = vpaddq_u8(bits, bits);
            let s = vpaddq_u8(s, s);
            let s = vpaddq_u8(s, s);
            u64::from(vgetq_lane_u16::<0>(vreinterpretq_u16_u8(s)))
        })
    }
}
