//! IP over InfiniBand (RFC 4391) as captures hold it: behind the addresses that the host's driver shows
//! (LINKTYPE_IPOIB), or in a frame of the fabric (LINKTYPE_INFINIBAND; InfiniBand Architecture vol. 1, ch. 7 to 9).
//!
//! In: a packet and the range of the header. Out: the network layer. Frames of the fabric that carry something else
//! than IP over unreliable datagrams (storage, management, RDMA) leave the packet without one.

use super::decoder::Cx;
use super::{Packet, link};

/// Twenty bytes that stand for the source and twenty of the destination's address, then an ether type and two reserved bytes.
pub(super) fn ipoib(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(&[t0, t1, _, _]) = p.head::<44>(off, end).and_then(|h| h.last_chunk::<4>()) else {
        return false;
    };
    cx.layer(p) && link::network(cx, p, u16::from_be_bytes([t0, t1]), off + 44, end)
}

/// Local route header, perhaps a global one, base transport header, datagram header, then an ether type.
pub(super) fn fabric(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(&[_, lnh, ..]) = p.head::<8>(off, end) else { return false };
    if !cx.layer(p) {
        return false;
    }
    let mut at = off + 8;
    match lnh & 3 {
        // Another protocol's frame: its ether type after two reserved bytes, or IPv6 itself.
        0 => {
            let Some(&[_, _, t0, t1]) = p.head::<4>(at, end) else { return false };
            return link::network(cx, p, u16::from_be_bytes([t0, t1]), at + 4, end);
        }
        1 => return link::network(cx, p, link::ET_IPV6, at, end),
        3 => at += 40,
        _ => {}
    }
    let Some(b) = p.head::<24>(at, end) else { return false };
    // Unreliable datagrams that are sent whole, with (0x65) or without (0x64) four bytes for the receiver.
    let payload = match b[0] {
        0x64 => at + 20,
        0x65 => at + 24,
        _ => return true,
    };
    let Some(&[t0, t1, 0, 0]) = p.head::<4>(payload, end) else { return true };
    match u16::from_be_bytes([t0, t1]) {
        ether @ (link::ET_IP | link::ET_IPV6 | link::ET_ARP) => link::network(cx, p, ether, payload + 4, end),
        _ => true,
    }
}
