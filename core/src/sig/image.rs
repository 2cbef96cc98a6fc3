//! Databases as bytes, to be kept in files and used in place.
//!
//! Out: [`Database::to_bytes`], the same bytes for the same database. In: [`Database::from_bytes`], a database that
//! borrows the bytes, such as a read-only mapping that processes share: its tables stay there; only the filters (a few
//! KiB, and a bitmap for large sets) are made anew, for the machine at hand.
//!
//! An image is refused unless every byte of it is what this version writes for the patterns in it: they are read with
//! all checks, built again, and the tables compared. So a damaged image is refused by its checksum, and a forged one
//! by the comparison; loading takes as long as building, and for that time as much memory. All numbers are
//! little-endian.
//!
//! ```text
//! 0   8  "TGSIGDB" and a line feed
//! 8   4  version, 4
//! 12  1  what the windows were chosen for (0 scalar, 1 SSSE3, 2 AVX2, 3 AVX-512, 4 NEON)
//! 13  1  hashed windows are looked for at every ... positions: 0 (there are none), 1, 2, 4
//! 14  1  their bytes, 4 to 8
//! 16  8  checksum of all bytes but these
//! 24  8  length of the image
//! 32  .. counts, 4 bytes each: patterns added, slots, references, different patterns, ids, single bytes, arena, 0
//! 64  .. tables: slots, references, patterns, ids, single bytes, arena; zeros up to 8
//! ```
use super::simd::cast::{bytes, take};
use super::verify::{CASELESS, Entry, RUN, Sampling};
use super::{
    Builder, Database, IdRef, LAST_ID, build,
    simd::{Level, isa},
};
use alloc::{borrow::Cow, vec::Vec};

const MAGIC: &[u8; 8] = b"TGSIGDB\n";
const VERSION: u32 = 4;
const HEADER: usize = 64;
/// Levels by their number in an image.
const LEVELS: [Level; 5] = [Level::Scalar, Level::Ssse3, Level::Avx2, Level::Avx512, Level::Neon];

/// Why an image was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("this is no image of a database")]
    Foreign,
    #[error("the image is of version {0}, this library reads {VERSION}")]
    Version(u32),
    #[error("the image does not lie at a multiple of 8 bytes")]
    Misaligned,
    #[error("images are read on little-endian machines only")]
    ByteOrder,
    #[error("the image is cut off, or longer than it says")]
    Length,
    #[error("the image is damaged")]
    Checksum,
    /// Its checksum holds, but it is not what this library writes.
    #[error("the image is false: {0}")]
    False(&'static str),
}

/// Four lanes of multiplied words, so that a large image is read at the speed of memory. No secret: it tells damage.
fn checksum(image: &[u8]) -> u64 {
    const K: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |h: u64, w: u64| (h ^ w).wrapping_mul(K).rotate_left(29);
    let word = |b: &[u8]| b.iter().rev().fold(0, |w, &b| w << 8 | u64::from(b));
    let mut lanes = [1u64, 2, 3, 4];
    let mut chunks = image.get(24..).unwrap_or_default().chunks_exact(32);
    for c in &mut chunks {
        for (l, w) in lanes.iter_mut().zip(c.chunks_exact(8)) {
            *l = mix(*l, word(w));
        }
    }
    let head = image.get(..16).unwrap_or_default();
    let rest = head.chunks(8).chain(chunks.remainder().chunks(8));
    rest.fold(lanes.into_iter().fold(image.len() as u64, mix), |h, w| mix(h, word(w)))
}

impl<'a> Database<'a> {
    /// The database as bytes; see the module's description.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let v = &self.verify;
        let counts = [
            self.patterns as usize,
            v.slots.len(),
            v.refs.len(),
            v.entries.len(),
            self.ids.len(),
            self.singles.len(),
            v.arena.len(),
            0,
        ];
        let mut out = Vec::with_capacity(HEADER + self.memory_bytes());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let level = LEVELS.iter().position(|l| *l == self.level).unwrap_or(0) as u8;
        out.extend_from_slice(&[level, self.how.every, self.how.width, 0]);
        out.extend_from_slice(&[0; 16]);
        for c in counts {
            out.extend_from_slice(&(c as u32).to_le_bytes());
        }
        for table in self.tables() {
            out.extend_from_slice(table);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let len = out.len() as u64;
        out[24..32].copy_from_slice(&len.to_le_bytes());
        Database::put_checksum(&mut out);
        out
    }

    /// Writes the checksum of an image of 24 bytes or more into it, for tests of forged ones.
    #[doc(hidden)]
    pub fn put_checksum(image: &mut [u8]) {
        let sum = checksum(image);
        if let Some(to) = image.get_mut(16..24) {
            to.copy_from_slice(&sum.to_le_bytes());
        }
    }

