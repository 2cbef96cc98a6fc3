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
mod fast;
mod fields;
mod file;
mod flow;
mod frame;
mod header;
mod incident;
mod intel;
mod json;
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

use tidegate_core::Dir;
use tidegate_core::event::{DropReason, Event, EventSink, PolicyRecord, ResponseRecord};
use tidegate_core::flow::{FlowView, flag};
use tidegate_core::packet::Packet;

use crate::config::eve::FilesSettings;
use crate::config::{EveSettings, Outputs};
use crate::context::{Context, Late};
use crate::incident::{Incidents, Occasion, Story};
use crate::lines::{LineFile, last_line};
pub use fast::FastLine;
pub use json::{Json, base64_into};
pub use names::protocol;
pub use response::Told;
pub use stats::Stats;
use store::{Ended, FileStore, Placed};

/// Bytes collected before they are written to the file.
const FLUSH_AT: usize = 256 << 10;

/// Makes the lines of one output.
#[derive(Debug)]
struct Output {
    settings: EveSettings,
    json: Json,
    /// What every event of this capture ends with: `,"host":"…","pcap_filename":"…"`.
    tail: Vec<u8>,
    /// The file of this event was to be stored and could not be.
    unstored: bool,
}

/// Writes engine events to the files that the configuration names.
#[derive(Debug)]
pub struct EveSink {
    outputs: Vec<Output>,
    /// By number of the output.
    targets: Vec<LineFile>,
    /// What the events of an output tell together, by its number.
    stories: Vec<Option<Incidents>>,
    fast: Option<(FastLine, Vec<u8>, LineFile)>,
    /// Where files go, and the writer of the records beside them.
    store: Option<(FileStore, EveLine)>,
    /// Packets can be dropped: `drop` means drop.
    ips: bool,
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
        let open = |name: &str| -> Result<LineFile, OutputError> {
            LineFile::open_in(dir, name, false, None)
                .map_err(|source| OutputError { path: dir.join(name), source })
        };
        let mut outs: Vec<Output> = Vec::new();
        let mut targets = Vec::new();
        for settings in &outputs.eve {
            targets.push(open(&settings.filename)?);
            outs.push(Output::new(settings.clone(), FLUSH_AT + (128 << 10)));
        }
        let fast = match &outputs.fast {
            None => None,
            Some(name) => Some((FastLine::default(), Vec::new(), open(name)?)),
        };
        let any_drop = outs.iter().any(|o| o.settings.drop.is_some());
        let store = match &outputs.store {
            None => None,
            Some(s) => {
                let path = dir.join(&s.dir);
                let made = FileStore::create(path.clone(), s.info);
                Some((made.map_err(|source| OutputError { path, source })?, EveLine::of_files(ips)))
            }
        };
        Ok(EveSink {
            stories: outs.iter().map(|o| o.settings.incident.clone().map(Incidents::new)).collect(),
            outputs: outs,
            targets,
            fast,
            store,
            ips,
            drops: DropsSeen::new(any_drop),
            counts: Counts::default(),
            error: None,
        })
    }

    /// A sink without files.
    pub fn none() -> EveSink {
        EveSink {
            outputs: Vec::new(),
            targets: Vec::new(),
            stories: Vec::new(),
            fast: None,
            store: None,
            ips: false,
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
        for (o, s) in self.outputs.iter_mut().zip(&mut self.stories) {
            if let Some(s) = s {
                s.finish(&mut |story, why, related| o.incident(story, why, related));
            }
        }
    }

    /// Context from hosts, when events have some.
    pub fn context(&self) -> Option<&Context> {
        self.outputs.iter().find_map(|o| o.settings.context.as_deref())
    }

    /// Writes what hosts said of flows after their events were written.
    pub fn late(&mut self, l: &Late) {
        for (o, t) in self.outputs.iter_mut().zip(&mut self.targets) {
            o.late(l);
            if o.json.buf.len() >= FLUSH_AT {
                take(t, &mut o.json.buf, &mut self.error);
            }
        }
    }

    /// Counters of stories; none when no output wants them.
    pub fn story_counters(&self) -> Vec<(String, u64)> {
        let mut out: Vec<(String, u64)> = Vec::new();
        for (i, (name, n)) in self.stories.iter().flatten().flat_map(Incidents::counters).enumerate() {
            match out.get_mut(i % 4) {
                Some(sum) if i >= 4 => sum.1 += n,
                _ => out.push((name.to_string(), n)),
            }
        }
        out
    }

    /// Names the capture that is read from now on. `folder`: it is one of several.
    pub fn capture(&mut self, name: &Path, folder: bool) {
        self.outputs.iter_mut().for_each(|o| o.capture(name, folder));
    }

    /// Writes the statistics of a run to the outputs that want them.
    pub fn stats(&mut self, stats: &Stats<'_>) {
        for o in &mut self.outputs {
            if let Some(s) = o.settings.stats.filter(|s| s.totals) {
                stats::write(&mut o.json, stats, s.null_values);
                o.end();
            }
        }
    }

    /// Takes back what is not a whole line, after a panic while one was made.
    pub fn drop_unfinished(&mut self) {
        for buf in
            self.outputs.iter_mut().map(|o| &mut o.json.buf).chain(self.fast.iter_mut().map(|f| &mut f.1))
        {
            let whole = last_line(buf, buf.len());
            buf.truncate(whole);
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
        for (o, t) in self.outputs.iter_mut().zip(&mut self.targets) {
            take(t, &mut o.json.buf, &mut self.error);
        }
        if let Some((_, text, file)) = &mut self.fast {
            take(file, text, &mut self.error);
        }
        if let Some((path, source)) = self.store.as_mut().and_then(|(s, _)| s.error()) {
            self.error.get_or_insert(OutputError { path, source });
        }
        self.error.take().map_or(Ok(()), Err)
    }
}

/// Hands what an output wrote of an event, from `before` on, to its stories.
fn follow(o: &mut Output, stories: &mut Option<Incidents>, before: usize) {
    let Some(s) = stories else { return };
    // Stories are appended to the same buffer, so the lines are taken out first.
    let new = o.json.buf.get(before..).unwrap_or_default().to_vec();
    new.split(|&b| b == b'\n').for_each(|line| {
        s.line(line, &mut |story, why, related| o.incident(story, why, related));
    });
}

/// Writes the lines collected and empties their buffer.
fn take(to: &mut LineFile, lines: &mut Vec<u8>, error: &mut Option<OutputError>) {
    let gone = || std::io::Error::other("the file was deleted while it was written");
    let written = match to.write(lines, |n| last_line(lines, n)) {
        Ok(()) if to.gone() => Err(gone()),
        r => r.map_err(|e| e.source),
    };
    if let Err(source) = written {
        error.get_or_insert_with(|| OutputError { path: to.path.clone(), source });
    }
    lines.clear();
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

/// Makes EVE lines for callers that have their own place for them.
#[derive(Debug)]
pub struct EveLine {
    out: Output,
    ips: bool,
}

impl EveLine {
    /// Lines as the output `settings` has them.
    pub fn new(settings: EveSettings, ips: bool) -> EveLine {
        EveLine { out: Output::new(settings, 64 << 10), ips }
    }

    /// Lines beside stored files.
    pub fn of_files(ips: bool) -> EveLine {
        let settings = EveSettings { files: Some(FilesSettings::default()), ..EveSettings::empty("") };
        EveLine::new(settings, ips)
    }

    /// See [`EveSink::capture`].
    pub fn capture(&mut self, name: &Path, folder: bool) {
        self.out.capture(name, folder);
    }

    /// The line of `event` without its line feed, until the next call; empty when the settings want no such event.
    /// `first`: see [`DropsSeen::first`].
    pub fn write(&mut self, event: &Event<'_>, first: bool) -> &[u8] {
        self.out.json.buf.clear();
        self.out.event(event, self.ips, first);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of an ARP message, as [`EveLine::write`].
    pub fn arp(&mut self, packet: &Packet<'_>) -> &[u8] {
        self.out.json.buf.clear();
        self.out.arp(packet);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of a packet's variables, as [`EveLine::write`].
    pub fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) -> &[u8] {
        self.out.json.buf.clear();
        self.out.vars(packet, dir, flow);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of a decision, as [`EveLine::write`].
    pub fn policy(&mut self, record: &PolicyRecord<'_>) -> &[u8] {
        self.out.json.buf.clear();
        self.out.policy(record);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of something blocked or marked that was met, as [`EveLine::write`].
    pub fn response(&mut self, record: &ResponseRecord<'_>) -> &[u8] {
        self.out.json.buf.clear();
        self.out.response(record);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of an order and what became of it, as [`EveLine::write`].
    pub fn told(&mut self, told: &Told<'_>) -> &[u8] {
        self.out.json.buf.clear();
        self.out.told(told);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of what a host said later, as [`EveLine::write`].
    pub fn late(&mut self, l: &Late) -> &[u8] {
        self.out.json.buf.clear();
        self.out.late(l);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The line of a story, as [`EveLine::write`].
    pub fn incident(&mut self, story: &Story, why: Occasion, related: &[String]) -> &[u8] {
        self.out.json.buf.clear();
        self.out.incident(story, why, related);
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }

    /// The `stats` record without its line feed, until the next call; empty when the settings want none.
    pub fn stats(&mut self, stats: &Stats<'_>) -> &[u8] {
        self.out.json.buf.clear();
        if let Some(s) = self.out.settings.stats.filter(|s| s.totals) {
            stats::write(&mut self.out.json, stats, s.null_values);
            self.out.end();
        }
        self.out.json.buf.strip_suffix(b"\n").unwrap_or(&[])
    }
}

impl Output {
    fn new(settings: EveSettings, room: usize) -> Output {
        let mut o = Output { settings, json: Json::with_capacity(room), tail: Vec::new(), unstored: false };
        o.tail = o.host();
        o
    }

    /// `,"host":"…"`: the sensor's name, in every event.
    fn host(&self) -> Vec<u8> {
        let mut j = Json::default();
        if let Some(name) = &self.settings.sensor_name {
            j.buf.extend_from_slice(b",\"host\":");
            j.quoted(name.as_bytes());
        }
        j.buf
    }

    fn capture(&mut self, name: &Path, folder: bool) {
        self.tail = self.host();
        if self.settings.pcap_file.unwrap_or(folder) {
            let mut j = Json::default();
            j.quoted(name.to_string_lossy().as_bytes());
            self.tail.extend_from_slice(b",\"pcap_filename\":");
            self.tail.extend_from_slice(&j.buf);
        }
    }

    /// Ends the line of the event just written.
    fn end(&mut self) {
        self.json.buf.extend_from_slice(&self.tail);
        self.json.buf.extend_from_slice(b"}\n");
    }

    /// The line of an event, if the settings want it.
    fn event(&mut self, event: &Event<'_>, ips: bool, first: bool) {
        match event {
            Event::Alert(a) => self.alert(a, ips),
            Event::Flow(f) => {
                self.flow(f);
                if let Some(c) = &self.settings.context {
                    c.ended(f);
                }
            }
            Event::Tx(t) => self.tx(t),
            Event::File(f) => {
                self.file(f);
                if self.settings.artifacts {
                    self.artifact(f);
                }
            }
            Event::Anomaly(a) => self.anomaly(a),
            Event::Drop(d) => self.drop(d, ips, first),
            Event::Summary(s) => self.summary(s),
            Event::Frame(f) => self.frame(f),
            Event::Stream(s) => self.stream(s),
        }
    }
}

impl EventSink for EveSink {
    fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) {
        for (o, t) in self.outputs.iter_mut().zip(&mut self.targets) {
            o.vars(packet, dir, flow);
            if o.json.buf.len() >= FLUSH_AT {
                take(t, &mut o.json.buf, &mut self.error);
            }
        }
    }

    fn arp(&mut self, packet: &Packet<'_>) {
        for (o, t) in self.outputs.iter_mut().zip(&mut self.targets) {
            o.arp(packet);
            if o.json.buf.len() >= FLUSH_AT {
                take(t, &mut o.json.buf, &mut self.error);
            }
        }
    }

    fn policy(&mut self, record: &PolicyRecord<'_>) {
        self.counts.policy += 1;
        for ((o, t), s) in self.outputs.iter_mut().zip(&mut self.targets).zip(&mut self.stories) {
            let before = o.json.buf.len();
            o.policy(record);
            follow(o, s, before);
            if o.json.buf.len() >= FLUSH_AT {
                take(t, &mut o.json.buf, &mut self.error);
            }
        }
    }

    fn response(&mut self, record: &ResponseRecord<'_>) {
        self.counts.response += 1;
        for (o, t) in self.outputs.iter_mut().zip(&mut self.targets) {
            o.response(record);
            if o.json.buf.len() >= FLUSH_AT {
                take(t, &mut o.json.buf, &mut self.error);
            }
        }
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
        if let (Some((line, text, file)), Event::Alert(a)) = (&mut self.fast, event) {
            let l = line.alert(a);
            if !l.is_empty() {
                text.extend_from_slice(l);
                text.push(b'\n');
            }
            if text.len() >= FLUSH_AT {
                take(file, text, &mut self.error);
            }
        }
        for ((o, t), s) in self.outputs.iter_mut().zip(&mut self.targets).zip(&mut self.stories) {
            let before = o.json.buf.len();
            o.unstored = unstored;
            o.event(&event, self.ips, first);
            follow(o, s, before);
            if o.json.buf.len() >= FLUSH_AT {
                take(t, &mut o.json.buf, &mut self.error);
            }
        }
    }
}
