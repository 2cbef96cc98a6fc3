//! What the border costs: the same packets, in bursts of 32, through the engine called from Rust and through
//! `tg_engine_process`, turn by turn in one run. Prints the ratio of the times; fails when the border costs more than
//! the given share.
//!
//!     border CAPTURE [RULES] [--rounds N] [--most PERCENT]

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
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{Event, EventSink, Verdict};
use tidegate_dataplane::capture::Capture;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};
use tidegate_dataplane::load;

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

fn through_rust(packets: &[Packet], rules: &load::Loaded, settings: &Settings) -> (Duration, u64) {
    let mode = Mode { ips: false, ignore_checksums: true, memory: MEMORY };
    let mut config = settings.engine(mode);
    config.app.shown = true;
    // Compiled again each time by neither side: the set is shared.
    let _ = rules;
    let mut engine = Engine::new(config, RULES.with(|r| r.borrow().clone()));
    let mut sink = Count(0);
    let frames: Vec<Frame<'_>> =
        packets.iter().map(|p| Frame { data: &p.data, ts: p.ts, link: p.link, index: p.index }).collect();
    let mut verdicts = [Verdict::Forward; BURST];
    let start = Instant::now();
    for f in frames.chunks(BURST) {
        black_box(&mut engine).process(f, &mut verdicts, &mut sink);
    }
    let took = start.elapsed();
    engine.finish(&mut sink);
    (took, sink.0)
}

fn through_c(packets: &[Packet], rules: *const tg_ruleset) -> (Duration, u64) {
    let mut seen = 0u64;
    // SAFETY: zeros are a value of these structs of numbers and pointers; handles are made here.
    unsafe {
        let mut config: tg_engine_config = std::mem::zeroed();
        config.size = size_of::<tg_engine_config>();
        config.memory = MEMORY;
        config.flags = TG_ENGINE_IGNORE_CHECKSUMS;
        config.on_event = Some(count);
        config.user = (&raw mut seen).cast();
        let mut engine = null_mut();
        assert_eq!(tg_engine_new(rules, &raw const config, &raw mut engine), TG_OK);
        let list: Vec<tg_packet> = packets
            .iter()
            .map(|p| tg_packet {
                data: p.data.as_ptr(),
                len: p.data.len() as u32,
                rss_hash: 0,
                ts_ns: p.ts,
                index: p.index,
                port: 0,
                link_type: p.link,
                reserved: 0,
            })
            .collect();
        let mut verdicts = [0u8; BURST];
        let process = black_box(tg_engine_process as unsafe extern "C" fn(_, _, _, _) -> _);
        let start = Instant::now();
        for b in list.chunks(BURST) {
            process(engine, b.as_ptr(), b.len(), verdicts.as_mut_ptr());
        }
        let took = start.elapsed();
        assert_eq!(tg_engine_finish(engine), TG_OK);
        assert_eq!(tg_engine_free(engine), TG_OK);
        (took, seen)
    }
}

thread_local! {
    static RULES: std::cell::RefCell<std::sync::Arc<tidegate_core::detect::RuleSet>> = Default::default();
}

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str, default: f64| {
        let Some(i) = args.iter().position(|a| a == name) else { return default };
        args.remove(i);
        args.remove(i).parse().expect("a number")
    };
    let (rounds, most) = (option("--rounds", 9.0) as usize, option("--most", 2.0));
    let path = args.first().expect("border CAPTURE [RULES]");
    let files: Vec<PathBuf> = args.iter().skip(1).map(PathBuf::from).collect();
    let settings = Settings::load(None, &Overrides::default()).expect("the built-in configuration");
    let mut loaded = load::load(&files, &settings, None).expect("rules");
    RULES.set(std::sync::Arc::new(std::mem::take(&mut loaded.set)));
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
    let mut ratios = Vec::new();
    let (mut best_rust, mut best_c) = (Duration::MAX, Duration::MAX);
    for round in 0..=rounds {
        // Each goes first in turn.
        let ((rust, a), (c, b)) = if round % 2 == 0 {
            let r = through_rust(&packets, &loaded, &settings);
            (r, through_c(&packets, handle))
        } else {
            let c = through_c(&packets, handle);
            (through_rust(&packets, &loaded, &settings), c)
        };
        assert_eq!(a, b, "both tell the same events");
        // The first round warms up.
        if round > 0 {
            ratios.push(c.as_secs_f64() / rust.as_secs_f64());
            (best_rust, best_c) = (best_rust.min(rust), best_c.min(c));
        }
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    let best = best_c.as_secs_f64() / best_rust.as_secs_f64();
    let per = |d: Duration| d.as_nanos() as f64 / packets.len() as f64;
    println!(
        "{} packets, {rounds} rounds: Rust {:.1} ns, C {:.1} ns a packet (best); C / Rust: best {best:.4}, median {median:.4} ({:.4} to {:.4})",
        packets.len(),
        per(best_rust),
        per(best_c),
        ratios[0],
        ratios[ratios.len() - 1]
    );
    // SAFETY: the handle was made above.
    unsafe { tg_ruleset_free(handle) };
    // Whatever else runs on the machine makes times longer, never shorter.
    assert!(best.min(median) <= 1.0 + most / 100.0, "the border costs more than {most} %");
}
