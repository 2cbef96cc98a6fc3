//! Patterns to tables: equal ones grouped, a window chosen for each, the engine chosen for all.
use super::{
    Builder, Database, IdRef, LAST_ID, Pat,
    drive::{BATCH, ONE_WORD},
    gate::Gate,
    rank,
    scan::{Engine, Strided},
    simd::{Level, alphabet::Alphabet},
    verify::{CASELESS, CLASS_AT, Entry, RUN, STRIDED, Sampling, Verifier, Window},
    windows::{self, Chooser, window_key},
};
use alloc::{vec, vec::Vec};

/// Eight bytes of `pat` to compare first, as `Entry` has them: of a longer one the least likely, the `windows` aside.
fn choose_head(pat: &[u8], caseless: bool, windows: core::ops::Range<usize>) -> (i16, u64, u64) {
    let cost = |i: usize| if windows.contains(&i) { 64 } else { u32::from(rank::BYTE[usize::from(pat[i])]) };
    let mut at = pat.len() as isize - 8;
    if at > 0 {
        let mut sum: u32 = (0..8).map(cost).sum();
        let mut best = (sum, 0);
        for at in 1..=at as usize {
            sum = sum + cost(at + 7) - cost(at - 1);
            if sum < best.0 {
                best = (sum, at);
            }
        }
        at = best.1 as isize;
    }
    let (mut head, mut mask) = ([0xff; 8], [0xff; 8]);
    for i in 0..8 {
        if let Some(&b) = usize::try_from(at + i as isize).ok().and_then(|i| pat.get(i)) {
            head[i] = b;
            mask[i] = if caseless && b.is_ascii_alphabetic() { 0x20 } else { 0 };
        }
    }
    (at as i16, u64::from_le_bytes(head), u64::from_le_bytes(mask))
}

/// How many different patterns there are of each length; of the last one or longer.
struct Census([usize; 32]);

