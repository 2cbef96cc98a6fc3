//! What the engine says: events, borrowed for the length of one call to [`EventSink::event`].
//!
//! In: nothing. Out: typed views that outputs (EVE JSON, C callbacks, Arrow) read without copying. The engine
//! knows no output format; a protocol names its record's fields through [`Fields`], and every output listens.

use crate::Dir;
use crate::ai::ledger::Summary;
use crate::app::frames::FrameView;
use crate::app::{AppProto, Buffer, BufferAt, BufferKind, FileView, TxView};
use crate::detect::asked::ContextsOf;
use crate::detect::ruleset::Fast;
use crate::flow::{Cold, FlowView};
use crate::intel::Seen;
use crate::packet::{EventSet, Packet};
use crate::policy::{Decision, Facts, Miss, Place, Policy};
use crate::pool::Scratch;
use crate::response::Block;
use crate::rules::RuleMeta;
use crate::stream::TcpState;

/// Receives a protocol record field by field. Names are Suricata's EVE names.
///
/// Objects nest: `begin_object` / `end_object`, `begin_array` / `end_array`; inside an array keys are ignored
/// (pass `""`).
pub trait Fields {
    /// A value under a key; in a list the key is empty.
    fn value(&mut self, key: &str, value: Value<'_>);
    /// What follows belongs to an object or a list under that key, until it is closed.
    fn open(&mut self, key: &str, nest: Nest);
    fn close(&mut self, nest: Nest);

    /// A string of bytes from the wire; the output escapes what is not printable UTF-8 as Suricata does.
    fn bytes(&mut self, key: &str, value: &[u8]) {
        self.value(key, Value::Bytes(value));
    }
    /// A string.
    fn str(&mut self, key: &str, value: &str) {
        self.bytes(key, value.as_bytes());
    }
    fn u64(&mut self, key: &str, value: u64) {
        self.value(key, Value::U64(value));
    }
    fn i64(&mut self, key: &str, value: i64) {
        self.value(key, Value::I64(value));
    }
    fn f64(&mut self, key: &str, value: f64) {
        self.value(key, Value::F64(value));
    }
    fn bool(&mut self, key: &str, value: bool) {
        self.value(key, Value::Bool(value));
    }
    fn begin_object(&mut self, key: &str) {
        self.open(key, Nest::Object);
    }
    fn end_object(&mut self) {
        self.close(Nest::Object);
    }
    fn begin_array(&mut self, key: &str) {
        self.open(key, Nest::List);
    }
    fn end_array(&mut self) {
        self.close(Nest::List);
    }
    /// A formatted string without allocating.
    fn fmt(&mut self, key: &str, value: core::fmt::Arguments<'_>) {
        self.value(key, Value::Text(value));
    }
    /// Lower-case hexadecimal of `value`.
    fn hex(&mut self, key: &str, value: &[u8]) {
        self.value(key, Value::Hex(value));
    }
    /// Base64 of `value`.
    fn base64(&mut self, key: &str, value: &[u8]) {
        self.value(key, Value::Base64(value));
    }
    /// Whether the output asks for an optional part of the record: `extended`, `custom` (any header or field by name), `custom.NAME` (a header or field
    /// by its lower-case name), `dump-all-headers.request` / `.response`, `content` (texts of the traffic themselves),
    /// `passwords.yes` / `passwords.no` (what the settings say of credentials; neither: what the protocol does otherwise).
    fn wants(&self, option: &str) -> bool {
        option == "extended"
    }
    /// A number that the output has for an option of the record (`string-log-limit`, bytes).
    fn limit(&self, _option: &str) -> Option<u64> {
        None
    }
}

/// A value of a record.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// From the wire, as it came.
    Bytes(&'a [u8]),
    U64(u64),
    I64(i64),
    F64(f64),
    Bool(bool),
    /// Text that is made while it is written.
    Text(core::fmt::Arguments<'a>),
    /// Shown in lower-case hexadecimal digits.
    Hex(&'a [u8]),
    /// Shown in base64.
    Base64(&'a [u8]),
}

/// What values of a record stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nest {
    Object,
    List,
}

/// What a rule did to the packet and its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Action {
    #[default]
    Alert,
    Pass,
    Drop,
    Reject,
    RejectSrc,
    RejectDst,
    RejectBoth,
}

impl Action {
    pub const fn is_drop(self) -> bool {
        !matches!(self, Action::Alert | Action::Pass)
    }
    pub const fn is_reject(self) -> bool {
        matches!(self, Action::Reject | Action::RejectSrc | Action::RejectDst | Action::RejectBoth)
    }
}

/// Why a packet was dropped (EVE `drop.reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    Rules,
    RulesThreshold,
    FlowDrop,
    StreamError,
    StreamMidstream,
    StreamUrgent,
    StreamReassembly,
    AppLayerError,
    DecodeError,
    DefragError,
    DefragMemcap,
    FlowMemcap,
    /// [`crate::policy`].
    Policy,
    /// [`crate::response`].
    Response,
    Other,
}

impl DropReason {
    /// How many there are.
    pub const COUNT: usize = DropReason::Other as usize + 1;

