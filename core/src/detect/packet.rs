//! Conditions on one packet: a rule's [`PacketMatch`]es and a packet go in, yes or no comes out.

use super::context::PacketCx;
use crate::packet::{Addr, Checksum, L3, L4, checksum};
use crate::rules::ir::{Csum, FlagsMode, IntTest, PacketMatch, PacketNumber, StreamSide};

/// Whether a flag byte satisfies `bits` as `mode` says.
const fn flags(value: u8, bits: u8, mode: FlagsMode) -> bool {
    match mode {
        FlagsMode::Exact => value == bits,
        FlagsMode::All => value & bits == bits,
        FlagsMode::Any => value & bits != 0,
        FlagsMode::Not => value & bits != bits,
    }
}

/// Whether every condition holds.
pub fn all(list: &[PacketMatch], cx: &PacketCx<'_>) -> bool {
    list.iter().all(|m| one(m, cx))
}

fn one(m: &PacketMatch, cx: &PacketCx<'_>) -> bool {
    let p = cx.pkt;
    let tcp = p.l4 == L4::Tcp;
    let icmp = matches!(p.l4, L4::Icmpv4 | L4::Icmpv6);
    match m {
        PacketMatch::Flags { bits, ignore, mode } => tcp && flags(p.tcp.flags & !ignore, *bits, *mode),
        PacketMatch::Ttl(t) => p.has_ip() && t.test(u64::from(p.ttl)),
        PacketMatch::IpProto(t) => p.has_ip() && t.test(u64::from(p.proto)),
        PacketMatch::Itype(t) => icmp && t.test(u64::from(p.icmp.kind)),
        PacketMatch::Icode(t) => icmp && t.test(u64::from(p.icmp.code)),
        PacketMatch::IcmpId(v) => p.icmp.id == Some(*v),
        PacketMatch::IcmpSeq(v) => p.icmp.seq == Some(*v),
        PacketMatch::Icmpv6Mtu(t) => p.icmp.mtu.is_some_and(|v| t.test(u64::from(v))),
        PacketMatch::Seq(t) => tcp && t.test(u64::from(p.tcp.seq)),
        PacketMatch::Ack(t) => tcp && t.test(u64::from(p.tcp.ack)),
        PacketMatch::Window(t) => tcp && t.test(u64::from(p.tcp.window)),
        PacketMatch::TcpMss(t) => p.tcp.mss.is_some_and(|v| tcp && t.test(u64::from(v))),
        PacketMatch::TcpWscale(t) => p.tcp.wscale.is_some_and(|v| tcp && t.test(u64::from(v))),
        PacketMatch::Dsize(t) => {
            // "Not this size" is said of packets that carry something, and all but "less" of those whose payload is looked
            // at, as in Suricata: not of encrypted ones.
            let wants = match t {
                IntTest::Eq(n) => *n > 0,
                t => {
                    use IntTest::{Le, Lt, Mask, NotBetween};
                    !matches!(t, Lt(_) | Le(_) | Mask { .. } | NotBetween(..))
                }
            };
            let some = !wants || (p.payload.len > 0 && !cx.no_payload);
            !cx.pseudo && p.has_ip() && some && t.test(u64::from(p.payload.len))
        }
        PacketMatch::IpId(v) => p.l3 == L3::Ipv4 && p.ip_id == *v,
        PacketMatch::Tos { value, negated } => p.l3 == L3::Ipv4 && (p.tos == *value) != *negated,
        PacketMatch::IpOpts { mask, any } => {
            p.l3 == L3::Ipv4 && if *any { p.ip_opts != 0 } else { p.ip_opts & mask != 0 }
        }
        PacketMatch::FragBits { bits, mode } => p.l3 == L3::Ipv4 && flags(p.ip_flags, *bits, *mode),
        PacketMatch::FragOffset(t) => {
            let off = match p.frag {
                Some(f) => Some(f.offset),
                // Of IPv6 only fragments have an offset.
                None => (p.l3 == L3::Ipv4).then_some(u32::from(p.ip_frag_off)),
            };
            off.is_some_and(|off| t.test(u64::from(off)))
        }
        PacketMatch::SameIp => p.has_ip() && p.src == p.dst,
        PacketMatch::L3 { v6 } => p.l3 == if *v6 { L3::Ipv6 } else { L3::Ipv4 },
        PacketMatch::Rpc { program, version, procedure } => rpc(cx, *program, *version, *procedure),
        PacketMatch::Csum { of, valid } => csum(cx, *of, *valid),
        PacketMatch::DecodeEvent(e) => p.events.has(*e),
        PacketMatch::StreamEvent(e) => cx.stream_events.has(*e),
        PacketMatch::VlanId { test, layer } => {
            let ids = &p.vlan[..usize::from(p.vlans).min(3)];
            match layer {
                None => ids.iter().any(|v| test.test(u64::from(*v))),
                Some(n) => {
                    let i = if *n < 0 { ids.len() as i64 + i64::from(*n) } else { i64::from(*n) };
                    usize::try_from(i).ok().and_then(|i| ids.get(i)).is_some_and(|v| test.test(u64::from(*v)))
                }
            }
        }
        PacketMatch::VlanLayers(t) => t.test(u64::from(p.vlans)),
        PacketMatch::VxlanVni(t) => p.vni.is_some_and(|v| t.test(u64::from(v))),
        PacketMatch::StreamSize { side, test } => cx.stream_size.is_some_and(|[c, s]| {
            let (c, s) = (u64::from(c), u64::from(s));
            match side {
                StreamSide::Client => test.test(c),
                StreamSide::Server => test.test(s),
                StreamSide::Both => test.test(c) && test.test(s),
                StreamSide::Either => test.test(c) || test.test(s),
            }
        }),
        PacketMatch::Number { what, test } => match what {
            PacketNumber::EtherType => test.test(u64::from(p.ether_type)),
            PacketNumber::RoceOpcode => p.roce.is_some_and(|r| test.test(u64::from(r.opcode))),
            PacketNumber::RocePkey => p.roce.is_some_and(|r| test.test(u64::from(r.pkey))),
            PacketNumber::RoceDestQp => p.roce.is_some_and(|r| test.test(u64::from(r.dest_qp))),
            PacketNumber::RoceRkey => {
                p.roce.and_then(|r| r.reth).is_some_and(|(_, key, _)| test.test(u64::from(key)))
            }
        },
        // The compiler turned these into conditions on tables, or refused the rule.
        PacketMatch::IpReputation { .. } | PacketMatch::GeoIp(_) | PacketMatch::AddrDataset { .. } => false,
    }
}

