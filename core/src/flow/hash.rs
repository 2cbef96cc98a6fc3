//! The keyed hash of flow keys, made for speed. Its secrets come from the engine's by SipHash-1-3.
//!
//! Keys are hashed by NH (T. Krovetz, "UMAC", RFC 4418, 5.2, here over words of 64 bits as VMAC has them): the sum of
//! products of pairs of words, each with a secret added. Two different keys give the same 128 bits with a probability of
//! 2^-64 over the secrets, whatever the keys are; a multiplication with two more secrets then spreads them over 64 bits. A sender
//! who does not know the secrets cannot choose keys that collide.

use crate::keyed::Sip13;

/// The hash of flow keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nh {
    k: [u64; 10],
}

impl Nh {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        let sip = Sip13::new(seed);
        let mut k = [0; 10];
        for (i, k) in k.iter_mut().enumerate() {
            *k = sip.words([0x666c_6f77_2068_6173, i as u64]);
        }
        Nh { k }
    }

    /// 64 bits for two words.
    #[inline(always)]
    pub(super) fn two(&self, a: u64, b: u64) -> u64 {
        spread(self.pair(0, a, b), self.k[6], self.k[7])
    }

    /// Two times 64 bits, of secrets of their own, for six words.
    #[inline]
    pub(super) fn six(&self, w: [u64; 6]) -> [u64; 2] {
        let sum = self
            .pair(0, w[0], w[1])
            .wrapping_add(self.pair(2, w[2], w[3]))
            .wrapping_add(self.pair(4, w[4], w[5]));
        [spread(sum, self.k[6], self.k[7]), spread(sum, self.k[8], self.k[9])]
    }

    #[inline(always)]
    fn pair(&self, i: usize, a: u64, b: u64) -> u128 {
        u128::from(a.wrapping_add(self.k[i])) * u128::from(b.wrapping_add(self.k[i + 1]))
    }
}

#[inline(always)]
fn spread(n: u128, k: u64, l: u64) -> u64 {
    let p = u128::from((n as u64).wrapping_add(k)) * u128::from(((n >> 64) as u64 ^ l) | 1);
    // Counters for keys leave their steps in the product: a bijection removes them.
    let x = (p >> 64) as u64 ^ p as u64;
    let x = (x ^ x >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^ x >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spread() {
        // Neighbouring addresses and ports, as scans and floods have them: every bucket gets about its share.
        let nh = Nh::new([1, 2]);
        for (shift, step) in [(0u32, 1u64), (16, 1), (32, 1), (48, 3)] {
            let mut low = [0u32; 256];
            let mut high = [0u32; 256];
            for i in 0..65536u64 {
                let h = nh.two((i * step) << shift | 0x0a00_0001, 0x01bb_1000);
                low[(h & 255) as usize] += 1;
                high[(h >> 56) as usize] += 1;
            }
            // 256 on average, with a deviation of 16.
            for n in low.iter().chain(&high) {
                assert!((160..352).contains(n), "{n} at {shift}");
            }
        }
    }
}
