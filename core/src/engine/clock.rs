//! The engine's time: times of packets and ticks go in, the time by which idle flows end comes out.
//!
//! One wrong record must not end every flow: NTP steps, resumed machines, mixed clocks and damaged captures bring such
//! records. The rule, which `docs/time.md` tells users:
//!
//! * A time up to [`NEAR`] ahead is followed at once. One that is a little behind changes nothing.
//! * A time further ahead is followed when [`AHEAD`] different ones come in a row; the least of them is taken.
//! * A time further behind is followed when [`BEHIND`] of them came without [`FORGET`] ordinary ones between two: of
//!   two clocks in one source the slower one counts.
//!
//! A packet's own flow goes by the packet's own time in any case, so nothing changes for captures with gaps.

/// How far from the engine's time a time may be to be believed at once, ns.
pub const NEAR: u64 = 10_000_000_000;
/// Times further ahead that must follow each other.
const AHEAD: u8 = 3;
/// Times further behind that must come.
const BEHIND: u8 = 4;
/// Ordinary times after which one further behind is forgotten.
const FORGET: u8 = 16;

/// What happened to the engine's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockCounters {
    /// Times far ahead, and far behind, that were not followed when they came.
    pub ahead: u64,
    pub behind: u64,
    /// Steps ahead and back that were followed.
    pub steps: u64,
    pub steps_back: u64,
}

/// What a time did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Ahead, a little or not at all.
    Near,
    /// Nothing: it was far off.
    No,
    /// Far ahead.
    Ahead,
    /// Back.
    Back,
}

/// See the module. Whoever reads events of several flows goes by it as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    now: Option<u64>,
    /// The last time that was far off.
    last: u64,
    /// Least of the times ahead that came in a row, and how many.
    least: u64,
    ahead: u8,
    behind: u8,
    /// Ordinary times since one that was far behind.
    near: u8,
    pub counters: ClockCounters,
}

impl Clock {
    /// The engine's time; 0 before the first packet.
    #[inline]
    pub fn now(&self) -> u64 {
        self.now.unwrap_or(0)
    }

    /// Takes a time.
    #[inline]
    pub fn see(&mut self, t: u64) -> Moved {
        let now = self.now();
        // In order and near is what nearly every packet is.
        if t.wrapping_sub(now) <= NEAR && self.ahead | self.behind == 0 {
            self.now = Some(t);
            return Moved::Near;
        }
        self.weigh(t)
    }

    #[cold]
    fn weigh(&mut self, t: u64) -> Moved {
        let Some(now) = self.now else {
            self.now = Some(t);
            return Moved::Near;
        };
        if now.abs_diff(t) <= NEAR {
            self.ahead = 0;
            if self.behind > 0 {
                self.near += 1;
                if self.near >= FORGET {
                    (self.behind, self.near) = (self.behind - 1, 0);
                }
            }
            self.now = Some(now.max(t));
            return Moved::Near;
        }
        let again = t == self.last && (self.ahead | self.behind != 0);
        self.last = t;
        if t > now {
            if again {
                return Moved::No;
            }
            self.counters.ahead += 1;
            self.least = if self.ahead == 0 { t } else { self.least.min(t) };
            self.ahead += 1;
            if self.ahead < AHEAD {
                return Moved::No;
            }
            self.counters.steps += 1;
            self.settle(self.least);
            return Moved::Ahead;
        }
        self.ahead = 0;
        self.counters.behind += 1;
        (self.behind, self.near) = (self.behind + 1, 0);
        if self.behind < BEHIND {
            return Moved::No;
        }
        self.counters.steps_back += 1;
        self.settle(t);
        Moved::Back
    }

    fn settle(&mut self, t: u64) {
        self.now = Some(t);
        (self.ahead, self.behind, self.near) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;
    const T0: u64 = 1_700_000_000 * S;

    fn after(times: &[u64]) -> (u64, ClockCounters) {
        let mut c = Clock::default();
        for t in times {
            c.see(*t);
        }
        (c.now().wrapping_sub(T0) / S, c.counters)
    }

    #[test]
    fn one_wrong_time_moves_nothing() {
        for wrong in [T0 + 31 * S, T0 + 7200 * S, u64::MAX, 0, T0 - 86_400 * S] {
            // The caller ticks with the time of each packet.
            let (now, c) = after(&[T0, wrong, wrong, T0 + S, T0 + S, T0 + 2 * S]);
            assert_eq!(now, 2, "{wrong}");
            assert_eq!((c.steps, c.steps_back), (0, 0));
            assert!(c.ahead + c.behind > 0);
        }
    }

    #[test]
    fn steps_that_last_are_followed() {
        let (now, c) = after(&[T0, T0 + 100 * S, T0 + 102 * S, T0 + 101 * S]);
        assert_eq!((now, c.steps), (100, 1));
        let (now, c) = after(&[T0 + 5000 * S, T0, T0 + 1, T0 + 2, T0 + S]);
        assert_eq!((now, c.steps_back), (1, 1));
        // The first time was the wrong one.
        let (now, c) = after(&[u64::MAX, T0, T0 + 1, T0 + 2, T0 + 3]);
        assert_eq!((now, c.steps_back), (0, 1));
        // A quiet link on which only ticks come, rarely.
        let (now, _) = after(&[T0, T0 + 60 * S, T0 + 120 * S, T0 + 180 * S]);
        assert_eq!(now, 60);
    }

    #[test]
    fn of_two_clocks_the_slower_counts() {
        let mixed = |n: u64| [T0 + 3600 * S + n, T0 + n];
        let times: alloc::vec::Vec<u64> = (0..50).flat_map(mixed).collect();
        let (now, c) = after(&times);
        assert_eq!((now, c.steps), (0, 0));
    }
}
