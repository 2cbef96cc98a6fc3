//! Engines for frames that the caller has, and for interfaces.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use tidegate_core::engine::{Engine, Frame, StreamId, Tuple};
use tidegate_core::event::Verdict;
use tidegate_core::response::{Block, Blocks, Effect, Never, Refused, Target};
use tidegate_core::unseal::TlsSecret;
use tidegate_core::{Dir, Secret};
use tidegate_dataplane::live::afpacket::Ring;
use tidegate_dataplane::response::order;

use crate::decode::link_known;
use crate::errors;
use crate::events::{Lines, fail_at, stats};
use crate::held::{Held, guarded};
use crate::rules::{self, RuleSetHandle, Wish};
use crate::run::Sieve;

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
    let made = guarded(py, || {
        let mut settings = compiled.settings(wish.inline)?;
        // Keys may come a little after the packets that need them.
        Arc::make_mut(&mut settings).keys.live = true;
        let (engine, _) = compiled.engine(&settings, wish)?;
        let lines = Lines::new(&settings, wish.inline);
        Ok::<_, String>(Core { engine, lines, frames: 0, verdicts: Vec::new() })
    })?;
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

/// Tables of what is blocked, and what the allow list refuses; or what is wrong, and what was expected.
fn tables(
    blocks: Vec<(String, String, u64)>,
    never: Vec<(String, String)>,
) -> Result<(Blocks, Vec<(Block, Refused)>), String> {
    let mut list = Never::default();
    for (kind, entry) in &never {
        match kind.as_str() {
            "addresses" => list.address(entry)?,
            "domains" => list.domain(entry)?,
            "models" => list.model(entry)?,
            "tools" => list.tool(entry)?,
            other => return Err(format!("`{other}` is not addresses, domains, models or tools")),
        }
    }
    let mut all = Vec::with_capacity(blocks.len());
    for (id, (kind, target, until)) in (1..).zip(blocks) {
        let target = Target::parse(order::kind(&kind)?, &target)?;
        all.push(Block { id, target, effect: Effect::Block, until, reason: String::new() });
    }
    Ok(Blocks::new(all, &list))
}

/// One engine.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct EngineHandle {
    core: Held<Core>,
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
            risk: false,
            shown: true,
            tell_packets: false,
            summaries: false,
        };
        Ok(EngineHandle { core: Held::new(make(py, rules, wish)?), inline })
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
        link_known(py, link)?;
        let codes = self.core.work(py, |core| {
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
            core.verdicts.iter().map(|v| code(*v)).collect::<Vec<u8>>()
        })?;
        Ok(PyBytes::new(py, &codes))
    }

    /// Tells a secret of a TLS session, as a line of a key log; `false`: the engine has no room for such sessions.
    fn tls_secret(&self, py: Python<'_>, line: &str) -> PyResult<bool> {
        match TlsSecret::parse(line) {
            Ok(Some(s)) => self.core.work(py, |core| core.engine.tls_secret(&s)),
            Ok(None) => Err(errors::config(
                py,
                "a line of a key log with a secret of TLS records is expected".to_string(),
            )),
            Err(e) => Err(errors::config(py, e.to_string())),
        }
    }

    /// Opens a stream without packets between `(address, port)` and `(address, port)`, and gives its number.
    fn open_stream(
        &self,
        py: Python<'_>,
        client: (IpAddr, u16),
        server: (IpAddr, u16),
        tag: &[u8],
        time: u64,
    ) -> PyResult<u64> {
        let ends = Tuple { client: client.into(), server: server.into() };
        let opened = self.core.work(py, |core| core.engine.open_stream(&ends, tag, time, &mut core.lines))?;
        opened.map(StreamId::to_bits).map_err(|e| errors::config(py, e))
    }

    /// The next bytes of a stream; gives the number of the verdict.
    fn feed(&self, py: Python<'_>, stream: u64, to_server: bool, data: &[u8], time: u64) -> PyResult<u8> {
        let (id, dir) = (StreamId::from_bits(stream), if to_server { Dir::ToServer } else { Dir::ToClient });
        let said = self.core.work(py, |core| core.engine.feed(id, dir, data, time, &mut core.lines))?;
        said.map(code).map_err(|e| errors::config(py, e))
    }

    /// Ends a stream.
    fn close_stream(&self, py: Python<'_>, stream: u64, time: u64) -> PyResult<()> {
        let id = StreamId::from_bits(stream);
        let closed = self.core.work(py, |core| core.engine.close_stream(id, time, &mut core.lines))?;
        closed.map_err(|e| errors::config(py, e))
    }

    /// Lets time pass.
    fn tick(&self, py: Python<'_>, now: u64) -> PyResult<()> {
        self.core.work(py, |core| core.engine.tick(now, &mut core.lines))
    }

    /// Ends all flows.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        self.core.work(py, |core| core.engine.finish(&mut core.lines))
    }

    /// The events since it was asked last.
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.core.enter(py)?.lines.take(py)
    }

    fn swap_rules(&self, py: Python<'_>, rules: &RuleSetHandle) -> PyResult<()> {
        let compiled = &rules.compiled;
        self.core.work(py, |core| drop(core.engine.swap_rules(compiled.fresh())))
    }

    fn block_flow(&self, py: Python<'_>, id: u64) -> PyResult<bool> {
        self.core.enter(py)?.engine.block_flow(id).map_err(|e| errors::config(py, e))
    }

    /// Takes what is blocked instead of what was: kinds and targets with their ends, ns, and the allow list, kinds and entries. Gives
    /// the places of those that it refuses, with the reasons.
    fn set_blocks(
        &self,
        py: Python<'_>,
        blocks: Vec<(String, String, u64)>,
        never: Vec<(String, String)>,
    ) -> PyResult<Vec<(u32, String)>> {
        if !self.inline {
            return Err(errors::config(py, "the engine is not inline: its verdicts drop nothing"));
        }
        let (blocks, refused) = tables(blocks, never).map_err(|e| errors::config(py, e))?;
        let blocks = (!blocks.is_empty()).then(|| Arc::new(blocks));
        self.core.work(py, |core| drop(core.engine.set_blocks(blocks)))?;
        Ok(refused.into_iter().map(|(b, why)| (b.id - 1, why.to_string())).collect())
    }

    fn bypass_flow(&self, py: Python<'_>, id: u64) -> PyResult<bool> {
        Ok(self.core.enter(py)?.engine.bypass_flow(id))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let core = self.core.enter(py)?;
        stats(py, &core.engine.stats(), &core.lines.counts, self.inline)
    }

    /// Panics at a station when it comes there (tests); `False`: not in this build.
    fn _fail_at(&self, py: Python<'_>, station: &str) -> PyResult<bool> {
        fail_at(py, &mut self.core.enter(py)?.engine, station)
    }
}

