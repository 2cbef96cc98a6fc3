//! Link layers (Ethernet, Linux cooked, null, raw IP, HDLC, NFLOG), the dispatch on link and ether types, and ARP.
//!
//! In: a packet and the range of a link header. Out: the layers above it, filled in by their own files.

use super::decoder::Cx;
use super::{L3, Packet, Span, events as ev, ipv4, ipv6, layers, mpls, nsh, vlan};
use super::{frelay, infiniband, llc, ppp, wlan};

pub(super) const ETHERNET: u16 = 1;
pub(super) const PPP: u16 = 9;
/// Raw IP: the number that Suricata gives packets out of tunnels.
pub(super) const RAW: u16 = 12;
/// 802.11 without a header of the card.
pub(super) const WLAN: u16 = 105;

pub(super) const ET_IP: u16 = 0x0800;
pub(super) const ET_ARP: u16 = 0x0806;
pub(super) const ET_IPV6: u16 = 0x86dd;

/// The kinds of frames, by LINKTYPE_ number.
#[derive(Clone, Copy)]
enum Link {
    Ethernet,
    Ppp,
    /// PPP behind a byte that tells the direction.
    PppDirected,
    PppPppd,
    PppEther,
    Raw,
    Null,
    Loop,
    Hdlc,
    Cooked,
    Cooked2,
    /// HDLC behind a byte that tells the direction.
    HdlcDirected,
    Wlan,
    Radiotap,
    Ppi,
    FrameRelay,
    FrameRelayDirected,
    Ipoib,
    Infiniband,
    Nflog,
}

const fn kind(link: u16) -> Option<Link> {
    Some(match link {
        0 => Link::Null,
        1 => Link::Ethernet,
        9 | 50 => Link::Ppp,
        51 => Link::PppEther,
        166 => Link::PppPppd,
        204 => Link::PppDirected,
        // 228 and 229 promise a version, and are checked for it like the others.
        12 | 14 | 101 | 228 | 229 | 778 => Link::Raw,
        104 => Link::Hdlc,
        105 => Link::Wlan,
        107 => Link::FrameRelay,
        108 => Link::Loop,
        113 => Link::Cooked,
        127 => Link::Radiotap,
        192 => Link::Ppi,
        205 => Link::HdlcDirected,
        206 => Link::FrameRelayDirected,
        239 => Link::Nflog,
        242 => Link::Ipoib,
        247 => Link::Infiniband,
        276 => Link::Cooked2,
        _ => return None,
    })
}

pub(super) const fn known(link: u16) -> bool {
    kind(link).is_some()
}

/// Decodes a frame by its link type; an unknown one leaves the packet without layers.
#[inline]
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>) {
    let end = p.data.len();
    if p.link == ETHERNET {
        ethernet(cx, p, 0, end);
        return;
    }
    inside(cx, p, p.link, 0, end);
}

/// What a header of link type `link` at `off` leads to; `false` when the type is unknown or the header unusable.
pub(super) fn inside(cx: &mut Cx<'_>, p: &mut Packet<'_>, link: u16, off: usize, end: usize) -> bool {
    let Some(kind) = kind(link) else { return false };
    match kind {
        Link::Ethernet => ethernet(cx, p, off, end),
        Link::Ppp => ppp::decode(cx, p, off, end),
        Link::PppDirected => off < end && ppp::decode(cx, p, off + 1, end),
        Link::PppPppd => ppp::pppd(cx, p, off, end),
        Link::PppEther => ppp::pppoe_session(cx, p, off, end),
        Link::Raw => raw(cx, p, off, end),
        Link::Null => null(cx, p, (off, end), false),
        Link::Loop => null(cx, p, (off, end), true),
        Link::Hdlc => hdlc(cx, p, off, end),
        Link::HdlcDirected => off < end && hdlc(cx, p, off + 1, end),
        Link::Cooked => cooked(cx, p, off, end),
        Link::Cooked2 => cooked2(cx, p, off, end),
        Link::Wlan => wlan::decode(cx, p, off, end),
        Link::Radiotap => wlan::radiotap(cx, p, off, end),
        Link::Ppi => wlan::ppi(cx, p, off, end),
        Link::FrameRelay => frelay::decode(cx, p, off, end),
        Link::FrameRelayDirected => off < end && frelay::decode(cx, p, off + 1, end),
        Link::Ipoib => infiniband::ipoib(cx, p, off, end),
        Link::Infiniband => infiniband::fabric(cx, p, off, end),
        Link::Nflog => nflog(cx, p, off, end),
    }
}

