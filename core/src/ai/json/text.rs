//! Strings that somebody asks for, and their escapes (RFC 8259, 7).

use super::scan::{Ahead, BLOCK, quote_or_slash};
use super::{Field, Reader, Schema, State, Visit};

/// Texts with escapes are put together in pieces of that length, so that who takes them is not called for every letter.
const ROOM: usize = 512;

/// What a backslash and that byte stand for.
const fn single(c: u8) -> u8 {
    match c {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 8,
        b'f' => 12,
        c => c,
    }
}

/// The value of a digit; what is none counts as 0.
static DIGITS: [u8; 256] = {
    let mut t = [0; 256];
    let mut c = 0;
    while c < 10 {
        t[b'0' as usize + c] = c as u8;
        if c < 6 {
            t[b'a' as usize + c] = c as u8 + 10;
            t[b'A' as usize + c] = c as u8 + 10;
        }
        c += 1;
    }
    t
};

fn digits(four: [u8; 4]) -> u16 {
    four.iter().fold(0, |n, c| n << 4 | u16::from(DIGITS[usize::from(*c)]))
}

/// The two halves of a pair of UTF-16 as one.
pub(super) const fn joined(high: u16, low: u16) -> u32 {
    0x1_0000 + ((high as u32 - 0xd800) << 10) + (low as u32 - 0xdc00)
}

/// Text put together until it is told.
struct Room {
    bytes: [u8; ROOM],
    len: usize,
}

impl Room {
    fn tell(&mut self, field: Field, out: &mut impl Visit) {
        if self.len > 0 {
            out.text(field, &self.bytes[..self.len]);
            self.len = 0;
        }
    }

    /// Takes the text from `at` to `to`: short ones are copied in whole blocks, which is one instruction each.
    #[inline(always)]
    fn take(&mut self, bytes: &[u8], at: usize, to: usize, field: Field, out: &mut impl Visit) {
        let len = to - at;
        if len > ROOM / 2 {
            self.tell(field, out);
            return out.text(field, &bytes[at..to]);
        }
        if self.len + len > ROOM - BLOCK {
            self.tell(field, out);
        }
        for i in (0..len).step_by(BLOCK) {
            let from = bytes.get(at + i..).and_then(|b| b.first_chunk::<BLOCK>());
            let into = self.bytes.get_mut(self.len + i..).and_then(|b| b.first_chunk_mut::<BLOCK>());
            let (Some(from), Some(into)) = (from, into) else {
                self.bytes[self.len + i..self.len + len].copy_from_slice(&bytes[at + i..to]);
                break;
            };
            *into = *from;
        }
        self.len += len;
    }

