//! The drive: an engine finds candidates, the verifier says what matches there, two report modes.
use super::{
    Database, LAST_ID, Scratch,
    queue::Queue,
    simd::{
        HEAD, Level, WORDS,
        gram::Gram,
        teddy::Teddy,
        vbmi,
        vbmi::{Bytes, Pairs},
        words,
    },
    verify::{CLASSES, STRIDED, Verifier, hash, key_of, width},
};
use alloc::{boxed::Box, string::String, vec, vec::Vec};

/// How candidates are found.
pub(super) enum Engine {
    /// No patterns.
    Empty,
    /// One exact pattern.
    Single(memchr::memmem::Finder<'static>),
    /// Byte by byte, on any machine: the oracle of the others.
    Scalar(Scalar),
    /// Vector filters, together for all windows.
    Vector(Box<[Part]>, Level),
}

/// A filter and the classes of windows it finds the candidates of.
#[derive(Debug)]
pub(super) struct Part {
    filter: Filter,
    classes: u32,
}

#[derive(Debug)]
enum Filter {
    Buckets(Teddy),
    Pairs(Pairs),
    Bytes(Bytes),
    Hashed(Gram),
}

/// Parts of an engine, at most: hashed windows, single bytes, buckets for windows of 4 bytes, for shorter ones.
const PARTS: usize = 4;
/// More windows of 4 bytes than this are kept apart from shorter ones.
const APART: usize = 24;

impl Part {
    fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        match &self.filter {
            Filter::Buckets(f) => f.fill(hay, first, masks),
            Filter::Pairs(f) => f.fill(hay, first, masks),
            Filter::Bytes(f) => f.fill(hay, first, masks),
            Filter::Hashed(f) => f.fill(hay, first, masks),
        }
    }

    fn memory_bytes(&self) -> usize {
        core::mem::size_of::<Part>()
            + match &self.filter {
                Filter::Buckets(f) => f.memory_bytes(),
                Filter::Pairs(f) => f.memory_bytes(),
                Filter::Bytes(f) => f.memory_bytes(),
                Filter::Hashed(f) => f.memory_bytes(),
            }
    }

    fn describe(&self) -> String {
        match &self.filter {
            Filter::Buckets(f) => f.describe(),
            Filter::Pairs(f) => f.describe(),
            Filter::Bytes(_) => "a byte set".into(),
            Filter::Hashed(f) => f.describe(),
        }
    }
}

/// A bitmap over the last byte of windows, then one over the hash of each width.
#[derive(Debug)]
pub(super) struct Scalar {
    /// Per byte: bit `c` when a window of class `c` may end with it.
    last: Box<[u8; 256]>,
    /// Per class: bits by hash, and the shift that gives the bit.
    bits: [(Box<[u64]>, u32); CLASSES],
}

impl Scalar {
    fn new(v: &Verifier) -> Scalar {
        let mut last = Box::new([0u8; 256]);
        let mut n = [0usize; CLASSES];
        for (c, _) in v.all_keys() {
            n[c as usize] += 1;
        }
        let mut bits = n.map(|n| {
            // One bit in 16 set, or fewer.
            let log = (n * 16).next_power_of_two().trailing_zeros().clamp(6, 22);
            (vec![0u64; if n == 0 { 0 } else { 1 << (log - 6) }].into_boxed_slice(), 32 - log)
        });
        for (c, key) in v.all_keys() {
            let top = (key >> (8 * (width(c) - 1))) as u8;
            last[usize::from(top)] |= 1 << c;
            last[usize::from(top & !0x20)] |= 1 << c;
            let (map, shift) = &mut bits[c as usize];
            let h = hash(key) >> *shift;
            map[(h >> 6) as usize] |= 1 << (h & 63);
        }
        Scalar { last, bits }
    }

    #[inline(always)]
    fn run(&self, hay: &[u8], mut candidate: impl FnMut(usize) -> bool) {
        let mut word = 0u32;
        for (i, &b) in hay.iter().enumerate() {
            word = word >> 8 | u32::from(b | 0x20) << 24;
            let mut m = self.last[usize::from(b)];
            while m != 0 {
                let c = m.trailing_zeros();
                m &= m - 1;
                let (map, shift) = &self.bits[c as usize];
                let h = hash(key_of(word, width(c))) >> shift;
                if map.get((h >> 6) as usize).is_some_and(|x| x >> (h & 63) & 1 != 0) {
                    if !candidate(i + 1) {
                        return;
                    }
                    break;
                }
            }
        }
    }
}

