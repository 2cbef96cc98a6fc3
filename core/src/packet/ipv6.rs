//! IPv6 (RFC 8200) with its extension headers, and what it carries.

use super::decoder::{Begins, Cx, Inner};
use super::{Addr, FragFields, L3, Packet, Span, events as ev, layers};
use super::{gre, icmp, l2tp, sctp, tcp, udp};

const HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AH: u8 = 51;
const NONE: u8 = 59;
const DEST: u8 = 60;

/// Decodes a datagram at `off`; `false` when its header cannot be used.
#[inline]
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    if !cx.layer(p) {
        return false;
    }
    let Some(h) = p.head::<40>(off, end) else {
        return p.bad(ev::IPV6_PKT_TOO_SMALL);
    };
    if h[0] >> 4 != 6 {
        return p.bad(ev::IPV6_WRONG_IP_VERSION);
    }
    let plen = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let there = end - off;
    if there + p.missing(end) < 40 + plen {
        return p.bad(ev::IPV6_TRUNC_PKT);
    }
    p.l3 = L3::Ipv6;
    p.l3_hdr = Span::new(off, 40);
    let (mut src, mut dst) = ([0; 16], [0; 16]);
    src.copy_from_slice(&h[8..24]);
    dst.copy_from_slice(&h[24..40]);
    p.src = Addr(src);
    p.dst = Addr(dst);
    p.ttl = h[7];
    p.tos = h[0] << 4 | h[1] >> 4;
    p.proto = h[6];
    let (at, end) = (off + 40, off + there.min(40 + plen));
    match h[6] {
        6 => tcp::decode(p, at, end),
        17 => udp::decode(cx, p, at, end),
        58 => icmp::v6(p, at, end),
        132 => sctp::decode(p, at, end),
        4 => ipv4_inside(cx, p, at, end),
        41 => ipv6_inside(cx, p, at, end),
        47 => gre::decode(cx, p, at, end),
        1 => p.note(ev::IPV6_ICMPV4),
        115 if !cx.cfg.l2tp.is_none() => {
            l2tp::session(cx, p, at, end);
        }
        HOP | ROUTING | FRAGMENT | NONE | DEST | AH | 50 | 135 | 139 | 140 => {
            Extensions { at, end, next: h[6], nh_off: 6, base: off, seen: Seen::default() }.walk(cx, p);
        }
        _ => p.note(ev::IPV6_UNKNOWN_NEXT_HEADER),
    }
    // `ipv6.hdr` covers the extension headers up to the transport's own.
    if p.l4_hdr.off as usize > at {
        p.l3_hdr = Span::new(off, p.l4_hdr.off as usize - off);
    }
    true
}

fn ipv4_inside(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(h) = p.head::<20>(off, end) else {
        p.bad(ev::IPV6_IPV4_IN_IPV6_TOO_SMALL);
        return;
    };
    if h[0] >> 4 != 4 {
        p.bad(ev::IPV6_IPV4_IN_IPV6_WRONG_VERSION);
        return;
    }
    p.layers |= layers::IPV4_IN_IPV6;
    cx.carry(p, Inner { begins: Begins::Ipv4, off, end, source: "ipv6 tunnel", vni: None });
    p.wants_flow = true;
}

fn ipv6_inside(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(h) = p.head::<40>(off, end) else {
        p.bad(ev::IPV6_IPV6_IN_IPV6_TOO_SMALL);
        return;
    };
    if h[0] >> 4 != 6 {
        p.bad(ev::IPV6_IPV6_IN_IPV6_WRONG_VERSION);
        return;
    }
    p.layers |= layers::IPV6_IN_IPV6;
    cx.carry(p, Inner { begins: Begins::Ipv6, off, end, source: "ipv6 tunnel", vni: None });
    p.wants_flow = true;
}

/// Extension headers met so far.
#[derive(Default)]
struct Seen {
    routing: bool,
    hop: bool,
    dest: u8,
    ah: bool,
    fragment: bool,
}

/// The chain of extension headers: where the walk stands.
struct Extensions {
    at: usize,
    end: usize,
    next: u8,
    /// Offset from the IP header of the byte that names `next`.
    nh_off: usize,
    base: usize,
    seen: Seen,
}

impl Extensions {
    /// Steps over the header of `len` bytes at `at`.
    fn step(&mut self, p: &Packet<'_>, len: usize) {
        self.next = p.data.get(self.at).copied().unwrap_or(NONE);
        self.nh_off = self.at - self.base;
        self.at += len;
    }

