//! What the tests of whole engines share: traffic of every protocol, rules of every kind, and ways to run them.
#![allow(dead_code)]

pub mod alone;
pub mod sessions;
pub mod traffic;
pub mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tidegate_core::Secret;
use tidegate_core::detect::RuleSet;
use tidegate_core::engine::{Config, Engine, Frame};
use tidegate_core::event::{EventSink, Verdict};
use tidegate_core::rules::{Env, SetStore, Vars, drop_duplicates, parse_source};
use tidegate_dataplane::capture::Capture;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};
use tidegate_dataplane::eve::EveSink;
use tidegate_dataplane::lists;
use tidegate_dataplane::sets::Datasets;

use wire::Packet;

/// Rules of every kind, all of which must load.
pub const RULES: &str = include_str!("all.rules");

/// Compiled rules and their sets.
pub struct Rules {
    /// With their datasets, which engines of these share.
    pub rules: tidegate_core::detect::Rules,
    pub sets: Arc<Datasets>,
    pub refused: Vec<String>,
}

/// Compiles `text`.
pub fn rules(text: &str, settings: &Settings) -> Rules {
    let vars = Vars {
        addresses: settings.address_groups.iter().cloned().collect(),
        ports: settings.port_groups.iter().cloned().collect(),
    };
    let (classes, references, reputation) = (lists::classification(), lists::references(), BTreeMap::new());
    let mut none = |name: &str| -> Result<Vec<u8>, String> { Err(format!("{name}: not here")) };
    let mut sets = SetStore::default();
    let mut env = Env::new(&vars, &classes, &references, &reputation, &mut none, &mut sets);
    let mut p = parse_source(text.as_bytes(), 0, &mut env);
    drop_duplicates(&mut p.rules, &mut p.refused);
    let mut refused: Vec<String> = p.refused.iter().map(|r| format!("{}: {}", r.line, r.reason)).collect();
    let set = RuleSet::compile(p.rules);
    refused.extend(set.refused().iter().map(|r| format!("{}: {}", r.line, r.reason)));
    let set = Arc::new(set);
    let sets = Arc::new(Datasets::new(&set, &sets, Secret::fixed(1), None));
    Rules { rules: sets.rules(set), sets, refused }
}

pub fn settings() -> Settings {
    let mut s = Settings::load(None, &Overrides::default()).expect("the built-in configuration");
    // Off unless it is asked for; tests ask.
    s.app.disabled.retain(|d| !matches!(d.as_str(), "pgsql" | "modbus" | "dnp3" | "enip"));
    s
}

/// The configuration of an engine in `memory` bytes, as the command makes it.
pub fn config(memory: u64) -> Config {
    settings()
        .engine(Mode { ips: false, ignore_checksums: true, memory, secret: Secret::fixed(1) })
        .expect("enough")
}

/// An engine whose datasets are as they were read.
pub fn engine(config: Config, rules: &Rules) -> Engine {
    Engine::new(config, Arc::new(rules.sets.fresh()).rules(rules.rules.set.clone()))
}

/// [`RULES`], compiled, none refused.
pub fn all_rules() -> Rules {
    let r = rules(RULES, &settings());
    assert!(r.refused.is_empty(), "refused: {:#?}", r.refused);
    r
}

pub fn frames(packets: &[Packet]) -> Vec<Frame<'_>> {
    packets
        .iter()
        .enumerate()
        .map(|(i, p)| Frame { data: &p.data, ts: p.ts, link: 1, index: i as u64 + 1, ..Frame::default() })
        .collect()
}

/// Runs everything through `engine` in batches and finishes it, as many flows at a time.
pub fn run(engine: &mut Engine, frames: &[Frame<'_>], batch: usize, sink: &mut dyn EventSink) {
    let mut verdicts = [Verdict::Forward; 256];
    for b in frames.chunks(batch) {
        engine.process(b, &mut verdicts, sink);
    }
    while engine.finish_some(batch, sink) {}
}

/// The EVE file that `frames` give.
pub fn eve(rules: &Rules, frames: &[Frame<'_>], batch: usize) -> Vec<u8> {
    eve_of(config(16 << 20), rules, frames, batch)
}

/// The same by an engine of that configuration.
pub fn eve_of(config: Config, rules: &Rules, frames: &[Frame<'_>], batch: usize) -> Vec<u8> {
    static RUN: AtomicU32 = AtomicU32::new(0);
    let n = RUN.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("tidegate-test-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder for events");
    let mut sink = EveSink::create(&settings().outputs, &dir, false).expect("an event file");
    sink.capture(Path::new("made.pcap"), false);
    run(&mut engine(config, rules), frames, batch, &mut sink);
    sink.finish().expect("events are written");
    let text = std::fs::read(dir.join("eve.json")).expect("events");
    let _ = std::fs::remove_dir_all(&dir);
    text
}

/// The reference material beside the checkout, for tests that are ignored where it is not: they are called `shared_…`.
pub fn shared() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    assert!(dir.is_dir(), "no reference material at {}", dir.display());
    dir
}

/// Captures below `dir` of at most `limit` bytes, in order of path.
pub fn captures(dir: &Path, limit: u64) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(d) = todo.pop() {
        for e in std::fs::read_dir(&d).into_iter().flatten().flatten() {
            let p = e.path();
            if p.is_dir() {
                todo.push(p);
            } else if p.extension().is_some_and(|x| x == "pcap" || x == "pcapng" || x == "cap")
                && e.metadata().is_ok_and(|m| m.len() <= limit)
            {
                out.push(p);
            }
        }
    }
    out.sort();
    out
}

/// Every frame of a capture with its link type, up to where it is damaged.
pub fn read(path: &Path) -> Vec<(Packet, u16)> {
    let mut out = Vec::new();
    let Ok(mut c) = Capture::open(path) else { return out };
    while let Ok(Some(b)) = c.next_batch(256) {
        out.extend(b.iter().map(|f| (Packet { data: f.data.to_vec(), ts: f.ts_ns }, f.link)));
    }
    out
}
