//! Data of files and of named pipes that SMB carries. In: reads and writes, and bytes as they come. Out: transactions of files, and of
//! calls of DCERPC. What is open is the session's ([`State`]).

use super::record::{Data, Fid, Record};
use super::session::{Call, Coming, MAX_IO, NAME, OPEN, Read, State};
use super::{
    EV_MALFORMED, EV_OVERLAP, EV_READ_ANSWER, EV_READ_BYTES, EV_READS, EV_WRITE, EV_WRITE_BYTES, EV_WRITES,
    Exchange, FILE, Flow, Kind, STUB, tag,
};
use crate::Dir;
use crate::app::carried::TooMuch;
use crate::app::dcerpc::{HEAD, Pdu};
use crate::app::txs::{Tx, TxCommon, TxHandle};
use crate::app::{AppCx, TxIdx};

/// PDUs of one message that are looked at.
const PDUS: usize = 64;

impl State {
    /// The transaction of a file in one direction, a new one at the first data. One that was not opened in sight has no name.
    fn file(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        fid: Fid,
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        let place = self.opened(fid).unwrap_or(self.next_open);
        let open = self.open.get_mut(place)?;
        if open.fid != fid {
            self.next_open = (self.next_open + 1) % OPEN;
            for f in core::mem::take(&mut open.files) {
                ended(flow, f, true, cx);
            }
            (open.fid, open.service) = (fid, false);
            open.name.free(cx.pool);
        }
        let known = open.files.get(dir.ix()).and_then(|h| flow.resolve(*h));
        if known.is_some_and(|tx| flow.peek(tx).own.file.is_open()) {
            return known;
        }
        let tx = self.new_tx(flow, r, Kind::File, cx)?;
        let t = flow.get(tx);
        (t.own.fid, t.own.dir) = (fid, dir);
        let open = self.open.get_mut(place)?;
        t.own.list.push_from(cx.pool, tag::NAME, &open.name, NAME);
        if let Some(s) = self.shares.iter().find(|s| s.id == r.tree && !s.name.is_empty()) {
            t.own.list.push_from(cx.pool, tag::SHARE, &s.name, NAME);
        }
        cx.scratch.clear();
        cx.scratch.extend(open.name.get(cx.pool));
        open.files[dir.ix()] = flow.handle(tx);
        let t = flow.get(tx);
        t.own.file.open(&mut t.common, dir, cx);
        Some(tx)
    }

    /// Data of a file begin: those that are here, and how many follow.
    fn begins(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, d: Data<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        let Some(tx) = self.file(flow, r, d.fid, dir, cx) else { return };
        let t = flow.get(tx);
        if d.offset < t.own.file.next() && d.len > 0 {
            t.common.raise(EV_OVERLAP, dir);
        }
        let left = d.len.saturating_sub(d.bytes.len() as u64);
        let full = t.own.file.data(d.offset, d.bytes, cx.wanted.has(FILE), cx);
        too_much(&mut t.common, full, dir);
        t.common.touch(dir);
        if left > 0 {
            let at = d.offset.saturating_add(d.bytes.len() as u64);
            self.sides[dir.ix()].file = Some(Coming { tx: flow.handle(tx), at, left });
        }
    }

    /// More bytes of the record that is under way, or (`gap`) so many that never arrived.
    pub(super) fn data(&mut self, flow: &mut Flow<'_>, bytes: &[u8], gap: u64, dir: Dir, cx: &mut AppCx<'_>) {
        let Some(c) = self.sides[dir.ix()].file.as_mut().filter(|c| c.left > 0) else { return };
        // What follows the data is padding.
        let most = usize::try_from(c.left).unwrap_or(usize::MAX);
        let bytes = bytes.get(..most).unwrap_or(bytes);
        let (at, n, gap) = (c.at, bytes.len() as u64, gap.min(c.left));
        (c.at, c.left) = (at.saturating_add(n + gap), c.left - n - gap);
        let Some(tx) = flow.resolve(c.tx) else { return };
        let t = flow.get(tx);
        if gap > 0 {
            t.own.file.gap(at, gap, cx.wanted.has(FILE), cx);
        } else {
            let full = t.own.file.data(at, bytes, cx.wanted.has(FILE), cx);
            too_much(&mut t.common, full, dir);
        }
        t.common.touch(dir);
    }

