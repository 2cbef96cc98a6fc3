//! `alert-debug`: a block of text for each alert, with all that is known of it: alerts go in; the packet, its flow, what rules
//! noted on it and the bytes they looked at come out. Order and words are Suricata's, whose blocks are one a packet.
//!
//! Other than there: an alert in a transaction is always found in `STATE`; the protocol has its name, not a number of the program's; variables have names; what there is nothing of
//! here (`IPONLY`, inspection by protocol) has no line.

use std::fmt::Arguments;
use std::io::Write;
use std::sync::Arc;

use tidegate_core::Dir;
use tidegate_core::app::AppProto;
use tidegate_core::event::{Alert, Event, FlowVar};
use tidegate_core::flow::{FlowView, flag};
use tidegate_core::packet::{L4, Packet, Source};

use super::{APPEND, Lines, Log, Said, address, filename, moment};
use crate::config::outputs::{Found, Kind};
use crate::config::unheeded::{Kind as Value, moot};
use crate::eve::json::Json;

pub const KIND: Kind = Kind {
    name: "alert-debug",
    several: false,
    read: |_, n, _| Ok(Found::Log(Arc::new(AlertDebug { filename: filename(n, "alert-debug.log") }))),
    unheeded: &[moot("outputs.*.alert-debug.append", Value::Flag, APPEND)],
};

/// Most bytes of a stream in a block, as `payload-buffer-size` of the event log is by default; the length is told whole.
const STREAM: usize = 4096;

/// Its settings.
#[derive(Debug)]
struct AlertDebug {
    filename: String,
}

impl Log for AlertDebug {
    fn name(&self) -> &'static str {
        KIND.name
    }

    fn file(&self) -> &str {
        &self.filename
    }

    fn lines(&self, _ips: bool, room: usize) -> Box<dyn Lines> {
        Box::new(Blocks { text: Json::with_capacity(room) })
    }
}

/// Makes the blocks.
#[derive(Debug)]
struct Blocks {
    text: Json,
}

impl Lines for Blocks {
    fn say(&mut self, said: &Said<'_>) {
        // As in `fast`, a packet that is only tagged is no alert.
        if let Said::Event { event: Event::Alert(a), .. } = said
            && !a.tagged
        {
            packet(&mut self.text, a.packet);
            flow(&mut self.text, a);
            alert(&mut self.text, a);
        }
    }

    fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text.buf
    }
}

/// A name, its value behind it in a column. Writing to a Vec cannot fail.
fn line(t: &mut Json, name: &str, value: Arguments<'_>) {
    let _ = writeln!(t.buf, "{name:<18} {value}");
}

const fn truth(on: bool) -> &'static str {
    if on { "TRUE" } else { "FALSE" }
}

/// When it came, between whom.
fn packet(t: &mut Json, p: &Packet<'_>) {
    t.buf.extend_from_slice(b"+================\nTIME:              ");
    moment(t, p.ts);
    t.buf.push(b'\n');
    // The number is that of a frame, as in the event log.
    if p.index > 0 && p.source == Source::Wire {
        line(t, "PCAP PKT NUM:", format_args!("{}", p.index));
    }
    line(t, "PKT SRC:", format_args!("{}", p.source.name()));
    if !p.has_ip() {
        return;
    }
    for (name, addr) in [("SRC IP:            ", p.src), ("DST IP:            ", p.dst)] {
        t.buf.extend_from_slice(name.as_bytes());
        address(t, &addr, p.is_ipv6());
        t.buf.push(b'\n');
    }
    line(t, "PROTO:", format_args!("{}", p.proto));
    if matches!(p.l4, L4::Tcp | L4::Udp) {
        line(t, "SRC PORT:", format_args!("{}", p.sp));
        line(t, "DST PORT:", format_args!("{}", p.dp));
    }
    if p.l4 == L4::Tcp {
        line(t, "TCP SEQ:", format_args!("{}", p.tcp.seq));
        line(t, "TCP ACK:", format_args!("{}", p.tcp.ack));
    }
}

