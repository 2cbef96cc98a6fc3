//! Captures through an engine, a batch at a time: what tables, events and outputs have in common.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tidegate_core::engine::{Engine, Frame, Stats};
use tidegate_core::event::{EventSink, Verdict};
use tidegate_core::packet::{DecodeConfig, Decoder, MAX_PER_FRAME, PacketBuf};
use tidegate_dataplane::capture::{Batch, Capture, CaptureError, has_secrets};
use tidegate_dataplane::config::Settings;
use tidegate_dataplane::filter::Filter;
use tidegate_dataplane::keys::Lines;

use crate::input::Input;
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
    inputs: Vec<Input>,
    /// Events name their capture.
    pub folder: bool,
    /// Each capture is a stream of packets of its own.
    pub each: bool,
    filter: Option<String>,
    memory: u64,
    pub inline: bool,
    ignore_checksums: Option<bool>,
    protocols: bool,
    /// Texts of AI calls are judged.
    risk: bool,
}

#[pymethods]
impl Reading {
    #[new]
    #[pyo3(signature = (rules, inputs, folder, each, filter, memory, inline, ignore_checksums, protocols, risk))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        rules: &RuleSetHandle,
        inputs: Vec<Input>,
        folder: bool,
        each: bool,
        filter: Option<String>,
        memory: u64,
        inline: bool,
        ignore_checksums: Option<bool>,
        protocols: bool,
        risk: bool,
    ) -> Self {
        let (compiled, rules) = (rules.compiled.clone(), rules.counts());
        Reading {
            compiled,
            rules,
            inputs,
            folder,
            each,
            filter,
            memory,
            inline,
            ignore_checksums,
            protocols,
            risk,
        }
    }
}

impl Reading {
    pub fn settings(&self) -> Result<Arc<Settings>, String> {
        self.compiled.settings(self.inline)
    }

    /// Bytes of all captures.
    pub fn size(&self) -> u64 {
        self.inputs.iter().map(Input::size).sum()
    }

    /// Frames alone.
    pub fn frames(&self) -> Result<Source, String> {
        let filter = self.filter.as_deref().map(Sieve::new).transpose()?;
        Ok(Source::new(self.inputs.clone(), filter, self.each))
    }

