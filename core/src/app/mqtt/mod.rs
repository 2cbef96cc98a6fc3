//! MQTT 3.1, 3.1.1 and 5.0: what belongs together is one transaction, a connection with its answer, a message with all
//! that confirms it, a subscription with its answer.
//!
//! In: the bytes of a connection. Out: transactions that keep their packets as they came, bounded by
//! `app-layer.protocols.mqtt.max-msg-length` each and [`PACKETS_MAX`] in number; what is longer is passed over and
//! recorded as truncated. [`message`] finds fields in them when rules or records ask. Keywords and record as in
//! Suricata 8 (rules/mqtt-keywords, output/eve/eve-json-format).

mod log;
mod message;
#[cfg(test)]
mod tests;

use self::message::{
    CLEAN_SESSION, CONNACK, CONNECT, Head, Message, PASSWORD, PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL,
    SUBACK, SUBSCRIBE, Stop, TYPES, UNSUBACK, UNSUBSCRIBE, USERNAME, WILL, WILL_RETAIN,
};
use super::hosted::{Protocol, Transactions, make};
use super::ration::Ration;
use super::skip::Skip;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    Outcome, Probe, ProtoDef, Recognise, TxIdx, TxView, Verdict, buffer_at, event_at, frame, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Packets of a transaction that are kept.
const PACKETS_MAX: u8 = 16;
/// Bytes of packets that have a transaction by ration ([`Ration`]).
const SMALL: usize = 4;
/// Codes of one packet that rules look at.
const CODES_MAX: usize = 256;
/// Bytes before a packet that is kept: whether it was too long, and its length.
const MARK: usize = 5;

const fn buffer(name: &'static str, kind: BufferKind) -> BufferDef {
    BufferDef {
        name,
        aliases: &[],
        modifiers: &[],
        dirs: Dir::ToServer.bit() | Dir::ToClient.bit(),
        progress: 1,
        kind,
    }
}

const B_PROTOCOL: u8 = buffer_at(BUFFERS, "mqtt.connect.protocol_string");
const B_CLIENT: u8 = buffer_at(BUFFERS, "mqtt.connect.clientid");
const B_USER: u8 = buffer_at(BUFFERS, "mqtt.connect.username");
const B_PASSWORD: u8 = buffer_at(BUFFERS, "mqtt.connect.password");
const B_WILL_TOPIC: u8 = buffer_at(BUFFERS, "mqtt.connect.willtopic");
const B_WILL_MESSAGE: u8 = buffer_at(BUFFERS, "mqtt.connect.willmessage");
const B_TOPIC: u8 = buffer_at(BUFFERS, "mqtt.publish.topic");
const B_MESSAGE: u8 = buffer_at(BUFFERS, "mqtt.publish.message");
const B_SUBSCRIBE: u8 = buffer_at(BUFFERS, "mqtt.subscribe.topic");

/// A transaction is inspected in the direction of the packet that began it.
static BUFFERS: &[BufferDef] = &[
    buffer("mqtt.connect.protocol_string", BufferKind::Single),
    buffer("mqtt.connect.clientid", BufferKind::Single),
    buffer("mqtt.connect.username", BufferKind::Single),
    buffer("mqtt.connect.password", BufferKind::Single),
    buffer("mqtt.connect.willtopic", BufferKind::Single),
    buffer("mqtt.connect.willmessage", BufferKind::Single),
    buffer("mqtt.publish.topic", BufferKind::Single),
    buffer("mqtt.publish.message", BufferKind::Single),
    buffer("mqtt.subscribe.topic", BufferKind::Multi),
    buffer("mqtt.unsubscribe.topic", BufferKind::Multi),
    frame("frame:mqtt.pdu"),
    frame("frame:mqtt.header"),
    frame("frame:mqtt.data"),
    frame("frame:mqtt.stream"),
];

/// A packet, its fixed header, and what follows that.
const F_PDU: u8 = buffer_at(BUFFERS, "frame:mqtt.pdu");
const F_HEADER: u8 = buffer_at(BUFFERS, "frame:mqtt.header");
const F_DATA: u8 = buffer_at(BUFFERS, "frame:mqtt.data");

const fn int(name: &'static str, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef {
        name,
        aliases: &[],
        dirs: Dir::ToServer.bit() | Dir::ToClient.bit(),
        progress: 1,
        multi: true,
        values,
    }
}

