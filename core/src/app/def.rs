//! How a protocol describes itself: its name, its buffers, numbers and events, and how it is recognised.
//!
//! Constant data, read by the rules, by detection and by outputs, which know no protocol by name.

use super::bodies::MakeGuest;
use super::{AppConfig, AppProto, Parser};
use crate::Dir;

/// Makes the parser of one engine.
pub type MakeParser = fn(&AppConfig) -> alloc::boxed::Box<dyn Parser>;

/// A protocol's description: what the rules, detection and outputs need to know of it.
#[derive(Debug)]
pub struct ProtoDef {
    /// Suricata's name in rules and in EVE `app_proto` (`http`, `dns`, `tls`, …).
    pub name: &'static str,
    /// Further names accepted in a rule's header.
    pub aliases: &'static [&'static str],
    /// Carriers: [`OVER_TCP`], [`OVER_UDP`].
    pub over: u8,
    /// Named buffers that rules can inspect, in the order of their local numbers.
    pub buffers: &'static [BufferDef],
    /// Named numbers that rules can compare, in the order of their local numbers.
    pub ints: &'static [IntDef],
    /// Events that `app-layer-event:<proto>.<name>` can name, in order of their bit in [`TxCommon::events`](super::TxCommon)
    /// (lower case, as in rules).
    pub events: &'static [&'static str],
    /// How the protocol is recognised. Empty when it is only reached by a change of protocol.
    pub recognise: Recognise,
    /// Whether bytes are the protocol's, in the direction in which nothing was found while the other was found to be it.
    pub answer: fn(&[u8]) -> bool,
    /// Makes the parser; `None` for a protocol that is recognised but not parsed.
    pub parser: Option<MakeParser>,
    /// Makes the guest, for a protocol that lives in the messages of others; it has no `parser` then.
    pub guest: Option<MakeGuest>,
    /// EVE `event_type` of its transaction records (`http`, `dns`, …); empty when none are written.
    pub record: &'static str,
    /// States that rules can name in a hook or in `app-layer-state`: per direction, in order of their progress.
    pub states: &'static [(Dir, &'static [&'static str])],
    /// Names in rules that stand for this protocol besides its own: `alert http` is HTTP/2 as well.
    pub families: &'static [&'static str],
    /// Protocols whose buffers and numbers its transactions may have: rules of these that look at such are asked of it as well.
    pub carries: &'static [&'static str],
    /// EVE `anomaly` has its events in capitals, as Suricata's older parsers write them.
    pub shouts: bool,
    /// Suricata has no such protocol: what tells of it has addresses in the form of RFC 5952.
    pub ours: bool,
    /// Records are about single messages with a direction of their own, not about request and answer together.
    pub by_message: bool,
    /// Records have the direction of the packet with which they are written.
    pub by_packet: bool,
    /// For a protocol that is not parsed: whether bytes of a direction end the wait of rules on raw bytes; otherwise
    /// these wait until a chunk of the stream is full. In Suricata 8 each parser decides that.
    pub due: fn(&[u8], Dir) -> bool,
    /// Once encrypted, a direction's payload is hidden when the other side has answered, not at once.
    pub hides_apart: bool,
    /// A connection is one transaction, which is not counted as such, as in Suricata.
    pub one: bool,
    /// `app-layer.protocols.NAME.max-tx` says how many transactions of a flow may wait for their answer.
    pub bounded: bool,
    /// Progress of a whole message, for a protocol without [`ProtoDef::states`].
    pub complete: u8,
}

impl ProtoDef {
    /// Nothing: what a description leaves out.
    pub const NONE: ProtoDef = ProtoDef {
        name: "unknown",
        aliases: &[],
        over: 0,
        buffers: &[],
        ints: &[],
        events: &[],
        recognise: Recognise::NONE,
        answer: |_| false,
        parser: None,
        guest: None,
        record: "",
        states: &[],
        families: &[],
        carries: &[],
        shouts: false,
        ours: false,
        by_message: false,
        by_packet: false,
        due: |_, _| true,
        hides_apart: false,
        one: false,
        bounded: false,
        complete: 1,
    };
}

impl ProtoDef {
    /// Whether it has transactions.
    pub const fn is_parsed(&self) -> bool {
        self.parser.is_some() || self.guest.is_some()
    }