    #[inline(always)]
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl Reader {
    /// A string that somebody asks for, from `at`; where to read on.
    #[inline]
    pub(super) fn text(&mut self, schema: &Schema, bytes: &[u8], at: usize, out: &mut impl Visit) -> usize {
        let field = schema.field(self.node);
        if self.escape == 1 && !bytes[at].is_ascii() {
            // No escape: the letter is itself, and has further bytes.
            self.escape = 0;
            self.lone(field, out);
            out.text(field, &bytes[at..=at]);
            return at + 1;
        }
        if self.escape > 0 {
            if let Some(code) = self.escaped(bytes[at]) {
                self.tell(field, code, out);
            }
            return at + 1;
        }
        let to = quote_or_slash(bytes, at);
        if to > at {
            self.lone(field, out);
            out.text(field, &bytes[at..to]);
        }
        match bytes.get(to) {
            None => to,
            Some(b'"') => {
                self.lone(field, out);
                out.text_end(field);
                self.after();
                to + 1
            }
            // The first half of a pair waits for the second: byte by byte.
            Some(_) if self.high == 0 && bytes.len() > to + 6 => self.unescape(field, bytes, to, out),
            Some(_) => {
                self.escape = 1;
                to + 1
            }
        }
    }

    /// The rest of a string that has escapes, the first of them at `at`, as far as it is in sight.
    #[inline(never)]
    fn unescape(&mut self, field: Field, bytes: &[u8], mut at: usize, out: &mut impl Visit) -> usize {
        let mut room = Room { bytes: [0; ROOM], len: 0 };
        let mut ahead = Ahead::before(at);
        loop {
            let to = ahead.find(bytes, at);
            room.take(bytes, at, to, field, out);
            at = to;
            if bytes.get(at) == Some(&b'"') {
                room.tell(field, out);
                out.text_end(field);
                self.after();
                return at + 1;
            }
            match bytes[at..] {
                [_, b'u', a, b, c, d, ref tail @ ..] => {
                    let code = digits([a, b, c, d]);
                    let low = match tail {
                        [b'\\', b'u', a, b, c, d, ..] => digits([*a, *b, *c, *d]),
                        _ => 0,
                    };
                    let (c, len) = match (code, low) {
                        (0xd800..=0xdbff, 0xdc00..=0xdfff) => (joined(code, low), 12),
                        // A half alone, or what follows is not in sight.
                        (0xd800..=0xdbff, _) => break,
                        (c, _) => (u32::from(c), 6),
                    };
                    let c = char::from_u32(c).unwrap_or('\u{fffd}');
                    if room.len + 4 > ROOM {
                        room.tell(field, out);
                    }
                    room.push(c.encode_utf8(&mut [0; 4]).as_bytes());
                    at += len;
                }
                [_, c, ..] if c != b'u' => {
                    if room.len == ROOM {
                        room.tell(field, out);
                    }
                    room.push(&[single(c)]);
                    at += 2;
                }
                _ => break,
            }
        }
        room.tell(field, out);
        // What ends the text or lies across its end is read byte by byte.
        if bytes.get(at) == Some(&b'\\') {
            self.escape = 1;
            at += 1;
        }
        at
    }

    /// Bytes of an escape; what it stands for, when it is whole.
    pub(super) fn escaped(&mut self, c: u8) -> Option<u32> {
        if self.escape == 1 {
            if c == b'u' {
                self.escape = 2;
                self.code = 0;
                return None;
            }
            self.escape = 0;
            return Some(u32::from(single(c)));
        }
        self.code = self.code << 4 | u16::from(DIGITS[usize::from(c)]);
        self.escape += 1;
        if self.escape < 6 {
            return None;
        }
        self.escape = 0;
        match self.code {
            0xd800..=0xdbff => {
                let alone = core::mem::replace(&mut self.high, self.code);
                (alone != 0).then_some(0xfffd)
            }
            0xdc00..=0xdfff if self.high != 0 => Some(joined(core::mem::take(&mut self.high), self.code)),
            0xdc00..=0xdfff => Some(0xfffd),
            c => Some(u32::from(c)),
        }
    }

    /// The first half of a pair without its second.
    fn lone(&mut self, field: Field, out: &mut impl Visit) {
        if core::mem::take(&mut self.high) != 0 {
            out.text(field, "\u{fffd}".as_bytes());
        }
    }

    fn tell(&mut self, field: Field, code: u32, out: &mut impl Visit) {
        // The first half of another pair stays where it is.
        if code != 0xfffd {
            self.lone(field, out);
        }
        let c = char::from_u32(code).unwrap_or('\u{fffd}');
        out.text(field, c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// A string that nobody asks for, from `at`; where to read on.
    #[inline]
    pub(super) fn pass(&mut self, bytes: &[u8], mut at: usize) -> usize {
        if self.state == State::PassEscape {
            self.state = State::PassText;
            at += 1;
        }
        while at <= bytes.len() {
            let to = quote_or_slash(bytes, at);
            match bytes.get(to) {
                None => return to,
                Some(b'"') => {
                    self.after();
                    return to + 1;
                }
                Some(_) => at = to + 2,
            }
        }
        // The text ends after a backslash.
        self.state = State::PassEscape;
        bytes.len()
    }
}
