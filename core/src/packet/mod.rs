//! Decoding: a frame goes in, one [`Packet`] per network layer stack comes out, with its 5-tuple, the range of
//! its payload and the anomalies met on the way. Owns nothing: a packet borrows the frame.
//!
//! A tunnel (GRE, IP-in-IP, VXLAN, …) gives a packet of its own for each inner datagram, with
//! [`Packet::recursion`] counting the levels and [`Packet::source`] naming the carrier.
//!
//! One file per layer; each takes the packet and the range of its header, fills in what it finds and calls
//! the next. [`Decoder`] is the entry. Plain TCP and UDP take a short way, `head`.

mod ah;
pub mod checksum;
mod decoder;
mod erspan;
pub mod events;
mod frelay;
mod geneve;
mod gre;
mod gtp;
mod head;
mod icmp;
mod infiniband;
mod ipv4;
mod ipv6;
mod l2tp;
pub mod layers;
mod link;
mod llc;
mod mpls;
mod nsh;
mod ppp;
mod roce;
mod sctp;
mod tcp;
mod teredo;
#[cfg(test)]
mod tests;
mod tzsp;
mod udp;
mod vlan;
mod vxlan;
mod wlan;

pub use decoder::{DecodeConfig, Decoder, MAX_PER_FRAME, PacketBuf, Ports};
pub use head::Head;
pub use roce::{opcode_name as roce_opcode_name, read as read_roce};

/// Where a packet's bytes came from; EVE's `pkt_src`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Source {
    /// The wire or a capture file (`wire/pcap`).
    #[default]
    Wire,
    /// Put together from IP fragments (`defrag`).
    Defrag,
    /// Made by the engine when a flow's remaining data is inspected at its end (`stream (flow timeout)`).
    FlowEnd,
    /// Bytes of a stream that came without packets (`stream (no packets)`).
    Stream,
    /// Taken out of a tunnel; the string names it (`gre tunnel`, `ipv4 tunnel`, `vxlan encapsulation`, …).
    Tunnel(&'static str),
}

impl Source {
    /// The name in EVE's `pkt_src`.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Wire => "wire/pcap",
            Source::Defrag => "defrag",
            Source::FlowEnd => "stream (flow timeout)",
            Source::Stream => "stream (no packets)",
            Source::Tunnel(s) => s,
        }
    }
}

/// A range of bytes inside [`Packet::data`]; empty when the layer is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub off: u32,
    pub len: u32,
}

impl Span {
    pub const fn new(off: usize, len: usize) -> Self {
        Span { off: off as u32, len: len as u32 }
    }
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }
    /// The bytes of this range in `data`; empty when it lies outside.
    pub fn of(self, data: &[u8]) -> &[u8] {
        data.get(self.off as usize..(self.off as usize).wrapping_add(self.len as usize)).unwrap_or(&[])
    }
}

/// The network layer a packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum L3 {
    #[default]
    None,
    Arp,
    Ipv4,
    Ipv6,
}

/// The transport layer a packet has. `None` also for fragments other than the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum L4 {
    #[default]
    None,
    Tcp,
    Udp,
    Icmpv4,
    Icmpv6,
    Sctp,
    Gre,
    Esp,
}

/// An IPv4 (first four bytes) or IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Addr(pub [u8; 16]);

impl Addr {
    pub const fn v4(a: [u8; 4]) -> Addr {
        Addr([a[0], a[1], a[2], a[3], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }
}

/// TCP fields that the stream station and rules need, in host order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFields {
    pub seq: u32,
    pub ack: u32,
    /// Flag bits as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32, ECE 64, CWR 128.
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    /// Options that were present and well formed.
    pub mss: Option<u16>,
    pub wscale: Option<u8>,
    /// (TSval, TSecr)
    pub timestamp: Option<(u32, u32)>,
    pub sack_permitted: bool,
    /// SACK blocks: where they lie in `Packet::data` (8 bytes each).
    pub sack: Span,
    /// TCP fast open option present, with the length of its cookie.
    pub fast_open: Option<u8>,
    /// Signed: by MD5 (RFC 2385) or with the authentication option (RFC 5925).
    pub signed: bool,
}

/// ICMP type and code, and the datagram an error message quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpFields {
    pub kind: u8,
    pub code: u8,
    pub id: Option<u16>,
    pub seq: Option<u16>,
    /// MTU of an ICMPv6 packet-too-big.
    pub mtu: Option<u32>,
    /// The quoted datagram's 5-tuple, as the quoted sender wrote it.
    pub embedded: Option<Embedded>,
}

