//! The library in one page: a capture and a rule go in, alerts are printed.
//!
//! `cargo run --release --example print_alerts CAPTURE RULES`

use std::error::Error;
use std::path::PathBuf;

use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{Event, EventSink, Verdict};
use tidegate_dataplane::capture::Capture;
use tidegate_dataplane::config::engine::Mode;
use tidegate_dataplane::config::{Overrides, Settings};
use tidegate_dataplane::load;
use tidegate_dataplane::secret::CAPTURES;

struct Print;

impl EventSink for Print {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Alert(a) = event {
            println!("{} {}", a.rule.sid, a.rule.msg);
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(capture), Some(rules)) = (args.next(), args.next()) else {
        return Err("usage: print_alerts CAPTURE RULES".into());
    };
    let settings = Settings::load(None, &Overrides::default())?;
    let rules = load::load(&[rules], &settings, None)?.rules;
    let mut engine = Engine::new(
        settings.engine(Mode { ips: false, ignore_checksums: false, memory: 256 << 20, secret: CAPTURES })?,
        rules,
    );

    let mut capture = Capture::open(&capture)?;
    let mut verdicts = [Verdict::Forward; 32];
    while let Some(batch) = capture.next_batch(32)? {
        let frames: Vec<Frame<'_>> = batch
            .iter()
            .map(|f| Frame { data: f.data, ts: f.ts_ns, link: f.link, index: f.index, ..Frame::default() })
            .collect();
        engine.process(&frames, &mut verdicts, &mut Print);
    }
    engine.finish(&mut Print);
    Ok(())
}
