//! Headers of DCERPC: version 5 over connections (C706 12.6.3) and version 4 in datagrams (C706 12.5.2). In: bytes. Out: what
//! of them matters here.

/// Bytes of a version 5 PDU's common header, of a call's or an answer's header, of a version 4 PDU's header.
pub(in crate::app) const HEAD: usize = 16;
pub(in crate::app) const CALL_HEAD: usize = 24;
pub(super) const DATAGRAM_HEAD: usize = 80;

pub(in crate::app) const REQUEST: u8 = 0;
pub(in crate::app) const RESPONSE: u8 = 2;
pub(in crate::app) const BIND: u8 = 11;
pub(in crate::app) const BIND_ACK: u8 = 12;
pub(in crate::app) const ALTER: u8 = 14;
pub(in crate::app) const ALTER_ACK: u8 = 15;

/// Names of the kinds of PDUs, by their number.
const KINDS: [&str; 20] = [
    "REQUEST",
    "PING",
    "RESPONSE",
    "FAULT",
    "WORKING",
    "NOCALL",
    "REJECT",
    "ACK",
    "CL_CANCEL",
    "FACK",
    "CANCEL_ACK",
    "BIND",
    "BINDACK",
    "BINDNAK",
    "ALTER_CONTEXT",
    "ALTER_CONTEXT_RESP",
    "AUTH3",
    "SHUTDOWN",
    "CO_CANCEL",
    "ORPHANED",
];

/// Name of a kind of PDU.
pub(super) fn kind_name(kind: u8) -> &'static str {
    KINDS.get(usize::from(kind)).copied().unwrap_or("UNKNOWN")
}

/// One PDU's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) struct Pdu {
    pub(in crate::app) kind: u8,
    pub(in crate::app) minor: u8,
    flags: u8,
    pub(in crate::app) little: bool,
    pub(in crate::app) len: usize,
    pub(in crate::app) call: u32,
}

impl Pdu {
    /// The header of a version 5 PDU. `None`: it is none.
    pub(in crate::app) fn read(b: &[u8]) -> Option<Pdu> {
        let h = b.first_chunk::<HEAD>()?;
        if h[0] != 5 || h[1] > 1 || h[2] > 19 {
            return None;
        }
        let little = h[4] & 0x10 != 0;
        let (len, call) = ([h[8], h[9]], [h[12], h[13], h[14], h[15]]);
        let (len, call) = if little {
            (u16::from_le_bytes(len), u32::from_le_bytes(call))
        } else {
            (u16::from_be_bytes(len), u32::from_be_bytes(call))
        };
        let len = usize::from(len);
        (len >= HEAD).then_some(Pdu { kind: h[2], minor: h[1], flags: h[3], little, len, call })
    }

    /// A header with whatever version and kind, of a PDU that is all there. `None`: its length says that it is not.
    pub(in crate::app) fn any(b: &[u8]) -> Option<Pdu> {
        let mut h = *b.first_chunk::<HEAD>()?;
        let (minor, kind) = (h[1], h[2]);
        (h[0], h[1], h[2]) = (5, 0, 0);
        Pdu::read(&h).filter(|p| p.len <= b.len()).map(|p| Pdu { minor, kind, ..p })
    }

    pub(super) fn u16(self, b: &[u8], at: usize) -> Option<u16> {
        let v = *b.get(at..)?.first_chunk::<2>()?;
        Some(if self.little { u16::from_le_bytes(v) } else { u16::from_be_bytes(v) })
    }

    pub(in crate::app) fn is_request(self) -> bool {
        matches!(self.kind, REQUEST | BIND | ALTER)
    }

    /// It answers a call or a bind.
    pub(in crate::app) fn is_answer(self) -> bool {
        matches!(self.kind, RESPONSE | 3 | BIND_ACK | 13 | ALTER_ACK)
    }

    pub(super) fn is_first(self) -> bool {
        self.flags & 1 != 0
    }

    pub(in crate::app) fn is_last(self) -> bool {
        self.flags & 2 != 0
    }

    /// Bytes of the PDU that are to be read at once: what follows those of a call or an answer counts as its data. As in
    /// Suricata the number of an object does, and in a connection of its own what an answer says of itself.
    pub(in crate::app) fn first(self, inside: bool) -> usize {
        match self.kind {
            RESPONSE if !inside => HEAD,
            REQUEST | RESPONSE => CALL_HEAD.min(self.len),
            k if k == 3 || !(self.is_request() || self.is_answer()) => HEAD,
            _ => self.len,
        }
    }

    /// It has data.
    pub(in crate::app) fn has_data(self) -> bool {
        matches!(self.kind, REQUEST | RESPONSE)
    }
}

/// A UUID as its text has it: on the wire the first three parts have the sender's byte order.
pub(super) fn text_order(wire: &[u8; 16], little: bool) -> [u8; 16] {
    let mut u = *wire;
    if little {
        u[..4].reverse();
        u[4..6].reverse();
        u[6..8].reverse();
    }
    u
}

/// A version 4 PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram<'b> {
    pub(super) kind: u8,
    pub(super) minor: u8,
    pub(super) activity: [u8; 16],
    pub(super) interface: [u8; 16],
    pub(super) version: u16,
    pub(super) seq: u32,
    pub(super) opnum: u16,
    /// No more fragments of the call follow.
    pub(super) last: bool,
    pub(super) data: &'b [u8],
}

impl<'b> Datagram<'b> {
    pub(super) fn read(b: &'b [u8]) -> Option<Datagram<'b>> {
        let h = b.first_chunk::<DATAGRAM_HEAD>()?;
        if h[0] & 0x0f != 4 {
            return None;
        }
        let little = h[4] & 0x10 != 0;
        let u16_at = |at: usize| {
            let v = [h[at], h[at + 1]];
            if little { u16::from_le_bytes(v) } else { u16::from_be_bytes(v) }
        };
        let u32_at = |at: usize| {
            let v = [h[at], h[at + 1], h[at + 2], h[at + 3]];
            if little { u32::from_le_bytes(v) } else { u32::from_be_bytes(v) }
        };
        let uuid = |at: usize| {
            let mut u = [0; 16];
            u.copy_from_slice(&h[at..at + 16]);
            text_order(&u, little)
        };
        let mut activity = [0; 16];
        activity.copy_from_slice(&h[40..56]);
        let rest = b.get(DATAGRAM_HEAD..).unwrap_or(&[]);
        Some(Datagram {
            kind: h[1] & 0x1f,
            minor: 0,
            // Suricata shows it so, whatever the order of the bytes.
            activity: text_order(&activity, true),
            interface: uuid(24),
            version: u32_at(60) as u16,
            seq: u32_at(64),
            opnum: u16_at(68),
            last: h[2] & 0x04 == 0 || h[2] & 0x02 != 0,
            data: rest.get(..usize::from(u16_at(74))).unwrap_or(rest),
        })
    }
}
