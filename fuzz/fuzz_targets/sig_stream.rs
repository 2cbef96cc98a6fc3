//! Patterns, an input, and cuts: every engine finds in the pieces what the naive oracle finds in the whole, all
//! matches and once per pattern.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::collections::{BTreeMap, BTreeSet};
use tidegate_core::sig::{Builder, Scratch, Stream};
use tidegate_fuzz::{Input, oracle};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let cuts: Vec<usize> = (0..4).map(|_| 1 + usize::from(input.byte())).collect();
    let pats = input.patterns(40);
    let mut hay = Vec::new();
    let mix = input.byte();
    while !input.is_empty() {
        if mix & 1 != 0 && !pats.is_empty() {
            hay.extend_from_slice(pats[usize::from(input.byte()) % pats.len()].0);
        }
        hay.extend_from_slice(input.take(usize::from(mix >> 1).max(1)));
    }
    hay.truncate(4096);
    let want = oracle(&pats, &hay);
    let mut first = BTreeMap::new();
    for &(end, id) in &want {
        first.entry(id).or_insert(end);
    }
    let mut b = Builder::new();
    for &(p, caseless, id) in &pats {
        b.add(p, caseless, id).expect("a pattern of 1 to 319 bytes");
    }
    let mut scratch = Scratch::new();
    for db in b.variants() {
        let (mut all, mut once) = (Stream::new(&db), Stream::once(&db));
        let (mut got, mut got_once) = (BTreeSet::new(), BTreeMap::new());
        let (mut at, mut last) = (0, 0);
        for n in cuts.iter().cycle() {
            let piece = &hay[at..hay.len().min(at + n)];
            at += piece.len();
            db.scan_stream(&mut all, piece, &mut scratch, |id, end| {
                assert!(end >= last, "{}: ends out of order", db.describe());
                last = end;
                got.insert((end, id));
                true
            });
            db.scan_stream_once(&mut once, piece, &mut scratch, |id, end| {
                assert!(got_once.insert(id, end).is_none(), "{}: {id} twice", db.describe());
                true
            });
            if at == hay.len() {
                break;
            }
        }
        assert_eq!(got, want, "{}", db.describe());
        assert_eq!(got_once, first, "{}", db.describe());
    }
});
