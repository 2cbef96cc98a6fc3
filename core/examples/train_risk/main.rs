//! Trains the model of `tidegate_core::ai::risk` from labelled texts and texts of our own making, and measures it.
//!
//! ```text
//! train_risk train TESTED FILE…          weights on standard output; rows are lines of JSON: {"text", "label", "source"}
//! train_risk leave-one-out TESTED FILE…  recall by source of the first file, by models that have not seen its like
//! train_risk own                         the texts of our own making
//! ```
//!
//! Like is what has the same name before its first underscore. With `STRICT` in the environment also what has a run of
//! eight words in common with an attack of the source: some lists have copied from others. With `ROWS` every row with its
//! sum is written.
//!
//! The same files give the same weights, to the byte: no threads, no clock, a fixed order.

mod kinds;
mod learn;
mod rows;

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use learn::{learn, model};
use rows::Row;
use tidegate_core::ai::risk::{Model, Risk};

/// Sums from which on scores are 1 to 99, of a model that is not calibrated.
fn plain() -> [i32; 99] {
    core::array::from_fn(|i| (i as i32 - 50) * 100)
}

/// Sums of the tested rows, each by a model that has not seen its kin.
fn left_out(tested: usize, rows: &[Row], mut risk: Risk) -> Vec<i32> {
    let mut kins: Vec<&str> = rows[..tested].iter().map(Row::kin).collect();
    kins.sort_unstable();
    kins.dedup();
    let strict = std::env::var_os("STRICT").is_some();
    let mut sums = vec![0; tested];
    for k in kins {
        let attacks = rows[..tested].iter().filter(|r| strict && r.kin() == k);
        let known: HashSet<u64> = attacks.flat_map(|r| r.runs.iter().copied()).collect();
        let others: Vec<&Row> = rows.iter().filter(|r| r.kin() != k && !r.is_near(&known)).collect();
        risk = risk.with(model(learn(&others, plain())));
        for (sum, row) in sums.iter_mut().zip(rows).filter(|(_, r)| r.kin() == k) {
            *sum = risk.raw(row.text.as_bytes());
        }
    }
    sums
}

/// Sums from which on a score is reached: the probability of an attack where one text in ten is one. A logistic curve.
fn calibrate(rows: &[Row], sums: &[i32]) -> [i32; 99] {
    let attacks = rows.iter().filter(|r| r.attack).count() as f64;
    let ours = attacks / rows.len() as f64;
    let (up, down) = (0.1 / ours, 0.9 / (1.0 - ours));
    let (mut a, mut b) = (1.0f64, 0.0f64);
    for _ in 0..4000 {
        let (mut da, mut db) = (0.0, 0.0);
        for (r, s) in rows.iter().zip(sums) {
            let s = f64::from(*s) / 1024.0;
            let p = 1.0 / (1.0 + libm::exp(-(a * s + b)));
            let e = if r.attack { (p - 1.0) * up } else { p * down };
            da += e * s;
            db += e;
        }
        a -= 0.5 * da / rows.len() as f64;
        b -= 0.5 * db / rows.len() as f64;
    }
    eprintln!("slope {a:.3}, offset {b:.3}");
    core::array::from_fn(|i| {
        let p = (i as f64 + 0.5) / 100.0;
        ((libm::log(p / (1.0 - p)) - b) / a * 1024.0).round() as i32
    })
}

fn table(rows: &[Row], sums: &[i32]) {
    let sorted = |keep: &dyn Fn(&Row) -> bool| {
        let mut v: Vec<i32> = rows.iter().zip(sums).filter(|(r, _)| keep(r)).map(|(_, s)| *s).collect();
        v.sort_unstable();
        v
    };
    let at =
        |v: &[i32], part: f64| v.get(v.len().wrapping_sub(1 + (v.len() as f64 * part) as usize)).copied();
    let benign = at(&sorted(&|r| !r.attack), 0.01).unwrap_or(0);
    let limit = at(&sorted(&|r| r.source == "notinject"), 0.05).map_or(benign, |n| n.max(benign));
    eprintln!("threshold {:.2} (1 % of benign rows, 5 % of NotInject)", f64::from(limit) / 1024.0);
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
    if std::env::var_os("ROWS").is_some() {
        for (r, s) in rows.iter().zip(sums) {
            let above = f64::from(s - limit) / 1024.0;
            println!(
                "{above:.2}\t{}\t{}\t{}",
                u8::from(r.attack),
                r.source,
                r.text.replace(['\n', '\t'], " ")
            );
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let how = args.first().map_or("", |a| a.as_str());
    if how == "own" {
        for o in kinds::all() {
            println!("{}\t{}\t{}", u8::from(o.attack), o.source, o.text.replace(['\n', '\t'], " "));
        }
        return;
    }
    if !["train", "leave-one-out"].contains(&how) || args.len() < 2 {
        eprintln!(
            "train_risk train TESTED FILE… > weights.bin, train_risk leave-one-out TESTED FILE…, train_risk own"
        );
        return;
    }
    let mut risk = Risk::new(Model::empty());
    let mut rows = rows::read(&args[1..2], &mut risk);
    let tested = rows.len();
    rows.extend(rows::read(&args[2..], &mut risk));
    rows.extend(rows::own(&mut risk));
    let sums = left_out(tested, &rows, risk);
    table(&rows[..tested], &sums);
    if how == "train" {
        let scores = calibrate(&rows[..tested], &sums);
        let all: Vec<&Row> = rows.iter().collect();
        std::io::stdout().write_all(&learn(&all, scores)).expect("standard output");
    }
}
