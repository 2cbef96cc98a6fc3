//! Every engine against the naive oracle: a table of cases at all alignments, and small alphabets at random.
use super::*;
use alloc::{collections::BTreeSet, string::String, vec, vec::Vec};
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

/// A database for each instruction set of this machine, each with buckets only and with hashed windows at every
/// stride. Forcing a stride on the scalar engine tests the choice of windows, which is the same.
fn databases(pats: Pats<'_>) -> Vec<Database<'static>> {
    let mut b = Builder::new();
    for &(p, c, id) in pats {
        b.add(p, c, id).unwrap();
    }
    b.variants()
}

fn check_all(pats: Pats<'_>, dbs: &[Database], hay: &[u8], scratch: &mut Scratch) {
    let want = oracle(pats, hay);
    for db in dbs {
        check(pats, &want, db, hay, scratch);
    }
}

fn check(pats: Pats<'_>, want: &BTreeSet<(usize, u32)>, db: &Database, hay: &[u8], scratch: &mut Scratch) {
    let mut got = Vec::new();
    db.scan(hay, scratch, |id, end| {
        got.push((end, id));
        true
    });
    assert!(got.is_sorted_by_key(|m| m.0), "{db:?}: ends out of order: {got:?}");
    let set: BTreeSet<_> = got.iter().copied().collect();
    // An id with several patterns of one length may be reported for each; the oracle's set folds them.
    assert_eq!(&set, want, "{db:?} on {hay:02x?}");
    let ids: BTreeSet<u32> = pats.iter().map(|p| p.2).collect();
    assert!(ids.len() < pats.len() || set.len() == got.len(), "{db:?}: twice: {got:?} on {hay:02x?}");
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
    (&[(b"00", false, 1), (b"0000", false, 2), (b"000000000000", false, 3), (b"0000", false, 4), (b"00000", true, 5), (b"0a", false, 6), (b"00000000000000000000000000000000000", false, 3)], b"000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000a00000000000"),
    (&[(b"he", false, 1), (b"she", false, 2), (b"his", false, 3), (b"hers", false, 4)], b"ushers and his sheriff"),
    (&[(b"1234567", false, 1), (b"12345678", false, 2), (b"123456789", false, 3), (b"234567890abcdefgh", true, 4)], b"01234567890ABCDEFGH1234567812345671234567"),
];

#[test]
fn cases_at_all_alignments() {
    let mut scratch = Scratch::new();
    for (pats, hay) in CASES {
        let dbs = databases(pats);
        for pad in (0..70).chain([127, 128, 129, 1024, 1500, 1535, 1536, 1539]) {
            let mut h = vec![b'-'; pad];
            h.extend_from_slice(hay);
            check_all(pats, &dbs, &h, &mut scratch);
            h.extend_from_slice(&[b'-'; 70]);
            check_all(pats, &dbs, &h, &mut scratch);
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
    let dbs = databases(&pats);
    check_all(&pats, &dbs, hay, &mut Scratch::for_databases(&dbs));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

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

/// Long inputs: several fills of words, blocks moved down at every remainder.
#[test]
fn long_inputs() {
    let pats: Vec<(Vec<u8>, bool, u32)> = (0..300u32)
        .map(|i| {
            (alloc::format!("{:x}-{}", i * 7919, "xyz".repeat(i as usize % 5)).into_bytes(), i % 2 == 0, i)
        })
        .chain([(b"q".to_vec(), true, 1000), (b"\r\n".to_vec(), false, 1001), (b"zz9".to_vec(), true, 1002)])
        .collect();
    let pats: Vec<(&[u8], bool, u32)> = pats.iter().map(|(p, c, i)| (&p[..], *c, *i)).collect();
    let mut hay = Vec::new();
    for i in 0..100usize {
        hay.extend_from_slice(pats[i * 37 % pats.len()].0);
        hay.extend_from_slice(&b"the quick brown fox\r\n"[..i % 20]);
    }
    let dbs = databases(&pats);
    let mut scratch = Scratch::for_databases(&dbs);
    for cut in (0..70).step_by(3).chain([1020, 1090, 1091, 1500]) {
        check_all(&pats, &dbs, &hay[cut..], &mut scratch);
        check_all(&pats, &dbs, &hay[..hay.len() - cut], &mut scratch);
    }
}

/// One scratch for many databases, in turn.
#[test]
fn scratch_is_shared() {
    let a = databases(&[(b"one", false, 1), (b"two", true, 2)]);
    let b = databases(&[(b"three", false, 3), (b"tw", true, 9), (b"on", true, 4)]);
    let mut scratch = Scratch::for_databases(a.iter().chain(&b));
    let before = scratch.memory_bytes();
    for _ in 0..3 {
        check_all(&[(b"one", false, 1), (b"two", true, 2)], &a, b"one TWO three", &mut scratch);
        check_all(
            &[(b"three", false, 3), (b"tw", true, 9), (b"on", true, 4)],
            &b,
            b"one TWO three",
            &mut scratch,
        );
    }
    assert_eq!(before, scratch.memory_bytes());
}

/// The work of a scan, counted, on inputs made to be bad: bounded by the entries that share a window, and no input
/// gives more candidates than it has positions.
#[test]
fn work_is_bounded() {
    let runs: Vec<Vec<u8>> = (1..=64usize).map(|n| vec![b'a'; n]).collect();
    let mut b = Builder::new();
    for (i, p) in runs.iter().enumerate() {
        b.add(p, false, i as u32).unwrap();
    }
    let db = b.build();
    let hay = [b'a'; 4096];
    let w = db.work(&hay);
    assert!(w.candidates <= hay.len() as u64);
    // All of them match nearly everywhere: nothing is compared in vain but at the start.
    assert!(w.compared <= w.matches + 64 * 64, "{w:?}");

    // Many names with a common end: windows are chosen where they differ.
    let mut b = Builder::new();
    for i in 0..5000u32 {
        b.add(alloc::format!("host{i}.some.example.com").as_bytes(), true, i).unwrap();
    }
    let db = b.build();
    let hay = b"www.some.example.com some.example.com ".repeat(100);
    let w = db.work(&hay);
    assert!(w.compared <= 8 * hay.len() as u64, "{w:?}");
}

/// Runs of one byte in all lengths: the work at a position does not grow with their number.
#[test]
fn runs_are_one_family() {
    let mut b = Builder::new();
    for n in 1..=64usize {
        b.add(&vec![0; n], false, n as u32).unwrap();
    }
    let db = b.build();
    let hay = [0; 4096];
    let w = db.work(&hay);
    assert!(w.candidates <= hay.len() as u64 && w.compared <= hay.len() as u64 && w.full == 0, "{w:?}");
    let (mut n, mut scratch) = (0, Scratch::for_databases([&db]));
    db.scan(&hay, &mut scratch, |_, _| {
        n += 1;
        true
    });
    assert_eq!(n, (1..=64).map(|n| 4097 - n).sum::<usize>());
}

/// What a scan costs beside its matches, in units of a candidate: a filter takes 16 positions in that time. A match is
/// taken for three units: what leads to it, its head, the rest of it.
fn cost(db: &Database, hay: &[u8]) -> f64 {
    let w = db.work(hay);
    let looked = (w.candidates + w.compared + w.full).saturating_sub(3 * w.matches);
    (looked as f64 + hay.len() as f64 / 16.0) / hay.len() as f64
}

/// Requests that name `hosts`.
fn requests<'a>(hosts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let line = |h: &str| {
        alloc::format!(
            "GET /assets/app-{}.js?v=3 HTTP/1.1\r\nHost: {h}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\r\n",
            h.len()
        )
    };
    hosts.flat_map(|h| line(h).into_bytes()).collect()
}

/// Inputs made for a database cost at most eight times as much as ordinary ones, matches aside.
#[test]
fn worst_inputs_are_bounded() {
    let long: Vec<u8> = (0..256u32).map(|i| b'a' + (i * i / 7 % 23) as u8).collect();
    let names = |from: u32, n: u32| (from..from + n).map(|i| alloc::format!("host{i}.some.example.com"));
    let own = |n: u32| names(0, n).map(String::into_bytes).collect::<Vec<_>>();
    // Where tests are emulated, building for the whole number would take most of their time.
    let many = if cfg!(target_arch = "x86_64") { 200_000 } else { 20_000 };
    /// A name, patterns, a bad input for them.
    type Case = (&'static str, Vec<Vec<u8>>, Vec<u8>);
    let longer: Vec<u8> = (0..900u32).map(|i| b'a' + (i * i / 7 % 23) as u8).collect();
    let cases: [Case; 7] = [
        (
            "one byte",
            (1..=64)
                .map(|n| vec![b'a'; n])
                .chain((4..64).map(|n| [&vec![b'a'; n][..], b"b"].concat()))
                .collect(),
            vec![b'a'; 20_000],
        ),
        ("prefixes", (4..=256).map(|n| long[..n].to_vec()).collect(), long[..200].repeat(100)),
        ("suffixes", (4..=256).map(|n| long[256 - n..].to_vec()).collect(), long[56..].repeat(100)),
        ("many prefixes", (4..=900).map(|n| longer[..n].to_vec()).collect(), longer[..700].repeat(30)),
        ("many suffixes", (4..=900).map(|n| longer[900 - n..].to_vec()).collect(), longer[200..].repeat(30)),
        (
            "one suffix",
            (0..200u32).map(|i| [&i.to_le_bytes()[..], &long[100..140]].concat()).collect(),
            long[100..140].repeat(500),
        ),
        ("names", own(many), names(500_000, 3_000).flat_map(|n| [n.as_bytes(), b" "].concat()).collect()),
    ];
    for (what, pats, bad) in cases {
        let mut b = Builder::new();
        for (i, p) in pats.iter().enumerate() {
            b.add(p, i % 2 == 0, i as u32).unwrap();
        }
        let hosts: Vec<String> = names(0, 200).chain(names(900_000, 200)).collect();
        let ordinary = requests(hosts.iter().map(|h| &h[..]));
        // Building the largest for all would take long.
        let best = simd::Level::best();
        for level in simd::Level::available().filter(|l| pats.len() < 1000 || *l == best) {
            let db = build::build(&b, level, None);
            let (usual, worst) = (cost(&db, &ordinary), cost(&db, &bad));
            assert!(worst <= 8.0 * usual, "{what}, {level:?}: {usual} and {worst}, {:?}", db.work(&bad));
        }
    }
}
