//! Transactions between the parsers and the outside: inspected in the packet's direction, recorded when they are
//! complete, given back when nothing needs them any more.

use super::packet::{ENDED, PASS_SEEN, PacketFacts, TX_DUE, TX_FED};
use super::{Engine, FlowState};
use crate::Dir;
use crate::ai::ledger::Facts;
use crate::app::file::NO_FILE;
use crate::app::{AppLayer, Layer, Parser, Queue, TxDetect, TxRef};
use crate::detect::{Detector, FlowCx, PacketCx, TxAt};
use crate::event::{AnomalyKind, Event, EventSink, FileRecord, FrameRecord, TxRecord};
use crate::flow::{FlowIx, Hot, flag};
use crate::packet::{Addr, Packet};
use crate::pool::BytePool;

/// What rules on transactions need of the engine; the streams may be lent out meanwhile.
pub(super) struct TxInspection<'a> {
    pub(super) detect: &'a mut Detector,
    pub(super) app: &'a mut AppLayer,
    pub(super) pool: &'a mut BytePool,
    pub(super) visits: &'a mut u64,
}

impl TxInspection<'_> {
    /// Rules on every changed transaction of the packet's direction. `None` if no rule looks at them, else flags for
    /// the flow. The flow is given by its records: the hot one and when it began, ns.
    pub(super) fn all(
        &mut self,
        st: &mut FlowState,
        (hot, start): (&Hot, u64),
        cx: &PacketCx<'_>,
    ) -> Option<u32> {
        let mut due = None;
        for layer in self.app.layers(&st.app) {
            if !self.detect.wants_tx(layer.proto, cx.dir) {
                continue;
            }
            let Some((parser, files)) = self.app.parts(layer.proto) else { continue };
            // Transactions of a protocol that is about to change are still that protocol's.
            let mut fcx = FlowCx { app: layer.proto, ..FlowCx::of(hot, start, &st.app, &mut st.detect) };
            let due = due.get_or_insert(0);
            while let Some(idx) = parser.take_changed(layer.state, Queue::Inspect(cx.dir)) {
                *self.visits += 1;
                let c = parser.common(idx);
                let tx = TxRef { proto: layer.proto, idx, id: c.id };
                if c.is_dirty(cx.dir) {
                    let at = TxAt { parser: &mut *parser, st: layer.state, tx, files, frame: false };
                    self.detect.tx(cx, &mut fcx, at, self.pool);
                }
                // What its end waited for may have been this look at it.
                let c = parser.common(idx);
                if Dir::BOTH.iter().all(|d| c.progress(*d) >= parser.complete_progress(*d)) {
                    parser.requeue(layer.state, idx, Queue::Report);
                    *due = TX_DUE;
                }
            }
        }
        self.frames(st, (hot, start), cx, &mut due);
        due
    }

    /// Rules on every changed frame of the packet's direction.
    fn frames(
        &mut self,
        st: &mut FlowState,
        (hot, start): (&Hot, u64),
        cx: &PacketCx<'_>,
        due: &mut Option<u32>,
    ) {
        let Some(state) = st.app.frames() else { return };
        let (frames, files) = self.app.frames_parts();
        let due = due.get_or_insert(0);
        while let Some(idx) = frames.take_changed(state, Queue::Inspect(cx.dir)) {
            *self.visits += 1;
            let (proto, c) = (frames.proto(idx), frames.common(idx));
            let tx = TxRef { proto, idx, id: c.id };
            if c.is_dirty(cx.dir) {
                let mut fcx = FlowCx { app: proto, ..FlowCx::of(hot, start, &st.app, &mut st.detect) };
                let at = TxAt { parser: &mut *frames, st: state, tx, files, frame: true };
                self.detect.tx(cx, &mut fcx, at, self.pool);
            }
            if frames.common(idx).both_reached(1) {
                frames.requeue(state, idx, Queue::Report);
                *due = TX_DUE;
            }
        }
    }
}

/// What ends with the packet at hand: then everything of it is due.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Nothing,
    /// The bytes of both directions.
    Bytes,
    /// The protocol of the flow's bytes.
    Protocol,
    Flow,
}

/// Which transactions are due: all (or those that changed), the flow ends, a rule passed it.
#[derive(Clone, Copy)]
struct Due {
    all: bool,
    last: bool,
    /// Nothing more is said in it.
    said: bool,
    passed: bool,
}

