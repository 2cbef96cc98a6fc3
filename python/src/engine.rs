//! Engines for frames that the caller has, and for interfaces.

use std::sync::Mutex;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tidegate_core::Secret;
use tidegate_core::engine::{Engine, Frame};
use tidegate_core::event::Verdict;
use tidegate_dataplane::live::afpacket::Ring;

use crate::errors;
use crate::events::{Lines, entered, stats};
use crate::rules::{self, RuleSetHandle, Wish};

/// Frames of a ring given to the engine at a time.
const BURST: usize = 64;

struct Core {
    engine: Engine,
    lines: Lines,
    /// Frames so far.
    frames: u64,
    verdicts: Vec<Verdict>,
}

fn make(py: Python<'_>, rules: &RuleSetHandle, wish: Wish) -> PyResult<Core> {
    let compiled = rules.compiled.clone();
    let made = py.detach(|| {
        let settings = compiled.said.read(wish.inline)?;
        let (engine, _) = compiled.engine(&settings, wish)?;
        let lines = Lines::new(&settings, wish.inline);
        Ok::<_, String>(Core { engine, lines, frames: 0, verdicts: Vec::new() })
    });
    made.map_err(|e| errors::config(py, e))
}

/// A verdict as a number: forward, drop, reject, bypass.
fn code(v: Verdict) -> u8 {
    match v {
        Verdict::Forward => 0,
        Verdict::Drop => 1,
        Verdict::Reject { .. } => 2,
        Verdict::Bypass => 3,
    }
}

/// One engine.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct EngineHandle {
    core: Mutex<Core>,
    inline: bool,
}

#[pymethods]
impl EngineHandle {
    #[new]
    #[pyo3(signature = (rules, memory, inline, ignore_checksums, secret=None))]
    fn new(
        py: Python<'_>,
        rules: &RuleSetHandle,
        memory: u64,
        inline: bool,
        ignore_checksums: Option<bool>,
        secret: Option<[u8; 16]>,
    ) -> PyResult<Self> {
        let secret = match secret {
            Some(bytes) => Secret::random(bytes),
            None => rules::secret(py)?,
        };
        let wish = Wish {
            memory,
            secret,
            inline,
            ignore_checksums,
            protocols: true,
            shown: true,
            tell_packets: false,
        };
        Ok(EngineHandle { core: Mutex::new(make(py, rules, wish)?), inline })
    }

    /// Inspects frames with their times (one for all, or one each) and gives the numbers of the verdicts.
    fn process<'py>(
        &self,
        py: Python<'py>,
        frames: Vec<Bound<'py, PyBytes>>,
        times: Vec<u64>,
        link: u16,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let data: Vec<&[u8]> = frames.iter().map(|f| f.as_bytes()).collect();
        let mut core = entered(py, &self.core);
        let core = &mut *core;
        py.detach(|| {
            let first = core.frames;
            let list: Vec<Frame<'_>> = data
                .iter()
                .enumerate()
                .map(|(i, data)| {
                    let ts = times.get(i).or(times.last()).copied().unwrap_or(0);
                    Frame { data, ts, link, index: first + 1 + i as u64, ..Frame::default() }
                })
                .collect();
            core.frames += list.len() as u64;
            core.verdicts.clear();
            core.verdicts.resize(list.len(), Verdict::Forward);
            core.engine.process(&list, &mut core.verdicts, &mut core.lines);
        });
        let codes: Vec<u8> = core.verdicts.iter().map(|v| code(*v)).collect();
        Ok(PyBytes::new(py, &codes))
    }

    /// Lets time pass.
    fn tick(&self, py: Python<'_>, now: u64) {
        let mut core = entered(py, &self.core);
        let core = &mut *core;
        py.detach(|| core.engine.tick(now, &mut core.lines));
    }

    /// Ends all flows.
    fn finish(&self, py: Python<'_>) {
        let mut core = entered(py, &self.core);
        let core = &mut *core;
        py.detach(|| core.engine.finish(&mut core.lines));
    }

    /// The events since it was asked last.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        entered(py, &self.core).lines.take(py)
    }

    fn swap_rules(&self, py: Python<'_>, rules: &RuleSetHandle) {
        let mut core = entered(py, &self.core);
        let (core, compiled) = (&mut *core, &rules.compiled);
        py.detach(|| {
            drop(core.engine.swap_rules(compiled.fresh()));
        });
    }

    fn block_flow(&self, py: Python<'_>, id: u64) -> PyResult<bool> {
        entered(py, &self.core).engine.block_flow(id).map_err(|e| errors::config(py, e))
    }

    fn bypass_flow(&self, py: Python<'_>, id: u64) -> bool {
        entered(py, &self.core).engine.bypass_flow(id)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = entered(py, &self.core);
        stats(py, &core.engine.stats(), &core.lines.counts, self.inline)
    }
}

