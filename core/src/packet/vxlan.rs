//! VXLAN (RFC 7348), and its group policy extension's flags: eight bytes, then an Ethernet frame.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, events as ev, layers};

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(h) = p.head::<22>(off, end) else { return false };
    let [flags, _, _, _, v0, v1, v2, reserved, ..] = *h;
    if flags & 0x08 == 0 || reserved != 0 {
        return false;
    }
    if !cx.layer(p) {
        return false;
    }
    p.layers |= layers::VXLAN;
    match u16::from_be_bytes([h[20], h[21]]) {
        0x0800 | 0x86dd | 0x0806 | 0x8100 | 0x88a8 | 0x9100 => {
            let vni = Some(u32::from_be_bytes([0, v0, v1, v2]));
            let source = "vxlan encapsulation";
            cx.carry(p, Inner { begins: Begins::Ethernet, off: off + 8, end, source, vni });
        }
        _ => {
            p.bad(ev::VXLAN_UNKNOWN_PAYLOAD_TYPE);
        }
    }
    true
}
