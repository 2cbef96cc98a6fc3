//! Many windows of four to eight bytes: a bitmap over their hash, small enough for the first-level caches, and of very
//! many one that the second-level caches hold, which tells them apart where the small one would be full.
//!
//! With a stride of 2 or 4 only every second or fourth position is looked at, and a pattern has as many windows, one of
//! which lies there. A window of more than four bytes is hashed as its first four and its last four. Three passes over
//! all words of a block, so that none waits for the stores of the one before: vectors fold and hash the bytes at each
//! position into a byte index and a bit number; scalar loads fetch the bytes (faster than gathers on the machines
//! measured); vectors test the bit in each. With AVX2 one pass does it for small bitmaps ([`avx2`]), with AVX-512 for all
//! ([`x86::at`], for [`super::vbmi`]).
use super::super::{
    rank::FOLD,
    verify::{MORE, MUL, Sampling, hash},
};
use super::{BLOCK, HEAD, Level, WORDS, words};
use super::{alphabet::Alphabet, vector::Vector};
use alloc::{boxed::Box, vec};
use core::mem::MaybeUninit;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod put;
#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

/// Largest small bitmap, as a power of two of bits: a byte index has 16 bits.
const SMALL: u32 = 19;
/// Largest of all: what second-level caches hold.
const MOST: u32 = 23;
/// So many bits for each window, where a small bitmap has fewer.
const BITS_A_WINDOW: usize = 8;

/// The bitmap: bit `hash >> shift & 7` of byte `hash >> shift >> 3`.
#[derive(Debug)]
pub(in super::super) struct Gram {
    level: Level,
    shift: u32,
    /// 1, 2 or 4.
    stride: u32,
    /// See [`Sampling::more`].
    more: usize,
    bits: Box<[u8]>,
    /// Where it pays, what words are asked for before they are hashed.
    alphabet: Option<Alphabet>,
}

impl Gram {
    /// A bitmap of `keys`, those of different windows, to be found as `how` says.
    pub(in super::super) fn new(
        keys: &[u32],
        alphabet: Option<Alphabet>,
        how: Sampling,
        level: Level,
    ) -> Gram {
        let n = keys.len();
        let stride = usize::from(how.every);
        // 16 positions in 1024 pass in vain, or fewer, while that is small; at least 4 KiB, which any cache holds.
        let small = (n * 128 / stride).next_power_of_two().trailing_zeros().clamp(15, SMALL);
        let log = (n * BITS_A_WINDOW).next_power_of_two().trailing_zeros().clamp(small, MOST);
        let shift = 32 - log;
        let mut bits = vec![0u8; 1 << (log - 3)].into_boxed_slice();
        for k in keys {
            let h = hash(*k) >> shift;
            bits[(h >> 3) as usize] |= 1 << (h & 7);
        }
        Gram { level, shift, stride: u32::from(how.every), more: how.more(), bits, alphabet }
    }

    pub(in super::super) fn describe(&self) -> alloc::string::String {
        alloc::format!(
            "hashed, {} bytes, {} at every {} positions{}",
            self.bits.len(),
            4 + self.more,
            self.stride,
            if self.alphabet.is_some() { " of their bytes" } else { "" }
        )
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        self.bits.len()
    }

    /// Fills `masks` with the words `first..`, as many as there are and fit; returns how many.
    pub(in super::super) fn fill(&self, hay: &[u8], first: usize, masks: &mut [u64; WORDS]) -> usize {
        let total = words(hay.len());
        if first >= total {
            return 0;
        }
        if hay.len() < BLOCK + self.more {
            let rest = hay.get(64 * first..).unwrap_or_default();
            let n = (total - first).min(WORDS);
            for (i, m) in masks.iter_mut().enumerate().take(n) {
                let rest = rest.get(64 * i..).unwrap_or_default();
                let mut block = [0u8; BLOCK + 4];
                block.iter_mut().zip(rest).for_each(|(b, r)| *b = *r);
                let mut one = [0; WORDS];
                self.run(&block, 0, 1, &mut one);
                *m = one[0] & valid(rest.len() - HEAD);
            }
            return n;
        }
        let n = (total - first).min(WORDS);
        self.run(hay, first, n, masks);
        n
    }

