//! Conditions that a flow's first packet cannot answer, and what is known of them. What a line asks and what is known go in;
//! yes, no or not yet comes out. Owns nothing.

use alloc::vec::Vec;

use super::source::{Calls, Credential, Line, Names, Window};
use super::why::Condition;
use crate::app::AppProto;

/// Something that may become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Know<T> {
    #[default]
    Later,
    /// There is none.
    Absent,
    Is(T),
}

impl<T> Know<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Know<U> {
        match self {
            Know::Later => Know::Later,
            Know::Absent => Know::Absent,
            Know::Is(v) => Know::Is(f(v)),
        }
    }
}

/// The bit of flows whose protocol was not recognised.
pub const UNRECOGNISED: u64 = 1 << 63;

/// The bit of a protocol in [`Line::apps`] and [`Facts::app`].
pub fn app_bit(p: AppProto) -> u64 {
    p.index().map_or(UNRECOGNISED, |i| 1u64.checked_shl(i as u32).unwrap_or(0))
}

/// Protocols whose hello brings the server's name, and the buffer that has it.
pub const HELLOS: [(&str, &str); 2] = [("tls", "tls.sni"), ("quic", "quic.sni")];

/// Protocols whose messages may be calls of AI services.
pub const CALLERS: [&str; 3] = ["http", "http2", "websocket"];

/// What is known of a flow beyond its first packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// [`app_bit`] of its protocol.
    pub app: Know<u64>,
    /// The server's name in a TLS or QUIC hello.
    pub sni: Know<&'a [u8]>,
    /// The call at hand; `Absent`: none is made, or by the message at hand.
    pub call: Know<Call<'a>>,
}

/// A call of an AI service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    pub provider: Know<&'a [u8]>,
    pub operation: Know<&'a [u8]>,
    pub model: Know<&'a [u8]>,
    pub tool: Know<&'a [u8]>,
    /// Its kind; `none` where there is none.
    pub credential: Know<&'a [u8]>,
}

/// Whether a line fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No(Condition),
    Maybe { call: bool },
}

/// Conditions of a line beside its segments and its service.
#[derive(Clone, Debug)]
pub(super) struct More {
    apps: u64,
    sni: Names,
    calls: Option<Calls>,
    time: Vec<Window>,
}

/// The answers so far.
struct Sum {
    later: bool,
    call: bool,
    no: Option<Condition>,
}

impl Sum {
    /// `call`: the condition is one of calls.
    fn add(&mut self, answer: Know<bool>, of: Condition, call: bool) {
        match answer {
            Know::Is(true) => {}
            Know::Later => {
                self.later = true;
                self.call |= call;
            }
            Know::Is(false) | Know::Absent => self.no = self.no.or(Some(of)),
        }
    }
}

fn among(names: &[super::Glob], value: &[u8]) -> bool {
    names.iter().any(|g| g.fits(value))
}

impl More {
    pub(super) fn of(l: &Line) -> Option<More> {
        let some = l.apps != 0 || l.sni.is_some() || l.calls.is_some() || !l.time.is_empty();
        some.then(|| More { apps: l.apps, sni: l.sni.clone(), calls: l.calls.clone(), time: l.time.clone() })
    }

    pub(super) fn fit(&self, ts: u64, f: &Facts<'_>) -> Fit {
        let mut sum = Sum { later: false, call: false, no: None };
        if !self.time.is_empty() {
            sum.add(Know::Is(self.time.iter().any(|w| w.has(ts))), Condition::Time, false);
        }
        if self.apps != 0 {
            sum.add(f.app.map(|a| a & self.apps != 0), Condition::App, false);
        }
        if let Some(names) = &self.sni {
            sum.add(f.sni.map(|v| among(names, v)), Condition::Sni, false);
        }
        if let Some(c) = &self.calls {
            calls(c, f.call, &mut sum);
        }
        match sum {
            Sum { no: Some(c), .. } => Fit::No(c),
            Sum { later: true, call, .. } => Fit::Maybe { call },
            _ => Fit::Yes,
        }
    }
}

fn calls(c: &Calls, known: Know<Call<'_>>, sum: &mut Sum) {
    let call = match known {
        Know::Is(call) => call,
        Know::Later => return sum.add(Know::Later, Condition::Call, true),
        Know::Absent => return sum.add(Know::Absent, Condition::Call, true),
    };
    for (names, value, of) in [
        (&c.providers, call.provider, Condition::Provider),
        (&c.operations, call.operation, Condition::Operation),
        (&c.models, call.model, Condition::Model),
        (&c.tools, call.tool, Condition::Tool),
    ] {
        if let Some(names) = names {
            sum.add(value.map(|v| among(names, v)), of, true);
        }
    }
    let is_none = |v: &[u8]| v == b"none";
    let answer = match &c.credential {
        Credential::Any => Know::Is(true),
        Credential::Required => call.credential.map(|v| !is_none(v)),
        Credential::Absent => match call.credential {
            Know::Absent => Know::Is(true),
            k => k.map(is_none),
        },
        Credential::Kinds(kinds) => call.credential.map(|v| among(kinds, v)),
    };
    sum.add(answer, Condition::Credential, true);
}
