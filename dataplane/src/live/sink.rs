//! Events of workers on their way to files: lines go in by event, whole buffers come out at one writer thread.
//!
//! Every worker has a [`Channel`] of its own: a fixed number of buffers that go round between it and the writer through
//! two bounded lock-free queues. When the writer cannot keep up, buffers run out, and events are dropped by class: flow
//! records first, alerts last. Drops are counted; a packet never waits. Readers of captures wait instead.

use std::sync::Arc;

use tidegate_core::Dir;
use tidegate_core::event::{Event, EventSink, PacketSeen, PolicyRecord, ResponseRecord};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use super::chunk::{Channel, Class, Filling};
use super::files::Storing;
use super::replace::Replacing;
use crate::config::Outputs;
use crate::eve::logs::{Lines, Said};
use crate::eve::{Counts, DropsSeen, ROOM};
use crate::pcaplog::live::Recorder;
use crate::response::tap::Tap;

/// The sink of one worker.
#[derive(Debug)]
pub struct LiveSink {
    /// By number of the output, with the buffer being filled.
    logs: Vec<(Box<dyn Lines>, Filling)>,
    channel: Arc<Channel>,
    drops: DropsSeen,
    /// What playbooks look at.
    pub tap: Option<Tap>,
    /// What rules replace in frames that go on.
    pub replacing: Replacing,
    /// Files on their way to `file-store`.
    pub store: Option<Storing>,
    /// Packets on their way to `pcap-log`.
    pub pcap: Option<Recorder>,
    pub counts: Counts,
    /// Flows that ended since the worker looked, for those who keep rules in hardware: numbers of flows that were
    /// bypassed or dropped.
    pub ended: Vec<u64>,
    /// The next event panics (tests).
    fault: bool,
}

/// Ended flows remembered between two looks.
const ENDED: usize = 4096;

impl LiveSink {
    /// `patient`: wait for the writer rather than drop.
    pub fn new(outputs: &Outputs, ips: bool, channel: Arc<Channel>, patient: bool) -> LiveSink {
        let logs = outputs.logs().enumerate();
        LiveSink {
            logs: logs.map(|(i, log)| (log.lines(ips, ROOM), Filling::new(i, patient))).collect(),
            channel,
            drops: DropsSeen::new(outputs.wants().drops),
            tap: None,
            replacing: Replacing::default(),
            store: None,
            pcap: None,
            counts: Counts::default(),
            ended: Vec::with_capacity(ENDED),
            fault: false,
        }
    }

    /// Hands over what was collected.
    pub fn flush(&mut self) {
        self.logs.iter_mut().for_each(|(_, f)| f.flush(&self.channel));
        if let Some(s) = &mut self.store {
            s.flush(&self.channel);
        }
        if let Some(p) = &mut self.pcap {
            p.flush();
        }
    }

    /// The next event panics (tests).
    pub fn fail(&mut self) {
        self.fault = true;
    }

    /// Tells all outputs.
    fn say(&mut self, said: &Said<'_>) {
        let class = said.class();
        for (lines, filling) in &mut self.logs {
            let text = lines.record(said);
            if !text.is_empty() {
                filling.keep(text, class, &self.channel);
            }
        }
    }
}

impl EventSink for LiveSink {
    fn replace(&mut self, packet: &Packet<'_>, at: usize, bytes: &[u8]) {
        self.replacing.add(packet, at, bytes);
    }

    fn file_bytes(&mut self, file: u64, bytes: &[u8]) {
        if let Some(s) = &mut self.store {
            s.bytes(file, bytes, &self.channel);
        }
    }

    fn packet(&mut self, seen: &PacketSeen<'_>) {
        if let Some(p) = &mut self.pcap {
            p.picker.packet(seen);
        }
    }

    fn vars(&mut self, packet: &Packet<'_>, dir: Dir, flow: &FlowView<'_>) {
        self.say(&Said::Vars { packet, dir, flow });
    }

    fn arp(&mut self, packet: &Packet<'_>) {
        self.say(&Said::Arp(packet));
    }

    fn policy(&mut self, record: &PolicyRecord<'_>) {
        self.counts.policy += 1;
        if let Some(tap) = &mut self.tap {
            tap.policy(record);
        }
        self.say(&Said::Policy(record));
    }

    fn response(&mut self, record: &ResponseRecord<'_>) {
        self.counts.response += 1;
        self.say(&Said::Response(record));
    }

    fn event(&mut self, event: Event<'_>) {
        assert!(!std::mem::take(&mut self.fault), "a fault was asked for");
        self.counts.event(&event);
        if let Some(p) = &mut self.pcap {
            p.picker.event(&event);
        }
        if let (Event::File(r), Some(s)) = (&event, &mut self.store) {
            s.ended(r, &self.channel);
        }
        if let (Event::Alert(a), Some(tap)) = (&event, &mut self.tap) {
            tap.alert(a);
        }
        if let Event::Flow(f) = &event
            && (f.state() == tidegate_core::flow::State::Bypassed || f.has(tidegate_core::flow::flag::DROP))
            && self.ended.len() < ENDED
        {
            self.ended.push(f.id());
        }
        let first = self.drops.first(&event);
        self.say(&Said::Event { event: &event, first, unstored: false });
    }
}

/// Lines of the manager itself (`stats` records), through a channel of its own.
#[derive(Debug)]
pub struct OwnLines {
    /// By number of the output.
    logs: Vec<Box<dyn Lines>>,
    channel: Arc<Channel>,
}

impl OwnLines {
    pub fn new(outputs: &Outputs, ips: bool, channel: Arc<Channel>) -> OwnLines {
        OwnLines { logs: outputs.logs().map(|log| log.lines(ips, ROOM)).collect(), channel }
    }

    /// Tells all outputs: statistics, orders and what became of them, what hosts said later.
    pub fn say(&mut self, said: &Said<'_>) {
        for (i, lines) in self.logs.iter_mut().enumerate() {
            let text = lines.record(said);
            if text.is_empty() {
                continue;
            }
            let mut one = Filling::new(i, false);
            one.keep(text, said.class(), &self.channel);
            one.flush(&self.channel);
        }
    }

    /// Events of the manager that found no buffer.
    pub fn dropped(&self) -> u64 {
        self.dropped_of(Class::Stats)
    }

    /// Those of one class.
    pub fn dropped_of(&self, class: Class) -> u64 {
        self.channel.dropped[class as usize].load(std::sync::atomic::Ordering::Relaxed)
    }
}
