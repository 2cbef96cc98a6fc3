//! Numbers of protocols, and keywords about the application protocol itself.

use alloc::format;
use alloc::vec::Vec;

use super::{Arg, Keyword, parts};
use crate::app::AppProto;
use crate::rules::build::Builder;
use crate::rules::header::protos_named;
use crate::rules::index::IntInfo;
use crate::rules::ir::{AppInt, AppProtoMode, IntIndex, IntTest, StateMatch};
use crate::rules::refuse::{Fault, RefusalKind, Res, bad, conflict, unsupported};
use crate::rules::{names, num};

pub static KEYWORDS: &[Keyword] = &[
    Keyword::new("app-layer-protocol", app_layer_protocol),
    Keyword::new("app-layer-state", app_layer_state),
    Keyword::new("ssl_version", ssl_version),
    Keyword::new("ssl_state", ssl_state),
    Keyword::new("tls.version", tls_version).quotable(),
    Keyword::new("dcerpc.iface", dce_iface).aliases(&["dce_iface"]),
    Keyword::new("dcerpc.opnum", dce_opnum).aliases(&["dce_opnum"]),
    Keyword::flag("ftpbounce", ftpbounce),
    Keyword::new("krb5.ticket_encryption", krb5_ticket_encryption),
    Keyword::new("cip_service", cip_service),
    Keyword::new("dnp3_ind", dnp3_ind),
    Keyword::new("dnp3_obj", dnp3_obj),
];

/// A number of a protocol: a test with symbolic values, bits by name, and which of several values is meant.
pub fn int(b: &mut Builder<'_, '_>, info: &IntInfo, a: &Arg<'_>) -> Res {
    b.require_protos(&info.protos(), info.name)?;
    let t = a.text()?;
    let symbolic = info.defs.iter().any(|d| !d.1.values.is_empty());
    if symbolic && let Some(test) = bits(info, t) {
        b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
        return Ok(());
    }
    let (t, index) = match t.rsplit_once(',') {
        Some((t, i)) => (t, int_index(i.trim())?),
        None => (t, IntIndex::Any),
    };
    let (t, index) = match t.trim().strip_prefix("count ") {
        Some(r) => (r, IntIndex::Count),
        None => (t.trim(), index),
    };
    let test = match symbol(info, t) {
        Some(test) => test,
        None => match num::int_test(t, width(info.name)) {
            // Ranges of procedures have their ends.
            Ok(IntTest::Between(a, b)) if info.name == "nfs_procedure" => IntTest::Ranges([(a, b)].to_vec()),
            Ok(test) => test,
            Err(_) if symbolic => return bad(format!("\"{t}\" is neither a number nor a known value")),
            Err(f) => return Err(f),
        },
    };
    b.rule.ints.push(AppInt { name: info.name, test, index });
    Ok(())
}

/// `keyword:number=value`, or another test than equality: which of the keyword's numbers, and its test.
pub fn int_of(b: &mut Builder<'_, '_>, keyword: &str, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let end = t.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(t.len());
    let (number, test) = t.split_at(end);
    let test = test.trim();
    let index = b.index;
    let same = |n: &&IntInfo| {
        n.name.split_once('=').is_some_and(|(k, n)| k == keyword && n.eq_ignore_ascii_case(number))
    };
    let Some(info) = index.ints.iter().find(same).filter(|_| !test.is_empty()) else {
        return bad(format!("\"{t}\" tests no number of {keyword}"));
    };
    let test = test.strip_prefix('=').unwrap_or(test);
    int(b, info, &Arg { bytes: test.as_bytes(), ..*a })
}

/// The greatest value of a number whose field is narrow.
fn width(name: &str) -> u64 {
    match name {
        "dns.opcode" => u64::from(u8::MAX),
        "dns.rcode" | "dns.rrtype" => u64::from(u16::MAX),
        _ => u64::MAX,
    }
}

/// `name` or `!name`.
fn symbol(info: &IntInfo, t: &str) -> Option<IntTest> {
    if let Some(v) = info.value(t) {
        return Some(IntTest::Eq(v));
    }
    let t = t.strip_prefix('!').map(|t| t.strip_prefix('=').unwrap_or(t).trim())?;
    info.value(t).map(IntTest::Ne)
}