    pub(super) fn write(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, d: Data<'_>, cx: &mut AppCx<'_>) {
        if d.len > u64::from(MAX_IO) || (self.max_write > 0 && d.len > u64::from(self.max_write)) {
            flow.raise(EV_WRITE, Dir::ToServer, cx.now);
        }
        if self.carries_calls(r.tree, d.fid) {
            return self.call(flow, r, d.fid, d.bytes, cx);
        }
        self.begins(flow, r, d, Dir::ToServer, cx);
    }

    pub(super) fn read(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, d: Data<'_>, cx: &mut AppCx<'_>) {
        if self.max_read > 0 && d.len > u64::from(self.max_read) {
            flow.raise(EV_READ_ANSWER, Dir::ToClient, cx.now);
        }
        let Some(asked) = self.reads.iter_mut().find(|q| q.id == r.id && q.fid.len > 0) else { return };
        let Read { fid, offset, .. } = core::mem::take(asked);
        if self.carries_calls(r.tree, fid) {
            return self.called(flow, r, fid, d.bytes, cx);
        }
        if d.len > 0 {
            self.begins(flow, r, Data { fid, offset, ..d }, Dir::ToClient, cx);
        }
    }

    /// A file is closed, or (`truncated`) no more of it will be seen.
    pub(super) fn close(&mut self, flow: &mut Flow<'_>, fid: Fid, truncated: bool, cx: &mut AppCx<'_>) {
        if let Some(o) = self.opened(fid).and_then(|o| self.open.get_mut(o)) {
            for f in core::mem::take(&mut o.files) {
                ended(flow, f, truncated, cx);
            }
        }
    }

    /// The stream of a direction has ended: so have its files.
    pub(super) fn end(&mut self, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        for o in &mut self.open {
            ended(flow, core::mem::take(&mut o.files[dir.ix()]), true, cx);
        }
    }

    /// Bytes that are written to a pipe.
    pub(super) fn call(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        fid: Fid,
        bytes: &[u8],
        cx: &mut AppCx<'_>,
    ) {
        let mut rest = self.more(flow, bytes, Dir::ToServer, cx);
        for n in 0..PDUS {
            let Some(pdu) = Pdu::read(rest).filter(|p| p.is_request()) else {
                if n == 0 {
                    self.other(flow, r, fid, rest, cx);
                }
                return;
            };
            let goes_on = |t: &Tx<Exchange>| {
                t.own.kind == Kind::Pipe
                    && t.own.call.id == pdu.call
                    && !t.own.call.whole[0]
                    && t.own.fid == fid
            };
            let found = flow.waiting(goes_on);
            let Some(tx) = found.or_else(|| self.wait(flow, r, Kind::Pipe, cx)) else { return };
            let x = &mut flow.get(tx).own;
            x.fid = fid;
            x.call.asked(pdu, rest, &mut self.bound, cx.pool);
            rest = self.stub(flow, tx, pdu, rest, Dir::ToServer, cx);
        }
    }

    /// Something else in a pipe that could be a PDU by its length: as in Suricata it is told, and has no answer.
    fn other(&mut self, flow: &mut Flow<'_>, r: &Record<'_>, fid: Fid, b: &[u8], cx: &mut AppCx<'_>) {
        let Some(pdu) = Pdu::any(b) else { return };
        let Some(tx) = self.asked(flow, r, Kind::Pipe, cx) else { return };
        let t = flow.get(tx);
        t.own.fid = fid;
        t.own.call.other(pdu);
        if pdu.kind > 20 {
            t.common.raise(EV_MALFORMED, Dir::ToServer);
        }
    }

