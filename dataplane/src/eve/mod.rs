//! EVE JSON: engine events go in, one JSON object a line comes out, with Suricata's field names, types and order.
//!
//! [`EveSink`] is the [`EventSink`] of the command. Events are written straight into a buffer per output file;
//! the buffer goes to the file when it is full and at the end. One file here per kind of event.

mod alert;
mod anomaly;
pub mod apart;
mod arp;
mod artifact;
mod community;
mod context;
mod drop;
mod fields;
mod file;
mod flow;
mod frame;
mod header;
mod incident;
mod intel;
mod json;
mod line;
pub mod logs;
pub(crate) mod names;
mod policy;
mod response;
mod stats;
pub mod store;
mod stream;
mod summary;
mod time;
mod tx;
mod vars;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegate_core::Dir;
use tidegate_core::event::{DropReason, Event, EventSink, PolicyRecord, ResponseRecord};
use tidegate_core::flow::{FlowView, flag};
use tidegate_core::packet::Packet;

use crate::config::Outputs;
use crate::context::{Context, Late};
use crate::incident::Incidents;
use crate::lines::{LineFile, last_line};
pub use json::{Json, base64_into};
use line::Output;
pub use line::{EveLine, ROOM};
use logs::{Lines, Said};
pub use names::protocol;
pub use response::Told;
pub use stats::Stats;
use store::{Ended, FileStore, Placed};

/// Bytes collected before they are written to the file.
const FLUSH_AT: usize = 256 << 10;

/// One output of a capture.
#[derive(Debug)]
struct Written {
    lines: Box<dyn Lines>,
    file: LineFile,
    /// What its events tell together.
    stories: Option<Incidents>,
}

/// Writes engine events to the files that the configuration names.
#[derive(Debug)]
pub struct EveSink {
    logs: Vec<Written>,
    /// Context from hosts, when events have some.
    context: Option<Arc<Context>>,
    /// Where files go, and the writer of the records beside them.
    store: Option<(FileStore, EveLine)>,
    drops: DropsSeen,
    /// Events written per kind, for the summary.
    pub counts: Counts,
    error: Option<OutputError>,
}

/// Events that were given to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub alerts: u64,
    pub flows: u64,
    pub records: u64,
    pub files: u64,
    pub anomalies: u64,
    pub drops: u64,
    /// Decisions of a policy that were told.
    pub policy: u64,
    /// What was met of blocks and marks, and told.
    pub response: u64,
    /// Ended flows by [`tidegate_core::flow::State`].
    pub end_state: [u64; 4],
    /// Ended TCP sessions by state.
    pub end_tcp: [u64; 11],
    /// Flows and their transactions by carrier (TCP, UDP) and protocol number.
    pub app: [[(u64, u64); 128]; 2],
}

impl Default for Counts {
    fn default() -> Self {
        Counts {
            alerts: 0,
            flows: 0,
            records: 0,
            files: 0,
            anomalies: 0,
            drops: 0,
            policy: 0,
            response: 0,
            end_state: [0; 4],
            end_tcp: [0; 11],
            app: [[(0, 0); 128]; 2],
        }
    }
}

impl Counts {
    /// Counts an event.
    pub fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Alert(_) => self.alerts += 1,
            Event::Flow(f) => self.flow_end(f),
            Event::Tx(_) => self.records += 1,
            Event::File(_) => self.files += 1,
            Event::Anomaly(_) => self.anomalies += 1,
            Event::Drop(_) => self.drops += 1,
            Event::Frame(_) | Event::Stream(_) | Event::Summary(_) => self.records += 1,
        }
    }

    /// Adds what another sink counted.
    pub fn add(&mut self, o: &Counts) {
        for (a, b) in [
            (&mut self.alerts, o.alerts),
            (&mut self.flows, o.flows),
            (&mut self.records, o.records),
            (&mut self.files, o.files),
            (&mut self.anomalies, o.anomalies),
            (&mut self.drops, o.drops),
            (&mut self.policy, o.policy),
            (&mut self.response, o.response),
        ] {
            *a += b;
        }
        self.end_state.iter_mut().zip(o.end_state).for_each(|(a, b)| *a += b);
        self.end_tcp.iter_mut().zip(o.end_tcp).for_each(|(a, b)| *a += b);
        for (a, b) in self.app.iter_mut().flatten().zip(o.app.iter().flatten()) {
            *a = (a.0 + b.0, a.1 + b.1);
        }
    }

    /// Counts the end of a flow.
    pub fn flow_end(&mut self, f: &FlowView<'_>) {
        self.flows += 1;
        self.end_state[f.state() as usize & 3] += 1;
        if let Some(s) = f.tcp
            && let Some(n) = self.end_tcp.get_mut(s.state() as usize)
        {
            *n += 1;
        }
        let carrier = match f.key().proto {
            6 => 0,
            17 => 1,
            _ => return,
        };
        if let Some(n) = self.app[carrier].get_mut(usize::from(f.extra.app.0)) {
            n.0 += 1;
            n.1 += if f.extra.app.def().one { 0 } else { f.extra.tx_count };
        }
    }
}

