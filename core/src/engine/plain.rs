//! Streams without packets: bytes of a connection that the caller has in the clear, as hooks in a TLS library, proxies
//! and taps of the kernel do.
//!
//! In: the ends of a connection, and the bytes of each direction in order. Out: what packets with these bytes would lead
//! to, the same transactions, files, records, alerts and verdicts. Owns what is known of each open stream, and a tag of
//! the caller's that every event of its flow brings back ([`FlowExtra::tag`](crate::event::FlowExtra::tag)).
//!
//! A stream is a flow of its own, never that of packets between the same ends. Its bytes pass the stream station as
//! segments that the engine makes, without a copy: reassembly depth, memory and policies hold as for any flow. Rules on
//! packets (flags, sizes, header fields) are not asked, as there are none; rules on addresses, ports, streams and
//! protocols are.
use core::net::{IpAddr, SocketAddr};

use alloc::vec::Vec;

use super::{Engine, stronger};
use crate::Dir;
use crate::event::{EventSink, Verdict};
use crate::flow::{EndReason, OWN_STREAM};
use crate::packet::{Addr, Checksum, L3, L4, Packet, Source, Span, TcpFields};

/// Most bytes of a tag.
pub const MAX_TAG: usize = 256;
/// Most bytes of one made segment: below the window that both ends are said to have.
const PIECE: usize = 32 << 10;
/// LINKTYPE_RAW.
const LINK_RAW: u16 = 101;

const FIN: u8 = 1;
const SYN: u8 = 2;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// The ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    pub client: SocketAddr,
    pub server: SocketAddr,
}

/// An open stream. It names no other one after it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId {
    place: u32,
    turn: u32,
}

impl StreamId {
    /// As one number, never 0.
    pub const fn to_bits(self) -> u64 {
        (self.turn as u64) << 32 | (self.place as u64 + 1)
    }

    /// The stream of such a number, open or not.
    pub const fn from_bits(n: u64) -> StreamId {
        StreamId { place: (n as u32).wrapping_sub(1), turn: (n >> 32) as u32 }
    }
}

/// Why a stream was not opened or fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    #[error("one end has an IPv4 address, the other an IPv6 address")]
    Families,
    #[error("the tag has {len} bytes; there is room for 256")]
    Tag { len: usize },
    #[error("a stream between these ends is open already")]
    Taken,
    #[error("{most} streams are open, which is all that the engine's memory is for")]
    Full { most: usize },
    #[error("there is no such stream: it was closed, or is another engine's")]
    Closed,
}

/// What is known of a stream.
#[derive(Debug)]
struct Open {
    turn: u32,
    open: bool,
    /// The flow's handshake was made; not any more when the flow ended (idle for too long, given up for others).
    begun: bool,
    v6: bool,
    ends: [Addr; 2],
    ports: [u16; 2],
    /// Sequence number of the next byte of each direction.
    next: [u32; 2],
    tag_len: u16,
    tag: [u8; MAX_TAG],
    /// The free place after this one.
    free: u32,
}

/// All streams of an engine.
#[derive(Debug)]
pub(super) struct Plain {
    places: Vec<Open>,
    most: usize,
    free: u32,
    /// The stream being fed, plus 1: a flow that begins is its. 0: packets come.
    feeding: u32,
}

const NONE: u32 = u32::MAX;

impl Plain {
    /// For an engine of so many flows.
    pub(super) fn new(flows: usize) -> Plain {
        let most = Plain::most(flows);
        Plain { places: Vec::with_capacity(most), most, free: NONE, feeding: 0 }
    }

    const fn most(flows: usize) -> usize {
        if flows / 8 < 16 { 16 } else { flows / 8 }
    }

    /// What [`Plain::new`] takes.
    pub(super) const fn bytes(flows: usize) -> usize {
        Plain::most(flows) * size_of::<Open>()
    }

    pub(super) const fn feeding(&self) -> u32 {
        self.feeding
    }

    /// The tag of the stream `number`, plus 1; empty for 0.
    #[inline]
    pub(super) fn tag(&self, number: u32) -> &[u8] {
        let open = (number as usize).checked_sub(1).and_then(|i| self.places.get(i));
        open.and_then(|o| o.tag.get(..usize::from(o.tag_len))).unwrap_or_default()
    }

