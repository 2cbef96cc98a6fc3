//! gRPC over HTTP/2 (gRPC over HTTP2, github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md): calls of services that no
//! other guest knows.
//!
//! In: heads, messages and trailers of HTTP/2 streams. Out: a transaction a call: service, method, status, how many
//! messages went each way and their sizes.

use super::bodies::{At, BodyCx, Cut, Ended, Guest, Interest, Origin, Piece, lodge};
use super::txs::{Tx, TxHandle};
use super::{
    AppConfig, Buffer, BufferAt, BufferDef, BufferKind, IntAt, IntDef, LOG_WHOLE, OVER_TCP, ProtoDef,
    Recognise, TxView, buffer_at, int_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

/// Progress of a direction whose messages are over.
const COMPLETE: u8 = 1;

const fn b(name: &'static str) -> BufferDef {
    BufferDef {
        name,
        aliases: &[],
        modifiers: &[],
        dirs: Dir::ToServer.bit() | Dir::ToClient.bit(),
        progress: 0,
        kind: BufferKind::Single,
    }
}

static BUFFERS: &[BufferDef] = &[b("grpc.service"), b("grpc.method")];
const SERVICE: u8 = buffer_at(BUFFERS, "grpc.service");

static INTS: &[IntDef] = &[IntDef {
    name: "grpc.status",
    aliases: &[],
    dirs: Dir::ToClient.bit(),
    progress: COMPLETE,
    multi: false,
    values: STATUS,
}];
const I_STATUS: u8 = int_at(INTS, "grpc.status");

/// Codes of `grpc-status` (doc/statuscodes.md of the same repository).
pub(crate) const STATUS: &[(&str, u64)] = &[
    ("ok", 0),
    ("cancelled", 1),
    ("unknown", 2),
    ("invalid_argument", 3),
    ("deadline_exceeded", 4),
    ("not_found", 5),
    ("already_exists", 6),
    ("permission_denied", 7),
    ("resource_exhausted", 8),
    ("failed_precondition", 9),
    ("aborted", 10),
    ("out_of_range", 11),
    ("unimplemented", 12),
    ("internal", 13),
    ("unavailable", 14),
    ("data_loss", 15),
    ("unauthenticated", 16),
];

/// The protocol `grpc`.
pub static GRPC: ProtoDef = ProtoDef {
    name: "grpc",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    recognise: Recognise::NONE,
    guest: Some(lodge::<Grpc>),
    record: "grpc",
    ours: true,
    ..ProtoDef::NONE
};

/// The guest.
pub struct Grpc;

/// A call.
#[derive(Debug, Default)]
pub struct Call {
    /// `/service/method`.
    path: PBuf,
    status: Option<u64>,
    messages: [u32; 2],
    bytes: [u64; 2],
}

/// A path of a call as service and method.
pub(crate) fn parts(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = path.strip_prefix(b"/")?;
    let at = rest.iter().rposition(|c| *c == b'/')?;
    Some((&rest[..at], &rest[at + 1..])).filter(|(s, m)| !s.is_empty() && !m.is_empty())
}

/// Whether a request is a call of gRPC.
pub(crate) fn is_call(o: &Origin<'_>, pool: &BytePool) -> bool {
    let kind = o.head.field(Dir::ToServer, "content-type", pool);
    kind.is_some_and(|k| k.starts_with(b"application/grpc"))
}

/// The status of a call, as its trailers tell it.
pub(crate) fn status(o: &Origin<'_>, pool: &BytePool) -> Option<u64> {
    let text = o.head.field(Dir::ToClient, "grpc-status", pool)?;
    core::str::from_utf8(text).ok()?.parse().ok()
}

impl Grpc {
    fn call<'a>(at: &'a mut At<'_, Self>) -> Option<&'a mut Tx<Call>> {
        let i = at.txs.resolve(*at.part)?;
        Some(at.txs.get(i))
    }
}

impl Guest for Grpc {
    type Own = Call;
    type Part = TxHandle;
    const COMPLETE: u8 = COMPLETE;

    fn new(_: &AppConfig) -> Self {
        Grpc
    }

    fn wants(&self, dir: Dir, o: &Origin<'_>, pool: &BytePool) -> bool {
        dir == Dir::ToServer
            && is_call(o, pool)
            && o.head.field(dir, ":path", pool).is_some_and(|p| parts(p).is_some())
    }

    fn begin(&mut self, mut at: At<'_, Self>, dir: Dir, o: &Origin<'_>, cx: &mut BodyCx<'_>) -> Interest {
        if dir == Dir::ToServer {
            let Some(i) = at.txs.open(cx.now) else { return Interest::Head };
            *at.part = at.txs.handle(i);
            let tx = at.txs.get(i);
            tx.common.shown_id = o.tx;
            cx.scratch.clear();
            cx.scratch.extend(o.head.field(dir, ":path", cx.pool).unwrap_or(b""));
            let _full = tx.own.path.extend(cx.pool, cx.scratch.as_slice());
        }
        match Self::call(&mut at) {
            Some(tx) => {
                tx.common.touch(dir);
                Interest::Bytes(Cut::Grpc)
            }
            None => Interest::Head,
        }
    }

    fn piece(
        &mut self,
        mut at: At<'_, Self>,
        dir: Dir,
        piece: Piece<'_>,
        _: &Origin<'_>,
        _: &mut BodyCx<'_>,
    ) {
        let Some(tx) = Self::call(&mut at) else { return };
        match piece {
            Piece::Bytes(b) => tx.own.bytes[dir.ix()] += b.len() as u64,
            // Lines are none of its.
            Piece::Whole(_) => {}
            Piece::End => tx.own.messages[dir.ix()] = tx.own.messages[dir.ix()].saturating_add(1),
        }
    }

    fn gap(&mut self, _: At<'_, Self>, _: Dir, _: u64, _: &Origin<'_>, _: &mut BodyCx<'_>) {}

    fn end(&mut self, mut at: At<'_, Self>, dir: Dir, _: Ended, o: &Origin<'_>, cx: &mut BodyCx<'_>) {
        let Some(tx) = Self::call(&mut at) else { return };
        if dir == Dir::ToClient {
            tx.own.status = status(o, cx.pool);
            tx.common.advance(Dir::ToServer, COMPLETE);
        }
        tx.common.advance(dir, COMPLETE);
    }

    fn release(&mut self, mut at: At<'_, Self>, _: &mut BodyCx<'_>) {
        if let Some(tx) = Self::call(&mut at) {
            tx.common.advance_both(COMPLETE);
        }
    }

    fn free(own: &mut Call, pool: &mut BytePool) {
        own.path.free(pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Call>, at: BufferAt<'a>) -> Buffer<'a> {
        match parts(tx.own.path.get(at.pool)) {
            Some((s, m)) if at.index == 0 => Buffer::whole(if at.local == SERVICE { s } else { m }),
            _ => Buffer::Absent,
        }
    }

    fn int(&self, tx: &Tx<Call>, at: IntAt<'_>) -> Option<u64> {
        if at.local == I_STATUS && at.index == 0 { tx.own.status } else { None }
    }

    fn log(&self, tx: &Tx<Call>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        if let Some((s, m)) = parts(tx.own.path.get(view.pool)) {
            out.bytes("service", s);
            out.bytes("method", m);
        }
        if let Some(n) = tx.own.status {
            out.u64("status", n);
        }
        for (key, d) in [("request", Dir::ToServer), ("response", Dir::ToClient)] {
            out.begin_object(key);
            out.u64("messages", u64::from(tx.own.messages[d.ix()]));
            out.u64("bytes", tx.own.bytes[d.ix()]);
            out.end_object();
        }
    }

    fn log_at_end(&self, _: &Tx<Call>) -> u8 {
        LOG_WHOLE
    }
}
