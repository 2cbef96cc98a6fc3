//! All filters of a block in one pass, where tables have 16 entries (SSSE3, AVX2, NEON): [`Buckets`] and the set of
//! single bytes word by word, and beside them what the bitmap of hashed windows says, which has a pass of its own before.
//!
//! In: the input. Out: the words that are not 0, in order, each with its class. Written once over [`Vector`].
use super::super::verify::{STRIDED, code};
use super::buckets::{Buckets, Plan, Set, Tables};
use super::gram::{Gram, valid};
use super::list::Found;
use super::set::{Bytes, Set as ByteSet};
use super::vector::Vector;
use super::{BLOCK, HEAD, Key, Level, WORDS, padded, words};
use alloc::{string::String, vec::Vec};

/// The filters of a database.
#[derive(Debug)]
pub(in super::super) struct Nibbles {
    run: Run,
    hashed: Option<Gram>,
    buckets: Option<Buckets>,
    single: Option<Bytes>,
}

/// An instance of [`run`].
type Run = unsafe fn(&Nibbles, &[u8], usize, &mut Out<'_>);

/// What a block gives, and how many of it.
struct Out<'a> {
    found: &'a mut Found,
    k: usize,
    single: &'a mut Found,
    ks: usize,
    /// Words of hashed windows.
    hashed: [u64; WORDS],
}

impl Nibbles {
    /// Filters for the windows `keys` of two to four bytes, patterns `bytes` of one byte, and hashed windows.
    pub(in super::super) fn new(keys: &[Key], bytes: &[u8], hashed: Option<Gram>, level: Level) -> Nibbles {
        let buckets = Buckets::new(keys);
        let single = (!bytes.is_empty()).then(|| Bytes::new(bytes.iter().copied()));
        let plan = buckets.as_ref().map(|b| b.plan).unwrap_or_default();
        let run = instance(level, plan, single.is_some());
        Nibbles { run, hashed, buckets, single }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        core::mem::size_of::<Nibbles>()
            + self.hashed.as_ref().map_or(0, Gram::memory_bytes)
            + self.buckets.as_ref().map_or(0, Buckets::memory_bytes)
            + self.single.as_ref().map_or(0, Bytes::memory_bytes)
    }

    pub(in super::super) fn describe(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.hashed.as_ref().map(Gram::describe));
        parts.extend(self.buckets.as_ref().map(Buckets::describe));
        parts.extend(self.single.as_ref().map(|_| "a byte set".into()));
        parts.join("; ")
    }

    /// Whether a pattern of one byte is `b`.
    #[inline]
    pub(in super::super) fn has(&self, b: u8) -> bool {
        self.single.as_ref().is_some_and(|s| s.has(b))
    }

    /// Appends the words that are not 0 of the block at word `first`: of windows to `found`, of single bytes to
    /// `single`. Returns how many there are of each.
    #[inline(always)]
    pub(in super::super) fn block(
        &self,
        hay: &[u8],
        first: usize,
        found: &mut Found,
        single: &mut Found,
    ) -> (usize, usize) {
        let mut out = Out { found, k: 0, single, ks: 0, hashed: [0; WORDS] };
        if let Some(g) = &self.hashed {
            g.fill(hay, first, &mut out.hashed);
        }
        // SAFETY: the instance is one for the level, which is given at build only when the machine has it
        // (`Level::available`), and for the plan of these buckets.
        unsafe { (self.run)(self, hay, first, &mut out) };
        (out.k, out.ks)
    }
}

impl Out<'_> {
    /// Appends the words of block word `i` that are not 0: nothing branches on what they are.
    ///
    /// # Safety
    /// There is room: `i < WORDS` words were put before.
    #[inline(always)]
    unsafe fn put<const L: usize, const S: usize, const ONE: bool>(
        &mut self,
        i: usize,
        shift: u32,
        m: Masks,
    ) {
        let at = (HEAD + 1 + 64 * i) as u32;
        let words = [
            (true, self.hashed[i], STRIDED),
            (L > 0, m[3] >> shift, 3),
            (S > 0, m[2] >> shift, 2),
            (S > 0, m[1] >> shift, 1),
        ];
        // SAFETY: every word appends at most four to `found` and one to `single`, and there is room for so many of all
        // words of a block.
        unsafe {
            for (there, mask, class) in words {
                if there {
                    *self.found.mask.get_unchecked_mut(self.k) = mask;
                    *self.found.at.get_unchecked_mut(self.k) = at | code(class);
                    self.k += usize::from(mask != 0);
                }
            }
            if ONE {
                let mask = m[0] >> shift;
                *self.single.mask.get_unchecked_mut(self.ks) = mask;
                *self.single.at.get_unchecked_mut(self.ks) = at;
                self.ks += usize::from(mask != 0);
            }
        }
    }
}