/// Living transactions (or frames) are looked at anew. `touch`: directions that are all new; others as they are.
fn renew_all(parser: &mut dyn Parser, state: u32, touch: &[Dir], pool: &mut BytePool) {
    let mut at = parser.next_tx(state, None);
    while let Some(tx) = at {
        let c = parser.common_mut(tx);
        for d in Dir::BOTH {
            c.detect[d.ix()].release(pool);
            c.detect[d.ix()] = TxDetect::default();
        }
        touch.iter().for_each(|d| c.touch(*d));
        Queue::ALL.into_iter().for_each(|q| parser.requeue(state, tx, q));
        at = parser.next_tx(state, at);
    }
}

impl Engine {
    /// Rules on the transactions of direction `dir`, outside the ordinary run of a packet.
    pub(super) fn inspect_txs(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        seen: &PacketFacts<'_>,
        sink: &mut dyn EventSink,
    ) {
        if self.no_rules || self.flows.hot(ix).flags & flag::UNSEEN != 0 {
            return;
        }
        if self.state[ix.0 as usize].detect.generation != self.detect.generation() {
            self.renew(ix);
        }
        let cx = PacketCx {
            has_flow: true,
            pseudo: true,
            established: seen.established,
            in_stream: true,
            no_payload: true,
            flow_id: self.flows.cold(ix).id,
            ..PacketCx::of(pkt, dir)
        };
        let (hot, start) = (self.flows.hot(ix), self.flows.cold(ix).start);
        let mut run = TxInspection {
            detect: &mut self.detect,
            app: &mut self.app,
            pool: &mut self.app_pool,
            visits: &mut self.stats.tx_visits,
        };
        let due = run.all(&mut self.state[ix.0 as usize], (hot, start), &cx);
        self.flows.hot_mut(ix).flags |= due.unwrap_or(0);
        self.settle(pkt, seen.root, dir, Some(ix), sink);
    }

    /// A flow that meets other rules than before: what the old ones noted by number is forgotten, and its living
    /// transactions are looked at anew.
    #[cold]
    pub(super) fn renew(&mut self, ix: FlowIx) {
        let st = &mut self.state[ix.0 as usize];
        self.detect.renew(&mut st.detect, &mut self.app_pool);
        let app = st.app;
        for layer in self.app.layers(&app) {
            let Some(parser) = self.app.parser_of_mut(layer.proto) else { continue };
            renew_all(parser, layer.state, &Dir::BOTH, &mut self.app_pool);
            self.flows.hot_mut(ix).flags |= TX_FED;
        }
        if let Some(state) = app.frames() {
            renew_all(self.app.frames_parts().0, state, &[], &mut self.app_pool);
            self.flows.hot_mut(ix).flags |= TX_FED;
        }
    }

    /// Reports what is due of each transaction and gives back those that are done.
    pub(super) fn transactions(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        ends: Ends,
        sink: &mut dyn EventSink,
    ) {
        let app = self.state[ix.0 as usize].app;
        let mut layers = self.app.layers(&app).peekable();
        if layers.peek().is_none() {
            return;
        }
        self.app.files_mut().drain(&mut self.app_pool, |file, bytes| sink.file_bytes(file, bytes));
        let hot = self.flows.hot_mut(ix);
        hot.flags &= !TX_DUE;
        if ends == Ends::Bytes {
            hot.flags |= ENDED;
        }
        let passed = hot.flags & flag::UNSEEN != 0;
        // A rule that passed the flow ends what transactions waited for: all of them are looked at once.
        let now_passed = passed && hot.flags & PASS_SEEN == 0;
        if passed {
            hot.flags |= PASS_SEEN;
        }
        let owner = self.app.owner(&app);
        for layer in layers {
            // Guests outlive the protocol that carried them.
            let last = ends == Ends::Flow || (ends == Ends::Protocol && layer.proto == owner);
            let said = last || ends == Ends::Bytes;
            let due = Due { all: said || now_passed, last, said, passed };
            self.layer_transactions(ix, (pkt, dir), layer, due, sink);
        }
        if let Some(state) = app.frames() {
            self.tell_frames(ix, pkt, (state, passed), ends == Ends::Flow, sink);
        }
    }

