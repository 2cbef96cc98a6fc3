//! Phrases in text for people: prompts, answers, documents.
//!
//! In: phrases with the caller's ids, once; then text as bytes (UTF-8; other bytes stand for themselves) and a
//! [`TextScratch`]. Out: `(id, start, end)` in offsets of the text as it was given, in order of their ends.
//!
//! By choice the text is normalised on the way ([`Normalise`]), phrases alike: case, width and other compatible
//! forms, look-alikes of ASCII, accents, invisible characters, runs of white space. Nothing is copied but one window
//! of the normalised text, in the scratch, with the place of every byte of it; a window keeps the last bytes of the
//! one before, as many as a phrase may need.
mod fold;
pub mod words;

use super::{Builder, Database, PatternError, Scratch};
use alloc::{boxed::Box, vec, vec::Vec};

/// What is done to phrases and text before they are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Normalise {
    /// Upper and lower case are one, in all scripts.
    pub case: bool,
    /// Compatible forms are what they stand for (Unicode NFKD): full width, styled and circled letters, ligatures;
    /// letters with accents are a letter and a mark. U+FDFA and U+FDFB, which are phrases, stay.
    pub compatible: bool,
    /// Letters that look like ASCII letters are those; dashes and quotes are `-`, `'` and `"`.
    pub homoglyphs: bool,
    /// Marks on letters are dropped.
    pub marks: bool,
    /// Zero-width characters, marks of direction, selectors of variants and tags are dropped.
    pub invisible: bool,
    /// A run of white space is one space.
    pub spaces: bool,
}

impl Normalise {
    /// Text as it is.
    pub const NONE: Normalise = Normalise {
        case: false,
        compatible: false,
        homoglyphs: false,
        marks: false,
        invisible: false,
        spaces: false,
    };
    /// Only the case of ASCII letters and others.
    pub const CASE: Normalise = Normalise { case: true, ..Normalise::NONE };
    /// Everything: what hides a phrase from a machine but not from a reader, or from a model.
    pub const GUARD: Normalise = Normalise {
        case: true,
        compatible: true,
        homoglyphs: true,
        marks: true,
        invisible: true,
        spaces: true,
    };
}

impl Normalise {
    /// As [`Normalise::each`] for a text that comes in pieces: `squeezed` says whether the text so far ends in a
    /// squeezed space. Returns how much was read: of a character that is cut at the end nothing, unless it is `last`.
    pub(crate) fn each_of_part(
        &self,
        text: &[u8],
        last: bool,
        squeezed: &mut bool,
        mut f: impl FnMut(&[u8], usize, usize, bool) -> bool,
    ) -> usize {
        let text = if last { text } else { &text[..text.len() - cut_character(text)] };
        let mut folder = Folder { space: *squeezed, ..Folder::default() };
        let mut at = 0;
        while let Some((piece, next, plain)) = folder.next(self, text, at) {
            if !f(piece, at, next, plain) {
                break;
            }
            at = next;
            *squeezed = folder.space;
        }
        at
    }

    /// Calls `f(piece, from, to, plain)` for the normalised text piece by piece: what the bytes `from..to` of `text`
    /// are compared as, and whether the piece stands for them byte by byte.
    pub fn each(&self, text: &[u8], mut f: impl FnMut(&[u8], usize, usize, bool)) {
        let (mut folder, mut at) = (Folder::default(), 0);
        while let Some((piece, next, plain)) = folder.next(self, text, at) {
            f(piece, at, next, plain);
            at = next;
        }
    }
}

/// Collects phrases.
#[derive(Clone, Debug, Default)]
pub struct TextBuilder {
    normalise: Normalise,
    db: Builder,
    phrases: Vec<Phrase>,
    longest: usize,
}

/// A phrase's id, and its length as it is searched for.
#[derive(Clone, Copy, Debug)]
struct Phrase {
    id: u32,
    len: usize,
}

impl TextBuilder {
    #[must_use]
    pub fn new(normalise: Normalise) -> Self {
        TextBuilder { normalise, ..TextBuilder::default() }
    }

