//! How much a text looks like an attack on a model: score, families, and the places that say so.
//!
//! In: a text (a prompt, a document, the result or description of a tool). Out: a [`Verdict`]. Owns the phrases and the
//! weights of the model; judging allocates nothing and costs work proportional to the text.
//!
//! Parts: a linear model over hashed n-grams (`features`, `model`; trained by `core/examples/train_risk.rs`, described in
//! `docs/risk-model.md`), phrases by family in several languages (`phrases`), and what is hidden in other writing
//! (`hidden`), which is decoded and judged again.

pub mod features;
mod hidden;
mod model;
mod phrases;

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::pool::Scratch;
use crate::sig::text::{Normalise, Scanner, TextBuilder, TextScratch};
use hidden::How;
use phrases::{Kind, Phrase};

pub use model::Model;

/// What an attack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    PromptInjection,
    Jailbreak,
    IndirectInjection,
    SystemPromptExtraction,
    Obfuscation,
    RepeatedToken,
    ToolPoisoning,
    Exfiltration,
    SecretLeak,
    PiiLeak,
    RemoteCodeExecution,
}

impl Family {
    pub const ALL: [Family; 11] = [
        Family::PromptInjection,
        Family::Jailbreak,
        Family::IndirectInjection,
        Family::SystemPromptExtraction,
        Family::Obfuscation,
        Family::RepeatedToken,
        Family::ToolPoisoning,
        Family::Exfiltration,
        Family::SecretLeak,
        Family::PiiLeak,
        Family::RemoteCodeExecution,
    ];

    /// As records and rules name it.
    pub const fn name(self) -> &'static str {
        match self {
            Family::PromptInjection => "prompt_injection",
            Family::Jailbreak => "jailbreak",
            Family::IndirectInjection => "indirect_injection",
            Family::SystemPromptExtraction => "system_prompt_extraction",
            Family::Obfuscation => "obfuscation",
            Family::RepeatedToken => "repeated_token",
            Family::ToolPoisoning => "tool_poisoning",
            Family::Exfiltration => "exfiltration",
            Family::SecretLeak => "secret_leak",
            Family::PiiLeak => "pii_leak",
            Family::RemoteCodeExecution => "remote_code_execution",
        }
    }

    /// Its bit in a set of families.
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// Why a text was judged so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Bits of families.
    pub families: u32,
    /// What it adds to the score.
    pub weight: u8,
    /// Where it lies in the text.
    pub from: u32,
    pub to: u32,
}

/// Most pieces of evidence that are kept, the strongest first.
pub const EVIDENCE: usize = 4;

/// What a text is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// 0 to 100: the probability of an attack where one text in ten is one.
    pub score: u8,
    /// Bits of families.
    pub families: u32,
    pub evidence: [Evidence; EVIDENCE],
}

impl Verdict {
    /// Adds evidence, in the order of its weight.
    fn add(&mut self, e: Evidence) {
        let at = self.evidence.iter().position(|x| x.weight < e.weight);
        if let Some(at) = at {
            self.evidence[at..].rotate_right(1);
            self.evidence[at] = e;
        }
    }

    /// The families in the order of their numbers.
    pub fn families(&self) -> impl Iterator<Item = Family> + use<> {
        let bits = self.families;
        Family::ALL.into_iter().filter(move |f| bits & f.bit() != 0)
    }

    /// Takes the worse of both, with the families of both.
    pub fn merge(&mut self, other: &Verdict) {
        let families = self.families | other.families;
        if other.score > self.score {
            *self = *other;
        }
        self.families = families;
    }
}

/// Score from which a text is taken for an attack, and its families named.
pub const ATTACK: u8 = 40;

/// Judges texts.
pub struct Risk {
    known: Arc<Known>,
    scratch: TextScratch,
    decoded: Scratch,
}

/// What does not change: shared by the engines of a process.
struct Known {
    phrases: Scanner,
    of_phrase: Vec<Phrase>,
    model: Model,
}

/// What the library ships with, made once.
#[cfg(feature = "std")]
fn shipped() -> Arc<Known> {
    static SHIPPED: std::sync::OnceLock<Arc<Known>> = std::sync::OnceLock::new();
    SHIPPED.get_or_init(|| Arc::new(Known::new(Model::shipped()))).clone()
}

