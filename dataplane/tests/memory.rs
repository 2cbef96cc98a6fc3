//! An engine takes the memory that it was given, as its plan says, without touching it before packets come.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use common::traffic::dns;
use common::wire::{ACK, Wire};
use common::{all_rules, config, engine, frames};
use tidegate_core::detect::Rules;
use tidegate_core::engine::{Engine, Frame, MemoryPlan};
use tidegate_core::event::{NoSink, Verdict};

/// Bytes that are allocated now.
static NOW: AtomicI64 = AtomicI64::new(0);

/// The system's allocator, counting bytes.
struct Counting;

// SAFETY: everything is passed on as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        NOW.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        NOW.fetch_add(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        NOW.fetch_add(new_size as i64 - layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOC: Counting = Counting;

/// Tests of this file measure the whole process, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

const MIB: u64 = 1 << 20;

fn make(memory: u64) -> Engine {
    Engine::new(common::config(memory), Rules::default())
}

fn feed(e: &mut Engine, frames: &[Frame<'_>]) {
    let mut verdicts = [Verdict::Forward; 32];
    for b in frames.chunks(32) {
        e.process(b, &mut verdicts, &mut NoSink);
    }
}

/// Resident bytes of this process.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    text.split_whitespace().nth(1).expect("a number of pages").parse::<u64>().expect("a number") * 4096
}

#[test]
fn an_engine_takes_what_its_plan_says() {
    let _turn = TURN.lock().unwrap();
    // What is made once per process is not an engine's.
    drop(make(16 * MIB));
    for memory in [4 * MIB, 8 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, 1024 * MIB] {
        let config = common::config(memory);
        let plan = MemoryPlan::new(memory).unwrap();
        let before = NOW.load(Ordering::Relaxed);
        let engine = Engine::new(config, Rules::default());
        let took = (NOW.load(Ordering::Relaxed) - before) as u64;
        drop(engine);
        assert!(took <= memory, "{took} of {memory} bytes");
        assert!(plan.total() <= memory, "the plan has {} of {memory} bytes", plan.total());
        let off = took.abs_diff(plan.total()) as f64 / plan.total() as f64;
        assert!(off < 0.05, "{took} bytes taken, {} planned of {memory}: {:#?}", plan.total(), plan.parts());
        // Nor is much of it left unused.
        assert!(plan.total() > memory * 85 / 100, "{} of {memory}", plan.total());
    }
}

#[test]
fn too_little_memory_is_an_error_that_says_how_much() {
    for bytes in [0, 1, 1000, MemoryPlan::LEAST - 1] {
        let e = MemoryPlan::new(bytes).unwrap_err();
        assert_eq!((e.given, e.least), (bytes, MemoryPlan::LEAST));
        assert_eq!(
            e.to_string(),
            format!("memory is {bytes} bytes; an engine needs at least {}", MemoryPlan::LEAST)
        );
    }
    assert!(MemoryPlan::new(MemoryPlan::LEAST).is_ok());
}

#[test]
fn an_unused_engine_touches_next_to_nothing() {
    let _turn = TURN.lock().unwrap();
    // Readers of model files are made when somebody asks for verdicts.
    let quiet = || {
        let mut config = common::config(256 * MIB);
        config.app.artifacts = false;
        Engine::new(config, Rules::default())
    };
    drop(quiet());
    let before = resident();
    let engines = [(); 4].map(|()| quiet());
    let grew = resident().saturating_sub(before) / 4;
    drop(engines);
    // The buckets of the flow table: zeros, which the allocator writes when it hands out memory that was used before.
    assert!(grew < 8 * MIB, "an engine of 256 MiB touched {grew} bytes");
}

#[test]
fn resident_memory_is_flat_once_it_was_touched() {
    let _turn = TURN.lock().unwrap();
    let mut floods = Vec::new();
    let junk = [b'j'; 1400];
    floods.push({
        let mut w = Wire::new();
        for n in 0..4000u32 {
            let client = ((n % 200) as u8 + 10, 1024 + (n / 200) as u16);
            w.udp(client, (251, 53), &dns(n as u16, "flood.example", 1, None));
            let whole = w.frames.len();
            w.udp_in_fragments(client, (251, 9), &junk, 1000, false);
            w.frames.truncate(whole + 1);
            let mut t = w.tcp(client, (250, 80));
            t.send(0, b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
            t.send(0, &junk);
            t.segment_at(0, 3000, ACK, &junk);
        }
        w
    });
    floods.push(common::traffic::everything());
    let mut e = engine(config(24 * MIB), &all_rules());
    e.warm_all();
    let all: Vec<_> = floods.iter().flat_map(|w| frames(&w.frames)).collect();
    // What is made once per thread or process, by the allocator or the test.
    feed(&mut e, &all[..200]);
    let before = resident();
    feed(&mut e, &all);
    e.finish(&mut NoSink);
    let grew = resident().saturating_sub(before);
    assert!(grew < 2 * MIB, "{grew} bytes more");
    assert!(e.stats().flow.evicted > 0);
}

#[test]
fn the_documented_shares_are_those_of_the_plan() {
    let text = include_str!("../../docs/memory.md");
    let plan = MemoryPlan::new(256 * MIB).unwrap();
    for p in plan.parts() {
        let line = format!("| {} | {} | {:.0} |", p.name, p.holds, p.bytes as f64 / MIB as f64);
        assert!(text.contains(&line), "docs/memory.md lacks this line:\n{line}");
    }
}
