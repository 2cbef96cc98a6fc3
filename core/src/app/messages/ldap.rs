//! LDAP (RFC 4511): operations, names and results.

use super::{BOTH, Ends, Format, REQUESTS, RESPONSES, field, parser};
use crate::Dir;
use crate::app::plain::{LDAP_BEGINS, ber};
use crate::app::{BufferDef, IntDef, OVER_TCP, OVER_UDP, ProtoDef};

pub static LDAP: ProtoDef = ProtoDef {
    name: "ldap",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    recognise: LDAP_BEGINS,
    parser: parser::<Ldap>(),
    ..ProtoDef::NONE
};

static BUFFERS: &[BufferDef] = &[
    field("ldap.request.dn", REQUESTS, false),
    field("ldap.responses.dn", RESPONSES, false),
    field("ldap.responses.message", RESPONSES, false),
];

static INTS: &[IntDef] = &[
    IntDef { dirs: REQUESTS, ..super::number("ldap.request.operation", OPERATIONS) },
    IntDef { dirs: RESPONSES, ..super::number("ldap.responses.operation", OPERATIONS) },
    IntDef { dirs: RESPONSES, ..super::number("ldap.responses.result_code", RESULTS) },
    IntDef { dirs: BOTH, ..super::number("ldap.message_id", &[]) },
];

/// Tags of the operations (RFC 4511, appendix B).
static OPERATIONS: &[(&str, u64)] = &[
    ("bind_request", 0),
    ("bind_response", 1),
    ("unbind_request", 2),
    ("search_request", 3),
    ("search_result_entry", 4),
    ("search_result_done", 5),
    ("modify_request", 6),
    ("modify_response", 7),
    ("add_request", 8),
    ("add_response", 9),
    ("del_request", 10),
    ("del_response", 11),
    ("mod_dn_request", 12),
    ("mod_dn_response", 13),
    ("compare_request", 14),
    ("compare_response", 15),
    ("abandon_request", 16),
    ("search_result_reference", 19),
    ("extended_request", 23),
    ("extended_response", 24),
    ("intermediate_response", 25),
];

/// Results (RFC 4511 4.1.9).
static RESULTS: &[(&str, u64)] = &[
    ("success", 0),
    ("operations_error", 1),
    ("protocol_error", 2),
    ("time_limit_exceeded", 3),
    ("size_limit_exceeded", 4),
    ("no_such_object", 32),
    ("invalid_dn_syntax", 34),
    ("invalid_credentials", 49),
    ("insufficient_access_rights", 50),
    ("busy", 51),
    ("unavailable", 52),
    ("unwilling_to_perform", 53),
    ("entry_already_exists", 68),
    ("other", 80),
];

const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const ENUMERATED: u8 = 10;

pub(super) struct Ldap;

/// The next value: tag, contents, what follows.
fn next(b: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, len, at) = ber(b)?;
    Some((tag, b.get(at..at.checked_add(len)?)?, b.get(at + len..)?))
}

fn expect(b: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    next(b).filter(|n| n.0 == tag).map(|n| (n.1, n.2))
}

fn uint(b: &[u8]) -> Option<u64> {
    (b.len() <= 8).then(|| b.iter().fold(0, |v, x| v << 8 | u64::from(*x)))
}

/// Number of the message, tag of its operation, the operation.
fn parts(msg: &[u8]) -> Option<(u64, u8, &[u8])> {
    let (all, _) = expect(msg, 0x30)?;
    let (id, rest) = expect(all, INTEGER)?;
    let (tag, operation, _) = next(rest)?;
    // Operations are of the class "application".
    (tag >> 6 == 1).then_some((uint(id)?, tag & 0x1f, operation))
}

impl Format for Ldap {
    fn read(msg: &[u8], _: Dir) -> Option<u128> {
        parts(msg).map(|_| 0)
    }

    fn log(_: &[u8], _: Dir, _: &mut dyn crate::event::Fields) {}

    fn text(msg: &[u8], local: u8, index: u32) -> Option<&[u8]> {
        let (_, kind, operation) = parts(msg).filter(|_| index == 0)?;
        match (local, kind) {
            // A bind's version comes before the name; an entry to be deleted is named by the operation itself.
            (0, 0) => Some(expect(expect(operation, INTEGER)?.1, OCTETS)?.0),
            (0, 3 | 6 | 8 | 12 | 14) => Some(expect(operation, OCTETS)?.0),
            (0, 10) => Some(operation),
            (1, 4) => Some(expect(operation, OCTETS)?.0),
            (1 | 2, 1 | 5 | 7 | 9 | 11 | 13 | 15 | 24) => {
                let (dn, rest) = expect(expect(operation, ENUMERATED)?.1, OCTETS)?;
                if local == 1 { Some(dn) } else { Some(expect(rest, OCTETS)?.0) }
            }
            _ => None,
        }
    }

    fn number(msg: &[u8], local: u8, _: u32) -> Option<u64> {
        let (id, kind, operation) = parts(msg)?;
        match local {
            0 | 1 => Some(u64::from(kind)),
            2 => uint(expect(operation, ENUMERATED)?.0),
            _ => Some(id),
        }
    }

    fn ends(bytes: &[u8]) -> Ends {
        match ber(bytes) {
            Some((0x30, len, at)) => match at.checked_add(len) {
                Some(n) if n <= bytes.len() => Ends::At(n),
                Some(n) => Ends::More(n),
                None => Ends::Never,
            },
            None if bytes.len() < 6 && bytes.first() == Some(&0x30) => Ends::More(bytes.len() + 1),
            _ => Ends::Never,
        }
    }
}
