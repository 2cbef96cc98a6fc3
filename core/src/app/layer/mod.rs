//! The application layer of one engine: in-order bytes and datagrams of a flow go in, its protocol is recognised,
//! and the protocol's parser is fed.
//!
//! Owns the parsers, the files, the recogniser and the expectations of further flows; the flow owns a [`FlowApp`].
//! The order of decisions (when detection gives up, which direction is believed, what happens to data that came
//! first in the other direction) follows Suricata 8, because `app_proto` and every rule with an application
//! protocol depend on it.

mod detect;
mod flow;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::flow::{CHANGING, FRESH, HELD, LAME, LOST, OFF, OPAQUE};
pub use self::flow::{Fed, FlowApp, FlowFacts, LAYER_EVENTS};
use super::bodies::{Bodies, BodyCx, GUESTS_MAX, Lodging};
use super::expect::Expectations;
use super::file::Files;
use super::frames::{Fed as FramesFed, Frames, Notes};
use super::recognise::Recogniser;
use super::registry::PROTOCOLS;
use super::{AppConfig, AppCx, AppProto, Input, Outcome, Parser, StateId, TxRef, Wanted};
use crate::Dir;
use crate::pool::{Arena, BytePool, PBuf, Scratch};

/// One call of [`AppLayer::feed`].
struct Turn<'a> {
    app: &'a mut FlowApp,
    flow: &'a FlowFacts,
    pool: &'a mut BytePool,
    now: u64,
    fed: Fed,
    /// What the protocol before it hands on.
    carried: PBuf,
}

/// All protocols of one engine.
pub struct AppLayer {
    parsers: Vec<Option<Box<dyn Parser>>>,
    wanted: Vec<Wanted>,
    shown: bool,
    recogniser: Recogniser,
    expected: Expectations,
    files: Files,
    bodies: Bodies,
    frames: Frames,
    notes: Notes,
    /// Protocols whose frames somebody asks for (bit per place in the registry).
    framed: u64,
    scratch: Scratch,
    cfg: AppConfig,
}

/// A protocol that has transactions of a flow, and the flow's state in its parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    pub proto: AppProto,
    pub state: StateId,
}

