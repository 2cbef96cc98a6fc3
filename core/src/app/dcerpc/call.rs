//! What is kept of a call, a bind or an alteration of contexts, and what a connection has bound. In: PDUs, with the bytes of
//! their data. Out: what rules ask for, and the fields of records (`dcerpc`, and `smb.dcerpc`, which differ a little).

use super::pdu::{ALTER, BIND, Pdu, RESPONSE, kind_name, text_order};
use super::{REQUEST, pdu};
use crate::Dir;
use crate::app::Buffer;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Interfaces that a connection may bind.
const CONTEXTS: usize = 16;
/// Bytes of the data of a call, or of its answer, that rules see.
const STUB: usize = 256 << 10;
/// Bytes of an interface in [`Call::interfaces`]: number of the context, UUID, version, minor version, answered, result.
const ENTRY: usize = 25;

/// An interface with its number in the connection.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
    id: u16,
    uuid: [u8; 16],
    version: [u16; 2],
    /// It was bound by a first fragment.
    first: bool,
    /// The server's answer: 0 accepts it.
    answer: Option<u16>,
}

impl Context {
    fn entry(&self) -> [u8; ENTRY] {
        let mut e = [0; ENTRY];
        e[..2].copy_from_slice(&self.id.to_le_bytes());
        e[2..18].copy_from_slice(&self.uuid);
        e[18..20].copy_from_slice(&self.version[0].to_le_bytes());
        e[20..22].copy_from_slice(&self.version[1].to_le_bytes());
        if let Some(result) = self.answer {
            e[22] = 1;
            e[23..].copy_from_slice(&result.to_le_bytes());
        }
        e
    }
}

/// What a connection bound.
#[derive(Debug, Default)]
pub(in crate::app) struct Bound {
    list: [Context; CONTEXTS],
    len: usize,
}

impl Bound {
    fn find(&mut self, id: u16) -> Option<&mut Context> {
        self.list.iter_mut().take(self.len).find(|c| c.id == id)
    }
}

/// A call and its answer.
#[derive(Debug, Default)]
pub(in crate::app) struct Call {
    pub(in crate::app) id: u32,
    /// Kinds of the request and of its answer.
    pub(in crate::app) request: Option<u8>,
    pub(in crate::app) answer: Option<u8>,
    pub(in crate::app) opnum: Option<u16>,
    /// The last fragment was seen, of each direction.
    pub(in crate::app) whole: [bool; 2],
    pub(in crate::app) minor: u8,
    pub(in crate::app) little: [bool; 2],
    fragments: [u32; 2],
    stub: [PBuf; 2],
    stub_len: [u64; 2],
    /// Entries of what a bind asks for, or of what a call calls.
    interfaces: PBuf,
    /// UUID, version (little-endian), 1 when rules without `any_frag` mean it.
    iface: [u8; 19],
    known: bool,
}

impl Call {
    /// A request: what it calls, or what it binds.
    pub(in crate::app) fn asked(&mut self, pdu: Pdu, b: &[u8], bound: &mut Bound, pool: &mut BytePool) {
        let again = self.request.is_some();
        (self.id, self.request, self.minor, self.little[0]) =
            (pdu.call, Some(pdu.kind), pdu.minor, pdu.little);
        self.whole[0] = pdu.is_last();
        self.fragments[0] = self.fragments[0].saturating_add(1);
        match pdu.kind {
            REQUEST if !again => {
                let _short = self.calls(pdu, b, bound, pool);
            }
            BIND | ALTER => {
                self.whole[0] = true;
                let _short = self.binds(pdu, b, bound, pool);
            }
            _ => {}
        }
    }

    /// A PDU of another kind.
    pub(in crate::app) fn other(&mut self, pdu: Pdu) {
        (self.id, self.request, self.minor) = (pdu.call, Some(pdu.kind), pdu.minor);
        self.whole[0] = true;
    }

    fn calls(&mut self, pdu: Pdu, b: &[u8], bound: &mut Bound, pool: &mut BytePool) -> Option<()> {
        let (context, opnum) = (pdu.u16(b, 20)?, pdu.u16(b, 22)?);
        self.opnum = Some(opnum);
        let c = *bound.find(context)?;
        // Without room the record does not name it.
        let _full = self.interfaces.extend(pool, &c.entry());
        if c.answer == Some(0) {
            self.calls_interface(&c.uuid, c.version[0], c.first);
        }
        Some(())
    }

    /// The interface that is called.
    pub(super) fn calls_interface(&mut self, uuid: &[u8; 16], version: u16, first: bool) {
        self.known = true;
        self.iface[..16].copy_from_slice(uuid);
        self.iface[16..18].copy_from_slice(&version.to_le_bytes());
        self.iface[18] = u8::from(first);
    }

    fn binds(&mut self, pdu: Pdu, b: &[u8], bound: &mut Bound, pool: &mut BytePool) -> Option<()> {
        let n = *b.get(24)?;
        let mut at = 28;
        for _ in 0..n {
            let id = pdu.u16(b, at)?;
            let syntaxes = usize::from(*b.get(at + 2)?);
            let uuid = text_order(b.get(at + 4..)?.first_chunk::<16>()?, pdu.little);
            let version = [pdu.u16(b, at + 20)?, pdu.u16(b, at + 22)?];
            let c = Context { id, uuid, version, first: pdu.is_first(), answer: None };
            let place = bound.list.iter().take(bound.len).position(|c| c.id == id).unwrap_or(bound.len);
            if let Some(slot) = bound.list.get_mut(place) {
                *slot = c;
                bound.len = bound.len.max(place + 1);
            }
            let _full = self.interfaces.extend(pool, &c.entry());
            at += 24 + 20 * syntaxes;
        }
        Some(())
    }

