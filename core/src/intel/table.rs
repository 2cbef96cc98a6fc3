//! The hash table of indicators: values with what is said of them go in once; look-ups by value follow. Owns three arrays: the
//! values' bytes, a record of 20 bytes for each, and twice as many places of eight bytes.

use alloc::vec::Vec;

use super::kind::Space;
use super::{About, Hit, Kind};

/// An indicator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// Where its value lies.
    pub at: u32,
    pub len: u16,
    pub kind: Kind,
    /// 255: not said.
    pub confidence: u8,
    pub about: u32,
    /// Seconds; 0: it does not expire.
    pub until: u32,
}

impl Record {
    /// Of equal values: the longest valid, then the most confident.
    pub(super) fn worth(&self) -> (u32, u8) {
        let until = if self.until == 0 { u32::MAX } else { self.until };
        (until, if self.confidence == UNSAID { 50 } else { self.confidence })
    }
}

/// No confidence was said.
pub(super) const UNSAID: u8 = 255;

#[derive(Debug, Default)]
pub(super) struct Table {
    bytes: Vec<u8>,
    records: Vec<Record>,
    abouts: Vec<About>,
    /// Hash and record number + 1; 0: free.
    slots: Vec<(u32, u32)>,
    /// A bit for each value's hash, eight for a value: most of what is not there is known by it, without a look at `slots`.
    seen: Vec<u64>,
    /// The longest way from a value's own place to where it lies.
    farthest: u32,
    /// A bit for each space that has values.
    spaces: u32,
    digests: [bool; 3],
    counts: [usize; Kind::ALL.len()],
    twice: usize,
    key: u64,
}

fn hash(key: u64, space: Space, value: &[u8]) -> u64 {
    const M: u64 = 0x9fb2_1c65_1e98_df25;
    let mut h = key ^ (space as u64 + 1).wrapping_mul(M) ^ value.len() as u64;
    let mut mix = |w: u64| {
        let p = u128::from(h ^ w) * u128::from(M | 1);
        h = (p as u64) ^ (p >> 64) as u64 ^ key.rotate_left(17);
    };
    let (words, rest) = value.as_chunks::<8>();
    words.iter().for_each(|w| mix(u64::from_le_bytes(*w)));
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(a, b)| *a = *b);
    mix(u64::from_le_bytes(last));
    mix(0x1234_5678);
    h
}

impl Table {
    /// Of equal values the one that is worth most is found.
    pub(super) fn new(bytes: Vec<u8>, records: Vec<Record>, abouts: Vec<About>, key: u64) -> Table {
        let size = (records.len() * 2).next_power_of_two().max(2);
        let mut t =
            Table { bytes, records, abouts, slots: alloc::vec![(0, 0); size], key, ..Table::default() };
        t.seen = alloc::vec![0; (t.records.len() / 8).next_power_of_two()];
        for (i, r) in t.records.iter().enumerate() {
            let value =
                |r: &Record| t.bytes.get(r.at as usize..r.at as usize + usize::from(r.len)).unwrap_or(&[]);
            let h = hash(key, r.kind.space(), value(r));
            let places = t.seen.len() - 1;
            if let Some(w) = t.seen.get_mut((h >> 26) as usize & places) {
                *w |= 1 << (h >> 20 & 63);
            }
            let (mut at, mut way) = (h as usize & (size - 1), 0);
            let tag = (h >> 32) as u32;
            let equal = |n: u32, tag_there: u32| {
                let other = t.records.get(n as usize - 1).filter(|_| tag_there == tag)?;
                (other.kind.space() == r.kind.space() && value(other) == value(r)).then_some(other)
            };
            let mut other = None;
            while let Some(&(there, n)) = t.slots.get(at).filter(|s| s.1 != 0) {
                other = equal(n, there);
                if other.is_some() {
                    break;
                }
                at = (at + 1) & (size - 1);
                way += 1;
            }
            let better = other.is_none_or(|o| r.worth() > o.worth());
            if let Some(o) = other {
                t.twice += 1;
                t.counts[o.kind as usize] -= usize::from(better);
            }
            if !better {
                continue;
            }
            if let Some(s) = t.slots.get_mut(at) {
                *s = (tag, i as u32 + 1);
            }
            t.farthest = t.farthest.max(way);
            t.spaces |= 1 << r.kind.space() as u32;
            t.counts[r.kind as usize] += 1;
            if r.kind.space() == Space::Digest {
                for (d, n) in t.digests.iter_mut().zip([16, 20, 32]) {
                    *d |= r.len == n;
                }
            }
        }
        t
    }

    /// Values that were there before.
    pub(super) fn twice(&self) -> usize {
        self.twice
    }

    pub(super) fn len(&self) -> usize {
        self.records.len() - self.twice
    }

    pub(super) fn counts(&self) -> [usize; Kind::ALL.len()] {
        self.counts
    }

    pub(super) fn digests(&self) -> [bool; 3] {
        self.digests
    }

    pub(super) fn bytes(&self) -> usize {
        let about = |a: &About| {
            size_of::<About>()
                + a.source.len()
                + a.description.len()
                + a.attack.iter().map(|t| t.len() + 24).sum::<usize>()
        };
        self.bytes.capacity()
            + self.records.capacity() * size_of::<Record>()
            + self.slots.len() * 8
            + self.seen.len() * 8
            + self.abouts.iter().map(about).sum::<usize>()
    }

    #[inline]
    pub(super) fn has(&self, space: Space) -> bool {
        self.spaces >> space as u32 & 1 == 1
    }

    /// What is said of a record, unless it expired.
    pub(super) fn record(&self, n: u32, now: u32) -> Option<Hit<'_>> {
        let r = self.records.get(n as usize)?;
        if r.until != 0 && r.until < now {
            return None;
        }
        Some(Hit {
            kind: r.kind,
            value: self.bytes.get(r.at as usize..r.at as usize + usize::from(r.len))?,
            about: self.abouts.get(r.about as usize)?,
            confidence: (r.confidence != UNSAID).then_some(r.confidence),
            until: (r.until != 0).then_some(r.until),
            number: n + 1,
        })
    }

    /// The indicator of that value. Bounded by the longest way that building met.
    pub(super) fn find(&self, space: Space, value: &[u8], now: u32) -> Option<Hit<'_>> {
        if !self.has(space) {
            return None;
        }
        let h = hash(self.key, space, value);
        let word = self.seen.get((h >> 26) as usize & (self.seen.len() - 1))?;
        if word >> (h >> 20 & 63) & 1 == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        for way in 0..=self.farthest as usize {
            let &(tag, n) = self.slots.get((h as usize + way) & mask)?;
            if n == 0 {
                return None;
            }
            if tag != (h >> 32) as u32 {
                continue;
            }
            let r = self.records.get(n as usize - 1)?;
            let own = self.bytes.get(r.at as usize..r.at as usize + usize::from(r.len))?;
            if r.kind.space() == space && own == value {
                return self.record(n - 1, now);
            }
        }
        None
    }
}
