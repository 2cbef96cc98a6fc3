//! JSON in UTF-16 and UTF-32: bytes of a message go in as they come, the same in UTF-8 comes out for the reader. Owns the
//! bytes of the character at hand.
//!
//! Which it is its first four bytes say (RFC 4627, 3: the first two characters are ASCII, so zeros stand where they stand), or a
//! byte order mark. Servers that hand the bytes of a body to their reader of JSON take all of them (Python's
//! `json.loads` does), whatever `Content-Type` says.

use super::text::joined;

/// A unit makes at most two characters: half of a pair without the other, and itself.
const MOST: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Form {
    /// Too few bytes came to tell.
    #[default]
    Unknown,
    /// UTF-8: nothing is to be done.
    Narrow,
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

/// How a message's text is written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wide {
    form: Form,
    /// Bytes that say no form yet, or of a unit that is not whole.
    held: [u8; 4],
    have: u8,
    /// First half of a pair of UTF-16.
    high: u16,
}

/// UTF-8 that was made.
pub(super) struct Room {
    bytes: [u8; 256],
    len: usize,
}

impl Room {
    pub(super) fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    fn push(&mut self, code: u32) {
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        if let Some(to) = self.bytes.get_mut(self.len..) {
            self.len += c.encode_utf8(to).len();
        }
    }

    fn has_place(&self) -> bool {
        self.len + MOST <= self.bytes.len()
    }
}

impl Form {
    /// What text that begins like that is; `None`: more is needed, unless nothing follows.
    fn of(begin: &[u8], over: bool) -> Option<Form> {
        Some(match begin {
            [0xfe, 0xff, ..] => Form::Utf16Be,
            [0, 0, ..] => Form::Utf32Be,
            [0, _, ..] => Form::Utf16Be,
            [0xff, 0xfe, 0, 0, ..] | [_, 0, 0, 0, ..] => Form::Utf32Le,
            [0xff, 0xfe, _, _, ..] | [_, 0, _, _, ..] => Form::Utf16Le,
            [0xff, 0xfe, ..] | [_, 0, ..] if over => Form::Utf16Le,
            [0xff, 0xfe, ..] | [_, 0, ..] => return None,
            [_, _, ..] => Form::Narrow,
            _ if over => Form::Narrow,
            _ => return None,
        })
    }

    const fn unit(self) -> u8 {
        match self {
            Form::Unknown | Form::Narrow => 1,
            Form::Utf16Le | Form::Utf16Be => 2,
            Form::Utf32Le | Form::Utf32Be => 4,
        }
    }
}

impl Wide {
    /// Whether the bytes that come next are UTF-8, as nearly all are.
    #[inline]
    pub(super) fn is_narrow(&mut self, bytes: &[u8]) -> bool {
        if self.form == Form::Unknown
            && self.have == 0
            && let [a, b, ..] = bytes
            && *a != 0
            && *b != 0
            && *a < 0xfe
        {
            self.form = Form::Narrow;
        }
        self.form == Form::Narrow
    }

    /// Takes bytes as long as there is room for what comes of them; how many they were. It stops where UTF-8 begins.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, Room) {
        let mut room = Room { bytes: [0; 256], len: 0 };
        let mut used = 0;
        while let Some(b) = bytes.get(used)
            && room.has_place()
            && self.form != Form::Narrow
        {
            used += 1;
            self.hold(*b);
            if self.form == Form::Unknown {
                self.decide(false, &mut room);
            } else if self.have == self.form.unit() {
                self.have = 0;
                self.whole(self.held, &mut room);
            }
        }
        (used, room)
    }

    /// Nothing follows: what was held back.
    pub(super) fn end(&mut self) -> Room {
        let mut room = Room { bytes: [0; 256], len: 0 };
        if self.form == Form::Unknown && self.have > 0 {
            self.decide(true, &mut room);
        }
        room
    }

    fn hold(&mut self, b: u8) {
        if let Some(to) = self.held.get_mut(usize::from(self.have)) {
            *to = b;
            self.have += 1;
        }
    }

    /// What came so far says what it is, or does not; what was held is made UTF-8.
    fn decide(&mut self, over: bool, room: &mut Room) {
        let (held, have) = (self.held, usize::from(self.have));
        let begin = held.get(..have).unwrap_or(&held);
        let Some(form) = Form::of(begin, over) else { return };
        self.form = form;
        self.have = 0;
        if form == Form::Narrow {
            for (to, b) in room.bytes.iter_mut().zip(begin) {
                (*to, room.len) = (*b, room.len + 1);
            }
            return;
        }
        for b in begin {
            self.hold(*b);
            if self.have == form.unit() {
                self.have = 0;
                self.whole(self.held, room);
            }
        }
    }

    /// A unit is whole.
    fn whole(&mut self, held: [u8; 4], room: &mut Room) {
        let two = [held[0], held[1]];
        match self.form {
            Form::Unknown | Form::Narrow => {}
            Form::Utf16Le => self.half(u16::from_le_bytes(two), room),
            Form::Utf16Be => self.half(u16::from_be_bytes(two), room),
            Form::Utf32Le => room.push(u32::from_le_bytes(held)),
            Form::Utf32Be => room.push(u32::from_be_bytes(held)),
        }
    }

    /// A unit of UTF-16: a character, or half of a pair. Halves alone become U+FFFD, as escaped ones do.
    fn half(&mut self, unit: u16, room: &mut Room) {
        let high = core::mem::take(&mut self.high);
        match unit {
            0xdc00..=0xdfff if high != 0 => return room.push(joined(high, unit)),
            _ if high != 0 => room.push(u32::from(high)),
            _ => {}
        }
        if matches!(unit, 0xd800..=0xdbff) {
            self.high = unit;
        } else {
            room.push(u32::from(unit));
        }
    }
}
