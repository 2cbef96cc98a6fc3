//! What is told of captures becomes rows: one part for each table that is made in a pass.

use std::collections::VecDeque;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use tidegate_core::Dir;
use tidegate_core::ai::ledger::Summary;
use tidegate_core::app::AppProto;
use tidegate_core::event::{Alert, Anomaly, AnomalyKind, Event, EventSink, FileRecord, PacketSeen, TxRecord};
use tidegate_core::flow::FlowView;
use tidegate_core::packet::Packet;

use super::column::Kind;
use super::flows::{self, Flows};
use super::packets;
use super::record::{self, Collect, Wanted};
use super::rows::{Ends, HEAD, Rows, Spec};
use super::stats::{self, Asked};

/// Tables: name, what a row is.
pub const TABLES: [(&str, &str); 16] = [
    ("flows", "a flow that ended, with the statistics asked for"),
    ("alerts", "an alert"),
    ("http", "an HTTP request with its response"),
    ("dns", "a DNS message"),
    ("mdns", "a message of multicast DNS"),
    ("tls", "a TLS handshake"),
    ("ftp", "an FTP command with its replies"),
    ("ssh", "an SSH connection"),
    ("smtp", "a mail"),
    ("ai", "a call of a model, a tool or an AI service"),
    ("services", "an AI service, each time that something about it is told"),
    ("telemetry", "the figures of a server's model in a window of time"),
    ("files", "a file that was seen to its end"),
    ("anomalies", "something damaged or contradictory"),
    ("packets", "a packet, decoded, those inside of tunnels too"),
    ("flow_packets", "a packet that belongs to a flow, with the flow and the payload"),
];

/// What the table of alerts has behind the head.
const ALERT: [Spec; 9] = [
    ("gid", Kind::U32),
    ("sid", Kind::U32),
    ("rev", Kind::U32),
    ("signature", Kind::Str),
    ("category", Kind::Str),
    ("severity", Kind::U32),
    ("action", Kind::Str),
    ("app_proto", Kind::Str),
    ("direction", Kind::Str),
];

/// The same of files.
const FILE: [Spec; 9] = [
    ("app_proto", Kind::Str),
    ("filename", Kind::Str),
    ("size", Kind::U64),
    ("state", Kind::Str),
    ("gaps", Kind::Bool),
    ("md5", Kind::Str),
    ("sha1", Kind::Str),
    ("sha256", Kind::Str),
    ("tx_id", Kind::U64),
];

/// The same of anomalies.
const ANOMALY: [Spec; 4] =
    [("type", Kind::Str), ("event", Kind::Str), ("app_proto", Kind::Str), ("layer", Kind::Str)];

/// Which table.
pub enum What {
    Flows(Box<Flows>),
    Alerts,
    Records(&'static str, &'static [Wanted]),
    Summaries(&'static str, &'static [Wanted]),
    Files,
    Anomalies,
    FlowPackets,
}

/// The protocol's record behind a table of records.
fn wanted(table: &str) -> Option<(&'static str, &'static [Wanted])> {
    Some(match table {
        "http" => ("http", &record::HTTP),
        "dns" => ("dns", &record::DNS),
        "mdns" => ("mdns", &record::MDNS),
        "tls" => ("tls", &record::TLS),
        "ftp" => ("ftp", &record::FTP),
        "ssh" => ("ssh", &record::SSH),
        "smtp" => ("smtp", &record::SMTP),
        "ai" => ("ai", &record::AI),
        _ => return None,
    })
}

/// The summary behind a table of summaries.
pub fn sums(table: &str) -> Option<(&'static str, &'static [Wanted])> {
    Some(match table {
        "services" => ("ai_service", &record::SERVICES),
        "telemetry" => ("ai_telemetry", &record::TELEMETRY),
        _ => return None,
    })
}

/// The columns of a table, if there is one of that name.
pub fn specs(table: &str, asked: Asked) -> Option<Vec<Spec>> {
    let behind = |own: &[Spec]| HEAD.into_iter().chain(own.iter().copied()).collect();
    Some(match table {
        "flows" => flows::specs(asked),
        "alerts" => behind(&ALERT),
        "files" => behind(&FILE),
        "anomalies" => behind(&ANOMALY),
        "packets" => packets::specs(false),
        "flow_packets" => packets::specs(true),
        _ => match sums(table) {
            Some((_, wanted)) => record::sums(wanted),
            None => record::specs(wanted(table)?.1),
        },
    })
}

