//! What a connection of SMB has: its dialect, shares, open files, reads that wait for their answers, calls in pipes. In:
//! commands. Out: transactions. All tables are bounded; the oldest entry gives way.

use super::data::ended;
use super::ntlmssp;
use super::record::{self, Fid, Record, Text, What};
use super::{
    EV_AGAIN, EV_DIALECTS, EV_MALFORMED, EV_MANY, EV_MAX_READ, EV_MAX_WRITE, EV_NTLMSSP, EV_READ,
    EV_TO_CLIENT, EV_TO_SERVER, Flow, Kind, names, put, tag,
};
use crate::Dir;
use crate::app::dcerpc::Bound;
use crate::app::txs::TxHandle;
use crate::app::{AppCx, TxIdx};
use crate::pool::{BytePool, PBuf};

/// Requests that wait for their answers.
const PENDING: u32 = 1024;
const SHARES: usize = 8;
pub(super) const OPEN: usize = 32;
const READS: usize = 32;
/// Dialects of one negotiation that are kept.
const DIALECTS: usize = 32;
/// The largest read and write that a server may allow, and a client ask for: Suricata's defaults.
pub(super) const MAX_IO: u32 = 16 << 20;
/// Longest name that is kept.
pub(super) const NAME: usize = 4096;

const PENDING_STATUS: u32 = 0x103;
const OVERFLOW: u32 = 0x8000_0005;

#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) id: u32,
    pub(super) name: PBuf,
    pipe: bool,
}

/// An open file.
#[derive(Debug, Default)]
pub(super) struct Open {
    pub(super) fid: Fid,
    pub(super) name: PBuf,
    /// It is a pipe of a service that speaks DCERPC, by its name.
    pub(super) service: bool,
    /// Its transactions: what is written, what is read.
    pub(super) files: [TxHandle; 2],
}

/// A read that was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Read {
    pub(super) id: u64,
    pub(super) fid: Fid,
    pub(super) offset: u64,
}

/// The data of a file that are coming.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    pub(super) tx: TxHandle,
    pub(super) at: u64,
    pub(super) left: u64,
}

/// A call whose data go on in the next message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Call {
    pub(super) tx: TxHandle,
    pub(super) left: usize,
    pub(super) last: bool,
}

#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) left: usize,
    pub(super) lost: bool,
    pub(super) file: Option<Coming>,
    pub(super) call: Call,
}

#[derive(Debug, Default)]
pub struct State {
    pub(super) sides: [Side; 2],
    pub(super) bound: Bound,
    pending: usize,
    /// Too many wait.
    pub(super) full: bool,
    dialect: u16,
    /// Name of a dialect of version 1.
    dialect_name: PBuf,
    negotiated: bool,
    pub(super) max_read: u32,
    pub(super) max_write: u32,
    pub(super) shares: [Share; SHARES],
    next_share: usize,
    pub(super) open: [Open; OPEN],
    pub(super) next_open: usize,
    pub(super) reads: [Read; READS],
    next_read: usize,
    /// The file that the message under way opens: further commands in it name no other.
    related: TxHandle,
}

/// The file that the command before in the same message opens (MS-SMB2 3.2.4.1.4).
const RELATED: Fid = Fid { bytes: [0xff; 16], len: 16 };

impl State {
    pub(super) fn free(&mut self, pool: &mut BytePool) {
        self.dialect_name.free(pool);
        self.shares.iter_mut().for_each(|s| s.name.free(pool));
        self.open.iter_mut().for_each(|o| o.name.free(pool));
    }

    fn share(&self, id: u32) -> Option<&Share> {
        self.shares.iter().find(|s| s.id == id && !s.name.is_empty())
    }

    pub(super) fn opened(&self, fid: Fid) -> Option<usize> {
        self.open.iter().position(|o| o.fid == fid && fid.len > 0)
    }

    /// The message that begins so reads from or writes to a pipe, whose data are read whole.
    pub(super) fn is_pipe(&self, start: &[u8], dir: Dir) -> bool {
        let mut pipe = false;
        let _none = record::each(start, |r| {
            let fid = match r.what {
                What::Write(d) => d.fid,
                What::ReadAnswer(_) if dir == Dir::ToClient => {
                    self.read_of(r.id).map_or(Fid::default(), |r| r.fid)
                }
                _ => Fid::default(),
            };
            pipe |= self.carries_calls(r.tree, fid);
        });
        pipe
    }

