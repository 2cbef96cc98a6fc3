//! The engine of a database: which filters it has, and what they are called.
use super::{
    simd::{
        HEAD, Level, WORDS, alphabet::Alphabet, gram::Gram, list::Found, nibbles::Nibbles, set::Bytes, vbmi,
        vbmi::Fused, words,
    },
    verify::{CLASSES, STRIDED, Sampling, code, hash, mixed, width},
};
use alloc::{boxed::Box, string::String, vec, vec::Vec};

/// What is known of the windows of class `STRIDED`: how they are looked for, and their bytes where those are few.
pub(super) struct Strided {
    pub how: Sampling,
    pub alphabet: Option<Alphabet>,
}

/// How candidates are found.
#[allow(clippy::large_enum_variant)] // One for each database, and read at every scan.
pub(super) enum Engine {
    /// No patterns.
    Empty,
    /// One exact pattern.
    Single(memchr::memmem::Finder<'static>),
    /// Filters, together for all windows.
    Filters(Filters),
}

/// The filters of a database.
#[derive(Debug)]
pub(super) struct Filters {
    pub level: Level,
    all: All,
    /// Bit `c` for each class of windows.
    pub classes: u32,
    /// Bit `c` for each class of windows of 2 and 3 bytes.
    pub short: u32,
    /// A bit for the top eight of the hash of each of their keys.
    keys: [u64; 4],
}

#[derive(Debug)]
enum All {
    /// One after the other, without vectors.
    Parts(Parts),
    /// In one pass, tables of 128 bytes.
    Fused(Box<Fused>),
    /// In one pass, tables of 16 bytes.
    Nibbles(Box<Nibbles>),
}

#[derive(Debug)]
struct Parts {
    /// Patterns of one byte: what is found matches.
    single: Option<Bytes>,
    /// The others, and the class of windows that each looks for.
    parts: Box<[(Scalar, u32)]>,
}

impl Filters {
    /// Whether the folded two or three bytes `key` may be a window.
    #[inline(always)]
    pub(super) fn may(&self, key: u32) -> bool {
        let h = hash(key) >> 24;
        self.keys[(h >> 6) as usize] >> (h & 63) & 1 != 0
    }

    /// Whether a pattern of one byte is `b`.
    #[inline]
    pub(super) fn has(&self, b: u8) -> bool {
        match &self.all {
            All::Parts(p) => p.single.as_ref().is_some_and(|s| s.has(b)),
            All::Fused(f) => f.has(b),
            All::Nibbles(f) => f.has(b),
        }
    }

    /// The words that are not 0 of the block at word `first`, in order: of windows in `found`, of single bytes in
    /// `single`. Returns how many there are of each.
    #[inline(always)]
    pub(super) fn block(
        &self,
        hay: &[u8],
        first: usize,
        found: &mut Found,
        single: &mut Found,
    ) -> (usize, usize) {
        match &self.all {
            All::Fused(f) => f.block(hay, first, found, single),
            All::Nibbles(f) => f.block(hay, first, found, single),
            All::Parts(p) => p.block(hay, first, found, single),
        }
    }

    fn describe(&self) -> String {
        let parts = match &self.all {
            All::Fused(f) => f.describe(),
            All::Nibbles(f) => f.describe(),
            All::Parts(p) => {
                let single = p.single.iter().map(|_| "a byte set".into());
                let parts: Vec<String> = p.parts.iter().map(|p| p.0.describe()).chain(single).collect();
                parts.join("; ")
            }
        };
        alloc::format!("{}: {parts}", self.level.name())
    }

    fn memory_bytes(&self) -> usize {
        match &self.all {
            All::Fused(f) => f.memory_bytes(),
            All::Nibbles(f) => f.memory_bytes(),
            All::Parts(p) => {
                p.parts.iter().map(|p| p.0.memory_bytes()).sum::<usize>()
                    + p.single.as_ref().map_or(0, Bytes::memory_bytes)
            }
        }
    }
}

impl Parts {
    #[inline(never)]
    fn block(&self, hay: &[u8], first: usize, found: &mut Found, single: &mut Found) -> (usize, usize) {
        let n = words(hay.len()).saturating_sub(first).min(WORDS);
        let mut masks = [[0u64; WORDS]; CLASSES];
        if let Some(s) = &self.single {
            s.fill(hay, first, &mut masks[0]);
        }
        for (p, m) in self.parts.iter().zip(&mut masks[1..]) {
            p.0.fill(hay, first, m);
        }
        let (mut k, mut ks) = (0, 0);
        for i in 0..n {
            let at = (HEAD + 1 + 64 * i) as u32;
            (single.mask[ks], single.at[ks]) = (masks[0][i], at);
            ks += usize::from(masks[0][i] != 0);
            for ((_, class), m) in self.parts.iter().zip(&masks[1..]) {
                (found.mask[k], found.at[k]) = (m[i], at | code(*class));
                k += usize::from(m[i] != 0);
            }
        }
        (k, ks)
    }
}

/// On any machine, the oracle of the others: a bitmap over the hash of the windows of one class.
#[derive(Debug)]
pub(super) struct Scalar {
    width: u32,
    /// See [`Sampling::more`].
    more: usize,
    bits: Box<[u64]>,
    /// The hash's top bits are the bit.
    shift: u32,
    /// The positions of a word that are looked at.
    at: u64,
}

impl Scalar {
    fn new(keys: &[(u32, u32)], class: u32, how: Sampling) -> Scalar {
        // One bit in 16 set, or fewer.
        let log = (keys.len() * 16).next_power_of_two().trailing_zeros().clamp(6, 22);
        let mut bits = vec![0u64; 1 << (log - 6)].into_boxed_slice();
        let shift = 32 - log;
        for k in keys {
            let h = hash(k.1) >> shift;
            bits[(h >> 6) as usize] |= 1 << (h & 63);
        }
        let at = match how.every {
            2 => 0x5555_5555_5555_5555,
            4 => 0x1111_1111_1111_1111,
            _ => u64::MAX,
        };
        Scalar { width: width(class), more: how.more(), bits, shift, at }
    }

