//! Flows: packets go in; a flow number, a direction, counters and expiry come out. Owns the flow table and the
//! timer wheel.
//!
//! [`table::FlowTable`] keeps everything in arrays taken at construction. A packet touches one bucket, which is a
//! cache line and holds the keys of TCP and UDP over IPv4 whole, and the flow's hot line; other packets touch the
//! flow's key line as well. Names, MACs and the handles of later stations lie in [`Cold`] records beside them.
//!
//! # Which packets have a flow
//!
//! TCP, UDP, SCTP, ESP, ICMP of either version and the outer packets of IP in IP, as in Suricata 8. An ICMPv4
//! "destination unreachable" that quotes a TCP or UDP datagram is counted to the flow it speaks of; other ICMPv4
//! errors never make a flow.
//! The sender of the first packet is the client, except where the stream station turns the flow around
//! (mid-stream SYN/ACK).

mod config;
mod entry;
mod hash;
mod key;
mod probe;
mod table;
mod wheel;

pub use config::{FlowConfig, Group, Timeouts};
pub use probe::prefetch;
pub use table::{Counters, FlowTable, Found, Hashed};

use crate::Dir;
use crate::packet::Addr;

/// Number of a live flow in its [`FlowTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowIx(pub u32);

/// What identifies a flow, client to server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Key {
    pub src: Addr,
    pub dst: Addr,
    /// Ports; for ICMP type and code in `sp` (type << 8 | code), the answering type << 8 in `dp`; for ESP the SPI.
    pub sp: u16,
    pub dp: u16,
    pub vlan: [u16; 3],
    pub vlans: u8,
    pub proto: u8,
    pub recursion: u8,
    pub v6: bool,
}

/// [`Key::recursion`] of flows whose bytes came without packets: those between the same ends that have some are others.
pub const OWN_STREAM: u8 = u8::MAX;

/// State of a flow (EVE `flow.state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum State {
    #[default]
    New = 0,
    Established = 1,
    Closed = 2,
    /// No longer inspected.
    Bypassed = 3,
}

impl State {
    /// EVE's word.
    pub const fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Established => "established",
            State::Closed => "closed",
            State::Bypassed => "bypassed",
        }
    }
}

/// Why a flow ended (EVE `flow.reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum EndReason {
    #[default]
    Unknown = 0,
    Timeout = 1,
    /// Given up to make room.
    Forced = 2,
    /// The source of packets ended.
    Shutdown = 3,
    /// A new connection took the same ports.
    TcpReuse = 4,
}

impl EndReason {
    /// EVE's word.
    pub const fn name(self) -> &'static str {
        match self {
            EndReason::Unknown => "unknown",
            EndReason::Timeout => "timeout",
            EndReason::Forced => "forced",
            EndReason::Shutdown => "shutdown",
            EndReason::TcpReuse => "tcp_reuse",
        }
    }
}

/// Bits of [`Hot::flags`].
pub mod flag {
    /// Something was seen to the server / to the client (ICMP errors apart).
    pub const TO_SERVER_SEEN: u32 = 1;
    pub const TO_CLIENT_SEEN: u32 = 1 << 1;
    /// A rule alerted on it.
    pub const ALERTED: u32 = 1 << 2;
    /// Every further packet is dropped / passed without inspection.
    pub const DROP: u32 = 1 << 3;
    pub const PASS: u32 = 1 << 4;
    /// No inspection of payload to the server, or to the client (the bit above).
    pub const NO_PAYLOAD_TO_SERVER: u32 = 1 << 5;
    /// No inspection of payload.
    pub const NO_PAYLOAD_INSPECT: u32 = NO_PAYLOAD_TO_SERVER | NO_PAYLOAD_TO_SERVER << 1;
    /// The stream station turned client and server around.
    pub const SWAPPED: u32 = 1 << 7;
    /// An exception policy was applied (see [`super::Cold::exception`]).
    pub const EXCEPTION: u32 = 1 << 8;
    /// A rule drops it, but nothing can be dropped here: it is not inspected any more.
    pub const WOULD_DROP: u32 = 1 << 9;
    /// Rules do not look at it any more.
    pub const UNSEEN: u32 = PASS | WOULD_DROP;
    /// Hardware handled a part of it.
    pub const OFFLOADED: u32 = 1 << 11;
    /// Bits from here up are the engine's.
    pub const ENGINE_SHIFT: u32 = 16;
}

