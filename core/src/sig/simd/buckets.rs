//! Which windows share a bucket, for machines that look bytes up by nibbles, 16 entries at a time.
//!
//! In: the windows of two, three and four bytes that are not hashed. Out: [`Buckets`], tables for [`super::nibbles`]. A
//! bucket is one bit; per byte before the end of a window two tables say which buckets may have its low and its high
//! nibble there, so that a bucket passes the product of the nibbles of its windows, byte by byte. Eight buckets are a
//! *set*. Sets of windows of four bytes are apart from those of shorter ones: what passes then says of which class it is,
//! and short ones are asked for fewer bytes.
//!
//! Windows come together by what they let pass: those two groups that cost least are merged until as few are left as
//! there are buckets, and how many there are is what costs least in all.
use super::super::{rank::LIKELY, verify::width};
use super::Key;
use alloc::{boxed::Box, string::String, vec::Vec};

/// Most sets of windows of four bytes, and of shorter ones beside those or alone.
const LONG: u8 = 2;
const SHORT: u8 = 2;
const SHORT_ALONE: u8 = 4;

/// What costs, in cycles for 64 positions: asking two tables for a byte; and each position that passes.
const ASK: f32 = 4.0;
const PASS: f32 = 64.0 * 50.0;

/// Groups that are merged one by one; of more windows, neighbours are put together first.
const MERGED: usize = 64;
/// How far apart in order the two may be.
const NEAR: usize = 12;

/// Byte of a window at distance `d` before its end, folded; none beyond its width.
pub(super) fn byte_at(k: Key, d: u32) -> Option<u8> {
    let w = width(k.0);
    (d < w).then(|| (k.1 >> (8 * (w - 1 - d))) as u8)
}

/// `[distance][low, high]`: buckets by nibble.
pub(super) type Tables = [[[u8; 16]; 2]; 4];

/// Eight buckets.
#[derive(Debug)]
pub(super) struct Set {
    pub tables: Tables,
    /// The buckets of windows of 2, 3 and 4 bytes.
    pub of_class: [u8; 3],
}

/// The buckets of a database.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Those of windows of four bytes first.
    pub sets: Box<[Set]>,
    pub plan: Plan,
    /// Share of positions expected to pass, in traffic.
    expect: f32,
}

/// How many sets there are, and how they are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Sets of windows of four bytes, 0 to 2.
    pub long: u8,
    /// Four bytes of these are asked for, not three.
    pub four: bool,
    /// Sets of shorter ones, 0 to 2; without others up to 4.
    pub short: u8,
}

/// Windows that share a bucket: their nibbles, by distance from the end. Folded bytes have eight high nibbles.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Group {
    low: [u16; 4],
    high: [u8; 4],
}

/// Folded high nibble `h`, which has bit 1, as a number below eight; and back.
const fn eighth(h: u8) -> u8 {
    h & 1 | h >> 1 & 6
}

const fn nibble(eighth: u8) -> u8 {
    eighth & 1 | 2 | (eighth & 6) << 1
}

/// Probability of the bytes with folded high nibble and a low nibble of the first or last eight, by the set of those.
/// [`LIKELY`] is how likely a byte is in the traffic that has it most; here all together are one.
static SHARE: [[[f32; 256]; 2]; 8] = {
    let mut t = [[[0.0; 256]; 2]; 8];
    let mut sum = 0.0;
    let mut b = 0;
    while b < 256 {
        if b & 0x20 != 0 {
            sum += LIKELY[b];
        }
        b += 1;
    }
    let mut h = 0;
    while h < 8 {
        let mut half = 0;
        while half < 2 {
            let mut set = 1;
            while set < 256 {
                let lowest = (set as u32).trailing_zeros() as usize;
                let byte = ((nibble(h as u8) as usize) << 4) | (8 * half) | lowest;
                t[h][half][set] = t[h][half][set & (set - 1)] + LIKELY[byte] / sum;
                set += 1;
            }
            half += 1;
        }
        h += 1;
    }
    t
};

impl Group {
    fn of(k: Key) -> Group {
        let mut g = Group { low: [u16::MAX; 4], high: [u8::MAX; 4] };
        for d in 0..4 {
            if let Some(b) = byte_at(k, d as u32) {
                g.low[d] = 1 << (b & 15);
                g.high[d] = 1 << eighth(b >> 4);
            }
        }
        g
    }

