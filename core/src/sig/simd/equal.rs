//! Which bytes of a block are a certain one: for readers that look for few bytes in short texts, where a call of `memchr`
//! costs more than the search. SSE2, which every x86-64 has; elsewhere words of eight bytes.

/// Bits for the bytes that are `c` once the bits of `or` are set.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn equal(block: &[u8; 16], c: u8, or: u8) -> u32 {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of x86-64, and the load, which needs no alignment, reads the 16 bytes of the array alone.
    unsafe {
        let v = _mm_loadu_si128(block.as_ptr().cast());
        let v = _mm_or_si128(v, _mm_set1_epi8(or as i8));
        _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c as i8))) as u32
    }
}

/// Bits for the bytes that are one of two.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn either(block: &[u8; 16], a: u8, b: u8) -> u32 {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of x86-64, and the load, which needs no alignment, reads the 16 bytes of the array alone.
    unsafe {
        let v = _mm_loadu_si128(block.as_ptr().cast());
        let (a, b) = (_mm_set1_epi8(a as i8), _mm_set1_epi8(b as i8));
        _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, a), _mm_cmpeq_epi8(v, b))) as u32
    }
}

/// Bits for the bytes up to `low`, those that are `c`, and, once the bits of `or` are set, those from `high` on.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn outside(block: &[u8; 16], [low, c, high, or]: [u8; 4]) -> u32 {
    use core::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_max_epu8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };
    // SAFETY: SSE2 is part of x86-64, and the load, which needs no alignment, reads the 16 bytes of the array alone.
    unsafe {
        let v = _mm_loadu_si128(block.as_ptr().cast());
        let set = _mm_or_si128(v, _mm_set1_epi8(or as i8));
        let below = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(low as i8)), v);
        let above = _mm_cmpeq_epi8(_mm_max_epu8(set, _mm_set1_epi8(high as i8)), set);
        let is = _mm_cmpeq_epi8(v, _mm_set1_epi8(c as i8));
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(below, above), is)) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) use portable::{either, equal, outside};

#[cfg(any(not(target_arch = "x86_64"), test))]
mod portable {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;

    /// As the function of that name above.
    #[inline(always)]
    pub(crate) fn equal(block: &[u8; 16], c: u8, or: u8) -> u32 {
        let n = u128::from_le_bytes(*block);
        half(n as u64, c, or) | (half((n >> 64) as u64, c, or) << 8)
    }

    /// As the function of that name above.
    #[inline(always)]
    pub(crate) fn either(block: &[u8; 16], a: u8, b: u8) -> u32 {
        equal(block, a, 0) | equal(block, b, 0)
    }

    /// As the function of that name above.
    #[inline]
    pub(crate) fn outside(block: &[u8; 16], [low, c, high, or]: [u8; 4]) -> u32 {
        let is = |b: u8| b <= low || b == c || (b | or) >= high;
        block.iter().enumerate().fold(0, |m, (i, b)| m | u32::from(is(*b)) << i)
    }

    fn half(n: u64, c: u8, or: u8) -> u32 {
        let x = (n | (LOW * u64::from(or))) ^ (LOW * u64::from(c));
        // The high bit of each byte that is zero; no carry passes from one byte to the next.
        let zero = !(((x & !HIGH) + !HIGH) | x) & HIGH;
        ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn outside_a_range(block: [u8; 16], some: u16, near in prop::collection::vec(0u8..9, 16), of: [u8; 4]) {
            let [low, c, high, or] = of;
            let mut block = block;
            for (i, b) in block.iter_mut().enumerate() {
                if some >> i & 1 == 1 {
                    *b = of[usize::from(near[i] % 3)].wrapping_add(near[i] / 3).wrapping_sub(1);
                }
            }
            let want = block.iter().enumerate().fold(0, |m, (i, b)| {
                m | u32::from(*b <= low || *b == c || (b | or) >= high) << i
            });
            prop_assert_eq!(super::outside(&block, of), want);
            prop_assert_eq!(super::portable::outside(&block, of), want);
        }

        #[test]
        fn as_byte_by_byte(
            near in prop::collection::vec(-2i8..3, 16), c: u8, or: u8, any: [u8; 16], some: u16,
        ) {
            let mut block = any;
            for (i, b) in block.iter_mut().enumerate() {
                // Bytes close to the one that is looked for, with and without the bits that are set.
                if some >> i & 1 == 1 {
                    *b = c.wrapping_add_signed(near[i]) & if near[i] > 0 { !or } else { 0xff };
                }
            }
            let want = block.iter().enumerate().fold(0, |m, (i, b)| m | u32::from(b | or == c) << i);
            prop_assert_eq!(super::equal(&block, c, or), want);
            prop_assert_eq!(super::portable::equal(&block, c, or), want);
            let want = block.iter().enumerate().fold(0, |m, (i, b)| m | u32::from(*b == c || *b == or) << i);
            prop_assert_eq!(super::either(&block, c, or), want);
            prop_assert_eq!(super::portable::either(&block, c, or), want);
        }
    }
}
