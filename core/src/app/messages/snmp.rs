//! SNMP (RFC 1157, RFC 3416, RFC 3412): version, community, user, kind of message, names of its variables.

use core::fmt;

use super::{BOTH, Format, field, number, parser};
use crate::Dir;
use crate::app::plain::{SNMP_BEGINS, ber};
use crate::app::{BufferDef, IntDef, OVER_UDP, ProtoDef, event_at};
use crate::event::Fields;

pub static SNMP: ProtoDef = ProtoDef {
    name: "snmp",
    over: OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: SNMP_BEGINS,
    parser: parser::<Snmp>(),
    record: "snmp",
    by_message: true,
    ..ProtoDef::NONE
};

static BUFFERS: &[BufferDef] =
    &[field("snmp.community", BOTH, false), BufferDef { progress: 1, ..field("snmp.usm", BOTH, false) }];

static INTS: &[IntDef] =
    &[number("snmp.version", &[]), number("snmp.pdu_type", &[]), number("snmp.trap_type", TRAPS)];

/// `generic-trap` of RFC 1157.
static TRAPS: &[(&str, u64)] = &[
    ("cold_start", 0),
    ("warm_start", 1),
    ("link_down", 2),
    ("link_up", 3),
    ("authentication_failure", 4),
    ("egp_neighbor_loss", 5),
    ("enterprise_specific", 6),
];

static EVENTS: &[&str] = &["malformed_data", "unknown_security_model", "version_mismatch"];
const MALFORMED: u8 = event_at(EVENTS, "malformed_data");
const SECURITY: u8 = event_at(EVENTS, "unknown_security_model");

/// The next value of `b` (X.690): its tag, its contents, what follows.
fn next(b: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, len, at) = ber(b)?;
    Some((tag, b.get(at..at.checked_add(len)?)?, b.get(at + len..)?))
}

/// The same, of a given tag.
fn expect(b: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    next(b).filter(|n| n.0 == tag).map(|n| (n.1, n.2))
}

const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const SEQUENCE: u8 = 0x30;

/// What a message says.
#[derive(Default)]
struct Parts<'m> {
    /// 1, 2 or 3.
    version: u64,
    community: Option<&'m [u8]>,
    user: Option<&'m [u8]>,
    /// The inner part's tag and contents, where it is not encrypted.
    inner: Option<(u8, &'m [u8])>,
    model: u64,
}

fn uint(b: &[u8]) -> Option<u64> {
    (b.len() <= 8).then(|| b.iter().fold(0, |v, x| v << 8 | u64::from(*x)))
}

fn parts(msg: &[u8]) -> Option<Parts<'_>> {
    let (all, _) = expect(msg, SEQUENCE)?;
    let (version, rest) = expect(all, INTEGER)?;
    let mut p = Parts { version: uint(version)?, ..Parts::default() };
    match p.version {
        0 | 1 => {
            p.version += 1;
            let (community, rest) = expect(rest, OCTETS)?;
            let (tag, inner, _) = next(rest)?;
            (p.community, p.inner) = (Some(community), Some((tag, inner)));
        }
        3 => {
            let (head, rest) = expect(rest, SEQUENCE)?;
            let (_, after) = expect(head, INTEGER)?;
            let (_, after) = expect(after, INTEGER)?;
            let (_, after) = expect(after, OCTETS)?;
            p.model = uint(expect(after, INTEGER)?.0)?;
            let (security, rest) = expect(rest, OCTETS)?;
            if p.model == 3 {
                // Engine, boots and time come before the user's name (RFC 3414 2.4).
                let (usm, _) = expect(security, SEQUENCE)?;
                let (_, after) = expect(usm, OCTETS)?;
                let (_, after) = expect(after, INTEGER)?;
                let (_, after) = expect(after, INTEGER)?;
                p.user = Some(expect(after, OCTETS)?.0);
            }
            p.inner = expect(rest, SEQUENCE).and_then(|(scoped, _)| {
                let (_, after) = expect(scoped, OCTETS)?;
                let (_, after) = expect(after, OCTETS)?;
                next(after).map(|n| (n.0, n.1))
            });
        }
        _ => return None,
    }
    Some(p)
}

/// Messages by their tag's number (RFC 3416 3, RFC 1157 4.1).
const KINDS: [&str; 9] = [
    "get_request",
    "get_next_request",
    "response",
    "set_request",
    "trap_v1",
    "get_bulk_request",
    "inform_request",
    "trap_v2",
    "report",
];