impl AppLayer {
    /// Takes all memory: parsers of the protocols that `cfg` leaves on, files, tables.
    pub fn new(mut cfg: AppConfig) -> Self {
        cfg.arena = Some(Arena::new(cfg.records));
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
            bodies: Bodies::new(&cfg, &cfg.arena()),
            frames: Frames::new(&cfg),
            notes: Notes::new(),
            framed: if cfg.frames_shown { u64::MAX } else { 0 },
            scratch: Scratch::new(64 << 10),
            cfg,
        }
    }

    /// Pages of records, free and all; and records that found no room.
    pub(crate) fn records(&self) -> ((u64, u64), u64) {
        let of = |a: &Arc<Arena>| ((a.free_pages() as u64, a.pages() as u64), a.refused());
        self.cfg.arena.as_ref().map_or(((0, 0), 0), of)
    }

    /// Whether records run out: at the last 32nd and three pages when a flow has `begun` to have some, at the last page always.
    pub(crate) fn is_tight(&self, begun: bool) -> bool {
        let Some(a) = &self.cfg.arena else { return false };
        let free = a.free_pages();
        free == 0 || (begun && free <= a.pages() / 32 + 3)
    }

    /// Touches the memory of records.
    pub(crate) fn warm(&mut self) {
        if let Some(a) = &self.cfg.arena {
            a.warm();
        }
        self.bodies.warm();
        for p in self.parsers.iter_mut().flatten() {
            p.warm();
        }
    }

    /// Tells each protocol which buffers the loaded rules read, in the order of the registry. Call after the rules
    /// changed; before the first call everything is kept.
    pub fn set_wanted(&mut self, wanted: &[Wanted]) {
        for (slot, w) in self.wanted.iter_mut().zip(wanted) {
            *slot = *w;
        }
        self.bodies.set_wanted(wanted);
        self.framed = 0;
        for (i, w) in self.wanted.iter().enumerate() {
            let proto = AppProto(i as u8 + AppProto::FIRST);
            self.framed |= u64::from(self.frames.wants(proto, *w)).checked_shl(i as u32).unwrap_or(0);
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

    /// Nothing would be done with another datagram in direction `dir`: its protocol was looked for, and no parser waits.
    pub fn is_deaf(&self, app: &FlowApp, dir: Dir) -> bool {
        let parser = app.proto.index().is_some_and(|i| self.parsers.get(i).is_some_and(Option::is_some));
        app.is_off() || app.is_opaque() || (app.side(dir) != AppProto::UNKNOWN && !parser)
    }

    /// What is needed to read the protected part of the flow's session; see [`Parser::hello`].
    pub(crate) fn hello(&self, app: &FlowApp, pool: &BytePool) -> Option<crate::unseal::Hello> {
        let (parser, st) = self.parser(app)?;
        parser.hello(st, pool)
    }

    /// The protocols that have transactions of the flow, with the flow's states: that of its bytes first, then its guests.
    pub fn layers(&self, app: &FlowApp) -> impl Iterator<Item = Layer> + use<> {
        let mut all = [None; GUESTS_MAX + 1];
        all[0] = app.state().map(|state| Layer { proto: app.owner, state });
        for (place, slot) in all.iter_mut().skip(1).enumerate() {
            *slot = self.bodies.layer(&app.lodging, place).map(|(proto, state)| Layer { proto, state });
        }
        all.into_iter().flatten()
    }

    /// The parser of a protocol.
    pub fn parser_of(&self, proto: AppProto) -> Option<&dyn Parser> {
        let i = proto.index()?;
        self.parsers.get(i)?.as_deref().or_else(|| self.bodies.parser(proto))
    }

    /// As [`AppLayer::parser_of`], to change a transaction's common part.
    pub fn parser_of_mut(&mut self, proto: AppProto) -> Option<&mut (dyn Parser + 'static)> {
        Some(self.parts(proto)?.0)
    }

    /// As [`AppLayer::parser_of_mut`], with the files beside it.
    pub fn parts(&mut self, proto: AppProto) -> Option<(&mut (dyn Parser + 'static), &Files)> {
        let i = proto.index()?;
        let parser = match self.parsers.get_mut(i)?.as_deref_mut() {
            Some(p) => p,
            None => self.bodies.parser_mut(proto)?,
        };
        Some((parser, &self.files))
    }

    /// The frames of all flows.
    pub fn frames(&self) -> &Frames {
        &self.frames
    }

    /// The frames of all flows, with the files beside them.
    pub fn frames_parts(&mut self) -> (&mut Frames, &Files) {
        (&mut self.frames, &self.files)
    }

    /// Decoders that were wanted and not to be had, since construction.
    pub fn decoders_refused(&self) -> u64 {
        self.bodies.decoders_lost().0
    }

    /// Messages whose decoders another one took, since construction.
    pub fn decoders_evicted(&self) -> u64 {
        self.bodies.decoders_lost().1
    }

    /// What flows of one protocol share and one lost to another, since construction.
    pub fn shared_evicted(&self) -> u64 {
        self.parsers.iter().flatten().map(|p| p.evicted()).sum()
    }

    /// Announced flows that were forgotten because there were too many, since construction.
    pub fn expectations_evicted(&self) -> u64 {
        self.expected.evicted()
    }

    /// Protocol of the flow's transactions.
    pub fn owner(&self, app: &FlowApp) -> AppProto {
        if app.state == 0 { app.proto } else { app.owner }
    }

    /// Gives a transaction back.
    pub fn free_tx(&mut self, app: &FlowApp, flow: &FlowFacts, tx: TxRef, pool: &mut BytePool, now: u64) {
        let Some(layer) = self.layers(app).find(|l| l.proto == tx.proto) else { return };
        let mut lodging = app.lodging;
        self.with_parser(layer.proto, flow, (pool, &mut lodging), now, |p, cx| {
            p.free_tx(layer.state, tx.idx, cx)
        });
    }

    /// The source of packets ended: forgets the flows that were announced and never came.
    pub fn finish(&mut self, pool: &mut BytePool) {
        self.expected.clear(pool);
    }

    /// The flow ended: gives back everything it holds here.
    pub fn end(&mut self, app: &mut FlowApp, flow: &FlowFacts, pool: &mut BytePool, now: u64) {
        self.close_state(app, flow, pool, now);
        if let Some(st) = app.frames() {
            app.frames = 0;
            self.frames.end(st, pool);
        }
        let mut waiting = app.lodging.take_waiting();
        let mut body = BodyCx {
            pool,
            scratch: &mut self.scratch,
            cfg: &self.cfg,
            now,
            shown: self.shown,
            lodging: &mut app.lodging,
            wanted: Wanted::default(),
        };
        self.bodies.release(&mut waiting, &mut body);
        self.bodies.settle(&app.lodging);
        let lodged = app.lodging.take_states();
        for place in 0..GUESTS_MAX {
            if let Some((proto, st)) = self.bodies.layer(&lodged, place) {
                self.with_parser(proto, flow, (pool, &mut Lodging::default()), now, |p, cx| p.close(st, cx));
            }
        }
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
        let fed = Fed { consumed: input.data.len(), ..Fed::default() };
        if app.flags & (OFF | OPAQUE) != 0 {
            return fed;
        }
        let mut turn = Turn { app, flow, pool, now, fed, carried: PBuf::default() };
        self.take(&mut turn, input);
        turn.carried.free(turn.pool);
        turn.fed
    }

    fn take(&mut self, t: &mut Turn<'_>, input: Input<'_>) {
        if input.datagram {
            return self.feed_datagram(t, input);
        }
        let dir = input.dir;
        if input.gap > 0 && !self.gap(t, input) {
            return;
        }
        let unknown = t.app.side(dir) == AppProto::UNKNOWN;
        let input = Input { gap: if unknown { 0 } else { input.gap }, ..input };
        if t.app.flags & CHANGING != 0 && !unknown {
            self.feed_changed(t, input);
        } else if unknown && t.app.flags & (LOST << dir.ix()) == 0 {
            self.detect(t, input);
        } else if t.app.flags & (HELD << dir.ix()) != 0 {
            t.app.flags &= !(HELD << dir.ix());
            if self.first_fits(t, dir) {
                self.parse(t, input);
            }
        } else if t.app.proto.is_known() {
            self.parse(t, input);
        } else if unknown && t.app.proto == AppProto::UNKNOWN && !input.eof {
            self.wait_for_other(t, input);
        }
    }

    /// Hands bytes to the flow's parser.
    fn parse(&mut self, t: &mut Turn<'_>, input: Input<'_>) {
        let len = input.data.len();
        t.fed.consumed = len;
        let Some(i) = t.app.proto.index() else { return };
        if self.parsers.get(i).is_none_or(Option::is_none) {
            let due = (t.app.proto.def().due)(input.data, input.dir);
            t.fed.due = if due { input.dir.bit() } else { 0 };
            return;
        }
        if t.app.state().is_none() {
            let carried = self.expected.take(t.flow);
            let (parser, mut cx) = self.split(i, t.flow, (t.pool, &mut t.app.lodging), t.now);
            let opened = parser.and_then(|p| Some((p.open(&mut cx)?, p)));
            let Some((st, p)) = opened else {
                // What the announcement carried is nobody's now.
                if let Some(mut c) = carried {
                    c.what.free(cx.pool);
                }
                t.app.flags |= OFF;
                return;
            };
            if let Some(mut c) = carried {
                p.expected(st, c.what, c.flow, &mut cx);
                c.what.free(cx.pool);
            }
            if !t.carried.is_empty() {
                p.expected(st, t.carried, t.flow.id, &mut cx);
            }
            t.app.state = st + 1;
            t.fed.opened = true;
            t.app.owner = t.app.proto;
        }
        let Some(st) = t.app.state() else { return };
        let framed = self.framed.checked_shr(i as u32).unwrap_or(0) & 1 == 1;
        self.notes.begin_input(input.data, framed);
        let fresh = t.app.first & FRESH != 0;
        let (parser, mut cx) = self.split(i, t.flow, (t.pool, &mut t.app.lodging), t.now);
        let Some(p) = parser else { return };
        cx.due = input.dir.bit();
        cx.pool.growth().lend(cx.lodging.credit.earn(len));
        let out = p.parse(st, input, &mut cx);
        let left = cx.pool.growth().back();
        // What is not taken comes again.
        cx.lodging.credit = match out {
            Outcome::Consumed { bytes, .. } | Outcome::Full { bytes } => {
                left.unearn(len.saturating_sub(bytes))
            }
            _ => left,
        };
        cx.bodies.settle(cx.lodging);
        let (due, known_as) = (cx.due, cx.known_as);
        if known_as.is_known() {
            t.app.known_as = known_as;
        }
        let announced = p.announced();
        t.fed.due = due;
        if !matches!(out, Outcome::Consumed { bytes, .. } if bytes < len) {
            t.app.first &= !FRESH;
        }
        match out {
            Outcome::Consumed { bytes, need } => {
                t.fed.consumed = bytes.min(len);
                t.fed.need = need;
            }
            Outcome::Full { bytes } => {
                t.fed.consumed = bytes.min(len);
                t.fed.full = true;
            }
            // A flow fails once, whether in one direction or both.
            Outcome::Failed => {
                t.fed.parse_failed = t.app.flags & LAME == 0;
                t.app.flags |= OFF;
            }
            Outcome::FailedHere => {
                t.fed.parse_failed = t.app.flags & LAME == 0;
                t.app.flags |= LAME;
            }
            Outcome::Change { .. } if fresh => {
                t.fed.consumed = len;
                p.change_refused(st, input.dir);
            }
            Outcome::Change { bytes, to } => {
                t.fed.consumed = bytes.min(len);
                t.fed.change = true;
                t.app.begin_change(to.unwrap_or_default());
            }
            Outcome::Opaque { bytes } => {
                t.fed.consumed = bytes.min(len);
                t.app.flags |= OPAQUE;
                t.fed.opaque = true;
            }
        }
        if framed {
            self.take_frames(t, input, i);
        }
        if let Some(e) = announced {
            self.expected.add(t.flow, &e, t.pool, t.now);
        }
    }

    /// What the parser noted of frames.
    fn take_frames(&mut self, t: &mut Turn<'_>, input: Input<'_>, i: usize) {
        if t.app.frames == 0 {
            t.app.frames = self.frames.start().map_or(0, |st| st + 1);
        }
        let Some(st) = t.app.frames() else { return };
        let fed = FramesFed {
            input,
            consumed: t.fed.consumed,
            proto: t.app.proto,
            wanted: self.wanted.get(i).copied().unwrap_or_default(),
            now: t.now,
        };
        self.frames.feed(st, &mut self.notes, fed, t.pool);
    }

    fn close_state(&mut self, app: &mut FlowApp, flow: &FlowFacts, pool: &mut BytePool, now: u64) {
        if let Some(st) = app.state() {
            self.with_parser(app.owner, flow, (pool, &mut app.lodging), now, |p, cx| p.close(st, cx));
        }
        app.state = 0;
    }

    /// Calls `f` with a protocol's parser, a guest's too, and what it may use.
    fn with_parser(
        &mut self,
        proto: AppProto,
        flow: &FlowFacts,
        memory: (&mut BytePool, &mut Lodging),
        now: u64,
        f: impl FnOnce(&mut dyn Parser, &mut AppCx<'_>),
    ) {
        let Some(i) = proto.index() else { return };
        if self.parsers.get(i).is_some_and(Option::is_some) {
            let (parser, mut cx) = self.split(i, flow, memory, now);
            if let Some(p) = parser {
                f(p, &mut cx);
                // What guests changed is the flow's at hand, and no other's.
                cx.bodies.settle(cx.lodging);
            }
        } else {
            // A guest is part of the bodies: it is lent out with none beside it.
            self.bodies.with_guest(proto, |guest, bodies| {
                let (pool, lodging) = memory;
                pool.growth().begin(flow.addrs[0], now);
                let mut cx = AppCx {
                    pool,
                    files: &mut self.files,
                    scratch: &mut self.scratch,
                    cfg: &self.cfg,
                    now,
                    wanted: Wanted::default(),
                    due: 0,
                    known_as: AppProto::UNKNOWN,
                    shown: self.shown,
                    ports: flow.ports,
                    client: flow.addrs[0],
                    server: flow.addrs[1],
                    bodies,
                    lodging,
                    frames: &mut self.notes,
                };
                f(guest, &mut cx);
            });
        }
    }

    fn split<'a>(
        &'a mut self,
        i: usize,
        flow: &FlowFacts,
        (pool, lodging): (&'a mut BytePool, &'a mut Lodging),
        now: u64,
    ) -> (Option<&'a mut (dyn Parser + 'static)>, AppCx<'a>) {
        pool.growth().begin(flow.addrs[0], now);
        let cx = AppCx {
            pool,
            files: &mut self.files,
            scratch: &mut self.scratch,
            cfg: &self.cfg,
            now,
            wanted: self.wanted.get(i).copied().unwrap_or_default(),
            due: 0,
            known_as: AppProto::UNKNOWN,
            shown: self.shown,
            ports: flow.ports,
            client: flow.addrs[0],
            server: flow.addrs[1],
            bodies: &mut self.bodies,
            lodging,
            frames: &mut self.notes,
        };
        (self.parsers.get_mut(i).and_then(|p| p.as_deref_mut()), cx)
    }
}
