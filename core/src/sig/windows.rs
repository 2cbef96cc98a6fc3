//! Which window of a pattern is looked for: one that traffic rarely has and that other patterns do not have.
//!
//! In: the patterns of a database and the shape of their windows. Out: per pattern where the first of its windows
//! ends. Only speed depends on it.
use super::{
    build::{Group, is_run},
    rank,
    verify::{Sampling, hash, mixed},
};
use alloc::{vec, vec::Vec};

/// The window of a pattern ends less than this before the pattern's end: it bounds the order queue, and how much of a
/// stream is looked at again at every cut.
const MAX_TAIL: usize = 32;
/// Windows of more patterns than this lead to tables by further bytes, however many more they are.
const CROWDED: u32 = 3;
/// The same where it was looked at what other patterns have: what they share instead would be more common still.
const CROWDED_OF_MANY: u32 = 64;
/// From so many patterns on it counts where else a window occurs: traffic that has something of one indicator has
/// something of others too. Fewer are told apart by tables when a window leads to several of them.
const SOME: usize = 512;
/// From so many patterns on their tables lie outside of the caches that a core has alone.
const FAR: usize = 20_000;
/// Patterns that a stride is chosen by.
const SAMPLE: usize = 2_000;
/// The weight of a window that one other pattern has: above that of any by its bytes.
const ELSEWHERE: u64 = 1 << 29;

/// Windows counted by hash.
struct Crowd {
    counts: Vec<u8>,
    shift: u32,
}

impl Crowd {
    /// For `n` windows, so wide that few of them share a count by chance.
    fn new(n: usize) -> Crowd {
        let bits = (n * 8).next_power_of_two().trailing_zeros().clamp(4, 26);
        Crowd { counts: vec![0; 1 << bits], shift: 32 - bits }
    }

    fn count(&self, key: u32) -> u32 {
        u32::from(self.counts[(hash(key) >> self.shift) as usize])
    }

    fn add(&mut self, key: u32) {
        let c = &mut self.counts[(hash(key) >> self.shift) as usize];
        *c = c.saturating_add(1);
    }
}

/// How a pattern's windows lie: how many one after the other, and the bytes of each.
pub(super) type Shape = (usize, usize);

/// The folded window as the verifier keys it.
pub(super) fn window_key(bytes: &[u8]) -> u32 {
    let folded = |b: &[u8]| b.iter().rev().fold(0, |key, &b| key << 8 | u32::from(b | 0x20));
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        (Some(first), Some(last)) if bytes.len() > 4 => folded(first) ^ mixed(folded(last)),
        _ => folded(bytes),
    }
}

/// How likely a window is, on a scale that adds up: powers of two of its cost, linear between them.
fn weight(cost: u32) -> u64 {
    (8 + u64::from(cost % 8)) << (cost / 8).min(48)
}

fn shape(pat: &[u8], strided: Option<Sampling>) -> Shape {
    match strided {
        Some(how) => (usize::from(how.every), usize::from(how.width)),
        None => (1, pat.len().min(4)),
    }
}

/// The best windows of `pat` of that shape by what `dear` says of each: their sum, and where the first ends.
fn choose(pat: &[u8], (n, w): Shape, dear: impl Fn(&[u8]) -> u64) -> (u64, usize) {
    let mut best = (u64::MAX, pat.len());
    // From the end, so that of equal ones the shortest tail wins.
    for end in (w..=pat.len() + 1 - n).rev().take(MAX_TAIL + 4 - w.max(4)) {
        let mut sum: u64 = (end..end + n).map(|end| dear(&pat[end - w..end])).sum();
        // A long tail costs the order queue a little.
        sum += sum * (pat.len() - end).min(16) as u64 / 128;
        if sum < best.0 {
            best = (sum, end);
        }
    }
    best
}

/// How likely the best windows of `pat` are.
pub(super) fn likelihood(pat: &[u8], how: Sampling) -> u64 {
    choose(pat, shape(pat, Some(how)), |win| weight(rank::window_cost(win))).0
}

/// How many patterns have a window, anywhere.
struct Places {
    counts: Crowd,
    /// Bytes of the windows.
    width: usize,
}