    fn and(mut self, o: Group) -> Group {
        for d in 0..4 {
            self.low[d] |= o.low[d];
            self.high[d] |= o.high[d];
        }
        self
    }

    /// Probability that a position passes when `depth` bytes are asked for.
    fn pass(&self, depth: usize) -> f32 {
        let mut all = 1.0;
        for (&low, &high) in self.low.iter().zip(&self.high).take(depth) {
            if (low, high) == (u16::MAX, u8::MAX) {
                continue;
            }
            let [first, last] = low.to_le_bytes().map(usize::from);
            let (mut one, mut left) = (0.0f32, high);
            while left != 0 {
                let of = &SHARE[left.trailing_zeros() as usize];
                one += of[0][first] + of[1][last];
                left &= left - 1;
            }
            all *= one.min(1.0);
        }
        all
    }
}

/// The windows of one class, and what they let pass in as many buckets.
struct Class {
    groups: Vec<Group>,
    /// By number of buckets, from 0 on, asked at full width.
    pass: Vec<f32>,
    /// Merges: the second went into the first, from all groups on down.
    merges: Vec<(u16, u16)>,
}

impl Class {
    fn new(keys: &[Key], class: u32) -> Class {
        let mut keys: Vec<Key> = keys.iter().copied().filter(|k| k.0 == class).collect();
        // Neighbours share their last bytes.
        keys.sort_unstable();
        let n = keys.len().min(MERGED);
        let groups: Vec<Group> = (0..n)
            .filter_map(|i| {
                let part = keys.get(i * keys.len() / n..(i + 1) * keys.len() / n)?;
                part.iter().map(|k| Group::of(*k)).reduce(Group::and)
            })
            .collect();
        let mut c = Class { pass: Vec::new(), merges: Vec::new(), groups };
        c.merge();
        c
    }

    /// Merges all into one, the pair first that lets least more pass, and notes what passes at each number.
    fn merge(&mut self) {
        let mut live: Vec<(u16, Group, f32)> =
            (0..).zip(&self.groups).map(|(i, g)| (i, *g, g.pass(4))).collect();
        let sum = |live: &[(u16, Group, f32)]| live.iter().map(|g| g.2).sum::<f32>();
        let worth = |a: &(u16, Group, f32), b: &(u16, Group, f32)| a.1.and(b.1).pass(4) - a.2 - b.2;
        // For each the cheapest partner near behind it.
        let best = |live: &[(u16, Group, f32)], i: usize| {
            let of = (i + 1..live.len().min(i + 1 + NEAR)).map(|j| (worth(&live[i], &live[j]), j));
            of.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f32::INFINITY, i))
        };
        let mut partner: Vec<(f32, usize)> = (0..live.len()).map(|i| best(&live, i)).collect();
        self.pass.push(sum(&live));
        while live.len() > 1 {
            let Some((i, j)) =
                (partner.iter().enumerate()).min_by(|a, b| a.1.0.total_cmp(&b.1.0)).map(|(i, p)| (i, p.1))
            else {
                break;
            };
            let both = live[i].1.and(live[j].1);
            self.merges.push((live[i].0, live[j].0));
            live[i] = (live[i].0, both, both.pass(4));
            live.remove(j);
            partner.remove(j);
            for k in 0..live.len() {
                let p = &mut partner[k];
                if k == i || p.1 == j || p.1 == i {
                    *p = best(&live, k);
                    continue;
                }
                p.1 -= usize::from(p.1 > j);
                if k < i && i - k <= NEAR {
                    let w = worth(&live[k], &live[i]);
                    if w < p.0 {
                        *p = (w, i);
                    }
                }
            }
            self.pass.push(sum(&live));
        }
        // Of one on, and none for no bucket.
        self.pass.push(f32::INFINITY);
        self.pass.reverse();
        if self.groups.is_empty() {
            self.pass = alloc::vec![0.0];
        }
    }

    /// What passes in `n` buckets.
    fn pass(&self, n: usize) -> f32 {
        self.pass[n.min(self.pass.len() - 1)]
    }

    /// As [`Class::pass`] when `depth` bytes are asked for, of the groups that are best at four.
    fn passed(&self, n: usize, depth: usize) -> f32 {
        let same = Class { groups: self.groups.clone(), pass: Vec::new(), merges: self.merges.clone() };
        same.into(n).iter().map(|g| g.pass(depth)).sum()
    }

    /// The groups for `n` buckets or fewer.
    fn into(self, n: usize) -> Vec<Group> {
        let mut all: Vec<Option<Group>> = self.groups.into_iter().map(Some).collect();
        for &(a, b) in self.merges.iter().take(all.len().saturating_sub(n)) {
            if let (Some(x), Some(y)) = (all[usize::from(a)], all[usize::from(b)].take()) {
                all[usize::from(a)] = Some(x.and(y));
            }
        }
        all.into_iter().flatten().collect()
    }
}

