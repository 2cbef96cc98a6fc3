//! Protocols that are recognised but not parsed: only how they begin is known.
//!
//! Each gives a name to `app_proto` and to rule headers. One that gets a parser moves to a file of its own.

mod binary;
mod tcp;
mod text;
mod udp;

use super::{AppProto, Pattern, ProtoDef, Recognise};
use crate::Dir;

pub(super) use binary::{DCERPC_BEGINS, KRB5_BEGINS, NFS_BEGINS, SMB_BEGINS};
pub(super) use tcp::{DNP3_BEGINS, ENIP_BEGINS, LDAP_BEGINS, MODBUS_BEGINS, TELNET_BEGINS};
pub(super) use text::{FTP_BEGINS, SIP_BEGINS, SMTP_BEGINS, SSH_BEGINS};
pub(super) use udp::{DHCP_BEGINS, NTP_BEGINS, QUIC_BEGINS, SNMP_BEGINS, TFTP_BEGINS, is_ntp};

/// DNS over HTTP/2 (RFC 8484): reached from HTTP/2.
pub static DOH2: ProtoDef =
    ProtoDef { families: &["http2", "dns"], ..def("doh2", super::OVER_TCP, Recognise::NONE) };

const fn def(name: &'static str, over: u8, recognise: Recognise) -> ProtoDef {
    ProtoDef { name, over, recognise, ..ProtoDef::NONE }
}

/// A pattern that must stand at the very start.
pub(super) const fn start(bytes: &'static [u8], dir: Dir, over: u8) -> Pattern {
    Pattern { bytes, caseless: false, offset: 0, depth: bytes.len() as u16, dir, over }
}

/// As [`start`], in any case of letters.
pub(super) const fn start_nocase(bytes: &'static [u8], dir: Dir, over: u8) -> Pattern {
    Pattern { bytes, caseless: true, offset: 0, depth: bytes.len() as u16, dir, over }
}

/// `Yes` or `No`.
pub(super) const fn yes_if(is: bool) -> super::Verdict {
    if is { super::Verdict::Yes } else { super::Verdict::No }
}

/// Whether the other direction is known to be `name`.
pub(super) fn is(proto: AppProto, name: &str) -> bool {
    proto.is_known() && proto.name() == name
}

pub(super) fn be16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn be32(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

pub(super) fn be64(b: &[u8], at: usize) -> Option<u64> {
    b.get(at..)?.first_chunk::<8>().map(|v| u64::from_be_bytes(*v))
}

pub(super) fn le16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(b.get(at..at + 2)?.try_into().ok()?))
}

pub(super) fn le32(b: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(b.get(at..at + 4)?.try_into().ok()?))
}

/// A BER header (X.690 8.1): identifier octet, content length, bytes of the header itself. Only definite lengths and
/// one-octet identifiers.
pub(super) fn ber(b: &[u8]) -> Option<(u8, usize, usize)> {
    let (&id, &len) = (b.first()?, b.get(1)?);
    if len < 0x80 {
        return Some((id, usize::from(len), 2));
    }
    let n = usize::from(len & 0x7f);
    if n == 0 || n > 4 {
        return None;
    }
    let mut v = 0usize;
    for i in 0..n {
        v = v << 8 | usize::from(*b.get(2 + i)?);
    }
    Some((id, v, 2 + n))
}
