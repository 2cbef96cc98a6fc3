//! Features of text for the linear model: hashes of words, of pairs of words, and of four bytes, of the text as a reader
//! sees it ([`Normalise::GUARD`]). They come by chunks of some sixteen words; two neighbouring chunks are a window.
//!
//! In: text. Out: each feature with its chunk, and where chunks begin. Owns nothing; the same code trains and judges.

use crate::sig::text::Normalise;

/// Features are numbers below that.
pub const FEATURES: usize = 1 << 18;
/// Words and bytes of a chunk.
const WORDS: u32 = 16;
const BYTES: u32 = 160;

/// Takes features.
pub trait Take {
    fn feature(&mut self, hash: u32);
    /// The chunk at hand is whole; it ends before byte `at` of the text.
    fn chunk(&mut self, at: usize);
}

const fn mix(h: u32, salt: u32) -> u32 {
    let h = (h ^ salt).wrapping_mul(0x85eb_ca6b);
    (h ^ h >> 13).wrapping_mul(0xc2b2_ae35) >> (32 - FEATURES.trailing_zeros())
}

const START: u32 = 0x811c_9dc5;

/// Hands out the features of a text.
pub fn each(text: &[u8], to: &mut impl Take) {
    let (mut last, mut word, mut in_word) = (0u32, START, false);
    let (mut before, mut before_that) = (0u32, 0u32);
    let (mut words, mut bytes, mut any) = (0, 0, false);
    let mut put = |c: u8, at: usize, to: &mut dyn FnMut(Option<u32>, usize)| {
        any = true;
        last = last << 8 | u32::from(c);
        bytes += 1;
        to(Some(mix(last.wrapping_mul(0x9e37_79b1), 4)), at);
        let is_word = c.is_ascii_alphanumeric() || c >= 0x80 || c == b'\'';
        if is_word {
            word = (word ^ u32::from(c)).wrapping_mul(0x0100_0193);
            in_word = true;
        } else if in_word {
            in_word = false;
            to(Some(mix(word, 1)), at);
            to(Some(mix(word ^ before.rotate_left(7), 2)), at);
            to(Some(mix(word ^ before_that.rotate_left(13), 3)), at);
            (before_that, before) = (before, word);
            word = START;
            words += 1;
        }
        if (words >= WORDS && !in_word) || bytes >= BYTES {
            (words, bytes, any) = (0, 0, false);
            to(None, at + 1);
        }
    };
    let mut give = |f: Option<u32>, at: usize| match f {
        Some(h) => to.feature(h),
        None => to.chunk(at),
    };
    Normalise::GUARD.each(text, |piece, from, _, plain| {
        for (i, c) in piece.iter().enumerate() {
            put(*c, if plain { from + i } else { from }, &mut give);
        }
    });
    // What ends with the text ends as if a space followed.
    put(b' ', text.len(), &mut give);
    if any {
        to.chunk(text.len());
    }
}
