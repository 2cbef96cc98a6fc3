//! From decisions to events and verdicts.

use super::Engine;
use crate::Dir;
use crate::app::frames::FrameView;
use crate::app::{TxRef, TxView};
use crate::detect::asked::ContextsOf;
use crate::detect::captured::Captured;
use crate::detect::queue::Decision;
use crate::detect::ruleset::{Names, SigIx};
use crate::detect::{FlowDetect, RuleSet};
use crate::event::{
    Action, Alert, Anomaly, AnomalyKind, DropReason, Dropped, Event, EventSink, FlowExtra, FlowVar, FlowVars,
    Verdict,
};
use crate::flow::{FlowIx, FlowView, flag};
use crate::packet::Packet;
use crate::pool::{BytePool, Scratch};

/// What rules noted on a flow, readable by name.
struct Notes<'a> {
    detect: &'a FlowDetect,
    captured: &'a Captured,
    names: &'a Names,
    pool: &'a BytePool,
}

impl FlowVars for Notes<'_> {
    fn each(&self, f: &mut dyn FnMut(FlowVar<'_>)) {
        for c in self.detect.bits.get(self.pool).chunks_exact(2) {
            if let Some(n) = self.names.flowbits.get(usize::from(u16::from_le_bytes([c[0], c[1]]))) {
                f(FlowVar::Bit(n));
            }
        }
        for c in self.detect.ints.get(self.pool).chunks_exact(6) {
            if let Some(n) = self.names.flowints.get(usize::from(u16::from_le_bytes([c[0], c[1]]))) {
                f(FlowVar::Int(n, u32::from_le_bytes([c[2], c[3], c[4], c[5]])));
            }
        }
        let mut b = self.detect.vars.get(self.pool);
        while let Some((head, rest)) = b.split_at_checked(4) {
            let n = usize::from(u16::from_le_bytes([head[2], head[3]]));
            let Some((value, next)) = rest.split_at_checked(n) else { return };
            if let Some(n) = self.names.flowvars.get(usize::from(u16::from_le_bytes([head[0], head[1]]))) {
                f(FlowVar::Var(n.as_bytes(), value));
            }
            b = next;
        }
        for (name, value) in self.captured.of_packet() {
            if let Some(n) = self.names.flowvars.get(usize::from(name)) {
                f(FlowVar::PktVar(n.as_bytes(), value));
            }
        }
    }
}

/// A flow's view with its notes, which borrow each other.
pub(super) struct FullView<'a> {
    view: FlowView<'a>,
    notes: Option<Notes<'a>>,
}

impl FullView<'_> {
    /// Lends the complete view.
    pub(super) fn with(&self, f: impl FnOnce(FlowView<'_>)) {
        let mut v = self.view;
        let notes = self.notes.as_ref();
        v.extra.vars = notes.map(|n| n as &dyn FlowVars);
        f(v);
    }
}

/// What the rules that matched on a packet decide together.
#[derive(Clone, Copy)]
struct Outcome {
    verdict: Verdict,
    /// Rule that drops or rejects first, if anything is dropped.
    dropping: Option<(SigIx, Action, DropReason)>,
    /// Decisions that count: those behind a pass rule do not.
    told: usize,
    passed: bool,
    /// Bits for the flow.
    flow_flags: u32,
}

/// Transactions that are looked through for that of an alert.
const GUESSED: usize = 64;

/// A packet whose matches are decided.
struct Settled<'a> {
    pkt: &'a Packet<'a>,
    root: Option<&'a Packet<'a>>,
    dir: Dir,
    ix: Option<FlowIx>,
    outcome: Outcome,
}

