//! MPLS label stacks (RFC 3032); what lies under the last label is told from the label or guessed from the
//! first nibble (RFC 4928), as Suricata does.

use super::decoder::Cx;
use super::{Packet, events as ev, ipv4, ipv6, layers, link};

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::MPLS;
    if !cx.layer(p) {
        return false;
    }
    let mut at = off;
    let label = loop {
        let Some(shim) = p.head::<4>(at, end) else {
            return p.bad(ev::MPLS_HEADER_TOO_SMALL);
        };
        let shim = u32::from_be_bytes(*shim);
        at += 4;
        if shim >> 8 & 1 == 1 {
            break shim >> 12;
        }
    };
    let len = end - at;
    match label {
        0 => return len <= 0xffff && ipv4::decode(cx, p, at, end),
        1 => p.note(ev::MPLS_BAD_LABEL_ROUTER_ALERT),
        2 => return len <= 0xffff && ipv6::decode(cx, p, at, end),
        3 => p.note(ev::MPLS_BAD_LABEL_IMPLICIT_NULL),
        4..=14 => p.note(ev::MPLS_BAD_LABEL_RESERVED),
        _ => {
            // Four bytes: the control word of an Ethernet pseudowire, if it is one.
            let Some(&[first, ..]) = p.head::<4>(at, end) else {
                return p.bad(ev::MPLS_PKT_TOO_SMALL);
            };
            match first >> 4 {
                4 if len <= 0xffff => {
                    ipv4::decode(cx, p, at, end);
                }
                6 if len <= 0xffff => {
                    ipv6::decode(cx, p, at, end);
                }
                4 | 6 => return false,
                0 => {
                    link::ethernet(cx, p, at + 4, end);
                }
                _ => {
                    p.bad(ev::MPLS_UNKNOWN_PAYLOAD_TYPE);
                }
            }
        }
    }
    true
}
