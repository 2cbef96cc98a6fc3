//! Latencies in fixed memory: 32 parts of each power of two, so that a percentile is right to three percent.

/// Counts of values.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Histogram {
    pub fn new() -> Histogram {
        Histogram { counts: vec![0; 60 * 32], total: 0, longest: 0 }
    }

    #[inline]
    pub fn add(&mut self, v: u64) {
        let at = if v < 32 {
            v as usize
        } else {
            let exp = v.ilog2();
            ((exp - 4) * 32) as usize + (v >> (exp - 5) & 31) as usize
        };
        if let Some(c) = self.counts.get_mut(at) {
            *c += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(v);
    }

    pub fn clear(&mut self) {
        self.counts.fill(0);
        (self.total, self.longest) = (0, 0);
    }

    /// The least value that so many of a thousand do not exceed; 0 when there are none.
    pub fn at(&self, per_mille: u64) -> u64 {
        let wanted = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (i, c) in self.counts.iter().enumerate() {
            seen += c;
            if seen >= wanted {
                let (block, part) = (i as u32 / 32, i as u128 % 32);
                let top = if block == 0 { part } else { ((33 + part) << (block - 1)) - 1 };
                return u64::try_from(top).unwrap_or(u64::MAX).min(self.longest);
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn percentiles_are_near(mut values in proptest::collection::vec(
            prop_oneof![0u64..100, 0u64..1_000_000, any::<u64>()], 1..200), per_mille in 0u64..=1000) {
            let mut h = Histogram::new();
            values.iter().for_each(|v| h.add(*v));
            values.sort_unstable();
            let rank = (values.len() * per_mille as usize).div_ceil(1000).max(1) - 1;
            let (exact, told) = (values[rank], h.at(per_mille));
            prop_assert!(told >= exact && told - exact <= exact / 32, "{told} for {exact}");
            prop_assert_eq!(h.at(1000), *values.last().unwrap());
            h.clear();
            prop_assert_eq!(h.at(500), 0);
        }
    }
}
