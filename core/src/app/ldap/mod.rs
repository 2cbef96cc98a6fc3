//! LDAP (RFC 4511) over TCP and UDP: requests with their answers.
//!
//! In: datagrams, or a stream of messages. Out: a transaction for each request with its answers, found by the number of the
//! message, with buffers, numbers, events and a record. A transaction keeps the messages as they came, within [`ANSWERS`].

mod log;
mod message;
mod names;
#[cfg(test)]
mod tests;

use super::hosted::{Protocol, Transactions, make};
use super::plain::{LDAP_BEGINS, be32, ber};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, AppProto, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, OVER_TCP,
    OVER_UDP, Outcome, ProtoDef, TxIdx, TxView, buffer_at, event_at, frame, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};
use message::*;

pub static LDAP: ProtoDef = ProtoDef {
    name: "ldap",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: LDAP_BEGINS,
    parser: Some(make::<Ldap>),
    record: "ldap",
    bounded: true,
    ..ProtoDef::NONE
};

const REQUESTS: u8 = 1;
const RESPONSES: u8 = 2;

const fn text(name: &'static str, dirs: u8, kind: BufferKind) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs, progress: 0, kind }
}

static BUFFERS: &[BufferDef] = &[
    text("ldap.request.dn", REQUESTS, BufferKind::Single),
    text("ldap.request.attribute_type", REQUESTS, BufferKind::Multi),
    text("ldap.responses.dn", RESPONSES, BufferKind::Multi),
    text("ldap.responses.message", RESPONSES, BufferKind::Multi),
    text("ldap.responses.attribute_type", RESPONSES, BufferKind::Multi),
    frame("frame:ldap.pdu"),
    frame("frame:ldap.stream"),
];

const B_DN: u8 = buffer_at(BUFFERS, "ldap.request.dn");
const B_ATTRIBUTE: u8 = buffer_at(BUFFERS, "ldap.request.attribute_type");
const B_ANSWER_DN: u8 = buffer_at(BUFFERS, "ldap.responses.dn");
const B_MESSAGE: u8 = buffer_at(BUFFERS, "ldap.responses.message");
const F_PDU: u8 = buffer_at(BUFFERS, "frame:ldap.pdu");
const B_ANSWER_ATTRIBUTE: u8 = buffer_at(BUFFERS, "ldap.responses.attribute_type");

const fn number(name: &'static str, dirs: u8, multi: bool, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs, progress: 0, multi, values }
}

static INTS: &[IntDef] = &[
    number("ldap.request.operation", REQUESTS, false, names::OPERATIONS),
    number("ldap.responses.operation", RESPONSES, true, names::OPERATIONS),
    number("ldap.responses.result_code", RESPONSES, true, names::RESULTS),
    number("ldap.responses.count", RESPONSES, false, &[]),
];

const I_OPERATION: u8 = int_at(INTS, "ldap.request.operation");
const I_ANSWER: u8 = int_at(INTS, "ldap.responses.operation");
const I_RESULT: u8 = int_at(INTS, "ldap.responses.result_code");

static EVENTS: &[&str] =
    &["invalid_data", "request_not_found", "too_many_transactions", "too_many_responses"];
const INVALID: u8 = event_at(EVENTS, "invalid_data");
const NOT_FOUND: u8 = event_at(EVENTS, "request_not_found");
const TOO_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const TOO_MANY_ANSWERS: u8 = event_at(EVENTS, "too_many_responses");

/// Longest message, bytes.
const LONGEST: usize = 1 << 20;
/// Bytes of a request's answers that are kept, and how many: rules walk them.
const ANSWERS: usize = 64 << 10;
const KEPT: u32 = 256;
/// Most answers of a request.
const MOST_ANSWERS: u32 = 1024;
/// Most requests that wait for their answers (`app-layer.protocols.ldap.max-tx`).
const MOST_WAITING: u32 = 256;

/// The name of a number.
fn name_of(names: &'static [(&'static str, u64)], n: u64) -> Option<&'static str> {
    names.iter().find(|(_, v)| *v == n).map(|(name, _)| *name)
}

/// A request and its answers.
#[derive(Debug, Default)]
struct Own {
    id: u64,
    /// The request, as it came.
    request: PBuf,
    /// The answers, each behind its length (four bytes).
    answers: PBuf,
    count: u32,
    /// The request asks for TLS.
    tls: bool,
}

