//! Events as lines of EVE JSON: from captures, to Python or to files; and from frames that the caller has.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use tidegate_core::app::registry::PROTOCOLS;
use tidegate_core::engine::{Engine, Stats as EngineStats};
use tidegate_core::event::{Event, EventSink, PolicyRecord, ResponseRecord};
use tidegate_core::fault::Station;
use tidegate_dataplane::config::Settings;
use tidegate_dataplane::config::engine::warm;
use tidegate_dataplane::config::eve::{Content, EveSettings, RecordSettings};
use tidegate_dataplane::counters;
use tidegate_dataplane::eve::{Counts, DropsSeen, EveLine, EveSink, Stats};

use crate::errors;
use crate::held::{Held, guarded};
use crate::run::{Fault, Reading, Run, Step, turn};

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

    /// Of AI calls alone, whatever the settings ask for. `content`: with what was said.
    fn of_calls(settings: &Settings, inline: bool, content: bool) -> Lines {
        let mut eve = EveSettings::empty("");
        let mut record = RecordSettings::default();
        if let Some(e) = settings.outputs.eve.first() {
            (eve.community_id, eve.community_id_seed) = (e.community_id, e.community_id_seed);
            (eve.ethernet, eve.metadata, eve.pcap_file) = (e.ethernet, e.metadata, e.pcap_file);
            eve.sensor_name.clone_from(&e.sensor_name);
            record = e.record("ai").cloned().unwrap_or_default();
        }
        if content {
            record.content = Content::Yes;
        }
        eve.records.push(("ai".to_owned(), record));
        Lines {
            eve: Some(EveLine::new(eve, inline)),
            drops: DropsSeen::new(false),
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
    fn policy(&mut self, record: &PolicyRecord<'_>) {
        self.counts.policy += 1;
        let line = self.eve.as_mut().map_or(&[][..], |e| e.policy(record));
        if !line.is_empty() {
            self.text.extend_from_slice(line);
            self.ends.push(self.text.len());
        }
    }

    fn response(&mut self, record: &ResponseRecord<'_>) {
        self.counts.response += 1;
        let line = self.eve.as_mut().map_or(&[][..], |e| e.response(record));
        if !line.is_empty() {
            self.text.extend_from_slice(line);
            self.ends.push(self.text.len());
        }
    }

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

/// Names of all protocols' records.
#[pyfunction]
pub fn records() -> Vec<&'static str> {
    let mut names: Vec<&str> = PROTOCOLS.iter().map(|p| p.record).filter(|r| !r.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Asks an engine for a panic.
pub fn fail_at(py: Python<'_>, engine: &mut Engine, station: &str) -> PyResult<bool> {
    let at = Station::from_name(station)
        .ok_or_else(|| errors::config(py, format!("{station}: there is no such station")))?;
    Ok(engine.fail_at(at))
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
    inner: Held<Reader>,
    reading: Py<Reading>,
}

#[pymethods]
impl EventRun {
    /// `calls`: AI calls alone; whether with what was said.
    #[new]
    #[pyo3(signature = (reading, calls = None))]
    fn new(py: Python<'_>, reading: Py<Reading>, calls: Option<bool>) -> PyResult<Self> {
        let r = reading.get();
        let (run, settings, _) =
            guarded(py, || r.run(true, false, false))?.map_err(|e| errors::config(py, e))?;
        let lines = match calls {
            Some(content) => Lines::of_calls(&settings, r.inline, content),
            None => Lines::new(&settings, r.inline),
        };
        Ok(EventRun { inner: Held::new(Reader { run, lines }), reading })
    }

    /// The next events, at least `least` of them unless time is up; `None` at the end.
    fn next<'py>(&self, py: Python<'py>, least: usize) -> PyResult<Option<Bound<'py, PyList>>> {
        let folder = self.reading.get().folder;
        let result = self.inner.work(py, |r| {
            if r.run.ended() && r.lines.len() == 0 {
                return Ok(false);
            }
            turn(|| {
                match r.run.step(&mut r.lines)? {
                    Step::Frames | Step::Closed => {}
                    Step::Opened => r.lines.capture(r.run.source.path(), folder),
                    Step::End => return Ok(false),
                }
                Ok(r.lines.len() < least)
            })?;
            Ok(true)
        })?;
        if !result.map_err(|f| fault(py, &f))? {
            return Ok(None);
        }
        self.inner.enter(py)?.lines.take(py).map(Some)
    }

    /// Bytes of files and packets read so far.
    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        Ok(self.inner.enter(py)?.run.source.progress.told())
    }

    /// Captures that ended before their end.
    fn damaged(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.inner.enter(py)?.run.source.damaged.clone())
    }

    /// Panics at a station when it comes there (tests); `False`: not in this build.
    fn _fail_at(&self, py: Python<'_>, station: &str) -> PyResult<bool> {
        fail_at(py, &mut self.inner.enter(py)?.run.engine, station)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let r = self.inner.enter(py)?;
        stats(py, &r.run.stats(), &r.lines.counts, self.reading.get().inline)
    }
}

