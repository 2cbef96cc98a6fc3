//! The entry of decoding: a frame in, its packet and those it carries out.
//!
//! [`Decoder`] is immutable settings; [`PacketBuf`] is the caller's storage, taken once. A carrier notes at
//! most one inner packet while it is decoded; the loop here then decodes that one, and so on, so nothing
//! recurses across packets.

use alloc::vec::Vec;

use super::head::{Filter, Head};
use super::{Packet, Source, erspan, events as ev, ipv4, ipv6, link, ppp, vlan, wlan};

/// Most packets one frame can give: itself and seven levels of tunnels.
pub const MAX_PER_FRAME: usize = 8;

/// A short list of UDP ports that carry a tunnel (Suricata allows four for each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ports {
    ports: [u16; 4],
    len: u8,
    any: bool,
}

impl Ports {
    /// Every port (Suricata's `any`; Teredo's default before it knew ports).
    pub const ANY: Ports = Ports { ports: [0; 4], len: 0, any: true };
    /// No port: the tunnel is not looked for.
    pub const NONE: Ports = Ports { ports: [0; 4], len: 0, any: false };

    pub const fn one(port: u16) -> Ports {
        Ports { ports: [port, 0, 0, 0], len: 1, any: false }
    }

    /// The first four of `ports`.
    pub fn list(ports: &[u16]) -> Ports {
        let mut p = Ports::NONE;
        for &port in ports.iter().take(4) {
            p.ports[p.len as usize] = port;
            p.len += 1;
        }
        p
    }

    /// The ports; `None` when it is every one.
    pub(super) fn listed(&self) -> Option<&[u16]> {
        if self.any { None } else { self.ports.get(..usize::from(self.len)) }
    }

    /// Whether no port is listed.
    pub const fn is_none(&self) -> bool {
        !self.any && self.len == 0
    }

    /// Whether either port of a packet is listed.
    #[inline]
    pub fn has(&self, sp: u16, dp: u16) -> bool {
        self.any || self.ports.iter().take(self.len as usize).any(|&p| p == sp || p == dp)
    }
}

/// What to decode (Suricata's `decoder:` section).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeConfig {
    /// `decoder.teredo`: default port 3544.
    pub teredo: Ports,
    /// `decoder.vxlan`: default port 4789.
    pub vxlan: Ports,
    /// `decoder.geneve`: default port 6081.
    pub geneve: Ports,
    /// GTP-U (3GPP TS 29.281): default port 2152.
    pub gtp: Ports,
    /// L2TP, versions 2 and 3 in UDP, and version 3 as IP protocol 115 when any port is listed; its port is 1701.
    /// Off by default, as Suricata has no such decoder.
    pub l2tp: Ports,
    /// TZSP: its port is 37008. Off by default, as Suricata has no such decoder.
    pub tzsp: Ports,
    /// RoCEv2: default port 4791.
    pub roce: Ports,
    /// `decoder.erspan.typeI.enabled`.
    pub erspan_type1: bool,
    /// `decoder.max-layers`: a packet with this many layers is given up with `too_many_layers`.
    pub max_layers: u8,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        DecodeConfig {
            teredo: Ports::one(3544),
            vxlan: Ports::one(4789),
            geneve: Ports::one(6081),
            gtp: Ports::one(2152),
            l2tp: Ports::NONE,
            tzsp: Ports::NONE,
            roce: Ports::one(4791),
            erspan_type1: true,
            max_layers: 16,
        }
    }
}

/// Storage for decoded packets, taken once; cleared and used again without allocating.
#[derive(Debug)]
pub struct PacketBuf<'a> {
    pkts: Vec<Packet<'a>>,
}

impl<'a> PacketBuf<'a> {
    /// Room for `cap` packets. Decoding a frame never gives more than [`MAX_PER_FRAME`].
    pub fn new(cap: usize) -> Self {
        PacketBuf { pkts: Vec::with_capacity(cap) }
    }

    pub fn clear(&mut self) {
        self.pkts.clear();
    }

    /// Whether another frame certainly fits.
    pub fn has_room(&self) -> bool {
        self.pkts.capacity() - self.pkts.len() >= MAX_PER_FRAME
    }

    /// The same storage, emptied, for frames of another lifetime. Does not allocate.
    pub fn recycle<'b>(mut self) -> PacketBuf<'b> {
        self.pkts.clear();
        // Collecting an emptied `into_iter` of the same layout keeps the allocation (in-place collection).
        PacketBuf { pkts: self.pkts.into_iter().map(|_| Packet::new(&[], 0, 0, 0)).collect() }
    }

