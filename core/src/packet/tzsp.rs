//! TZSP, the TaZmen sniffer protocol: frames that a remote sensor or router saw, in UDP.
//!
//! In: a carrier and the range of its payload. Out: `true` and an inner packet where it is a frame of Ethernet or
//! 802.11.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, layers};

const PADDING: u8 = 0;
const END: u8 = 1;

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let Some(&[version, kind, e0, e1]) = p.head::<4>(off, end) else { return false };
    // Received packets and packets to send; the others are about the sensor itself.
    if version != 1 || kind > 1 {
        return false;
    }
    let begins = match u16::from_be_bytes([e0, e1]) {
        1 => Begins::Ethernet,
        18 => Begins::Wlan,
        _ => return false,
    };
    // Tags: a number, a length, so many bytes. Padding and the end are their number alone.
    let mut at = off + 4;
    loop {
        match p.head::<1>(at, end) {
            Some(&[PADDING]) => at += 1,
            Some(&[END]) => break,
            Some(_) => {
                let Some(&[_, len]) = p.head::<2>(at, end) else { return false };
                at += 2 + usize::from(len);
            }
            None => return false,
        }
    }
    if !cx.layer(p) {
        return false;
    }
    p.layers |= layers::TZSP;
    cx.carry(p, Inner { begins, off: at + 1, end, source: "tzsp tunnel", vni: None });
    true
}
