//! Conditions on bytes and numbers of a buffer.

use alloc::string::String;
use alloc::vec::Vec;

/// Conditions on one buffer.
#[derive(Debug)]
pub struct BufferMatch {
    pub buffer: BufferRef,
    pub transforms: Vec<Transform>,
    pub matches: Vec<Match>,
    /// `absent`: the buffer must not exist (`only`), or may be absent (`or_else`).
    pub absent: Option<Absent>,
    /// Side written at the buffer in a `=>` rule (`file.data: to_client`).
    pub side: Option<crate::Dir>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    Only,
    OrElse,
}

/// Which bytes a list of conditions reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum BufferRef {
    /// Packet payload, or reassembled stream, as the rule's header and flow options decide.
    Payload,
    /// A protocol's buffer, by its sticky name (unique over all protocols: [`crate::app::BufferDef::name`]).
    App(&'static str),
    /// What a file of the transaction is by its first bytes (`file.magic`).
    Magic,
    /// What `base64_decode` of the same rule produced.
    Base64,
    /// Raw header bytes of the packet.
    PacketHeader(PacketHeader),
    /// A frame of the stream (`frame:tls.pdu`).
    Frame(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketHeader {
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    Icmpv4,
    Icmpv6,
    /// The whole packet from the link layer on (`ether.hdr`).
    Ether,
}

/// One condition of a list, evaluated left to right with a cursor (the end of the last match).
#[derive(Debug)]
pub enum Match {
    Content(Content),
    Pcre(Pcre),
    IsDataAt {
        at: Num,
        relative: bool,
        negated: bool,
    },
    ByteTest(ByteTest),
    ByteJump(ByteJump),
    ByteExtract(ByteExtract),
    ByteMath(ByteMath),
    /// Size of the buffer (`bsize`, `urilen`).
    Size(IntTest),
    Base64Decode {
        bytes: Option<u32>,
        offset: u32,
        relative: bool,
        mode: Base64Mode,
    },
    Dataset(Dataset),
    Datarep(Datarep),
    /// Shannon entropy of the buffer against a value (`entropy`).
    Entropy {
        bytes: u32,
        offset: i32,
        cmp: Cmp,
        value: f64,
    },
    Asn1(Asn1),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base64Mode {
    Rfc2045,
    Rfc4648,
    Strict,
}

/// A number written in the rule, or the value of variable `Var(i)` of the same rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Num {
    Const(i64),
    Var(u8),
}

/// `content` with its modifiers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub nocase: bool,
    pub negated: bool,
    pub offset: Option<Num>,
    pub depth: Option<Num>,
    pub distance: Option<Num>,
    pub within: Option<Num>,
    /// `startswith` is offset 0 with depth = length as well; kept for describing.
    pub startswith: bool,
    pub endswith: bool,
    pub rawbytes: bool,
    pub fast: Fast,
    /// `replace`: what stands in its place inline, as long as it is; empty: itself.
    pub replace: Vec<u8>,
}

/// `fast_pattern` of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fast {
    #[default]
    Auto,
    /// `fast_pattern`.
    Chosen,
    /// `fast_pattern:only`.
    Only,
    /// `fast_pattern:offset,length`.
    Chop(u16, u16),
}