    /// What is written to that file is DCERPC: by its share, or by its name where the share is not known.
    pub(super) fn carries_calls(&self, tree: u32, fid: Fid) -> bool {
        match self.share(tree) {
            Some(s) => s.pipe,
            None => self.opened(fid).and_then(|o| self.open.get(o)).is_some_and(|o| o.service),
        }
    }

    fn read_of(&self, id: u64) -> Option<Read> {
        self.reads.iter().find(|r| r.id == id && r.fid.len > 0).copied()
    }

    /// A message of one or several commands.
    pub(super) fn message(&mut self, flow: &mut Flow<'_>, m: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        self.related = TxHandle::default();
        let whole = record::each(m, |r| match (dir, r.response) {
            (Dir::ToServer, false) => self.request(flow, &r, cx),
            (Dir::ToClient, true) => self.answer(flow, &r, cx),
            (Dir::ToServer, true) => flow.raise(EV_TO_SERVER, dir, cx.now),
            (Dir::ToClient, false) => flow.raise(EV_TO_CLIENT, dir, cx.now),
        });
        if whole.is_none() {
            flow.raise(EV_MALFORMED, dir, cx.now);
        }
    }

    /// A new transaction for a command.
    pub(super) fn new_tx(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        kind: Kind,
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        let tx = flow.open(cx.now)?;
        let x = &mut flow.get(tx).own;
        (x.kind, x.version, x.command, x.id) = (kind, r.version, r.command, r.id);
        (x.session, x.tree, x.dialect) = (r.session, r.tree, self.dialect);
        self.name_dialect(flow, tx, cx);
        Some(tx)
    }

    fn name_dialect(&self, flow: &mut Flow<'_>, tx: TxIdx, cx: &mut AppCx<'_>) {
        let x = &mut flow.get(tx).own;
        x.dialect = self.dialect;
        if !self.dialect_name.is_empty() && x.list.nth(cx.pool, tag::DIALECT, 0).is_none() {
            x.list.push_from(cx.pool, tag::DIALECT, &self.dialect_name, 64);
        }
    }

    /// One that waits for its answer. Nothing is read of the flow any more when there are too many.
    pub(super) fn wait(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        kind: Kind,
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        if self.pending >= cx.cfg.waiting_or("smb", PENDING) as usize
            && let Some(old) = flow.waiting(|_| true)
        {
            if !core::mem::replace(&mut self.full, true) {
                flow.get(old).common.raise(EV_MANY, Dir::ToServer);
            }
            return None;
        }
        let tx = self.new_tx(flow, r, kind, cx)?;
        self.pending += 1;
        flow.wait(tx);
        Some(tx)
    }

    pub(super) fn finish(&mut self, flow: &mut Flow<'_>, tx: TxIdx) {
        flow.answered(tx);
        self.pending = self.pending.saturating_sub(1);
        let c = &mut flow.get(tx).common;
        c.advance_both(1);
        c.touch_both();
    }

    /// A transaction that waits, its request complete.
    pub(super) fn asked(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        kind: Kind,
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        let tx = self.wait(flow, r, kind, cx)?;
        flow.get(tx).common.advance(Dir::ToServer, 1);
        Some(tx)
    }