/// `generic-trap` as RFC 1157 writes it.
const GENERIC: [&str; 7] = [
    "coldStart",
    "warmStart",
    "linkDown",
    "linkUp",
    "authenticationFailure",
    "egpNeighborLoss",
    "enterpriseSpecific",
];

const OBJECT: u8 = 6;
const TRAP_V1: u8 = 4;

/// An object's name with dots (X.690 8.19).
struct Oid<'m>(&'m [u8]);

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut arc, mut first) = (0u64, true);
        for b in self.0 {
            arc = arc << 7 | u64::from(b & 0x7f);
            if b & 0x80 != 0 {
                continue;
            }
            if first {
                // The first two share a number.
                let top = (arc / 40).min(2);
                write!(f, "{top}.{}", arc - top * 40)?;
            } else {
                write!(f, ".{arc}")?;
            }
            (arc, first) = (0, false);
        }
        Ok(())
    }
}

/// The list of variables in a message of that tag.
fn variables((tag, inner): (u8, &[u8])) -> Option<&[u8]> {
    // A trap of version 1 has five values before it; others have three.
    let before = if tag & 0x1f == TRAP_V1 { 5 } else { 3 };
    let mut rest = inner;
    for _ in 0..before {
        rest = next(rest)?.2;
    }
    Some(expect(rest, SEQUENCE)?.0)
}

fn log_trap(inner: &[u8], out: &mut dyn Fields) -> Option<()> {
    let (oid, rest) = expect(inner, OBJECT)?;
    let (_, address, rest) = next(rest)?;
    let kind = uint(expect(rest, INTEGER)?.0)?;
    match usize::try_from(kind).ok().and_then(|k| GENERIC.get(k)) {
        Some(name) => out.str("trap_type", name),
        None => out.fmt("trap_type", format_args!("{kind}")),
    }
    out.fmt("trap_oid", format_args!("{}", Oid(oid)));
    if let [a, b, c, d] = address {
        out.fmt("trap_address", format_args!("{a}.{b}.{c}.{d}"));
    }
    Some(())
}

fn log_variables(inner: (u8, &[u8]), out: &mut dyn Fields) {
    let mut rest = variables(inner).unwrap_or(&[]);
    if rest.is_empty() {
        return;
    }
    out.begin_array("vars");
    while let Some((pair, after)) = expect(rest, SEQUENCE) {
        if let Some((oid, _)) = expect(pair, OBJECT) {
            out.fmt("", format_args!("{}", Oid(oid)));
        }
        rest = after;
    }
    out.end_array();
}

pub(super) struct Snmp;

impl Format for Snmp {
    const BROKEN: Option<u8> = Some(MALFORMED);

    fn read(msg: &[u8], _: Dir) -> Option<u128> {
        let p = parts(msg)?;
        Some(if p.version == 3 && p.model != 3 { 1 << SECURITY } else { 0 })
    }

    fn text(msg: &[u8], local: u8, index: u32) -> Option<&[u8]> {
        let p = parts(msg).filter(|_| index == 0)?;
        if local == 0 { p.community } else { p.user }
    }

    fn number(msg: &[u8], local: u8, _: u32) -> Option<u64> {
        let p = parts(msg)?;
        let kind = p.inner.map(|i| u64::from(i.0 & 0x1f));
        match local {
            0 => Some(p.version),
            1 => kind,
            _ => {
                let (_, inner) = p.inner.filter(|i| i.0 & 0x1f == 4)?;
                // Enterprise and agent's address come before.
                let (_, _, rest) = next(inner)?;
                let (_, _, rest) = next(rest)?;
                uint(expect(rest, INTEGER)?.0)
            }
        }
    }

    fn log(msg: &[u8], _: Dir, out: &mut dyn Fields) {
        let Some(p) = parts(msg) else { return };
        out.u64("version", p.version);
        let Some(inner) = p.inner else {
            out.str("pdu_type", "encrypted");
            if let Some(user) = p.user {
                out.bytes("usm", user);
            }
            return;
        };
        match KINDS.get(usize::from(inner.0 & 0x1f)) {
            Some(name) => out.str("pdu_type", name),
            None => out.fmt("pdu_type", format_args!("{}", inner.0 & 0x1f)),
        }
        if inner.0 & 0x1f == TRAP_V1 {
            let _none = log_trap(inner.1, out);
        }
        log_variables(inner, out);
        if let Some(community) = p.community {
            out.bytes("community", community);
        }
        if let Some(user) = p.user {
            out.bytes("usm", user);
        }
    }
}
