//! Few windows: buckets of them, one bit each, and per byte of a window a table from the byte to the buckets that
//! may have it there. The AND of the tables' answers at four neighbouring bytes leaves the buckets that may match.
//!
//! A byte is looked up by its two nibbles, 16 entries each, so a bucket passes the product of the nibbles of its
//! windows; AVX-512 VBMI looks it up whole but for the case bit. One set of tables has 8 buckets; two have 16.
use super::super::rank;
use super::vector::Vector;
use super::{BLOCK, Filter, HEAD, Level, WORDS, fill, padded};
use alloc::{boxed::Box, vec, vec::Vec};

/// The buckets that take part, by the byte at distance `d` before the end of a window.
#[derive(Debug)]
pub(in super::super) struct Teddy {
    level: Level,
    /// Sets of 8 buckets, 1 or 2.
    sets: u8,
    /// Bytes looked up, 1 to 4.
    depth: u8,
    /// `[set][distance][low, high]`: buckets by nibble.
    nibbles: Box<[[[[u8; 16]; 2]; 4]]>,
    /// `[set][distance]`: buckets by [`fold7`], where the level has the lookup for it and it pays.
    whole: Box<[[[u8; 128]; 4]]>,
    /// Share of positions expected to pass, in traffic.
    pub expect: f32,
    /// The part of it that is due to buckets with windows of four bytes.
    pub long_expect: f32,
}

/// Bit 7 in the place of bit 5: seven bits that tell all bytes apart but for case.
#[inline]
pub(super) fn fold7(b: u8) -> u8 {
    b & 0x5f | b >> 2 & 0x20
}

/// A window as `(width, key)`: see `verify::key_of`.
type Key = (u32, u32);

/// Byte of a window at distance `d` before its end, folded; none beyond its width.
fn byte_at(k: Key, d: u32) -> Option<u8> {
    (d < k.0).then(|| (k.1 >> (8 * (k.0 - 1 - d))) as u8)
}

/// Probability of a folded byte in traffic.
fn likely(b: u8) -> f32 {
    // 2^(eighths / 8) / 256, by squaring the eighth root of 2; both bytes that fold to it.
    let of = |b: u8| {
        let mut p = 1.0 / 256.0;
        for _ in 0..rank::BYTE[usize::from(b)] {
            p *= 1.090_507_7;
        }
        p
    };
    of(b) + of(b ^ 0x20)
}

impl Teddy {
    /// Tables for `keys` (not empty).
    pub(in super::super) fn new(keys: &[Key], level: Level) -> Teddy {
        let mut p = [0f32; 256];
        for b in 0..=255u8 {
            p[usize::from(b)] = likely(b);
        }
        let mut keys = keys.to_vec();
        // Neighbours share their width and last bytes, so buckets of neighbours have few different bytes there.
        keys.sort_unstable_by_key(|k| (k.0, k.1));
        let sets = if keys.len() > 8 { 2 } else { 1 };
        let buckets = split(&keys, 8 * sets, &p);
        let depth = keys.iter().map(|k| k.0).max().unwrap_or(1);
        let mut nibbles = vec![[[[0u8; 16]; 2]; 4]; sets].into_boxed_slice();
        let (mut expect, mut long_expect) = (0.0, 0.0);
        let whole = level == Level::Avx512 && keys.len() > 8;
        let mut wholes = vec![[[0u8; 128]; 4]; if whole { sets } else { 0 }].into_boxed_slice();
        for (i, bucket) in buckets.iter().enumerate() {
            let (set, bit) = (i / 8, 1u8 << (i % 8));
            let share = pass(bucket, &p);
            expect += share;
            if bucket.iter().any(|k| k.0 == 4) {
                long_expect += share;
            }
            for d in 0..4 {
                for &k in *bucket {
                    for b in 0..=255u8 {
                        if byte_at(k, d).is_none_or(|x| x == b | 0x20) {
                            let t = &mut nibbles[set][d as usize];
                            t[0][usize::from(b & 15)] |= bit;
                            t[1][usize::from(b >> 4)] |= bit;
                            if let Some(t) = wholes.get_mut(set) {
                                t[d as usize][usize::from(fold7(b))] |= bit;
                            }
                        }
                    }
                }
            }
        }
        if whole {
            nibbles = Box::default();
        }
        Teddy { level, sets: sets as u8, depth: depth as u8, nibbles, whole: wholes, expect, long_expect }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.nibbles) + core::mem::size_of_val(&*self.whole)
    }

    pub(in super::super) fn buckets(&self) -> usize {
        8 * usize::from(self.sets)
    }

    /// Fills `masks`; see [`super::fill`].
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        match self.level {
            // SAFETY: a level is given at build only when the machine has it (`Level::available`).
            #[cfg(target_arch = "x86_64")]
            Level::Ssse3 => unsafe { x86::ssse3(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { nibbles::<core::arch::aarch64::uint8x16_t>(self, hay, first, masks) },
            _ => 0,
        }
    }
}

