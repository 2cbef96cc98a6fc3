//! Modbus/TCP: what is read and written, and how that was answered.
//!
//! In: a stream of messages. Out: a transaction a request with its answer. Both are kept as they came, at most 260 bytes each,
//! and read when they are asked for.

mod log;
mod message;
mod names;
#[cfg(test)]
mod tests;

use super::counted::{self, Head, Part, Reader};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{MODBUS_BEGINS, be16};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP, Outcome, ProtoDef, TxIdx,
    TxView, event_at, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};
use message::{Data, HEAD, read};
use names::error;

pub use names::{access, category};

/// Requests without an answer that are no flood yet.
const FLOOD: usize = 500;

/// Numbers that the keyword `modbus` tests; they have no keywords of their own.
const fn number(name: &'static str) -> IntDef {
    IntDef { name, aliases: &[], dirs: 1, progress: 0, multi: false, values: &[] }
}

static INTS: &[IntDef] = &[
    number("modbus.unit"),
    number("modbus.function"),
    number("modbus.subfunction"),
    number("modbus.category"),
    number("modbus.access"),
    number("modbus.first_address"),
    number("modbus.last_address"),
    // Addresses with the values that are written to them.
    IntDef { multi: true, ..number("modbus.written") },
];
const I_UNIT: u8 = int_at(INTS, "modbus.unit");
const I_FUNCTION: u8 = int_at(INTS, "modbus.function");
const I_SUB: u8 = int_at(INTS, "modbus.subfunction");
const I_CATEGORY: u8 = int_at(INTS, "modbus.category");
const I_ACCESS: u8 = int_at(INTS, "modbus.access");
const I_FIRST: u8 = int_at(INTS, "modbus.first_address");
const I_LAST: u8 = int_at(INTS, "modbus.last_address");

static EVENTS: &[&str] = &[
    "invalid_protocol_id",
    "unsolicited_response",
    "invalid_length",
    "invalid_function_code",
    "invalid_value",
    "invalid_exception_code",
    "value_mismatch",
    "flooded",
];
const EV_PROTOCOL: u8 = event_at(EVENTS, "invalid_protocol_id");
const EV_UNASKED: u8 = event_at(EVENTS, "unsolicited_response");
const EV_LENGTH: u8 = event_at(EVENTS, "invalid_length");
const EV_FUNCTION: u8 = event_at(EVENTS, "invalid_function_code");
const EV_VALUE: u8 = event_at(EVENTS, "invalid_value");
const EV_EXCEPTION: u8 = event_at(EVENTS, "invalid_exception_code");
const EV_MISMATCH: u8 = event_at(EVENTS, "value_mismatch");
const EV_FLOODED: u8 = event_at(EVENTS, "flooded");

/// `modbus`.
pub static MODBUS: ProtoDef = ProtoDef {
    name: "modbus",
    over: OVER_TCP,
    ints: INTS,
    events: EVENTS,
    recognise: MODBUS_BEGINS,
    parser: Some(make::<Modbus>),
    record: "modbus",
    ..ProtoDef::NONE
};

/// A request and its answer, as they came.
#[derive(Debug, Default)]
pub struct Exchange {
    bytes: [PBuf; 2],
    transaction: u16,
}

#[derive(Debug, Default)]
pub struct State {
    left: [usize; 2],
    pending: usize,
}

pub struct Modbus;

type Flow<'a> = Transactions<'a, Exchange>;

impl State {
    fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        flow.answered(tx);
        self.pending = self.pending.saturating_sub(1);
        let c = &mut flow.get(tx).common;
        c.advance_both(1);
        c.touch_both();
    }

    fn message(&mut self, flow: &mut Flow<'_>, b: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let answer = dir == Dir::ToClient;
        let Some(m) = read(b, answer) else {
            return flow.raise(EV_LENGTH, dir, cx.now);
        };
        let found = if answer { flow.waiting(|t| t.own.transaction == m.transaction) } else { None };
        let mut flooded = false;
        let tx = match found {
            Some(tx) => tx,
            None => {
                if self.pending >= FLOOD
                    && let Some(old) = flow.waiting(|_| true)
                {
                    flooded = true;
                    self.finish(flow, old);
                }
                let Some(tx) = flow.open(cx.now) else { return };
                self.pending += 1;
                flow.wait(tx);
                tx
            }
        };
        let t = flow.get(tx);
        t.own.transaction = m.transaction;
        // Without room the record says less.
        let _full = t.own.bytes[dir.ix()].extend(cx.pool, b);
        let c = &mut t.common;
        for (bit, ev) in [
            (error::VALUE, EV_VALUE),
            (error::LENGTH, EV_LENGTH),
            (error::EXCEPTION, EV_EXCEPTION),
            (error::FUNCTION, EV_FUNCTION),
            (error::PROTOCOL, EV_PROTOCOL),
        ] {
            if m.errors & bit != 0 {
                c.raise(ev, dir);
            }
        }
        if flooded {
            c.raise(EV_FLOODED, dir);
        }
        if !answer {
            c.advance(dir, 1);
            return;
        }
        match read(t.own.bytes[0].get(cx.pool), false) {
            Some(request) if !m.answers(&request) => c.raise(EV_MISMATCH, dir),
            Some(_) => {}
            None => c.raise(EV_UNASKED, dir),
        }
        self.finish(flow, tx);
    }
}

impl Reader<Exchange> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.left[dir.ix()]
    }

    fn head(&mut self, rest: &[u8], _: Dir) -> Head {
        // The length counts the unit and what follows; of a message whose length cannot be right the head is read.
        match be16(rest, 4) {
            None => Head::More(6),
            Some(len @ 2..=254) => {
                let whole = HEAD - 1 + usize::from(len);
                Head::Record { whole, first: whole }
            }
            Some(len) => Head::Record { whole: HEAD - 1 + usize::from(len), first: HEAD - 1 },
        }
    }

    fn part(&mut self, part: Part<'_>, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        if let Part::First { bytes, .. } = part {
            self.message(flow, bytes, dir, cx);
        }
    }

    fn lost(&mut self, _: Dir) -> bool {
        false
    }
}

impl Protocol for Modbus {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Modbus
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        counted::read(s, flow, input, cx)
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.bytes.iter_mut().for_each(|b| b.free(pool));
    }

    fn buffer<'a>(&'a self, _: &'a Tx<Exchange>, _: BufferAt<'a>) -> Buffer<'a> {
        Buffer::Absent
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        let m = read(tx.own.bytes[0].get(at.pool), false).filter(|_| at.dir == Dir::ToServer)?;
        Some(match at.local {
            I_UNIT..=I_LAST if at.index > 0 => return None,
            I_UNIT => u64::from(m.unit),
            I_FUNCTION => u64::from(m.function),
            I_SUB => match m.data {
                Data::Diagnostic(sub, _) => u64::from(sub),
                Data::Interface(kind, _) => u64::from(kind),
                _ => return None,
            },
            I_CATEGORY => u64::from(m.category),
            I_ACCESS => u64::from(m.access),
            I_FIRST => u64::from(m.addresses()?.0),
            I_LAST => u64::from(m.addresses()?.1),
            _ => {
                let (address, value) = m.value(at.index)?;
                u64::from(address) << 16 | u64::from(value)
            }
        })
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(tx.common.id, view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    /// One that only an event was raised on has no record.
    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.bytes.iter().all(PBuf::is_empty) { 0 } else { LOG_WHOLE }
    }
}
