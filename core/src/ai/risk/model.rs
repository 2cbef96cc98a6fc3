//! The linear model: weights of features, and how a sum of them is a probability. All of it is integers, so that a text has
//! the same score on every machine.
//!
//! The file begins with `TGRISK2\n`. Numbers are little-endian `i32`: scales of the four kinds of weights (in units of 2⁻²⁴), the
//! bias, and 99 sums from which on the score is 1, 2, … 99 (in units of 1/1024 of a logarithm of odds). Then two signed bytes
//! a feature, its weights in a window and in the whole text: first of words, then of meanings.

use alloc::borrow::Cow;

use super::features::{Lexicon, MEANINGS, Room, Seen, Take, WORDS};

const MAGIC: &[u8] = b"TGRISK2\n";
const SCALES: usize = 4;
const SCORES: usize = 99;
const HEAD: usize = MAGIC.len() + 4 * (SCALES + 1 + SCORES);
const SIZE: usize = HEAD + 2 * (WORDS + MEANINGS);

/// One, in sums.
pub const ONE: i32 = 1024;

static SHIPPED: &[u8] = include_bytes!("weights.bin");

/// Weights.
#[derive(Clone, Debug)]
pub struct Model {
    weights: Cow<'static, [u8]>,
    scales: [i64; SCALES],
    bias: i32,
    scores: [i32; SCORES],
}

/// The worst window of a text, and what the whole of it adds.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    /// In 1/1024 of a logarithm of odds, before calibration.
    pub raw: i32,
    pub from: u32,
    pub to: u32,
}

impl Model {
    /// The weights in the library.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn shipped() -> Model {
        Model::read(Cow::Borrowed(SHIPPED)).expect("weights of the library")
    }

    /// Weights as they are in a file; `None` when they are not.
    pub fn read(file: Cow<'static, [u8]>) -> Option<Model> {
        let number = |n: usize| {
            let at = MAGIC.len() + 4 * n;
            Some(i32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
        };
        if !file.starts_with(MAGIC) || file.len() != SIZE {
            return None;
        }
        let (mut scales, mut scores) = ([0; SCALES], [0; SCORES]);
        for (n, s) in scales.iter_mut().enumerate() {
            *s = i64::from(number(n)?);
        }
        for (n, s) in scores.iter_mut().enumerate() {
            *s = number(SCALES + 1 + n)?;
        }
        let bias = number(SCALES)?;
        Some(Model { weights: file, scales, bias, scores })
    }

    /// A model without weights: for whoever trains one.
    pub fn empty() -> Model {
        let file = Model::file([1; SCALES], 0, [0; SCORES], |_| [0; 2], |_| [0; 2]);
        Model::read(Cow::Owned(file)).expect("what was just made")
    }

    /// The file of a model. `word` and `meaning` give the weights of a feature.
    pub fn file(
        scales: [i32; SCALES],
        bias: i32,
        scores: [i32; SCORES],
        word: impl Fn(usize) -> [i8; 2],
        meaning: impl Fn(usize) -> [i8; 2],
    ) -> alloc::vec::Vec<u8> {
        let mut out = MAGIC.to_vec();
        for n in scales.iter().chain([&bias]).chain(&scores) {
            out.extend_from_slice(&n.to_le_bytes());
        }
        let all = (0..WORDS).map(word).chain((0..MEANINGS).map(meaning));
        out.extend(all.flatten().map(|w| w as u8));
        out
    }

    /// The worst window of a text, and what else is seen in it.
    pub fn worst(&self, lexicon: &Lexicon, room: &mut Room, text: &[u8]) -> (Worst, Seen) {
        let mut s = Sums::new(self, text.len() as u32);
        let seen = lexicon.each(room, text, &mut s);
        (s.end(), seen)
    }

    /// Probability of an attack in percent, of a sum.
    pub fn probability(&self, raw: i32) -> u8 {
        self.scores.partition_point(|s| *s <= raw) as u8
    }
}

/// Sums of weights and how many they are: of words, of meanings.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    words: i32,
    n_words: u32,
    meanings: i32,
    n_meanings: u32,
}

