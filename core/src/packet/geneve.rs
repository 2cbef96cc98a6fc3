//! GENEVE (RFC 8926): eight bytes and options, then Ethernet or IP.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, events as ev, layers};

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(&[ver, flags, t0, t1, v0, v1, v2, reserved]) = p.head::<8>(off, end) else { return false };
    if !cx.layer(p) {
        return false;
    }
    let options = usize::from(ver & 0x3f) * 4;
    let at = off + 8 + options;
    if at > end || ver >> 6 != 0 || flags & 0x3f != 0 || reserved != 0 || !options_fit(p, off + 8, at) {
        return false;
    }
    p.layers |= layers::GENEVE;
    let begins = match u16::from_be_bytes([t0, t1]) {
        0x0800 => Begins::Ipv4,
        0x86dd => Begins::Ipv6,
        0x6558 => Begins::Ethernet,
        0x0806 => return true,
        _ => {
            p.bad(ev::GENEVE_UNKNOWN_PAYLOAD_TYPE);
            return true;
        }
    };
    let vni = Some(u32::from_be_bytes([0, v0, v1, v2]));
    cx.carry(p, Inner { begins, off: at, end, source: "geneve encapsulation", vni });
    true
}

/// Whether the options' own lengths add up to the length in the header.
fn options_fit(p: &Packet<'_>, off: usize, end: usize) -> bool {
    let mut at = off;
    while at < end {
        let Some(&[_, _, _, len]) = p.head::<4>(at, end) else { return false };
        at += 4 + usize::from(len & 0x1f) * 4;
    }
    at == end
}