/// Somebody looks at transactions for it.
pub fn shows(table: &str, asked: Asked) -> bool {
    table == "flows" && asked.has(stats::NAMES)
        || matches!(table, "files" | "anomalies")
        || wanted(table).is_some()
        || sums(table).is_some()
}

/// Every packet of a flow is looked at for it.
pub fn tells_packets(table: &str, asked: Asked) -> bool {
    table == "flow_packets" || table == "flows" && asked.of_packets()
}

/// How a table is made of what an engine says; `places`: of flows.
pub fn what(table: &str, asked: Asked, places: usize) -> Option<What> {
    Some(match table {
        "flows" => What::Flows(Box::new(Flows::new(asked, places))),
        "alerts" => What::Alerts,
        "files" => What::Files,
        "anomalies" => What::Anomalies,
        "flow_packets" => What::FlowPackets,
        _ => match sums(table) {
            Some((name, wanted)) => What::Summaries(name, wanted),
            None => {
                let (name, wanted) = wanted(table)?;
                What::Records(name, wanted)
            }
        },
    })
}

/// Rows of a table, and batches that are ready.
pub struct Out {
    pub rows: Rows,
    pub ready: VecDeque<RecordBatch>,
}

impl Out {
    pub fn new(specs: &[Spec], several: bool) -> Out {
        Out { rows: Rows::new(specs, several), ready: VecDeque::new() }
    }

    /// Rows that were made.
    pub fn len(&self) -> usize {
        self.rows.len() + self.ready.iter().map(RecordBatch::num_rows).sum::<usize>()
    }

    /// Makes a batch when there is enough for one, or nothing more comes.
    pub fn settle(&mut self, end: bool) -> Result<(), ArrowError> {
        if self.rows.is_full() || end && self.rows.len() > 0 {
            self.ready.push_back(self.rows.batch()?);
        }
        Ok(())
    }
}

/// One table of a pass.
pub struct Part {
    pub what: What,
    pub out: Out,
}

/// All tables of a pass that an engine is needed for.
pub struct Sink {
    pub parts: Vec<Part>,
}

impl Sink {
    pub fn opened(&mut self, before: u64, path: &Path) {
        self.parts.iter_mut().for_each(|p| p.out.rows.opened(before, path));
    }

    pub fn settle(&mut self, end: bool) -> Result<(), ArrowError> {
        for part in &mut self.parts {
            if let What::Flows(t) = &mut part.what
                && (end || part.out.rows.is_full())
            {
                t.settle(&mut part.out.rows);
            }
            part.out.settle(end)?;
        }
        Ok(())
    }
}

impl EventSink for Sink {
    fn event(&mut self, event: Event<'_>) {
        for part in &mut self.parts {
            let r = &mut part.out.rows;
            match (&mut part.what, &event) {
                (What::Flows(t), Event::Flow(f)) => t.flow(f, r),
                (What::Flows(t), Event::Tx(x)) => t.record(x),
                (What::Alerts, Event::Alert(a)) if !a.tagged => alert(a, r),
                (What::Records(name, wanted), Event::Tx(t)) if t.tx.record() == *name => {
                    transaction(t, wanted, r);
                }
                (What::Summaries(name, wanted), Event::Summary(s)) if s.record == *name => {
                    summary(s, wanted, r)
                }
                (What::Files, Event::File(f)) => file(f, r),
                (What::Anomalies, Event::Anomaly(a)) => anomaly(a, r),
                _ => {}
            }
        }
    }

    #[inline]
    fn packet(&mut self, seen: &PacketSeen<'_>) {
        for part in &mut self.parts {
            match &mut part.what {
                What::Flows(t) => t.packet(seen),
                What::FlowPackets => packets::of_flow(seen, &mut part.out.rows),
                _ => {}
            }
        }
    }

    #[inline]
    fn packet_soon(&mut self, place: usize) {
        for part in &self.parts {
            if let What::Flows(t) = &part.what {
                t.soon(place);
            }
        }
    }
}

