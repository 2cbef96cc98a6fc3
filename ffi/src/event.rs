//! Events: what a callback is shown, and the functions that read it.
//!
//! A [`Slot`] belongs to an engine and lends one event at a time. What has to be made for a reader (the fields of a
//! record, the EVE line) is made when it is asked for, once an event, in memory that the slot keeps.

use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_int, c_void};

use tidegate_core::Dir;
use tidegate_core::app::{AppProto, TxView};
use tidegate_core::event::{Action, AnomalyKind, Event, Verdict};
use tidegate_core::flow::{FlowView, flag};
use tidegate_core::packet::{Addr, Packet};
use tidegate_core::rules::RuleMeta;
use tidegate_dataplane::config::EveSettings;
use tidegate_dataplane::eve::EveLine;

use crate::args::{self, sized, tg_bytes};
use crate::error::{
    Res, TG_ERR_INVALID, TG_ERR_NOT_FOUND, TG_ERR_NULL, TG_ERR_REENTRANT, TG_ERR_STATE, TG_ERR_STOPPED,
    TG_ERR_TYPE, TG_ERR_UNSUPPORTED, err, fence, tg_status,
};
use crate::handle::{self, Object};
use crate::packet::{link_back, tg_packet, tg_verdict, verdict};
use crate::record::{Record, Value};

/// An event, lent to a callback. Only the thread that is in the callback may look at it, and only until the callback
/// returns; so it is with all memory that it points to. Afterwards every function answers TG_ERR_STATE.
pub struct tg_event {
    _private: [u8; 0],
}

/// Type of an event.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_event_type {
    /// A rule matched.
    TG_EVENT_ALERT = 1,
    /// A flow ended.
    TG_EVENT_FLOW = 2,
    /// A protocol's transaction is complete: `http`, `dns`, `tls`, ….
    TG_EVENT_RECORD = 4,
    /// A transferred file was seen to its end.
    TG_EVENT_FILE = 8,
    /// Damaged or contradictory traffic.
    TG_EVENT_ANOMALY = 16,
    /// A packet was dropped.
    TG_EVENT_DROP = 32,
}
use tg_event_type::*;

/// What every event has.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_event_info {
    /// sizeof(tg_event_info)
    pub size: usize,
    /// Its type.
    pub type_: tg_event_type,
    /// 4, 6, or 0 when it has no addresses.
    pub ip_version: u8,
    /// IP protocol number.
    pub proto: u8,
    /// 0 from client to server, 1 back.
    pub direction: u8,
    /// VLAN identifiers in `vlan`.
    pub vlans: u8,
    /// EVE's `event_type`: "alert", "flow", "http", "dns", ….
    pub name: tg_bytes,
    /// Nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Number of the flow (EVE `flow_id`); 0 when it has none.
    pub flow_id: u64,
    /// `index` of the packet; 0 when it has none.
    pub index: u64,
    /// Number of the transaction in its flow (EVE `tx_id`), plus 1; 0 when it has none.
    pub tx: u64,
    /// Application protocol of the flow; empty when it is not known.
    pub app_proto: tg_bytes,
    /// Addresses in network order, of IPv4 the first four bytes, as EVE's `src_ip` and `dest_ip`.
    pub src: [u8; 16],
    /// See `src`.
    pub dst: [u8; 16],
    /// Ports, where the protocol has them.
    pub src_port: u16,
    /// See `src_port`.
    pub dst_port: u16,
    /// Outermost first.
    pub vlan: [u16; 3],
    /// `port` of the packet given to tg_engine_process that led to it; 0 at a flow's end.
    pub port: u16,
    /// `rss_hash` of that packet.
    pub rss_hash: u32,
    /// LINKTYPE_ number of `packet`, as in tg_packet.
    pub link_type: u32,
    /// The packet's bytes; of one out of a tunnel what its carrier carried. Empty when it has none.
    pub packet: tg_bytes,
}

/// A match of a rule.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_alert {
    /// sizeof(tg_alert)
    pub size: usize,
    /// Number of the signature.
    pub sid: u32,
    /// Its generator, mostly 1.
    pub gid: u32,
    /// Its revision.
    pub rev: u32,
    /// 1 (high) to 255.
    pub severity: u32,
    /// "alert", "drop", "reject", "pass": what is done, which thresholds may have changed.
    pub action: tg_bytes,
    /// `msg` of the rule.
    pub message: tg_bytes,
    /// Description of its class.
    pub category: tg_bytes,
    /// `classtype` of the rule.
    pub classtype: tg_bytes,
    /// The whole rule.
    pub rule: tg_bytes,
    /// The bytes that were inspected when they were a stream's; else the packet's payload.
    pub payload: tg_bytes,
    /// Line from 1 in the source the rule came from.
    pub line: u32,
    /// Number of that source, files of a folder counted each.
    pub source: u32,
    /// Pairs that tg_event_alert_metadata gives.
    pub metadata: u32,
    /// Addresses that tg_event_alert_reference gives.
    pub references: u32,
    /// 1: EVE's `alert.action` is "allowed", 0: "blocked".
    pub allowed: u8,
    /// 1: matched in reassembled stream data.
    pub in_stream: u8,
    /// 1: no match, but a packet that a `tag` of an earlier match covers.
    pub tagged: u8,
    /// What becomes of the packet.
    pub verdict: tg_verdict,
    /// Zero.
    pub reserved: u32,
}

