//! Few windows: buckets of them, one bit each, and per byte of a window a table from the byte to the buckets that
//! may have it there. The AND of the tables' answers at up to four neighbouring bytes leaves the buckets that may
//! match.
//!
//! A byte is looked up by its two nibbles, 16 entries each, so a bucket passes the product of the nibbles of its
//! windows. One set of tables has 8 buckets; two have 16.
use super::super::{rank::LIKELY, verify::width};
use super::vector::Vector;
use super::{Filter, HEAD, Key, Level, WORDS, fill, padded};
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
    /// Share of positions expected to pass, in traffic.
    expect: f32,
}

/// Byte of a window at distance `d` before its end, folded; none beyond its width.
pub(super) fn byte_at(k: Key, d: u32) -> Option<u8> {
    let w = width(k.0);
    (d < w).then(|| (k.1 >> (8 * (w - 1 - d))) as u8)
}

impl Teddy {
    /// Tables for `keys` (not empty).
    pub(in super::super) fn new(keys: &[Key], level: Level) -> Teddy {
        let mut keys = keys.to_vec();
        // Neighbours share their width and last bytes, so buckets of neighbours have few different bytes there.
        keys.sort_unstable_by_key(|k| (width(k.0), k.1));
        let sets = if keys.len() > 8 { 2 } else { 1 };
        let buckets = split(&keys, 8 * sets);
        let widest = keys.iter().map(|k| width(k.0)).max().unwrap_or(1);
        // A byte more costs about as much as a candidate in a hundred positions.
        let pass_at = |depth| buckets.iter().map(|b| pass(b, depth)).sum::<f32>();
        let mut depth = 1;
        while depth < widest && pass_at(depth) - pass_at(depth + 1) > 0.002 {
            depth += 1;
        }
        let mut nibbles = vec![[[[0u8; 16]; 2]; 4]; sets].into_boxed_slice();
        for (i, bucket) in buckets.iter().enumerate() {
            let (set, bit) = (i / 8, 1u8 << (i % 8));
            for d in 0..depth {
                let [low, high] = &mut nibbles[set][d as usize];
                for &k in *bucket {
                    if let Some(b) = byte_at(k, d) {
                        low[usize::from(b & 15)] |= bit;
                        high[usize::from(b >> 4)] |= bit;
                        high[usize::from((b & !0x20) >> 4)] |= bit;
                    } else {
                        low.iter_mut().chain(high.iter_mut()).for_each(|t| *t |= bit);
                    }
                }
            }
        }
        Teddy { level, sets: sets as u8, depth: depth as u8, nibbles, expect: pass_at(depth) }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.nibbles)
    }

    pub(in super::super) fn describe(&self) -> alloc::string::String {
        let ppm = (self.expect * 1e6) as u32;
        alloc::format!(
            "{} buckets by nibbles, {} bytes deep, {ppm} ppm expected to pass",
            8 * self.sets,
            self.depth
        )
    }

    /// Fills `masks`; see [`super::fill`].
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        match self.level {
            // SAFETY: a level is given at build only when the machine has it (`Level::available`).
            #[cfg(target_arch = "x86_64")]
            Level::Ssse3 => unsafe { x86::ssse3(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx512 => unsafe { x86::avx2(self, hay, first, masks) },
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { nibbles::<core::arch::aarch64::uint8x16_t>(self, hay, first, masks) },
            _ => unreachable!("buckets are built for vectors only"),
        }
    }
}

/// Probability that a position passes `bucket`, `depth` bytes looked up.
fn pass(bucket: &[Key], depth: u32) -> f32 {
    if bucket.is_empty() {
        return 0.0;
    }
    let mut all = 1.0;
    for d in 0..depth {
        let mut seen = [0u64; 4];
        let mut any = 0.0f32;
        for &k in bucket {
            match byte_at(k, d) {
                None => any = 1.0,
                Some(b) => {
                    let (w, bit) = (usize::from(b >> 6), 1u64 << (b & 63));
                    if seen[w] & bit == 0 {
                        seen[w] |= bit;
                        any += LIKELY[usize::from(b)];
                    }
                }
            }
        }
        all *= any.min(1.0);
    }
    all
}

/// Cuts the sorted keys into at most `n` runs with a small sum of [`pass`]: starts from even runs and moves each
/// border to where it is best between its neighbours.
fn split(keys: &[Key], n: usize) -> Vec<&[Key]> {
    let n = n.min(keys.len());
    let mut cut: Vec<usize> = (0..=n).map(|i| i * keys.len() / n).collect();
    if keys.len() > n && keys.len() <= 256 {
        for i in 1..n {
            let (a, b) = (cut[i - 1], cut[i + 1]);
            let step = ((b - a) / 8).max(1);
            let cost = |m: usize| pass(&keys[a..m], 4) + pass(&keys[m..b], 4);
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
    cut.windows(2).map(|w| &keys[w[0]..w[1]]).collect()
}

/// The instance of one vector type: `S` sets, `D` bytes deep.
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
            for (s, set) in t.nibbles.iter().enumerate().take(S) {
                for (d, [low, high]) in set.iter().enumerate().take(D) {
                    lo[s][d] = V::lanes(low);
                    hi[s][d] = V::lanes(high);
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

/// Runs the instance of the right shape.
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
    use super::*;
    use core::arch::x86_64::{__m128i, __m256i};

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
}
