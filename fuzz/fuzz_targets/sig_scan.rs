//! Patterns and an input: every engine of this machine against the naive oracle, all matches and once per pattern.
#![no_main]
use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use tidegate_core::sig::{Builder, Scratch};
use tidegate_fuzz::{Input, oracle};

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let pats = input.patterns(160);
    // The rest is searched; by choice with some of the patterns between.
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
    let ids: BTreeSet<u32> = want.iter().map(|m| m.1).collect();
    let mut b = Builder::new();
    for &(p, caseless, id) in &pats {
        b.add(p, caseless, id).expect("a pattern of 1 to 319 bytes");
    }
    let mut scratch = Scratch::new();
    for db in b.variants() {
        let (mut got, mut last) = (BTreeSet::new(), 0);
        db.scan(&hay, &mut scratch, |id, end| {
            assert!(end >= last, "{}: ends out of order", db.describe());
            last = end;
            got.insert((end as u64, id));
            true
        });
        assert_eq!(got, want, "{}", db.describe());
        let mut once = BTreeSet::new();
        db.scan_once(&hay, &mut scratch, |id, end| {
            assert!(once.insert(id), "{}: {id} twice", db.describe());
            assert!(want.contains(&(end as u64, id)));
            true
        });
        assert_eq!(once, ids, "{}", db.describe());
    }
});
