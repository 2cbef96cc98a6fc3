//! Application protocols: in-order bytes and datagrams go in, transactions with named buffers come out.
//!
//! Each protocol is one file (or folder) that implements [`Parser`] and describes itself in a [`ProtoDef`]; the
//! only other place that knows it is one line of [`registry::PROTOCOLS`]. A parser owns the states and
//! transactions of all flows of one engine, in slabs and in the engine's byte pool; the flow keeps a number.

#[cfg(test)]
mod bench;
pub mod bittorrent_dht;
pub mod bodies;
mod carried;
mod counted;
pub mod dcerpc;
mod def;
pub mod dnp3;
pub mod dns;
pub mod enip;
pub mod entries;
pub mod expect;
pub mod frames;
pub mod grpc;
pub mod hosted;
pub mod http2;
pub mod ike;
pub mod imap;
#[cfg(test)]
#[path = "../../tests/added/knock.rs"]
mod knock;
pub mod krb5;
pub mod layer;
pub mod ldap;
pub mod magic;
pub mod mail;
pub mod messages;
pub mod modbus;
pub mod mqtt;
pub mod nccl;
pub mod nfs;
pub mod nvme;
mod octets;
pub mod pgsql;
pub mod plain;
pub mod pop3;
pub mod quic;
pub mod ranges;
pub mod ration;
pub mod rdp;
pub mod recognise;
pub mod redis;
pub mod registry;
pub mod rfb;
pub mod roce;
#[cfg(test)]
mod shown;
mod skip;
pub mod smb;
pub mod smtp;
pub mod ssh;
pub mod telnet;
pub mod tls;
pub mod txs;
pub mod websocket;

use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};

pub use def::{
    BufferDef, BufferKind, IntDef, MakeParser, OVER_TCP, OVER_UDP, Pattern, Probe, ProtoDef, Recognise, Seen,
    Verdict, buffer_at, event_at, frame, int_at,
};
pub use registry::AppProto;
pub use txs::{Queue, TxCommon};

/// Number of a flow's parser state inside its [`Parser`].
pub type StateId = u32;
/// Number of a live transaction inside its [`Parser`] (a slab index, reused after the transaction is freed).
pub type TxIdx = u32;

/// Answer to a request for a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer<'a> {
    /// May still come: ask again when the transaction has progressed.
    NotYet,
    /// Will not come (or no further one at this index).
    Absent,
    Data {
        bytes: &'a [u8],
        /// Offset of `bytes[0]` in the whole value: 0 except for streaming windows.
        offset: u64,
        /// Nothing will follow these bytes.
        end: bool,
    },
}

impl<'a> Buffer<'a> {
    /// A whole, final value.
    pub const fn whole(bytes: &'a [u8]) -> Self {
        Buffer::Data { bytes, offset: 0, end: true }
    }
}

/// Detection's memory of a transaction in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct TxDetect {
    /// Progress inspected so far (value + 1; 0: never looked).
    pub seen: u8,
    /// Rules to evaluate again when more arrives, with what they wait for, and rules that matched already (`u32`s).
    pub pending: PBuf,
    pub done: PBuf,
    /// Growing buffers of the direction: bytes already searched.
    pub scanned: [u32; GROWING_MAX],
    /// Of its [`BufferKind::Chain`]: the value that `scanned` is of.
    pub turn: u16,
    /// Buffers with several values: how many were searched.
    pub values: [u16; SEVERAL_MAX],
    /// Buffers whose single value the prefilter has scanned (bit per buffer of the rule group, below 64).
    pub scanned_bufs: u64,
}

/// Most growing buffers that a protocol has in one direction.
pub const GROWING_MAX: usize = 4;
/// Most buffers with several values that a protocol has in one direction.
pub const SEVERAL_MAX: usize = 8;

impl TxDetect {
    /// Gives back what detection kept. Parsers call [`TxCommon::release`].
    pub fn release(&mut self, pool: &mut BytePool) {
        self.pending.free(pool);
        self.done.free(pool);
    }
}

/// Which buffer is asked for, and where it can be built.
pub struct BufferAt<'a> {
    /// Place among [`ProtoDef::buffers`].
    pub local: u8,
    pub dir: Dir,
    /// Counts the values of a [`BufferKind::Multi`] buffer.
    pub index: u32,
    pub pool: &'a BytePool,
    /// For a value that is not stored as it is.
    pub scratch: &'a mut Scratch,
}

/// Which number is asked for.
#[derive(Clone, Copy, Debug)]
pub struct IntAt<'a> {
    /// Place among [`ProtoDef::ints`].
    pub local: u8,
    pub dir: Dir,
    pub index: u32,
    pub pool: &'a BytePool,
}

/// A transaction, wherever its flow's protocols keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxRef {
    /// Protocol whose parser has it.
    pub proto: AppProto,
    pub idx: TxIdx,
    /// Number in its flow.
    pub id: u64,
}

