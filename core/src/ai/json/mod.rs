//! A push reader of JSON (RFC 8259) that keeps nothing: bytes go in as they come, and what lies at the paths of a
//! [`Schema`] is told, strings unescaped, piece by piece. All else is skipped. UTF-16 and UTF-32 are read as UTF-8 is.
//!
//! Owns a fixed state of some hundred bytes, so that a message can be read over many packets without memory.

mod quick;
mod scan;
mod schema;
mod skip;
#[cfg(test)]
mod tests;
mod text;
mod wide;

pub(super) use schema::NIL;
pub use schema::{Field, Path, Schema};

use schema::LEVELS;
use wide::Wide;

/// Marks a frame of the stack as a list.
const LIST: u16 = 1 << 15;
/// Longest key that is compared.
const KEY: usize = 40;
/// Levels beyond which [`Reader::too_deep`] is told.
const DEEP: u32 = 32;

/// A value that is a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    True,
    False,
    Null,
}

/// Takes what lies at the paths of a schema.
pub trait Visit {
    /// An object or list begins or ends.
    fn open(&mut self, f: Field);
    fn close(&mut self, f: Field);
    /// Part of a string, and its end.
    fn text(&mut self, f: Field, bytes: &[u8]);
    fn text_end(&mut self, f: Field);
    /// A number as it is written.
    fn number(&mut self, f: Field, text: &[u8]);
    fn word(&mut self, f: Field, word: Word);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum State {
    /// A value is expected; after `[` it may be the end of the list.
    #[default]
    Value,
    First,
    /// A key is expected, or the end of the object.
    Key,
    InKey,
    Colon,
    InText,
    /// In a number or word.
    Plain,
    /// After a value.
    After,
    /// In an object or list that nobody asks for, outside and inside its strings.
    Skip,
    SkipText,
    SkipEscape,
    /// In a string nobody asks for.
    PassText,
    PassEscape,
    /// The value is whole.
    Done,
    Broken,
}

/// Reads one value.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    wide: Wide,
    state: State,
    levels: u8,
    /// Nodes of the open objects and lists that somebody asks for.
    stack: [u16; LEVELS],
    /// Node of the value at hand.
    node: u16,
    /// Open objects and lists of what is skipped.
    skipped: u32,
    /// What is skipped is told as it stands.
    raw: bool,
    deep: bool,
    /// In an escape: its place (1: after the backslash, 2 to 5: digits of `\u`), digits so far, first half of a pair.
    escape: u8,
    code: u16,
    high: u16,
    /// A key or a number that came in parts.
    held: [u8; KEY],
    have: u8,
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            wide: Wide::default(),
            state: State::Value,
            levels: 0,
            stack: [NIL; LEVELS],
            node: 0,
            skipped: 0,
            raw: false,
            deep: false,
            escape: 0,
            code: 0,
            high: 0,
            held: [0; KEY],
            have: 0,
        }
    }
}

impl State {
    /// Between strings, numbers and words, and not before or after the value.
    #[inline]
    const fn is_between(self) -> bool {
        matches!(self, State::Value | State::First | State::Key | State::Colon | State::After)
    }
}

impl Reader {
    /// What was read so far is no JSON.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Something was read, and it is not whole.
    pub fn is_open(&self) -> bool {
        !matches!(self.state, State::Done | State::Broken) && (self.state != State::Value || self.levels > 0)
    }

    /// Objects and lists lay deeper in each other than 32 levels.
    pub fn too_deep(&self) -> bool {
        self.deep
    }

    /// From here on another value is read. What lies in the stack and among what is held counts by its number only, so it
    /// may stay: lines and events may be as short as two bytes.
    pub fn renew(&mut self) {
        let Reader {
            wide,
            state,
            levels,
            node,
            skipped,
            raw,
            deep,
            escape,
            code,
            high,
            have,
            stack: _,
            held: _,
        } = self;
        *wide = Wide::default();
        (*state, *levels, *node, *skipped) = (State::Value, 0, 0, 0);
        (*raw, *deep) = (false, false);
        (*escape, *code, *high, *have) = (0, 0, 0, 0);
    }

    /// Reads on.
    pub fn feed(&mut self, schema: &Schema, bytes: &[u8], out: &mut impl Visit) {
        if self.wide.is_narrow(bytes) {
            self.read(schema, bytes, out);
        } else {
            self.feed_wide(schema, bytes, out);
        }
    }

    /// Bytes of UTF-16 or UTF-32, or too few to tell.
    #[cold]
    fn feed_wide(&mut self, schema: &Schema, mut bytes: &[u8], out: &mut impl Visit) {
        while !bytes.is_empty() && !self.wide.is_narrow(bytes) {
            let (used, room) = self.wide.take(bytes);
            self.read(schema, room.get(), out);
            bytes = &bytes[used..];
        }
        self.read(schema, bytes, out);
    }

    /// Reads UTF-8.
    fn read(&mut self, schema: &Schema, bytes: &[u8], out: &mut impl Visit) {
        let mut at = 0;
        while let Some(&c) = bytes.get(at) {
            at = match self.state {
                State::InText => self.text(schema, bytes, at, out),
                State::InKey => at + self.key(schema, &bytes[at..]),
                State::Skip | State::SkipText | State::SkipEscape => self.skip(schema, bytes, at, out),
                State::PassText | State::PassEscape => self.pass(bytes, at),
                State::Plain => at + self.plain(schema, &bytes[at..], out),
                // What follows the value is somebody else's.
                State::Broken | State::Done => return,
                // A byte order mark before the value.
                State::Value if self.levels == 0 && matches!(c, 0xef | 0xbb | 0xbf) => at + 1,
                _ => {
                    at = self.quick(schema, bytes, at, out);
                    match bytes.get(at) {
                        // What is wrong, what is empty, what is cut off.
                        Some(c) if self.state.is_between() => at + self.structure(schema, *c, out),
                        _ => at,
                    }
                }
            };
        }
    }

