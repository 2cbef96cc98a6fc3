//! Text as a reader sees it, folded fast: the same bytes as [`Normalise::GUARD`] gives (a test compares them), by tables.
//!
//! In: text. Out: folded bytes in a window, with the place in the text that each came from. Owns the tables. Only
//! characters that no table has go through `sig::text`, which costs some hundred nanoseconds each.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::sig::text::Normalise;

/// Most bytes that a character folds to.
pub const MOST: usize = 256;
/// Characters below `LOW` and from `KANA` on have a place in the table.
const LOW: u32 = 0x2100;
const KANA: core::ops::Range<u32> = 0x3000..0x3100;

/// What a character folds to: so many bytes; `ASK` when there are more than fit.
#[derive(Clone, Copy, Default)]
struct Folded {
    len: u8,
    bytes: [u8; 7],
}

const ASK: u8 = 255;

/// The tables.
pub struct Folder {
    table: Box<[Folded]>,
}

/// Folded bytes and where each came from.
pub struct Window {
    pub bytes: Vec<u8>,
    pub from: Vec<u32>,
    pub len: usize,
}

impl Window {
    pub fn new(bytes: usize) -> Window {
        Window { bytes: alloc::vec![0; bytes], from: alloc::vec![0; bytes], len: 0 }
    }

    fn push(&mut self, b: u8, from: u32) {
        if let (Some(to), Some(place)) = (self.bytes.get_mut(self.len), self.from.get_mut(self.len)) {
            (*to, *place) = (b, from);
            self.len += 1;
        }
    }

    /// Where in the text the byte before `end` ends.
    pub fn end(&self, end: usize) -> u32 {
        match end.checked_sub(1).and_then(|i| Some((*self.bytes.get(i)?, *self.from.get(i)?))) {
            Some((b, from)) if b < 0x80 => from + 1,
            _ => self.from.get(end).copied().unwrap_or(0),
        }
    }

    /// Drops what comes before `from`.
    pub fn shift(&mut self, from: usize) {
        self.bytes.copy_within(from..self.len, 0);
        self.from.copy_within(from..self.len, 0);
        self.len -= from;
    }
}

/// ASCII in lower case; white space is a space.
static ASCII: [u8; 128] = {
    let mut t = [0; 128];
    let mut i = 0;
    while i < 128 {
        let c = i as u8;
        t[i] = if matches!(c, b'\t'..=b'\r') { b' ' } else { c.to_ascii_lowercase() };
        i += 1;
    }
    t
};

impl Folder {
    pub fn new() -> Folder {
        let all = (0..LOW).chain(KANA);
        let of = |c: u32| {
            let mut f = Folded::default();
            let mut place = [0; 4];
            let text = char::from_u32(c).map_or(&[][..], |c| c.encode_utf8(&mut place).as_bytes());
            Normalise::GUARD.each(text, |piece, _, _, _| {
                let to = usize::from(f.len);
                match f.bytes.get_mut(to..to + piece.len()) {
                    Some(room) if f.len != ASK => {
                        room.copy_from_slice(piece);
                        f.len += piece.len() as u8;
                    }
                    _ => f.len = ASK,
                }
            });
            f
        };
        Folder { table: all.map(of).collect() }
    }

    /// Folds the text from `at` on until it ends or the window is full. `space`: the byte before is white space.
    /// Whether the text has ended.
    pub fn fill(&self, text: &[u8], at: &mut usize, space: &mut bool, to: &mut Window) -> bool {
        let room = to.bytes.len().min(to.from.len()).saturating_sub(MOST + 1);
        while to.len < room {
            let Some(b) = text.get(*at) else { return true };
            if let Some(c) = ASCII.get(usize::from(*b)) {
                // Written in any case, and kept unless it is one more space.
                (to.bytes[to.len], to.from[to.len]) = (*c, *at as u32);
                let is_space = *c == b' ';
                to.len += usize::from(!(is_space && *space));
                *space = is_space;
                *at += 1;
            } else {
                *at += self.character(&text[*at..], *at as u32, space, to);
            }
        }
        *at >= text.len()
    }

