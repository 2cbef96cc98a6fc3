//! NFS versions 2 to 4 (RFC 1094, RFC 1813, RFC 7530, RFC 8881) over ONC RPC (RFC 5531): procedures, names, files with their data.
//!
//! In: datagrams, or records of a stream. Out: a transaction a call with its reply, and one a file and direction. Owns the
//! names of the last handles, by which reads and writes are told apart, and reads that wait. Of a record at most [`MOST`]
//! bytes are read, and all data of files.

mod names;
mod session;
#[cfg(test)]
mod tests;
mod xdr;

use super::carried::Carried;
use super::counted::{self, Head, Part, Reader};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{NFS_BEGINS, be32};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    OVER_UDP, Outcome, ProtoDef, TxView, buffer_at, event_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};
use session::State;

const PROGRAM: u32 = 100_003;
/// Most bytes of a record that are read at once.
const MOST: usize = 64 << 10;
static BUFFERS: &[BufferDef] = &[
    BufferDef {
        name: "file.name",
        aliases: &[],
        modifiers: &[],
        dirs: 3,
        progress: 0,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "file.data",
        aliases: &["file_data"],
        modifiers: &[],
        dirs: 3,
        progress: 0,
        kind: BufferKind::Streaming,
    },
];
const NAME: u8 = buffer_at(BUFFERS, "file.name");
const FILE: u8 = buffer_at(BUFFERS, "file.data");

static INTS: &[IntDef] = &[
    IntDef { name: "nfs_procedure", aliases: &[], dirs: 1, progress: 0, multi: false, values: &[] },
    IntDef {
        name: "nfs.version",
        aliases: &["nfs_version"],
        dirs: 1,
        progress: 0,
        multi: false,
        values: &[],
    },
];

static EVENTS: &[&str] = &["malformed_data", "too_many_transactions"];
const EV_MALFORMED: u8 = event_at(EVENTS, "malformed_data");
const EV_MANY: u8 = event_at(EVENTS, "too_many_transactions");

pub static NFS: ProtoDef = ProtoDef {
    name: "nfs",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: NFS_BEGINS,
    parser: Some(make::<Nfs>),
    record: "nfs",
    by_packet: true,
    ..ProtoDef::NONE
};

/// A call and its reply, or a file with all calls that read it or write to it.
#[derive(Debug, Default)]
pub struct Exchange {
    xid: u32,
    version: u32,
    procedure: u32,
    flavor: u32,
    machine: PBuf,
    uid: u32,
    gid: u32,
    /// How the call was replied to, and what NFS said.
    denied: u32,
    status: u32,
    replied: bool,
    handle: u64,
    /// By which records show the handle.
    shown: Option<u32>,
    name: PBuf,
    to: PBuf,
    /// Direction of a file.
    file: Option<Dir>,
    data: Carried,
    chunks: u32,
    /// The last piece was filled up in a datagram; another piece came behind it.
    filled: bool,
    cut: bool,
    /// The call that ended it.
    last: Option<u32>,
}

pub struct Nfs {
    /// Key of the hash of handles.
    seed: u64,
}

type Flow<'a> = Transactions<'a, Exchange>;

impl Reader<Exchange> for State {
    fn left(&mut self, dir: Dir) -> &mut usize {
        &mut self.sides[dir.ix()].left
    }

    fn head(&mut self, rest: &[u8], _: Dir) -> Head {
        let Some(head) = be32(rest, 0) else { return Head::More(4) };
        let len = (head & 0x7fff_ffff) as usize;
        Head::Record { whole: 4 + len, first: 4 + len.min(MOST) }
    }

    fn part(&mut self, part: Part<'_>, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        match part {
            Part::First { bytes, .. } => {
                self.sides[dir.ix()].file = None;
                self.message(flow, bytes.get(4..).unwrap_or(&[]), dir, cx);
            }
            Part::Rest { bytes, .. } => self.data(flow, bytes, 0, dir, cx),
            Part::Gap { bytes, .. } => self.data(flow, &[], bytes as u64, dir, cx),
        }
    }

    fn lost(&mut self, _: Dir) -> bool {
        false
    }
}