    pub const fn name(self) -> &'static str {
        match self {
            DropReason::Rules => "rules",
            DropReason::RulesThreshold => "threshold detection_filter",
            DropReason::FlowDrop => "flow drop",
            DropReason::StreamError => "stream error",
            DropReason::StreamMidstream => "stream midstream",
            DropReason::StreamUrgent => "stream urgent",
            DropReason::StreamReassembly => "stream reassembly",
            DropReason::AppLayerError => "applayer error",
            DropReason::DecodeError => "decode error",
            DropReason::DefragError => "defrag error",
            DropReason::DefragMemcap => "defrag memcap",
            DropReason::FlowMemcap => "flow memcap",
            DropReason::Policy => "policy",
            DropReason::Response => "response",
            DropReason::Other => "unknown",
        }
    }
}

/// The decision for one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verdict {
    #[default]
    Forward,
    Drop,
    /// Drop and answer (RST or ICMP unreachable) towards the named ends.
    Reject {
        to_src: bool,
        to_dst: bool,
    },
    /// Forward, and no more of this flow needs inspection.
    Bypass,
}

/// What the engine knows of a flow beyond its packets.
#[derive(Clone, Copy, Default)]
pub struct FlowExtra<'a> {
    /// The protocol in force, those found in either direction, the one before a change, the one expected next.
    pub app: AppProto,
    pub app_by_dir: [AppProto; 2],
    pub app_orig: AppProto,
    pub app_expected: AppProto,
    /// Transactions created so far (EVE `flow.tx_cnt`).
    pub tx_count: u64,
    /// What the caller calls the stream ([`crate::engine::Engine::open_stream`]); empty for flows of packets.
    pub tag: &'a [u8],
    /// What protocols and rules see of it was protected, and read with keys that somebody gave.
    pub decrypted: bool,
    /// Flowbits, flowints and flow variables, when there are any.
    pub vars: Option<&'a dyn FlowVars>,
}

impl core::fmt::Debug for FlowExtra<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowExtra").field("app", &self.app).finish_non_exhaustive()
    }
}