/// Probability that a position passes `bucket`.
fn pass(bucket: &[Key], p: &[f32; 256]) -> f32 {
    let mut all = 1.0;
    for d in 0..4 {
        let mut seen = [0u64; 4];
        let mut any = 0.0f32;
        for &k in bucket {
            match byte_at(k, d) {
                None => any = 1.0,
                Some(b) => {
                    let (w, bit) = (usize::from(b >> 6), 1u64 << (b & 63));
                    if seen[w] & bit == 0 {
                        seen[w] |= bit;
                        any += p[usize::from(b)];
                    }
                }
            }
        }
        all *= any.min(1.0);
    }
    if bucket.is_empty() { 0.0 } else { all }
}

/// Cuts the sorted keys into at most `n` runs with a small sum of [`pass`]: starts from even runs and moves each
/// border to where it is best between its neighbours.
fn split<'a>(keys: &'a [Key], n: usize, p: &[f32; 256]) -> Vec<&'a [Key]> {
    let n = n.min(keys.len());
    let mut cut: Vec<usize> = (0..=n).map(|i| i * keys.len() / n).collect();
    if keys.len() > n && keys.len() <= 256 {
        for _ in 0..2 {
            for i in 1..n {
                let (a, b) = (cut[i - 1], cut[i + 1]);
                let step = ((b - a) / 16).max(1);
                let cost = |m: usize| pass(&keys[a..m], p) + pass(&keys[m..b], p);
                let mut best = (cost(cut[i]), cut[i]);
                for m in (a + 1..b).step_by(step) {
                    let c = cost(m);
                    if c < best.0 {
                        best = (c, m);
                    }
                }
                cut[i] = best.1;
            }
        }
    }
    cut.windows(2).map(|w| &keys[w[0]..w[1]]).collect()
}

/// The nibble instance: `S` sets, `D` bytes deep.
struct Nibbles<V, const S: usize, const D: usize> {
    lo: [[V; D]; S],
    hi: [[V; D]; S],
}

impl<V: Vector, const S: usize, const D: usize> Nibbles<V, S, D> {
    /// # Safety
    /// The instruction set of `V` is there.
    #[inline(always)]
    unsafe fn new(t: &Teddy) -> Self {
        // SAFETY: only register operations of the promised instruction set.
        unsafe {
            let mut lo = [[V::splat(0); D]; S];
            let mut hi = [[V::splat(0); D]; S];
            for s in 0..S {
                for d in 0..D {
                    lo[s][d] = V::lanes(&t.nibbles[s][d][0]);
                    hi[s][d] = V::lanes(&t.nibbles[s][d][1]);
                }
            }
            Nibbles { lo, hi }
        }
    }
}

impl<V: Vector, const S: usize, const D: usize> Filter for Nibbles<V, S, D> {
    #[inline(always)]
    unsafe fn full(&self, p: *const u8) -> u64 {
        let mut word = 0;
        // SAFETY: each load reads `V::BYTES` bytes at `HEAD - d + part * V::BYTES`, within the `BLOCK` bytes promised.
        unsafe {
            let low = V::splat(15);
            for part in 0..64 / V::BYTES {
                let mut r = [V::splat(0); S];
                for d in 0..D {
                    let v = V::load(p.add(HEAD - d + part * V::BYTES));
                    let (l, h) = (v.and(low), v.high());
                    for (s, r) in r.iter_mut().enumerate() {
                        let hit = self.lo[s][d].lookup(l).and(self.hi[s][d].lookup(h));
                        *r = if d == 0 { hit } else { r.and(hit) };
                    }
                }
                let mut any = r[0];
                for x in &r[1..] {
                    any = any.or(*x);
                }
                word |= any.nonzero() << (part * V::BYTES);
            }
        }
        word
    }

    #[inline(always)]
    unsafe fn part(&self, p: *const u8, n: usize) -> u64 {
        // SAFETY: `n` bytes are readable; the copy has `BLOCK`.
        unsafe { self.full(padded(p, n).as_ptr()) }
    }
}