impl Engine {
    /// The engine for the windows of `v`; `single` is the only pattern, if there is one and it is exact; `stride` is
    /// that of the windows of class `STRIDED`.
    pub(super) fn choose(v: &Verifier, single: Option<&[u8]>, level: Level, stride: usize) -> Engine {
        if v.keys() == 0 {
            return Engine::Empty;
        }
        if level == Level::Scalar {
            return match single {
                Some(p) => Engine::Single(memchr::memmem::Finder::new(p).into_owned()),
                None => Engine::Scalar(Scalar::new(v)),
            };
        }
        let mut parts = Vec::with_capacity(PARTS);
        let (hashed, few): (Vec<_>, Vec<_>) = v.all_keys().partition(|k| k.0 == STRIDED);
        if !hashed.is_empty() {
            let grams = Gram::new(hashed.iter().map(|k| k.1), hashed.len(), stride, level);
            parts.push(Part { filter: Filter::Hashed(grams), classes: 1 << STRIDED });
        }
        let (single, few): (Vec<_>, Vec<_>) = few.into_iter().partition(|k| level == vbmi::LEVEL && k.0 == 0);
        if !single.is_empty() {
            parts.push(Part { filter: Filter::Bytes(Bytes::new(&single)), classes: 1 });
        }
        let four = few.iter().filter(|k| k.0 == 3).count();
        let (four, few): (Vec<_>, Vec<_>) =
            few.into_iter().partition(|k| k.0 == 3 && four > APART && level == vbmi::LEVEL);
        for few in [four, few].into_iter().filter(|k| !k.is_empty()) {
            let classes = few.iter().fold(0, |all, k| all | 1 << k.0);
            let filter = match level == vbmi::LEVEL {
                true => Filter::Pairs(Pairs::new(&few)),
                false => Filter::Buckets(Teddy::new(&few, level)),
            };
            parts.push(Part { filter, classes });
        }
        Engine::Vector(parts.into(), level)
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Engine::Empty => "empty".into(),
            Engine::Single(f) => {
                alloc::format!("single: memmem, one exact pattern of {} bytes", f.needle().len())
            }
            Engine::Scalar(_) => "scalar: last byte and hashed windows".into(),
            Engine::Vector(parts, l) => {
                let parts: Vec<String> = parts.iter().map(Part::describe).collect();
                alloc::format!("{}: {}", l.name(), parts.join("; "))
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Engine::Empty => 0,
            Engine::Single(f) => f.needle().len(),
            Engine::Scalar(s) => {
                256 + s.bits.iter().map(|(b, _)| core::mem::size_of_val(&**b)).sum::<usize>()
            }
            Engine::Vector(parts, _) => parts.iter().map(Part::memory_bytes).sum(),
        }
    }
}

/// What a scan of one input costs, counted rather than timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Positions that passed the filter, each of them a lookup for every window width it may have.
    pub candidates: u64,
    /// Windows compared because their four bytes (or fewer) were there.
    pub compared: u64,
    /// Of these, in full rather than by 8 bytes.
    pub full: u64,
    /// Matches, equal patterns counted once.
    pub matches: u64,
}

impl Database {
    /// Counts the work of [`Database::scan`] on `hay`, for tests and tuning.
    #[must_use]
    pub fn work(&self, hay: &[u8]) -> Work {
        let mut work = Work::default();
        self.candidates(hay, |end, widths| {
            work.candidates += 1;
            self.verify.count(hay, end, widths, &mut work);
            true
        });
        work
    }