    /// The passes for `n <= WORDS` words from `first` of a `hay` of `BLOCK` bytes or more that has so many.
    #[inline(always)]
    fn run(&self, hay: &[u8], first: usize, n: usize, masks: &mut [u64; WORDS]) {
        assert!(n <= WORDS && hay.len() >= BLOCK + self.more && first + n <= words(hay.len()));
        #[cfg(target_arch = "x86_64")]
        if self.level == Level::Avx2 && !self.is_large() {
            // SAFETY: what is asked for was checked just now; a level is given at build only when the machine has it.
            unsafe { avx2::fill(self, hay, first, n, masks) };
            return;
        }
        let mut b = Buffers::new();
        masks[..n].fill(0);
        // SAFETY: `n` was checked for `hay` just now; a level is given at build only when the machine has it
        // (`Level::available`); each pass finds what the one before wrote: as many blocks of indices below the length
        // of `bits`, then as many of bytes and tests, and their words, which are below `n`.
        unsafe {
            let n = self.hash_pass(hay, first, n, &mut b);
            self.fetch_pass(&mut b, n);
            self.test_pass(&b, n, masks);
        }
        // Windows of more than four bytes end so early that the last word but one may have been read before its place, too.
        for (i, m) in masks.iter_mut().enumerate().take(n).skip(n.saturating_sub(2)) {
            let at = 64 * (first + i);
            *m = down(*m, at - start(hay, at, self.stride as usize, self.more));
        }
    }

    /// 1, 2 or 4.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn stride(&self) -> u32 {
        self.stride
    }

    /// Whether byte indices have more than 16 bits.
    #[inline(always)]
    pub(super) fn is_large(&self) -> bool {
        self.shift < 32 - SMALL
    }

    /// # Safety
    /// As [`fetch`].
    #[inline(always)]
    unsafe fn fetch_pass(&self, b: &mut Buffers, n: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match (self.stride, self.is_large()) {
                (1, false) => fetch::<1, false>(&self.bits, b, n),
                (2, false) => fetch::<2, false>(&self.bits, b, n),
                (1, true) => fetch::<1, true>(&self.bits, b, n),
                (2, true) => fetch::<2, true>(&self.bits, b, n),
                _ => fetch::<4, true>(&self.bits, b, n),
            }
        }
    }

    /// # Safety
    /// As [`hash_words`], and the level is there.
    #[inline(always)]
    unsafe fn hash_pass(&self, hay: &[u8], first: usize, n: usize, b: &mut Buffers) -> usize {
        // SAFETY: the caller's promise.
        unsafe {
            match self.level {
                #[cfg(target_arch = "x86_64")]
                Level::Ssse3 => x86::hash_ssse3(self, hay, first, n, b),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::hash_avx2(self, hay, first, n, b),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => strides::<core::arch::aarch64::uint8x16_t>(self, hay, first, n, b),
                _ => unreachable!("a bitmap is built for vectors only"),
            }
        }
    }

    /// # Safety
    /// As [`test_words`], and the level is there.
    #[inline(always)]
    unsafe fn test_pass(&self, b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.level {
                #[cfg(target_arch = "x86_64")]
                Level::Ssse3 => x86::test_ssse3(b, n, masks),
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => x86::test_avx2(b, n, masks),
                #[cfg(target_arch = "aarch64")]
                Level::Neon => test_words::<core::arch::aarch64::uint8x16_t>(b, n, masks),
                _ => unreachable!("a bitmap is built for vectors only"),
            }
        }
    }
}

/// Where the block of the words' position `at` is read: there, or for the last block as much before as keeps it and
/// `more` bytes in the input, a multiple of `stride`.
#[inline(always)]
fn start(hay: &[u8], at: usize, stride: usize, more: usize) -> usize {
    let last = (hay.len() - 4 - more) & !(stride - 1);
    at.min(last - (64 - stride))
}

/// A word that was read `by` positions before its place.
#[inline(always)]
fn down(word: u64, by: usize) -> u64 {
    if by < 64 { word >> by } else { 0 }
}

/// The lowest `n` bits, or all.
#[inline(always)]
pub(super) fn valid(n: usize) -> u64 {
    if n >= 64 { u64::MAX } else { (1u64 << n) - 1 }
}

/// Indices of a block.
const AT: usize = 64;

