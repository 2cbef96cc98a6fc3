//! The key of a packet's flow: which fields identify it, per protocol.

use super::Key;
use crate::packet::{Head, L4, Packet};

/// How a packet's key is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// No flow.
    #[default]
    None,
    /// Found, in either direction, or made by its own addresses and ports.
    Plain,
    /// An ICMP error: found by the datagram it quotes, makes no flow.
    Quoted,
    /// An ICMP error that quotes no flow: finds one of its own kind, makes none.
    NoNew,
    /// Found in one direction only (ESP).
    OneWay,
}

impl Key {
    /// The key of a head, client to server if it opens the flow.
    pub(super) fn of_head(h: &Head) -> Key {
        Key {
            src: h.src,
            dst: h.dst,
            sp: h.sp,
            dp: h.dp,
            vlan: [h.vlan[0], h.vlan[1], 0],
            vlans: h.vlans,
            proto: h.proto,
            recursion: 0,
            v6: h.v6,
        }
    }

    /// Ports as they are compared: the codes of ICMPv4 do not tell flows apart.
    pub(super) fn cmp_ports(&self) -> (u16, u16) {
        if self.proto == 1 { (self.sp & 0xff00, self.dp & 0xff00) } else { (self.sp, self.dp) }
    }
}

/// Whether `pkt` is an ICMPv4 error (RFC 792: unreachable, quench, redirect, time exceeded, parameter problem).
pub(super) fn is_icmpv4_error(pkt: &Packet<'_>) -> bool {
    pkt.l4 == L4::Icmpv4 && matches!(pkt.icmp.kind, 3 | 4 | 5 | 11 | 12)
}

/// The key of `pkt`, client to server if it opens the flow.
pub(super) fn key_of(pkt: &Packet<'_>) -> (Key, Kind) {
    let mut key = Key {
        src: pkt.src,
        dst: pkt.dst,
        sp: pkt.sp,
        dp: pkt.dp,
        vlan: pkt.vlan,
        vlans: pkt.vlans,
        proto: pkt.proto,
        recursion: pkt.recursion,
        v6: pkt.is_ipv6(),
    };
    if pkt.invalid || !pkt.has_ip() {
        return (key, Kind::None);
    }
    let kind = match pkt.l4 {
        L4::Tcp => {
            key.proto = 6;
            Kind::Plain
        }
        L4::Udp => {
            key.proto = 17;
            Kind::Plain
        }
        L4::Sctp => {
            key.proto = 132;
            Kind::Plain
        }
        L4::Icmpv4 => {
            key.proto = 1;
            key.sp = u16::from(pkt.icmp.kind) << 8 | u16::from(pkt.icmp.code);
            key.dp = u16::from(counterpart_v4(pkt.icmp.kind)) << 8;
            match pkt.icmp.embedded {
                Some(e) if pkt.icmp.kind == 3 && !e.v6 && matches!(e.proto, 6 | 17) => {
                    key = Key { src: e.src, dst: e.dst, sp: e.sp, dp: e.dp, proto: e.proto, ..key };
                    Kind::Quoted
                }
                _ if is_icmpv4_error(pkt) => Kind::NoNew,
                _ => Kind::Plain,
            }
        }
        L4::Icmpv6 => {
            key.proto = 58;
            key.sp = u16::from(pkt.icmp.kind) << 8 | u16::from(pkt.icmp.code);
            key.dp = u16::from(counterpart_v6(pkt.icmp.kind)) << 8;
            Kind::Plain
        }
        L4::Esp => {
            key.proto = 50;
            let spi = pkt.l4_hdr.of(pkt.data).first_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b));
            key.sp = (spi >> 16) as u16;
            key.dp = spi as u16;
            Kind::OneWay
        }
        // The carrier of an IPv4 or IPv6 datagram in IP is a flow beside those it carries.
        L4::None if matches!(pkt.proto, 4 | 41) && pkt.frag.is_none() => {
            (key.sp, key.dp) = (0, 0);
            Kind::Plain
        }
        L4::None | L4::Gre => Kind::None,
    };
    (key, kind)
}

/// The ICMPv4 type that answers `kind` (RFC 792, RFC 950, RFC 1256); 0 when nothing does.
pub const fn counterpart_v4(kind: u8) -> u8 {
    match kind {
        0 => 8,
        8 => 0,
        13 => 14,
        14 => 13,
        15 => 16,
        16 => 15,
        17 => 18,
        18 => 17,
        9 => 10,
        10 => 9,
        _ => 0,
    }
}

/// The ICMPv6 type that answers `kind` (echo, neighbour and router discovery, listener reports, node information,
/// mobility, certification path, multicast routers, duplicate addresses); 0 when nothing does.
pub const fn counterpart_v6(kind: u8) -> u8 {
    match kind {
        128 | 130 | 133 | 135 | 139 | 144 | 146 | 148 | 151 | 157 => kind + 1,
        129 | 131 | 134 | 136 | 140 | 145 | 147 | 149 | 152 | 158 => kind - 1,
        _ => 0,
    }
}
