//! Captures through an engine, a batch at a time: what tables, events and outputs have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::{EventSink, Verdict};
use tidegate_core::packet::{DecodeConfig, Decoder, MAX_PER_FRAME, PacketBuf};
use tidegate_dataplane::capture::{Batch, Capture, CaptureError};
use tidegate_dataplane::config::Settings;
use tidegate_dataplane::filter::Filter;

use crate::rules::{Compiled, RuleSetHandle, Wish};

/// Frames taken at a time.
const BATCH: usize = 256;
/// Flows ended at a time when nothing more comes, so that not all their rows wait at once.
const ENDED: usize = 4096;
/// Longest stay away from Python, so that an interrupt is noticed.
const TURN: Duration = Duration::from_millis(100);

/// Steps until one says that it was the last, or time is up; whether there are more.
pub fn turn<E>(mut step: impl FnMut() -> Result<bool, E>) -> Result<bool, E> {
    let start = Instant::now();
    while start.elapsed() < TURN {
        if !step()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Captures, rules, and how they are read: what events, files and tables are made of.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct Reading {
    compiled: Arc<Compiled>,
    /// Rules loaded, refused, skipped.
    pub rules: (u64, u64, u64),
    paths: Vec<PathBuf>,
    /// Events name their capture.
    pub folder: bool,
    filter: Option<String>,
    memory: u64,
    pub inline: bool,
    ignore_checksums: Option<bool>,
    protocols: bool,
}

#[pymethods]
impl Reading {
    #[new]
    #[pyo3(signature = (rules, paths, folder, filter, memory, inline, ignore_checksums, protocols))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        rules: &RuleSetHandle,
        paths: Vec<PathBuf>,
        folder: bool,
        filter: Option<String>,
        memory: u64,
        inline: bool,
        ignore_checksums: Option<bool>,
        protocols: bool,
    ) -> Self {
        let (compiled, rules) = (rules.compiled.clone(), rules.counts());
        Reading { compiled, rules, paths, folder, filter, memory, inline, ignore_checksums, protocols }
    }
}

impl Reading {
    pub fn settings(&self) -> Result<Settings, String> {
        self.compiled.said.read(self.inline)
    }

    /// Bytes of all captures.
    pub fn size(&self) -> u64 {
        self.paths.iter().filter_map(|p| std::fs::metadata(p).ok()).map(|m| m.len()).sum()
    }

    /// Frames alone.
    pub fn frames(&self) -> Result<Source, String> {
        let filter = self.filter.as_deref().map(Filter::parse).transpose().map_err(|e| e.to_string())?;
        Ok(Source::new(self.paths.clone(), filter))
    }

    /// Frames and the engine they go through, its settings, and how many places its flows have. `shown`: somebody
    /// looks at transactions; `tell_packets`: and at each packet of a flow.
    pub fn run(&self, shown: bool, tell_packets: bool) -> Result<(Run, Settings, usize), String> {
        let settings = self.settings()?;
        let wish = Wish {
            memory: self.memory,
            secret: tidegate_dataplane::secret::CAPTURES,
            inline: self.inline,
            ignore_checksums: self.ignore_checksums,
            protocols: self.protocols,
            shown,
            tell_packets,
        };
        let (engine, places) = self.compiled.engine(&settings, wish)?;
        Ok((Run::new(self.frames()?, engine), settings, places))
    }
}

/// How far reading is; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    pub bytes: AtomicU64,
    pub packets: AtomicU64,
}

impl Progress {
    /// Bytes of files, packets.
    pub fn told(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.packets.load(Ordering::Relaxed))
    }
}

/// A fault that ended reading, and in which capture.
#[derive(Debug)]
pub struct Fault {
    pub path: PathBuf,
    pub error: CaptureError,
}

/// Several captures, one after the other. Packet numbers go on from one to the next, as in the command.
pub struct Source {
    paths: Vec<PathBuf>,
    at: usize,
    open: Option<Capture>,
    filter: Option<(Filter, Decoder)>,
    /// Packets and file bytes of the captures before this one.
    before: (u64, u64),
    /// Captures that ended early: what was read before the damage counts.
    pub damaged: Vec<String>,
    pub progress: Arc<Progress>,
}

