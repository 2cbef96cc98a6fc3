//! All filters in one pass, where the machine looks up 128-byte tables (AVX-512 VBMI, with VBMI2 and GFNI).
//!
//! Up to a few hundred windows go into buckets as in [`super::teddy`], but what a table is asked for is a hash of two
//! neighbouring bytes, so a bucket of n windows passes about (n / 128)³ of all positions, whatever its windows have in common with ordinary
//! text byte by byte. Windows of two bytes are asked for with two hashes, which together tell all pairs apart.
use super::gram::Gram;
use super::list::Found;
use super::teddy::byte_at;
use super::{Key, Level, WORDS, words};
use alloc::{boxed::Box, string::String, vec::Vec};

/// Rows of two linear maps from a byte to 7 bits: output bit `i` is the parity of the input under row `i`. Both
/// drop bit 5, the one that case flips, and keep the others apart.
const LAST: [u8; 8] = [1, 2, 4, 8, 16, 128, 64, 0];
const BEFORE: [u8; 8] = [4, 8, 16, 64, 128, 1, 2, 0];
/// `BEFORE` with its output multiplied by x modulo x⁷ + x + 1: with it in the place of `BEFORE` two bytes give seven
/// bits more, and all fourteen are different for different pairs.
const AGAIN: [u8; 8] = [2, 6, 8, 16, 64, 128, 1, 0];

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

/// A table of 128 bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Table([u8; 128]);

/// The filters of a database.
#[derive(Debug)]
pub(in super::super) struct Fused {
    #[cfg(target_arch = "x86_64")]
    run: x86::Run,
    /// Patterns of one byte, by the low seven bits of the byte: [`LOW`] for that below 128, [`HIGH`] for the other.
    single: Option<Table>,
    /// Sets of 8 buckets for windows of 2, 3 and 4 bytes.
    sets: [u8; 3],
    /// Buckets of the last set for 4 bytes that have the windows of 3 bytes: 0 or the upper ones.
    merged: u8,
    /// Per set one table for each hash: two for windows of 2 and 3 bytes, three for those of 4.
    tables: Box<[Table]>,
    hashed: Option<Gram>,
}

const LOW: u8 = 0x80;
const HIGH: u8 = 0x40;

/// The level of these filters.
pub(in super::super) const LEVEL: Level = Level::Avx512;

/// Sets for as many windows of four bytes.
fn sets_of_four(n: usize) -> u8 {
    match n {
        0 => 0,
        1..=32 => 1,
        33..=160 => 2,
        _ => 4,
    }
}

/// Sets for as many windows of two or three bytes.
fn sets_of_few(n: usize) -> u8 {
    match n {
        0 => 0,
        1..=24 => 1,
        _ => 2,
    }
}

impl Fused {
    /// Filters for the windows `keys` of two to four bytes, patterns `bytes` of one byte, and hashed windows.
    pub(in super::super) fn new(keys: &[Key], bytes: &[u8], hashed: Option<Gram>) -> Fused {
        let of = |c: u32| {
            let mut keys: Vec<Key> = keys.iter().copied().filter(|k| k.0 == c).collect();
            // Neighbours share their last bytes, so a bucket has few different pairs.
            keys.sort_unstable();
            keys
        };
        let (two, mut three, mut four) = (of(1), of(2), of(3));
        // Two of three bytes in a bucket are found in vain at one position in 4096.
        let merged = !three.is_empty() && three.len() <= 6 && !four.is_empty();
        let others = if merged { three.len().div_ceil(2) } else { 0 };
        if merged {
            four.append(&mut three);
        }
        let few = sets_of_few(three.len()).max(sets_of_few(two.len()));
        let sets = [two.len(), three.len()].map(|n| if n == 0 { 0 } else { few });
        let sets = [sets[0], sets[1], sets_of_four(four.len())];
        let mut tables = Vec::new();
        for (keys, sets, depth) in [(&two, sets[0], 2), (&three, sets[1], 2), (&four, sets[2], 3)] {
            let (start, sets) = (tables.len(), usize::from(sets));
            tables.resize(start + sets * depth, Table([0; 128]));
            // Windows of 3 bytes among those of 4 have buckets of their own, the last ones.
            let most = keys.iter().filter(|k| k.0 != 2 || !merged).count();
            let own = 8 * sets - if depth == 3 { others } else { 0 };
            for (i, &k) in keys.iter().enumerate() {
                let bucket = if i < most { i * own / most } else { own + (i - most) / 2 };
                for d in 0..depth {
                    let (at, before) = if k.0 == 1 && d == 1 { (0, &AGAIN) } else { (d as u32, &BEFORE) };
                    let t = &mut tables[start + bucket / 8 * depth + d];
                    match (byte_at(k, at), byte_at(k, at + 1)) {
                        (Some(x), Some(y)) => {
                            t.0[usize::from(map(&LAST, x) ^ map(before, y))] |= 1 << (bucket % 8);
                        }
                        _ => t.0.iter_mut().for_each(|t| *t |= 1 << (bucket % 8)),
                    }
                }
            }
        }
        let single = (!bytes.is_empty()).then(|| {
            let mut t = Table([0; 128]);
            for &b in bytes {
                t.0[usize::from(b & 127)] |= if b < 128 { LOW } else { HIGH };
            }
            t
        });
        Fused {
            #[cfg(target_arch = "x86_64")]
            run: x86::instance(sets, merged, single.is_some(), hashed.is_some()),
            single,
            sets,
            merged: !(0xff >> others),
            tables: tables.into(),
            hashed,
        }
    }