/// Gives out what rules have noted on a flow.
pub trait FlowVars {
    /// Calls `f` with each of them.
    fn each(&self, f: &mut dyn FnMut(FlowVar<'_>));
}

/// A note on a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowVar<'a> {
    Bit(&'a str),
    Int(&'a str, u32),
    Var(&'a [u8], &'a [u8]),
    /// A packet variable.
    PktVar(&'a [u8], &'a [u8]),
}

/// A rule matched.
#[derive(Clone, Copy)]
pub struct Alert<'a> {
    pub packet: &'a Packet<'a>,
    /// For a packet out of a tunnel: the outermost packet of its frame (EVE `tunnel`).
    pub root: Option<&'a Packet<'a>>,
    /// Direction of the packet in its flow.
    pub dir: Dir,
    pub flow: Option<FlowView<'a>>,
    pub rule: &'a RuleMeta,
    /// What is done; differs from the rule's own action where thresholds or IDS mode change it.
    pub action: Action,
    /// `true` where EVE says `alert.action: allowed`.
    pub allowed: bool,
    /// The transaction it matched in.
    pub tx: Option<TxView<'a>>,
    /// The frame it matched in; `tx` is that frame's transaction then, if it has one.
    pub frame: Option<FrameView<'a>>,
    /// Matched in reassembled stream data rather than in the packet's payload (EVE `stream: 1`).
    pub in_stream: bool,
    /// The reassembled bytes that were inspected, for `payload` when `in_stream`.
    pub stream_data: &'a [u8],
    /// Logged because a `tag` of an earlier alert covers this packet.
    pub tagged: bool,
    /// What becomes of the packet.
    pub verdict: Verdict,
    /// A pass rule matched on it.
    pub passed: bool,
    /// The literal by which the rule was chosen, if it has one.
    pub fast: Option<&'a Fast>,
    /// What datasets of JSON say of the values that the rule found in them.
    pub contexts: Option<ContextsOf<'a>>,
    /// It is told by intelligence, not by a rule: the indicator, and where it was seen.
    pub intel: Option<Seen<'a>>,
}

/// A value in which a rule's literal was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The sticky buffer, or `payload`.
    pub buffer: &'a str,
    /// The bytes that are there of it, and where they begin in the whole.
    pub bytes: &'a [u8],
    pub offset: u64,
    /// The literal in `bytes`.
    pub start: usize,
    pub end: usize,
}

impl<'a> Alert<'a> {
    /// Where the rule's fast pattern is: its first place in the first value of its buffer that has it. `None` when the
    /// rule has no literal or looked at something made of the buffer (a transform, a header). Searched for when it is
    /// asked for; `scratch` is for values that are not stored as they are.
    pub fn found<'s>(&self, scratch: &'s mut Scratch) -> Option<Found<'s>>
    where
        'a: 's,
    {
        let fast: &'a Fast = self.fast?;
        let place = |bytes: &[u8]| fast.find(bytes);
        if fast.buffer == "payload" {
            let stream = if self.stream_data.is_empty() { None } else { Some(self.stream_data) };
            let bytes =
                [stream, Some(self.packet.payload())].into_iter().flatten().find(|b| place(b).is_some())?;
            let start = place(bytes)?;
            return Some(Found { buffer: "payload", bytes, offset: 0, start, end: start + fast.bytes.len() });
        }
        if let Some(f) = self.frame {
            let start = place(f.bytes())?;
            let end = start + fast.bytes.len();
            return Some(Found { buffer: &fast.buffer, bytes: f.bytes(), offset: 0, start, end });
        }
        let tx = self.tx?;
        let defs = tx.proto.def().buffers;
        let named =
            |d: &crate::app::BufferDef| d.name == fast.buffer || d.aliases.contains(&fast.buffer.as_str());
        let local = defs.iter().position(named)? as u8;
        let other = if self.dir == Dir::ToServer { Dir::ToClient } else { Dir::ToServer };
        // Values are asked for twice: first which has the literal, then for what is given back.
        let mut right = None;
        for dir in [self.dir, other] {
            for index in 0..MOST_VALUES {
                scratch.clear();
                let at = BufferAt { local, dir, index, pool: tx.pool, scratch: &mut *scratch };
                match tx.parser.buffer(tx.state, tx.tx, at) {
                    Buffer::Data { bytes, .. } if place(bytes).is_some() => right = Some((dir, index)),
                    Buffer::Data { .. } if defs[usize::from(local)].kind == BufferKind::Multi => continue,
                    _ => {}
                }
                break;
            }
            if right.is_some() {
                break;
            }
        }
        let (dir, index) = right?;
        scratch.clear();
        let at = BufferAt { local, dir, index, pool: tx.pool, scratch };
        let Buffer::Data { bytes, offset, .. } = tx.parser.buffer(tx.state, tx.tx, at) else { return None };
        let start = place(bytes)?;
        Some(Found { buffer: &fast.buffer, bytes, offset, start, end: start + fast.bytes.len() })
    }
}

