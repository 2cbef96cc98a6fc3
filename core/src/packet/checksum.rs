//! Internet checksums (RFC 1071), computed only when a rule or `stream.checksum-validation` asks and whoever received
//! the frame has not said what they are.

use super::{Checksum, L3, L4, Packet};

/// What whoever received a frame found out about the checksums of its outermost packet (a network card, a kernel).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Of the IPv4 header.
    pub network: Checksum,
    /// Of TCP or UDP.
    pub transport: Checksum,
}

impl Sums {
    /// Nothing is known.
    pub const UNKNOWN: Sums = Sums { network: Checksum::Unchecked, transport: Checksum::Unchecked };

    /// Notes it on the only packet of a frame. What receivers do not look at (fragments, other transports) stays
    /// unchecked, and so does a UDP packet without a checksum (RFC 768): some cards call the zero wrong.
    #[inline]
    pub fn apply(self, p: &mut Packet<'_>) {
        if p.l3 == L3::Ipv4 {
            p.l3_sum = self.network;
        }
        if p.frag.is_none() && (p.l4 == L4::Tcp || p.l4 == L4::Udp && !without_sum(p)) {
            p.l4_sum = self.transport;
        }
    }
}

/// A UDP header whose checksum is zero.
fn without_sum(p: &Packet<'_>) -> bool {
    let at = p.l4_hdr.off as usize;
    p.data.get(at + 6..at + 8) == Some(&[0, 0])
}

/// Adds `bytes` as big-endian 16-bit words, an odd last byte padded with zero; folds late.
fn sum(bytes: &[u8], start: u64) -> u64 {
    let mut words = bytes.chunks_exact(4);
    let mut total = start;
    for w in &mut words {
        total += u64::from(u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
    }
    match *words.remainder() {
        [a] => total += u64::from(a) << 8,
        [a, b] => total += u64::from(u16::from_be_bytes([a, b])),
        [a, b, c] => total += u64::from(u16::from_be_bytes([a, b])) + (u64::from(c) << 8),
        _ => {}
    }
    total
}

/// Folds a sum to sixteen bits; data with a right checksum inside folds to 0xffff.
const fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    total as u16
}

/// The checksum to put over `bytes` whose checksum field is zero.
pub fn internet(bytes: &[u8]) -> u16 {
    !fold(sum(bytes, 0))
}

/// Whether an IPv4 header's checksum is right.
pub fn header_is_good(header: &[u8]) -> bool {
    fold(sum(header, 0)) == 0xffff
}

const fn verdict(good: bool) -> Checksum {
    if good { Checksum::Good } else { Checksum::Bad }
}

/// Checks the IPv4 header's checksum; IPv6 has none and stays unchecked. Answers from `l3_sum` when it is set.
pub fn verify_l3(p: &Packet<'_>) -> Checksum {
    if p.l3_sum != Checksum::Unchecked || p.l3 != L3::Ipv4 {
        return p.l3_sum;
    }
    verdict(header_is_good(p.l3_hdr.of(p.data)))
}

/// Checks the checksum of TCP, UDP or ICMP with its pseudo header. A UDP checksum of zero over IPv4 is none
/// (RFC 768) and good; other transports, and packets that were not captured whole, stay unchecked. Answers from `l4_sum` when it is set.
pub fn verify_l4(p: &Packet<'_>) -> Checksum {
    if p.l4_sum != Checksum::Unchecked || !p.has_ip() || p.is_cut() {
        return p.l4_sum;
    }
    let at = p.l4_hdr.off as usize;
    let end = match p.l4 {
        L4::None | L4::Sctp | L4::Gre | L4::Esp => return Checksum::Unchecked,
        _ => (p.payload.off + p.payload.len) as usize,
    };
    let Some(bytes) = p.data.get(at..end) else { return Checksum::Unchecked };
    if p.l4 == L4::Udp && bytes.get(6..8) == Some(&[0, 0]) && p.l3 == L3::Ipv4 {
        return Checksum::Good;
    }
    let start = match (p.l4, p.l3) {
        (L4::Icmpv4, _) => 0,
        (_, L3::Ipv4) => {
            let addresses = sum(&p.dst.0[..4], sum(&p.src.0[..4], 0));
            addresses + u64::from(p.proto) + bytes.len() as u64
        }
        _ => sum(&p.dst.0, sum(&p.src.0, 0)) + u64::from(p.proto) + bytes.len() as u64,
    };
    verdict(fold(sum(bytes, start)) == 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc1071_example() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet(&bytes), !0xddf2);
        assert_eq!(internet(&[0xff]), !0xff00);
    }

    #[test]
    fn receivers_are_believed_where_they_look() {
        use Checksum::{Bad, Good, Unchecked};
        let bytes = [0u8; 8];
        let packet = |l3, l4| {
            let mut p = Packet::new(&bytes, 1, 0, 0);
            (p.l3, p.l4) = (l3, l4);
            p
        };
        let said = |mut p: Packet<'_>, sums: Sums| {
            sums.apply(&mut p);
            (p.l3_sum, p.l4_sum)
        };
        let bad = Sums { network: Good, transport: Bad };
        assert_eq!(said(packet(L3::Ipv4, L4::Tcp), bad), (Good, Bad));
        assert_eq!(said(packet(L3::Ipv6, L4::Tcp), bad), (Unchecked, Bad));
        assert_eq!(said(packet(L3::Ipv4, L4::Icmpv4), bad), (Good, Unchecked));
        // The eight bytes are a UDP header without a checksum.
        assert_eq!(said(packet(L3::Ipv4, L4::Udp), bad), (Good, Unchecked));
        let mut fragment = packet(L3::Ipv4, L4::Tcp);
        fragment.frag = Some(crate::packet::FragFields::default());
        assert_eq!(said(fragment, bad), (Good, Unchecked));
        assert_eq!(said(packet(L3::Ipv4, L4::Tcp), Sums::UNKNOWN), (Unchecked, Unchecked));
    }
}
