//! SCTP (RFC 9260) and ESP (RFC 4303): the fixed headers.

use super::{L4, Packet, Span, events as ev};

pub(super) fn decode(p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(h) = p.head::<12>(off, end) else {
        p.bad(ev::SCTP_PKT_TOO_SMALL);
        return;
    };
    let [s0, s1, d0, d1, ..] = *h;
    p.proto = 132;
    p.l4 = L4::Sctp;
    p.l4_hdr = Span::new(off, 12);
    p.sp = u16::from_be_bytes([s0, s1]);
    p.dp = u16::from_be_bytes([d0, d1]);
    p.payload = Span::new(off + 12, end - off - 12);
    p.wants_flow = true;
}

pub(super) fn esp(p: &mut Packet<'_>, off: usize, end: usize) {
    if p.head::<8>(off, end).is_none() {
        p.bad(ev::ESP_PKT_TOO_SMALL);
        return;
    }
    p.proto = 50;
    p.l4 = L4::Esp;
    p.l4_hdr = Span::new(off, 8);
    p.payload = Span::new(off + 8, end - off - 8);
    p.wants_flow = true;
}
