//! TCP sessions: segments go in, events and in-order bytes come out.

use super::buffer::Reassembly;
use super::policy::OsPolicy;
use super::segment;
use super::{ExceptionPolicy, StreamConfig, StreamEvents};
use crate::Dir;
use crate::event::DropReason;
use crate::packet::Addr;
use crate::pool::{BytePool, PBuf};

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
    /// The packet counts as part of an established flow (`flow:established`): the session was established before it,
    /// or it completes the handshake and carries data.
    pub const ESTABLISHED: u32 = 1 << 3;
    /// The session is closed after this packet.
    pub const CLOSED: u32 = 1 << 4;
    /// Client and server were exchanged: see [`StreamOut::dir`](super::StreamOut::dir).
    pub const SWAPPED: u32 = 1 << 5;
    /// The payload repeats bytes seen before.
    pub const RETRANSMISSION: u32 = 1 << 6;
    pub const KEEP_ALIVE: u32 = 1 << 7;
    /// No session: nothing opened one and mid-stream pickup is off.
    pub const NO_SESSION: u32 = 1 << 8;
    /// Depth was reached in the packet's direction: its payload is inspected as a packet only.
    pub const DEPTH: u32 = 1 << 11;
    /// The peer's RST ended the session.
    pub const RESET: u32 = 1 << 12;
}

/// What [`super::Streams::packet`] found out about one packet.
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
    /// In IPS mode: why the packet must be dropped.
    pub drop: Option<DropReason>,
    /// An exception policy that applies to the packet or its flow, and the exception; without one none applies.
    pub exception: ExceptionPolicy,
    pub exception_reason: Option<DropReason>,
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
    /// That many bytes before `data` will never come: tell the parser, then [`super::Streams::app_consume`] them. While
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

/// Flags of a session.
pub(super) mod sf {
    pub const MIDSTREAM: u16 = 1;
    pub const MIDSTREAM_EST: u16 = 1 << 1;
    pub const MIDSTREAM_SYNACK: u16 = 1 << 2;
    pub const ASYNC: u16 = 1 << 3;
    pub const TIMESTAMP: u16 = 1 << 4;
    pub const SACK_OK: u16 = 1 << 5;
    pub const CLIENT_SACK_OK: u16 = 1 << 6;
    pub const SERVER_WSCALE: u16 = 1 << 7;
    pub const FOUR_WAY: u16 = 1 << 8;
    pub const EVASION: u16 = 1 << 9;
    pub const FAST_OPEN: u16 = 1 << 10;
    pub const FAST_OPEN_IGNORED: u16 = 1 << 11;
    pub const CONFIRMED: u16 = 1 << 12;
    pub const BY_RST: u16 = 1 << 13;
    pub const ZWP_SERVER: u16 = 1 << 14;
    pub const ZWP_CLIENT: u16 = 1 << 15;
}

/// Flags of a side.
pub(super) mod df {
    pub const TIMESTAMP: u16 = 1;
    pub const ZERO_TIMESTAMP: u16 = 1 << 1;
    pub const RST_RECEIVED: u16 = 1 << 2;
    pub const KEEP_ALIVE: u16 = 1 << 3;
    /// Nothing is buffered any more.
    pub const STOPPED: u16 = 1 << 4;
    pub const DEPTH: u16 = 1 << 5;
    pub const APP_OFF: u16 = 1 << 6;
    pub const RAW_OFF: u16 = 1 << 7;
    pub const RAW_NOW: u16 = 1 << 8;
    pub const GAP: u16 = 1 << 9;
    pub const OS_KNOWN: u16 = 1 << 10;
    /// Its SYN or SYN/ACK was signed: so are the rest of its segments (RFC 2385, RFC 5925).
    pub const SIGNED: u16 = 1 << 11;
    /// What passes is read to its end: the depth does not count.
    pub const DEEP: u16 = 1 << 12;
}

/// One TCP session.
#[derive(Clone, Copy, Debug, Default)]
pub struct Session {
    pub(super) state: TcpState,
    /// The state before the present one.
    pub(super) before: TcpState,
    pub(super) flags: u16,
    pub(super) sides: [Side; 2],
    /// SYNs or SYN/ACKs seen during the handshake beside the ones used; see `state`.
    pub(super) queue: PBuf,
}