/// `a,!b` over bits: numbers whose name ends in `flags` take lists of names, each of which must be set or clear.
fn bits(info: &IntInfo, t: &str) -> Option<IntTest> {
    let several = t.contains(',');
    if !several && !info.name.ends_with("flags") {
        return None;
    }
    let (mut mask, mut value) = (0u64, 0u64);
    for p in parts(t) {
        let (neg, n) = match p.strip_prefix('!') {
            Some(n) => (true, n.trim()),
            None => (false, p.strip_prefix('=').unwrap_or(p)),
        };
        let bit = info.value(n)?;
        mask |= bit;
        if !neg {
            value |= bit;
        }
    }
    Some(IntTest::Mask { mask, value, negated: false })
}

fn int_index(t: &str) -> Res<IntIndex> {
    Ok(match t {
        "any" => IntIndex::Any,
        "all1" => IntIndex::All,
        "all" => IntIndex::AllOrNone,
        n => match num::int(n)? {
            v if (-65535..=65535).contains(&v) => IntIndex::Nth(v as i32),
            v => return bad(format!("{v} is out of range")),
        },
    })
}

fn app_layer_protocol(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let (negated, t) = match t.strip_prefix('!') {
        Some(r) => (true, r.trim()),
        None => (false, t),
    };
    let mut p = parts(t);
    let name = p.next().unwrap_or("").to_ascii_lowercase();
    let mode = match p.next() {
        None | Some("direction") => AppProtoMode::Direction,
        Some("final") => AppProtoMode::Final,
        Some("original") => AppProtoMode::Original,
        Some("either") => AppProtoMode::Either,
        Some("to_server" | "toserver") => AppProtoMode::ToServer,
        Some("to_client" | "toclient") => AppProtoMode::ToClient,
        Some("both") => AppProtoMode::Both,
        Some(m) => return bad(format!("\"{m}\" is not a mode of app-layer-protocol")),
    };
    if negated && name == "unknown" {
        return conflict("a negated protocol must be one that can be told");
    }
    let protos = match name.as_str() {
        "failed" => [AppProto::FAILED].to_vec(),
        "unknown" => [AppProto::UNKNOWN].to_vec(),
        n => protos_named(n),
    };
    if protos.is_empty() {
        return Err(Fault::new(RefusalKind::Protocol, format!("protocol \"{name}\" is not known")));
    }
    if matches!(b.rule.header.proto, crate::rules::ir::ProtoSpec::App(_)) {
        return conflict("the header names a protocol already");
    }
    for s in &b.rule.state {
        // What a direction speaks may be asked beside what the other does.
        if let StateMatch::AppProtocol { negated: n, mode: m, .. } = s
            && (!*n || !negated)
            && *m == mode
        {
            return conflict("several app-layer-protocol of the same mode must all be negated");
        }
    }
    b.rule.state.push(StateMatch::AppProtocol { protos, negated, mode });
    Ok(())
}

fn app_layer_state(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let t = a.text()?;
    let split = t.bytes().position(|c| c.is_ascii_alphabetic()).unwrap_or(t.len());
    let (op, name) = t.split_at(split);
    let protos = b.protos.clone().unwrap_or_default();
    let found = protos.iter().find_map(|p| names::state(*p, name).map(|s| (*p, s)));
    let Some((_, (dir, v))) = found else {
        return bad(format!("\"{name}\" is not a state of the rule's protocol"));
    };
    let v = u64::from(v);
    let test = match op.trim() {
        "" | "=" => IntTest::Eq(v),
        "<" => IntTest::Lt(v),
        "<=" => IntTest::Le(v),
        ">" => IntTest::Gt(v),
        ">=" => IntTest::Ge(v),
        "!" => IntTest::Ne(v),
        _ => return bad(format!("\"{op}\" is not an operator")),
    };
    b.only_dirs[dir.ix()] = true;
    b.rule.state.push(StateMatch::AppState { test, dir });
    Ok(())
}

/// Versions by the names rules use, as on the wire.
const VERSIONS: &[(&str, u64)] = &[
    ("sslv2", 0x0002),
    ("sslv3", 0x0300),
    ("tls1.0", 0x0301),
    ("tls1.1", 0x0302),
    ("tls1.2", 0x0303),
    ("tls1.3", 0x0304),
];

/// The number of TLS that both keywords about versions test.
fn tls_int<'b>(b: &mut Builder<'b, '_>, names: &[&str]) -> Res<&'b IntInfo> {
    let index = b.index;
    let Some(info) = names.iter().find_map(|n| index.int(n)) else { return unsupported("tls") };
    b.require_protos(&info.protos(), "tls")?;
    Ok(info)
}

