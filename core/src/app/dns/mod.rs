//! DNS over UDP and TCP (RFC 1035) and multicast DNS (RFC 6762).
//!
//! In: datagrams, or the byte stream with its length prefixes. Out: one transaction a message (a request and its
//! response are two, as in Suricata 8), with names, kinds and codes as buffers and numbers. Each transaction keeps
//! the message and the offsets of its records; names are expanded when they are asked for.

pub mod log;
mod mdns;
pub mod message;

use self::message::{Header, Record};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{be16, yes_if};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_REQUEST,
    LOG_RESPONSE, OVER_TCP, OVER_UDP, Outcome, Probe, ProtoDef, Recognise, TxView, Verdict,
    config::DnsConfig,
};
use crate::Dir;
use crate::app::{buffer_at, event_at, frame, int_at};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};

const BOTH: u8 = 3;
const TO_SERVER: u8 = 1;
const TO_CLIENT: u8 = 2;

/// `dns`.
pub static DNS: ProtoDef = ProtoDef {
    name: "dns",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[],
        probes: &[
            Probe { over: OVER_UDP, ports: &[53], probe: probe_udp, dirs: BOTH, min_bytes: 12 },
            Probe { over: OVER_TCP, ports: &[53], probe: probe_tcp, dirs: BOTH, min_bytes: 14 },
        ],
        confirm: None,
        first: 0,
    },
    parser: Some(make::<Dns<false>>),
    record: "dns",
    by_message: true,
    ..ProtoDef::NONE
};

/// `mdns`: requests and responses travel in either direction.
pub static MDNS: ProtoDef = ProtoDef {
    name: "mdns",
    over: OVER_UDP,
    buffers: MDNS_BUFFERS,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[],
        probes: &[Probe { over: OVER_UDP, ports: &[5353], probe: probe_mdns, dirs: BOTH, min_bytes: 12 }],
        confirm: None,
        first: 0,
    },
    parser: Some(make::<Dns<true>>),
    record: "mdns",
    ..ProtoDef::NONE
};