/// A flow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_flow {
    /// sizeof(tg_flow)
    pub size: usize,
    /// Its number (EVE `flow_id`).
    pub id: u64,
    /// Packet time of its first packet, nanoseconds.
    pub start_ns: u64,
    /// Packet time of its newest packet.
    pub last_ns: u64,
    /// Packets from the client, and back.
    pub packets: [u64; 2],
    /// Frame bytes from the client, and back.
    pub bytes: [u64; 2],
    /// Transactions so far.
    pub transactions: u64,
    /// Application protocol; empty when it is not known.
    pub app_proto: tg_bytes,
    /// "new", "established", "closed", "bypassed".
    pub state: tg_bytes,
    /// Why it ended: "timeout", "shutdown", "forced", "tcp_reuse"; "unknown" while it lives.
    pub reason: tg_bytes,
    /// State of the TCP session as EVE's `tcp.state`; empty for others.
    pub tcp_state: tg_bytes,
    /// The client's address, as in tg_event_info.
    pub client: [u8; 16],
    /// The server's address.
    pub server: [u8; 16],
    /// Port of the client; of ICMP type and code.
    pub client_port: u16,
    /// Port of the server.
    pub server_port: u16,
    /// VLAN identifiers, outermost first.
    pub vlan: [u16; 3],
    /// How many.
    pub vlans: u8,
    /// 4 or 6.
    pub ip_version: u8,
    /// IP protocol number.
    pub proto: u8,
    /// All TCP flags seen from the client, and back.
    pub tcp_flags: [u8; 2],
    /// 1: a rule alerted on it.
    pub alerted: u8,
    /// 1: its packets are dropped.
    pub blocked: u8,
    /// Tunnels it is inside of.
    pub recursion: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

/// Damaged or contradictory traffic.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_anomaly {
    /// sizeof(tg_anomaly)
    pub size: usize,
    /// "decode", "stream" or "applayer", as EVE's `anomaly.type`.
    pub kind: tg_bytes,
    /// Its name, as rules have it.
    pub name: tg_bytes,
    /// Where it was found, for "applayer": "proto_parser", "proto_detect" or "parser"; else empty.
    pub layer: tg_bytes,
    /// The protocol, for "applayer".
    pub app_proto: tg_bytes,
}

/// A transferred file.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_file {
    /// sizeof(tg_file)
    pub size: usize,
    /// Its name, if it has one.
    pub name: tg_bytes,
    /// "CLOSED", "TRUNCATED" or "ERROR", as EVE's `fileinfo.state`.
    pub state: tg_bytes,
    /// Bytes of it that were seen.
    pub file_size: u64,
    /// The last bytes of it, as many as the settings keep.
    pub tail: tg_bytes,
    /// 16 bytes, or none.
    pub md5: tg_bytes,
    /// 20 bytes, or none.
    pub sha1: tg_bytes,
    /// 32 bytes, or none.
    pub sha256: tg_bytes,
    /// 1: bytes of it are missing.
    pub gaps: u8,
    /// Zero.
    pub reserved: [u8; 7],
}

/// A dropped packet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_drop {
    /// sizeof(tg_drop)
    pub size: usize,
    /// Why, as EVE's `drop.reason`.
    pub reason: tg_bytes,
    /// The rule that dropped it; 0 when none did.
    pub sid: u32,
    /// What becomes of the packet.
    pub verdict: tg_verdict,
    /// Zero.
    pub reserved: [u8; 3],
}

/// The record of an HTTP transaction. Members that it has not are empty or 0, here and in the other records.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_http {
    /// sizeof(tg_http)
    pub size: usize,
    /// The request's method.
    pub method: tg_bytes,
    /// Host name.
    pub hostname: tg_bytes,
    /// The request's target.
    pub url: tg_bytes,
    /// Version of the protocol.
    pub protocol: tg_bytes,
    /// `User-Agent` of the request.
    pub user_agent: tg_bytes,
    /// `Referer` of the request.
    pub referrer: tg_bytes,
    /// `Content-Type` of the response.
    pub content_type: tg_bytes,
    /// `Location` of the response.
    pub redirect: tg_bytes,
    /// Bytes of the response's body on the wire.
    pub length: u64,
    /// Status of the response.
    pub status: u32,
    /// Port in the host header.
    pub port: u32,
}

