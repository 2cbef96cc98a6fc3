//! Logical link control (IEEE 802.2) with SNAP (RFC 1042): what follows the length in an 802.3 frame and the header
//! of an 802.11 one.
//!
//! In: a packet and the range of the header. Out: the network layer, if it is one that `link::network` knows; `false`
//! and the anomaly of an unknown ether type when not (spanning tree, IPX, NetBIOS, …).

use super::decoder::Cx;
use super::{Packet, events as ev, layers, link};

/// Unnumbered information, the only kind of frame that carries datagrams.
const UI: u8 = 0x03;
const SNAP: u8 = 0xaa;
const IP: u8 = 0x06;

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    if let Some(&[SNAP, SNAP, UI, o0, o1, o2, t0, t1]) = p.head::<8>(off, end) {
        let ether = u16::from_be_bytes([t0, t1]);
        // Ethernet's types, plain and of bridges (IEEE 802.1H). Lengths in place of the type would lead back here.
        if matches!([o0, o1, o2], [0, 0, 0] | [0, 0, 0xf8]) && ether >= 0x600 && cx.layer(p) {
            return link::network(cx, p, ether, off + 8, end);
        }
    } else if let Some(&[IP, IP, UI]) = p.head::<3>(off, end)
        && cx.layer(p)
    {
        return link::network(cx, p, link::ET_IP, off + 3, end);
    }
    p.layers |= layers::UNKNOWN_ETHERTYPE;
    p.note(ev::ETHERNET_UNKNOWN_ETHERTYPE);
    false
}
