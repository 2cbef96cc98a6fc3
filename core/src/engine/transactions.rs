//! Transactions between the parsers and the outside: inspected in the packet's direction, recorded when they are
//! complete, given back when nothing needs them any more.

use super::Engine;
use super::packet::{Seen, TX_DUE};
use crate::Dir;
use crate::app::{AppProto, TxIdx};
use crate::detect::{FlowCx, PacketCx};
use crate::event::{AnomalyKind, Event, EventSink, FileRecord, TxRecord};
use crate::flow::{FlowIx, flag};
use crate::packet::{EventSet, Packet};

impl Engine {
    /// Rules on the transactions of direction `dir`, outside the ordinary run of a packet.
    pub(super) fn inspect_txs(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        seen: &Seen<'_>,
        sink: &mut dyn EventSink,
    ) {
        if self.no_rules || self.flows.hot(ix).flags & flag::PASS != 0 {
            return;
        }
        let cx = PacketCx {
            pkt,
            dir,
            has_flow: true,
            pseudo: true,
            established: seen.established,
            first: false,
            in_stream: true,
            no_payload: true,
            stream_events: EventSet::default(),
            app_events: 0,
            stream_size: None,
            raw: None,
            flow_id: self.flows.cold(ix).id,
            proto_decided: false,
        };
        Self::run_txs(
            &mut self.detect,
            &mut self.app,
            &mut self.state[ix.0 as usize],
            self.flows.hot(ix),
            self.flows.cold(ix).start,
            &cx,
            &mut self.app_pool,
        );
        self.settle(pkt, seen.root, dir, Some(ix), sink);
    }

    /// Rules on every changed transaction of the packet's direction. Whether all of them were looked at.
    pub(super) fn run_txs(
        detect: &mut crate::detect::Detector,
        app: &mut crate::app::AppLayer,
        st: &mut super::FlowState,
        hot: &crate::flow::Hot,
        start: u64,
        cx: &PacketCx<'_>,
        pool: &mut crate::pool::BytePool,
    ) -> bool {
        let owner = app.owner(&st.app);
        if !detect.wants_tx(owner, cx.dir) {
            return false;
        }
        let Some((parser, state, files)) = app.parts(&st.app) else { return false };
        let (low, high) = parser.tx_bounds(state);
        let mut fcx = FlowCx {
            // Transactions of a protocol that is about to change are still that protocol's.
            app: owner,
            app_by_dir: [st.app.proto_ts, st.app.proto_tc],
            app_orig: st.app.proto_orig,
            age: hot.last.saturating_sub(start) / 1_000_000_000,
            pkts: hot.pkts.map(u64::from),
            bytes: hot.bytes,
            detect: &mut st.detect,
        };
        for id in low..high {
            let Some(tx) = parser.tx(state, id) else { continue };
            let c = parser.common(tx);
            if c.dirty[cx.dir.ix()] && !c.no_inspect {
                detect.tx(cx, &mut fcx, owner, parser, state, tx, files, pool);
            }
        }
        true
    }