/// The record of a DNS message.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_dns {
    /// sizeof(tg_dns)
    pub size: usize,
    /// "request" or "response" ("query" or "answer" in EVE's versions 1 and 2).
    pub kind: tg_bytes,
    /// Name in the first question.
    pub rrname: tg_bytes,
    /// Type in the first question: "A", "AAAA", ….
    pub rrtype: tg_bytes,
    /// "NOERROR", "NXDOMAIN", … of a response.
    pub rcode: tg_bytes,
    /// Data of the first answer as text.
    pub rdata: tg_bytes,
    /// Identifier of the message.
    pub id: u32,
    /// Answers in the record; each is at `answers.N.rrname`, `.rrtype`, `.ttl`, `.rdata` of tg_event_field.
    pub answers: u32,
}

/// The record of a TLS handshake.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_tls {
    /// sizeof(tg_tls)
    pub size: usize,
    /// Name that the client asked for.
    pub sni: tg_bytes,
    /// "TLS 1.3", ….
    pub version: tg_bytes,
    /// Subject of the server's certificate.
    pub subject: tg_bytes,
    /// Its issuer.
    pub issuer: tg_bytes,
    /// Its SHA-1 fingerprint, in hexadecimal with colons.
    pub fingerprint: tg_bytes,
    /// Its serial number.
    pub serial: tg_bytes,
    /// When it begins to be valid.
    pub not_before: tg_bytes,
    /// When it ends to be valid.
    pub not_after: tg_bytes,
    /// JA3 of the client, when it is made.
    pub ja3: tg_bytes,
    /// JA3S of the server, when it is made.
    pub ja3s: tg_bytes,
    /// JA4 of the client, when it is made.
    pub ja4: tg_bytes,
}

/// Type of a field's value.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum tg_field_type {
    /// `text`: as on the wire, not always UTF-8.
    TG_FIELD_TEXT = 1,
    /// `number`
    TG_FIELD_UNSIGNED = 2,
    /// `number`, to be read as int64_t.
    TG_FIELD_SIGNED = 3,
    /// `real`
    TG_FIELD_REAL = 4,
    /// `number`: 0 or 1.
    TG_FIELD_BOOL = 5,
}

/// A field of a protocol's record.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tg_field {
    /// sizeof(tg_field)
    pub size: usize,
    /// Which of the members below holds the value.
    pub type_: tg_field_type,
    /// Zero.
    pub reserved: u32,
    /// Its path: names as in EVE, joined by dots; items of lists by their numbers from 0 ("answers.0.rrname").
    pub path: tg_bytes,
    /// Text.
    pub text: tg_bytes,
    /// A whole number.
    pub number: u64,
    /// A number with a fraction.
    pub real: f64,
}

sized!(tg_event_info, tg_alert, tg_flow, tg_anomaly, tg_file, tg_drop, tg_http, tg_dns, tg_tls, tg_field);

/// Takes an event. Any other return value than 0 stops: the call that led to it delivers no further event and ends
/// with TG_ERR_STOPPED, with all packets inspected and all verdicts written. Of the engine only
/// tg_engine_flow_block and tg_engine_flow_bypass may be called from here; other objects may be used freely.
pub type tg_event_fn = Option<unsafe extern "C" fn(event: *const tg_event, user: *mut c_void) -> c_int>;

/// Takes a field of a record. Any other return value than 0 ends the walk with TG_ERR_STOPPED.
pub type tg_field_fn = Option<unsafe extern "C" fn(field: *const tg_field, user: *mut c_void) -> c_int>;

/// What is made for readers of the event at hand.
struct Made {
    record: Record,
    line: Option<EveLine>,
    text: Vec<u8>,
    /// Texts of more than one piece: addresses of references.
    joined: Vec<u8>,
}

/// Where an engine lends its events. What every event touches is one cache line.
#[repr(C, align(64))]
pub(crate) struct Slot {
    event: Cell<Option<Event<'static>>>,
    /// Packets of the call at hand.
    packets: Cell<(*const tg_packet, usize)>,
    first: Cell<bool>,
    /// The record, or the line, of the event is made.
    have_record: Cell<bool>,
    have_line: Cell<bool>,
    made: RefCell<Made>,
    eve: Option<EveSettings>,
}

impl Object for Slot {
    const KIND: u32 = 3;
    const NAME: &'static str = "event";
    type Opaque = tg_event;
}

impl Slot {
    pub fn new(eve: Option<EveSettings>, inline: bool) -> Slot {
        Slot {
            event: Cell::new(None),
            packets: Cell::new((std::ptr::null(), 0)),
            first: Cell::new(true),
            have_record: Cell::new(false),
            have_line: Cell::new(false),
            made: RefCell::new(Made {
                record: Record::new(),
                line: eve.clone().map(|s| EveLine::new(s, inline)),
                text: Vec::with_capacity(64 << 10),
                joined: Vec::with_capacity(1 << 10),
            }),
            eve,
        }
    }