    /// An answer.
    pub(in crate::app) fn answered(&mut self, pdu: Pdu, b: &[u8], bound: &mut Bound, pool: &mut BytePool) {
        if self.request.is_none() {
            (self.id, self.minor) = (pdu.call, pdu.minor);
        }
        (self.answer, self.little[1]) = (Some(pdu.kind), pdu.little);
        self.whole[1] = pdu.is_last() || !pdu.has_data();
        self.fragments[1] = self.fragments[1].saturating_add(1);
        if matches!(pdu.kind, pdu::BIND_ACK | pdu::ALTER_ACK) {
            let _short = self.accepted(pdu, b, bound, pool);
        }
    }

    /// Results for the contexts of a bind, in their order. They come after the name of an endpoint, at a multiple of four.
    fn accepted(&mut self, pdu: Pdu, b: &[u8], bound: &mut Bound, pool: &mut BytePool) -> Option<()> {
        let name = usize::from(pdu.u16(b, 24)?);
        let at = (26 + name).next_multiple_of(4);
        let n = usize::from(*b.get(at)?);
        for i in 0..n {
            let at = at + 4 + 24 * i;
            let answer = pdu.u16(b, at)?;
            let entry = self.interfaces.get_mut(pool).chunks_exact_mut(ENTRY).nth(i)?;
            let id = u16::from_le_bytes([*entry.first()?, *entry.get(1)?]);
            if let Some(c) = bound.find(id) {
                c.answer = Some(answer);
            }
            *entry.get_mut(22)? = 1;
            entry.get_mut(23..25)?.copy_from_slice(&answer.to_le_bytes());
        }
        Some(())
    }

    /// Data of the call (or of its answer); `keep`: rules read them.
    pub(in crate::app) fn data(&mut self, dir: Dir, bytes: &[u8], keep: bool, pool: &mut BytePool) {
        let d = dir.ix();
        self.stub_len[d] = self.stub_len[d].saturating_add(bytes.len() as u64);
        if keep {
            let room = STUB.saturating_sub(self.stub[d].len());
            let _full = self.stub[d].extend(pool, bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// Counts a fragment of a call over UDP.
    pub(super) fn fragment(&mut self, dir: Dir, last: bool) {
        let d = dir.ix();
        self.fragments[d] = self.fragments[d].saturating_add(1);
        self.whole[d] |= last;
    }

    /// What `dcerpc.iface` tests.
    pub(in crate::app) fn interface(&self) -> Option<&[u8]> {
        self.known.then_some(&self.iface[..])
    }

    /// What `dcerpc.stub_data` sees.
    pub(in crate::app) fn stub<'a>(&self, dir: Dir, pool: &'a BytePool) -> Buffer<'a> {
        let d = dir.ix();
        match (self.whole[d], self.stub[d].is_empty()) {
            (false, _) => Buffer::NotYet,
            (true, true) => Buffer::Absent,
            (true, false) => Buffer::whole(self.stub[d].get(pool)),
        }
    }

    pub(in crate::app) fn free(&mut self, pool: &mut BytePool) {
        self.interfaces.free(pool);
        self.stub.iter_mut().for_each(|s| s.free(pool));
    }

    /// Fields that the records of DCERPC and SMB have in common. `inside`: the call is carried by SMB.
    pub(in crate::app) fn log(&self, inside: bool, pool: &BytePool, out: &mut dyn Fields) {
        out.str("request", self.request.map_or("REQUEST_LOST", kind_name));
        out.str("response", self.answer.map_or("UNREPLIED", kind_name));
        if self.request == Some(REQUEST) {
            let opnum = u64::from(self.opnum.unwrap_or(0));
            if inside {
                out.u64("opnum", opnum);
            }
            out.begin_object("req");
            if !inside {
                out.u64("opnum", opnum);
            }
            self.sizes(0, out);
        }
        let binds = matches!(self.request, Some(BIND | ALTER));
        if !self.interfaces.is_empty() && (binds || !inside) {
            self.list(inside, pool, out);
        }
        if self.answer == Some(RESPONSE) {
            out.begin_object("res");
            self.sizes(1, out);
        }
    }

    fn sizes(&self, d: usize, out: &mut dyn Fields) {
        out.u64("frag_cnt", u64::from(self.fragments[d]));
        out.u64("stub_data_size", self.stub_len[d]);
        out.end_object();
    }

    fn list(&self, inside: bool, pool: &BytePool, out: &mut dyn Fields) {
        out.begin_array("interfaces");
        for e in self.interfaces.get(pool).chunks_exact(ENTRY) {
            let at = |n: usize| u16::from_le_bytes([e[n], e[n + 1]]);
            out.begin_object("");
            uuid("uuid", &e[2..18], out);
            out.fmt("version", format_args!("{}.{}", at(18), at(20)));
            if e[22] == 1 {
                out.u64("ack_result", u64::from(at(23)));
                if inside {
                    // Suricata reads the reason and does not keep it.
                    out.u64("ack_reason", 0);
                }
            }
            out.end_object();
        }
        out.end_array();
    }
}

/// A UUID in its order of text.
pub(in crate::app) fn uuid(key: &str, u: &[u8], out: &mut dyn Fields) {
    let n = |from: usize, to: usize| {
        u.get(from..to).unwrap_or(&[]).iter().fold(0u64, |v, b| v << 8 | u64::from(*b))
    };
    out.fmt(
        key,
        format_args!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", n(0, 4), n(4, 6), n(6, 8), n(8, 10), n(10, 16)),
    );
}
