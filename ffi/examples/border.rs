//! What the border costs: the same packets, in bursts of 32, through the engine called from Rust and through
//! `tg_engine_process`, burst by burst in one run. Prints the ratio of the times; fails when the border costs more than
//! the given share.
//!
//!     border CAPTURE [RULES] [--rounds N] [--most PERCENT] [--null 1] [--events TYPES]
//!
//! With `--null 1` Rust is compared with itself: how far the ratio can be believed. `--events` chooses the events that
//! C's callback is told of, a sum of TG_EVENT_ values.

use std::ffi::{CString, c_int, c_void};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use tidegate::engine::*;
use tidegate::error::TG_OK;
use tidegate::event::tg_event;
use tidegate::packet::tg_packet;
use tidegate::rules::*;
use tidegate_core::detect::Rules;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{Event, EventSink, Verdict};
use tidegate_dataplane::capture::Capture;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};
use tidegate_dataplane::secret::CAPTURES;

const BURST: usize = 32;
const MEMORY: u64 = 256 << 20;

/// Counts events, as the callback does.
struct Count(u64);

impl EventSink for Count {
    fn event(&mut self, event: Event<'_>) {
        black_box(&event);
        self.0 += 1;
    }
}

unsafe extern "C" fn count(event: *const tg_event, user: *mut c_void) -> c_int {
    black_box(event);
    // SAFETY: `user` is the counter given to `tg_engine_new`, which outlives the engine.
    unsafe { *user.cast::<u64>() += 1 };
    0
}

struct Packet {
    data: Vec<u8>,
    ts: u64,
    link: u16,
    index: u64,
}

/// What is compared.
struct Run {
    /// Rust with itself.
    null_test: bool,
    /// Types of events for C's callback; 0: all.
    events: u32,
}

/// Both sides in step, burst by burst, so that whatever disturbs the machine disturbs both. Each goes first in turn.
/// Keeps the least time of every burst.
fn round(
    packets: &[Packet],
    rules: &Rules,
    handle: *const tg_ruleset,
    settings: &Settings,
    least: &mut [[Duration; 2]],
    first: usize,
    run: &Run,
) -> u64 {
    let &Run { null_test, events } = run;
    let mut config = settings
        .engine(Mode { ips: false, ignore_checksums: true, memory: MEMORY, secret: CAPTURES })
        .unwrap();
    config.app.shown = true;
    let mut sink = Count(0);
    let mut seen = 0u64;
    let user = (&raw mut seen).cast();
    let (mut rust, c);
    let mut again = null_test.then(|| {
        let mut config = settings
            .engine(Mode { ips: false, ignore_checksums: true, memory: MEMORY, secret: CAPTURES })
            .unwrap();
        config.app.shown = true;
        (Engine::new(config, rules.clone()), Count(0))
    });
    // Memory is taken in turn, too: where it lies matters.
    if first == 0 {
        rust = Engine::new(config, rules.clone());
        c = engine(handle, user, events);
    } else {
        c = engine(handle, user, events);
        rust = Engine::new(config, rules.clone());
    }
    let mut verdicts = [Verdict::Forward; BURST];
    let mut c_verdicts = [0u8; BURST];
    let process = black_box(tg_engine_process as unsafe extern "C" fn(_, _, _, _) -> _);
    // What a receiving loop has just written, for either side.
    let mut frames = [Frame::default(); BURST];
    // SAFETY: zeros are a value of this struct of numbers and a pointer.
    let mut list: [tg_packet; BURST] = unsafe { std::mem::zeroed() };
    for (i, (burst, least)) in packets.chunks(BURST).zip(least).enumerate() {
        for ((p, f), l) in burst.iter().zip(&mut frames).zip(&mut list) {
            *f = Frame { data: &p.data, ts: p.ts, link: p.link, index: p.index, ..Frame::default() };
            *l = tg_packet {
                data: p.data.as_ptr(),
                len: p.data.len() as u32,
                rss_hash: 0,
                ts_ns: p.ts,
                index: p.index,
                port: 0,
                link_type: p.link,
                wire_len: 0,
                vlan: 0,
                flags: 0,
                reserved: 0,
            };
        }
        let (f, p) = (&frames[..burst.len()], &list[..burst.len()]);
        for turn in 0..2 {
            let side = (first + i + turn) % 2;
            let start = Instant::now();
            if side == 0 {
                black_box(&mut rust).process(f, &mut verdicts, &mut sink);
            } else if let Some((engine, sink)) = &mut again {
                black_box(engine).process(f, &mut verdicts, sink);
            } else {
                // SAFETY: the handle lives, the packets are here, and there is room for as many verdicts.
                unsafe { process(c, p.as_ptr(), p.len(), c_verdicts.as_mut_ptr()) };
            }
            least[side] = least[side].min(start.elapsed());
        }
    }
    rust.finish(&mut sink);
    // SAFETY: the handle lives.
    unsafe {
        assert_eq!(tg_engine_finish(c), TG_OK);
        assert_eq!(tg_engine_free(c), TG_OK);
    }
    assert!(null_test || events != 0 || sink.0 == seen, "both tell the same events");
    sink.0
}

