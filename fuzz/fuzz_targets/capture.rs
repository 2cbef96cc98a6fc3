//! Any bytes as a capture file through the whole engine with rules of every kind, then time passes and it ends: no
//! panic, and all memory of flows is given back.
#![no_main]
use libfuzzer_sys::fuzz_target;
use tidegate_core::engine::Frame;
use tidegate_core::engine::{Config, MemoryPlan};
use tidegate_core::event::{NoSink, Verdict};
use tidegate_dataplane::capture::Capture;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::secret::CAPTURES;
use tidegate_fuzz::common;

thread_local! {
    static SETTINGS: tidegate_dataplane::config::Settings = common::settings();
    static RULES: common::Rules = common::all_rules();
}

fn config() -> Config {
    let mode = Mode { ips: false, ignore_checksums: true, memory: MemoryPlan::LEAST, secret: CAPTURES };
    SETTINGS.with(|s| s.engine(mode).expect("enough"))
}

fuzz_target!(|data: &[u8]| {
    let Ok(mut cap) = Capture::from_reader(Box::new(std::io::Cursor::new(data.to_vec()))) else { return };
    RULES.with(|rules| {
        let mut engine = common::engine(config(), rules);
        let mut verdicts = [Verdict::Forward; 32];
        let mut last = 0;
        while let Ok(Some(batch)) = cap.next_batch(32) {
            let frames: Vec<Frame<'_>> = batch
                .iter()
                .map(|f| Frame {
                    data: f.data,
                    ts: f.ts_ns,
                    link: f.link,
                    index: f.index,
                    ..Frame::default()
                })
                .collect();
            last = frames.iter().map(|f| f.ts).max().unwrap_or(last);
            engine.process(&frames, &mut verdicts, &mut NoSink);
        }
        engine.tick(last.saturating_add(5_000_000_000), &mut NoSink);
        engine.finish(&mut NoSink);
        assert_eq!(engine.stats().pools.map(|p| p.0), [0, 0], "memory of ended flows is not given back");
    });
});
