//! Which bytes the windows of a database are made of: lists of addresses or of digests have few, and most traffic has
//! no eight of them in a row, so that its words need not be hashed.
//!
//! In: the windows, folded. Out: per word of 64 positions whether a window may start there.
use super::super::rank;
use super::vector::Vector;

/// Windows of so many bytes, which is the shortest run that is looked for.
const RUN: usize = 8;
/// Above this share of the bytes of traffic too few words would be passed over.
const MOST: f32 = 0.5;

/// The folded bytes of windows: `b` is one when `low[b & 15] & high[b >> 4]` is not 0. Folded bytes have eight high
/// nibbles, a bit each.
#[derive(Clone, Debug)]
pub(in super::super) struct Alphabet {
    low: [u8; 16],
    high: [u8; 16],
}

impl Alphabet {
    /// That of the windows of `width` bytes in `parts` of patterns; none when it is so large that asking it would be in
    /// vain, or the windows are shorter than a run.
    pub(in super::super) fn new<'a>(width: u8, parts: impl Iterator<Item = &'a [u8]>) -> Option<Alphabet> {
        if usize::from(width) < RUN {
            return None;
        }
        let mut set = [false; 256];
        parts.flatten().for_each(|b| set[usize::from(b | 0x20)] = true);
        let share = |of: &dyn Fn(usize) -> bool| {
            (0..256).filter(|b| b & 0x20 != 0 && of(*b)).map(|b| rank::LIKELY[b]).sum::<f32>()
        };
        (share(&|b| set[b]) <= MOST * share(&|_| true)).then(|| {
            let mut a = Alphabet { low: [0; 16], high: [0; 16] };
            for h in 0..16 {
                // Bit 1 of a folded high nibble is set: the others are the number.
                a.high[h] = 1 << (h & 1 | h >> 1 & 6);
            }
            for b in (0..256).filter(|b| set[*b]) {
                a.low[b & 15] |= a.high[b >> 4];
            }
            a
        })
    }

    /// Whether one of the 64 positions from that of `load(0)` on may start a window, where `load(k)` gives the bytes at
    /// distance `k`; bytes behind the 64 count as bytes of windows.
    ///
    /// # Safety
    /// The instruction set of `V` is there.
    #[inline(always)]
    pub(super) unsafe fn may<V: Vector>(&self, load: impl Fn(usize) -> V) -> bool {
        let mut m = 0u64;
        for part in 0..64 / V::BYTES {
            // SAFETY: the caller's promise.
            unsafe {
                let b = load(V::BYTES * part).or(V::splat(0x20));
                let row = V::lanes(&self.low).lookup(b.and(V::splat(15)));
                m |= row.and(V::lanes(&self.high).lookup(b.high())).nonzero() << (V::BYTES * part);
            }
        }
        let with = |m: u64, by: u32| m & (m >> by | !(u64::MAX >> by));
        with(with(with(m, 1), 2), 4) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle(a: &Alphabet, hay: &[u8; 64]) -> bool {
        let is = |b: &u8| a.low[usize::from((b | 0x20) & 15)] & a.high[usize::from((b | 0x20) >> 4)] != 0;
        (0..64).any(|i| hay[i..64.min(i + RUN)].iter().all(is))
    }

    #[test]
    fn digits_are_told_from_letters() {
        let a = Alphabet::new(8, [&b"10.0.0.1"[..], b"2345.678", b"0.9.9.9.9"].into_iter()).unwrap();
        for b in 0..=255u8 {
            let mut hay = [b'x'; 64];
            hay[20..28].fill(b);
            // Folding takes control bytes to digits.
            let of = matches!(b | 0x20, b'0'..=b'9' | b'.');
            assert_eq!(oracle(&a, &hay), of, "{b}");
            hay[27] = b'x';
            assert!(!oracle(&a, &hay), "{b}");
        }
        let most: alloc::vec::Vec<u8> = (0x40..=0xff).collect();
        assert!(Alphabet::new(8, most.chunks(8).chain([&b"0123 .-/"[..]])).is_none());
        assert!(Alphabet::new(4, [&b"1234"[..]].into_iter()).is_none());
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn vectors_equal_the_oracle() {
        use core::arch::x86_64::*;
        #[target_feature(enable = "ssse3")]
        unsafe fn narrow(a: &Alphabet, hay: &[u8; 64]) -> bool {
            // SAFETY: parts of 64 bytes.
            unsafe { a.may(|k| __m128i::load(hay.as_ptr().add(k))) }
        }
        #[target_feature(enable = "avx2")]
        unsafe fn wide(a: &Alphabet, hay: &[u8; 64]) -> bool {
            // SAFETY: as above.
            unsafe { a.may(|k| __m256i::load(hay.as_ptr().add(k))) }
        }
        let a = Alphabet::new(8, [&b"deadbeef"[..], b"01234567"].into_iter()).unwrap();
        let mut x = 1u32;
        for _ in 0..20_000 {
            let hay = core::array::from_fn(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"deab0123de45z"[(x >> 24) as usize % 13]
            });
            let want = oracle(&a, &hay);
            if std::is_x86_feature_detected!("ssse3") {
                // SAFETY: the instruction set was asked for.
                assert_eq!(unsafe { narrow(&a, &hay) }, want);
            }
            if std::is_x86_feature_detected!("avx2") {
                // SAFETY: as above.
                assert_eq!(unsafe { wide(&a, &hay) }, want);
            }
        }
    }
}