/// What [`Source::next`] met.
pub enum Step {
    /// Frames were given out.
    Frames,
    /// A capture was opened.
    Opened,
    End,
}

impl Source {
    pub fn new(paths: Vec<PathBuf>, filter: Option<Filter>) -> Source {
        Source {
            paths,
            at: 0,
            open: None,
            filter: filter.map(|f| (f, Decoder::new(DecodeConfig::default()))),
            before: (0, 0),
            damaged: Vec::new(),
            progress: Arc::default(),
        }
    }

    /// The capture being read.
    pub fn path(&self) -> &Path {
        self.paths.get(self.at).map_or(Path::new(""), PathBuf::as_path)
    }

    /// Gives the next frames to `f`, numbered through all captures.
    pub fn next(&mut self, f: impl FnOnce(&[Frame<'_>])) -> Result<Step, Fault> {
        let Some(path) = self.paths.get(self.at) else { return Ok(Step::End) };
        let Some(open) = &mut self.open else {
            self.open = Some(Capture::open(path).map_err(|error| Fault { path: path.clone(), error })?);
            return Ok(Step::Opened);
        };
        match open.next_batch(BATCH) {
            Ok(Some(b)) => {
                let frames = frames(&b, self.before.0, &mut self.filter);
                f(&frames);
                self.progress.packets.store(self.before.0 + open.frames(), Ordering::Relaxed);
                self.progress.bytes.store(self.before.1 + open.offset(), Ordering::Relaxed);
                return Ok(Step::Frames);
            }
            Ok(None) => {}
            Err(e @ (CaptureError::Truncated { .. } | CaptureError::Damaged { .. })) => {
                self.damaged.push(format!("{}: {e}", path.display()));
            }
            Err(error) => return Err(Fault { path: path.clone(), error }),
        }
        self.before.0 += open.frames();
        self.before.1 += open.offset();
        self.open = None;
        self.at += 1;
        Ok(Step::Frames)
    }
}

/// The frames of a batch that a filter lets through.
fn frames<'b>(b: &Batch<'b>, before: u64, filter: &mut Option<(Filter, Decoder)>) -> Vec<Frame<'b>> {
    let mut out = Vec::with_capacity(b.len());
    // Not by `Batch::iter`, whose frames live only as long as the borrow of the batch.
    for f in (0..b.len()).filter_map(|i| b.get(i)) {
        if let Some((filter, decoder)) = filter {
            let mut packets = PacketBuf::new(MAX_PER_FRAME);
            decoder.decode(f.data, f.link, f.ts_ns, f.index, &mut packets);
            if !packets.iter().next().is_some_and(|p| filter.passes(p)) {
                continue;
            }
        }
        out.push(Frame {
            data: f.data,
            ts: f.ts_ns,
            link: f.link,
            index: before + f.index,
            ..Frame::default()
        });
    }
    out
}

/// Captures and the engine they go through.
pub struct Run {
    pub source: Source,
    pub engine: Engine,
    verdicts: Vec<Verdict>,
    ended: bool,
}

impl Run {
    pub fn new(source: Source, engine: Engine) -> Run {
        Run { source, engine, verdicts: vec![Verdict::Forward; BATCH], ended: false }
    }

    /// Inspects the next frames. Behind the last of them all flows end, some in a step.
    pub fn step(&mut self, sink: &mut dyn EventSink) -> Result<Step, Fault> {
        if self.ended {
            return Ok(Step::End);
        }
        let (engine, verdicts) = (&mut self.engine, &mut self.verdicts);
        let step = self.source.next(|frames| engine.process(frames, verdicts, sink));
        match step {
            Ok(Step::End) if engine.finish_some(ENDED, sink) => return Ok(Step::Frames),
            Ok(Step::End) | Err(_) => self.ended = true,
            Ok(Step::Frames | Step::Opened) => {}
        }
        step
    }

    /// Nothing more will come.
    pub fn ended(&self) -> bool {
        self.ended
    }
}
