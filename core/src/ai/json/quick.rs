//! What a message mostly is, whole in sight: keys, their values, commas. What lies across the end of the bytes at hand is left
//! to the states that go byte by byte, which read the same (`any_cut_gives_the_same`).

use super::scan::{BLOCK, half, quote_or_slash, specials};
use super::{LEVELS, LIST, NIL, Reader, Schema, State, Visit};

/// Bytes that end a number or a word.
static STOPS: [bool; 256] = {
    let mut t = [false; 256];
    let stops = b" \t\n\r,]}:\"[{";
    let mut i = 0;
    while i < stops.len() {
        t[stops[i] as usize] = true;
        i += 1;
    }
    t
};

/// Where the number or word that begins there ends.
#[inline(always)]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(c) = bytes.get(at) {
        if STOPS[usize::from(*c)] {
            break;
        }
        at += 1;
    }
    at
}

/// The byte that comes next, spaces passed over: most servers write none, Python's writes one. 0 is the end.
#[inline(always)]
fn next_byte(rest: &mut &[u8]) -> u8 {
    if let [b' ', tail @ ..] = rest {
        *rest = tail;
    }
    match rest {
        [c, ..] if *c > b' ' => *c,
        _ => past_spaces(rest),
    }
}

#[inline(never)]
fn past_spaces(rest: &mut &[u8]) -> u8 {
    while let [c, tail @ ..] = rest {
        match c {
            b' ' | b'\t' | b'\n' | b'\r' => *rest = tail,
            c => return *c,
        }
    }
    0
}

/// Length of the string that begins there, if it is short and nothing in it is escaped, and a block of bytes is in sight.
#[inline(always)]
fn short(rest: &[u8]) -> Option<(&[u8; BLOCK], usize)> {
    let block: &[u8; BLOCK] = rest.first_chunk()?;
    let m = block.first_chunk().map_or(0, half);
    let n = if m != 0 { m.trailing_zeros() } else { specials(block).trailing_zeros() } as usize;
    (block.get(n) == Some(&b'"')).then_some((block, n))
}

/// The place of the key that comes next, and what follows its colon.
#[inline(always)]
fn key<'a>(schema: &Schema, of: u16, rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    if next_byte(rest) != b'"' {
        return None;
    }
    let text = &rest[1..];
    let (node, n) = if let Some((block, n)) = short(text) {
        (schema.find_in(of, block, n), n)
    } else {
        let n = quote_or_slash(text, 0);
        (schema.find(of, text.get(..n).filter(|_| text.get(n) == Some(&b'"'))?), n)
    };
    (text.get(n + 1) == Some(&b':')).then(|| (node, &text[n + 2..]))
}

impl Reader {
    /// Reads on between strings; where to read on, in whatever state.
    #[inline(always)]
    pub(super) fn quick(&mut self, schema: &Schema, bytes: &[u8], at: usize, out: &mut impl Visit) -> usize {
        let mut rest = &bytes[at..];
        loop {
            if self.state == State::Key && !self.members(schema, &mut rest, out) {
                break;
            }
            if matches!(self.state, State::Value | State::First) && !self.quick_value(schema, &mut rest, out)
            {
                break;
            }
            while self.state == State::After {
                match next_byte(&mut rest) {
                    b',' => self.next(schema),
                    b'}' => self.shut(schema, 0, out),
                    b']' => self.shut(schema, LIST, out),
                    _ => return bytes.len() - rest.len(),
                }
                rest = &rest[1..];
            }
            if !matches!(self.state, State::Key | State::Value | State::First) {
                break;
            }
        }
        bytes.len() - rest.len()
    }

    /// Members of the object at hand and of objects in it, as long as they are short strings, numbers and words. False: what
    /// comes is not in sight as a whole, or no key.
    #[inline(always)]
    fn members(&mut self, schema: &Schema, rest: &mut &[u8], out: &mut impl Visit) -> bool {
        let mut of = self.stack[usize::from(self.levels) - 1];
        loop {
            let Some((node, mut tail)) = key(schema, of, rest) else { return false };
            let c = next_byte(&mut tail);
            let field = schema.field(node);
            match c {
                b'"' => {
                    let Some((block, n)) = short(&tail[1..]) else { break self.value_at(node, rest, tail) };
                    if field != 0 {
                        if n > 0 {
                            out.text(field, &block[..n]);
                        }
                        out.text_end(field);
                    }
                    tail = &tail[n + 2..];
                }
                b'-' | b'0'..=b'9' => {
                    let n = plain_end(tail, 1);
                    if field != 0 || n == tail.len() {
                        break self.value_at(node, rest, tail);
                    }
                    tail = &tail[n..];
                }
                b'{' if field == 0 && schema.is_object(node) && usize::from(self.levels) < LEVELS => {
                    self.stack[usize::from(self.levels)] = node;
                    self.levels += 1;
                    of = node;
                    *rest = &tail[1..];
                    continue;
                }
                _ => break self.value_at(node, rest, tail),
            }
            loop {
                let c = next_byte(&mut tail);
                let top = usize::from(self.levels) - 1;
                match (c, top.checked_sub(1).and_then(|t| self.stack.get(t))) {
                    (b',', _) => break,
                    (b'}', Some(parent)) if parent & LIST == 0 && schema.field(of) == 0 => {
                        self.levels = top as u8;
                        of = *parent;
                        tail = &tail[1..];
                    }
                    _ => {
                        self.state = State::After;
                        *rest = tail;
                        return true;
                    }
                }
            }
            *rest = &tail[1..];
        }
    }

    /// The value of a key comes next.
    #[inline(always)]
    fn value_at<'a>(&mut self, node: u16, rest: &mut &'a [u8], tail: &'a [u8]) -> bool {
        self.node = node;
        self.state = State::Value;
        *rest = tail;
        true
    }

    /// A value, if it begins there.
    #[inline(always)]
    fn quick_value(&mut self, schema: &Schema, rest: &mut &[u8], out: &mut impl Visit) -> bool {
        let c = next_byte(rest);
        let field = schema.field(self.node);
        match c {
            b'"' => {
                let text = &rest[1..];
                self.escape = 0;
                self.high = 0;
                let n = if field == 0 {
                    self.state = State::PassText;
                    self.pass(text, 0)
                } else {
                    self.state = State::InText;
                    self.text(schema, text, 0, out)
                };
                *rest = &text[n..];
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I' => {
                let n = plain_end(rest, 1);
                let Some((value, tail)) = rest.split_at_checked(n).filter(|r| !r.1.is_empty()) else {
                    return false;
                };
                self.plain_value(field, value, out);
                *rest = tail;
            }
            b'{' | b'[' => {
                self.enter(schema, c == b'[', out);
                *rest = &rest[1..];
                if self.state == State::Skip {
                    *rest = &rest[self.skip(schema, rest, 0, out)..];
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
