//! One LDAP message (RFC 4511 4): what its operation names. In: the message's bytes. Out: places in them.

use crate::app::plain::ber;

const INTEGER: u8 = 2;
const OCTETS: u8 = 4;
const ENUMERATED: u8 = 10;
const SEQUENCE: u8 = 0x30;

// Operations by the number of their tag (RFC 4511, appendix B).
pub(super) const BIND_REQUEST: u8 = 0;
pub(super) const BIND_RESPONSE: u8 = 1;
pub(super) const UNBIND_REQUEST: u8 = 2;
pub(super) const SEARCH_REQUEST: u8 = 3;
pub(super) const SEARCH_ENTRY: u8 = 4;
pub(super) const SEARCH_DONE: u8 = 5;
pub(super) const MODIFY_REQUEST: u8 = 6;
pub(super) const MODIFY_RESPONSE: u8 = 7;
pub(super) const ADD_REQUEST: u8 = 8;
pub(super) const ADD_RESPONSE: u8 = 9;
pub(super) const DEL_REQUEST: u8 = 10;
pub(super) const DEL_RESPONSE: u8 = 11;
pub(super) const MOD_DN_REQUEST: u8 = 12;
pub(super) const MOD_DN_RESPONSE: u8 = 13;
pub(super) const COMPARE_REQUEST: u8 = 14;
pub(super) const COMPARE_RESPONSE: u8 = 15;
pub(super) const ABANDON_REQUEST: u8 = 16;
pub(super) const SEARCH_REFERENCE: u8 = 19;
pub(super) const EXTENDED_REQUEST: u8 = 23;
pub(super) const EXTENDED_RESPONSE: u8 = 24;
pub(super) const INTERMEDIATE: u8 = 25;

/// A value: its tag, its contents.
pub(super) type Value<'m> = (u8, &'m [u8]);

/// The next value (X.690) and what follows it.
pub(super) fn next(b: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (tag, len, at) = ber(b)?;
    Some(((tag, b.get(at..at.checked_add(len)?)?), b.get(at + len..)?))
}

/// The next value if it has that tag, and what follows it.
fn expect(b: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    next(b).filter(|n| n.0.0 == tag).map(|(v, rest)| (v.1, rest))
}

pub(super) fn uint(b: &[u8]) -> Option<u64> {
    (b.len() <= 8).then(|| b.iter().fold(0, |v, x| v << 8 | u64::from(*x)))
}

/// The values of a list, one after the other.
pub(super) fn values(mut rest: &[u8]) -> impl Iterator<Item = Value<'_>> {
    core::iter::from_fn(move || {
        let (v, after) = next(rest)?;
        rest = after;
        Some(v)
    })
}

/// A message.
#[derive(Clone, Copy)]
pub(super) struct Message<'m> {
    pub id: u64,
    /// Number of the operation.
    pub kind: u8,
    pub operation: &'m [u8],
}

/// What an answer says of its request (LDAPResult, RFC 4511 4.1.9).
#[derive(Clone, Copy)]
pub(super) struct Verdict<'m> {
    pub code: u64,
    pub dn: &'m [u8],
    pub message: &'m [u8],
    /// Further values.
    pub rest: &'m [u8],
}

/// What a client searches for (RFC 4511 4.5.1).
#[derive(Clone, Copy)]
pub(super) struct Search<'m> {
    pub base: &'m [u8],
    /// Scope, aliases, sizes, times.
    pub numbers: [u64; 4],
    pub types_only: bool,
    pub attributes: &'m [u8],
}

impl<'m> Message<'m> {
    pub(super) fn read(b: &'m [u8]) -> Option<Self> {
        let (all, _) = expect(b, SEQUENCE)?;
        let (id, rest) = expect(all, INTEGER)?;
        let ((tag, operation), _) = next(rest)?;
        // Operations are of the class "application".
        (tag >> 6 == 1).then_some(Message { id: uint(id)?, kind: tag & 0x1f, operation })
    }

    /// The entry that a request is about, or that an answer shows or names.
    pub(super) fn dn(&self) -> Option<&'m [u8]> {
        match self.kind {
            // A bind's version comes before the name; an entry to be deleted is named by the operation itself.
            BIND_REQUEST => Some(expect(expect(self.operation, INTEGER)?.1, OCTETS)?.0),
            DEL_REQUEST => Some(self.operation),
            SEARCH_REQUEST | MODIFY_REQUEST | ADD_REQUEST | MOD_DN_REQUEST | COMPARE_REQUEST
            | SEARCH_ENTRY => Some(expect(self.operation, OCTETS)?.0),
            _ => self.result().map(|r| r.dn),
        }
    }

    pub(super) fn result(&self) -> Option<Verdict<'m>> {
        match self.kind {
            BIND_RESPONSE | SEARCH_DONE | MODIFY_RESPONSE | ADD_RESPONSE | DEL_RESPONSE | MOD_DN_RESPONSE
            | COMPARE_RESPONSE | EXTENDED_RESPONSE => {
                let (code, rest) = expect(self.operation, ENUMERATED)?;
                let (dn, rest) = expect(rest, OCTETS)?;
                let (message, rest) = expect(rest, OCTETS)?;
                Some(Verdict { code: uint(code)?, dn, message, rest })
            }
            _ => None,
        }
    }

    pub(super) fn search(&self) -> Option<Search<'m>> {
        let (base, mut rest) = expect(self.operation, OCTETS)?;
        let mut numbers = [0; 4];
        for n in &mut numbers {
            let ((_, v), after) = next(rest)?;
            (*n, rest) = (uint(v)?, after);
        }
        let ((_, types_only), rest) = next(rest)?;
        let (_filter, rest) = next(rest)?;
        let (attributes, _) = expect(rest, SEQUENCE)?;
        Some(Search { base, numbers, types_only: types_only != [0], attributes })
    }

    /// The list behind the entry's name: attributes of an entry, changes, what is compared.
    pub(super) fn list(&self) -> Option<&'m [u8]> {
        Some(expect(expect(self.operation, OCTETS)?.1, SEQUENCE)?.0)
    }

    /// Attribute `index` that the message names.
    pub(super) fn attribute(&self, index: u32) -> Option<&'m [u8]> {
        let index = usize::try_from(index).ok()?;
        match self.kind {
            SEARCH_REQUEST => values(self.search()?.attributes).nth(index).map(|v| v.1),
            ADD_REQUEST | SEARCH_ENTRY => {
                values(self.list()?).nth(index).and_then(|v| next(v.1)).map(|n| n.0.1)
            }
            MODIFY_REQUEST => {
                let (_, change) = values(self.list()?).nth(index)?;
                let ((_, modification), _) = next(next(change)?.1)?;
                Some(next(modification)?.0.1)
            }
            COMPARE_REQUEST => Some(next(self.list()?)?.0.1).filter(|_| index == 0),
            _ => None,
        }
    }

    /// Name and value of an extended operation or an intermediate answer: context tags `name` and `value`.
    pub(super) fn extended(&self, name: u8, value: u8) -> [Option<&'m [u8]>; 2] {
        let find = |tag| values(self.operation).find(|v| v.0 == tag).map(|v| v.1);
        [find(name), find(value)]
    }

    /// Whether the request is to go on over TLS (RFC 4511 4.14.1).
    pub(super) fn is_start_tls(&self) -> bool {
        self.kind == EXTENDED_REQUEST && self.extended(0x80, 0x81)[0] == Some(b"1.3.6.1.4.1.1466.20037")
    }
}
