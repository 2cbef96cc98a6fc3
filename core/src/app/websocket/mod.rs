//! WebSocket (RFC 6455) behind an HTTP upgrade: a transaction a frame, as in Suricata; the last frame of a message has
//! all of the message. What is kept of payloads is bounded by `app-layer.protocols.websocket.max-payload-size`.

mod frame;
mod inflate;
pub mod message;
#[cfg(test)]
mod tests;

use self::frame::OPCODES;
use self::message::{Fault, Frame, Line, Messages, Sink};
use super::bodies::{Bodies, BodyCx, BodyId, Carrier, Ended, Lodging, NoHead, Origin};
use super::hosted::{Protocol, Transactions, make};
use super::ration::Ration;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_REQUEST,
    LOG_RESPONSE, OVER_TCP, Outcome, ProtoDef, TxIdx, TxView, Wanted,
};
use crate::Dir;
use crate::app::{buffer_at, event_at, int_at};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};

/// Transactions of a flow that wait for the end of a segment; frames beyond have none, which is told.
const LIVE_MAX: u32 = 2048;
/// Records of frames with less payload are rationed: a frame can be two bytes.
const SMALL: u64 = 16;

const B_PAYLOAD: u8 = buffer_at(BUFFERS, "websocket.payload");
const B_HEADER: u8 = buffer_at(BUFFERS, "frame:websocket.header");
const B_PDU: u8 = buffer_at(BUFFERS, "frame:websocket.pdu");
const B_DATA: u8 = buffer_at(BUFFERS, "frame:websocket.data");

const fn buffer(name: &'static str) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs: 3, progress: 1, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] = &[
    buffer("websocket.payload"),
    buffer("frame:websocket.header"),
    buffer("frame:websocket.pdu"),
    buffer("frame:websocket.data"),
];

const I_FLAGS: u8 = int_at(INTS, "websocket.flags");
const I_MASK: u8 = int_at(INTS, "websocket.mask");

const fn int(name: &'static str, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs: 3, progress: 1, multi: false, values }
}

static INTS: &[IntDef] = &[
    int("websocket.flags", &[("fin", 0x80), ("comp", 0x40)]),
    int("websocket.mask", &[]),
    int("websocket.opcode", OPCODES),
];

const EV_SKIP: u8 = event_at(EVENTS, "skip_end_of_payload");
const EV_LIMIT: u8 = event_at(EVENTS, "reassembly_limit_reached");
const EV_GAP: u8 = event_at(EVENTS, "gap");

static EVENTS: &[&str] = &[
    "skip_end_of_payload",
    "reassembly_limit_reached",
    "invalid_fragment",
    "invalid_control_frame",
    "invalid_opcode",
    "invalid_mask",
    "decompression_failed",
    "no_decompressor",
    "gap",
];

const fn event_of(fault: Fault) -> u8 {
    match fault {
        Fault::Fragment => event_at(EVENTS, "invalid_fragment"),
        Fault::Control => event_at(EVENTS, "invalid_control_frame"),
        Fault::Opcode => event_at(EVENTS, "invalid_opcode"),
        Fault::Mask => event_at(EVENTS, "invalid_mask"),
        Fault::Inflate => event_at(EVENTS, "decompression_failed"),
        Fault::Room => event_at(EVENTS, "no_decompressor"),
    }
}

/// `websocket`: nothing marks its beginning, it is reached by `101 Switching Protocols` only.
pub static WEBSOCKET: ProtoDef = ProtoDef {
    name: "websocket",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    parser: Some(make::<WebSocket>),
    record: "websocket",
    by_message: true,
    ..ProtoDef::NONE
};

/// A frame.
#[derive(Debug, Default)]
pub struct Own {
    to_client: bool,
    flags: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    /// Unmasked and decompressed; of a message's last frame all of the message.
    payload: PBuf,
    /// As it came: the header, and the payload if a rule looks at it.
    wire: PBuf,
    header: u8,
    /// It has no record.
    quiet: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    lines: [Line; 2],
    /// The frame under way.
    open: [Option<TxIdx>; 2],
    /// The frames of the message before it.
    gathered: [PBuf; 2],
    ration: Ration,
    /// The guest that reads the messages; taken from the flow with the first bytes.
    bodies: BodyId,
    begun: bool,
}

/// Messages have no head; that of the upgrade was told when they began.
const ORIGIN: Origin<'_> = Origin { carrier: Carrier::WebSocket, tx: 0, head: &NoHead };

/// The parser.
pub struct WebSocket {
    messages: Messages,
    max: usize,
}

type Flow<'a> = Transactions<'a, Own>;

/// Writes what is read to transactions.
struct Writer<'a, 'f> {
    flow: &'a mut Flow<'f>,
    open: &'a mut Option<TxIdx>,
    gathered: &'a mut PBuf,
    ration: &'a mut Ration,
    max: usize,
    /// Somebody looks at headers as they came; at payload as it came.
    heads: bool,
    /// Rules look at some field of frames.
    looked: bool,
    raw: bool,
    /// Rules look at payload as it was meant.
    payloads: bool,
    now: u64,
    guest: BodyId,
    bodies: &'a mut Bodies,
    lodging: &'a mut Lodging,
    scratch: &'a mut Scratch,
    cfg: &'a AppConfig,
    shown: bool,
}

