//! Rules that load, as in Suricata, and that nothing can ever match: rules go in, what stands in the way comes out. Each finding is about
//! one rule by itself; what needs all of them (bits that nobody sets) is in `source.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::header::{carriers_of, proto_names};
use super::ir::{
    Absent, AppProtoMode, BufferMatch, BufferRef, Cmp, Content, Csum, IntTest, Match, Num, PacketHeader,
    PacketMatch, ProtoSpec, Rule, StateMatch,
};
use super::refuse::Refusal;
use super::source::told;
use crate::app::{AppProto, OVER_TCP, OVER_UDP};

/// Rules that never match, each with the first reason.
pub fn never_fits(rules: &[Rule]) -> Vec<Refusal> {
    rules.iter().filter_map(|r| Some(told(r, &format!("{}, so it never matches", why(r)?)))).collect()
}

fn why(r: &Rule) -> Option<String> {
    let packet = r.packet.iter().find_map(|p| carried(r, p).or_else(|| beyond(p)));
    let lists = || r.lists.iter().filter(|l| l.absent != Some(Absent::OrElse));
    packet
        .or_else(|| apart(&r.packet))
        .or_else(|| lists().find_map(|l| header(r, &l.buffer)))
        .or_else(|| lists().find_map(in_buffer))
        .or_else(|| contradicts(&r.state))
        .or_else(|| r.state.iter().find_map(|s| elsewhere(&r.protos, s)))
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

/// Headers that a packet can have, one bit each.
mod has {
    pub(super) const TCP: u8 = 1;
    pub(super) const UDP: u8 = 2;
    pub(super) const ICMPV4: u8 = 4;
    pub(super) const ICMPV6: u8 = 8;
    pub(super) const ICMP: u8 = ICMPV4 | ICMPV6;
    /// What has none of these.
    pub(super) const OTHER: u8 = 16;
    pub(super) const ALL: u8 = 31;
    /// Versions of IP, in a word of their own.
    pub(super) const IPV4: u8 = 1;
    pub(super) const IPV6: u8 = 2;
}

/// What packets that the rule's header lets through can have: versions of IP, and what comes after.
fn let_through(r: &Rule) -> (u8, u8) {
    let both = has::IPV4 | has::IPV6;
    let over = |protos: &[AppProto]| {
        let over = protos.iter().fold(0, |a, p| a | p.def().over);
        let of = |carrier, bit| if over & carrier != 0 { bit } else { 0 };
        of(OVER_TCP, has::TCP) | of(OVER_UDP, has::UDP)
    };
    let (ip, next) = match &r.header.proto {
        ProtoSpec::Tcp | ProtoSpec::TcpPkt | ProtoSpec::TcpStream | ProtoSpec::Number(6) => (both, has::TCP),
        ProtoSpec::Udp | ProtoSpec::Number(17) => (both, has::UDP),
        ProtoSpec::Icmp => (both, has::ICMP),
        ProtoSpec::Icmpv4 => (has::IPV4, has::ICMPV4),
        ProtoSpec::Number(1) => (both, has::ICMPV4),
        ProtoSpec::Icmpv6 => (has::IPV6, has::ICMPV6),
        ProtoSpec::Number(58) => (both, has::ICMPV6),
        ProtoSpec::Sctp | ProtoSpec::Number(_) => (both, has::OTHER),
        ProtoSpec::Arp => (0, 0),
        ProtoSpec::App(protos) => (both, over(protos)),
        ProtoSpec::Ipv4 => (has::IPV4, has::ALL),
        ProtoSpec::Ipv6 => (has::IPV6, has::ALL),
        ProtoSpec::Ip | ProtoSpec::PktHdr => (both, has::ALL),
    };
    // Keywords about applications leave what carries these.
    (ip, if r.protos.is_empty() { next } else { next & over(&r.protos) })
}

/// What headers of the rule's protocol do not have.
fn carried(r: &Rule, p: &PacketMatch) -> Option<String> {
    let any = has::IPV4 | has::IPV6;
    let (name, (ip, next), whose) = match p {
        PacketMatch::Itype(_) => ("itype", (any, has::ICMP), "ICMP"),
        PacketMatch::Icode(_) => ("icode", (any, has::ICMP), "ICMP"),
        PacketMatch::IcmpId(_) => ("icmp_id", (any, has::ICMP), "ICMP"),
        PacketMatch::IcmpSeq(_) => ("icmp_seq", (any, has::ICMP), "ICMP"),
        PacketMatch::Icmpv6Mtu(_) => ("icmpv6.mtu", (any, has::ICMPV6), "ICMPv6"),
        PacketMatch::Flags { .. } => ("flags", (any, has::TCP), "TCP"),
        PacketMatch::Seq(_) => ("seq", (any, has::TCP), "TCP"),
        PacketMatch::Ack(_) => ("ack", (any, has::TCP), "TCP"),
        PacketMatch::Window(_) => ("window", (any, has::TCP), "TCP"),
        PacketMatch::TcpMss(_) => ("tcp.mss", (any, has::TCP), "TCP"),
        PacketMatch::TcpWscale(_) => ("tcp.wscale", (any, has::TCP), "TCP"),
        PacketMatch::StreamSize { .. } => ("stream_size", (any, has::TCP), "TCP"),
        PacketMatch::StreamEvent(_) => ("stream-event", (any, has::TCP), "TCP"),
        PacketMatch::Csum { of, .. } => match of {
            Csum::Ipv4 => ("ipv4-csum", (has::IPV4, has::ALL), "IPv4"),
            Csum::Tcpv4 => ("tcpv4-csum", (has::IPV4, has::TCP), "TCP in IPv4"),
            Csum::Tcpv6 => ("tcpv6-csum", (has::IPV6, has::TCP), "TCP in IPv6"),
            Csum::Udpv4 => ("udpv4-csum", (has::IPV4, has::UDP), "UDP in IPv4"),
            Csum::Udpv6 => ("udpv6-csum", (has::IPV6, has::UDP), "UDP in IPv6"),
            Csum::Icmpv4 => ("icmpv4-csum", (any, has::ICMPV4), "ICMPv4"),
            Csum::Icmpv6 => ("icmpv6-csum", (any, has::ICMPV6), "ICMPv6"),
        },
        _ => return None,
    };
    let there = let_through(r);
    (there.0 & ip == 0 || there.1 & next == 0)
        .then(|| format!("{name}: only {whose} has it, and the rule is of another protocol"))
}

/// A header, as bytes, that packets of the rule's protocol do not have.
fn header(r: &Rule, buffer: &BufferRef) -> Option<String> {
    let BufferRef::PacketHeader(header) = buffer else { return None };
    let (ip, next) = let_through(r);
    let (name, there, whose) = match header {
        PacketHeader::Ipv4 => ("ipv4.hdr", ip & has::IPV4, "IPv4"),
        PacketHeader::Ipv6 => ("ipv6.hdr", ip & has::IPV6, "IPv6"),
        PacketHeader::Tcp => ("tcp.hdr", next & has::TCP, "TCP"),
        PacketHeader::Udp => ("udp.hdr", next & has::UDP, "UDP"),
        PacketHeader::Icmpv4 => ("icmpv4.hdr", next & has::ICMPV4, "ICMPv4"),
        PacketHeader::Icmpv6 => ("icmpv6.hdr", next & has::ICMPV6, "ICMPv6"),
        PacketHeader::Ether => return None,
    };
    (there == 0).then(|| format!("{name}: only {whose} has it, and the rule is of another protocol"))
}

/// A protocol of the flow in which none of the rule's keywords come up. What the flow was before it changed its protocol
/// says nothing of what it is.
fn elsewhere(protos: &[AppProto], s: &StateMatch) -> Option<String> {
    let StateMatch::AppProtocol { protos: asked, negated: false, mode } = s else { return None };
    let told = |p: &AppProto| !matches!(*p, AppProto::FAILED | AppProto::UNKNOWN);
    if protos.is_empty() || *mode == AppProtoMode::Original || !asked.iter().all(told) {
        return None;
    }
    // What comes within another protocol has flows of that one.
    let within = |own: &AppProto| {
        let def = own.def();
        asked.contains(own) || carriers_of(own.name()).any(|c| asked.contains(&c)) || !def.is_of_flows()
    };
    (!protos.iter().any(within)).then(|| {
        let (of, is) = (proto_names(protos), proto_names(asked));
        format!("app-layer-protocol: it asks for {is}, and the rule's keywords are of {of}")
    })
}

/// A number of a header: its keyword, what is asked of it, its greatest value.
fn number(p: &PacketMatch) -> Option<(&'static str, &IntTest, u64)> {
    Some(match p {
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
    })
}

/// Numbers that do not fit into their field.
fn beyond(p: &PacketMatch) -> Option<String> {
    let (name, test, most) = number(p)?;
    (!possible(test, most)).then(|| format!("{name}: the field has no such value (0 to {most})"))
}

/// Conditions on one number that no value passes together. `vlan.id` may be that of another layer each time.
fn apart(all: &[PacketMatch]) -> Option<String> {
    all.iter().enumerate().find_map(|(i, p)| {
        let (name, _, most) = number(p).filter(|n| n.0 != "vlan.id")?;
        let same = all.iter().skip(i).filter_map(number).filter(|n| n.0 == name).map(|n| n.1);
        let tests: Vec<&IntTest> = same.collect();
        (!together(&tests, most)).then(|| format!("{name}: no value passes all conditions"))
    })
}

/// Whether a number from 0 to `most` passes all of these.
fn together(tests: &[&IntTest], most: u64) -> bool {
    if tests.len() < 2 || tests.iter().any(|t| matches!(t, IntTest::Mask { .. })) {
        return true;
    }
    // What passes begins at 0 or beside a number of the tests.
    let mut numbers = Vec::from([0]);
    for t in tests {
        match t {
            IntTest::Eq(a) | IntTest::Ne(a) | IntTest::Lt(a) | IntTest::Le(a) | IntTest::Gt(a) => {
                numbers.push(*a)
            }
            IntTest::Ge(a) => numbers.push(*a),
            IntTest::Between(a, b) | IntTest::NotBetween(a, b) => numbers.extend([*a, *b]),
            IntTest::OneOf(all) => numbers.extend(all),
            IntTest::Ranges(all) => numbers.extend(all.iter().flat_map(|r| [r.0, r.1])),
            IntTest::Mask { .. } => {}
        }
    }
    let near = |n: &u64| [*n, n.saturating_add(1)];
    numbers.iter().flat_map(near).any(|v| v <= most && tests.iter().all(|t| t.test(v)))
}

/// What one buffer never has.
fn in_buffer(m: &BufferMatch) -> Option<String> {
    let sizes: Vec<&IntTest> = m
        .matches
        .iter()
        .filter_map(|x| match x {
            Match::Size(t) => Some(t),
            _ => None,
        })
        .collect();
    if !together(&sizes, u64::MAX) {
        return Some(String::from("bsize: no size passes all conditions"));
    }
    if m.buffer != BufferRef::App("http.header_names") || !m.transforms.is_empty() {
        return None;
    }
    let contents = m.matches.iter().filter_map(|x| match x {
        Match::Content(c) if !c.negated && !c.is_relative() => Some(c),
        _ => None,
    });
    contents.into_iter().find_map(header_names)
}

/// The names of a message's headers stand between line ends, with two of them behind the last one.
fn header_names(c: &Content) -> Option<String> {
    let len = c.bytes.len();
    let first = c.offset.is_none_or(|o| o == Num::Const(0)) && c.depth == Some(Num::Const(len as i64));
    let begins = c.bytes.iter().zip(b"\r\n").all(|(a, b)| a == b);
    if (c.startswith || first) && !begins {
        return Some(String::from(
            "http.header_names: it begins with |0d 0a|, and the content at its start does not",
        ));
    }
    let ends = c.bytes.iter().rev().zip(b"\n\r\n\r").all(|(a, b)| a == b);
    (c.endswith && !ends).then(|| {
        String::from("http.header_names: it ends with |0d 0a 0d 0a|, and the content at its end does not")
    })
}

/// The greatest value of a protocol's number, where its field is narrower than what is read of a rule.
fn greatest(name: &str) -> u64 {
    match name {
        // RFC 1035, 4.1.1: four bits.
        "dns.opcode" => 15,
        // With the upper eight bits of EDNS (RFC 6891, 6.1.3).
        "dns.rcode" => 0xfff,
        // Out of a hundred.
        "ai.risk" | "ai.confidence" => 100,
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

    /// Numbers pass together if there is one that does.
    #[test]
    fn numbers_pass_together_if_one_does() {
        let mut some = [0, 0];
        for (a, b, c) in (0..18).flat_map(|a| (0..18).flat_map(move |b| (0..18).map(move |c| (a, b, c)))) {
            for t in [IntTest::Lt(a), IntTest::Ge(a), IntTest::Ne(a), IntTest::Between(a, b)] {
                for u in [IntTest::Gt(c), IntTest::Eq(c), IntTest::Ne(c), IntTest::NotBetween(b, c)] {
                    for v in [IntTest::Le(b), IntTest::Ranges([(b, c)].to_vec())] {
                        let all = [&t, &u, &v];
                        let can = (0..=15).any(|n| all.iter().all(|x| x.test(n)));
                        assert_eq!(together(&all, 15), can, "{all:?}");
                        some[usize::from(can)] += 1;
                    }
                }
            }
        }
        assert!(some[0] > 1000 && some[1] > 1000);
    }

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