/// The 5-tuple quoted in an ICMP error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Embedded {
    pub v6: bool,
    pub src: Addr,
    pub dst: Addr,
    pub proto: u8,
    pub sp: u16,
    pub dp: u16,
}

/// Facts of fragmentation for a fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragFields {
    /// IPv4 identification, or IPv6 fragment identification.
    pub id: u32,
    /// Offset of this fragment's data, bytes.
    pub offset: u32,
    pub more: bool,
    /// IPv6: next header of the fragmentable part.
    pub next: u8,
    /// Where the fragment's data lies.
    pub data: Span,
    /// IPv6: length of the unfragmentable part (base header and extension headers before the fragment header).
    pub unfrag_len: u32,
    /// Offset from the network header of the byte that names the fragmentable part's protocol: the IPv4
    /// protocol field, or the next header field that names the fragment header.
    pub nh_off: u32,
}

/// Checks of checksums, made on demand (see `checksum`): unknown until asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checksum {
    #[default]
    Unchecked,
    Good,
    Bad,
}

/// One network packet, borrowed from its frame.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// This packet's bytes: the whole frame, or for an inner packet what its carrier carried.
    pub data: &'a [u8],
    /// Its bytes on the wire: more than `data` has when not all were captured.
    pub wire: u32,
    /// Nanoseconds since the Unix epoch.
    pub ts: u64,
    /// 1-based number of the frame in its source (EVE `pcap_cnt`).
    pub index: u64,
    /// Datalink type of `data` (LINKTYPE_ number: 1 Ethernet, 101 raw IP, 113 Linux cooked, …).
    pub link: u16,
    pub source: Source,
    /// 0 for the outermost packet, one more per tunnel.
    pub recursion: u8,
    /// Source and destination MAC where the link has them.
    pub mac: Option<([u8; 6], [u8; 6])>,
    /// Link and tunnel layers met, bits of [`layers`].
    pub layers: u32,
    /// Ether type of the innermost network layer.
    pub ether_type: u16,
    /// VLAN identifiers, outermost first, `vlans` of them.
    pub vlan: [u16; 3],
    pub vlans: u8,
    pub l3: L3,
    pub l4: L4,
    pub src: Addr,
    pub dst: Addr,
    /// IP protocol number of the transport header (after extension headers).
    pub proto: u8,
    pub sp: u16,
    pub dp: u16,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// IPv4 TOS or IPv6 traffic class.
    pub tos: u8,
    /// IPv4 identification.
    pub ip_id: u16,
    /// IPv4 flag bits as in the header's top three bits (reserved 4, DF 2, MF 1).
    pub ip_flags: u8,
    /// IPv4 fragment offset, bytes.
    pub ip_frag_off: u16,
    /// Bit per IPv4 option kind met (index = option number & 31) for `ipopts`.
    pub ip_opts: u32,
    /// Header ranges in `data` (`ipv4.hdr`, `ipv6.hdr`, `tcp.hdr`, `udp.hdr`, `icmpv4.hdr`, `icmpv6.hdr`).
    pub l3_hdr: Span,
    pub l4_hdr: Span,
    /// What the transport carries (for packets without one: what the network layer carries).
    pub payload: Span,
    pub tcp: TcpFields,
    pub icmp: IcmpFields,
    pub frag: Option<FragFields>,
    pub l3_sum: Checksum,
    pub l4_sum: Checksum,
    /// Decode anomalies, Suricata's `decode-event` names.
    pub events: EventSet,
    /// Those of `events` that were met more than once; EVE has an anomaly record for each time.
    pub repeated: EventSet,
    /// Set when a fault left the packet without usable headers: flow and stream must not see it.
    pub invalid: bool,
    /// The packet belongs to a flow: its network and transport headers could be used. Damaged packets,
    /// fragments, ARP and unknown transports do not.
    pub wants_flow: bool,
    /// An inner packet was taken out of this one: rules look at its headers, not at its payload.
    pub carrier: bool,
    /// VNI of the VXLAN/GENEVE tunnel this inner packet came from.
    pub vni: Option<u32>,
    /// RoCEv2 transport headers.
    pub roce: Option<Roce>,
}

/// RoCEv2 base transport header and what follows it (InfiniBand Architecture vol. 1, ch. 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roce {
    pub opcode: u8,
    pub solicited: bool,
    pub pad: u8,
    pub pkey: u16,
    pub dest_qp: u32,
    pub ack_req: bool,
    pub psn: u32,
    /// RETH: virtual address, remote key, DMA length.
    pub reth: Option<(u64, u32, u32)>,
    /// AETH: syndrome, message sequence number.
    pub aeth: Option<(u8, u32)>,
    /// DETH: queue key, source QP.
    pub deth: Option<(u32, u32)>,
    pub immediate: Option<u32>,
    /// What the transport carries, without padding and the invariant CRC.
    pub data: Span,
}