/// From decisions in the order of actions to what becomes of the packet and its flow.
fn decide(rules: &RuleSet, decisions: &[Decision], ips: bool) -> Outcome {
    let mut out = Outcome {
        verdict: Verdict::Forward,
        dropping: None,
        told: decisions.len(),
        passed: false,
        flow_flags: 0,
    };
    for (i, d) in decisions.iter().enumerate() {
        let Some(sig) = rules.sigs.get(d.hit.sig as usize) else { continue };
        let whole_flow = d.hit.in_stream || d.hit.tx.is_some() || sig.flow_scope();
        if d.action == Action::Pass {
            // What drops and comes first in the order of actions has decided on the packet.
            if whole_flow && out.dropping.is_none() {
                out.flow_flags |= flag::PASS | flag::NO_PAYLOAD_INSPECT;
            }
            (out.told, out.passed) = (i + 1, true);
            break;
        }
        if !d.action.is_drop() {
            continue;
        }
        let v = match d.action {
            Action::Drop => Verdict::Drop,
            Action::RejectDst => Verdict::Reject { to_src: false, to_dst: true },
            Action::RejectBoth => Verdict::Reject { to_src: true, to_dst: true },
            _ => Verdict::Reject { to_src: true, to_dst: false },
        };
        if ips || d.action.is_reject() {
            out.verdict = super::stronger(out.verdict, v);
        }
        if ips {
            let reason = if sig.action.is_drop() { DropReason::Rules } else { DropReason::RulesThreshold };
            out.dropping.get_or_insert((d.hit.sig, d.action, reason));
        }
        // Without a way to drop anything the rest of the flow is spared further alerts all the same, as in Suricata.
        if whole_flow {
            out.flow_flags |= if ips { flag::DROP } else { flag::WOULD_DROP };
        }
    }
    out
}

