//! Conditions on what is kept between packets, what a match does, and how alerts are limited.

use super::bytes::{Cmp, IntTest};
use super::header::AddrSet;
use crate::ai::artifact::{FORMATS, Judgement, Verdict};
use crate::app::AppProto;
use crate::event::Action;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    ToServer,
    ToClient,
    Both,
    Either,
}

/// A condition on state kept over packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateMatch {
    /// Any of the named bits set (`isset,a|b`).
    FlowbitsIsSet(Vec<String>),
    FlowbitsIsNotSet(Vec<String>),
    Flowint {
        name: String,
        test: VarTest,
    },
    Xbits {
        name: String,
        track: Track,
        set: bool,
    },
    Hostbits {
        name: String,
        track: Track,
        set: bool,
    },
    AppProtocol {
        /// Any of these (`http` means several).
        protos: Vec<AppProto>,
        negated: bool,
        mode: AppProtoMode,
    },
    /// `app-layer-event:proto.event`: number of the event in the protocol's list; `None` for `proto` as a whole.
    AppEvent {
        proto: AppProto,
        event: u8,
    },
    /// `app-layer-event:applayer_…`: detection-level events.
    AppLayerEvent(u8),
    /// `dcerpc.iface` / `dce_iface`: interface UUID (wire order of its text), version, any fragment.
    DceIface {
        uuid: [u8; 16],
        version: Option<IntTest>,
        any_frag: bool,
    },
    /// `app-layer-state`: progress of the transaction.
    AppState {
        test: IntTest,
        dir: crate::Dir,
    },
    /// `flowvar:name,"value"`: the value of the flow's variable has these bytes in it.
    FlowVar {
        name: String,
        value: Vec<u8>,
        negated: bool,
    },
    /// `pktvar:name,"value"`: the same of the packet's.
    PktVar {
        name: String,
        value: Vec<u8>,
        negated: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppProtoMode {
    /// That of the packet's direction.
    Direction,
    Either,
    Final,
    Original,
    ToServer,
    ToClient,
    Both,
}

/// `flowint` comparisons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VarTest {
    Cmp(Cmp, VarValue),
    IsSet,
    IsNotSet,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VarValue {
    Const(u32),
    Name(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    Src,
    Dst,
    /// xbits `ip_pair`, threshold `by_both`.
    Pair,
    Rule,
    Flow,
    /// xbits `track tx`.
    Tx,
}

/// What a rule does when it matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Post {
    FlowbitsSet(Vec<String>),
    FlowbitsUnset(Vec<String>),
    FlowbitsToggle(Vec<String>),
    FlowintSet {
        name: String,
        value: VarValue,
    },
    FlowintAdd {
        name: String,
        value: VarValue,
    },
    FlowintSub {
        name: String,
        value: VarValue,
    },
    Xbits {
        name: String,
        track: Track,
        op: BitOp,
        expire: u32,
    },
    Hostbits {
        name: String,
        track: Track,
        op: BitOp,
        expire: u32,
    },
    Tag(Tag),
    Bypass,
    FileStore {
        /// Directions whose files are kept ([`crate::Dir::bit`]s); 0: that of the matching packet.
        dirs: u8,
        scope: FileScope,
    },
    /// `config:logging disable, type tx, scope tx`: the transaction has no record.
    Unlogged,
}

/// How much `filestore` keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileScope {
    File,
    Tx,
    Flow,
}

/// A condition on a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileMatch {
    /// `filestore`: there is a file.
    Any,
    /// `filesize`, bytes.
    Size(IntTest),
    /// `filemd5`, `filesha1`, `filesha256`: sorted digests of 16, 20 or 32 bytes, one after the other.
    Hash { len: u8, negated: bool, digests: Arc<Vec<u8>> },
    /// `artifact.verdict` and its like.
    Artifact(ArtifactMatch),
}

/// A condition on the verdict on a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactMatch {
    /// One of these, a bit each.
    Verdict {
        any: u8,
    },
    Risk(IntTest),
    /// One of these, or none, a bit for each of [`FORMATS`].
    Format {
        any: u32,
        negated: bool,
    },
    /// A part of a name that a pickle reaches.
    Import {
        part: Box<str>,
        negated: bool,
    },
}

impl ArtifactMatch {
    /// Whether the verdict is what the condition asks for.
    pub fn test(&self, v: &Verdict<'_>) -> bool {
        match self {
            ArtifactMatch::Verdict { any } => any >> v.judgement as u8 & 1 != 0,
            ArtifactMatch::Risk(test) => test.test(u64::from(v.risk)),
            ArtifactMatch::Format { any, negated } => {
                let place = FORMATS.iter().position(|f| *f == v.format);
                place.is_some_and(|i| any >> i & 1 != 0) != *negated
            }
            ArtifactMatch::Import { part, negated } => v.imports().any(|i| i.contains(&**part)) != *negated,
        }
    }

    /// Whether it holds of a file that goes on, whatever comes: verdicts only get worse.
    pub fn early(&self, so_far: Judgement) -> bool {
        match self {
            ArtifactMatch::Verdict { any } => so_far == Judgement::Malicious && any >> so_far as u8 & 1 != 0,
            ArtifactMatch::Risk(t @ (IntTest::Gt(_) | IntTest::Ge(_))) => t.test(u64::from(so_far.risk())),
            _ => false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitOp {
    Set,
    Unset,
    Toggle,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// `session` or `host`.
    pub host: Option<Track>,
    pub count: u32,
    pub metric: TagMetric,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagMetric {
    Packets,
    Seconds,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    pub kind: ThresholdKind,
    pub track: Track,
    pub count: u32,
    pub seconds: u32,
    /// `backoff` only.
    pub multiplier: u32,
    /// `rate_filter` only: action and how long it holds, seconds.
    pub new_action: Option<Action>,
    pub timeout: u32,
    /// `suppress` only: addresses it applies to (with `track`), all when empty.
    pub addrs: Option<AddrSet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThresholdKind {
    Limit,
    Threshold,
    Both,
    Backoff,
    DetectionFilter,
    RateFilter,
    Suppress,
}
