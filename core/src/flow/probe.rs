//! Fetching lines ahead of their use.

/// Asks for the line that `what` starts in.
#[inline(always)]
#[allow(unsafe_code)]
pub fn prefetch<T>(what: &T) {
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
