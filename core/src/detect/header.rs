//! Everything a rule asks before a byte is looked at: direction, protocol, addresses and ports, flow, packet.
//!
//! In: a rule, the packet with its context, its flow. Out: whether the rule goes on. Owns nothing.

use alloc::sync::Arc;

use super::context::{FlowCx, PacketCx};
use super::packet as packet_match;
use super::ruleset::{Hook, ProtoTest, Sig};
use crate::packet::{L3, L4, Packet, Source as PacketSource};
use crate::rules::ir::{self, AddrSet, FlowNumber, Side};

fn addr_ok(set: Option<&Arc<AddrSet>>, a: &crate::packet::Addr, v6: bool) -> bool {
    set.is_none_or(|s| if v6 { s.has_v6(u128::from_be_bytes(a.0)) } else { s.has_v4(packet_match::v4(a)) })
}

/// Everything a rule asks before bytes: header, direction, flow, protocol, packet.
pub(super) fn header(sig: &Sig, cx: &PacketCx<'_>, flow: Option<&FlowCx<'_>>) -> bool {
    let p = cx.pkt;
    if sig.dirs & cx.dir.bit() == 0 {
        return false;
    }
    let v6 = p.l3 == L3::Ipv6;
    if !p.has_ip() {
        // What a decoder says of a packet may be all that there is of it.
        let anywhere = sig.src.is_none() && sig.dst.is_none() && sig.sp.is_none() && sig.dp.is_none();
        let decoder = |m: &ir::PacketMatch| matches!(m, ir::PacketMatch::DecodeEvent(_));
        let told = sig.pkthdr || (sig.proto == ProtoTest::Any && sig.packet.iter().any(decoder));
        return told && anywhere && !asks_flow(&sig.flow) && packet_match::all(&sig.packet, cx);
    }
    if (sig.ip == 4 && v6) || (sig.ip == 6 && !v6) {
        return false;
    }
    let proto_ok = match sig.proto {
        ProtoTest::Any => true,
        ProtoTest::Number(n) => p.proto == n,
        ProtoTest::Icmp => matches!(p.l4, L4::Icmpv4 | L4::Icmpv6),
    };
    if !proto_ok {
        return false;
    }
    if sig.apps != 0 {
        let Some(f) = flow else { return false };
        if f.app.index().is_none_or(|i| sig.apps >> i & 1 != 1) {
            return false;
        }
    }
    if !(ends(sig, p, false) || (sig.bidir && ends(sig, p, true))) {
        return false;
    }
    let f = &sig.flow;
    if (f.established && !(cx.has_flow && cx.established))
        || (f.not_established && (!cx.has_flow || cx.established))
        || ((f.stateless || f.no_frag || f.only_frag) && !cx.has_flow)
        || (f.only_frag && p.source != PacketSource::Defrag)
        || (f.no_frag && p.source == PacketSource::Defrag)
    {
        return false;
    }
    if sig.hook == Some(Hook::FlowStart) && !cx.first {
        return false;
    }
    if !f.counters.is_empty() {
        let Some(fl) = flow else { return false };
        let side = |v: &[u64; 2], s: Side, t: &ir::IntTest| match s {
            Side::ToServer => t.test(v[0]),
            Side::ToClient => t.test(v[1]),
            Side::Both => t.test(v[0] + v[1]),
            Side::Either => t.test(v[0]) || t.test(v[1]),
        };
        let ok = f.counters.iter().all(|c| match c.what {
            FlowNumber::Age => c.test.test(fl.age),
            FlowNumber::Pkts(s) => side(&fl.pkts, s, &c.test),
            FlowNumber::Bytes(s) => side(&fl.bytes, s, &c.test),
        });
        if !ok {
            return false;
        }
    }
    packet_match::all(&sig.packet, cx)
}

/// Whether only packets of flows will do.
fn asks_flow(f: &ir::FlowMatch) -> bool {
    f.established || f.not_established || f.stateless || f.no_frag || f.only_frag || !f.counters.is_empty()
}

/// Whether a packet's ends are those of the rule, or (`turned`) the other way round.
fn ends(sig: &Sig, p: &Packet<'_>, turned: bool) -> bool {
    // A packet without ports (ICMP, a fragment) is not one of any port.
    let ported = matches!(p.l4, L4::Tcp | L4::Udp | L4::Sctp);
    let port = |s: &Option<Arc<ir::PortSet>>, v: u16| s.as_ref().is_none_or(|s| ported && s.has(v));
    let (src, dst, sp, dp) = if turned { (&p.dst, &p.src, p.dp, p.sp) } else { (&p.src, &p.dst, p.sp, p.dp) };
    let v6 = p.l3 == L3::Ipv6;
    port(&sig.sp, sp)
        && port(&sig.dp, dp)
        && addr_ok(sig.src.as_ref(), src, v6)
        && addr_ok(sig.dst.as_ref(), dst, v6)
}

/// Whether a `<>` rule holds for the packet in both ways. It is two rules then, and alerts twice, as Suricata does.
pub(super) fn both_ways(sig: &Sig, p: &Packet<'_>) -> bool {
    sig.bidir && (&sig.src, &sig.sp) != (&sig.dst, &sig.dp) && ends(sig, p, false) && ends(sig, p, true)
}
