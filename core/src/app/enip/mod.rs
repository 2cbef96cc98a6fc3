//! EtherNet/IP with the CIP in it (ODVA): sessions, identities, calls of services.
//!
//! In: datagrams, or messages of a stream. Out: a transaction a request with its answer. Messages are kept, bounded by
//! [`MOST`], and read again for records; numbers for rules are noted once.

mod log;
mod message;
mod names;
#[cfg(test)]
mod tests;

use super::counted::{self, Head as Next, Part, Reader};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{ENIP_BEGINS, le16};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    OVER_UDP, Outcome, ProtoDef, TxIdx, TxView, buffer_at, event_at, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};
use message::{HEAD, Head, Segment, Visit};

/// Most bytes of a message that are kept.
const MOST: usize = 8 << 10;
/// Requests that wait for their answers.
const PENDING: usize = 256;

const fn text(name: &'static str) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs: 2, progress: 0, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] = &[text("enip.product_name"), text("enip.service_name")];
const PRODUCT: u8 = buffer_at(BUFFERS, "enip.product_name");

const fn one(
    name: &'static str,
    aliases: &'static [&'static str],
    dirs: u8,
    values: &'static [(&'static str, u64)],
) -> IntDef {
    IntDef { name, aliases, dirs, progress: 0, multi: false, values }
}

const fn several(name: &'static str, dirs: u8, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs, progress: 0, multi: true, values }
}

static INTS: &[IntDef] = &[
    one("enip_command", &["enip.command"], 3, names::COMMANDS),
    one("enip.status", &[], 3, names::STATUSES),
    one("enip.protocol_version", &[], 3, &[]),
    one("enip.capabilities", &[], 2, &[]),
    one("enip.vendor_id", &[], 2, &[]),
    one("enip.device_type", &[], 2, names::DEVICES),
    one("enip.product_code", &[], 2, &[]),
    one("enip.revision", &[], 2, &[]),
    one("enip.identity_status", &[], 2, &[]),
    one("enip.serial", &[], 2, &[]),
    one("enip.state", &[], 2, &[]),
    several("enip.cip_class", 1, names::CLASSES),
    several("enip.cip_instance", 1, &[]),
    several("enip.cip_attribute", 1, &[]),
    several("enip.cip_status", 2, names::CIP_STATUSES),
    several("enip.cip_extendedstatus", 2, &[]),
    // Service, class and attribute of each call, what `cip_service` tests.
    several("enip.cip_call", 3, &[]),
];
const I_COMMAND: u8 = int_at(INTS, "enip_command");
const I_STATUS: u8 = int_at(INTS, "enip.status");
const I_VERSION: u8 = int_at(INTS, "enip.protocol_version");
const I_CAPABILITIES: u8 = int_at(INTS, "enip.capabilities");
const I_VENDOR: u8 = int_at(INTS, "enip.vendor_id");
const I_DEVICE: u8 = int_at(INTS, "enip.device_type");
const I_PRODUCT: u8 = int_at(INTS, "enip.product_code");
const I_REVISION: u8 = int_at(INTS, "enip.revision");
const I_IDENTITY: u8 = int_at(INTS, "enip.identity_status");
const I_SERIAL: u8 = int_at(INTS, "enip.serial");
const I_STATE: u8 = int_at(INTS, "enip.state");
const I_CLASS: u8 = int_at(INTS, "enip.cip_class");
const I_INSTANCE: u8 = int_at(INTS, "enip.cip_instance");
const I_ATTRIBUTE: u8 = int_at(INTS, "enip.cip_attribute");
const I_CIP_STATUS: u8 = int_at(INTS, "enip.cip_status");
const I_EXTENDED: u8 = int_at(INTS, "enip.cip_extendedstatus");
const I_CALL: u8 = int_at(INTS, "enip.cip_call");

static EVENTS: &[&str] = &["too_many_transactions", "invalid_pdu"];
const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");
const EV_INVALID: u8 = event_at(EVENTS, "invalid_pdu");

/// `enip`.
pub static ENIP: ProtoDef = ProtoDef {
    name: "enip",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: ENIP_BEGINS,
    parser: Some(make::<Enip>),
    record: "enip",
    ..ProtoDef::NONE
};

