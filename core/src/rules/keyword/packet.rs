//! Numbers and flags of the packet: IP, TCP, ICMP, link.

use alloc::format;
use alloc::string::ToString;

use super::{Arg, Keyword, parts};
use crate::rules::build::Builder;
use crate::rules::ir::{Csum, FlagsMode, IntTest, PacketMatch, PacketNumber, ProtoSpec, RepSide};
use crate::rules::num::{self, int_test};
use crate::rules::refuse::{RefusalKind, Res, bad, conflict};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("flags", flags).aliases(&["tcp.flags"]),
    Keyword::new("ttl", |b, a| put(b, PacketMatch::Ttl(byte(a)?))),
    Keyword::new("ip_proto", ip_proto),
    Keyword::new("itype", |b, a| put(b, PacketMatch::Itype(byte(a)?))),
    Keyword::new("icode", |b, a| put(b, PacketMatch::Icode(byte(a)?))),
    Keyword::new("icmp_id", |b, a| put(b, PacketMatch::IcmpId(unquoted16(a)?))).quotable(),
    Keyword::new("icmp_seq", |b, a| put(b, PacketMatch::IcmpSeq(unquoted16(a)?))).quotable(),
    Keyword::new("icmpv6.mtu", |b, a| put(b, PacketMatch::Icmpv6Mtu(test32(a)?))),
    Keyword::new("seq", |b, a| put(b, PacketMatch::Seq(exact32(a)?))).aliases(&["tcp.seq"]),
    Keyword::new("ack", |b, a| put(b, PacketMatch::Ack(exact32(a)?))).aliases(&["tcp.ack"]),
    Keyword::new("window", |b, a| put(b, PacketMatch::Window(test16(a)?))).aliases(&["tcp.window"]),
    Keyword::new("tcp.mss", |b, a| put(b, PacketMatch::TcpMss(test16(a)?))),
    Keyword::new("tcp.wscale", |b, a| put(b, PacketMatch::TcpWscale(byte(a)?))),
    Keyword::new("dsize", dsize),
    Keyword::new("id", |b, a| put(b, PacketMatch::IpId(unquoted16(a)?))).quotable(),
    Keyword::new("tos", tos).quotable(),
    Keyword::new("ipopts", ipopts),
    Keyword::new("fragbits", fragbits),
    Keyword::new("fragoffset", fragoffset),
    Keyword::flag("sameip", |b, _| put(b, PacketMatch::SameIp)),
    Keyword::new("l3_proto", l3_proto),
    Keyword::new("ipv4-csum", |b, a| csum(b, a, Csum::Ipv4)).quotable(),
    Keyword::new("tcpv4-csum", |b, a| csum(b, a, Csum::Tcpv4)).quotable(),
    Keyword::new("tcpv6-csum", |b, a| csum(b, a, Csum::Tcpv6)).quotable(),
    Keyword::new("udpv4-csum", |b, a| csum(b, a, Csum::Udpv4)).quotable(),
    Keyword::new("udpv6-csum", |b, a| csum(b, a, Csum::Udpv6)).quotable(),
    Keyword::new("icmpv4-csum", |b, a| csum(b, a, Csum::Icmpv4)).quotable(),
    Keyword::new("icmpv6-csum", |b, a| csum(b, a, Csum::Icmpv6)).quotable(),
    Keyword::new("vlan.id", vlan_id),
    Keyword::new("vlan.layers", |b, a| put(b, PacketMatch::VlanLayers(layers(a)?))),
    Keyword::new("vxlan_vni", |b, a| put(b, PacketMatch::VxlanVni(test32(a)?))).aliases(&["vxlan.vni"]),
    Keyword::new("geoip", geoip),
    Keyword::new("iprep", iprep),
    Keyword::new("rpc", rpc),
    Keyword::new("ether.type", |b, a| number(b, PacketNumber::EtherType, test16(a)?)),
    Keyword::new("roce.opcode", |b, a| number(b, PacketNumber::RoceOpcode, byte(a)?)),
    Keyword::new("roce.pkey", |b, a| number(b, PacketNumber::RocePkey, test16(a)?)),
    Keyword::new("roce.dest_qp", |b, a| number(b, PacketNumber::RoceDestQp, test32(a)?)),
    Keyword::new("roce.rkey", |b, a| number(b, PacketNumber::RoceRkey, test32(a)?)),
];

fn put(b: &mut Builder<'_, '_>, m: PacketMatch) -> Res {
    b.rule.packet.push(m);
    Ok(())
}

fn dsize(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    if b.rule.packet.iter().any(|m| matches!(m, PacketMatch::Dsize(_))) {
        return conflict("a rule has one dsize; expected a range, as in dsize:5<>10");
    }
    put(b, PacketMatch::Dsize(test16(a)?))
}