impl Own {
    fn request<'p>(&self, pool: &'p BytePool) -> Option<Message<'p>> {
        Message::read(self.request.get(pool))
    }

    /// The answers' bytes.
    fn answers<'p>(&self, pool: &'p BytePool) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let mut rest = self.answers.get(pool);
        core::iter::from_fn(move || {
            let len = be32(rest, 0)? as usize;
            let bytes = rest.get(4..4 + len)?;
            rest = rest.get(4 + len..)?;
            Some(bytes)
        })
    }

    fn answer<'p>(&self, pool: &'p BytePool, index: u32) -> Option<Message<'p>> {
        Message::read(self.answers(pool).nth(usize::try_from(index).ok()?)?)
    }

    /// Attribute `index` of all that the answers name.
    fn answers_attribute<'p>(&self, pool: &'p BytePool, index: u32) -> Option<&'p [u8]> {
        let named = self.answers(pool).filter_map(Message::read).filter(|m| m.kind == SEARCH_ENTRY);
        let mut all = named.flat_map(|m| values(m.list().unwrap_or(&[])));
        Some(next(all.nth(usize::try_from(index).ok()?)?.1)?.0.1)
    }

    /// Keeps an answer as far as there is room.
    fn keep(&mut self, answer: &[u8], pool: &mut BytePool) {
        let from = self.answers.len();
        if from + 4 + answer.len() > ANSWERS || self.count > KEPT {
            return;
        }
        let len = (answer.len() as u32).to_be_bytes();
        let kept = self.answers.extend(pool, &len).and_then(|()| self.answers.extend(pool, answer));
        if kept.is_err() {
            self.answers.truncate(from);
        }
    }
}

/// The parser of one engine.
struct Ldap;

/// What the flow keeps.
#[derive(Debug, Default)]
struct State {
    /// Requests without their last answer.
    waiting: u32,
    /// Next protocol, when the server agrees to TLS.
    tls: bool,
}

impl State {
    /// A request's message.
    fn request(
        &mut self,
        flow: &mut Transactions<'_, Own>,
        bytes: &[u8],
        m: &Message<'_>,
        cx: &mut AppCx<'_>,
    ) {
        let Some(tx) = flow.open(cx.now) else { return };
        let t = flow.get(tx);
        cx.frames.of_tx(t.common.id);
        t.own.id = m.id;
        t.own.tls = m.is_start_tls();
        // Without room the request has no fields.
        let _full = t.own.request.extend(cx.pool, bytes);
        let c = &mut t.common;
        c.advance(Dir::ToServer, 1);
        // These are not answered.
        if matches!(m.kind, UNBIND_REQUEST | ABANDON_REQUEST) {
            c.advance_both(1);
            return;
        }
        if self.waiting >= cx.cfg.waiting_or("ldap", MOST_WAITING) {
            c.raise(TOO_MANY, Dir::ToServer);
            if let Some(oldest) = flow.waiting(|_| true) {
                self.answered(flow, oldest);
            }
        }
        flow.wait(tx);
        self.waiting += 1;
    }