/// Bytes given to a parser.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub dir: Dir,
    /// What has not been consumed yet, in order. Empty with `gap` or `eof`.
    pub data: &'a [u8],
    /// That many bytes are missing before `data` (they never arrived, or the depth was reached).
    pub gap: u32,
    /// Nothing follows in this direction.
    pub eof: bool,
    /// A datagram (UDP): complete in itself.
    pub datagram: bool,
}

/// What a parser did with its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// That many bytes are done with; the rest is given again together with what follows. `need` is the least
    /// total of unconsumed bytes worth calling again with (0: any).
    Consumed { bytes: usize, need: usize },
    /// That many bytes are done with, and brought many transactions. The rest is given again when rules have looked at
    /// those and what is done was given back, so that few bytes cannot bring more than there is room for.
    Full { bytes: usize },
    /// Not this protocol, or beyond repair: the parser is not called again for this flow.
    Failed,
    /// This direction is beyond repair, all of its bytes are done with; the parser reads on in the other.
    FailedHere,
    /// The protocol changes after `bytes` (CONNECT, STARTTLS, upgrade); `to` is the expected next one, if known.
    Change { bytes: usize, to: Option<AppProto> },
    /// Everything that follows in the flow is opaque (encrypted): no more parsing, and no payload inspection.
    Opaque { bytes: usize },
}

/// Which buffers the loaded rules ask for, so that parsers keep no others. Local numbers of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(pub u128);

impl Wanted {
    pub const ALL: Wanted = Wanted(u128::MAX);
    pub const fn has(self, local: u8) -> bool {
        self.0 >> (local & 127) & 1 == 1
    }

    /// Whether rules read nothing of the protocol's own.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether rules read that number; numbers are counted from the other end.
    pub const fn has_int(self, local: u8) -> bool {
        self.0 >> (127 - (local & 127)) & 1 == 1
    }
}

/// What a parser may use while it works.
pub struct AppCx<'a> {
    pub pool: &'a mut BytePool,
    pub files: &'a mut file::Files,
    pub scratch: &'a mut Scratch,
    pub cfg: &'a AppConfig,
    /// Packet time, ns.
    pub now: u64,
    /// Buffers that loaded rules read, of this protocol.
    pub wanted: Wanted,
    /// Directions (bits of [`Dir::bit`]) whose raw bytes rules look at with the next packet, however few they are. Both
    /// when a parser is called; one that knows when a message is whole says so instead.
    pub due: u8,
    /// Somebody sees more of transactions than their number: rules, records, files or anomalies. If nobody does,
    /// what costs much and changes nothing else (decoding bodies, digests) may be left out.
    pub shown: bool,
    /// A parser may write here under which name its flow is known from now on; the parser stays the same.
    pub known_as: AppProto,
    /// 5-tuple ports of the flow, client and server.
    pub ports: [u16; 2],
    /// Addresses of the flow's ends.
    pub client: crate::packet::Addr,
    pub server: crate::packet::Addr,
    /// Where the bytes of messages go.
    pub bodies: &'a mut bodies::Bodies,
    /// Takes note of frames.
    pub frames: &'a mut frames::Notes,
    /// The flow's states in its guests.
    pub lodging: &'a mut bodies::Lodging,
}

impl AppCx<'_> {
    /// The place for bytes of messages, with what it may use.
    pub fn bodies(&mut self) -> (&mut bodies::Bodies, bodies::BodyCx<'_>) {
        let cx = bodies::BodyCx {
            pool: self.pool,
            scratch: self.scratch,
            cfg: self.cfg,
            now: self.now,
            shown: self.shown,
            lodging: self.lodging,
            wanted: self.wanted,
        };
        (self.bodies, cx)
    }
}

