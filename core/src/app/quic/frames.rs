//! Frames of Initial packets (RFC 9000 19), and those in Google's packets. In: a packet's frames. Out: the pieces of the
//! handshake in them.

use super::packet::variable;
use crate::app::plain::be16;

/// Skips `n` variable-length integers.
fn skip(mut b: &[u8], n: usize) -> Option<&[u8]> {
    for _ in 0..n {
        b = variable(b)?.1;
    }
    Some(b)
}

/// Calls `piece` with the offset and the bytes of each part of the handshake. `None`: the frames are not what an Initial
/// packet may have.
pub(super) fn standard(mut b: &[u8], mut piece: impl FnMut(u64, &[u8])) -> Option<()> {
    while let [kind, rest @ ..] = b {
        b = match kind {
            0 | 1 => rest,
            // Acknowledgements: largest, delay, and ranges; the second kind counts congestion marks as well.
            2 | 3 => {
                let (ranges, rest) = variable(skip(rest, 2)?)?;
                let ranges = usize::try_from(ranges).ok().filter(|n| *n <= rest.len())?;
                skip(rest, 1 + 2 * ranges + if *kind == 3 { 3 } else { 0 })?
            }
            6 => {
                let (offset, rest) = variable(rest)?;
                let (len, rest) = variable(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                piece(offset, bytes);
                rest
            }
            // The connection is closed: nothing follows.
            0x1c => return Some(()),
            _ => return None,
        };
    }
    Some(())
}

/// The handshake's piece in a packet of `Q050`, with its offset: frames of type 8 that are laid out as the standard's CRYPTO.
/// `None`: it is cut off, or there is none before something that is not passed.
pub(super) fn google_handshake(mut b: &[u8]) -> Option<(u64, &[u8])> {
    while let [kind, rest @ ..] = b {
        b = match kind {
            0 | 7 => rest,
            8 => {
                let (offset, rest) = variable(rest)?;
                let (len, rest) = variable(rest)?;
                return Some((offset, rest.get(..usize::try_from(len).ok()?)?));
            }
            0x40..=0x7f => acknowledgement(*kind, rest)?,
            _ => return None,
        };
    }
    None
}

/// The first piece of a stream in a packet of Google's (its stream frames: `1fdooossB`, numbers of the widths that the bits
/// say). `None`: there is none, or something before it cannot be passed.
pub(super) fn google(mut b: &[u8]) -> Option<&[u8]> {
    while let [kind, rest @ ..] = b {
        b = match kind {
            0x80.. => {
                let offset = usize::from(kind >> 2 & 7);
                let at = usize::from(kind & 3) + 1 + if offset == 0 { 0 } else { offset + 1 };
                if kind & 0x20 == 0 {
                    return rest.get(at..);
                }
                let len = usize::from(be16(rest, at)?);
                return rest.get(at + 2..at + 2 + len);
            }
            0x40.. => acknowledgement(*kind, rest)?,
            7 => rest,
            _ => return None,
        };
    }
    None
}

/// Passes an acknowledgement, `01ntllmm`.
fn acknowledgement(kind: u8, b: &[u8]) -> Option<&[u8]> {
    const WIDTHS: [usize; 4] = [1, 2, 4, 6];
    let largest = WIDTHS[usize::from(kind >> 2 & 3)];
    let block = WIDTHS[usize::from(kind & 3)];
    let mut at = largest + 2;
    let blocks = if kind & 0x20 != 0 {
        at += 1;
        usize::from(*b.get(at - 1)?)
    } else {
        0
    };
    at += block + blocks * (1 + block);
    let times = usize::from(*b.get(at)?);
    at += 1 + if times == 0 { 0 } else { 5 + 3 * (times - 1) };
    b.get(at..)
}

/// A handshake message of Google's: its tags with their values.
#[derive(Clone, Copy)]
pub(super) struct Tags<'a> {
    /// Tag and end of its value, eight bytes each.
    index: &'a [u8],
    values: &'a [u8],
}

impl<'a> Tags<'a> {
    /// Of a client's hello.
    pub(super) fn hello(b: &'a [u8]) -> Option<Self> {
        let [b'C', b'H', b'L', b'O', n0, n1, _, _, rest @ ..] = b else { return None };
        let (index, values) = rest.split_at_checked(8 * usize::from(u16::from_le_bytes([*n0, *n1])))?;
        Some(Tags { index, values })
    }

    /// Tags as text, and their values.
    pub(super) fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut from = 0;
        self.index.chunks_exact(8).map(move |e| {
            let (tag, end) = e.split_at(4);
            let end = end.iter().rev().fold(0usize, |v, b| v << 8 | usize::from(*b));
            let value = self.values.get(from..end).unwrap_or(&[]);
            from = end;
            let len = tag.iter().position(|b| *b == 0).unwrap_or(4);
            (tag.get(..len).unwrap_or(tag), value)
        })
    }

    pub(super) fn get(self, wanted: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(tag, _)| *tag == wanted).map(|t| t.1)
    }
}
