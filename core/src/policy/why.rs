//! Why a flow is not allowed: the lines that came nearest and the condition that stood against each. Bounded: at most
//! [`Policy::LOOKED`] lines are looked at. Owns nothing.

use super::facts::{Facts, Fit};
use super::{Ends, Place, Policy, bits};

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The client's segment.
    From,
    /// The server's segment.
    To,
    /// Protocol or port.
    Service,
    Time,
    App,
    Sni,
    /// That there is a call of an AI service.
    Call,
    Provider,
    Operation,
    Model,
    Tool,
    Credential,
}

impl Condition {
    /// The word for it in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Condition::From => "from",
            Condition::To => "to",
            Condition::Service => "port",
            Condition::Time => "time",
            Condition::App => "app",
            Condition::Sni => "sni",
            Condition::Call => "ai",
            Condition::Provider => "ai.provider",
            Condition::Operation => "ai.operation",
            Condition::Model => "ai.models",
            Condition::Tool => "ai.tools",
            Condition::Credential => "credential",
        }
    }
}

/// A line that does not fit, and the first condition that stood against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Miss {
    pub line: u16,
    pub not: Condition,
}

impl Policy {
    /// Lines that [`Policy::nearest`] looks at.
    pub const LOOKED: usize = 64;

    /// Of the lines between the two segments that would have allowed the flow, the one that came nearest: one that fits its
    /// service before one that does not.
    pub fn nearest(&self, at: Place, ts: u64, facts: &Facts<'_>) -> Option<Miss> {
        let (mut best, mut looked) = (None, 0);
        bits::each(self.dims(at), |i| {
            looked += 1;
            if let Some(l) = self.lines.get(i)
                && !l.act.denies()
                && let Some(Fit::No(not)) = l.more.as_ref().map(|m| m.fit(ts, facts))
            {
                best = best.or(Some(Miss { line: i as u16, not }));
            }
            looked >= Policy::LOOKED
        });
        if best.is_some() {
            return best;
        }
        looked = 0;
        let mut any = self.dims(at);
        any[2] = (&self.anything, 0);
        bits::each(any, |i| {
            looked += 1;
            if self.lines.get(i).is_some_and(|l| !l.act.denies()) {
                best = Some(Miss { line: i as u16, not: Condition::Service });
            }
            best.is_some() || looked >= Policy::LOOKED
        });
        best
    }

    /// For every line: the first condition that stands against it, `None` when it fits or may fit. Not bounded: for
    /// explanations, not for packets.
    pub fn explain(&self, e: &Ends, facts: &Facts<'_>) -> impl Iterator<Item = Option<Condition>> + use<'_> {
        let at = self.place(e);
        let mut fits = alloc::vec![Some(Condition::From); self.lines.len()];
        let everything = [(&self.anything, 0u32); 3];
        for (keep, not) in [(1, Condition::To), (2, Condition::Service), (3, Condition::Time)] {
            let mut dims = everything;
            dims.iter_mut().zip(self.dims(at)).take(keep).for_each(|(d, own)| *d = own);
            bits::each(dims, |i| {
                if let Some(f) = fits.get_mut(i) {
                    *f = Some(not);
                }
                false
            });
        }
        for (f, l) in fits.iter_mut().zip(&self.lines) {
            if *f == Some(Condition::Time) {
                *f = match l.more.as_ref().map(|m| m.fit(e.ts, facts)) {
                    Some(Fit::No(c)) => Some(c),
                    _ => None,
                };
            }
        }
        fits.into_iter()
    }
}
