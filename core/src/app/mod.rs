//! Application protocols: in-order bytes and datagrams go in, transactions with named buffers come out.
//!
//! Each protocol is one file (or folder) that implements [`Parser`] and describes itself in a [`ProtoDef`]; the
//! only other place that knows it is one line of [`registry::PROTOCOLS`]. A parser owns the states and
//! transactions of all flows of one engine, in slabs and in the engine's byte pool; the flow keeps a number.

#[cfg(test)]
mod bench;
pub mod dns;
pub mod entries;
pub mod expect;
pub mod hosted;
pub mod http2;
pub mod layer;
pub mod plain;
pub mod recognise;
pub mod registry;
pub mod smtp;
pub mod ssh;
pub mod tls;
pub mod txs;

use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf, Scratch};

pub use registry::AppProto;
pub use txs::{Queue, TxCommon};

/// Number of a flow's parser state inside its [`Parser`].
pub type StateId = u32;
/// Number of a live transaction inside its [`Parser`] (a slab index, reused after the transaction is freed).
pub type TxIdx = u32;

/// Makes the parser of one engine.
pub type MakeParser = fn(&AppConfig) -> alloc::boxed::Box<dyn Parser>;

/// A protocol's description: what the rules, detection and outputs need to know of it.
#[derive(Debug)]
pub struct ProtoDef {
    /// Suricata's name in rules and in EVE `app_proto` (`http`, `dns`, `tls`, …).
    pub name: &'static str,
    /// Further names accepted in a rule's header.
    pub aliases: &'static [&'static str],
    /// Carriers: [`OVER_TCP`], [`OVER_UDP`].
    pub over: u8,
    /// Named buffers that rules can inspect, in the order of their local numbers.
    pub buffers: &'static [BufferDef],
    /// Named numbers that rules can compare, in the order of their local numbers.
    pub ints: &'static [IntDef],
    /// Events that `app-layer-event:<proto>.<name>` can name, in order of their bit in [`TxCommon::events`]
    /// (lower case, as in rules).
    pub events: &'static [&'static str],
    /// How the protocol is recognised. Empty when it is only reached by a change of protocol.
    pub recognise: Recognise,
    /// Makes the parser; `None` for a protocol that is recognised but not parsed.
    pub parser: Option<MakeParser>,
    /// EVE `event_type` of its transaction records (`http`, `dns`, …); empty when none are written.
    pub record: &'static str,
}

pub const OVER_TCP: u8 = 1;
pub const OVER_UDP: u8 = 2;

/// What is known of the bytes that start a protocol.
#[derive(Debug, Default)]
pub struct Recognise {
    /// Literal patterns near the start of the first bytes.
    pub patterns: &'static [Pattern],
    /// Probing functions, asked when the ports fit (or always, with an empty port list).
    pub probes: &'static [Probe],
    /// Second opinion on a pattern that was seen. `None`: the pattern is proof enough.
    pub confirm: Option<fn(bytes: &[u8], seen: &Seen) -> Verdict>,
    /// Directions in which the first bytes of a TCP flow must travel (bits of [`Dir::bit`]); 0: any. A flow
    /// whose first bytes go the other way is given up with `APPLAYER_WRONG_DIRECTION_FIRST_DATA`.
    pub first: u8,
}

impl Recognise {
    /// Nothing known: the protocol is only reached by a change of protocol.
    pub const NONE: Recognise = Recognise { patterns: &[], probes: &[], confirm: None, first: 0 };
}

/// A literal that marks a protocol when it lies inside `offset..depth` of the first bytes of a direction.
#[derive(Debug)]
pub struct Pattern {
    pub bytes: &'static [u8],
    pub caseless: bool,
    pub offset: u16,
    pub depth: u16,
    pub dir: Dir,
    /// Carrier it applies to.
    pub over: u8,
}

/// What is known beside the bytes when a pattern is confirmed.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Direction of the bytes.
    pub dir: Dir,
    /// Ports of client and server.
    pub ports: [u16; 2],
    /// What was found in the other direction.
    pub other: AppProto,
    pub pattern: &'static Pattern,
}

/// What a probing function thinks of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// Too few bytes to say.
    Unsure,
    /// It looks so, and counts unless the other direction was found to be something else.
    Likely,
    /// It is the protocol, but the bytes travel against the flow's direction (client and server swapped).
    Reversed,
}

#[derive(Debug)]
pub struct Probe {
    pub over: u8,
    /// Server ports it is asked for; empty for all.
    pub ports: &'static [u16],
    /// Bytes of `dir` in, an opinion out.
    pub probe: fn(bytes: &[u8], dir: Dir) -> Verdict,
    /// Whether detection may run this probe for bytes of that direction.
    pub dirs: u8,
    /// Fewest bytes worth asking with.
    pub min_bytes: u16,
}

/// A named buffer.
#[derive(Debug)]
pub struct BufferDef {
    /// Sticky buffer keyword (`http.uri`). A name may occur in several protocols (`file.data`).
    pub name: &'static str,
    /// Further sticky keywords with the same meaning (`dns_query`).
    pub aliases: &'static [&'static str],
    /// Old-style content modifiers (`http_uri` after the content it applies to).
    pub modifiers: &'static [&'static str],
    /// Directions it exists in: bits [`Dir::bit`].
    pub dirs: u8,
    /// Least transaction progress (of its direction) at which it can be read.
    pub progress: u8,
    pub kind: BufferKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// One value a transaction.
    Single,
    /// Several values a transaction, asked for by index until the answer is `Absent`; each is inspected apart.
    Multi,
    /// Grows while the transaction runs (bodies, file data): a window with its offset in the whole.
    Streaming,
}

/// A named number (`dns.opcode`, `tls.cert_chain_len`); `Multi` ones are asked for by index.
#[derive(Debug)]
pub struct IntDef {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub dirs: u8,
    pub progress: u8,
    pub multi: bool,
    /// Symbolic values accepted in rules, lower case, with their numbers.
    pub values: &'static [(&'static str, u64)],
}

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
    /// Rules to evaluate again when more arrives, and rules that matched already: `u32`s.
    pub pending: PBuf,
    pub done: PBuf,
    /// Growing buffers of the direction: bytes already searched.
    pub scanned: [u32; GROWING_MAX],
    /// Buffers whose single value the prefilter has scanned (bit per buffer of the rule group, below 64).
    pub scanned_bufs: u64,
}

/// Most growing buffers that a protocol has in one direction.
pub const GROWING_MAX: usize = 4;

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
    /// Not this protocol, or beyond repair: the parser is not called again for this flow.
    Failed,
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
    /// Somebody sees more of transactions than their number: rules, records, files or anomalies. If nobody does,
    /// what costs much and changes nothing else (decoding bodies, digests) may be left out.
    pub shown: bool,
    /// 5-tuple ports of the flow, client and server.
    pub ports: [u16; 2],
}

/// One protocol in one engine.
pub trait Parser: Send {
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
    /// A flow that the input parsed last announces (asked after every `parse`; answered once).
    fn announced(&mut self) -> Option<expect::Announce> {
        None
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
    /// The name of the record (`http`, `dns`, …).
    pub fn record(&self) -> &'static str {
        self.proto.def().record
    }
}

pub mod config;
pub mod file;
pub mod ftp;
pub mod ftp_data;
pub mod http;
pub use config::AppConfig;
pub use file::FileView;
pub use layer::{AppLayer, Fed, FlowApp, FlowFacts};
