//! The drive: block by block, filters give candidates, the verifier gives matches, matches go out in order.
//!
//! A block is up to 1536 positions, a packet of full size. Everything is done for the whole block before the next thing
//! is begun: all filters; the list of all candidates; the shorter list of those whose windows are there; the matches.
//! So loops run long and few branches depend on the bytes. Windows lie anywhere in their patterns, so matches are found
//! up to a tail before their end: those that end beyond the block wait in `hits`.
use super::{
    Database, IdRef, LAST_ID, Scratch, Work,
    scan::{Engine, Filters},
    simd::{
        HEAD, WORDS,
        list::{self, Found, SLACK},
        words,
    },
    verify::{CLASSES, PAT_BITS, RUN, Seen, Text, word_of},
};
use alloc::{vec, vec::Vec};

/// Survivors that are compared together.
pub(super) const BATCH: usize = 256;
/// Survivors of one word of 64 positions.
pub(super) const ONE_WORD: usize = (64 + HEAD) * CLASSES;

/// The lists of a block. Their room is fixed by the database; see [`Lists::reserve`].
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    /// Words of filters, and of the set of single bytes.
    found: Found,
    bytes: Found,
    /// Candidates: class code and position from the start of the block.
    items: Vec<u32>,
    /// Survivors: what their slots say, with the position.
    alive: Vec<u64>,
    /// Positions of patterns of one byte.
    singles: Vec<u32>,
    /// What the verifier needs for a batch of survivors.
    rest: Vec<u64>,
    /// Matches, `end << PAT_BITS | pattern`.
    hits: Vec<u64>,
}

impl Lists {
    /// Whether there is room for a database with as many classes, and as many waiting matches.
    #[inline(always)]
    pub(super) fn fit(&self, classes: usize, pending: usize) -> bool {
        self.items.len() >= 64 * WORDS * classes + SLACK && self.hits.len() >= pending
    }

    /// Makes that room.
    pub(super) fn reserve(&mut self, classes: usize, pending: usize) {
        let items = 64 * WORDS * classes + SLACK;
        if self.items.len() < items {
            self.items = vec![0; items];
            self.alive = vec![0; items + 2 * CLASSES];
        }
        if self.singles.is_empty() {
            self.singles = vec![0; 64 * WORDS + SLACK + HEAD];
            self.rest = vec![0; 3 * (BATCH + ONE_WORD)];
        }
        if self.hits.len() < pending {
            self.hits = vec![0; pending];
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        4 * (self.items.capacity() + self.singles.capacity())
            + 8 * (self.alive.capacity() + self.rest.capacity() + self.hits.capacity())
    }
}

/// What [`Database::gather`] found: words looked at, survivors, single bytes.
struct Block {
    words: usize,
    alive: usize,
    singles: usize,
}

impl Block {
    /// The block of `view` at word `first`, with nothing in it.
    fn passed_over(view: &[u8], first: usize) -> Block {
        Block { words: words(view.len()).saturating_sub(first).min(WORDS), alive: 0, singles: 0 }
    }
}

/// What `scan_once` has reported.
struct Once<'a> {
    marks: &'a mut [u16],
    epoch: u16,
    left: usize,
    bytes: [u64; 4],
}