struct Listening {
    ring: Ring,
    core: Core,
    /// Time of the last tick, ns.
    ticked: u64,
}

/// An interface, its frames through an engine.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct LiveRun {
    inner: Mutex<Listening>,
    inline: bool,
}

#[pymethods]
impl LiveRun {
    #[new]
    #[pyo3(signature = (rules, interface, memory, ignore_checksums))]
    fn new(
        py: Python<'_>,
        rules: &RuleSetHandle,
        interface: &str,
        memory: u64,
        ignore_checksums: Option<bool>,
    ) -> PyResult<Self> {
        let wish = Wish {
            memory,
            secret: rules::secret(py)?,
            inline: false,
            ignore_checksums,
            protocols: true,
            shown: true,
            tell_packets: false,
        };
        let ring = Ring::open(interface, None).map_err(|e| {
            errors::raise(py, "CaptureError", (e.to_string(), interface.to_owned(), e.raw_os_error()))
        })?;
        let core = make(py, rules, wish)?;
        Ok(LiveRun { inner: Mutex::new(Listening { ring, core, ticked: 0 }), inline: false })
    }

    /// Waits at most `wait_ms` for frames, inspects them and gives the events.
    fn poll<'py>(&self, py: Python<'py>, wait_ms: u64) -> PyResult<Bound<'py, PyList>> {
        let mut l = entered(py, &self.inner);
        let l = &mut *l;
        let polled = py.detach(|| {
            let core = &mut l.core;
            if let Some(mut block) = l.ring.next(Duration::from_millis(wait_ms))? {
                loop {
                    let mut frames = [Frame::default(); BURST];
                    let n = block.take(&mut frames);
                    if n == 0 {
                        break;
                    }
                    let frames = frames.get_mut(..n).unwrap_or_default();
                    for f in frames.iter_mut() {
                        core.frames += 1;
                        f.index = core.frames;
                    }
                    core.verdicts.clear();
                    core.verdicts.resize(n, Verdict::Forward);
                    core.engine.process(frames, &mut core.verdicts, &mut core.lines);
                }
            }
            let now = tidegate_dataplane::live::now_ns();
            if now.saturating_sub(l.ticked) > 1_000_000_000 {
                l.ticked = now;
                core.engine.tick(now, &mut core.lines);
                l.ring.count();
            }
            Ok::<_, std::io::Error>(())
        });
        polled
            .map_err(|e| errors::raise(py, "CaptureError", (e.to_string(), "interface", e.raw_os_error())))?;
        l.core.lines.take(py)
    }

    /// Ends all flows and gives the last events.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut l = entered(py, &self.inner);
        let core = &mut l.core;
        py.detach(|| core.engine.finish(&mut core.lines));
        core.lines.take(py)
    }

    /// Packets the kernel gave, and those it had no room for.
    fn dropped(&self, py: Python<'_>) -> (u64, u64) {
        use std::sync::atomic::Ordering::Relaxed;
        let l = entered(py, &self.inner);
        l.ring.count();
        (l.ring.stats.packets.load(Relaxed), l.ring.stats.drops.load(Relaxed))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let l = entered(py, &self.inner);
        stats(py, &l.core.engine.stats(), &l.core.lines.counts, self.inline)
    }
}
