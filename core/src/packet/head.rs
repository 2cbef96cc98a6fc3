//! The straight way through the headers that nearly every frame has: Ethernet with up to two VLAN tags, IPv4 without
//! options or fragments or IPv6 without extension headers, TCP without options or with a timestamp alone, or UDP that
//! carries no tunnel. What is found fits into one cache line; anything else is the general decoder's.
//!
//! In: a frame. Out: a [`Head`], which is what a flow needs of a packet, and on demand the whole [`Packet`], which
//! equals the general decoder's field by field (a test). Checksums are not looked at, by either: see `checksum`.

use super::decoder::{Decoder, Ports};
use super::{Addr, L3, L4, Packet, Span, layers, link};

/// The addresses, ports and places of a plain TCP or UDP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Head {
    pub src: Addr,
    pub dst: Addr,
    pub sp: u16,
    pub dp: u16,
    /// VLAN identifiers, outermost first, `vlans` of them.
    pub vlan: [u16; 2],
    /// Offsets in the frame: network header, transport header, payload and its end.
    pub l3: u16,
    pub l4: u16,
    pub payload: u16,
    pub end: u16,
    pub vlans: u8,
    pub v6: bool,
    /// 6 or 17.
    pub proto: u8,
    /// IPv4 TTL or IPv6 hop limit.
    pub ttl: u8,
    /// As in [`super::TcpFields::flags`]; 0 for UDP.
    pub tcp_flags: u8,
}

const ET_IP: [u8; 2] = [0x08, 0x00];
const ET_IPV6: [u8; 2] = [0x86, 0xdd];
/// Most layers of a frame that goes this way: Ethernet, two tags, IP.
const LAYERS: u8 = 4;
/// Two pads, then a timestamp of ten bytes: the options of nearly every segment with data.
const TIMESTAMP: [u8; 4] = [1, 1, 8, 10];

/// Which UDP ports may carry a tunnel: one bit per port modulo 1024, so that other ports may be set as well.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    ports: [u64; 16],
    /// No frame goes this way, as it could have too many layers.
    off: bool,
}

impl Filter {
    pub(super) fn new(lists: &[&Ports], max_layers: u8) -> Self {
        let mut ports = [0u64; 16];
        for list in lists {
            match list.listed() {
                Some(some) => some.iter().for_each(|p| ports[usize::from(p >> 6 & 15)] |= 1 << (p & 63)),
                None => ports = [!0; 16],
            }
        }
        Filter { ports, off: max_layers <= LAYERS }
    }

    #[inline(always)]
    fn may_tunnel(&self, sp: u16, dp: u16) -> bool {
        let bit = |p: u16| self.ports[usize::from(p >> 6 & 15)] >> (p & 63);
        (bit(sp) | bit(dp)) & 1 != 0
    }
}

impl Decoder {
    /// The head of an Ethernet frame (LINKTYPE_ 1) that goes the straight way; `None` when it does not.
    #[inline]
    pub fn head(&self, frame: &[u8]) -> Option<Head> {
        let mut head = Head::default();
        if self.head_into(frame, &mut head) { Some(head) } else { None }
    }

    /// The same, put where it is to be. What `head` holds after a `false` means nothing.
    #[inline(always)]
    pub fn head_into(&self, frame: &[u8], head: &mut Head) -> bool {
        let Some(h) = frame.first_chunk::<54>() else { return false };
        if self.filter().off || frame.len() > 0xffff {
            return false;
        }
        let ether = [h[12], h[13]];
        head.vlan = [0; 2];
        head.vlans = 0;
        if ether == ET_IP {
            return v4(self.filter(), frame, 14, head).is_some();
        }
        self.tagged(frame, h, head).is_some()
    }

