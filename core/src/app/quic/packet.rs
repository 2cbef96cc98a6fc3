//! Headers of packets (RFC 9000 17.2, RFC 9369; Google's versions before the standard). In: a datagram, or what is left of
//! it. Out: where the packet's parts lie.

use crate::app::plain::be32;

/// A packet with a long header, or one of Google's that names its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub version: u32,
    pub kind: Kind,
    /// The connection as the receiver numbers it.
    pub receiver: &'a [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The protected part begins with the packet number at the first place and ends before the second.
    Initial(usize, usize),
    /// 0-RTT and handshake packets end there.
    Sealed(usize),
    Retry,
    /// The server lists the versions that it speaks.
    Negotiation,
    /// Google's: frames lie in the clear from that place on.
    Clear(usize),
}

/// `Q046`, the last of Google's versions with frames in the clear.
const Q046: u32 = 0x5130_3436;
/// `Q050`: packets of the standard, protected by keys that everyone can make, with Google's frames in them.
pub(super) const Q050: u32 = 0x5130_3530;
/// Version 2 of the standard (RFC 9369).
pub(super) const V2: u32 = 0x6b33_43cf;

/// Whether Google's own layout holds for a version: `Q03x` and `Q04x`.
pub(super) const fn is_google(version: u32) -> bool {
    matches!(version >> 8, 0x51_3033 | 0x51_3034)
}

/// A variable-length integer (RFC 9000 16) and what follows it.
pub(super) fn variable(b: &[u8]) -> Option<(u64, &[u8])> {
    let n = 1usize << (b.first()? >> 6);
    let v = b.get(..n)?.iter().fold(0u64, |v, x| v << 8 | u64::from(*x));
    Some((v & ((1 << (8 * n - 2)) - 1), b.get(n..)?))
}

/// The packet at the start of `b`. `None`: it has a short header, or is none.
pub(super) fn read(b: &[u8]) -> Option<Packet<'_>> {
    let first = *b.first()?;
    if first & 0x80 == 0 {
        return public(b, first);
    }
    let version = be32(b, 1)?;
    if is_google(version) {
        return google(b, version);
    }
    let (receiver, rest) =
        b.get(5..)?.split_first().and_then(|(n, b)| b.split_at_checked(usize::from(*n)))?;
    let (_, rest) = rest.split_first().and_then(|(n, b)| b.split_at_checked(usize::from(*n)))?;
    let packet = |kind| Some(Packet { version, kind, receiver });
    if version == 0 {
        return packet(Kind::Negotiation);
    }
    // The second version numbers the kinds differently.
    let kind = (first >> 4 & 3).wrapping_sub(u8::from(version == V2)) & 3;
    if kind == 3 {
        return packet(Kind::Retry);
    }
    let mut rest = rest;
    if kind == 0 {
        let (token, after) = variable(rest)?;
        rest = after.get(usize::try_from(token).ok()?..)?;
    }
    let (len, rest) = variable(rest)?;
    let at = b.len() - rest.len();
    let end = at.checked_add(usize::try_from(len).ok()?).filter(|e| *e <= b.len())?;
    packet(if kind == 0 { Kind::Initial(at, end) } else { Kind::Sealed(end) })
}

/// Google's long header: two lengths of numbers in a byte, for the first kind a packet number and a hash of 12 bytes.
fn google(b: &[u8], version: u32) -> Option<Packet<'_>> {
    let lens = *b.get(5)?;
    let long = |n: u8| if n == 0 { 0 } else { usize::from(n) + 3 };
    let receiver = b.get(6..6 + long(lens >> 4))?;
    let at = 6 + long(lens >> 4) + long(lens & 15) + 4;
    let first = b.first()? >> 4 & 3;
    let clear = version == Q046 && first == 0 && b.len() >= at + 12;
    Some(Packet { version, kind: if clear { Kind::Clear(at + 12) } else { Kind::Sealed(b.len()) }, receiver })
}

/// Google's first header, with a version if the sender still has to tell it. Bit 6 is set in every packet of the standard.
fn public(b: &[u8], first: u8) -> Option<Packet<'_>> {
    if first & 0x40 != 0 || first & 1 == 0 || first & 8 == 0 {
        return None;
    }
    let receiver = b.get(1..9)?;
    let version = be32(b, 9)?;
    let number = [1, 2, 4, 6][usize::from(first >> 4 & 3)];
    Some(Packet { version, kind: Kind::Clear(13 + number + 12), receiver })
}