const I_TYPE: u8 = int_at(INTS, "mqtt.type");
const I_FLAGS: u8 = int_at(INTS, "mqtt.flags");
const I_QOS: u8 = int_at(INTS, "mqtt.qos");
const I_CODE: u8 = int_at(INTS, "mqtt.reason_code");
const I_VERSION: u8 = int_at(INTS, "mqtt.protocol_version");
const I_CONNECT: u8 = int_at(INTS, "mqtt.connect.flags");

static INTS: &[IntDef] = &[
    int("mqtt.type", TYPES),
    int("mqtt.flags", &[("dup", 8), ("retain", 1)]),
    int("mqtt.qos", &[]),
    IntDef { aliases: &["mqtt.connack.return_code"], ..int("mqtt.reason_code", &[]) },
    IntDef { multi: false, ..int("mqtt.protocol_version", &[]) },
    int(
        "mqtt.connect.flags",
        &[
            ("username", USERNAME as u64),
            ("password", PASSWORD as u64),
            ("will_retain", WILL_RETAIN as u64),
            ("will", WILL as u64),
            ("clean_session", CLEAN_SESSION as u64),
        ],
    ),
    int("mqtt.connack.session_present", &[("true", 1), ("yes", 1), ("false", 0), ("no", 0)]),
];

const EV_NO_CONNECT: u8 = event_at(EVENTS, "missing_connect");
const EV_NO_PUBLISH: u8 = event_at(EVENTS, "missing_publish");
const EV_NO_SUBSCRIBE: u8 = event_at(EVENTS, "missing_subscribe");
const EV_NO_UNSUBSCRIBE: u8 = event_at(EVENTS, "missing_unsubscribe");
const EV_AGAIN: u8 = event_at(EVENTS, "double_connect");
const EV_UNINTRODUCED: u8 = event_at(EVENTS, "unintroduced_message");
const EV_QOS: u8 = event_at(EVENTS, "invalid_qos_level");
const EV_NO_ID: u8 = event_at(EVENTS, "missing_msg_id");
const EV_UNASSIGNED: u8 = event_at(EVENTS, "unassigned_msg_type");
const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_traffic");
const EV_PACKETS: u8 = event_at(EVENTS, "too_many_messages");

static EVENTS: &[&str] = &[
    "missing_connect",
    "missing_publish",
    "missing_subscribe",
    "missing_unsubscribe",
    "double_connect",
    "unintroduced_message",
    "invalid_qos_level",
    "missing_msg_id",
    "unassigned_msg_type",
    "too_many_transactions",
    "malformed_traffic",
    "too_many_messages",
];

/// `mqtt`.
pub static MQTT: ProtoDef = ProtoDef {
    name: "mqtt",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        probes: &[Probe { over: OVER_TCP, ports: &[1883], probe: probe_mqtt, dirs: 3, min_bytes: 0 }],
        ..Recognise::NONE
    },
    parser: Some(make::<Mqtt>),
    record: "mqtt",
    bounded: true,
    ..ProtoDef::NONE
};

fn probe_mqtt(b: &[u8], _: Dir) -> Verdict {
    let Some(&first) = b.first() else { return Verdict::Unsure };
    if first >> 4 == 0 || first >> 1 & 3 == 3 {
        return Verdict::No;
    }
    match Head::read(b) {
        Ok(_) => Verdict::Yes,
        Err(Stop::Short) => Verdict::Unsure,
        Err(Stop::Broken) => Verdict::No,
    }
}

/// What answers a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    #[default]
    Nothing,
    Connack,
    /// PUBACK, or PUBREC, PUBREL and PUBCOMP.
    Confirmation,
    Suback,
    Unsuback,
}

/// Packets that belong together.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Each behind its [`MARK`].
    packets: PBuf,
    count: u8,
    version: u8,
    awaits: Awaits,
    id: u16,
    /// Who began it.
    by: Dir,
    /// Topics of one packet that rules look at, to subscribe and to unsubscribe.
    topics: [u16; 2],
}

