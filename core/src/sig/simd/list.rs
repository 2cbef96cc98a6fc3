//! From words of bits to lists of positions.
//!
//! In: the words that filters filled, those that are not 0. Out: a position per bit, in order of the words. Where the
//! machine can compress bytes under a mask, a word costs the same whatever its bits are.
use super::{super::verify::CLASSES, Level, WORDS};

/// Entries beyond the last that may be written.
pub(in super::super) const SLACK: usize = 64;

/// Words of filters that are not 0, in order, each with what to add to its positions: that of its first
/// bit, and above it the code of the class.
#[derive(Clone, Debug)]
pub(in super::super) struct Found {
    pub mask: [u64; FOUND],
    pub at: [u32; FOUND],
}

/// Room for the words of all filters of a block, and one more.
pub(in super::super) const FOUND: usize = CLASSES * WORDS + 1;

impl Default for Found {
    fn default() -> Found {
        Found { mask: [0; FOUND], at: [0; FOUND] }
    }
}

/// Writes the positions of the first `n` words to `out` and returns their number. `out` has room for all and [`SLACK`].
pub(in super::super) fn items(level: Level, found: &Found, n: usize, out: &mut [u32]) -> usize {
    assert!(n <= FOUND && out.len() >= 64 * n + SLACK);
    #[cfg(target_arch = "x86_64")]
    if level == Level::Avx512 {
        // SAFETY: the level is given only when the machine has it; `out` has room, checked just now.
        return unsafe { x86::items(&found.mask[..n], &found.at[..n], out.as_mut_ptr()) };
    }
    let _ = level;
    let mut k = 0;
    for (&mask, &at) in found.mask[..n].iter().zip(&found.at) {
        // Four at a time, so that few branches depend on how many there are; what is too much is written over.
        let mut m = mask;
        let mut to = k;
        while m != 0 {
            let Some(four) = out.get_mut(to..to + 4) else { break };
            for o in four {
                *o = at.wrapping_add(m.trailing_zeros());
                m &= m.wrapping_sub(1);
            }
            to += 4;
        }
        k += mask.count_ones() as usize;
    }
    k
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use core::arch::x86_64::*;

    const IOTA: [u8; 64] = {
        let mut t = [0; 64];
        let mut i = 0;
        while i < 64 {
            t[i] = i as u8;
            i += 1;
        }
        t
    };

    /// # Safety
    /// The instruction sets are there; `out` has room for `64 * masks.len() + SLACK` entries.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2,popcnt")]
    pub(super) unsafe fn items(masks: &[u64], ats: &[u32], out: *mut u32) -> usize {
        let mut k = 0;
        // SAFETY: the instruction set is this function's. Each step writes at most 64 entries from `k` and moves `k`
        // by at most 64, so the last entry written is below `64 * masks.len() + SLACK`.
        unsafe {
            let iota = _mm512_loadu_si512(IOTA.as_ptr().cast());
            for (&mask, &at) in masks.iter().zip(ats) {
                let at = _mm512_set1_epi32(at as i32);
                let bits = _mm512_maskz_compress_epi8(mask, iota);
                let first = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(bits));
                _mm512_storeu_si512(out.add(k).cast(), _mm512_add_epi32(first, at));
                let c = mask.count_ones() as usize;
                if c > 16 {
                    let part = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32::<1>(bits));
                    _mm512_storeu_si512(out.add(k + 16).cast(), _mm512_add_epi32(part, at));
                    let part = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32::<2>(bits));
                    _mm512_storeu_si512(out.add(k + 32).cast(), _mm512_add_epi32(part, at));
                    let part = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32::<3>(bits));
                    _mm512_storeu_si512(out.add(k + 48).cast(), _mm512_add_epi32(part, at));
                }
                k += c;
            }
        }
        k
    }
}
