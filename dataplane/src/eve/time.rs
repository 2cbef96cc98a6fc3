//! Wall-clock text of event times: seconds since the epoch go in, local date and zone come out. The last few
//! seconds are remembered, because events of one packet, and packets of one second, share them.

use jiff::{Timestamp, tz::TimeZone};

/// `2016-05-13T14:49:22`
type Date = [u8; 19];
/// `+0200`
type Zone = [u8; 5];

/// Turns seconds into text.
#[derive(Debug)]
pub struct Clock {
    zone: TimeZone,
    /// Direct-mapped by the low bits of the second.
    recent: [(u64, Date, Zone); 8],
    /// Quarter of an hour for which `offset` holds (zones change on such borders).
    quarter: u64,
    offset: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new(TimeZone::system())
    }
}

impl Clock {
    pub fn new(zone: TimeZone) -> Self {
        Clock { zone, recent: [(u64::MAX, [0; 19], [0; 5]); 8], quarter: u64::MAX, offset: 0 }
    }

    /// Local date and zone of a second.
    pub fn second(&mut self, secs: u64) -> (Date, Zone) {
        let slot = (secs & 7) as usize;
        if self.recent[slot].0 == secs {
            return (self.recent[slot].1, self.recent[slot].2);
        }
        if secs / 900 != self.quarter {
            self.quarter = secs / 900;
            self.offset = Timestamp::from_second(secs.min(i64::MAX as u64) as i64)
                .map_or(0, |t| i64::from(self.zone.to_offset(t).seconds()));
        }
        let local = (secs as i64).wrapping_add(self.offset).max(0);
        let (date, zone) = (civil(local), zone_text(self.offset));
        self.recent[slot] = (secs, date, zone);
        (date, zone)
    }
}

fn two(out: &mut [u8], n: u32) {
    out[0] = b'0' + (n / 10 % 10) as u8;
    out[1] = b'0' + (n % 10) as u8;
}

/// Date and time of a count of seconds, proleptic Gregorian (days counted in eras of 400 years).
fn civil(secs: i64) -> Date {
    let (days, rest) = (secs / 86_400, (secs % 86_400) as u32);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let m = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * m + 2) / 5 + 1) as u32;
    let month = (if m < 10 { m + 3 } else { m - 9 }) as u32;
    let year = (year_of_era + era * 400 + i64::from(month <= 2)) as u32;
    let mut d = *b"0000-00-00T00:00:00";
    two(&mut d[0..], year / 100);
    two(&mut d[2..], year % 100);
    two(&mut d[5..], month);
    two(&mut d[8..], day);
    two(&mut d[11..], rest / 3600);
    two(&mut d[14..], rest / 60 % 60);
    two(&mut d[17..], rest % 60);
    d
}

fn zone_text(offset: i64) -> Zone {
    let minutes = (offset.unsigned_abs() / 60) as u32;
    let mut z = *b"+0000";
    if offset < 0 {
        z[0] = b'-';
    }
    two(&mut z[1..], minutes / 60);
    two(&mut z[3..], minutes % 60);
    z
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: TimeZone, secs: u64) -> String {
        let (d, z) = Clock::new(zone).second(secs);
        format!("{}{}", std::str::from_utf8(&d).unwrap(), std::str::from_utf8(&z).unwrap())
    }

    #[test]
    fn known_moments() {
        assert_eq!(at(TimeZone::UTC, 0), "1970-01-01T00:00:00+0000");
        assert_eq!(at(TimeZone::UTC, 1_463_150_962), "2016-05-13T14:49:22+0000");
        assert_eq!(at(TimeZone::UTC, 951_782_400), "2000-02-29T00:00:00+0000");
        assert_eq!(at(TimeZone::UTC, 4_102_444_799), "2099-12-31T23:59:59+0000");
        let half = TimeZone::fixed(jiff::tz::offset(-3).saturating_sub(jiff::SignedDuration::from_mins(30)));
        assert_eq!(at(half, 1_463_150_962), "2016-05-13T11:19:22-0330");
        at(TimeZone::UTC, u64::MAX);
    }

    #[test]
    fn agrees_with_a_calendar_library() {
        for i in 0..5000u64 {
            let s = i * 777_777;
            let want = Timestamp::from_second(s as i64).unwrap().to_string();
            assert_eq!(at(TimeZone::UTC, s)[..19], want[..19]);
        }
    }
}