/// An output file could not be made or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct OutputError {
    pub path: PathBuf,
    pub source: std::io::Error,
}

impl EveSink {
    /// Opens (and empties) the files of `outputs` in `dir`.
    pub fn create(outputs: &Outputs, dir: &Path, ips: bool) -> Result<EveSink, OutputError> {
        let mut logs = Vec::new();
        for log in outputs.logs() {
            let file = LineFile::open_in(dir, log.file(), false, None)
                .map_err(|source| OutputError { path: dir.join(log.file()), source })?;
            let lines = log.lines(ips, FLUSH_AT + (128 << 10));
            logs.push(Written { lines, file, stories: log.stories().cloned().map(Incidents::new) });
        }
        let store = match &outputs.store {
            None => None,
            Some(s) => {
                let path = dir.join(&s.dir);
                let made = FileStore::create(path.clone(), s.info);
                Some((made.map_err(|source| OutputError { path, source })?, EveLine::of_files(ips)))
            }
        };
        Ok(EveSink {
            logs,
            context: outputs.eve.iter().find_map(|e| e.context.clone()),
            store,
            drops: DropsSeen::new(outputs.wants().drops),
            counts: Counts::default(),
            error: None,
        })
    }

    /// A sink without files.
    pub fn none() -> EveSink {
        EveSink {
            logs: Vec::new(),
            context: None,
            store: None,
            drops: DropsSeen::new(false),
            counts: Counts::default(),
            error: None,
        }
    }

    /// Counters of stored files under Suricata's names; none when files are not stored.
    pub fn store_counters(&self) -> Vec<(String, u64)> {
        self.store.iter().flat_map(|(s, _)| s.counters()).collect()
    }

    /// No more events come: stories are told that are not over.
    pub fn end_stories(&mut self) {
        for Written { lines, stories, .. } in &mut self.logs {
            if let Some(s) = stories {
                s.finish(&mut |story, why, related| lines.say(&Said::Incident { story, why, related }));
            }
        }
    }

    /// Context from hosts, when events have some.
    pub fn context(&self) -> Option<&Context> {
        self.context.as_deref()
    }

    /// Writes what hosts said of flows after their events were written.
    pub fn late(&mut self, l: &Late) {
        self.say(&Said::Late(l));
    }

    /// Counters of stories; none when no output wants them.
    pub fn story_counters(&self) -> Vec<(String, u64)> {
        let mut out: Vec<(String, u64)> = Vec::new();
        let stories = self.logs.iter().filter_map(|w| w.stories.as_ref());
        for (i, (name, n)) in stories.flat_map(Incidents::counters).enumerate() {
            match out.get_mut(i % 4) {
                Some(sum) if i >= 4 => sum.1 += n,
                _ => out.push((name.to_string(), n)),
            }
        }
        out
    }

    /// Names the capture that is read from now on. `folder`: it is one of several.
    pub fn capture(&mut self, name: &Path, folder: bool) {
        self.logs.iter_mut().for_each(|w| w.lines.capture(name, folder));
    }

    /// Writes the statistics of a run to the outputs that want them.
    pub fn stats(&mut self, stats: &Stats<'_>) {
        self.say(&Said::Stats(stats));
    }

    /// Takes back what is not a whole line, after a panic while one was made.
    pub fn drop_unfinished(&mut self) {
        for buf in self.logs.iter_mut().map(|w| w.lines.text()) {
            let whole = last_line(buf, buf.len());
            buf.truncate(whole);
        }
    }

    /// Tells all outputs.
    fn say(&mut self, said: &Said<'_>) {
        for w in &mut self.logs {
            w.say(said);
            if w.lines.text().len() >= FLUSH_AT {
                w.take(&mut self.error);
            }
        }
    }

    /// Some output could not be written; what came since is lost. [`EveSink::finish`] says why.
    pub fn failed(&self) -> bool {
        self.error.is_some()
    }

