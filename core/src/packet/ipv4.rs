//! IPv4 (RFC 791) with its options, and what it carries.

use super::decoder::{Begins, Cx, Inner};
use super::{Addr, FragFields, L3, Packet, Span, events as ev, layers};
use super::{ah, gre, icmp, l2tp, sctp, tcp, udp};

/// Decodes a datagram at `off`; `false` when its header cannot be used.
#[inline]
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    datagram(cx, p, off, end, Kind::Plain)
}

/// The same under Van Jacobson's uncompressed PPP, where protocol 0 stands for TCP.
pub(super) fn decode_vj(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    datagram(cx, p, off, end, Kind::VanJacobson)
}

/// The same, as if there was no authentication header.
pub(super) fn decode_authenticated(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    datagram(cx, p, off, end, Kind::Authenticated)
}

/// How the protocol field is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    VanJacobson,
    Authenticated,
}

#[inline]
fn datagram(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize, kind: Kind) -> bool {
    if !cx.layer(p) {
        return false;
    }
    let Some(h) = p.head::<20>(off, end) else {
        return p.bad(ev::IPV4_PKT_TOO_SMALL);
    };
    if h[0] >> 4 != 4 {
        return p.bad(ev::IPV4_WRONG_IP_VERSION);
    }
    let hlen = usize::from(h[0] & 0x0f) * 4;
    let iplen = usize::from(u16::from_be_bytes([h[2], h[3]]));
    if hlen < 20 {
        return p.bad(ev::IPV4_HLEN_TOO_SMALL);
    }
    if iplen < hlen {
        return p.bad(ev::IPV4_IPLEN_SMALLER_THAN_HLEN);
    }
    let there = end - off;
    if there + p.missing(end) < iplen || there < hlen {
        return p.bad(ev::IPV4_TRUNC_PKT);
    }
    let end = off + iplen.min(there);
    if hlen > 20 && !options(p, off + 20, off + hlen) {
        return false;
    }
    let flags = u16::from_be_bytes([h[6], h[7]]);
    p.l3 = L3::Ipv4;
    p.l3_hdr = Span::new(off, hlen);
    p.src = Addr::v4([h[12], h[13], h[14], h[15]]);
    p.dst = Addr::v4([h[16], h[17], h[18], h[19]]);
    p.proto = h[9];
    p.ttl = h[8];
    p.tos = h[1];
    p.ip_id = u16::from_be_bytes([h[4], h[5]]);
    p.ip_flags = (flags >> 13) as u8;
    p.ip_frag_off = (flags & 0x1fff) << 3;
    let at = off + hlen;
    if flags & 0x3fff != 0 {
        // What is not there cannot be put together.
        if there < iplen {
            return p.bad(ev::IPV4_TRUNC_PKT);
        }
        p.frag = Some(FragFields {
            id: u32::from(p.ip_id),
            offset: u32::from(p.ip_frag_off),
            more: flags & 0x2000 != 0,
            next: p.proto,
            data: Span::new(at, end - at),
            unfrag_len: hlen as u32,
            nh_off: 9,
        });
        return true;
    }
    match p.proto {
        6 => tcp::decode(p, at, end),
        0 if kind == Kind::VanJacobson => tcp::decode(p, at, end),
        51 if kind == Kind::Authenticated => ah::skip(cx, p, at, end),
        _ => carried(cx, p, at, end),
    }
    true
}

/// What the header's protocol announces.
pub(super) fn carried(cx: &mut Cx<'_>, p: &mut Packet<'_>, at: usize, end: usize) {
    match p.proto {
        6 => tcp::decode(p, at, end),
        17 => udp::decode(cx, p, at, end),
        1 => icmp::v4(p, at, end),
        47 => gre::decode(cx, p, at, end),
        132 => sctp::decode(p, at, end),
        50 => sctp::esp(p, at, end),
        4 | 41 => {
            let (begins, layer) = if p.proto == 4 {
                (Begins::Ipv4, layers::IPV4_IN_IPV4)
            } else {
                (Begins::Ipv6, layers::IPV6_IN_IPV4)
            };
            p.layers |= layer;
            cx.carry(p, Inner { begins, off: at, end, source: "ipv4 tunnel", vni: None });
            p.wants_flow = true;
        }
        51 => ah::carry(cx, p, at, end),
        58 => {
            p.bad(ev::IPV4_ICMPV6);
        }
        115 if !cx.cfg.l2tp.is_none() => {
            l2tp::session(cx, p, at, end);
        }
        _ => {}
    }
}

