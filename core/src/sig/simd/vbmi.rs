//! All filters in one pass, where the machine looks up 128-byte tables (AVX-512 VBMI, with VBMI2 and GFNI).
//!
//! Up to a few hundred windows go into buckets as in [`super::nibbles`], but what a table is asked for is a hash of two
//! neighbouring bytes: a bucket of n windows passes about (n / 128)³ of all positions, whatever its windows have in
//! common with ordinary text byte by byte. Where that is too many the last two bytes are asked for with two hashes,
//! which together tell all pairs apart: (n / 128)⁴, and (n / 128)² for windows of two bytes.
use super::buckets::byte_at;
use super::gram::Gram;
use super::list::Found;
use super::{Key, Level, WORDS, words};
use alloc::{boxed::Box, string::String, vec, vec::Vec};

/// Rows of two linear maps from a byte to 7 bits: output bit `i` is the parity of the input under row `i`. Both
/// drop bit 5, the one that case flips, and keep the others apart.
const LAST: [u8; 8] = [1, 2, 4, 8, 16, 128, 64, 0];
const BEFORE: [u8; 8] = [4, 8, 16, 64, 128, 1, 2, 0];
/// `BEFORE` with its output multiplied by x modulo x⁷ + x + 1: with it in the place of `BEFORE` two bytes give seven
/// bits more, and all fourteen are different for different pairs.
const AGAIN: [u8; 8] = [2, 6, 8, 16, 64, 128, 1, 0];

/// What the tables of a set are asked for: which pair before the end of a window, and the map of its first byte.
const HASHES: [(u32, &[u8; 8]); 4] = [(0, &BEFORE), (1, &BEFORE), (2, &BEFORE), (0, &AGAIN)];

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

/// The same buckets for 64 positions.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
struct Mask([u8; 64]);

/// The filters of a database.
#[derive(Debug)]
pub(in super::super) struct Fused {
    #[cfg(target_arch = "x86_64")]
    run: x86::Run,
    /// Patterns of one byte, by the low seven bits of the byte: [`LOW`] for that below 128, [`HIGH`] for the other.
    single: Option<Table>,
    plan: Plan,
    /// Per set one table for each hash, and per set the buckets of each class.
    tables: Box<[Table]>,
    of_class: [[Mask; 3]; MOST],
    hashed: Option<Gram>,
}

const LOW: u8 = 0x80;
const HIGH: u8 = 0x40;

/// The level of these filters.
pub(in super::super) const LEVEL: Level = Level::Avx512;

/// Sets of 8 buckets there may be.
const MOST: usize = 4;

/// How windows of 2, 3 and 4 bytes are spread over buckets.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    /// Sets of 8 buckets.
    sets: u8,
    /// Four hashes are asked, not three: of the last two bytes two.
    four: bool,
    /// Buckets of windows of 2, 3 and 4 bytes.
    buckets: [u8; 3],
}

impl Plan {
    /// The one that costs least for as many windows.
    fn new(windows: [usize; 3], hashed: bool) -> Plan {
        if windows == [0; 3] {
            return Plan::default();
        }
        let mut best = (f64::INFINITY, Plan::default());
        for sets in 1..=MOST as u8 {
            for four in [hashed, true] {
                if let Some((vain, buckets)) = spread(windows, 8 * sets, four) {
                    // In cycles, for 64 positions: asking tables, and looking at what is found in vain.
                    let cost = f64::from(sets) * if four { 8.0 } else { 6.0 } + 64.0 * 25.0 * vain;
                    if cost < best.0 {
                        best = (cost, Plan { sets, four, buckets });
                    }
                }
            }
        }
        best.1
    }

    fn depth(self) -> usize {
        if self.four { 4 } else { 3 }
    }
}

/// The best way to spread `windows` over as many `buckets`, and what they then find in vain at a position; none when
/// there are too few.
fn spread(windows: [usize; 3], buckets: u8, four: bool) -> Option<(f64, [u8; 3])> {
    // What `b` buckets of the windows of a class find in vain.
    let vain = |class: usize, b: u8| {
        let each = windows[class] as f64 / (128.0 * f64::from(b));
        // Tables that are not asked in vain.
        let asked = class + if four { 2 } else { 1 };
        (0..asked).fold(f64::from(b), |p, _| p * each)
    };
    let mut of = windows.map(|n| u8::from(n > 0));
    for _ in 0..buckets.checked_sub(of.iter().sum())? {
        let gain = |c: usize| if of[c] == 0 { 0.0 } else { vain(c, of[c]) - vain(c, of[c] + 1) };
        if let Some(c) = (0..3).max_by(|&a, &b| gain(a).total_cmp(&gain(b))) {
            of[c] += u8::from(of[c] > 0 && usize::from(of[c]) < windows[c]);
        }
    }
    Some(((0..3).filter(|&c| of[c] > 0).map(|c| vain(c, of[c])).sum(), of))
}

