//! Trains the model of `tidegate_core::ai::risk` from labelled texts, and measures it.
//!
//! ```text
//! train_risk train  FILE… > weights.bin        rows are lines of JSON: {"text", "label" (1: attack), "source"}
//! train_risk leave-one-out TESTED FILE…        recall by source, each measured by a model that has not seen its like
//! ```
//!
//! The same files give the same weights, to the byte: no threads, no clock, a fixed order.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use tidegate_core::ai::json::{Field, Reader, Schema, Visit, Word};
use tidegate_core::ai::risk::features::{self, FEATURES, Take};
use tidegate_core::ai::risk::{Model, Risk};

/// A text.
#[derive(Default)]
struct Row {
    text: String,
    source: String,
    attack: bool,
    /// Features by chunk.
    chunks: Vec<Vec<u32>>,
}

struct Parts(Vec<Vec<u32>>);

impl Take for Parts {
    fn feature(&mut self, hash: u32) {
        self.0.last_mut().expect("a chunk").push(hash);
    }
    fn chunk(&mut self, _: usize) {
        self.0.push(Vec::new());
    }
}

#[derive(Default)]
struct Line {
    row: Row,
    held: Vec<u8>,
}

impl Visit for Line {
    fn open(&mut self, _: Field) {}
    fn close(&mut self, _: Field) {}
    fn text(&mut self, _: Field, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }
    fn text_end(&mut self, f: Field) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.held)).into_owned();
        match f {
            1 => self.row.text = text,
            _ => self.row.source = text,
        }
    }
    fn number(&mut self, _: Field, text: &[u8]) {
        self.row.attack = text == b"1";
    }
    fn word(&mut self, _: Field, _: Word) {}
}

fn read(files: &[String]) -> Vec<Row> {
    let schema = Schema::new(&[("text", 1), ("source", 2), ("label", 3)]);
    let mut rows = Vec::new();
    for f in files {
        let text = std::fs::read_to_string(f).unwrap_or_else(|e| panic!("{f}: {e}"));
        for l in text.lines() {
            let mut line = Line::default();
            let mut r = Reader::default();
            r.feed(&schema, l.as_bytes(), &mut line);
            r.end(&schema, &mut line);
            let mut row = line.row;
            let mut parts = Parts(vec![Vec::new()]);
            features::each(row.text.as_bytes(), &mut parts);
            parts.0.retain(|c| !c.is_empty());
            row.chunks = parts.0;
            rows.push(row);
        }
    }
    rows
}

/// Sources that are the same in two lists: what stands before the first underscore.
fn kin(source: &str) -> &str {
    source.split('_').next().unwrap_or(source)
}

/// Weights being learned.
struct Learner {
    w: Vec<f32>,
    g: Vec<f32>,
    bias: f32,
}

const EPOCHS: usize = 8;
const RATE: f32 = 0.25;
const DECAY: f32 = 3e-6;
const POSITIVE: f32 = 3.0;

impl Learner {
    fn window(&self, row: &Row, at: usize) -> (f32, usize) {
        let (mut sum, mut n) = (0.0, 0);
        for c in &row.chunks[at.saturating_sub(1)..=at] {
            sum += c.iter().map(|h| self.w[*h as usize]).sum::<f32>();
            n += c.len();
        }
        (sum / (n.max(16) as f32).sqrt() + self.bias, n)
    }

    /// The worst window: its last chunk, its sum.
    fn worst(&self, row: &Row) -> Option<(usize, f32, usize)> {
        let all = (0..row.chunks.len()).map(|i| {
            let (s, n) = self.window(row, i);
            (i, s, n)
        });
        all.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn step(&mut self, row: &Row, (at, sum, n): (usize, f32, usize)) {
        let p = 1.0 / (1.0 + (-sum).exp());
        let weight = if row.attack { POSITIVE } else { 1.0 };
        let err = weight * (p - f32::from(u8::from(row.attack)));
        if err.abs() < 0.01 {
            return;
        }
        self.bias -= 0.01 * err;
        let d = err / (n.max(16) as f32).sqrt();
        for c in &row.chunks[at.saturating_sub(1)..=at] {
            for h in c {
                let i = *h as usize;
                let grad = d + DECAY * self.w[i];
                self.g[i] += grad * grad;
                self.w[i] -= RATE * grad / (self.g[i].sqrt() + 0.05);
            }
        }
    }
}

fn learn(rows: &[Row], keep: impl Fn(&Row) -> bool) -> Learner {
    let mut l = Learner { w: vec![0.0; FEATURES], g: vec![0.0; FEATURES], bias: -1.0 };
    let mut order: Vec<usize> =
        (0..rows.len()).filter(|i| keep(&rows[*i]) && !rows[*i].chunks.is_empty()).collect();
    let mut seed = 1u64;
    for epoch in 0..EPOCHS {
        for i in (1..order.len()).rev() {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(i, (seed >> 33) as usize % (i + 1));
        }
        for i in &order {
            let row = &rows[*i];
            // At first all of an attack is one: nothing says yet where in it the attack is.
            if row.attack && epoch == 0 {
                for at in 0..row.chunks.len().min(12) {
                    let (s, n) = l.window(row, at);
                    l.step(row, (at, s, n));
                }
            } else if let Some(worst) = l.worst(row) {
                l.step(row, worst);
            }
        }
    }
    l
}

/// The file of a model.
fn file(l: &Learner, slope: f32, offset: f32) -> Vec<u8> {
    // A few weights may be cut off: the scale is that of nearly all.
    let mut sizes: Vec<f32> = l.w.iter().map(|w| w.abs()).filter(|w| *w > 0.0).collect();
    sizes.sort_by(f32::total_cmp);
    let most = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 2000)).copied().unwrap_or(1.0);
    let scale = most / 127.0;
    let mut out = b"TGRISK1\n".to_vec();
    for v in [scale, l.bias, slope, offset] {
        out.extend_from_slice(&v.to_le_bytes());
    }
    out.extend(l.w.iter().map(|w| (w / scale).round().clamp(-127.0, 127.0) as i8 as u8));
    out
}

