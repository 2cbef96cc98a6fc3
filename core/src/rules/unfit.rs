//! Rules that load, as in Suricata, and that nothing can ever match: rules go in, what stands in the way comes out. Each finding is about
//! one rule by itself; what needs all of them (bits that nobody sets) is in `source.rs`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::ir::{
    Absent, BufferMatch, BufferRef, Cmp, Content, IntTest, Match, Num, PacketMatch, ProtoSpec, Rule,
    StateMatch,
};
use super::refuse::Refusal;
use super::source::told;

/// Rules that never match, each with the first reason.
pub fn never_fits(rules: &[Rule]) -> Vec<Refusal> {
    rules.iter().filter_map(|r| Some(told(r, &format!("{}, so it never matches", why(r)?)))).collect()
}

fn why(r: &Rule) -> Option<String> {
    let packet = r.packet.iter().find_map(|p| carried(&r.header.proto, p).or_else(|| beyond(p)));
    packet
        .or_else(|| apart(&r.packet))
        .or_else(|| r.lists.iter().filter(|l| l.absent != Some(Absent::OrElse)).find_map(in_buffer))
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