impl Writer<'_, '_> {
    /// Tells the guest of payload, or that the message is whole.
    fn tell(&mut self, f: &Frame, bytes: Option<&[u8]>, pool: &mut BytePool) {
        if !self.guest.is_read() || f.head.is_control() {
            return;
        }
        let mut cx = BodyCx {
            pool,
            scratch: self.scratch,
            cfg: self.cfg,
            now: self.now,
            shown: self.shown,
            lodging: self.lodging,
            wanted: Wanted::default(),
        };
        match bytes {
            Some(b) => self.bodies.data(self.guest, f.dir, b, &ORIGIN, &mut cx),
            None => self.bodies.mark(self.guest, f.dir, &ORIGIN, &mut cx),
        }
    }
}

/// Appends what fits; whether that is all.
fn fill(to: &mut PBuf, bytes: &[u8], max: usize, pool: &mut BytePool) -> bool {
    let fits = bytes.len().min(max.saturating_sub(to.len()));
    to.extend(pool, bytes.get(..fits).unwrap_or(&[])).is_ok() && fits == bytes.len()
}

/// Appends what another buffer holds, as far as there is memory.
fn append(to: &mut PBuf, more: &PBuf, pool: &mut BytePool) {
    let had = to.len();
    if to.stretch(pool, had + more.len()).is_ok() {
        pool.copy_between(more, 0, to, had, more.len());
    }
}

impl Sink for Writer<'_, '_> {
    fn is_full(&self) -> bool {
        self.flow.is_full()
    }

    fn begin(&mut self, f: &Frame, wire: &[u8], pool: &mut BytePool) {
        if self.flow.live() >= LIVE_MAX {
            // Rules have had their turn and nothing went: what is not looked at is told.
            self.flow.raise(EV_LIMIT, f.dir, self.now);
            return;
        }
        let quiet = f.head.len < SMALL && !self.ration.take(false, self.now);
        if quiet && f.head.len == 0 && !self.looked {
            // Without a record, without payload, and no rule looks at fields of frames: nothing is left to be seen.
            *self.open = None;
            return;
        }
        *self.open = self.flow.open(self.now);
        let Some(tx) = *self.open else { return };
        let t = self.flow.get(tx);
        t.own = Own {
            to_client: f.dir == Dir::ToClient,
            flags: f.head.flags,
            opcode: f.head.opcode,
            mask: f.head.mask,
            quiet,
            ..Own::default()
        };
        if self.heads {
            t.own.header = wire.len() as u8;
            let _ = t.own.wire.extend(pool, wire);
        }
        if f.head.len > self.max as u64 {
            t.common.raise(EV_SKIP, f.dir);
        }
    }

    fn raw(&mut self, _: &Frame, bytes: &[u8], pool: &mut BytePool) {
        if let Some(tx) = *self.open
            && self.raw
        {
            let own = &mut self.flow.get(tx).own;
            fill(&mut own.wire, bytes, self.max + usize::from(own.header), pool);
        }
    }

    fn data(&mut self, f: &Frame, bytes: &[u8], pool: &mut BytePool) {
        self.tell(f, Some(bytes), pool);
        let Some(tx) = *self.open else { return };
        let t = self.flow.get(tx);
        if t.own.quiet && !self.payloads && f.head.fin() && self.gathered.is_empty() {
            // A message by itself, without a record, at which no rule looks.
            return;
        }
        let before = if f.head.is_control() { 0 } else { self.gathered.len() };
        let whole = fill(&mut t.own.payload, bytes, self.max.saturating_sub(before), pool);
        if !whole && (f.compressed || before > 0) {
            t.common.raise(EV_LIMIT, f.dir);
        }
    }

    fn fault(&mut self, f: &Frame, fault: Fault, _: &mut BytePool) {
        if let Some(tx) = *self.open {
            let t = self.flow.get(tx);
            // What is wrong with small frames by the thousand was told.
            if !t.own.quiet {
                t.common.raise(event_of(fault), f.dir);
            }
        }
    }

    fn end(&mut self, f: &Frame, pool: &mut BytePool) {
        if let Some(tx) = self.open.take() {
            let t = self.flow.get(tx);
            if !f.head.is_control() {
                if !f.head.fin() {
                    append(self.gathered, &t.own.payload, pool);
                } else if !self.gathered.is_empty() {
                    let mut all = core::mem::take(self.gathered);
                    append(&mut all, &t.own.payload, pool);
                    t.own.payload.free(pool);
                    t.own.payload = all;
                }
            }
            t.common.advance_both(1);
            // Nothing of it goes the other way.
            t.common.settle(f.dir.flip());
        }
        if f.head.fin() && !f.head.is_control() {
            self.gathered.free(pool);
            self.tell(f, None, pool);
        }
    }
}

impl Protocol for WebSocket {
    type State = State;
    type Own = Own;

