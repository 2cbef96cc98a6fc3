//! The place where one rule is evaluated: its variables, decoded and transformed bytes, regex memory.
//!
//! In: lists of conditions and the bytes they are about, conditions on kept state. Out: whether they hold. Owns memory
//! that is reused from rule to rule; nothing here allocates after it is made.

use alloc::sync::Arc;

use super::asked::Asked;
use super::captured::Captured;
use super::context::FlowCx;
use super::context::PacketCx;
use super::inspect::transform::{self, Inflater};
use super::inspect::{Bytes, Inspector, Sets, Spent};
use super::packet as packet_match;
use super::ruleset::{CState, CValue, List, RuleSet, Sig, Source};
use super::state::{self, HostKey, HostTable};
use super::wait::Gate;
use crate::app::AppProto;
use crate::packet::{L3, L4};
use crate::pool::{BytePool, Scratch};
use crate::rules::ir::{self, AppProtoMode, PacketHeader};
use crate::sig::regex::Cache;

/// Memory used while a rule is evaluated.
pub(super) struct Bench {
    pub(super) vars: [u64; 16],
    pub(super) base64: Scratch,
    pub(super) base64_ready: bool,
    pub(super) regex: Cache,
    pub(super) inflater: Inflater,
    pub(super) build: Scratch,
    pub(super) xf: [Scratch; 2],
    pub(super) sets: Arc<dyn Sets>,
    /// What the rule at hand found in them.
    pub(super) asked: Asked,
    /// What regexes captured, of the rule at hand and of those that matched on the packet.
    pub(super) captured: Captured,
    /// The transaction at hand: its protocol, and its number among all of that.
    pub(super) tx: Option<(u32, u64)>,
    pub(super) spent: Spent,
    /// Numbers that are in the order of a DCERPC message (`dce`) have their low byte first.
    pub(super) dce_little: bool,
    pub(super) body_min: [u32; 2],
    /// What the rule evaluated last waits for.
    pub(super) gate: Gate,
    /// What the rule at hand waited for until now.
    pub(super) past: Gate,
}

pub(super) fn transformed(
    xforms: &[transform::XForm],
    input: &[u8],
    xf: &mut [Scratch; 2],
    regex: &mut Cache,
    inflater: &mut Inflater,
) -> Option<usize> {
    let [a, b] = xf;
    let mut which = 0;
    for (i, x) in xforms.iter().enumerate() {
        let ok = match (i, which) {
            (0, _) => transform::apply(x, input, a, regex, inflater),
            (_, 0) => transform::apply(x, a.as_slice(), b, regex, inflater),
            _ => transform::apply(x, b.as_slice(), a, regex, inflater),
        };
        if i > 0 {
            which ^= 1;
        }
        // An empty result is still a value to the conditions behind it.
        if !ok {
            if which == 0 { a.clear() } else { b.clear() }
        }
    }
    Some(which)
}

impl Bench {
    pub(super) fn begin(&mut self) {
        self.base64_ready = false;
        self.asked.begin();
        self.captured.begin();
    }

