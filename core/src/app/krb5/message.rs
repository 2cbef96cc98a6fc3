//! One Kerberos message (RFC 4120 5.4 and 5.9, in the encoding of X.690). In: its bytes. Out: what of it matters here.

use crate::app::plain::ber;

pub(super) const AS_REQ: u8 = 10;
pub(super) const AS_REP: u8 = 11;
pub(super) const TGS_REQ: u8 = 12;
pub(super) const TGS_REP: u8 = 13;
pub(super) const AP_REQ: u8 = 14;
pub(super) const AP_REP: u8 = 15;
pub(super) const ERROR: u8 = 30;

/// A message. Names are sequences of general strings, see [`names`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Message<'b> {
    pub(super) kind: u8,
    pub(super) client: Option<&'b [u8]>,
    pub(super) realm: Option<&'b [u8]>,
    pub(super) server: Option<&'b [u8]>,
    pub(super) encryption: Option<i32>,
    pub(super) ticket: Option<i32>,
    pub(super) error: Option<i32>,
}

/// Identifier and contents of the value that begins `b`, and what follows it.
fn value(b: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (id, len, head) = ber(b)?;
    let end = head.checked_add(len)?;
    Some((id, b.get(head..end)?, b.get(end..).unwrap_or(&[])))
}

fn contents(b: &[u8], id: u8) -> Option<&[u8]> {
    value(b).filter(|v| v.0 == id).map(|v| v.1)
}

/// The field of a sequence with that context tag.
fn field(seq: &[u8], tag: u8) -> Option<&[u8]> {
    let mut rest = seq;
    while let Some((id, v, next)) = value(rest) {
        if id == 0xa0 | tag {
            return Some(v);
        }
        rest = next;
    }
    None
}

/// An integer of at most four bytes.
fn integer(b: &[u8]) -> Option<i32> {
    let v = contents(b, 2)?;
    let (first, _) = v.split_first()?;
    if v.len() > 4 {
        return None;
    }
    Some(v.iter().fold(if *first >= 0x80 { -1 } else { 0 }, |n: i32, b| n << 8 | i32::from(*b)))
}

/// The strings of a principal's name.
fn principal(b: &[u8]) -> Option<&[u8]> {
    contents(field(contents(b, 0x30)?, 1)?, 0x30)
}

/// General strings, one after the other.
pub(super) fn names(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (0x1b, name, rest) = value(list)? else { return None };
        list = rest;
        Some(name)
    })
}

/// The encryption of an encrypted part.
fn encryption(b: &[u8]) -> Option<i32> {
    integer(field(contents(b, 0x30)?, 0)?)
}

/// The kind of a message, if it is one. Its tag has the class of applications.
pub(super) fn kind(m: &[u8]) -> Option<u8> {
    let (id, _, _) = ber(m)?;
    (id & 0xe0 == 0x60).then_some(id & 0x1f)
}

/// Reads a message; of requests, as in Suricata, the kind alone. `None`: what it must have is not there.
pub(super) fn read(m: &[u8]) -> Option<Message<'_>> {
    let kind = kind(m)?;
    let (_, body, _) = value(m)?;
    let mut out = Message { kind, ..Message::default() };
    match kind {
        AS_REP | TGS_REP => {
            let body = contents(body, 0x30)?;
            out.realm = Some(contents(field(body, 3)?, 0x1b)?);
            out.client = Some(principal(field(body, 4)?)?);
            let ticket = contents(contents(field(body, 5)?, 0x61)?, 0x30)?;
            out.server = Some(principal(field(ticket, 2)?)?);
            out.ticket = Some(encryption(field(ticket, 3)?)?);
            out.encryption = Some(encryption(field(body, 6)?)?);
        }
        ERROR => {
            let body = contents(body, 0x30)?;
            out.error = Some(integer(field(body, 6)?)?);
            out.realm = field(body, 7).and_then(|r| contents(r, 0x1b));
            out.client = field(body, 8).and_then(principal);
            out.server = Some(principal(field(body, 10)?)?);
        }
        _ => {}
    }
    Some(out)
}
