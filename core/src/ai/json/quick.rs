//! What a message mostly is, whole in sight: keys, their values, commas. What lies across the end of the bytes at hand is left
//! to the states that go byte by byte, which read the same (`any_cut_gives_the_same`).

use super::scan::{Ahead, plain_end};
use super::{Field, LEVELS, LIST, NIL, Reader, Schema, State, Visit, told_plain};

/// A place in the bytes at hand, and what is known of those around it.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    ahead: Ahead,
}

impl<'a> Cursor<'a> {
    /// The byte that comes next, spaces passed over: most servers write none, Python's writes one. 0 is the end.
    #[inline(always)]
    fn next_byte(&mut self) -> u8 {
        let mut c = self.bytes.get(self.at).copied().unwrap_or(0);
        if c == b' ' {
            self.at += 1;
            c = self.bytes.get(self.at).copied().unwrap_or(0);
        }
        if c <= b' ' {
            self.at = past_spaces(self.bytes, self.at);
            c = self.bytes.get(self.at).copied().unwrap_or(0);
        }
        c
    }

    /// Goes past the quotation mark at hand and the string after it, if all of it is in sight and nothing in it is escaped.
    #[inline(always)]
    fn string(&mut self) -> Option<&'a [u8]> {
        let from = self.at + 1;
        let to = self.ahead.find(self.bytes, from);
        if self.bytes.get(to) != Some(&b'"') {
            return None;
        }
        self.at = to + 1;
        self.bytes.get(from..to)
    }

    /// Goes past that byte and a space after it, if they come next; what comes then. None: the byte does not come next, or
    /// the end is near.
    #[inline(always)]
    fn past(&mut self, c: u8) -> Option<u8> {
        let [first, second, third] = self.bytes.get(self.at..)?.first_chunk()?;
        if *first != c {
            return None;
        }
        if *second == b' ' {
            branch();
            self.at += 2;
            return Some(*third);
        }
        self.at += 1;
        Some(*second)
    }

    /// The number or word at hand, if its end is in sight.
    #[inline(always)]
    fn plain(&mut self) -> Option<&'a [u8]> {
        let to = plain_end(self.bytes, self.at + 1);
        let text = self.bytes.get(self.at..to).filter(|_| to < self.bytes.len())?;
        self.at = to;
        Some(text)
    }
}

