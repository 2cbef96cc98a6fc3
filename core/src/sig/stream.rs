//! Scans of input that comes in pieces, with the same matches for every cut.
//!
//! In: pieces of one stream, in order, and its [`Stream`]: a position and the last bytes, as many as a match may
//! begin before a piece. Out: `(id, end)` with ends counted from the start of the stream. The state's size is fixed
//! by the database ([`Database::stream_bytes`]); it may lie in the caller's memory, such as a flow's.
//!
//! A piece is searched behind the bytes kept, at most [`PART`] at a time: a short one is copied there, of a long one
//! only the start, and then it is searched where it lies for what ends behind that start. So a match across the cut
//! is like any other. What ends in the kept bytes was told before.
use super::{Database, Scratch};
use alloc::{boxed::Box, vec};

/// Bytes of a piece searched at a time, so that they stay in the nearest cache.
pub(super) const PART: usize = 16 << 10;

/// Bytes of the position at the start of a state.
const POSITION: usize = 8;

/// The state of one stream of one database, in `B`: its own memory, or lent.
#[derive(Clone, Debug)]
pub struct Stream<B = Box<[u8]>> {
    state: B,
}

impl Stream {
    /// A stream at its start, with memory of its own.
    #[must_use]
    pub fn new(db: &Database) -> Self {
        Stream { state: vec![0; db.stream_bytes()].into() }
    }

    /// A stream at its start for [`Database::scan_stream_once`], with memory of its own.
    #[must_use]
    pub fn once(db: &Database) -> Self {
        Stream { state: vec![0; db.stream_once_bytes()].into() }
    }
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Stream<B> {
    /// A stream in lent memory of [`Database::stream_bytes`] bytes (or [`Database::stream_once_bytes`]), zero for a
    /// stream at its start.
    pub fn in_bytes(state: B) -> Self {
        Stream { state }
    }

    /// Bytes scanned so far.
    pub fn position(&self) -> u64 {
        self.state.as_ref().first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
    }

    /// Begins anew.
    pub fn reset(&mut self) {
        self.state.as_mut().fill(0);
    }

    /// The memory.
    pub fn into_bytes(self) -> B {
        self.state
    }
}

impl Database<'_> {
    /// Bytes of a stream's state: 8, and one less than the longest pattern has.
    #[must_use]
    pub fn stream_bytes(&self) -> usize {
        POSITION + self.history()
    }

    /// Bytes of the state of a stream for [`Database::scan_stream_once`]: a bit for each pattern, and for each id that
    /// several patterns share, in addition.
    #[must_use]
    pub fn stream_once_bytes(&self) -> usize {
        self.stream_bytes() + (self.marks as usize).div_ceil(8)
    }

    fn history(&self) -> usize {
        self.longest.saturating_sub(1) as usize
    }

