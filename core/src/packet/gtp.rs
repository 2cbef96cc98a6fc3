//! GTP-U (3GPP TS 29.281): user data of mobile networks, IP in UDP.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, layers};

/// A G-PDU of version 1 whose length and extension headers fit and that carries IP.
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(&[flags, kind, l0, l1, ..]) = p.head::<8>(off, end) else { return false };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    if flags >> 5 != 1 || flags & 0x10 == 0 || kind != 255 || off + 8 + len > end {
        return false;
    }
    let end = off + 8 + len;
    let mut at = off + 8;
    if flags & 0x07 != 0 {
        // Sequence, N-PDU number and next extension type are present together.
        let Some(&[_, _, _, next]) = p.head::<4>(at, end) else { return false };
        at += 4;
        let mut next = if flags & 0x04 != 0 { next } else { 0 };
        while next != 0 {
            let Some(&[units]) = p.head::<1>(at, end) else { return false };
            let ext = usize::from(units) * 4;
            let Some(&last) = p.data.get(at + ext.max(1) - 1).filter(|_| ext > 0 && at + ext <= end) else {
                return false;
            };
            next = last;
            at += ext;
        }
    }
    let begins = match p.data.get(at..end).and_then(|d| d.first()).map(|b| b >> 4) {
        Some(4) => Begins::Ipv4,
        Some(6) => Begins::Ipv6,
        _ => return false,
    };
    if !cx.layer(p) {
        return false;
    }
    p.layers |= layers::GTP;
    cx.carry(p, Inner { begins, off: at, end, source: "gtp-u tunnel", vni: None });
    true
}