impl Census {
    fn new(groups: &[Group<'_>]) -> Census {
        let mut c = [0; 32];
        groups.iter().for_each(|g| c[g.pat.len().min(31)] += 1);
        Census(c)
    }

    fn all(&self) -> usize {
        self.0.iter().sum()
    }

    /// Those too short for such windows.
    fn rest(&self, how: Sampling) -> usize {
        (0..32).zip(&self.0).filter(|(len, _)| !how.takes(*len)).map(|c| c.1).sum()
    }
}

/// From so many patterns on windows of four bytes are too few to tell them apart.
const MANY: usize = 20_000;

/// Windows that a filter of buckets tells apart well.
fn few(level: Level) -> usize {
    if level == Level::Avx512 { 128 } else { 48 }
}

/// Whether there are so few windows of four bytes in the language of the patterns (of addresses, of digests) that every text in it has
/// many of theirs: an eighth of them, as the bytes would have it if each stood by itself.
fn narrow(groups: &[Group<'_>]) -> bool {
    let mut counts = [0u64; 256];
    groups.iter().flat_map(|g| g.pat).for_each(|b| counts[usize::from(b | 0x20)] += 1);
    let all = counts.iter().sum::<u64>().max(1) as f64;
    // The chance that two bytes are the same. Of one or two different bytes longer windows are no better.
    let same: f64 = counts.iter().map(|n| *n as f64 / all).map(|p| p * p).sum();
    same < 0.3 && groups.len() as f64 * same * same * same * same > 0.125
}

/// Whether long patterns have hashed windows, and which: the fewer positions are looked at the faster, and the longer
/// windows are the fewer are found in vain, but patterns too short for it go into the buckets, which want to be few.
fn sampling(groups: &[Group<'_>], c: &Census, level: Level) -> Sampling {
    let few = few(level);
    if level == Level::Scalar || c.all() <= few {
        return Sampling::NONE;
    }
    let one = Sampling::new(1, 4);
    let short = c.rest(one);
    if c.all() == short {
        return Sampling::NONE;
    }
    // Of many patterns those of digits and dots (addresses), or with a common head, share windows of four bytes: longer
    // ones, however dense they must be looked for.
    if c.all() >= MANY {
        let most = few.max(c.all() / 256);
        let way = [4, 2].map(|every| Sampling::new(every, 8)).into_iter().find(|how| c.rest(*how) <= most);
        if let Some(how) = way {
            return how;
        }
    }
    if narrow(groups) {
        let way = [4, 2, 1].map(|every| Sampling::new(every, 8)).into_iter().find(|how| c.rest(*how) <= few);
        if let Some(how) = way {
            return how;
        }
    }
    // Each with the most patterns it may leave to the buckets.
    let ways = match level {
        Level::Avx512 => [((4, 8), 288), ((4, 4), few), ((2, 4), few * 3 / 4)],
        _ => [((4, 4), few + few / 2), ((2, 4), few + few / 2), ((1, 4), usize::MAX)],
    };
    (ways.into_iter().map(|((every, width), most)| (Sampling::new(every, width), most)))
        .find(|&(how, most)| c.rest(how) <= most || c.rest(how) - short <= few / 8)
        .map_or(one, |way| way.0)
}

/// Patterns long enough for hashed windows that go into the buckets all the same, with one window, because some of
/// theirs would be common: as many as the buckets take, in ascending order.
fn apart(groups: &[Group<'_>], c: &Census, how: Sampling, level: Level) -> Vec<usize> {
    // One position in 4096.
    const COMMON: u64 = 8 << 20;
    // With a stride of 1 a window is looked for as often in either place.
    if how.every < 2 {
        return Vec::new();
    }
    let mut worst: Vec<(u64, usize)> = (groups.iter().enumerate())
        .filter(|(_, g)| how.takes(g.pat.len()) && !is_run(g.pat, g.caseless))
        .map(|(i, g)| (windows::likelihood(g.pat, how), i))
        .filter(|w| w.0 >= COMMON)
        .collect();
    worst.sort_unstable_by(|a, b| b.cmp(a));
    // With AVX-512 up to 160 fit two sets of buckets; a third and a fourth cost more than they save.
    worst.truncate((few(level) * 5 / 4).saturating_sub(c.rest(how)));
    let mut apart: Vec<usize> = worst.into_iter().map(|w| w.1).collect();
    apart.sort_unstable();
    apart
}

/// The bytes of the strided windows of `groups`, where asking for them pays.
fn alphabet(
    groups: &[Group<'_>],
    chosen: &[(usize, windows::Shape)],
    how: Sampling,
    apart: &[usize],
) -> Option<Alphabet> {
    let all = groups.iter().zip(chosen).enumerate().filter(|(i, (g, _))| {
        how.takes(g.pat.len()) && apart.binary_search(i).is_err() && !is_run(g.pat, g.caseless)
    });
    Alphabet::new(how.width, all.map(|(_, (g, (first, (n, w))))| &g.pat[first - w..first + n - 1]))
}

/// One pattern of a database: of equal ones the first.
pub(super) struct Group<'a> {
    pub pat: &'a [u8],
    pub caseless: bool,
    ids: u32,
}

/// One byte repeated, and exact.
pub(super) fn is_run(pat: &[u8], caseless: bool) -> bool {
    !caseless && pat.len() > 1 && pat.iter().all(|b| *b == pat[0])
}

/// The family of runs that group `i` belongs to: its first group and how many there are.
fn family(groups: &[Group<'_>], i: usize) -> Option<(usize, usize)> {
    let of = |g: &Group<'_>| is_run(g.pat, g.caseless).then_some(g.pat[0]);
    let byte = of(&groups[i])?;
    let same = |g: &&Group<'_>| of(g) == Some(byte);
    let before = groups[..i].iter().rev().take_while(same).count();
    let after = groups[i..].iter().take_while(same).count();
    Some((i - before, before + after))
}

/// Builds for `level`; `force` is how windows are looked for instead of what fits the patterns best, for tests.
pub(super) fn build(b: &Builder, level: Level, force: Option<Sampling>) -> Database<'static> {
    build_for(b, level, force, level)
}

/// Builds what [`build`] builds for `level`, with the filters of `run`.
pub(super) fn build_for(b: &Builder, level: Level, force: Option<Sampling>, run: Level) -> Database<'static> {
    let bytes = |p: &Pat| &b.bytes[p.at as usize..p.at as usize + usize::from(p.len)];
    let mut order: Vec<u32> = (0..b.pats.len() as u32).collect();
    order.sort_by(|&x, &y| {
        let (x, y) = (&b.pats[x as usize], &b.pats[y as usize]);
        // Runs of one byte first, so that those of the same byte are neighbours.
        let key = |p: &Pat| (!is_run(bytes(p), p.caseless), p.caseless, p.id);
        let ((x_run, x_case, x_id), (y_run, y_case, y_id)) = (key(x), key(y));
        (x_run, bytes(x), x_case, x_id).cmp(&(y_run, bytes(y), y_case, y_id))
    });
    let mut groups: Vec<Group<'_>> = Vec::with_capacity(b.pats.len());
    let mut id_refs: Vec<IdRef> = Vec::with_capacity(b.pats.len());
    for &i in &order {
        let p = &b.pats[i as usize];
        let pat = bytes(p);
        let same = groups.last().is_some_and(|g| (g.pat, g.caseless) == (pat, p.caseless));
        match id_refs.last_mut() {
            // The same pattern with the same id twice is one.
            Some(l) if same && l.id == p.id => continue,
            Some(l) if same => l.dense &= !LAST_ID,
            _ => {}
        }
        if !same {
            groups.push(Group { pat, caseless: p.caseless, ids: id_refs.len() as u32 });
        }
        id_refs.push(IdRef { id: p.id, dense: LAST_ID });
    }

    let census = Census::new(&groups);
    let how = force.unwrap_or_else(|| sampling(&groups, &census, level));

    let (chooser, how) = Chooser::new(&groups, how, force.is_none());
    let apart = apart(&groups, &census, how, level);
    let chosen = chooser.all(&groups, how, &apart);
    let mut arena = Vec::new();
    let mut windows = Vec::with_capacity(groups.len() * usize::from(how.every).max(1));
    let mut entries = Vec::with_capacity(groups.len());
    let mut lens = Vec::new();
    let (mut max_tail, mut sum_tails) = (0usize, 0usize);
    for (i, g) in groups.iter().enumerate() {
        let len = g.pat.len();
        if let Some((start, n)) = family(&groups, i) {
            let (head_at, head, mask) = choose_head(g.pat, false, 0..0);
            let head_at = head_at.max(len as i16 - 8);
            let at = groups[start].ids;
            let run = (start + n - 1 - i) as u16;
            let w = groups[start].pat.len().min(4);
            let class = if how == Sampling::new(1, 4) && w == 4 { STRIDED } else { w as u32 - 1 };
            let flags = RUN | (class as u16) << CLASS_AT;
            entries.push(Entry { head, mask, at, ids: g.ids, len: len as u16, head_at, flags, run });
            // The first finds all the others.
            if i == start {
                windows.push(Window {
                    class,
                    key: window_key(&g.pat[..w]),
                    pat: i as u32,
                    pre: len as u16,
                    tail: 0,
                });
                lens.push(len);
            }
            continue;
        }
        let at = arena.len() as u32;
        if len > 8 {
            arena.extend_from_slice(g.pat);
        }
        let (first, (n, w)) = chosen[i];
        let strided = how.takes(len) && apart.binary_search(&i).is_err();
        let class = if strided { STRIDED } else { w as u32 - 1 };
        let (head_at, head, mask) = choose_head(g.pat, g.caseless, first - w..first + n - 1);
        let flags = (class as u16) << CLASS_AT | if g.caseless { CASELESS } else { 0 };
        entries.push(Entry { head, mask, at, ids: g.ids, len: len as u16, head_at, flags, run: 0 });
        if len == 1 {
            continue;
        }
        for end in first..first + n {
            let key = window_key(&g.pat[end - w..end]);
            let pre = end - w.saturating_sub(4);
            windows.push(Window { class, key, pat: i as u32, pre: pre as u16, tail: (len - pre) as u16 });
        }
        let tail = len - (first - w.saturating_sub(4));
        max_tail = max_tail.max(tail);
        sum_tails += tail;
        lens.push(len);
    }
    let longest = groups.iter().map(|g| g.pat.len()).max().unwrap_or(0) as u32;
    lens.sort_unstable();
    lens.dedup();
    let only = match &groups[..] {
        [g] if !g.caseless => Some(g.pat),
        _ => None,
    };
    let mut keys: Vec<(u32, u32)> = windows.iter().map(|w| (w.class, w.key)).collect();
    keys.sort_unstable();
    keys.dedup();
    let (distinct, marks) = mark(&mut id_refs, groups.len());
    let singles = singles(&groups, &mut id_refs);
    let bytes: Vec<u8> = (0..=255).zip(&singles).filter(|(_, s)| **s != NONE).map(|(b, _)| b).collect();
    let strided = Strided { how, alphabet: alphabet(&groups, &chosen, how, &apart) };
    let engine = Engine::choose(&keys, &bytes, only, run, strided);
    Database {
        engine,
        verify: Verifier::new(windows, entries, arena, how.more()),
        ids: id_refs.into(),
        singles: singles.into(),
        groups: groups.len() as u32,
        patterns: b.pats.len() as u32,
        distinct: distinct as u32,
        marks: marks as u32,
        pending: pending_bound(lens.len(), max_tail, sum_tails, groups.len()) as u32,
        longest,
        max_tail: max_tail as u32,
        level,
        how,
        gate: Gate::new(&groups),
    }
}

/// Gives every id its mark; returns how many different ids there are, and how many marks with those of the patterns.
fn mark(refs: &mut [IdRef], patterns: usize) -> (usize, usize) {
    // By id, then by place.
    let mut order: Vec<u32> = (0..refs.len() as u32).collect();
    order.sort_unstable_by_key(|&i| (refs[i as usize].id, i));
    let mut pattern = vec![0u32; refs.len()];
    let mut at = 0;
    for (p, r) in pattern.iter_mut().zip(&*refs) {
        *p = at;
        at += r.dense >> 31;
    }
    let ends = |i: usize| refs[i].dense & LAST_ID != 0;
    let alone: Vec<bool> = (0..refs.len()).map(|i| ends(i) && (i == 0 || ends(i - 1))).collect();
    let (mut distinct, mut marks) = (0, patterns);
    let id: Vec<u32> = refs.iter().map(|r| r.id).collect();
    for same in order.chunk_by(|&a, &b| id[a as usize] == id[b as usize]) {
        distinct += 1;
        let mark = match *same {
            [i] if alone[i as usize] => pattern[i as usize],
            _ => {
                marks += 1;
                marks as u32 - 1
            }
        };
        for &i in same {
            let r = &mut refs[i as usize];
            r.dense = r.dense & LAST_ID | mark;
        }
    }
    (distinct, marks)
}

/// No pattern of this one byte.
const NONE: u32 = u32::MAX;

/// Per byte the ids of the patterns that it is; where these are two, an exact and a caseless one, their ids are put
/// together at the end of `refs`. Empty when no pattern has one byte.
fn singles(groups: &[Group<'_>], refs: &mut Vec<IdRef>) -> Vec<u32> {
    let of_one = |b: u8| {
        groups.iter().filter(move |g| {
            g.pat.len() == 1 && (g.pat[0] == b || g.caseless && g.pat[0].eq_ignore_ascii_case(&b))
        })
    };
    if groups.iter().all(|g| g.pat.len() != 1) {
        return Vec::new();
    }
    let mut all = vec![NONE; 256];
    for b in 0..=255u8 {
        let ids: Vec<u32> = of_one(b).map(|g| g.ids).collect();
        all[usize::from(b)] = match ids[..] {
            [] => NONE,
            [one] => one,
            [..] => {
                let start = refs.len();
                for id in ids {
                    let n =
                        refs[id as usize..].iter().position(|r| r.dense & LAST_ID != 0).map_or(0, |n| n + 1);
                    for i in 0..n {
                        let r = refs[id as usize + i];
                        refs.push(IdRef { id: r.id, dense: r.dense & !LAST_ID });
                    }
                }
                if let Some(r) = refs.last_mut() {
                    r.dense |= LAST_ID;
                }
                start as u32
            }
        };
    }
    all
}

/// The most hits there can be at one time. One end offset has at most two matches of one length, an exact and a
/// caseless one, and all that wait end within the longest tail of the word looked at; and no pattern has more of
/// them than its tail and a word are long. To that comes what is allowed to collect and what is not yet compared in
/// full.
fn pending_bound(lengths: usize, max_tail: usize, sum_tails: usize, groups: usize) -> usize {
    (2 * lengths * (max_tail + 68)).min(sum_tails + 68 * groups) + BATCH + ONE_WORD
}
