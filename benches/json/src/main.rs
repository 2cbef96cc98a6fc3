//! The reader of JSON inside calls against serde_json (typed) and simd-json (typed and as a tape), on the same bytes.
//!
//!     bench [--bodies FILE] [--pairs N] [--ms N]
//!
//! In: a file of bodies (see `bodies.rs`), else bodies made here; and a request with a prompt of 200 KB. Out: MB/s of each
//! and ratios, the least, the median and the most of rounds in which all readers take turns, by the thread's processor
//! time. Before any is timed all must have read the same: model, messages, tools, usage. simd-json writes into what it
//! reads: its copies are made outside of what is timed.

mod bodies;
mod read;
mod typed;

use std::hint::black_box;

use bodies::Set;
use read::Read;
use tidegate_core::ai::json::{Reader, Schema};
use typed::{Body, Lent, PATHS};

/// Seconds of processor time of this thread: what else the machine does counts for nobody.
fn now() -> f64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is that of a local value, which the call fills.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9
}

fn ours(schema: &Schema, body: &[u8], piece: usize, out: &mut Read) {
    out.clear();
    let mut r = Reader::default();
    for p in body.chunks(piece) {
        r.feed(schema, p, out);
    }
    r.end(schema, out);
}

/// Leaves out what serde's types refuse, and holds that all others read the same.
fn agree(schema: &Schema, set: &mut Set) -> usize {
    let before = set.bodies.len();
    set.bodies.retain(|b| {
        let Ok(owned) = serde_json::from_slice::<Body<String>>(b) else { return false };
        let want = read::of(&owned).by_field();
        let lent = serde_json::from_slice::<Body<Lent<'_>>>(b).expect("borrowed as owned");
        assert_eq!(want, read::of(&lent).by_field());
        let mut copy = b.clone();
        let simd = simd_json::serde::from_slice::<Body<String>>(&mut copy).expect("simd-json as serde_json");
        assert_eq!(want, read::of(&simd).by_field());
        for piece in [usize::MAX, 1448] {
            let mut have = Read::default();
            ours(schema, b, piece, &mut have);
            assert_eq!(want, have.by_field(), "{}", String::from_utf8_lossy(b));
        }
        true
    });
    before - set.bodies.len()
}

const NAMES: [&str; 6] =
    ["ours", "ours, by segments", "serde_json", "serde_json, borrowed", "simd-json", "simd-json, tape"];

/// Seconds that one reader takes for the set, `times` over.
fn time(which: usize, schema: &Schema, set: &Set, times: usize) -> f64 {
    let mut out = Read::default();
    let mut spent = 0.0;
    let mut buffers = simd_json::Buffers::default();
    for _ in 0..times {
        let mut copies = if which >= 4 { set.bodies.clone() } else { Vec::new() };
        let from = now();
        match which {
            0 | 1 => {
                let piece = if which == 0 { usize::MAX } else { 1448 };
                for b in &set.bodies {
                    ours(schema, black_box(b), piece, &mut out);
                    black_box(&out);
                }
            }
            2 => set.bodies.iter().for_each(|b| {
                black_box(serde_json::from_slice::<Body<String>>(black_box(b)).ok());
            }),
            3 => set.bodies.iter().for_each(|b| {
                black_box(serde_json::from_slice::<Body<Lent<'_>>>(black_box(b)).ok());
            }),
            4 => copies.iter_mut().for_each(|b| {
                black_box(simd_json::serde::from_slice_with_buffers::<Body<String>>(b, &mut buffers).ok());
            }),
            _ => copies.iter_mut().for_each(|b| {
                black_box(simd_json::to_tape_with_buffers(b, &mut buffers).ok());
            }),
        }
        spent += now() - from;
    }
    spent
}

fn compare(schema: &Schema, set: &Set, rounds: usize, ms: f64) {
    let bytes: usize = set.bodies.iter().map(Vec::len).sum();
    let once = time(0, schema, set, 3) / 3.0;
    let times = ((ms / 1000.0 / once) as usize).max(1);
    let mut seconds = vec![[0.0; NAMES.len()]; rounds];
    for round in &mut seconds {
        for (which, s) in round.iter_mut().enumerate() {
            *s = time(which, schema, set, times);
        }
    }
    for (which, name) in NAMES.iter().enumerate() {
        let best = seconds.iter().map(|r| r[which]).fold(f64::MAX, f64::min);
        let mut ratios: Vec<f64> = seconds.iter().map(|r| r[which] / r[0]).collect();
        ratios.sort_by(f64::total_cmp);
        println!(
            "| {} | {} | {name} | {:.0} | {:.2}, {:.2}, {:.2} |",
            set.name,
            set.bodies.len(),
            (bytes * times) as f64 / 1e6 / best,
            ratios[0],
            ratios[rounds / 2],
            ratios[rounds - 1]
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| args.iter().position(|a| a == name).and_then(|n| args.get(n + 1));
    let number = |name: &str, or: usize| value(name).map_or(or, |v| v.parse().expect("a number"));
    let (rounds, ms) = (number("--pairs", 7), number("--ms", 100) as f64);
    let schema = Schema::new(PATHS);
    let mut sets = value("--bodies").map_or_else(bodies::made, |f| bodies::of_file(f));
    sets.extend(bodies::long());
    println!(
        "| set | bodies | reader | MB/s (best) | time of it / time of ours (least, median, most) |\n|---|---|---|---|---|"
    );
    let mut all = Set { name: "all bodies", bodies: Vec::new() };
    for mut set in sets {
        let left = agree(&schema, &mut set);
        if left > 0 {
            eprintln!("{}: {left} bodies are left out, since serde's types refuse them", set.name);
        }
        if !set.name.starts_with("200 KB") {
            all.bodies.extend(set.bodies.iter().cloned());
        }
        compare(&schema, &set, rounds, ms);
    }
    compare(&schema, &all, rounds, ms);
}
