//! What a connection of NFS has: names of handles, files that are read or written, calls that wait for their replies. In: messages
//! of RPC. Out: transactions. All tables are bounded; the oldest entry gives way.

use super::xdr::{self, Creds, Op, Result4, Xdr, crc32, hash};
use super::{EV_MALFORMED, EV_MANY, FILE, Flow, PROGRAM};
use crate::Dir;
use crate::app::plain::be32;
use crate::app::txs::TxHandle;
use crate::app::{AppCx, TxIdx};
use crate::pool::{BytePool, PBuf};

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
pub(super) const LOOKUP2: u32 = 4;
pub(super) const READ2: u32 = 6;
pub(super) const GETATTR: u32 = 1;
pub(super) const LOOKUP: u32 = 3;
pub(super) const ACCESS: u32 = 4;
pub(super) const READ: u32 = 6;
pub(super) const WRITE: u32 = 7;
pub(super) const CREATE: u32 = 8;
pub(super) const MKDIR: u32 = 9;
pub(super) const REMOVE: u32 = 12;
pub(super) const RMDIR: u32 = 13;
pub(super) const RENAME: u32 = 14;
pub(super) const READDIRPLUS: u32 = 17;
pub(super) const COMMIT: u32 = 21;
pub(super) const CREATE4: u32 = 6;
pub(super) const READ4: u32 = 25;
pub(super) const REMOVE4: u32 = 28;
pub(super) const RENAME4: u32 = 29;
pub(super) const WRITE4: u32 = 38;

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
pub(super) struct Coming {
    tx: TxHandle,
    at: u64,
    left: u64,
    /// The file ends with them, by the call of that number.
    ends: Option<u32>,
}

#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) left: usize,
    pub(super) file: Option<Coming>,
}

#[derive(Debug, Default)]
pub struct State {
    /// Key of the hash of handles.
    pub(super) seed: u64,
    pub(super) sides: [Side; 2],
    pub(super) datagrams: bool,
    names: [(u64, PBuf); NAMES],
    next_name: usize,
    open: [Open; FILES],
    next_open: usize,
    asked: [Asked; ASKED],
    next_asked: usize,
    pending: usize,
}

/// A call's head.
#[derive(Clone, Copy)]
struct Call<'b> {
    xid: u32,
    version: u32,
    procedure: u32,
    creds: Creds<'b>,
}

impl State {
    /// Gives back what it holds.
    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.names.iter_mut().for_each(|n| n.1.free(pool));
        self.asked.iter_mut().for_each(|a| a.name.free(pool));
    }

    fn remember(&mut self, handle: &[u8], name: &[u8], pool: &mut BytePool) {
        let handle = hash(handle, self.seed);
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
    pub(super) fn message(&mut self, flow: &mut Flow<'_>, m: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
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
                self.name_of(hash(handle, self.seed), cx);
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
                self.close(flow, hash(handle, self.seed), Dir::ToServer, c.xid, cx);
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
                Op::Commit => self.close(flow, hash(handle, self.seed), Dir::ToServer, c(0).xid, cx),
                Op::Close => {
                    for d in Dir::BOTH {
                        self.close(flow, hash(handle, self.seed), d, c(0).xid, cx);
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
        let h = hash(handle, self.seed);
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
        if let Some(tx) = known.filter(|tx| {
            let x = &flow.peek(*tx).own;
            x.data.is_open() || x.cut
        }) {
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
        if t.own.filled && t.own.data.is_open() {
            // As in Suricata, which waits in vain for what fills a piece up in a datagram: the file ends with that piece.
            t.own.data.close(true, cx.wanted.has(FILE), cx);
            t.own.cut = true;
        }
        t.own.filled = self.datagrams && len % 4 != 0;
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
    pub(super) fn data(&mut self, flow: &mut Flow<'_>, bytes: &[u8], gap: u64, dir: Dir, cx: &mut AppCx<'_>) {
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
        if !t.own.data.is_open() && !t.own.cut {
            return;
        }
        t.own.cut = false;
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
        if !file || (version < 4 && !x.data.is_open() && !x.cut) {
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
    pub(super) fn end(&mut self, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
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
