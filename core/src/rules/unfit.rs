//! Rules that load, as in Suricata, and that nothing can ever match: rules go in, what stands in the way comes out. Each finding is about
//! one rule by itself; what needs all of them (bits that nobody sets) is in `source.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ir::{Cmp, IntTest, Match, PacketMatch, ProtoSpec, Rule, StateMatch};
use super::refuse::Refusal;
use super::source::told;

/// Rules that never match, each with the first reason.
pub fn never_fits(rules: &[Rule]) -> Vec<Refusal> {
    rules.iter().filter_map(|r| Some(told(r, &format!("{}, so it never matches", why(r)?)))).collect()
}

fn why(r: &Rule) -> Option<String> {
    let packet = r.packet.iter().find_map(|p| carried(&r.header.proto, p).or_else(|| beyond(p)));
    packet
        .or_else(|| contradicts(&r.state))
        .or_else(|| {
            let int = r.ints.iter().find(|i| !possible(&i.test, greatest(i.name)));
            int.map(|i| format!("{}: the field has no such value (0 to {})", i.name, greatest(i.name)))
        })
        .or_else(|| {
            let matches = r.lists.iter().flat_map(|l| &l.matches);
            let random = matches
                .into_iter()
                .find(|m| matches!(m, Match::Entropy { cmp, value, .. } if !entropic(*cmp, *value)));
            random.map(|_| String::from("entropy: no bytes have such a value (0 to 8)"))
        })
}

/// What headers of the rule's protocol do not have.
fn carried(proto: &ProtoSpec, p: &PacketMatch) -> Option<String> {
    let (name, of_icmp) = match p {
        PacketMatch::Itype(_) => ("itype", true),
        PacketMatch::Icode(_) => ("icode", true),
        PacketMatch::IcmpId(_) => ("icmp_id", true),
        PacketMatch::IcmpSeq(_) => ("icmp_seq", true),
        PacketMatch::Icmpv6Mtu(_) => ("icmpv6.mtu", true),
        PacketMatch::Flags { .. } => ("flags", false),
        PacketMatch::Seq(_) => ("seq", false),
        PacketMatch::Ack(_) => ("ack", false),
        PacketMatch::Window(_) => ("window", false),
        PacketMatch::TcpMss(_) => ("tcp.mss", false),
        PacketMatch::TcpWscale(_) => ("tcp.wscale", false),
        PacketMatch::StreamSize { .. } => ("stream_size", false),
        _ => return None,
    };
    let there = match proto {
        ProtoSpec::Tcp | ProtoSpec::TcpPkt | ProtoSpec::TcpStream => !of_icmp,
        ProtoSpec::Icmp | ProtoSpec::Icmpv6 => of_icmp,
        ProtoSpec::Icmpv4 => of_icmp && !matches!(p, PacketMatch::Icmpv6Mtu(_)),
        ProtoSpec::Udp | ProtoSpec::Sctp | ProtoSpec::Arp => false,
        ProtoSpec::Number(n) => {
            if of_icmp {
                matches!(n, 1 | 58)
            } else {
                *n == 6
            }
        }
        // Protocols of applications are carried by TCP and UDP.
        ProtoSpec::App(_) => !of_icmp,
        ProtoSpec::Ip | ProtoSpec::Ipv4 | ProtoSpec::Ipv6 | ProtoSpec::PktHdr => true,
    };
    let whose = if of_icmp { "ICMP" } else { "TCP" };
    (!there).then(|| format!("{name}: only {whose} has it, and the rule is of another protocol"))
}