impl Exchange {
    fn messages<'a>(&self, pool: &'a BytePool) -> impl Iterator<Item = Message<'a>> + use<'a> {
        let (mut rest, version) = (self.packets.get(pool), self.version);
        core::iter::from_fn(move || {
            let [cut, a, b, c, d, tail @ ..] = rest else { return None };
            let (packet, next) = tail.split_at_checked(u32::from_le_bytes([*a, *b, *c, *d]) as usize)?;
            rest = next;
            if *cut == 0 {
                return Message::read(packet, version);
            }
            let head = Head::read(packet).ok()?;
            Some(Message { head, body: &[], truncated: true, version })
        })
    }

    fn first_of<'a>(&self, pool: &'a BytePool, kind: u8) -> Option<Message<'a>> {
        self.messages(pool).find(|m| m.head.kind == kind)
    }
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    version: u8,
    connected: bool,
    /// Bytes of a packet that is too long to be looked at, per direction.
    skip: Skip,
    waiting: u32,
    ration: Ration,
}

/// The parser.
pub struct Mqtt {
    /// Transactions of a flow that wait for an answer; each answer walks them to find its own.
    waiting: u32,
    max: usize,
    topics: [u16; 2],
}

type Flow<'a> = Transactions<'a, Exchange>;

/// Events are told where the transaction is inspected.
fn raise(flow: &mut Flow<'_>, tx: TxIdx, ev: u8) {
    let t = flow.get(tx);
    t.common.raise(ev, t.own.by);
}

/// A packet on its way into a transaction.
struct Packet<'a> {
    bytes: &'a [u8],
    head: Head,
    dir: Dir,
    truncated: bool,
}

impl Mqtt {
    fn open(&self, s: &State, flow: &mut Flow<'_>, p: &Packet<'_>, cx: &mut AppCx<'_>) -> Option<TxIdx> {
        let tx = flow.open(cx.now)?;
        let own = &mut flow.get(tx).own;
        own.by = p.dir;
        own.version = s.version;
        own.topics = self.topics;
        Self::add(flow, tx, p, cx);
        // The other direction has no part in it.
        flow.get(tx).common.settle(p.dir.flip());
        Some(tx)
    }

    fn add(flow: &mut Flow<'_>, tx: TxIdx, p: &Packet<'_>, cx: &mut AppCx<'_>) {
        let t = flow.get(tx);
        if t.own.count >= PACKETS_MAX {
            raise(flow, tx, EV_PACKETS);
            return;
        }
        t.own.count += 1;
        cx.frames.of_tx(t.common.id);
        if !cx.shown {
            return;
        }
        let kept = if p.truncated { p.bytes.get(..p.head.size).unwrap_or(&[]) } else { p.bytes };
        let [a, b, c, d] = (kept.len() as u32).to_le_bytes();
        let from = t.own.packets.len();
        if t.own.packets.reserve(cx.pool, from + MARK + kept.len()).is_ok() {
            // There is room for both now.
            let _ = t.own.packets.extend(cx.pool, &[u8::from(p.truncated), a, b, c, d]);
            let _ = t.own.packets.extend(cx.pool, kept);
        }
    }

    /// Nothing more belongs to it.
    fn complete(flow: &mut Flow<'_>, tx: TxIdx) {
        let t = flow.get(tx);
        t.common.advance_both(1);
        // It is its beginner's, with its answers: rules look at it once.
        t.common.settle(t.own.by.flip());
    }

    /// A transaction of one packet.
    /// Of the smallest, which a flood can have many of, some have none.
    fn alone(&self, s: &mut State, flow: &mut Flow<'_>, p: &Packet<'_>, cx: &mut AppCx<'_>) -> Option<TxIdx> {
        if p.bytes.len() <= SMALL && !s.ration.take(true, cx.now) {
            return None;
        }
        let tx = self.open(s, flow, p, cx)?;
        Self::complete(flow, tx);
        Some(tx)
    }

    /// A transaction that something is to answer. Of too many the oldest gives up.
    fn ask(
        &self,
        s: &mut State,
        flow: &mut Flow<'_>,
        p: &Packet<'_>,
        waits: (Awaits, u16),
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        let tx = self.open(s, flow, p, cx)?;
        let own = &mut flow.get(tx).own;
        (own.awaits, own.id) = waits;
        flow.wait(tx);
        s.waiting += 1;
        if s.waiting > self.waiting
            && let Some(oldest) = flow.waiting(|_| true)
        {
            raise(flow, oldest, EV_MANY);
            Self::finish(s, flow, oldest);
        }
        Some(tx)
    }

