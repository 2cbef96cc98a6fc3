//! TCP (RFC 9293) with its options (RFC 7323, 2018, 7413).

use super::{L4, Packet, Span, events as ev};

/// Largest window scale that means anything (RFC 7323, 2.3); Suricata takes a larger one as none.
const MAX_WSCALE: u8 = 14;

#[inline]
pub(super) fn decode(p: &mut Packet<'_>, off: usize, end: usize) {
    let Some(h) = p.head::<20>(off, end) else {
        p.bad(ev::TCP_PKT_TOO_SMALL);
        return;
    };
    let hlen = usize::from(h[12] >> 4) * 4;
    if end - off < hlen {
        p.bad(ev::TCP_HLEN_TOO_SMALL);
        return;
    }
    if hlen < 20 {
        p.bad(ev::TCP_INVALID_OPTLEN);
        return;
    }
    p.proto = 6;
    p.l4 = L4::Tcp;
    p.l4_hdr = Span::new(off, hlen);
    p.sp = u16::from_be_bytes([h[0], h[1]]);
    p.dp = u16::from_be_bytes([h[2], h[3]]);
    p.tcp.seq = u32::from_be_bytes([h[4], h[5], h[6], h[7]]);
    p.tcp.ack = u32::from_be_bytes([h[8], h[9], h[10], h[11]]);
    p.tcp.flags = h[13];
    p.tcp.window = u16::from_be_bytes([h[14], h[15]]);
    p.tcp.urgent = u16::from_be_bytes([h[18], h[19]]);
    p.payload = Span::new(off + hlen, end - off - hlen);
    p.wants_flow = true;
    if hlen > 20 {
        let data = p.data;
        match data.get(off + 20..off + hlen) {
            // Nearly every data segment: two pads and a timestamp.
            Some(&[1, 1, 8, 10, a, b, c, d, e, f, g, i]) => {
                p.tcp.timestamp = Some((u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, i])));
            }
            Some(_) => options(p, off + 20, off + hlen),
            None => {}
        }
    }
}

fn options(p: &mut Packet<'_>, off: usize, end: usize) {
    let data = p.data;
    let mut at = off;
    while let Some(rest) = data.get(at..end) {
        let (kind, len) = match *rest {
            [] | [0, ..] => return,
            [1, ..] => {
                at += 1;
                continue;
            }
            [_] => return,
            [kind, len, ..] => (kind, usize::from(len)),
        };
        let Some(opt) = rest.get(..len).filter(|o| o.len() >= 2) else {
            p.note(ev::TCP_OPT_INVALID_LEN);
            return;
        };
        let t = &mut p.tcp;
        let fault = match (kind, opt) {
            (2, &[_, _, a, b]) => once(&mut t.mss, u16::from_be_bytes([a, b])),
            (3, &[_, _, s]) => once(&mut t.wscale, if s > MAX_WSCALE { 0 } else { s }),
            (4, [_, _]) => {
                let again = t.sack_permitted;
                t.sack_permitted = true;
                again.then_some(ev::TCP_OPT_DUPLICATE)
            }
            (5, _) if (2..=34).contains(&len) && (len - 2).is_multiple_of(8) => {
                if t.sack.off == 0 {
                    t.sack = Span::new(at + 2, len - 2);
                    None
                } else {
                    Some(ev::TCP_OPT_DUPLICATE)
                }
            }
            (8, &[_, _, a, b, c, d, e, f, g, h]) => {
                once(&mut t.timestamp, (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
            }
            // Fast open: an empty request, or a cookie in pairs of bytes (RFC 7413, 2).
            (34, _) if (2..=18).contains(&len) && len.is_multiple_of(2) => {
                once(&mut t.fast_open, (len - 2) as u8)
            }
            // Its experimental form (RFC 6994) has a magic number after the length.
            (253 | 254, &[_, _, 0xf9, 0x89, ..]) if len == 4 || len == 12 => {
                once(&mut t.fast_open, (len - 4) as u8)
            }
            (253 | 254, _) if len != 4 && len != 12 => Some(ev::TCP_OPT_INVALID_LEN),
            (19, _) if len != 18 => Some(ev::TCP_OPT_INVALID_LEN),
            (29, _) if len < 4 => Some(ev::TCP_OPT_INVALID_LEN),
            (19 | 29, _) => {
                t.signed = true;
                None
            }
            (2 | 3 | 4 | 5 | 8 | 34, _) => Some(ev::TCP_OPT_INVALID_LEN),
            _ => None,
        };
        if let Some(event) = fault {
            p.note(event);
        }
        at += len;
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Option<u8> {
    if slot.is_some() {
        return Some(ev::TCP_OPT_DUPLICATE);
    }
    *slot = Some(value);
    None
}
