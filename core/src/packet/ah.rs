//! The authentication header (RFC 4302) behind IPv4. What it protects is in the clear: that is a packet of its own, as out
//! of a tunnel, so that rules for protocol 51 still see the one on the wire. (Behind IPv6 it is an extension header.)
//!
//! In: a packet and the range of the header. Out: an inner packet that is the datagram without this header.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, ipv4};

/// Where what follows the header begins and its protocol, if that is one to be decoded.
fn behind(p: &Packet<'_>, off: usize, end: usize) -> Option<(usize, u8)> {
    let &[next, words, ..] = p.head::<12>(off, end)?;
    // Counted in words of four bytes, less two.
    let at = off + (usize::from(words) + 2) * 4;
    let known = matches!(next, 1 | 4 | 6 | 17 | 41 | 47 | 132);
    (known && at >= off + 12 && at <= end).then_some((at, next))
}

/// Notes the datagram whose IP header is at `l3` as carried, if something is known behind the header at `off`.
pub(super) fn carry(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) {
    if behind(p, off, end).is_some() && cx.layer(p) {
        let l3 = p.l3_hdr.off as usize;
        cx.carry(p, Inner { begins: Begins::Authenticated, off: l3, end, source: "ah", vni: None });
    }
}

/// Decodes what is behind the header of a datagram that was carried so.
pub(super) fn skip(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) {
    if let Some((at, next)) = behind(p, off, end) {
        p.proto = next;
        ipv4::carried(cx, p, at, end);
    }
}