impl Database<'_> {
    /// Filters and the list of survivors for the block that starts at word `first` of `view`, which is the text from
    /// `skip` on.
    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    fn gather(
        &self,
        f: &Filters,
        view: &[u8],
        text: Text<'_>,
        skip: usize,
        first: usize,
        lists: &mut Lists,
        work: &mut Work,
    ) -> Block {
        let mut b = Block::passed_over(view, first);
        if skip + first == 0 && (f.short != 0 || !self.singles.is_empty()) {
            self.start(f, text, lists, &mut b);
        }
        if b.words > 0 {
            let (n, ns) = f.block(view, first, &mut lists.found, &mut lists.bytes);
            if ns > 0 {
                let out = lists.singles.get_mut(b.singles..).unwrap_or_default();
                b.singles += list::items(f.level, &lists.bytes, ns, out);
            }
            if n > 0 {
                let n = list::items(f.level, &lists.found, n, &mut lists.items);
                work.candidates += n as u64;
                let base = skip + 64 * first;
                let n = self.verify.sift(text, base, lists.items.get_mut(..n).unwrap_or_default());
                let items = lists.items.get(..n).unwrap_or_default();
                b.alive = self.verify.narrow(text, skip + 64 * first, items, &mut lists.alive, b.alive);
            }
        }
        b
    }

    /// What ends in the first three bytes, where no filter looks.
    #[inline(always)]
    fn start(&self, f: &Filters, text: Text<'_>, lists: &mut Lists, b: &mut Block) {
        if f.short != 0 {
            let [x, y, z] =
                [0, 1, 2].map(|i| u32::from(text.bytes.get(i).copied().unwrap_or_default() | 0x20));
            // What lies behind a short text only passes in vain.
            let classes = [(1, f.may(x | y << 8) | f.may(y | z << 8)), (2, f.may(x | y << 8 | z << 16))];
            for (c, may) in classes {
                if may && f.short >> c & 1 != 0 {
                    b.alive = self.verify.first(text, c, &mut lists.alive, b.alive);
                }
            }
        }
        if !self.singles.is_empty() {
            for (i, &c) in text.bytes.iter().enumerate().take(text.len.min(HEAD)) {
                if f.has(c) {
                    lists.singles[b.singles] = i as u32 + 1;
                    b.singles += 1;
                }
            }
        }
    }

    /// Calls `on_match` for every match that ends behind `from` in order of its end, or for the first one of each id,
    /// until it says `false`. `Single` never gets here.
    #[inline(always)]
    fn run(
        &self,
        hay: &[u8],
        from: usize,
        lists: &mut Lists,
        mut once: Option<Once<'_>>,
        work: &mut Work,
        mut on_match: impl FnMut(&IdRef, usize) -> bool,
    ) {
        let Engine::Filters(f) = &self.engine else { return };
        let mut short = [0u8; 8];
        let bytes = match hay.len() {
            8.. => hay,
            n => {
                short[..n].copy_from_slice(hay);
                &short[..]
            }
        };
        let text = Text { bytes, len: hay.len() };
        // Windows of what ends behind `from` end there or later.
        let skip = (from + 1).saturating_sub(self.max_tail as usize + HEAD + 1);
        let view = hay.get(skip..).unwrap_or_default();
        let total = words(view.len());
        let (mut first, mut waiting, mut most) = (0, 0, BATCH);
        let mut gates = self.gate.as_ref().map(|g| g.on(hay));
        loop {
            let base = skip + 64 * first;
            let b = if gates.as_mut().is_none_or(|g| g.open(base, base + 64 * WORDS + HEAD)) {
                self.gather(f, view, text, skip, first, lists, work)
            } else {
                Block::passed_over(view, first)
            };
            first += b.words;
            let last = first >= total;
            let (mut taken, mut told) = (0, 0);
            loop {
                if taken < b.alive {
                    let seen = once.as_ref().map(|o| Seen { marks: o.marks, epoch: o.epoch });
                    let Lists { alive, rest, hits, .. } = &mut *lists;
                    let alive = alive.get(taken..b.alive).unwrap_or_default();
                    let mut these = batch(alive, most);
                    let mut verify = |alive: &[u64], work: &mut Work| {
                        self.verify.verify(text, base, alive, seen, rest, hits, waiting, work)
                    };
                    waiting = match verify(these, work) {
                        Some(n) => n,
                        // The room is for all matches of one word, at least.
                        None => {
                            most = 1;
                            these = batch(alive, most);
                            verify(these, work).unwrap_or(waiting)
                        }
                    };
                    taken += these.len();
                }
                // All that ends here or before has been found.
                let limit = match lists.alive.get(taken) {
                    Some(&a) if taken < b.alive => base + HEAD + 64 * word_of(a),
                    _ if last => usize::MAX,
                    _ => skip + 64 * first + HEAD,
                };
                if waiting + b.singles == told {
                    if taken >= b.alive {
                        break;
                    }
                    continue;
                }
                let singles = lists.singles.get(..b.singles).unwrap_or_default();
                let hits = lists.hits.get_mut(..waiting).unwrap_or_default();
                let report = Report { base, from, limit, hay };
                let Some((hits, n)) = self.report(
                    &report,
                    hits,
                    singles.get(told..).unwrap_or_default(),
                    &mut once,
                    &mut on_match,
                ) else {
                    return;
                };
                told += n;
                work.matches += (hits + n) as u64;
                lists.hits.copy_within(hits..waiting, 0);
                waiting -= hits;
                if taken >= b.alive {
                    break;
                }
            }
            if last {
                return;
            }
        }
    }

    /// Reports what ends by the limit; returns how many hits and how many single bytes that were.
    #[inline(always)]
    fn report(
        &self,
        r: &Report<'_>,
        hits: &mut [u64],
        singles: &[u32],
        once: &mut Option<Once<'_>>,
        on_match: &mut impl FnMut(&IdRef, usize) -> bool,
    ) -> Option<(usize, usize)> {
        let mut told = 0;
        if hits.len() > 1 {
            hits.sort_unstable();
        }
        let mut n = 0;
        for &h in &*hits {
            let end = (h >> PAT_BITS) as usize;
            if end > r.limit {
                break;
            }
            while let Some(&s) = singles.get(told)
                && r.base + s as usize <= end
            {
                self.tell_byte(r, s, once, on_match)?;
                told += 1;
            }
            let pat = (h & ((1 << PAT_BITS) - 1)) as usize;
            n += 1;
            if end <= r.from {
                continue;
            }
            let e = self.verify.entries.get(pat)?;
            // Of a run all shorter ones of its family end here too.
            let first = if e.flags & RUN != 0 { e.at } else { e.ids };
            match once {
                None => self.tell(first, e.ids, end, on_match)?,
                Some(o) => {
                    if o.marks[pat] != o.epoch {
                        self.tell_once(first, e.ids, end, o, on_match)?;
                        o.marks[pat] = o.epoch;
                    }
                }
            }
        }
        while let Some(&s) = singles.get(told)
            && r.base + s as usize <= r.limit
        {
            self.tell_byte(r, s, once, on_match)?;
            told += 1;
        }
        Some((n, told))
    }

    /// Reports the patterns of one byte that end at position `at` of the block.
    #[inline(always)]
    fn tell_byte(
        &self,
        r: &Report<'_>,
        at: u32,
        once: &mut Option<Once<'_>>,
        on_match: &mut impl FnMut(&IdRef, usize) -> bool,
    ) -> Option<()> {
        let end = r.base + at as usize;
        if end <= r.from {
            return Some(());
        }
        let b = *r.hay.get(end.wrapping_sub(1))?;
        let ids = *self.singles.get(usize::from(b))?;
        match once {
            None => self.tell(ids, ids, end, on_match),
            Some(o) => {
                let (w, bit) = (usize::from(b >> 6), 1u64 << (b & 63));
                if o.bytes[w] & bit != 0 {
                    return Some(());
                }
                o.bytes[w] |= bit;
                self.tell_once(ids, ids, end, o, on_match)
            }
        }
    }

    /// All ids from `first` to the last of the pattern whose ids start at `ids`.
    #[inline(always)]
    fn ids_of(&self, first: u32, ids: u32) -> impl Iterator<Item = &IdRef> {
        let mut more = true;
        let before = (ids - first) as usize;
        let of = self.ids.get(first as usize..).unwrap_or_default();
        of.iter()
            .enumerate()
            .take_while(move |(i, r)| {
                let this = more;
                more = *i < before || r.dense & LAST_ID == 0;
                this
            })
            .map(|x| x.1)
    }

    #[inline(always)]
    fn tell(
        &self,
        first: u32,
        ids: u32,
        end: usize,
        on_match: &mut impl FnMut(&IdRef, usize) -> bool,
    ) -> Option<()> {
        // Most patterns have one id.
        match self.ids.get(first as usize) {
            Some(r) if first == ids && r.dense & LAST_ID != 0 => on_match(r, end).then_some(()),
            _ => self.ids_of(first, ids).all(|r| on_match(r, end)).then_some(()),
        }
    }

    #[inline(always)]
    fn tell_once(
        &self,
        first: u32,
        ids: u32,
        end: usize,
        o: &mut Once<'_>,
        on_match: &mut impl FnMut(&IdRef, usize) -> bool,
    ) -> Option<()> {
        for r in self.ids_of(first, ids) {
            let mark = o.marks.get_mut((r.dense & !LAST_ID) as usize)?;
            if *mark != o.epoch {
                *mark = o.epoch;
                o.left -= 1;
                if !on_match(r, end) {
                    return None;
                }
            }
        }
        (o.left != 0).then_some(())
    }

    /// Reports every match that ends behind `from`.
    pub(super) fn scan_all(
        &self,
        hay: &[u8],
        from: usize,
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        if let Engine::Single(f) = &self.engine {
            let mut at = (from + 1).saturating_sub(f.needle().len());
            while let Some(hit) = hay.get(at..).and_then(|h| f.find(h)) {
                let mut on = |r: &IdRef, end| on_match(r.id, end);
                if self.tell(0, 0, at + hit + f.needle().len(), &mut on).is_none() {
                    return;
                }
                at += hit + 1;
            }
            return;
        }
        self.ready(scratch);
        self.run(hay, from, &mut scratch.lists, None, &mut Work::default(), |r, end| on_match(r.id, end));
    }

    /// Reports the first match of each id.
    pub(super) fn scan_each(
        &self,
        hay: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        if let Engine::Single(f) = &self.engine {
            if let Some(at) = f.find(hay) {
                self.tell(0, 0, at + f.needle().len(), &mut |r: &IdRef, end| on_match(r.id, end));
            }
            return;
        }
        self.ready(scratch);
        let epoch = scratch.next_epoch();
        let once = Once { marks: &mut scratch.seen, epoch, left: self.distinct as usize, bytes: [0; 4] };
        self.run(hay, 0, &mut scratch.lists, Some(once), &mut Work::default(), |r, end| on_match(r.id, end));
    }

    /// Reports the first match that ends behind `from` of each id whose mark has no bit in `told`, and sets it.
    pub(super) fn scan_rest(
        &self,
        hay: &[u8],
        from: usize,
        told: &mut [u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        let has = |told: &[u8], mark: usize| told.get(mark / 8).is_some_and(|b| b >> (mark % 8) & 1 != 0);
        let mut on = |told: &mut [u8], r: &IdRef, end| {
            let mark = (r.dense & !LAST_ID) as usize;
            if let Some(b) = told.get_mut(mark / 8) {
                *b |= 1 << (mark % 8);
            }
            on_match(r.id, end)
        };
        if let Engine::Single(f) = &self.engine {
            let at = (from + 1).saturating_sub(f.needle().len());
            if let Some(hit) = hay.get(at..).and_then(|h| f.find(h)) {
                for r in self.ids_of(0, 0) {
                    if !has(told, (r.dense & !LAST_ID) as usize) && !on(told, r, at + hit + f.needle().len())
                    {
                        return;
                    }
                }
            }
            return;
        }
        self.ready(scratch);
        let epoch = scratch.next_epoch();
        let mut left = self.distinct as usize;
        // Most words of a long row of bits are 0.
        for (bits, marks) in told.chunks(8).zip(scratch.seen.chunks_mut(64)) {
            let mut word = [0; 8];
            word[..bits.len()].copy_from_slice(bits);
            let mut bits = u64::from_le_bytes(word);
            while bits != 0 {
                if let Some(m) = marks.get_mut(bits.trailing_zeros() as usize) {
                    *m = epoch;
                }
                left = left.saturating_sub(1);
                bits &= bits - 1;
            }
        }
        if left == 0 {
            return;
        }
        let once = Once { marks: &mut scratch.seen, epoch, left, bytes: [0; 4] };
        self.run(hay, from, &mut scratch.lists, Some(once), &mut Work::default(), |r, end| on(told, r, end));
    }

    /// Counts the work of [`Database::scan`] on `hay`, for tests and tuning.
    #[must_use]
    pub fn work(&self, hay: &[u8]) -> Work {
        let mut work = Work::default();
        let mut scratch = Scratch::for_databases([self]);
        self.run(hay, 0, &mut scratch.lists, None, &mut work, |_, _| true);
        work
    }
}

/// The first of `alive`, whole words of 64 positions: as many as `most` allows, but one word at least.
fn batch(alive: &[u64], most: usize) -> &[u64] {
    if alive.len() <= most {
        return alive;
    }
    let first = alive.first().map_or(0, |&a| word_of(a));
    let over = alive.get(most).map_or(0, |&a| word_of(a));
    let n = if over > first {
        alive.partition_point(|&a| word_of(a) < over)
    } else {
        alive.partition_point(|&a| word_of(a) <= first)
    };
    alive.get(..n).unwrap_or(alive)
}

/// What [`Database::report`] reports on.
struct Report<'a> {
    base: usize,
    /// What ends here or before is not reported.
    from: usize,
    limit: usize,
    hay: &'a [u8],
}