#[cfg(not(feature = "std"))]
fn shipped() -> Arc<Known> {
    Arc::new(Known::new(Model::shipped()))
}

impl core::fmt::Debug for Risk {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Risk")
    }
}

impl Default for Risk {
    fn default() -> Self {
        Risk::of(shipped())
    }
}

/// Longest text that is decoded out of another.
const DECODED: usize = 16 << 10;
/// Verb and object of a pair are no further apart, bytes.
const NEAR: u64 = 48;
/// Weight from which a phrase alone says what a text is, in tenths.
const CLEAR: u8 = 44;
/// Most that phrases add, in tenths.
const PHRASES_MAX: u32 = 110;
/// Repetitions of a word that are an attack.
const REPEATED: u32 = 60;

/// What phrases say of a text.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    families: u32,
    /// In tenths: the strongest, and a third of each further one.
    weight: u32,
    strongest: Evidence,
}

impl Said {
    fn add(&mut self, family: Family, weight: u8, (from, to): (u64, u64)) {
        let e = Evidence { families: family.bit(), weight, from: from as u32, to: to as u32 };
        let known = self.families & family.bit() != 0;
        self.families |= family.bit();
        if weight > self.strongest.weight {
            self.weight += u32::from(self.strongest.weight) / 3;
            self.weight += u32::from(weight) - u32::from(self.strongest.weight).min(u32::from(weight));
            self.strongest = e;
        } else if !known {
            self.weight += u32::from(weight) / 3;
        } else {
            self.weight += u32::from(weight) / 10;
        }
        self.weight = self.weight.min(PHRASES_MAX);
    }
}

/// The last verb and object of a pair that were met: end, and weight of the object.
#[derive(Clone, Copy, Default)]
struct Pair {
    verb: Option<(u64, u64)>,
    object: Option<(u64, u64, u8)>,
}

impl Pair {
    /// A verb or an object (with its weight) is there. What the pair weighs, and where it lies, when it is close.
    fn meet(&mut self, at: (u64, u64), object: Option<u8>) -> Option<(u8, (u64, u64))> {
        match object {
            Some(w) => self.object = Some((at.0, at.1, w)),
            None => self.verb = Some(at),
        }
        let ((vf, vt), (of, ot, w)) = self.verb.zip(self.object)?;
        let apart = if of >= vt { of - vt } else { vf.saturating_sub(ot) };
        (apart <= NEAR).then_some((w, (vf.min(of), vt.max(ot))))
    }
}

impl Known {
    fn new(model: Model) -> Known {
        let of_phrase: Vec<_> = phrases::all().collect();
        let mut b = TextBuilder::new(Normalise::GUARD);
        for (i, p) in of_phrase.iter().enumerate() {
            b.add(p.text, i as u32).expect("a phrase that can be searched for");
        }
        Known { phrases: b.build(), of_phrase, model }
    }
}

impl Risk {
    /// With another model than the one that ships.
    ///
    /// # Panics
    /// When a phrase of the program cannot be searched for; a test makes one.
    pub fn new(model: Model) -> Risk {
        Risk::of(Arc::new(Known::new(model)))
    }

    fn of(known: Arc<Known>) -> Risk {
        Risk { scratch: TextScratch::for_scanner(&known.phrases), known, decoded: Scratch::new(DECODED) }
    }