    fn tables(&self) -> [&[u8]; 6] {
        let v = &self.verify;
        [bytes(&v.slots), bytes(&v.refs), bytes(&v.entries), bytes(&self.ids), bytes(&self.singles), &v.arena]
    }

    /// The database whose [`Database::to_bytes`] are `image`, which must lie at a multiple of 8 bytes, as a mapping
    /// does.
    ///
    /// # Errors
    /// See [`ImageError`]. Whatever passes is a database as if built here.
    pub fn from_bytes(image: &'a [u8]) -> Result<Database<'a>, ImageError> {
        Database::load(image, isa::level())
    }

    /// The database of `image`, to be run on `run`.
    pub(super) fn load(image: &'a [u8], run: Level) -> Result<Database<'a>, ImageError> {
        if cfg!(target_endian = "big") {
            return Err(ImageError::ByteOrder);
        }
        if image.get(..8) != Some(MAGIC) {
            return Err(ImageError::Foreign);
        }
        if !image.as_ptr().cast::<u64>().is_aligned() {
            return Err(ImageError::Misaligned);
        }
        let (head, tables) = take::<u32>(image, HEADER / 4).ok_or(ImageError::Length)?;
        let &[_, _, version, chosen, sum, sum_high, len, len_high, ref counts @ ..] = head else {
            return Err(ImageError::Length);
        };
        let &[patterns, slots, refs, entries, ids, singles, arena, zero] = counts else {
            return Err(ImageError::Length);
        };
        if version != VERSION {
            return Err(ImageError::Version(version));
        }
        let wide = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        if wide(len, len_high) != image.len() as u64 {
            return Err(ImageError::Length);
        }
        if checksum(image) != wide(sum, sum_high) {
            return Err(ImageError::Checksum);
        }
        let cut = ImageError::Length;
        let (slots, rest) = take::<u64>(tables, slots as usize).ok_or(cut)?;
        let (refs, rest) = take::<u64>(rest, refs as usize).ok_or(cut)?;
        let (entries, rest) = take::<Entry>(rest, entries as usize).ok_or(cut)?;
        let (ids, rest) = take::<IdRef>(rest, ids as usize).ok_or(cut)?;
        let (singles, rest) = take::<u32>(rest, singles as usize).ok_or(cut)?;
        let (arena, rest) = take::<u8>(rest, arena as usize).ok_or(cut)?;
        if rest.len() >= 8 || rest.iter().any(|b| *b != 0) {
            return Err(cut);
        }
        let [level, every, width, b] = chosen.to_le_bytes();
        let level = *LEVELS.get(usize::from(level)).ok_or(ImageError::False("an unknown instruction set"))?;
        if !matches!(every, 0 | 1 | 2 | 4) || !(4..=8).contains(&width) || (b, zero) != (0, 0) {
            return Err(ImageError::False("an unknown stride or option"));
        }
        let source =
            source(entries, ids, arena).ok_or(ImageError::False("a pattern is not in its tables"))?;
        if (patterns as usize) < source.len() {
            return Err(ImageError::False("more patterns than were added"));
        }
        let mut db: Database<'a> = build::build_for(&source, level, Some(Sampling::new(every, width)), run);
        let given = [bytes(slots), bytes(refs), bytes(entries), bytes(ids), bytes(singles), arena];
        if db.tables() != given {
            return Err(ImageError::False("its tables are not those of its patterns"));
        }
        db.verify.slots = Cow::Borrowed(slots);
        db.verify.refs = Cow::Borrowed(refs);
        db.verify.entries = Cow::Borrowed(entries);
        db.verify.arena = Cow::Borrowed(arena);
        db.ids = Cow::Borrowed(ids);
        db.singles = Cow::Borrowed(singles);
        db.patterns = patterns;
        Ok(db)
    }
}

/// The patterns that tables say they were built from, as they would be added; none where the tables contradict
/// themselves.
fn source(entries: &[Entry], ids: &[IdRef], arena: &[u8]) -> Option<Builder> {
    let mut b = Builder::new();
    let mut run = Vec::new();
    for e in entries {
        let len = usize::from(e.len);
        let head = e.head.to_le_bytes();
        let pat = if e.flags & RUN != 0 {
            // One byte repeated; the head is full to its end.
            run.clear();
            run.resize(len, *head.last()?);
            &run[..]
        } else if len <= 8 {
            head.get(8 - len..)?
        } else {
            arena.get(e.at as usize..)?.get(..len)?
        };
        let mut of = ids.get(e.ids as usize..)?.iter();
        loop {
            let r = of.next()?;
            b.add(pat, e.flags & CASELESS != 0, r.id).ok()?;
            // Not even a forged image has more ids than it has references to them.
            if b.len() > ids.len() {
                return None;
            }
            if r.dense & LAST_ID != 0 {
                break;
            }
        }
    }
    Some(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sig::{Scratch, simd};
    use alloc::{vec, vec::Vec};
    use proptest::prelude::*;

    /// Bytes at a multiple of 8.
    struct Aligned(Vec<u64>, usize);

    impl Aligned {
        fn new(b: &[u8]) -> Aligned {
            let words = b.chunks(8).map(|c| {
                let mut w = [0; 8];
                w[..c.len()].copy_from_slice(c);
                u64::from_ne_bytes(w)
            });
            Aligned(words.collect(), b.len())
        }

        fn get(&self) -> &[u8] {
            &bytes(&self.0[..])[..self.1]
        }
    }

    fn all(db: &Database, hay: &[u8]) -> Vec<(usize, u32)> {
        let mut out = Vec::new();
        db.scan(hay, &mut Scratch::new(), |id, end| {
            out.push((end, id));
            true
        });
        out
    }

    fn builder(pats: &[(Vec<u8>, bool, u32)]) -> Builder {
        let mut b = Builder::new();
        for (p, c, id) in pats {
            b.add(p, *c, *id).unwrap();
        }
        b
    }

    fn many(n: u32) -> Vec<(Vec<u8>, bool, u32)> {
        let words = (0..n).map(|i| (alloc::format!("{i}-word{}", i * 7919).into_bytes(), i % 3 == 0, i / 2));
        let runs = (1..12).map(|i| (vec![b'a'; i], false, 7 + i as u32));
        let same = [
            (b"A".to_vec(), true, 1),
            (b"a".to_vec(), false, 2),
            (b"a".to_vec(), false, 2),
            (b"\0\xff".to_vec(), true, 3),
        ];
        words.chain(runs).chain(same).collect()
    }

    #[test]
    fn images_are_the_database() {
        let hay = b"xx0-word0 12-word95028 aaaaaaaaaaaaaA 3-WORD23757 \0\xff end".repeat(3);
        for n in [0, 1, 5, 40, 700] {
            let b = builder(&many(n));
            for db in b.variants() {
                let image = Aligned::new(&db.to_bytes());
                for run in simd::Level::available() {
                    let loaded = Database::load(image.get(), run).unwrap();
                    assert_eq!(loaded.to_bytes(), image.get());
                    assert_eq!(loaded.len(), db.len());
                    assert_eq!(all(&loaded, &hay), all(&db, &hay), "{db:?} as {loaded:?}");
                    assert!(matches!(loaded.verify.entries, Cow::Borrowed(_)));
                }
            }
        }
        let (one, two) = (builder(&many(50)).build(), builder(&many(50)).build());
        assert_eq!(one.to_bytes(), two.to_bytes());
    }

    #[test]
    fn others_are_refused() {
        let good = builder(&many(6)).build().to_bytes();
        let load = |b: &[u8]| Database::from_bytes(Aligned::new(b).get()).err();
        assert_eq!(load(&good), None);
        assert_eq!(load(b""), Some(ImageError::Foreign));
        assert_eq!(load(&good[..40]), Some(ImageError::Length));
        assert_eq!(load(&good[..good.len() - 8]), Some(ImageError::Length));
        assert_eq!(load(&[&good[..], &[0; 8]].concat()), Some(ImageError::Length));
        let mut other = good.clone();
        other[8] = 5;
        assert_eq!(load(&other), Some(ImageError::Version(5)));
        let shifted = Aligned::new(&[&[0][..], &good].concat());
        assert_eq!(Database::from_bytes(&shifted.get()[1..]).err(), Some(ImageError::Misaligned));
        let mut passed = 0;
        for at in (0..good.len()).step_by(3) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            assert!(load(&bad).is_some(), "byte {at} changed unseen");
            // With a checksum that holds it is false still, or the image of other patterns or ids.
            let sum = checksum(&bad);
            bad[16..24].copy_from_slice(&sum.to_le_bytes());
            if let Ok(db) = Database::from_bytes(Aligned::new(&bad).get()) {
                assert_eq!(db.to_bytes(), bad, "byte {at}");
                passed += 1;
            }
        }
        assert!(passed < good.len() / 8, "{passed} of {} bytes can be any", good.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Anything with a checksum that holds is refused or works.
        #[test]
        fn forged_images_do_no_harm(n in 0u32..40, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut image = builder(&many(n)).build().to_bytes();
            for (at, to) in changes {
                let at = at.index(image.len());
                if at >= 24 {
                    image[at] = to;
                }
            }
            let sum = checksum(&image);
            image[16..24].copy_from_slice(&sum.to_le_bytes());
            let image = Aligned::new(&image);
            if let Ok(db) = Database::from_bytes(image.get()) {
                prop_assert_eq!(db.to_bytes(), image.get());
                all(&db, &b"a0-word0 aaaa 2-word15838".repeat(5));
            }
        }
    }
}
