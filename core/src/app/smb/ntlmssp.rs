//! What signs in: NTLMSSP (MS-NLMP 2.2.1.3) and Kerberos (RFC 4120 5.5.1, RFC 4121 4.1) in a security blob. In: the blob.
//! Out: names as they are on the wire.

use crate::app::plain::ber;
use crate::pool::Scratch;

/// What an AUTHENTICATE message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Who<'b> {
    pub(super) user: &'b [u8],
    pub(super) domain: &'b [u8],
    pub(super) host: &'b [u8],
    /// UTF-16, else one byte a character.
    pub(super) wide: bool,
    /// Version of the client: major, minor, build (little-endian), 3 unused, revision.
    pub(super) version: Option<[u8; 8]>,
    /// Names lie where the version should be.
    pub(super) warning: bool,
}

fn le16(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..)?.first_chunk::<2>().map(|v| usize::from(u16::from_le_bytes(*v)))
}

fn le32(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..)?.first_chunk::<4>().map(|v| u32::from_le_bytes(*v) as usize)
}

/// Flags of the negotiation (MS-NLMP 2.2.2.5).
const UNICODE: usize = 1;
const VERSION: usize = 0x0200_0000;

/// Finds the message, wherever its wrapping puts it. `None`: there is none; `Some(None)`: it is broken.
pub(super) fn find(blob: &[u8]) -> Option<Option<Who<'_>>> {
    let at = memchr::memmem::find(blob, b"NTLMSSP\0")?;
    let m = blob.get(at..)?;
    match le32(m, 8) {
        Some(3) => Some(read(m)),
        Some(1 | 2) => None,
        _ => Some(None),
    }
}

fn read(m: &[u8]) -> Option<Who<'_>> {
    let field = |at: usize| {
        let from = le32(m, at + 4)?;
        m.get(from..from.checked_add(le16(m, at)?)?)
    };
    let flags = le32(m, 60)?;
    let version = m.get(64..).and_then(|v| v.first_chunk::<8>()).filter(|_| flags & VERSION != 0);
    Some(Who {
        domain: field(28)?,
        user: field(36)?,
        host: field(44)?,
        wide: flags & UNICODE != 0,
        version: version.copied(),
        warning: flags & VERSION != 0 && le32(m, 32)? < 72,
    })
}

/// Appends a text as UTF-8.
pub(super) fn text(b: &[u8], wide: bool, out: &mut Scratch) {
    if !wide {
        out.extend(b);
        return;
    }
    let units = b.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    let mut utf8 = [0; 4];
    for c in char::decode_utf16(units).filter(|c| *c != Ok('\0')) {
        out.extend(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut utf8).as_bytes());
    }
}

/// Contents of the BER value that begins `b`, if its identifier is `id`, and what follows it.
fn value(b: &[u8], id: u8) -> Option<(&[u8], &[u8])> {
    let (found, len, head) = ber(b)?;
    if found != id {
        return None;
    }
    let end = head.checked_add(len)?;
    Some((b.get(head..end)?, b.get(end..).unwrap_or(&[])))
}

/// Realm and server's name of the ticket in a blob; the name is a sequence of general strings ([`names`]).
pub(super) fn ticket(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    // Kerberos of the GSS-API, and that an AP-REQ follows.
    const MARK: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00";
    let at = memchr::memmem::find(blob, MARK)? + MARK.len();
    let (request, _) = value(blob.get(at..)?, 0x6e)?;
    let (mut fields, _) = value(request, 0x30)?;
    // Version, kind and options come before the ticket.
    for id in [0xa0, 0xa1, 0xa2] {
        fields = value(fields, id)?.1;
    }
    let (ticket, _) = value(value(fields, 0xa3)?.0, 0x61)?;
    let (fields, _) = value(ticket, 0x30)?;
    let (_, rest) = value(fields, 0xa0)?;
    let (realm, rest) = value(rest, 0xa1)?;
    let (realm, _) = value(realm, 0x1b)?;
    let (name, _) = value(value(rest, 0xa2)?.0, 0x30)?;
    let (_, list) = value(name, 0xa0)?;
    let (list, _) = value(value(list, 0xa1)?.0, 0x30)?;
    Some((realm, list))
}

/// General strings, one after the other.
pub(super) fn names(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (name, rest) = value(list, 0x1b)?;
        list = rest;
        Some(name)
    })
}
