//! NVMe/TCP: storage over the network, without TLS. A transaction a command with its completion, and one for the
//! connection, which is a queue, with totals.
//!
//! A queue moves 100,000 commands a second, so records are rationed ([`Ration`]), with a reserve for commands that are no
//! successful reads or writes. Rules see every command; the connection's record says how many commands have no record.

mod log;
mod names;
mod pdu;
#[cfg(test)]
mod tests;

use self::pdu::{Command, Completion, Head, Kind};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{le16, start};
use super::ration::Ration;
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    Outcome, ProtoDef, Recognise, Seen, TxIdx, TxView, Verdict,
};
use crate::Dir;
use crate::app::{buffer_at, event_at, int_at};
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Places for commands without their completion, by the lower bits of their number.
const PLACES: usize = 1024;
/// Longest connect capsule that is waited for: its data are 1,024 bytes.
const CONNECT_MAX: u32 = 4096;
/// Live transactions of a flow, those included that are done and wait for the end of the segment.
const LIVE_MAX: u32 = 2 * PLACES as u32;

const B_HOST: u8 = buffer_at(BUFFERS, "nvme.host_nqn");
const B_SUBSYSTEM: u8 = buffer_at(BUFFERS, "nvme.subsystem_nqn");

const fn buffer(name: &'static str) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs: 1, progress: 1, kind: BufferKind::Single }
}

static BUFFERS: &[BufferDef] =
    &[buffer("nvme.host_nqn"), buffer("nvme.subsystem_nqn"), buffer("nvme.command")];

const I_OPCODE: u8 = int_at(INTS, "nvme.opcode");
const I_FABRICS: u8 = int_at(INTS, "nvme.fabrics");
const I_QUEUE: u8 = int_at(INTS, "nvme.queue");
const I_NSID: u8 = int_at(INTS, "nvme.nsid");
const I_LBA: u8 = int_at(INTS, "nvme.lba");
const I_BLOCKS: u8 = int_at(INTS, "nvme.blocks");
const I_STATUS: u8 = int_at(INTS, "nvme.status");

const fn int(name: &'static str, dirs: u8, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs, progress: 1, multi: false, values }
}

static INTS: &[IntDef] = &[
    int("nvme.opcode", 1, &[]),
    int("nvme.fabrics", 1, names::FABRICS_TYPES),
    int("nvme.queue", 1, &[]),
    int("nvme.nsid", 1, &[]),
    int("nvme.lba", 1, &[]),
    int("nvme.blocks", 1, &[]),
    int("nvme.status", 2, names::STATUSES),
    int("nvme.data_length", 2, &[]),
];

const EV_PDU: u8 = event_at(EVENTS, "malformed_pdu");
const EV_TERM: u8 = event_at(EVENTS, "terminated");
const EV_UNASKED: u8 = event_at(EVENTS, "unexpected_completion");
const EV_REUSED: u8 = event_at(EVENTS, "command_id_reused");
const EV_GAP: u8 = event_at(EVENTS, "gap");

static EVENTS: &[&str] =
    &["malformed_pdu", "terminated", "unexpected_completion", "command_id_reused", "gap"];

/// `nvme`.
pub static NVME: ProtoDef = ProtoDef {
    name: "nvme",
    aliases: &["nvme-tcp"],
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[
            start(b"\0\0\x80\0\x80\0\0\0", Dir::ToServer, OVER_TCP),
            start(b"\x01\0\x80\0\x80\0\0\0", Dir::ToClient, OVER_TCP),
        ],
        confirm: Some(confirm_nvme),
        ..Recognise::NONE
    },
    parser: Some(make::<Nvme>),
    record: "nvme",
    ours: true,
    ..ProtoDef::NONE
};

/// The connection's first PDU: version 0, padding and digests within their bounds.
fn confirm_nvme(b: &[u8], seen: &Seen) -> Verdict {
    match b.get(8..12) {
        None => Verdict::Unsure,
        Some([0, 0, pad, digests]) if *pad < 32 && *digests < 4 => {
            if seen.dir == seen.pattern.dir {
                Verdict::Yes
            } else {
                Verdict::Reversed
            }
        }
        _ => Verdict::No,
    }
}

