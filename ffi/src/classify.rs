//! Classifiers: how much a text looks like an attack on a model.
//!
//! In: a text, whole. Out: a score, families, and the places that say so. Owns what judging writes to; phrases and
//! weights are shared by the process (`tidegate_core::ai::risk`).

use std::ffi::c_char;

use tidegate_core::ai::risk::{EVIDENCE, Family, Risk, Verdict};

use crate::args::{self, sized};
use crate::error::{Res, fence, tg_status};
use crate::handle::{self, Object};

/// Judges texts: prompts, documents, what tools answer or say of themselves. One thread at a time may use it; make one
/// for each thread, they share what they know.
pub struct tg_classifier {
    _private: [u8; 0],
}

/// Asks to set instructions aside. A bit of `families`.
pub const TG_RISK_PROMPT_INJECTION: u32 = 1;
/// Talks a model out of its limits. A bit of `families`.
pub const TG_RISK_JAILBREAK: u32 = 2;
/// Instructions in what should be data. A bit of `families`.
pub const TG_RISK_INDIRECT_INJECTION: u32 = 4;
/// Asks for the system prompt. A bit of `families`.
pub const TG_RISK_SYSTEM_PROMPT_EXTRACTION: u32 = 8;
/// Hidden in other writing: base64, tag characters, reversed text, …. A bit of `families`.
pub const TG_RISK_OBFUSCATION: u32 = 16;
/// One word over and over. A bit of `families`.
pub const TG_RISK_REPEATED_TOKEN: u32 = 32;
/// Instructions in the description of a tool. A bit of `families`.
pub const TG_RISK_TOOL_POISONING: u32 = 64;
/// Asks to send data elsewhere. A bit of `families`.
pub const TG_RISK_EXFILTRATION: u32 = 128;
/// A key or password. A bit of `families`.
pub const TG_RISK_SECRET_LEAK: u32 = 256;
/// Data about persons. A bit of `families`.
pub const TG_RISK_PII_LEAK: u32 = 512;
/// Asks to run code or a command. A bit of `families`.
pub const TG_RISK_REMOTE_CODE_EXECUTION: u32 = 1024;

/// Elements of `reasons` of a tg_risk.
pub const TG_RISK_REASONS: usize = 4;

const _: () =
    assert!(TG_RISK_REASONS == EVIDENCE && TG_RISK_REMOTE_CODE_EXECUTION == 1 << (Family::ALL.len() - 1));

/// What says that a text is an attack, and where.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct tg_reason {
    /// TG_RISK_ bits; 0: how it is worded.
    pub families: u32,
    /// What it adds, in tenths of logarithms of odds.
    pub weight: u32,
    /// Where it begins, bytes from the start of the text.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

/// What a text was judged to be.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct tg_risk {
    /// sizeof(tg_risk)
    pub size: usize,
    /// 0 to 100: the probability in percent of an attack where one text in ten is one. Rules of `builtin:ai` alert from
    /// 40 on.
    pub score: u32,
    /// A sum of TG_RISK_ bits; tg_risk_family names them.
    pub families: u32,
    /// How many of `reasons` there are.
    pub reason_count: u32,
    /// 0
    pub reserved: u32,
    /// The strongest reasons, the strongest first.
    pub reasons: [tg_reason; TG_RISK_REASONS],
}

sized!(tg_risk);

struct Judge(Risk);

impl Object for Judge {
    const KIND: u32 = 11;
    const NAME: &'static str = "classifier";
    type Opaque = tg_classifier;
}

fn told(v: &Verdict) -> tg_risk {
    let mut out = tg_risk { score: u32::from(v.score), families: v.families, ..tg_risk::default() };
    for (to, e) in out.reasons.iter_mut().zip(v.evidence.iter().filter(|e| e.weight > 0)) {
        *to = tg_reason { families: e.families, weight: u32::from(e.weight), start: e.from, end: e.to };
        out.reason_count += 1;
    }
    out
}

/// Makes a classifier. The first of a process takes some milliseconds. Thread-safe.
///
/// # Safety
/// `out` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_classifier_new(out: *mut *mut tg_classifier) -> tg_status {
    fence(|| {
        // SAFETY: the caller promises so.
        let out = unsafe { args::out(out, "out") }?;
        out.write(handle::make(Judge(Risk::default())));
        Ok(())
    })
}

/// Judges one text. The same text has the same score on every machine. It takes no memory. One thread at a time for a
/// classifier.
///
/// # Safety
/// `classifier` is NULL or a handle; `len` bytes can be read at `text`; `out` is NULL or as large as its `size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_classify(
    classifier: *mut tg_classifier,
    text: *const c_char,
    len: usize,
    out: *mut tg_risk,
) -> tg_status {
    fence(|| -> Res {
        // SAFETY: the caller promises so.
        let (mut judge, text) =
            unsafe { (handle::enter_mut::<Judge>(classifier)?, args::bytes(text.cast(), len, "text")?) };
        let risk = told(&judge.0.classify(text));
        // SAFETY: as above.
        unsafe { args::write_sized(out, risk) }
    })
}

/// Name of a family, such as "prompt_injection": of the lowest bit of `family`. NULL when there is none. Thread-safe; the
/// text is there for ever.
#[unsafe(no_mangle)]
pub extern "C" fn tg_risk_family(family: u32) -> *const c_char {
    let names = [
        c"prompt_injection",
        c"jailbreak",
        c"indirect_injection",
        c"system_prompt_extraction",
        c"obfuscation",
        c"repeated_token",
        c"tool_poisoning",
        c"exfiltration",
        c"secret_leak",
        c"pii_leak",
        c"remote_code_execution",
    ];
    names.get(family.trailing_zeros() as usize).map_or(std::ptr::null(), |n| n.as_ptr())
}

/// Frees a classifier; NULL is nothing to do. TG_ERR_HANDLE when it was freed before. Thread-safe: TG_ERR_BUSY while
/// another thread is inside.
///
/// # Safety
/// `classifier` is NULL or a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tg_classifier_free(classifier: *mut tg_classifier) -> tg_status {
    // SAFETY: the caller promises so.
    fence(|| unsafe { handle::free::<Judge>(classifier) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits and names of C are the engine's.
    #[test]
    fn families_have_their_bits_and_names() {
        for f in Family::ALL {
            let name = tg_risk_family(f.bit());
            // SAFETY: it is text that ends in NUL.
            assert_eq!(unsafe { std::ffi::CStr::from_ptr(name) }.to_str(), Ok(f.name()));
        }
        assert!(tg_risk_family(0).is_null() && tg_risk_family(1 << 11).is_null());
        let bits =
            [Family::PromptInjection.bit(), Family::SystemPromptExtraction.bit(), Family::SecretLeak.bit()];
        assert_eq!(bits, [TG_RISK_PROMPT_INJECTION, TG_RISK_SYSTEM_PROMPT_EXTRACTION, TG_RISK_SECRET_LEAK]);
    }
}