    pub(in super::super) fn memory_bytes(&self) -> usize {
        core::mem::size_of::<Fused>()
            + core::mem::size_of_val(&*self.tables)
            + self.hashed.as_ref().map_or(0, Gram::memory_bytes)
    }

    pub(in super::super) fn describe(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.hashed.as_ref().map(Gram::describe));
        for (w, n) in (2..).zip(self.sets).filter(|s| s.1 > 0) {
            parts.push(alloc::format!("{} buckets by pairs for windows of {w}", 8 * n));
        }
        parts.extend(self.single.as_ref().map(|_| "a byte set".into()));
        parts.join("; ")
    }

    /// Whether a pattern of one byte is `b`.
    #[inline]
    pub(in super::super) fn has(&self, b: u8) -> bool {
        let bit = if b < 128 { LOW } else { HIGH };
        self.single.as_ref().is_some_and(|t| t.0[usize::from(b & 127)] & bit != 0)
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
        // SAFETY: built only where the level is `Avx512`, which a machine has or it is not given.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            (self.run)(self, hay, first, found, single)
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (hay, first, found, single, self.merged, WORDS, words(0));
            unreachable!("built for AVX-512 only")
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::super::super::verify::{STRIDED, code};
    use super::super::{BLOCK, HEAD, vector::Vector};
    use super::*;
    use core::arch::x86_64::*;
    use core::mem::MaybeUninit;

    /// An instance of [`run`].
    pub(super) type Run = unsafe fn(&Fused, &[u8], usize, &mut Found, &mut Found) -> (usize, usize);

    /// The instance for as many sets, with single bytes and hashed windows or without.
    pub(super) fn instance(sets: [u8; 3], merged: bool, one: bool, hashed: bool) -> Run {
        match (sets[0], sets[1], merged) {
            (0, _, true) => by_four::<0, 0, true>(sets[2], one, hashed),
            (1, _, true) => by_four::<1, 0, true>(sets[2], one, hashed),
            (_, _, true) => by_four::<2, 0, true>(sets[2], one, hashed),
            (0, 0, _) => by_four::<0, 0, false>(sets[2], one, hashed),
            (1, 0, _) => by_four::<1, 0, false>(sets[2], one, hashed),
            (0, 1, _) => by_four::<0, 1, false>(sets[2], one, hashed),
            (1, _, _) => by_four::<1, 1, false>(sets[2], one, hashed),
            (2, 0, _) => by_four::<2, 0, false>(sets[2], one, hashed),
            (0, _, _) => by_four::<0, 2, false>(sets[2], one, hashed),
            (_, _, _) => by_four::<2, 2, false>(sets[2], one, hashed),
        }
    }

    fn by_four<const S2: usize, const S3: usize, const IN4: bool>(sets: u8, one: bool, hashed: bool) -> Run {
        match sets {
            0 => by_rest::<S2, S3, 0, IN4>(one, hashed),
            1 => by_rest::<S2, S3, 1, IN4>(one, hashed),
            2 => by_rest::<S2, S3, 2, IN4>(one, hashed),
            _ => by_rest::<S2, S3, 4, IN4>(one, hashed),
        }
    }

    fn by_rest<const S2: usize, const S3: usize, const S4: usize, const IN4: bool>(
        one: bool,
        hashed: bool,
    ) -> Run {
        match (one, hashed) {
            (false, false) => run::<S2, S3, S4, IN4, false, false>,
            (false, true) => run::<S2, S3, S4, IN4, false, true>,
            (true, false) => run::<S2, S3, S4, IN4, true, false>,
            (true, true) => run::<S2, S3, S4, IN4, true, true>,
        }
    }

    /// Words of one position per bit: of single bytes, of windows of 2, 3, and 4 bytes.
    type Masks = [u64; 4];

    /// What a block gives, and how many of it.
    struct Out<'a> {
        found: &'a mut Found,
        k: usize,
        single: &'a mut Found,
        ks: usize,
    }

    impl Out<'_> {
        /// Appends the words of block word `i`: nothing branches on what they are.
        ///
        /// # Safety
        /// There is room.
        #[inline(always)]
        unsafe fn put(&mut self, i: usize, words: [(bool, u64, u32); 4], one: Option<u64>) {
            let at = (HEAD + 1 + 64 * i) as u32;
            // SAFETY: the caller's promise.
            unsafe {
                for (there, mask, class) in words {
                    if there {
                        *self.found.mask.get_unchecked_mut(self.k) = mask;
                        *self.found.at.get_unchecked_mut(self.k) = at | code(class);
                        self.k += usize::from(mask != 0);
                    }
                }
                if let Some(mask) = one {
                    *self.single.mask.get_unchecked_mut(self.ks) = mask;
                    *self.single.at.get_unchecked_mut(self.ks) = at;
                    self.ks += usize::from(mask != 0);
                }
            }
        }
    }

    /// The words of up to [`WORDS`] words of `hay` from `first` on that are not 0; how many of windows and of single
    /// bytes there are.
    ///
    /// # Safety
    /// The instruction sets below are there; the constants are those of `f`: its sets, whether windows of 3 bytes are
    /// among those of 4, whether there are single bytes and hashed windows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt,lzcnt")]
    unsafe fn run<
        const S2: usize,
        const S3: usize,
        const S4: usize,
        const IN4: bool,
        const ONE: bool,
        const HASHED: bool,
    >(
        f: &Fused,
        hay: &[u8],
        first: usize,
        found: &mut Found,
        single: &mut Found,
    ) -> (usize, usize) {
        let len = hay.len();
        let n = words(len).saturating_sub(first).min(WORDS);
        let mut hashed = [MaybeUninit::<u64>::uninit(); WORDS];
        let mut out = Out { found, k: 0, single, ks: 0 };
        // SAFETY: a word reads `BLOCK` bytes at `start`, which are there; in a shorter input it reads under a mask. All
        // `n <= WORDS` hashed words are written before they are read. Every word appends at most four words to `found` and
        // one to `single`.
        unsafe {
            if let (true, Some(g)) = (HASHED, &f.hashed) {
                // Inputs are mostly new to the first-level cache: all lines of the block are asked for at once.
                for i in 0..n {
                    _mm_prefetch::<_MM_HINT_T0>(hay.as_ptr().add(64 * (first + i)).cast());
                }
                g.fill_wide(hay, first, n, hashed.as_mut_ptr().cast());
            }
            let t = Loaded::<S2, S3, S4, ONE>::new(f);
            let hashed = hashed.as_ptr().cast::<u64>();
            let mut put = |i: usize, m: Masks| {
                let h = if HASHED { hashed.add(i).read() } else { 0 };
                out.put(
                    i,
                    [(HASHED, h, STRIDED), (S4 > 0, m[3], 3), (S3 > 0 || IN4, m[2], 2), (S2 > 0, m[1], 1)],
                    ONE.then_some(m[0]),
                );
            };
            if len >= BLOCK {
                for i in 0..n {
                    // The last word is moved down to end with the input.
                    let at = 64 * (first + i);
                    let start = at.min(len - BLOCK);
                    let p = hay.as_ptr().add(start);
                    put(i, t.masks::<IN4>(|off| __m512i::load(p.add(off))).map(|m| m >> (at - start)));
                }
            } else if n > 0 {
                let p = hay.as_ptr();
                let valid = valid(len - HEAD);
                put(0, t.masks::<IN4>(|off| load_first(p.add(off), len - off)).map(|m| m & valid));
            }
            (out.k, out.ks)
        }
    }

    /// The lowest `n` bits, or all.
    #[inline(always)]
    pub(in super::super) fn valid(n: usize) -> u64 {
        if n >= 64 { u64::MAX } else { (1u64 << n) - 1 }
    }

    /// The first `n` bytes at `p` and zeros.
    ///
    /// # Safety
    /// AVX-512 BW is there and `n.min(64)` bytes at `p` are readable.
    #[inline(always)]
    pub(in super::super) unsafe fn load_first(p: *const u8, n: usize) -> __m512i {
        // SAFETY: masked-off bytes are not accessed; the others are readable by the caller's promise.
        unsafe { _mm512_maskz_loadu_epi8(valid(n), p.cast()) }
    }

    /// A table in registers.
    type Half = [__m512i; 2];

    /// The tables of the filters with these constants, in registers as far as they fit.
    struct Loaded<const S2: usize, const S3: usize, const S4: usize, const ONE: bool> {
        one: Half,
        two: [[Half; 2]; S2],
        three: [[Half; 2]; S3],
        four: [[Half; 3]; S4],
        /// The buckets of the last set for 4 bytes that have windows of 3.
        merged: __m512i,
    }

    impl<const S2: usize, const S3: usize, const S4: usize, const ONE: bool> Loaded<S2, S3, S4, ONE> {
        /// # Safety
        /// AVX-512 F is there; `f` has as many tables as the constants say.
        #[inline(always)]
        unsafe fn new(f: &Fused) -> Self {
            // SAFETY: loads of the halves of tables of 128 bytes, as many as there are.
            unsafe {
                let half = |t: *const Table| [__m512i::load(t.cast()), __m512i::load(t.cast::<u8>().add(64))];
                let t = f.tables.as_ptr();
                let none = __m512i::splat(0);
                let mut l = Loaded {
                    one: [none; 2],
                    two: [[[none; 2]; 2]; S2],
                    three: [[[none; 2]; 2]; S3],
                    four: [[[none; 2]; 3]; S4],
                    merged: __m512i::splat(f.merged),
                };
                if let (true, Some(t)) = (ONE, &f.single) {
                    l.one = half(t);
                }
                for s in 0..S2 {
                    l.two[s] = [half(t.add(2 * s)), half(t.add(2 * s + 1))];
                }
                for s in 0..S3 {
                    let t = t.add(2 * S2);
                    l.three[s] = [half(t.add(2 * s)), half(t.add(2 * s + 1))];
                }
                for s in 0..S4 {
                    let t = t.add(2 * S2 + 2 * S3);
                    l.four[s] = [half(t.add(3 * s)), half(t.add(3 * s + 1)), half(t.add(3 * s + 2))];
                }
                l
            }
        }

        /// # Safety
        /// The instruction sets of [`run`] are there; `load(off)` gives the 64 bytes at `off`, 0 to `HEAD`.
        #[inline(always)]
        unsafe fn masks<const IN4: bool>(&self, load: impl Fn(usize) -> __m512i) -> Masks {
            // SAFETY: register operations of an instruction set that is there.
            unsafe {
                let look = |t: &Half, at: __m512i| _mm512_permutex2var_epi8(t[0], at, t[1]);
                let hash = |v: __m512i, prev: __m512i, before: &[u8; 8]| {
                    _mm512_xor_si512(
                        _mm512_gf2p8affine_epi64_epi8::<0>(v, _mm512_set1_epi64(matrix(&LAST))),
                        _mm512_gf2p8affine_epi64_epi8::<0>(prev, _mm512_set1_epi64(matrix(before))),
                    )
                };
                let v = load(HEAD);
                let mut m = [0; 4];
                if ONE {
                    // `LOW` where the top bit of the byte is not set, `HIGH` where it is.
                    let (low, high) = (_mm512_set1_epi8(LOW as i8), _mm512_set1_epi8(HIGH as i8));
                    let which = _mm512_ternarylogic_epi32::<0xF8>(
                        _mm512_andnot_si512(v, low),
                        high,
                        _mm512_srli_epi16::<1>(v),
                    );
                    m[0] = look(&self.one, v).and(which).nonzero();
                }
                if S2 + S3 + S4 == 0 {
                    return m;
                }
                let prev = load(HEAD - 1);
                let h0 = hash(v, prev, &BEFORE);
                if S2 > 0 {
                    let h1 = hash(v, prev, &AGAIN);
                    let mut any = __m512i::splat(0);
                    for t in &self.two {
                        any = any.or(look(&t[0], h0).and(look(&t[1], h1)));
                    }
                    m[1] = any.nonzero();
                }
                if S3 + S4 == 0 {
                    return m;
                }
                let before = load(HEAD - 2);
                let h1 = hash(prev, before, &BEFORE);
                if S3 > 0 {
                    let mut any = __m512i::splat(0);
                    for t in &self.three {
                        any = any.or(look(&t[0], h0).and(look(&t[1], h1)));
                    }
                    m[2] = any.nonzero();
                }
                if S4 > 0 {
                    let h2 = hash(before, load(HEAD - 3), &BEFORE);
                    let mut any = __m512i::splat(0);
                    for (i, t) in self.four.iter().enumerate() {
                        let mut got = look(&t[0], h0).and(look(&t[1], h1)).and(look(&t[2], h2));
                        if IN4 && i == S4 - 1 {
                            m[2] = _mm512_test_epi8_mask(got, self.merged);
                            got = _mm512_andnot_si512(self.merged, got);
                        }
                        any = any.or(got);
                    }
                    m[3] = any.nonzero();
                }
                m
            }
        }
    }
}