    fn inspector(&mut self) -> Inspector<'_> {
        Inspector {
            vars: &mut self.vars,
            base64: &mut self.base64,
            base64_ready: &mut self.base64_ready,
            regex: &mut self.regex,
            sets: &*self.sets,
            asked: &mut self.asked,
            captured: &mut self.captured,
            dce_little: self.dce_little,
            tries: 0,
            spent: &mut self.spent,
        }
    }

    pub(super) fn run(&mut self, _rules: &RuleSet, l: &List, b: Bytes<'_>) -> bool {
        self.inspector().run(&l.steps, b)
    }

    /// A list on bytes that its transforms change first.
    pub(super) fn run_transformed(&mut self, rules: &RuleSet, key: u32, l: &List, b: Bytes<'_>) -> bool {
        let key = &rules.bufs[key as usize];
        if key.xforms.is_empty() {
            return self.inspector().run(&l.steps, b);
        }
        let Bench {
            vars,
            base64,
            base64_ready,
            regex,
            inflater,
            xf,
            sets,
            asked,
            captured,
            spent,
            dce_little,
            ..
        } = self;
        let Some(which) = transformed(&key.xforms, b.buf, xf, regex, inflater) else { return false };
        let mut i = Inspector {
            vars,
            base64,
            base64_ready,
            regex,
            sets: &**sets,
            asked,
            captured,
            dce_little: *dce_little,
            tries: 0,
            spent,
        };
        i.run(&l.steps, Bytes { buf: xf[which].as_slice(), offset: 0, end: b.end })
    }

    /// Lists on packet headers.
    pub(super) fn header_lists(&mut self, rules: &RuleSet, sig: &Sig, cx: &PacketCx<'_>) -> bool {
        for l in &sig.lists {
            let Source::Header(h, key) = l.source else { continue };
            let p = cx.pkt;
            let span = match h {
                PacketHeader::Ipv4 if p.l3 == L3::Ipv4 => p.l3_hdr,
                PacketHeader::Ipv6 if p.l3 == L3::Ipv6 => p.l3_hdr,
                PacketHeader::Tcp if p.l4 == L4::Tcp => p.l4_hdr,
                PacketHeader::Udp if p.l4 == L4::Udp => p.l4_hdr,
                PacketHeader::Icmpv4 if p.l4 == L4::Icmpv4 => p.l4_hdr,
                PacketHeader::Icmpv6 if p.l4 == L4::Icmpv6 => p.l4_hdr,
                PacketHeader::Ether => crate::packet::Span::new(0, p.data.len()),
                _ => return false,
            };
            let bytes = span.of(p.data);
            if bytes.is_empty() || !self.run_transformed(rules, key, l, Bytes::whole(bytes)) {
                return false;
            }
        }
        true
    }

    /// Lists on what `base64_decode` gave.
    pub(super) fn base64_lists(&mut self, rules: &RuleSet, sig: &Sig) -> bool {
        for l in &sig.lists {
            let Source::Base64(key) = l.source else { continue };
            if !self.base64_list(rules, key, l) {
                return false;
            }
        }
        true
    }

    pub(super) fn base64_list(&mut self, rules: &RuleSet, key: u32, l: &List) -> bool {
        if !self.base64_ready {
            return false;
        }
        // The list reads what was decoded while the decoder's place is lent out.
        let data = core::mem::replace(&mut self.base64, Scratch::new(0));
        let ok = self.run_transformed(rules, key, l, Bytes::whole(data.as_slice()));
        self.base64 = data;
        ok
    }

    /// Conditions on kept state.
    pub(super) fn state(
        &mut self,
        rules: &RuleSet,
        hosts: &mut HostTable<()>,
        list: &[CState],
        cx: &PacketCx<'_>,
        flow: Option<&mut FlowCx<'_>>,
        pool: &BytePool,
    ) -> bool {
        if list.is_empty() {
            return true;
        }
        let d = flow.as_ref().map(|f| &*f.detect);
        list.iter().all(|s| match s {
            CState::BitsAnySet(b) => d.is_some_and(|d| b.iter().any(|b| state::bit(d, pool, *b))),
            CState::BitsNoneSet(b) => d.is_some_and(|d| !b.iter().any(|b| state::bit(d, pool, *b))),
            CState::Int { var, cmp, value } => d.is_some_and(|d| {
                let right = match value {
                    CValue::Const(c) => Some(*c),
                    CValue::Var(n) => state::int(d, pool, *n),
                };
                match (state::int(d, pool, *var), right) {
                    (Some(a), Some(b)) => state::compare(*cmp, a, b),
                    _ => false,
                }
            }),
            CState::IntIsSet { var, set } => d.is_some_and(|d| state::int(d, pool, *var).is_some() == *set),
            CState::Xbit { bit, track: ir::Track::Tx, set } => {
                let k = self.tx.map(|tx| HostKey::of_tx(*bit, tx));
                k.is_some_and(|k| hosts.get(&k, cx.pkt.ts).is_some()) == *set
            }
            CState::Xbit { bit, track, set } => {
                let k = HostKey::new(*bit, *track, cx.pkt.src, cx.pkt.dst);
                hosts.get(&k, cx.pkt.ts).is_some() == *set
            }
            CState::AppProtocol { protos, negated, mode } => flow.as_ref().is_some_and(|f| {
                let has = |p: AppProto| protos.contains(&p);
                let [ts, tc] = f.app_by_dir;
                let known = match mode {
                    AppProtoMode::Direction => f.app_by_dir[cx.dir.ix()],
                    AppProtoMode::ToServer => ts,
                    AppProtoMode::ToClient => tc,
                    AppProtoMode::Original => f.app_orig,
                    AppProtoMode::Final => f.app,
                    AppProtoMode::Either if ts != AppProto::UNKNOWN => ts,
                    AppProtoMode::Either => tc,
                    AppProtoMode::Both if tc == AppProto::UNKNOWN => tc,
                    AppProtoMode::Both => ts,
                };
                // "Not this one" is said of a protocol that is known.
                if *negated && known == AppProto::UNKNOWN {
                    return false;
                }
                let yes = match mode {
                    AppProtoMode::Either => has(ts) || has(tc),
                    AppProtoMode::Both => has(ts) && has(tc),
                    _ => has(known),
                };
                yes != *negated
            }),
            // Asked where the transaction is at hand.
            CState::AppEvent { .. } | CState::AppState { .. } | CState::DceIface { .. } => true,
            CState::AppLayerEvent(e) => cx.app_events >> (e & 7) & 1 == 1,
            // A variable that is not set is neither with the value nor without it.
            CState::FlowVar { var, value, negated } => d
                .and_then(|d| state::var(d, pool, *var))
                .is_some_and(|v| memchr::memmem::find(v, value).is_some() != *negated),
            CState::PktVar { var, value, negated } => {
                let mut all = self.captured.of_packet().filter(|(n, _)| n == var).peekable();
                let set = all.peek().is_some();
                set && all.any(|(_, v)| memchr::memmem::find(v, value).is_some()) != *negated
            }
            CState::Reputation { side, category, cmp, value } => {
                let score = |a: &crate::packet::Addr| {
                    let r = &rules.reputation;
                    if cx.pkt.is_ipv6() {
                        r.v6(u128::from_be_bytes(a.0), *category)
                    } else {
                        r.v4(packet_match::v4(a), *category)
                    }
                };
                // "Not set" is written as a score below 0.
                let unset = *cmp == ir::Cmp::Lt && *value == 0;
                let ok = |a| match score(a) {
                    None => unset,
                    Some(s) => {
                        !unset && super::inspect::bytes::compare(*cmp, u64::from(s), u64::from(*value))
                    }
                };
                let (src, dst) = (&cx.pkt.src, &cx.pkt.dst);
                match side {
                    ir::RepSide::Src => ok(src),
                    ir::RepSide::Dst => ok(dst),
                    ir::RepSide::Any => ok(src) || ok(dst),
                    ir::RepSide::Both => ok(src) && ok(dst),
                }
            }
            CState::AddrSet { src, set, op } => {
                let a = if *src { &cx.pkt.src } else { &cx.pkt.dst };
                let n = if cx.pkt.is_ipv6() { 16 } else { 4 };
                let is = self.sets.dataset(*set, *op, &a.0[..n]);
                if is && *op == ir::DatasetOp::IsSet {
                    self.asked.found(*set, &a.0[..n]);
                }
                is
            }
        })
    }
}