    fn finish(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx) {
        if flow.peek(tx).own.awaits != Awaits::Nothing {
            flow.answered(tx);
            s.waiting = s.waiting.saturating_sub(1);
            flow.get(tx).own.awaits = Awaits::Nothing;
        }
        Self::complete(flow, tx);
    }

    /// Puts an answer to what it answers; what answers nothing is alone, with event `ev`.
    fn answer(
        &self,
        s: &mut State,
        flow: &mut Flow<'_>,
        p: &Packet<'_>,
        (what, id, ev): (Awaits, u16, u8),
        cx: &mut AppCx<'_>,
    ) {
        // What is sent on by the side that began is a PUBREL.
        let by = if p.head.kind == PUBREL { p.dir } else { p.dir.flip() };
        let asked = |t: &Tx<Exchange>| t.own.awaits == what && t.own.id == id && t.own.by == by;
        let Some(tx) = flow.waiting(asked) else {
            if let Some(tx) = self.alone(s, flow, p, cx) {
                raise(flow, tx, ev);
            }
            return;
        };
        Self::add(flow, tx, p, cx);
        if !matches!(p.head.kind, PUBREC | PUBREL) {
            Self::finish(s, flow, tx);
        }
    }

    /// A whole packet, or the beginning of one that is passed over.
    fn packet(
        &self,
        s: &mut State,
        flow: &mut Flow<'_>,
        p: &Packet<'_>,
        cx: &mut AppCx<'_>,
    ) -> Result<(), ()> {
        if p.truncated {
            self.alone(s, flow, p, cx);
            return Ok(());
        }
        let head = p.head;
        if head.kind == 0 {
            if let Some(tx) = self.alone(s, flow, p, cx) {
                raise(flow, tx, EV_UNASSIGNED);
            }
            return Ok(());
        }
        if head.kind == CONNECT
            && let Some(c) = p.bytes.get(head.size..).and_then(message::Connect::read)
        {
            s.version = c.version;
        }
        let m = Message::read(p.bytes, s.version).filter(Message::is_sound).ok_or(())?;
        let r = m.rest().unwrap_or_default();
        let id = r.id.unwrap_or(0);
        let began = match head.kind {
            CONNECT => {
                let again = s.connected || flow.waiting(|t| t.own.awaits == Awaits::Connack).is_some();
                let tx = self.ask(s, flow, p, (Awaits::Connack, 0), cx);
                if again && let Some(tx) = tx {
                    raise(flow, tx, EV_AGAIN);
                }
                return Ok(());
            }
            CONNACK => {
                s.connected |= r.code == Some(0);
                self.answer(s, flow, p, (Awaits::Connack, 0, EV_NO_CONNECT), cx);
                return Ok(());
            }
            PUBACK..=PUBCOMP => {
                self.answer(s, flow, p, (Awaits::Confirmation, id, EV_NO_PUBLISH), cx);
                return Ok(());
            }
            SUBACK => {
                self.answer(s, flow, p, (Awaits::Suback, id, EV_NO_SUBSCRIBE), cx);
                return Ok(());
            }
            UNSUBACK => {
                self.answer(s, flow, p, (Awaits::Unsuback, id, EV_NO_UNSUBSCRIBE), cx);
                return Ok(());
            }
            PUBLISH if matches!(head.qos(), 1 | 2) => self.ask(s, flow, p, (Awaits::Confirmation, id), cx),
            SUBSCRIBE => self.ask(s, flow, p, (Awaits::Suback, id), cx),
            UNSUBSCRIBE => self.ask(s, flow, p, (Awaits::Unsuback, id), cx),
            _ => self.alone(s, flow, p, cx),
        };
        let Some(tx) = began else { return Ok(()) };
        if !s.connected {
            raise(flow, tx, EV_UNINTRODUCED);
        }
        if head.kind == PUBLISH && head.qos() == 3 {
            raise(flow, tx, EV_QOS);
        }
        // A number of 0 is none (2.2.1).
        if r.id == Some(0) {
            raise(flow, tx, EV_NO_ID);
        }
        Ok(())
    }

    fn malformed(flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) -> Outcome {
        if let Some(tx) = flow.open(cx.now) {
            let t = flow.get(tx);
            t.own.by = dir;
            t.common.raise(EV_MALFORMED, dir);
            Self::complete(flow, tx);
        }
        Outcome::Failed
    }
}

