//! One message of EtherNet/IP (ODVA volume 2, 2-3) with the CIP in it (volume 1, 2-4 and C-1.4). In: bytes. Out: what of them
//! matters here, told to a [`Visit`].

use crate::app::plain::{be16, le16, le32};

/// Bytes of a header.
pub(super) const HEAD: usize = 24;
/// Calls of a multiple service packet that are looked at, and segments of a path.
const CALLS: usize = 64;
const SEGMENTS: usize = 16;

pub(super) const MULTIPLE: u8 = 0x0a;
const GET_LIST: u8 = 3;
const SET_LIST: u8 = 4;

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) command: u16,
    pub(super) len: u16,
    pub(super) session: u32,
    pub(super) status: u32,
    pub(super) context: [u8; 8],
}

impl Head {
    pub(super) fn read(b: &[u8]) -> Option<Head> {
        b.get(..HEAD)?;
        Some(Head {
            command: le16(b, 0)?,
            len: le16(b, 2)?,
            session: le32(b, 4)?,
            status: le32(b, 8)?,
            context: *b.get(12..)?.first_chunk()?,
        })
    }
}

/// What a device says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) version: u16,
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) product: u16,
    pub(super) revision: u16,
    pub(super) status: u16,
    pub(super) serial: u32,
    pub(super) state: u8,
}

/// The answer to a question for identities, and the name in it.
pub(super) fn identity(b: &[u8]) -> Option<(Identity, &[u8])> {
    // Count, kind and length of the item, version, address.
    if le16(b, 0)? == 0 || le16(b, 2)? != 0x0c {
        return None;
    }
    let at = 6 + 2 + 16;
    let len = usize::from(*b.get(at + 14)?);
    let name = b.get(at + 15..at + 15 + len)?;
    let id = Identity {
        version: le16(b, 6)?,
        vendor: le16(b, at)?,
        device: le16(b, at + 2)?,
        product: le16(b, at + 4)?,
        revision: be16(b, at + 6)?,
        status: le16(b, at + 8)?,
        serial: le32(b, at + 10)?,
        state: *b.get(at + 15 + len)?,
    };
    Some((id, name))
}

/// The answer to a question for services: version, capabilities, name.
pub(super) fn services(b: &[u8]) -> Option<(u16, u16, &[u8])> {
    if le16(b, 0)? == 0 {
        return None;
    }
    let name = b.get(10..26)?;
    Some((le16(b, 6)?, le16(b, 8)?, name.split(|c| *c == 0).next().unwrap_or(name)))
}

/// A part of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    Class,
    Instance,
    Attribute,
}

/// Is told of CIP.
pub(super) trait Visit {
    /// A call begins: its service; `inner`: it is one of several.
    fn request(&mut self, service: u8, inner: bool);
    /// A segment of the call's path, and bytes of its number.
    fn segment(&mut self, s: Segment, value: u32, bytes: u8);
    /// An attribute that the call lists beside its path.
    fn listed(&mut self, _attribute: u16) {}
    /// An answer: service, status, additional status.
    fn answer(&mut self, service: u8, status: u8, more: Option<u16>, inner: bool);
    /// The call or answer is complete.
    fn end(&mut self, inner: bool);
    /// Several calls (or answers) follow, or are over.
    fn several(&mut self, _begin: bool) {}
}

/// The CIP in the data of a message that carries some (volume 2, 2-6). `None`: it cannot be read.
pub(super) fn cip(b: &[u8], answer: bool, v: &mut impl Visit) -> Option<()> {
    let items = usize::from(le16(b, 6)?);
    let mut at = 8;
    for _ in 0..items.min(CALLS) {
        let (kind, len) = (le16(b, at)?, usize::from(le16(b, at + 2)?));
        let data = b.get(at + 4..at + 4 + len)?;
        match kind {
            // In a connection a number comes first.
            0xb1 => call(data.get(2..)?, answer, false, v)?,
            0xb2 => call(data, answer, false, v)?,
            _ => {}
        }
        at += 4 + len;
    }
    Some(())
}

fn call(b: &[u8], answer: bool, inner: bool, v: &mut impl Visit) -> Option<()> {
    let service = *b.first()?;
    let body = if service & 0x80 != 0 || answer {
        let words = usize::from(*b.get(3)?);
        let more = if words > 0 { Some(le16(b, 4)?) } else { None };
        v.answer(service & 0x7f, *b.get(2)?, more, inner);
        b.get(4 + 2 * words..)?
    } else {
        v.request(service, inner);
        let words = usize::from(*b.get(1)?);
        path(b.get(2..2 + 2 * words)?, v);
        let body = b.get(2 + 2 * words..)?;
        if matches!(service, GET_LIST | SET_LIST) {
            listed(service, body, v);
        }
        body
    };
    if service & 0x7f == MULTIPLE && !inner && !body.is_empty() {
        v.several(true);
        let done = each(body, answer, v);
        v.several(false);
        v.end(inner);
        return done;
    }
    v.end(inner);
    Some(())
}

/// Attributes that a call lists: how many, then each; to be set with a value of unknown length, so that the first is known.
fn listed(service: u8, b: &[u8], v: &mut impl Visit) {
    let n = if service == GET_LIST { le16(b, 0).unwrap_or(0) } else { 1 };
    for i in 0..usize::from(n).min(SEGMENTS) {
        match le16(b, 2 + 2 * i) {
            Some(a) => v.listed(a),
            None => break,
        }
    }
}

/// The calls of a multiple service packet: how many, and where each begins.
fn each(b: &[u8], answer: bool, v: &mut impl Visit) -> Option<()> {
    let n = usize::from(le16(b, 0)?);
    for i in 0..n.min(CALLS) {
        let from = usize::from(le16(b, 2 + 2 * i)?);
        let to = if i + 1 < n { usize::from(le16(b, 4 + 2 * i)?) } else { b.len() };
        call(b.get(from..to)?, answer, true, v)?;
    }
    Some(())
}

fn path(mut b: &[u8], v: &mut impl Visit) {
    for _ in 0..SEGMENTS {
        let Some((&kind, rest)) = b.split_first() else { break };
        let what = match kind & 0xfc {
            0x20 => Segment::Class,
            0x24 => Segment::Instance,
            0x30 => Segment::Attribute,
            _ => break,
        };
        // One byte; or after a filling byte two, or four.
        let (value, n) = match kind & 3 {
            0 => (rest.first().map(|v| u32::from(*v)), 1),
            1 => (le16(rest, 1).map(u32::from), 3),
            2 => (le32(rest, 1), 5),
            _ => break,
        };
        let Some(value) = value else { break };
        v.segment(what, value, 1 << (kind & 3));
        b = rest.get(n..).unwrap_or(&[]);
    }
}