impl Protocol for Nfs {
    type State = State;
    type Own = Exchange;

    fn new(cfg: &AppConfig) -> Self {
        Nfs { seed: cfg.seed }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        s.seed = self.seed;
        if !input.datagram {
            let out = counted::read(s, flow, input, cx);
            if input.eof {
                s.end(flow, input.dir, cx);
            }
            return out;
        }
        s.sides[input.dir.ix()].file = None;
        s.datagrams = true;
        s.message(flow, input.data, input.dir, cx);
        Outcome::Consumed { bytes: input.data.len(), need: 0 }
    }

    fn free(own: &mut Exchange, pool: &mut BytePool) {
        own.name.free(pool);
        own.to.free(pool);
        own.machine.free(pool);
        own.data.free(pool);
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.free(cx.pool);
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Exchange>, at: BufferAt<'a>) -> Buffer<'a> {
        let BufferAt { local, dir, index, pool, .. } = at;
        let own = &tx.own;
        match local {
            _ if own.file != Some(dir) || index > 0 => Buffer::Absent,
            NAME if own.name.is_empty() => Buffer::Absent,
            NAME => Buffer::whole(own.name.get(pool)),
            _ => own.data.buffer(pool),
        }
    }

    fn int(&self, tx: &Tx<Exchange>, at: IntAt<'_>) -> Option<u64> {
        Some(u64::from(if at.local == 0 { tx.own.procedure } else { tx.own.version }))
    }

    fn log_due(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.common.both_reached(1) { self.log_at_end(tx) } else { 0 }
    }

    /// One that only an event was raised on has no record.
    fn log_at_end(&self, tx: &Tx<Exchange>) -> u8 {
        if tx.own.version > 0 { LOG_WHOLE } else { 0 }
    }

    fn log(&self, tx: &Tx<Exchange>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        tx.own.log(tx.common.id, view.pool, out);
    }
}

impl Exchange {
    fn log(&self, id: u64, pool: &BytePool, out: &mut dyn Fields) {
        out.u64("version", u64::from(self.version));
        match names::procedure(self.version, self.procedure) {
            Some(name) => out.str("procedure", name),
            None => out.fmt("procedure", format_args!("{}", self.procedure)),
        }
        out.bytes("filename", self.name.get(pool));
        if let Some(h) = self.shown {
            out.fmt("hhash", format_args!("{h:x}"));
        }
        out.u64("id", id + 1);
        out.bool("file_tx", self.file.is_some());
        if let Some(dir) = self.file {
            out.begin_object(if dir == Dir::ToServer { "write" } else { "read" });
            out.bool("first", true);
            out.bool("last", self.last.is_some());
            out.u64("last_xid", u64::from(self.last.unwrap_or(0)));
            out.u64("chunks", u64::from(self.chunks));
            out.end_object();
        } else if !self.to.is_empty() {
            out.begin_object("rename");
            out.bytes("from", self.name.get(pool));
            out.bytes("to", self.to.get(pool));
            out.end_object();
        }
        out.str("type", "response");
        match names::status(self.status) {
            Some(name) => out.str("status", name),
            None => out.fmt("status", format_args!("{}", self.status)),
        }
        out.end_object();
        // What RPC says is an object of its own beside that of NFS.
        out.begin_object("rpc");
        out.u64("xid", u64::from(self.xid));
        out.str("status", if self.denied == 0 { "ACCEPTED" } else { "DENIED" });
        match names::flavor(self.flavor) {
            Some(name) => out.str("auth_type", name),
            None => out.fmt("auth_type", format_args!("UNKNOWN ({})", self.flavor)),
        }
        if self.flavor == 1 {
            out.begin_object("creds");
            out.bytes("machine_name", self.machine.get(pool));
            out.u64("uid", u64::from(self.uid));
            out.u64("gid", u64::from(self.gid));
            out.end_object();
        }
    }
}
