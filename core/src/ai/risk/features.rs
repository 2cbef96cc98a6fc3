//! Features of text for the model. They come by chunks of some sixteen words; two neighbouring chunks are a window.
//!
//! In: text. Out: each feature with its chunk, where chunks begin, and what else is seen on the way ([`Seen`]): the text
//! is folded and searched once, and read byte by byte once. Owns the lexicon; the same code trains and judges.
//!
//! Two kinds: *words* (hashes of words, of pairs, of words with one between, of beginnings of words; of characters in
//! writing that has no spaces), and *concepts* (what a word or phrase means in any language; pairs of concepts with how
//! far they are apart), which have a place each.

use alloc::vec::Vec;

use super::concepts::{CONCEPTS, LISTS, PHRASES};
use super::fold::{Folder, MOST, Window};
use super::hidden;
use super::phrases::{self, Phrase};
use super::said::Said;
use crate::sig::text::{Normalise, Scanner, TextBuilder, TextScratch};

/// Features of words are numbers below that.
pub const WORDS: usize = 1 << 17;
/// Features of concepts: each alone, each pair, each pair by its distance.
pub const MEANINGS: usize = CONCEPTS + 4 * CONCEPTS * CONCEPTS;
/// Words and bytes of a chunk.
const CHUNK_WORDS: u32 = 16;
const CHUNK_BYTES: u32 = 160;
/// New bytes of folded text that are searched at a time, at least; bytes at their end that wait for what follows.
const BLOCK: usize = 4096;
const AHEAD: usize = 4;
/// Places of entries that are kept of a block; more are not looked at.
const HITS: usize = 4096;
/// Concepts further apart than that, in bytes, are no pair.
const FAR: u32 = 100;
/// Repetitions of a word that are an attack.
const REPEATED: u32 = 60;

/// Takes features.
pub trait Take {
    fn word(&mut self, feature: u32);
    fn meaning(&mut self, feature: usize);
    /// The chunk at hand is whole; it ends before byte `at` of the text.
    fn chunk(&mut self, at: u32);
}

/// What else a text shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub said: Said,
    /// Words of attacks in rot13, and written backwards.
    pub rot13: bool,
    pub reversed: bool,
    /// Digits and signs between letters; letters alone beside letters alone.
    pub leet: u32,
    pub singles: u32,
    /// Where one word stands over and over.
    pub repeated: Option<(u32, u32)>,
}

/// What an entry of the lexicon is.
#[derive(Clone, Copy)]
enum What {
    Concept(u8),
    Phrase(u16),
    Rot13,
    Reversed,
}

/// An entry: what it is, and whether a word must begin and end where it does.
#[derive(Clone, Copy)]
struct Entry {
    what: What,
    begins: bool,
    ends: bool,
}

/// Words and phrases that mean something. Immutable.
pub struct Lexicon {
    scanner: Scanner,
    of: Vec<Entry>,
    phrases: Vec<Phrase>,
    folder: Folder,
    /// Bytes that the next block needs of the one before.
    overlap: usize,
}

/// What reading a text writes to.
pub struct Room {
    window: Window,
    hits: Vec<Hit>,
    scratch: TextScratch,
}

/// A place of an entry in the window.
#[derive(Clone, Copy)]
struct Hit {
    from: u16,
    to: u16,
    entry: u16,
}

/// Writing without spaces, and Arabic, where the article and some words are written together with the next.
fn is_joined(c: char) -> bool {
    matches!(c, '\u{600}'..'\u{700}' | '\u{e00}'..'\u{f00}' | '\u{1100}'..)
}

impl Default for Lexicon {
    fn default() -> Self {
        Lexicon::new()
    }
}