    /// The flow of the stream `number`, plus 1, ended.
    pub(super) fn flow_ended(&mut self, number: u32) {
        if let Some(o) = (number as usize).checked_sub(1).and_then(|i| self.places.get_mut(i)) {
            o.begun = false;
        }
    }

    fn get(&mut self, id: StreamId) -> Result<&mut Open, FeedError> {
        self.places
            .get_mut(id.place as usize)
            .filter(|o| o.open && o.turn == id.turn)
            .ok_or(FeedError::Closed)
    }

    fn add(&mut self, new: Open) -> Result<StreamId, FeedError> {
        let place = self.free;
        if let Some(o) = self.places.get_mut(place as usize) {
            self.free = o.free;
            *o = Open { turn: o.turn.wrapping_add(1), ..new };
            return Ok(StreamId { place, turn: o.turn });
        }
        if self.places.len() == self.most {
            return Err(FeedError::Full { most: self.most });
        }
        self.places.push(new);
        Ok(StreamId { place: self.places.len() as u32 - 1, turn: 0 })
    }

    fn remove(&mut self, id: StreamId) {
        let free = self.free;
        if let Ok(o) = self.get(id) {
            (o.open, o.free) = (false, free);
            self.free = id.place;
        }
    }
}

impl Open {
    /// A segment that it has never had.
    fn segment<'a>(&mut self, dir: Dir, flags: u8, data: &'a [u8], ts: u64) -> Packet<'a> {
        let [from, to] = match dir {
            Dir::ToServer => [0, 1],
            Dir::ToClient => [1, 0],
        };
        let mut p = Packet::new(data, LINK_RAW, ts, 0);
        p.source = Source::Stream;
        p.recursion = OWN_STREAM;
        p.l3 = if self.v6 { L3::Ipv6 } else { L3::Ipv4 };
        (p.l4, p.proto) = (L4::Tcp, 6);
        (p.src, p.dst) = (self.ends[from], self.ends[to]);
        (p.sp, p.dp) = (self.ports[from], self.ports[to]);
        p.payload = Span::new(0, data.len());
        (p.l3_sum, p.l4_sum) = (Checksum::Good, Checksum::Good);
        p.wants_flow = true;
        p.tcp = TcpFields {
            seq: self.next[from],
            ack: if flags & ACK != 0 { self.next[to] } else { 0 },
            flags,
            window: u16::MAX,
            ..TcpFields::default()
        };
        if flags & SYN != 0 {
            p.tcp.wscale = Some(8);
        }
        let takes = data.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[from] = self.next[from].wrapping_add(takes);
        p
    }
}

fn address(a: IpAddr) -> (Addr, bool) {
    match a {
        IpAddr::V4(a) => (Addr::v4(a.octets()), false),
        IpAddr::V6(a) => (Addr(a.octets()), true),
    }
}

impl Engine {
    /// Opens a stream between two ends at the time `ts`, nanoseconds since the Unix epoch. `tag` is the caller's, up to
    /// 256 bytes: a process, a container, a user, a tenant; it comes back in every event of the stream's flow.
    ///
    /// # Errors
    /// The ends are of two families, the tag is too long, the ends are taken, or there are too many open streams (an
    /// eighth of the flows that the engine has memory for). Nothing was opened then.
    pub fn open_stream(
        &mut self,
        ends: &Tuple,
        tag: &[u8],
        ts: u64,
        sink: &mut dyn EventSink,
    ) -> Result<StreamId, FeedError> {
        let ((client, v6), (server, other)) = (address(ends.client.ip()), address(ends.server.ip()));
        if v6 != other {
            return Err(FeedError::Families);
        }
        let mut kept = [0; MAX_TAG];
        kept.get_mut(..tag.len()).ok_or(FeedError::Tag { len: tag.len() })?.copy_from_slice(tag);
        let new = Open {
            turn: 0,
            open: true,
            begun: false,
            v6,
            ends: [client, server],
            ports: [ends.client.port(), ends.server.port()],
            next: [0; 2],
            tag_len: tag.len() as u16,
            tag: kept,
            free: NONE,
        };
        let id = self.plain.add(new).inspect_err(|_| self.stats.streams_refused += 1)?;
        self.begin_stream(id, ts, sink).inspect_err(|_| self.plain.remove(id))?;
        self.stats.streams_opened += 1;
        Ok(id)
    }

