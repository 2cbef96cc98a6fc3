//! What a flow remembers of its application protocol, what the layer must know of the flow, and what became of bytes.

use super::super::bodies::Lodging;
use super::super::recognise::Progress;
use super::super::{AppProto, StateId};
use crate::Dir;
use crate::packet::Addr;

/// Names of the events that detection itself raises, in order of their bit in [`Fed::events`]. EVE anomaly
/// `event` as written here, with `layer` `proto_detect`; in rules `app-layer-event:` and the name in lower case.
pub const LAYER_EVENTS: &[&str] = &[
    "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS",
    "APPLAYER_WRONG_DIRECTION_FIRST_DATA",
    "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION",
    "APPLAYER_PROTO_DETECTION_SKIPPED",
    "APPLAYER_NO_TLS_AFTER_STARTTLS",
    "APPLAYER_UNEXPECTED_PROTOCOL",
    "APPLAYER_TLS_KEYS_DO_NOT_FIT",
];
pub(super) const MISMATCH: u8 = 1;
pub(super) const WRONG_DIRECTION: u8 = 1 << 1;
pub(super) const ONE_DIRECTION: u8 = 1 << 2;
pub(super) const SKIPPED: u8 = 1 << 3;
pub(super) const NO_TLS: u8 = 1 << 4;
pub(super) const UNEXPECTED: u8 = 1 << 5;
/// Not Suricata's: records could not be read with the keys that were given for their session.
pub(super) const UNFIT: u8 = 1 << 6;

/// Bytes have gone to a parser: the question which direction came first is settled.
pub(super) const SENT: u8 = 0x80;
/// Beside [`SENT`]: the protocol was found after a change, and its parser has not taken all of the bytes that it was found by.
pub(super) const FRESH: u8 = 0x40;

// Bits of `FlowApp::flags`.
pub(super) const OFF: u8 = 1;
pub(super) const OPAQUE: u8 = 2;
/// Bytes of a client in which something would have been recognised.
const ENOUGH: u32 = 16;
pub(super) const CHANGING: u8 = 4;
/// The direction's decision waits for the other direction's bytes (bit by direction: 8, 16).
pub(super) const HELD: u8 = 8;
/// Detection in the direction ended without a look at its start (a gap): 32, 64.
pub(super) const LOST: u8 = 32;
/// The parser gave up in one direction, which was told.
pub(super) const LAME: u8 = 128;

/// What a flow remembers of its application protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowApp {
    /// EVE `app_proto`; `UNKNOWN` while undecided, `FAILED` when detection gave up.
    pub proto: AppProto,
    /// What was found in the direction to the server (EVE `app_proto_ts` when it differs).
    pub proto_ts: AppProto,
    /// What was found in the direction to the client (EVE `app_proto_tc` when it differs).
    pub proto_tc: AppProto,
    /// Protocol before a change (EVE `app_proto_orig`).
    pub proto_orig: AppProto,
    /// Protocol expected after a change (EVE `app_proto_expected` when it differs).
    pub proto_expected: AppProto,
    /// The name under which it is known beside `proto`, whose parser it keeps (DNS over HTTP/2).
    pub known_as: AppProto,
    /// Parser that owns `state`.
    pub(super) owner: AppProto,
    /// State number + 1; 0: none.
    pub(super) state: u32,
    /// State number of its frames + 1; 0: none.
    pub(super) frames: u32,
    /// Its guests' states.
    pub(super) lodging: Lodging,
    /// Direction bit of the first data, or [`SENT`], with [`FRESH`] or not.
    pub(super) first: u8,
    pub(super) flags: u8,
    /// Bytes held back per direction while undecided, as last seen.
    pub(super) held: [u32; 2],
    pub(super) progress: Progress,
}

impl FlowApp {
    /// Under which name it is known, EVE `app_proto`.
    pub fn shown(&self) -> AppProto {
        if self.known_as.is_known() { self.known_as } else { self.proto }
    }

    /// What it was before, EVE `app_proto_orig`.
    pub fn original(&self) -> AppProto {
        if self.known_as.is_known() && !self.proto_orig.is_known() { self.proto } else { self.proto_orig }
    }

    /// No parser is to be called for it.
    pub fn switch_off(&mut self) {
        self.flags |= OFF;
    }

    /// The flow ends: both sides spoke, the client for as long as patterns are looked for, and neither was recognised.
    pub fn conclude(&mut self) {
        let [client, server] = self.held;
        if self.is_undecided() && client >= ENOUGH && server > 0 {
            self.proto = AppProto::FAILED;
        }
    }

