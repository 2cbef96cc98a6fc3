//! 802.11 frames (IEEE 802.11-2020, clause 9.3), and the headers of capturing cards before them: radiotap
//! (radiotap.org) and PPI (CACE Technologies, PPI header format 1.0.10).
//!
//! In: a packet and the range of the header. Out: the network layer of data frames in the clear, through `llc`.
//! Management and control frames, encrypted data and fragments leave the packet without a network layer. Of several
//! datagrams in one frame (A-MSDU) only the first is decoded.

use super::decoder::Cx;
use super::{Packet, layers, link, llc};

const PROTECTED: u8 = 0x40;
const MORE_FRAGMENTS: u8 = 0x04;
const ORDER: u8 = 0x80;
const AMSDU: u8 = 0x80;

/// One 802.11 frame. `false` when it is too short for its header.
pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    body(cx, p, off, end, false)
}

fn body(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize, padded: bool) -> bool {
    p.layers |= layers::IEEE80211;
    if !cx.layer(p) {
        return false;
    }
    let Some(&[kind, flags]) = p.head::<2>(off, end) else { return false };
    // Version 0, data frames that carry data.
    if kind & 0x0f != 0x08 || kind & 0x40 != 0 {
        return true;
    }
    let Some(h) = p.head::<24>(off, end) else { return false };
    let [_, _, _, _, a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5, c0, c1, c2, c3, c4, c5, sequence, _] =
        *h;
    let (a, b, c) = ([a0, a1, a2, a3, a4, a5], [b0, b1, b2, b3, b4, b5], [c0, c1, c2, c3, c4, c5]);
    let mut len = 24;
    // Bits ToDS and FromDS say which address is whose (table 9-30).
    p.mac = Some(match flags & 3 {
        0 => (b, a),
        1 => (b, c),
        2 => (c, a),
        _ => {
            let Some(d) = p.head::<30>(off, end).and_then(|h| h.last_chunk::<6>()) else { return false };
            len = 30;
            (*d, c)
        }
    });
    let mut amsdu = false;
    if kind & 0x80 != 0 {
        let Some(&qos) = p.data.get(off + len).filter(|_| off + len + 2 <= end) else { return false };
        amsdu = qos & AMSDU != 0;
        len += if flags & ORDER != 0 { 6 } else { 2 };
    }
    if flags & PROTECTED != 0 {
        p.layers |= layers::IEEE80211_PROTECTED;
        return true;
    }
    if flags & MORE_FRAGMENTS != 0 || sequence & 0x0f != 0 {
        return true;
    }
    if padded {
        len = len.next_multiple_of(4);
    }
    let at = off + len;
    if amsdu {
        // Destination, source and length, then what a frame of its own would have.
        let Some(h) = p.head::<14>(at, end) else { return false };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, l0, l1] = *h;
        p.mac = Some(([s0, s1, s2, s3, s4, s5], [d0, d1, d2, d3, d4, d5]));
        let size = usize::from(u16::from_be_bytes([l0, l1]));
        return llc::decode(cx, p, at + 14, end.min(at + 14 + size));
    }
    at <= end && llc::decode(cx, p, at, end)
}

/// Radiotap: version 0, a length, words of which fields are there, the fields. Only the flags matter here: they say
/// whether the frame's header is padded to a multiple of four and whether its check sequence follows.
pub(super) fn radiotap(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::RADIOTAP;
    let Some(&[version, _, l0, l1, p0, p1, p2, p3]) = p.head::<8>(off, end) else { return false };
    let len = usize::from(u16::from_le_bytes([l0, l1]));
    let at = off + len;
    if version != 0 || len < 8 || at > end || !cx.layer(p) {
        return false;
    }
    let first = u32::from_le_bytes([p0, p1, p2, p3]);
    // Each word's last bit says that another follows.
    let (mut word, mut fields) = (first, off + 8);
    while word >> 31 == 1 {
        let Some(&next) = p.head::<4>(fields, at) else { return false };
        word = u32::from_le_bytes(next);
        fields += 4;
    }
    let mut flags = 0;
    if first & 2 != 0 {
        // A timestamp before them is eight bytes, aligned to eight from the header's start.
        let place = if first & 1 != 0 { off + (fields - off).next_multiple_of(8) + 8 } else { fields };
        flags = p.data.get(place).copied().filter(|_| place < at).unwrap_or(0);
    }
    let sequence = if flags & 0x10 != 0 { 4 } else { 0 };
    if end - at < sequence {
        return false;
    }
    body(cx, p, at, end - sequence, flags & 0x20 != 0)
}

/// PPI: version 0, flags, a length, the link type of what follows.
pub(super) fn ppi(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    p.layers |= layers::PPI;
    let Some(&[version, _, l0, l1, t0, t1, t2, t3]) = p.head::<8>(off, end) else { return false };
    let at = off + usize::from(u16::from_le_bytes([l0, l1]));
    let Ok(kind) = u16::try_from(u32::from_le_bytes([t0, t1, t2, t3])) else { return false };
    if version != 0 || at < off + 8 || at > end || !cx.layer(p) {
        return false;
    }
    link::inside(cx, p, kind, at, end)
}