    /// Calls `candidate(end, classes)` for window ends in ascending order until it says `false`. `Single` never gets
    /// here.
    #[inline(always)]
    fn candidates(&self, hay: &[u8], mut candidate: impl FnMut(usize, u32) -> bool) {
        let used = self.verify.used();
        let parts = match &self.engine {
            Engine::Empty | Engine::Single(_) => return,
            Engine::Scalar(s) => return s.run(hay, |end| candidate(end, used)),
            Engine::Vector(parts, _) => &parts[..],
        };
        let short = used & 0b111;
        if short != 0 && !(1..=hay.len().min(HEAD)).all(|end| candidate(end, short)) {
            return;
        }
        let total = words(hay.len());
        let mut masks = [[0u64; WORDS]; PARTS];
        let mut first = 0;
        while first < total {
            let mut n = 0;
            for (p, m) in parts.iter().zip(&mut masks) {
                n = p.fill(hay, first, m);
            }
            for i in 0..n {
                let passed = masks.iter().take(parts.len()).fold(0, |all, m| all | m[i]);
                if passed == 0 {
                    continue;
                }
                let end = HEAD + 64 * (first + i) + 1;
                // By class what is left of the candidates; single bytes are looked for exactly.
                let mut kept = [0u64; CLASSES];
                let mut any = 0;
                for (p, m) in parts.iter().zip(&masks) {
                    let mut classes = p.classes;
                    while classes != 0 {
                        let c = classes.trailing_zeros();
                        classes &= classes - 1;
                        let k = if c == 0 { m[i] } else { self.verify.refine(hay, end, c, m[i]) };
                        kept[c as usize] = k;
                        any |= k;
                    }
                }
                while any != 0 {
                    let at = any.trailing_zeros();
                    any &= any - 1;
                    let classes =
                        kept.iter().zip(0..).fold(0, |all, (k, c)| all | ((k >> at & 1) as u32) << c);
                    if !candidate(end + at as usize, classes) {
                        return;
                    }
                }
            }
            first += n.max(1);
        }
    }

    /// Reports all ids of a pattern.
    #[inline(always)]
    fn emit(&self, ids: u32, end: usize, on_match: &mut impl FnMut(u32, usize) -> bool) -> bool {
        for r in self.ids.get(ids as usize..).unwrap_or_default() {
            if !on_match(r.id, end) {
                return false;
            }
            if r.dense & LAST_ID != 0 {
                break;
            }
        }
        true
    }

    pub(super) fn scan_all(
        &self,
        hay: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        if let Engine::Single(f) = &self.engine {
            let mut from = 0;
            while let Some(at) = hay.get(from..).and_then(|h| f.find(h)) {
                if !self.emit(0, from + at + f.needle().len(), &mut on_match) {
                    return;
                }
                from += at + 1;
            }
            return;
        }
        if self.pending == 0 {
            self.candidates(hay, |end, w| {
                self.verify.candidate(hay, end, w, |g, at| self.emit(g, at, &mut on_match))
            });
            return;
        }
        let queue: &mut Queue = &mut scratch.queue;
        queue.reserve(self.pending as usize);
        queue.clear();
        let mut go = true;
        self.candidates(hay, |end, w| {
            // What a candidate gives ends at it or later, so all that ends by here is in order now.
            while let Some((at, g)) = queue.pop(end) {
                go = go && self.emit(g, at, &mut on_match);
            }
            go = go
                && self.verify.candidate(hay, end, w, |g, at| {
                    if at == end {
                        self.emit(g, at, &mut on_match)
                    } else {
                        queue.push(at, g);
                        true
                    }
                });
            go
        });
        while let Some((at, g)) = queue.pop(usize::MAX) {
            go = go && self.emit(g, at, &mut on_match);
        }
    }

    pub(super) fn scan_each(
        &self,
        hay: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, usize) -> bool,
    ) {
        if let Engine::Single(f) = &self.engine {
            if let Some(at) = f.find(hay) {
                self.emit(0, at + f.needle().len(), &mut on_match);
            }
            return;
        }
        let ids = self.distinct as usize;
        if scratch.seen.len() < ids {
            scratch.seen.resize(ids, 0);
        }
        let epoch = scratch.next_epoch();
        let Some(seen) = scratch.seen.get_mut(..ids) else { return };
        let mut left = ids;
        self.candidates(hay, |end, w| {
            self.verify.candidate(hay, end, w, |g, at| {
                for r in self.ids.get(g as usize..).unwrap_or_default() {
                    if let Some(s) = seen.get_mut((r.dense & !LAST_ID) as usize)
                        && *s != epoch
                    {
                        *s = epoch;
                        left -= 1;
                        if !on_match(r.id, at) {
                            return false;
                        }
                    }
                    if r.dense & LAST_ID != 0 {
                        break;
                    }
                }
                left != 0
            })
        });
    }
}
