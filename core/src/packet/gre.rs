//! GRE version 0 (RFC 2784, 2890, with RFC 1701's routing) and version 1 (PPTP, RFC 2637).

use super::decoder::{Begins, Cx, Inner};
use super::{L4, Packet, Span, events as ev};

const CHECKSUM: u8 = 0x80;
const ROUTING: u8 = 0x40;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
const STRICT: u8 = 0x08;
const RECURSION: u8 = 0x07;
const ACK: u8 = 0x80;
const PPP: u16 = 0x880b;

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(&[flags, more, t0, t1]) = p.head::<4>(off, end) else {
        p.bad(ev::GRE_PKT_TOO_SMALL);
        return;
    };
    if !cx.layer(p) {
        return;
    }
    let proto = u16::from_be_bytes([t0, t1]);
    p.l4 = L4::Gre;
    p.l4_hdr = Span::new(off, 4);
    let header = match more & 7 {
        0 => version0(p, flags, more, off, end),
        1 => version1(flags, more, proto, end - off),
        _ => Err(ev::GRE_WRONG_VERSION),
    };
    let hlen = match header {
        Ok(h) => h,
        Err(event) => {
            p.bad(event);
            return;
        }
    };
    let at = off + hlen;
    p.l4_hdr = Span::new(off, hlen);
    let begins = match proto {
        0x0800 => Begins::Ipv4,
        0x86dd => Begins::Ipv6,
        PPP => {
            // PPTP's key begins with the payload's length; an acknowledgement has none.
            let empty = more & 7 == 1 && p.head::<6>(off, end).is_some_and(|h| h[4] == 0 && h[5] == 0);
            if empty {
                return;
            }
            Begins::Ppp
        }
        0x8100 => Begins::Vlan,
        0x6558 => Begins::Ethernet,
        0x0806 => Begins::Arp,
        0x88be if flags & SEQUENCE != 0 => Begins::Erspan2,
        0x88be => Begins::Erspan1,
        0x22eb => Begins::Erspan3,
        _ => return,
    };
    cx.carry(p, Inner { begins, off: at, end, source: "gre tunnel", vni: None });
}

/// The header's length, or the event of a fault.
fn version0(p: &Packet<'_>, flags: u8, more: u8, off: usize, end: usize) -> Result<usize, u8> {
    if flags & RECURSION != 0 {
        return Err(ev::GRE_VERSION0_RECUR);
    }
    if more & 0xf8 != 0 {
        return Err(ev::GRE_VERSION0_FLAGS);
    }
    let mut len = 4;
    for (bits, more) in [(KEY, 4), (SEQUENCE, 4), (CHECKSUM | ROUTING, 4)] {
        if flags & bits != 0 {
            len += more;
        }
    }
    if len > end - off {
        return Err(ev::GRE_VERSION0_HDR_TOO_BIG);
    }
    if flags & ROUTING != 0 {
        // Source route entries: family, offset, length; one of zeros ends them.
        loop {
            let Some(&[f0, f1, _, sre]) = p.head::<4>(off + len, end) else {
                return Err(ev::GRE_VERSION0_MALFORMED_SRE_HDR);
            };
            len += 4;
            if f0 == 0 && f1 == 0 && sre == 0 {
                break;
            }
            len += usize::from(sre);
            if len > end - off {
                return Err(ev::GRE_VERSION0_MALFORMED_SRE_HDR);
            }
        }
    }
    Ok(len)
}

fn version1(flags: u8, more: u8, proto: u16, have: usize) -> Result<usize, u8> {
    for (bits, event) in [
        (CHECKSUM, ev::GRE_VERSION1_CHKSUM),
        (ROUTING, ev::GRE_VERSION1_ROUTE),
        (STRICT, ev::GRE_VERSION1_SSR),
        (RECURSION, ev::GRE_VERSION1_RECUR),
    ] {
        if flags & bits != 0 {
            return Err(event);
        }
    }
    if more & 0x78 != 0 {
        return Err(ev::GRE_VERSION1_FLAGS);
    }
    if proto != PPP {
        return Err(ev::GRE_VERSION1_WRONG_PROTOCOL);
    }
    if flags & KEY == 0 {
        return Err(ev::GRE_VERSION1_NO_KEY);
    }
    let mut len = 8;
    if flags & SEQUENCE != 0 {
        len += 4;
    }
    if more & ACK != 0 {
        len += 4;
    }
    if len > have { Err(ev::GRE_VERSION1_HDR_TOO_BIG) } else { Ok(len) }
}
