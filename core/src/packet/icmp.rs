//! ICMP for IPv4 (RFC 792) and IPv6 (RFC 4443), with the datagram that an error message quotes.

use super::{Addr, Embedded, L4, Packet, Span, events as ev};

pub(super) fn v4(p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(&[kind, code, _, _, i0, i1, s0, s1]) = p.head::<8>(off, end) else {
        p.bad(ev::ICMPV4_PKT_TOO_SMALL);
        return;
    };
    p.proto = 1;
    p.l4 = L4::Icmpv4;
    p.icmp.kind = kind;
    p.icmp.code = code;
    // Router advertisements and timestamps have a longer header.
    let have = end - off;
    let hlen = match kind {
        9 => 8 + usize::from(i0) * usize::from(i1) * 4,
        13 | 14 => 20,
        _ => 8,
    };
    if hlen > have {
        p.bad(ev::ICMPV4_IPV4_TRUNC_PKT);
    }
    let hlen = hlen.min(have);
    p.l4_hdr = Span::new(off, hlen);
    p.payload = Span::new(off + hlen, have - hlen);
    p.wants_flow = true;
    let highest = match kind {
        0 | 4 | 8 | 12 | 13..=18 => 0,
        3 => 15,
        5 => 3,
        9 => 255,
        11 => 1,
        _ => {
            p.note(ev::ICMPV4_UNKNOWN_TYPE);
            return;
        }
    };
    if matches!(kind, 0 | 8 | 13..=18) {
        p.icmp.id = Some(u16::from_be_bytes([i0, i1]));
        p.icmp.seq = Some(u16::from_be_bytes([s0, s1]));
    }
    if code > highest {
        p.note(ev::ICMPV4_UNKNOWN_CODE);
    } else if kind == 4 || matches!(kind, 3 | 5 | 11 | 12) && have > 8 {
        quoted_v4(p, off + 8, end);
    }
}

fn quoted_v4(p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(h) = p.head::<20>(off, end) else {
        p.bad(ev::ICMPV4_IPV4_TRUNC_PKT);
        return;
    };
    if h[0] >> 4 != 4 {
        p.bad(ev::ICMPV4_IPV4_UNKNOWN_VER);
        return;
    }
    let hlen = (usize::from(h[0] & 0x0f) * 4).max(20);
    let (sp, dp) = ports(p, h[9], off + hlen, end);
    p.icmp.embedded = Some(Embedded {
        v6: false,
        src: Addr::v4([h[12], h[13], h[14], h[15]]),
        dst: Addr::v4([h[16], h[17], h[18], h[19]]),
        proto: h[9],
        sp,
        dp,
    });
}

/// The ports at `off` where the protocol has them; zeros when they were not quoted.
fn ports(p: &Packet<'_>, proto: u8, off: usize, end: usize) -> (u16, u16) {
    match p.head::<4>(off, end) {
        Some(&[a, b, c, d]) if matches!(proto, 6 | 17 | 132) => {
            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        }
        _ => (0, 0),
    }
}

pub(super) fn v6(p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(&[kind, code, _, _, w0, w1, w2, w3]) = p.head::<8>(off, end) else {
        p.bad(ev::ICMPV6_PKT_TOO_SMALL);
        return;
    };
    p.proto = 58;
    p.l4 = L4::Icmpv6;
    p.l4_hdr = Span::new(off, 8);
    p.payload = Span::new(off + 8, end - off - 8);
    p.icmp.kind = kind;
    p.icmp.code = code;
    p.wants_flow = true;
    if matches!(kind, 130..=132) && p.ttl != 1 {
        p.note(ev::ICMPV6_MLD_MESSAGE_WITH_INVALID_HL);
    }
    let highest = match kind {
        1 => 6,
        2 | 128..=137 | 141..=149 | 154 | 156..=159 => 0,
        3 => 1,
        4 => 2,
        138 if code == 255 => 255,
        138..=140 => 2,
        150..=153 => 255,
        155 => 3,
        5..=99 | 102..=126 | 160..=199 | 202..=255 => {
            p.note(ev::ICMPV6_UNASSIGNED_TYPE);
            return;
        }
        100 | 101 | 200 | 201 => {
            p.note(ev::ICMPV6_EXPERIMENTATION_TYPE);
            return;
        }
        _ => {
            p.note(ev::ICMPV6_UNKNOWN_TYPE);
            return;
        }
    };
    if code > highest {
        p.note(ev::ICMPV6_UNKNOWN_CODE);
        return;
    }
    match kind {
        1..=4 => {
            if kind == 2 {
                p.icmp.mtu = Some(u32::from_be_bytes([w0, w1, w2, w3]));
            }
            quoted_v6(p, off + 8, end);
        }
        128 | 129 => {
            p.icmp.id = Some(u16::from_be_bytes([w0, w1]));
            p.icmp.seq = Some(u16::from_be_bytes([w2, w3]));
        }
        _ => {}
    }
}

fn quoted_v6(p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(h) = p.head::<40>(off, end) else {
        p.bad(ev::ICMPV6_IPV6_TRUNC_PKT);
        return;
    };
    if h[0] >> 4 != 6 {
        p.bad(ev::ICMPV6_IPV6_UNKNOWN_VERSION);
        return;
    }
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    src.copy_from_slice(&h[8..24]);
    dst.copy_from_slice(&h[24..40]);
    let (sp, dp) = ports(p, h[6], off + 40, end);
    p.icmp.embedded = Some(Embedded { v6: true, src: Addr(src), dst: Addr(dst), proto: h[6], sp, dp });
}
