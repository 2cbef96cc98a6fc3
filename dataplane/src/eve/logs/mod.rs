//! Outputs that turn what the engine says into records of a file: what is said goes in as [`Said`], bytes come out of
//! [`Lines`], one record or none at a time. Captures and live traffic have places of their own for them; neither knows which
//! outputs there are.
//!
//! [`Log`] is an output as the configuration has it, [`KINDS`] are all that it can have.

mod alert_debug;
mod fast;

use std::fmt::Debug;
use std::io::Write;
use std::panic::RefUnwindSafe;
use std::path::Path;

use tidegate_core::Dir;
use tidegate_core::event::{Event, PolicyRecord, ResponseRecord};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::{Addr, Packet};

use super::json::Json;
use super::{Stats, Told};
use crate::config::Node;
use crate::config::outputs::{EVE_LOG, FILE_STORE, Kind, PCAP_LOG};
use crate::context::Late;
use crate::incident::{IncidentSettings, Occasion, Story};
use crate::lines::Every;

/// All kinds of outputs. One more of records is a file here, its `mod` above, and a line in this table.
pub const KINDS: &[Kind] = &[EVE_LOG, fast::KIND, alert_debug::KIND, FILE_STORE, PCAP_LOG];

/// Why `append` decides nothing.
const APPEND: &str = "live outputs are appended to, those of captures are made anew";

/// The name of an output's file.
fn filename(n: &Node, otherwise: &str) -> String {
    n.child("append");
    n.text("filename").unwrap_or(otherwise).to_string()
}

/// `06/13/2016-14:49:22.123456`: a time, ns since the epoch, for people.
fn moment(t: &mut Json, ts: u64) {
    let (date, _) = t.clock.second(ts / 1_000_000_000);
    let date = std::str::from_utf8(&date).unwrap_or("");
    let (year, month, day, time) = (&date[0..4], &date[5..7], &date[8..10], &date[11..]);
    // Writing to a Vec cannot fail.
    let _ = write!(t.buf, "{month}/{day}/{year}-{time}.{:06}", ts % 1_000_000_000 / 1000);
}

/// An address without quotes.
fn address(t: &mut Json, addr: &Addr, v6: bool) {
    let from = t.buf.len();
    // Written with quotes, which go again.
    t.addr("", addr, v6);
    t.buf.pop();
    let quote = t.buf[from..].iter().position(|&b| b == b'"').map_or(from, |q| from + q);
    t.buf.drain(from..=quote);
}

/// What an event is worth when not all can be kept; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Stats,
    Flow,
    Record,
    Anomaly,
    Alert,
}

impl Class {
    pub const COUNT: usize = 5;
    pub const NAMES: [&'static str; Class::COUNT] = ["stats", "flow", "record", "anomaly", "alert"];

    pub fn of(e: &Event<'_>) -> Class {
        match e {
            Event::Alert(_) | Event::Drop(_) => Class::Alert,
            Event::Anomaly(_) => Class::Anomaly,
            Event::Tx(_) | Event::File(_) | Event::Frame(_) | Event::Stream(_) | Event::Summary(_) => {
                Class::Record
            }
            Event::Flow(_) => Class::Flow,
        }
    }
}

/// Everything that outputs are told.
#[derive(Clone, Copy)]
pub enum Said<'a> {
    Event {
        event: &'a Event<'a>,
        /// See [`super::DropsSeen::first`].
        first: bool,
        /// The file of this event was to be stored and could not be.
        unstored: bool,
    },
    Arp(&'a Packet<'a>),
    /// A packet to which rules gave variables.
    Vars {
        packet: &'a Packet<'a>,
        dir: Dir,
        flow: &'a FlowView<'a>,
    },
    /// A decision of a policy.
    Policy(&'a PolicyRecord<'a>),
    /// Something blocked or marked that was met.
    Response(&'a ResponseRecord<'a>),
    /// An order and what became of it.
    Told(&'a Told<'a>),
    /// What a host said after its flow's events were written.
    Late(&'a Late),
    Incident {
        story: &'a Story,
        why: Occasion,
        related: &'a [String],
    },
    Stats(&'a Stats<'a>),
}

impl Said<'_> {
    /// What its record is worth, whatever the output makes of it.
    pub fn class(&self) -> Class {
        match self {
            Said::Event { event, .. } => Class::of(event),
            Said::Arp(_) | Said::Vars { .. } => Class::Record,
            Said::Policy(_) | Said::Response(_) | Said::Told(_) | Said::Incident { .. } => Class::Alert,
            Said::Late(_) | Said::Stats(_) => Class::Stats,
        }
    }
}

/// Makes the records of one output.
pub trait Lines: Debug + Send {
    /// Appends the record of what is said to [`Lines::text`], with its line feed; nothing if the output has none of the kind.
    /// Runs per event: allocates nothing while there is room.
    fn say(&mut self, said: &Said<'_>);

    /// The records made and not yet taken. Who takes them empties it.
    fn text(&mut self) -> &mut Vec<u8>;

    /// Names the capture that is read from now on. `folder`: it is one of several.
    fn capture(&mut self, _name: &Path, _folder: bool) {}

    /// The record of what is said, alone and without its line feed, until the next call; empty when there is none.
    fn record(&mut self, said: &Said<'_>) -> &[u8] {
        self.text().clear();
        self.say(said);
        let text = self.text();
        text.strip_suffix(b"\n").unwrap_or(&[])
    }
}

/// What the engine tells only when somebody wants it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// Packets of TCP sessions.
    pub streams: bool,
    pub frames: bool,
    /// Transactions, files or anomalies by themselves (alerts tell of them as well).
    pub transactions: bool,
    /// Drops: of each is told whether it is the first of its flow.
    pub drops: bool,
}

impl Wants {
    /// What either wants.
    pub fn or(self, o: Wants) -> Wants {
        Wants {
            streams: self.streams || o.streams,
            frames: self.frames || o.frames,
            transactions: self.transactions || o.transactions,
            drops: self.drops || o.drops,
        }
    }
}

/// An output as the configuration has it: plain data, which workers share and a reload that fails leaves as it is.
pub trait Log: Debug + Send + Sync + RefUnwindSafe {
    /// What `outputs` calls it.
    fn name(&self) -> &'static str;

    /// Its file, with strftime's `%Y` and the like.
    fn file(&self) -> &str;

    /// When a live output goes on in a new file.
    fn rotate(&self) -> Option<Every> {
        None
    }

    /// What it wants beyond alerts, flows and what else is always told.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Its records are lines of JSON of which stories are told in between.
    fn stories(&self) -> Option<&IncidentSettings> {
        None
    }

    /// Makes its records. `ips`: packets can be dropped; `room`: bytes that are collected before they are taken.
    fn lines(&self, ips: bool, room: usize) -> Box<dyn Lines>;
}
