//! A push reader of protocol buffers (protobuf.dev/programming-guides/encoding), as [`json`](super::json) is of JSON: the
//! keys of a schema are the fields' numbers. Fields with paths below them are messages, others text.

use super::json::{Schema, Visit};

/// Levels of messages that are looked into.
const LEVELS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    /// Reading a field's tag, a number, a length.
    #[default]
    Tag,
    Number,
    Length,
    /// That many bytes are passed over, or are the value's.
    Skip,
    Text,
    Broken,
}

/// Reads one message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    state: State,
    /// The number being read, and how far.
    value: u64,
    shift: u8,
    /// Bytes left of what is skipped or told.
    left: u64,
    node: u16,
    levels: u8,
    /// Bytes left of each open message, and its node.
    open: [(u64, u16); LEVELS],
}

impl Reader {
    /// What was read so far is no message.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Something was read, and it is not whole.
    pub fn is_open(&self) -> bool {
        self.state != State::Broken && (self.state != State::Tag || self.shift > 0 || self.levels > 0)
    }

    /// Reads on.
    pub fn feed(&mut self, schema: &Schema, mut bytes: &[u8], out: &mut impl Visit) {
        while !bytes.is_empty() && self.state != State::Broken {
            match self.state {
                State::Skip | State::Text => {
                    let n = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    if self.state == State::Text {
                        out.text(schema.field(self.node), &bytes[..n]);
                    }
                    self.take(n as u64);
                    self.left -= n as u64;
                    bytes = &bytes[n..];
                    if self.left == 0 {
                        if self.state == State::Text {
                            out.text_end(schema.field(self.node));
                        }
                        self.next(schema, out);
                    }
                }
                _ => {
                    let c = bytes[0];
                    bytes = &bytes[1..];
                    self.take(1);
                    if self.shift >= 64 {
                        self.state = State::Broken;
                        return;
                    }
                    self.value |= u64::from(c & 127) << self.shift;
                    self.shift += 7;
                    if c & 128 == 0 {
                        let value = core::mem::take(&mut self.value);
                        self.shift = 0;
                        self.read(schema, value, out);
                    }
                }
            }
        }
    }

    /// That many bytes of the open messages were used.
    fn take(&mut self, n: u64) {
        for level in self.open.iter_mut().take(usize::from(self.levels)) {
            level.0 = level.0.saturating_sub(n);
        }
    }

    /// A value is whole: messages that end with it end.
    fn next(&mut self, schema: &Schema, out: &mut impl Visit) {
        self.state = State::Tag;
        while let Some(top) = self.levels.checked_sub(1) {
            let (left, node) = self.open[usize::from(top)];
            if left > 0 {
                break;
            }
            self.levels = top;
            let field = schema.field(node);
            if field != 0 {
                out.close(field);
            }
        }
    }

    /// A tag, a number or a length was read.
    fn read(&mut self, schema: &Schema, value: u64, out: &mut impl Visit) {
        match self.state {
            State::Tag => {
                let of = self.levels.checked_sub(1).map_or(0, |l| self.open[usize::from(l)].1);
                self.node = number_key(value >> 3, |key| schema.find(of, key));
                match value & 7 {
                    0 => self.state = State::Number,
                    2 => self.state = State::Length,
                    1 => (self.state, self.left) = (State::Skip, 8),
                    5 => (self.state, self.left) = (State::Skip, 4),
                    _ => self.state = State::Broken,
                }
                if value >> 3 == 0 {
                    self.state = State::Broken;
                }
            }
            State::Number => {
                let field = schema.field(self.node);
                if field != 0 {
                    number_key(value, |text| out.number(field, text));
                }
                self.next(schema, out);
            }
            _ => {
                let field = schema.field(self.node);
                self.left = value;
                if schema.has_children(self.node) && usize::from(self.levels) < LEVELS {
                    if field != 0 {
                        out.open(field);
                    }
                    self.open[usize::from(self.levels)] = (value, self.node);
                    self.levels += 1;
                    self.next(schema, out);
                    return;
                }
                self.state = if field == 0 { State::Skip } else { State::Text };
                if value == 0 {
                    if field != 0 {
                        out.text_end(field);
                    }
                    self.next(schema, out);
                }
            }
        }
    }
}

/// Calls `f` with a number in decimal digits.
fn number_key<R>(n: u64, f: impl FnOnce(&[u8]) -> R) -> R {
    let mut text = [0; 20];
    let (mut at, mut rest) = (text.len(), n);
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    f(&text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ai::json::{Field, Word};
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Seen(Vec<String>, Vec<u8>);

    impl Visit for Seen {
        fn open(&mut self, f: Field) {
            self.0.push(alloc::format!("{f}("));
        }
        fn close(&mut self, f: Field) {
            self.0.push(alloc::format!("){f}"));
        }
        fn text(&mut self, _: Field, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }
        fn text_end(&mut self, f: Field) {
            let t = core::mem::take(&mut self.1);
            self.0.push(alloc::format!("{f}={}", String::from_utf8_lossy(&t)));
        }
        fn number(&mut self, f: Field, text: &[u8]) {
            self.0.push(alloc::format!("{f}:{}", String::from_utf8_lossy(text)));
        }
        fn word(&mut self, _: Field, _: Word) {}
    }

    fn read(parts: &[&[u8]]) -> (Vec<String>, bool, bool) {
        let schema = Schema::new(&[("1", 1), ("2", 2), ("2.1", 3), ("300", 4)]);
        let (mut r, mut seen) = (Reader::default(), Seen::default());
        parts.iter().for_each(|p| r.feed(&schema, p, &mut seen));
        (seen.0, r.is_broken(), r.is_open())
    }

    #[test]
    fn messages_by_number() {
        let m = b"\x0a\x03abc\x12\x04\x0a\x02de\x1a\x02zz\x21\0\0\0\0\0\0\0\0\xe2\x12\x01f\xe0\x12\xac\x02\x0a\0\x12\0";
        let want = ["1=abc", "2(", "3=de", ")2", "4=f", "4:300", "1=", "2(", ")2"];
        assert_eq!(read(&[m]), (want.map(String::from).to_vec(), false, false));
        assert!(read(&[b"\x0b"]).1 && read(&[b"\x0a\x05ab"]).2 && read(&[&[0xff; 12]]).1);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(data in prop::collection::vec(prop::sample::select(&b"\x0a\x12\x03\x01\x08\x80\x21\x02a"[..]), 0..60), at in 0usize..60) {
            let (a, b) = data.split_at(at.min(data.len()));
            let bytes: Vec<&[u8]> = data.chunks(1).collect();
            let whole = read(&[&data]);
            prop_assert_eq!(&whole, &read(&[a, b]));
            prop_assert_eq!(&whole, &read(&bytes));
        }
    }
}
