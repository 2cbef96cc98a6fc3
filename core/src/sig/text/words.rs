//! Where words begin and end, for phrases that count as whole words only.
//!
//! A place between two characters is a boundary unless both belong to a word: letters, digits, the low line, and marks
//! on them. What the text is normalised to is what counts: characters that are dropped are looked past.

use super::{Normalise, fold};

/// Most dropped characters that are looked past.
const MOST_DROPPED: usize = 64;

/// What a character is to words.
enum Kind {
    Word,
    Dropped,
    Other,
}

fn kind(c: char, n: &Normalise) -> Kind {
    if n.invisible && fold::is_invisible(c) || n.marks && fold::is_mark(c) {
        Kind::Dropped
    } else if c.is_alphanumeric() || c == '_' || fold::is_mark(c) {
        Kind::Word
    } else {
        Kind::Other
    }
}

/// The first character, and its bytes; `None` when not all of it is there.
fn first(text: &[u8]) -> Option<(char, usize)> {
    let most = text.len().min(4);
    let head = text.get(..most)?;
    let good = match core::str::from_utf8(head) {
        Ok(s) => s,
        Err(e) if e.valid_up_to() > 0 => core::str::from_utf8(head.get(..e.valid_up_to())?).ok()?,
        // The rest of the character may come.
        Err(e) if e.error_len().is_none() => return None,
        Err(_) => return Some((char::REPLACEMENT_CHARACTER, 1)),
    };
    good.chars().next().map(|c| (c, c.len_utf8()))
}

/// The last character, and its bytes.
fn last(text: &[u8]) -> Option<(char, usize)> {
    let from = (1..=text.len().min(4)).find(|&n| text.get(text.len() - n).is_some_and(|b| b & 0xc0 != 0x80));
    let n = from.unwrap_or(1);
    match first(text.get(text.len().checked_sub(n)?..)?) {
        Some((c, len)) if len == n => Some((c, n)),
        _ => Some((char::REPLACEMENT_CHARACTER, 1)),
    }
}

/// Whether a word goes on behind: `None` when that depends on what comes.
fn word_behind(mut text: &[u8], n: &Normalise) -> Option<bool> {
    for _ in 0..MOST_DROPPED {
        let (c, len) = first(text)?;
        match kind(c, n) {
            Kind::Word => return Some(true),
            Kind::Other => return Some(false),
            Kind::Dropped => text = text.get(len..)?,
        }
    }
    Some(false)
}

fn word_before(mut text: &[u8], n: &Normalise) -> bool {
    for _ in 0..MOST_DROPPED {
        let Some((c, len)) = last(text) else { return false };
        match kind(c, n) {
            Kind::Word => return true,
            Kind::Other => return false,
            Kind::Dropped => text = text.get(..text.len() - len).unwrap_or(&[]),
        }
    }
    false
}

/// Whether a word may begin at `start`, the beginning of a match.
#[must_use]
pub fn begins(text: &[u8], start: usize, n: &Normalise) -> bool {
    let inside = text.get(start..).and_then(|t| word_behind(t, n)).unwrap_or(false);
    !(inside && word_before(text.get(..start).unwrap_or(&[]), n))
}

/// Whether a word may end at `end`, the end of a match; `None` when that depends on what comes after `text`.
#[must_use]
pub fn ends(text: &[u8], end: usize, n: &Normalise) -> Option<bool> {
    if !word_before(text.get(..end).unwrap_or(&[]), n) {
        return Some(true);
    }
    word_behind(text.get(end..).unwrap_or(&[]), n).map(|more| !more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words() {
        let g = Normalise::GUARD;
        let whole = |text: &str, word: &str, n: &Normalise| {
            let at = text.find(word).unwrap();
            (begins(text.as_bytes(), at, n), ends(text.as_bytes(), at + word.len(), n))
        };
        assert_eq!(whole("a DAN.", "DAN", &g), (true, Some(true)));
        assert_eq!(whole("DAN", "DAN", &g), (true, None));
        assert_eq!(whole("DANger", "DAN", &g), (true, Some(false)));
        assert_eq!(whole("sedan, ", "dan", &g), (false, Some(true)));
        assert_eq!(whole("dan_1 ", "dan", &g), (true, Some(false)));
        assert_eq!(whole("ädan ", "dan", &g), (false, Some(true)));
        assert_eq!(whole("(dan)", "(dan)", &g), (true, Some(true)), "ends that are no words");
        // What is dropped parts no word, and joins none.
        assert_eq!(whole("DAN\u{200b}ger", "DAN", &g), (true, Some(false)));
        assert_eq!(whole("DAN\u{200b} ger", "DAN", &g), (true, Some(true)));
        assert_eq!(whole("DAN\u{200b}", "DAN", &g), (true, None));
        assert_eq!(whole("DAN\u{200b}ger", "DAN", &Normalise::CASE), (true, Some(true)));
        assert_eq!(whole("e\u{301}dan ", "dan", &Normalise::CASE), (false, Some(true)));
        // The rest of a character is not there yet; a byte that is none parts words.
        assert_eq!(ends(b"dan\xc3", 3, &g), None);
        assert_eq!(ends(b"dan\xff", 3, &g), Some(true));
        assert!(begins(b"\xffdan", 1, &g));
        assert!(!begins("äädan".as_bytes(), 4, &g));
    }
}
