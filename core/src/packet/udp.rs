//! UDP (RFC 768) and the tunnels recognised by its ports.

use super::decoder::Cx;
use super::{L4, Packet, Span, events as ev, geneve, gtp, l2tp, roce, teredo, tzsp, vxlan};

#[inline]
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(&[s0, s1, d0, d1, l0, l1, _, _]) = p.head::<8>(off, end) else {
        p.bad(ev::UDP_HLEN_TOO_SMALL);
        return;
    };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let there = end - off;
    if there + p.missing(end) < len {
        p.bad(ev::UDP_PKT_TOO_SMALL);
        return;
    }
    if len < 8 {
        p.bad(ev::UDP_LEN_INVALID);
        return;
    }
    let len = len.min(there);
    p.proto = 17;
    p.l4 = L4::Udp;
    p.l4_hdr = Span::new(off, 8);
    p.sp = u16::from_be_bytes([s0, s1]);
    p.dp = u16::from_be_bytes([d0, d1]);
    p.payload = Span::new(off + 8, len - 8);
    p.wants_flow = true;
    let (sp, dp, at, end) = (p.sp, p.dp, off + 8, off + len);
    let cfg = cx.cfg;
    // Each returns whether it took the payload.
    let _ = (cfg.teredo.has(sp, dp) && teredo::decode(cx, p, at, end))
        || (cfg.geneve.has(sp, dp) && geneve::decode(cx, p, at, end))
        || (cfg.vxlan.has(sp, dp) && vxlan::decode(cx, p, at, end))
        || (cfg.gtp.has(sp, dp) && gtp::decode(cx, p, at, end))
        || (cfg.l2tp.has(sp, dp) && l2tp::udp(cx, p, at, end))
        || (cfg.tzsp.has(sp, dp) && tzsp::decode(cx, p, at, end))
        || (cfg.roce.has(dp, dp) && roce::decode(p, at, end));
}