/// Time, flow, packet: what a row begins with. A packet that the engine made up stands for the flow's first.
fn head(ts: u64, packet: Option<&Packet<'_>>, flow: Option<&FlowView<'_>>, r: &mut Rows) {
    let index = packet.map_or(0, |p| p.index);
    r.next().number(ts);
    r.next().maybe(flow.map(FlowView::id));
    r.next().maybe((index != 0).then_some(index));
    r.about(if index == 0 { flow.map_or(0, |f| f.cold.first_index) } else { index });
}

fn app_proto(p: Option<AppProto>, r: &mut Rows) {
    match p {
        None | Some(AppProto::UNKNOWN) => r.next().null(),
        Some(p) => r.next().text(p.name()),
    }
}

fn alert(a: &Alert<'_>, r: &mut Rows) {
    head(a.packet.ts, Some(a.packet), a.flow.as_ref(), r);
    Ends::of_packet(a.packet).fill(r);
    for n in [a.rule.gid, a.rule.sid, a.rule.rev] {
        r.next().number(u64::from(n));
    }
    r.next().text(&a.rule.msg);
    r.next().text(&a.rule.category);
    r.next().number(u64::from(a.rule.priority));
    r.next().text(if a.allowed { "allowed" } else { "blocked" });
    app_proto(a.flow.as_ref().map(|f| f.extra.app), r);
    match a.flow {
        Some(_) => r.next().text(if a.dir == Dir::ToServer { "to_server" } else { "to_client" }),
        None => r.next().null(),
    }
    r.end();
}

fn transaction(t: &TxRecord<'_>, wanted: &'static [Wanted], r: &mut Rows) {
    head(t.packet.ts, Some(t.packet), Some(&t.flow), r);
    Ends::of_flow(&t.flow, t.dir == Dir::ToClient).fill(r);
    t.tx.log(t.dir, &mut Collect::new(r, wanted, HEAD.len()));
    r.end();
}

fn summary(s: &Summary<'_>, wanted: &'static [Wanted], r: &mut Rows) {
    r.next().number(s.ts);
    r.about(0);
    s.body.fields(&mut Collect::new(r, wanted, 1));
    r.end();
}

fn file(f: &FileRecord<'_>, r: &mut Rows) {
    head(f.packet.ts, Some(f.packet), Some(&f.flow), r);
    Ends::of_flow(&f.flow, f.dir == Dir::ToClient).fill(r);
    app_proto(Some(f.flow.extra.app), r);
    let v = &f.file;
    r.next().text(&String::from_utf8_lossy(v.name(f.pool)));
    r.next().number(v.size());
    r.next().text(v.state().name());
    r.next().number(u64::from(v.gaps()));
    for hash in [v.md5().map(|h| &h[..]), v.sha1().map(|h| &h[..]), v.sha256().map(|h| &h[..])] {
        match hash {
            Some(h) => r.next().text(&h.iter().map(|b| format!("{b:02x}")).collect::<String>()),
            None => r.next().null(),
        }
    }
    r.next().number(v.tx_id());
    r.end();
}

fn anomaly(a: &Anomaly<'_>, r: &mut Rows) {
    let ts = match (a.packet, &a.flow) {
        (Some(p), _) => p.ts,
        (None, Some(f)) => f.last(),
        (None, None) => return,
    };
    head(ts, a.packet, a.flow.as_ref(), r);
    match (a.packet, &a.flow) {
        (Some(p), _) => Ends::of_packet(p).fill(r),
        (None, Some(f)) => Ends::of_flow(f, false).fill(r),
        (None, None) => {}
    }
    match a.kind {
        AnomalyKind::Decode => {
            r.next().text("decode");
            r.next().format(format_args!("decoder.{}", a.name));
        }
        AnomalyKind::Stream => {
            r.next().text("stream");
            r.next().format(format_args!("stream.{}", a.name));
        }
        AnomalyKind::AppLayer => {
            r.next().text("applayer");
            if a.layer == "proto_detect" || a.app_proto.def().shouts {
                r.next().text(&a.name.to_ascii_uppercase());
            } else {
                r.next().text(a.name);
            }
            app_proto(Some(a.app_proto), r);
            r.next().text(a.layer);
        }
    }
    r.end();
}
