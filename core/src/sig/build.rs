//! Patterns to tables: equal ones grouped, a window chosen for each, the engine chosen for all.
use super::{
    Builder, Database, IdRef, Pat, rank,
    scan::Engine,
    simd::Level,
    verify::{Entry, MASKED, Verifier, hash, word_of},
};
use alloc::{vec, vec::Vec};

/// The window of a pattern ends at most this far before the pattern's end: it bounds the order queue.
const MAX_TAIL: usize = 128;

/// The chosen windows so far, counted by hash: one that many patterns share is made dearer.
struct Crowd {
    counts: Vec<u8>,
    shift: u32,
}

impl Crowd {
    fn new(n: usize) -> Crowd {
        let bits = (n * 4).next_power_of_two().trailing_zeros().max(4);
        Crowd { counts: vec![0; 1 << bits], shift: 32 - bits }
    }

    fn slot(&mut self, key: u32) -> &mut u8 {
        &mut self.counts[(hash(key) >> self.shift) as usize]
    }
}

/// The folded window as the verifier keys it.
fn window_key(bytes: &[u8]) -> u32 {
    word_of(bytes) as u32 | (rank::FOLD >> (8 * (4 - bytes.len().min(4))))
}

/// Chooses the window of `pat`: returns where it ends.
fn choose(pat: &[u8], crowd: &mut Crowd) -> usize {
    let w = pat.len().min(4);
    let mut best = (u32::MAX, pat.len());
    // From the end, so that of equal ones the shortest tail wins.
    for end in (w..=pat.len()).rev().take(MAX_TAIL) {
        let win = &pat[end - w..end];
        let tail = (pat.len() - end) as u32;
        let cost = 8 * rank::window_cost(win) + 16 * u32::from(*crowd.slot(window_key(win))) + tail.min(15);
        if cost < best.0 {
            best = (cost, end);
        }
    }
    let n = crowd.slot(window_key(&pat[best.1 - w..best.1]));
    *n = n.saturating_add(1);
    best.1
}

pub(super) fn build(b: &Builder, level: Level) -> Database {
    let bytes = |p: &Pat| &b.bytes[p.at as usize..p.at as usize + usize::from(p.len)];
    let mut order: Vec<u32> = (0..b.pats.len() as u32).collect();
    order.sort_by(|&x, &y| {
        let (x, y) = (&b.pats[x as usize], &b.pats[y as usize]);
        (bytes(x), x.caseless, x.id).cmp(&(bytes(y), y.caseless, y.id))
    });
    let mut ids: Vec<u32> = b.pats.iter().map(|p| p.id).collect();
    ids.sort_unstable();
    ids.dedup();

    let mut crowd = Crowd::new(b.pats.len());
    let mut arena = Vec::new();
    let mut windows = Vec::with_capacity(b.pats.len());
    let mut group_ids = Vec::with_capacity(b.pats.len() + 1);
    let mut id_refs: Vec<IdRef> = Vec::with_capacity(b.pats.len());
    let mut lens = Vec::new();
    let (mut max_tail, mut sum_tails) = (0usize, 0usize);
    let mut last: Option<&Pat> = None;
    for &i in &order {
        let p = &b.pats[i as usize];
        let pat = bytes(p);
        let same = last.is_some_and(|l| (bytes(l), l.caseless) == (pat, p.caseless));
        // The same pattern with the same id twice is one.
        if same && last.is_some_and(|l| l.id == p.id) {
            continue;
        }
        last = Some(p);
        let dense = ids.partition_point(|&x| x < p.id) as u32;
        if !same {
            let group = group_ids.len() as u32;
            group_ids.push(id_refs.len() as u32);
            let end = choose(pat, &mut crowd);
            let w = pat.len().min(4);
            let head_at = if pat.len() > 8 { end.saturating_sub(8).min(pat.len() - 8) } else { 0 };
            let head_end = pat.len().min(head_at + 8);
            let mask: Vec<u8> =
                pat.iter().map(|c| if p.caseless && c.is_ascii_alphabetic() { 0x20 } else { 0 }).collect();
            let e = Entry {
                head: word_of(&pat[head_at..head_end]),
                head_mask: word_of(&mask[head_at..head_end]),
                at: arena.len() as u32,
                group,
                len: p.len,
                pre: end as u16,
                head_at: head_at as u16,
                flags: if p.caseless { MASKED } else { 0 },
            };
            if pat.len() > 8 {
                arena.extend_from_slice(pat);
                if p.caseless {
                    arena.extend_from_slice(&mask);
                }
            }
            windows.push((w as u32, window_key(&pat[end - w..end]), e));
            max_tail = max_tail.max(pat.len() - end);
            sum_tails += pat.len() - end + 1;
            lens.push(p.len);
        }
        id_refs.push(IdRef { id: p.id, dense });
    }
    group_ids.push(id_refs.len() as u32);
    lens.sort_unstable();
    lens.dedup();
    let single = match (group_ids.len(), order.first()) {
        (2, Some(&i)) if !b.pats[i as usize].caseless => Some(bytes(&b.pats[i as usize])),
        _ => None,
    };
    let verify = Verifier::new(windows, arena);
    let engine = Engine::choose(&verify, single, level);
    Database {
        engine,
        verify,
        group_ids: group_ids.into(),
        ids: id_refs.into(),
        patterns: b.pats.len() as u32,
        distinct: ids.len() as u32,
        pending: pending_bound(lens.len(), max_tail, sum_tails) as u32,
    }
}

/// The most matches that can wait at one time. One end offset has at most two matches of one length, an exact and
/// a caseless one, and all that wait end within the longest tail; and no pattern waits more often than its tail is
/// long. Nothing waits when all tails are empty.
fn pending_bound(lengths: usize, max_tail: usize, sum_tails: usize) -> usize {
    if max_tail == 0 { 0 } else { (2 * lengths * (max_tail + 1)).min(sum_tails) }
}