    fn request(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, cx: &mut AppCx<'_>) {
        let _no_room = match r.what {
            What::Dialects(_) | What::Negotiate { .. } => self.negotiate(flow, r, cx),
            What::Setup { blob, os, lm } => self.setup(flow, r, (blob, os, lm), cx),
            What::Tree { path, service } => self.tree(flow, r, path, service, cx),
            What::Create { name, disposition, options } => {
                self.asked(flow, r, Kind::Create, cx).map(|tx| {
                    self.related = flow.handle(tx);
                    let x = &mut flow.get(tx).own;
                    put(&mut x.list, tag::NAME, name, cx);
                    x.number = disposition;
                    // Options: a directory, and deletion when it is closed (MS-SMB2 2.2.13).
                    (x.flag, x.delete) = (options & 1 != 0, options & 0x1000 != 0);
                })
            }
            What::Close(fid) => {
                self.close(flow, fid, false, cx);
                self.asked(flow, r, Kind::Generic, cx).map(drop)
            }
            What::TreeGone => {
                if let Some(s) = self.shares.iter_mut().find(|s| s.id == r.tree) {
                    s.name.free(cx.pool);
                }
                self.asked(flow, r, Kind::Generic, cx).map(drop)
            }
            What::Read { fid, offset, len } => {
                if len > u64::from(MAX_IO) || (self.max_read > 0 && len > u64::from(self.max_read)) {
                    flow.raise(EV_READ, Dir::ToServer, cx.now);
                }
                if let Some(slot) = self.reads.get_mut(self.next_read) {
                    *slot = Read { id: r.id, fid, offset };
                }
                self.next_read = (self.next_read + 1) % READS;
                None
            }
            What::Write(data) => {
                self.write(flow, r, data, cx);
                None
            }
            What::Pipe { fid, bytes } => {
                self.call(flow, r, fid, bytes, cx);
                None
            }
            What::Ioctl { function, fid, .. } => self.asked(flow, r, Kind::Ioctl, cx).map(|tx| {
                let x = &mut flow.get(tx).own;
                (x.number, x.fid) = (function, fid);
            }),
            What::Rename { fid, from, to } => self.rename(flow, r, (fid, from, to), cx),
            What::Disposition { fid, name, delete, sub, level } => {
                self.asked(flow, r, Kind::Disposition, cx).map(|tx| {
                    self.named(flow, tx, fid, name, cx);
                    let x = &mut flow.get(tx).own;
                    x.delete = delete;
                    x.number = if r.version == 1 {
                        u32::from(sub) << 16 | u32::from(level)
                    } else {
                        u32::from(level)
                    };
                })
            }
            What::Malformed => {
                flow.raise(EV_MALFORMED, Dir::ToServer, cx.now);
                None
            }
            _ if has_none(r) => None,
            _ => self.asked(flow, r, Kind::Generic, cx).map(drop),
        };
    }

    fn negotiate(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, cx: &mut AppCx<'_>) -> Option<()> {
        let tx = self.asked(flow, r, Kind::Negotiate, cx)?;
        let x = flow.get(tx);
        if self.negotiated && r.version > 1 {
            x.common.raise(EV_AGAIN, Dir::ToServer);
        }
        match r.what {
            What::Dialects(list) => {
                for d in list.split(|b| *b == 0).filter(|d| !d.is_empty()).take(DIALECTS) {
                    match d {
                        [2, name @ ..] => {
                            x.own.list.push(cx.pool, tag::OFFERED, name);
                        }
                        _ => x.common.raise(EV_DIALECTS, Dir::ToServer),
                    }
                }
            }
            What::Negotiate { dialects, guid } => {
                for d in dialects.chunks_exact(2).take(DIALECTS) {
                    x.own.list.push(cx.pool, tag::OFFERED, d);
                }
                x.own.client = guid.first_chunk().copied();
            }
            _ => {}
        }
        Some(())
    }

    fn setup(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        (blob, os, lm): (&[u8], Text<'_>, Text<'_>),
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        let tx = self.asked(flow, r, Kind::Setup, cx)?;
        let t = flow.get(tx);
        let list = &mut t.own.list;
        match ntlmssp::find(blob) {
            Some(Some(who)) => {
                for (tag, bytes) in [(tag::USER, who.user), (tag::DOMAIN, who.domain), (tag::HOST, who.host)]
                {
                    put(list, tag, Text { bytes, wide: who.wide }, cx);
                }
                if let Some(v) = who.version {
                    list.push(cx.pool, tag::VERSION, &v);
                }
                t.own.flag = who.warning;
            }
            Some(None) => t.common.raise(EV_NTLMSSP, Dir::ToServer),
            None => {}
        }
        if let Some((realm, names)) = ntlmssp::ticket(blob) {
            list.push(cx.pool, tag::REALM, realm);
            for n in ntlmssp::names(names).take(8) {
                list.push(cx.pool, tag::SNAME, n);
            }
        }
        if r.version == 1 {
            put(list, tag::OS, os, cx);
            put(list, tag::LM, lm, cx);
        }
        Some(())
    }

