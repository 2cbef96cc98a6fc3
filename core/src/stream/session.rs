//! TCP sessions: segments go in, events and in-order bytes come out.

use super::{ExceptionPolicy, StreamConfig, StreamEvents};
use crate::Dir;
use crate::event::DropReason;
use crate::flow::{FlowIx, FlowTable};
use crate::packet::Packet;
use crate::pool::{BytePool, Slab};

/// State of a TCP session (EVE `tcp.state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, PartialOrd, Ord)]
#[repr(u8)]
pub enum TcpState {
    #[default]
    None,
    SynSent,
    SynRecv,
    Established,
    FinWait1,
    FinWait2,
    TimeWait,
    LastAck,
    CloseWait,
    Closing,
    Closed,
}

impl TcpState {
    /// EVE's word.
    pub const fn name(self) -> &'static str {
        match self {
            TcpState::None => "none",
            TcpState::SynSent => "syn_sent",
            TcpState::SynRecv => "syn_recv",
            TcpState::Established => "established",
            TcpState::FinWait1 => "fin_wait1",
            TcpState::FinWait2 => "fin_wait2",
            TcpState::TimeWait => "time_wait",
            TcpState::LastAck => "last_ack",
            TcpState::CloseWait => "close_wait",
            TcpState::Closing => "closing",
            TcpState::Closed => "closed",
        }
    }
}

/// Bits of [`StreamOut::flags`].
pub mod outflag {
    /// A session began with this packet.
    pub const NEW: u32 = 1;
    /// The session's state refused the packet: its payload is not part of the stream.
    pub const REFUSED: u32 = 1 << 1;
    /// The payload (or part of it) was added to the stream (Suricata's "stream add").
    pub const ADDED: u32 = 1 << 2;
    /// The packet counts as part of an established session.
    pub const ESTABLISHED: u32 = 1 << 3;
    /// The session is closed after this packet.
    pub const CLOSED: u32 = 1 << 4;
    /// Client and server were exchanged: see [`StreamOut::dir`].
    pub const SWAPPED: u32 = 1 << 5;
    /// The payload repeats bytes seen before.
    pub const RETRANSMISSION: u32 = 1 << 6;
    pub const KEEP_ALIVE: u32 = 1 << 7;
    /// No session: nothing opened one and mid-stream pickup is off.
    pub const NO_SESSION: u32 = 1 << 8;
    /// No memory for the session or its data: counted, the policy is in [`StreamOut::exception`].
    pub const NO_MEMORY: u32 = 1 << 9;
    /// A wrong checksum kept the packet out of the stream.
    pub const BAD_CHECKSUM: u32 = 1 << 10;
    /// Depth was reached in the packet's direction: its payload is inspected as a packet only.
    pub const DEPTH: u32 = 1 << 11;
    /// The peer's RST ended the session.
    pub const RESET: u32 = 1 << 12;
    /// Repeated SYN on a session that was closed: a new one took its place.
    pub const REUSED: u32 = 1 << 13;
}

/// What [`Streams::packet`] found out about one packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamOut {
    pub events: StreamEvents,
    /// See [`outflag`].
    pub flags: u32,
    /// The packet's direction; differs from the one given when the flow was turned around.
    pub dir: Dir,
    /// Directions whose bytes may have become readable (bits of [`Dir::bit`]): read the one opposite to the packet
    /// first.
    pub update: u8,
    /// Offset in its direction's stream of the payload's first byte.
    pub payload_offset: u64,
    /// In IPS mode: why the packet must be dropped.
    pub drop: Option<DropReason>,
    /// An exception policy that applies to the packet or its flow.
    pub exception: ExceptionPolicy,
}

impl StreamOut {
    pub const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }
}

/// Bytes for the protocol parser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppChunk<'p> {
    /// In order, not consumed yet.
    pub data: &'p [u8],
    /// That many bytes before `data` will never come: tell the parser, then [`Streams::app_consume`] them. While
    /// it is not 0, `data` is empty.
    pub gap: u32,
    /// Nothing follows `data` in this direction.
    pub eof: bool,
}

/// Bytes for raw inspection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawChunk<'p> {
    pub data: &'p [u8],
    /// Offset of `data[0]` in the stream.
    pub start_offset: u64,
    /// `data[new_from..]` was not inspected before.
    pub new_from: usize,
    /// Enough new bytes for an inspection by `stream.reassembly` chunk sizes, or the stream's end.
    pub due: bool,
}

/// One TCP session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    state: TcpState,
    sides: [Side; 2],
}

/// What one end sent.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    tcp_flags: u8,
    max_regions: u16,
}