    /// Lends `event`, which comes from one of `packets` if from any, while `f` runs.
    pub fn lend(&self, event: &Event<'_>, first: bool, packets: &[tg_packet], f: impl FnOnce()) {
        // SAFETY: the lifetime is only longer on paper: the event is taken away before this function returns, and
        // readers get at it through `with` alone, which lends it for as long as they run.
        let event = unsafe { std::mem::transmute::<Event<'_>, Event<'static>>(*event) };
        self.have_record.set(false);
        self.have_line.set(false);
        self.first.set(first);
        self.packets.set((packets.as_ptr(), packets.len()));
        self.event.set(Some(event));
        let _back = Back(&self.event);
        f();
    }
}

/// Takes the event away, whatever happens.
struct Back<'a>(&'a Cell<Option<Event<'static>>>);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// Runs `f` with the slot and event behind a handle.
///
/// # Safety
/// `p` is NULL or what a callback was given.
unsafe fn with<R>(p: *const tg_event, f: impl FnOnce(&Slot, &Event<'_>) -> Res<R>) -> Res<R> {
    // SAFETY: a slot is made of cells that one thread uses at a time: the one inside, which `peek` asks for.
    let slot = unsafe { handle::peek::<Slot>(p) }?;
    match slot.event.get() {
        Some(e) => f(slot, &e),
        None => err(TG_ERR_STATE, "the event is over: its callback has returned"),
    }
}

fn packet<'a>(e: &Event<'a>) -> Option<&'a Packet<'a>> {
    match e {
        Event::Alert(a) => Some(a.packet),
        Event::Tx(t) => Some(t.packet),
        Event::File(f) => Some(f.packet),
        Event::Anomaly(a) => a.packet,
        Event::Drop(d) => Some(d.packet),
        Event::Flow(_) => None,
    }
}

fn flow<'a>(e: &Event<'a>) -> Option<FlowView<'a>> {
    match e {
        Event::Alert(a) => a.flow,
        Event::Flow(f) => Some(*f),
        Event::Tx(t) => Some(t.flow),
        Event::File(f) => Some(f.flow),
        Event::Anomaly(a) => a.flow,
        Event::Drop(d) => d.flow,
    }
}

/// The transaction, and the side that its record speaks of.
fn tx<'a>(e: &Event<'a>) -> Option<(TxView<'a>, Dir)> {
    match e {
        Event::Alert(a) => a.tx.map(|t| (t, a.dir)),
        Event::Tx(t) => Some((t.tx, t.dir)),
        Event::File(f) => f.tx.map(|t| (t, f.dir)),
        Event::Anomaly(a) => a.tx.map(|t| (t, a.dir)),
        _ => None,
    }
}

struct Ends {
    src: Addr,
    dst: Addr,
    ports: (u16, u16),
    proto: u8,
    version: u8,
}

fn of_packet(p: &Packet<'_>) -> Ends {
    let version = if !p.has_ip() {
        0
    } else if p.is_ipv6() {
        6
    } else {
        4
    };
    Ends { src: p.src, dst: p.dst, ports: (p.sp, p.dp), proto: p.proto, version }
}

fn of_flow(f: &FlowView<'_>, dir: Dir) -> Ends {
    let k = f.key();
    let version = if k.v6 { 6 } else { 4 };
    let e = Ends { src: k.src, dst: k.dst, ports: (k.sp, k.dp), proto: k.proto, version };
    if dir == Dir::ToServer { e } else { Ends { src: e.dst, dst: e.src, ports: (e.ports.1, e.ports.0), ..e } }
}

fn name_of(p: AppProto) -> tg_bytes {
    if p == AppProto::UNKNOWN { tg_bytes::NONE } else { tg_bytes::of(p.name().as_bytes()) }
}

