//! What is kept of a flow, of its directions and of its transactions.

use super::table::Table;
use super::text::Version;
use super::{NIL, body, multipart};
use crate::Dir;
use crate::app::TxCommon;
use crate::app::bodies::{BodyId, Head};
use crate::app::txs::{HasCommon, TxList};
use crate::pool::{BytePool, PBuf};

/// Part of a kept line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) at: u32,
    pub(super) len: u32,
}

impl Span {
    /// Where `part` lies inside `whole`.
    pub(super) fn of(whole: &[u8], part: &[u8]) -> Span {
        let at = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        if at <= whole.len() { Span { at: at as u32, len: part.len() as u32 } } else { Span::default() }
    }

    pub(super) fn get<'p>(self, line: &PBuf, pool: &'p BytePool) -> &'p [u8] {
        line.get(pool).get(self.at as usize..(self.at + self.len) as usize).unwrap_or(&[])
    }
}

/// One side of a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Message {
    /// The request or response line without its end.
    pub(super) line: PBuf,
    /// Method; protocol of the response.
    pub(super) first: Span,
    /// Target; status code.
    pub(super) second: Span,
    /// Protocol of the request; reason of the response.
    pub(super) third: Span,
    pub(super) version: Version,
    pub(super) has_line: bool,
    pub(super) headers: Table,
    /// Header block as it came, when a rule reads it.
    pub(super) raw: PBuf,
    pub(super) body: body::Body,
}

impl Message {
    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.line.free(pool);
        self.headers.free(pool);
        self.raw.free(pool);
        self.body.free(pool);
    }
}

/// One transaction.
#[derive(Debug)]
pub(super) struct Tx {
    pub(super) common: TxCommon,
    pub(super) msg: [Message; 2],
    /// Normal form of the target: path, query, fragment.
    pub(super) uri: PBuf,
    /// Bytes of `uri` that are the path.
    pub(super) path_len: u32,
    pub(super) has_uri: bool,
    /// Host of the target as it came.
    pub(super) uri_host: Span,
    pub(super) has_uri_host: bool,
    /// Lower-case host name.
    pub(super) host: PBuf,
    pub(super) has_host: bool,
    pub(super) port: Option<u16>,
    /// Status code, 0 while unknown or invalid.
    pub(super) status: u16,
    pub(super) connect: bool,
    pub(super) head: bool,
    pub(super) http09: bool,
    pub(super) seen_continue: bool,
    /// The response came without a request.
    pub(super) unmatched: bool,
    pub(super) multipart: multipart::Multipart,
    /// The file that the response made whole, of which it is a part: its last bytes, for `file.data`.
    pub(super) whole: PBuf,
    /// The guests that read its messages.
    pub(super) bodies: BodyId,
}

impl Default for Tx {
    fn default() -> Self {
        Tx {
            common: TxCommon::default(),
            msg: [Message::default(); 2],
            uri: PBuf::new(),
            path_len: 0,
            has_uri: false,
            uri_host: Span::default(),
            has_uri_host: false,
            host: PBuf::new(),
            has_host: false,
            port: None,
            status: 0,
            connect: false,
            head: false,
            http09: false,
            seen_continue: false,
            unmatched: false,
            multipart: multipart::Multipart::default(),
            whole: PBuf::new(),
            bodies: BodyId::default(),
        }
    }
}

impl HasCommon for Tx {
    fn common(&self) -> &TxCommon {
        &self.common
    }
    fn common_mut(&mut self) -> &mut TxCommon {
        &mut self.common
    }
}

impl Head for Tx {
    fn field<'p>(&'p self, dir: Dir, name: &str, pool: &'p BytePool) -> Option<&'p [u8]> {
        let [req, res] = &self.msg;
        let some = |v: &'p [u8]| Some(v).filter(|v| !v.is_empty());
        match name {
            ":method" => some(req.first.get(&req.line, pool)),
            ":path" => some(req.second.get(&req.line, pool)),
            ":authority" => some(self.host.get(pool)),
            ":status" => some(res.second.get(&res.line, pool)),
            _ => Some(self.msg[dir.ix()].headers.get(pool, name.as_bytes())?.0),
        }
    }
}

impl Tx {
    pub(super) fn raise(&mut self, ev: u8, dir: Dir) {
        self.common.raise(ev, dir);
    }

    pub(super) fn advance(&mut self, dir: Dir, to: u8) {
        self.common.advance(dir, to);
    }

    pub(super) fn path<'p>(&self, pool: &'p BytePool) -> &'p [u8] {
        self.uri.get(pool).get(..self.path_len as usize).unwrap_or(&[])
    }
}

/// What a direction is reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) enum Stage {
    /// Between messages.
    #[default]
    Idle,
    Line,
    /// Request: a line without a protocol was read; is it HTTP/0.9?
    Version,
    Headers,
    /// Request: CONNECT was sent, the answer decides.
    Connect,
    /// A body of known length.
    Length,
    /// A body up to the end of the stream.
    ToEnd,
    ChunkLength,
    Chunk,
    ChunkEnd,
    Trailer,
    /// Everything that follows is not for us.
    Ignore,
    /// Beyond repair.
    Failed,
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Side {
    pub(super) stage: Stage,
    /// Transaction being read (slab index).
    pub(super) tx: u32,
    /// Last transaction that was read to its end (number, slab index).
    pub(super) last: (u64, u32),
    /// Bytes left of the body or chunk.
    pub(super) left: u64,
    /// Inside a stray line after a message, whose beginning was already taken as body.
    pub(super) stray: bool,
    pub(super) eof: bool,
    pub(super) seen_gap: bool,
}

impl Default for Side {
    fn default() -> Self {
        Side {
            stage: Stage::Idle,
            tx: NIL,
            last: (u64::MAX, NIL),
            left: 0,
            stray: false,
            eof: false,
            seen_gap: false,
        }
    }
}

/// State of one flow.
#[derive(Debug, Default)]
pub(super) struct Flow {
    pub(super) list: TxList,
    /// Number of the next transaction to be answered.
    pub(super) answer: u64,
    pub(super) side: [Side; 2],
    /// The request that asked for HTTP/2, as `Http::carry` writes it.
    pub(super) carried: PBuf,
}
