//! Session descriptions (RFC 8866) in the bodies of messages. In: a body. Out: values of its lines.

/// A line's letter, and whether it is wanted from the description as a whole or from one of its media.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Session(u8),
    Media(u8),
}

/// Value `index` of the lines `which`.
pub(super) fn value(body: &[u8], which: Line, index: u32) -> Option<&[u8]> {
    let mut left = index;
    let mut media = false;
    for line in body.split(|c| *c == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let [kind, b'=', rest @ ..] = line else { continue };
        media |= *kind == b'm';
        let here = if media { Line::Media(*kind) } else { Line::Session(*kind) };
        if here != which {
            continue;
        }
        if left == 0 {
            return Some(rest);
        }
        left -= 1;
    }
    None
}