    fn new(cfg: &AppConfig) -> Self {
        WebSocket { messages: Messages::new(cfg), max: cfg.websocket_max_payload }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let d = input.dir.ix();
        if !core::mem::replace(&mut s.begun, true) {
            s.bodies = cx.lodging.take_waiting();
        }
        if input.gap > 0 && s.bodies.is_read() {
            let (bodies, mut cx) = cx.bodies();
            bodies.gap(s.bodies, input.dir, u64::from(input.gap), &ORIGIN, &mut cx);
        }
        let line = &mut s.lines[d];
        let mut used = input.data.len();
        if !line.is_lost() {
            let raw = cx.wanted.has(B_PDU) || cx.wanted.has(B_DATA);
            let mut to = Writer {
                flow,
                open: &mut s.open[d],
                gathered: &mut s.gathered[d],
                ration: &mut s.ration,
                max: self.max,
                heads: raw || cx.wanted.has(B_HEADER),
                looked: !cx.wanted.is_none(),
                raw,
                payloads: cx.wanted.has(B_PAYLOAD),
                now: cx.now,
                guest: s.bodies,
                bodies: &mut *cx.bodies,
                lodging: &mut *cx.lodging,
                scratch: &mut *cx.scratch,
                cfg: cx.cfg,
                shown: cx.shown,
            };
            let gap = u64::from(input.gap);
            if gap > 0 && !self.messages.gap(line, gap, cx.pool, &mut to) {
                // The frame under way is over, and where the next begins nobody knows.
                let open = s.open[d].take();
                if let Some(tx) = open.or_else(|| flow.open(cx.now)) {
                    let t = flow.get(tx);
                    t.own.to_client = input.dir == Dir::ToClient;
                    // Without a frame there is nothing to record.
                    t.own.quiet |= open.is_none();
                    t.common.raise(EV_GAP, input.dir);
                    t.common.advance_both(1);
                    t.common.settle(input.dir.flip());
                }
            } else {
                used = self.messages.read(line, input.dir, input.data, cx.pool, &mut to);
            }
        }
        if used < input.data.len() {
            return Outcome::Full { bytes: used };
        }
        if input.eof {
            let (bodies, mut cx) = cx.bodies();
            bodies.end(s.bodies, input.dir, Ended::Whole, &ORIGIN, &mut cx);
        }
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn evicted(&self) -> u64 {
        self.messages.evicted()
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.payload.free(pool);
        own.wire.free(pool);
    }

    fn forget(s: &mut State, tx: &Tx<Own>, _: &mut AppCx<'_>) {
        if tx.common.progress(Dir::ToServer) == 0 {
            // The flow ends with this frame under way.
            s.open[usize::from(tx.own.to_client)] = None;
        }
    }

    fn release(&mut self, s: &mut State, cx: &mut AppCx<'_>) {
        let mut id = core::mem::take(&mut s.bodies);
        let (bodies, mut body) = cx.bodies();
        for d in Dir::BOTH {
            bodies.end(id, d, Ended::Whole, &ORIGIN, &mut body);
        }
        bodies.release(&mut id, &mut body);
        for d in Dir::BOTH {
            self.messages.close(&mut s.lines[d.ix()], cx.pool);
            s.gathered[d.ix()].free(cx.pool);
        }
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        let own = &tx.own;
        if at.index > 0 || (at.dir == Dir::ToClient) != own.to_client {
            return Buffer::Absent;
        }
        if tx.common.progress(at.dir) == 0 {
            return Buffer::NotYet;
        }
        let (header, data) =
            own.wire.get(at.pool).split_at_checked(usize::from(own.header)).unwrap_or_default();
        Buffer::whole(match at.local {
            B_PAYLOAD => own.payload.get(at.pool),
            B_HEADER => header,
            B_DATA => data,
            _ => own.wire.get(at.pool),
        })
    }

    fn int(&self, tx: &Tx<Own>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        if (at.dir == Dir::ToClient) != own.to_client {
            return None;
        }
        match at.local {
            I_FLAGS => Some(u64::from(own.flags)),
            I_MASK => own.mask.map(|m| u64::from(u32::from_be_bytes(m))),
            _ => Some(u64::from(own.opcode)),
        }
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        let own = &tx.own;
        out.bool("fin", own.flags & 0x80 != 0);
        if let Some(m) = own.mask {
            out.u64("mask", u64::from(u32::from_be_bytes(m)));
        }
        match OPCODES.iter().find(|o| o.1 == u64::from(own.opcode)) {
            Some((name, _)) => out.str("opcode", name),
            None => out.fmt("opcode", format_args!("unknown-{}", own.opcode)),
        }
        let payload = own.payload.get(view.pool);
        if out.wants("payload-base64") {
            out.base64("payload_base64", payload);
        }
        if out.wants("payload-printable") || out.wants("content") {
            out.bytes("payload_printable", payload);
        }
    }

    fn log_due(&self, tx: &Tx<Own>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Own>) -> u8 {
        match tx.own {
            Own { quiet: true, .. } => 0,
            Own { to_client: true, .. } => LOG_RESPONSE,
            _ => LOG_REQUEST,
        }
    }
}