impl Fused {
    /// Filters for the windows `keys` of two to four bytes, patterns `bytes` of one byte, and hashed windows.
    pub(in super::super) fn new(keys: &[Key], bytes: &[u8], hashed: Option<Gram>) -> Fused {
        let of = [1, 2, 3].map(|c| {
            let mut keys: Vec<Key> = keys.iter().copied().filter(|k| k.0 == c).collect();
            // Neighbours share their last bytes, so a bucket has few different pairs.
            keys.sort_unstable();
            keys
        });
        let plan = Plan::new([0, 1, 2].map(|c: usize| of[c].len()), hashed.is_some());
        let depth = plan.depth();
        let mut tables = vec![Table([0; 128]); usize::from(plan.sets) * depth];
        let mut of_class = [[Mask([0; 64]); 3]; MOST];
        let mut first = 0;
        for (class, keys) in of.iter().enumerate() {
            let own = usize::from(plan.buckets[class]);
            for bucket in first..first + own {
                of_class[bucket / 8][class].0.iter_mut().for_each(|m| *m |= 1 << (bucket % 8));
            }
            for (i, &k) in keys.iter().enumerate() {
                let bucket = first + i * own / keys.len();
                // Where the two bytes lie before the end of the window that each table is asked for.
                for (d, (at, before)) in HASHES.into_iter().take(depth).enumerate() {
                    let t = &mut tables[bucket / 8 * depth + d];
                    match (byte_at(k, at), byte_at(k, at + 1)) {
                        (Some(x), Some(y)) => {
                            t.0[usize::from(map(&LAST, x) ^ map(before, y))] |= 1 << (bucket % 8);
                        }
                        _ => t.0.iter_mut().for_each(|t| *t |= 1 << (bucket % 8)),
                    }
                }
            }
            first += own;
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
            run: x86::instance(plan, single.is_some(), hashed.as_ref().map_or(0, Gram::stride)),
            single,
            plan,
            tables: tables.into(),
            of_class,
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
        if self.plan.sets > 0 {
            let Plan { buckets: [two, three, four], .. } = self.plan;
            parts.push(alloc::format!(
                "buckets by {} pairs: {two} for windows of 2, {three} of 3, {four} of 4",
                self.plan.depth()
            ));
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
            let _ = (hay, first, found, single, self.of_class, WORDS, words(0));
            unreachable!("built for AVX-512 only")
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::super::super::verify::{STRIDED, code};
    use super::super::{
        BLOCK, HEAD,
        gram::{valid, x86::at},
        vector::Vector,
    };
    use super::*;
    use core::arch::x86_64::*;

    /// An instance of [`run`].
    pub(super) type Run = unsafe fn(&Fused, &[u8], usize, &mut Found, &mut Found) -> (usize, usize);

    /// The instance for a plan, with single bytes or without, and with hashed windows of a stride or without (0).
    pub(super) fn instance(plan: Plan, one: bool, stride: u32) -> Run {
        match stride {
            0 => by_plan::<0>(plan, one),
            1 => by_sets::<true, true, 1>(plan.sets, one),
            2 => by_sets::<true, true, 2>(plan.sets, one),
            _ => by_sets::<true, true, 4>(plan.sets, one),
        }
    }

    fn by_plan<const G: usize>(plan: Plan, one: bool) -> Run {
        let short = plan.buckets[0] + plan.buckets[1] > 0;
        match (plan.four, short) {
            (false, false) => by_sets::<false, false, G>(plan.sets, one),
            (false, true) => by_sets::<false, true, G>(plan.sets, one),
            (true, false) => by_sets::<true, false, G>(plan.sets, one),
            (true, true) => by_sets::<true, true, G>(plan.sets, one),
        }
    }

    fn by_sets<const FOUR: bool, const SHORT: bool, const G: usize>(sets: u8, one: bool) -> Run {
        match sets {
            0 => by_one::<0, FOUR, SHORT, G>(one),
            1 => by_one::<1, FOUR, SHORT, G>(one),
            2 => by_one::<2, FOUR, SHORT, G>(one),
            3 => by_one::<3, FOUR, SHORT, G>(one),
            _ => by_one::<4, FOUR, SHORT, G>(one),
        }
    }

    fn by_one<const S: usize, const FOUR: bool, const SHORT: bool, const G: usize>(one: bool) -> Run {
        if one { run::<S, FOUR, SHORT, true, G> } else { run::<S, FOUR, SHORT, false, G> }
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
    /// The instruction sets below are there; the constants are those of `f`: its sets, whether they have four tables,
    /// whether there are windows of 2 or 3 bytes, single bytes, and hashed windows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,gfni,bmi1,bmi2,popcnt,lzcnt")]
    unsafe fn run<const S: usize, const FOUR: bool, const SHORT: bool, const ONE: bool, const G: usize>(
        f: &Fused,
        hay: &[u8],
        first: usize,
        found: &mut Found,
        single: &mut Found,
    ) -> (usize, usize) {
        let len = hay.len();
        let n = words(len).saturating_sub(first).min(WORDS);
        let mut out = Out { found, k: 0, single, ks: 0 };
        // SAFETY: a word reads `BLOCK` bytes at `start`, which are there; in a shorter input it reads under a mask. Every
        // word appends at most four words to `found` and one to `single`.
        unsafe {
            // Inputs are mostly new to the first-level cache: all lines of the block are asked for at once.
            if G > 0 {
                for i in 0..n {
                    _mm_prefetch::<_MM_HINT_T0>(hay.as_ptr().add(64 * (first + i)).cast());
                }
            }
            let t = Loaded::<S, FOUR, SHORT, ONE>::new(f);
            let mut put = |i: usize, m: Masks, hashed: u64| {
                out.put(
                    i,
                    [(G > 0, hashed, STRIDED), (S > 0, m[3], 3), (SHORT, m[2], 2), (SHORT, m[1], 1)],
                    ONE.then_some(m[0]),
                );
            };
            let p = hay.as_ptr();
            let hashed = |i: usize| match &f.hashed {
                Some(g) if G > 0 => at::<G>(g, hay, first + i),
                _ => 0,
            };
            if len >= BLOCK {
                let word = |i: usize| {
                    // The last word is moved down to end with the input.
                    let at = 64 * (first + i);
                    let start = at.min(len - BLOCK);
                    let p = p.add(start);
                    let m = t.masks(|off| __m512i::load(p.add(off)));
                    if at == start { m } else { m.map(|m| m >> (at - start)) }
                };
                for i in 0..n {
                    let h = hashed(i);
                    put(i, word(i), h);
                }
            } else if n > 0 {
                let valid = valid(len - HEAD);
                put(0, t.masks(|off| load_first(p.add(off), len - off)).map(|m| m & valid), hashed(0));
            }
            (out.k, out.ks)
        }
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
    struct Loaded<const S: usize, const FOUR: bool, const SHORT: bool, const ONE: bool> {
        one: Half,
        sets: [[Half; 4]; S],
        /// Per set the buckets of windows of 2, 3 and 4 bytes.
        of_class: [[__m512i; 3]; S],
    }

    impl<const S: usize, const FOUR: bool, const SHORT: bool, const ONE: bool> Loaded<S, FOUR, SHORT, ONE> {
        /// # Safety
        /// AVX-512 F is there; `f` has as many tables as the constants say.
        #[inline(always)]
        unsafe fn new(f: &Fused) -> Self {
            // SAFETY: loads of the halves of tables of 128 bytes, as many as there are, and of 64 bytes.
            unsafe {
                let half = |t: *const Table| [__m512i::load(t.cast()), __m512i::load(t.cast::<u8>().add(64))];
                let none = __m512i::splat(0);
                let mut l = Loaded { one: [none; 2], sets: [[[none; 2]; 4]; S], of_class: [[none; 3]; S] };
                if let (true, Some(t)) = (ONE, &f.single) {
                    l.one = half(t);
                }
                let depth = if FOUR { 4 } else { 3 };
                for s in 0..S {
                    for d in 0..depth {
                        l.sets[s][d] = half(f.tables.as_ptr().add(depth * s + d));
                    }
                    for c in 0..3 {
                        l.of_class[s][c] = __m512i::load(f.of_class[s][c].0.as_ptr());
                    }
                }
                l
            }
        }

        /// # Safety
        /// The instruction sets of [`run`] are there; `load(off)` gives the 64 bytes at `off`, 0 to `HEAD`.
        #[inline(always)]
        unsafe fn masks(&self, load: impl Fn(usize) -> __m512i) -> Masks {
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
                if S == 0 {
                    return m;
                }
                let (prev, before) = (load(HEAD - 1), load(HEAD - 2));
                let h = [
                    hash(v, prev, &BEFORE),
                    hash(prev, before, &BEFORE),
                    hash(before, load(HEAD - 3), &BEFORE),
                    if FOUR { hash(v, prev, &AGAIN) } else { v },
                ];
                // Of windows of 2, 3, 4 bytes; without short ones all are in the last.
                let mut any = [__m512i::splat(0); 3];
                for (t, of) in self.sets.iter().zip(&self.of_class) {
                    let mut got = look(&t[0], h[0]).and(look(&t[1], h[1])).and(look(&t[2], h[2]));
                    if FOUR {
                        got = got.and(look(&t[3], h[3]));
                    }
                    if SHORT {
                        for c in 0..3 {
                            any[c] = any[c].or(got.and(of[c]));
                        }
                    } else {
                        any[2] = any[2].or(got);
                    }
                }
                m[3] = any[2].nonzero();
                if SHORT {
                    m[2] = any[1].nonzero();
                    m[1] = any[0].nonzero();
                }
                m
            }
        }
    }
}
