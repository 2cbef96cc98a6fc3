//! RoCEv2: remote memory access over UDP, in the clear (InfiniBand Architecture vol. 1, ch. 9, and annex A17).
//!
//! In: datagrams. Out: a transaction for what asks for memory or is refused (the first packet of a message, atomic
//! operations, negative acknowledgements, what is out of order), and one for the flow with totals: the rest of a message
//! and plain acknowledgements are counted only. Records are rationed ([`Ration`]). Events are raised on the flow's
//! transaction, once each. Answers travel in a flow of their own, since both sides send to port 4791.

mod log;
mod pairs;
#[cfg(test)]
mod tests;

use self::pairs::Pairs;
use super::hosted::{Protocol, Transactions, make};
use super::plain::{be32, yes_if};
use super::ration::Ration;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_UDP,
    Outcome, Probe, ProtoDef, Recognise, TxView, Verdict,
};
use crate::Dir;
use crate::app::{event_at, int_at};
use crate::event::Fields;
use crate::packet::{Roce as Headers, read_roce, roce_opcode_name};
use crate::pool::BytePool;

static BUFFERS: &[BufferDef] = &[BufferDef {
    name: "roce.operation",
    aliases: &[],
    modifiers: &[],
    dirs: 3,
    progress: 1,
    kind: BufferKind::Single,
}];

const I_ADDRESS: u8 = int_at(INTS, "roce.virtual_address");
const I_LENGTH: u8 = int_at(INTS, "roce.dma_length");
const I_PSN: u8 = int_at(INTS, "roce.psn");
const I_GAP: u8 = int_at(INTS, "roce.psn_gap");
const I_SYNDROME: u8 = int_at(INTS, "roce.syndrome");
const I_NAK: u8 = int_at(INTS, "roce.nak");

const fn int(name: &'static str, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs: 3, progress: 1, multi: false, values }
}

// `roce.opcode`, `.pkey`, `.dest_qp` and `.rkey` are numbers of packets: rules of any protocol can ask for them.
static INTS: &[IntDef] = &[
    int("roce.virtual_address", &[]),
    int("roce.dma_length", &[]),
    int("roce.psn", &[]),
    int("roce.psn_gap", &[]),
    int("roce.syndrome", &[]),
    int("roce.nak", NAKS),
    int("roce.source_qp", &[]),
];

/// Codes of negative acknowledgements (vol. 1, table 45).
const NAKS: &[(&str, u64)] = &[
    ("psn_sequence_error", 0),
    ("invalid_request", 1),
    ("remote_access_error", 2),
    ("remote_operational_error", 3),
    ("invalid_rd_request", 4),
];

const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_packet");
const EV_GAP: u8 = event_at(EVENTS, "psn_gap");
const EV_SOURCE: u8 = event_at(EVENTS, "new_source");
const EV_ACCESS: u8 = event_at(EVENTS, "remote_access_error");

static EVENTS: &[&str] = &["malformed_packet", "psn_gap", "new_source", "remote_access_error"];

/// `roce`.
pub static ROCE: ProtoDef = ProtoDef {
    name: "roce",
    aliases: &["rocev2"],
    over: OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        probes: &[Probe { over: OVER_UDP, ports: &[4791], probe: probe_roce, dirs: 3, min_bytes: 0 }],
        ..Recognise::NONE
    },
    parser: Some(make::<Roce>),
    record: "roce",
    ours: true,
    ..ProtoDef::NONE
};

/// The base transport header: version 0, a known operation, nothing in reserved bits.
fn probe_roce(b: &[u8], _: Dir) -> Verdict {
    let reserved = |at: usize, mask: u8| b.get(at).is_some_and(|v| v & mask == 0);
    let known = b.first().is_some_and(|op| roce_opcode_name(*op) != "UNKNOWN");
    yes_if(b.len() >= 16 && known && reserved(1, 0x0f) && reserved(4, 0x3f) && reserved(8, 0x7f))
}

