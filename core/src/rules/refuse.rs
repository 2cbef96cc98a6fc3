//! Why a rule was not loaded: a fault found while reading one option, and the refusal that is reported for it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Groups of reasons, counted by `tidegate rules check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalKind {
    /// Not the shape of a rule (missing parenthesis, semicolon, quote).
    Syntax,
    /// Action, addresses, ports or direction of the header are wrong.
    Header,
    /// A `$VARIABLE` that is not defined.
    Variable,
    /// The header names a protocol that is not known.
    Protocol,
    /// No such keyword.
    UnknownKeyword,
    /// A keyword of the language that this engine does not support.
    Unsupported,
    /// The keyword's value is wrong.
    Value,
    /// Options that contradict each other.
    Conflict,
    /// The option is not allowed where it stands (a modifier without a `content` before it, …).
    Context,
    /// A file that the rule names could not be read, or holds rubbish.
    File,
    /// Same `gid` and `sid` as an earlier rule with the same or a newer `rev`.
    Duplicate,
    /// `requires` is not met: skipped on purpose, not an error.
    Requires,
}

impl RefusalKind {
    /// A word for reports.
    pub const fn name(self) -> &'static str {
        match self {
            RefusalKind::Syntax => "syntax",
            RefusalKind::Header => "header",
            RefusalKind::Variable => "variable",
            RefusalKind::Protocol => "protocol",
            RefusalKind::UnknownKeyword => "unknown keyword",
            RefusalKind::Unsupported => "unsupported",
            RefusalKind::Value => "value",
            RefusalKind::Conflict => "conflict",
            RefusalKind::Context => "context",
            RefusalKind::File => "file",
            RefusalKind::Duplicate => "duplicate",
            RefusalKind::Requires => "requires",
        }
    }
}

/// A rule that was not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Number of the source, as given to `parse_source`.
    pub file: u32,
    /// 1-based line of the option at fault.
    pub line: u32,
    /// 1-based column of the option at fault, bytes.
    pub column: u32,
    pub sid: Option<u32>,
    /// The keyword at fault, as the rule writes it; `None` when it is the header or the rule as a whole.
    pub keyword: Option<String>,
    pub kind: RefusalKind,
    pub reason: String,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if let Some(sid) = self.sid {
            write!(f, "sid {sid}: ")?;
        }
        if let Some(k) = &self.keyword {
            write!(f, "{k}: ")?;
        }
        f.write_str(&self.reason)
    }
}

/// A fault inside one option; the place is added by whoever reads the options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: RefusalKind,
    pub reason: String,
    /// The option at fault, where the whole rule is looked at: its keyword, and bytes of its value.
    pub near: Option<(&'static str, Vec<u8>)>,
}

impl Fault {
    pub fn new(kind: RefusalKind, reason: impl Into<String>) -> Fault {
        Fault { kind, reason: reason.into(), near: None }
    }

    /// At the option `keyword` with `part` in its value.
    pub fn near(self, keyword: &'static str, part: &[u8]) -> Fault {
        Fault { near: Some((keyword, part.to_vec())), ..self }
    }
}

/// The result of reading an option.
pub type Res<T = ()> = Result<T, Fault>;

/// A wrong value.
pub fn bad<T>(reason: impl Into<String>) -> Res<T> {
    Err(Fault::new(RefusalKind::Value, reason))
}

/// Options that exclude each other.
pub fn conflict<T>(reason: impl Into<String>) -> Res<T> {
    Err(Fault::new(RefusalKind::Conflict, reason))
}

/// An option in the wrong place.
pub fn context<T>(reason: impl Into<String>) -> Res<T> {
    Err(Fault::new(RefusalKind::Context, reason))
}

/// Something Suricata has and this engine has not.
pub fn unsupported<T>(what: &str) -> Res<T> {
    Err(Fault::new(RefusalKind::Unsupported, format!("{what} is not supported")))
}