    /// Adds a phrase. White space at its ends does not count when white space is squeezed.
    ///
    /// # Errors
    /// When nothing is left of it, or more than [`super::MAX_PATTERN`] bytes; it is left out then.
    pub fn add(&mut self, phrase: &str, id: u32) -> Result<(), PatternError> {
        let phrase = if self.normalise.spaces { phrase.trim() } else { phrase };
        let mut bytes = Vec::new();
        let mut folder = Folder::default();
        let mut at = 0;
        while let Some((piece, next, _)) = folder.next(&self.normalise, phrase.as_bytes(), at) {
            bytes.extend_from_slice(piece);
            at = next;
        }
        // An invisible character at an end may have hidden white space from the trimming.
        let bytes = if self.normalise.spaces { bytes.trim_ascii() } else { &bytes };
        self.db.add(bytes, false, self.phrases.len() as u32)?;
        self.longest = self.longest.max(bytes.len());
        self.phrases.push(Phrase { id, len: bytes.len() });
        Ok(())
    }

    #[must_use]
    pub fn build(self) -> Scanner {
        Scanner {
            normalise: self.normalise,
            db: self.db.build(),
            phrases: self.phrases.into(),
            longest: self.longest,
            window: 4096,
        }
    }
}

/// Phrases compiled for searching. Immutable; share it between threads freely.
#[derive(Debug)]
pub struct Scanner {
    normalise: Normalise,
    db: Database<'static>,
    /// By internal id.
    phrases: Box<[Phrase]>,
    /// Bytes of the longest phrase.
    longest: usize,
    /// New bytes of normalised text searched at a time, at least.
    window: usize,
}

/// What a scan writes to; one per thread, good for any number of scanners.
#[derive(Clone, Debug, Default)]
pub struct TextScratch {
    db: Scratch,
    /// The window, and for each of its bytes where in the text the character it came from starts and ends.
    bytes: Vec<u8>,
    from: Vec<(usize, usize)>,
}

impl TextScratch {
    /// A scratch that fits `scanner`. Scans with it take no memory.
    #[must_use]
    pub fn for_scanner(scanner: &Scanner) -> Self {
        let mut s = TextScratch::default();
        scanner.prepare(&mut s);
        s
    }

    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.db.memory_bytes() + self.bytes.len() + self.from.len() * core::mem::size_of::<(usize, usize)>()
    }
}

impl Scanner {
    /// Bytes of memory it holds.
    pub fn memory_bytes(&self) -> usize {
        self.db.memory_bytes() + core::mem::size_of_val(&*self.phrases)
    }

    /// The engine in use and the sizes, in one line for people.
    #[must_use]
    pub fn describe(&self) -> alloc::string::String {
        self.db.describe()
    }

    /// Grows `scratch` to what scans need.
    pub fn prepare(&self, scratch: &mut TextScratch) {
        self.db.prepare(&mut scratch.db);
        let n = self.window + self.longest + MOST;
        if self.normalise != Normalise::NONE && scratch.bytes.len() < n {
            scratch.bytes = vec![0; n];
            scratch.from = vec![(0, 0); n];
        }
    }

    /// Calls `on_match(id, start, end)` for every place of a phrase in `text`, in order of the ends, until it says
    /// `false`. Where a phrase begins or ends within a character that stands for several, the offset is that of the
    /// character; what was dropped behind a phrase is not part of it.
    pub fn scan(
        &self,
        text: &[u8],
        scratch: &mut TextScratch,
        mut on_match: impl FnMut(u32, usize, usize) -> bool,
    ) {
        if self.phrases.is_empty() {
            return;
        }
        if self.normalise == Normalise::NONE {
            return self.db.scan(text, &mut scratch.db, |i, end| match self.phrases.get(i as usize) {
                Some(p) => on_match(p.id, end.saturating_sub(p.len), end),
                None => true,
            });
        }
        self.prepare(scratch);
        let TextScratch { db, bytes, from } = scratch;
        let (mut folder, mut at, mut len, mut kept) = (Folder::default(), 0, 0, 0);
        let full = self.window + self.longest;
        loop {
            let done = loop {
                if len >= full {
                    break false;
                }
                let Some((piece, next, plain)) = folder.next(&self.normalise, text, at) else { break true };
                if let (Some(b), Some(f)) =
                    (bytes.get_mut(len..len + piece.len()), from.get_mut(len..len + piece.len()))
                {
                    b.copy_from_slice(piece);
                    // A run of plain bytes has a place for each; the bytes of a character share its place.
                    for (i, f) in f.iter_mut().enumerate() {
                        *f = if plain { (at + i, at + i + 1) } else { (at, next) };
                    }
                }
                len += piece.len();
                at = next;
            };
            let Some(window) = bytes.get(..len) else { return };
            let mut go = true;
            self.db.scan(window, db, |i, end| {
                let Some(p) = self.phrases.get(i as usize) else { return true };
                // What ends in the kept bytes was reported before.
                if end > kept {
                    let place = |i: usize| from.get(i).copied().unwrap_or((0, 0));
                    go = on_match(p.id, place(end.saturating_sub(p.len)).0, place(end.saturating_sub(1)).1);
                }
                go
            });
            if done || !go {
                return;
            }
            kept = (self.longest - 1).min(len);
            bytes.copy_within(len - kept..len, 0);
            from.copy_within(len - kept..len, 0);
            len = kept;
        }
    }
}