/// The flow's counters and state, and what rules noted on it and on the packet.
fn flow(t: &mut Json, a: &Alert<'_>) {
    let goes = |dir: Dir| truth(a.flow.is_some() && a.dir == dir);
    let (server, client) = (goes(Dir::ToServer), goes(Dir::ToClient));
    line(t, "FLOW:", format_args!("to_server: {server}, to_client: {client}"));
    let Some(f) = &a.flow else { return };
    t.buf.extend_from_slice(b"FLOW Start TS:     ");
    moment(t, f.start());
    t.buf.push(b'\n');
    line(t, "FLOW PKTS TODST:", format_args!("{}", f.pkts(Dir::ToServer)));
    line(t, "FLOW PKTS TOSRC:", format_args!("{}", f.pkts(Dir::ToClient)));
    let bytes = Dir::BOTH.iter().fold(0, |n: u64, d| n.saturating_add(f.bytes(*d)));
    line(t, "FLOW Total Bytes:", format_args!("{bytes}"));
    line(t, "FLOW ACTION:", format_args!("DROP: {}", truth(f.has(flag::DROP))));
    let (packet, payload) = (truth(f.has(flag::UNSEEN)), truth(f.has(flag::NO_PAYLOAD_INSPECT)));
    line(t, "FLOW NOINSPECTION:", format_args!("PACKET: {packet}, PAYLOAD: {payload}"));
    let app = f.extra.app;
    let known = truth(app != AppProto::UNKNOWN && app != AppProto::FAILED);
    line(t, "FLOW APP_LAYER:", format_args!("DETECTED: {known}, PROTO {}", app.name()));
    noted(t, f);
}

fn noted(t: &mut Json, f: &FlowView<'_>) {
    let Some(vars) = f.extra.vars else { return };
    vars.each(&mut |v| match v {
        FlowVar::Bit(name) => line(t, "FLOWBIT:", format_args!("{name}")),
        FlowVar::Int(name, n) => line(t, "FLOWVAR:", format_args!("{name}={n}")),
        FlowVar::Var(name, value) => {
            let (name, value) = (name.escape_ascii(), value.escape_ascii());
            line(t, "FLOWVAR:", format_args!("{name}={value}"));
        }
        FlowVar::PktVar(name, value) => {
            line(t, "PKTVAR:", format_args!("{}", name.escape_ascii()));
            dump(t, value);
        }
    });
}

/// The packet's bytes, the rule, and what it looked at.
fn alert(t: &mut Json, a: &Alert<'_>) {
    let (data, payload, r) = (a.packet.data, a.packet.payload(), a.rule);
    let _ = writeln!(t.buf, "PACKET LEN:        {}\nPACKET:", data.len());
    dump(t, data);
    let class = if r.category.is_empty() { "<none>" } else { r.category.as_str() };
    let found = match (&a.tx, &a.frame) {
        (None, None) if a.in_stream => "STREAM",
        (None, None) => "PACKET",
        _ => "STATE",
    };
    let _ = write!(
        t.buf,
        "ALERT CNT:           1\nALERT MSG [00]:      {}\nALERT GID [00]:      {}\nALERT SID [00]:      {}\n\
         ALERT REV [00]:      {}\nALERT CLASS [00]:    {class}\nALERT PRIO [00]:     {}\n\
         ALERT FOUND IN [00]: {found}\nALERT IN TX [00]:    ",
        r.msg, r.gid, r.sid, r.rev, r.priority
    );
    let _ = match &a.tx {
        Some(x) => writeln!(t.buf, "{}", x.common().shown_id),
        None => writeln!(t.buf, "N/A"),
    };
    if !payload.is_empty() {
        let _ = writeln!(t.buf, "PAYLOAD LEN:         {}\nPAYLOAD:", payload.len());
        dump(t, payload);
    }
    let stream = a.stream_data;
    if !stream.is_empty() {
        let _ = writeln!(t.buf, "STREAM DATA LEN:     {}\nSTREAM DATA:", stream.len());
        dump(t, stream.get(..STREAM).unwrap_or(stream));
    }
}

/// Sixteen bytes a line: where they begin, their digits, and what of them prints.
fn dump(t: &mut Json, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for (i, row) in bytes.chunks(16).enumerate() {
        let _ = write!(t.buf, " {:04X}  ", i * 16);
        for at in 0..16 {
            let digits =
                row.get(at).map_or([b' '; 2], |b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
            t.buf.extend_from_slice(&digits);
            t.buf.extend_from_slice(if at == 7 { b"  " } else { b" " });
        }
        t.buf.extend_from_slice(b"  ");
        for (at, b) in row.iter().enumerate() {
            if at == 8 {
                t.buf.push(b' ');
            }
            t.buf.push(if matches!(b, b' '..=b'~') { *b } else { b'.' });
        }
        t.buf.push(b'\n');
    }
}
