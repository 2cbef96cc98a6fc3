//! What requests and responses have in common: fields into their table, bodies by length and by chunks, the end of a
//! message, and bytes that never arrived.

use super::header::{Reader, Step, odd};
use super::text;
use super::{FIELD_LIMIT, Http, MAX_HEADERS, NIL, Next, Stage, Tx, body, buffers, events, progress};
use crate::Dir;
use crate::app::{AppCx, Outcome, StateId};
use crate::pool::BytePool;

/// How reading fields went; with the bytes used.
pub(super) enum Fields {
    More(usize),
    End(usize),
    Failed,
}

impl Http {
    /// Reads fields into the table until the block ends or bytes run out.
    pub(super) fn take_fields(
        &mut self,
        idx: u32,
        dir: Dir,
        data: &[u8],
        eof: bool,
        cx: &mut AppCx<'_>,
    ) -> Fields {
        let reader = Reader { response: dir == Dir::ToClient, eof };
        let tx = self.txs.get_mut(idx);
        let ix = dir.ix();
        let keep_raw = cx.wanted.has(buffers::HEADER_RAW);
        let mut at = 0;
        let out = loop {
            let rest = data.get(at..).unwrap_or(&[]);
            match reader.step(rest, tx.msg[ix].headers.count == 0, cx.scratch) {
                Step::End(n) => {
                    at += n;
                    break Fields::End(at);
                }
                Step::More => {
                    if rest.len() > FIELD_LIMIT {
                        let ev = [events::REQUEST_FIELD_TOO_LONG, events::RESPONSE_FIELD_TOO_LONG][ix];
                        tx.raise(ev, dir);
                        break Fields::Failed;
                    }
                    break Fields::More(at);
                }
                Step::Field(f) => {
                    at += f.len;
                    body::field_events(tx, dir, f.odd);
                    let value =
                        if f.odd & odd::FOLDED != 0 { text::trim(cx.scratch.as_slice()) } else { f.value };
                    if !add_field(tx, dir, f.name, value, f.odd, cx.pool) {
                        break Fields::Failed;
                    }
                }
            }
        };
        if keep_raw && at > 0 {
            let _fits = tx.msg[ix].raw.extend(cx.pool, &data[..at]);
        }
        if at > 0 && tx.common.progress(dir) >= progress::BODY {
            tx.common.touch(dir);
        }
        out
    }

    /// Body bytes of known length, or up to the end of the stream.
    pub(super) fn length_body(&mut self, st: StateId, dir: Dir, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[dir.ix()];
        let known = side.stage == Stage::Length;
        let n =
            if known { data.len().min(usize::try_from(side.left).unwrap_or(usize::MAX)) } else { data.len() };
        if n > 0 {
            self.body_data(side.tx, dir, &data[..n], cx);
        }
        let left = if known { side.left - n as u64 } else { 1 };
        self.flows.get_mut(st).side[dir.ix()].left = left;
        if left == 0 || side.eof {
            return self.finish(st, dir, n, cx);
        }
        if n == 0 { Next::More(0) } else { Next::Used(n) }
    }

    /// Body bytes of a chunk.
    pub(super) fn chunk_body(&mut self, st: StateId, dir: Dir, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[dir.ix()];
        let n = data.len().min(usize::try_from(side.left).unwrap_or(usize::MAX));
        if n == 0 {
            if side.eof {
                return self.finish(st, dir, 0, cx);
            }
            return Next::More(0);
        }
        self.body_data(side.tx, dir, &data[..n], cx);
        let s = &mut self.flows.get_mut(st).side[dir.ix()];
        s.left -= n as u64;
        if s.left == 0 {
            s.stage = Stage::ChunkEnd;
        }
        Next::Used(n)
    }

    /// The line end after a chunk, and whatever stands before it.
    pub(super) fn chunk_end(&mut self, st: StateId, dir: Dir, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[dir.ix()];
        if data.is_empty() {
            if side.eof {
                return self.finish(st, dir, 0, cx);
            }
            return Next::More(0);
        }
        let n = match memchr::memchr(b'\n', data) {
            Some(n) => {
                self.flows.get_mut(st).side[dir.ix()].stage = Stage::ChunkLength;
                n + 1
            }
            None => data.len(),
        };
        self.txs.get_mut(side.tx).msg[dir.ix()].body.wire += n as u64;
        Next::Used(n)
    }

    /// Ends the message being read.
    pub(super) fn finish(&mut self, st: StateId, dir: Dir, used: usize, cx: &mut AppCx<'_>) -> Next {
        let tx = self.flows.get(st).side[dir.ix()].tx;
        match dir {
            Dir::ToServer => {
                self.end_message(st, dir, tx, false, cx);
                Next::Used(used)
            }
            Dir::ToClient => self.end_response(st, used, cx),
        }
    }

