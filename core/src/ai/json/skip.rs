//! Objects and lists that nobody looks into: only their ends are looked for, 64 bytes at a time.

use super::scan::{Marks, quote_or_slash};
use super::{DEEP, Reader, Schema, State, Visit};

const BLOCK: usize = 64;

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
            at = self.skip_blocks(bytes, at);
            if self.skipped == 0 || at >= bytes.len() {
                return at;
            }
            if self.state == State::SkipText {
                at = quote_or_slash(bytes, at);
                match bytes.get(at) {
                    None => return at,
                    Some(b'"') => self.state = State::Skip,
                    Some(_) => self.state = State::SkipEscape,
                }
            } else {
                self.state = State::SkipText;
            }
            at += 1;
        }
    }

    /// Passes over what is outside of strings at its beginning, 64 bytes at a time, to the end of what is skipped, an escape,
    /// or a string that goes on beyond them.
    fn skip_blocks(&mut self, bytes: &[u8], mut at: usize) -> usize {
        let mut room = [0; BLOCK];
        while self.state == State::Skip && at < bytes.len() {
            let rest = &bytes[at..];
            let block = rest.first_chunk().unwrap_or_else(|| {
                let (used, free) = room.split_at_mut(rest.len());
                used.copy_from_slice(rest);
                free.fill(0);
                &room
            });
            let m = Marks::of(block).before_escape();
            let inside = m.inside();
            if let Some(end) = self.skip_marks(m.opens & !inside, m.closes & !inside) {
                return at + end + 1;
            }
            let cut = m.slashes.trailing_zeros() as usize;
            at += cut.min(rest.len()).min(BLOCK);
            let in_string = inside >> (BLOCK - 1) == 1;
            if in_string {
                self.state = State::SkipText;
            }
            if cut < BLOCK {
                at += 1;
                if in_string {
                    self.state = State::SkipEscape;
                }
            }
        }
        at
    }

    /// Counts brackets; where the last one closes, if it does.
    #[inline(always)]
    fn skip_marks(&mut self, opens: u64, closes: u64) -> Option<usize> {
        let (more, less) = (opens.count_ones(), closes.count_ones());
        if less < self.skipped && self.skipped.saturating_add(more) <= DEEP {
            self.skipped = self.skipped + more - less;
            return None;
        }
        let mut all = opens | closes;
        while all != 0 {
            let bit = all.trailing_zeros();
            if opens >> bit & 1 == 1 {
                self.skipped = self.skipped.saturating_add(1);
                self.deep |= self.skipped > DEEP;
            } else {
                self.skipped -= 1;
                if self.skipped == 0 {
                    return Some(bit as usize);
                }
            }
            all &= all - 1;
        }
        None
    }
}