    /// Folds the character that is not ASCII at the start of `rest`. How many bytes it has.
    fn character(&self, rest: &[u8], at: u32, space: &mut bool, to: &mut Window) -> usize {
        let Some((c, size)) = character(rest) else {
            // No valid UTF-8: a byte stands for itself.
            to.push(rest[0], at);
            *space = false;
            return 1;
        };
        let place = match c {
            0..LOW => Some(c),
            c if KANA.contains(&c) => Some(LOW + c - KANA.start),
            _ => None,
        };
        let mut put = |b: u8| {
            if b != b' ' || !*space {
                to.push(b, at);
            }
            *space = b == b' ';
        };
        match place.and_then(|i| self.table.get(i as usize)) {
            Some(f) if f.len != ASK => f.bytes[..usize::from(f.len)].iter().for_each(|b| put(*b)),
            // Unified ideographs stand for themselves.
            None if (0x3400..0xa000).contains(&c) => rest[..size].iter().for_each(|b| put(*b)),
            None if (0xac00..0xd7a4).contains(&c) => syllable(c - 0xac00, put),
            _ => Normalise::GUARD.each(&rest[..size], |piece, _, _, _| piece.iter().for_each(|b| put(*b))),
        }
        size
    }
}

/// The character at the start of `rest`, and its bytes; none where it is no valid UTF-8.
fn character(rest: &[u8]) -> Option<(u32, usize)> {
    let more = |i: usize| rest.get(i).filter(|b| **b & 0xc0 == 0x80).map(|b| u32::from(b & 0x3f));
    let first = u32::from(*rest.first()?);
    match first {
        0xc2..0xe0 => Some(((first & 0x1f) << 6 | more(1)?, 2)),
        0xe0..0xf0 => {
            let c = (first & 0xf) << 12 | more(1)? << 6 | more(2)?;
            (c >= 0x800 && !(0xd800..0xe000).contains(&c)).then_some((c, 3))
        }
        0xf0..0xf5 => {
            let c = (first & 7) << 18 | more(1)? << 12 | more(2)? << 6 | more(3)?;
            (0x1_0000..0x11_0000).contains(&c).then_some((c, 4))
        }
        _ => None,
    }
}

/// A Korean syllable is its letters (Unicode, chapter 3.12).
fn syllable(n: u32, mut put: impl FnMut(u8)) {
    let letters = [0x1100 + n / 588, 0x1161 + n % 588 / 28, 0x11a7 + n % 28];
    for c in letters.into_iter().filter(|c| *c != 0x11a7).filter_map(char::from_u32) {
        c.encode_utf8(&mut [0; 4]).bytes().for_each(&mut put);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &[u8]) -> Vec<u8> {
        let (folder, mut w) = (Folder::new(), Window::new(1 << 16));
        assert!(folder.fill(text, &mut 0, &mut false, &mut w));
        w.bytes[..w.len].to_vec()
    }

    fn guard(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Normalise::GUARD.each(text, |piece, _, _, _| out.extend_from_slice(piece));
        out
    }

    #[test]
    fn every_character_is_folded_as_the_matcher_folds_it() {
        let folder = Folder::new();
        let mut w = Window::new(1 << 12);
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            let mut place = [0; 4];
            let text = c.encode_utf8(&mut place).as_bytes();
            w.len = 0;
            folder.fill(text, &mut 0, &mut false, &mut w);
            assert_eq!(w.bytes[..w.len], guard(text), "U+{:04X}", u32::from(c));
        }
    }

    proptest! {
        #[test]
        fn text_is_folded_as_the_matcher_folds_it(text in "[ \t\u{a0}a-zA-Zßéİﬁ가忘ใनक्षがا\u{200b}１]{0,40}") {
            prop_assert_eq!(folded(text.as_bytes()), guard(text.as_bytes()));
        }

        #[test]
        fn bytes_are_folded_as_the_matcher_folds_them(text in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(folded(&text), guard(&text));
        }
    }
}