/// What the passes hand on, by block of 64 positions. A word is four positions.
#[repr(align(64))]
pub(super) struct Buffers {
    /// Byte indices. Of a small bitmap two each: of the first two positions looked at of each of 16 words, then (with
    /// a stride of 1) of the others. Of a large one one each: of the first position of each of 16 words, then of the
    /// second, and so on.
    at: [MaybeUninit<u32>; AT * WORDS],
    /// The bytes there, by position.
    got: [MaybeUninit<u32>; 16 * WORDS],
    /// The bit to test, by position.
    test: [MaybeUninit<u32>; 16 * WORDS],
    /// The word that each block is of.
    word: [u8; WORDS],
}

impl Buffers {
    pub(super) fn new() -> Buffers {
        Buffers {
            at: [MaybeUninit::uninit(); AT * WORDS],
            got: [MaybeUninit::uninit(); 16 * WORDS],
            test: [MaybeUninit::uninit(); 16 * WORDS],
            word: [0; WORDS],
        }
    }
}

/// First pass: indices and bits, of the words that may have windows; returns how many these are.
///
/// # Safety
/// The instruction set of `V` is there; `n <= WORDS`; `hay` has `BLOCK` bytes or more, and those of longer windows, and the words
/// `first..first + n`; `S` is 1, 2 or 4. Fills as many blocks as it returns of `b.at`, of a large bitmap if `L`, `b.test` and `b.word`.
#[inline(always)]
unsafe fn hash_words<V: Vector, const S: usize, const L: bool>(
    g: &Gram,
    hay: &[u8],
    first: usize,
    n: usize,
    b: &mut Buffers,
) -> usize {
    let mut kept = 0;
    // SAFETY: a block's loads read `V::BYTES` bytes at `start + part * V::BYTES + k` for `k = 0, S, .. 4 - S`, and as many
    // bytes more behind that as windows have beyond four, so up to `start + 64 + 4 - S + more`, and
    // `start <= hay.len() - 4 - more - 64 + S` by its definition. Stores go to `V::BYTES * part`
    // of each 64 bytes of the block's indices, and to the same of its 64 of bits.
    unsafe {
        for i in 0..n {
            let p = hay.as_ptr().add(start(hay, 64 * (first + i), S, g.more));
            if let Some(a) = &g.alphabet
                && !a.may(|k| V::load(p.add(k)))
            {
                continue;
            }
            b.word[kept] = i as u8;
            for part in 0..64 / V::BYTES {
                let at = b.at.as_mut_ptr().add(AT * kept).cast::<u8>().add(V::BYTES * part);
                let test = b.test.as_mut_ptr().add(16 * kept).cast::<u8>().add(V::BYTES * part);
                hash_part::<V, S, L>(g, |k| V::load(p.add(part * V::BYTES + k)), at, test);
            }
            kept += 1;
        }
    }
    kept
}

/// The first pass for one vector: indices to `at` and as often 64 bytes behind as there are more, bits to `test`.
///
/// # Safety
/// The instruction set of `V` is there; the places can be written; `load(k)` gives the bytes at distance `k`.
#[inline(always)]
unsafe fn hash_part<V: Vector, const S: usize, const L: bool>(
    g: &Gram,
    load: impl Fn(usize) -> V,
    at: *mut u8,
    test: *mut u8,
) {
    const POWERS: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the caller's promise.
    unsafe {
        let (fold, mul, seven) = (V::splat32(FOLD), V::splat32(MUL), V::splat32(7));
        let powers = V::lanes(&POWERS);
        let of = |k: usize| {
            let mut key = load(k).or(fold);
            if g.more > 0 {
                key = key.xor(load(k + g.more).or(fold).mul32(V::splat32(MORE)));
            }
            key.mul32(mul).shr32(g.shift)
        };
        let bit = match S {
            1 => {
                let h = [of(0), of(1), of(2), of(3)];
                if L {
                    h.iter().enumerate().for_each(|(k, h)| h.shr32(3).store(at.add(64 * k)));
                } else {
                    h[0].shr32(3).or(h[1].shr32(3).shl16()).store(at);
                    h[2].shr32(3).or(h[3].shr32(3).shl16()).store(at.add(64));
                }
                let low = h[0].and(seven).or(h[1].and(seven).shl8());
                low.or(h[2].and(seven).or(h[3].and(seven).shl8()).shl16())
            }
            2 => {
                let h = [of(0), of(2)];
                if L {
                    h.iter().enumerate().for_each(|(k, h)| h.shr32(3).store(at.add(64 * k)));
                } else {
                    h[0].shr32(3).or(h[1].shr32(3).shl16()).store(at);
                }
                h[0].and(seven).or(h[1].and(seven).shl16())
            }
            _ => {
                let h = of(0);
                h.shr32(3).store(at);
                h.and(seven)
            }
        };
        powers.lookup(bit).store(test);
    }
}

