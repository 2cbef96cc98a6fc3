//! Teredo (RFC 4380): IPv6 in UDP, perhaps after origin indications.

use super::decoder::{Begins, Cx, Inner};
use super::{Packet, layers};

pub(super) fn decode(cx: &mut Cx<'_>, p: &mut Packet<'_>, off: usize, end: usize) -> bool {
    let mut at = off;
    loop {
        let Some(h) = p.head::<40>(at, end) else { return false };
        match (h[0], h[1]) {
            (0, 0) => at += 8,
            (0, _) => return false,
            _ => {
                let plen = usize::from(u16::from_be_bytes([h[4], h[5]]));
                // Only an exact fit is believed, and only next headers that Teredo carries.
                if h[0] >> 4 != 6 || end - at != 40 + plen || (plen == 0 && h[6] != 59) {
                    return false;
                }
                p.layers |= layers::TEREDO;
                cx.carry(
                    p,
                    Inner { begins: Begins::Teredo, off: at, end, source: "teredo tunnel", vni: None },
                );
                return true;
            }
        }
    }
}
