//! The meaning of one rule, free of its text: what the parser gives and what detection compiles.
//!
//! Source of all meanings: the Suricata 8 rule keyword pages.

mod bytes;
mod header;
mod packet;
mod state;

use alloc::string::String;
use alloc::vec::Vec;

use crate::app::AppProto;
pub use crate::event::Action;
pub use bytes::*;
pub use header::*;
pub use packet::*;
pub use state::*;

/// A rule as parsed and checked, variables resolved.
#[derive(Debug)]
pub struct Rule {
    pub meta: RuleMeta,
    pub header: Header,
    /// Conditions on named buffers, in the order the rule gives them.
    pub lists: Vec<BufferMatch>,
    /// Conditions on protocol numbers (`dns.opcode`, …).
    pub ints: Vec<AppInt>,
    /// Conditions on the packet alone.
    pub packet: Vec<PacketMatch>,
    pub flow: FlowMatch,
    /// Application protocols it can match in, worked out from the header and from its keywords (all of them are
    /// possible when empty). `http` in the header gives HTTP/1 and HTTP/2, `http.stat_code` in a `tcp` rule too.
    pub protos: Vec<AppProto>,
    /// Conditions on the files of the transaction, all on the same file.
    pub files: Vec<FileMatch>,
    /// Conditions on state kept between packets, in order.
    pub state: Vec<StateMatch>,
    /// What happens when everything matched, in order.
    pub post: Vec<Post>,
    pub threshold: Option<Threshold>,
    /// `rate_filter` of the threshold file.
    pub rate_filter: Option<Threshold>,
    /// `suppress` lines of the threshold file that name this rule.
    pub suppress: Vec<Threshold>,
    /// `detection_filter` beside `threshold` is not allowed; it is `threshold` with its own kind.
    /// `noalert` or `alert`, when the rule says one of them.
    pub noalert: Option<bool>,
    /// Number of byte_extract / byte_math variables the rule uses.
    pub vars: u8,
    /// `prefilter` keyword was given (on a packet keyword).
    pub prefilter: bool,
}

/// What outputs say of a rule.
#[derive(Debug, Clone, Default)]
pub struct RuleMeta {
    pub action: Action,
    pub gid: u32,
    pub sid: u32,
    pub rev: u32,
    pub msg: String,
    pub classtype: String,
    /// Description of the class from classification.config; EVE `category`.
    pub category: String,
    /// 1 (high) … 255; EVE `severity`.
    pub priority: u32,
    /// `key` and `value` pairs of `metadata`.
    pub metadata: Vec<(String, String)>,
    /// (`https://`, `example.org/x`): what reference.config has for the system, or its name and a comma where it has
    /// nothing, and the rest.
    pub references: Vec<(String, String)>,
    /// It has `tag`: further packets are told of.
    pub tags: bool,
    /// `target:src_ip` / `target:dest_ip`.
    pub target: Option<Target>,
    /// The rule's text, for `alert.rule`.
    pub text: String,
    /// 1-based line in its file, and the file's number in the list of sources.
    pub line: u32,
    pub file: u32,
    /// Where its further lines begin in `text`, with their numbers.
    pub further: Vec<(usize, u32)>,
}

/// What names a rule, whatever rule set it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct RuleId {
    pub gid: u32,
    pub sid: u32,
}

impl RuleMeta {
    pub const fn id(&self) -> RuleId {
        RuleId { gid: self.gid, sid: self.sid }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Src,
    Dest,
}