impl Lexicon {
    pub fn new() -> Lexicon {
        let mut l = (TextBuilder::new(Normalise::NONE), Vec::new(), 0);
        let mut add = |text: &str, what, begins: bool, ends: bool| {
            let mut folded = Vec::new();
            Normalise::GUARD.each(text.trim().as_bytes(), |piece, _, _, _| folded.extend_from_slice(piece));
            let folded = core::str::from_utf8(&folded).map_or("", str::trim);
            if l.0.add(folded, l.1.len() as u32).is_ok() {
                l.1.push(Entry { what, begins, ends });
                l.2 = l.2.max(folded.len());
            }
        };
        let joined = |t: &str| t.starts_with(is_joined);
        for (n, list) in LISTS.iter().enumerate() {
            for t in *list {
                let word = t.strip_suffix('.');
                let begins = t.starts_with(char::is_alphanumeric) && !joined(t);
                add(word.unwrap_or(t), What::Concept(n as u8), begins, begins && word.is_some());
            }
        }
        let phrases: Vec<Phrase> = phrases::all().collect();
        for (n, p) in phrases.iter().enumerate() {
            let begins = p.text.starts_with(|c: char| c.is_ascii_alphabetic());
            add(p.text, What::Phrase(n as u16), begins, begins && p.text.len() < 6);
        }
        for word in hidden::WORDS {
            let rot13: alloc::string::String = word.bytes().map(|c| char::from(hidden::rot13(c))).collect();
            add(&rot13, What::Rot13, false, false);
            let reversed: alloc::string::String = word.chars().rev().collect();
            add(&reversed, What::Reversed, false, false);
        }
        let (b, of, longest) = l;
        Lexicon { scanner: b.build(), of, phrases, folder: Folder::new(), overlap: longest + 1 }
    }

    pub fn room(&self) -> Room {
        Room {
            window: Window::new(self.overlap + AHEAD + BLOCK + MOST + 1),
            hits: Vec::with_capacity(HITS),
            scratch: TextScratch::for_scanner(&self.scanner),
        }
    }

    /// Hands out the features of a text.
    pub fn each(&self, room: &mut Room, text: &[u8], to: &mut impl Take) -> Seen {
        let (mut at, mut space, mut done) = (0, false, 0);
        let mut reader = Reader::default();
        room.window.len = 0;
        loop {
            let last = self.folder.fill(text, &mut at, &mut space, &mut room.window);
            if last {
                // What ends with the text ends as if a space followed.
                let len = room.window.len;
                (room.window.bytes[len], room.window.from[len]) = (b' ', text.len() as u32);
                room.window.len += 1;
            }
            let edge = if last { room.window.len } else { room.window.len - AHEAD };
            self.search(room, done, edge);
            reader.read(self, room, done..edge, to);
            if last {
                break;
            }
            let keep = edge.saturating_sub(self.overlap);
            room.window.shift(keep);
            done = edge - keep;
            reader.base += keep as u32;
        }
        if reader.any {
            to.chunk(text.len() as u32);
        }
        reader.seen
    }

    /// Finds the entries that end behind `done`, up to `edge`.
    fn search(&self, room: &mut Room, done: usize, edge: usize) {
        let Room { window, hits, scratch } = room;
        let bytes = &window.bytes[..window.len];
        hits.clear();
        self.scanner.scan(bytes, scratch, |id, from, to| {
            let Some(e) = self.of.get(id as usize) else { return true };
            let in_word =
                |b: Option<&u8>| b.is_some_and(|b| CLASS[usize::from(*b)] & WORD != 0 && *b != b'\'');
            if to <= done
                || to > edge
                || (e.begins && from > 0 && in_word(bytes.get(from - 1)))
                || (e.ends && in_word(bytes.get(to)))
            {
                return true;
            }
            hits.push(Hit { from: from as u16, to: to as u16, entry: id as u16 });
            hits.len() < hits.capacity()
        });
    }
}

const WORD: u8 = 1;
const LETTER: u8 = 2;
const DIGIT: u8 = 4;
/// Stands for a letter.
const LEET: u8 = 8;

/// What a byte of folded text is.
static CLASS: [u8; 256] = {
    let mut t = [0; 256];
    let mut i = 0;
    while i < 256 {
        let c = i as u8;
        t[i] = match c {
            b'a'..=b'z' => WORD | LETTER,
            b'0'..=b'9' => WORD | DIGIT,
            b'\'' | 0x80.. => WORD,
            _ => 0,
        } | if hidden::leet(c) != c { LEET } else { 0 };
        i += 1;
    }
    t
};

