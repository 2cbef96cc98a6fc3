//! Phrases in text, whole or piece by piece, for scanners that have no rules.
//!
//! In: phrases with the caller's numbers; text. Out: the places of phrases. Owns the compiled phrases, shared by a
//! scanner and its streams, and of a stream the last bytes: as many as a phrase may need that goes on in the next piece.

use std::sync::Arc;

use tidegate_core::sig::PatternError;
use tidegate_core::sig::text::{Normalise, Scanner, TextBuilder, TextScratch, words};

/// Most bytes of text looked at again with the next piece.
const MOST: usize = 8 << 10;
/// Bytes before those that a phrase may need: the characters that tell whether a word begins.
const CONTEXT: usize = 64;

/// A place of a phrase, in bytes from the start of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub phrase: u32,
    pub start: u64,
    pub end: u64,
}

/// A phrase as it was given.
struct Given {
    text: String,
    id: u32,
    word: bool,
}

/// Phrases being collected, then compiled.
pub struct List {
    normalise: Normalise,
    builder: TextBuilder,
    given: Vec<Given>,
    /// Bytes of the longest, normalised.
    longest: usize,
}

impl List {
    pub fn new(normalise: Normalise) -> List {
        List { normalise, builder: TextBuilder::new(normalise), given: Vec::new(), longest: 0 }
    }

    pub fn add(&mut self, text: &str, id: u32, word: bool) -> Result<(), PatternError> {
        self.builder.add(text, self.given.len() as u32)?;
        let mut len = 0;
        self.normalise.each(text.as_bytes(), |piece, _, _, _| len += piece.len());
        self.longest = self.longest.max(len);
        self.given.push(Given { text: text.to_string(), id, word });
        Ok(())
    }

    /// The number and the text of a phrase.
    pub fn get(&self, phrase: u32) -> (u32, &str) {
        self.given.get(phrase as usize).map_or((0, ""), |g| (g.id, &g.text))
    }

    fn word(&self, phrase: u32) -> bool {
        self.given.get(phrase as usize).is_some_and(|g| g.word)
    }
}

/// Searches for phrases.
pub struct Phrases {
    list: Arc<List>,
    scanner: Arc<Scanner>,
    scratch: TextScratch,
}

/// A text that comes in pieces.
pub struct Going {
    list: Arc<List>,
    carry: Vec<u8>,
    /// Bytes before `carry`.
    before: u64,
    /// Places that count if no word goes on behind them.
    waiting: Vec<Hit>,
}

impl Going {
    pub fn reset(&mut self) {
        self.carry.clear();
        self.waiting.clear();
        self.before = 0;
    }

    /// Nothing comes any more.
    pub fn end(&mut self, mut tell: impl FnMut(&List, Hit) -> bool) {
        for hit in self.waiting.drain(..) {
            if !tell(&self.list, hit) {
                return;
            }
        }
    }

    /// Keeps of the carried bytes what a phrase may need.
    fn cut(&mut self) {
        let n = &self.list.normalise;
        let need = self.list.longest;
        let mut total = 0;
        n.each(&self.carry, |piece, _, _, _| total += piece.len());
        let (mut gone, mut from) = (0, 0);
        n.each(&self.carry, |piece, at, _, plain| {
            if total - gone > need {
                // Of a run of plain bytes each is one.
                from = if plain { at + (total - gone - need).min(piece.len() - 1) } else { at };
            }
            gone += piece.len();
        });
        let from = from.saturating_sub(CONTEXT);
        let mut from = from.max(self.carry.len().saturating_sub(MOST));
        // Not in the middle of a character.
        while from > 0 && self.carry.get(from).is_some_and(|b| b & 0xc0 == 0x80) {
            from -= 1;
        }
        self.carry.drain(..from);
        self.before += from as u64;
    }
}

impl Phrases {
    pub fn new(mut list: List) -> Phrases {
        let scanner = std::mem::take(&mut list.builder).build();
        let scratch = TextScratch::for_scanner(&scanner);
        Phrases { list: Arc::new(list), scanner: Arc::new(scanner), scratch }
    }