    /// Its last answer came.
    fn answered(&mut self, flow: &mut Transactions<'_, Own>, tx: TxIdx) {
        flow.answered(tx);
        flow.get(tx).common.advance_both(1);
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// An answer's message.
    fn response(
        &mut self,
        flow: &mut Transactions<'_, Own>,
        bytes: &[u8],
        m: &Message<'_>,
        cx: &mut AppCx<'_>,
    ) {
        let Some(tx) = flow.waiting(|t| t.own.id == m.id) else {
            let Some(tx) = flow.open(cx.now) else { return };
            let t = flow.get(tx);
            cx.frames.of_tx(t.common.id);
            t.own.id = m.id;
            t.own.count = 1;
            t.own.keep(bytes, cx.pool);
            t.common.advance_both(1);
            // A notice that nobody asked for has the number 0 (RFC 4511 4.4).
            if m.id != 0 {
                t.common.raise(NOT_FOUND, Dir::ToClient);
            }
            return;
        };
        let t = flow.get(tx);
        cx.frames.of_tx(t.common.id);
        t.own.count += 1;
        if t.own.count > MOST_ANSWERS {
            t.common.raise(TOO_MANY_ANSWERS, Dir::ToClient);
            return self.answered(flow, tx);
        }
        t.own.keep(bytes, cx.pool);
        t.common.touch(Dir::ToClient);
        let accepted = m.result().is_some_and(|r| r.code == 0);
        self.tls |= t.own.tls && accepted;
        if !matches!(m.kind, SEARCH_ENTRY | SEARCH_REFERENCE | INTERMEDIATE) {
            self.answered(flow, tx);
        }
    }

    /// A message. `false`: it is none.
    fn message(
        &mut self,
        flow: &mut Transactions<'_, Own>,
        bytes: &[u8],
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) -> bool {
        let Some(m) = Message::read(bytes) else {
            flow.raise(INVALID, dir, cx.now);
            return false;
        };
        match dir {
            Dir::ToServer => self.request(flow, bytes, &m, cx),
            Dir::ToClient => self.response(flow, bytes, &m, cx),
        }
        true
    }
}

/// Bytes of the message at the start of `b`; `Err` with the least length that says more, 0 if it is none.
fn length(b: &[u8]) -> Result<usize, usize> {
    match ber(b) {
        Some((0x30, len, at)) => match at.checked_add(len).filter(|n| *n <= LONGEST) {
            Some(n) if n <= b.len() => Ok(n),
            Some(n) => Err(n),
            None => Err(0),
        },
        None if b.len() < 6 && b.first() == Some(&0x30) => Err(b.len() + 1),
        _ => Err(0),
    }
}

impl Protocol for Ldap {
    type State = State;
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Ldap
    }

    fn parse(
        &mut self,
        state: &mut State,
        flow: &mut Transactions<'_, Own>,
        input: Input<'_>,
        cx: &mut AppCx<'_>,
    ) -> Outcome {
        if input.gap > 0 {
            return Outcome::Failed;
        }
        let mut at = 0;
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            match length(rest) {
                Ok(n) => {
                    cx.frames.begin(F_PDU, rest, Some(n as u64));
                    if !state.message(flow, rest.get(..n).unwrap_or(rest), input.dir, cx) {
                        return Outcome::Failed;
                    }
                    at += n;
                    if state.tls && input.dir == Dir::ToClient {
                        return Outcome::Change { bytes: at, to: AppProto::by_name("tls") };
                    }
                }
                Err(need) if need > 0 && !input.datagram => return Outcome::Consumed { bytes: at, need },
                Err(_) => {
                    flow.raise(INVALID, input.dir, cx.now);
                    return Outcome::Failed;
                }
            }
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn forget(state: &mut State, tx: &Tx<Own>, _: &mut AppCx<'_>) {
        if !tx.common.both_reached(1) {
            state.waiting = state.waiting.saturating_sub(1);
        }
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.request.free(pool);
        own.answers.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        let (own, pool, i) = (&tx.own, at.pool, at.index);
        let value = match at.local {
            B_DN => own.request(pool).and_then(|m| m.dn()).filter(|_| i == 0),
            B_ATTRIBUTE => own.request(pool).and_then(|m| m.attribute(i)),
            B_ANSWER_DN => own.answers(pool).filter_map(|a| Message::read(a)?.dn()).nth(i as usize),
            B_MESSAGE => {
                own.answers(pool).filter_map(|a| Some(Message::read(a)?.result()?.message)).nth(i as usize)
            }
            B_ANSWER_ATTRIBUTE => own.answers_attribute(pool, i),
            _ if at.dir == Dir::ToServer => Some(own.request.get(pool)).filter(|r| i == 0 && !r.is_empty()),
            _ => own.answers(pool).nth(i as usize),
        };
        value.map_or(Buffer::Absent, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Own>, at: IntAt<'_>) -> Option<u64> {
        let (own, pool) = (&tx.own, at.pool);
        match at.local {
            I_OPERATION => Some(u64::from(own.request(pool).filter(|_| at.index == 0)?.kind)),
            I_ANSWER => Some(u64::from(own.answer(pool, at.index)?.kind)),
            I_RESULT => {
                let mut results = own.answers(pool).filter_map(|a| Some(Message::read(a)?.result()?.code));
                results.nth(usize::try_from(at.index).ok()?)
            }
            _ => Some(u64::from(own.count)).filter(|_| at.index == 0),
        }
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }
}