/// An engine of C's side, which counts events in `user`.
fn engine(rules: *const tg_ruleset, user: *mut c_void, events: u32) -> *mut tg_engine {
    let mut engine = null_mut();
    // SAFETY: zeros are a value of this struct of numbers and pointers; the handle lives.
    unsafe {
        let mut config: tg_engine_config = std::mem::zeroed();
        config.size = size_of::<tg_engine_config>();
        config.memory = MEMORY;
        config.flags = TG_ENGINE_IGNORE_CHECKSUMS;
        config.on_event = Some(count);
        config.user = user;
        config.events = events;
        assert_eq!(tg_engine_new(rules, &raw const config, &raw mut engine), TG_OK);
    }
    engine
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str, default: f64| {
        let Some(i) = args.iter().position(|a| a == name) else { return default };
        args.remove(i);
        args.remove(i).parse().expect("a number")
    };
    let (rounds, most) = (option("--rounds", 20.0) as usize, option("--most", 2.0));
    let null_test = option("--null", 0.0) != 0.0;
    let run = Run { null_test, events: option("--events", 0.0) as u32 };
    let path = args.first().expect("border CAPTURE [RULES]");
    let files: Vec<PathBuf> = args.iter().skip(1).map(PathBuf::from).collect();
    let settings = Settings::load(None, &Overrides::default()).expect("the built-in configuration");
    let mut handle = null_mut();
    let named: Vec<CString> =
        files.iter().map(|f| CString::new(f.to_string_lossy().as_bytes()).expect("a path")).collect();
    let sources: Vec<tg_source> = named
        .iter()
        .map(|p| tg_source { path: p.as_ptr(), text: null(), text_len: 0, name: null() })
        .collect();
    // SAFETY: the sources and the place for the handle are here.
    let status = unsafe {
        tg_ruleset_compile(sources.as_ptr(), sources.len(), null(), None, null_mut(), &raw mut handle)
    };
    assert_eq!(status, TG_OK);
    // SAFETY: the handle was just made.
    let rules = unsafe { shared(handle) }.expect("the rules of the handle");

    let mut packets = Vec::new();
    let mut capture = Capture::open(Path::new(path)).expect("a capture");
    while let Ok(Some(b)) = capture.next_batch(1024) {
        packets.extend(b.iter().map(|f| Packet {
            data: f.data.to_vec(),
            ts: f.ts_ns,
            link: f.link,
            index: f.index,
        }));
    }
    let mut least = vec![[Duration::MAX; 2]; packets.len().div_ceil(BURST)];
    let mut events = 0;
    for r in 0..rounds {
        events = round(&packets, &rules, handle, &settings, &mut least, r % 2, &run);
    }
    let sum = |side: usize| least.iter().map(|l| l[side]).sum::<Duration>().as_nanos() as f64;
    let (rust, c) = (sum(0), sum(1));
    let per = |ns: f64| ns / packets.len() as f64;
    println!(
        "{} packets in bursts of {BURST}, {events} events, least of {rounds} rounds: Rust {:.1} ns, {} {:.1} ns a packet, ratio {:.4}",
        packets.len(),
        per(rust),
        if null_test { "Rust again" } else { "C" },
        per(c),
        c / rust
    );
    // SAFETY: the handle was made above.
    unsafe { tg_ruleset_free(handle) };
    assert!(c / rust <= 1.0 + most / 100.0, "the border costs more than {most} %");
}
