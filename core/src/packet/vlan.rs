//! Tags between Ethernet and the network layer: 802.1Q/ad VLANs (up to three), 802.1ah backbone headers,
//! VN-Tag and 802.1BR E-Tag.

use super::decoder::Cx;
use super::{Packet, events as ev, layers, link};

/// The layer of a tag behind `n` others.
pub(super) const fn layer(n: u8) -> u32 {
    match n {
        0 => layers::VLAN,
        1 => layers::QINQ,
        _ => layers::QINQINQ,
    }
}

/// One VLAN tag: two bytes of tag, two of ether type.
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layer(p.vlans);
    let Some(&[a, b, t0, t1]) = p.head::<4>(off, end) else {
        return p.bad(ev::VLAN_HEADER_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    let Some(slot) = p.vlan.get_mut(p.vlans as usize) else {
        p.note(ev::VLAN_TOO_MANY_LAYERS);
        return false;
    };
    *slot = u16::from_be_bytes([a, b]) & 0x0fff;
    p.vlans += 1;
    if link::network(cx, p, u16::from_be_bytes([t0, t1]), off + 4, end) {
        true
    } else {
        p.bad(ev::VLAN_UNKNOWN_TYPE)
    }
}

/// 802.1ah: flags and service identifier, customer addresses, ether type.
pub(super) fn backbone(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::IEEE8021AH;
    let Some(h) = p.head::<18>(off, end) else {
        return p.bad(ev::IEEE8021AH_HEADER_TOO_SMALL);
    };
    let ether = u16::from_be_bytes([h[16], h[17]]);
    link::network(cx, p, ether, off + 18, end);
    true
}

/// Cisco VN-Tag (802.1Qbh).
pub(super) fn vntag(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::VNTAG;
    let Some(&[_, _, _, _, t0, t1]) = p.head::<6>(off, end) else {
        return p.bad(ev::VNTAG_HEADER_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    link::network(cx, p, u16::from_be_bytes([t0, t1]), off + 6, end) || p.bad(ev::VNTAG_UNKNOWN_TYPE)
}

/// 802.1BR E-Tag.
pub(super) fn etag(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::ETAG;
    let Some(&[_, _, _, _, _, _, t0, t1]) = p.head::<8>(off, end) else {
        return p.bad(ev::ETAG_HEADER_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    link::network(cx, p, u16::from_be_bytes([t0, t1]), off + 8, end) || p.bad(ev::ETAG_UNKNOWN_TYPE)
}
