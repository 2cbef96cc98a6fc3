//! Headers of frames (RFC 6455 5.2): bytes one by one go in, a header comes out.

/// Longest header: two bytes, a length of eight, a mask of four.
const HEADER_MAX: usize = 14;

pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Names as rules and records have them, with their numbers.
pub const OPCODES: &[(&str, u64)] = &[
    ("continuation", CONTINUATION as u64),
    ("text", TEXT as u64),
    ("binary", BINARY as u64),
    ("connection_close", CLOSE as u64),
    ("ping", PING as u64),
    ("pong", PONG as u64),
];

/// What a header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The upper four bits of the first byte: FIN and three reserved ones.
    pub flags: u8,
    pub opcode: u8,
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload.
    pub len: u64,
}

impl Head {
    /// The last frame of its message.
    pub const fn fin(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// RSV1: with permessage-deflate (RFC 7692), a compressed message begins.
    pub const fn rsv1(&self) -> bool {
        self.flags & 0x40 != 0
    }

    pub const fn is_control(&self) -> bool {
        self.opcode >= 8
    }
}

/// A header as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wire {
    bytes: [u8; HEADER_MAX],
    len: u8,
}

impl Wire {
    /// The bytes that came.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Takes one byte; the header, when it is whole.
    pub fn push(&mut self, byte: u8) -> Option<Head> {
        if let Some(to) = self.bytes.get_mut(usize::from(self.len)) {
            *to = byte;
            self.len += 1;
        }
        let [first, second, rest @ ..] = self.bytes() else { return None };
        let more = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let masked = second & 0x80 != 0;
        if rest.len() < more + if masked { 4 } else { 0 } {
            return None;
        }
        let (length, mask) = rest.split_at_checked(more)?;
        let len = match more {
            0 => u64::from(second & 0x7f),
            _ => length.iter().fold(0, |n, b| n << 8 | u64::from(*b)),
        };
        let mask = if masked { mask.first_chunk::<4>().copied() } else { None };
        Some(Head { flags: first & 0xf0, opcode: first & 0x0f, mask, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_masks() {
        let read = |b: &[u8]| {
            let mut w = Wire::default();
            let found = b.iter().enumerate().find_map(|(i, b)| w.push(*b).map(|h| (i + 1, h)));
            found.inspect(|(n, _)| assert_eq!(w.bytes(), &b[..*n]))
        };
        let head = |flags, opcode, mask, len| Head { flags, opcode, mask, len };
        assert_eq!(read(&[0x81, 5, 0]), Some((2, head(0x80, 1, None, 5))));
        assert_eq!(read(&[0x42, 0x81, 1, 2, 3, 4]), Some((6, head(0x40, 2, Some([1, 2, 3, 4]), 1))));
        assert_eq!(read(&[0x82, 126, 1, 0]), Some((4, head(0x80, 2, None, 256))));
        let long = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 9, 9, 9, 9];
        assert_eq!(read(&long), Some((14, head(0x80, 2, Some([9; 4]), 1 << 32))));
        assert_eq!(read(&long[..13]), None);
    }
}