fn info(slot: &Slot, e: &Event<'_>) -> tg_event_info {
    let (type_, name, dir) = match e {
        Event::Alert(a) => (TG_EVENT_ALERT, if a.tagged { "packet" } else { "alert" }, a.dir),
        Event::Flow(_) => (TG_EVENT_FLOW, "flow", Dir::ToServer),
        Event::Tx(t) => {
            let name = t.tx.record();
            // Messages logged one by one have their own direction, whole transactions the client's.
            (TG_EVENT_RECORD, name, if name == "dns" { t.dir } else { Dir::ToServer })
        }
        Event::File(f) => (TG_EVENT_FILE, "fileinfo", f.dir),
        Event::Anomaly(a) => (TG_EVENT_ANOMALY, "anomaly", a.dir),
        Event::Drop(d) => (TG_EVENT_DROP, "drop", d.dir),
    };
    let (p, f) = (packet(e), flow(e));
    let ends = match (e, p, &f) {
        (Event::Tx(_) | Event::File(_) | Event::Flow(_), _, Some(f)) => of_flow(f, dir),
        (_, Some(p), _) => of_packet(p),
        (_, None, Some(f)) => of_flow(f, dir),
        (_, None, None) => {
            Ends { src: Addr([0; 16]), dst: Addr([0; 16]), ports: (0, 0), proto: 0, version: 0 }
        }
    };
    let has_ports = matches!(ends.proto, 6 | 17 | 132);
    let (vlan, vlans) = match (p, &f) {
        (Some(p), _) => (p.vlan, p.vlans),
        (None, Some(f)) => (f.key().vlan, f.key().vlans),
        (None, None) => ([0; 3], 0),
    };
    let given = p.and_then(|p| given(slot, p));
    tg_event_info {
        size: size_of::<tg_event_info>(),
        type_,
        ip_version: ends.version,
        proto: ends.proto,
        direction: dir as u8,
        vlans,
        name: tg_bytes::of(name.as_bytes()),
        ts_ns: p.map_or_else(|| f.as_ref().map_or(0, FlowView::start), |p| p.ts),
        flow_id: f.as_ref().map_or(0, FlowView::id),
        index: p.map_or(0, |p| p.index),
        tx: tx(e).map_or(0, |(t, _)| t.common().id + 1),
        app_proto: f.as_ref().map_or(tg_bytes::NONE, |f| name_of(f.extra.app)),
        src: ends.src.0,
        dst: ends.dst.0,
        src_port: if has_ports { ends.ports.0 } else { 0 },
        dst_port: if has_ports { ends.ports.1 } else { 0 },
        vlan,
        port: given.map_or(0, |g| g.port),
        rss_hash: given.map_or(0, |g| g.rss_hash),
        link_type: p.map_or(0, |p| u32::from(link_back(p.link))),
        packet: p.map_or(tg_bytes::NONE, |p| tg_bytes::of(p.data)),
    }
}

/// The packet of the call at hand whose bytes a packet's are, or are part of.
fn given(slot: &Slot, p: &Packet<'_>) -> Option<tg_packet> {
    let (list, n) = slot.packets.get();
    if n == 0 {
        return None;
    }
    // SAFETY: `Slot::lend` was told of them by the call that is still running, whose caller keeps them.
    let list = unsafe { std::slice::from_raw_parts(list, n) };
    let at = p.data.as_ptr() as usize;
    list.iter().find(|g| (g.data as usize..g.data as usize + g.len as usize).contains(&at)).copied()
}

pub(crate) fn flow_of(f: &FlowView<'_>) -> tg_flow {
    let k = f.key();
    let word = |s: &'static str| tg_bytes::of(s.as_bytes());
    tg_flow {
        size: size_of::<tg_flow>(),
        id: f.id(),
        start_ns: f.start(),
        last_ns: f.last(),
        packets: Dir::BOTH.map(|d| u64::from(f.pkts(d))),
        bytes: Dir::BOTH.map(|d| f.bytes(d)),
        transactions: f.extra.tx_count,
        app_proto: name_of(f.extra.app),
        state: word(f.state().name()),
        reason: word(f.reason().name()),
        tcp_state: f.tcp.map_or(tg_bytes::NONE, |s| word(s.state().name())),
        client: k.src.0,
        server: k.dst.0,
        client_port: k.sp,
        server_port: k.dp,
        vlan: k.vlan,
        vlans: k.vlans,
        ip_version: if k.v6 { 6 } else { 4 },
        proto: k.proto,
        tcp_flags: Dir::BOTH.map(|d| f.tcp.map_or(f.tcp_flags(d), |s| s.tcp_flags(d))),
        alerted: u8::from(f.has(flag::ALERTED)),
        blocked: u8::from(f.has(flag::DROP)),
        recursion: k.recursion,
        reserved: [0; 2],
    }
}

pub(crate) const fn action(a: Action) -> &'static str {
    match a {
        Action::Alert => "alert",
        Action::Pass => "pass",
        Action::Drop => "drop",
        Action::Reject | Action::RejectSrc | Action::RejectDst | Action::RejectBoth => "reject",
    }
}

fn wrong_type<T>(wanted: &str) -> Res<T> {
    err(TG_ERR_TYPE, format!("the event is not of type {wanted}"))
}

/// Tells what every event has.
///
/// # Safety
/// `event` is NULL or what a callback was given, here and in all functions of this group; `out` is NULL or points to a
/// struct whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_describe(event: *const tg_event, out: *mut tg_event_info) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        unsafe { with(event, |slot, e| args::write_sized(out, info(slot, e))) }
    })
}