/// One protocol in one engine.
pub trait Parser: Send {
    /// Touches memory that it took for itself at construction.
    fn warm(&mut self) {}
    /// What its flows share (inflaters, tables) and one lost to another, since construction.
    fn evicted(&self) -> u64 {
        0
    }
    /// A state for a new flow, or `None` when the pool is full.
    fn open(&mut self, cx: &mut AppCx<'_>) -> Option<StateId>;
    /// The flow ended: gives back the state, its transactions and all they hold.
    fn close(&mut self, st: StateId, cx: &mut AppCx<'_>);
    /// Reads bytes.
    fn parse(&mut self, st: StateId, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome;

    /// The flow's oldest live transaction, or the one that follows `after`.
    fn next_tx(&self, st: StateId, after: Option<TxIdx>) -> Option<TxIdx>;
    /// Transactions of the flow created so far.
    fn tx_count(&self, st: StateId) -> u64;
    /// Takes the transaction that has waited longest in `queue` since it was created or written to.
    fn take_changed(&mut self, st: StateId, queue: Queue) -> Option<TxIdx>;
    /// Puts a live transaction into a queue, if it is not there.
    fn requeue(&mut self, st: StateId, tx: TxIdx, queue: Queue);
    fn common(&self, tx: TxIdx) -> &TxCommon;
    /// For marks of the engine and of detection: puts it into no queue.
    fn common_mut(&mut self, tx: TxIdx) -> &mut TxCommon;
    /// Progress at which a transaction is complete in that direction.
    fn complete_progress(&self, dir: Dir) -> u8;
    /// Detection and logging are done with it: gives it back.
    fn free_tx(&mut self, st: StateId, tx: TxIdx, cx: &mut AppCx<'_>);

    /// A named buffer.
    fn buffer<'a>(&'a self, st: StateId, tx: TxIdx, at: BufferAt<'a>) -> Buffer<'a>;
    /// A named number.
    fn int(&self, st: StateId, tx: TxIdx, at: IntAt<'_>) -> Option<u64>;
    /// Whether numbers of the transaction's direction have their low byte first, for `dce` in rules.
    fn little(&self, tx: TxIdx, dir: Dir) -> bool {
        let _ = (tx, dir);
        false
    }
    /// Writes the record's fields (the contents of the EVE object named after the protocol).
    fn log(&self, view: &TxView<'_>, dir: Dir, out: &mut dyn Fields);
    /// Whether a record is due: `Some(dir)` bits of what to write now. Default: once, when both sides are complete.
    fn log_due(&self, tx: TxIdx) -> u8 {
        let c = self.common(tx);
        let whole = Dir::BOTH.iter().all(|d| c.progress(*d) >= self.complete_progress(*d));
        if whole { LOG_WHOLE } else { 0 }
    }
    /// As [`Parser::log_due`] for what is left when the flow ends: incomplete transactions are recorded too.
    fn log_at_end(&self, tx: TxIdx) -> u8 {
        let _ = tx;
        LOG_WHOLE
    }
    /// The name of a transaction's record where it is not that of the protocol.
    fn record(&self, tx: TxIdx) -> Option<&'static str> {
        let _ = tx;
        None
    }
    /// The call of a model that a transaction is, for those that keep account of calls.
    fn call(&self, tx: TxIdx) -> Option<&crate::ai::Call> {
        let _ = tx;
        None
    }
    /// A flow that the input parsed last announces (asked after every `parse`; answered once).
    fn announced(&mut self) -> Option<expect::Announce> {
        None
    }
    /// What is needed to read the protected part of a session, as soon as its hellos told it.
    fn hello(&self, st: StateId, pool: &BytePool) -> Option<crate::unseal::Hello> {
        let _ = (st, pool);
        None
    }
    /// The change of protocol that was asked for in direction `dir` is not done: the protocol is itself what came of another
    /// change just now.
    fn change_refused(&mut self, st: StateId, dir: Dir) {
        let _ = (st, dir);
    }
    /// What the protocol that comes after this one, `to`, is told ([`Parser::expected`]); given up by the flow's state.
    fn handed_on(&mut self, st: StateId, to: AppProto) -> PBuf {
        let _ = (st, to);
        PBuf::default()
    }
    /// The flow of the fresh state `st` was announced: `what` the announcement carries, by flow number `from`.
    fn expected(&mut self, st: StateId, what: PBuf, from: u64, cx: &mut AppCx<'_>) {
        let _ = (st, what, from, cx);
    }
}

/// `log_due` bits: a record for the request side, the response side, or one for the whole transaction.
pub const LOG_REQUEST: u8 = 1;
pub const LOG_RESPONSE: u8 = 2;
pub const LOG_WHOLE: u8 = 4;

/// A transaction as outputs see it.
#[derive(Clone, Copy)]
pub struct TxView<'a> {
    pub proto: AppProto,
    /// What the flow spoke before it changed to this protocol, or unknown.
    pub before: AppProto,
    pub parser: &'a dyn Parser,
    pub state: StateId,
    pub tx: TxIdx,
    pub pool: &'a BytePool,
    pub files: &'a file::Files,
}

impl<'a> TxView<'a> {
    pub fn common(&self) -> &'a TxCommon {
        self.parser.common(self.tx)
    }
    /// Writes the protocol's fields.
    pub fn log(&self, dir: Dir, out: &mut dyn Fields) {
        self.parser.log(self, dir, out);
    }
    /// Direction that the record is about: a message's own, or for a transaction as a whole the client's (some: that of the
    /// packet that completed it).
    pub fn record_dir(&self, dir: Dir) -> Dir {
        let def = self.proto.def();
        if def.by_message || def.by_packet { dir } else { Dir::ToServer }
    }
    /// The name of the record (`http`, `dns`, …).
    pub fn record(&self) -> &'static str {
        self.parser.record(self.tx).unwrap_or(self.proto.def().record)
    }
}

pub mod config;
pub mod file;
pub mod ftp;
pub mod ftp_data;
pub mod http;
pub mod judge;
mod tap;
pub use config::{AppConfig, Encrypted, HttpConfig, MOST_WAITING};
pub use file::FileView;
pub use layer::{AppLayer, Fed, FlowApp, FlowFacts, Layer};