    /// Tells of the frames that are whole, and gives those back that rules have seen.
    fn tell_frames(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        (state, passed): (u32, bool),
        last: bool,
        sink: &mut dyn EventSink,
    ) {
        let shown = self.app.config().frames_shown;
        let mut at = if last { self.app.frames().next_tx(state, None) } else { None };
        loop {
            let (frames, _) = self.app.frames_parts();
            let next = if last { at } else { frames.take_changed(state, Queue::Report) };
            let Some(idx) = next else { break };
            at = if last { frames.next_tx(state, next) } else { None };
            let c = *frames.common(idx);
            if !last && !c.both_reached(1) {
                continue;
            }
            let told = core::mem::replace(&mut frames.common_mut(idx).logged, 1) == 1;
            if shown && !told {
                let frame = self.app.frames().view(idx, &self.app_pool);
                self.view(ix).with(|flow| {
                    sink.event(Event::Frame(&FrameRecord { packet: pkt, flow, frame }));
                });
            }
            let (frames, _) = self.app.frames_parts();
            let waits = |d: &Dir| c.is_dirty(*d) && self.detect.wants_frames(frames.proto(idx), *d);
            if last || passed || !Dir::BOTH.iter().any(waits) {
                frames.release(state, idx, &mut self.app_pool);
            }
        }
    }

    /// [`Engine::transactions`] of one of the flow's protocols.
    fn layer_transactions(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        layer: Layer,
        Due { all, last, said, passed }: Due,
        sink: &mut dyn EventSink,
    ) {
        let (owner, state) = (layer.proto, layer.state);
        let watched = Dir::BOTH.map(|d| self.detect.wants_tx(owner, d));
        let Some(parser) = self.app.parser_of(owner) else { return };
        let mut at = if all { parser.next_tx(state, None) } else { None };
        loop {
            let Some(parser) = self.app.parser_of_mut(owner) else { return };
            let next = if all { at } else { parser.take_changed(state, Queue::Report) };
            let Some(idx) = next else { break };
            at = if all { parser.next_tx(state, next) } else { None };
            let c = *parser.common(idx);
            let tx = TxRef { proto: owner, idx, id: c.id };
            self.stats.tx_visits += 1;
            if self.flows.hot(ix).policy != self.policing.generation {
                self.police_tx(ix, (pkt, dir), tx, sink);
            }
            if self.responding.is_on() {
                self.respond_tx(ix, (pkt, dir), tx, sink);
            }
            if self.watch.is_on() {
                self.watch_tx(ix, (pkt, dir), (tx, last), sink);
            }
            if c.events & !c.events_reported != 0 {
                self.tx_anomalies(ix, pkt, dir, tx, sink);
            }
            self.tx_files(ix, pkt, tx, last, sink);
            self.tx_records(ix, (pkt, dir), tx, said, sink);
            let Some(parser) = self.app.parser_of(owner) else { return };
            let done = |d: &Dir| {
                c.progress(*d) >= parser.complete_progress(*d)
                    && (passed || !watched[d.ix()] || !c.is_dirty(*d))
            };
            if last || Dir::BOTH.iter().all(done) {
                let facts = self.facts(ix, 0);
                let app = self.state[ix.0 as usize].app;
                self.app.free_tx(&app, &facts, tx, &mut self.app_pool, pkt.ts);
                if let Some(n) = owner.index() {
                    self.stats.app_txs[n] += 1;
                }
                if self.app.owner(&app) == owner {
                    self.state[ix.0 as usize].txs += 1;
                }
            }
        }
    }

    fn tx_anomalies(&mut self, ix: FlowIx, pkt: &Packet<'_>, dir: Dir, tx: TxRef, sink: &mut dyn EventSink) {
        let Some(parser) = self.app.parser_of_mut(tx.proto) else { return };
        let c = parser.common_mut(tx.idx);
        let fresh = c.events & !c.events_reported;
        c.events_reported |= fresh;
        for (i, name) in tx.proto.def().events.iter().enumerate() {
            if fresh >> i & 1 == 1 {
                self.anomaly(
                    AnomalyKind::AppLayer,
                    name,
                    "proto_parser",
                    Some(pkt),
                    dir,
                    Some(ix),
                    Some(tx),
                    sink,
                );
            }
        }
    }

