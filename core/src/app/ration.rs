//! Records by ration: of protocols that do 100,000 things a second.
//!
//! In: packet time. Out: whether one more record may be written. Each flow owns one.

/// Records of a flow at once, and a second.
pub const BURST: u32 = 256;
pub const RATE: u32 = 64;
/// Nanoseconds in which one record is earned.
const EACH: u64 = 1_000_000_000 / RATE as u64;

/// What a flow may still write.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ration {
    left: u32,
    /// Up to when it was reckoned, ns; 0: not yet.
    reckoned: u64,
}

impl Ration {
    /// Takes one record. The last half of the burst is kept for what is not `ordinary`.
    pub fn take(&mut self, ordinary: bool, now: u64) -> bool {
        let earned = now.saturating_sub(self.reckoned) / EACH;
        if self.reckoned == 0 || earned >= u64::from(BURST) {
            self.left = BURST;
            self.reckoned = now.max(1);
        } else {
            self.left = (self.left + earned as u32).min(BURST);
            self.reckoned += earned * EACH;
        }
        let may = self.left > if ordinary { BURST / 2 } else { 0 };
        self.left -= u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_rate_and_a_reserve() {
        let mut r = Ration::default();
        let at = 1_700_000_000_000_000_000;
        let mut count = |ordinary, now| (0..1000).filter(|_| r.take(ordinary, now)).count();
        assert_eq!((count(true, at), count(false, at), count(false, at)), (128, 128, 0));
        assert_eq!(count(false, at + 500_000_000), 32);
        assert_eq!(count(false, at + 499_000_000), 0);
        assert_eq!(count(true, at + 60_000_000_000), 128);
    }
}