impl Protocol for Mqtt {
    type State = State;
    type Own = Exchange;

    fn new(cfg: &AppConfig) -> Self {
        Mqtt {
            waiting: cfg.waiting("mqtt"),
            max: cfg.mqtt.max_message,
            topics: [cfg.mqtt.subscribe_topics, cfg.mqtt.unsubscribe_topics],
        }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !s.skip.gap(input.dir, input.gap) {
            return Outcome::Failed;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            let passed = s.skip.take(input.dir, rest.len());
            if passed > 0 {
                at += passed;
                continue;
            }
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            let head = match Head::read(rest) {
                Ok(head) => head,
                Err(Stop::Short) => return Outcome::Consumed { bytes: at, need: 0 },
                Err(Stop::Broken) => return Self::malformed(flow, input.dir, cx),
            };
            let whole = head.size + head.len;
            let truncated = head.len > self.max;
            if !truncated && rest.len() < whole {
                return Outcome::Consumed { bytes: at, need: whole };
            }
            let used = if truncated { head.size } else { whole };
            let bytes = rest.get(..used).unwrap_or(rest);
            cx.frames.begin(F_PDU, rest, Some(whole as u64));
            cx.frames.begin(F_HEADER, rest, Some(head.size as u64));
            if let Some(data) = rest.get(head.size..).filter(|_| head.len > 0) {
                cx.frames.begin(F_DATA, data, Some(head.len as u64));
            }
            if truncated {
                s.skip.over(input.dir, head.len);
            }
            let p = Packet { bytes, head, dir: input.dir, truncated };
            if self.packet(s, flow, &p, cx).is_err() {
                return Self::malformed(flow, input.dir, cx);
            }
            at += used;
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.packets.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let (own, pool) = (&tx.own, at.pool);
        let connect = || own.first_of(pool, CONNECT)?.connect();
        let publish = || own.first_of(pool, PUBLISH).filter(|m| !m.truncated)?.rest();
        let topic = |kind, most: u16| {
            own.first_of(pool, kind)?.topics().take(usize::from(most)).nth(at.index as usize).map(|t| t.0)
        };
        let found = match at.local {
            B_SUBSCRIBE => topic(SUBSCRIBE, own.topics[0]),
            n if n > B_SUBSCRIBE => topic(UNSUBSCRIBE, own.topics[1]),
            _ if at.index > 0 => None,
            B_PROTOCOL => connect().map(|c| c.protocol),
            B_CLIENT => connect().map(|c| c.client_id),
            B_USER => connect().and_then(|c| c.username),
            B_PASSWORD => connect().and_then(|c| c.password),
            B_WILL_TOPIC => connect().and_then(|c| c.will_topic),
            B_WILL_MESSAGE => connect().and_then(|c| c.will_message),
            B_TOPIC => publish().and_then(|r| r.topic),
            B_MESSAGE => publish().map(|r| r.payload),
            _ => None,
        };
        match found {
            Some(v) => Buffer::whole(v),
            None if tx.common.progress(at.dir) > 0 => Buffer::Absent,
            None => Buffer::NotYet,
        }
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        let (own, index) = (&tx.own, at.index as usize);
        let nth = |of: fn(&Message<'_>) -> u64| own.messages(at.pool).nth(index).map(|m| of(&m));
        match at.local {
            I_VERSION => (index == 0).then_some(u64::from(own.version)),
            I_TYPE => nth(|m| u64::from(m.head.kind)),
            I_FLAGS => nth(|m| u64::from(m.head.flags & 9)),
            I_QOS => nth(|m| u64::from(m.head.qos())),
            I_CODE => own.messages(at.pool).flat_map(|m| m.codes().take(CODES_MAX)).nth(index).map(u64::from),
            I_CONNECT => {
                own.messages(at.pool).filter_map(|m| m.connect()).nth(index).map(|c| u64::from(c.flags))
            }
            _ => own.messages(at.pool).filter_map(|m| m.rest()?.session_present).nth(index).map(u64::from),
        }
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(Self::COMPLETE) { self.log_at_end(tx) } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        // Nothing is there to show of what could not be read.
        if tx.own.packets.is_empty() { 0 } else { LOG_WHOLE }
    }
}
