//! NFS versions 2 to 4 (RFC 1094, RFC 1813, RFC 7530, RFC 8881) over ONC RPC (RFC 5531): procedures, names, files with their data.
//!
//! In: datagrams, or records of a stream. Out: a transaction a call with its reply, and one a file and direction. Owns the
//! names of the last handles, by which reads and writes are told apart, and reads that wait. Of a record at most [`MOST`]
//! bytes are read, and all data of files.

mod names;
#[cfg(test)]
mod tests;
mod xdr;

use super::carried::Carried;
use super::counted::{self, Head, Part, Reader};
use super::hosted::{Protocol, Transactions, make};
use super::plain::{NFS_BEGINS, be32};
use super::txs::{Tx, TxHandle};
use super::{
    AppConfig, AppCx, Buffer, BufferAt, BufferDef, BufferKind, Input, IntAt, IntDef, LOG_WHOLE, OVER_TCP,
    OVER_UDP, Outcome, ProtoDef, TxIdx, TxView, buffer_at, event_at,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};
use xdr::{Creds, Op, Result4, Xdr, crc32, hash};

const PROGRAM: u32 = 100_003;
/// Most bytes of a record that are read at once.
const MOST: usize = 64 << 10;
/// Calls that wait for their replies.
const PENDING: usize = 256;
/// Handles whose names are known, files that are read or written, and reads that wait for their replies.
const NAMES: usize = 32;
const FILES: usize = 32;
const ASKED: usize = 32;
/// Entries of a directory that are looked at.
const ENTRIES: usize = 64;
const NAME_MAX: usize = 1024;

// Procedures of version 2, of version 3, operations of version 4.
const LOOKUP2: u32 = 4;
const READ2: u32 = 6;
const GETATTR: u32 = 1;
const LOOKUP: u32 = 3;
const ACCESS: u32 = 4;
const READ: u32 = 6;
const WRITE: u32 = 7;
const CREATE: u32 = 8;
const MKDIR: u32 = 9;
const REMOVE: u32 = 12;
const RMDIR: u32 = 13;
const RENAME: u32 = 14;
const READDIRPLUS: u32 = 17;
const COMMIT: u32 = 21;
const CREATE4: u32 = 6;
const READ4: u32 = 25;
const REMOVE4: u32 = 28;
const RENAME4: u32 = 29;
const WRITE4: u32 = 38;

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
    /// The call that ended it.
    last: Option<u32>,
}

/// A file that is read or written.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    handle: u64,
    files: [TxHandle; 2],
}

/// A call that is no transaction of its own: of a file, or what a name is looked up for.
#[derive(Debug, Default)]
struct Asked {
    xid: u32,
    version: u32,
    procedure: u32,
    offset: u64,
    file: TxHandle,
    name: PBuf,
}

/// The data of a file that are coming.
#[derive(Clone, Copy, Debug)]
struct Coming {
    tx: TxHandle,
    at: u64,
    left: u64,
    /// The file ends with them, by the call of that number.
    ends: Option<u32>,
}

#[derive(Debug, Default)]
struct Side {
    left: usize,
    file: Option<Coming>,
}

#[derive(Debug, Default)]
pub struct State {
    sides: [Side; 2],
    names: [(u64, PBuf); NAMES],
    next_name: usize,
    open: [Open; FILES],
    next_open: usize,
    asked: [Asked; ASKED],
    next_asked: usize,
    pending: usize,
}

pub struct Nfs;

type Flow<'a> = Transactions<'a, Exchange>;

/// A call's head.
#[derive(Clone, Copy)]
struct Call<'b> {
    xid: u32,
    version: u32,
    procedure: u32,
    creds: Creds<'b>,
}

impl State {
    fn remember(&mut self, handle: &[u8], name: &[u8], pool: &mut BytePool) {
        let handle = hash(handle);
        let known = self.names.iter().position(|n| n.0 == handle);
        let place = known.unwrap_or(self.next_name);
        if known.is_none() {
            self.next_name = (self.next_name + 1) % NAMES;
        }
        if let Some(slot) = self.names.get_mut(place) {
            slot.0 = handle;
            slot.1.free(pool);
            let _full = slot.1.extend(pool, name.get(..NAME_MAX).unwrap_or(name));
        }
    }