    /// Whether a flow may be of it: others live in the messages of a flow's protocol.
    pub const fn is_of_flows(&self) -> bool {
        self.parser.is_some() || !self.recognise.is_none()
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// Local number of the buffer of that name; a name that is not there does not compile.
pub const fn buffer_at(defs: &[BufferDef], name: &str) -> u8 {
    let mut i = 0;
    while i < defs.len() {
        if same(defs[i].name, name) {
            return i as u8;
        }
        i += 1;
    }
    panic!("no buffer of that name")
}

/// Local number of the number of that name; a name that is not there does not compile.
pub const fn int_at(defs: &[IntDef], name: &str) -> u8 {
    let mut i = 0;
    while i < defs.len() {
        if same(defs[i].name, name) {
            return i as u8;
        }
        i += 1;
    }
    panic!("no number of that name")
}

/// Number of the event of that name; a name that is not there does not compile.
pub const fn event_at(events: &[&str], name: &str) -> u8 {
    let mut i = 0;
    while i < events.len() {
        if same(events[i], name) {
            return i as u8;
        }
        i += 1;
    }
    panic!("no event of that name")
}

/// A kind of frame (`frame:websocket.pdu`).
pub const fn frame(name: &'static str) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers: &[], dirs: 3, progress: 0, kind: BufferKind::Frame }
}

pub const OVER_TCP: u8 = 1;
pub const OVER_UDP: u8 = 2;

/// What is known of the bytes that start a protocol.
#[derive(Debug, Default)]
pub struct Recognise {
    /// Literal patterns near the start of the first bytes.
    pub patterns: &'static [Pattern],
    /// Probing functions, asked when the ports fit (or always, with an empty port list).
    pub probes: &'static [Probe],
    /// Second opinion on a pattern that was seen. `None`: the pattern is proof enough.
    pub confirm: Option<fn(bytes: &[u8], seen: &Seen) -> Verdict>,
    /// Directions in which the first bytes of a TCP flow must travel (bits of [`Dir::bit`]); 0: any. A flow
    /// whose first bytes go the other way is given up with `APPLAYER_WRONG_DIRECTION_FIRST_DATA`.
    pub first: u8,
}

impl Recognise {
    /// Nothing known: the protocol is only reached by a change of protocol.
    pub const NONE: Recognise = Recognise { patterns: &[], probes: &[], confirm: None, first: 0 };

    /// Nothing is known.
    pub const fn is_none(&self) -> bool {
        self.patterns.is_empty() && self.probes.is_empty()
    }
}

/// A literal that marks a protocol when it lies inside `offset..depth` of the first bytes of a direction.
#[derive(Debug)]
pub struct Pattern {
    pub bytes: &'static [u8],
    pub caseless: bool,
    pub offset: u16,
    pub depth: u16,
    pub dir: Dir,
    /// Carrier it applies to.
    pub over: u8,
}

/// What is known beside the bytes when a pattern is confirmed.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Direction of the bytes.
    pub dir: Dir,
    /// Ports of client and server.
    pub ports: [u16; 2],
    /// What was found in the other direction.
    pub other: AppProto,
    pub pattern: &'static Pattern,
}

/// What a probing function thinks of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Yes,
    No,
    /// Too few bytes to say.
    Unsure,
    /// It looks so, and counts unless the other direction was found to be something else.
    Likely,
    /// It is the protocol, but the bytes travel against the flow's direction (client and server swapped).
    Reversed,
}

#[derive(Debug)]
pub struct Probe {
    pub over: u8,
    /// Server ports it is asked for; empty for all.
    pub ports: &'static [u16],
    /// Bytes of `dir` in, an opinion out.
    pub probe: fn(bytes: &[u8], dir: Dir) -> Verdict,
    /// Whether detection may run this probe for bytes of that direction.
    pub dirs: u8,
    /// Fewest bytes worth asking with.
    pub min_bytes: u16,
}

/// A named buffer.
#[derive(Debug)]
pub struct BufferDef {
    /// Sticky buffer keyword (`http.uri`). A name may occur in several protocols (`file.data`). One that begins with
    /// `frame:` is written so in rules, with a `;` behind it (`frame:websocket.pdu`): see [`frame`]. `frame:PROTOCOL.stream` is all
    /// that a direction says.
    pub name: &'static str,
    /// Further sticky keywords with the same meaning (`dns_query`).
    pub aliases: &'static [&'static str],
    /// Old-style content modifiers (`http_uri` after the content it applies to).
    pub modifiers: &'static [&'static str],
    /// Directions it exists in: bits [`Dir::bit`].
    pub dirs: u8,
    /// Least transaction progress (of its direction) at which it can be read.
    pub progress: u8,
    pub kind: BufferKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// One value a transaction.
    Single,
    /// Several values a transaction, asked for by index until the answer is `Absent`; each is inspected apart.
    Multi,
    /// Grows while the transaction runs (bodies, file data): a window with its offset in the whole.
    Streaming,
    /// Growing values one behind the other, each at its end before the next begins (`file.data` of a message with several
    /// files), asked for by index until the answer is not `Data`. A protocol has one such buffer at most.
    Chain,
    /// A frame: no part of a transaction, see [`frames`](super::frames). It grows, too.
    Frame,
}

/// A named number (`dns.opcode`, `tls.cert_chain_len`); `Multi` ones are asked for by index.
#[derive(Debug)]
pub struct IntDef {
    /// Keyword; `keyword=number` for one of several numbers that a rule names in the keyword's value.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub dirs: u8,
    pub progress: u8,
    pub multi: bool,
    /// Symbolic values accepted in rules, lower case, with their numbers.
    pub values: &'static [(&'static str, u64)],
}
