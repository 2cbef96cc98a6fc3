//! Messages of IKE (ISAKMP, RFC 2408 and 2409; IKEv2, RFC 7296): the header, the chain of payloads, and what proposals
//! hold. Slices go in, fields come out; nothing is kept.

use crate::app::octets::Octets;

/// Bytes of a header.
const HEADER: usize = 28;

/// The header (RFC 2408 3.1, RFC 7296 3.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Header {
    pub initiator: [u8; 8],
    pub responder: [u8; 8],
    pub next: u8,
    pub major: u8,
    pub minor: u8,
    pub exchange: u8,
    pub flags: u8,
    pub id: u32,
    pub len: u32,
}

impl Header {
    pub fn read(b: &[u8]) -> Option<Header> {
        let mut o = Octets(b);
        let (i, r) = (*o.take(8)?.first_chunk::<8>()?, *o.take(8)?.first_chunk::<8>()?);
        let (next, version, exchange, flags) = (o.u8()?, o.u8()?, o.u8()?, o.u8()?);
        Some(Header {
            initiator: i,
            responder: r,
            next,
            major: version >> 4,
            minor: version & 15,
            exchange,
            flags,
            id: o.u32()?,
            len: o.u32()?,
        })
    }

    /// Version 1: what follows the header is encrypted.
    pub const fn is_encrypted(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// A payload: its type and what follows its own header.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    pub kind: u8,
    pub body: &'a [u8],
}

/// The payloads of a message in their order (RFC 2408 3.2, RFC 7296 3.2).
pub struct Payloads<'a> {
    next: u8,
    last: u8,
    rest: Octets<'a>,
    broken: bool,
}

/// Version 2: what is encrypted is the last payload, whole or a part of it (RFC 7383); its own "next" is inside.
pub const ENCRYPTED: u8 = 46;
pub const FRAGMENT: u8 = 53;

impl<'a> Payloads<'a> {
    /// Of a whole message.
    pub fn of(msg: &'a [u8], h: &Header) -> Payloads<'a> {
        let end = (h.len as usize).clamp(HEADER, msg.len().max(HEADER));
        Payloads {
            next: h.next,
            last: if h.major == 2 { ENCRYPTED } else { 0 },
            rest: Octets(msg.get(HEADER..end).unwrap_or(&[])),
            broken: h.len as usize > msg.len(),
        }
    }

    /// A payload was longer than the message, or too short to be one.
    pub fn is_broken(&self) -> bool {
        self.broken
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Payload<'a>;

    fn next(&mut self) -> Option<Payload<'a>> {
        if self.next == 0 || self.broken {
            return None;
        }
        let kind = self.next;
        let mut read = || {
            let next = self.rest.u8()?;
            self.rest.u8()?;
            let len = usize::from(self.rest.u16()?).checked_sub(4)?;
            Some((next, self.rest.take(len)?))
        };
        let Some((next, body)) = read() else {
            self.broken = true;
            return None;
        };
        let ends = self.last != 0 && matches!(kind, ENCRYPTED | FRAGMENT);
        self.next = if ends { 0 } else { next };
        Some(Payload { kind, body })
    }
}

/// Things that stand one after the other behind a header of the same form as a payload's: proposals, and transforms.
fn chain<'a>(o: &mut Octets<'a>) -> Option<&'a [u8]> {
    let mut ahead = *o;
    ahead.take(2)?;
    let len = usize::from(ahead.u16()?).checked_sub(4)?;
    let body = ahead.take(len)?;
    *o = ahead;
    Some(body)
}

/// A proposal (RFC 2408 3.5, RFC 7296 3.3.1).
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    pub protocol: u8,
    transforms: &'a [u8],
}

/// The proposals of a security association; `v1`: behind its domain of interpretation and situation.
pub fn proposals(body: &[u8], v1: bool) -> impl Iterator<Item = Proposal<'_>> {
    let mut o = Octets(if v1 { body.get(8..).unwrap_or(&[]) } else { body });
    core::iter::from_fn(move || {
        let mut p = Octets(chain(&mut o)?);
        p.u8()?;
        let protocol = p.u8()?;
        let spi = p.u8()?;
        p.u8()?;
        p.take(usize::from(spi))?;
        Some(Proposal { protocol, transforms: p.0 })
    })
}

/// The domain of interpretation of a security association of version 1.
pub fn doi(body: &[u8]) -> Option<u32> {
    Octets(body).u32()
}

/// A transform: its type (of version 2) and number, and its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Transform<'a> {
    pub kind: u8,
    pub id: u16,
    attributes: &'a [u8],
}

impl<'a> Proposal<'a> {
    pub fn transforms(&self, v1: bool) -> impl Iterator<Item = Transform<'a>> + use<'a> {
        let mut o = Octets(self.transforms);
        core::iter::from_fn(move || {
            let mut t = Octets(chain(&mut o)?);
            let (a, b) = (t.u8()?, t.u8()?);
            let last = t.u16()?;
            // Number, id and two bytes more; or type, one byte more, and id.
            let (kind, id) = if v1 { (a, u16::from(b)) } else { (a, last) };
            Some(Transform { kind, id, attributes: t.0 })
        })
    }
}

/// An attribute (RFC 2408 3.3): its type, and its value if it is a number of no more than four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub kind: u16,
    pub value: Option<u32>,
}

impl<'a> Transform<'a> {
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> + use<'a> {
        let mut o = Octets(self.attributes);
        core::iter::from_fn(move || {
            let kind = o.u16()?;
            if kind & 0x8000 != 0 {
                return Some(Attribute { kind: kind & 0x7fff, value: Some(u32::from(o.u16()?)) });
            }
            let bytes = o.sized16()?;
            let small = (1..=4).contains(&bytes.len());
            let value = bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
            Some(Attribute { kind, value: small.then_some(value) })
        })
    }
}
