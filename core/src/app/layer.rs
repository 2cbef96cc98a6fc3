//! The application layer of one engine: in-order bytes and datagrams of a flow go in, its protocol is recognised,
//! and the protocol's parser is fed.
//!
//! Owns the parsers, the files, the recogniser and the expectations of further flows; the flow owns a [`FlowApp`].
//! The order of decisions (when detection gives up, which direction is believed, what happens to data that came
//! first in the other direction) follows Suricata 8, because `app_proto` and every rule with an application
//! protocol depend on it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::expect::Expectations;
use super::file::Files;
use super::recognise::{Found, Progress, Recogniser};
use super::registry::PROTOCOLS;
use super::{AppConfig, AppCx, AppProto, Input, OVER_TCP, Outcome, Parser, StateId, Wanted};
use crate::Dir;
use crate::packet::Addr;
use crate::pool::{BytePool, Scratch};

/// Names of the events that detection itself raises, in order of their bit in [`Fed::events`]. EVE anomaly
/// `event` as written here, with `layer` `proto_detect`; in rules `app-layer-event:` and the name in lower case.
pub const LAYER_EVENTS: &[&str] = &[
    "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS",
    "APPLAYER_WRONG_DIRECTION_FIRST_DATA",
    "APPLAYER_DETECT_PROTOCOL_ONLY_ONE_DIRECTION",
    "APPLAYER_PROTO_DETECTION_SKIPPED",
    "APPLAYER_NO_TLS_AFTER_STARTTLS",
    "APPLAYER_UNEXPECTED_PROTOCOL",
];
const MISMATCH: u8 = 1;
const WRONG_DIRECTION: u8 = 1 << 1;
const ONE_DIRECTION: u8 = 1 << 2;
const SKIPPED: u8 = 1 << 3;
const NO_TLS: u8 = 1 << 4;
const UNEXPECTED: u8 = 1 << 5;

/// Bytes held in one direction beyond which an undecided flow is given up.
const HOLD_MAX: usize = 100_000;
/// Bytes after a change of protocol within which the new one must be recognised.
const CHANGE_MAX: usize = 4096;

/// Bytes have gone to a parser: the question which direction came first is settled.
const SENT: u8 = 0x80;

// Bits of `FlowApp::flags`.
const OFF: u8 = 1;
const OPAQUE: u8 = 2;
const CHANGING: u8 = 4;
/// The direction's decision waits for the other direction's bytes (bit by direction: 8, 16).
const HELD: u8 = 8;
/// Detection in the direction ended without a look at its start (a gap): 32, 64.
const LOST: u8 = 32;

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
    /// Parser that owns `state`.
    owner: AppProto,
    /// State number + 1; 0: none.
    state: u32,
    /// Direction bit of the first data, or [`SENT`].
    first: u8,
    flags: u8,
    /// Bytes held back per direction while undecided, as last seen.
    held: [u32; 2],
    progress: Progress,
}

impl FlowApp {
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

    fn set_side(&mut self, dir: Dir, proto: AppProto) {
        match dir {
            Dir::ToServer => self.proto_ts = proto,
            Dir::ToClient => self.proto_tc = proto,
        }
    }

    fn state(&self) -> Option<StateId> {
        self.state.checked_sub(1)
    }
}

/// What the layer must know of the flow it is fed for.
#[derive(Clone, Copy, Debug)]
pub struct FlowFacts {
    /// [`OVER_TCP`](super::OVER_TCP) or [`OVER_UDP`](super::OVER_UDP).
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
    /// Client and server were mistaken for each other. Swap the flow (and call [`FlowApp::swap`]), then feed
    /// again with the opposite direction; nothing was consumed. Only with `midstream` or over UDP.
    pub reverse: bool,
    /// The parser found its input beyond repair; it is not called again for this flow.
    pub parse_failed: bool,
    /// Everything that follows in the flow is encrypted.
    pub opaque: bool,
    /// Bits of [`LAYER_EVENTS`].
    pub events: u8,
}

/// All protocols of one engine.
pub struct AppLayer {
    parsers: Vec<Option<Box<dyn Parser>>>,
    wanted: Vec<Wanted>,
    shown: bool,
    recogniser: Recogniser,
    expected: Expectations,
    files: Files,
    scratch: Scratch,
    cfg: AppConfig,
}