/// [`hash_words`] of the right stride and bitmap.
///
/// # Safety
/// As [`hash_words`].
#[inline(always)]
unsafe fn strides<V: Vector>(g: &Gram, hay: &[u8], first: usize, n: usize, b: &mut Buffers) -> usize {
    // SAFETY: the caller's promise.
    unsafe {
        match (g.stride, g.is_large()) {
            (1, false) => hash_words::<V, 1, false>(g, hay, first, n, b),
            (2, false) => hash_words::<V, 2, false>(g, hay, first, n, b),
            (1, true) => hash_words::<V, 1, true>(g, hay, first, n, b),
            (2, true) => hash_words::<V, 2, true>(g, hay, first, n, b),
            // One index of 32 bits a word either way.
            _ => hash_words::<V, 4, true>(g, hay, first, n, b),
        }
    }
}

/// Second pass: the bytes at the indices.
///
/// # Safety
/// `n <= WORDS` blocks of `b.at` are written for stride `S`, of a large bitmap if `L`, every index below `bits.len()`.
/// Fills as many of `b.got`.
#[inline(never)]
unsafe fn fetch<const S: usize, const L: bool>(bits: &[u8], b: &mut Buffers, n: usize) {
    for i in 0..n {
        // SAFETY: the caller's promise.
        unsafe {
            let at = b.at.as_ptr().add(AT * i).cast();
            fetch_word::<S, L>(bits, at, b.got.as_mut_ptr().add(16 * i).cast());
        }
    }
}

/// The second pass for one block. The reads are volatile so that they stay scalar: a vectorizer makes it slower.
///
/// # Safety
/// `at` has the indices of a block for stride `S`, of a large bitmap if `L`, below `bits.len()`; its bytes can be
/// written to `got`.
#[inline(always)]
unsafe fn fetch_word<const S: usize, const L: bool>(bits: &[u8], at: *const u32, got: *mut u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let of = |i: u32| u32::from(bits.as_ptr().add(i as usize).read_volatile());
        let index = |i: usize| at.add(i).read_volatile();
        for j in 0..16 {
            let x = index(j);
            let bytes = match (S, L) {
                (1, true) => {
                    of(x) | of(index(16 + j)) << 8 | of(index(32 + j)) << 16 | of(index(48 + j)) << 24
                }
                (1, false) => {
                    let y = index(16 + j);
                    of(x & 0xffff) | of(x >> 16) << 8 | of(y & 0xffff) << 16 | of(y >> 16) << 24
                }
                (2, true) => of(x) | of(index(16 + j)) << 16,
                (2, false) => of(x & 0xffff) | of(x >> 16) << 16,
                _ => of(x),
            };
            got.add(j).write_volatile(bytes);
        }
    }
}

/// Third pass: the bits of the words of the blocks, into `masks`, which are 0.
///
/// # Safety
/// The instruction set of `V` is there; `n <= WORDS` blocks of `b.got` and `b.test` are written.
#[inline(always)]
unsafe fn test_words<V: Vector>(b: &Buffers, n: usize, masks: &mut [u64; WORDS]) {
    for i in 0..n {
        let Some(m) = masks.get_mut(usize::from(b.word[i])) else { continue };
        for part in 0..64 / V::BYTES {
            let at = 64 * i + part * V::BYTES;
            // SAFETY: `at + V::BYTES <= 64 * n` bytes, which are written.
            unsafe {
                let (g, t) = (
                    V::load(b.got.as_ptr().cast::<u8>().add(at)),
                    V::load(b.test.as_ptr().cast::<u8>().add(at)),
                );
                *m |= g.and(t).nonzero() << (part * V::BYTES);
            }
        }
    }
}