    #[inline]
    fn push(&mut self, p: Packet<'a>) -> bool {
        let fits = self.pkts.len() < self.pkts.capacity();
        if fits {
            self.pkts.push(p);
        }
        fits
    }
}

impl<'a> core::ops::Deref for PacketBuf<'a> {
    type Target = [Packet<'a>];
    fn deref(&self) -> &[Packet<'a>] {
        &self.pkts
    }
}

impl core::ops::DerefMut for PacketBuf<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.pkts
    }
}

/// What an inner packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    Ipv4,
    Ipv6,
    /// IPv4 whose authentication header is stepped over.
    Authenticated,
    /// IPv6 from Teredo: kept only when it is free of faults.
    Teredo,
    Ethernet,
    Wlan,
    Ppp,
    Vlan,
    Arp,
    Erspan1,
    Erspan2,
    Erspan3,
}

/// An inner packet that a carrier found: a range of the carrier's `data`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inner {
    pub begins: Begins,
    pub off: usize,
    pub end: usize,
    pub source: &'static str,
    pub vni: Option<u32>,
}

/// State of decoding one frame.
pub(super) struct Cx<'c> {
    pub cfg: &'c DecodeConfig,
    layers: u8,
    inner: Option<Inner>,
}

impl Cx<'_> {
    /// Counts a layer; `false` when there are too many.
    #[inline]
    pub fn layer(&mut self, p: &mut Packet<'_>) -> bool {
        self.layers = self.layers.saturating_add(1);
        if self.layers >= self.cfg.max_layers {
            p.bad(ev::TOO_MANY_LAYERS);
            return false;
        }
        true
    }

    /// Notes the packet that `p` carries.
    pub fn carry(&mut self, p: &mut Packet<'_>, inner: Inner) {
        if self.layers.saturating_add(1) >= self.cfg.max_layers {
            p.bad(ev::TOO_MANY_LAYERS);
            return;
        }
        self.inner = Some(inner);
    }
}

/// Decodes frames; holds settings only.
#[derive(Clone, Debug)]
pub struct Decoder {
    cfg: DecodeConfig,
    filter: Filter,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new(DecodeConfig::default())
    }
}

impl Decoder {
    pub fn new(cfg: DecodeConfig) -> Self {
        let lists = [&cfg.teredo, &cfg.vxlan, &cfg.geneve, &cfg.gtp, &cfg.l2tp, &cfg.tzsp, &cfg.roce];
        Decoder { filter: Filter::new(&lists, cfg.max_layers), cfg }
    }

    #[inline(always)]
    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub fn config(&self) -> &DecodeConfig {
        &self.cfg
    }

    /// Whether frames of this LINKTYPE_ number can be decoded.
    pub const fn knows_link(link: u16) -> bool {
        link::known(link)
    }

    /// Appends the packet in `frame`, then those it carries, outermost first; returns how many.
    ///
    /// `link` is the LINKTYPE_ number, `ts` nanoseconds since the epoch, `index` the frame's 1-based number.
    /// Nothing is appended when `out` is full.
    pub fn decode<'a>(
        &self,
        frame: &'a [u8],
        link: u16,
        ts: u64,
        index: u64,
        out: &mut PacketBuf<'a>,
    ) -> usize {
        let mut head = Head::default();
        if link == link::ETHERNET && self.head_into(frame, &mut head) {
            if !out.push(Packet::new(frame, link, ts, index)) {
                return 0;
            }
            if let Some(p) = out.pkts.last_mut() {
                head.fill(p);
            }
            return 1;
        }
        self.decode_any(frame, link, ts, index, out)
    }

    /// [`Decoder::decode`] by the general way alone, without [`Decoder::head`]: for comparing the two.
    #[inline(never)]
    pub fn decode_any<'a>(
        &self,
        frame: &'a [u8],
        link: u16,
        ts: u64,
        index: u64,
        out: &mut PacketBuf<'a>,
    ) -> usize {
        self.decode_packet(Packet::new(frame, link, ts, index), out)
    }

    /// The same, of an empty packet that may say how many bytes it had on the wire.
    pub fn decode_packet<'a>(&self, p: Packet<'a>, out: &mut PacketBuf<'a>) -> usize {
        let first = out.len();
        if !out.push(p) {
            return 0;
        }
        let mut cx = Cx { cfg: &self.cfg, layers: 0, inner: None };
        if let Some(p) = out.pkts.last_mut() {
            link::decode(&mut cx, p);
            settle(p);
        }
        if cx.inner.is_some() {
            inner_packets(&mut cx, first, out);
        }
        out.len() - first
    }

    /// Appends the packet of a reassembled IP datagram (and what it carries); returns how many, 0 when its
    /// header is damaged.
    ///
    /// `datagram` begins with a link header of type `link`; its IP header is at `l3_off`. `parent` is the
    /// fragment that completed it: time, number, VLANs and tunnel depth are taken from it.
    pub fn decode_ip<'a>(
        &self,
        datagram: &'a [u8],
        l3_off: usize,
        link: u16,
        parent: &Packet<'_>,
        out: &mut PacketBuf<'a>,
    ) -> usize {
        let first = out.len();
        let mut p = Packet::new(datagram, link, parent.ts, parent.index);
        p.source = Source::Defrag;
        p.recursion = parent.recursion;
        p.mac = parent.mac;
        p.ether_type = parent.ether_type;
        p.vlan = parent.vlan;
        p.vlans = parent.vlans;
        p.vni = parent.vni;
        if !out.push(p) {
            return 0;
        }
        let mut cx = Cx { cfg: &self.cfg, layers: 0, inner: None };
        let Some(p) = out.pkts.last_mut() else { return 0 };
        let end = datagram.len();
        let good = match datagram.get(l3_off).map(|b| b >> 4) {
            Some(4) => ipv4::decode(&mut cx, p, l3_off, end),
            Some(6) => ipv6::decode(&mut cx, p, l3_off, end),
            _ => false,
        };
        if !good {
            out.pkts.pop();
            return 0;
        }
        settle(p);
        inner_packets(&mut cx, first, out);
        out.len() - first
    }
}

