//! Comparing the sixteen tags of a bucket at once, and fetching lines ahead of their use.

/// Bits of the positions in `tags` that equal `tag`.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn matches(tags: &[u8; 16], tag: u8) -> u16 {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::*;
        // SAFETY: SSE2 is part of every x86-64; the unaligned load reads the 16 bytes that `tags` borrows.
        unsafe {
            let v = _mm_loadu_si128(tags.as_ptr().cast());
            _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(tag as i8))) as u16
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        use core::arch::aarch64::*;
        // SAFETY: NEON is part of every AArch64 target of this crate; the load reads the 16 bytes that `tags`
        // borrows.
        let half = unsafe {
            let v = vceqq_u8(vld1q_u8(tags.as_ptr()), vdupq_n_u8(tag));
            vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(vreinterpretq_u16_u8(v))))
        };
        let mut out = 0u16;
        let mut left = half & 0x1111_1111_1111_1111;
        while left != 0 {
            out |= 1 << (left.trailing_zeros() / 4);
            left &= left - 1;
        }
        out
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        matches_scalar(tags, tag)
    }
}

/// The oracle, and the instance of other machines.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), allow(dead_code))]
pub(super) fn matches_scalar(tags: &[u8; 16], tag: u8) -> u16 {
    tags.iter().enumerate().fold(0, |m, (i, &t)| m | (u16::from(t == tag) << i))
}

/// Asks for the line that `what` starts in.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(what: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::*;
        // SAFETY: a prefetch of an address that a reference proves valid; it reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(core::ptr::from_ref(what).cast()) }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: `prfm` changes no register, flag or memory; the address comes from a reference.
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{p}]", p = in(reg) core::ptr::from_ref(what),
                options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = what;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn vector_equals_scalar(tags: [u8; 16], tag: u8) {
            prop_assert_eq!(matches(&tags, tag), matches_scalar(&tags, tag));
            prop_assert_eq!(matches(&tags, tags[7]), matches_scalar(&tags, tags[7]));
        }
    }
}