fn ssl_version(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let info = tls_int(b, &["ssl_version", "tls.version"])?;
    let (mut yes, mut no) = (Vec::new(), Vec::new());
    // A `!` negates what follows it in the list, too.
    let mut neg = false;
    for p in parts(a.text()?) {
        let n = match p.strip_prefix('!') {
            Some(n) => {
                neg = true;
                n.trim()
            }
            None => p,
        };
        let found = VERSIONS.iter().find(|v| v.0.eq_ignore_ascii_case(n));
        let Some(v) = found else { return bad(format!("\"{n}\" is not a version")) };
        let list = if neg { &mut no } else { &mut yes };
        if list.contains(&v.1) {
            return conflict(format!("\"{n}\" occurs twice"));
        }
        list.push(v.1);
    }
    // Each part alone lets versions through, and a negative one lets all others through.
    let test = if no.is_empty() {
        IntTest::OneOf(yes)
    } else {
        IntTest::OneOf(VERSIONS.iter().map(|v| v.1).filter(|v| !no.contains(v)).collect())
    };
    b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
    Ok(())
}

fn tls_version(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let info = tls_int(b, &["tls.version", "ssl_version"])?;
    let t = a.text()?;
    let v = match t {
        "1.0" => 0x0301,
        "1.1" => 0x0302,
        "1.2" => 0x0303,
        "1.3" => 0x0304,
        h if h.starts_with("0x") => num::uint_to(h, 65535)?,
        _ => return bad(format!("\"{t}\" is not a version of TLS")),
    };
    b.rule.ints.push(AppInt { name: info.name, test: IntTest::Eq(v), index: IntIndex::Any });
    Ok(())
}

/// `ssl_state:client_hello|server_hello`: what was read last had any of the messages; `!state`: it had not that one.
fn ssl_state(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let info = tls_int(b, &["ssl_state"])?;
    let (mut any, mut none) = (Vec::new(), 0);
    for p in a.text()?.split(['|', ',']).map(str::trim) {
        let (neg, n) = match p.strip_prefix('!') {
            Some(n) => (true, n.trim()),
            None => (false, p),
        };
        let Some(v) = info.value(n) else { return bad(format!("\"{n}\" is not a state of TLS")) };
        if neg {
            none |= v;
        } else {
            any.push(v);
        }
    }
    // Beside one that is excluded the others say nothing.
    let (test, index) = match none {
        0 => (IntTest::OneOf(any), IntIndex::Any),
        v => (IntTest::Ne(v), IntIndex::AllOrNone),
    };
    b.rule.ints.push(AppInt { name: info.name, test, index });
    Ok(())
}

fn dcerpc(b: &mut Builder<'_, '_>) -> Res {
    let protos = protos_named("dcerpc");
    if protos.is_empty() {
        return unsupported("dcerpc");
    }
    b.require_protos(&protos, "dcerpc")
}

fn dce_iface(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    dcerpc(b)?;
    let mut p = parts(a.text()?);
    let text = p.next().unwrap_or("");
    let (mut uuid, mut n, mut half) = ([0u8; 16], 0, None::<u32>);
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    if groups != [8, 4, 4, 4, 12] {
        return bad(format!("\"{text}\" is not a UUID"));
    }
    for c in text.chars().filter(|c| *c != '-') {
        let Some(d) = c.to_digit(16) else { return bad(format!("\"{text}\" is not a UUID")) };
        match half.take() {
            None => half = Some(d),
            Some(h) => {
                if let Some(slot) = uuid.get_mut(n) {
                    *slot = (h << 4 | d) as u8;
                }
                n += 1;
            }
        }
    }
    let (mut version, mut any_frag) = (None, false);
    for w in p {
        if w == "any_frag" {
            any_frag = true;
        } else {
            version = Some(num::int_test(w, 65535)?);
        }
    }
    b.rule.state.push(StateMatch::DceIface { uuid, version, any_frag });
    Ok(())
}

fn dce_opnum(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let index = b.index;
    let Some(info) = index.int("dcerpc.opnum") else { return unsupported("dcerpc.opnum") };
    b.require_protos(&info.protos(), info.name)?;
    let mut ranges = Vec::new();
    for p in parts(a.text()?) {
        let (lo, hi) = p.split_once('-').unwrap_or((p, p));
        let (lo, hi) = (num::uint_to(lo, 65535)?, num::uint_to(hi, 65535)?);
        if lo > hi {
            return bad(format!("\"{p}\" is not a range"));
        }
        ranges.push((lo, hi));
    }
    b.rule.ints.push(AppInt { name: info.name, test: IntTest::Ranges(ranges), index: IntIndex::Any });
    Ok(())
}