    pub fn begin(&self) -> Going {
        Going { list: self.list.clone(), carry: Vec::new(), before: 0, waiting: Vec::new() }
    }

    /// The text belongs to these phrases.
    pub fn has(&self, going: &Going) -> bool {
        Arc::ptr_eq(&self.list, &going.list)
    }

    /// Every place in a text, until `tell` wants no more.
    pub fn scan(&mut self, text: &[u8], mut tell: impl FnMut(&List, Hit) -> bool) {
        let (list, n) = (&*self.list, &self.list.normalise);
        self.scanner.scan(text, &mut self.scratch, |phrase, start, end| {
            let whole = !list.word(phrase)
                || words::begins(text, start, n) && words::ends(text, end, n).unwrap_or(true);
            !whole || tell(list, Hit { phrase, start: start as u64, end: end as u64 })
        });
    }

    /// Every place that the next piece makes; the text moves on by all of it, whatever `tell` says.
    pub fn feed(&mut self, going: &mut Going, piece: &[u8], mut tell: impl FnMut(&List, Hit) -> bool) {
        let old = going.carry.len();
        going.carry.extend_from_slice(piece);
        let (list, n) = (&*self.list, &self.list.normalise);
        let Going { carry, before, waiting, .. } = going;
        let (text, before) = (&carry[..], *before);
        let mut go = true;
        waiting.retain(|&hit| {
            let Some(ends) = words::ends(text, hit.end.saturating_sub(before) as usize, n) else {
                return true;
            };
            go = go && (!ends || tell(list, hit));
            false
        });
        self.scanner.scan(text, &mut self.scratch, |phrase, start, end| {
            // What ends in the old bytes was told with them.
            if end <= old {
                return true;
            }
            let hit = Hit { phrase, start: before + start as u64, end: before + end as u64 };
            if !list.word(phrase) {
                go = go && tell(list, hit);
            } else if words::begins(text, start, n) {
                match words::ends(text, end, n) {
                    Some(ends) => go = go && (!ends || tell(list, hit)),
                    None => waiting.push(hit),
                }
            }
            go
        });
        going.cut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrases(n: Normalise, list: &[(&str, bool)]) -> Phrases {
        let mut l = List::new(n);
        for (i, (p, word)) in list.iter().enumerate() {
            l.add(p, i as u32 + 1, *word).unwrap();
        }
        Phrases::new(l)
    }

    /// What is found is the same, however the text is cut.
    #[test]
    fn pieces_change_nothing() {
        let list = [("DAN", true), ("ignore all", false), ("dan", false), ("naïve", true), ("(x)", true)];
        let text = "Danger, DAN and sedan; Ignore \u{200b} \u{a0} ALL of it, D\u{200b}AN\u{200b}. na\u{ef}ve \
                    naives (x)y ＤＡＮ ignore   all ";
        for (n, text) in [
            (Normalise::GUARD, text.repeat(40)),
            (Normalise::CASE, text.repeat(3)),
            (Normalise::NONE, text.repeat(3)),
        ] {
            let text = text + "dan";
            let mut p = phrases(n, &list);
            let mut whole = Vec::new();
            p.scan(text.as_bytes(), |_, h| {
                whole.push(h);
                true
            });
            assert!(whole.len() > 8);
            whole.sort_by_key(|h| (h.end, h.phrase, h.start));
            for size in [1, 2, 3, 5, 7, 64, 1000] {
                let (mut going, mut got) = (p.begin(), Vec::new());
                for piece in text.as_bytes().chunks(size) {
                    p.feed(&mut going, piece, |_, h| {
                        got.push(h);
                        true
                    });
                    assert!(going.carry.len() < 400, "{}", going.carry.len());
                }
                going.end(|_, h| {
                    got.push(h);
                    true
                });
                got.sort_by_key(|h| (h.end, h.phrase, h.start));
                assert_eq!(got, whole, "pieces of {size}");
            }
        }
    }
}