    /// Frames and the engine they go through, its settings, and how many places its flows have. `shown`: somebody
    /// looks at transactions; `tell_packets`: and at each packet of a flow; `summaries`: and at what calls add up to.
    pub fn run(
        &self,
        shown: bool,
        tell_packets: bool,
        summaries: bool,
    ) -> Result<(Run, Arc<Settings>, usize), String> {
        let mut settings = self.settings()?;
        if !settings.keys.is_on() && self.inputs.iter().any(|i| has_secrets(i.path())) {
            Arc::make_mut(&mut settings).keys.carried = true;
        }
        let wish = Wish {
            memory: self.memory,
            secret: tidegate_dataplane::secret::CAPTURES,
            inline: self.inline,
            ignore_checksums: self.ignore_checksums,
            protocols: self.protocols,
            risk: self.risk,
            shown,
            tell_packets,
            summaries,
        };
        let (engine, places) = self.compiled.engine(&settings, wish)?;
        let mut run = Run::new(self.frames()?, engine);
        if self.each {
            let (compiled, settings) = (self.compiled.clone(), settings.clone());
            run.another = Some(Box::new(move || compiled.engine(&settings, wish).map(|e| e.0)));
        }
        Ok((run, settings, places))
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

/// Frames that a filter lets through.
pub struct Sieve {
    filter: Filter,
    decoder: Decoder,
}

impl Sieve {
    /// `text`: tcpdump's language.
    pub fn new(text: &str) -> Result<Sieve, String> {
        let filter = Filter::parse(text).map_err(|e| e.to_string())?;
        Ok(Sieve { filter, decoder: Decoder::new(DecodeConfig::default()) })
    }

    pub fn passes(&mut self, frame: &[u8], link: u16, ts: u64) -> bool {
        let mut packets = PacketBuf::new(MAX_PER_FRAME);
        self.decoder.decode(frame, link, ts, 1, &mut packets);
        packets.iter().next().is_some_and(|p| self.filter.passes(p))
    }
}

/// Several captures, one after the other. Packet numbers go on from one to the next, as in the command, unless each
/// stands for itself.
pub struct Source {
    inputs: Vec<Input>,
    each: bool,
    at: usize,
    open: Option<Capture>,
    filter: Option<Sieve>,
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
    /// A capture that stands for itself ended.
    Closed,
    End,
}

impl Source {
    pub fn new(inputs: Vec<Input>, filter: Option<Sieve>, each: bool) -> Source {
        Source {
            inputs,
            each,
            at: 0,
            open: None,
            filter,
            before: (0, 0),
            damaged: Vec::new(),
            progress: Arc::default(),
        }
    }

    /// The capture being read.
    pub fn path(&self) -> &Path {
        self.inputs.get(self.at).map_or(Path::new(""), Input::path)
    }

    /// Packets before the first of this capture.
    pub fn before(&self) -> u64 {
        if self.each { 0 } else { self.before.0 }
    }

    /// Gives the next frames to `f`, numbered through all captures, and the secrets that the capture carries there.
    pub fn next(&mut self, f: impl FnOnce(&[Frame<'_>], &[u8])) -> Result<Step, Fault> {
        let before = self.before();
        let Some(input) = self.inputs.get(self.at) else { return Ok(Step::End) };
        let path = || input.path().to_owned();
        let Some(open) = &mut self.open else {
            self.open = Some(input.open().map_err(|error| Fault { path: path(), error })?);
            return Ok(Step::Opened);
        };
        match open.next_batch(BATCH) {
            Ok(Some(b)) => {
                let frames = frames(&b, before, &mut self.filter);
                f(&frames, b.secrets());
                self.progress.packets.store(self.before.0 + open.frames(), Ordering::Relaxed);
                self.progress.bytes.store(self.before.1 + open.offset(), Ordering::Relaxed);
                return Ok(Step::Frames);
            }
            Ok(None) => {}
            Err(e @ (CaptureError::Truncated { .. } | CaptureError::Damaged { .. })) => {
                self.damaged.push(format!("{}: {e}", path().display()));
            }
            Err(error) => return Err(Fault { path: path(), error }),
        }
        self.before.0 += open.frames();
        self.before.1 += open.offset();
        self.open = None;
        self.at += 1;
        Ok(if self.each { Step::Closed } else { Step::Frames })
    }
}

/// The frames of a batch that a filter lets through.
fn frames<'b>(b: &Batch<'b>, before: u64, filter: &mut Option<Sieve>) -> Vec<Frame<'b>> {
    let mut out = Vec::with_capacity(b.len());
    // Not by `Batch::iter`, whose frames live only as long as the borrow of the batch.
    for f in (0..b.len()).filter_map(|i| b.get(i)) {
        if filter.as_mut().is_some_and(|s| !s.passes(f.data, f.link, f.ts_ns)) {
            continue;
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

/// Makes an engine like the first.
type Another = Box<dyn Fn() -> Result<Engine, String> + Send>;

/// Captures and the engine they go through.
pub struct Run {
    pub source: Source,
    pub engine: Engine,
    /// For captures that stand for themselves.
    another: Option<Another>,
    /// A capture has ended, some of its flows have not.
    ending: bool,
    /// What the engines before this one counted.
    before: Stats,
    verdicts: Vec<Verdict>,
    ended: bool,
}

impl Run {
    pub fn new(source: Source, engine: Engine) -> Run {
        let verdicts = vec![Verdict::Forward; BATCH];
        let before = Stats::default();
        Run { source, engine, another: None, ending: false, before, verdicts, ended: false }
    }

    /// Inspects the next frames. Behind the last of them all flows end, some in a step.
    pub fn step(&mut self, sink: &mut dyn EventSink) -> Result<Step, Fault> {
        self.step_with(sink, |_| {})
    }

    /// The same; `also` sees the frames, too.
    pub fn step_with(
        &mut self,
        sink: &mut dyn EventSink,
        also: impl FnOnce(&[Frame<'_>]),
    ) -> Result<Step, Fault> {
        if self.ended {
            return Ok(Step::End);
        }
        if self.ending {
            self.ending = self.engine.finish_some(ENDED, sink);
            if !self.ending {
                self.renew()?;
            }
            return Ok(Step::Frames);
        }
        let (engine, verdicts) = (&mut self.engine, &mut self.verdicts);
        let step = self.source.next(|frames, secrets| {
            Lines::default().text(secrets, &mut |s| _ = engine.tls_secret(s));
            also(frames);
            engine.process(frames, verdicts, sink);
        });
        match step {
            Ok(Step::End) if engine.finish_some(ENDED, sink) => return Ok(Step::Frames),
            Ok(Step::End) | Err(_) => self.ended = true,
            Ok(Step::Closed) => {
                self.ending = true;
                return Ok(Step::Frames);
            }
            Ok(Step::Frames | Step::Opened) => {}
        }
        step
    }

    /// Goes on with another engine.
    fn renew(&mut self) -> Result<(), Fault> {
        let Some(another) = &self.another else { return Ok(()) };
        self.before.add(&self.engine.stats());
        self.engine = another().map_err(|e| {
            let error = CaptureError::Io { offset: 0, source: std::io::Error::other(e) };
            Fault { path: self.source.path().to_owned(), error }
        })?;
        Ok(())
    }

    /// Counters of all engines so far.
    pub fn stats(&self) -> Stats {
        let mut all = self.before;
        all.add(&self.engine.stats());
        all
    }

    /// Nothing more will come.
    pub fn ended(&self) -> bool {
        self.ended
    }
}