/// Walks the options, noting kinds in `ip_opts` and faults as events; `false` when one makes the packet
/// invalid.
#[cold]
fn options(p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    if !(end - off).is_multiple_of(8) {
        p.note(ev::IPV4_OPT_PAD_REQUIRED);
    }
    let data = p.data;
    let mut rest = data.get(off..end).unwrap_or(&[]);
    while let Some((&kind, after)) = rest.split_first() {
        match kind {
            0 => {
                p.ip_opts |= 1;
                break;
            }
            1 => {
                p.ip_opts |= 2;
                rest = after;
                continue;
            }
            _ => {}
        }
        let Some(&len) = after.first() else {
            p.note(ev::IPV4_OPT_EOL_REQUIRED);
            break;
        };
        let (Some(opt), true) = (rest.get(..usize::from(len)), len >= 2) else {
            return p.bad(ev::IPV4_OPT_INVALID_LEN);
        };
        rest = &rest[opt.len()..];
        let fault = match kind {
            7 | 131 | 137 => route(opt),
            68 => timestamp(opt),
            134 => cipso(opt),
            25 => at_least(opt, 8),
            130 | 133 => at_least(opt, 3),
            136 | 148 => (len != 4).then_some(ev::IPV4_OPT_INVALID_LEN),
            _ => {
                p.note(ev::IPV4_OPT_INVALID);
                continue;
            }
        };
        let bit = 1u32 << (kind & 31);
        if p.ip_opts & bit != 0 {
            p.note(ev::IPV4_OPT_DUPLICATE);
        } else if let Some(event) = fault {
            // The walk goes on: the rest may have faults of its own.
            p.bad(event);
        } else {
            p.ip_opts |= bit;
        }
    }
    !p.invalid
}

fn at_least(opt: &[u8], min: usize) -> Option<u8> {
    (opt.len() < min).then_some(ev::IPV4_OPT_INVALID_LEN)
}

/// Record route, loose and strict source route (RFC 791): the pointer steps by addresses from 4 on.
fn route(opt: &[u8]) -> Option<u8> {
    let &[_, len, ptr, ..] = opt else { return Some(ev::IPV4_OPT_INVALID_LEN) };
    (ptr < 4 || ptr % 4 != 0 || u16::from(ptr) > u16::from(len) + 1).then_some(ev::IPV4_OPT_MALFORMED)
}

/// Internet timestamp (RFC 791): records of 4 bytes, or 8 with addresses.
fn timestamp(opt: &[u8]) -> Option<u8> {
    let &[_, len, ptr, flags, _, ..] = opt else { return Some(ev::IPV4_OPT_INVALID_LEN) };
    let record = if matches!(flags & 0x0f, 1 | 3) { 8 } else { 4 };
    let bad = ptr < 5 || (ptr - 5) % record != 0 || u16::from(ptr) > u16::from(len) + 1;
    bad.then_some(ev::IPV4_OPT_MALFORMED)
}

/// Commercial IP security option (FIPS 188): a domain, then tags of known types.
fn cipso(opt: &[u8]) -> Option<u8> {
    if opt.len() < 10 {
        return Some(ev::IPV4_OPT_INVALID_LEN);
    }
    let mut tags = opt.get(6..).unwrap_or(&[]);
    while !tags.is_empty() {
        let &[kind, len, ..] = tags else { return Some(ev::IPV4_OPT_MALFORMED) };
        let aligned = kind == 7 || tags.get(2) == Some(&0);
        let known = matches!(kind, 1 | 2 | 5 | 6 | 7);
        match tags.get(usize::from(len)..) {
            Some(after) if known && len >= 4 && aligned => tags = after,
            _ => return Some(ev::IPV4_OPT_MALFORMED),
        }
    }
    None
}