/// A sum of `n` weights over the square root of `n`, or of `least` when there are fewer.
fn scaled(sum: i64, scale: i64, n: u64, least: u64) -> i64 {
    // The sum is in 2⁻²⁴, the root in 2⁻⁸.
    sum * scale / ((n.max(least) << 16).isqrt() as i64) / 64
}

/// Features below which sums are not divided by less.
pub const LEAST: [u32; 3] = [16, 4, 64];
/// Where meanings speak for an attack, what the words of that language are in harmless texts counts no more than that.
pub const HARMLESS: i32 = -3 * ONE;
/// What the whole text adds or takes, at most.
pub const WHOLE: i32 = 2 * ONE;
/// Of each window but the worst that speaks for an attack, up to four, 3/10 count, up to six in all.
pub const OTHERS: [i32; 3] = [4 * ONE, 20 * ONE, 307];

struct Sums<'m> {
    model: &'m Model,
    now: Part,
    before: Part,
    /// Sums of the whole text: of words, of meanings; features.
    whole: (i64, i64),
    n: u64,
    odd: bool,
    others: i64,
    starts: [u32; 2],
    worst: Worst,
}

impl<'m> Sums<'m> {
    fn new(model: &'m Model, len: u32) -> Self {
        Sums {
            model,
            now: Part::default(),
            before: Part::default(),
            whole: (0, 0),
            n: 0,
            odd: false,
            others: 0,
            starts: [0, 0],
            worst: Worst { raw: i32::MIN, from: 0, to: len },
        }
    }

    fn add(&self, feature: usize) -> (i32, i32) {
        let at = HEAD + 2 * feature;
        match self.model.weights.get(at..at + 2) {
            Some([w, d]) => (i32::from(*w as i8), i32::from(*d as i8)),
            _ => (0, 0),
        }
    }

    fn end(self) -> Worst {
        let mut worst = self.worst;
        if worst.raw == i32::MIN {
            worst.raw = self.model.bias;
            return worst;
        }
        let clamp = |v: i32| i64::from((v + self.model.bias).clamp(0, OTHERS[0]));
        let others = (self.others - clamp(worst.raw)).clamp(0, i64::from(OTHERS[1])) as i32;
        let [.., words, meanings] = self.model.scales;
        let whole = scaled(self.whole.0 * words + self.whole.1 * meanings, 1, self.n, u64::from(LEAST[2]));
        worst.raw += self.model.bias
            + others * OTHERS[2] / ONE
            + whole.clamp(i64::from(-WHOLE), i64::from(WHOLE)) as i32;
        worst
    }
}

impl Take for Sums<'_> {
    fn word(&mut self, feature: u32) {
        let (w, d) = self.add(feature as usize);
        self.now.words += w;
        self.now.n_words += 1;
        self.whole.0 += i64::from(d);
        self.n += 1;
    }

    fn meaning(&mut self, feature: usize) {
        let (w, d) = self.add(WORDS + feature);
        self.now.meanings += w;
        self.now.n_meanings += 1;
        self.whole.1 += i64::from(d);
        self.n += 1;
    }

    fn chunk(&mut self, at: u32) {
        let (a, b) = (&self.now, &self.before);
        let n = |n: u32, m: u32| u64::from(n + m);
        let [by_words, by_meanings, ..] = self.model.scales;
        let words =
            scaled(i64::from(a.words + b.words), by_words, n(a.n_words, b.n_words), u64::from(LEAST[0]));
        let meanings = scaled(
            i64::from(a.meanings + b.meanings),
            by_meanings,
            n(a.n_meanings, b.n_meanings),
            u64::from(LEAST[1]),
        );
        let words = if meanings > 0 { words.max(i64::from(HARMLESS)) } else { words };
        let raw = (words + meanings) as i32;
        if raw > self.worst.raw {
            self.worst = Worst { raw, from: self.starts[0], to: at };
        }
        if self.odd {
            self.others += i64::from((raw + self.model.bias).clamp(0, OTHERS[0]));
        }
        self.odd = !self.odd;
        self.before = self.now;
        self.now = Part::default();
        self.starts = [self.starts[1], at];
    }
}