    /// Bytes that are read from a pipe, or come as the answer of a call.
    pub(super) fn called(
        &mut self,
        flow: &mut Flow<'_>,
        r: &Record<'_>,
        fid: Fid,
        bytes: &[u8],
        cx: &mut AppCx<'_>,
    ) {
        let mut rest = self.more(flow, bytes, Dir::ToClient, cx);
        for _ in 0..PDUS {
            let Some(pdu) = Pdu::read(rest).filter(|p| p.is_answer()) else { return };
            let answers = |t: &Tx<Exchange>| {
                let same = fid.len == 0 || t.own.fid.len == 0 || t.own.fid == fid;
                t.own.kind == Kind::Pipe && t.own.call.id == pdu.call && !t.own.call.whole[1] && same
            };
            let Some(tx) = flow.waiting(answers) else { return };
            let x = &mut flow.get(tx).own;
            x.status = Some((r.status, r.dos));
            x.call.answered(pdu, rest, &mut self.bound, cx.pool);
            rest = self.stub(flow, tx, pdu, rest, Dir::ToClient, cx);
        }
    }

    /// The data of a PDU, as far as they are here. What follows the PDU is given back.
    fn stub<'b>(
        &mut self,
        flow: &mut Flow<'_>,
        tx: TxIdx,
        pdu: Pdu,
        b: &'b [u8],
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) -> &'b [u8] {
        let here = b.get(..pdu.len).unwrap_or(b);
        let call = &mut flow.get(tx).own.call;
        if pdu.has_data() {
            call.data(dir, here.get(pdu.first(true)..).unwrap_or(&[]), cx.wanted.has(STUB), cx.pool);
        }
        let (left, last) = (pdu.len - here.len(), call.whole[dir.ix()]);
        if left > 0 {
            call.whole[dir.ix()] = false;
            self.sides[dir.ix()].call = Call { tx: flow.handle(tx), left, last };
        } else if last {
            self.part_whole(flow, tx, dir);
        }
        b.get(pdu.len.max(HEAD)..).unwrap_or(&[])
    }

    /// Data of the PDU that was cut off in the message before; what follows it is given back.
    fn more<'b>(&mut self, flow: &mut Flow<'_>, b: &'b [u8], dir: Dir, cx: &mut AppCx<'_>) -> &'b [u8] {
        let c = &mut self.sides[dir.ix()].call;
        let here = b.get(..c.left).unwrap_or(b);
        c.left -= here.len();
        let (whole, last) = (c.left == 0, c.last);
        if let Some(tx) = flow.resolve(c.tx).filter(|_| !here.is_empty()) {
            let call = &mut flow.get(tx).own.call;
            call.data(dir, here, cx.wanted.has(STUB), cx.pool);
            if whole && last {
                call.whole[dir.ix()] = true;
                self.part_whole(flow, tx, dir);
            }
        }
        b.get(here.len()..).unwrap_or(&[])
    }

    /// All of a call, or of its answer, was seen.
    fn part_whole(&mut self, flow: &mut Flow<'_>, tx: TxIdx, dir: Dir) {
        if dir == Dir::ToClient {
            return self.finish(flow, tx);
        }
        let c = &mut flow.get(tx).common;
        c.advance(dir, 1);
        c.touch(dir);
    }
}

/// Pieces of a file came too early, and more than can wait.
fn too_much(c: &mut TxCommon, full: Option<TooMuch>, dir: Dir) {
    let ev = match (full, dir) {
        (None, _) => return,
        (Some(TooMuch::Pieces), Dir::ToServer) => EV_WRITES,
        (Some(TooMuch::Bytes), Dir::ToServer) => EV_WRITE_BYTES,
        (Some(TooMuch::Pieces), Dir::ToClient) => EV_READS,
        (Some(TooMuch::Bytes), Dir::ToClient) => EV_READ_BYTES,
    };
    c.raise(ev, dir);
}

/// No more data of a file come.
pub(super) fn ended(flow: &mut Flow<'_>, f: TxHandle, truncated: bool, cx: &mut AppCx<'_>) {
    let Some(tx) = flow.resolve(f) else { return };
    let t = flow.get(tx);
    if !t.own.file.is_open() {
        return;
    }
    t.own.file.close(truncated, cx.wanted.has(FILE), cx);
    t.own.status = Some((0, false));
    t.common.advance_both(1);
    t.common.touch_both();
}
