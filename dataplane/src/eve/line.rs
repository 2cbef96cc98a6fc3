//! The records of one `eve-log`: what is said goes in, one JSON object a line comes out. What each kind of record has is in a
//! file of its own beside this one.

use std::path::Path;

use tidegate_core::Dir;
use tidegate_core::event::{Event, PolicyRecord, ResponseRecord};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use super::json::Json;
use super::logs::{Lines, Log, Said, Wants};
use super::{Stats, stats};
use crate::config::EveSettings;
use crate::config::eve::FilesSettings;
use crate::config::outputs::EVE_LOG;
use crate::incident::{IncidentSettings, Occasion, Story};
use crate::lines::Every;

/// Bytes of lines that are taken one by one.
pub const ROOM: usize = 64 << 10;

/// Makes the lines of one output.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) settings: EveSettings,
    pub(super) json: Json,
    /// What every event of this capture ends with: `,"host":"…","pcap_filename":"…"`.
    tail: Vec<u8>,
    /// The file of this event was to be stored and could not be.
    pub(super) unstored: bool,
}

/// Makes EVE lines.
#[derive(Debug)]
pub struct EveLine {
    out: Output,
    ips: bool,
}

impl EveLine {
    /// Lines as the output `settings` has them.
    pub fn new(settings: EveSettings, ips: bool) -> EveLine {
        EveLine::with_room(settings, ips, ROOM)
    }

    fn with_room(settings: EveSettings, ips: bool, room: usize) -> EveLine {
        EveLine { out: Output::new(settings, room), ips }
    }

    /// Lines beside stored files.
    pub fn of_files(ips: bool) -> EveLine {
        let settings = EveSettings { files: Some(FilesSettings::default()), ..EveSettings::empty("") };
        EveLine::new(settings, ips)
    }

    /// See [`Lines::capture`].
    pub fn capture(&mut self, name: &Path, folder: bool) {
        self.out.capture(name, folder);
    }

    /// The line of `event` without its line feed, until the next call; empty when the settings want no such event.
    /// `first`: see [`super::DropsSeen::first`].
    pub fn write(&mut self, event: &Event<'_>, first: bool) -> &[u8] {
        self.record(&Said::Event { event, first, unstored: false })
    }

    /// The line of an ARP message, as [`EveLine::write`].
    pub fn arp(&mut self, packet: &Packet<'_>) -> &[u8] {
        self.record(&Said::Arp(packet))
    }

    /// The line of a packet's variables, as [`EveLine::write`].
    pub fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) -> &[u8] {
        self.record(&Said::Vars { packet, dir, flow })
    }

    /// The line of a decision, as [`EveLine::write`].
    pub fn policy(&mut self, record: &PolicyRecord<'_>) -> &[u8] {
        self.record(&Said::Policy(record))
    }

    /// The line of something blocked or marked that was met, as [`EveLine::write`].
    pub fn response(&mut self, record: &ResponseRecord<'_>) -> &[u8] {
        self.record(&Said::Response(record))
    }

    /// The line of a story, as [`EveLine::write`].
    pub fn incident(&mut self, story: &Story, why: Occasion, related: &[String]) -> &[u8] {
        self.record(&Said::Incident { story, why, related })
    }

    /// The `stats` record without its line feed, until the next call; empty when the settings want none.
    pub fn stats(&mut self, stats: &Stats<'_>) -> &[u8] {
        self.record(&Said::Stats(stats))
    }
}

impl Lines for EveLine {
    fn say(&mut self, said: &Said<'_>) {
        let o = &mut self.out;
        match *said {
            Said::Event { event, first, unstored } => {
                o.unstored = unstored;
                o.event(event, self.ips, first);
            }
            Said::Arp(packet) => o.arp(packet),
            Said::Vars { packet, dir, flow } => o.vars(packet, dir, flow),
            Said::Policy(record) => o.policy(record),
            Said::Response(record) => o.response(record),
            Said::Told(told) => o.told(told),
            Said::Late(late) => o.late(late),
            Said::Incident { story, why, related } => o.incident(story, why, related),
            Said::Stats(stats) => {
                if let Some(s) = o.settings.stats.filter(|s| s.totals) {
                    stats::write(&mut o.json, stats, s.null_values);
                    o.end();
                }
            }
        }
    }

    fn text(&mut self) -> &mut Vec<u8> {
        &mut self.out.json.buf
    }

    fn capture(&mut self, name: &Path, folder: bool) {
        self.out.capture(name, folder);
    }
}

impl Log for EveSettings {
    fn name(&self) -> &'static str {
        EVE_LOG.name
    }

    fn file(&self) -> &str {
        &self.filename
    }

    fn rotate(&self) -> Option<Every> {
        self.rotate
    }

    fn wants(&self) -> Wants {
        let sums = self.services || self.telemetry.is_some();
        let files = self.files.is_some() || self.artifacts;
        Wants {
            streams: self.stream.is_some_and(|s| s.all || s.events || s.states),
            frames: self.frame.is_some(),
            transactions: sums || !self.records.is_empty() || files || self.anomaly.is_some(),
            drops: self.drop.is_some(),
        }
    }

    fn stories(&self) -> Option<&IncidentSettings> {
        self.incident.as_ref()
    }

    fn lines(&self, ips: bool, room: usize) -> Box<dyn Lines> {
        Box::new(EveLine::with_room(self.clone(), ips, room))
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
    pub(super) fn end(&mut self) {
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