const fn names(name: &'static str, aliases: &'static [&'static str], dirs: u8) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs, progress: 1, kind: BufferKind::Multi }
}

const QUERY: u8 = buffer_at(BUFFERS, "dns.query");
const QUERIES: u8 = buffer_at(BUFFERS, "dns.queries.rrname");
const ANSWERS: u8 = buffer_at(BUFFERS, "dns.answers.rrname");
const AUTHORITIES: u8 = buffer_at(BUFFERS, "dns.authorities.rrname");
const ADDITIONALS: u8 = buffer_at(BUFFERS, "dns.additionals.rrname");
const RESPONSE: u8 = buffer_at(BUFFERS, "dns.response.rrname");
const PDU: u8 = buffer_at(BUFFERS, "frame:dns.pdu");

pub(super) static BUFFERS: &[BufferDef] = &[
    names("dns.query", &["dns_query"], TO_SERVER),
    names("dns.queries.rrname", &["dns.query.name"], BOTH),
    names("dns.answers.rrname", &["dns.answer.name"], BOTH),
    names("dns.authorities.rrname", &[], BOTH),
    names("dns.additionals.rrname", &[], BOTH),
    names("dns.response.rrname", &[], TO_CLIENT),
    frame("frame:dns.pdu"),
    frame("frame:dns.stream"),
];

static MDNS_BUFFERS: &[BufferDef] = &[
    names("mdns.query", &[], BOTH),
    names("mdns.queries.rrname", &[], BOTH),
    names("mdns.answers.rrname", &[], BOTH),
    names("mdns.authorities.rrname", &[], BOTH),
    names("mdns.additionals.rrname", &[], BOTH),
    names("mdns.response.rrname", &[], TO_SERVER),
    frame("frame:mdns.pdu"),
];

const OPCODE: u8 = int_at(INTS, "dns.opcode");
const RCODE: u8 = int_at(INTS, "dns.rcode");

static INTS: &[IntDef] = &[
    IntDef { name: "dns.opcode", aliases: &[], dirs: BOTH, progress: 1, multi: false, values: &[] },
    IntDef { name: "dns.rcode", aliases: &[], dirs: BOTH, progress: 1, multi: false, values: RCODE_VALUES },
    IntDef { name: "dns.rrtype", aliases: &[], dirs: BOTH, progress: 1, multi: true, values: KIND_VALUES },
];

pub(super) static RCODE_VALUES: &[(&str, u64)] = &[
    ("noerror", 0),
    ("formerr", 1),
    ("servfail", 2),
    ("nxdomain", 3),
    ("notimp", 4),
    ("refused", 5),
    ("yxdomain", 6),
    ("yxrrset", 7),
    ("nxrrset", 8),
    ("notauth", 9),
    ("notzone", 10),
    ("badvers", 16),
    ("badsig", 16),
    ("badkey", 17),
    ("badtime", 18),
    ("badmode", 19),
    ("badname", 20),
    ("badalg", 21),
    ("badtrunc", 22),
];

pub(super) static KIND_VALUES: &[(&str, u64)] = &[
    ("a", 1),
    ("ns", 2),
    ("md", 3),
    ("mf", 4),
    ("cname", 5),
    ("soa", 6),
    ("mb", 7),
    ("mg", 8),
    ("mr", 9),
    ("null", 10),
    ("wks", 11),
    ("ptr", 12),
    ("hinfo", 13),
    ("minfo", 14),
    ("mx", 15),
    ("txt", 16),
    ("rp", 17),
    ("afsdb", 18),
    ("sig", 24),
    ("key", 25),
    ("aaaa", 28),
    ("loc", 29),
    ("srv", 33),
    ("naptr", 35),
    ("cert", 37),
    ("dname", 39),
    ("opt", 41),
    ("ds", 43),
    ("sshfp", 44),
    ("ipseckey", 45),
    ("rrsig", 46),
    ("nsec", 47),
    ("dnskey", 48),
    ("nsec3", 50),
    ("nsec3param", 51),
    ("tlsa", 52),
    ("svcb", 64),
    ("https", 65),
    ("spf", 99),
    ("tkey", 249),
    ("tsig", 250),
    ("ixfr", 251),
    ("axfr", 252),
    ("any", 255),
    ("uri", 256),
    ("caa", 257),
];

const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_data");
const EV_NOT_REQUEST: u8 = event_at(EVENTS, "not_request");
const EV_NOT_RESPONSE: u8 = event_at(EVENTS, "not_response");
const EV_Z: u8 = event_at(EVENTS, "z_flag_set");
const EV_OPCODE: u8 = event_at(EVENTS, "invalid_opcode");
const EV_NAME_TOO_LONG: u8 = event_at(EVENTS, "name_too_long");
const EV_LOOP: u8 = event_at(EVENTS, "infinite_loop");
const EV_LABELS: u8 = event_at(EVENTS, "too_many_labels");
const EV_ADDITIONALS: u8 = event_at(EVENTS, "invalid_additionals");
const EV_AUTHORITIES: u8 = event_at(EVENTS, "invalid_authorities");

static EVENTS: &[&str] = &[
    "malformed_data",
    "not_request",
    "not_response",
    "z_flag_set",
    "invalid_opcode",
    "name_too_long",
    "infinite_loop",
    "too_many_labels",
    "invalid_additionals",
    "invalid_authorities",
];

/// `None`: not DNS. `Some(true)`: a request. `cut`: what ends before its records do may be DNS by its header.
fn judge(msg: &[u8], whole: usize, cut: bool) -> Option<bool> {
    let msg = msg.get(..whole).unwrap_or(msg);
    let header = Header::read(msg)?;
    if !header.plausible(whole) {
        return None;
    }
    if msg.len() == whole
        && let Err(wrong) = message::checked(msg, |_| {})
        && !(cut && wrong == message::Wrong::Cut)
    {
        return None;
    }
    Some(header.is_request())
}

fn directed(is_request: bool, dir: Dir) -> Verdict {
    if is_request == (dir == Dir::ToServer) { Verdict::Yes } else { Verdict::Reversed }
}

fn probe_udp(b: &[u8], dir: Dir) -> Verdict {
    judge(b, b.len(), false).map_or(Verdict::No, |is_request| directed(is_request, dir))
}

fn probe_mdns(b: &[u8], _: Dir) -> Verdict {
    yes_if(judge(b, b.len(), false).is_some())
}

fn probe_tcp(b: &[u8], dir: Dir) -> Verdict {
    let Some(len) = be16(b, 0) else { return Verdict::Unsure };
    match judge(b.get(2..).unwrap_or(&[]), usize::from(len), true) {
        Some(is_request) => directed(is_request, dir),
        None => Verdict::No,
    }
}

/// One message.
#[derive(Debug, Default)]
pub struct Message {
    /// The message, then the offset of each record as two bytes.
    store: PBuf,
    len: u32,
    found: [u16; 4],
    header: Header,
    /// It is logged and inspected as a response.
    response: bool,
    /// It asks for a kind that records are wanted of.
    wanted: bool,
    dir: Dir,
}

impl Message {
    fn raw<'a>(&self, pool: &'a BytePool) -> &'a [u8] {
        self.store.get(pool).get(..self.len as usize).unwrap_or(&[])
    }

    /// Offset of record `i` of `section` (0 questions … 3 additionals).
    fn at(&self, section: usize, i: u32, pool: &BytePool) -> Option<usize> {
        let n = u32::from(*self.found.get(section)?);
        if i >= n {
            return None;
        }
        let before: u32 = self.found.iter().take(section).map(|c| u32::from(*c)).sum();
        let slot = self.len as usize + 2 * (before + i) as usize;
        let o = self.store.get(pool).get(slot..slot + 2)?;
        Some(usize::from(u16::from_le_bytes([o[0], o[1]])))
    }

    /// Reads a whole message that came in that direction; with the bits of the events that it raises.
    pub(super) fn read(
        msg: &[u8],
        dir: Dir,
        multicast: bool,
        cx: &mut AppCx<'_>,
    ) -> Result<(Message, u32), Bad> {
        let header = Header::read(msg).filter(|h| h.plausible(msg.len())).ok_or(Bad::Header)?;
        cx.scratch.clear();
        let scratch = &mut *cx.scratch;
        let checked = message::check(msg, |at| {
            scratch.extend(&(at as u16).to_le_bytes());
        })
        .ok_or(Bad::Body)?;
        if dir == Dir::ToServer && !multicast && !header.is_request() {
            return Err(Bad::NotRequest);
        }
        let response = if multicast { !header.is_request() } else { dir == Dir::ToClient };
        let mut own = Message { response, dir, header, len: msg.len() as u32, ..Message::default() };
        let kept =
            own.store.extend(cx.pool, msg).and_then(|()| own.store.extend(cx.pool, cx.scratch.as_slice()));
        if kept.is_ok() {
            own.found = checked.found;
        } else {
            own.store.free(cx.pool);
            own.len = 0;
        }
        let events = [
            (checked.bad_additionals, EV_ADDITIONALS),
            (checked.bad_authorities, EV_AUTHORITIES),
            (dir == Dir::ToClient && header.is_request() && !multicast, EV_NOT_RESPONSE),
            (header.flags & 0x40 != 0, EV_Z),
            (header.opcode() >= 7, EV_OPCODE),
            (checked.names & message::TRUNCATED != 0, EV_NAME_TOO_LONG),
            (checked.names & message::LOOPS != 0, EV_LOOP),
            (checked.names & message::LABELS != 0, EV_LABELS),
        ];
        Ok((own, events.iter().fold(0, |bits, (is, ev)| bits | u32::from(*is) << ev)))
    }

    /// A whole message that lies in the pool already; it is given back if it is none.
    pub(super) fn adopt(mut store: PBuf, dir: Dir, cx: &mut AppCx<'_>) -> Option<Message> {
        let msg = store.get(cx.pool);
        let len = msg.len() as u32;
        let header = Header::read(msg).filter(|h| h.plausible(msg.len()));
        cx.scratch.clear();
        let scratch = &mut *cx.scratch;
        let checked = message::check(msg, |at| {
            scratch.extend(&(at as u16).to_le_bytes());
        });
        if let (Some(header), Some(checked)) = (header, checked)
            && store.extend(cx.pool, cx.scratch.as_slice()).is_ok()
        {
            let (found, response) = (checked.found, dir == Dir::ToClient);
            return Some(Message { store, len, found, header, response, wanted: true, dir });
        }
        store.free(cx.pool);
        None
    }

    /// Gives back what it holds.
    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.store.free(pool);
    }

    /// Whether there is one.
    pub(super) const fn is_read(&self) -> bool {
        self.len > 0
    }

    /// The buffer at that place of [`BUFFERS`].
    pub(super) fn buffer<'a>(&'a self, at: BufferAt<'a>, multicast: bool) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, scratch } = at;
        if self.dir != dir {
            return Buffer::Absent;
        }
        let section = match local {
            QUERY | QUERIES => 0,
            ANSWERS => 1,
            AUTHORITIES => 2,
            ADDITIONALS => 3,
            RESPONSE if multicast && !self.response => return Buffer::Absent,
            RESPONSE => return self.any_name(index, pool, scratch),
            _ => return Buffer::Absent,
        };
        match self.at(section, index, pool) {
            Some(at) => name_at(self.raw(pool), at, scratch),
            None => Buffer::Absent,
        }
    }

    /// The number at that place of [`INTS`].
    pub(super) fn int(&self, at: IntAt<'_>) -> Option<u64> {
        let IntAt { local, dir, index, pool } = at;
        if self.dir != dir {
            return None;
        }
        match local {
            OPCODE => (index == 0).then_some(u64::from(self.header.opcode())),
            RCODE => (index == 0).then_some(u64::from(self.header.flags & 15)),
            _ => {
                let mut i = index;
                for section in 0..4 {
                    let n = u32::from(self.found[section]);
                    if i < n {
                        let kind = if section == 0 {
                            message::question_kind(self.raw(pool), self.at(0, i, pool)?)
                        } else {
                            self.record(section, i, pool).map(|r| r.kind)
                        };
                        return kind.map(u64::from);
                    }
                    i -= n;
                }
                None
            }
        }
    }

    /// Record `i` of a section after the first.
    fn record(&self, section: usize, i: u32, pool: &BytePool) -> Option<Record> {
        Record::read(self.raw(pool), self.at(section, i, pool)?)
    }
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    /// Bytes were lost: the next that look like a message begin one.
    lost: [bool; 2],
}