/// The best way to share `all` buckets between windows of two and of three bytes: how many the first have, and what passes.
fn share(two: &Class, three: &Class, all: usize) -> (f32, usize) {
    (0..=all)
        .map(|n| (two.pass(n) + three.pass(all - n), n))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((f32::INFINITY, 0))
}

impl Buckets {
    /// Buckets for `keys`, the windows of two to four bytes; none when there are none.
    pub(super) fn new(keys: &[Key]) -> Option<Buckets> {
        let [two, three, four] = [1, 2, 3].map(|c| Class::new(keys, c));
        let no_short = two.groups.is_empty() && three.groups.is_empty();
        if no_short && four.groups.is_empty() {
            return None;
        }
        let mut best = (f32::INFINITY, Plan::default(), 0.0);
        let longs = if four.groups.is_empty() { 0..=0 } else { 1..=LONG };
        for long in longs {
            let most = if long == 0 { SHORT_ALONE } else { SHORT };
            let shorts = if no_short { 0..=0 } else { 1..=most };
            for short in shorts {
                let (passed, _) = share(&two, &three, 8 * usize::from(short));
                for deep in [false, true].into_iter().filter(|deep| long > 0 || !deep) {
                    let n = 8 * usize::from(long);
                    let of_four = if deep {
                        four.pass(n)
                    } else {
                        // What they let pass when only three of their bytes are asked for.
                        four.passed(n, 3)
                    };
                    let asked = f32::from(long) * if deep { 4.0 } else { 3.0 } + 3.0 * f32::from(short);
                    let pass = passed + of_four;
                    let cost = ASK * asked + PASS * pass;
                    if cost < best.0 {
                        best = (cost, Plan { long, four: deep, short }, pass);
                    }
                }
            }
        }
        let (_, plan, expect) = best;
        let (_, twos) = share(&two, &three, 8 * usize::from(plan.short));
        let threes = 8 * usize::from(plan.short) - twos;
        let mut sets: Vec<Set> = (0..plan.long + plan.short)
            .map(|_| Set { tables: [[[0; 16]; 2]; 4], of_class: [0; 3] })
            .collect();
        let (long, short) = sets.split_at_mut(usize::from(plan.long));
        fill(long, four.into(8 * long.len()), 2, 0);
        let first = fill(short, two.into(twos), 0, 0);
        fill(short, three.into(threes), 1, first);
        Some(Buckets { sets: sets.into(), plan, expect })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.sets)
    }

    pub(super) fn describe(&self) -> String {
        let ppm = (self.expect * 1e6) as u32;
        let of = |class: usize| self.sets.iter().map(|s| s.of_class[class].count_ones()).sum::<u32>();
        alloc::format!(
            "buckets by nibbles: {} for windows of 2, {} of 3, {} of 4, {ppm} ppm expected to pass",
            of(0),
            of(1),
            of(2)
        )
    }
}

/// Puts `groups` of a class into `sets`, from bucket `first` on; returns the next one.
fn fill(sets: &mut [Set], groups: Vec<Group>, class: usize, first: usize) -> usize {
    let n = groups.len();
    for (i, g) in (first..).zip(groups) {
        let Some(set) = sets.get_mut(i / 8) else { break };
        let bit = 1u8 << (i % 8);
        set.of_class[class] |= bit;
        for ([of_low, of_high], (low, high)) in set.tables.iter_mut().zip(g.low.into_iter().zip(g.high)) {
            for (nibble, t) in of_low.iter_mut().enumerate() {
                *t |= if low >> nibble & 1 != 0 { bit } else { 0 };
            }
            for (nibble, t) in (0u8..).zip(of_high) {
                *t |= if high >> eighth(nibble | 2) & 1 != 0 { bit } else { 0 };
            }
        }
    }
    first + n
}