/// What a flow did.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    packets: u64,
    bytes: u64,
    sends: u64,
    writes: u64,
    reads: u64,
    atomics: u64,
    acks: u64,
    naks: u64,
    not_ready: u64,
    congestion: u64,
    remote_keys: u64,
    psn_gaps: u64,
    unrecorded: u64,
}

/// A packet, or the flow.
#[derive(Debug, Default)]
pub struct Own {
    flow: bool,
    to_client: bool,
    headers: Headers,
    /// Of RETH or of an atomic operation: virtual address, remote key, and length if there is one.
    memory: Option<(u64, u32, Option<u32>)>,
    gap: u32,
    new_source: bool,
    quiet: bool,
    totals: Totals,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    flow: Option<u64>,
    totals: Totals,
    ration: Ration,
    /// The last remote keys, to count others.
    keys: [u32; 8],
    at: u8,
}

/// The parser.
pub struct Roce {
    pairs: Pairs,
}

type Flow<'a> = Transactions<'a, Own>;

/// Operations by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Begins a message: a send, a write, a read, an atomic operation.
    Send,
    Write,
    Read,
    Atomic,
    /// Goes on with one.
    More,
    /// Answers.
    Data,
    Ack,
    Congestion,
}

fn part(opcode: u8) -> Part {
    match (opcode >> 5, opcode & 0x1f) {
        (4, 1) => Part::Congestion,
        (_, 0 | 4 | 5 | 23) => Part::Send,
        (_, 6 | 10 | 11) => Part::Write,
        (_, 12) => Part::Read,
        (_, 13..=16) => Part::Data,
        (_, 17 | 18) => Part::Ack,
        (_, 19 | 20) => Part::Atomic,
        _ => Part::More,
    }
}

/// The code of a negative acknowledgement; other syndromes are positive, or ask to wait.
fn nak(syndrome: u8) -> Option<u64> {
    (syndrome >> 5 == 3).then_some(u64::from(syndrome & 0x1f))
}

impl State {
    fn count(&mut self, h: &Headers, part: Part, len: usize) {
        let t = &mut self.totals;
        t.packets += 1;
        t.bytes += len as u64;
        match part {
            Part::Send => t.sends += 1,
            Part::Write => t.writes += 1,
            Part::Read => t.reads += 1,
            Part::Atomic => t.atomics += 1,
            Part::Congestion => t.congestion += 1,
            Part::More | Part::Data | Part::Ack => {}
        }
        match h.aeth {
            Some((s, _)) if nak(s).is_some() => t.naks += 1,
            Some((s, _)) if s >> 5 == 1 => t.not_ready += 1,
            Some(_) if part == Part::Ack => t.acks += 1,
            _ => {}
        }
    }

    fn remote_key(&mut self, key: u32) {
        if self.totals.remote_keys == 0 || !self.keys.contains(&key) {
            self.totals.remote_keys += 1;
            if let Some(to) = self.keys.get_mut(usize::from(self.at % 8)) {
                *to = key;
            }
            self.at = self.at.wrapping_add(1);
        }
    }

    fn raise(&mut self, flow: &mut Flow<'_>, ev: u8, dir: Dir, now: u64) {
        if let Some(tx) = flow.only(&mut self.flow, now) {
            flow.get(tx).common.raise(ev, dir);
        }
    }
}

impl Protocol for Roce {
    type State = State;
    type Own = Own;

    fn new(cfg: &AppConfig) -> Self {
        Roce { pairs: Pairs::new(cfg) }
    }

