//! The keyed hash of flow keys: SipHash-1-3 over whole words. A secret seed keeps a sender from choosing keys that
//! collide.

/// SipHash with one compression and three finalisation rounds (J.-P. Aumasson, D. J. Bernstein, "SipHash").
#[derive(Clone, Copy, Debug)]
pub(super) struct Sip13 {
    v: [u64; 4],
}

impl Sip13 {
    pub(super) const fn new(seed: [u64; 2]) -> Self {
        Sip13 {
            v: [
                seed[0] ^ 0x736f_6d65_7073_6575,
                seed[1] ^ 0x646f_7261_6e64_6f6d,
                seed[0] ^ 0x6c79_6765_6e65_7261,
                seed[1] ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    /// The hash of `words`.
    #[inline(always)]
    pub(super) fn words<const N: usize>(&self, words: [u64; N]) -> u64 {
        let mut v = self.v;
        for m in words {
            v[3] ^= m;
            round(&mut v);
            v[0] ^= m;
        }
        let m = ((N as u64) * 8) << 56;
        v[3] ^= m;
        round(&mut v);
        v[0] ^= m;
        v[2] ^= 0xff;
        round(&mut v);
        round(&mut v);
        round(&mut v);
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[2] = v[2].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[1]);
    v[0] = v[0].wrapping_add(v[3]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_published_algorithm() {
        // The standard library's hasher is SipHash-1-3 with a zero key.
        use std::hash::Hasher;
        #[allow(deprecated)]
        let mut h = std::collections::hash_map::DefaultHasher::new();
        for w in [1u64, 2, 0xdead_beef_0bad_cafe] {
            h.write(&w.to_le_bytes());
        }
        assert_eq!(Sip13::new([0, 0]).words([1, 2, 0xdead_beef_0bad_cafe]), h.finish());
    }
}
