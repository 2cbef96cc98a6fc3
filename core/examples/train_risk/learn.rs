//! Learning of weights, and what they are worth.
//!
//! In: rows. Out: a model's file. The same rows in the same order give the same file, to the byte: one thread, no clock.

use std::borrow::Cow;

use tidegate_core::ai::risk::Model;
use tidegate_core::ai::risk::features::{MEANINGS, WORDS};
use tidegate_core::ai::risk::model::{HARMLESS, LEAST, ONE, OTHERS, WHOLE};

use crate::kinds::Random;
use crate::rows::{Chunk, Row};

const EPOCHS: usize = 8;
/// Orders in which rows are seen.
const ORDERS: u64 = 3;
const RATE: f32 = 0.25;
const DECAY: f32 = 3e-6;
/// Steps that are smaller are not made.
const SMALL: f32 = 0.005;
/// Chunks of an attack that are looked at in the first epoch.
const FIRST: usize = 12;

/// Weights of one kind: as they are, sums of squares of steps, and sums over the later epochs.
struct Weights {
    w: Vec<f32>,
    g: Vec<f32>,
    sum: Vec<f32>,
}

impl Weights {
    fn new(n: usize) -> Weights {
        Weights { w: vec![0.0; n], g: vec![0.0; n], sum: vec![0.0; n] }
    }

    fn of(&self, features: &[u32]) -> f32 {
        features.iter().map(|f| self.w[*f as usize]).sum()
    }

    fn step(&mut self, features: &[u32], d: f32, rate: f32) {
        for f in features {
            let i = *f as usize;
            let d = d + DECAY * self.w[i];
            self.g[i] += d * d;
            self.w[i] -= rate * d / (self.g[i].sqrt() + 0.05);
        }
    }

    fn add_up(&mut self) {
        self.sum.iter_mut().zip(&self.w).for_each(|(s, w)| *s += w);
    }

    /// Bytes, and what one is worth in 2⁻²⁴. A few weights may be cut off: the scale is that of nearly all.
    fn bytes(&self, times: f32) -> (Vec<i8>, i32) {
        let mean: Vec<f32> = self.sum.iter().map(|s| s / times).collect();
        let mut sizes: Vec<f32> = mean.iter().map(|w| w.abs()).filter(|w| *w > 0.0).collect();
        sizes.sort_by(f32::total_cmp);
        let most = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 2000)).copied().unwrap_or(1.0);
        let scale = ((most / 127.0 * 16_777_216.0).round() as i32).max(1);
        let one = scale as f32 / 16_777_216.0;
        (mean.iter().map(|w| (w / one).round().clamp(-127.0, 127.0) as i8).collect(), scale)
    }
}

/// The model as it is learned: words and meanings in a window, and in the whole text.
pub struct Learner {
    words: Weights,
    meanings: Weights,
    whole_words: Weights,
    whole_meanings: Weights,
    bias: f32,
}

fn root(n: usize, least: u32) -> f32 {
    (n.max(least as usize) as f32).sqrt()
}

const fn in_sums(n: i32) -> f32 {
    n as f32 / ONE as f32
}

/// A row's sum as the library has it: the last chunk of the worst window, the sum, and what the whole text adds before it
/// is cut off.
struct Judged {
    at: usize,
    sum: f32,
    whole: f32,
}

impl Learner {
    fn parts(&mut self) -> [&mut Weights; 4] {
        [&mut self.words, &mut self.meanings, &mut self.whole_words, &mut self.whole_meanings]
    }

    fn parts_of(&self) -> [&Weights; 4] {
        [&self.words, &self.meanings, &self.whole_words, &self.whole_meanings]
    }

    fn window(&self, row: &Row, at: usize) -> f32 {
        let of = &row.chunks[at.saturating_sub(1)..=at];
        let (n, m) = count(of);
        let words = of.iter().map(|c| self.words.of(&c.words)).sum::<f32>() / root(n, LEAST[0]);
        let meanings = of.iter().map(|c| self.meanings.of(&c.meanings)).sum::<f32>() / root(m, LEAST[1]);
        meanings + if meanings > 0.0 { words.max(in_sums(HARMLESS)) } else { words }
    }