/// Ethernet II.
#[inline]
pub(super) fn ethernet(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(h) = p.head::<14>(off, end) else {
        return p.bad(ev::ETHERNET_PKT_TOO_SMALL);
    };
    p.layers |= layers::ETHERNET;
    if !cx.layer(p) {
        return false;
    }
    let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *h;
    p.mac = Some(([s0, s1, s2, s3, s4, s5], [d0, d1, d2, d3, d4, d5]));
    network(cx, p, u16::from_be_bytes([t0, t1]), off + 14, end);
    true
}

/// What follows an ether type; `false` when the type is unknown.
#[inline]
pub(super) fn network(cx: &mut Cx<'_>, p: &mut Packet<'_>, ether: u16, off: usize, end: usize) -> bool {
    p.ether_type = ether;
    match ether {
        ET_IP => {
            ipv4::decode(cx, p, off, end.min(off + 0xffff));
        }
        ET_IPV6 => {
            ipv6::decode(cx, p, off, end.min(off + 0xffff));
        }
        _ => return other(cx, p, ether, off, end),
    }
    true
}

fn other(cx: &mut Cx<'_>, p: &mut Packet<'_>, ether: u16, off: usize, end: usize) -> bool {
    match ether {
        ET_ARP => {
            arp(cx, p, off, end);
        }
        0x8100 | 0x88a8 | 0x9100 => {
            if p.vlans >= 3 {
                p.note(ev::VLAN_TOO_MANY_LAYERS);
            } else {
                vlan::decode(cx, p, off, end);
            }
        }
        0x88e7 => {
            vlan::backbone(cx, p, off, end);
        }
        0x8926 => {
            vlan::vntag(cx, p, off, end);
        }
        0x893f => {
            vlan::etag(cx, p, off, end);
        }
        0x8847 | 0x8848 => {
            mpls::decode(cx, p, off, end);
        }
        0x8863 => {
            ppp::pppoe_discovery(cx, p, off, end);
        }
        0x8864 => {
            ppp::pppoe_session(cx, p, off, end);
        }
        // Cisco fabric path: two bytes more, then an Ethernet frame.
        0x8903 => {
            if end.saturating_sub(off) < 16 {
                p.bad(ev::DCE_PKT_TOO_SMALL);
            } else {
                ethernet(cx, p, off + 2, end);
            }
        }
        0x894f => {
            nsh::decode(cx, p, off, end);
        }
        // 802.3: a length, and 802.2 behind it. A length that is not there was cut off.
        len @ 0..=1500 => return llc::decode(cx, p, off, end.min(off + usize::from(len))),
        _ => {
            p.layers |= layers::UNKNOWN_ETHERTYPE;
            p.note(ev::ETHERNET_UNKNOWN_ETHERTYPE);
            return false;
        }
    }
    true
}