/// What nearly every packet of a flow touches: one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Hot {
    /// Packet time of the newest packet, ns.
    pub last: u64,
    /// Frame bytes per direction.
    pub bytes: [u64; 2],
    /// Packets per direction.
    pub pkts: [u32; 2],
    /// See [`flag`].
    pub flags: u32,
    /// Session of the stream station, [`u32::MAX`] for none.
    pub tcp: u32,
    /// Seconds without a packet after which it ends.
    pub timeout: u32,
    pub state: State,
    /// All TCP flags seen per direction.
    pub tcp_flags: [u8; 2],
    pub ttl_min: [u8; 2],
    pub ttl_max: [u8; 2],
    pub proto: u8,
    /// The policy that decided it ([`crate::policy`]); 0: none, or it is open.
    pub policy: u16,
}

impl Hot {
    /// How much a flow is worth keeping when there are too many: 0 when it is closed or not established, 1 when its
    /// server has sent no more than one packet, 2 otherwise. Who floods with a sender's address of their own choice
    /// gets no further than 1, as servers do not acknowledge what never reaches them.
    #[inline]
    pub fn worth(&self) -> u8 {
        match self.state {
            State::Established if self.proto != 6 || self.pkts[1] > 1 => 2,
            State::Established => 1,
            _ => 0,
        }
    }

    pub(crate) const EMPTY: Hot = Hot {
        last: 0,
        bytes: [0; 2],
        pkts: [0; 2],
        flags: 0,
        tcp: u32::MAX,
        timeout: 0,
        state: State::New,
        tcp_flags: [0; 2],
        ttl_min: [0; 2],
        ttl_max: [0; 2],
        proto: 0,
        policy: 0,
    };
}

/// What an exception policy was applied for.
pub mod exception_target {
    pub const MIDSTREAM: u8 = 0;
    pub const REASSEMBLY: u8 = 1;
    /// A parser failed.
    pub const APP_ERROR: u8 = 2;
    /// A flow found no room; a fragment did not.
    pub const FLOW_MEMCAP: u8 = 3;
    pub const DEFRAG_MEMCAP: u8 = 4;
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// What few packets touch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cold {
    /// Stable number of the flow (EVE `flow_id`), below 2^63.
    pub id: u64,
    /// Packet time of the first packet, ns.
    pub start: u64,
    /// Source and destination MAC of the first packet per direction.
    pub mac: [Option<([u8; 6], [u8; 6])>; 2],
    pub end: EndReason,
    /// The exception policy applied last: its target (see [`exception_target`]) and the policy's number, set by the
    /// engine together with [`flag::EXCEPTION`].
    pub exception: (u8, u8),
    /// Number of the packet (`pcap_cnt`) that opened it.
    pub first_index: u64,
    pub(crate) hash: u64,
}

/// A flow as outputs see it.
#[derive(Clone, Copy)]
pub struct FlowView<'a> {
    pub key: &'a Key,
    pub hot: &'a Hot,
    pub cold: &'a Cold,
    /// The TCP session, for `tcp` flows that have one.
    pub tcp: Option<&'a crate::stream::Session>,
    /// What the stations behind the table know of it; filled in by the engine.
    pub extra: crate::event::FlowExtra<'a>,
}

impl<'a> FlowView<'a> {
    /// EVE `flow_id`.
    pub fn id(&self) -> u64 {
        self.cold.id
    }
    pub fn key(&self) -> &'a Key {
        self.key
    }
    /// Packets in a direction.
    pub fn pkts(&self, dir: Dir) -> u32 {
        self.hot.pkts[dir.ix()]
    }
    /// Frame bytes in a direction.
    pub fn bytes(&self, dir: Dir) -> u64 {
        self.hot.bytes[dir.ix()]
    }
    pub fn start(&self) -> u64 {
        self.cold.start
    }
    pub fn last(&self) -> u64 {
        self.hot.last
    }
    pub fn state(&self) -> State {
        self.hot.state
    }
    pub fn reason(&self) -> EndReason {
        self.cold.end
    }
    pub fn has(&self, flags: u32) -> bool {
        self.hot.flags & flags != 0
    }
    /// All TCP flags seen in a direction.
    pub fn tcp_flags(&self, dir: Dir) -> u8 {
        self.hot.tcp_flags[dir.ix()]
    }
    /// Least and greatest TTL in a direction; (0, 0) when nothing went that way.
    pub fn ttl(&self, dir: Dir) -> (u8, u8) {
        (self.hot.ttl_min[dir.ix()], self.hot.ttl_max[dir.ix()])
    }
    /// MACs of the first packet of a direction.
    pub fn mac(&self, dir: Dir) -> Option<([u8; 6], [u8; 6])> {
        self.cold.mac[dir.ix()]
    }
}

#[cfg(test)]
mod tests;