const LIST_SERVICES: u16 = 4;
const LIST_IDENTITY: u16 = 0x63;
const REGISTER: u16 = 0x65;
const SEND_RR: u16 = 0x6f;
const SEND_UNIT: u16 = 0x70;

/// A request and its answer, as they came, behind their heads.
#[derive(Debug, Default)]
pub struct Exchange {
    heads: [Option<Head>; 2],
    data: [PBuf; 2],
    /// Numbers of CIP, eight bytes each: the local number of [`INTS`] in the highest.
    noted: [PBuf; 2],
}

#[derive(Debug, Default)]
pub struct State {
    left: [usize; 2],
    pending: usize,
}

pub struct Enip;

type Flow<'a> = Transactions<'a, Exchange>;

/// Notes numbers of CIP.
struct Note<'s> {
    out: &'s mut Scratch,
    service: u8,
    class: u16,
    attribute: u16,
    asked: bool,
}

impl Note<'_> {
    fn put(&mut self, local: u8, value: u64) {
        self.out.extend(&(u64::from(local) << 56 | value).to_le_bytes());
    }
}

impl Visit for Note<'_> {
    fn request(&mut self, service: u8, inner: bool) {
        if inner {
            self.end(false);
        }
        (self.service, self.class, self.attribute, self.asked) = (service, 0, 0, true);
    }
    fn segment(&mut self, s: Segment, value: u32, _: u8) {
        let local = match s {
            Segment::Class => {
                self.class = value as u16;
                I_CLASS
            }
            Segment::Instance => I_INSTANCE,
            Segment::Attribute => {
                self.attribute = value as u16;
                I_ATTRIBUTE
            }
        };
        self.put(local, u64::from(value));
    }
    fn listed(&mut self, attribute: u16) {
        if self.attribute == 0 {
            self.attribute = attribute;
        }
        self.put(I_ATTRIBUTE, u64::from(attribute));
    }
    fn answer(&mut self, service: u8, status: u8, more: Option<u16>, _: bool) {
        self.put(I_CALL, u64::from(service) << 32);
        self.put(I_CIP_STATUS, u64::from(status));
        if let Some(more) = more {
            self.put(I_EXTENDED, u64::from(more));
        }
    }
    fn end(&mut self, _: bool) {
        if core::mem::take(&mut self.asked) {
            let (service, class) = (u64::from(self.service), u64::from(self.class));
            self.put(I_CALL, service << 32 | class << 16 | u64::from(self.attribute));
        }
    }
}

impl State {
    fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        flow.answered(tx);
        self.pending = self.pending.saturating_sub(1);
        let c = &mut flow.get(tx).common;
        c.advance_both(1);
        c.touch_both();
    }

    fn open(&mut self, flow: &mut Flow<'_>, now: u64) -> Option<TxIdx> {
        if self.pending >= PENDING
            && let Some(old) = flow.waiting(|_| true)
        {
            flow.get(old).common.raise(EV_MANY, Dir::ToServer);
            self.finish(flow, old);
        }
        let tx = flow.open(now)?;
        self.pending += 1;
        flow.wait(tx);
        Some(tx)
    }

    fn message(&mut self, flow: &mut Flow<'_>, b: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let Some(h) = Head::read(b) else {
            return flow.raise(EV_INVALID, dir, cx.now);
        };
        let d = dir.ix();
        let asks = dir == Dir::ToServer;
        let found = if asks {
            None
        } else {
            let same = |t: &Tx<Exchange>| t.own.heads[0].is_some_and(|q| q.command == h.command);
            flow.waiting(|t| same(t) && t.own.heads[0].is_some_and(|q| q.context == h.context))
                .or_else(|| flow.waiting(same))
        };
        let Some(tx) = found.or_else(|| self.open(flow, cx.now)) else { return };
        let data = b.get(HEAD..).unwrap_or(&[]);
        let t = flow.get(tx);
        t.own.heads[d] = Some(h);
        // Without room the record says less.
        let _full = t.own.data[d].extend(cx.pool, data.get(..MOST).unwrap_or(data));
        let sound = match (h.command, asks, h.status) {
            (SEND_RR | SEND_UNIT, _, 0) => {
                cx.scratch.clear();
                let mut note = Note { out: cx.scratch, service: 0, class: 0, attribute: 0, asked: false };
                let sound = message::cip(data, !asks, &mut note).is_some();
                let _full = t.own.noted[d].extend(cx.pool, cx.scratch.as_slice());
                sound
            }
            (LIST_IDENTITY, false, 0) => message::identity(data).is_some(),
            (LIST_SERVICES, false, 0) => message::services(data).is_some(),
            (REGISTER, _, 0) => data.len() >= 4,
            _ => true,
        };
        if !sound {
            t.common.raise(EV_INVALID, dir);
        }
        if asks {
            t.common.advance(dir, 1);
        } else {
            self.finish(flow, tx);
        }
    }
}