const fn mix(h: u32, salt: u32) -> u32 {
    let h = (h ^ salt.wrapping_mul(0x9e37_79b1)).wrapping_mul(0x85eb_ca6b);
    (h ^ h >> 13).wrapping_mul(0xc2b2_ae35) >> (32 - WORDS.trailing_zeros())
}

const START: u32 = 0x811c_9dc5;
/// Bytes of a word that are its beginning.
const STEM: u32 = 5;

/// The word at hand: hash, hash of its beginning, bytes, place in the text.
#[derive(Clone, Copy)]
struct Word {
    hash: u32,
    stem: u32,
    n: u32,
    from: u32,
    classes: u8,
}

impl Default for Word {
    fn default() -> Self {
        Word { hash: START, stem: 0, n: 0, from: 0, classes: 0 }
    }
}

impl Word {
    /// Reads the first byte, and those behind it that belong to the same word. How many.
    fn read(&mut self, bytes: &[u8]) -> usize {
        let Word { mut hash, mut stem, mut n, mut classes, .. } = *self;
        let mut read = 0;
        for c in bytes {
            let class = CLASS[usize::from(*c)];
            if read > 0 && (class & WORD == 0 || *c >= 0xe0) {
                break;
            }
            hash = (hash ^ u32::from(*c)).wrapping_mul(0x0100_0193);
            classes |= class;
            n += 1;
            read += 1;
            if n == STEM {
                stem = hash;
            }
        }
        (self.hash, self.stem, self.n, self.classes) = (hash, stem, n, classes);
        read
    }
}

/// Whether a character of writing without spaces begins with these bytes: each is a word.
fn is_alone(c: u8, next: Option<u8>) -> bool {
    (0xe3..0xf8).contains(&c) || (c == 0xe0 && next >= Some(0xb8))
}

/// Whether the byte stands between a letter and a letter or digit.
fn is_between(bytes: &[u8], at: usize) -> bool {
    let class = |i: Option<usize>| i.and_then(|i| bytes.get(i)).map_or(0, |b| CLASS[usize::from(*b)]);
    class(at.checked_sub(1)) & LETTER != 0 && class(Some(at + 1)) & (LETTER | DIGIT) != 0
}

/// Reads folded text byte by byte.
struct Reader {
    word: Word,
    /// The word before, and the one before that.
    before: [u32; 2],
    repeated: u32,
    repeated_from: u32,
    single: bool,
    /// Of the chunk at hand: words, bytes that it may still have, whether there is anything.
    words: u32,
    left: u32,
    any: bool,
    /// The last three concepts and where they end; what was dropped of the folded text.
    concepts: [Option<(u8, u32)>; 3],
    base: u32,
    seen: Seen,
}

impl Default for Reader {
    fn default() -> Self {
        Reader {
            word: Word::default(),
            before: [0; 2],
            repeated: 0,
            repeated_from: 0,
            single: false,
            words: 0,
            left: CHUNK_BYTES,
            any: false,
            concepts: [None; 3],
            base: 0,
            seen: Seen::default(),
        }
    }
}