    fn tree(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        path: Text<'_>,
        service: &[u8],
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        let tx = self.wait(flow, r, Kind::Tree, cx)?;
        let x = &mut flow.get(tx).own;
        cx.scratch.clear();
        ntlmssp::text(path.bytes, path.wide, cx.scratch);
        let name = cx.scratch.as_slice();
        // Of version 1, as in Suricata, without the first of the two backslashes.
        let name = if r.version == 1 { name.get(1..).unwrap_or(&[]) } else { name };
        x.list.push(cx.pool, tag::SHARE, name);
        if r.version == 1 {
            x.list.push(cx.pool, tag::SERVICE, service);
        }
        // What kind of share it is says the answer.
        Some(())
    }

    /// Notes the file that a command is about, by its number or by its name.
    fn named(&mut self, flow: &mut Flow<'_>, tx: TxIdx, fid: Fid, name: Text<'_>, cx: &mut AppCx<'_>) {
        if fid == RELATED
            && let Some(opened) = flow.resolve(self.related)
        {
            cx.scratch.clear();
            cx.scratch.extend(flow.peek(opened).own.list.nth(cx.pool, tag::NAME, 0).unwrap_or(&[]));
            let x = &mut flow.get(tx).own;
            x.fid = fid;
            x.list.push(cx.pool, tag::NAME, cx.scratch.as_slice());
            return;
        }
        let x = &mut flow.get(tx).own;
        x.fid = fid;
        match self.opened(fid).and_then(|o| self.open.get(o)) {
            Some(o) => {
                x.list.push_from(cx.pool, tag::NAME, &o.name, NAME);
            }
            None => put(&mut x.list, tag::NAME, name, cx),
        }
    }

    fn rename(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        (fid, from, to): (Fid, Text<'_>, Text<'_>),
        cx: &mut AppCx<'_>,
    ) -> Option<()> {
        let tx = self.asked(flow, r, Kind::Rename, cx)?;
        self.named(flow, tx, fid, from, cx);
        put(&mut flow.get(tx).own.list, tag::TO, to, cx);
        Some(())
    }

    fn answer(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, cx: &mut AppCx<'_>) {
        if r.version > 1 && r.status == PENDING_STATUS {
            // The answer proper follows.
            return;
        }
        match r.what {
            What::ReadAnswer(data) => return self.read(flow, r, data, cx),
            What::PipeAnswer(bytes) => return self.called(flow, r, Fid::default(), bytes, cx),
            What::Malformed => flow.raise(EV_MALFORMED, Dir::ToClient, cx.now),
            _ => {}
        }
        let found = flow.waiting(|t| {
            let x = &t.own;
            let same = x.id == r.id && x.version == r.version && x.command == r.command;
            // A write to a pipe is answered in the pipe, unless it fails.
            let failed = r.status != 0 && r.status != OVERFLOW;
            same && (x.kind != Kind::Pipe || failed)
                // A negotiation that begins with version 1 may be answered by version 2.
                || x.kind == Kind::Negotiate && x.version == 1 && matches!(r.what, What::Negotiated { .. })
        });
        let Some(tx) = found else { return };
        match r.what {
            What::Chosen { .. } | What::Negotiated { .. } => self.chosen(flow, tx, r, cx),
            What::TreeAnswer { kind, service } => self.connected(flow, tx, (r, kind, service), cx),
            What::Created { fid, times, size } => {
                let x = &mut flow.get(tx).own;
                (x.fid, x.times, x.size) = (fid, times, size);
                self.opens(flow, tx, fid, cx);
            }
            What::Setup { os, lm, .. } if r.version == 1 => {
                let list = &mut flow.get(tx).own.list;
                put(list, tag::SERVER_OS, os, cx);
                put(list, tag::SERVER_LM, lm, cx);
            }
            _ => {}
        }
        let t = flow.get(tx);
        t.own.status = Some((r.status, r.dos));
        t.own.told = true;
        if matches!(t.own.kind, Kind::Setup | Kind::Tree) {
            (t.own.session, t.own.tree) = (r.session, r.tree);
        }
        t.common.advance(Dir::ToServer, 1);
        self.name_dialect(flow, tx, cx);
        self.finish(flow, tx);
    }