    /// What is not IPv4 right behind Ethernet.
    #[inline(never)]
    fn tagged(&self, frame: &[u8], h: &[u8; 54], head: &mut Head) -> Option<()> {
        let is_tag = |t: [u8; 2]| matches!(u16::from_be_bytes(t), 0x8100 | 0x88a8 | 0x9100);
        let id = |a: u8, b: u8| u16::from_be_bytes([a, b]) & 0x0fff;
        let (mut at, mut ether) = (14, [h[12], h[13]]);
        if is_tag(ether) {
            (at, ether) = (18, [h[16], h[17]]);
            head.vlan[0] = id(h[14], h[15]);
            head.vlans = 1;
            if is_tag(ether) {
                (at, ether) = (22, [h[20], h[21]]);
                head.vlan[1] = id(h[18], h[19]);
                head.vlans = 2;
            }
        }
        match ether {
            ET_IP => v4(self.filter(), frame, at, head),
            ET_IPV6 => v6(self.filter(), frame, at, head),
            _ => None,
        }
    }
}

/// Sixteen bytes that begin with these four.
#[inline(always)]
fn short(a: [u8; 4]) -> Addr {
    Addr(u128::from(u32::from_le_bytes(a)).to_le_bytes())
}

/// IPv4 at `l3`.
#[inline(always)]
fn v4(filter: &Filter, frame: &[u8], l3: usize, head: &mut Head) -> Option<()> {
    let h = frame.get(l3..)?.first_chunk::<40>()?;
    // Version 4, five words of header, no offset, no more fragments.
    let first = u64::from_be_bytes([h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]]);
    let end = l3 + (first >> 32 & 0xffff) as usize;
    if first & 0xff00_0000_0000_3fff != 0x4500_0000_0000_0000 || end > frame.len() {
        return None;
    }
    head.src = short([h[12], h[13], h[14], h[15]]);
    head.dst = short([h[16], h[17], h[18], h[19]]);
    head.l3 = l3 as u16;
    head.ttl = h[8];
    head.v6 = false;
    transport(filter, frame, l3 + 20, end, h[9], h[20..].first_chunk()?, head)
}

/// IPv6 at `l3`.
#[inline(always)]
fn v6(filter: &Filter, frame: &[u8], l3: usize, head: &mut Head) -> Option<()> {
    // Room for a TCP header even when there is UDP: shorter ones go the general way.
    let h = frame.get(l3..)?.first_chunk::<60>()?;
    let end = l3 + 40 + usize::from(u16::from_be_bytes([h[4], h[5]]));
    if h[0] >> 4 != 6 || end > frame.len() {
        return None;
    }
    head.src = Addr(*h[8..].first_chunk()?);
    head.dst = Addr(*h[24..].first_chunk()?);
    head.l3 = l3 as u16;
    head.ttl = h[7];
    head.v6 = true;
    transport(filter, frame, l3 + 40, end, h[6], h[40..].first_chunk()?, head)
}

/// TCP or UDP at `l4`, in a datagram that ends at `end`, which is in the frame; `t` is what follows `l4` in the frame.
#[inline(always)]
fn transport(
    filter: &Filter,
    frame: &[u8],
    l4: usize,
    end: usize,
    proto: u8,
    t: &[u8; 20],
    head: &mut Head,
) -> Option<()> {
    head.sp = u16::from_be_bytes([t[0], t[1]]);
    head.dp = u16::from_be_bytes([t[2], t[3]]);
    head.l4 = l4 as u16;
    head.proto = proto;
    if proto == 6 {
        let payload = l4 + usize::from(t[12] >> 4) * 4;
        if payload > end || !(payload == l4 + 20 || (payload == l4 + 32 && has_timestamp(frame, l4))) {
            return None;
        }
        head.payload = payload as u16;
        head.end = end as u16;
        head.tcp_flags = t[13];
        return Some(());
    }
    let stop = l4 + usize::from(u16::from_be_bytes([t[4], t[5]]));
    if proto != 17 || stop > end || stop < l4 + 8 || filter.may_tunnel(head.sp, head.dp) {
        return None;
    }
    head.payload = (l4 + 8) as u16;
    head.end = stop as u16;
    head.tcp_flags = 0;
    Some(())
}

