//! Texts with their labels.
//!
//! In: files with lines of JSON, `{"text", "label" (1: attack), "source"}`. Out: rows with their features.

use tidegate_core::ai::json::{Field, Reader, Schema, Visit, Word};
use tidegate_core::ai::risk::Risk;
use tidegate_core::ai::risk::features::Take;

use crate::kinds;

/// Features of a chunk.
#[derive(Default)]
pub struct Chunk {
    pub words: Vec<u32>,
    pub meanings: Vec<u32>,
}

/// A text.
#[derive(Default)]
pub struct Row {
    pub text: String,
    pub source: String,
    pub attack: bool,
    pub chunks: Vec<Chunk>,
    /// What it counts when weights are learned.
    pub weight: f32,
    /// Hashes of runs of eight words, of attacks.
    pub runs: Vec<u64>,
}

#[derive(Default)]
struct Chunks(Vec<Chunk>, Chunk);

impl Take for Chunks {
    fn word(&mut self, feature: u32) {
        self.1.words.push(feature);
    }
    fn meaning(&mut self, feature: usize) {
        self.1.meanings.push(feature as u32);
    }
    fn chunk(&mut self, _: u32) {
        self.0.push(std::mem::take(&mut self.1));
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

/// Attacks by a machine that wraps a harmful wish in a harmless story. As text they are stories: with them, every story
/// is an attack.
const LEFT_OUT: &str = "jailbreakbench_pair";

/// Bytes of a page, and how many pages of a document count.
const PAGE: f32 = 2048.0;
const MOST_PAGES: f32 = 1.5;

impl Row {
    fn finish(&mut self, risk: &mut Risk) {
        let mut chunks = Chunks::default();
        risk.features(self.text.as_bytes(), &mut chunks);
        self.chunks = chunks.0;
        // A harmless document has as many places for a false alarm as it has pages.
        let pages = if self.attack { 0.0 } else { (self.text.len() as f32 / PAGE).min(MOST_PAGES) };
        self.weight = if self.source == LEFT_OUT { 0.0 } else { 1.0 + pages };
        if self.attack {
            self.runs = runs(&self.text);
        }
    }

    /// Whether it has much of an attack of which `known` has the runs.
    pub fn is_near(&self, known: &std::collections::HashSet<u64>) -> bool {
        let n = self.runs.iter().filter(|r| known.contains(r)).count();
        n >= 3 || (n > 0 && n * 10 >= self.runs.len())
    }

    /// Sources that are the same in two lists: what stands before the first underscore.
    pub fn kin(&self) -> &str {
        self.source.split('_').next().unwrap_or(&self.source)
    }
}

fn runs(text: &str) -> Vec<u64> {
    const RUN: usize = 8;
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let hash = |w: &[&str]| {
        let bytes = w.iter().flat_map(|w| w.bytes().chain([b' ']));
        bytes.fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
    };
    match words.len() {
        0..4 => Vec::new(),
        4..RUN => vec![hash(&words)],
        _ => words.windows(RUN).map(hash).collect(),
    }
}

/// The rows of files.
pub fn read(files: &[String], risk: &mut Risk) -> Vec<Row> {
    let schema = Schema::new(&[("text", 1), ("source", 2), ("label", 3)]);
    let mut rows = Vec::new();
    for f in files {
        let text = std::fs::read_to_string(f).unwrap_or_else(|e| panic!("{f}: {e}"));
        for l in text.lines() {
            let (mut line, mut r) = (Line::default(), Reader::default());
            r.feed(&schema, l.as_bytes(), &mut line);
            r.end(&schema, &mut line);
            line.row.finish(risk);
            rows.push(line.row);
        }
    }
    rows
}

/// Rows of our own making.
pub fn own(risk: &mut Risk) -> Vec<Row> {
    let row = |o: kinds::Own| {
        let mut row = Row { text: o.text, source: o.source, attack: o.attack, ..Row::default() };
        row.finish(risk);
        row
    };
    kinds::all().into_iter().map(row).collect()
}
