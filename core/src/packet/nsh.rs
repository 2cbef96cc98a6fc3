//! Network service headers (RFC 8300).

use super::decoder::Cx;
use super::{Packet, events as ev, ipv4, ipv6, layers, link, mpls};

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::NSH;
    let Some(&[b0, b1, md, next, ..]) = p.head::<8>(off, end) else {
        return p.bad(ev::NSH_HEADER_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    if b0 >> 6 != 0 {
        p.note(ev::NSH_UNSUPPORTED_VERSION);
        return true;
    }
    let len = usize::from(b1 & 0x3f) * 4;
    if len >= end - off {
        return p.bad(ev::NSH_BAD_HEADER_LENGTH);
    }
    match md {
        0 | 0xf => {
            p.note(ev::NSH_RESERVED_TYPE);
            return true;
        }
        1 if len != 24 => return p.bad(ev::NSH_BAD_HEADER_LENGTH),
        1 | 2 => {}
        _ => {
            p.note(ev::NSH_UNSUPPORTED_TYPE);
            return true;
        }
    }
    let at = off + len;
    match next {
        1 => end - at <= 0xffff && ipv4::decode(cx, p, at, end),
        2 => end - at <= 0xffff && ipv6::decode(cx, p, at, end),
        3 => link::ethernet(cx, p, at, end),
        5 => mpls::decode(cx, p, at, end),
        _ => {
            p.note(ev::NSH_UNKNOWN_PAYLOAD);
            true
        }
    }
}
