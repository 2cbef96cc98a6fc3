//! What phrases say of a text: families, and the strongest of them.
//!
//! In: phrases as they are met, with their places. Out: [`Said`]. Owns the last verb and object of each pair.

use super::phrases::{Kind, Phrase};
use super::{Evidence, Family};

/// Verb and object of a pair are no further apart, bytes.
const NEAR: u32 = 48;

/// What phrases say of a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    pub families: u32,
    pub strongest: Evidence,
    aside: Pair,
    reveal: Pair,
}

/// The last verb and object of a pair that were met: end, and weight of the object.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    verb: Option<(u32, u32)>,
    object: Option<(u32, u32, u8)>,
}

impl Pair {
    /// A verb or an object (with its weight) is there. What the pair weighs, and where it lies, when it is close.
    fn meet(&mut self, at: (u32, u32), object: Option<u8>) -> Option<(u8, (u32, u32))> {
        match object {
            Some(w) => self.object = Some((at.0, at.1, w)),
            None => self.verb = Some(at),
        }
        let ((vf, vt), (of, ot, w)) = self.verb.zip(self.object)?;
        let apart = if of >= vt { of - vt } else { vf.saturating_sub(ot) };
        (apart <= NEAR).then_some((w, (vf.min(of), vt.max(ot))))
    }
}

impl Said {
    /// A phrase is there. The family that it, or the pair it completes, speaks for.
    pub fn phrase(&mut self, p: &Phrase, at: (u32, u32)) -> Option<Family> {
        let (family, weight, (from, to)) = match p.kind {
            Kind::Alone(family) => (family, p.weight, at),
            Kind::SetAside | Kind::Instructions => {
                let object = (p.kind == Kind::Instructions).then_some(p.weight);
                let (w, at) = self.aside.meet(at, object)?;
                (Family::PromptInjection, w, at)
            }
            Kind::Reveal | Kind::Hidden => {
                let object = (p.kind == Kind::Hidden).then_some(p.weight);
                let (w, at) = self.reveal.meet(at, object)?;
                (Family::SystemPromptExtraction, w, at)
            }
        };
        self.families |= family.bit();
        if weight > self.strongest.weight {
            self.strongest = Evidence { families: family.bit(), weight, from, to };
        }
        Some(family)
    }
}