    /// Judges a text.
    pub fn classify(&mut self, text: &[u8]) -> Verdict {
        let (mut raw, mut v) = self.plain(text);
        // What is there for all to see is not hidden.
        let plain = v.evidence.iter().any(|e| e.families != 0 && e.weight >= CLEAR);
        let Risk { known, scratch, decoded } = self;
        let Known { phrases, of_phrase, model } = &**known;
        hidden::each(text, decoded, |how, (from, to), inner| {
            let said = said(phrases, of_phrase, scratch, inner);
            let found = match how {
                // Letters moved about: only what phrases say, and they say much.
                How::Disguised if said.strongest.weight >= CLEAR && !plain => 5.0,
                How::Disguised => return,
                How::Encoded | How::Invisible => sum(model.worst(inner).raw, said.weight) + 1.0,
            };
            let sure = model.probability(found) >= ATTACK;
            if sure || how == How::Invisible {
                let families = said.families | Family::Obfuscation.bit();
                v.families |= families;
                v.add(Evidence { families, weight: 40, from: from as u32, to: to as u32 });
                // Nobody writes by characters that nobody sees.
                raw = raw.max(if how == How::Invisible { found.max(5.0) } else { found });
            }
        });
        if let Some(e) = repeated(text) {
            v.families |= e.families;
            v.add(e);
            raw = raw.max(5.0);
        }
        v.score = self.known.model.probability(raw);
        if v.score >= ATTACK && v.families == 0 {
            v.families = Family::PromptInjection.bit();
        }
        v
    }

    /// What a text says by itself.
    fn plain(&mut self, text: &[u8]) -> (f32, Verdict) {
        let Known { phrases, of_phrase, model } = &*self.known;
        let worst = model.worst(text);
        let said = said(phrases, of_phrase, &mut self.scratch, text);
        let mut v = Verdict { families: said.families, ..Verdict::default() };
        if said.strongest.weight > 0 {
            v.add(said.strongest);
        }
        let by_model = (worst.raw * 10.0).clamp(0.0, 99.0) as u8;
        v.add(Evidence { families: 0, weight: by_model, from: worst.from as u32, to: worst.to as u32 });
        (sum(worst.raw, said.weight), v)
    }

    /// The sum before calibration: for whoever trains.
    pub fn raw(&mut self, text: &[u8]) -> f32 {
        self.plain(text).0
    }
}

/// What the model and the phrases say together. Where phrases say something, what the model knows of harmless texts in that
/// language weighs no more than so much.
fn sum(model: f32, phrases: u32) -> f32 {
    if phrases == 0 { model } else { model.max(-3.0) + phrases as f32 / 10.0 }
}

/// What phrases say of a text.
fn said(phrases: &Scanner, of: &[Phrase], scratch: &mut TextScratch, text: &[u8]) -> Said {
    let (mut said, mut aside, mut reveal) = (Said::default(), Pair::default(), Pair::default());
    phrases.scan(text, scratch, |id, from, to| {
        let Some(p) = of.get(id as usize) else { return true };
        let at = (from as u64, to as u64);
        let letter = |i: Option<usize>| i.and_then(|i| text.get(i)).is_some_and(u8::is_ascii_alphabetic);
        // Words begin where phrases do, in writing that has words; only short ones end there, too.
        let inside = letter(from.checked_sub(1)) || (p.text.len() < 6 && letter(Some(to)));
        if inside && p.text.as_bytes()[0].is_ascii_alphabetic() {
            return true;
        }
        match p.kind {
            Kind::Alone(family) => said.add(family, p.weight, at),
            Kind::SetAside | Kind::Instructions => {
                let object = (p.kind == Kind::Instructions).then_some(p.weight);
                if let Some((w, at)) = aside.meet(at, object) {
                    said.add(Family::PromptInjection, w, at);
                }
            }
            Kind::Reveal | Kind::Hidden => {
                let object = (p.kind == Kind::Hidden).then_some(p.weight);
                if let Some((w, at)) = reveal.meet(at, object) {
                    said.add(Family::SystemPromptExtraction, w, at);
                }
            }
        }
        true
    });
    said
}

/// One word over and over.
fn repeated(text: &[u8]) -> Option<Evidence> {
    let (mut last, mut times, mut from, mut at): (&[u8], u32, usize, usize) = (&[], 0, 0, 0);
    for word in text.split(|c| c.is_ascii_whitespace() || *c == b',') {
        if word.is_empty() {
        } else if word == last {
            times += 1;
            if times == REPEATED {
                let families = Family::RepeatedToken.bit();
                return Some(Evidence {
                    families,
                    weight: 40,
                    from: from as u32,
                    to: (at + word.len()) as u32,
                });
            }
        } else {
            (last, times, from) = (word, 0, at);
        }
        at += word.len() + 1;
    }
    None
}

#[cfg(test)]
mod tests;
