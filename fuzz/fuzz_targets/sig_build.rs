//! Any bytes as patterns: the database is built, the same twice, and finds each pattern in itself.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tidegate_core::sig::{Builder, Scratch};
use tidegate_fuzz::Input;

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let mut b = Builder::new();
    let mut pats = Vec::new();
    while !input.is_empty() {
        let (p, caseless) = input.pattern();
        let id = pats.len() as u32;
        if b.add(p, caseless, id).is_ok() {
            pats.push(p);
        } else {
            assert!(p.is_empty());
        }
    }
    let (db, again) = (b.clone().build(), b.build());
    assert_eq!(db.len(), pats.len());
    assert_eq!((db.describe(), db.memory_bytes()), (again.describe(), again.memory_bytes()));
    let mut scratch = Scratch::for_databases([&db]);
    let room = scratch.memory_bytes();
    for (i, p) in pats.iter().enumerate().take(64) {
        let mut found = false;
        db.scan(p, &mut scratch, |id, end| {
            assert!(end <= p.len());
            found |= id as usize == i && end == p.len();
            true
        });
        assert!(found, "a pattern is not found in itself: {p:02x?}");
    }
    assert_eq!(scratch.memory_bytes(), room, "a scan took memory");
});