    /// A datagram without bytes came: it is of no protocol, as far as that goes. What comes later is looked at all the same.
    pub fn said_nothing(&mut self) {
        if self.is_undecided() {
            self.proto = AppProto::FAILED;
        }
    }

    /// No parser is called for it any more (detection gave up, or the parser failed).
    pub fn is_off(&self) -> bool {
        self.flags & OFF != 0
    }

    /// Its bytes need no inspection any more (encrypted).
    pub fn is_opaque(&self) -> bool {
        self.flags & OPAQUE != 0
    }

    /// Protocol found in one direction.
    pub fn side(&self, dir: Dir) -> AppProto {
        match dir {
            Dir::ToServer => self.proto_ts,
            Dir::ToClient => self.proto_tc,
        }
    }

    /// Neither recognised nor given up: what arrives must be kept for detection.
    pub fn is_undecided(&self) -> bool {
        self.proto == AppProto::UNKNOWN && !self.is_off()
    }

    /// Client and server were mistaken for each other: swaps what is kept per direction.
    pub fn swap(&mut self) {
        core::mem::swap(&mut self.proto_ts, &mut self.proto_tc);
        self.held.swap(0, 1);
        let p = self.progress;
        self.progress = p.swapped();
        if self.first & SENT == 0 {
            self.first = (self.first & 1) << 1 | (self.first >> 1 & 1);
        }
        let pairs = HELD | HELD << 1 | LOST | LOST << 1;
        let f = self.flags & pairs;
        self.flags = self.flags & !pairs | (f & (HELD | LOST)) << 1 | (f >> 1) & (HELD | LOST);
    }

    /// Another protocol is to be found in what follows.
    pub(crate) fn begin_change(&mut self, to: AppProto) {
        if self.flags & CHANGING != 0 {
            return;
        }
        self.flags |= CHANGING;
        self.proto_orig = self.proto;
        self.proto_expected = to;
        for dir in Dir::BOTH {
            if self.side(dir) == AppProto::UNKNOWN {
                self.set_side(dir, self.proto);
            }
        }
    }

    pub(super) fn set_side(&mut self, dir: Dir, proto: AppProto) {
        match dir {
            Dir::ToServer => self.proto_ts = proto,
            Dir::ToClient => self.proto_tc = proto,
        }
    }

    /// The state of its frames.
    pub fn frames(&self) -> Option<StateId> {
        self.frames.checked_sub(1)
    }

    pub(super) fn state(&self) -> Option<StateId> {
        self.state.checked_sub(1)
    }
}

/// What the layer must know of the flow it is fed for.
#[derive(Clone, Copy, Debug)]
pub struct FlowFacts {
    /// [`OVER_TCP`](crate::app::OVER_TCP) or [`OVER_UDP`](crate::app::OVER_UDP).
    pub over: u8,
    /// Of client and server.
    pub ports: [u16; 2],
    /// Of client and server.
    pub addrs: [Addr; 2],
    /// TCP picked up without having seen its SYN or SYN/ACK.
    pub midstream: bool,
    /// Number of the flow, given back with what an expectation carries.
    pub id: u64,
}

/// What became of the bytes fed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fed {
    /// That many are done with; the rest must be given again with what follows.
    pub consumed: usize,
    /// Least total of unconsumed bytes worth calling again with (0: any).
    pub need: usize,
    /// The protocol was decided, changed or given up by this call.
    pub decided: bool,
    /// The bytes held in the other direction came first: feed them, then these again (nothing was consumed).
    pub other_first: bool,
    /// The parser announced a change of protocol after `consumed`. Detection and outputs should finish the
    /// transactions before the rest is fed: the old state goes when the new protocol is found.
    pub change: bool,
    /// There are many new transactions: detection and outputs should finish them before the rest is fed.
    pub full: bool,
    /// Client and server were mistaken for each other. Swap the flow (and call [`FlowApp::swap`]), then feed
    /// again with the opposite direction; nothing was consumed. Only with `midstream` or over UDP.
    pub reverse: bool,
    /// The parser found its input beyond repair; it is not called again for this flow.
    pub parse_failed: bool,
    /// A parser began with the flow.
    pub opened: bool,
    /// Everything that follows in the flow is encrypted.
    pub opaque: bool,
    /// Bits of [`LAYER_EVENTS`].
    pub events: u8,
    /// Directions whose raw bytes rules look at with the next packet.
    pub due: u8,
}

impl Fed {
    /// Nothing was fed, because keys do not fit.
    pub(crate) fn unfit() -> Fed {
        Fed { events: UNFIT, ..Fed::default() }
    }
}