/// An ONC RPC call (RFC 5531, section 9) of that program, version and procedure.
fn rpc(cx: &PacketCx<'_>, program: u32, version: Option<u32>, procedure: Option<u32>) -> bool {
    let b = cx.pkt.payload();
    let b = if cx.pkt.l4 == L4::Tcp { b.get(4..).unwrap_or(&[]) } else { b };
    let word = |i: usize| b.get(i * 4..i * 4 + 4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]]));
    word(1) == Some(0)
        && word(2) == Some(2)
        && word(3) == Some(program)
        && (version.is_none() || word(4) == version)
        && (procedure.is_none() || word(5) == procedure)
}

fn csum(cx: &PacketCx<'_>, of: Csum, valid: bool) -> bool {
    let p = cx.pkt;
    let (fits, sum) = match of {
        Csum::Ipv4 => (p.l3 == L3::Ipv4, checksum::verify_l3(p)),
        Csum::Tcpv4 => (p.l3 == L3::Ipv4 && p.l4 == L4::Tcp, checksum::verify_l4(p)),
        Csum::Tcpv6 => (p.l3 == L3::Ipv6 && p.l4 == L4::Tcp, checksum::verify_l4(p)),
        // A sender that leaves it at 0 says nothing.
        Csum::Udpv4 => (p.l3 == L3::Ipv4 && p.l4 == L4::Udp && summed(p), checksum::verify_l4(p)),
        Csum::Udpv6 => (p.l3 == L3::Ipv6 && p.l4 == L4::Udp, checksum::verify_l4(p)),
        Csum::Icmpv4 => (p.l4 == L4::Icmpv4, checksum::verify_l4(p)),
        Csum::Icmpv6 => (p.l4 == L4::Icmpv6, checksum::verify_l4(p)),
    };
    // Packets that the capture source vouches for, or that the engine made itself, count as right.
    let good = sum != Checksum::Bad || cx.pseudo;
    fits && good == valid
}

/// Whether the UDP header has a checksum.
fn summed(p: &crate::packet::Packet<'_>) -> bool {
    let at = p.l4_hdr.off as usize + 6;
    p.data.get(at..at + 2).is_some_and(|sum| sum != [0, 0])
}

/// An IPv4 address as a number, if it is one.
pub fn v4(a: &Addr) -> u32 {
    u32::from_be_bytes([a.0[0], a.0[1], a.0[2], a.0[3]])
}