/// Words of one position per bit: of single bytes, of windows of 2, 3, and 4 bytes.
type Masks = [u64; 4];

/// Vectors that are asked together, so that a table is loaded once for both.
const TOGETHER: usize = 2;

/// The words of up to [`WORDS`] words of `hay` from `first` on. Neither this nor [`masks`] has closures around vectors: they would not
/// have the instruction set of the function that all is inlined into, and call every operation as a function.
///
/// # Safety
/// The instruction set of `V` is there; the constants are those of `f`: `L` sets of windows of four bytes, of which `D` bytes
/// are asked for, `S` sets of shorter ones, and whether there are single bytes.
#[inline(always)]
unsafe fn run<V: Vector, const L: usize, const D: usize, const S: usize, const ONE: bool>(
    f: &Nibbles,
    hay: &[u8],
    first: usize,
    out: &mut Out<'_>,
) {
    let total = words(hay.len());
    let n = total.saturating_sub(first).min(WORDS);
    // SAFETY: a word reads `BLOCK` bytes at `start`, which are there, or in a copy that has so many. `put` is called once for
    // each of at most `WORDS` words. The sets and the byte set are there by the caller's promise.
    unsafe {
        let copy;
        // A short input is one word, of a copy.
        let (base, len, valid) = if hay.len() < BLOCK {
            copy = padded(hay.as_ptr(), hay.len());
            (copy.as_ptr(), BLOCK, valid(hay.len().saturating_sub(HEAD)))
        } else {
            (hay.as_ptr(), hay.len(), u64::MAX)
        };
        for i in 0..n {
            // The last word is moved down to end with the input.
            let at = 64 * (first + i);
            let start = at.min(len - BLOCK);
            let m = masks::<V, L, D, S, ONE>(f, base.add(start));
            out.put::<L, S, ONE>(i, (at - start) as u32, m.map(|m| m & valid));
        }
    }
}

/// The words for the [`BLOCK`] bytes at `p`.
///
/// # Safety
/// As [`run`]; the bytes are readable.
#[inline(always)]
unsafe fn masks<V: Vector, const L: usize, const D: usize, const S: usize, const ONE: bool>(
    f: &Nibbles,
    p: *const u8,
) -> Masks {
    let mut m = [0u64; 4];
    let sets: &[Set] = f.buckets.as_ref().map_or(&[], |b| &b.sets);
    // SAFETY: loads read `V::BYTES` bytes at `HEAD - d + V::BYTES * part`, within `BLOCK`; there are `L + S` sets, as the
    // caller promises.
    unsafe {
        let low = V::splat(15);
        for pair in 0..64 / V::BYTES / TOGETHER {
            let at = V::BYTES * TOGETHER * pair;
            let none = [V::splat(0); TOGETHER];
            let (mut long, mut short) = ([none; L], [none; S]);
            for d in 0..if S > 0 { D.max(3) } else { D } {
                let mut bytes = [(low, low); TOGETHER];
                for (t, b) in bytes.iter_mut().enumerate() {
                    let v = V::load(p.add(HEAD - d + at + V::BYTES * t));
                    *b = (v.and(low), v.high());
                }
                if d < D {
                    for (s, r) in long.iter_mut().enumerate() {
                        ask(&sets.get_unchecked(s).tables, d, &bytes, r);
                    }
                }
                if d < 3 {
                    for (s, r) in short.iter_mut().enumerate() {
                        ask(&sets.get_unchecked(L + s).tables, d, &bytes, r);
                    }
                }
            }
            for t in 0..TOGETHER {
                let by = at + V::BYTES * t;
                if L > 0 {
                    let mut any = V::splat(0);
                    for r in &long {
                        any = any.or(r[t]);
                    }
                    m[3] |= any.nonzero() << by;
                }
                if S > 0 {
                    let (mut two, mut three) = (V::splat(0), V::splat(0));
                    for (s, r) in short.iter().enumerate() {
                        let of = &sets.get_unchecked(L + s).of_class;
                        two = two.or(r[t].and(V::splat(of[0])));
                        three = three.or(r[t].and(V::splat(of[1])));
                    }
                    m[1] |= two.nonzero() << by;
                    m[2] |= three.nonzero() << by;
                }
            }
        }
        if let (true, Some(b)) = (ONE, &f.single) {
            m[0] = ByteSet::<V>::new(b).word(p);
        }
    }
    m
}