/// Tells of an alert. TG_ERR_TYPE when it is none.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert(event: *const tg_event, out: *mut tg_alert) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::Alert(a) = e else { return wrong_type("alert") };
            let r = a.rule;
            let text = |s: &str| tg_bytes::of(s.as_bytes());
            let stream = a.in_stream && !a.stream_data.is_empty();
            let value = tg_alert {
                size: size_of::<tg_alert>(),
                sid: r.sid,
                gid: r.gid,
                rev: r.rev,
                severity: r.priority,
                action: text(action(a.action)),
                message: text(&r.msg),
                category: text(&r.category),
                classtype: text(&r.classtype),
                rule: text(&r.text),
                payload: tg_bytes::of(if stream { a.stream_data } else { a.packet.payload() }),
                line: r.line,
                source: r.file,
                metadata: r.metadata.len() as u32,
                references: r.references.len() as u32,
                allowed: u8::from(a.allowed),
                in_stream: u8::from(a.in_stream),
                tagged: u8::from(a.tagged),
                verdict: verdict(a.verdict),
                reserved: 0,
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}

fn rule<'a>(e: &Event<'a>) -> Res<&'a RuleMeta> {
    match e {
        Event::Alert(a) => Ok(a.rule),
        Event::Drop(d) => match d.rule {
            Some(r) => Ok(r),
            None => err(TG_ERR_NOT_FOUND, "no rule dropped it"),
        },
        _ => wrong_type("alert or drop"),
    }
}

/// Gives pair number `i` of the `metadata` of an alert's rule. TG_ERR_NOT_FOUND beyond the last.
///
/// # Safety
/// See tg_event_describe; `key` and `value` are NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert_metadata(
    event: *const tg_event,
    i: u32,
    key: *mut tg_bytes,
    value: *mut tg_bytes,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let (key, value) = unsafe { (args::out(key, "key")?, args::out(value, "value")?) };
        // SAFETY: as above.
        unsafe {
            with(event, |_, e| match rule(e)?.metadata.get(i as usize) {
                Some((k, v)) => {
                    key.write(tg_bytes::of(k.as_bytes()));
                    value.write(tg_bytes::of(v.as_bytes()));
                    Ok(())
                }
                None => err(TG_ERR_NOT_FOUND, "the rule has no more metadata"),
            })
        }
    })
}

