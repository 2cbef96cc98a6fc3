//! Scans of the literal matcher take no memory once the scratch is prepared.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tidegate_core::sig::{Builder, Scratch};

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
    }
}
