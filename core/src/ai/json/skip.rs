//! Objects and lists that nobody looks into: only their ends are looked for, 64 bytes at a time.

use super::scan::{Marks, quote_or_slash};
use super::{DEEP, Reader, Schema, State, Visit};

impl Reader {
    /// Passes over what was entered, from `from`; where to read on.
    pub(super) fn skip(&mut self, schema: &Schema, bytes: &[u8], from: usize, out: &mut impl Visit) -> usize {
        let to = self.skip_to(bytes, from);
        if self.raw {
            let field = schema.field(self.node);
            out.text(field, &bytes[from..to]);
            if self.skipped == 0 {
                out.text_end(field);
                self.raw = false;
            }
        }
        if self.skipped == 0 {
            self.after();
        }
        to
    }

    fn skip_to(&mut self, bytes: &[u8], mut at: usize) -> usize {
        loop {
            if self.state == State::Skip {
                at = self.skip_blocks(bytes, at);
            }
            let Some(&c) = bytes.get(at) else { return at };
            match self.state {
                State::SkipText => {
                    at = quote_or_slash(bytes, at);
                    match bytes.get(at) {
                        None => return at,
                        Some(b'"') => self.state = State::Skip,
                        Some(_) => self.state = State::SkipEscape,
                    }
                }
                State::SkipEscape => self.state = State::SkipText,
                _ => match c {
                    b'"' => self.state = State::SkipText,
                    b'{' | b'[' => {
                        self.skipped = self.skipped.saturating_add(1);
                        self.deep |= self.skipped > DEEP;
                    }
                    b'}' | b']' => {
                        self.skipped -= 1;
                        if self.skipped == 0 {
                            return at + 1;
                        }
                    }
                    _ => {}
                },
            }
            at += 1;
        }
    }

    /// Passes over blocks of 64 bytes that have no escapes and in which the end cannot lie; none of them begins in a string.
    fn skip_blocks(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(block) = bytes.get(at..).and_then(|b| b.first_chunk::<64>()) {
            let m = Marks::of(block);
            let inside = m.inside();
            let (opens, closes) = ((m.opens & !inside).count_ones(), (m.closes & !inside).count_ones());
            if m.slashes != 0 || closes >= self.skipped || self.skipped.saturating_add(opens) > DEEP {
                return at;
            }
            self.skipped = self.skipped + opens - closes;
            at += 64;
            if inside >> 63 == 1 {
                self.state = State::SkipText;
                return at;
            }
        }
        at
    }
}
