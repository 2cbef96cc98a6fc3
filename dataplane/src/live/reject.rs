//! Answers for rejected packets: a TCP reset, or ICMP's "unreachable", as if the other end had sent it.
//!
//! In: the rejected frame (Ethernet). Out: a frame to send, towards its sender or towards its receiver. Owns nothing.

use tidegate_core::packet::{Decoder, L3, L4, PacketBuf};

/// Longest answer, bytes: link header, IPv6 header, ICMP header and what is quoted.
pub const LONGEST: usize = 1280 + 18;

/// Most bytes of the rejected packet that are quoted (RFC 1812 4.3.2.3 allows 576 bytes in all, RFC 4443 1280).
const QUOTE: usize = 512;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Makes answers.
#[derive(Debug)]
pub struct Rejecter {
    decoder: Decoder,
    packets: PacketBuf<'static>,
}

impl Default for Rejecter {
    fn default() -> Self {
        Rejecter {
            decoder: Decoder::new(Default::default()),
            packets: PacketBuf::new(tidegate_core::packet::MAX_PER_FRAME),
        }
    }
}

/// The Internet checksum (RFC 1071) over `parts`, each of even length but the last.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for p in parts {
        for w in p.chunks(2) {
            sum += u32::from(w[0]) << 8 | w.get(1).map_or(0, |&b| u32::from(b));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

impl Rejecter {
    /// The answer to `frame` into `out`; `to_sender`: towards where it came from, else to where it was going (TCP only).
    /// `false` when there is none: damaged packets, fragments, resets, ICMP errors, broadcasts.
    pub fn answer(&mut self, frame: &[u8], to_sender: bool, out: &mut Vec<u8>) -> bool {
        out.clear();
        let mut packets = std::mem::replace(&mut self.packets, PacketBuf::new(0)).recycle();
        self.decoder.decode(frame, 1, 0, 0, &mut packets);
        // The outermost packet is first.
        let done = packets.iter().next().is_some_and(|p| build(frame, p, to_sender, out));
        self.packets = packets.recycle();
        done
    }
}

fn build(frame: &[u8], p: &tidegate_core::packet::Packet<'_>, to_sender: bool, out: &mut Vec<u8>) -> bool {
    let l3 = p.l3_hdr.off as usize;
    let (Some(link), Some(header)) = (frame.get(..l3), frame.get(l3..)) else { return false };
    // A group address in the first byte's lowest bit: nobody in particular was asked.
    if l3 < 14 || p.invalid || p.frag.is_some() || link[0] & 1 != 0 {
        return false;
    }
    let v6 = p.l3 == L3::Ipv6;
    let size = if v6 { 40 } else { 20 };
    if !matches!(p.l3, L3::Ipv4 | L3::Ipv6) || header.len() < size {
        return false;
    }
    let (src, dst) = if v6 { (&header[8..24], &header[24..40]) } else { (&header[12..16], &header[16..20]) };
    let (from, to) = if to_sender { (dst, src) } else { (src, dst) };
    // The link header as it is, or with its ends exchanged; tags stay.
    if to_sender {
        out.extend_from_slice(&link[6..12]);
        out.extend_from_slice(&link[..6]);
        out.extend_from_slice(&link[12..]);
    } else {
        out.extend_from_slice(link);
    }
    let mut body = [0u8; 20];
    let (proto, body, quote): (u8, &[u8], &[u8]) = match p.l4 {
        L4::Tcp => {
            let t = frame.get(p.l4_hdr.off as usize..).unwrap_or(&[]);
            let Some(t) = t.first_chunk::<20>() else { return false };
            let flags = t[13];
            if flags & RST != 0 {
                return false;
            }
            let (seq, ack) = (
                u32::from_be_bytes([t[4], t[5], t[6], t[7]]),
                u32::from_be_bytes([t[8], t[9], t[10], t[11]]),
            );
            let spans = p.payload.len + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
            let beyond = seq.wrapping_add(spans);
            if to_sender {
                body[0..2].copy_from_slice(&t[2..4]);
                body[2..4].copy_from_slice(&t[0..2]);
                // RFC 9293 3.10.7.1: of a segment with an ACK the reset takes its number from it.
                if flags & ACK != 0 {
                    body[4..8].copy_from_slice(&ack.to_be_bytes());
                    body[13] = RST;
                    // Some stacks believe only resets that acknowledge.
                    body[8..12].copy_from_slice(&beyond.to_be_bytes());
                    body[13] |= ACK;
                } else {
                    body[8..12].copy_from_slice(&beyond.to_be_bytes());
                    body[13] = RST | ACK;
                }
            } else {
                body[0..4].copy_from_slice(&t[0..4]);
                body[4..8].copy_from_slice(&seq.to_be_bytes());
                body[8..12].copy_from_slice(&ack.to_be_bytes());
                body[13] = RST | (flags & ACK);
            }
            body[12] = 5 << 4;
            (6, &body[..20], &[])
        }
        L4::Icmpv4 | L4::Icmpv6 if p.l4_hdr.len == 0 || to_sender && is_error(p, v6, frame) => return false,
        _ if to_sender => {
            // Port unreachable (RFC 792 type 3 code 3; RFC 4443 type 1 code 4), or prohibited where there are no ports.
            let ports = matches!(p.l4, L4::Udp);
            (body[0], body[1]) = match (v6, ports) {
                (false, true) => (3, 3),
                (false, false) => (3, 13),
                (true, true) => (1, 4),
                (true, false) => (1, 1),
            };
            let quote = &header[..header.len().min(QUOTE) & !1];
            (if v6 { 58 } else { 1 }, &body[..8], quote)
        }
        _ => return false,
    };
    let mut l4 = [0u8; 20];
    l4[..body.len()].copy_from_slice(body);
    let l4 = &mut l4[..body.len()];
    let len = (l4.len() + quote.len()) as u32;
    let pseudo: [u8; 4] = [0, proto, (len >> 8) as u8, len as u8];
    let (at, sum) = match proto {
        6 => (16, checksum(&[from, to, &pseudo, l4])),
        58 => (2, checksum(&[from, to, &pseudo, l4, quote])),
        _ => (2, checksum(&[l4, quote])),
    };
    l4[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    if v6 {
        out.extend_from_slice(&[0x60, 0, 0, 0, (len >> 8) as u8, len as u8, proto, 64]);
        out.extend_from_slice(from);
        out.extend_from_slice(to);
    } else {
        let total = (20 + len) as u16;
        let mut h = [
            0x45,
            0,
            (total >> 8) as u8,
            total as u8,
            0,
            0,
            0x40,
            0,
            64,
            proto,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        h[12..16].copy_from_slice(from);
        h[16..20].copy_from_slice(to);
        let sum = checksum(&[&h]);
        h[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend_from_slice(&h);
    }
    out.extend_from_slice(l4);
    out.extend_from_slice(quote);
    // The shortest Ethernet frame without its check sequence.
    if out.len() < 60 {
        out.resize(60, 0);
    }
    true
}

/// ICMP errors are not answered with errors (RFC 1122 3.2.2, RFC 4443 2.4).
fn is_error(p: &tidegate_core::packet::Packet<'_>, v6: bool, frame: &[u8]) -> bool {
    let kind = frame.get(p.l4_hdr.off as usize).copied().unwrap_or(0);
    if v6 { kind < 128 } else { !matches!(kind, 0 | 8 | 13..=18) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(proto: u8, l4: &[u8]) -> Vec<u8> {
        let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 7, 8, 0];
        let total = (20 + l4.len()) as u16;
        let mut h = vec![
            0x45,
            0,
            (total >> 8) as u8,
            total as u8,
            0,
            1,
            0,
            0,
            64,
            proto,
            0,
            0,
            10,
            0,
            0,
            1,
            10,
            0,
            0,
            2,
        ];
        let sum = checksum(&[&h]);
        h[10..12].copy_from_slice(&sum.to_be_bytes());
        f.extend(h);
        f.extend_from_slice(l4);
        f
    }

    fn ipv6(proto: u8, l4: &[u8]) -> Vec<u8> {
        let mut f = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
        f.extend([0x60, 0, 0, 0, 0, l4.len() as u8, proto, 64]);
        f.extend([0xfd; 16]);
        f.extend([0xfc; 16]);
        f.extend_from_slice(l4);
        f
    }

    fn tcp(flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut t = vec![0x30, 0x39, 0, 80, 0, 0, 0, 100, 0, 0, 0, 200, 0x50, flags, 1, 0, 0, 0, 0, 0];
        t.extend_from_slice(payload);
        t
    }

    /// The answer, decoded: its checksums must be right.
    fn answer(frame: &[u8], to_sender: bool) -> Option<(Vec<u8>, u8)> {
        let mut r = Rejecter::default();
        let mut out = Vec::with_capacity(LONGEST);
        if !r.answer(frame, to_sender, &mut out) {
            return None;
        }
        let mut buf = PacketBuf::new(4);
        let copy = out.clone();
        Decoder::new(Default::default()).decode(&copy, 1, 0, 0, &mut buf);
        let p = buf.iter().next().expect("a packet");
        assert!(!p.invalid);
        // A checksum over what holds a right one is 0.
        let ip = &copy[p.l3_hdr.off as usize..];
        let (l4, ends) = if p.l3 == L3::Ipv6 {
            (&ip[40..40 + usize::from(ip[5])], &ip[8..40])
        } else {
            assert_eq!(checksum(&[&ip[..20]]), 0);
            (&ip[20..usize::from(ip[3]) + 256 * usize::from(ip[2])], &ip[12..20])
        };
        let len = (l4.len() as u16).to_be_bytes();
        let pseudo = [0, p.proto, len[0], len[1]];
        let parts: &[&[u8]] = if p.proto == 1 { &[l4] } else { &[ends, &pseudo, l4] };
        assert_eq!(checksum(parts), 0);
        Some((out, p.tcp.flags))
    }

    #[test]
    fn tcp_is_reset_both_ways() {
        for make in [ipv4, ipv6] {
            let f = make(6, &tcp(ACK, b"hello"));
            let (back, flags) = answer(&f, true).unwrap();
            assert_eq!(flags, RST | ACK);
            assert_eq!(back[..6], f[6..12], "to the one who sent it");
            let (on, flags) = answer(&f, false).unwrap();
            assert_eq!(on[..6], f[..6]);
            assert_eq!(flags, RST | ACK);
        }
    }

    #[test]
    fn tags_stay_and_numbers_fit() {
        let f = ipv4(6, &tcp(SYN, b""));
        let (back, _) = answer(&f, true).unwrap();
        assert_eq!(&back[12..18], &[0x81, 0, 0, 7, 8, 0]);
        let t = &back[38..58];
        assert_eq!((t[0], t[1], t[2], t[3]), (0, 80, 0x30, 0x39));
        // The SYN itself is acknowledged.
        assert_eq!(u32::from_be_bytes([t[8], t[9], t[10], t[11]]), 101);
    }

    #[test]
    fn udp_is_unreachable() {
        for (make, kind) in [(ipv4 as fn(u8, &[u8]) -> Vec<u8>, (3, 3)), (ipv6, (1, 4))] {
            let f = make(17, &[0, 9, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]);
            let (back, _) = answer(&f, true).unwrap();
            let at = if kind.0 == 3 { 38 } else { 54 };
            assert_eq!((back[at], back[at + 1]), kind);
            assert!(answer(&f, false).is_none());
        }
    }

    #[test]
    fn some_are_not_answered() {
        assert!(answer(&ipv4(6, &tcp(RST, b"")), true).is_none());
        assert!(answer(&ipv4(1, &[3, 3, 0, 0, 0, 0, 0, 0]), true).is_none());
        let mut group = ipv4(17, &[0, 9, 0, 53, 0, 8, 0, 0]);
        group[0] = 0xff;
        assert!(answer(&group, true).is_none());
        for cut in 0..60 {
            let f = ipv4(6, &tcp(ACK, b"hello"));
            let mut out = Vec::new();
            Rejecter::default().answer(&f[..cut.min(f.len())], true, &mut out);
        }
    }
}