/// What a flow's commands have done.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    commands: u64,
    reads: u64,
    writes: u64,
    errors: u64,
    bytes_in: u64,
    bytes_out: u64,
    /// Commands without a record.
    unrecorded: u64,
}

/// A command, or the connection.
#[derive(Debug, Default)]
pub struct Own {
    connection: bool,
    command: Command,
    queue: Option<u16>,
    host: PBuf,
    subsystem: PBuf,
    controller: u16,
    done: Option<Completion>,
    data: u64,
    /// It has no record.
    quiet: bool,
    /// Of the connection: version, digests and the largest data PDU that was agreed on.
    agreed: Option<(u16, u8, u32)>,
    totals: Totals,
    /// Why it was terminated.
    fatal: Option<u16>,
}

/// One direction.
#[derive(Debug, Default)]
struct Side {
    /// Bytes of a PDU that are not looked at.
    skip: u64,
    /// The beginning of a PDU is looked for.
    lost: bool,
    /// Nothing more comes: it ended, or is not looked at any further.
    ended: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    sides: [Side; 2],
    connection: Option<u64>,
    queue: Option<u16>,
    /// Transactions of commands without a completion: their numbers + 1, [`PLACES`] of them.
    waiting: PBuf,
    totals: Totals,
    ration: Ration,
}

/// The parser.
pub struct Nvme;

type Flow<'a> = Transactions<'a, Own>;

impl State {
    fn place(id: u16) -> usize {
        usize::from(id) % PLACES * 4
    }

    /// The transaction of the command of that number that has no completion.
    fn waiting(&self, id: u16, flow: &Flow<'_>, pool: &BytePool) -> Option<TxIdx> {
        let at = State::place(id);
        let tx = le32_at(self.waiting.get(pool), at).checked_sub(1)?;
        (flow.peek(tx).own.command.id == id).then_some(tx)
    }

    fn set_waiting(&mut self, id: u16, tx: Option<TxIdx>, pool: &mut BytePool) {
        let at = State::place(id);
        if let Some(to) = self.waiting.get_mut(pool).get_mut(at..at + 4) {
            to.copy_from_slice(&tx.map_or(0, |t| t + 1).to_le_bytes());
        }
    }

    /// The transaction of the connection itself.
    fn connection<'f>(&mut self, flow: &'f mut Flow<'_>, now: u64) -> Option<&'f mut Tx<Own>> {
        let tx = flow.only(&mut self.connection, now)?;
        let t = flow.get(tx);
        t.own.connection = true;
        Some(t)
    }

    fn raise(&mut self, flow: &mut Flow<'_>, ev: u8, dir: Dir, cx: &AppCx<'_>) {
        if let Some(t) = self.connection(flow, cx.now) {
            t.common.raise(ev, dir);
        }
    }

