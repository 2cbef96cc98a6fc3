//! Events as lines of EVE JSON: from captures, to Python or to files; and from frames that the caller has.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyList, PyString};
use tidegate_core::engine::Stats as EngineStats;
use tidegate_core::event::{Event, EventSink};
use tidegate_dataplane::config::Settings;
use tidegate_dataplane::counters;
use tidegate_dataplane::eve::{Counts, DropsSeen, EveLine, EveSink, Stats};
use tidegate_dataplane::filter::Filter;

use crate::errors;
use crate::rules::{Compiled, RuleSetHandle, Wish};
use crate::run::{Fault, Run, Source, Step};

/// Longest stay away from Python, so that an interrupt is noticed.
const TURN: Duration = Duration::from_millis(100);

/// Collects lines.
pub struct Lines {
    eve: Option<EveLine>,
    drops: DropsSeen,
    pub counts: Counts,
    text: Vec<u8>,
    /// Ends of the lines in `text`.
    ends: Vec<usize>,
}

impl Lines {
    pub fn new(settings: &Settings, inline: bool) -> Lines {
        let eve = settings.outputs.eve.first().cloned();
        let any_drop = eve.as_ref().is_some_and(|e| e.drop.is_some());
        Lines {
            eve: eve.map(|e| EveLine::new(e, inline)),
            drops: DropsSeen::new(any_drop),
            counts: Counts::default(),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Names the capture that is read from now on. `folder`: it is one of several.
    fn capture(&mut self, path: &Path, folder: bool) {
        if let Some(e) = &mut self.eve {
            e.capture(path, folder);
        }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The lines as (kind, line), which are then forgotten.
    pub fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let out = PyList::empty(py);
        let mut at = 0;
        for end in self.ends.drain(..) {
            let line = self.text.get(at..end).unwrap_or_default();
            at = end;
            // Most lines are UTF-8 throughout; what is not was escaped where it came from the wire.
            let text = String::from_utf8_lossy(line);
            let kind = PyString::intern(py, kind(&text));
            out.append((kind, PyString::new(py, &text)))?;
        }
        self.text.clear();
        Ok(out)
    }
}

/// The `event_type` of a line.
fn kind(line: &str) -> &str {
    const KEY: &str = "\"event_type\":\"";
    let from = line.find(KEY).map_or(line.len(), |at| at + KEY.len());
    let rest = line.get(from..).unwrap_or("");
    rest.split('"').next().unwrap_or("")
}

impl EventSink for Lines {
    fn event(&mut self, event: Event<'_>) {
        self.counts.event(&event);
        let first = self.drops.first(&event);
        let Some(eve) = &mut self.eve else { return };
        for line in eve.write(&event, first).split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            self.text.extend_from_slice(line);
            self.ends.push(self.text.len());
        }
    }
}

/// Counters by name, as EVE's `stats` has them, as a flat dict.
pub fn stats<'py>(
    py: Python<'py>,
    stats: &EngineStats,
    counts: &Counts,
    inline: bool,
) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    for (name, value) in counters::named(stats, counts, inline, true) {
        out.set_item(name, value)?;
    }
    Ok(out)
}

/// How captures are read.
#[derive(Clone)]
pub struct Reading {
    pub paths: Vec<PathBuf>,
    /// Events name their capture.
    pub folder: bool,
    pub filter: Option<String>,
    pub wish: Wish,
}

impl Reading {
    /// Frames alone.
    pub fn frames(&self) -> Result<Source, String> {
        let filter = self.filter.as_deref().map(Filter::parse).transpose().map_err(|e| e.to_string())?;
        Ok(Source::new(self.paths.clone(), filter))
    }

    /// Frames, the engine they go through, and its settings.
    pub fn run(&self, rules: &Compiled, wish: Wish) -> Result<(Run, Settings, usize), String> {
        let settings = rules.said.read(wish.inline)?;
        let (engine, places) = rules.engine(&settings, wish);
        Ok((Run::new(self.frames()?, engine), settings, places))
    }
}

/// How far a run is: bytes of files, packets.
pub fn told(source: &Source) -> (u64, u64) {
    let p = &source.progress;
    (p.bytes.load(Ordering::Relaxed), p.packets.load(Ordering::Relaxed))
}

/// The lock, waited for without holding the interpreter.
pub fn entered<'a, T>(py: Python<'_>, m: &'a Mutex<T>) -> MutexGuard<'a, T> {
    m.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
}

fn fault(py: Python<'_>, f: &Fault) -> PyErr {
    errors::capture(py, &f.path, &f.error)
}

struct Reader {
    run: Run,
    lines: Lines,
}

/// Events of captures, some at a time.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct EventRun {
    inner: Mutex<Reader>,
    folder: bool,
    inline: bool,
}

