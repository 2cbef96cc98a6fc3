//! Conditions on a packet's headers and on what the flow is.

use super::bytes::{Cmp, Dataset, IntTest};
use super::state::Side;
use alloc::string::String;
use alloc::vec::Vec;

/// A condition on the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacketMatch {
    /// `flags`: of the bits not in `ignore`: exactly / all (`+`) / any (`*`) / not (`!`) of `bits`.
    Flags {
        bits: u8,
        ignore: u8,
        mode: FlagsMode,
    },
    Ttl(IntTest),
    IpProto(IntTest),
    Itype(IntTest),
    Icode(IntTest),
    IcmpId(u16),
    IcmpSeq(u16),
    Icmpv6Mtu(IntTest),
    Seq(IntTest),
    Ack(IntTest),
    Window(IntTest),
    TcpMss(IntTest),
    TcpWscale(IntTest),
    Dsize(IntTest),
    IpId(u16),
    Tos {
        value: u8,
        negated: bool,
    },
    /// Bits of [`crate::packet::Packet::ip_opts`]; 0 bits with `any`.
    IpOpts {
        mask: u32,
        any: bool,
    },
    FragBits {
        bits: u8,
        mode: FlagsMode,
    },
    FragOffset(IntTest),
    SameIp,
    /// `l3_proto` / header word `ipv4`, `ipv6`.
    L3 {
        v6: bool,
    },
    /// `rpc`: ONC RPC call of program, version, procedure (`None`: any).
    Rpc {
        program: u32,
        version: Option<u32>,
        procedure: Option<u32>,
    },
    Csum {
        of: Csum,
        valid: bool,
    },
    DecodeEvent(u8),
    StreamEvent(u8),
    VlanId {
        test: IntTest,
        layer: Option<i8>,
    },
    VlanLayers(IntTest),
    VxlanVni(IntTest),
    IpReputation {
        side: RepSide,
        category: String,
        cmp: Cmp,
        value: u8,
    },
    GeoIp(String),
    /// `stream_size`: side and a test of the bytes seen in the stream.
    StreamSize {
        side: StreamSide,
        test: IntTest,
    },
    /// `ip.src` / `ip.dst` sticky with a dataset.
    AddrDataset {
        src: bool,
        set: Dataset,
    },
    /// `tcp.flags`-style generic number tests on the packet not named above.
    Number {
        what: PacketNumber,
        test: IntTest,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketNumber {
    EtherType,
    RoceOpcode,
    RocePkey,
    RoceDestQp,
    RoceRkey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepSide {
    Any,
    Src,
    Dst,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamSide {
    Client,
    Server,
    Both,
    Either,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagsMode {
    Exact,
    All,
    Any,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Csum {
    Ipv4,
    Tcpv4,
    Tcpv6,
    Udpv4,
    Udpv6,
    Icmpv4,
    Icmpv6,
}

/// `flow:` and the flow counters.
#[derive(Debug, Clone, Default)]
pub struct FlowMatch {
    /// Directions allowed ([`crate::Dir::bit`]s); 0 = not restricted.
    pub dirs: u8,
    pub established: bool,
    pub not_established: bool,
    pub stateless: bool,
    pub only_stream: bool,
    pub no_stream: bool,
    pub only_frag: bool,
    pub no_frag: bool,
    pub counters: Vec<FlowCounter>,
}

impl FlowMatch {
    /// Nothing but directions (and `only_stream` or `no_stream`) is asked of the flow.
    pub(crate) fn is_bare(&self) -> bool {
        self.counters.is_empty()
            && !(self.established || self.not_established || self.stateless)
            && !(self.only_frag || self.no_frag)
    }
}

#[derive(Debug, Clone)]
pub struct FlowCounter {
    pub what: FlowNumber,
    pub test: IntTest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowNumber {
    /// Seconds since the flow began.
    Age,
    Pkts(Side),
    Bytes(Side),
}