/// The parser of `dns` and, with `MULTICAST`, of `mdns`.
pub struct Dns<const MULTICAST: bool> {
    cfg: DnsConfig,
}

/// Why a message gave no transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Header,
    Body,
    NotRequest,
    Full,
}

type Flow<'a> = Transactions<'a, Message>;

impl<const MULTICAST: bool> Dns<MULTICAST> {
    /// Reads one whole message.
    fn message(&self, flow: &mut Flow<'_>, msg: &[u8], dir: Dir, cx: &mut AppCx<'_>) -> Result<(), Bad> {
        cx.frames.whole(PDU, msg);
        let (mut own, events) = Message::read(msg, dir, MULTICAST, cx)?;
        let Some(tx) = flow.open(cx.now) else {
            own.store.free(cx.pool);
            return Err(Bad::Full);
        };
        own.wanted = self.cfg.kinds.is_none()
            || (0..u32::from(own.found[0])).any(|i| {
                let kind = own.at(0, i, cx.pool).and_then(|at| message::question_kind(msg, at));
                kind.is_some_and(|k| self.cfg.wants(k))
            });
        let t = flow.get(tx);
        cx.frames.of_tx(t.common.id);
        t.own = own;
        let c = &mut t.common;
        c.advance_both(1);
        // The message exists in its own direction only.
        c.settle(dir.flip());
        for ev in (0..EVENTS.len() as u8).filter(|ev| events >> ev & 1 == 1) {
            c.raise(ev, dir);
        }
        Ok(())
    }