impl Engine {
    pub(super) fn view(&self, ix: FlowIx) -> FullView<'_> {
        let mut view = self.flows.view(ix, &self.streams);
        let mut notes = None;
        if let Some(st) = self.state.get(ix.0 as usize) {
            let live = self.app.parser(&st.app).map_or(0, |(p, s)| p.tx_count(s));
            view.extra = FlowExtra {
                app: st.app.shown(),
                app_by_dir: [st.app.proto_ts, st.app.proto_tc],
                app_orig: st.app.original(),
                app_expected: st.app.proto_expected,
                tx_count: live.max(u64::from(st.txs)),
                tag: self.plain.tag(st.plain),
                decrypted: st.unseal.opened,
                vars: None,
            };
            let d = &st.detect;
            // Numbers that other rules wrote name nothing here.
            let ours = d.generation == self.detect.generation();
            let captured = self.detect.captured();
            let any = captured.of_packet().next().is_some();
            if ours && (any || !(d.bits.is_empty() && d.ints.is_empty() && d.vars.is_empty())) {
                let names = &self.detect.rules().names;
                notes = Some(Notes { detect: d, captured, names, pool: &self.app_pool });
            }
        }
        FullView { view, notes }
    }

    pub(super) fn tx_view(&self, ix: FlowIx, tx: TxRef) -> Option<TxView<'_>> {
        let app = &self.state.get(ix.0 as usize)?.app;
        let layer = self.app.layers(app).find(|l| l.proto == tx.proto)?;
        Some(TxView {
            proto: tx.proto,
            before: app.proto_orig,
            parser: self.app.parser_of(tx.proto)?,
            state: layer.state,
            tx: tx.idx,
            pool: &self.app_pool,
            files: self.app.files(),
        })
    }

    /// The transaction of a frame, if it is still there.
    fn tx_of(&self, ix: FlowIx, frame: Option<FrameView<'_>>) -> Option<TxView<'_>> {
        let (frame, app) = (frame?, &self.state.get(ix.0 as usize)?.app);
        let (id, proto) = (frame.tx()?, frame.proto());
        let layer = self.app.layers(app).find(|l| l.proto == proto)?;
        let parser = self.app.parser_of(proto)?;
        let mut at = parser.next_tx(layer.state, None);
        while let Some(idx) = at.filter(|idx| parser.common(*idx).id < id) {
            at = parser.next_tx(layer.state, Some(idx));
        }
        let idx = at.filter(|idx| parser.common(*idx).id == id)?;
        self.tx_view(ix, TxRef { proto, idx, id })
    }

    /// The flow's transaction, if it has one and no other, or if only one of them is of that direction.
    fn only_tx(&self, ix: FlowIx, dir: Dir) -> Option<TxRef> {
        let app = &self.state.get(ix.0 as usize)?.app;
        let layer = self.app.layers(app).next()?;
        let parser = self.app.parser_of(layer.proto)?;
        let first = parser.next_tx(layer.state, None)?;
        let found = |idx| TxRef { proto: layer.proto, idx, id: parser.common(idx).id };
        if parser.next_tx(layer.state, Some(first)).is_none() {
            return Some(found(first));
        }
        let all = core::iter::successors(Some(first), |at| parser.next_tx(layer.state, Some(*at)));
        let mut mine = all.take(GUESSED).filter(|idx| parser.common(*idx).detect[dir.ix()].seen != 0);
        let idx = mine.next()?;
        mine.next().is_none().then(|| found(idx))
    }

    /// Puts the packet's matches in order, reports them and says what becomes of the packet.
    pub(super) fn settle(
        &mut self,
        pkt: &Packet<'_>,
        root: Option<&Packet<'_>>,
        dir: Dir,
        ix: Option<FlowIx>,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        let flow = ix.and_then(|ix| self.state.get_mut(ix.0 as usize)).map(|s| &mut s.detect);
        let tagged = self.detect.tagged(flow, pkt);
        if self.detect.queue.is_empty() && tagged.is_none() {
            return Verdict::Forward;
        }
        let rules = self.detect.rules().clone();
        let flow_id = ix.map_or(0, |ix| self.flows.cold(ix).id);
        self.decisions.clear();
        let decisions = &mut self.decisions;
        self.detect.queue.settle(&rules, &mut self.detect.thresholds, pkt, flow_id, |d| {
            if decisions.len() < decisions.capacity() {
                decisions.push(d);
            }
        });
        let outcome = decide(&rules, &self.decisions, self.ips);
        if let Some(ix) = ix {
            self.flows.hot_mut(ix).flags |= outcome.flow_flags;
        }
        let of = Settled { pkt, root, dir, ix, outcome };
        self.tell(&rules, &of, sink);
        if let Some(ix) = ix
            && self.detect.captured().of_packet().next().is_some()
        {
            self.view(ix).with(|flow| sink.vars(pkt, dir, &flow));
        }
        if self.ips && self.detect.captured().has_places() {
            self.replace(&rules, &of, sink);
        }
        self.detect.told();
        if let Some(sig) = tagged {
            self.tell_tagged(&rules, sig, &of, sink);
        }
        if let Some((sig, action, reason)) = outcome.dropping {
            self.stats.drop_reasons[reason as usize] += 1;
            let rule = rules.meta(sig);
            let rec =
                Dropped { packet: pkt, dir, flow: None, reason, verdict: outcome.verdict, rule, action };
            self.emit_drop(rec, ix, sink);
        }
        outcome.verdict
    }

    /// Has contents replaced of rules that count on the packet.
    #[cold]
    fn replace(&self, rules: &RuleSet, of: &Settled<'_>, sink: &mut dyn EventSink) {
        if !matches!(of.outcome.verdict, Verdict::Forward | Verdict::Bypass) {
            return;
        }
        for d in self.decisions.iter().take(of.outcome.told) {
            for r in self.detect.captured().places_of(d.hit.sig) {
                let Some(bytes) = rules.replacements.get(usize::from(r.with)) else { continue };
                let (at, end) = (r.at as usize, r.at as usize + bytes.len());
                if end <= of.pkt.payload.len as usize {
                    sink.replace(of.pkt, of.pkt.payload.off as usize + at, bytes);
                }
            }
        }
    }

    /// Alerts of the packet. They carry its final verdict, so they leave after all rules were considered.
    fn tell(&mut self, rules: &RuleSet, of: &Settled<'_>, sink: &mut dyn EventSink) {
        let Outcome { verdict, passed, told, .. } = of.outcome;
        // Lent out, as what it holds is shown beside the rest of the engine.
        let mut text = core::mem::replace(&mut self.text, Scratch::new(0));
        for i in 0..told {
            let d = self.decisions[i];
            let Some(rule) = rules.meta(d.hit.sig) else { continue };
            if !d.alert {
                self.stats.suppressed += u64::from(d.action != Action::Pass);
                continue;
            }
            self.stats.alerts += 1;
            if let Some(ix) = of.ix {
                self.flows.hot_mut(ix).flags |= flag::ALERTED;
            }
            let frame =
                d.hit.tx.filter(|_| d.hit.frame).map(|f| self.app.frames().view(f.idx, &self.app_pool));
            let tx = match (of.ix, d.hit.tx) {
                (Some(ix), Some(_)) if d.hit.frame => self.tx_of(ix, frame),
                (Some(ix), Some(tx)) => self.tx_view(ix, tx),
                (Some(ix), None) if self.guess_tx => {
                    self.only_tx(ix, of.dir).and_then(|tx| self.tx_view(ix, tx))
                }
                _ => None,
            };
            let stream_data = match of.ix {
                Some(ix) if d.hit.in_stream || tx.is_some() => {
                    let tcp = self.flows.hot(ix).tcp;
                    text.clear();
                    if self.streams.raw_text(tcp, of.dir, &self.stream_pool, &mut text) {
                        text.as_slice()
                    } else {
                        self.streams.raw_ready(tcp, of.dir, &self.stream_pool, true).data
                    }
                }
                _ => &[],
            };
            let alert = Alert {
                packet: of.pkt,
                root: of.root,
                dir: of.dir,
                flow: None,
                rule,
                action: d.action,
                allowed: !(d.action.is_reject() || (self.ips && d.action == Action::Drop)),
                tx,
                frame,
                in_stream: d.hit.in_stream,
                stream_data,
                tagged: false,
                verdict,
                passed,
                fast: rules.fast(d.hit.sig),
                contexts: Some(ContextsOf {
                    kept: &self.detect.contexts,
                    sig: d.hit.sig,
                    names: rules.datasets(),
                    sets: self.detect.sets(),
                    captured: self.detect.captured(),
                    vars: &rules.names.flowvars,
                })
                .filter(|c| !c.is_empty()),
                intel: None,
            };
            match of.ix {
                Some(ix) => {
                    self.view(ix).with(|flow| sink.event(Event::Alert(&Alert { flow: Some(flow), ..alert })))
                }
                None => sink.event(Event::Alert(&alert)),
            }
        }
        self.text = text;
    }

    /// The packet is logged because a rule with `tag` matched earlier in its flow or on one of its hosts.
    #[cold]
    fn tell_tagged(&self, rules: &RuleSet, sig: SigIx, of: &Settled<'_>, sink: &mut dyn EventSink) {
        let Some(rule) = rules.meta(sig) else { return };
        let alert = Alert {
            packet: of.pkt,
            root: of.root,
            dir: of.dir,
            flow: None,
            rule,
            action: Action::Alert,
            allowed: true,
            tx: None,
            frame: None,
            in_stream: false,
            stream_data: &[],
            tagged: true,
            verdict: of.outcome.verdict,
            passed: of.outcome.passed,
            fast: None,
            contexts: None,
            intel: None,
        };
        match of.ix {
            Some(ix) => {
                self.view(ix).with(|flow| sink.event(Event::Alert(&Alert { flow: Some(flow), ..alert })))
            }
            None => sink.event(Event::Alert(&alert)),
        }
    }

    fn emit_drop(&self, rec: Dropped<'_>, ix: Option<FlowIx>, sink: &mut dyn EventSink) {
        match ix {
            Some(ix) => {
                self.view(ix).with(|flow| sink.event(Event::Drop(&Dropped { flow: Some(flow), ..rec })))
            }
            None => sink.event(Event::Drop(&rec)),
        }
    }

    /// A packet is dropped for a reason that is no rule.
    pub(super) fn dropped(
        &mut self,
        pkt: &Packet<'_>,
        dir: Dir,
        ix: impl Into<Option<FlowIx>>,
        reason: DropReason,
        verdict: Verdict,
        sink: &mut dyn EventSink,
    ) -> Verdict {
        if !self.ips {
            return Verdict::Forward;
        }
        self.stats.drop_reasons[reason as usize] += 1;
        let rec = Dropped { packet: pkt, dir, flow: None, reason, verdict, rule: None, action: Action::Drop };
        self.emit_drop(rec, ix.into(), sink);
        verdict
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn anomaly(
        &self,
        kind: AnomalyKind,
        name: &str,
        layer: &str,
        packet: Option<&Packet<'_>>,
        dir: Dir,
        ix: Option<FlowIx>,
        tx: Option<TxRef>,
        sink: &mut dyn EventSink,
    ) {
        let Some(ix) = ix else {
            let app_proto = crate::app::AppProto::UNKNOWN;
            let a = Anomaly { kind, name, layer, packet, dir, flow: None, app_proto, tx: None };
            sink.event(Event::Anomaly(&a));
            return;
        };
        let owner =
            || self.state.get(ix.0 as usize).map_or_else(Default::default, |s| self.app.owner(&s.app));
        let app_proto = tx.map_or_else(owner, |t| t.proto);
        let tx = tx.and_then(|t| self.tx_view(ix, t));
        self.view(ix).with(|flow| {
            let a = Anomaly { kind, name, layer, packet, dir, flow: Some(flow), app_proto, tx };
            sink.event(Event::Anomaly(&a));
        });
    }
}