fn risk(l: &Learner) -> Risk {
    Risk::new(Model::read(Cow::Owned(file(l, 1.0, 0.0))).expect("what was just made"))
}

/// Sums of the tested rows, each by a model that has not seen its kin.
fn left_out(tested: &[Row], train: &[Row]) -> Vec<f32> {
    let mut kins: Vec<&str> = tested.iter().map(|r| kin(&r.source)).collect();
    kins.sort_unstable();
    kins.dedup();
    let mut sums = vec![0.0; tested.len()];
    for k in kins {
        let mut model = risk(&learn(train, |r| kin(&r.source) != k));
        for (sum, row) in sums.iter_mut().zip(tested).filter(|(_, r)| kin(&r.source) == k) {
            *sum = model.raw(row.text.as_bytes());
        }
    }
    sums
}

/// Slope and offset that make sums probabilities where one text in ten is an attack.
fn calibrate(rows: &[Row], sums: &[f32]) -> (f32, f32) {
    let attacks = rows.iter().filter(|r| r.attack).count() as f64;
    let ours = attacks / rows.len() as f64;
    let (up, down) = (0.1 / ours, 0.9 / (1.0 - ours));
    let (mut a, mut b) = (1.0f64, 0.0f64);
    for _ in 0..4000 {
        let (mut da, mut db) = (0.0, 0.0);
        for (r, s) in rows.iter().zip(sums) {
            let s = f64::from(*s);
            let p = 1.0 / (1.0 + (-(a * s + b)).exp());
            let e = if r.attack { (p - 1.0) * up } else { p * down };
            da += e * s;
            db += e;
        }
        a -= 0.5 * da / rows.len() as f64;
        b -= 0.5 * db / rows.len() as f64;
    }
    (a as f32, b as f32)
}

fn table(rows: &[Row], sums: &[f32]) {
    let mut benign: Vec<f32> = rows.iter().zip(sums).filter(|(r, _)| !r.attack).map(|(_, s)| *s).collect();
    benign.sort_by(f32::total_cmp);
    let mut not: Vec<f32> =
        rows.iter().zip(sums).filter(|(r, _)| r.source == "notinject").map(|(_, s)| *s).collect();
    not.sort_by(f32::total_cmp);
    let at =
        |v: &[f32], part: f64| v.get(v.len() - 1 - (v.len() as f64 * part) as usize).copied().unwrap_or(0.0);
    let limit = at(&benign, 0.01).max(at(&not, 0.05));
    eprintln!("threshold {limit:.2} (1 % of benign rows, 5 % of NotInject)");
    let mut by: BTreeMap<(&str, bool), (usize, usize)> = BTreeMap::new();
    for (r, s) in rows.iter().zip(sums) {
        let e = by.entry((&r.source, r.attack)).or_default();
        e.1 += 1;
        e.0 += usize::from(*s > limit);
    }
    for ((source, attack), (n, of)) in by {
        let what = if attack { "found" } else { "false" };
        eprintln!("{source:28} {what} {n:5} of {of:5}  {:6.2} %", 100.0 * n as f64 / of as f64);
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((how, files)) if how == "train" && !files.is_empty() => {
            let rows = read(files);
            // What is tested is the first file.
            let tested = read(&files[..1]);
            let sums = left_out(&tested, &rows);
            table(&tested, &sums);
            let (slope, offset) = calibrate(&tested, &sums);
            eprintln!("slope {slope:.3}, offset {offset:.3}");
            let all = file(&learn(&rows, |_| true), slope, offset);
            std::io::stdout().write_all(&all).expect("standard output");
        }
        Some((how, files)) if how == "leave-one-out" && files.len() > 1 => {
            let (tested, rows) = (read(&files[..1]), read(files));
            let sums = left_out(&tested, &rows);
            table(&tested, &sums);
            if std::env::var_os("MISSES").is_some() {
                for (r, s) in tested.iter().zip(&sums) {
                    println!(
                        "{s:.2}\t{}\t{}\t{}",
                        u8::from(r.attack),
                        r.source,
                        r.text.replace(['\n', '\t'], " ")
                    );
                }
            }
        }
        _ => eprintln!("train_risk train FILE… > weights.bin, or train_risk leave-one-out TESTED FILE…"),
    }
}