impl Reader<Exchange> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.left[dir.ix()]
    }

    fn head(&mut self, rest: &[u8], _: Dir) -> Next {
        let Some(len) = le16(rest, 2) else { return Next::More(4) };
        let whole = HEAD + usize::from(len);
        Next::Record { whole, first: whole }
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

impl Protocol for Enip {
    type State = State;
    type Own = Exchange;

    fn new(_: &AppConfig) -> Self {
        Enip
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !input.datagram {
            return counted::read(s, flow, input, cx);
        }
        s.message(flow, input.data, input.dir, cx);
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.data.iter_mut().chain(&mut own.noted).for_each(|b| b.free(pool));
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let own = &tx.own;
        if at.index > 0 || at.dir != Dir::ToClient {
            return Buffer::Absent;
        }
        let Some(h) = own.heads[1] else { return Buffer::NotYet };
        let b = own.data[1].get(at.pool);
        let text = match (at.local, h.command) {
            (PRODUCT, LIST_IDENTITY) => message::identity(b).map(|i| i.1),
            (PRODUCT, _) => None,
            (_, LIST_SERVICES) => message::services(b).map(|s| s.2),
            _ => None,
        };
        text.map_or(Buffer::Absent, Buffer::whole)
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        tx.own.number(at)
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    /// One that only an event was raised on has no record.
    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.heads.iter().any(Option::is_some) { LOG_WHOLE } else { 0 }
    }
}

impl Exchange {
    fn number(&self, at: IntAt<'_>) -> Option<u64> {
        let d = at.dir.ix();
        let h = self.heads[d]?;
        if at.local >= I_CLASS {
            let noted = self.noted[d].get(at.pool).chunks_exact(8).filter_map(|c| c.first_chunk::<8>());
            let mine = noted.map(|c| u64::from_le_bytes(*c)).filter(|v| v >> 56 == u64::from(at.local));
            return mine.map(|v| v & ((1 << 56) - 1)).nth(at.index as usize);
        }
        if at.index > 0 {
            return None;
        }
        let b = self.data[d].get(at.pool);
        match at.local {
            I_COMMAND => return Some(u64::from(h.command)),
            I_STATUS => return Some(u64::from(h.status)),
            I_VERSION if h.command == REGISTER => return le16(b, 0).map(u64::from),
            _ => {}
        }
        if h.command == LIST_SERVICES && at.dir == Dir::ToClient {
            let (version, capabilities, _) = message::services(b)?;
            return match at.local {
                I_VERSION => Some(u64::from(version)),
                I_CAPABILITIES => Some(u64::from(capabilities)),
                _ => None,
            };
        }
        if h.command != LIST_IDENTITY || at.dir != Dir::ToClient {
            return None;
        }
        let (i, _) = message::identity(b)?;
        Some(u64::from(match at.local {
            I_VERSION => u32::from(i.version),
            I_VENDOR => u32::from(i.vendor),
            I_DEVICE => u32::from(i.device),
            I_PRODUCT => u32::from(i.product),
            I_REVISION => u32::from(i.revision),
            I_IDENTITY => u32::from(i.status),
            I_SERIAL => i.serial,
            I_STATE => u32::from(i.state),
            _ => return None,
        }))
    }
}