fn number(b: &mut Builder<'_, '_>, what: PacketNumber, test: IntTest) -> Res {
    put(b, PacketMatch::Number { what, test })
}

fn byte(a: &Arg<'_>) -> Res<IntTest> {
    int_test(a.text()?, 255)
}

fn test16(a: &Arg<'_>) -> Res<IntTest> {
    int_test(a.text()?, 65535)
}

fn test32(a: &Arg<'_>) -> Res<IntTest> {
    int_test(a.text()?, u64::from(u32::MAX))
}

/// Numbers of VLAN layers: there are three at most.
fn layers(a: &Arg<'_>) -> Res<IntTest> {
    int_test(a.text()?, 3)
}

/// A number of TCP is compared for equality only: it wraps around, so "greater" has no meaning.
fn exact32(a: &Arg<'_>) -> Res<IntTest> {
    num::u32(a.text()?).map(|v| IntTest::Eq(u64::from(v)))
}

fn unquoted16(a: &Arg<'_>) -> Res<u16> {
    num::uint_to(a.text()?, 65535).map(|v| v as u16)
}

/// Letters of `flags` to bits as on the wire.
fn flag_bits(t: &str) -> Res<u8> {
    let mut bits = 0;
    for c in t.bytes() {
        bits |= match c.to_ascii_uppercase() {
            b'F' => 1,
            b'S' => 2,
            b'R' => 4,
            b'P' => 8,
            b'A' => 16,
            b'U' => 32,
            b'E' | b'2' => 64,
            b'C' | b'1' => 128,
            b'0' => 0,
            b' ' => 0,
            _ => return bad(format!("\"{}\" is not a TCP flag", c as char)),
        };
    }
    Ok(bits)
}

/// A mode sign before or after the letters: `+` all, `*` any, `!` none.
fn sign(t: &str) -> Res<(FlagsMode, &str)> {
    let t = t.trim();
    let mode = |c: char| match c {
        '+' => Some(FlagsMode::All),
        '*' => Some(FlagsMode::Any),
        '!' => Some(FlagsMode::Not),
        _ => None,
    };
    if let Some(m) = t.chars().next().and_then(mode) {
        return Ok((m, &t[1..]));
    }
    if let Some(m) = t.chars().last().and_then(mode) {
        return Ok((m, &t[..t.len() - 1]));
    }
    Ok((FlagsMode::Exact, t))
}

fn flags(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let (t, ignore) = match t.split_once(',') {
        Some((t, i)) => (t, flag_bits(i.trim())?),
        None => (t, 0),
    };
    let (mode, letters) = sign(t)?;
    if letters.trim().is_empty() {
        return bad("no flag is given");
    }
    let bits = flag_bits(letters)?;
    put(b, PacketMatch::Flags { bits, ignore, mode })
}

fn fragbits(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let (mode, letters) = sign(a.text()?)?;
    let mut bits = 0;
    for (i, c) in letters.char_indices() {
        // As in the top three bits of the header's field.
        bits |= match c.to_ascii_uppercase() {
            'M' => 1,
            'D' => 2,
            'R' => 4,
            ' ' => 0,
            // Public rules write "M+D"; Suricata reads the letters up to the sign and nothing after them.
            _ if bits != 0 => {
                let rest = letters.get(i..).unwrap_or("");
                b.warnings.push((RefusalKind::Value, format!("fragbits: \"{rest}\" is not read")));
                break;
            }
            _ => return bad(format!("\"{c}\" is not M, D or R")),
        };
    }
    put(b, PacketMatch::FragBits { bits, mode })
}

/// `N`, `<N`, `>N`; here `<0` is no fault.
fn fragoffset(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let number = |t: &str| num::uint_to(t, 65535);
    let test = match (t.strip_prefix('<'), t.strip_prefix('>')) {
        (Some(n), _) => IntTest::Lt(number(n)?),
        (_, Some(n)) => IntTest::Gt(number(n)?),
        _ => IntTest::Eq(number(t)?),
    };
    put(b, PacketMatch::FragOffset(test))
}

