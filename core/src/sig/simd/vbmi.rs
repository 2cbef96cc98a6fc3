//! Up to a few hundred windows where the machine looks up 128-byte tables (AVX-512 VBMI, with GFNI).
//!
//! [`Pairs`] is like [`super::teddy`], but what a table is asked for is a hash of two neighbouring bytes, so a
//! bucket of n windows passes about (n / 128)³ of all positions, whatever its windows have in common with ordinary
//! text byte by byte. [`Bytes`] is a set of single bytes.
use super::super::verify::width;
use super::teddy::byte_at;
use super::{Key, Level, WORDS};
use alloc::{boxed::Box, vec};

/// Rows of two linear maps from a byte to 7 bits: output bit `i` is the parity of the input under row `i`. Both
/// drop bit 5, the one that case flips, and keep the others apart.
const LAST: [u8; 8] = [1, 2, 4, 8, 16, 128, 64, 0];
const BEFORE: [u8; 8] = [4, 8, 16, 64, 128, 1, 2, 0];

const fn map(rows: &[u8; 8], b: u8) -> u8 {
    let mut r = 0;
    let mut i = 0;
    while i < 8 {
        r |= ((rows[i] & b).count_ones() as u8 & 1) << i;
        i += 1;
    }
    r
}

/// The operand of the instruction for it: row `i` in byte `7 - i`.
#[cfg(target_arch = "x86_64")]
const fn matrix(rows: &[u8; 8]) -> i64 {
    let [a, b, c, d, e, f, g, h] = *rows;
    i64::from_le_bytes([h, g, f, e, d, c, b, a])
}

/// Windows of 2 to 4 bytes.
#[derive(Debug)]
pub(in super::super) struct Pairs {
    /// Sets of 8 buckets: 1, 2 or 4.
    sets: u8,
    /// Pairs looked up, 1 to 3.
    depth: u8,
    /// `[set][distance]`: buckets by the hash of the bytes at `distance` and `distance + 1` before the end.
    tables: Box<[[[u8; 128]; 3]]>,
}

impl Pairs {
    /// Tables for `keys` (not empty, none of one byte).
    pub(in super::super) fn new(keys: &[Key]) -> Pairs {
        let mut keys = keys.to_vec();
        // Neighbours share their width and last bytes, so a bucket has few different pairs.
        keys.sort_unstable_by_key(|k| (width(k.0), k.1));
        let sets = match keys.len() {
            0..=24 => 1,
            25..=112 => 2,
            _ => 4,
        };
        let widest = keys.iter().map(|k| width(k.0)).max().unwrap_or(2) as usize;
        let depth = (widest - 1).min(if keys.len() <= 2 { 2 } else { 3 });
        let mut tables = vec![[[0u8; 128]; 3]; sets].into_boxed_slice();
        for (i, &k) in keys.iter().enumerate() {
            let bucket = i * 8 * sets / keys.len();
            let (set, bit) = (bucket / 8, 1u8 << (bucket % 8));
            for (d, t) in tables[set].iter_mut().enumerate() {
                match (byte_at(k, d as u32), byte_at(k, d as u32 + 1)) {
                    (Some(x), Some(y)) => t[usize::from(map(&LAST, x) ^ map(&BEFORE, y))] |= bit,
                    _ => t.iter_mut().for_each(|t| *t |= bit),
                }
            }
        }
        Pairs { sets: sets as u8, depth: depth as u8, tables }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        core::mem::size_of_val(&*self.tables)
    }

    pub(in super::super) fn describe(&self) -> alloc::string::String {
        alloc::format!("{} buckets by pairs, {} deep", 8 * self.sets, self.depth)
    }

    /// Fills `masks`; see [`super::fill`].
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: built only where the level is `Avx512`, which a machine has or it is not given.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            x86::pairs(self, hay, first, masks)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (hay, first, masks, self.depth);
            unreachable!("pairs are built for AVX-512 only")
        }
    }
}

/// Bit 7 in the place of bit 5: seven bits that tell all bytes apart but for case.
fn fold7(b: u8) -> u8 {
    (b & 0x5f) | (b >> 2 & 0x20)
}

/// A set of single bytes, but for their case.
#[derive(Debug)]
pub(in super::super) struct Bytes {
    table: Box<[u8; 128]>,
}

impl Bytes {
    /// The set of `keys`, all of one byte.
    pub(in super::super) fn new(keys: &[Key]) -> Bytes {
        let mut table = Box::new([0u8; 128]);
        for k in keys {
            table[usize::from(fold7(k.1 as u8))] = 1;
        }
        Bytes { table }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        self.table.len()
    }

    /// Fills `masks`; see [`super::fill`].
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: built only where the level is `Avx512`, which a machine has or it is not given.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            x86::bytes(self, hay, first, masks)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (hay, first, masks);
            unreachable!("byte sets are built for AVX-512 only")
        }
    }
}

