//! What a rule that matched leaves behind: its place in the queue, variables of the flow, bits of hosts, tags.
//!
//! In: the rule, the packet, the flow. Out: changed state.

use super::FlowDetect;
use super::context::{FlowCx, PacketCx};
use super::queue::Hit;
use super::ruleset::{CPost, CValue, Sig, SigIx};
use super::run::Detector;
use super::state::{self, HostKey};
use super::tag;
use crate::packet::Packet;
use crate::pool::BytePool;
use crate::rules::ir::{self, RuleId};

impl Detector {
    pub(super) fn matched(
        &mut self,
        sig: &Sig,
        hit: Hit,
        cx: &PacketCx<'_>,
        flow: Option<&mut FlowCx<'_>>,
        pool: &mut BytePool,
    ) {
        self.queue.push(hit);
        if !hit.in_stream && hit.tx.is_none() {
            self.bench.captured.keep_places(hit.sig);
        }
        self.contexts.keep(hit.sig, &self.bench.asked, &self.rules.datasets);
        let Some(f) = flow else {
            self.bench.captured.matched(hit.sig, |_, _| {});
            for p in &sig.post {
                self.host_post(p, hit, cx);
            }
            return;
        };
        let d = &mut *f.detect;
        self.bench.captured.matched(hit.sig, |name, value| state::set_var(d, pool, name, value));
        let get = |d: &FlowDetect, pool: &BytePool, v: &CValue| match v {
            CValue::Const(c) => *c,
            CValue::Var(n) => state::int(d, pool, *n).unwrap_or(0),
        };
        for p in &sig.post {
            match p {
                CPost::BitsSet(b) => b.iter().for_each(|b| state::change_bit(d, pool, *b, ir::BitOp::Set)),
                CPost::BitsUnset(b) => {
                    b.iter().for_each(|b| state::change_bit(d, pool, *b, ir::BitOp::Unset))
                }
                CPost::BitsToggle(b) => {
                    b.iter().for_each(|b| state::change_bit(d, pool, *b, ir::BitOp::Toggle));
                }
                CPost::IntSet(n, v) => {
                    let v = get(d, pool, v);
                    state::set_int(d, pool, *n, v);
                }
                CPost::IntAdd(n, v) => {
                    let v = state::int(d, pool, *n).unwrap_or(0).wrapping_add(get(d, pool, v));
                    state::set_int(d, pool, *n, v);
                }
                CPost::IntSub(n, v) => {
                    let v = state::int(d, pool, *n).unwrap_or(0).wrapping_sub(get(d, pool, v));
                    state::set_int(d, pool, *n, v);
                }
                CPost::Tag(t) if t.host.is_none() => {
                    let rule = self.rules.meta(hit.sig).map_or_else(RuleId::default, |m| m.id());
                    tag::set(d, t, (hit, rule), cx.pkt.ts);
                }
                CPost::Bypass => d.bypass = true,
                CPost::Unlogged => self.unlogged |= hit.tx.is_some() && !hit.frame,
                CPost::FileStore { dirs, flow } => {
                    let dirs = if *dirs == 0 { cx.dir.bit() } else { *dirs };
                    if *flow {
                        d.store |= dirs;
                    }
                    if hit.tx.is_some() && !hit.frame {
                        self.store |= dirs;
                    }
                }
                p => self.host_post(p, hit, cx),
            }
        }
    }

    fn host_post(&mut self, p: &CPost, hit: Hit, cx: &PacketCx<'_>) {
        if let CPost::Tag(t) = p
            && t.host.is_some()
        {
            let rule = self.rules.meta(hit.sig).map_or_else(RuleId::default, |m| m.id());
            self.host_tags.set(t, (hit, rule), cx.pkt);
        }
        if let CPost::Xbit { bit, track, op, expire } = p {
            let now = cx.pkt.ts;
            let k = match (track, self.bench.tx) {
                (ir::Track::Tx, Some(tx)) => HostKey::of_tx(*bit, tx),
                (ir::Track::Tx, None) => return,
                _ => HostKey::new(*bit, *track, cx.pkt.src, cx.pkt.dst),
            };
            let has = self.hosts.get(&k, now).is_some();
            let end = now.saturating_add(u64::from((*expire).max(1)).saturating_mul(1_000_000_000));
            match (op, has) {
                (ir::BitOp::Set, _) | (ir::BitOp::Toggle, false) => self.hosts.set(k, (), end, now),
                (ir::BitOp::Unset | ir::BitOp::Toggle, _) => self.hosts.remove(&k),
            }
        }
    }

    /// The rule because of whose `tag` the packet is to be logged; counts it.
    pub fn tagged(&mut self, flow: Option<&mut FlowDetect>, pkt: &Packet<'_>) -> Option<SigIx> {
        let by_flow = flow.and_then(|d| tag::logs(d, pkt));
        let rules = &self.rules;
        // The place is right unless the rules were changed since.
        let by_host = self.host_tags.logs(pkt, |sig, rule| {
            if rules.meta(sig).is_some_and(|m| m.id() == rule) { Some(sig) } else { rules.find(rule) }
        });
        by_flow.or(by_host)
    }
}