/// Gives address number `i` of the `reference`s of an alert's rule; it stays until the next one is asked for.
/// TG_ERR_NOT_FOUND beyond the last.
///
/// # Safety
/// See tg_event_describe; `address` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_alert_reference(
    event: *const tg_event,
    i: u32,
    address: *mut tg_bytes,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let address = unsafe { args::out(address, "address") }?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let Some((prefix, rest)) = rule(e)?.references.get(i as usize) else {
                return err(TG_ERR_NOT_FOUND, "the rule has no more references");
            };
            let made = &mut *made(slot)?;
            made.joined.clear();
            made.joined.extend_from_slice(prefix.as_bytes());
            made.joined.extend_from_slice(rest.as_bytes());
            address.write(tg_bytes::of(&made.joined));
            Ok(())
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// Tells of the event's flow; of an event of type flow, the one that ended. TG_ERR_NOT_FOUND when it has none.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_flow(event: *const tg_event, out: *mut tg_flow) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Some(f) = flow(e) else { return err(TG_ERR_NOT_FOUND, "the event has no flow") };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, flow_of(&f)) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// Tells of an anomaly. TG_ERR_TYPE when it is none.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_anomaly(event: *const tg_event, out: *mut tg_anomaly) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::Anomaly(a) = e else { return wrong_type("anomaly") };
            let text = |s: &str| tg_bytes::of(s.as_bytes());
            let kind = match a.kind {
                AnomalyKind::Decode => "decode",
                AnomalyKind::Stream => "stream",
                AnomalyKind::AppLayer => "applayer",
            };
            let value = tg_anomaly {
                size: size_of::<tg_anomaly>(),
                kind: text(kind),
                name: text(a.name),
                layer: text(a.layer),
                app_proto: name_of(a.app_proto),
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// Tells of a file. TG_ERR_TYPE when the event is of another type.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_file(event: *const tg_event, out: *mut tg_file) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::File(r) = e else { return wrong_type("file") };
            let f = &r.file;
            let value = tg_file {
                size: size_of::<tg_file>(),
                name: tg_bytes::of(f.name(r.pool)),
                state: tg_bytes::of(f.state().name().as_bytes()),
                file_size: f.size(),
                tail: tg_bytes::of(f.data(r.pool).0),
                md5: f.md5().map_or(tg_bytes::NONE, |h| tg_bytes::of(h)),
                sha1: f.sha1().map_or(tg_bytes::NONE, |h| tg_bytes::of(h)),
                sha256: f.sha256().map_or(tg_bytes::NONE, |h| tg_bytes::of(h)),
                gaps: u8::from(f.gaps()),
                reserved: [0; 7],
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// Tells of a dropped packet. TG_ERR_TYPE when the event is of another type.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_drop(event: *const tg_event, out: *mut tg_drop) -> tg_status {
    fence(|| {
        let read = |_: &Slot, e: &Event<'_>| {
            let Event::Drop(d) = e else { return wrong_type("drop") };
            let value = tg_drop {
                size: size_of::<tg_drop>(),
                reason: tg_bytes::of(d.reason.name().as_bytes()),
                sid: d.rule.map_or(0, |r| r.sid),
                verdict: verdict(if d.verdict == Verdict::Forward { Verdict::Drop } else { d.verdict }),
                reserved: [0; 3],
            };
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, value) }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

fn made(slot: &Slot) -> Res<std::cell::RefMut<'_, Made>> {
    slot.made.try_borrow_mut().or_else(|_| err(TG_ERR_REENTRANT, "the fields of the event are being walked"))
}

/// Makes the record of the event's transaction, unless it is there.
fn record<'a>(slot: &'a Slot, e: &Event<'_>) -> Res<std::cell::Ref<'a, Record>> {
    let Some((t, dir)) = tx(e) else { return err(TG_ERR_NOT_FOUND, "the event has no transaction") };
    if !slot.have_record.get()
        && let Ok(mut made) = slot.made.try_borrow_mut()
    {
        let settings = slot.eve.as_ref().and_then(|s| s.record(t.record()));
        made.record.clear(settings);
        t.log(dir, &mut made.record);
        slot.have_record.set(true);
    }
    let made = slot.made.try_borrow().or_else(|_| err(TG_ERR_REENTRANT, "the event is being written"))?;
    Ok(std::cell::Ref::map(made, |m| &m.record))
}

fn field(path: &[u8], value: Value, text: &[u8]) -> tg_field {
    let (type_, number, real) = match value {
        Value::Text(..) => (tg_field_type::TG_FIELD_TEXT, 0, 0.0),
        Value::U64(n) => (tg_field_type::TG_FIELD_UNSIGNED, n, 0.0),
        Value::I64(n) => (tg_field_type::TG_FIELD_SIGNED, n.cast_unsigned(), 0.0),
        Value::F64(n) => (tg_field_type::TG_FIELD_REAL, 0, n),
        Value::Bool(b) => (tg_field_type::TG_FIELD_BOOL, u64::from(b), 0.0),
    };
    tg_field {
        size: size_of::<tg_field>(),
        type_,
        reserved: 0,
        path: tg_bytes::of(path),
        text: tg_bytes::of(text),
        number,
        real,
    }
}

/// Gives a field of the record of the event's transaction by its path: what EVE has under the protocol's name.
/// Records, and alerts, files and anomalies in transactions have one. TG_ERR_NOT_FOUND when there is none.
///
/// # Safety
/// See tg_event_describe; `path` is NULL or text that ends in NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_field(
    event: *const tg_event,
    path: *const c_char,
    out: *mut tg_field,
) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let path = unsafe { args::text(path, "path") }?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let r = record(slot, e)?;
            match (0..r.len()).filter_map(|i| r.get(i)).find(|f| f.0 == path.as_bytes()) {
                // SAFETY: the caller promises so.
                Some((path, value, text)) => unsafe { args::write_sized(out, field(path, value, text)) },
                None => err(TG_ERR_NOT_FOUND, format!("the record has no {path}")),
            }
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// Gives all fields of the record of the event's transaction, in EVE's order, one after the other to `callback`.
///
/// # Safety
/// See tg_event_describe; `callback` is NULL or a function that does as its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_fields(
    event: *const tg_event,
    callback: tg_field_fn,
    user: *mut c_void,
) -> tg_status {
    fence(|| {
        let Some(call) = callback else { return err(TG_ERR_NULL, "callback is NULL") };
        let read = |slot: &Slot, e: &Event<'_>| {
            let r = record(slot, e)?;
            for (path, value, text) in (0..r.len()).filter_map(|i| r.get(i)) {
                let f = field(path, value, text);
                // SAFETY: the caller gave a function of this type; what `f` points to outlives the call.
                if unsafe { call(&raw const f, user) } != 0 {
                    return err(TG_ERR_STOPPED, "the callback asked to stop");
                }
            }
            Ok(())
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}

/// Reads a record whose transaction is one of `names`.
///
/// # Safety
/// See tg_event_describe.
unsafe fn typed<T: args::Sized0>(
    event: *const tg_event,
    names: &[&str],
    out: *mut T,
    f: impl FnOnce(&Record) -> T,
) -> tg_status {
    fence(|| {
        let read = |slot: &Slot, e: &Event<'_>| {
            if !tx(e).is_some_and(|(t, _)| names.contains(&t.record())) {
                return wrong_type(names.first().unwrap_or(&""));
            }
            let r = record(slot, e)?;
            // SAFETY: the caller promises so.
            unsafe { args::write_sized(out, f(&r)) }
        };
        // SAFETY: the caller promises so.
        unsafe { with(event, read) }
    })
}

/// Tells of the HTTP transaction of a record, alert, file or anomaly. TG_ERR_TYPE when it has none.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_http(event: *const tg_event, out: *mut tg_http) -> tg_status {
    let make = |r: &Record| {
        let text = |path: &str| tg_bytes::of(r.text(path));
        tg_http {
            size: size_of::<tg_http>(),
            method: text("http_method"),
            hostname: text("hostname"),
            url: text("url"),
            protocol: text("protocol"),
            user_agent: text("http_user_agent"),
            referrer: text("http_refer"),
            content_type: text("http_content_type"),
            redirect: text("redirect"),
            length: r.number("length"),
            status: r.number("status") as u32,
            port: r.number("http_port") as u32,
        }
    };
    // SAFETY: the caller promises so.
    unsafe { typed(event, &["http"], out, make) }
}