/// Numbers that do not fit into their field.
fn beyond(p: &PacketMatch) -> Option<String> {
    let (name, test, most) = match p {
        PacketMatch::Ttl(t) => ("ttl", t, 0xff),
        PacketMatch::IpProto(t) => ("ip_proto", t, 0xff),
        PacketMatch::Itype(t) => ("itype", t, 0xff),
        PacketMatch::Icode(t) => ("icode", t, 0xff),
        PacketMatch::Window(t) => ("window", t, 0xffff),
        PacketMatch::TcpMss(t) => ("tcp.mss", t, 0xffff),
        PacketMatch::TcpWscale(t) => ("tcp.wscale", t, 0xff),
        PacketMatch::Dsize(t) => ("dsize", t, 0xffff),
        PacketMatch::FragOffset(t) => ("fragoffset", t, 0x1fff),
        PacketMatch::VlanId { test, .. } => ("vlan.id", test, 0xfff),
        PacketMatch::VxlanVni(t) => ("vxlan_vni", t, 0xff_ffff),
        PacketMatch::Seq(t) => ("seq", t, u64::from(u32::MAX)),
        PacketMatch::Ack(t) => ("ack", t, u64::from(u32::MAX)),
        PacketMatch::Icmpv6Mtu(t) => ("icmpv6.mtu", t, u64::from(u32::MAX)),
        _ => return None,
    };
    (!possible(test, most)).then(|| format!("{name}: the field has no such value (0 to {most})"))
}

/// The greatest value of a protocol's number, where its field is narrower than what is read of a rule.
fn greatest(name: &str) -> u64 {
    match name {
        // RFC 1035, 4.1.1: four bits.
        "dns.opcode" => 15,
        // With the upper eight bits of EDNS (RFC 6891, 6.1.3).
        "dns.rcode" => 0xfff,
        _ => u64::MAX,
    }
}

/// Whether a number from 0 to `most` passes.
fn possible(test: &IntTest, most: u64) -> bool {
    match test {
        IntTest::Eq(v) | IntTest::Ge(v) => *v <= most,
        IntTest::Gt(v) => *v < most,
        IntTest::Lt(v) => *v > 0,
        IntTest::Between(a, b) => *a < most && a.saturating_add(1) < *b,
        IntTest::OneOf(all) => all.iter().any(|v| *v <= most),
        IntTest::Ranges(all) => all.iter().any(|r| r.0 <= most && r.0 <= r.1),
        IntTest::Mask { mask, value, negated } => *negated || value & !mask == 0,
        IntTest::Ne(_) | IntTest::Le(_) | IntTest::NotBetween(..) => true,
    }
}

/// Whether bytes can have such an entropy, in bits a byte.
fn entropic(cmp: Cmp, value: f64) -> bool {
    match cmp {
        Cmp::Eq | Cmp::Ge => value <= 8.0,
        Cmp::Gt => value < 8.0,
        Cmp::Lt => value > 0.0,
        _ => true,
    }
}

/// A bit that must be set and must not be.
fn contradicts(state: &[StateMatch]) -> Option<String> {
    let also = |want: &StateMatch| state.contains(want);
    state.iter().find_map(|s| match s {
        StateMatch::FlowbitsIsSet(names)
            if names.len() == 1 && also(&StateMatch::FlowbitsIsNotSet(names.clone())) =>
        {
            Some(format!("flowbits: {} must be set and must not be", names.first()?))
        }
        StateMatch::Xbits { name, track, set: true }
            if also(&StateMatch::Xbits { name: name.clone(), track: *track, set: false }) =>
        {
            Some(format!("xbits: {name} must be set and must not be"))
        }
        StateMatch::Hostbits { name, track, set: true }
            if also(&StateMatch::Hostbits { name: name.clone(), track: *track, set: false }) =>
        {
            Some(format!("hostbits: {name} must be set and must not be"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number is possible if some number of the field passes the test itself.
    #[test]
    fn possible_numbers_are_those_that_pass() {
        let tests = |a: u64, b: u64| {
            [
                IntTest::Eq(a),
                IntTest::Ne(a),
                IntTest::Lt(a),
                IntTest::Le(a),
                IntTest::Gt(a),
                IntTest::Ge(a),
                IntTest::Between(a, b),
                IntTest::OneOf([a, b].to_vec()),
                IntTest::Ranges([(a, b)].to_vec()),
            ]
        };
        for a in 0..20 {
            for b in 0..20 {
                for t in tests(a, b) {
                    assert_eq!(possible(&t, 15), (0..=15).any(|v| t.test(v)), "{t:?}");
                }
            }
        }
    }
}