impl<'a> Packet<'a> {
    /// An empty packet over `data`.
    pub const fn new(data: &'a [u8], link: u16, ts: u64, index: u64) -> Self {
        const NO: Span = Span { off: 0, len: 0 };
        Packet {
            data,
            wire: data.len() as u32,
            ts,
            index,
            link,
            source: Source::Wire,
            recursion: 0,
            mac: None,
            layers: 0,
            ether_type: 0,
            vlan: [0; 3],
            vlans: 0,
            l3: L3::None,
            l4: L4::None,
            src: Addr([0; 16]),
            dst: Addr([0; 16]),
            proto: 0,
            sp: 0,
            dp: 0,
            ttl: 0,
            tos: 0,
            ip_id: 0,
            ip_flags: 0,
            ip_frag_off: 0,
            ip_opts: 0,
            l3_hdr: NO,
            l4_hdr: NO,
            payload: NO,
            tcp: TcpFields {
                seq: 0,
                ack: 0,
                flags: 0,
                window: 0,
                urgent: 0,
                mss: None,
                wscale: None,
                timestamp: None,
                sack_permitted: false,
                sack: NO,
                fast_open: None,
                signed: false,
            },
            icmp: IcmpFields { kind: 0, code: 0, id: None, seq: None, mtu: None, embedded: None },
            frag: None,
            l3_sum: Checksum::Unchecked,
            l4_sum: Checksum::Unchecked,
            events: EventSet([0; 4]),
            repeated: EventSet([0; 4]),
            invalid: false,
            wants_flow: false,
            carrier: false,
            vni: None,
            roce: None,
        }
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload.of(self.data)
    }

    /// The anomalies to report, repeated ones twice.
    pub fn anomalies(&self) -> impl Iterator<Item = u8> + use<> {
        self.events.iter().chain(self.repeated.iter())
    }

    /// The first `N` bytes of the range `off..end` of `data`, if it has so many.
    #[inline]
    fn head<const N: usize>(&self, off: usize, end: usize) -> Option<&'a [u8; N]> {
        self.data.get(off..end)?.first_chunk()
    }

    /// Bytes that the packet had on the wire behind `end`, if that is where its bytes were cut off.
    #[inline]
    fn missing(&self, end: usize) -> usize {
        if end == self.data.len() { (self.wire as usize).saturating_sub(end) } else { 0 }
    }

    /// Not all of its bytes were captured.
    #[inline]
    pub const fn is_cut(&self) -> bool {
        self.wire as usize > self.data.len()
    }

    /// Puts a VLAN tag before those that the packet has.
    pub(crate) fn put_tag(&mut self, tag: u16) {
        if usize::from(self.vlans) == self.vlan.len() {
            self.note(events::VLAN_TOO_MANY_LAYERS);
            return;
        }
        self.layers |= vlan::layer(self.vlans);
        self.vlan.rotate_right(1);
        self.vlan[0] = tag & 0x0fff;
        self.vlans += 1;
    }

    /// Notes an anomaly that leaves the packet usable.
    #[cold]
    fn note(&mut self, event: u8) {
        if self.events.has(event) {
            self.repeated.set(event);
        }
        self.events.set(event);
    }

    /// Notes a fault that makes the packet invalid. Always `false`, for callers that then give up.
    #[cold]
    fn bad(&mut self, event: u8) -> bool {
        self.note(event);
        self.invalid = true;
        false
    }

    pub const fn is_ipv6(&self) -> bool {
        matches!(self.l3, L3::Ipv6)
    }

    pub const fn has_ip(&self) -> bool {
        matches!(self.l3, L3::Ipv4 | L3::Ipv6)
    }
}

/// A set of decode events, one bit per decode event number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventSet(pub [u64; 4]);

impl EventSet {
    pub const fn is_empty(&self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }
    pub const fn set(&mut self, ev: u8) {
        self.0[(ev >> 6) as usize] |= 1 << (ev & 63);
    }
    pub const fn has(&self, ev: u8) -> bool {
        self.0[(ev >> 6) as usize] >> (ev & 63) & 1 == 1
    }
    /// The numbers in the set, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        let mut word = 0;
        let mut bits = self.0;
        core::iter::from_fn(move || {
            while bits.get(word)? == &0 {
                word += 1;
            }
            let left = bits.get_mut(word)?;
            let e = left.trailing_zeros() as usize;
            *left &= *left - 1;
            Some((word * 64 + e) as u8)
        })
    }
}
