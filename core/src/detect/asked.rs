//! Values that rules found in datasets with a context, kept until the packet's alerts are told.
//!
//! In: a set and the value that is in it. Out: for a rule that matched, the contexts' names and texts. Owns a few values of
//! fixed size; a longer value has no context in its alert.

use alloc::string::String;
use alloc::vec::Vec;

use super::captured::Captured;
use super::inspect::Sets;
use super::ruleset::SigIx;
use crate::rules::ir;

/// Longest value kept, bytes.
const LONGEST: usize = 128;
/// Most values of one rule, and of a packet's rules.
const OF_RULE: usize = 4;
const OF_PACKET: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Value {
    set: u16,
    len: u8,
    bytes: [u8; LONGEST],
}

/// What the rule at hand found.
#[derive(Debug)]
pub struct Asked {
    values: [Value; OF_RULE],
    count: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Asked { values: [Value { set: 0, len: 0, bytes: [0; LONGEST] }; OF_RULE], count: 0 }
    }
}

impl Asked {
    /// Another rule begins.
    pub fn begin(&mut self) {
        self.count = 0;
    }

    /// `value` is in the set of that number.
    pub fn found(&mut self, set: u16, value: &[u8]) {
        let Some(v) = self.values.get_mut(self.count) else { return };
        let Some(to) = v.bytes.get_mut(..value.len()) else { return };
        to.copy_from_slice(value);
        (v.set, v.len) = (set, value.len() as u8);
        self.count += 1;
    }
}

/// What rules that matched on the packet found.
#[derive(Debug)]
pub struct Contexts {
    kept: Vec<(SigIx, Value)>,
}

impl Default for Contexts {
    fn default() -> Self {
        Contexts { kept: Vec::with_capacity(OF_PACKET) }
    }
}

impl Contexts {
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// The rule matched: keeps what it found in sets that have contexts.
    pub fn keep(&mut self, sig: SigIx, asked: &Asked, sets: &[ir::Dataset]) {
        for v in asked.values.iter().take(asked.count) {
            let has = sets.get(usize::from(v.set)).is_some_and(|s| s.context.is_some());
            if has && self.kept.len() < self.kept.capacity() {
                self.kept.push((sig, *v));
            }
        }
    }
}

/// The contexts of one alert.
#[derive(Clone, Copy)]
pub struct ContextsOf<'a> {
    pub(crate) kept: &'a Contexts,
    pub(crate) sig: SigIx,
    pub(crate) names: &'a [ir::Dataset],
    pub(crate) sets: &'a dyn Sets,
    pub(crate) captured: &'a Captured,
    pub(crate) vars: &'a [String],
}

impl core::fmt::Debug for ContextsOf<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ContextsOf").field("sig", &self.sig).finish_non_exhaustive()
    }
}

impl ContextsOf<'_> {
    /// Calls `f` with the name of each context and its text, which is JSON.
    pub fn each(&self, mut f: impl FnMut(&str, &str)) {
        for (_, v) in self.kept.kept.iter().filter(|(sig, _)| *sig == self.sig) {
            let Some(name) = self.names.get(usize::from(v.set)).and_then(|s| s.context.as_deref()) else {
                continue;
            };
            let value = v.bytes.get(..usize::from(v.len)).unwrap_or(&[]);
            self.sets.context(v.set, value, &mut |text| f(name, text));
        }
    }

    /// Calls `f` with the name and the value of each capture that the rule made for its alert (`pcre` with `alert:NAME`).
    pub fn captures(&self, mut f: impl FnMut(&str, &[u8])) {
        for (name, value) in self.captured.of_alert(self.sig) {
            if let Some(name) = self.vars.get(usize::from(name)) {
                f(name, value);
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.captured.of_alert(self.sig).next().is_none()
            && !self.kept.kept.iter().any(|(sig, _)| *sig == self.sig)
    }
}
