//! How much a text looks like an attack on a model: score, families, and the places that say so.
//!
//! In: a text (a prompt, a document, the result or description of a tool). Out: a [`Verdict`]. Owns the phrases and the
//! weights of the model; judging allocates nothing and costs work proportional to the text.
//!
//! Parts: a linear model over words and what they mean in some twenty languages (`fold`, `features`, `concepts`, `model`;
//! trained by `core/examples/train_risk`, described in `docs/risk-model.md`), phrases that name the family (`phrases`,
//! `said`), and what is hidden in other writing (`hidden`), which is decoded and judged again.

mod concepts;
pub mod features;
mod fold;
mod hidden;
pub mod model;
mod phrases;
mod said;

use alloc::sync::Arc;

use crate::pool::Scratch;
use features::{Lexicon, Room, Seen};
use hidden::How;

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
    room: Room,
    decoded: Scratch,
}

/// What does not change: shared by the engines of a process.
struct Known {
    lexicon: Lexicon,
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
/// Weight from which a phrase alone says what a text is, in tenths.
const CLEAR: u8 = 44;
/// What is surely an attack, and what encoding adds.
const SURE: i32 = 5 * model::ONE;
const ENCODED: i32 = model::ONE;

impl Known {
    fn new(model: Model) -> Known {
        Known { lexicon: Lexicon::new(), model }
    }
}

impl Risk {
    /// With another model than the one that ships.
    pub fn new(model: Model) -> Risk {
        Risk::of(Arc::new(Known::new(model)))
    }

    /// With another model, and with the lexicon and the room that this one has: for whoever trains.
    #[must_use]
    pub fn with(self, model: Model) -> Risk {
        let Risk { known, room, decoded } = self;
        let lexicon = match Arc::try_unwrap(known) {
            Ok(k) => k.lexicon,
            Err(_) => Lexicon::new(),
        };
        Risk { known: Arc::new(Known { lexicon, model }), room, decoded }
    }

    fn of(known: Arc<Known>) -> Risk {
        Risk { room: known.lexicon.room(), known, decoded: Scratch::new(DECODED) }
    }

    /// Judges a text.
    pub fn classify(&mut self, text: &[u8]) -> Verdict {
        let (mut raw, mut v, seen) = self.plain(text);
        // What is there for all to see is not hidden.
        let plain = v.evidence.iter().any(|e| e.families != 0 && e.weight >= CLEAR);
        let Risk { known, room, decoded } = self;
        let Known { lexicon, model } = &**known;
        hidden::each(text, &seen, decoded, |how, (from, to), inner| {
            let (worst, seen) = model.worst(lexicon, room, inner);
            let found = match how {
                // Letters moved about: only what phrases say, and they say much.
                How::Disguised if seen.said.strongest.weight >= CLEAR && !plain => SURE,
                How::Disguised => return,
                How::Encoded | How::Invisible => worst.raw + ENCODED,
            };
            if model.probability(found) >= ATTACK || how == How::Invisible {
                let families = seen.said.families | Family::Obfuscation.bit();
                v.families |= families;
                v.add(Evidence { families, weight: 40, from: from as u32, to: to as u32 });
                // Nobody writes by characters that nobody sees.
                raw = raw.max(if how == How::Invisible { found.max(SURE) } else { found });
            }
        });
        if let Some((from, to)) = seen.repeated {
            let families = Family::RepeatedToken.bit();
            v.families |= families;
            v.add(Evidence { families, weight: 40, from, to });
            raw = raw.max(SURE);
        }
        v.score = self.known.model.probability(raw);
        if v.score >= ATTACK && v.families == 0 {
            v.families = Family::PromptInjection.bit();
        }
        v
    }

    /// What a text says by itself.
    fn plain(&mut self, text: &[u8]) -> (i32, Verdict, Seen) {
        let Known { lexicon, model } = &*self.known;
        let (worst, seen) = model.worst(lexicon, &mut self.room, text);
        let mut v = Verdict { families: seen.said.families, ..Verdict::default() };
        if seen.said.strongest.weight > 0 {
            v.add(seen.said.strongest);
        }
        let by_model = (worst.raw * 10 / model::ONE).clamp(0, 99) as u8;
        v.add(Evidence { families: 0, weight: by_model, from: worst.from, to: worst.to });
        (worst.raw, v, seen)
    }

    /// The sum before calibration, in 1/1024: for whoever trains.
    pub fn raw(&mut self, text: &[u8]) -> i32 {
        self.plain(text).0
    }

    /// The features of a text: for whoever trains.
    pub fn features(&mut self, text: &[u8], to: &mut impl features::Take) {
        self.known.lexicon.each(&mut self.room, text, to);
    }
}

#[cfg(test)]
mod tests;