#[pymethods]
impl EventRun {
    #[new]
    #[pyo3(signature = (rules, paths, folder, filter, memory, inline, ignore_checksums))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        rules: &RuleSetHandle,
        paths: Vec<PathBuf>,
        folder: bool,
        filter: Option<String>,
        memory: u64,
        inline: bool,
        ignore_checksums: Option<bool>,
    ) -> PyResult<Self> {
        let wish = Wish { memory, inline, ignore_checksums, shown: true, tell_packets: false };
        let reading = Reading { paths, folder, filter, wish };
        let compiled = rules.compiled.clone();
        let (run, settings, _) =
            py.detach(|| reading.run(&compiled, wish)).map_err(|e| errors::config(py, e))?;
        let lines = Lines::new(&settings, inline);
        Ok(EventRun { inner: Mutex::new(Reader { run, lines }), folder, inline })
    }

    /// The next events, at least `least` of them unless time is up; `None` at the end.
    fn next<'py>(&self, py: Python<'py>, least: usize) -> PyResult<Option<Bound<'py, PyList>>> {
        let mut r = entered(py, &self.inner);
        let r = &mut *r;
        if r.run.ended() && r.lines.len() == 0 {
            return Ok(None);
        }
        let result = py.detach(|| {
            let start = Instant::now();
            while r.lines.len() < least && start.elapsed() < TURN {
                match r.run.step(&mut r.lines)? {
                    Step::Frames => {}
                    Step::Opened => r.lines.capture(r.run.source.path(), self.folder),
                    Step::End => break,
                }
            }
            Ok(())
        });
        result.map_err(|f| fault(py, &f))?;
        r.lines.take(py).map(Some)
    }

    /// Bytes of files and packets read so far.
    fn progress(&self, py: Python<'_>) -> (u64, u64) {
        told(&entered(py, &self.inner).run.source)
    }

    /// Captures that ended before their end.
    fn damaged(&self, py: Python<'_>) -> Vec<String> {
        entered(py, &self.inner).run.source.damaged.clone()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let r = entered(py, &self.inner);
        stats(py, &r.run.engine.stats(), &r.lines.counts, self.inline)
    }
}

struct Writer {
    run: Run,
    eve: EveSink,
    settings: Settings,
    begun: Instant,
}

/// Events of captures written to the files that the settings name.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct WriteRun {
    inner: Mutex<Writer>,
    folder: bool,
    inline: bool,
    rules: (u64, u64, u64),
}

#[pymethods]
impl WriteRun {
    #[new]
    #[pyo3(signature = (rules, paths, folder, filter, memory, inline, ignore_checksums, directory))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        rules: &RuleSetHandle,
        paths: Vec<PathBuf>,
        folder: bool,
        filter: Option<String>,
        memory: u64,
        inline: bool,
        ignore_checksums: Option<bool>,
        directory: PathBuf,
    ) -> PyResult<Self> {
        let compiled = rules.compiled.clone();
        let made = py.detach(|| {
            let settings = compiled.said.read(inline)?;
            let shown = settings.outputs.show_transactions();
            let wish = Wish { memory, inline, ignore_checksums, shown, tell_packets: false };
            let reading = Reading { paths, folder, filter, wish };
            let (run, settings, _) = reading.run(&compiled, wish)?;
            std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
            let eve = EveSink::create(&settings.outputs, &directory, inline).map_err(|e| e.to_string())?;
            Ok::<_, String>(Writer { run, eve, settings, begun: Instant::now() })
        });
        let inner = Mutex::new(made.map_err(|e| errors::config(py, e))?);
        Ok(WriteRun { inner, folder, inline, rules: rules.counts() })
    }

    /// Goes on for a while; `false` when all is written.
    fn advance(&self, py: Python<'_>) -> PyResult<bool> {
        let mut w = entered(py, &self.inner);
        let w = &mut *w;
        if w.run.ended() {
            return Ok(false);
        }
        let result = py.detach(|| {
            let start = Instant::now();
            while start.elapsed() < TURN {
                match w.run.step(&mut w.eve)? {
                    Step::Frames => {}
                    Step::Opened => w.eve.capture(w.run.source.path(), self.folder),
                    Step::End => return Ok(false),
                }
            }
            Ok(true)
        });
        let more = result.map_err(|f| fault(py, &f))?;
        if !more {
            self.end(w).map_err(|e| errors::config(py, e))?;
        }
        Ok(more)
    }

    fn progress(&self, py: Python<'_>) -> (u64, u64) {
        told(&entered(py, &self.inner).run.source)
    }

    fn damaged(&self, py: Python<'_>) -> Vec<String> {
        entered(py, &self.inner).run.source.damaged.clone()
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let w = entered(py, &self.inner);
        stats(py, &w.run.engine.stats(), &w.eve.counts, self.inline)
    }
}

impl WriteRun {
    /// Writes what is written once: statistics, and the rest of the buffers.
    fn end(&self, w: &mut Writer) -> Result<(), String> {
        let (rules_loaded, rules_failed, rules_skipped) = self.rules;
        if w.settings.stats {
            let s = w.run.engine.stats();
            let counters = counters::named(&s, &w.eve.counts, self.inline, w.settings.stats_decoder_events);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            w.eve.stats(&Stats {
                now: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
                uptime_s: w.begun.elapsed().as_secs(),
                counters: &counters,
                rules_loaded,
                rules_failed,
                rules_skipped,
            });
        }
        w.eve.finish().map_err(|e| e.to_string())
    }
}