/// Protocol names as in the system's list of protocols.
const IP_PROTOS: &[(&str, u64)] = &[
    ("ip", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("ipip", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmp6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("mpls-in-ip", 137),
];

fn ip_proto(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let header = &b.rule.header.proto;
    if !matches!(header, ProtoSpec::Ip | ProtoSpec::Ipv4 | ProtoSpec::Ipv6 | ProtoSpec::PktHdr) {
        return conflict("the header names the protocol already; ip_proto goes with ip");
    }
    let t = a.text()?;
    let (op, name) = match t.as_bytes().first() {
        Some(b'!') => ("!", t[1..].trim()),
        Some(b'<') => ("<", t[1..].trim()),
        Some(b'>') => (">", t[1..].trim()),
        Some(b'=') => ("=", t[1..].trim()),
        _ => ("", t),
    };
    let n = match IP_PROTOS.iter().find(|p| p.0.eq_ignore_ascii_case(name)) {
        Some(p) => p.1,
        None => num::uint_to(name, 255)?,
    };
    put(
        b,
        PacketMatch::IpProto(match op {
            "!" => IntTest::Ne(n),
            "<" => IntTest::Lt(n),
            ">" => IntTest::Gt(n),
            _ => IntTest::Eq(n),
        }),
    )
}

fn tos(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let (negated, t) = match t.strip_prefix('!') {
        Some(r) => (true, r.trim()),
        None => (false, t),
    };
    let v = match t.strip_prefix(['x', 'X']) {
        Some(h) => num::uint_to(&format!("0x{h}"), 255)?,
        None => num::uint_to(t, 255)?,
    };
    put(b, PacketMatch::Tos { value: v as u8, negated })
}

/// Option names and their kinds modulo 32 (RFC 791 and successors), as [`crate::packet::Packet::ip_opts`] has them.
const IP_OPTS: &[(&str, u32)] = &[
    ("rr", 7),
    ("lsrr", 131 & 31),
    ("eol", 0),
    ("nop", 1),
    ("ts", 68 & 31),
    ("sec", 130 & 31),
    ("esec", 133 & 31),
    ("ssrr", 137 & 31),
    ("satid", 136 & 31),
];

fn ipopts(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    if t == "any" {
        return put(b, PacketMatch::IpOpts { mask: 0, any: true });
    }
    match IP_OPTS.iter().find(|o| o.0 == t) {
        Some(o) => put(b, PacketMatch::IpOpts { mask: 1 << o.1, any: false }),
        None => bad(format!("\"{t}\" is not the name of an IP option")),
    }
}

fn l3_proto(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let v6 = match a.text()?.to_ascii_lowercase().as_str() {
        "ipv4" | "ip4" => false,
        "ipv6" | "ip6" => true,
        t => return bad(format!("\"{t}\" is neither ipv4 nor ipv6")),
    };
    put(b, PacketMatch::L3 { v6 })
}

fn csum(b: &mut Builder<'_, '_>, a: &Arg<'_>, of: Csum) -> Res {
    let valid = match a.text()? {
        "valid" => true,
        "invalid" => false,
        t => return bad(format!("\"{t}\" is neither valid nor invalid")),
    };
    put(b, PacketMatch::Csum { of, valid })
}

fn vlan_id(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let test = int_test(p.next().unwrap_or(""), 4095)?;
    let layer = match p.next() {
        None | Some("any") => None,
        Some(n) => match num::int(n)? {
            v if (-3..=2).contains(&v) => Some(v as i8),
            v => return bad(format!("{v} is not a layer (-3 to 2)")),
        },
    };
    if p.next().is_some() {
        return bad("write id or id,layer");
    }
    put(b, PacketMatch::VlanId { test, layer })
}

fn geoip(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    put(b, PacketMatch::GeoIp(a.text()?.to_string()))
}

fn iprep(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let (Some(side), Some(category), Some(op)) = (p.next(), p.next(), p.next()) else {
        return bad("write side,category,operator,value");
    };
    let side = match side {
        "any" => RepSide::Any,
        "src" => RepSide::Src,
        "dst" => RepSide::Dst,
        "both" => RepSide::Both,
        _ => return bad(format!("\"{side}\" is not any, src, dst or both")),
    };
    if !b.env.reputation.contains_key(category) {
        return bad(format!("\"{category}\" is not a category of the configured reputation"));
    }
    use crate::rules::ir::Cmp;
    let (cmp, value) = match (op, p.next()) {
        ("isset", None) => (Cmp::Ge, 0),
        ("isnotset", None) => (Cmp::Lt, 0),
        ("<", Some(v)) => (Cmp::Lt, num::uint_to(v, 127)? as u8),
        (">", Some(v)) => (Cmp::Gt, num::uint_to(v, 127)? as u8),
        ("=", Some(v)) => (Cmp::Eq, num::uint_to(v, 127)? as u8),
        ("<=", Some(v)) => (Cmp::Le, num::uint_to(v, 127)? as u8),
        (">=", Some(v)) => (Cmp::Ge, num::uint_to(v, 127)? as u8),
        _ => return bad(format!("\"{op}\" is not an operator here")),
    };
    put(b, PacketMatch::IpReputation { side, category: category.to_string(), cmp, value })
}

fn rpc(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let mut p = parts(a.text()?);
    let program = num::u32(p.next().unwrap_or(""))?;
    let mut opt = || match p.next() {
        None | Some("*") => Ok(None),
        Some(n) => num::u32(n).map(Some),
    };
    let (version, procedure) = (opt()?, opt()?);
    put(b, PacketMatch::Rpc { program, version, procedure })
}