    /// Nothing follows: a number at the top has no other end.
    pub fn end(&mut self, schema: &Schema, out: &mut impl Visit) {
        let room = self.wide.end();
        self.read(schema, room.get(), out);
        if self.state == State::Plain {
            self.plain_end(schema, out);
        }
    }

    /// A byte between strings, numbers and words; how many bytes that was.
    fn structure(&mut self, schema: &Schema, c: u8, out: &mut impl Visit) -> usize {
        match (self.state, c) {
            (_, b' ' | b'\t' | b'\n' | b'\r') => {}
            (State::First, b']') | (State::After, b']') => self.shut(schema, LIST, out),
            (State::Key | State::After, b'}') => self.shut(schema, 0, out),
            (State::Value | State::First, b'{' | b'[') => self.enter(schema, c == b'[', out),
            (State::Value | State::First, b'"') => {
                self.escape = 0;
                self.high = 0;
                self.state = if schema.field(self.node) == 0 { State::PassText } else { State::InText };
            }
            // `NaN` and `Infinity` are no JSON, but what many servers read (Python's `json` does).
            (State::Value | State::First, b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I') => {
                self.have = 0;
                self.state = State::Plain;
                return 0;
            }
            (State::Key, b'"') => {
                self.have = 0;
                self.escape = 0;
                self.high = 0;
                self.state = State::InKey;
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::After, b',') => self.next(schema),
            _ => self.state = State::Broken,
        }
        1
    }

    fn enter(&mut self, schema: &Schema, list: bool, out: &mut impl Visit) {
        let node = schema.node(self.node);
        let wanted = node.is_some_and(|n| n.is_wanted(list));
        let raw = node.is_some_and(|n| n.raw);
        let field = schema.field(self.node);
        if raw
            || (!wanted && (field == 0 || usize::from(self.levels) >= LEVELS))
            || usize::from(self.levels) >= LEVELS
        {
            self.raw = raw;
            if raw {
                out.text(field, if list { b"[" } else { b"{" });
            }
            self.skipped = 1;
            self.state = State::Skip;
            return;
        }
        if field != 0 {
            out.open(field);
        }
        self.stack[usize::from(self.levels)] = self.node | if list { LIST } else { 0 };
        self.levels += 1;
        if list {
            self.node = node.map_or(NIL, |n| n.member);
            self.state = State::First;
        } else {
            self.state = State::Key;
        }
    }

    fn shut(&mut self, schema: &Schema, list: u16, out: &mut impl Visit) {
        let Some(top) = self.levels.checked_sub(1) else {
            self.state = State::Broken;
            return;
        };
        let node = self.stack[usize::from(top)];
        if node & LIST != list {
            self.state = State::Broken;
            return;
        }
        self.levels = top;
        let field = schema.field(node & !LIST);
        if field != 0 {
            out.close(field);
        }
        self.after();
    }

    fn after(&mut self) {
        self.state = if self.levels == 0 { State::Done } else { State::After };
    }

    fn hold(&mut self, bytes: &[u8]) {
        for b in bytes {
            if let Some(place) = self.held.get_mut(usize::from(self.have)) {
                *place = *b;
            }
            self.have = self.have.saturating_add(1);
        }
    }

    fn key(&mut self, schema: &Schema, rest: &[u8]) -> usize {
        if self.escape > 0 {
            if let Some(code) = self.escaped(rest[0]) {
                let c = char::from_u32(code).unwrap_or('\u{fffd}');
                self.hold(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            return 1;
        }
        let n = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        match rest.get(n) {
            Some(b'"') => {
                let of = self.stack[usize::from(self.levels) - 1];
                self.node = if self.have == 0 {
                    schema.find(of, &rest[..n])
                } else {
                    self.hold(&rest[..n]);
                    self.held.get(..usize::from(self.have)).map_or(NIL, |k| schema.find(of, k))
                };
                self.state = State::Colon;
                n + 1
            }
            Some(_) => {
                self.hold(&rest[..n]);
                self.escape = 1;
                n + 1
            }
            None => {
                self.hold(rest);
                n
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn plain(&mut self, schema: &Schema, rest: &[u8], out: &mut impl Visit) -> usize {
        let n = scan::plain_end(rest, 0);
        self.hold(&rest[..n]);
        if n < rest.len() {
            self.plain_end(schema, out);
        }
        n
    }

    fn plain_end(&mut self, schema: &Schema, out: &mut impl Visit) {
        let held = self.held;
        let text = held.get(..usize::from(self.have)).unwrap_or(&held);
        self.plain_value(schema.field(self.node), text, out);
    }

    /// A number or word that is whole.
    fn plain_value(&mut self, field: Field, text: &[u8], out: &mut impl Visit) {
        self.after();
        if !told_plain(field, text, out) {
            self.state = State::Broken;
        }
    }
}

/// Tells a number or word, if somebody asks for it. False: it is neither.
#[inline(always)]
fn told_plain(field: Field, text: &[u8], out: &mut impl Visit) -> bool {
    let word = match text {
        [b'0'..=b'9', ..] | [b'-', b'0'..=b'9' | b'.', ..] | b"-" => {
            if field != 0 {
                out.number(field, text.get(..KEY).unwrap_or(text));
            }
            return true;
        }
        b"null" | b"NaN" | b"Infinity" | b"-Infinity" => Word::Null,
        b"true" => Word::True,
        b"false" => Word::False,
        _ => return false,
    };
    if field != 0 {
        out.word(field, word);
    }
    true
}