/// A fault beside usable headers (a short ICMP timestamp, a bad IPv6 option) does not keep a packet from its
/// flow.
#[inline]
fn settle(p: &mut Packet<'_>) {
    p.invalid &= !p.wants_flow;
}

#[cold]
fn inner_packets(cx: &mut Cx<'_>, first: usize, out: &mut PacketBuf<'_>) {
    while let Some(inner) = cx.inner.take() {
        if out.len() - first >= MAX_PER_FRAME {
            // What is further inside is not looked at, and says so.
            if let Some(last) = out.pkts.last_mut() {
                last.note(ev::TOO_MANY_LAYERS);
            }
            return;
        }
        let Some(carrier) = out.pkts.last() else { return };
        let Some(data) = carrier.data.get(inner.off..inner.end) else { return };
        let missing = carrier.missing(inner.end);
        let link = match inner.begins {
            Begins::Ethernet | Begins::Vlan | Begins::Arp => link::ETHERNET,
            Begins::Erspan1 | Begins::Erspan2 | Begins::Erspan3 => link::ETHERNET,
            Begins::Wlan => link::WLAN,
            Begins::Ppp => link::PPP,
            Begins::Ipv4 | Begins::Ipv6 | Begins::Authenticated | Begins::Teredo => link::RAW,
        };
        let mut p = Packet::new(data, link, carrier.ts, carrier.index);
        p.recursion = carrier.recursion + 1;
        p.source = Source::Tunnel(inner.source);
        p.vni = inner.vni;
        p.wire = p.wire.saturating_add(missing as u32);
        if !out.push(p) {
            return;
        }
        let Some(p) = out.pkts.last_mut() else { return };
        let end = data.len();
        let good = match inner.begins {
            Begins::Ipv4 => ipv4::decode(cx, p, 0, end),
            Begins::Ipv6 => ipv6::decode(cx, p, 0, end),
            Begins::Authenticated => ipv4::decode_authenticated(cx, p, 0, end),
            Begins::Teredo => ipv6::decode(cx, p, 0, end) && !p.invalid,
            Begins::Ethernet => link::ethernet(cx, p, 0, end),
            Begins::Wlan => wlan::decode(cx, p, 0, end),
            Begins::Ppp => ppp::decode(cx, p, 0, end),
            Begins::Vlan => vlan::decode(cx, p, 0, end),
            Begins::Arp => link::arp(cx, p, 0, end),
            Begins::Erspan1 => erspan::type1(cx, p, 0, end),
            Begins::Erspan2 => erspan::type2(cx, p, 0, end),
            Begins::Erspan3 => erspan::type3(cx, p, 0, end),
        };
        settle(p);
        if !good {
            // Not what it looked like: the carrier alone remains, and its payload is its own.
            out.pkts.pop();
            cx.inner = None;
            return;
        }
        let at = out.pkts.len() - 2;
        if let Some(carrier) = out.pkts.get_mut(at) {
            carrier.carrier = true;
        }
    }
}