/// Most values of a buffer that are looked at for a literal.
const MOST_VALUES: u32 = 256;

/// Kind of an anomaly (EVE `anomaly.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnomalyKind {
    Decode,
    Stream,
    AppLayer,
}

/// Damaged or contradictory traffic.
#[derive(Clone, Copy)]
pub struct Anomaly<'a> {
    pub kind: AnomalyKind,
    /// Event name without the protocol prefix for app-layer ones (`INVALID_RECORD_TYPE`), Suricata's name
    /// otherwise as rules have it (`ipv4.pkt_too_small`, `3whs_ack_in_wrong_dir`).
    pub name: &'a str,
    /// Where it was found for app-layer anomalies: `proto_parser`, `proto_detect`, `parser`.
    pub layer: &'a str,
    pub packet: Option<&'a Packet<'a>>,
    pub dir: Dir,
    pub flow: Option<FlowView<'a>>,
    pub app_proto: AppProto,
    pub tx: Option<TxView<'a>>,
}

/// A packet was dropped (EVE `drop`).
#[derive(Clone, Copy)]
pub struct Dropped<'a> {
    pub packet: &'a Packet<'a>,
    pub dir: Dir,
    pub flow: Option<FlowView<'a>>,
    pub reason: DropReason,
    pub verdict: Verdict,
    pub rule: Option<&'a RuleMeta>,
    pub action: Action,
}

/// A protocol transaction is complete (EVE `http`, `dns`, `tls`, …).
#[derive(Clone, Copy)]
pub struct TxRecord<'a> {
    pub packet: &'a Packet<'a>,
    pub flow: FlowView<'a>,
    pub tx: TxView<'a>,
    /// Side of the record for protocols that log requests and responses apart (DNS version 2).
    pub dir: Dir,
}

/// A transferred file was seen to its end (EVE `fileinfo`).
#[derive(Clone, Copy)]
pub struct FileRecord<'a> {
    pub packet: &'a Packet<'a>,
    pub flow: FlowView<'a>,
    pub tx: Option<TxView<'a>>,
    pub file: FileView<'a>,
    /// Where the file's name and data lie.
    pub pool: &'a crate::pool::BytePool,
    pub dir: Dir,
}

/// A frame is complete, or its flow ended (EVE `frame`).
#[derive(Clone, Copy)]
pub struct FrameRecord<'a> {
    pub packet: &'a Packet<'a>,
    pub flow: FlowView<'a>,
    pub frame: FrameView<'a>,
}

/// A packet of a TCP session was seen (EVE `stream_tcp`), when the engine was told so
/// ([`crate::engine::Config::tell_streams`]).
#[derive(Clone, Copy)]
pub struct StreamSeen<'a> {
    pub packet: &'a Packet<'a>,
    pub flow: FlowView<'a>,
    pub dir: Dir,
    /// Of the session, after the packet.
    pub state: TcpState,
    /// It was another one before.
    pub changed: bool,
    pub(crate) events: EventSet,
}

impl StreamSeen<'_> {
    /// Names of the events that the packet raised, as rules have them after `stream-event:`.
    pub fn events(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.events.iter().map(crate::stream::events::name)
    }
}

/// Everything an engine says.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    Alert(&'a Alert<'a>),
    /// A flow ended.
    Flow(FlowView<'a>),
    Tx(&'a TxRecord<'a>),
    File(&'a FileRecord<'a>),
    Anomaly(&'a Anomaly<'a>),
    Drop(&'a Dropped<'a>),
    /// What calls add up to: a service, a window of telemetry.
    Summary(&'a Summary<'a>),
    Frame(&'a FrameRecord<'a>),
    Stream(&'a StreamSeen<'a>),
}

