//! Scans of the literal matcher take no memory once the scratch is prepared.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidegate_core::sig::regex::Flags;
use tidegate_core::sig::text::{Normalise, TextBuilder, TextScratch};
use tidegate_core::sig::{Builder, Scratch, SetBuilder, SetScratch, Stream};

struct Counting;

thread_local!(static TAKEN: Cell<u64> = const { Cell::new(0) });

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, l: Layout) -> *mut u8 {
        let _ = TAKEN.try_with(|t| t.set(t.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(l) }
    }

    unsafe fn dealloc(&self, p: *mut u8, l: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(p, l) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn scans_take_no_memory() {
    let hay =
        b"GET /index.php?id=17&name=word-99x HTTP/1.1\r\nHost: word-5x.example\r\n\r\nword-1234x word-0x"
            .repeat(40);
    for n in [1usize, 5, 40, 200, 3000] {
        let mut b = Builder::new();
        for i in 0..n {
            b.add(
                format!("word-{i}x and more of it").as_bytes().get(..6 + i % 17).unwrap(),
                i % 2 == 0,
                i as u32,
            )
            .unwrap();
        }
        let db = b.build();
        let mut scratch = Scratch::for_databases([&db]);
        let before = TAKEN.with(Cell::get);
        let mut found = 0u64;
        for cut in [0, 1, 40, 100, hay.len() - 3] {
            db.scan(&hay[cut..], &mut scratch, |_, _| {
                found += 1;
                true
            });
            db.scan_once(&hay[cut..], &mut scratch, |_, _| {
                found += 1;
                true
            });
        }
        assert_eq!(TAKEN.with(Cell::get), before, "{n} patterns, {found} matches");
        assert!(found > 0);
        // The state of a stream is what it is said to be, and the only memory.
        let mut state = vec![0; db.stream_bytes()];
        let before = TAKEN.with(Cell::get);
        for size in [1, 7, 100, 1400, hay.len()] {
            let mut stream = Stream::in_bytes(&mut state[..]);
            stream.reset();
            let mut streamed = 0u64;
            for piece in hay.chunks(size) {
                db.scan_stream(&mut stream, piece, &mut scratch, |_, _| {
                    streamed += 1;
                    true
                });
            }
            assert!(streamed > 0);
        }
        assert_eq!(TAKEN.with(Cell::get), before, "streams, {n} patterns");
    }
}

#[test]
fn sets_and_texts_take_no_memory() {
    let mut b = SetBuilder::new();
    for (i, p) in ["id=\\d+&", "(?:a|b)+c", "word-\\d{2,4}x", "^GET [^ ]*php"].iter().enumerate() {
        b.add_regex(p.as_bytes(), Flags::default(), i as u32).unwrap();
        b.add(&p.as_bytes()[..2], true, 10 + i as u32).unwrap();
    }
    let set = b.build();
    let mut scratch = SetScratch::for_set(&set);
    let mut t = TextBuilder::new(Normalise::GUARD);
    t.add("Ignore all previous", 1).unwrap();
    let scanner = t.build();
    let mut text = TextScratch::for_scanner(&scanner);
    let hay =
        "GET /a.php?id=17&aabc word-123x \u{456}gn\u{43e}re  all\u{200b} pr\u{e9}vious \u{fdfa}".repeat(300);
    let (mut matches, mut phrases) = (0, 0);
    let before = TAKEN.with(Cell::get);
    for _ in 0..2 {
        set.scan(hay.as_bytes(), &mut scratch, |_, _| {
            matches += 1;
            true
        });
        set.scan_once(hay.as_bytes(), &mut scratch, |_, _| true);
        scanner.scan(hay.as_bytes(), &mut text, |_, _, _| {
            phrases += 1;
            true
        });
    }
    assert_eq!(TAKEN.with(Cell::get), before);
    assert!(matches > 1000, "{matches}");
    assert_eq!(phrases, 600);
}
