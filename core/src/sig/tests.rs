//! Every engine against the naive oracle: a table of cases at all alignments, and small alphabets at random.
use super::*;
use alloc::{collections::BTreeSet, vec, vec::Vec};
use proptest::prelude::*;

type Pats<'a> = &'a [(&'a [u8], bool, u32)];

/// All `(end, id)` by comparing every pattern at every place.
fn oracle(pats: Pats<'_>, hay: &[u8]) -> BTreeSet<(usize, u32)> {
    let mut out = BTreeSet::new();
    for &(p, caseless, id) in pats {
        for (i, w) in hay.windows(p.len()).enumerate() {
            if w == p || caseless && w.eq_ignore_ascii_case(p) {
                out.insert((i + p.len(), id));
            }
        }
    }
    out
}

/// One database for each instruction set of this machine.
fn databases(pats: Pats<'_>) -> Vec<Database> {
    let mut b = Builder::new();
    for &(p, c, id) in pats {
        b.add(p, c, id).unwrap();
    }
    simd::Level::available().map(|l| build::build(&b, l)).collect()
}

fn check(pats: Pats<'_>, db: &Database, hay: &[u8], scratch: &mut Scratch) {
    let want = oracle(pats, hay);
    let mut got = Vec::new();
    db.scan(hay, scratch, |id, end| {
        got.push((end, id));
        true
    });
    assert!(got.is_sorted_by_key(|m| m.0), "{db:?}: ends out of order: {got:?}");
    let mut set: BTreeSet<_> = got.iter().copied().collect();
    // An id with several patterns of one length may be reported for each; the oracle's set folds them.
    assert_eq!(set, want, "{db:?} on {hay:02x?}");
    let mut once = Vec::new();
    db.scan_once(hay, scratch, |id, end| {
        once.push((end, id));
        true
    });
    let ids: BTreeSet<u32> = once.iter().map(|m| m.1).collect();
    assert_eq!(ids.len(), once.len(), "{db:?}: an id twice: {once:?}");
    assert_eq!(ids, want.iter().map(|m| m.1).collect(), "{db:?} once on {hay:02x?}");
    for m in once {
        assert!(set.contains(&m), "{db:?}: {m:?} is not a match");
        let single =
            pats.iter().filter(|p| p.2 == m.1).map(|p| (p.0, p.1)).collect::<BTreeSet<_>>().len() == 1;
        if single {
            assert_eq!(Some(m.0), want.iter().find(|w| w.1 == m.1).map(|w| w.0), "{db:?}: not the first");
        }
    }
    // Stopping after the first match stops.
    let mut n = 0;
    db.scan(hay, scratch, |_, _| {
        n += 1;
        false
    });
    assert_eq!(n, usize::from(!want.is_empty()));
    set.clear();
}

/// Patterns and an input. Each is run with the input moved through all alignments of 64 bytes.
const CASES: &[(Pats<'static>, &[u8])] = &[
    (&[], b"anything"),
    (&[(b"a", false, 1)], b""),
    (&[(b"a", false, 1)], b"a"),
    (&[(b"a", false, 1)], b"banana"),
    (&[(b"A", true, 1)], b"banAna"),
    (&[(b"A", false, 1)], b"banAna"),
    (&[(b"abc", false, 1), (b"abc", false, 2), (b"ABC", true, 3), (b"abc", false, 1)], b"xabcxABCxaBc"),
    (&[(b"a", false, 1), (b"aa", false, 2), (b"aaa", false, 3), (b"aaaa", false, 4), (b"aaaaa", false, 5)], b"aaaaaaaaaa"),
    (&[(b"abcdefghij", false, 7)], b"abcdefghi"),
    (&[(b"abcdefghij", true, 7), (b"cde", false, 8)], b"zzABCdefGHIJzz"),
    (&[(b"bcdefgh", false, 1), (b"abcdefghij", false, 2), (b"j", false, 3), (b"hij", false, 4)], b"abcdefghijabcdefghij"),
    (&[(b"@[`{", true, 1), (b"@[`{", false, 2)], b"@[`{`{@[@{`["),
    (&[(b"\x00\x01\x02", false, 1), (b"\x20\x21\x22", false, 2)], b"\x00\x01\x02\x20\x21\x22\x00\x21\x02"),
    (&[(b"\xc3\xa9", true, 1), (b"\xe3\x89", true, 2)], b"\xc3\xa9\xe3\x89\xc3\x89"),
    (&[(b"zqx needle with a long tail of quite common words, the end", true, 1), (b"needle", false, 2), (b"the end", true, 3), (b"end", false, 4)], b"..ZQX Needle with a long tail of quite common words, the end zqx needle with a long tail of quite common words, the end"),
    (&[(b"he", false, 1), (b"she", false, 2), (b"his", false, 3), (b"hers", false, 4)], b"ushers and his sheriff"),
    (&[(b"1234567", false, 1), (b"12345678", false, 2), (b"123456789", false, 3), (b"234567890abcdefgh", true, 4)], b"01234567890ABCDEFGH1234567812345671234567"),
];

#[test]
fn cases_at_all_alignments() {
    let mut scratch = Scratch::new();
    for (pats, hay) in CASES {
        for db in databases(pats) {
            for pad in 0..130 {
                let mut h = vec![b'-'; pad];
                h.extend_from_slice(hay);
                check(pats, &db, &h, &mut scratch);
                h.extend_from_slice(&[b'-'; 70]);
                check(pats, &db, &h, &mut scratch);
            }
        }
    }
}

#[test]
fn bad_patterns_are_refused() {
    let mut b = Builder::new();
    assert_eq!(b.add(b"", false, 1), Err(PatternError::Empty));
    assert_eq!(b.add(&[0; MAX_PATTERN + 1], false, 1), Err(PatternError::TooLong { len: MAX_PATTERN + 1 }));
    b.add(&[7; MAX_PATTERN], false, 9).unwrap();
    let db = b.build();
    assert_eq!(db.len(), 1);
    let mut s = Scratch::for_databases([&db]);
    let mut n = 0;
    db.scan(&[7; MAX_PATTERN + 3], &mut s, |id, _| {
        assert_eq!(id, 9);
        n += 1;
        true
    });
    assert_eq!(n, 4);
}

fn pattern(alphabet: &'static [u8], max: usize) -> impl Strategy<Value = (Vec<u8>, bool, u32)> {
    (prop::collection::vec(prop::sample::select(alphabet), 1..=max), any::<bool>(), 0u32..40)
}

fn run(pats: &[(Vec<u8>, bool, u32)], hay: &[u8]) {
    let pats: Vec<(&[u8], bool, u32)> = pats.iter().map(|(p, c, i)| (&p[..], *c, *i)).collect();
    for db in databases(&pats) {
        let mut scratch = Scratch::for_databases([&db]);
        check(&pats, &db, hay, &mut scratch);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn two_letters(pats in prop::collection::vec(pattern(b"aAb", 12), 0..40),
                   hay in prop::collection::vec(prop::sample::select(b"aAbB".as_slice()), 0..300)) {
        run(&pats, &hay);
    }

    #[test]
    fn few_patterns(pats in prop::collection::vec(pattern(b"ab@`\0 ", 6), 1..4),
                    hay in prop::collection::vec(prop::sample::select(b"aAb@`\0 ".as_slice()), 0..200)) {
        run(&pats, &hay);
    }

    #[test]
    fn long_patterns(pats in prop::collection::vec(pattern(b"aB", 60), 1..30),
                     parts in prop::collection::vec(any::<prop::sample::Index>(), 1..8)) {
        let mut hay = Vec::new();
        for ix in parts {
            hay.extend_from_slice(&ix.get(&pats).0);
        }
        run(&pats, &hay);
    }

    #[test]
    fn any_bytes(pats in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..9), any::<bool>(), 0u32..300), 1..400),
                 noise in prop::collection::vec(any::<u8>(), 0..200),
                 parts in prop::collection::vec(any::<prop::sample::Index>(), 1..20)) {
        let mut hay = noise.clone();
        for ix in parts {
            hay.extend_from_slice(&ix.get(&pats).0);
        }
        run(&pats, &hay);
    }
}
