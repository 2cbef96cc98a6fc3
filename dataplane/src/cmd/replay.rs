//! Captures through an engine, for commands that ask one question of them.
//!
//! In: a capture, an engine, a sink. Out: what the engine says, to the sink. The caller finishes the engine.

use std::path::Path;

use tidegate_core::detect::Rules;
use tidegate_core::engine::{Config, Engine, Frame};
use tidegate_core::event::{EventSink, Verdict};

use crate::capture::{Capture, CaptureError};
use crate::config::Settings;
use crate::config::engine::Mode;
use crate::secret;

/// Memory of the engine.
const MEMORY: u64 = 256 << 20;
const BATCH: usize = 256;

/// The configuration of an engine that reads captures by those settings.
pub(super) fn config(settings: &Settings) -> Result<Config, String> {
    let mode = Mode { ips: false, ignore_checksums: true, memory: MEMORY, secret: secret::CAPTURES };
    settings.engine(mode).map_err(|e| e.to_string())
}

/// An engine with those rules.
pub(super) fn engine(settings: &Settings, rules: Rules) -> Result<Engine, String> {
    Ok(Engine::new(config(settings)?, rules))
}

/// Opens a capture. The error names it.
pub(super) fn open(path: &Path) -> Result<Capture, String> {
    Capture::open(path).map_err(|e| match e {
        CaptureError::Open { .. } => e.to_string(),
        e => format!("{}: {e}", path.display()),
    })
}

/// Reads a capture to its end. The error names it, and what was read before it stays told.
pub(super) fn read(path: &Path, engine: &mut Engine, sink: &mut dyn EventSink) -> Result<(), String> {
    let fail = |e| format!("{}: {e}", path.display());
    let mut capture = open(path)?;
    let mut verdicts = [Verdict::Forward; BATCH];
    while let Some(b) = capture.next_batch(BATCH).map_err(fail)? {
        let frames: Vec<Frame<'_>> = b
            .iter()
            .map(|f| Frame { data: f.data, ts: f.ts_ns, link: f.link, index: f.index, ..Frame::default() })
            .collect();
        engine.process(&frames, &mut verdicts, sink);
    }
    Ok(())
}