/// A policy decided on a flow, on a call in it, or on a packet without a flow.
#[derive(Clone, Copy)]
pub struct PolicyRecord<'a> {
    /// The packet that brought what was needed to know.
    pub packet: &'a Packet<'a>,
    pub dir: Dir,
    pub flow: Option<FlowView<'a>>,
    /// The call, or the message that is none.
    pub tx: Option<TxView<'a>>,
    pub policy: &'a Policy,
    pub decision: Decision,
    /// The segments of its ends.
    pub place: Place,
    /// Of what is denied by default: the line that came nearest to allowing it.
    pub nearest: Option<Miss>,
    pub facts: Facts<'a>,
    /// Packets can be dropped.
    pub enforced: bool,
}

/// A flow, or a packet without one, met something that is blocked or marked.
#[derive(Clone, Copy)]
pub struct ResponseRecord<'a> {
    pub packet: &'a Packet<'a>,
    pub dir: Dir,
    pub flow: Option<FlowView<'a>>,
    pub block: &'a Block,
    /// The name in the traffic, when it was one that was met.
    pub name: &'a [u8],
    /// Flows and packets that met it since it was told last, this one included.
    pub met: u64,
    /// Packets are dropped.
    pub enforced: bool,
}

/// A packet that belongs to a flow, before the flow's streams and rules see it.
#[derive(Clone, Copy)]
pub struct PacketSeen<'a> {
    pub packet: &'a Packet<'a>,
    /// The flow's place among the live ones, below `max_flows`. It is also the low bits of EVE's `flow_id`, as many as
    /// `max_flows` rounded up to a power of two has.
    pub place: usize,
    /// What is seldom needed of the flow, its `flow_id` among it. Not read yet.
    pub cold: &'a Cold,
    /// Direction of the packet in its flow.
    pub dir: Dir,
    /// It opened the flow.
    pub new: bool,
    /// What is known of the flow so far, bits of [`crate::flow::flag`].
    pub flags: u32,
}

/// Takes events as they happen. Called on the hot path: must not block.
pub trait EventSink {
    fn event(&mut self, event: Event<'_>);

    /// Bytes of a file, in order, when the engine was told so ([`crate::app::AppConfig`]); `file` is its number
    /// ([`FileView::serial`]). Whether it is to be kept is told at its end ([`Event::File`]).
    fn file_bytes(&mut self, _file: u64, _bytes: &[u8]) {}

    /// A decision of a policy ([`crate::policy`]).
    fn policy(&mut self, _record: &PolicyRecord<'_>) {}

    /// Something blocked or marked was met ([`crate::response`]).
    fn response(&mut self, _record: &ResponseRecord<'_>) {}

    /// Rules that matched on a packet of a flow gave it variables (`pcre` with `pkt:NAME`), which are in the flow's view. After its
    /// alerts.
    fn vars(&mut self, _packet: &Packet<'_>, _dir: Dir, _flow: &FlowView<'_>) {}

    /// Bytes of a packet that goes on are to be replaced by others, from the offset `at` of its data on (`replace`): only where
    /// verdicts are obeyed. Checksums are the caller's to mend.
    fn replace(&mut self, _packet: &Packet<'_>, _at: usize, _bytes: &[u8]) {}

    /// An ARP message; [`Packet::l3_hdr`] says where it lies.
    fn arp(&mut self, _packet: &Packet<'_>) {}

    /// Every packet with a flow, when the engine was told so ([`crate::engine::Config::tell_packets`]).
    fn packet(&mut self, _seen: &PacketSeen<'_>) {}

    /// A packet of the flow at this place will most likely come soon by [`EventSink::packet`]: what is kept of the flow
    /// may be asked for ([`crate::flow::prefetch`]).
    fn packet_soon(&mut self, _place: usize) {}
}

/// A sink that counts nothing and keeps nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoSink;

impl EventSink for NoSink {
    fn event(&mut self, _event: Event<'_>) {}
}