/// Tells of the DNS message of a record, alert or anomaly. TG_ERR_TYPE when it has none.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_dns(event: *const tg_event, out: *mut tg_dns) -> tg_status {
    let make = |r: &Record| {
        let text = |path: &str| tg_bytes::of(r.text(path));
        // The question stands in a list or beside the rest, by EVE's version.
        let either = |path: &str| match r.text(&format!("queries.0.{path}")) {
            b"" => text(path),
            found => tg_bytes::of(found),
        };
        let answers =
            (0..).take_while(|i| r.find(format!("answers.{i}.rrname").as_bytes()).is_some()).count();
        tg_dns {
            size: size_of::<tg_dns>(),
            kind: text("type"),
            rrname: either("rrname"),
            rrtype: either("rrtype"),
            rcode: text("rcode"),
            rdata: text("answers.0.rdata"),
            id: r.number("id") as u32,
            answers: answers as u32,
        }
    };
    // SAFETY: the caller promises so.
    unsafe { typed(event, &["dns"], out, make) }
}

/// Tells of the TLS handshake of a record, alert or anomaly. TG_ERR_TYPE when it has none.
///
/// # Safety
/// See tg_event_describe.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_tls(event: *const tg_event, out: *mut tg_tls) -> tg_status {
    let make = |r: &Record| {
        let text = |path: &str| tg_bytes::of(r.text(path));
        tg_tls {
            size: size_of::<tg_tls>(),
            sni: text("sni"),
            version: text("version"),
            subject: text("subject"),
            issuer: text("issuerdn"),
            fingerprint: text("fingerprint"),
            serial: text("serial"),
            not_before: text("notbefore"),
            not_after: text("notafter"),
            ja3: text("ja3.hash"),
            ja3s: text("ja3s.hash"),
            ja4: text("ja4"),
        }
    };
    // SAFETY: the caller promises so.
    unsafe { typed(event, &["tls"], out, make) }
}

/// Gives the event as a line of EVE JSON without a line feed, as the first `eve-log` of the settings has it.
/// TG_ERR_NOT_FOUND when that wants no such event, TG_ERR_UNSUPPORTED when there is no `eve-log`.
///
/// # Safety
/// See tg_event_describe; `line` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_event_json(event: *const tg_event, line: *mut tg_bytes) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let line = unsafe { args::out(line, "line") }?;
        let read = |slot: &Slot, e: &Event<'_>| {
            let made = &mut *made(slot)?;
            if !slot.have_line.get() {
                let Some(w) = &mut made.line else {
                    return err(TG_ERR_UNSUPPORTED, "the settings have no eve-log");
                };
                made.text.clear();
                made.text.extend_from_slice(w.write(e, slot.first.get()));
                slot.have_line.set(true);
            }
            if made.text.is_empty() {
                return err(TG_ERR_NOT_FOUND, "the settings want no line for this event");
            }
            line.write(tg_bytes::of(&made.text));
            Ok(())
        };
        // SAFETY: as above.
        unsafe { with(event, read) }
    })
}

/// The bit of an event's type.
pub(crate) fn bit(e: &Event<'_>) -> u32 {
    let t = match e {
        Event::Alert(_) => TG_EVENT_ALERT,
        Event::Flow(_) => TG_EVENT_FLOW,
        Event::Tx(_) => TG_EVENT_RECORD,
        Event::File(_) => TG_EVENT_FILE,
        Event::Anomaly(_) => TG_EVENT_ANOMALY,
        Event::Drop(_) => TG_EVENT_DROP,
    };
    t as u32
}

/// All types.
pub(crate) const ALL: u32 = 63;

/// Types of a mask, or all for 0.
pub(crate) fn types(mask: u32) -> Res<u32> {
    match mask {
        0 => Ok(ALL),
        m if m & !ALL == 0 => Ok(m),
        m => err(TG_ERR_INVALID, format!("events is {m:#x}; there are only {ALL:#x}")),
    }
}