    /// Writes everything out; the first error that ever happened, if any.
    pub fn finish(&mut self) -> Result<(), OutputError> {
        self.end_stories();
        self.flush()
    }

    /// Writes what was said so far.
    pub fn flush(&mut self) -> Result<(), OutputError> {
        self.logs.iter_mut().for_each(|w| w.take(&mut self.error));
        if let Some((path, source)) = self.store.as_mut().and_then(|(s, _)| s.error()) {
            self.error.get_or_insert(OutputError { path, source });
        }
        self.error.take().map_or(Ok(()), Err)
    }
}

impl Written {
    /// Makes the record, and what its stories say to it.
    fn say(&mut self, said: &Said<'_>) {
        let before = self.lines.text().len();
        self.lines.say(said);
        let Some(s) = &mut self.stories else { return };
        if !matches!(said, Said::Event { .. } | Said::Policy(_)) {
            return;
        }
        // Stories are appended to the same buffer, so the lines are taken out first.
        let lines = &mut self.lines;
        let new = lines.text().get(before..).unwrap_or_default().to_vec();
        new.split(|&b| b == b'\n').for_each(|line| {
            s.line(line, &mut |story, why, related| lines.say(&Said::Incident { story, why, related }));
        });
    }

    /// Writes the records collected and empties their buffer.
    fn take(&mut self, error: &mut Option<OutputError>) {
        let gone = || std::io::Error::other("the file was deleted while it was written");
        let (lines, to) = (self.lines.text(), &mut self.file);
        let written = match to.write(lines, |n| last_line(lines, n)) {
            Ok(()) if to.gone() => Err(gone()),
            r => r.map_err(|e| e.source),
        };
        if let Err(source) = written {
            error.get_or_insert_with(|| OutputError { path: to.path.clone(), source });
        }
        lines.clear();
    }
}

/// Remembers of which flows a drop was told: a dropped flow is told once per direction unless all its packets are
/// wanted.
#[derive(Debug)]
pub struct DropsSeen {
    /// Flows whose drop was logged, per direction (direct-mapped by flow id).
    slots: Vec<[u64; 2]>,
}

impl DropsSeen {
    /// `any`: some output has drop records.
    pub fn new(any: bool) -> DropsSeen {
        DropsSeen { slots: vec![[0; 2]; if any { 4096 } else { 0 }] }
    }

    /// Whether `event` is not one more drop of a flow whose drop was told.
    pub fn first(&mut self, event: &Event<'_>) -> bool {
        match event {
            // Every packet that a rule drops is told; where that dropped the flow, it is the one of its direction.
            Event::Drop(d) => d.flow.as_ref().is_none_or(|f| {
                let first = f.has(flag::DROP) && self.first_of(f.id(), d.dir.ix());
                first || d.reason != DropReason::FlowDrop
            }),
            _ => true,
        }
    }

    fn first_of(&mut self, flow: u64, dir: usize) -> bool {
        let slots = self.slots.len();
        if slots == 0 {
            return true;
        }
        let slot = &mut self.slots[(flow.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize % slots];
        let seen = std::mem::replace(&mut slot[dir], flow) == flow;
        !seen
    }
}

impl EventSink for EveSink {
    fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) {
        self.say(&Said::Vars { packet, dir, flow });
    }

    fn arp(&mut self, packet: &Packet<'_>) {
        self.say(&Said::Arp(packet));
    }

    fn policy(&mut self, record: &PolicyRecord<'_>) {
        self.counts.policy += 1;
        self.say(&Said::Policy(record));
    }

    fn response(&mut self, record: &ResponseRecord<'_>) {
        self.counts.response += 1;
        self.say(&Said::Response(record));
    }

    fn file_bytes(&mut self, file: u64, bytes: &[u8]) {
        if let Some((store, _)) = &mut self.store {
            store.bytes(file, bytes);
        }
    }

    fn event(&mut self, event: Event<'_>) {
        self.counts.event(&event);
        let mut unstored = false;
        if let (Some((store, line)), Event::File(r)) = (&mut self.store, event) {
            match store.ended(&Ended::of(r)) {
                Placed::Stored(Some(path)) => store.record(&path, line.write(&event, false)),
                Placed::Stored(None) | Placed::Not => {}
                Placed::Failed => unstored = true,
            }
        }
        let first = self.drops.first(&event);
        self.say(&Said::Event { event: &event, first, unstored });
    }
}