impl Content {
    /// Whether it is placed after the previous match.
    pub const fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

#[derive(Debug)]
pub struct Pcre {
    /// The pattern between the slashes, as bytes; compiled by the rule set, which refuses a wrong one.
    pub pattern: Vec<u8>,
    pub flags: PcreFlags,
    pub negated: bool,
    /// Flag `R`: starts where the last match ended.
    pub relative: bool,
    /// Captures written to variables: (group, target).
    pub captures: Vec<(u8, Capture)>,
}

/// Letters after a `pcre`'s closing slash that are about the regex (the rest choose a buffer).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PcreFlags {
    /// `i`
    pub caseless: bool,
    /// `s`
    pub dotall: bool,
    /// `m`
    pub multiline: bool,
    /// `x`
    pub extended: bool,
    /// `A`
    pub anchored: bool,
    /// `E`
    pub dollar_endonly: bool,
    /// `G`
    pub ungreedy: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capture {
    FlowVar(String),
    PktVar(String),
    AlertVar(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    Big,
    Little,
    /// `dce`: as the DCERPC header says.
    Dce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    Binary,
    /// `string,hex|dec|oct`: radix 16, 10 or 8.
    Text(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Bitwise and is not 0.
    And,
    /// Bitwise or is not 0 (`^` in byte_test).
    Or,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteTest {
    pub bytes: Num,
    pub negated: bool,
    pub cmp: Cmp,
    pub value: Num,
    pub offset: Num,
    pub relative: bool,
    pub endian: Endian,
    pub base: Base,
    /// Mask applied, then shifted right by its trailing zeros; 0 for none.
    pub bitmask: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteJump {
    pub bytes: Num,
    pub offset: Num,
    pub relative: bool,
    pub multiplier: u32,
    pub endian: Endian,
    pub base: Base,
    /// Round up to a multiple of 4.
    pub align: bool,
    pub from_beginning: bool,
    pub from_end: bool,
    pub post_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteExtract {
    pub bytes: u8,
    pub offset: i64,
    pub var: u8,
    pub relative: bool,
    pub multiplier: u32,
    pub endian: Endian,
    pub base: Base,
    /// 0, 2 or 4.
    pub align: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MathOp {
    Add,
    Sub,
    Mul,
    Div,
    Shl,
    Shr,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteMath {
    pub bytes: Num,
    pub offset: i64,
    pub op: MathOp,
    pub rvalue: Num,
    pub var: u8,
    pub relative: bool,
    pub endian: Endian,
    pub base: Base,
    pub bitmask: u32,
}

/// A test of an unsigned number (`<>` exclusive range, as `bsize`, `dsize`, `ttl`, … use).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IntTest {
    Eq(u64),
    Ne(u64),
    Lt(u64),
    Le(u64),
    Gt(u64),
    Ge(u64),
    /// Strictly between.
    Between(u64, u64),
    NotBetween(u64, u64),
    /// value & mask op: (mask, expected, negated): `&0x40=0x40`.
    Mask {
        mask: u64,
        value: u64,
        negated: bool,
    },
    OneOf(Vec<u64>),
    /// Any of these inclusive ranges.
    Ranges(Vec<(u64, u64)>),
}

impl IntTest {
    pub fn test(&self, v: u64) -> bool {
        match self {
            IntTest::Eq(a) => v == *a,
            IntTest::Ne(a) => v != *a,
            IntTest::Lt(a) => v < *a,
            IntTest::Le(a) => v <= *a,
            IntTest::Gt(a) => v > *a,
            IntTest::Ge(a) => v >= *a,
            IntTest::Between(a, b) => v > *a && v < *b,
            IntTest::NotBetween(a, b) => !(v > *a && v < *b),
            IntTest::Mask { mask, value, negated } => ((v & mask) == *value) != *negated,
            IntTest::OneOf(vs) => vs.contains(&v),
            IntTest::Ranges(rs) => rs.iter().any(|r| r.0 <= v && v <= r.1),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transform {
    StripWhitespace,
    CompressWhitespace,
    ToLowercase,
    ToUppercase,
    HeaderLowercase,
    StripPseudoHeaders,
    DotPrefix,
    UrlDecode,
    /// Registered domain, top-level domain.
    Domain,
    Tld,
    Xor(Vec<u8>),
    ToMd5,
    ToSha1,
    ToSha256,
    FromBase64 {
        offset: u32,
        bytes: Option<u32>,
        mode: Base64Mode,
    },
    Gunzip {
        max: u32,
    },
    ZlibDeflate {
        max: u32,
    },
    /// First capture group of a regex; the string is compiled by the rule set.
    PcreXform(String),
    CaseChange,
}

/// A condition on a protocol number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppInt {
    /// [`crate::app::IntDef::name`].
    pub name: &'static str,
    pub test: IntTest,
    /// For multi-valued numbers: which of them.
    pub index: IntIndex,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntIndex {
    Any,
    All,
    /// All, or there is none (`all1` is at least one).
    AllOrNone,
    Nth(i32),
    /// The number of values is tested.
    Count,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    pub name: String,
    pub kind: DatasetType,
    pub op: DatasetOp,
    /// File to load from / save to, as written (the caller has resolved and read it: see the rule source seam).
    pub load: Option<String>,
    pub save: Option<String>,
    pub memcap: u64,
    pub hashsize: u32,
    /// `context_key` of a JSON dataset: name under which the alert shows the entry's context.
    pub context: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetType {
    String,
    Md5,
    Sha256,
    Ipv4,
    Ip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatasetOp {
    IsSet,
    IsNotSet,
    Set,
    Unset,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datarep {
    pub name: String,
    pub kind: DatasetType,
    pub cmp: Cmp,
    pub value: u16,
    pub load: Option<String>,
}

/// `asn1` checks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asn1 {
    pub bitstring_overflow: bool,
    pub double_overflow: bool,
    pub oversize_length: Option<u32>,
    pub absolute_offset: Option<u16>,
    pub relative_offset: Option<i32>,
}