    /// A message is complete; its direction is between messages again.
    pub(super) fn end_message(
        &mut self,
        st: StateId,
        dir: Dir,
        idx: u32,
        truncated: bool,
        cx: &mut AppCx<'_>,
    ) {
        let side = self.flows.get(st).side[dir.ix()];
        // The stream ended between chunks or in one: what there is of the body is no whole file. Of a body of known length
        // Suricata says that it is one (suricata-verify's tcp-rst-unacked-stream-09 has its digest).
        let short = matches!(side.stage, Stage::ChunkLength | Stage::Chunk | Stage::ChunkEnd);
        self.end_body(idx, dir, truncated || (short && side.tx == idx), cx);
        let tx = self.txs.get_mut(idx);
        tx.advance(dir, progress::COMPLETE);
        cx.due |= dir.bit();
        let id = tx.common.id;
        let http09 = tx.http09;
        let f = self.flows.get_mut(st);
        let s = &mut f.side[dir.ix()];
        if s.stage != Stage::Failed {
            s.stage = if http09 { Stage::Ignore } else { Stage::Idle };
        }
        s.last = (id, idx);
        s.tx = NIL;
        s.stray = false;
        if dir == Dir::ToClient {
            f.answer = id + 1;
        } else if f.side[1].eof || f.side[1].stage == Stage::Failed {
            // Nobody will answer.
            self.txs.get_mut(idx).advance(Dir::ToClient, progress::COMPLETE);
        }
    }

    /// Bytes that never arrived.
    pub(super) fn gap(&mut self, st: StateId, dir: Dir, bytes: u64, cx: &mut AppCx<'_>) -> Outcome {
        let none = Outcome::Consumed { bytes: 0, need: 0 };
        let mut bytes = bytes;
        loop {
            let side = self.flows.get(st).side[dir.ix()];
            self.flows.get_mut(st).side[dir.ix()].seen_gap = true;
            match side.stage {
                Stage::Length | Stage::ToEnd => {
                    let known = side.stage == Stage::Length;
                    let n = if known { bytes.min(side.left) } else { bytes };
                    self.body_gap(side.tx, dir, n, cx);
                    bytes -= n;
                    if known {
                        self.flows.get_mut(st).side[dir.ix()].left -= n;
                        if side.left == n {
                            let _done = self.finish(st, dir, 0, cx);
                        }
                    }
                    if bytes == 0 {
                        return none;
                    }
                }
                Stage::Chunk => {
                    let n = bytes.min(side.left);
                    self.body_gap(side.tx, dir, n, cx);
                    let s = &mut self.flows.get_mut(st).side[dir.ix()];
                    s.left -= n;
                    if s.left == 0 {
                        s.stage = Stage::ChunkEnd;
                    }
                    return none;
                }
                Stage::Ignore | Stage::Failed => return none,
                _ => {
                    // Reading goes on after the hole in the hope that it fits.
                    let tx = if side.tx != NIL { Some(side.tx) } else { self.live(st, side.last.0) };
                    if let Some(tx) = tx {
                        self.txs.get_mut(tx).raise(events::INVALID_GAP, dir);
                    }
                    return none;
                }
            }
        }
    }
}

pub(super) fn drain(data: &[u8]) -> Next {
    if data.is_empty() { Next::More(0) } else { Next::Used(data.len()) }
}

/// Puts a field into its table, joining repeated ones; `false` when there are too many.
fn add_field(tx: &mut Tx, dir: Dir, name: &[u8], value: &[u8], flags: u16, pool: &mut BytePool) -> bool {
    let ix = dir.ix();
    let known = tx.msg[ix].headers.find(pool, name);
    let Some(i) = known else {
        if tx.msg[ix].headers.count > MAX_HEADERS {
            tx.raise([events::REQUEST_TOO_MANY_HEADERS, events::RESPONSE_TOO_MANY_HEADERS][ix], dir);
            return false;
        }
        return tx.msg[ix].headers.push(pool, name, value, flags) || tx.msg[ix].headers.count > 0;
    };
    let table = &mut tx.msg[ix].headers;
    let Some(e) = table.entry(pool, i) else { return true };
    let first = e.odd & odd::REPEATED == 0;
    if !first {
        if table.repetitions >= 64 {
            return true;
        }
        table.repetitions += 1;
    }
    let mut differ = false;
    if name.eq_ignore_ascii_case(b"content-length") {
        let old = text::number(table.value(pool, e)).map(|n| n.value);
        let new = text::number(value).map(|n| n.value);
        differ = old.is_none() || old != new;
        table.mark_repeated(pool, i);
    } else {
        let _fits = table.merge(pool, i, value);
    }
    if differ {
        tx.raise([events::DUPLICATE_CL_IN_REQUEST, events::DUPLICATE_CL_IN_RESPONSE][ix], dir);
    }
    if first {
        tx.raise([events::REQUEST_HEADER_REPETITION, events::RESPONSE_HEADER_REPETITION][ix], dir);
    }
    true
}