    /// Reports what is due of each transaction and gives back those that are done. `last`: the flow (or its
    /// protocol) ends, everything is due.
    pub(super) fn transactions(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        last: bool,
        sink: &mut dyn EventSink,
    ) {
        let app = self.state[ix.0 as usize].app;
        let owner = self.app.owner(&app);
        let Some((parser, state)) = self.app.parser(&app) else { return };
        let (low, high) = parser.tx_bounds(state);
        self.flows.hot_mut(ix).flags &= !TX_DUE;
        let watched = Dir::BOTH.map(|d| self.detect.wants_tx(owner, d));
        for id in low..high {
            let Some((parser, state)) = self.app.parser(&app) else { return };
            let Some(tx) = parser.tx(state, id) else { continue };
            let c = *parser.common(tx);
            let complete = Dir::BOTH.map(|d| c.progress[d.ix()] >= parser.complete_progress(d));
            if c.events & !c.events_reported != 0 {
                self.tx_anomalies(ix, pkt, dir, owner, tx, sink);
            }
            self.tx_files(ix, pkt, tx, last, sink);
            self.tx_records(ix, pkt, tx, last, sink);
            let inspected = Dir::BOTH.map(|d| !watched[d.ix()] || !c.dirty[d.ix()] || c.no_inspect);
            let passed = self.flows.hot(ix).flags & flag::PASS != 0;
            let whole = complete[0] && complete[1] && (passed || (inspected[0] && inspected[1]));
            if whole || last {
                let facts = self.facts(ix, 0);
                self.app.free_tx(&app, &facts, id, &mut self.app_pool, pkt.ts);
                if let Some(n) = owner.index() {
                    self.stats.app_txs[n & 63] += 1;
                }
                self.state[ix.0 as usize].txs += 1;
            } else if complete[0] && complete[1] {
                self.flows.hot_mut(ix).flags |= TX_DUE;
            }
        }
    }

    fn tx_anomalies(
        &mut self,
        ix: FlowIx,
        pkt: &Packet<'_>,
        dir: Dir,
        owner: AppProto,
        tx: TxIdx,
        sink: &mut dyn EventSink,
    ) {
        let app = self.state[ix.0 as usize].app;
        let Some((parser, _)) = self.app.parser_mut(&app) else { return };
        let c = parser.common_mut(tx);
        let fresh = c.events & !c.events_reported;
        c.events_reported |= fresh;
        for (i, name) in owner.def().events.iter().enumerate() {
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

    fn tx_records(&mut self, ix: FlowIx, pkt: &Packet<'_>, tx: TxIdx, last: bool, sink: &mut dyn EventSink) {
        let app = self.state[ix.0 as usize].app;
        let Some((parser, _)) = self.app.parser(&app) else { return };
        if self.app.owner(&app).def().record.is_empty() {
            return;
        }
        let due = if last { parser.log_at_end(tx) } else { parser.log_due(tx) };
        let due = due & !parser.common(tx).logged;
        if due == 0 {
            return;
        }
        if let Some((parser, _)) = self.app.parser_mut(&app) {
            parser.common_mut(tx).logged |= due;
        }
        let Some(view) = self.tx_view(ix, tx) else { return };
        for (bit, d) in [
            (crate::app::LOG_REQUEST, Dir::ToServer),
            (crate::app::LOG_RESPONSE, Dir::ToClient),
            (crate::app::LOG_WHOLE, Dir::ToServer),
        ] {
            if due & bit != 0 {
                let flow = self.view(ix);
                flow.with(|flow| {
                    sink.event(Event::Tx(&TxRecord { packet: pkt, flow, tx: view, dir: d }));
                });
            }
        }
    }

    fn tx_files(&mut self, ix: FlowIx, pkt: &Packet<'_>, tx: TxIdx, last: bool, sink: &mut dyn EventSink) {
        let app = self.state[ix.0 as usize].app;
        for d in Dir::BOTH {
            let Some((parser, _)) = self.app.parser(&app) else { return };
            let mut id = parser.common(tx).files[d.ix()];
            while id != crate::app::file::NO_FILE {
                let f = self.app.files().view(id);
                let next = f.next();
                if !f.ended() && last {
                    self.app.files_mut().close(id, true);
                }
                let f = self.app.files().view(id);
                if f.ended() && !f.file().logged {
                    self.app.files_mut().get_mut(id).logged = true;
                    let view = self.tx_view(ix, tx);
                    let file = self.app.files().view(id);
                    let flow = self.view(ix);
                    flow.with(|flow| {
                        sink.event(Event::File(&FileRecord {
                            packet: pkt,
                            flow,
                            tx: view,
                            file,
                            pool: &self.app_pool,
                            dir: d,
                        }));
                    });
                }
                id = next;
            }
        }
    }
}
