//! The keyword table: one file per family, one line here per family. Buffers and numbers of protocols are not
//! here, they come from the protocols' own descriptions.

use super::build::Builder;
use super::refuse::{Fault, RefusalKind, Res};

pub mod app;
mod artifact;
pub mod base64;
pub mod buffer;
pub mod bytes;
pub mod content;
pub mod dataset;
pub mod event;
pub mod file;
pub mod flow;
pub mod list;
pub mod meta;
pub mod modbus;
pub mod packet;
pub mod pcre;
pub mod post;
pub mod requires;
pub mod threshold;
pub mod tls;
pub mod transform;
pub mod vars;

/// Every family of keywords.
pub static FAMILIES: &[&[Keyword]] = &[
    meta::KEYWORDS,
    content::KEYWORDS,
    pcre::KEYWORDS,
    buffer::KEYWORDS,
    bytes::KEYWORDS,
    base64::KEYWORDS,
    transform::KEYWORDS,
    flow::KEYWORDS,
    vars::KEYWORDS,
    threshold::KEYWORDS,
    packet::KEYWORDS,
    app::KEYWORDS,
    modbus::KEYWORDS,
    tls::KEYWORDS,
    event::KEYWORDS,
    file::KEYWORDS,
    artifact::KEYWORDS,
    dataset::KEYWORDS,
    requires::KEYWORDS,
    post::KEYWORDS,
];

/// Whether a keyword has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Needed,
    Optional,
    None,
}

/// Whether the value is written in double quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    Needed,
    May,
    No,
}

/// The value of an option, quotes and negation removed.
#[derive(Debug, Clone, Copy)]
pub struct Arg<'t> {
    pub bytes: &'t [u8],
    /// There was a value.
    pub given: bool,
    /// It began with `!` (keywords with [`Keyword::negatable`]).
    pub negated: bool,
}

impl<'t> Arg<'t> {
    /// The value as text.
    pub fn text(&self) -> Res<&'t str> {
        core::str::from_utf8(self.bytes)
            .map(str::trim)
            .map_err(|_| Fault::new(RefusalKind::Value, "its value is not valid UTF-8"))
    }
}

/// One keyword.
pub struct Keyword {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub value: Value,
    pub quotes: Quotes,
    pub negation: bool,
    pub setup: Setup,
}

/// Reads the value of a keyword into the rule.
pub type Setup = fn(&mut Builder<'_, '_>, &Arg<'_>) -> Res;

impl Keyword {
    /// A keyword with a value without quotes.
    pub const fn new(name: &'static str, setup: Setup) -> Keyword {
        Keyword { name, aliases: &[], value: Value::Needed, quotes: Quotes::No, negation: false, setup }
    }
    /// A keyword without a value.
    pub const fn flag(name: &'static str, setup: Setup) -> Keyword {
        Keyword { value: Value::None, ..Keyword::new(name, setup) }
    }
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Keyword {
        self.aliases = aliases;
        self
    }
    /// The value may be missing.
    pub const fn optional(mut self) -> Keyword {
        self.value = Value::Optional;
        self
    }
    /// The value must be in double quotes.
    pub const fn quoted(mut self) -> Keyword {
        self.quotes = Quotes::Needed;
        self
    }
    /// The value may be in double quotes.
    pub const fn quotable(mut self) -> Keyword {
        self.quotes = Quotes::May;
        self
    }
    /// A leading `!` negates.
    pub const fn negatable(mut self) -> Keyword {
        self.negation = true;
        self
    }
}

/// Comma-separated parts, trimmed.
pub fn parts(t: &str) -> impl Iterator<Item = &str> {
    t.split(',').map(str::trim)
}

/// `word rest`: the first word and what follows it, trimmed.
pub fn word(t: &str) -> (&str, &str) {
    let t = t.trim();
    match t.split_once(char::is_whitespace) {
        Some((a, b)) => (a, b.trim()),
        None => (t, ""),
    }
}
