//! What a rule that matched leaves behind: its place in the queue, variables of the flow, bits of hosts, tags.
//!
//! In: the rule, the packet, the flow. Out: changed state.

use super::FlowDetect;
use super::context::{FlowCx, PacketCx};
use super::queue::Hit;
use super::ruleset::{CPost, CValue, Sig, SigIx};
use super::run::Detector;
use super::state::{self, FlowTag, HostKey, TagMetric};
use crate::packet::{Packet, Source};
use crate::pool::BytePool;
use crate::rules::ir::{self, RuleId, TagMetric as IrTag};

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
        let Some(f) = flow else {
            for p in &sig.post {
                self.host_post(p, cx);
            }
            return;
        };
        let d = &mut *f.detect;
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
                    let n = u64::from(t.count);
                    let (metric, left) = match t.metric {
                        IrTag::Packets => (TagMetric::Packets, n),
                        IrTag::Bytes => (TagMetric::Bytes, n),
                        // To the end of that second.
                        IrTag::Seconds => {
                            let end = (cx.pkt.ts / 1_000_000_000).saturating_add(n).saturating_add(1);
                            (TagMetric::Until, end.saturating_mul(1_000_000_000) - 1)
                        }
                    };
                    let rule = self.rules.meta(hit.sig).map_or_else(RuleId::default, |m| m.id());
                    // The same rule begins to count anew, and the packet is logged for its earlier match.
                    let fresh = !(d.tag.active && d.tag.rule == rule);
                    d.tag = FlowTag { active: true, fresh, metric, left, sig: hit.sig, rule };
                }
                CPost::Bypass => d.bypass = true,
                p => self.host_post(p, cx),
            }
        }
    }

    fn host_post(&mut self, p: &CPost, cx: &PacketCx<'_>) {
        if let CPost::Xbit { bit, track, op, expire } = p {
            let now = cx.pkt.ts;
            let k = HostKey::new(*bit, *track, cx.pkt.src, cx.pkt.dst);
            let has = self.hosts.get(&k, now).is_some();
            let end = now.saturating_add(u64::from((*expire).max(1)).saturating_mul(1_000_000_000));
            match (op, has) {
                (ir::BitOp::Set, _) | (ir::BitOp::Toggle, false) => self.hosts.set(k, (), end, now),
                (ir::BitOp::Unset | ir::BitOp::Toggle, _) => self.hosts.remove(&k),
            }
        }
    }

    /// Whether the packet is to be logged because of a `tag`; counts it. The packet that set the tag counts, and is shown by
    /// its alert.
    pub fn tagged(&mut self, flow: &mut FlowDetect, pkt: &Packet<'_>) -> Option<SigIx> {
        let t = &mut flow.tag;
        if !t.active || pkt.source == Source::FlowEnd {
            return None;
        }
        let left = match t.metric {
            TagMetric::Packets => t.left.checked_sub(1),
            TagMetric::Bytes => t.left.checked_sub(pkt.data.len() as u64),
            TagMetric::Until => Some(t.left).filter(|end| pkt.ts <= *end),
        };
        t.active = left.is_some();
        t.left = left?;
        (!core::mem::take(&mut t.fresh)).then_some(t.sig)
    }
}