struct Writer {
    run: Run,
    eve: EveSink,
    settings: Arc<Settings>,
    begun: Instant,
}

/// Events of captures written to the files that the settings name.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct WriteRun {
    inner: Held<Writer>,
    reading: Py<Reading>,
}

#[pymethods]
impl WriteRun {
    #[new]
    fn new(py: Python<'_>, reading: Py<Reading>, directory: PathBuf) -> PyResult<Self> {
        let r = reading.get();
        let made = guarded(py, || {
            let shown = r.settings()?.outputs.show_transactions();
            let (mut run, settings, _) = r.run(shown, false, false)?;
            warm(&mut run.engine, r.size());
            std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
            let eve = EveSink::create(&settings.outputs, &directory, r.inline).map_err(|e| e.to_string())?;
            Ok::<_, String>(Writer { run, eve, settings, begun: Instant::now() })
        })?;
        Ok(WriteRun { inner: Held::new(made.map_err(|e| errors::config(py, e))?), reading })
    }

    /// Goes on for a while; `false` when all is written.
    fn advance(&self, py: Python<'_>) -> PyResult<bool> {
        let folder = self.reading.get().folder;
        let result = self.inner.work(py, |w| {
            if w.run.ended() {
                return Ok(None);
            }
            turn(|| {
                match w.run.step(&mut w.eve)? {
                    Step::Frames | Step::Closed => {}
                    Step::Opened => w.eve.capture(w.run.source.path(), folder),
                    Step::End => return Ok(false),
                }
                Ok(true)
            })
            .map(Some)
        })?;
        let Some(more) = result.map_err(|f| fault(py, &f))? else { return Ok(false) };
        if !more {
            self.end(&mut *self.inner.enter(py)?).map_err(|e| errors::config(py, e))?;
        }
        Ok(more)
    }

    fn progress(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        Ok(self.inner.enter(py)?.run.source.progress.told())
    }

    fn damaged(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        Ok(self.inner.enter(py)?.run.source.damaged.clone())
    }

    /// Panics at a station when it comes there (tests); `False`: not in this build.
    fn _fail_at(&self, py: Python<'_>, station: &str) -> PyResult<bool> {
        fail_at(py, &mut self.inner.enter(py)?.run.engine, station)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let w = self.inner.enter(py)?;
        stats(py, &w.run.stats(), &w.eve.counts, self.reading.get().inline)
    }
}

impl WriteRun {
    /// Writes what is written once: statistics, and the rest of the buffers.
    fn end(&self, w: &mut Writer) -> Result<(), String> {
        let r = self.reading.get();
        let (rules_loaded, rules_failed, rules_skipped) = r.rules;
        if w.settings.stats {
            let s = w.run.stats();
            let counters = counters::named(&s, &w.eve.counts, r.inline, w.settings.stats_decoder_events);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let took = w.begun.elapsed();
            let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
            w.eve.stats(&Stats {
                now: ns(now),
                // Rules are in force from the beginning.
                last_reload: ns(now.saturating_sub(took)),
                uptime_s: took.as_secs(),
                counters: &counters,
                rules_loaded,
                rules_failed,
                rules_skipped,
            });
        }
        w.eve.finish().map_err(|e| e.to_string())
    }
}
