//! The linear model: weights of features, and how a sum of them is a probability.
//!
//! The file of weights begins with `TGRISK1\n`, then scale, bias, slope and offset as little-endian `f32`, then a signed
//! byte a feature.

use super::features::{self, FEATURES, Take};
use alloc::borrow::Cow;

const MAGIC: &[u8] = b"TGRISK1\n";
const HEAD: usize = MAGIC.len() + 16;

static SHIPPED: &[u8] = include_bytes!("weights.bin");

/// Weights.
#[derive(Clone, Debug)]
pub struct Model {
    weights: Cow<'static, [u8]>,
    scale: f32,
    bias: f32,
    slope: f32,
    offset: f32,
}

/// The worst window of a text.
#[derive(Clone, Copy, Debug)]
pub struct Worst {
    /// Logarithm of odds, before calibration.
    pub raw: f32,
    pub from: usize,
    pub to: usize,
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
            Some(f32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?))
        };
        if !file.starts_with(MAGIC) || file.len() != HEAD + FEATURES {
            return None;
        }
        let (scale, bias, slope, offset) = (number(0)?, number(1)?, number(2)?, number(3)?);
        Some(Model { weights: file, scale, bias, slope, offset })
    }

    fn weight(&self, feature: u32) -> i32 {
        self.weights.get(HEAD + feature as usize).map_or(0, |w| i32::from(*w as i8))
    }

    /// The worst window of a text.
    pub fn worst(&self, text: &[u8]) -> Worst {
        let mut s = Sums {
            model: self,
            now: (0, 0),
            before: (0, 0),
            starts: [0, 0],
            worst: Worst { raw: f32::MIN, from: 0, to: text.len() },
        };
        features::each(text, &mut s);
        if s.worst.raw == f32::MIN {
            s.worst.raw = self.bias;
        }
        s.worst
    }

    fn of_window(&self, (sum, n): (i32, u32)) -> f32 {
        // Sums of integers: the same on every machine.
        sum as f32 * self.scale / libm::sqrtf(n.max(16) as f32) + self.bias
    }

    /// Probability of an attack in percent, of a sum with what phrases added.
    pub fn probability(&self, raw: f32) -> u8 {
        let p = 1.0 / (1.0 + libm::expf(-(raw * self.slope + self.offset)));
        // Never sure.
        (libm::roundf(p * 100.0) as u8).min(99)
    }
}

/// Sums of the chunk at hand and of the one before.
struct Sums<'m> {
    model: &'m Model,
    now: (i32, u32),
    before: (i32, u32),
    starts: [usize; 2],
    worst: Worst,
}

impl Take for Sums<'_> {
    fn feature(&mut self, hash: u32) {
        self.now.0 += self.model.weight(hash);
        self.now.1 += 1;
    }

    fn chunk(&mut self, at: usize) {
        let window = (self.now.0 + self.before.0, self.now.1 + self.before.1);
        let raw = self.model.of_window(window);
        if raw > self.worst.raw {
            self.worst = Worst { raw, from: self.starts[0], to: at };
        }
        self.before = self.now;
        self.now = (0, 0);
        self.starts = [self.starts[1], at];
    }
}