/// Takes and gives numbers alone: a cursor that is lent to a call lies in memory and no longer in registers.
#[inline(never)]
fn past_spaces(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Keeps a branch one: what comes next in a message is foreseen by the processor, a sum of what was read would be waited for.
#[cold]
#[inline]
const fn branch() {}

/// A whole string, if somebody asks for it.
#[inline(always)]
fn told(field: Field, text: &[u8], out: &mut impl Visit) {
    if field != 0 {
        if !text.is_empty() {
            out.text(field, text);
        }
        out.text_end(field);
    }
}

impl Reader {
    /// Reads on between strings; where to read on, in whatever state.
    #[inline(always)]
    pub(super) fn quick(&mut self, schema: &Schema, bytes: &[u8], at: usize, out: &mut impl Visit) -> usize {
        let mut c = Cursor { bytes, at, ahead: Ahead::before(at) };
        loop {
            if self.state == State::Key && !self.members(schema, &mut c, out) {
                break;
            }
            if matches!(self.state, State::Value | State::First) && !self.quick_value(schema, &mut c, out) {
                break;
            }
            while self.state == State::After {
                match c.next_byte() {
                    b',' => self.next(schema),
                    b'}' => self.shut(schema, 0, out),
                    b']' => self.shut(schema, LIST, out),
                    _ => return c.at,
                }
                c.at += 1;
            }
            if !matches!(self.state, State::Key | State::Value | State::First) {
                break;
            }
        }
        c.at
    }

    /// Members of the object at hand and of objects in it, as long as they are strings, numbers and words. False: what
    /// comes is not in sight as a whole, or no key.
    #[inline(always)]
    fn members(&mut self, schema: &Schema, c: &mut Cursor<'_>, out: &mut impl Visit) -> bool {
        let mut of = self.stack[usize::from(self.levels) - 1];
        if c.next_byte() != b'"' {
            return false;
        }
        // A key's quotation mark is at hand.
        loop {
            let before = c.at;
            let Some(key) = c.string() else { return false };
            let sight = c.bytes.get(before + 1..).unwrap_or(&[]);
            let Some(mut first) = c.past(b':') else {
                c.at = before;
                return false;
            };
            let node = schema.find_in(of, sight, key);
            if first <= b' ' {
                first = c.next_byte();
            }
            let field = schema.field(node);
            match first {
                b'"' => {
                    let Some(text) = c.string() else { return self.value_at(node) };
                    told(field, text, out);
                }
                b'{' if field == 0 && schema.is_object(node) && usize::from(self.levels) < LEVELS => {
                    self.push(node);
                    of = node;
                    c.at += 1;
                    if c.next_byte() != b'"' {
                        return false;
                    }
                    continue;
                }
                b'[' if field == 0 && schema.is_list(node) && usize::from(self.levels) < LEVELS => {
                    self.push(node | LIST);
                    self.next(schema);
                    c.at += 1;
                    if !self.enter_member(schema, c, &mut of) {
                        self.state = State::First;
                        return true;
                    }
                    continue;
                }
                b'{' | b'[' | b'}' | b']' | b',' | b':' => return self.value_at(node),
                _ => {
                    let before = c.at;
                    let whole = c.plain().is_some_and(|text| told_plain(field, text, out));
                    if !whole {
                        c.at = before;
                        return self.value_at(node);
                    }
                }
            }
            if !self.go_to_key(schema, c, &mut of) {
                return self.state != State::Key;
            }
        }
    }

    /// After a value, closes objects and lists that nobody asks for as such, and goes to the next key; `of` is the object or
    /// list at hand. False: something else comes.
    #[inline(always)]
    fn go_to_key(&mut self, schema: &Schema, c: &mut Cursor<'_>, of: &mut u16) -> bool {
        loop {
            let list = *of & LIST != 0;
            if !list {
                match c.past(b',') {
                    Some(b'"') => return true,
                    Some(_) => return c.next_byte() == b'"',
                    None => {}
                }
            }
            let next = c.next_byte();
            let top = usize::from(self.levels) - 1;
            let ends = next == if list { b']' } else { b'}' } && schema.field(*of & !LIST) == 0;
            if next == b',' {
                c.at += 1;
                if !list {
                    return c.next_byte() == b'"';
                }
                self.next(schema);
                return self.enter_member(schema, c, of);
            }
            let Some(parent) = top.checked_sub(1).and_then(|t| self.stack.get(t)).filter(|_| ends) else {
                self.state = State::After;
                return false;
            };
            self.levels = top as u8;
            *of = *parent;
            c.at += 1;
        }
    }

    /// At a member of a list, goes to the first key of it. False: it is no object with keys that somebody asks for.
    #[inline(always)]
    fn enter_member(&mut self, schema: &Schema, c: &mut Cursor<'_>, of: &mut u16) -> bool {
        let known = schema.field(self.node) == 0 && schema.is_object(self.node);
        if !known
            || usize::from(self.levels) >= LEVELS
            || c.next_byte() != b'{'
            || c.bytes.get(c.at + 1) != Some(&b'"')
        {
            return false;
        }
        *of = self.node;
        self.push(*of);
        self.state = State::Key;
        c.at += 1;
        true
    }

    /// An object or list begins.
    #[inline(always)]
    fn push(&mut self, node: u16) {
        self.stack[usize::from(self.levels)] = node;
        self.levels += 1;
    }

    /// The value of a key comes next.
    #[inline(always)]
    fn value_at(&mut self, node: u16) -> bool {
        self.node = node;
        self.state = State::Value;
        true
    }

    /// A value, if it begins there.
    #[inline(always)]
    fn quick_value(&mut self, schema: &Schema, c: &mut Cursor<'_>, out: &mut impl Visit) -> bool {
        let first = c.next_byte();
        let field = schema.field(self.node);
        match first {
            b'"' => {
                if let Some(text) = c.string() {
                    self.after();
                    told(field, text, out);
                    return true;
                }
                self.escape = 0;
                self.high = 0;
                c.at = if field == 0 {
                    self.state = State::PassText;
                    self.pass(c.bytes, c.at + 1)
                } else {
                    self.state = State::InText;
                    self.text(schema, c.bytes, c.at + 1, out)
                };
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I' => {
                let Some(value) = c.plain() else { return false };
                self.plain_value(field, value, out);
            }
            b'{' | b'[' => {
                self.enter(schema, first == b'[', out);
                c.at += 1;
                if self.state == State::Skip {
                    c.at = self.skip(schema, c.bytes, c.at, out);
                }
            }
            _ => return false,
        }
        true
    }

    /// A comma was read.
    #[inline(always)]
    pub(super) fn next(&mut self, schema: &Schema) {
        let top = self.stack[usize::from(self.levels) - 1];
        if top & LIST != 0 {
            self.node = schema.node(top & !LIST).map_or(NIL, |n| n.member);
            self.state = State::Value;
        } else {
            self.state = State::Key;
        }
    }
}
