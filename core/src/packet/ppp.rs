//! PPP (RFC 1661, in HDLC-like framing RFC 1662) and PPPoE (RFC 2516).

use super::decoder::Cx;
use super::{Packet, events as ev, ipv4, ipv6, layers};

/// A PPP frame: optional address and control bytes, a protocol of one byte (odd) or two.
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::PPP;
    let Some(&[a, b]) = p.head::<2>(off, end) else {
        return p.bad(ev::PPP_PKT_TOO_SMALL);
    };
    if !cx.layer(p) {
        return false;
    }
    let at = if (a, b) == (0xff, 0x03) { off + 2 } else { off };
    protocol(cx, p, at, end, ev::PPP_PKT_TOO_SMALL)
}

/// A frame as pppd captures it: the address byte tells the direction (0 in, 1 out).
pub(super) fn pppd(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::PPP;
    let Some(&[_, control]) = p.head::<2>(off, end) else {
        return p.bad(ev::PPP_PKT_TOO_SMALL);
    };
    let at = if control == 0x03 { off + 2 } else { off + 1 };
    cx.layer(p) && protocol(cx, p, at, end, ev::PPP_PKT_TOO_SMALL)
}

/// The protocol field and what it announces; `short` is the fault when it is cut off.
fn protocol(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize, short: u8) -> bool {
    let Some(&[a]) = p.head::<1>(off, end) else {
        return p.bad(short);
    };
    let (proto, at) = if a & 1 == 1 {
        (u16::from(a), off + 1)
    } else {
        let Some(h) = p.head::<2>(off, end) else {
            return p.bad(short);
        };
        (u16::from_be_bytes(*h), off + 2)
    };
    let len = end - at;
    match proto {
        0x0021 if len < 20 => p.bad(ev::PPP_IP4_PKT_TOO_SMALL),
        0x0057 if len < 40 => p.bad(ev::PPP_IP6_PKT_TOO_SMALL),
        0x002f if len < 20 => p.bad(ev::PPP_VJU_PKT_TOO_SMALL),
        0x0021 => {
            p.ether_type = 0x0800;
            ipv4::decode(cx, p, at, end.min(at + 0xffff))
        }
        0x0057 => {
            p.ether_type = 0x86dd;
            ipv6::decode(cx, p, at, end.min(at + 0xffff))
        }
        // Van Jacobson's uncompressed TCP/IP has the connection number in place of the protocol.
        0x002f => {
            if p.data.get(at).is_some_and(|b| b >> 4 == 4) {
                p.ether_type = 0x0800;
                ipv4::decode_vj(cx, p, at, end.min(at + 0xffff))
            } else {
                true
            }
        }
        // What PPPoE agrees on before data flows is nothing strange: link, network and authentication control
        // (RFC 1661 2).
        0x8000.. if p.layers & layers::PPPOE != 0 => true,
        0x0023 | 0x0025 | 0x0027 | 0x0029 | 0x002b | 0x002d | 0x0031 | 0x0033 | 0x0035 | 0x0201 | 0x0231
        | 0x0233 | 0x0281 | 0x0283 | 0x8021 | 0x8023 | 0x8025 | 0x8027 | 0x8029 | 0x802b | 0x8033
        | 0x8035 | 0x8057 | 0x8281 | 0xc021 | 0xc023 | 0xc025 | 0xc223 => {
            p.note(ev::PPP_UNSUP_PROTO);
            true
        }
        _ => {
            p.bad(ev::PPP_WRONG_TYPE);
            true
        }
    }
}

/// PPPoE session stage: a six-byte header, then PPP without address and control.
pub(super) fn pppoe_session(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::PPPOE;
    let Some(h) = p.head::<7>(off, end) else {
        return p.bad(ev::PPPOE_PKT_TOO_SMALL);
    };
    let len = u16::from_be_bytes([h[4], h[5]]);
    if !cx.layer(p) {
        return false;
    }
    len == 0 || protocol(cx, p, off + 6, end, ev::PPPOE_PKT_TOO_SMALL)
}

/// PPPoE discovery stage: only its form is checked.
pub(super) fn pppoe_discovery(_cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::PPPOE;
    let Some(&[_, code, _, _, l0, l1]) = p.head::<6>(off, end) else {
        return p.bad(ev::PPPOE_PKT_TOO_SMALL);
    };
    if !matches!(code, 0x09 | 0x07 | 0x19 | 0x65 | 0xa7) {
        return p.bad(ev::PPPOE_WRONG_CODE);
    }
    if usize::from(u16::from_be_bytes([l0, l1])) > end - off - 6 {
        return p.bad(ev::PPPOE_MALFORMED_TAGS);
    }
    true
}