    fn chosen(&mut self, flow: &mut Flow<'_>, tx: TxIdx, r: &Record<'_>, cx: &mut AppCx<'_>) {
        let t = flow.get(tx);
        match r.what {
            What::Chosen { index, guid } => {
                t.own.server = guid.first_chunk().copied().unwrap_or_default();
                match t.own.list.nth(cx.pool, tag::OFFERED, u32::from(index)) {
                    Some(name) => {
                        cx.scratch.clear();
                        cx.scratch.extend(name);
                        self.dialect_name.free(cx.pool);
                        let _full = self.dialect_name.extend(cx.pool, cx.scratch.as_slice());
                    }
                    // 0xffff: none of them.
                    None if index != 0xffff => t.common.raise(EV_DIALECTS, Dir::ToClient),
                    None => {}
                }
            }
            What::Negotiated { dialect, guid, max_read, max_write } => {
                self.dialect = dialect;
                // What version 1 begins is negotiated again by version 2.
                self.negotiated = t.own.version > 1;
                (self.max_read, self.max_write) = (max_read, max_write);
                (t.own.max_read, t.own.max_write) = (max_read, max_write);
                t.own.server = guid.first_chunk().copied().unwrap_or_default();
                for (max, ev) in [(max_read, EV_MAX_READ), (max_write, EV_MAX_WRITE)] {
                    if max > MAX_IO {
                        t.common.raise(ev, Dir::ToClient);
                    }
                }
            }
            _ => {}
        }
    }

    fn connected(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        (r, kind, service): (&Record<'_>, u8, &[u8]),
        cx: &mut AppCx<'_>,
    ) {
        let x = &mut flow.get(tx).own;
        x.pipe = if r.version == 1 { service == b"IPC" } else { kind == 2 };
        x.number = u32::from(kind);
        if r.version == 1 {
            x.list.push(cx.pool, tag::FOUND, service);
        }
        let known = self.shares.iter().position(|s| s.id == r.tree);
        let place = known.unwrap_or(self.next_share);
        if known.is_none() {
            self.next_share = (self.next_share + 1) % SHARES;
        }
        cx.scratch.clear();
        cx.scratch.extend(x.list.nth(cx.pool, tag::SHARE, 0).unwrap_or(&[]));
        if let Some(s) = self.shares.get_mut(place) {
            (s.id, s.pipe) = (r.tree, x.pipe);
            s.name.free(cx.pool);
            let _full = s.name.extend(cx.pool, cx.scratch.as_slice());
        }
    }

    /// A file was opened: its number has a name from now on.
    fn opens(&mut self, flow: &mut Flow<'_>, tx: TxIdx, fid: Fid, cx: &mut AppCx<'_>) {
        cx.scratch.clear();
        cx.scratch.extend(flow.get(tx).own.list.nth(cx.pool, tag::NAME, 0).unwrap_or(&[]));
        let service = names::is_service(cx.scratch.as_slice());
        let known = self.opened(fid);
        let place = known.unwrap_or(self.next_open);
        if known.is_none() {
            self.next_open = (self.next_open + 1) % OPEN;
        }
        if let Some(o) = self.open.get_mut(place) {
            for f in core::mem::take(&mut o.files) {
                ended(flow, f, true, cx);
            }
            (o.fid, o.service) = (fid, service);
            o.name.free(cx.pool);
            let _full = o.name.extend(cx.pool, cx.scratch.as_slice());
        }
    }
}

/// Commands that are no transaction of their own: reads and writes are those of their file, and of questions and settings
/// only some are told.
fn has_none(r: &Record<'_>) -> bool {
    match r.version {
        1 => matches!(r.command, 0x25 | 0x2e | 0x2f | 0x32),
        _ => matches!(r.command, 8 | 9 | 16 | 17),
    }
}
