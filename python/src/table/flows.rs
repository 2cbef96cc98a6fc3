//! The table of flows: a row when a flow ends, with the statistics that were asked for.

use tidegate_core::Dir;
use tidegate_core::app::AppProto;
use tidegate_core::event::{PacketSeen, TxRecord};
use tidegate_core::flow::{FlowView, flag};

use super::column::Kind;
use super::names::Names;
use super::packets;
use super::rows::{Ends, Rows, Spec};
use super::stats::{self, Asked, Stat};

/// What every row has.
const BASE: [Spec; 20] = [
    ("flow_id", Kind::U64),
    ("src_ip", Kind::Str),
    ("src_port", Kind::U16),
    ("dest_ip", Kind::Str),
    ("dest_port", Kind::U16),
    ("proto", Kind::Str),
    ("app_proto", Kind::Str),
    ("start", Kind::Time),
    ("end", Kind::Time),
    ("duration_ns", Kind::U64),
    ("pkts_toserver", Kind::U32),
    ("pkts_toclient", Kind::U32),
    ("bytes_toserver", Kind::U64),
    ("bytes_toclient", Kind::U64),
    ("state", Kind::Str),
    ("reason", Kind::Str),
    ("alerted", Kind::Bool),
    ("vlan", Kind::U16),
    ("tunnel", Kind::U8),
    ("first_packet", Kind::U64),
];

/// Ended flows whose statistics wait to be put into columns.
const ENDED: usize = 128;

/// The columns of the table.
pub fn specs(asked: Asked) -> Vec<Spec> {
    BASE.into_iter().chain(asked.specs()).collect()
}

/// Fills the table of flows.
pub struct Flows {
    asked: Asked,
    /// Statistics by the place of the flow, and the mask that gives it.
    stats: Vec<Stat>,
    places: usize,
    /// Of rows whose last columns are still to be filled.
    ended: Vec<Stat>,
    names: Names,
}

impl Flows {
    /// `places`: how many flows there can be, rounded up to a power of two.
    pub fn new(asked: Asked, places: usize) -> Flows {
        // All of it at once: what is not touched costs nothing, and what grows is copied.
        let stats = Vec::with_capacity(if asked.of_packets() { places } else { 0 });
        Flows { asked, stats, places, ended: Vec::with_capacity(ENDED), names: Names::default() }
    }

    /// The place of a flow that ended.
    fn place(&self, flow: u64) -> usize {
        (flow & (self.places as u64).saturating_sub(1)) as usize
    }

    #[inline]
    pub fn soon(&self, place: usize) {
        if let Some(s) = self.stats.get(place) {
            s.soon();
        }
    }

    #[inline]
    pub fn packet(&mut self, seen: &PacketSeen<'_>) {
        let at = seen.place;
        if at >= self.stats.len() {
            self.stats.resize_with(at + 1, Stat::default);
        }
        let stat = &mut self.stats[at];
        if seen.new {
            stat.reset();
        }
        stat.packet(seen, self.asked);
    }

    pub fn flow(&mut self, f: &FlowView<'_>, rows: &mut Rows) {
        rows.next().number(f.id());
        Ends::of_flow(f, false).fill(rows);
        match f.extra.app {
            AppProto::UNKNOWN => rows.next().null(),
            p => rows.next().text(p.name()),
        }
        rows.next().number(f.start());
        rows.next().number(f.last());
        rows.next().number(f.last().saturating_sub(f.start()));
        for d in Dir::BOTH {
            rows.next().number(u64::from(f.pkts(d)));
        }
        for d in Dir::BOTH {
            rows.next().number(f.bytes(d));
        }
        rows.next().text(f.state().name());
        rows.next().text(f.reason().name());
        rows.next().number(u64::from(f.has(flag::ALERTED)));
        let k = f.key();
        rows.next().maybe((k.vlans > 0).then_some(u64::from(k.vlan[0])));
        rows.next().number(u64::from(k.recursion));
        rows.next().number(f.cold.first_index);
        rows.about(f.cold.first_index);
        self.of_flow(f, rows);
        rows.end_of(self.immediate());
        if self.asked.of_packets() {
            let at = self.place(f.id());
            self.ended.push(self.stats.get_mut(at).map(Stat::take).unwrap_or_default());
            if self.ended.len() >= ENDED {
                self.settle(rows);
            }
        }
    }

    /// Columns that are filled when a flow ends; the others follow.
    fn immediate(&self) -> usize {
        BASE.len() + self.asked.flow_columns()
    }

    /// What is asked for of the flow itself.
    fn of_flow(&mut self, f: &FlowView<'_>, rows: &mut Rows) {
        if self.asked.has(stats::ENDS) {
            let macs = f.mac(Dir::ToServer).or(f.mac(Dir::ToClient).map(|(s, d)| (d, s)));
            for m in [macs.map(|m| m.0), macs.map(|m| m.1)] {
                packets::mac(rows, m);
            }
            rows.next().number(if f.key().v6 { 6 } else { 4 });
        }
        if self.asked.has(stats::NAMES) {
            self.names.fill(f.id(), rows);
        }
    }

    /// A record of a flow.
    pub fn record(&mut self, t: &TxRecord<'_>) {
        if self.asked.has(stats::NAMES) {
            self.names.record(t);
        }
    }

    /// Fills the last columns of the rows so far.
    pub fn settle(&mut self, rows: &mut Rows) {
        stats::fill(&self.ended, rows.columns_from(BASE.len() + self.asked.flow_columns()), self.asked);
        self.ended.clear();
    }
}
