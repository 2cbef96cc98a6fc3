//! Bodies of streams: bytes of DATA frames are decoded as `content-encoding` says, kept for rules, made a file, and
//! handed to guests.

use super::buffers::{B_FILE, B_REQUEST_BODY, EV_BOMB, EV_DECODE, EV_RANGE};
use super::{BODY_MAX, Stream, origin};
use crate::Dir;
use crate::app::AppCx;
use crate::app::bodies::decode::{Coding, MAX_LAYERS, Sink};
use crate::app::file::NewFile;
use crate::app::http::content_range;
use crate::app::ranges::WholeOf;
use crate::app::txs::Tx;
use crate::pool::BytePool;

/// A decoded body of more than this, and more than `BOMB_RATIO` times its coded size, is a bomb: no more of it is decoded.
const BOMB_LIMIT: u64 = 1 << 20;
const BOMB_RATIO: u64 = 2048;
/// Decoded bytes beyond the coded ones after which no more work is spent on a body.
const WORK_LIMIT: u64 = 32 << 20;

/// Codings that are undone, by their names (RFC 9110, 8.4.1).
fn coding(name: &[u8]) -> Option<Coding> {
    match name.trim_ascii() {
        b"gzip" | b"x-gzip" => Some(Coding::Gzip),
        b"deflate" => Some(Coding::Deflate),
        b"br" => Some(Coding::Brotli),
        b"zstd" => Some(Coding::Zstd),
        _ => None,
    }
}

/// The head of a message is there: decoders for its body, if it is coded and somebody looks.
pub(super) fn begin(t: &mut Tx<Stream>, dir: Dir, cx: &mut AppCx<'_>) {
    if !(cx.shown || t.own.bodies.is_read()) {
        return;
    }
    let Some(value) = t.own.field(cx.pool, dir, "content-encoding") else { return };
    let mut list = [Coding::default(); MAX_LAYERS];
    let most = match cx.cfg.http.decompress_layers {
        0 => MAX_LAYERS,
        n => usize::from(n).min(MAX_LAYERS),
    };
    let mut n = 0;
    // Listed in the order in which they were applied: undone from the last. What nobody here undoes ends the list.
    for name in value.rsplit(|c| *c == b',').take(most) {
        let Some(c) = coding(name) else { break };
        list[n] = c;
        n += 1;
    }
    if n > 0 {
        t.own.chain[dir.ix()] = cx.bodies.decode(&list[..n], cx.client, cx.pool);
    }
}

/// Takes decoded bytes of a stream.
struct Entity<'a, 'b> {
    t: &'a mut Tx<Stream>,
    dir: Dir,
    cx: &'a mut AppCx<'b>,
}

impl Sink for Entity<'_, '_> {
    fn decoded(&mut self, bytes: &[u8]) -> bool {
        keep(self.t, bytes, self.dir, self.cx);
        let d = self.dir.ix();
        self.t.own.decoded[d] += bytes.len() as u64;
        let (wire, all) = (self.t.own.length[d], self.t.own.decoded[d]);
        let bomb = all > BOMB_LIMIT && all > wire.saturating_mul(BOMB_RATIO);
        let stop = bomb || all > wire.saturating_add(WORK_LIMIT);
        self.t.own.spoiled[d] |= stop;
        if bomb {
            self.t.common.raise(EV_BOMB, self.dir);
        }
        !stop
    }

    fn failed(&mut self) {
        self.t.common.raise(EV_DECODE, self.dir);
    }

    fn outgrown(&mut self) {
        self.t.common.raise(EV_BOMB, self.dir);
        self.t.own.spoiled[self.dir.ix()] = true;
    }

    fn pool(&mut self) -> &mut BytePool {
        self.cx.pool
    }
}

/// Opens the file that the body is.
fn open(t: &mut Tx<Stream>, dir: Dir, cx: &mut AppCx<'_>) {
    let d = dir.ix();
    cx.scratch.clear();
    let host = t.own.field(cx.pool, Dir::ToServer, ":authority").unwrap_or(b"");
    cx.scratch.extend(host);
    cx.scratch.extend(t.own.field(cx.pool, Dir::ToServer, ":path").unwrap_or(b""));
    let (host, name) = cx.scratch.as_slice().split_at(host.len().min(cx.scratch.len()));
    let range =
        Some(dir).filter(|d| *d == Dir::ToClient).and_then(|d| t.own.field(cx.pool, d, "content-range"));
    let read = range.map(content_range);
    let of = read.flatten().and_then(|r| match r {
        (Some(first), Some(last), Some(size)) => WholeOf::new(host, (first, last), size),
        _ => None,
    });
    if read.is_some_and(|r| r.is_none()) {
        t.common.raise(EV_RANGE, dir);
    }
    let new = NewFile { name, dir, tx_id: t.common.id, window: false, range: None, of };
    t.own.file[d] = cx.files.open(cx.pool, &mut t.common.files[d], new).map_or(0, |f| f + 1);
}

/// Bytes of a DATA frame.
pub(super) fn data(t: &mut Tx<Stream>, bytes: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
    let d = dir.ix();
    if t.own.file[d] == 0 && t.own.length[d] == 0 && !bytes.is_empty() {
        open(t, dir, cx);
    }
    t.own.length[d] += bytes.len() as u64;
    match t.own.chain[d] {
        _ if t.own.spoiled[d] => {}
        None => keep(t, bytes, dir, cx),
        Some(chain) => {
            let Some(mut dec) = cx.bodies.decoders() else { return };
            if dec.holds(chain) {
                dec.feed(chain, bytes, &mut Entity { t: &mut *t, dir, cx: &mut *cx });
            } else {
                // It gave way to another message: what is coded further is of no use to anybody.
                t.own.chain[d] = None;
                t.own.spoiled[d] = true;
            }
            cx.bodies.give_back(dec);
        }
    }
    t.common.advance(dir, 2);
    t.common.touch_both();
}

/// The body is over.
pub(super) fn end(t: &mut Tx<Stream>, dir: Dir, cx: &mut AppCx<'_>) {
    let Some(chain) = t.own.chain[dir.ix()].take() else { return };
    if let Some(mut dec) = cx.bodies.decoders() {
        if dec.holds(chain) {
            dec.finish(chain, &mut Entity { t, dir, cx: &mut *cx });
        }
        cx.bodies.give_back(dec);
    }
    cx.bodies.decoded(chain, cx.pool);
}

/// Keeps decoded bytes where they are asked for.
fn keep(t: &mut Tx<Stream>, bytes: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
    let (own, d) = (&mut t.own, dir.ix());
    if let Some(f) = own.file[d].checked_sub(1) {
        cx.files.append(cx.pool, f, bytes);
    }
    if cx.wanted.has(B_FILE) || cx.wanted.has(B_REQUEST_BODY + d as u8) {
        let room = BODY_MAX.saturating_sub(own.body[d].len());
        let _ = own.body[d].extend(cx.pool, bytes.get(..room).unwrap_or(bytes));
    }
    super::doh::data(t, bytes, dir, cx);
    if t.own.bodies.is_read() {
        let (bodies, mut cx) = cx.bodies();
        bodies.data(t.own.bodies, dir, bytes, &origin(t), &mut cx);
    }
}
