//! Frame relay (RFC 2427): a Q.922 address, then a control byte and the number of a protocol, or Cisco's ether type.
//!
//! In: a packet and the range of the header. Out: the network layer it carries.

use super::decoder::Cx;
use super::{Packet, layers, link, ppp};

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    if !cx.layer(p) {
        return false;
    }
    let Some(bytes) = p.data.get(off..end) else { return false };
    // Two to four bytes of address; the last has its lowest bit set.
    let Some(len) = bytes.iter().take(4).position(|b| b & 1 == 1).map(|n| n + 1).filter(|&n| n >= 2) else {
        return false;
    };
    let rest = bytes.get(len..).unwrap_or(&[]);
    let at = off + len;
    match *rest {
        [0x03, 0x00, 0x80, ..] => snap(cx, p, at + 3, end),
        [0x03, 0x80, ..] => snap(cx, p, at + 2, end),
        [0x03, 0xcc, ..] => link::network(cx, p, link::ET_IP, at + 2, end),
        [0x03, 0x8e, ..] => link::network(cx, p, link::ET_IPV6, at + 2, end),
        [0x03, 0xcf, ..] => ppp::decode(cx, p, at + 2, end),
        [0x03, ..] => {
            p.layers |= layers::UNKNOWN_ETHERTYPE;
            true
        }
        [t0, t1, ..] => link::network(cx, p, u16::from_be_bytes([t0, t1]), at + 2, end),
        _ => false,
    }
}

/// SNAP behind the protocol number 0x80: an organisation and its type; that of bridged Ethernet frames is 0080c2.
fn snap(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    match p.head::<5>(off, end) {
        Some(&[0, 0, 0, t0, t1]) => link::network(cx, p, u16::from_be_bytes([t0, t1]), off + 5, end),
        // With (1) or without (7) the frame's check sequence.
        Some(&[0, 0x80, 0xc2, 0, 1 | 7]) => link::ethernet(cx, p, off + 5, end),
        _ => {
            p.layers |= layers::UNKNOWN_ETHERTYPE;
            true
        }
    }
}