    fn describe(&self) -> String {
        alloc::format!("hashed windows of {} bytes", self.width)
    }

    fn memory_bytes(&self) -> usize {
        core::mem::size_of::<Scalar>() + core::mem::size_of_val(&*self.bits)
    }

    fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) {
        let n = words(hay.len()).saturating_sub(first).min(WORDS);
        let folded = |w: &[u8]| w.iter().rev().fold(0, |word, &b| word << 8 | u32::from(b | 0x20));
        for (i, m) in masks.iter_mut().enumerate().take(n) {
            let from = 64 * (first + i);
            let text = hay.get(from..hay.len().min(from + HEAD + 64 + self.more)).unwrap_or_default();
            *m = text.windows(4 + self.more).zip(0..).fold(0, |all, (w, at)| {
                let mut key = folded(w.get(..4).unwrap_or_default()) >> (8 * (4 - self.width));
                if self.more > 0 {
                    key ^= mixed(folded(w.get(self.more..).unwrap_or_default()));
                }
                let h = hash(key) >> self.shift;
                all | (self.bits.get((h >> 6) as usize).map_or(0, |x| x >> (h & 63) & 1)) << at
            }) & self.at;
        }
    }
}

impl Engine {
    /// The engine for the windows `keys`, `(class, key)`, and the patterns `bytes` of one byte; `only` is the only
    /// pattern, if there is one and it is exact.
    pub(super) fn choose(
        keys: &[(u32, u32)],
        bytes: &[u8],
        only: Option<&[u8]>,
        level: Level,
        Strided { how, alphabet }: Strided,
    ) -> Engine {
        if keys.is_empty() && bytes.is_empty() {
            return Engine::Empty;
        }
        if let (Level::Scalar, Some(p)) = (level, only) {
            return Engine::Single(memchr::memmem::Finder::new(p).into_owned());
        }
        let of = |c: u32| keys.iter().copied().filter(|k| k.0 == c).collect::<Vec<_>>();
        let strided = of(STRIDED);
        let few: Vec<_> = keys.iter().copied().filter(|k| k.0 != STRIDED).collect();
        let gram = || {
            let keys: Vec<u32> = strided.iter().map(|k| k.1).collect();
            (!keys.is_empty()).then(|| Gram::new(&keys, alphabet, how, level))
        };
        let all = match level {
            vbmi::LEVEL => All::Fused(Box::new(Fused::new(&few, bytes, gram()))),
            Level::Scalar => {
                let mut parts = Vec::new();
                for c in (1..=STRIDED).rev() {
                    let keys = of(c);
                    if !keys.is_empty() {
                        let how = if c == STRIDED { how } else { Sampling::new(1, width(c) as u8) };
                        parts.push((Scalar::new(&keys, c, how), c));
                    }
                }
                let single = (!bytes.is_empty()).then(|| Bytes::new(bytes.iter().copied()));
                All::Parts(Parts { single, parts: parts.into() })
            }
            _ => All::Nibbles(Box::new(Nibbles::new(&few, bytes, gram(), level))),
        };
        let classes = keys.iter().fold(0, |all, k| all | 1u32 << k.0);
        let mut short = [0u64; 4];
        for k in keys.iter().filter(|k| k.0 == 1 || k.0 == 2) {
            let h = hash(k.1) >> 24;
            short[(h >> 6) as usize] |= 1 << (h & 63);
        }
        Engine::Filters(Filters { level, all, classes, short: classes & 0b110, keys: short })
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Engine::Empty => "empty".into(),
            Engine::Single(f) => {
                alloc::format!("single: memmem, one exact pattern of {} bytes", f.needle().len())
            }
            Engine::Filters(f) => f.describe(),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Engine::Empty => 0,
            Engine::Single(f) => f.needle().len(),
            Engine::Filters(f) => f.memory_bytes(),
        }
    }
}