/// ARP for IPv4 over Ethernet (RFC 826); the header stays in `l3_hdr`.
pub(super) fn arp(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(h) = p.head::<8>(off, end) else {
        return p.bad(ev::ARP_PKT_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    let [h0, h1, p0, p1, hlen, plen, o0, o1] = *h;
    let event = if u16::from_be_bytes([h0, h1]) != 1 {
        ev::ARP_UNSUPPORTED_HARDWARE
    } else if u16::from_be_bytes([p0, p1]) != ET_IP {
        ev::ARP_UNSUPPORTED_PROTOCOL
    } else if end - off < 28 {
        ev::ARP_INVALID_PKT
    } else if hlen != 6 {
        ev::ARP_INVALID_HARDWARE_SIZE
    } else if plen != 4 {
        ev::ARP_INVALID_PROTOCOL_SIZE
    } else if !matches!(u16::from_be_bytes([o0, o1]), 1..=4) {
        ev::ARP_UNSUPPORTED_OPCODE
    } else {
        p.l3 = L3::Arp;
        p.l3_hdr = Span::new(off, 28);
        return true;
    };
    p.bad(event)
}

fn raw(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::RAW;
    let end = end.min(off + 0xffff);
    if end < off + 20 {
        return p.bad(ev::IPV4_PKT_TOO_SMALL);
    }
    match p.data.get(off).map(|b| b >> 4) {
        Some(4) => {
            p.ether_type = ET_IP;
            ipv4::decode(cx, p, off, end)
        }
        Some(6) => {
            p.ether_type = ET_IPV6;
            ipv6::decode(cx, p, off, end)
        }
        _ => {
            p.note(ev::IPRAW_INVALID_IP_VERSION);
            true
        }
    }
}

/// BSD loopback: the address family in the byte order of whoever captured (or the network's for `Loop`).
fn null(cx: &mut Cx<'_>, p: &mut Packet<'_>, (off, end): (usize, usize), network_order: bool) -> bool {
    p.layers |= layers::NULL;
    let Some(h) = p.head::<4>(off, end) else {
        return p.bad(ev::LTNULL_PKT_TOO_SMALL);
    };
    let little = u32::from_le_bytes(*h);
    let family = if network_order || little > 0xffff { u32::from_be_bytes(*h) } else { little };
    let at = off + 4;
    let end = end.min(at + 0xffff);
    match family {
        2 => {
            p.ether_type = ET_IP;
            ipv4::decode(cx, p, at, end)
        }
        // AF_INET6 of Linux, the BSDs and macOS.
        10 | 24 | 28 | 30 => {
            p.ether_type = ET_IPV6;
            ipv6::decode(cx, p, at, end)
        }
        _ => {
            p.note(ev::LTNULL_UNSUPPORTED_TYPE);
            true
        }
    }
}

fn hdlc(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::CHDLC;
    let Some(&[_, _, t0, t1]) = p.head::<4>(off, end) else {
        return p.bad(ev::CHDLC_PKT_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    network(cx, p, u16::from_be_bytes([t0, t1]), off + 4, end);
    true
}

fn cooked(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::SLL;
    let Some(h) = p.head::<16>(off, end) else {
        return p.bad(ev::SLL_PKT_TOO_SMALL);
    };
    let ether = u16::from_be_bytes([h[14], h[15]]);
    cooked_network(cx, p, ether, off + 16, end);
    true
}

fn cooked2(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::SLL2;
    let Some(h) = p.head::<20>(off, end) else {
        return p.bad(ev::SLL2_PKT_TOO_SMALL);
    };
    let ether = u16::from_be_bytes([h[0], h[1]]);
    cooked_network(cx, p, ether, off + 20, end);
    true
}

/// Linux has numbers of its own below the ether types: 4 is 802.2 without a length, 1 is an 802.3 frame's.
fn cooked_network(cx: &mut Cx<'_>, p: &mut Packet<'_>, ether: u16, off: usize, end: usize) {
    if ether == 4 {
        p.ether_type = ether;
        llc::decode(cx, p, off, end);
    } else {
        network(cx, p, ether, off, end);
    }
}

/// What Linux's packet filter logs: an address family, then attributes in the byte order of the host (little on all
/// hosts that matter), one of which is the datagram.
fn nflog(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    const PAYLOAD: u16 = 9;
    let mut at = off + 4;
    // Each attribute takes at least four bytes.
    while let Some(&[l0, l1, t0, t1]) = p.head::<4>(at, end) {
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        if len < 4 || len > end - at {
            return false;
        }
        if u16::from_le_bytes([t0, t1]) & 0x7fff == PAYLOAD {
            return cx.layer(p) && raw(cx, p, at + 4, at + len);
        }
        at += len.next_multiple_of(4);
    }
    false
}
