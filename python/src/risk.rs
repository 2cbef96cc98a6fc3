//! How much texts look like attacks on a model. Texts come in; score, families and the places that say so go back.
//!
//! What is known is shared by the process (`tidegate_core::ai::risk`); what judging writes to comes from a pool.

use std::sync::LazyLock;

use pyo3::prelude::*;
use tidegate_core::ai::risk::{Family, Risk, Verdict};

use crate::held::guarded;
use crate::scan::{Pool, Text, all, each, in_characters};

/// What, start, end, weight.
type Why = (&'static str, u64, u64, f64);
/// Score, families, evidence.
type Judged = (u8, Vec<&'static str>, Vec<Why>);

static JUDGES: LazyLock<Pool<Risk>> = LazyLock::new(Pool::new);

/// A verdict on `text`; `is_str`: places are counted in characters.
fn told(v: &Verdict, text: &[u8], is_str: bool) -> Judged {
    let weighty = || v.evidence.iter().filter(|e| e.weight > 0);
    let mut places: Vec<_> = weighty().map(|e| (0, u64::from(e.from), u64::from(e.to))).collect();
    if is_str {
        in_characters(text, &mut places);
    }
    let why = weighty()
        .zip(&places)
        .map(|(e, place)| (name_of(e.families), place.1, place.2, f64::from(e.weight) / 10.0));
    (v.score, v.families().map(Family::name).collect(), why.collect())
}

/// The family that evidence is of; `words`: the model's, which is of none.
fn name_of(families: u32) -> &'static str {
    Family::ALL.into_iter().find(|f| families & f.bit() != 0).map_or("words", Family::name)
}

/// Judges texts, on `threads` threads.
#[pyfunction]
pub fn classify(py: Python<'_>, texts: Vec<Text<'_>>, threads: usize) -> PyResult<Vec<Judged>> {
    let texts = all(&texts)?;
    guarded(py, || {
        each(&texts, threads, |text, is_str| {
            JUDGES.with(Risk::default, |risk| told(&risk.classify(text), text, is_str))
        })
    })
}