impl AppLayer {
    /// Takes all memory: parsers of the protocols that `cfg` leaves on, files, tables.
    pub fn new(cfg: AppConfig) -> Self {
        let on = |name: &str| !cfg.disabled.iter().chain(&cfg.detection_only).any(|n| n == name);
        let parsers = PROTOCOLS
            .iter()
            .map(|d| if on(d.name) { d.parser.map(|make| make(&cfg)) } else { None })
            .collect::<Vec<_>>();
        AppLayer {
            wanted: alloc::vec![Wanted::ALL; parsers.len()],
            parsers,
            shown: true,
            recogniser: Recogniser::new(&cfg),
            expected: Expectations::new(1024),
            files: Files::new(&cfg),
            scratch: Scratch::new(64 << 10),
            cfg,
        }
    }

    /// Tells each protocol which buffers the loaded rules read, in the order of the registry. Call after the rules
    /// changed; before the first call everything is kept.
    pub fn set_wanted(&mut self, wanted: &[Wanted]) {
        for (slot, w) in self.wanted.iter_mut().zip(wanted) {
            *slot = *w;
        }
    }

    /// Tells whether rules were loaded at all: see [`AppCx::shown`].
    pub fn set_ruled(&mut self, ruled: bool) {
        self.shown = ruled || self.cfg.shown;
    }

    /// The files of all flows.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The files of all flows, for marking what was logged or stored.
    pub fn files_mut(&mut self) -> &mut Files {
        &mut self.files
    }

    /// Settings it was built with.
    pub fn config(&self) -> &AppConfig {
        &self.cfg
    }

    /// The parser that holds the flow's transactions, and the flow's state in it. The protocol of the transactions
    /// is [`AppLayer::owner`], which is the one before a change until the next one is found.
    pub fn parser(&self, app: &FlowApp) -> Option<(&dyn Parser, StateId)> {
        let st = app.state()?;
        Some((self.parsers.get(app.owner.index()?)?.as_deref()?, st))
    }

