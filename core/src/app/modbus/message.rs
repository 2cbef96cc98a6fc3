//! One message of Modbus/TCP (Modbus Messaging on TCP/IP 1.0b, Modbus Application Protocol 1.1b3). In: its bytes. Out: what it says,
//! and what is wrong with it.

use super::names::{access, category, error};
use crate::app::plain::be16;

/// Bytes of a header, with the unit.
pub(super) const HEAD: usize = 7;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'b> {
    pub(super) transaction: u16,
    pub(super) protocol: u16,
    pub(super) unit: u8,
    pub(super) function: u8,
    pub(super) access: u8,
    pub(super) category: u8,
    pub(super) errors: u8,
    pub(super) data: Data<'b>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Data<'b> {
    #[default]
    Empty,
    Exception(u8),
    Diagnostic(u16, &'b [u8]),
    Interface(u8, &'b [u8]),
    /// Asks for so many from an address on.
    Read {
        address: u16,
        quantity: u16,
    },
    /// What was read.
    Values(&'b [u8]),
    Write {
        address: u16,
        value: u16,
    },
    /// Several, or the answer to that.
    Several {
        address: u16,
        quantity: u16,
        values: &'b [u8],
    },
    Mask {
        address: u16,
        and: u16,
        or: u16,
    },
    Both {
        read: (u16, u16),
        address: u16,
        quantity: u16,
        values: &'b [u8],
    },
    Bytes(&'b [u8]),
}

/// What is read of the body, and whether it has a wrong length or values.
fn body(function: u8, b: &[u8], answer: bool) -> Option<(Data<'_>, u8)> {
    let pair = || Some((be16(b, 0)?, be16(b, 2)?));
    let exact = |n: usize| if b.len() == n { 0 } else { error::LENGTH };
    let quantity = |q: u16, most: u16| if (1..=most).contains(&q) { 0 } else { error::VALUE };
    Some(match (function, answer) {
        (1..=4, false) => {
            let (address, q) = pair()?;
            let most = if function < 3 { 2000 } else { 125 };
            (Data::Read { address, quantity: q }, exact(4) | quantity(q, most))
        }
        (1..=4 | 23, true) => {
            let (n, values) = b.split_first()?;
            let wrong = if usize::from(*n) == values.len() { 0 } else { error::LENGTH };
            (Data::Values(values), wrong)
        }
        (5 | 6, _) => {
            let (address, value) = pair()?;
            let wrong = if function == 5 && !matches!(value, 0 | 0xff00) { error::VALUE } else { 0 };
            (Data::Write { address, value }, exact(4) | wrong)
        }
        (15 | 16, true) => {
            let (address, quantity) = pair()?;
            (Data::Several { address, quantity, values: &[] }, exact(4))
        }
        (15 | 16, false) => {
            let (address, q) = pair()?;
            let (n, values) = b.get(4..)?.split_first()?;
            let (most, bytes) =
                if function == 15 { (1968, usize::from(q).div_ceil(8)) } else { (123, usize::from(q) * 2) };
            let wrong = if usize::from(*n) != bytes { error::VALUE } else { 0 };
            let short = if usize::from(*n) != values.len() { error::LENGTH } else { 0 };
            (Data::Several { address, quantity: q, values }, wrong | short | quantity(q, most))
        }
        (22, _) => {
            let (address, and) = pair()?;
            (Data::Mask { address, and, or: be16(b, 4)? }, exact(6))
        }
        (23, false) => {
            let (read, (address, q)) = (pair()?, (be16(b, 4)?, be16(b, 6)?));
            let (n, values) = b.get(8..)?.split_first()?;
            let wrong = if usize::from(*n) != usize::from(q) * 2 { error::VALUE } else { 0 };
            let short = if usize::from(*n) != values.len() { error::LENGTH } else { 0 };
            let wrong = wrong | short | quantity(read.1, 125) | quantity(q, 121);
            (Data::Both { read, address, quantity: q, values }, wrong)
        }
        (8, _) => (Data::Diagnostic(be16(b, 0)?, b.get(2..)?), 0),
        (43, _) => {
            let (kind, data) = b.split_first()?;
            (Data::Interface(*kind, data), 0)
        }
        _ if b.is_empty() => (Data::Empty, 0),
        _ => (Data::Bytes(b), 0),
    })
}

/// Reads a whole message. `None`: it has no function.
pub(super) fn read(b: &[u8], answer: bool) -> Option<Message<'_>> {
    let (transaction, protocol) = (be16(b, 0)?, be16(b, 2)?);
    let (unit, raw, rest) = (*b.get(6)?, *b.get(7)?, b.get(8..)?);
    let failed = answer && raw & 0x80 != 0;
    let function = if failed { raw & 0x7f } else { raw };
    let (data, mut errors) = if failed {
        let code = rest.first().copied().unwrap_or(0);
        let known = matches!(code, 1..=8 | 10 | 11);
        let wrong = if known { 0 } else { error::EXCEPTION };
        (Data::Exception(code), wrong | if rest.len() == 1 { 0 } else { error::LENGTH })
    } else {
        body(function, rest, answer).unwrap_or((Data::Bytes(rest), error::LENGTH))
    };
    if protocol != 0 {
        errors |= error::PROTOCOL;
    }
    if function == 0 || function > 127 {
        errors |= error::FUNCTION;
    }
    let sub = match data {
        Data::Diagnostic(sub, _) => Some(sub),
        Data::Interface(kind, _) => Some(u16::from(kind)),
        _ => None,
    };
    let category = category::of(function, sub);
    Some(Message {
        transaction,
        protocol,
        unit,
        function,
        access: access::of(function),
        category,
        errors,
        data,
    })
}

impl Message<'_> {
    /// The first and the last address that is read or written, counted from 1.
    pub(super) fn addresses(&self) -> Option<(u16, u16)> {
        let (address, n) = match self.data {
            Data::Read { address, quantity } | Data::Several { address, quantity, .. } => (address, quantity),
            Data::Write { address, .. } | Data::Mask { address, .. } => (address, 1),
            Data::Both { read, .. } => read,
            _ => return None,
        };
        Some((address.saturating_add(1), address.saturating_add(n.max(1))))
    }

    /// The `n`th address that is written, counted from 1, and its value.
    pub(super) fn value(&self, n: u32) -> Option<(u16, u16)> {
        let (address, quantity, values) = match self.data {
            Data::Write { address, value } if n == 0 => return Some((address.saturating_add(1), value)),
            Data::Several { address, quantity, values } | Data::Both { address, quantity, values, .. } => {
                (address, quantity, values)
            }
            _ => return None,
        };
        if n >= u32::from(quantity) {
            return None;
        }
        let i = n as usize;
        let value = if self.access & access::COILS != 0 {
            u16::from(values.get(i / 8)? >> (i % 8) & 1)
        } else {
            be16(values, 2 * i)?
        };
        Some((address.saturating_add(n as u16).saturating_add(1), value))
    }

    /// Whether it answers that request, by what both say.
    pub(super) fn answers(&self, request: &Message<'_>) -> bool {
        if self.unit != request.unit || self.function != request.function {
            return false;
        }
        match (self.data, request.data) {
            (Data::Values(v), Data::Read { quantity, .. }) if self.function < 3 => {
                v.len() == usize::from(quantity).div_ceil(8)
            }
            (Data::Values(v), Data::Read { quantity, .. } | Data::Both { read: (_, quantity), .. }) => {
                v.len() == usize::from(quantity) * 2
            }
            (Data::Several { address, quantity, .. }, Data::Several { address: a, quantity: q, .. }) => {
                (address, quantity) == (a, q)
            }
            (Data::Write { .. } | Data::Mask { .. }, _) => self.data == request.data,
            (Data::Diagnostic(a, _), Data::Diagnostic(b, _)) => a == b,
            (Data::Interface(a, _), Data::Interface(b, _)) => a == b,
            _ => true,
        }
    }
}