/// What of `r` has a bucket that may have the bytes, their low and high nibbles, at distance `d`.
///
/// # Safety
/// The instruction set of `V` is there.
#[inline(always)]
unsafe fn ask<V: Vector>(t: &Tables, d: usize, bytes: &[(V, V); TOGETHER], r: &mut [V; TOGETHER]) {
    // SAFETY: register operations, and loads of tables.
    unsafe {
        let [low, high] = [V::lanes(&t[d][0]), V::lanes(&t[d][1])];
        for (r, (l, h)) in r.iter_mut().zip(bytes) {
            let hit = low.lookup(*l).and(high.lookup(*h));
            *r = if d == 0 { hit } else { r.and(hit) };
        }
    }
}

/// The instance for a level and a plan, with single bytes or without.
fn instance(level: Level, plan: Plan, one: bool) -> Run {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Ssse3 => x86::ssse3(plan, one),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => x86::avx2(plan, one),
        #[cfg(target_arch = "aarch64")]
        Level::Neon => neon(plan, one),
        _ => unreachable!("buckets by nibbles are built for vectors of other levels"),
    }
}

/// The instance of `$run`, a function of four constants, for a plan.
macro_rules! shaped {
    ($run:ident, $plan:expr, $one:expr) => {{
        let Plan { long, four, short } = $plan;
        macro_rules! one {
            ($l:literal, $d:literal, $s:literal) => {
                if $one { $run::<$l, $d, $s, true> as Run } else { $run::<$l, $d, $s, false> as Run }
            };
        }
        match (long, four, short) {
            (0, _, 0) => one!(0, 0, 0),
            (0, _, 1) => one!(0, 0, 1),
            (0, _, 2) => one!(0, 0, 2),
            (0, _, 3) => one!(0, 0, 3),
            (0, _, _) => one!(0, 0, 4),
            (1, false, 0) => one!(1, 3, 0),
            (1, false, 1) => one!(1, 3, 1),
            (1, false, _) => one!(1, 3, 2),
            (1, true, 0) => one!(1, 4, 0),
            (1, true, 1) => one!(1, 4, 1),
            (1, true, _) => one!(1, 4, 2),
            (_, false, 0) => one!(2, 3, 0),
            (_, false, 1) => one!(2, 3, 1),
            (_, false, _) => one!(2, 3, 2),
            (_, true, 0) => one!(2, 4, 0),
            (_, true, 1) => one!(2, 4, 1),
            (_, true, _) => one!(2, 4, 2),
        }
    }};
}

#[cfg(target_arch = "aarch64")]
fn neon(plan: Plan, one: bool) -> Run {
    /// # Safety
    /// As [`super::run`].
    unsafe fn neon<const L: usize, const D: usize, const S: usize, const ONE: bool>(
        f: &Nibbles,
        hay: &[u8],
        first: usize,
        out: &mut Out<'_>,
    ) {
        // SAFETY: NEON is part of the baseline; the rest is the caller's promise.
        unsafe { run::<core::arch::aarch64::uint8x16_t, L, D, S, ONE>(f, hay, first, out) }
    }
    shaped!(neon, plan, one)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use core::arch::x86_64::{__m128i, __m256i};

    pub(super) fn ssse3(plan: Plan, one: bool) -> Run {
        shaped!(narrow, plan, one)
    }

    pub(super) fn avx2(plan: Plan, one: bool) -> Run {
        shaped!(wide, plan, one)
    }

    /// # Safety
    /// As [`run`]; SSSE3 is there.
    #[target_feature(enable = "ssse3")]
    unsafe fn narrow<const L: usize, const D: usize, const S: usize, const ONE: bool>(
        f: &Nibbles,
        hay: &[u8],
        first: usize,
        out: &mut Out<'_>,
    ) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { run::<__m128i, L, D, S, ONE>(f, hay, first, out) }
    }

    /// # Safety
    /// As [`run`]; AVX2 is there.
    #[target_feature(enable = "avx2")]
    unsafe fn wide<const L: usize, const D: usize, const S: usize, const ONE: bool>(
        f: &Nibbles,
        hay: &[u8],
        first: usize,
        out: &mut Out<'_>,
    ) {
        // SAFETY: this function has the instruction set; the rest is promised.
        unsafe { run::<__m256i, L, D, S, ONE>(f, hay, first, out) }
    }
}