    fn pdu(&mut self, flow: &mut Flow<'_>, head: Head, pdu: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        match head.kind {
            Kind::IcReq | Kind::IcResp => {
                if let Some(t) = self.connection(flow, cx.now) {
                    let digests = pdu.get(11).copied().unwrap_or(0);
                    if let (Kind::IcResp, Some(v), Some(max)) =
                        (head.kind, le16(pdu, 8), super::plain::le32(pdu, 12))
                    {
                        t.own.agreed = Some((v, digests, max));
                    }
                    // What it says is all there; its totals are not.
                    t.common.touch(dir);
                }
            }
            Kind::H2cTerm | Kind::C2hTerm => {
                if let Some(t) = self.connection(flow, cx.now) {
                    t.own.fatal = le16(pdu, 8);
                    t.common.raise(EV_TERM, dir);
                }
            }
            Kind::Command => {
                if let Some(c) = Command::read(pdu) {
                    self.command(flow, c, head, pdu, cx);
                }
            }
            Kind::Response => {
                if let Some(c) = Completion::read(pdu) {
                    self.complete(flow, c, cx);
                }
            }
            Kind::H2cData | Kind::C2hData => {
                let n = u64::from(head.data());
                if dir == Dir::ToServer {
                    self.totals.bytes_out += n;
                } else {
                    self.totals.bytes_in += n;
                }
                let id = le16(pdu, 8).unwrap_or(0);
                if let Some(tx) = self.waiting(id, flow, cx.pool) {
                    let own = &mut flow.get(tx).own;
                    own.data = own.data.saturating_add(n);
                }
                if head.kind == Kind::C2hData && head.success() && head.last() {
                    self.complete(flow, Completion { id, ..Completion::default() }, cx);
                }
            }
            Kind::R2t => {}
        }
    }

    fn command(&mut self, flow: &mut Flow<'_>, c: Command, head: Head, pdu: &[u8], cx: &mut AppCx<'_>) {
        self.totals.commands += 1;
        self.totals.bytes_out += u64::from(head.data());
        if c.is_connect() {
            self.queue = Some(c.connects_queue());
        }
        if self.queue.is_some_and(|q| q > 0) {
            self.totals.reads += u64::from(c.opcode == 2);
            self.totals.writes += u64::from(c.opcode == 1);
        }
        if self.waiting.is_empty() && self.waiting.resize(cx.pool, PLACES * 4).is_err() {
            return;
        }
        // Two commands in the same place: the older one has had its completion unseen, or never will.
        let at = State::place(c.id);
        if let Some(old) = le32_at(self.waiting.get(cx.pool), at).checked_sub(1) {
            let again = flow.peek(old).own.command.id == c.id;
            let quiet = !self.ration.take(true, cx.now);
            self.totals.unrecorded += u64::from(quiet);
            let t = flow.get(old);
            t.own.quiet = quiet;
            t.common.advance_both(1);
            self.set_waiting(c.id, None, cx.pool);
            if again {
                self.raise(flow, EV_REUSED, Dir::ToServer, cx);
            }
        }
        let tx = if flow.live() < LIVE_MAX { flow.open(cx.now) } else { None };
        let Some(tx) = tx else {
            self.totals.unrecorded += 1;
            return;
        };
        let alone = self.sides[1].ended;
        let quiet = alone && !self.ration.take(true, cx.now);
        self.totals.unrecorded += u64::from(quiet);
        if !alone {
            self.set_waiting(c.id, Some(tx), cx.pool);
        }
        let t = flow.get(tx);
        t.own.quiet = quiet;
        t.own.command = c;
        t.own.queue = self.queue;
        t.own.data = u64::from(head.data());
        if c.is_connect()
            && let Some((controller, subsystem, host)) = pdu::connect_data(head.data_of(pdu))
        {
            t.own.controller = controller;
            let _ = t.own.subsystem.extend(cx.pool, subsystem);
            let _ = t.own.host.extend(cx.pool, host);
        }
        t.common.advance(Dir::ToServer, 1);
        if alone {
            t.common.advance(Dir::ToClient, 1);
        }
    }

    fn complete(&mut self, flow: &mut Flow<'_>, c: Completion, cx: &mut AppCx<'_>) {
        self.totals.errors += u64::from(c.status != 0);
        let Some(tx) = self.waiting(c.id, flow, cx.pool) else {
            if !self.sides[0].ended {
                self.raise(flow, EV_UNASKED, Dir::ToClient, cx);
            }
            return;
        };
        self.set_waiting(c.id, None, cx.pool);
        let ordinary = {
            let own = &flow.peek(tx).own;
            c.status == 0 && own.queue.is_some_and(|q| q > 0) && names::is_traffic(own.command.opcode)
        };
        let quiet = !self.ration.take(ordinary, cx.now);
        self.totals.unrecorded += u64::from(quiet);
        let t = flow.get(tx);
        t.own.done = Some(c);
        t.own.quiet = quiet;
        t.common.advance(Dir::ToClient, 1);
    }
}

fn le32_at(b: &[u8], at: usize) -> u32 {
    super::plain::le32(b, at).unwrap_or(0)
}

impl Protocol for Nvme {
    type State = State;
    type Own = Own;