    /// A damaged message is noted on the youngest transaction.
    fn note(flow: &mut Flow<'_>, bad: &Bad, dir: Dir) {
        let ev = match bad {
            Bad::Body => EV_MALFORMED,
            Bad::NotRequest => EV_NOT_REQUEST,
            Bad::Header | Bad::Full => return,
        };
        if let Some(tx) = flow.last() {
            flow.get(tx).common.raise(ev, dir);
        }
    }

    fn stream(&self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let d = input.dir.ix();
        if input.gap > 0 {
            s.lost[d] = true;
        }
        if s.lost[d] && !input.data.is_empty() {
            match probe_tcp(input.data, input.dir) {
                Verdict::No => return Outcome::Consumed { bytes: input.data.len(), need: 0 },
                _ => s.lost[d] = false,
            }
        }
        let mut at = 0;
        while let Some(len) = be16(input.data, at) {
            let len = usize::from(len);
            let Some(msg) = input.data.get(at + 2..at + 2 + len) else {
                return Outcome::Consumed { bytes: at, need: len + 2 };
            };
            if len > 0
                && let Err(bad) = self.message(flow, msg, input.dir, cx)
            {
                Self::note(flow, &bad, input.dir);
                if bad != Bad::Full {
                    return Outcome::Failed;
                }
            }
            at += 2 + len;
        }
        Outcome::Consumed { bytes: at, need: 2 }
    }
}

