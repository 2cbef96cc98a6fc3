//! One character to what it is compared as.
//!
//! Compatibility mappings are those of the Unicode Character Database (NFKD, through `unicode-normalization`), cases
//! those of `core`. Look-alikes are the part of UTS #39 `confusables.txt` that stands for ASCII letters, digits and
//! marks, chosen by hand, with letter-like symbols that have no compatibility mapping.
use super::Normalise;

/// Whether a character stands for a phrase of up to 18 letters. It stays what it is, so that no text becomes many times as long.
const fn is_phrase(c: char) -> bool {
    matches!(c, '\u{fdfa}' | '\u{fdfb}')
}

/// Calls `out` for every character that `c` is compared as: none when it is dropped. White space comes as it is.
pub(super) fn fold(n: &Normalise, c: char, mut out: impl FnMut(char)) {
    if c.is_ascii() {
        return out(if n.case { c.to_ascii_lowercase() } else { c });
    }
    if n.invisible && is_invisible(c) {
        return;
    }
    let mut each = |c: char| {
        if n.marks && is_mark(c) || n.invisible && is_invisible(c) {
            return;
        }
        let c = if n.homoglyphs { look_alike(c).unwrap_or(c) } else { c };
        if n.case {
            // Down, up and down: characters with one upper case are one, both sharp s are `ss`.
            for u in c.to_lowercase().flat_map(char::to_uppercase) {
                for l in u.to_lowercase().filter(|l| !(n.marks && is_mark(*l))) {
                    out(if n.homoglyphs { look_alike(l).unwrap_or(l) } else { l });
                }
            }
        } else {
            out(c);
        }
    };
    if n.compatible && !is_phrase(c) {
        unicode_normalization::char::decompose_compatible(c, each);
    } else {
        each(c);
    }
}

/// Characters that show nothing: zero-width ones, marks of direction, selectors of variants, tags, soft hyphens.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Marks that sit on the letter before them.
pub(super) fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// The ASCII character that `c` looks like.
fn look_alike(c: char) -> Option<char> {
    let letter = |first: u32| char::from_u32(u32::from('a') + u32::from(c) - first);
    match c {
        // Negative circled, negative squared and regional letters have no compatibility mapping.
        '\u{1f150}'..='\u{1f169}' => letter(0x1f150),
        '\u{1f170}'..='\u{1f189}' => letter(0x1f170),
        '\u{1f1e6}'..='\u{1f1ff}' => letter(0x1f1e6),
        _ => {
            let at = ALIKE.binary_search_by_key(&c, |a| a.0).ok()?;
            ALIKE.get(at).map(|a| a.1)
        }
    }
}