    /// The next bytes of a direction. Returns what is to become of them, and by that of the stream: what
    /// [`Engine::process`] says of a packet. Never allocates.
    ///
    /// # Errors
    /// There is no such stream; or its flow had ended, and another stream has its ends now.
    pub fn feed(
        &mut self,
        id: StreamId,
        dir: Dir,
        bytes: &[u8],
        ts: u64,
        sink: &mut dyn EventSink,
    ) -> Result<Verdict, FeedError> {
        let mut verdict = Verdict::Forward;
        let probe = self.plain.get(id)?.segment(dir, ACK, &[], ts);
        // A flow that was idle for too long ends now, not when its next packet is looked at: that would have no handshake.
        if let Some(ix) = self.flows.by_packet(&probe)
            && self.flows.timed_out(ix.0, ts)
        {
            self.flows.cold_mut(ix).end = EndReason::Timeout;
            self.end_flow(ix, sink);
        }
        if !self.plain.get(id)?.begun {
            verdict = self.begin_stream(id, ts, sink)?;
        }
        self.stats.streams_bytes += bytes.len() as u64;
        for piece in bytes.chunks(PIECE) {
            verdict = stronger(verdict, self.make_segment(id, dir, PSH | ACK, piece, ts, sink)?);
            // Bytes reach parsers when the peer has acknowledged them.
            verdict = stronger(verdict, self.make_segment(id, dir.flip(), ACK, &[], ts, sink)?);
        }
        Ok(verdict)
    }

    /// Ends a stream: what is left of it is inspected, its flow ends and is reported.
    ///
    /// # Errors
    /// There is no such stream.
    pub fn close_stream(&mut self, id: StreamId, ts: u64, sink: &mut dyn EventSink) -> Result<(), FeedError> {
        if self.plain.get(id)?.begun {
            for (dir, flags) in [(Dir::ToServer, FIN | ACK), (Dir::ToClient, FIN | ACK), (Dir::ToServer, ACK)]
            {
                self.make_segment(id, dir, flags, &[], ts, sink)?;
            }
        }
        let open = self.plain.get(id)?;
        let begun = open.begun;
        let last = open.segment(Dir::ToServer, ACK, &[], ts);
        if let Some(ix) = self.flows.by_packet(&last).filter(|_| begun) {
            self.end_flow(ix, sink);
        }
        self.plain.remove(id);
        Ok(())
    }

    /// Open streams, and how many there may be.
    pub fn streams_open(&self) -> (usize, usize) {
        (self.plain.places.iter().filter(|o| o.open).count(), self.plain.most)
    }

    /// The handshake of a flow that begins, or begins anew because it was idle for too long.
    fn begin_stream(
        &mut self,
        id: StreamId,
        ts: u64,
        sink: &mut dyn EventSink,
    ) -> Result<Verdict, FeedError> {
        let o = self.plain.get(id)?;
        o.next = [1, 1];
        let first = o.segment(Dir::ToServer, SYN, &[], ts);
        if self.flows.by_packet(&first).is_some() {
            return Err(FeedError::Taken);
        }
        let o = self.plain.get(id)?;
        (o.begun, o.next) = (true, [1, 1]);
        let mut verdict = Verdict::Forward;
        for (dir, flags) in [(Dir::ToServer, SYN), (Dir::ToClient, SYN | ACK), (Dir::ToServer, ACK)] {
            verdict = stronger(verdict, self.make_segment(id, dir, flags, &[], ts, sink)?);
        }
        Ok(verdict)
    }

    fn make_segment(
        &mut self,
        id: StreamId,
        dir: Dir,
        flags: u8,
        data: &[u8],
        ts: u64,
        sink: &mut dyn EventSink,
    ) -> Result<Verdict, FeedError> {
        let p = self.plain.get(id)?.segment(dir, flags, data, ts);
        self.plain.feeding = id.place + 1;
        let hashed = self.flows.hash(&p);
        let verdict = self.packet(&p, &hashed, None, sink, 0);
        self.plain.feeding = 0;
        Ok(verdict)
    }
}