fn name_at<'a>(msg: &[u8], at: usize, scratch: &'a mut Scratch) -> Buffer<'a> {
    scratch.clear();
    message::name(msg, at, |p| {
        scratch.extend(p);
    });
    if scratch.is_empty() { Buffer::Absent } else { Buffer::whole(scratch.as_slice()) }
}

impl<const MULTICAST: bool> Protocol for Dns<MULTICAST> {
    type State = State;
    type Own = Message;

    fn new(cfg: &AppConfig) -> Self {
        Dns { cfg: cfg.dns.clone() }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !input.datagram {
            return self.stream(s, flow, input, cx);
        }
        if let Err(bad) = self.message(flow, input.data, input.dir, cx) {
            Self::note(flow, &bad, input.dir);
        }
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(m: &mut Message, pool: &mut BytePool) {
        m.store.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Message>, at: BufferAt<'a>) -> Buffer<'a> {
        tx.own.buffer(at, MULTICAST)
    }

    fn int(&self, tx: &Tx<Message>, at: IntAt<'_>) -> Option<u64> {
        tx.own.int(at)
    }

    fn log(&self, tx: &Tx<Message>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        log::write(&tx.own, tx.common.id, &self.cfg, MULTICAST, view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Message>) -> u8 {
        let m = &tx.own;
        match (m.wanted, m.response) {
            (false, _) => 0,
            (true, false) => LOG_REQUEST,
            (true, true) => LOG_RESPONSE,
        }
    }
}

impl Message {
    /// `dns.response.rrname`: every name in a response, of records and in their data.
    fn any_name<'a>(&self, index: u32, pool: &BytePool, scratch: &'a mut Scratch) -> Buffer<'a> {
        let msg = self.raw(pool);
        let mut i = index;
        for section in 0..4 {
            let step = if section == 0 { 1 } else { 2 };
            let n = u32::from(self.found[section]) * step;
            if i >= n {
                i -= n;
                continue;
            }
            let Some(at) = self.at(section, i / step, pool) else { return Buffer::Absent };
            if step == 1 || i.is_multiple_of(2) {
                scratch.clear();
                message::name(msg, at, |p| {
                    scratch.extend(p);
                });
                return Buffer::whole(scratch.as_slice());
            }
            scratch.clear();
            if let Some(at) = self.record(section, i / 2, pool).and_then(|r| r.name_at()) {
                message::name(msg, at, |p| {
                    scratch.extend(p);
                });
            }
            return Buffer::whole(scratch.as_slice());
        }
        Buffer::Absent
    }
}

#[cfg(test)]
mod tests;