    /// Reports every occurrence that ends in `piece`, the bytes that follow those scanned before, as `(id, end)` with
    /// the end counted from the start of the stream, in order, until `on_match` says `false`. The stream moves on by
    /// all of `piece` in any case. With a state of the wrong size nothing is done.
    pub fn scan_stream<B: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        stream: &mut Stream<B>,
        piece: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, u64) -> bool,
    ) {
        self.feed(stream, piece, scratch, |w, have, start, _, scratch| {
            let mut go = true;
            self.scan_all(w, have, scratch, |id, end| {
                go = on_match(id, start.wrapping_add(end as u64));
                go
            });
            go
        });
    }

    /// As [`Database::scan_stream`], but each id at most once in a stream, with its first end. The state is of
    /// [`Database::stream_once_bytes`].
    pub fn scan_stream_once<B: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        stream: &mut Stream<B>,
        piece: &[u8],
        scratch: &mut Scratch,
        mut on_match: impl FnMut(u32, u64) -> bool,
    ) {
        if stream.state.as_ref().len() < self.stream_once_bytes() {
            return;
        }
        self.feed(stream, piece, scratch, |w, have, start, told, scratch| {
            let mut go = true;
            self.scan_rest(w, have, told, scratch, |id, end| {
                go = on_match(id, start.wrapping_add(end as u64));
                go
            });
            go
        });
    }

    /// Calls `scan(window, bytes kept before it, offset of its start, rest of the state, scratch)` for the parts of
    /// `piece` until it says `false`, and moves the stream on.
    #[inline]
    fn feed<B: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        stream: &mut Stream<B>,
        piece: &[u8],
        scratch: &mut Scratch,
        mut scan: impl FnMut(&[u8], usize, u64, &mut [u8], &mut Scratch) -> bool,
    ) {
        let most = self.history();
        let Some((head, rest)) = stream.state.as_mut().split_first_chunk_mut::<POSITION>() else { return };
        let Some((kept, told)) = rest.split_at_mut_checked(most) else { return };
        let mut position = u64::from_le_bytes(*head);
        let mut have = usize::try_from(position).unwrap_or(usize::MAX).min(most);
        self.prepare(scratch);
        let mut window = core::mem::take(&mut scratch.window);
        let mut go = true;
        for part in piece.chunks(PART) {
            // A part much longer than what matches across the cut is searched where it is, but for its start.
            let seam = if part.len() >= 4 * most + 256 { most } else { part.len() };
            if let (Some(w), Some(start)) = (window.get_mut(..have + seam), part.get(..seam)) {
                let (old, new) = w.split_at_mut(have);
                old.copy_from_slice(kept.get(most - have..).unwrap_or_default());
                new.copy_from_slice(start);
                if go && have + seam > 0 {
                    go = scan(w, have, position.wrapping_sub(have as u64), told, scratch);
                }
                if go && seam < part.len() {
                    go = scan(part, seam, position, told, scratch);
                }
            }
            // The newest bytes are at the end of what is kept.
            let known = (have + part.len()).min(most);
            let newest = match part.len().checked_sub(known) {
                Some(from) => part.get(from..),
                // Then all of it is in the window.
                None => window.get(have + part.len() - known..have + part.len()),
            };
            if let (Some(k), Some(newest)) = (kept.get_mut(most - known..), newest) {
                k.copy_from_slice(newest);
            }
            have = known;
            position = position.wrapping_add(part.len() as u64);
        }
        scratch.window = window;
        *head = position.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sig::Builder;
    use alloc::{collections::BTreeSet, vec::Vec};
    use proptest::prelude::*;

    /// Every match of `pieces` scanned one after the other.
    fn all(db: &Database, pieces: &[&[u8]]) -> Vec<(u64, u32)> {
        let mut state = vec![0; db.stream_bytes()];
        let mut scratch = Scratch::for_databases([db]);
        let room = scratch.memory_bytes();
        let mut out = Vec::new();
        for p in pieces {
            // The state is all there is between pieces.
            let mut s = Stream::in_bytes(&mut state[..]);
            db.scan_stream(&mut s, p, &mut scratch, |id, end| {
                out.push((end, id));
                true
            });
        }
        assert_eq!(room, scratch.memory_bytes());
        let mut once = Vec::new();
        let mut s = Stream::once(db);
        for p in pieces {
            db.scan_stream_once(&mut s, p, &mut scratch, |id, end| {
                once.push((end, id));
                true
            });
        }
        let mut first = BTreeSet::new();
        let want: Vec<_> = out.iter().filter(|m| first.insert(m.1)).copied().collect();
        let set = |v: &[(u64, u32)]| v.iter().copied().collect::<BTreeSet<_>>();
        assert_eq!((set(&once), once.len()), (set(&want), want.len()), "once: {db:?}");
        let total: usize = pieces.iter().map(|p| p.len()).sum();
        assert_eq!(Stream::in_bytes(&mut state[..]).position(), total as u64);
        assert!(out.is_sorted_by_key(|m| m.0), "{out:?}");
        out
    }

    fn block(db: &Database, hay: &[u8]) -> BTreeSet<(u64, u32)> {
        let mut out = BTreeSet::new();
        db.scan(hay, &mut Scratch::new(), |id, end| {
            out.insert((end as u64, id));
            true
        });
        out
    }

    fn check(db: &Database, hay: &[u8], pieces: &[&[u8]]) {
        let got = all(db, pieces);
        let set: BTreeSet<_> = got.iter().copied().collect();
        let mut whole = 0;
        db.scan(hay, &mut Scratch::new(), |_, _| {
            whole += 1;
            true
        });
        assert_eq!(set, block(db, hay), "{db:?}");
        assert_eq!(got.len(), whole, "a match was told twice");
    }

    #[test]
    fn every_cut_is_the_same() {
        let hay = b"xxabcdefghijklmnopqrstuvwxyzxxabABabcdefghijaaaaaabcdefghijklmnopqrstuvwxyz";
        for pats in [
            &[&b"a"[..]][..],
            &[b"abcdefghijklmnopqrstuvwxyz"],
            &[b"ab", b"abc", b"xx", b"z", b"aa", b"aaaa", b"klmnopqrstuv", b"abcdefghij"],
        ] {
            let mut b = Builder::new();
            for (i, p) in pats.iter().enumerate() {
                b.add(p, i % 2 == 1, i as u32).unwrap();
            }
            for db in b.variants() {
                for i in 0..=hay.len() {
                    for j in (i..=hay.len()).step_by(7) {
                        check(&db, hay, &[&hay[..i], &hay[i..j], &hay[j..]]);
                    }
                }
                let bytes: Vec<&[u8]> = hay.chunks(1).collect();
                check(&db, hay, &bytes);
            }
        }
    }

    #[test]
    fn long_pieces_and_long_patterns() {
        let mut b = Builder::new();
        let long: Vec<u8> = (0..4096u32).map(|i| (i * 7 % 251) as u8).collect();
        b.add(&long, false, 1).unwrap();
        b.add(b"needle", true, 2).unwrap();
        let db = b.build();
        assert_eq!(db.stream_bytes(), 8 + 4095);
        let mut hay = vec![b'-'; PART - 100];
        hay.extend_from_slice(&long);
        hay.extend_from_slice(&[b'.'; PART]);
        hay.extend_from_slice(b"NEEDLE");
        hay.extend_from_slice(&long);
        for cut in [1, 7, 100, 4095, 4096, PART - 1, PART, PART + 1, 3 * PART] {
            let pieces: Vec<&[u8]> = hay.chunks(cut).collect();
            check(&db, &hay, &pieces);
        }
    }

    #[test]
    fn stopping_moves_on_and_wrong_states_do_nothing() {
        let mut b = Builder::new();
        b.add(b"abc", false, 1).unwrap();
        let db = b.build();
        let mut scratch = Scratch::new();
        let mut s = Stream::new(&db);
        let mut ends = Vec::new();
        db.scan_stream(&mut s, b"abcabc ab", &mut scratch, |_, end| {
            ends.push(end);
            false
        });
        assert_eq!((s.position(), &ends[..]), (9, &[3][..]));
        db.scan_stream(&mut s, b"c", &mut scratch, |_, end| {
            ends.push(end);
            true
        });
        assert_eq!(ends, [3, 10]);
        s.reset();
        db.scan_stream(&mut s, b"c", &mut scratch, |_, _| panic!("nothing before the start"));
        let mut small = Stream::in_bytes([0; 5]);
        db.scan_stream(&mut small, b"abc", &mut scratch, |_, _| panic!("no state"));
        // Ends beyond what 32 bits count.
        let mut state = vec![0; db.stream_bytes()];
        state[..8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        db.scan_stream(&mut Stream::in_bytes(&mut state[..]), b"abc", &mut scratch, |_, end| {
            ends.push(end);
            true
        });
        assert_eq!(ends, [3, 10, (1 << 40) + 3]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn cuts_equal_the_block(
            pats in prop::collection::vec((prop::collection::vec(prop::sample::select(b"aAb".as_slice()), 1..20), any::<bool>()), 1..40),
            hay in prop::collection::vec(prop::sample::select(b"aAbB".as_slice()), 0..300),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut b = Builder::new();
            for (i, (p, c)) in pats.iter().enumerate() {
                b.add(p, *c, i as u32).unwrap();
            }
            let mut at: Vec<usize> = cuts.iter().map(|c| c.index(hay.len() + 1)).chain([0, hay.len()]).collect();
            at.sort_unstable();
            let pieces: Vec<&[u8]> = at.windows(2).map(|w| &hay[w[0]..w[1]]).collect();
            for db in b.variants() {
                check(&db, &hay, &pieces);
            }
        }
    }
}