    fn evicted(&self) -> u64 {
        self.pairs.evicted
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let (b, dir) = (input.data, input.dir);
        let all = Outcome::Consumed { bytes: b.len(), need: 0 };
        // The flow's own transaction is its first.
        let Some(whole) = flow.only(&mut s.flow, cx.now) else { return all };
        let t = flow.get(whole);
        if !t.own.flow {
            t.own.flow = true;
            // Nothing of it goes the other way yet.
            t.common.settle(dir.flip());
        }
        let headers = read_roce(b).map(|(h, ..)| h);
        let Some(h) = headers.filter(|_| probe_roce(b, dir) == Verdict::Yes) else {
            s.raise(flow, EV_MALFORMED, dir, cx.now);
            return all;
        };
        let what = part(h.opcode);
        s.count(&h, what, b.len());
        let atomic = || {
            let half = |at: usize| be32(b, at).map(u64::from);
            Some((half(12)? << 32 | half(16)?, be32(b, 20)?, None))
        };
        let memory = match h.reth {
            Some((address, key, len)) => Some((address, key, Some(len))),
            None if what == Part::Atomic => atomic(),
            None => None,
        };
        if memory.is_none() && matches!(what, Part::Write | Part::Read | Part::Atomic) {
            s.raise(flow, EV_MALFORMED, dir, cx.now);
        }
        if let Some((_, key, _)) = memory {
            s.remote_key(key);
        }
        // Reliable and unreliable connections number their requests, and have one peer.
        let numbered = matches!(what, Part::Send | Part::Write | Part::Read | Part::Atomic | Part::More);
        let odd = if numbered && h.opcode >> 5 <= 1 {
            let ends = if dir == Dir::ToServer { (&cx.client, &cx.server) } else { (&cx.server, &cx.client) };
            let read = if what == Part::Read { h.reth.map_or(0, |r| r.2) } else { 0 };
            self.pairs.request(ends, (h.dest_qp, h.psn), read, cx.now)
        } else {
            pairs::Odd::default()
        };
        let refused = h.aeth.is_some_and(|(x, _)| x >> 5 != 0);
        let strange = refused || odd.gap > 0 || odd.source;
        s.totals.psn_gaps += u64::from(odd.gap > 0);
        for (ev, is) in [
            (EV_GAP, odd.gap > 0),
            (EV_SOURCE, odd.source),
            (EV_ACCESS, h.aeth.and_then(|(x, _)| nak(x)) == Some(2)),
        ] {
            if is {
                s.raise(flow, ev, dir, cx.now);
            }
        }
        let begins = matches!(what, Part::Send | Part::Write | Part::Read | Part::Atomic);
        if begins || strange {
            let quiet = !s.ration.take(!strange, cx.now);
            s.totals.unrecorded += u64::from(quiet);
            if let Some(tx) = flow.open(cx.now) {
                let t = flow.get(tx);
                t.own = Own {
                    to_client: dir == Dir::ToClient,
                    headers: h,
                    memory,
                    gap: odd.gap,
                    new_source: odd.source,
                    quiet,
                    ..Own::default()
                };
                t.common.advance_both(1);
                // Nothing of it goes the other way.
                t.common.settle(dir.flip());
            }
        }
        flow.get(whole).own.totals = s.totals;
        all
    }

    fn free(_: &mut Own, _: &mut BytePool) {}

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        let own = &tx.own;
        if at.index > 0 || own.flow || (at.dir == Dir::ToClient) != own.to_client {
            return Buffer::Absent;
        }
        Buffer::whole(roce_opcode_name(own.headers.opcode).as_bytes())
    }

    fn int(&self, tx: &Tx<Own>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        if own.flow || (at.dir == Dir::ToClient) != own.to_client {
            return None;
        }
        let h = &own.headers;
        match at.local {
            I_ADDRESS => own.memory.map(|m| m.0),
            I_LENGTH => own.memory.and_then(|m| m.2).map(u64::from),
            I_PSN => Some(u64::from(h.psn)),
            I_GAP => Some(u64::from(own.gap)),
            I_SYNDROME => h.aeth.map(|a| u64::from(a.0)),
            I_NAK => h.aeth.and_then(|a| nak(a.0)),
            _ => h.deth.map(|d| u64::from(d.1)),
        }
    }

    fn log(&self, tx: &Tx<Own>, _: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(out);
    }

    fn log_due(&self, tx: &Tx<Own>) -> u8 {
        if tx.common.both_reached(1) && !tx.own.quiet { LOG_WHOLE } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Own>) -> u8 {
        if tx.own.quiet { 0 } else { LOG_WHOLE }
    }
}