    fn tx_records(
        &mut self,
        ix: FlowIx,
        (pkt, dir): (&Packet<'_>, Dir),
        tx: TxRef,
        last: bool,
        sink: &mut dyn EventSink,
    ) {
        let Some(parser) = self.app.parser_of_mut(tx.proto) else { return };
        if tx.proto.def().record.is_empty() {
            return;
        }
        // Of a flow that was dropped what is not complete is not told.
        let dropped = self.flows.hot(ix).flags & flag::DROP != 0;
        let due = if last && !dropped { parser.log_at_end(tx.idx) } else { parser.log_due(tx.idx) };
        let due = due & !parser.common(tx.idx).logged;
        if due == 0 {
            return;
        }
        parser.common_mut(tx.idx).logged |= due;
        if self.ledger.is_on() && due & crate::app::LOG_WHOLE != 0 {
            self.account(ix, pkt, tx, sink);
        }
        // A rule said `config:logging disable`.
        if self.app.parser_of(tx.proto).is_some_and(|p| p.common(tx.idx).unlogged) {
            return;
        }
        let Some(view) = self.tx_view(ix, tx) else { return };
        for (bit, d) in [
            (crate::app::LOG_REQUEST, Dir::ToServer),
            (crate::app::LOG_RESPONSE, Dir::ToClient),
            (crate::app::LOG_WHOLE, if tx.proto.def().by_packet { dir } else { Dir::ToServer }),
        ] {
            if due & bit != 0 {
                let flow = self.view(ix);
                flow.with(|flow| {
                    sink.event(Event::Tx(&TxRecord { packet: pkt, flow, tx: view, dir: d }));
                });
            }
        }
    }

    /// Keeps account of a call.
    fn account(&mut self, ix: FlowIx, pkt: &Packet<'_>, tx: TxRef, sink: &mut dyn EventSink) {
        let call = self.app.parser_of(tx.proto).and_then(|p| p.call(tx.idx));
        let key = self.flows.key(ix);
        let ends = [(key.src, key.sp), (key.dst, key.dp)];
        if let Some(f) = call.and_then(|c| Facts::of(c, &self.app_pool, ends, key.v6, pkt.ts)) {
            self.ledger.call(&f, &mut |s| sink.event(Event::Summary(&s)));
        }
    }

    fn tx_files(&mut self, ix: FlowIx, pkt: &Packet<'_>, tx: TxRef, last: bool, sink: &mut dyn EventSink) {
        let Some(parser) = self.app.parser_of(tx.proto) else { return };
        let mut store = parser.common(tx.idx).store | self.state[ix.0 as usize].detect.store;
        if self.app.config().file_store_all {
            store = Dir::ToServer.bit() | Dir::ToClient.bit();
        }
        let waits = self.detect.storing && self.app.config().file_tap && !last;
        for d in Dir::BOTH {
            let Some(parser) = self.app.parser_of(tx.proto) else { return };
            let c = parser.common(tx.idx);
            // A rule that is still waiting may want the file.
            let unseen = c.is_dirty(d) && self.detect.wants_tx(tx.proto, d);
            if waits && (c.progress(d) < parser.complete_progress(d) || unseen) {
                continue;
            }
            let (head, told) = (c.files[d.ix()], c.files_told[d.ix()]);
            let mut id = if told == NO_FILE { head } else { self.app.files().view(told).next() };
            let (mut first, mut behind) = (true, told);
            while id != NO_FILE {
                let f = self.app.files().view(id);
                let next = f.next();
                if !f.ended() && last {
                    // What its end may still bring out of an archive is of no flow at work.
                    self.app_pool.growth().begin(Addr::default(), 0);
                    self.app.files_mut().close(&mut self.app_pool, id, true);
                }
                let f = self.app.files().view(id);
                if f.ended() && !f.file().logged {
                    let f = self.app.files_mut().get_mut(id);
                    (f.logged, f.store) = (true, f.store || store & d.bit() != 0);
                    self.app.files_mut().settle_store(id);
                    if self.watch.is_on() {
                        self.watch_file((ix, tx), (pkt, d), id, sink);
                    }
                    self.tell_file((ix, tx), (pkt, d), id, sink);
                }
                // Of a long chain only what is new is looked at again.
                first &= self.app.files().view(id).file().logged;
                if first {
                    behind = id;
                }
                id = next;
            }
            if behind != told
                && let Some(parser) = self.app.parser_of_mut(tx.proto)
            {
                parser.common_mut(tx.idx).files_told[d.ix()] = behind;
            }
        }
    }

    fn tell_file(
        &self,
        (ix, tx): (FlowIx, TxRef),
        (packet, dir): (&Packet<'_>, Dir),
        id: u32,
        sink: &mut dyn EventSink,
    ) {
        let (tx, file) = (self.tx_view(ix, tx), self.app.files().view(id));
        self.view(ix).with(|flow| {
            sink.event(Event::File(&FileRecord { packet, flow, tx, file, pool: &self.app_pool, dir }));
        });
    }
}