    fn new(_: &AppConfig) -> Self {
        Nvme
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let (dir, d) = (input.dir, input.dir.ix());
        if input.gap > 0 {
            let gap = u64::from(input.gap);
            let side = &mut s.sides[d];
            if !side.lost && gap <= side.skip {
                side.skip -= gap;
            } else if !side.lost {
                *side = Side { lost: true, ..Side::default() };
                s.raise(flow, EV_GAP, dir, cx);
            }
        }
        let (mut at, mut need) = (0, 0);
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            if s.sides[d].skip > 0 {
                let n = s.sides[d].skip.min(rest.len() as u64);
                s.sides[d].skip -= n;
                at += n as usize;
                continue;
            }
            if rest.len() < pdu::COMMON {
                need = pdu::COMMON;
                break;
            }
            let Some(head) = Head::read(rest, dir) else {
                // What begins as none is passed over byte by byte, until something does.
                if !s.sides[d].lost {
                    s.sides[d].lost = true;
                    s.raise(flow, EV_PDU, dir, cx);
                }
                at += 1;
                continue;
            };
            // The names of a connect are in its data.
            let connects = head.kind == Kind::Command
                && head.len <= CONNECT_MAX
                && rest.get(8) == Some(&pdu::FABRICS)
                && rest.get(12) == Some(&pdu::CONNECT);
            let wanted = if connects { head.len as usize } else { head.header };
            let wanted = if rest.len() < head.header { head.header } else { wanted };
            let Some(pdu) = rest.get(..wanted) else {
                need = wanted;
                break;
            };
            s.sides[d].lost = false;
            s.sides[d].skip = u64::from(head.len).saturating_sub(wanted as u64);
            at += wanted;
            s.pdu(flow, head, pdu, dir, cx);
        }
        s.sides[d].ended |= input.eof;
        // Once for all PDUs of the segment.
        if at > 0 && s.connection.is_some() {
            let totals = s.totals;
            if let Some(t) = s.connection(flow, cx.now) {
                t.own.totals = totals;
            }
        }
        Outcome::Consumed { bytes: at, need }
    }

    fn free(own: &mut Own, pool: &mut BytePool) {
        own.host.free(pool);
        own.subsystem.free(pool);
    }

    fn forget(s: &mut State, tx: &Tx<Own>, cx: &mut AppCx<'_>) {
        // One that is given back without its completion: the flow ends.
        if !tx.own.connection && tx.own.done.is_none() {
            s.waiting.free(cx.pool);
        }
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.waiting.free(cx.pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Own>, at: BufferAt<'a>) -> Buffer<'a> {
        let own = &tx.own;
        if at.index > 0 || own.connection {
            return Buffer::Absent;
        }
        let text = match at.local {
            B_HOST => own.host.get(at.pool),
            B_SUBSYSTEM => own.subsystem.get(at.pool),
            _ => own.name().unwrap_or("").as_bytes(),
        };
        if text.is_empty() { Buffer::Absent } else { Buffer::whole(text) }
    }

    fn int(&self, tx: &Tx<Own>, at: IntAt<'_>) -> Option<u64> {
        let own = &tx.own;
        if own.connection {
            return None;
        }
        let c = &own.command;
        match at.local {
            I_OPCODE => Some(u64::from(c.opcode)),
            I_FABRICS => c.fabrics().map(u64::from),
            I_QUEUE => own.queue.map(u64::from),
            I_NSID => c.fabrics().is_none().then_some(u64::from(c.nsid)),
            I_LBA => own.range().map(|r| r.0),
            I_BLOCKS => own.range().map(|r| r.1),
            I_STATUS => own.done.map(|d| u64::from(d.status)),
            _ => own.done.map(|_| own.data),
        }
    }

    fn log(&self, tx: &Tx<Own>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(view.pool, out);
    }

    fn log_due(&self, tx: &Tx<Own>) -> u8 {
        if tx.common.both_reached(1) && !tx.own.quiet { LOG_WHOLE } else { 0 }
    }

    fn log_at_end(&self, tx: &Tx<Own>) -> u8 {
        if tx.own.quiet { 0 } else { LOG_WHOLE }
    }
}

impl Own {
    fn name(&self) -> Option<&'static str> {
        names::command(self.command.opcode, self.command.nsid as u8, self.queue)
    }

    /// First block and number of blocks.
    fn range(&self) -> Option<(u64, u64)> {
        let io = self.queue.is_some_and(|q| q > 0) && names::has_range(self.command.opcode);
        io.then_some((self.command.cdw10, u64::from(self.command.cdw12 & 0xffff) + 1))
    }
}
