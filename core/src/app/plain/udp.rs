//! Beginnings of protocols over UDP.

use super::{be16, be32, ber, yes_if};
use crate::Dir;
use crate::app::{OVER_UDP, Probe, Recognise, Verdict};

const BOTH: u8 = 3;

const fn probe(ports: &'static [u16], f: fn(&[u8], Dir) -> Verdict) -> Probe {
    Probe { over: OVER_UDP, ports, probe: f, dirs: BOTH, min_bytes: 0 }
}

/// NTP (RFC 5905).
pub const NTP_BEGINS: Recognise = Recognise { probes: &[probe(&[123], probe_ntp)], ..Recognise::NONE };

fn probe_ntp(b: &[u8], _: Dir) -> Verdict {
    let Some(&first) = b.first() else { return Verdict::Unsure };
    let version = first >> 3 & 7;
    match version {
        3 | 4 => yes_if(is_ntp(b)),
        _ => Verdict::No,
    }
}

/// Whether a packet is whole: 48 bytes, and in version 4 extension fields (RFC 7822) before what authenticates it, which is
/// taken for that if it has the 20 bytes of a key's number and an MD5.
pub(in crate::app) fn is_ntp(b: &[u8]) -> bool {
    let Some(mut rest) = b.get(48..) else { return false };
    let four = b.first().is_some_and(|f| f >> 3 & 7 == 4);
    while four && !rest.is_empty() && rest.len() != 20 {
        let len = be16(rest, 2).map_or(0, usize::from);
        match rest.get(len..) {
            Some(after) if len >= 4 => rest = after,
            _ => return false,
        }
    }
    true
}

/// DHCP (RFC 2131). As in Suricata the ports are believed, not the cookie: a sender that gets it wrong is told of.
pub const DHCP_BEGINS: Recognise = Recognise { probes: &[probe(&[67, 68], probe_dhcp)], ..Recognise::NONE };

fn probe_dhcp(b: &[u8], _: Dir) -> Verdict {
    if b.len() < 240 {
        return Verdict::Unsure;
    }
    yes_if(matches!(b.first(), Some(1 | 2)))
}

/// SNMP (RFC 3416, RFC 3412).
pub const SNMP_BEGINS: Recognise = Recognise { probes: &[probe(&[161, 162], probe_snmp)], ..Recognise::NONE };

fn probe_snmp(b: &[u8], _: Dir) -> Verdict {
    if b.len() < 4 {
        return Verdict::Unsure;
    }
    let Some((0x30, _, at)) = ber(b) else { return Verdict::No };
    match b.get(at..at + 3) {
        Some([2, 1, v]) => yes_if(*v <= 3 && *v != 2),
        _ => Verdict::No,
    }
}

/// TFTP (RFC 1350).
pub const TFTP_BEGINS: Recognise = Recognise { probes: &[probe(&[69], probe_tftp)], ..Recognise::NONE };

fn probe_tftp(b: &[u8], _: Dir) -> Verdict {
    if b.len() < 4 { Verdict::Unsure } else { yes_if(matches!(be16(b, 0), Some(1..=5))) }
}

/// QUIC (RFC 9000) and Google's versions before it.
pub const QUIC_BEGINS: Recognise = Recognise { probes: &[probe(&[443, 80], probe_quic)], ..Recognise::NONE };

fn probe_quic(b: &[u8], _: Dir) -> Verdict {
    yes_if(quic(b).is_some())
}

/// Checks a packet's header; `None` when it is not one.
fn quic(b: &[u8]) -> Option<()> {
    let first = *b.first()?;
    if first & 0x80 == 0 {
        if first & 0x40 != 0 {
            // A short header says no more than this.
            return Some(());
        }
        // Google's versions before 44: connection id, nonce, version, packet number, authentication hash.
        let id = first & 8 != 0;
        let mut need = 2 + usize::from(first >> 4 & 3);
        need += if id { 8 + 12 } else { 0 };
        need += if first & 4 != 0 && !id { 32 } else { 0 };
        need += if first & 1 != 0 { 4 } else { 0 };
        return (b.len() >= need).then_some(());
    }
    let version = be32(b, 1)?;
    // Version 50 and later are laid out as the standard's.
    let google = version >> 8 == 0x51_3033 || version >> 8 == 0x51_3034;
    let kind = match (version, google && version != 0x5130_3436) {
        (0, _) => 9,
        (_, true) => match first & 0x7f {
            0x7f => 0,
            n @ 0x7c..=0x7e => n & 3,
            _ => return None,
        },
        _ => first >> 4 & 3,
    };
    if google {
        let lens = *b.get(5)?;
        let long = |n: u8| if n == 0 { 0 } else { usize::from(n) + 3 };
        let at = 6 + long(lens >> 4) + long(lens & 15) + if kind == 0 { 4 + 12 } else { 0 };
        return (b.len() >= at).then_some(());
    }
    let mut at = 6 + usize::from(*b.get(5)?);
    at += 1 + usize::from(*b.get(at)?);
    if kind != 0 || version == 0 {
        return (b.len() >= at).then_some(());
    }
    let (token, n) = variable(b.get(at..)?)?;
    at = at.checked_add(n)?.checked_add(usize::try_from(token).ok()?)?;
    let (len, n) = variable(b.get(at..)?)?;
    (len <= (b.len() - at - n) as u64 && len <= 0xffff).then_some(())
}

/// A variable-length integer (RFC 9000 16): value and bytes used.
fn variable(b: &[u8]) -> Option<(u64, usize)> {
    let n = 1usize << (b.first()? >> 6);
    let v = b.get(..n)?.iter().fold(0u64, |v, x| v << 8 | u64::from(*x));
    Some((v & ((1 << (8 * n - 2)) - 1), n))
}
