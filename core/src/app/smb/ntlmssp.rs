//! NTLMSSP (MS-NLMP) in a security blob: who signs in. In: the blob. Out: the names as they are on the wire.

use crate::pool::Scratch;

/// Names of an AUTHENTICATE message.
pub(super) struct Who<'b> {
    pub(super) user: &'b [u8],
    pub(super) domain: &'b [u8],
    /// UTF-16, else one byte a character.
    pub(super) wide: bool,
}

fn le16(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..)?.first_chunk::<2>().map(|v| usize::from(u16::from_le_bytes(*v)))
}

fn le32(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..)?.first_chunk::<4>().map(|v| u32::from_le_bytes(*v) as usize)
}

/// Finds the message, wherever its wrapping puts it.
pub(super) fn find(blob: &[u8]) -> Option<Who<'_>> {
    let at = memchr::memmem::find(blob, b"NTLMSSP\0")?;
    let m = blob.get(at..)?;
    if le32(m, 8)? != 3 {
        return None;
    }
    let field = |at: usize| {
        let from = le32(m, at + 4)?;
        m.get(from..from.checked_add(le16(m, at)?)?)
    };
    let wide = le32(m, 60)? & 1 != 0;
    Some(Who { domain: field(28)?, user: field(36)?, wide })
}

/// Appends a name as UTF-8.
pub(super) fn text(b: &[u8], wide: bool, out: &mut Scratch) {
    if !wide {
        out.extend(b);
        return;
    }
    let units = b.chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]]));
    let mut utf8 = [0; 4];
    for c in char::decode_utf16(units) {
        out.extend(c.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut utf8).as_bytes());
    }
}