/// `weak`, or a list of numbers and names; `!` negates all of it.
fn krb5_ticket_encryption(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let index = b.index;
    let Some(info) = index.int("krb5.ticket_etype") else { return unsupported("krb5") };
    b.require_protos(&info.protos(), "krb5.ticket_encryption")?;
    let t = a.text()?;
    let (negated, t) = match t.strip_prefix('!') {
        Some(t) => (true, t.trim()),
        None => (false, t),
    };
    // Numbers are kept as they are on the wire, in 32 bits with a sign.
    let wire = |v: i64| u64::from(v as i32 as u32);
    let test = if t == "weak" {
        let strong: Vec<u64> = crate::app::krb5::STRONG.iter().map(|v| wire(i64::from(*v))).collect();
        if negated { IntTest::OneOf(strong) } else { none_of(strong) }
    } else {
        let mut list = Vec::new();
        for p in t.split([',', ' ']).filter(|p| !p.is_empty()) {
            match info.value(p) {
                Some(v) => list.push(v),
                None => list.push(wire(num::int(p)?)),
            }
        }
        if list.is_empty() {
            return bad(format!("\"{t}\" names no encryption"));
        }
        if negated { none_of(list) } else { IntTest::OneOf(list) }
    };
    b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
    Ok(())
}

/// Any 32-bit number but these.
fn none_of(mut list: Vec<u64>) -> IntTest {
    list.sort_unstable();
    list.dedup();
    let (mut from, mut ranges) = (0, Vec::new());
    for v in list {
        if v > from {
            ranges.push((from, v - 1));
        }
        from = v + 1;
    }
    ranges.push((from, u64::from(u32::MAX)));
    IntTest::Ranges(ranges)
}

/// A number of DNP3.
fn dnp3_int<'b>(b: &mut Builder<'b, '_>, name: &'static str) -> Res<&'b IntInfo> {
    let index = b.index;
    let Some(info) = index.int(name) else { return unsupported("dnp3") };
    b.require_protos(&info.protos(), "dnp3")?;
    Ok(info)
}

/// Any of the indications is set.
fn dnp3_ind(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let info = dnp3_int(b, "dnp3.indicators")?;
    let mut mask = 0;
    for p in parts(a.text()?) {
        match info.value(p) {
            Some(bit) => mask |= bit,
            None => return bad(format!("\"{p}\" is not an indication of DNP3")),
        }
    }
    let test = IntTest::Mask { mask, value: 0, negated: true };
    b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
    Ok(())
}

/// `group,variation` of any object.
fn dnp3_obj(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let info = dnp3_int(b, "dnp3.object")?;
    let t = a.text()?;
    let Some((group, variation)) = t.split_once(',') else {
        return bad(format!("\"{t}\" is not a group and a variation"));
    };
    let value = num::uint_to(group.trim(), 255)? << 8 | num::uint_to(variation.trim(), 255)?;
    b.rule.ints.push(AppInt { name: info.name, test: IntTest::Eq(value), index: IntIndex::Any });
    Ok(())
}

/// `service[,class[,attribute]]` of one call.
fn cip_service(b: &mut Builder<'_, '_>, a: &Arg<'_>) -> Res {
    let index = b.index;
    let Some(info) = index.int("enip.cip_call") else { return unsupported("enip") };
    b.require_protos(&info.protos(), "cip_service")?;
    let (mut value, mut mask) = (0, 0);
    let mut n = 0;
    for (p, (at, most)) in parts(a.text()?).zip([(32, 0xff), (16, 0xffff), (0, 0xffff)]) {
        value |= num::uint_to(p, most)? << at;
        mask |= most << at;
        n += 1;
    }
    if parts(a.text()?).count() > n {
        return bad("write service, class and attribute");
    }
    let test = IntTest::Mask { mask, value, negated: false };
    b.rule.ints.push(AppInt { name: info.name, test, index: IntIndex::Any });
    Ok(())
}

fn ftpbounce(b: &mut Builder<'_, '_>, _: &Arg<'_>) -> Res {
    let protos = protos_named("ftp");
    if protos.is_empty() {
        return unsupported("ftp");
    }
    b.require_protos(&protos, "ftpbounce")?;
    b.rule.ints.push(AppInt { name: "ftp.bounce", test: IntTest::Eq(1), index: IntIndex::Any });
    Ok(())
}