    fn walk(mut self, cx: &mut Cx<'_>, p: &mut Packet<'_>) {
        // Each step consumes at least eight bytes of at most 65,535.
        loop {
            if self.next == NONE {
                p.proto = NONE;
                if self.end > self.at {
                    p.note(ev::IPV6_DATA_AFTER_NONE_HEADER);
                }
                return;
            }
            let Some(&[_, units]) = p.head::<2>(self.at, self.end) else {
                p.bad(ev::IPV6_TRUNC_EXTHDR);
                return;
            };
            let have = self.end - self.at;
            match self.next {
                6 => return tcp::decode(p, self.at, self.end),
                17 => return udp::decode(cx, p, self.at, self.end),
                58 => return icmp::v6(p, self.at, self.end),
                132 => return sctp::decode(p, self.at, self.end),
                50 => {
                    p.proto = 50;
                    return sctp::esp(p, self.at, self.end);
                }
                4 => {
                    p.proto = 4;
                    return ipv4_inside(cx, p, self.at, self.end);
                }
                1 => return p.note(ev::IPV6_ICMPV4),
                HOP | DEST | ROUTING | 135 | 139 | 140 => {
                    let len = 8 + usize::from(units) * 8;
                    if self.next < 128 {
                        p.proto = self.next;
                    }
                    if len > have {
                        p.bad(ev::IPV6_TRUNC_EXTHDR);
                        return;
                    }
                    match self.next {
                        ROUTING => self.routing(p),
                        HOP | DEST => self.options(p, len),
                        _ => {}
                    }
                    self.step(p, len);
                }
                AH => {
                    p.proto = AH;
                    let len = 12 + usize::from(units).saturating_sub(1) * 4;
                    if len > have {
                        p.bad(ev::IPV6_TRUNC_EXTHDR);
                        return;
                    }
                    if p.head::<4>(self.at, self.end).is_some_and(|h| h[2] != 0 || h[3] != 0) {
                        p.note(ev::IPV6_EXTHDR_AH_RES_NOT_NULL);
                    }
                    if core::mem::replace(&mut self.seen.ah, true) {
                        p.note(ev::IPV6_EXTHDR_DUPL_AH);
                    }
                    self.step(p, len);
                }
                FRAGMENT => {
                    p.proto = FRAGMENT;
                    if self.fragment(p) {
                        return;
                    }
                    self.step(p, 8);
                }
                next => {
                    p.proto = next;
                    return p.note(ev::IPV6_UNKNOWN_NEXT_HEADER);
                }
            }
        }
    }

    fn routing(&mut self, p: &mut Packet<'_>) {
        if core::mem::replace(&mut self.seen.routing, true) {
            p.note(ev::IPV6_EXTHDR_DUPL_RH);
        } else if p.data.get(self.at + 2) == Some(&0) {
            p.note(ev::IPV6_RH_TYPE_0);
        }
    }

    /// `true` when the packet is a fragment, whose rest is for the reassembled datagram.
    fn fragment(&mut self, p: &mut Packet<'_>) -> bool {
        let Some(&[next, reserved, o0, o1, i0, i1, i2, i3]) = p.head::<8>(self.at, self.end) else {
            p.bad(ev::IPV6_TRUNC_EXTHDR);
            return true;
        };
        if reserved != 0 {
            p.note(ev::IPV6_FH_NON_ZERO_RESERVED_FIELD);
        }
        if core::mem::replace(&mut self.seen.fragment, true) {
            p.note(ev::IPV6_EXTHDR_DUPL_FH);
            return false;
        }
        let field = u16::from_be_bytes([o0, o1]);
        let (offset, more) = (field & 0xfff8, field & 1 == 1);
        if offset == 0 && !more {
            p.note(ev::IPV6_EXTHDR_USELESS_FH);
            return false;
        }
        if more && !(self.end - self.at).is_multiple_of(8) {
            p.note(ev::IPV6_FRAG_INVALID_LENGTH);
        }
        // What is not there cannot be put together.
        if p.missing(self.end) > 0 {
            return p.bad(ev::IPV6_TRUNC_PKT);
        }
        p.frag = Some(FragFields {
            id: u32::from_be_bytes([i0, i1, i2, i3]),
            offset: u32::from(offset),
            more,
            next,
            data: Span::new(self.at + 8, self.end - self.at - 8),
            unfrag_len: (self.at - self.base) as u32,
            nh_off: self.nh_off as u32,
        });
        true
    }

    /// Hop-by-hop or destination options of a header of `len` bytes.
    fn options(&mut self, p: &mut Packet<'_>, len: usize) {
        let hop = self.next == HOP;
        if hop {
            if core::mem::replace(&mut self.seen.hop, true) {
                p.note(ev::IPV6_EXTHDR_DUPL_HH);
                return;
            }
        } else {
            // Twice is allowed: before a routing header and before the payload.
            if self.seen.dest == 2 {
                p.note(ev::IPV6_EXTHDR_DUPL_DH);
                return;
            }
            self.seen.dest += 1;
        }
        let data = p.data;
        let mut rest = data.get(self.at + 2..self.at + len).unwrap_or(&[]);
        let (mut pads, mut others) = (false, false);
        while let Some((&kind, after)) = rest.split_first() {
            if kind == 0 {
                pads = true;
                rest = after;
                continue;
            }
            let Some(&olen) = after.first() else {
                p.bad(ev::IPV6_EXTHDR_INVALID_OPTLEN);
                break;
            };
            // One byte past the end is let pass, as the peers do; the next round ends then.
            let size = usize::from(olen) + 2;
            if size > rest.len() + 1 {
                p.bad(ev::IPV6_EXTHDR_INVALID_OPTLEN);
                break;
            }
            let needs = match kind {
                1 => {
                    pads = true;
                    if olen == 0 {
                        p.note(ev::IPV6_ZERO_LEN_PADN);
                    }
                    0
                }
                // Router alert (RFC 2711), home address (RFC 6275), jumbo payload (RFC 2675).
                5 => 2,
                0xc9 => 16,
                0xc2 => 4,
                _ => {
                    p.note(if hop { ev::IPV6_HOPOPTS_UNKNOWN_OPT } else { ev::IPV6_DSTOPTS_UNKNOWN_OPT });
                    0
                }
            };
            if olen < needs {
                p.bad(ev::IPV6_EXTHDR_INVALID_OPTLEN);
                break;
            }
            others |= kind != 1 && kind != 0xc2;
            rest = rest.get(size..).unwrap_or(&[]);
        }
        if pads && !others {
            p.note(if hop { ev::IPV6_HOPOPTS_ONLY_PADDING } else { ev::IPV6_DSTOPTS_ONLY_PADDING });
        }
    }
}