impl Session {
    /// EVE `tcp.state`.
    pub fn state(&self) -> TcpState {
        self.state
    }
    /// All TCP flags sent in a direction.
    pub fn tcp_flags(&self, dir: Dir) -> u8 {
        self.sides[dir.ix()].tcp_flags
    }
    /// Most separate pieces of data held at once in a direction (EVE `tcp.ts_max_regions`, `tcp.tc_max_regions`).
    pub fn max_regions(&self, dir: Dir) -> u16 {
        self.sides[dir.ix()].max_regions
    }
    /// Bytes are missing in that direction (EVE `tcp.ts_gap`, `tcp.tc_gap`).
    pub fn has_gap(&self, _dir: Dir) -> bool {
        false
    }
    /// Bytes seen in a direction, for `stream_size`.
    pub fn seen(&self, _dir: Dir) -> u64 {
        0
    }
    /// The handshake is complete.
    pub fn is_established(&self) -> bool {
        self.state >= TcpState::Established
    }
}

/// Counts since construction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounters {
    pub sessions: u64,
    pub midstream: u64,
    pub session_memcap: u64,
    pub reassembly_memcap: u64,
    pub gaps: u64,
    pub overlaps: u64,
    pub overlaps_different: u64,
    pub invalid_checksum: u64,
    pub no_flow: u64,
}

/// All sessions of one engine. Their bytes lie in a pool that the caller gives to each call; it must always be
/// the same, and another than the one parsers write to (they read stream bytes while they write).
pub struct Streams {
    cfg: StreamConfig,
    sessions: Slab<Session>,
    counters: StreamCounters,
}

impl Streams {
    /// Takes the memory of `cfg.max_sessions` sessions.
    pub fn new(cfg: StreamConfig) -> Self {
        Streams { sessions: Slab::new(cfg.max_sessions), cfg, counters: StreamCounters::default() }
    }

    pub fn config(&self) -> &StreamConfig {
        &self.cfg
    }

    pub fn counters(&self) -> StreamCounters {
        self.counters
    }

    /// Session number `ix` (`Hot::tcp`).
    pub fn session(&self, ix: u32) -> Option<&Session> {
        if ix == u32::MAX { None } else { Some(self.sessions.get(ix)) }
    }

    /// Whether `pkt`, travelling in `dir`, opens a new connection on the ports of session `ix`.
    pub fn is_reuse(&self, _ix: u32, _pkt: &Packet<'_>, _dir: Dir) -> bool {
        false
    }

    /// Runs one TCP packet through its flow's session. The flow was already updated for the packet
    /// ([`FlowTable::update`]).
    pub fn packet(
        &mut self,
        flows: &mut FlowTable,
        flow: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        pool: &mut BytePool,
    ) -> StreamOut {
        let _ = (flows, flow, pkt, pool);
        StreamOut { dir, ..StreamOut::default() }
    }

    /// The bytes in direction `dir` that a parser has not consumed: acknowledged ones (all of them in inline mode
    /// or with `flush`).
    pub fn app_ready<'p>(&self, _ix: u32, _dir: Dir, _pool: &'p BytePool, _flush: bool) -> AppChunk<'p> {
        AppChunk::default()
    }

    /// The parser is done with `n` bytes (data or gap).
    pub fn app_consume(&mut self, _ix: u32, _dir: Dir, _n: usize, _pool: &mut BytePool) {}

    /// No parser will read that side any more.
    pub fn app_disable(&mut self, _ix: u32, _dir: Dir, _pool: &mut BytePool) {}

    /// The window of bytes for raw inspection in direction `dir`.
    pub fn raw_ready<'p>(&self, _ix: u32, _dir: Dir, _pool: &'p BytePool, _flush: bool) -> RawChunk<'p> {
        RawChunk::default()
    }

    /// The window last given was inspected.
    pub fn raw_consume(&mut self, _ix: u32, _dir: Dir, _pool: &mut BytePool) {}

    /// No rule will read raw bytes of that side any more.
    pub fn raw_disable(&mut self, _ix: u32, _dir: Dir, _pool: &mut BytePool) {}

    /// Asks that new raw bytes be inspected however few they are (a parser finished a transaction).
    pub fn raw_trigger(&mut self, _ix: u32, _dir: Dir) {}

    /// Stops all reassembly of a session: bypassed or wholly encrypted.
    pub fn stop(&mut self, _ix: u32, _pool: &mut BytePool) {}

    /// Gives a session and its bytes back. Call before [`FlowTable::remove`].
    pub fn remove(&mut self, ix: u32, _pool: &mut BytePool) {
        if ix != u32::MAX {
            self.sessions.free(ix);
        }
    }
}