struct Listening {
    ring: Ring,
    core: Core,
    /// Time of the last tick, ns.
    ticked: u64,
    filter: Option<Sieve>,
}

/// An interface, its frames through an engine.
#[pyclass(frozen, module = "tidegate._tidegate")]
pub struct LiveRun {
    inner: Held<Listening>,
    inline: bool,
}

#[pymethods]
impl LiveRun {
    #[new]
    #[pyo3(signature = (rules, interface, filter, memory, ignore_checksums))]
    fn new(
        py: Python<'_>,
        rules: &RuleSetHandle,
        interface: &str,
        filter: Option<&str>,
        memory: u64,
        ignore_checksums: Option<bool>,
    ) -> PyResult<Self> {
        let filter = filter.map(Sieve::new).transpose().map_err(|e| errors::config(py, e))?;
        let wish = Wish {
            memory,
            secret: rules::secret(py)?,
            inline: false,
            ignore_checksums,
            protocols: true,
            risk: false,
            shown: true,
            tell_packets: false,
            summaries: false,
        };
        let ring = Ring::open(interface, None).map_err(|e| {
            errors::raise(py, "CaptureError", (e.to_string(), interface.to_owned(), e.raw_os_error()))
        })?;
        let core = make(py, rules, wish)?;
        Ok(LiveRun { inner: Held::new(Listening { ring, core, ticked: 0, filter }), inline: false })
    }

    /// Waits at most `wait_ms` for frames, inspects them and gives the events.
    fn poll<'py>(&self, py: Python<'py>, wait_ms: u64) -> PyResult<Bound<'py, PyList>> {
        self.inner.work(py, |l| l.poll(wait_ms))?.map_err(|e| {
            errors::raise(py, "CaptureError", (e.to_string(), None::<String>, e.raw_os_error()))
        })?;
        self.inner.enter(py)?.core.lines.take(py)
    }

    /// Ends all flows and gives the last events.
    fn finish<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.inner.work(py, |l| l.core.engine.finish(&mut l.core.lines))?;
        self.inner.enter(py)?.core.lines.take(py)
    }

    /// Packets the kernel gave, and those it had no room for.
    fn dropped(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        use std::sync::atomic::Ordering::Relaxed;
        let l = self.inner.enter(py)?;
        l.ring.count();
        Ok((l.ring.stats.packets.load(Relaxed), l.ring.stats.drops.load(Relaxed)))
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let l = self.inner.enter(py)?;
        stats(py, &l.core.engine.stats(), &l.core.lines.counts, self.inline)
    }
}

impl Listening {
    /// Frames of a block, if one comes in time, through the engine; a tick every second.
    fn poll(&mut self, wait_ms: u64) -> std::io::Result<()> {
        let core = &mut self.core;
        if let Some(mut block) = self.ring.next(Duration::from_millis(wait_ms))? {
            loop {
                let mut frames = [Frame::default(); BURST];
                let taken = block.take(&mut frames);
                if taken == 0 {
                    break;
                }
                let mut n = 0;
                for i in 0..taken {
                    let f = frames[i];
                    core.frames += 1;
                    if self.filter.as_mut().is_none_or(|s| s.passes(f.data, f.link, f.ts)) {
                        frames[n] = Frame { index: core.frames, ..f };
                        n += 1;
                    }
                }
                core.verdicts.clear();
                core.verdicts.resize(n, Verdict::Forward);
                core.engine.process(&frames[..n], &mut core.verdicts, &mut core.lines);
            }
        }
        let now = tidegate_dataplane::live::now_ns();
        if now.saturating_sub(self.ticked) > 1_000_000_000 {
            self.ticked = now;
            core.engine.tick(now, &mut core.lines);
            self.ring.count();
        }
        Ok(())
    }
}