/// What one end sent, and what its peer said about it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Side {
    pub(super) isn: u32,
    pub(super) next_seq: u32,
    /// Highest acknowledgment by the peer.
    pub(super) last_ack: u32,
    /// End of the peer's window.
    pub(super) next_win: u32,
    /// The peer's window, scaled.
    pub(super) window: u32,
    pub(super) last_ts: u32,
    /// Seconds of the packet that brought `last_ts`.
    pub(super) last_pkt_ts: u32,
    pub(super) flags: u16,
    pub(super) tcp_flags: u8,
    pub(super) wscale: u8,
    /// Policy of the host that receives this side.
    pub(super) os: OsPolicy,
    pub(super) sack: segment::Sack,
    /// Sequence number at stream offset `seq_off`: moves along so that 32-bit differences stay small.
    pub(super) seq_base: u32,
    pub(super) seq_off: u64,
    /// Urgent bytes taken out of the stream.
    pub(super) urgent: u16,
    /// Stream offset up to which the parser, and raw inspection, are done.
    pub(super) app: u64,
    pub(super) raw: u64,
    pub(super) data: Reassembly,
}

impl Side {
    /// Sets the initial sequence number: the stream begins after it.
    pub(super) fn set_isn(&mut self, isn: u32) {
        self.isn = isn;
        self.seq_base = isn.wrapping_add(1);
        self.seq_off = 0;
    }

    /// Stream offset of a sequence number; `None` before the stream's start.
    pub(super) fn offset(&self, seq: u32) -> Option<u64> {
        let delta = i64::from(seq.wrapping_sub(self.seq_base) as i32);
        u64::try_from(self.seq_off as i64 + delta - i64::from(self.urgent)).ok()
    }

    /// Stream offset of the last acknowledgment.
    pub(super) fn acked(&self) -> u64 {
        self.offset(self.last_ack).unwrap_or(0)
    }

    /// Sequence number of the first byte that is still kept.
    pub(super) fn base_seq(&self) -> u32 {
        let back = self.seq_off as i64 - (self.data.base() + u64::from(self.urgent)) as i64;
        self.seq_base.wrapping_sub(back as u32)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.flags & df::STOPPED != 0
    }

    /// Lets memory go that nobody will read.
    pub(super) fn tidy(&mut self, cfg: &StreamConfig, pool: &mut BytePool) {
        let (app_off, raw_off) = (self.flags & df::APP_OFF != 0, self.flags & df::RAW_OFF != 0);
        if app_off && raw_off {
            self.flags |= df::STOPPED;
            self.data.free(pool);
            return;
        }
        let tail = self.raw.saturating_sub(u64::from(cfg.raw_tail));
        let keep = match (app_off, raw_off) {
            (false, false) => self.app.min(tail),
            (true, _) => tail,
            (_, true) => self.app,
        };
        self.data.release_to(pool, keep);
        if self.flags & df::DEPTH != 0
            && self.app.max(self.raw) >= self.data.right()
            && self.app >= self.data.right()
        {
            self.flags |= df::STOPPED;
            self.data.free(pool);
        }
    }
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
    /// Most separate pieces of data held at once in a direction (EVE `tcp.ts_max_regions`, `tcp.tc_max_regions`). A session
    /// has room for one from its beginning, which is counted though nothing came.
    pub fn max_regions(&self, dir: Dir) -> u16 {
        self.sides[dir.ix()].data.max_blocks.max(1)
    }
    /// Bytes are missing in that direction (EVE `tcp.ts_gap`, `tcp.tc_gap`).
    pub fn has_gap(&self, dir: Dir) -> bool {
        self.sides[dir.ix()].flags & df::GAP != 0
    }
    /// Depth was reached in that direction.
    pub fn depth_reached(&self, dir: Dir) -> bool {
        self.sides[dir.ix()].flags & df::DEPTH != 0
    }
    /// Sequence numbers used in a direction, for `stream_size` (as Suricata: SYN included, modulo 2^32).
    pub fn seen(&self, dir: Dir) -> u32 {
        let s = &self.sides[dir.ix()];
        s.next_seq.wrapping_sub(s.isn)
    }
    /// The handshake is complete (or was, once).
    pub fn is_established(&self) -> bool {
        self.state >= TcpState::Established
    }
    /// Picked up after its beginning.
    pub fn is_midstream(&self) -> bool {
        self.flags & sf::MIDSTREAM != 0
    }
    /// Bytes of the pool's blocks it holds.
    pub fn held(&self) -> usize {
        self.sides[0].data.held() + self.sides[1].data.held() + self.queue.capacity()
    }
    /// End of the acknowledged bytes of a direction, as a stream offset.
    pub fn acked(&self, dir: Dir) -> u64 {
        self.sides[dir.ix()].acked()
    }
}

impl Side {
    /// Looks up the policy of the host that receives this side.
    pub(super) fn set_os(&mut self, cfg: &StreamConfig, host: &Addr, v6: bool) {
        self.flags |= df::OS_KNOWN;
        self.os = match cfg.os_of(host, v6) {
            OsPolicy::BsdRight => OsPolicy::Bsd,
            OsPolicy::OldSolaris => OsPolicy::Solaris,
            p => p,
        };
    }
}
