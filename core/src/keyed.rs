//! Keyed hashing: the engine's secret, and the hash for tables that a sender might try to fill at one place.
//!
//! In: a secret that the caller of the engine made, because core reads no entropy. Out: keys for each table's hash.
//! Every table derives its own key from the one secret, so what leaks of one says nothing about the others.

/// The secret of one engine: 128 bits that senders must not know.
///
/// There is no default, so that nobody gets a published one by leaving it out. Use random bytes for live traffic,
/// and [`Secret::fixed`] for captures, whose output must repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u64; 2]);

impl core::fmt::Debug for Secret {
    /// Never shows the bytes: they would end up in logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A secret out of 16 random bytes.
    pub const fn random(bytes: [u8; 16]) -> Secret {
        let b = bytes;
        Secret([
            u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]),
            u64::from_le_bytes([b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]]),
        ])
    }

    /// A secret by choice, for captures and tests only: the same number gives the same flow numbers and evictions
    /// again. Anyone can compute keys that collide under it, so never use it for live traffic.
    pub const fn fixed(n: u64) -> Secret {
        Secret([n ^ 0x5bd1_e995_9e37_79b9, n.rotate_left(32) ^ 0xc2b2_ae3d_27d4_eb4f])
    }

    /// The key of one table; `purpose` names the table.
    pub const fn key(self, purpose: [u8; 8]) -> [u64; 2] {
        let sip = Sip13::new(self.0);
        let p = u64::from_le_bytes(purpose);
        [sip.words([p, 0]), sip.words([p, 1])]
    }

    /// The key of a table whose hash takes 64 bits.
    pub const fn word(self, purpose: [u8; 8]) -> u64 {
        self.key(purpose)[0]
    }
}

/// SipHash with one compression and three finalisation rounds (J.-P. Aumasson, D. J. Bernstein, "SipHash"), over
/// words of 64 bits.
#[derive(Clone, Copy)]
pub(crate) struct Sip13 {
    v: [u64; 4],
}

impl core::fmt::Debug for Sip13 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Sip13(..)")
    }
}

impl Sip13 {
    pub(crate) const fn new(key: [u64; 2]) -> Self {
        Sip13 {
            v: [
                key[0] ^ 0x736f_6d65_7073_6575,
                key[1] ^ 0x646f_7261_6e64_6f6d,
                key[0] ^ 0x6c79_6765_6e65_7261,
                key[1] ^ 0x7465_6462_7974_6573,
            ],
        }
    }

    /// The hash of `words`.
    #[inline(always)]
    pub(crate) const fn words<const N: usize>(&self, words: [u64; N]) -> u64 {
        let mut v = self.v;
        let mut i = 0;
        while i < N {
            v = absorb(v, words[i]);
            i += 1;
        }
        v = absorb(v, ((N as u64) * 8) << 56);
        v[2] ^= 0xff;
        v = round(round(round(v)));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }

    /// The hash of a text and a word before it.
    pub(crate) fn text(&self, text: &[u8], before: u64) -> u64 {
        let mut v = absorb(self.v, before);
        let (words, rest) = text.as_chunks::<8>();
        for w in words {
            v = absorb(v, u64::from_le_bytes(*w));
        }
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        last[7] = (text.len() as u8).wrapping_add(8);
        v = absorb(v, u64::from_le_bytes(last));
        v[2] ^= 0xff;
        v = round(round(round(v)));
        v[0] ^ v[1] ^ v[2] ^ v[3]
    }
}

#[inline(always)]
const fn absorb(mut v: [u64; 4], word: u64) -> [u64; 4] {
    v[3] ^= word;
    v = round(v);
    v[0] ^= word;
    v
}

#[inline(always)]
const fn round(mut v: [u64; 4]) -> [u64; 4] {
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
    v
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

    #[test]
    fn keys_differ_by_secret_and_by_purpose() {
        let (a, b) = (Secret::fixed(1), Secret::random([7; 16]));
        assert_ne!(a.key(*b"flows   "), b.key(*b"flows   "));
        assert_ne!(a.key(*b"flows   "), a.key(*b"hosts   "));
        assert_eq!(a.key(*b"flows   "), Secret::fixed(1).key(*b"flows   "));
        assert_eq!(std::format!("{a:?}"), "Secret(..)");
    }
}