/// Most bytes one step of a [`Folder`] gives: a character has a compatible form of up to 18, each of which has up to
/// three in the other case, of four bytes; or a run of plain bytes.
const MOST: usize = 256;

/// Gives normalised text piece by piece.
struct Folder {
    piece: [u8; MOST],
    /// The last byte given was a squeezed space.
    space: bool,
}

impl Default for Folder {
    fn default() -> Self {
        Folder { piece: [0; MOST], space: false }
    }
}

impl Folder {
    /// What the next bytes of `text`, from `at`, are compared as, where the ones after start, and whether the piece
    /// stands for as many bytes one for one. It is empty for what is dropped; there is none at the end.
    fn next(&mut self, n: &Normalise, text: &[u8], at: usize) -> Option<(&[u8], usize, bool)> {
        let rest = text.get(at..)?;
        let &first = rest.first()?;
        // ASCII that is no white space is by far the most.
        let is_plain = |b: &u8| b.is_ascii() && !(n.spaces && is_space(*b));
        if is_plain(&first) {
            let mut len = 0;
            for (to, &b) in self.piece.iter_mut().zip(rest).take_while(|(_, b)| is_plain(b)) {
                *to = if n.case { b.to_ascii_lowercase() } else { b };
                len += 1;
            }
            self.space = false;
            return Some((self.piece.get(..len)?, at + len, true));
        }
        let Some((c, size)) = character(rest) else {
            self.space = false;
            *self.piece.first_mut()? = first;
            return Some((self.piece.get(..1)?, at + 1, false));
        };
        let (piece, space) = (&mut self.piece, &mut self.space);
        let mut len = 0;
        fold::fold(n, c, |f| {
            let f = match f.is_whitespace() && n.spaces {
                true if core::mem::replace(space, true) => return,
                true => ' ',
                false => {
                    *space = false;
                    f
                }
            };
            if let Some(to) = piece.get_mut(len..len + f.len_utf8()) {
                len += f.encode_utf8(to).len();
            }
        });
        Some((self.piece.get(..len)?, at + size, false))
    }
}

/// Bytes at the end that begin a character of which more may come.
fn cut_character(text: &[u8]) -> usize {
    let back = text.iter().rev().take(3).take_while(|b| **b & 0xc0 == 0x80).count();
    let size = match text.len().checked_sub(back + 1).and_then(|i| text.get(i)) {
        Some(0xc2..0xe0) => 2,
        Some(0xe0..0xf0) => 3,
        Some(0xf0..0xf5) => 4,
        _ => 0,
    };
    if back + 1 < size { back + 1 } else { 0 }
}

fn is_space(b: u8) -> bool {
    char::from(b).is_whitespace()
}

/// The character that `b` begins with, and its bytes; none where `b` does not begin with valid UTF-8.
fn character(b: &[u8]) -> Option<(char, usize)> {
    let size = match b.first()? {
        0..0x80 => 1,
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return None,
    };
    let s = core::str::from_utf8(b.get(..size)?).ok()?;
    s.chars().next().map(|c| (c, size))
}

#[cfg(test)]
mod tests;