    /// Puts the name of a handle into the scratch.
    fn name_of(&self, handle: u64, cx: &mut AppCx<'_>) {
        cx.scratch.clear();
        if let Some((_, name)) = self.names.iter().find(|n| n.0 == handle) {
            cx.scratch.extend(name.get(cx.pool));
        }
    }

    /// One message of RPC.
    fn message(&mut self, flow: &mut Flow<'_>, m: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let whole = match (be32(m, 4), dir) {
            (Some(0), Dir::ToServer) if be32(m, 12) == Some(PROGRAM) => self.call(flow, m, cx),
            (Some(1), Dir::ToClient) => self.reply(flow, m, cx),
            (Some(0 | 1), _) => Some(()),
            _ => None,
        };
        if whole.is_none() {
            flow.raise(EV_MALFORMED, dir, cx.now);
        }
    }

    fn call(&mut self, flow: &mut Flow<'_>, m: &[u8], cx: &mut AppCx<'_>) -> Option<()> {
        let (xid, version, procedure) = (be32(m, 0)?, be32(m, 16)?, be32(m, 20)?);
        let (creds, mut x) = xdr::call(m)?;
        let c = Call { xid, version, procedure, creds };
        match version {
            2 => self.call2(flow, c, &mut x, cx),
            3 => self.call3(flow, c, &mut x, cx),
            _ if procedure == 1 => self.call4(flow, c, &mut x, cx),
            _ => Some(()),
        }
    }

    /// A transaction that waits for its reply.
    fn open(&mut self, flow: &mut Flow<'_>, c: Call<'_>, cx: &mut AppCx<'_>) -> Option<TxIdx> {
        if self.pending >= PENDING
            && let Some(old) = flow.waiting(|_| true)
        {
            flow.get(old).common.raise(EV_MANY, Dir::ToServer);
            self.finish(flow, old);
        }
        let tx = flow.open(cx.now)?;
        self.pending += 1;
        flow.wait(tx);
        let x = &mut flow.get(tx).own;
        (x.xid, x.version, x.procedure) = (c.xid, c.version, c.procedure);
        Some(tx)
    }

    fn credit(flow: &mut Flow<'_>, tx: TxIdx, creds: Creds<'_>, cx: &mut AppCx<'_>) {
        let x = &mut flow.get(tx).own;
        (x.flavor, x.uid, x.gid) = (creds.flavor, creds.uid, creds.gid);
        let _full = x.machine.extend(cx.pool, creds.machine.get(..NAME_MAX).unwrap_or(creds.machine));
    }

    /// An ordinary transaction. Its name is what lies in the scratch.
    fn plain(
        &mut self,
        flow: &mut Flow<'_>,
        c: Call<'_>,
        handle: Option<&[u8]>,
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        let tx = self.open(flow, c, cx)?;
        Self::credit(flow, tx, c.creds, cx);
        let t = flow.get(tx);
        t.own.shown = handle.map(crc32);
        let _full = t.own.name.extend(cx.pool, cx.scratch.as_slice());
        t.common.advance(Dir::ToServer, 1);
        Some(tx)
    }

    fn call2(&mut self, flow: &mut Flow<'_>, c: Call<'_>, x: &mut Xdr<'_>, cx: &mut AppCx<'_>) -> Option<()> {
        cx.scratch.clear();
        match c.procedure {
            LOOKUP2 => {
                x.skip(32)?;
                cx.scratch.extend(x.opaque()?);
                self.plain(flow, c, None, cx);
            }
            READ2 => {
                let handle = x.fixed(32)?;
                let offset = u64::from(x.u32()?);
                self.read(flow, c, handle, offset, cx);
            }
            _ => {
                self.plain(flow, c, None, cx);
            }
        }
        Some(())
    }

    fn call3(&mut self, flow: &mut Flow<'_>, c: Call<'_>, x: &mut Xdr<'_>, cx: &mut AppCx<'_>) -> Option<()> {
        cx.scratch.clear();
        match c.procedure {
            LOOKUP => {
                x.opaque()?;
                cx.scratch.extend(x.opaque()?);
                self.plain(flow, c, None, cx);
            }
            CREATE | MKDIR | REMOVE | RMDIR => {
                let handle = x.opaque()?;
                cx.scratch.extend(x.opaque()?);
                self.plain(flow, c, Some(handle), cx);
            }
            RENAME => {
                let handle = x.opaque()?;
                cx.scratch.extend(x.opaque()?);
                x.opaque()?;
                let to = x.opaque()?;
                if let Some(tx) = self.plain(flow, c, Some(handle), cx) {
                    let _full = flow.get(tx).own.to.extend(cx.pool, to.get(..NAME_MAX).unwrap_or(to));
                }
            }
            GETATTR | ACCESS | READDIRPLUS => {
                let handle = x.opaque()?;
                self.name_of(hash(handle), cx);
                self.plain(flow, c, Some(handle), cx);
            }
            READ => {
                let handle = x.opaque()?;
                let offset = x.u64()?;
                self.read(flow, c, handle, offset, cx);
            }
            WRITE => {
                let handle = x.opaque()?;
                let offset = x.u64()?;
                let _count = x.u32()?;
                let stable = x.u32()?;
                let (len, bytes) = x.partial()?;
                self.write(flow, c, handle, (offset, stable, len, bytes), cx);
            }
            COMMIT => {
                let handle = x.opaque()?;
                self.close(flow, hash(handle), Dir::ToServer, c.xid, cx);
            }
            _ => {
                self.plain(flow, c, None, cx);
            }
        }
        Some(())
    }

    fn call4(&mut self, flow: &mut Flow<'_>, c: Call<'_>, x: &mut Xdr<'_>, cx: &mut AppCx<'_>) -> Option<()> {
        let mut handle: &[u8] = &[];
        let mut name: &[u8] = &[];
        let mut noted = false;
        xdr::compound(x, |op| {
            let c = |procedure| Call { procedure, ..c };
            let mut plain = |s: &mut State, procedure, name: &[u8], cx: &mut AppCx<'_>| {
                cx.scratch.clear();
                cx.scratch.extend(name);
                s.plain(flow, c(procedure), Some(handle), cx)
            };
            match op {
                Op::Handle(h) => handle = h,
                Op::Name(n) => (name, noted) = (n, true),
                Op::Create(n) => drop(plain(self, CREATE4, n, cx)),
                Op::Remove(n) => drop(plain(self, REMOVE4, n, cx)),
                Op::Rename(from, to) => {
                    if let Some(tx) = plain(self, RENAME4, from, cx) {
                        let _full = flow.get(tx).own.to.extend(cx.pool, to.get(..NAME_MAX).unwrap_or(to));
                    }
                }
                Op::Read { offset } => self.read(flow, c(READ4), handle, offset, cx),
                Op::Write { offset, stable, len, bytes } => {
                    self.write(flow, c(WRITE4), handle, (offset, stable, len, bytes), cx);
                }
                Op::Commit => self.close(flow, hash(handle), Dir::ToServer, c(0).xid, cx),
                Op::Close => {
                    for d in Dir::BOTH {
                        self.close(flow, hash(handle), d, c(0).xid, cx);
                    }
                }
                Op::Other(_) => {}
            }
        })?;
        if noted {
            // The reply has its handle.
            let slot = self.ask(c, 0, TxHandle::default(), cx);
            if let Some(a) = slot {
                let _full = a.name.extend(cx.pool, name.get(..NAME_MAX).unwrap_or(name));
            }
        }
        Some(())
    }

    /// Notes a call that has no transaction.
    fn ask(&mut self, c: Call<'_>, offset: u64, file: TxHandle, cx: &mut AppCx<'_>) -> Option<&mut Asked> {
        let slot = self.asked.get_mut(self.next_asked)?;
        self.next_asked = (self.next_asked + 1) % ASKED;
        slot.name.free(cx.pool);
        *slot =
            Asked { xid: c.xid, version: c.version, procedure: c.procedure, offset, file, name: PBuf::new() };
        Some(slot)
    }

    /// The transaction of a file in one direction, a new one at the first call for it.
    fn file(
        &mut self,
        flow: &mut Flow<'_>,
        c: Call<'_>,
        handle: &[u8],
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) -> Option<(TxIdx, bool)> {
        let h = hash(handle);
        let place = self.open.iter().position(|o| o.handle == h);
        if place.is_none() {
            let old = core::mem::take(self.open.get_mut(self.next_open)?);
            self.open.get_mut(self.next_open)?.handle = h;
            for f in old.files {
                self.ended(flow, f, None, true, cx);
            }
        }
        let place = place.unwrap_or(self.next_open);
        if self.open.get(self.next_open).is_some_and(|o| o.handle == h) {
            self.next_open = (self.next_open + 1) % FILES;
        }
        let known = self.open.get(place).and_then(|o| flow.resolve(o.files[dir.ix()]));
        if let Some(tx) = known.filter(|tx| flow.peek(*tx).own.data.is_open()) {
            return Some((tx, false));
        }
        let tx = self.open(flow, c, cx)?;
        self.name_of(h, cx);
        let t = flow.get(tx);
        (t.own.handle, t.own.shown, t.own.file) = (h, Some(crc32(handle)), Some(dir));
        let _full = t.own.name.extend(cx.pool, cx.scratch.as_slice());
        t.own.data.open(&mut t.common, dir, cx);
        self.open.get_mut(place)?.files[dir.ix()] = flow.handle(tx);
        Some((tx, true))
    }

    fn read(&mut self, flow: &mut Flow<'_>, c: Call<'_>, handle: &[u8], offset: u64, cx: &mut AppCx<'_>) {
        let Some((tx, new)) = self.file(flow, c, handle, Dir::ToClient, cx) else { return };
        if new {
            Self::credit(flow, tx, c.creds, cx);
        }
        let file = flow.handle(tx);
        self.ask(c, offset, file, cx);
    }

    fn write(
        &mut self,
        flow: &mut Flow<'_>,
        c: Call<'_>,
        handle: &[u8],
        (offset, stable, len, bytes): (u64, u32, u64, &[u8]),
        cx: &mut AppCx<'_>,
    ) {
        let Some((tx, new)) = self.file(flow, c, handle, Dir::ToServer, cx) else { return };
        if !new {
            let x = &mut flow.get(tx).own;
            x.chunks = x.chunks.saturating_add(1);
        }
        // What is to be kept at once needs no commit: it counts as all there is (RFC 1813 3.3.7).
        let ends = (stable == 2).then_some(c.xid);
        self.bytes(flow, tx, (offset, len, bytes), ends, cx);
    }

    /// Data of a file: those that are here, and how many follow.
    fn bytes(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        (offset, len, bytes): (u64, u64, &[u8]),
        ends: Option<u32>,
        cx: &mut AppCx<'_>,
    ) {
        let handle = flow.handle(tx);
        let t = flow.get(tx);
        let Some(dir) = t.own.file else { return };
        t.own.data.data(offset, bytes, cx.wanted.has(FILE), cx);
        t.common.touch(dir);
        let left = len.saturating_sub(bytes.len() as u64);
        if left > 0 {
            let at = offset.saturating_add(bytes.len() as u64);
            self.sides[dir.ix()].file = Some(Coming { tx: handle, at, left, ends });
        } else if ends.is_some() {
            self.ended(flow, handle, ends, false, cx);
        }
    }

    /// More bytes of the record that is under way, or (`gap`) so many that never arrived.
    fn data(&mut self, flow: &mut Flow<'_>, bytes: &[u8], gap: u64, dir: Dir, cx: &mut AppCx<'_>) {
        let Some(c) = self.sides[dir.ix()].file.as_mut().filter(|c| c.left > 0) else { return };
        let most = usize::try_from(c.left).unwrap_or(usize::MAX);
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let (at, n, gap) = (c.at, bytes.len() as u64, gap.min(c.left));
        (c.at, c.left) = (at.saturating_add(n + gap), c.left - n - gap);
        let Coming { tx: handle, left, ends, .. } = *c;
        let Some(tx) = flow.resolve(handle) else { return };
        let t = flow.get(tx);
        if gap > 0 {
            t.own.data.gap(at, gap, cx.wanted.has(FILE), cx);
        } else {
            t.own.data.data(at, bytes, cx.wanted.has(FILE), cx);
        }
        t.common.touch(dir);
        if left == 0 && ends.is_some() {
            self.ended(flow, handle, ends, false, cx);
        }
    }

    /// A file is closed by a call.
    fn close(&mut self, flow: &mut Flow<'_>, handle: u64, dir: Dir, xid: u32, cx: &mut AppCx<'_>) {
        let Some(open) = self.open.iter_mut().find(|o| o.handle == handle) else { return };
        let file = core::mem::take(&mut open.files[dir.ix()]);
        self.ended(flow, file, Some(xid), false, cx);
    }

    /// No more data of a file come.
    fn ended(
        &mut self,
        flow: &mut Flow<'_>,
        f: TxHandle,
        by: Option<u32>,
        truncated: bool,
        cx: &mut AppCx<'_>,
    ) {
        let Some(tx) = flow.resolve(f) else { return };
        let t = flow.get(tx);
        if !t.own.data.is_open() {
            return;
        }
        t.own.data.close(truncated, cx.wanted.has(FILE), cx);
        t.own.last = by;
        t.common.advance(Dir::ToServer, 1);
        t.common.touch_both();
        // What is read ends with the reply that is being read.
        if t.own.replied || t.own.file == Some(Dir::ToClient) || by.is_none() {
            self.finish(flow, tx);
        }
    }

    fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        flow.answered(tx);
        self.pending = self.pending.saturating_sub(1);
        let c = &mut flow.get(tx).common;
        c.advance_both(1);
        c.touch_both();
    }

    fn reply(&mut self, flow: &mut Flow<'_>, m: &[u8], cx: &mut AppCx<'_>) -> Option<()> {
        let xid = be32(m, 0)?;
        let (denied, results) = xdr::reply(m)?;
        if let Some(a) = self.asked.iter().find(|a| a.xid == xid && a.version > 0) {
            let (version, procedure, offset, file) = (a.version, a.procedure, a.offset, a.file);
            if let Some(mut x) = results {
                let tx = flow.resolve(file);
                let read = match (version, procedure) {
                    (4.., _) => self.results4(flow, tx, (xid, offset), &mut x, cx),
                    (2, _) => tx.and_then(|tx| self.read2(flow, tx, (xid, offset), &mut x, cx)),
                    _ => tx.and_then(|tx| self.read3(flow, tx, (xid, offset), &mut x, cx)),
                };
                if tx.is_some() {
                    read?;
                }
            }
            if let Some(a) = self.asked.iter_mut().find(|a| a.xid == xid) {
                a.version = 0;
            }
        }
        let Some(tx) = flow.waiting(|t| t.own.xid == xid && !t.own.replied) else { return Some(()) };
        let x = &mut flow.get(tx).own;
        (x.replied, x.denied) = (true, denied);
        let (version, procedure, file) = (x.version, x.procedure, x.file.is_some());
        if let Some(mut r) = results {
            let status = r.u32()?;
            x.status = status;
            if status == 0 && !file {
                // A name whose handle cannot be read is not known later.
                let _short = match version {
                    2 => self.named2(flow, tx, procedure, &mut r, cx),
                    3 => self.named3(flow, tx, procedure, &mut r, cx),
                    _ => Some(()),
                };
            }
        }
        let x = &flow.get(tx).own;
        // A file of version 4 is complete when the stream is; others when they are closed.
        if !file || (version < 4 && !x.data.is_open()) {
            self.finish(flow, tx);
        } else if version < 4 && x.file == Some(Dir::ToServer) {
            flow.get(tx).common.advance(Dir::ToClient, 1);
        }
        Some(())
    }

    /// Notes the handle of the name that was asked for.
    fn named2(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        procedure: u32,
        r: &mut Xdr<'_>,
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        if procedure == LOOKUP2 {
            cx.scratch.clear();
            cx.scratch.extend(flow.get(tx).own.name.get(cx.pool));
            self.remember(r.fixed(32)?, cx.scratch.as_slice(), cx.pool);
        }
        Some(())
    }

    fn named3(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        procedure: u32,
        r: &mut Xdr<'_>,
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        match procedure {
            LOOKUP | CREATE => {
                if procedure == CREATE && r.u32()? == 0 {
                    return Some(());
                }
                let handle = r.opaque()?;
                let x = &mut flow.get(tx).own;
                if procedure == LOOKUP {
                    x.shown = Some(crc32(handle));
                }
                cx.scratch.clear();
                cx.scratch.extend(x.name.get(cx.pool));
                self.remember(handle, cx.scratch.as_slice(), cx.pool);
            }
            READDIRPLUS => {
                xdr::post_attributes(r)?;
                r.skip(8)?;
                for _ in 0..ENTRIES {
                    if r.u32()? == 0 {
                        break;
                    }
                    r.skip(8)?;
                    let name = r.opaque()?;
                    r.skip(8)?;
                    xdr::post_attributes(r)?;
                    if r.u32()? != 0 {
                        self.remember(r.opaque()?, name, cx.pool);
                    }
                }
            }
            _ => {}
        }
        Some(())
    }

    /// Data that were read; `eof`: they are the last.
    fn chunk(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        (xid, offset): (u32, u64),
        (eof, len, bytes): (bool, u64, &[u8]),
        cx: &mut AppCx<'_>,
    ) {
        let x = &mut flow.get(tx).own;
        x.chunks = x.chunks.saturating_add(1);
        self.bytes(flow, tx, (offset, len, bytes), eof.then_some(xid), cx);
    }

    fn failed(flow: &mut Flow<'_>, tx: TxIdx, status: u32) -> bool {
        flow.get(tx).own.status = status;
        status != 0
    }

    fn read2(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        at: (u32, u64),
        x: &mut Xdr<'_>,
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        if Self::failed(flow, tx, x.u32()?) {
            return Some(());
        }
        // Attributes of 68 bytes; the sixth word of them is the size of the file.
        let size = u64::from(be32(x.fixed(68)?, 20)?);
        let (len, bytes) = x.partial()?;
        self.chunk(flow, tx, at, (at.1.saturating_add(len) >= size, len, bytes), cx);
        Some(())
    }

    fn read3(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        at: (u32, u64),
        x: &mut Xdr<'_>,
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        if Self::failed(flow, tx, x.u32()?) {
            return Some(());
        }
        xdr::post_attributes(x)?;
        let _count = x.u32()?;
        let eof = x.u32()? != 0;
        let (len, bytes) = x.partial()?;
        self.chunk(flow, tx, at, (eof, len, bytes), cx);
        Some(())
    }

    fn results4(
        &mut self,
        flow: &mut Flow<'_>,
        tx: Option<TxIdx>,
        at: (u32, u64),
        x: &mut Xdr<'_>,
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        xdr::results(x, |r| match (r, tx) {
            (Result4::Handle(h), _) => {
                cx.scratch.clear();
                if let Some(a) = self.asked.iter().find(|a| a.xid == at.0) {
                    cx.scratch.extend(a.name.get(cx.pool));
                }
                if !cx.scratch.is_empty() {
                    self.remember(h, cx.scratch.as_slice(), cx.pool);
                }
            }
            (Result4::Read { eof, len, bytes }, Some(tx)) => {
                self.chunk(flow, tx, at, (eof, len, bytes), cx);
            }
            (Result4::Status(READ4, status), Some(tx)) => {
                Self::failed(flow, tx, status);
            }
            _ => {}
        })
    }

    /// The stream has ended in that direction: nothing more of what is there comes.
    fn end(&mut self, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        for i in 0..FILES {
            let Some(o) = self.open.get_mut(i) else { break };
            let f = core::mem::take(&mut o.files[dir.ix()]);
            self.ended(flow, f, None, true, cx);
        }
        let mut at = flow.first();
        while let Some(tx) = at {
            at = flow.after(tx);
            if flow.peek(tx).common.progress(dir) == 0 {
                flow.get(tx).common.advance(dir, 1);
            }
        }
    }
}

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

    fn new(_: &AppConfig) -> Self {
        Nfs
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        if !input.datagram {
            let out = counted::read(s, flow, input, cx);
            if input.eof {
                s.end(flow, input.dir, cx);
            }
            return out;
        }
        s.sides[input.dir.ix()].file = None;
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
        s.names.iter_mut().for_each(|n| n.1.free(cx.pool));
        s.asked.iter_mut().for_each(|a| a.name.free(cx.pool));
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