/// The level of these filters.
pub(in super::super) const LEVEL: Level = Level::Avx512;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::super::{BLOCK, Filter, HEAD, fill, vector::Vector};
    use super::*;
    use core::arch::x86_64::*;

    const _: () = assert!(BLOCK == 64 + HEAD);

    /// # Safety
    /// AVX-512 F, BW, VBMI and GFNI are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi,gfni")]
    pub(super) unsafe fn pairs(t: &Pairs, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set.
        unsafe {
            match (t.sets, t.depth) {
                (1, 1) => fill(&Loaded::<1, 1>::new(t), hay, first, masks),
                (1, 2) => fill(&Loaded::<1, 2>::new(t), hay, first, masks),
                (1, _) => fill(&Loaded::<1, 3>::new(t), hay, first, masks),
                (2, 1) => fill(&Loaded::<2, 1>::new(t), hay, first, masks),
                (2, 2) => fill(&Loaded::<2, 2>::new(t), hay, first, masks),
                (2, _) => fill(&Loaded::<2, 3>::new(t), hay, first, masks),
                (_, 1) => fill(&Loaded::<4, 1>::new(t), hay, first, masks),
                (_, 2) => fill(&Loaded::<4, 2>::new(t), hay, first, masks),
                (_, _) => fill(&Loaded::<4, 3>::new(t), hay, first, masks),
            }
        }
    }

    /// # Safety
    /// AVX-512 F, BW and VBMI are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    pub(super) unsafe fn bytes(t: &Bytes, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        // SAFETY: this function has the instruction set; the loads read the two halves of a 128-byte table.
        unsafe {
            let p = t.table.as_ptr();
            fill(&Set([__m512i::load(p), __m512i::load(p.add(64))]), hay, first, masks)
        }
    }

    /// The first `n` bytes at `p` and zeros.
    ///
    /// # Safety
    /// AVX-512 BW is there and `n.min(64)` bytes at `p` are readable.
    #[inline(always)]
    unsafe fn load_first(p: *const u8, n: usize) -> __m512i {
        let mask = if n >= 64 { u64::MAX } else { (1u64 << n) - 1 };
        // SAFETY: masked-off bytes are not accessed; the others are readable by the caller's promise.
        unsafe { _mm512_maskz_loadu_epi8(mask, p.cast()) }
    }

    /// Tables in registers: `[set][distance][half]`.
    struct Loaded<const S: usize, const D: usize>([[[__m512i; 2]; D]; S]);

    impl<const S: usize, const D: usize> Loaded<S, D> {
        /// # Safety
        /// AVX-512 F is there.
        #[inline(always)]
        unsafe fn new(t: &Pairs) -> Self {
            // SAFETY: the loads read the two halves of 128-byte tables.
            unsafe {
                let mut r = [[[__m512i::splat(0); 2]; D]; S];
                for (r, t) in r.iter_mut().zip(&t.tables) {
                    for (r, t) in r.iter_mut().zip(t) {
                        *r = [__m512i::load(t.as_ptr()), __m512i::load(t.as_ptr().add(64))];
                    }
                }
                Loaded(r)
            }
        }

        /// # Safety
        /// `load(off)` gives the 64 bytes at `off`, 0 to `HEAD`; AVX-512 VBMI and GFNI are there.
        #[inline(always)]
        unsafe fn word(&self, load: impl Fn(usize) -> __m512i) -> u64 {
            // SAFETY: register operations of an instruction set that is there.
            unsafe {
                let (last, before) = (_mm512_set1_epi64(matrix(&LAST)), _mm512_set1_epi64(matrix(&BEFORE)));
                let mut r = [__m512i::splat(0); S];
                let mut v = load(HEAD);
                for d in 0..D {
                    let prev = load(HEAD - d - 1);
                    let at = _mm512_xor_si512(
                        _mm512_gf2p8affine_epi64_epi8::<0>(v, last),
                        _mm512_gf2p8affine_epi64_epi8::<0>(prev, before),
                    );
                    v = prev;
                    for (r, t) in r.iter_mut().zip(&self.0) {
                        let hit = _mm512_permutex2var_epi8(t[d][0], at, t[d][1]);
                        *r = if d == 0 { hit } else { r.and(hit) };
                    }
                }
                let mut any = r[0];
                for x in &r[1..] {
                    any = any.or(*x);
                }
                any.nonzero()
            }
        }
    }

    impl<const S: usize, const D: usize> Filter for Loaded<S, D> {
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

    /// The table of a byte set in registers.
    struct Set([__m512i; 2]);

    impl Set {
        /// # Safety
        /// AVX-512 VBMI is there.
        #[inline(always)]
        unsafe fn word(&self, v: __m512i) -> u64 {
            // SAFETY: register operations of an instruction set that is there.
            unsafe {
                // `fold7`: (v & 0x5f) | (v >> 2 & 0x20); the lookup ignores bit 7.
                let high = _mm512_srli_epi16::<2>(v);
                let at = _mm512_ternarylogic_epi32::<0xD8>(v, high, _mm512_set1_epi8(0x20));
                _mm512_permutex2var_epi8(self.0[0], at, self.0[1]).nonzero()
            }
        }
    }

    impl Filter for Set {
        #[inline(always)]
        unsafe fn full(&self, p: *const u8) -> u64 {
            // SAFETY: 64 bytes at `HEAD` are within the `BLOCK` bytes promised.
            unsafe { self.word(__m512i::load(p.add(HEAD))) }
        }

        #[inline(always)]
        unsafe fn part(&self, p: *const u8, n: usize) -> u64 {
            // SAFETY: the load is masked to the bytes before `n`; `HEAD < n`.
            unsafe { self.word(load_first(p.add(HEAD), n.saturating_sub(HEAD))) }
        }
    }
}
