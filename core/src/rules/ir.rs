//! The meaning of one rule, free of its text: what the parser gives and what detection compiles.
//!
//! Source of all meanings: the Suricata 8 rule keyword pages.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::app::AppProto;
pub use crate::event::Action;

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
    /// (`url`, `example.org/x`) with the prefix of reference.config applied on output.
    pub references: Vec<(String, String)>,
    /// `target:src_ip` / `target:dest_ip`.
    pub target: Option<Target>,
    /// The rule's text, for `alert.rule`.
    pub text: String,
    /// 1-based line in its file, and the file's number in the list of sources.
    pub line: u32,
    pub file: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    Src,
    Dest,
}

#[derive(Debug, Clone)]
pub struct Header {
    pub proto: ProtoSpec,
    /// Shared between rules that write the same list.
    pub src: Arc<AddrSet>,
    pub sp: Arc<PortSet>,
    pub dst: Arc<AddrSet>,
    pub dp: Arc<PortSet>,
    pub direction: Direction,
    /// Rule hook (`tcp:flow_start`, `tls:client_hello_done`): the part after the colon.
    pub hook: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `->`
    OneWay,
    /// `<>`
    Both,
    /// `=>`: one rule over both directions of a transaction.
    Transaction,
}

/// What the protocol word of the header selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtoSpec {
    /// `ip`: everything with an IP header.
    Ip,
    Ipv4,
    Ipv6,
    /// `tcp`, `tcp-pkt`, `tcp-stream`.
    Tcp,
    TcpPkt,
    TcpStream,
    Udp,
    /// `icmp` both versions, `icmpv4`, `icmpv6`.
    Icmp,
    Icmpv4,
    Icmpv6,
    Sctp,
    /// `ip_proto` number as a header protocol (`esp`, `ah`, `gre`…).
    Number(u8),
    /// `pkthdr`: also invalid packets.
    PktHdr,
    Arp,
    /// Application protocols, any of them (`http` = http1 and http2; `dns` = dns and doh2; …).
    App(Vec<AppProto>),
}

/// Disjoint, sorted, inclusive address ranges; negations already applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AddrSet {
    pub v4: Vec<(u32, u32)>,
    pub v6: Vec<(u128, u128)>,
}

impl AddrSet {
    pub fn any() -> Self {
        AddrSet { v4: [(0, u32::MAX)].to_vec(), v6: [(0, u128::MAX)].to_vec() }
    }
    pub fn is_any(&self) -> bool {
        self.v4 == [(0, u32::MAX)] && self.v6 == [(0, u128::MAX)]
    }
    pub fn has_v4(&self, a: u32) -> bool {
        let i = self.v4.partition_point(|r| r.1 < a);
        self.v4.get(i).is_some_and(|r| r.0 <= a)
    }
    pub fn has_v6(&self, a: u128) -> bool {
        let i = self.v6.partition_point(|r| r.1 < a);
        self.v6.get(i).is_some_and(|r| r.0 <= a)
    }
}

/// Disjoint, sorted, inclusive port ranges; negations already applied.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct PortSet(pub Vec<(u16, u16)>);

impl PortSet {
    pub fn any() -> Self {
        PortSet([(0, u16::MAX)].to_vec())
    }
    pub fn is_any(&self) -> bool {
        self.0 == [(0, u16::MAX)]
    }
    pub fn has(&self, p: u16) -> bool {
        let i = self.0.partition_point(|r| r.1 < p);
        self.0.get(i).is_some_and(|r| r.0 <= p)
    }
}

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
    pub bitmask: u32,
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

/// A condition on the packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PacketMatch {
    /// `flags`: of the bits not in `ignore`: exactly / all (`+`) / any (`*`) / not (`!`) of `bits`.
    Flags {
        bits: u8,
        ignore: u8,
        mode: FlagsMode,
    },
    Ttl(IntTest),
    IpProto(IntTest),
    Itype(IntTest),
    Icode(IntTest),
    IcmpId(u16),
    IcmpSeq(u16),
    Icmpv6Mtu(IntTest),
    Seq(IntTest),
    Ack(IntTest),
    Window(IntTest),
    TcpMss(IntTest),
    TcpWscale(IntTest),
    Dsize(IntTest),
    IpId(u16),
    Tos {
        value: u8,
        negated: bool,
    },
    /// Bits of [`crate::packet::Packet::ip_opts`]; 0 bits with `any`.
    IpOpts {
        mask: u32,
        any: bool,
    },
    FragBits {
        bits: u8,
        mode: FlagsMode,
    },
    FragOffset(IntTest),
    SameIp,
    /// `l3_proto` / header word `ipv4`, `ipv6`.
    L3 {
        v6: bool,
    },
    /// `rpc`: ONC RPC call of program, version, procedure (`None`: any).
    Rpc {
        program: u32,
        version: Option<u32>,
        procedure: Option<u32>,
    },
    Csum {
        of: Csum,
        valid: bool,
    },
    DecodeEvent(u8),
    StreamEvent(u8),
    VlanId {
        test: IntTest,
        layer: Option<i8>,
    },
    VlanLayers(IntTest),
    VxlanVni(IntTest),
    IpReputation {
        side: RepSide,
        category: String,
        cmp: Cmp,
        value: u8,
    },
    GeoIp(String),
    /// `stream_size`: side and a test of the bytes seen in the stream.
    StreamSize {
        side: StreamSide,
        test: IntTest,
    },
    /// `ip.src` / `ip.dst` sticky with a dataset.
    AddrDataset {
        src: bool,
        set: Dataset,
    },
    /// `tcp.flags`-style generic number tests on the packet not named above.
    Number {
        what: PacketNumber,
        test: IntTest,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketNumber {
    EtherType,
    RoceOpcode,
    RocePkey,
    RoceDestQp,
    RoceRkey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepSide {
    Any,
    Src,
    Dst,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamSide {
    Client,
    Server,
    Both,
    Either,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagsMode {
    Exact,
    All,
    Any,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Csum {
    Ipv4,
    Tcpv4,
    Tcpv6,
    Udpv4,
    Udpv6,
    Icmpv4,
    Icmpv6,
}

/// `flow:` and the flow counters.
#[derive(Debug, Clone, Default)]
pub struct FlowMatch {
    /// Directions allowed ([`crate::Dir::bit`]s); 0 = not restricted.
    pub dirs: u8,
    pub established: bool,
    pub not_established: bool,
    pub stateless: bool,
    pub only_stream: bool,
    pub no_stream: bool,
    pub only_frag: bool,
    pub no_frag: bool,
    pub counters: Vec<FlowCounter>,
}

#[derive(Debug, Clone)]
pub struct FlowCounter {
    pub what: FlowNumber,
    pub test: IntTest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowNumber {
    /// Seconds since the flow began.
    Age,
    Pkts(Side),
    Bytes(Side),
}

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
    /// `ftpbounce`: the PORT command names another host than the client.
    FtpBounce,
    /// `app-layer-state`: progress of the transaction.
    AppState {
        test: IntTest,
        dir: crate::Dir,
    },
    /// `flowvar:name,"value"` / `pktvar`.
    FlowVar {
        name: String,
        value: Vec<u8>,
        negated: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppProtoMode {
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
    /// `config:` settings of a transaction or flow (subsystem, type, scope text as written).
    Config(String),
    Replace(Vec<u8>),
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
    /// `filesize`, bytes.
    Size(IntTest),
    /// `filemd5`, `filesha1`, `filesha256`: sorted digests of 16, 20 or 32 bytes, one after the other.
    Hash { len: u8, negated: bool, digests: Arc<Vec<u8>> },
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
