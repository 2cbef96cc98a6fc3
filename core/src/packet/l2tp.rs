//! L2TP: version 2 (RFC 2661) in UDP carries PPP; version 3 (RFC 3931), in UDP or as an IP protocol, carries Ethernet
//! or IP.
//!
//! In: a carrier and the range of its payload. Out: `true` and an inner packet where it is data. How long cookie and
//! sublayer of version 3 are is agreed on beforehand and not in the packet; the first of the lengths that exist behind
//! which a frame fits exactly is taken.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, layers};

const CONTROL: u8 = 0x80;
const LENGTH: u8 = 0x40;
const SEQUENCE: u8 = 0x08;
const OFFSET: u8 = 0x02;

/// The payload of a UDP packet on L2TP's port.
pub(super) fn udp(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(&[flags, version]) = p.head::<2>(off, end) else { return false };
    match version & 0x0f {
        _ if flags & CONTROL != 0 => false,
        2 => version2(cx, p, flags, off, end),
        // Flags and version take four bytes, the session four.
        3 => session(cx, p, off + 4, end),
        _ => false,
    }
}

fn version2(cx: &mut Cx<'_>, p: &mut Packet<'_>, flags: u8, off: usize, mut end: usize) -> bool {
    let mut at = off + 2;
    if flags & LENGTH != 0 {
        let Some(&[l0, l1]) = p.head::<2>(at, end) else { return false };
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if len > end - off {
            return false;
        }
        (at, end) = (at + 2, off + len);
    }
    // Tunnel and session, then numbers of packets.
    at += 4 + if flags & SEQUENCE != 0 { 4 } else { 0 };
    if flags & OFFSET != 0 {
        let Some(&[l0, l1]) = p.head::<2>(at, end) else { return false };
        at += 2 + usize::from(u16::from_be_bytes([l0, l1]));
    }
    // PPP begins with its address and control bytes or with a protocol number; both are at least two bytes.
    if at + 2 > end || !cx.layer(p) {
        return false;
    }
    p.layers |= layers::L2TP;
    cx.carry(p, Inner { begins: Begins::Ppp, off: at, end, source: "l2tp tunnel", vni: None });
    true
}

/// Version 3 from the session's number on, which is also what IP protocol 115 begins with; number 0 is control.
pub(super) fn session(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(id) = p.head::<4>(off, end) else { return false };
    if *id == [0; 4] {
        return false;
    }
    // Cookies have 0, 4 or 8 bytes, the sublayer 0 or 4 (sections 4.1 and 4.6).
    for skip in [0, 4, 8, 12] {
        let at = off + 4 + skip;
        let Some(begins) = p.data.get(at..end).and_then(fits) else { continue };
        if !cx.layer(p) {
            return false;
        }
        p.layers |= layers::L2TP;
        cx.carry(p, Inner { begins, off: at, end, source: "l2tp tunnel", vni: None });
        return true;
    }
    false
}

/// What the bytes begin with, if a datagram in them ends where they end (or before, within Ethernet's least frame).
fn fits(b: &[u8]) -> Option<Begins> {
    if datagram(b) == Some(b.len()) {
        return Some(if b.first()? >> 4 == 4 { Begins::Ipv4 } else { Begins::Ipv6 });
    }
    let mut at = 12;
    loop {
        let kind = b.get(at..)?.first_chunk::<2>()?;
        let body = b.get(at + 2..)?;
        match u16::from_be_bytes(*kind) {
            0x8100 | 0x88a8 if at < 20 => at += 4,
            0x0800 | 0x86dd => {
                let len = datagram(body)?;
                let padded = b.len() <= 60 && len <= body.len();
                return (len == body.len() || padded).then_some(Begins::Ethernet);
            }
            0x0806 => return body.starts_with(&[0, 1, 8, 0, 6, 4]).then_some(Begins::Ethernet),
            _ => return None,
        }
    }
}

/// The length that an IP header at the start of `b` tells.
fn datagram(b: &[u8]) -> Option<usize> {
    match b.first()? >> 4 {
        4 => b.first_chunk::<20>().map(|h| usize::from(u16::from_be_bytes([h[2], h[3]]))),
        6 => b.first_chunk::<40>().map(|h| 40 + usize::from(u16::from_be_bytes([h[4], h[5]]))),
        _ => None,
    }
}