    /// As [`AppLayer::parser`], to change a transaction's common part.
    pub fn parser_mut(&mut self, app: &FlowApp) -> Option<(&mut (dyn Parser + 'static), StateId)> {
        let st = app.state()?;
        Some((self.parsers.get_mut(app.owner.index()?)?.as_deref_mut()?, st))
    }

    /// As [`AppLayer::parser_mut`], with the files beside it.
    pub fn parts(&mut self, app: &FlowApp) -> Option<(&mut (dyn Parser + 'static), StateId, &Files)> {
        let st = app.state()?;
        let parser = self.parsers.get_mut(app.owner.index()?)?.as_deref_mut()?;
        Some((parser, st, &self.files))
    }

    /// Protocol of the flow's transactions.
    pub fn owner(&self, app: &FlowApp) -> AppProto {
        if app.state == 0 { app.proto } else { app.owner }
    }

    /// Gives transaction `id` back.
    pub fn free_tx(&mut self, app: &FlowApp, flow: &FlowFacts, id: u64, pool: &mut BytePool, now: u64) {
        let (Some(st), Some(i)) = (app.state(), app.owner.index()) else { return };
        let (parser, mut cx) = self.split(i, flow, pool, now);
        if let Some(p) = parser {
            p.free_tx(st, id, &mut cx);
        }
    }

    /// The source of packets ended: forgets the flows that were announced and never came.
    pub fn finish(&mut self, pool: &mut BytePool) {
        self.expected.clear(pool);
    }

    /// The flow ended: gives back everything it holds here.
    pub fn end(&mut self, app: &mut FlowApp, flow: &FlowFacts, pool: &mut BytePool, now: u64) {
        self.close_state(app, flow, pool, now);
        app.flags |= OFF;
    }

    /// Takes what has not been consumed yet of one direction (TCP, in order), or a datagram.
    ///
    /// A gap is told once, before or without the data that follows it. With `eof` the data may be empty.
    pub fn feed(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        pool: &mut BytePool,
        now: u64,
    ) -> Fed {
        let mut fed = Fed { consumed: input.data.len(), ..Fed::default() };
        if app.flags & (OFF | OPAQUE) != 0 {
            return fed;
        }
        if input.datagram {
            self.feed_datagram(app, flow, input, pool, now, &mut fed);
            return fed;
        }
        let dir = input.dir;
        if input.gap > 0 && !self.gap(app, flow, input, pool, now, &mut fed) {
            return fed;
        }
        let input = Input { gap: if app.side(dir) == AppProto::UNKNOWN { 0 } else { input.gap }, ..input };
        if app.flags & CHANGING != 0 && app.side(dir) != AppProto::UNKNOWN {
            self.feed_changed(app, flow, input, pool, now, &mut fed);
        } else if app.side(dir) == AppProto::UNKNOWN && app.flags & (LOST << dir.ix()) == 0 {
            self.detect(app, flow, input, pool, now, &mut fed);
        } else if app.flags & (HELD << dir.ix()) != 0 {
            app.flags &= !(HELD << dir.ix());
            if self.first_fits(app, flow, dir, pool, now, &mut fed) {
                self.parse(app, flow, input, pool, now, &mut fed);
            }
        } else if app.proto.is_known() {
            self.parse(app, flow, input, pool, now, &mut fed);
        }
        fed
    }

    /// Bytes are missing. Returns whether what follows them may be looked at.
    fn gap(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) -> bool {
        if app.flags & CHANGING != 0 {
            app.flags &= !CHANGING;
            self.give_up(app, flow, pool, now, fed);
            return false;
        }
        if app.side(input.dir) == AppProto::UNKNOWN {
            app.flags |= LOST << input.dir.ix();
            app.progress.patterns_done[input.dir.ix()] = true;
            app.progress.probes_done[input.dir.ix()] = true;
            if !app.proto.is_known() {
                return false;
            }
            // The parser must know: the gap goes to it although this side was never recognised.
            let only_gap = Input { data: &[], eof: false, ..input };
            let mut ignored = Fed::default();
            self.parse(app, flow, only_gap, pool, now, &mut ignored);
            fed.parse_failed = ignored.parse_failed;
            return app.flags & (OFF | OPAQUE) == 0;
        }
        true
    }

    /// First bytes of a direction whose protocol is unknown.
    fn detect(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        let (dir, data) = (input.dir, input.data);
        if app.first == 0 && !data.is_empty() {
            app.first = dir.bit();
        }
        let other = app.side(dir.flip());
        match self.look(app, flow, data, dir, now) {
            Some(found) => {
                if found.reversed && flow.midstream && other == AppProto::UNKNOWN {
                    fed.consumed = 0;
                    fed.reverse = true;
                    app.progress = Progress::default();
                    return;
                }
                self.decide(app, flow, input, found.proto, pool, now, fed);
            }
            None => {
                fed.consumed = 0;
                app.held[dir.ix()] = data.len() as u32;
                if flow.midstream && app.progress.done(Dir::ToServer) {
                    return self.give_up_all(app, flow, data, pool, now, fed);
                }
                if other != AppProto::UNKNOWN {
                    self.follow_other(app, flow, input, other, pool, now, fed);
                } else {
                    self.maybe_give_up(app, flow, data, pool, now, fed);
                }
            }
        }
    }

    /// The protocol of this direction was found.
    #[allow(clippy::too_many_arguments)]
    fn decide(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        proto: AppProto,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        let dir = input.dir;
        let other = app.side(dir.flip());
        app.set_side(dir, proto);
        fed.decided = true;
        if other != AppProto::UNKNOWN && other != proto {
            fed.events |= MISMATCH;
            // Once a parser has been fed its answer stands; before that the server is believed.
            app.proto = if app.first != SENT && dir == Dir::ToClient { proto } else { other };
        } else {
            app.proto = proto;
        }
        if app.first & 3 != 0 && app.first & dir.bit() == 0 {
            app.flags |= HELD << dir.ix();
            fed.other_first = true;
            fed.consumed = 0;
            return;
        }
        if self.first_fits(app, flow, dir, pool, now, fed) {
            self.parse(app, flow, input, pool, now, fed);
        }
    }

    /// Checks that the first bytes of the flow travelled as the protocol demands.
    fn first_fits(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        dir: Dir,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) -> bool {
        let must = app.proto.def().recognise.first;
        if app.first != SENT && must != 0 {
            if must & app.first == 0 {
                fed.events |= WRONG_DIRECTION;
                self.give_up(app, flow, pool, now, fed);
                return false;
            }
            if must & dir.bit() == 0 {
                // The right direction's bytes exist but are not here yet: start again with them.
                app.set_side(dir, AppProto::UNKNOWN);
                app.proto = AppProto::UNKNOWN;
                app.progress = Progress::default();
                fed.consumed = 0;
                return false;
            }
        }
        app.first = SENT;
        true
    }

    /// Nothing was found here, but the other direction is known.
    #[allow(clippy::too_many_arguments)]
    fn follow_other(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        other: AppProto,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        let dir = input.dir;
        let must = other.def().recognise.first;
        if app.first != SENT && must != 0 && must & dir.bit() == 0 {
            fed.consumed = input.data.len();
            self.give_up(app, flow, pool, now, fed);
            return;
        }
        if !app.progress.done(dir) {
            return;
        }
        if !input.data.is_empty() {
            app.first = SENT;
        }
        app.set_side(dir, AppProto::FAILED);
        fed.consumed = input.data.len();
        if other != AppProto::FAILED {
            fed.events |= ONE_DIRECTION;
            self.parse(app, flow, input, pool, now, fed);
        }
    }

    /// Neither direction is known: decides whether to go on.
    fn maybe_give_up(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        data: &[u8],
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        let [ts, tc] = app.held.map(|n| n as usize);
        let (d_ts, d_tc) = (app.progress.done(Dir::ToServer), app.progress.done(Dir::ToClient));
        let p = &app.progress;
        let unfinished = |d: Dir| p.probes_done[d.ix()] && !p.patterns_done[d.ix()];
        let too_much = ts > 2 * HOLD_MAX
            || tc > 2 * HOLD_MAX
            || (d_ts && ts > HOLD_MAX && tc == 0)
            || (d_tc && tc > HOLD_MAX && ts == 0)
            || (tc > HOLD_MAX && unfinished(Dir::ToServer) && d_tc)
            || (ts > HOLD_MAX && unfinished(Dir::ToClient) && d_ts);
        if d_ts && d_tc {
            self.give_up_all(app, flow, data, pool, now, fed);
        } else if too_much {
            fed.events |= SKIPPED;
            self.give_up_all(app, flow, data, pool, now, fed);
        }
    }

    /// After a change of protocol was announced: looks for the next one.
    fn feed_changed(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        if input.data.is_empty() {
            if input.eof {
                fed.consumed = 0;
            }
            return;
        }
        let mut fresh = FlowApp { first: SENT, ..*app };
        fresh.progress = Progress::default();
        fresh.proto_ts = AppProto::UNKNOWN;
        fresh.proto_tc = AppProto::UNKNOWN;
        let found = self.look(&mut fresh, flow, input.data, input.dir, now);
        let Some(found) = found else {
            fed.consumed = 0;
            let alone = flow.midstream && fresh.progress.done(Dir::ToServer);
            if alone || input.data.len() >= CHANGE_MAX || input.eof {
                app.flags &= !CHANGING;
                self.give_up_all(app, flow, input.data, pool, now, fed);
            }
            return;
        };
        self.close_state(app, flow, pool, now);
        app.flags &= !CHANGING;
        app.proto_ts = AppProto::UNKNOWN;
        app.proto_tc = AppProto::UNKNOWN;
        app.progress = fresh.progress;
        app.first = SENT;
        app.held = [0; 2];
        if app.proto_expected != AppProto::UNKNOWN && app.proto_expected != found.proto {
            fed.events |= UNEXPECTED;
            if app.proto_expected.name() == "tls" {
                fed.events |= NO_TLS;
            }
        }
        self.decide(app, flow, input, found.proto, pool, now, fed);
    }

    fn feed_datagram(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        let dir = input.dir;
        if app.side(dir) == AppProto::UNKNOWN {
            let other = app.side(dir.flip());
            match self.look(app, flow, input.data, dir, now) {
                Some(found) => {
                    if found.reversed && !app.proto.is_known() {
                        fed.consumed = 0;
                        fed.reverse = true;
                        app.progress = Progress::default();
                        return;
                    }
                    app.set_side(dir, found.proto);
                    if other.is_known() {
                        if other != found.proto {
                            fed.events |= MISMATCH;
                        }
                    } else {
                        app.proto = found.proto;
                        fed.decided = true;
                    }
                }
                None if other != AppProto::UNKNOWN => {
                    app.proto = other;
                    app.set_side(dir, other);
                }
                None => app.set_side(dir, AppProto::FAILED),
            }
            if other == AppProto::UNKNOWN && app.proto == AppProto::UNKNOWN {
                app.proto = AppProto::FAILED;
                fed.decided = true;
            }
            if app.proto_ts == AppProto::FAILED && app.proto_tc == AppProto::FAILED {
                app.flags |= OFF;
                return;
            }
        }
        if app.proto.is_known() {
            self.parse(app, flow, input, pool, now, fed);
            fed.consumed = input.data.len();
        }
    }

    fn look(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        data: &[u8],
        dir: Dir,
        now: u64,
    ) -> Option<Found> {
        let other = app.side(dir.flip());
        let found = self.recogniser.look(flow.over, data, dir, flow.ports, other, &mut app.progress);
        if found.is_some() || self.expected.is_empty() || flow.over != OVER_TCP {
            return found;
        }
        self.expected.find(flow, now).map(|proto| Found { proto, reversed: false })
    }

    /// Detection gave up: the flow's application layer is off.
    fn give_up(&mut self, app: &mut FlowApp, flow: &FlowFacts, pool: &mut BytePool, now: u64, fed: &mut Fed) {
        self.close_state(app, flow, pool, now);
        app.flags |= OFF;
        app.first = SENT;
        app.proto = AppProto::FAILED;
        for dir in Dir::BOTH {
            if app.side(dir) == AppProto::UNKNOWN {
                app.set_side(dir, AppProto::FAILED);
            }
        }
        fed.decided = true;
    }

    fn give_up_all(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        data: &[u8],
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        self.give_up(app, flow, pool, now, fed);
        fed.consumed = data.len();
    }

    /// Hands bytes to the flow's parser.
    fn parse(
        &mut self,
        app: &mut FlowApp,
        flow: &FlowFacts,
        input: Input<'_>,
        pool: &mut BytePool,
        now: u64,
        fed: &mut Fed,
    ) {
        let len = input.data.len();
        fed.consumed = len;
        let Some(i) = app.proto.index() else { return };
        if self.parsers.get(i).is_none_or(Option::is_none) {
            return;
        }
        if app.state().is_none() {
            let carried = self.expected.take(flow);
            let (parser, mut cx) = self.split(i, flow, pool, now);
            let Some(p) = parser else { return };
            let Some(st) = p.open(&mut cx) else {
                app.flags |= OFF;
                return;
            };
            if let Some(mut c) = carried {
                p.expected(st, c.what, c.flow, &mut cx);
                c.what.free(cx.pool);
            }
            app.state = st + 1;
            app.owner = app.proto;
        }
        let Some(st) = app.state() else { return };
        let (parser, mut cx) = self.split(i, flow, pool, now);
        let Some(p) = parser else { return };
        match p.parse(st, input, &mut cx) {
            Outcome::Consumed { bytes, need } => {
                fed.consumed = bytes.min(len);
                fed.need = need;
            }
            Outcome::Failed => {
                app.flags |= OFF;
                fed.parse_failed = true;
            }
            Outcome::Change { bytes, to } => {
                fed.consumed = bytes.min(len);
                fed.change = true;
                if app.flags & CHANGING == 0 {
                    app.flags |= CHANGING;
                    app.proto_orig = app.proto;
                    app.proto_expected = to.unwrap_or_default();
                    for dir in Dir::BOTH {
                        if app.side(dir) == AppProto::UNKNOWN {
                            app.set_side(dir, app.proto);
                        }
                    }
                }
            }
            Outcome::Opaque { bytes } => {
                fed.consumed = bytes.min(len);
                app.flags |= OPAQUE;
                fed.opaque = true;
            }
        }
        if let Some(e) = p.announced() {
            self.expected.add(flow, &e, pool, now);
        }
    }

    fn close_state(&mut self, app: &mut FlowApp, flow: &FlowFacts, pool: &mut BytePool, now: u64) {
        if let (Some(st), Some(i)) = (app.state(), app.owner.index()) {
            let (parser, mut cx) = self.split(i, flow, pool, now);
            if let Some(p) = parser {
                p.close(st, &mut cx);
            }
        }
        app.state = 0;
    }

    fn split<'a>(
        &'a mut self,
        i: usize,
        flow: &FlowFacts,
        pool: &'a mut BytePool,
        now: u64,
    ) -> (Option<&'a mut (dyn Parser + 'static)>, AppCx<'a>) {
        let cx = AppCx {
            pool,
            files: &mut self.files,
            scratch: &mut self.scratch,
            cfg: &self.cfg,
            now,
            wanted: self.wanted.get(i).copied().unwrap_or_default(),
            shown: self.shown,
            ports: flow.ports,
        };
        (self.parsers.get_mut(i).and_then(|p| p.as_deref_mut()), cx)
    }
}