    fn judge(&self, row: &Row) -> Judged {
        let (mut at, mut worst, mut others) = (0, f32::MIN, 0.0);
        let clamp = |v: f32| (v + self.bias).clamp(0.0, in_sums(OTHERS[0]));
        for i in 0..row.chunks.len() {
            let v = self.window(row, i);
            if v > worst {
                (at, worst) = (i, v);
            }
            if i % 2 == 1 {
                others += clamp(v);
            }
        }
        let (n, m) = count(&row.chunks);
        let sum = |c: &Chunk| self.whole_words.of(&c.words) + self.whole_meanings.of(&c.meanings);
        let whole = row.chunks.iter().map(sum).sum::<f32>() / root(n + m, LEAST[2]);
        let others = (others - clamp(worst)).clamp(0.0, in_sums(OTHERS[1])) * in_sums(OTHERS[2]);
        let cut = whole.clamp(in_sums(-WHOLE), in_sums(WHOLE));
        Judged { at, sum: worst + others + cut + self.bias, whole }
    }

    fn step(&mut self, row: &Row, j: &Judged) {
        let p = 1.0 / (1.0 + libm::expf(-j.sum));
        let err = row.weight * (p - f32::from(u8::from(row.attack)));
        if err.abs() < SMALL {
            return;
        }
        self.bias -= 0.01 * err;
        let of = &row.chunks[j.at.saturating_sub(1)..=j.at];
        let (n, m) = count(of);
        for c in of {
            self.words.step(&c.words, err / root(n, LEAST[0]), RATE);
            self.meanings.step(&c.meanings, err / root(m, LEAST[1]), RATE);
        }
        // What is cut off learns only in the direction back.
        if j.whole.abs() < in_sums(WHOLE) || j.whole * err > 0.0 {
            let (n, m) = count(&row.chunks);
            for c in &row.chunks {
                self.whole_words.step(&c.words, err / root(n + m, LEAST[2]), RATE / 2.0);
                self.whole_meanings.step(&c.meanings, err / root(n + m, LEAST[2]), RATE / 2.0);
            }
        }
    }
}

fn count(chunks: &[Chunk]) -> (usize, usize) {
    (chunks.iter().map(|c| c.words.len()).sum(), chunks.iter().map(|c| c.meanings.len()).sum())
}

/// The file of a model that has learned from `rows`, with the sums from which on scores are 1 to 99: the mean of models
/// that have seen the rows in different orders.
pub fn learn(rows: &[&Row], scores: [i32; 99]) -> Vec<u8> {
    let mut all = once(rows, 1);
    for seed in 2..=ORDERS {
        let l = once(rows, seed);
        for (to, from) in all.parts().into_iter().zip(l.parts_of()) {
            to.sum.iter_mut().zip(&from.sum).for_each(|(t, f)| *t += f);
        }
        all.bias += l.bias;
    }
    all.bias /= ORDERS as f32;
    file(&all, scores)
}

fn once(rows: &[&Row], seed: u64) -> Learner {
    let weights = |n| Weights::new(n);
    let mut l = Learner {
        words: weights(WORDS),
        meanings: weights(MEANINGS),
        whole_words: weights(WORDS),
        whole_meanings: weights(MEANINGS),
        bias: -1.0,
    };
    let mut order: Vec<usize> =
        (0..rows.len()).filter(|i| rows[*i].weight > 0.0 && !rows[*i].chunks.is_empty()).collect();
    let mut random = Random(seed);
    for epoch in 0..EPOCHS {
        for i in (1..order.len()).rev() {
            order.swap(i, random.below(i + 1));
        }
        for i in &order {
            let row = rows[*i];
            // At first all of an attack is one: nothing says yet where in it the attack is.
            if row.attack && epoch == 0 {
                for at in 0..row.chunks.len().min(FIRST) {
                    let sum = l.window(row, at) + l.bias;
                    l.step(row, &Judged { at, sum, whole: 0.0 });
                }
            } else {
                let j = l.judge(row);
                l.step(row, &j);
            }
        }
        if epoch >= EPOCHS / 2 {
            l.parts().into_iter().for_each(Weights::add_up);
        }
    }
    l
}

fn file(l: &Learner, scores: [i32; 99]) -> Vec<u8> {
    let times = (EPOCHS - EPOCHS / 2) as f32 * ORDERS as f32;
    let (words, a) = l.words.bytes(times);
    let (meanings, b) = l.meanings.bytes(times);
    let (whole_words, c) = l.whole_words.bytes(times);
    let (whole_meanings, d) = l.whole_meanings.bytes(times);
    let bias = (l.bias * ONE as f32).round() as i32;
    Model::file(
        [a, b, c, d],
        bias,
        scores,
        |i| [words[i], whole_words[i]],
        |i| [meanings[i], whole_meanings[i]],
    )
}

/// A model from its file.
pub fn model(file: Vec<u8>) -> Model {
    Model::read(Cow::Owned(file)).expect("what was just made")
}
