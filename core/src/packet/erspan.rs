//! ERSPAN inside GRE: type I (no header), II (8 bytes) and III (12 or 20 bytes), then the mirrored frame
//! (draft-foschiano-erspan).

use super::decoder::Cx;
use super::{Packet, events as ev, layers, link};

pub(super) fn type1(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::ERSPAN;
    cx.cfg.erspan_type1 && link::ethernet(cx, p, off, end)
}

pub(super) fn type2(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::ERSPAN;
    let Some(&[a, b, ..]) = p.head::<8>(off, end) else {
        p.note(ev::ERSPAN_HEADER_TOO_SMALL);
        return false;
    };
    if a >> 4 != 1 {
        p.note(ev::ERSPAN_UNSUPPORTED_VERSION);
        return false;
    }
    mirrored(cx, p, u16::from_be_bytes([a, b]), off + 8, end)
}

pub(super) fn type3(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::ERSPAN;
    let Some(&[a, b, .., o]) = p.head::<12>(off, end) else {
        p.note(ev::ERSPAN_HEADER_TOO_SMALL);
        return false;
    };
    if a >> 4 != 2 {
        p.note(ev::ERSPAN_UNSUPPORTED_VERSION);
        return false;
    }
    // The last bit announces a platform subheader of eight bytes.
    let len = if o & 1 == 1 { 20 } else { 12 };
    if end - off < len {
        p.note(ev::ERSPAN_HEADER_TOO_SMALL);
        return false;
    }
    mirrored(cx, p, u16::from_be_bytes([a, b]), off + len, end)
}

fn mirrored(cx: &mut Cx<'_>, p: &mut Packet<'_>, tag: u16, off: usize, end: usize) -> bool {
    if !cx.layer(p) {
        return false;
    }
    if tag & 0x0fff != 0 {
        let Some(slot) = p.vlan.get_mut(p.vlans as usize) else {
            p.note(ev::ERSPAN_TOO_MANY_VLAN_LAYERS);
            return false;
        };
        *slot = tag & 0x0fff;
        p.vlans += 1;
    }
    link::ethernet(cx, p, off, end)
}