/// Runs the nibble instance of the right shape.
///
/// # Safety
/// The instruction set of `V` is there.
#[inline(always)]
unsafe fn nibbles<V: Vector>(t: &Teddy, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
    // SAFETY: the caller's promise, passed on.
    unsafe {
        match (t.sets, t.depth) {
            (1, 1) => fill(&Nibbles::<V, 1, 1>::new(t), hay, first, masks),
            (1, 2) => fill(&Nibbles::<V, 1, 2>::new(t), hay, first, masks),
            (1, 3) => fill(&Nibbles::<V, 1, 3>::new(t), hay, first, masks),
            (1, _) => fill(&Nibbles::<V, 1, 4>::new(t), hay, first, masks),
            (_, 1) => fill(&Nibbles::<V, 2, 1>::new(t), hay, first, masks),
            (_, 2) => fill(&Nibbles::<V, 2, 2>::new(t), hay, first, masks),
            (_, 3) => fill(&Nibbles::<V, 2, 3>::new(t), hay, first, masks),
            (_, _) => fill(&Nibbles::<V, 2, 4>::new(t), hay, first, masks),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::x86::{load_first, lookup128};
    use super::*;
    use core::arch::x86_64::{__m128i, __m256i, __m512i};

    /// # Safety
    /// SSSE3 is there.
    #[target_feature(enable = "ssse3")]
    pub(super) unsafe fn ssse3(t: &Teddy, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { nibbles::<__m128i>(t, hay, first, masks) }
    }

    /// # Safety
    /// AVX2 is there.
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn avx2(t: &Teddy, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe { nibbles::<__m256i>(t, hay, first, masks) }
    }

    /// # Safety
    /// AVX-512 F, BW and VBMI are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) unsafe fn avx512(t: &Teddy, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe {
            match (t.whole.is_empty(), t.depth) {
                (true, 1) => fill(&Masked(Nibbles::<__m512i, 1, 1>::new(t)), hay, first, masks),
                (true, 2) => fill(&Masked(Nibbles::<__m512i, 1, 2>::new(t)), hay, first, masks),
                (true, 3) => fill(&Masked(Nibbles::<__m512i, 1, 3>::new(t)), hay, first, masks),
                (true, _) => fill(&Masked(Nibbles::<__m512i, 1, 4>::new(t)), hay, first, masks),
                (false, 1) => fill(&Whole::<1>::new(t), hay, first, masks),
                (false, 2) => fill(&Whole::<2>::new(t), hay, first, masks),
                (false, 3) => fill(&Whole::<3>::new(t), hay, first, masks),
                (false, _) => fill(&Whole::<4>::new(t), hay, first, masks),
            }
        }
    }

    /// The nibble instance in 64-byte vectors, with masked loads for a short input.
    struct Masked<const D: usize>(Nibbles<__m512i, 1, D>);

    impl<const D: usize> Filter for Masked<D> {
        #[inline(always)]
        unsafe fn full(&self, p: *const u8) -> u64 {
            // SAFETY: the same contract.
            unsafe { self.0.full(p) }
        }

        #[inline(always)]
        unsafe fn part(&self, p: *const u8, n: usize) -> u64 {
            // SAFETY: a load at `off` is masked to the bytes before `n`; `off <= HEAD < n`.
            unsafe {
                let low = __m512i::splat(15);
                let mut r = __m512i::splat(0);
                for d in 0..D {
                    let off = HEAD - d;
                    let v = load_first(p.add(off), n.saturating_sub(off));
                    let hit = self.0.lo[0][d].lookup(v.and(low)).and(self.0.hi[0][d].lookup(v.high()));
                    r = if d == 0 { hit } else { r.and(hit) };
                }
                r.nonzero()
            }
        }
    }

    /// 16 buckets by whole bytes.
    struct Whole<const D: usize> {
        /// `[set][distance][half]`.
        t: [[[__m512i; 2]; D]; 2],
    }

    impl<const D: usize> Whole<D> {
        /// # Safety
        /// AVX-512 F is there.
        #[inline(always)]
        unsafe fn new(t: &Teddy) -> Self {
            // SAFETY: the loads read the two halves of 128-byte tables.
            unsafe {
                let mut r = [[[__m512i::splat(0); 2]; D]; 2];
                for (s, r) in r.iter_mut().enumerate() {
                    for (d, r) in r.iter_mut().enumerate() {
                        let p = t.whole[s][d].as_ptr();
                        *r = [__m512i::load(p), __m512i::load(p.add(64))];
                    }
                }
                Whole { t: r }
            }
        }

        /// # Safety
        /// `load(off)` gives the 64 bytes at `off`, 0 to `HEAD`; AVX-512 VBMI is there.
        #[inline(always)]
        unsafe fn word(&self, load: impl Fn(usize) -> __m512i) -> u64 {
            // SAFETY: register operations of an instruction set that is there.
            unsafe {
                let mut r = [__m512i::splat(0); 2];
                for d in 0..D {
                    let v = load(HEAD - d);
                    for (s, r) in r.iter_mut().enumerate() {
                        let hit = lookup128(v, self.t[s][d][0], self.t[s][d][1]);
                        *r = if d == 0 { hit } else { r.and(hit) };
                    }
                }
                r[0].or(r[1]).nonzero()
            }
        }
    }

    impl<const D: usize> Filter for Whole<D> {
        #[inline(always)]
        unsafe fn full(&self, p: *const u8) -> u64 {
            // SAFETY: 64 bytes at `off <= HEAD` are within the `BLOCK` bytes promised.
            unsafe { self.word(|off| __m512i::load(p.add(off))) }
        }

        #[inline(always)]
        unsafe fn part(&self, p: *const u8, n: usize) -> u64 {
            // SAFETY: a load at `off` is masked to the bytes before `n`; `off <= HEAD < n`.
            unsafe { self.word(|off| load_first(p.add(off), n.saturating_sub(off))) }
        }
    }

    const _: () = assert!(BLOCK == 64 + HEAD);
}