impl Reader {
    fn read(&mut self, lex: &Lexicon, room: &Room, of: core::ops::Range<usize>, to: &mut impl Take) {
        let Room { window, hits, .. } = room;
        let (bytes, from) = (&window.bytes[..window.len], &window.from[..window.len]);
        let end = of.end;
        let mut hits = hits.iter().peekable();
        let mut next = hits.peek().map_or(usize::MAX, |h| usize::from(h.to));
        let mut chunk_end = of.start + self.left as usize;
        let mut i = of.start;
        self.any |= i < end;
        while i < end {
            let c = bytes[i];
            let alone = is_alone(c, bytes.get(i + 1).copied());
            if self.word.n > 0 && (alone || CLASS[usize::from(c)] & WORD == 0) {
                self.end_word(from[i], !alone, &bytes[..i], to);
            }
            if CLASS[usize::from(c)] & WORD != 0 {
                if self.word.n == 0 {
                    self.word.from = from[i];
                }
                // As far as nothing else is to be done.
                let until = if alone { i + 1 } else { next.clamp(i + 1, end).min(chunk_end.max(i + 1)) };
                i += self.word.read(&bytes[i..until]);
            } else {
                let sign = CLASS[usize::from(c)] & LEET != 0;
                self.seen.leet += u32::from(sign && is_between(bytes, i));
                i += 1;
            }
            while next <= i {
                if let Some(hit) = hits.next() {
                    self.hit(lex, window, *hit, to);
                }
                next = hits.peek().map_or(usize::MAX, |h| usize::from(h.to));
            }
            let full = self.words >= CHUNK_WORDS && self.word.n == 0;
            if full || (i >= chunk_end && bytes[i - 1] & 0xc0 != 0x80) {
                self.words = 0;
                self.any = i < end;
                chunk_end = i + CHUNK_BYTES as usize;
                to.chunk(window.end(i));
            }
        }
        self.left = chunk_end.saturating_sub(end) as u32;
    }

    /// The word at hand ends before byte `at` of the text; `apart`: by something between words. `read` ends with it.
    fn end_word(&mut self, at: u32, apart: bool, read: &[u8], to: &mut impl Take) {
        let w = core::mem::take(&mut self.word);
        let [before, before_that] = self.before;
        if w.classes & (LETTER | LEET) == LETTER | LEET {
            let bytes = &read[read.len().saturating_sub(w.n as usize)..];
            let odd = |i: &usize| CLASS[usize::from(bytes[*i])] & LEET != 0 && is_between(bytes, *i);
            self.seen.leet += (0..bytes.len()).filter(odd).count() as u32;
        }
        to.word(mix(w.hash, 1));
        to.word(mix(w.hash ^ before.rotate_left(7), 2));
        to.word(mix(w.hash ^ before_that.rotate_left(13), 3));
        if w.n > STEM {
            to.word(mix(w.stem, 5));
        }
        let single = w.n == 1;
        self.seen.singles += u32::from(single && self.single);
        self.single = single;
        if w.hash == before && apart {
            self.repeated += 1;
            if self.repeated == REPEATED && self.seen.repeated.is_none() {
                self.seen.repeated = Some((self.repeated_from, at));
            }
        } else {
            (self.repeated, self.repeated_from) = (0, w.from);
        }
        self.before = [w.hash, before];
        self.words += 1;
    }

    fn hit(&mut self, lex: &Lexicon, window: &Window, hit: Hit, to: &mut impl Take) {
        let Some(entry) = lex.of.get(usize::from(hit.entry)) else { return };
        match entry.what {
            What::Rot13 => self.seen.rot13 = true,
            What::Reversed => self.seen.reversed = true,
            What::Concept(c) => self.concept(c, u32::from(hit.from), u32::from(hit.to), to),
            What::Phrase(p) => {
                let place = (window.from[usize::from(hit.from)], window.end(usize::from(hit.to)));
                let Some(p) = lex.phrases.get(usize::from(p)) else { return };
                if let Some(family) = self.seen.said.phrase(p, place) {
                    to.meaning(PHRASES + family as usize);
                }
            }
        }
    }

    fn concept(&mut self, c: u8, from: u32, end: u32, to: &mut impl Take) {
        let (from, end) = (self.base + from, self.base + end);
        to.meaning(usize::from(c));
        for (n, (other, at)) in self.concepts.iter().enumerate().filter_map(|(n, o)| Some((n, (*o)?))) {
            let apart = from.saturating_sub(at);
            if apart > FAR {
                continue;
            }
            let pair = CONCEPTS + usize::from(c) * CONCEPTS + usize::from(other);
            to.meaning(pair);
            if n == 0 {
                let how_far = if apart <= 12 { 1 } else { 2 + usize::from(apart > 40) };
                to.meaning(pair + how_far * CONCEPTS * CONCEPTS);
            }
        }
        // The same again is one.
        if self.concepts[0].is_none_or(|(last, _)| last != c) {
            self.concepts.rotate_right(1);
        }
        self.concepts[0] = Some((c, end));
    }
}
