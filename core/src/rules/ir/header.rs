//! What a rule's header asks: protocol, addresses, ports, direction.

use crate::app::AppProto;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

#[derive(Debug, Clone)]
pub struct Header {
    pub proto: ProtoSpec,
    /// Shared between rules that write the same list.
    pub src: Arc<AddrSet>,
    pub sp: Arc<PortSet>,
    pub dst: Arc<AddrSet>,
    pub dp: Arc<PortSet>,
    pub direction: Direction,
    /// Rule hook (`tcp:flow_start`, `tls:client_hello_done`): the part after the colon.
    pub hook: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `->`
    OneWay,
    /// `<>`
    Both,
    /// `=>`: one rule over both directions of a transaction.
    Transaction,
}

/// What the protocol word of the header selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtoSpec {
    /// `ip`: everything with an IP header.
    Ip,
    Ipv4,
    Ipv6,
    /// `tcp`, `tcp-pkt`, `tcp-stream`.
    Tcp,
    TcpPkt,
    TcpStream,
    Udp,
    /// `icmp` both versions, `icmpv4`, `icmpv6`.
    Icmp,
    Icmpv4,
    Icmpv6,
    Sctp,
    /// `ip_proto` number as a header protocol (`esp`, `ah`, `gre`…).
    Number(u8),
    /// `pkthdr`: also invalid packets.
    PktHdr,
    Arp,
    /// Application protocols, any of them (`http` = http1 and http2; `dns` = dns and doh2; …).
    App(Vec<AppProto>),
}

/// Disjoint, sorted, inclusive address ranges; negations already applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AddrSet {
    pub v4: Vec<(u32, u32)>,
    pub v6: Vec<(u128, u128)>,
    /// It was written with a negation. Such a rule is asked for every packet, not once a direction.
    pub negated: bool,
}

impl AddrSet {
    pub fn any() -> Self {
        AddrSet { v4: [(0, u32::MAX)].to_vec(), v6: [(0, u128::MAX)].to_vec(), negated: false }
    }
    pub fn is_any(&self) -> bool {
        self.v4 == [(0, u32::MAX)] && self.v6 == [(0, u128::MAX)]
    }
    pub fn has_v4(&self, a: u32) -> bool {
        let i = self.v4.partition_point(|r| r.1 < a);
        self.v4.get(i).is_some_and(|r| r.0 <= a)
    }
    pub fn has_v6(&self, a: u128) -> bool {
        let i = self.v6.partition_point(|r| r.1 < a);
        self.v6.get(i).is_some_and(|r| r.0 <= a)
    }
}

/// Disjoint, sorted, inclusive port ranges; negations already applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PortSet(pub Vec<(u16, u16)>);

impl PortSet {
    pub fn any() -> Self {
        PortSet([(0, u16::MAX)].to_vec())
    }
    pub fn is_any(&self) -> bool {
        self.0 == [(0, u16::MAX)]
    }
    pub fn has(&self, p: u16) -> bool {
        let i = self.0.partition_point(|r| r.1 < p);
        self.0.get(i).is_some_and(|r| r.0 <= p)
    }
}