#[inline(always)]
fn has_timestamp(frame: &[u8], l4: usize) -> bool {
    frame.get(l4 + 20..).and_then(|o| o.first_chunk()) == Some(&TIMESTAMP)
}

impl Head {
    /// Bytes that the transport carries.
    #[inline]
    pub const fn payload_len(&self) -> usize {
        self.end.wrapping_sub(self.payload) as usize
    }

    /// Link and tunnel layers, bits of [`layers`].
    #[inline]
    pub const fn layers(&self) -> u32 {
        match self.vlans {
            0 => layers::ETHERNET,
            1 => layers::ETHERNET | layers::VLAN,
            _ => layers::ETHERNET | layers::VLAN | layers::QINQ,
        }
    }

    /// The whole packet in the frame that this is the head of, as the general decoder makes it.
    #[inline]
    pub fn packet<'a>(&self, frame: &'a [u8], ts: u64, index: u64) -> Packet<'a> {
        let mut p = Packet::new(frame, link::ETHERNET, ts, index);
        self.fill(&mut p);
        p
    }

    /// Puts what the head says, and what stands beside it, into an empty packet over the frame.
    #[inline(always)]
    pub(super) fn fill(&self, p: &mut Packet<'_>) {
        let frame = p.data;
        let l4 = usize::from(self.l4);
        let l3 = usize::from(self.l3);
        p.layers = self.layers();
        p.vlan = [self.vlan[0], self.vlan[1], 0];
        p.vlans = self.vlans;
        p.src = self.src;
        p.dst = self.dst;
        p.proto = self.proto;
        p.sp = self.sp;
        p.dp = self.dp;
        p.ttl = self.ttl;
        p.l3_hdr = Span::new(l3, l4.wrapping_sub(l3));
        p.payload = Span::new(usize::from(self.payload), self.payload_len());
        p.wants_flow = true;
        if let Some([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5]) = frame.first_chunk() {
            p.mac = Some(([*s0, *s1, *s2, *s3, *s4, *s5], [*d0, *d1, *d2, *d3, *d4, *d5]));
        }
        let Some(n) = frame.get(l3..).and_then(|b| b.first_chunk::<8>()) else { return };
        if self.v6 {
            p.l3 = L3::Ipv6;
            p.ether_type = u16::from_be_bytes(ET_IPV6);
            p.tos = n[0] << 4 | n[1] >> 4;
        } else {
            p.l3 = L3::Ipv4;
            p.ether_type = u16::from_be_bytes(ET_IP);
            p.tos = n[1];
            p.ip_id = u16::from_be_bytes([n[4], n[5]]);
            p.ip_flags = n[6] >> 5;
        }
        if self.proto == 17 {
            p.l4 = L4::Udp;
            p.l4_hdr = Span::new(l4, 8);
            return;
        }
        p.l4 = L4::Tcp;
        p.l4_hdr = Span::new(l4, usize::from(self.payload).wrapping_sub(l4));
        let Some(t) = frame.get(l4..).and_then(|b| b.first_chunk::<20>()) else { return };
        p.tcp.seq = u32::from_be_bytes([t[4], t[5], t[6], t[7]]);
        p.tcp.ack = u32::from_be_bytes([t[8], t[9], t[10], t[11]]);
        p.tcp.flags = t[13];
        p.tcp.window = u16::from_be_bytes([t[14], t[15]]);
        p.tcp.urgent = u16::from_be_bytes([t[18], t[19]]);
        if p.l4_hdr.len == 32
            && let Some(&[a, b, c, d, e, f, g, h]) = frame.get(l4 + 24..).and_then(|b| b.first_chunk())
        {
            p.tcp.timestamp = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])));
        }
    }
}