impl Places {
    fn new(groups: &[Group<'_>], width: usize) -> Places {
        let all = groups.iter().map(|g| g.pat.len()).sum::<usize>();
        let mut counts = Crowd::new(all);
        let mut keys: Vec<u32> = Vec::new();
        for g in groups {
            keys.clear();
            keys.extend(g.pat.windows(width).map(window_key));
            keys.sort_unstable();
            keys.dedup();
            keys.iter().for_each(|k| counts.add(*k));
        }
        Places { counts, width }
    }

    /// How many other patterns have the window `key` of a pattern.
    fn others(&self, key: u32) -> u32 {
        self.counts.count(key).saturating_sub(1)
    }

    /// What a window costs for being elsewhere: the more patterns have it the more, by doublings.
    fn dear(&self, win: &[u8]) -> u64 {
        let others = if win.len() == self.width { self.others(window_key(win)) } else { 0 };
        u64::from(u32::BITS - others.leading_zeros()) * ELSEWHERE
    }

    /// The stride, of that of `how` and those below, that costs least on text made of such patterns: positions that are
    /// looked at, and windows found there that another pattern has.
    fn stride(&self, groups: &[Group<'_>], how: Sampling) -> Sampling {
        // What a window costs that is found, in positions: its slot, its patterns and their bytes, the farther from the
        // processor the more patterns there are.
        let found = if groups.len() < FAR { 32.0 } else { 96.0 };
        let asked = || groups.iter().step_by(1 + groups.len() / SAMPLE).filter(|g| how.takes(g.pat.len()));
        let cost = |every: u8| {
            let shape = (usize::from(every), self.width);
            let (mut looked, mut shared) = (0.0, 0.0);
            for g in asked() {
                let end = choose(g.pat, shape, |win| weight(rank::window_cost(win)) + self.dear(win)).1;
                looked += g.pat.len() as f64 / f64::from(every);
                shared += keys(g.pat, (end, shape)).filter(|k| self.others(*k) > 0).count() as f64
                    / f64::from(every);
            }
            looked + found * shared
        };
        let ways = [4, 2, 1].into_iter().filter(|every| *every <= how.every);
        let best = ways.map(|every| (cost(every), every)).min_by(|a, b| a.0.total_cmp(&b.0));
        Sampling::new(best.map_or(how.every, |b| b.1), how.width)
    }
}

/// What windows cost beside what is likely.
pub(super) struct Chooser {
    /// Of fewer patterns than [`SOME`] nothing.
    places: Option<Places>,
    /// The windows chosen so far: one that many patterns share is made dearer.
    crowd: Crowd,
}

impl Chooser {
    /// For `groups`, and the sampling that fits them best: the one given, or a denser one when `free`.
    pub(super) fn new(groups: &[Group<'_>], how: Sampling, free: bool) -> (Chooser, Sampling) {
        let places =
            (groups.len() >= SOME && how.every > 0).then(|| Places::new(groups, usize::from(how.width)));
        let how = match &places {
            Some(p) if free => p.stride(groups, how),
            _ => how,
        };
        let crowd = Crowd::new(groups.len() * usize::from(how.every.max(1)));
        (Chooser { places, crowd }, how)
    }

    /// For each pattern where the first of its windows ends, and their shape.
    pub(super) fn all(mut self, groups: &[Group<'_>], how: Sampling, apart: &[usize]) -> Vec<(usize, Shape)> {
        let runs = |g: &Group<'_>| is_run(g.pat, g.caseless) || g.pat.len() == 1;
        let mut chosen = Vec::with_capacity(groups.len());
        for (i, g) in groups.iter().enumerate() {
            let strided = how.takes(g.pat.len()) && apart.binary_search(&i).is_err();
            let shape = shape(g.pat, strided.then_some(how));
            if runs(g) {
                chosen.push((g.pat.len(), shape));
                continue;
            }
            let c = (self.choose(g.pat, shape), shape);
            keys(g.pat, c).for_each(|k| self.crowd.add(k));
            chosen.push(c);
        }
        // Patterns that cannot be spread over windows share one, so that inputs made of what they have in common lead
        // to few places with tables rather than to lists everywhere; the others join them where they would like to.
        let likely = |pat: &[u8], shape| choose(pat, shape, |win| weight(rank::window_cost(win))).1;
        let mut shared = Crowd::new(groups.len() * usize::from(how.every.max(1)));
        let most = if self.places.is_some() { CROWDED_OF_MANY } else { CROWDED };
        let crowded = |g: &Group<'_>, c, by: &Crowd| keys(g.pat, c).any(|k| by.count(k) > most);
        let mut joined = false;
        for (g, c) in groups.iter().zip(&mut chosen).filter(|(g, _)| !runs(g)) {
            if crowded(g, *c, &self.crowd) {
                *c = (likely(g.pat, c.1), c.1);
                keys(g.pat, *c).for_each(|k| shared.add(k));
                joined = true;
            }
        }
        for (g, c) in groups.iter().zip(&mut chosen).filter(|(g, _)| joined && !runs(g)) {
            let best = (likely(g.pat, c.1), c.1);
            if crowded(g, best, &shared) {
                *c = best;
            }
        }
        chosen
    }

    /// Where the first of the best windows of `pat` ends.
    fn choose(&self, pat: &[u8], shape: Shape) -> usize {
        let dear = |win: &[u8]| {
            let crowd = 2 * self.crowd.count(window_key(win));
            weight(rank::window_cost(win) + crowd) + self.places.as_ref().map_or(0, |p| p.dear(win))
        };
        choose(pat, shape, dear).1
    }
}

/// The keys of a pattern's windows, by where the first ends.
fn keys(pat: &[u8], (first, (n, w)): (usize, Shape)) -> impl Iterator<Item = u32> {
    (first..first + n).map(move |end| window_key(&pat[end - w..end]))
}