#[rustfmt::skip]
const ALIKE: &[(char, char)] = &[
    // Latin letters with strokes, small capitals and others.
    ('\u{d0}', 'D'), ('\u{d8}', 'O'), ('\u{f8}', 'o'), ('\u{110}', 'D'), ('\u{111}', 'd'), ('\u{126}', 'H'),
    ('\u{127}', 'h'), ('\u{131}', 'i'), ('\u{141}', 'L'), ('\u{142}', 'l'), ('\u{166}', 'T'), ('\u{167}', 't'),
    ('\u{180}', 'b'), ('\u{1c0}', 'l'), ('\u{251}', 'a'), ('\u{261}', 'g'), ('\u{262}', 'g'), ('\u{268}', 'i'),
    ('\u{269}', 'i'), ('\u{26a}', 'i'), ('\u{26b}', 'l'), ('\u{274}', 'n'), ('\u{275}', 'o'), ('\u{280}', 'r'),
    ('\u{28b}', 'v'), ('\u{28f}', 'y'), ('\u{299}', 'b'), ('\u{29c}', 'h'), ('\u{29f}', 'l'), ('\u{2bc}', '\''),
    // Greek.
    ('\u{37f}', 'J'), ('\u{391}', 'A'), ('\u{392}', 'B'), ('\u{395}', 'E'), ('\u{396}', 'Z'), ('\u{397}', 'H'),
    ('\u{399}', 'I'), ('\u{39a}', 'K'), ('\u{39c}', 'M'), ('\u{39d}', 'N'), ('\u{39f}', 'O'), ('\u{3a1}', 'P'),
    ('\u{3a4}', 'T'), ('\u{3a5}', 'Y'), ('\u{3a7}', 'X'), ('\u{3b1}', 'a'), ('\u{3b3}', 'y'), ('\u{3b9}', 'i'),
    ('\u{3ba}', 'k'), ('\u{3bd}', 'v'), ('\u{3bf}', 'o'), ('\u{3c1}', 'p'), ('\u{3c5}', 'u'), ('\u{3f2}', 'c'),
    ('\u{3f3}', 'j'), ('\u{3f9}', 'C'),
    // Cyrillic.
    ('\u{405}', 'S'), ('\u{406}', 'I'), ('\u{408}', 'J'), ('\u{410}', 'A'), ('\u{412}', 'B'), ('\u{415}', 'E'),
    ('\u{41a}', 'K'), ('\u{41c}', 'M'), ('\u{41d}', 'H'), ('\u{41e}', 'O'), ('\u{420}', 'P'), ('\u{421}', 'C'),
    ('\u{422}', 'T'), ('\u{423}', 'Y'), ('\u{425}', 'X'), ('\u{430}', 'a'), ('\u{433}', 'r'), ('\u{435}', 'e'),
    ('\u{43a}', 'k'), ('\u{43e}', 'o'), ('\u{440}', 'p'), ('\u{441}', 'c'), ('\u{443}', 'y'), ('\u{445}', 'x'),
    ('\u{455}', 's'), ('\u{456}', 'i'), ('\u{458}', 'j'), ('\u{475}', 'v'), ('\u{4ae}', 'Y'), ('\u{4af}', 'y'),
    ('\u{4ba}', 'h'), ('\u{4bb}', 'h'), ('\u{4c0}', 'l'), ('\u{4cf}', 'l'), ('\u{501}', 'd'), ('\u{51a}', 'Q'),
    ('\u{51b}', 'q'), ('\u{51c}', 'W'), ('\u{51d}', 'w'),
    // Armenian.
    ('\u{54d}', 'U'), ('\u{54f}', 'S'), ('\u{555}', 'O'), ('\u{561}', 'w'), ('\u{563}', 'q'), ('\u{566}', 'q'),
    ('\u{570}', 'h'), ('\u{578}', 'n'), ('\u{57d}', 'u'), ('\u{581}', 'g'), ('\u{585}', 'o'),
    // Small capitals again.
    ('\u{1d00}', 'a'), ('\u{1d04}', 'c'), ('\u{1d05}', 'd'), ('\u{1d07}', 'e'), ('\u{1d0a}', 'j'),
    ('\u{1d0b}', 'k'), ('\u{1d0d}', 'm'), ('\u{1d0f}', 'o'), ('\u{1d18}', 'p'), ('\u{1d1b}', 't'),
    ('\u{1d1c}', 'u'), ('\u{1d20}', 'v'), ('\u{1d21}', 'w'), ('\u{1d22}', 'z'),
    // Hyphens, dashes, quotes.
    ('\u{2010}', '-'), ('\u{2011}', '-'), ('\u{2012}', '-'), ('\u{2013}', '-'), ('\u{2014}', '-'),
    ('\u{2015}', '-'), ('\u{2018}', '\''), ('\u{2019}', '\''), ('\u{201a}', '\''), ('\u{201b}', '\''),
    ('\u{201c}', '"'), ('\u{201d}', '"'), ('\u{201e}', '"'), ('\u{201f}', '"'), ('\u{2032}', '\''),
    ('\u{2033}', '"'), ('\u{2043}', '-'), ('\u{2044}', '/'), ('\u{2212}', '-'), ('\u{2215}', '/'),
    ('\u{2223}', '|'), ('\u{a730}', 'f'), ('\u{a731}', 's'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted() {
        assert!(ALIKE.is_sorted_by(|a, b| a.0 < b.0));
    }

    /// Folding what is folded changes nothing: a phrase and a text meet whichever was folded first.
    #[test]
    fn folding_twice_is_folding_once() {
        let n = Normalise::GUARD;
        for c in (0..=0x10ffffu32).filter_map(char::from_u32) {
            let mut once = alloc::string::String::new();
            fold(&n, c, |f| once.push(f));
            let mut twice = alloc::string::String::new();
            once.chars().for_each(|c| fold(&n, c, |f| twice.push(f)));
            assert_eq!(once, twice, "U+{:04X}", u32::from(c));
        }
    }
}
