//! HTTP/2 (RFC 9113): frames go in; a transaction a stream comes out, and one for each frame about the connection
//! as a whole.

mod body;
mod buffers;
mod doh;
mod hpack;
mod huffman;
mod log;
mod streams;
mod upgrade;

use alloc::vec::Vec;

use self::buffers::*;
use self::hpack::{Fault, Item, Table};
use self::huffman::Decoder;
use self::streams::Streams;
use super::bodies::decode::ChainId;
use super::bodies::{BodyId, Carrier, Ended, Head, Origin};
use super::entries::Entries;
use super::hosted::{Protocol, Transactions, make};
use super::txs::Tx;
use super::{
    AppConfig, AppCx, Buffer, BufferAt, Input, IntAt, OVER_TCP, Outcome, ProtoDef, Recognise, TxIdx, TxView,
};
use crate::Dir;
use crate::event::Fields;
use crate::pool::{BytePool, PBuf};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS_DONE: u8 = 1;
const COMPLETE: u8 = 3;
/// Longest frame other than DATA that is read; longer ones are skipped.
const FRAME_MAX: usize = 64 << 10;
/// Longest header block gathered from its frames.
const BLOCK_MAX: usize = 64 << 10;
/// Bytes of a body that `file.data` sees.
const BODY_MAX: usize = 100 << 10;
/// Live streams of a flow (`app-layer.protocols.http2.max-streams`).
const STREAMS_MAX: usize = 4096;
/// Header fields of a direction, trailers included: what rules and records walk.
const FIELDS_MAX: u16 = 512;
/// Bytes of a field, of one that says what is asked for, of a path (what servers take at most), of an authority.
const FIELD_MAX: usize = 8 << 10;
const WORD_MAX: usize = 1 << 10;
const PATH_MAX: usize = 32 << 10;
const AUTHORITY_MAX: usize = 4 << 10;
/// Room for those fields: one of each name and direction always fits.
const PSEUDO_MAX: usize = 96 << 10;
/// Bytes of a direction's fields that buffers of all of them show.
const SHOWN_MAX: usize = 60 << 10;
/// Frames of a direction of a stream beyond which an event tells.
const FRAMES_MAX: u32 = 65_536;
/// Numbers kept of a stream's frames (types, errors, windows, settings).
const NUMBERS_MAX: u16 = 256;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// `http2`; its records are `http` records.
pub static HTTP2: ProtoDef = ProtoDef {
    name: "http2",
    over: OVER_TCP,
    buffers: BUFFERS,
    ints: INTS,
    events: EVENTS,
    recognise: Recognise {
        patterns: &[super::plain::start_nocase(PREFACE, Dir::ToServer, OVER_TCP)],
        ..Recognise::NONE
    },
    answer: begins_with_settings,
    complete: COMPLETE,
    parser: Some(make::<Http2>),
    record: "http",
    families: &["http"],
    carries: &["dns"],
    ..ProtoDef::NONE
};

/// A server's first frame: settings, with no flag but that of an acknowledgement (RFC 9113 3.4).
fn begins_with_settings(b: &[u8]) -> bool {
    const LONGEST: u32 = 16_384;
    let [l0, l1, l2, 4, flags, s0, _, _, _, ..] = b else { return false };
    u32::from_be_bytes([0, *l0, *l1, *l2]) <= LONGEST && flags & 0xfe == 0 && s0 & 0x80 == 0
}

/// Tags of [`Stream::list`], plus the direction: a field (name length, name, value), the table's size, and what
/// frames said (a number each).
const T_FIELD: u8 = 0;
const T_SIZE: u8 = 2;
const T_FRAME: u8 = 4;
const T_ERROR: u8 = 6;
const T_PRIORITY: u8 = 8;
const T_WINDOW: u8 = 10;
const T_SETTING: u8 = 12;

/// A stream, or one frame about the connection.
#[derive(Debug, Default)]
pub struct Stream {
    id: u32,
    /// Header fields and sizes of the table.
    list: Entries,
    fields: [u16; 2],
    field_bytes: [u32; 2],
    /// The first field of each name that begins with a colon, apart, so that nothing crowds out what is asked for.
    pseudo: Entries,
    /// Which of them it has, per direction (a bit a name).
    has_pseudo: [u8; 2],
    /// What frames said, apart from the fields, so that frames cannot crowd them out.
    frames: Entries,
    numbers: u16,
    /// Frames seen.
    seen: [u32; 2],
    /// File number + 1, per direction.
    file: [u32; 2],
    body: [PBuf; 2],
    /// The file that the response made whole, of which it is a part: its last bytes, for `file.data`.
    whole: PBuf,
    length: [u64; 2],
    /// Decoders of its bodies, and whether decoding ended before the body did.
    chain: [Option<ChainId>; 2],
    spoiled: [bool; 2],
    decoded: [u64; 2],
    /// The guests that read its messages, and the directions that they have heard of (bits).
    bodies: BodyId,
    heard: u8,
    doh: doh::Doh,
}

impl Head for Stream {
    fn field<'p>(&'p self, dir: Dir, name: &str, pool: &'p BytePool) -> Option<&'p [u8]> {
        Stream::field(self, pool, dir, name)
    }
}

/// Name and value of a field as lists keep it.
fn split(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let [a, b, rest @ ..] = entry else { return None };
    rest.split_at_checked(usize::from(u16::from_le_bytes([*a, *b])))
}

impl Stream {
    /// Keeps a field whose name is the first `n` bytes of `text`. `false` if not all of it was kept.
    fn keep(&mut self, pool: &mut BytePool, dir: Dir, n: usize, text: &[u8]) -> bool {
        let (d, tag) = (dir.ix(), T_FIELD + dir.ix() as u8);
        let name = text.get(..n).unwrap_or(text);
        let known = match name {
            b":method" => Some((1, WORD_MAX)),
            b":scheme" => Some((2, WORD_MAX)),
            b":path" => Some((4, PATH_MAX)),
            b":authority" => Some((8, AUTHORITY_MAX)),
            b":status" => Some((16, WORD_MAX)),
            _ => None,
        };
        let first = known.filter(|(bit, _)| self.has_pseudo[d] & bit == 0);
        // What comes in the place of the field that counts is no longer than other fields.
        let most = first.map_or(FIELD_MAX, |(_, most)| most);
        let kept = text.get(..most).unwrap_or(text);
        let n = (n.min(kept.len()) as u16).to_le_bytes();
        let done = if let Some((bit, _)) = first {
            let done = self.pseudo.push_within(PSEUDO_MAX, pool, tag, [&n[..], kept]);
            self.has_pseudo[d] |= if done { bit } else { 0 };
            done
        } else {
            self.fields[d] < FIELDS_MAX && self.list.push_parts(pool, tag, [&n[..], kept])
        };
        if done {
            self.fields[d] = self.fields[d].saturating_add(1);
            self.field_bytes[d] = self.field_bytes[d].saturating_add(kept.len() as u32 + 4);
        }
        done && kept.len() == text.len() && self.field_bytes[d] as usize <= SHOWN_MAX
    }

    fn number(&mut self, pool: &mut BytePool, tag: u8, dir: Dir, v: u32) {
        self.frame_value(pool, tag, dir, &v.to_le_bytes());
    }

    /// Notes what a frame said; beyond [`NUMBERS_MAX`] nothing.
    fn frame_value(&mut self, pool: &mut BytePool, tag: u8, dir: Dir, value: &[u8]) {
        if self.numbers < NUMBERS_MAX {
            self.numbers += 1;
            self.frames.push(pool, tag + dir.ix() as u8, value);
        }
    }

    /// Notes a frame. Whether it is one too many.
    fn saw(&mut self, pool: &mut BytePool, kind: u8, dir: Dir) -> bool {
        self.number(pool, T_FRAME, dir, u32::from(kind));
        let n = &mut self.seen[dir.ix()];
        *n = n.saturating_add(1);
        *n > FRAMES_MAX
    }

    /// Fields of a direction.
    fn fields<'a>(
        &self,
        pool: &'a BytePool,
        dir: Dir,
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let tag = T_FIELD + dir.ix() as u8;
        self.pseudo.all(pool, tag).chain(self.list.all(pool, tag)).filter_map(split)
    }

    fn field<'a>(&self, pool: &'a BytePool, dir: Dir, name: &str) -> Option<&'a [u8]> {
        let of = |list: &Entries| {
            let fields = list.all(pool, T_FIELD + dir.ix() as u8).filter_map(split);
            fields.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v)
        };
        // Among the pseudo fields are no others, and most of what is asked for is none.
        let pseudo = if name.starts_with(':') { of(&self.pseudo) } else { None };
        pseudo.or_else(|| if self.list.end() == 0 { None } else { of(&self.list) })
    }

    fn numbers<'a>(&self, pool: &'a BytePool, tag: u8, dir: Dir) -> impl Iterator<Item = u32> + use<'a> {
        self.frames.all(pool, tag + dir.ix() as u8).filter_map(|e| e.try_into().ok().map(u32::from_le_bytes))
    }
}

/// One direction of a flow.
#[derive(Debug, Default)]
struct Side {
    table: Table,
    /// Header block being gathered, its stream, and whether the stream ends with it.
    block: PBuf,
    block_of: u32,
    block_ends: bool,
    /// Rest of a DATA frame: stream, bytes of data, bytes of padding, whether the stream ends with it.
    data_of: u32,
    data: usize,
    pad: usize,
    data_ends: bool,
    skip: usize,
    begun: bool,
    lost: bool,
}

/// What the flow keeps.
#[derive(Debug, Default)]
pub struct State {
    sides: [Side; 2],
    open: Streams,
    /// The greatest numbers of streams that were opened, even and odd: peers count upwards, so a lower one that is not
    /// open is over.
    begun: [u32; 2],
    /// The request of HTTP/1 that led here.
    carried: PBuf,
}

impl State {
    /// The stream was open and is no more.
    fn is_over(&self, id: u32) -> bool {
        id <= self.begun[(id & 1) as usize]
    }
}

/// The parser.
pub struct Http2 {
    huffman: Decoder,
    /// A header block while it is read: reading it writes to the pool.
    copy: Vec<u8>,
}

type Flow<'a> = Transactions<'a, Stream>;

/// A new transaction, of a stream that is open until it ends unless `id` is 0. The newest is never refused: when there
/// are too many, the one that was opened first has to be over.
fn open(s: &mut State, flow: &mut Flow<'_>, id: u32, dir: Dir, cx: &mut AppCx<'_>) -> Option<TxIdx> {
    if id != 0
        && s.open.len() >= STREAMS_MAX
        && let Some(old) = flow.waiting(|_| true)
    {
        flow.get(old).common.raise(EV_STREAMS, dir);
        end_side(s, flow, old, Dir::ToServer, cx);
        end_side(s, flow, old, Dir::ToClient, cx);
    }
    let tx = flow.open(cx.now)?;
    flow.get(tx).own.id = id;
    if id == 0 {
        return Some(tx);
    }
    let greatest = &mut s.begun[(id & 1) as usize];
    *greatest = id.max(*greatest);
    if !s.open.insert(cx.pool, id, tx, cx.cfg.seed) {
        // It cannot be found again: what there is of it is all there will be.
        let c = &mut flow.get(tx).common;
        c.advance_both(COMPLETE);
        c.raise(EV_STREAMS, dir);
        return None;
    }
    flow.wait(tx);
    Some(tx)
}

/// The transaction that a frame with a number belongs to. Header blocks, promises and data open a stream. What only says
/// something of a stream that is not open has a transaction of its own, which is over at once, as frames about the connection
/// have; of a stream that was open it says nothing any more.
fn stream(
    s: &mut State,
    flow: &mut Flow<'_>,
    (kind, id): (u8, u32),
    dir: Dir,
    cx: &mut AppCx<'_>,
) -> Option<TxIdx> {
    if let Some(found) = s.open.get(cx.pool, id, cx.cfg.seed) {
        return Some(found);
    }
    if id != 0 && s.is_over(id) {
        return None;
    }
    if matches!(kind, DATA | HEADERS | PUSH_PROMISE) && id != 0 {
        return open(s, flow, id, dir, cx);
    }
    let tx = open(s, flow, 0, dir, cx)?;
    flow.get(tx).own.id = id;
    Some(tx)
}

/// A stream as guests hear of it.
fn origin(t: &Tx<Stream>) -> Origin<'_> {
    Origin { carrier: Carrier::Http2, tx: t.common.id, head: &t.own }
}

/// The first header block of a direction is there: guests hear of it.
fn message_begins(t: &mut Tx<Stream>, dir: Dir, cx: &mut AppCx<'_>) {
    let interim =
        || dir == Dir::ToClient && t.own.field(cx.pool, dir, ":status").is_some_and(|s| s.starts_with(b"1"));
    let mut id = t.own.bodies;
    if t.own.heard & dir.bit() != 0 || interim() {
        return;
    }
    t.own.heard |= dir.bit();
    if dir == Dir::ToServer || id.is_read() {
        let (bodies, mut cx) = cx.bodies();
        bodies.begin(&mut id, dir, &origin(t), &mut cx);
        t.own.bodies = id;
    }
    body::begin(t, dir, cx);
    doh::begin(t, dir, cx);
}

fn end_side(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx, dir: Dir, cx: &mut AppCx<'_>) {
    let t = flow.get(tx);
    if t.common.progress(dir) >= COMPLETE {
        return;
    }
    body::end(t, dir, cx);
    doh::end(t, dir, cx);
    if t.own.bodies.is_read() {
        let (bodies, mut cx) = cx.bodies();
        bodies.end(t.own.bodies, dir, Ended::Whole, &origin(t), &mut cx);
    }
    t.common.advance(dir, COMPLETE);
    t.common.touch_both();
    if let Some(f) = t.own.file[dir.ix()].checked_sub(1) {
        cx.files.close(cx.pool, f, t.own.spoiled[dir.ix()]);
        let whole = cx.files.part_ends(cx.pool, f, &mut t.common.files[dir.ix()]);
        if let Some(whole) = whole.filter(|_| cx.wanted.has(buffers::B_FILE)) {
            cx.files.copy_window(cx.pool, whole, &mut t.own.whole);
        }
    }
    if t.common.both_reached(COMPLETE) {
        let id = t.own.id;
        close(s, flow, tx, id, cx);
    }
}

/// A stream is open no more.
fn close(s: &mut State, flow: &mut Flow<'_>, tx: TxIdx, id: u32, cx: &mut AppCx<'_>) {
    if s.open.get(cx.pool, id, cx.cfg.seed) == Some(tx) {
        s.open.remove(cx.pool, id, cx.cfg.seed);
        flow.answered(tx);
    }
}

impl Http2 {
    /// A whole frame that is not DATA.
    fn frame(
        &mut self,
        s: &mut State,
        flow: &mut Flow<'_>,
        (kind, flags, id): (u8, u8, u32),
        body: &[u8],
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) {
        if kind == CONTINUATION {
            let side = &mut s.sides[dir.ix()];
            if side.block.len() + body.len() > BLOCK_MAX {
                flow.raise(EV_LIMIT, dir, cx.now);
            } else {
                let _ = side.block.extend(cx.pool, body);
            }
            if flags & 4 != 0 {
                self.block(s, flow, dir, cx);
            }
            return;
        }
        let tx = stream(s, flow, (kind, id), dir, cx);
        if let Some(tx) = tx {
            let t = flow.get(tx);
            if t.own.saw(cx.pool, kind, dir) {
                t.common.raise(EV_FRAMES, dir);
            }
            t.common.touch_both();
        }
        if matches!(kind, HEADERS | PUSH_PROMISE) {
            self.headers(s, flow, (kind, flags, id), (tx, body), dir, cx);
        } else if let Some(tx) = tx {
            Self::note(flow.get(tx), kind, body, dir, cx);
        }
        if let Some(tx) = tx
            && (kind == RST_STREAM || s.open.get(cx.pool, id, cx.cfg.seed).is_none())
        {
            end_side(s, flow, tx, dir, cx);
            // An answer of DNS that was under way when the client gave up is looked at.
            let answer = kind == RST_STREAM && dir == Dir::ToServer && flow.peek(tx).own.doh.is_read();
            if !answer {
                end_side(s, flow, tx, dir.flip(), cx);
            }
        }
    }

    /// What a frame without fields says.
    fn note(t: &mut Tx<Stream>, kind: u8, body: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        match kind {
            PRIORITY => {
                if let Some(w) = body.get(4) {
                    t.own.number(cx.pool, T_PRIORITY, dir, u32::from(*w));
                }
            }
            RST_STREAM | GOAWAY => {
                let at = if kind == GOAWAY { 4 } else { 0 };
                match super::plain::be32(body, at) {
                    Some(code) => t.own.number(cx.pool, T_ERROR, dir, code),
                    None => t.common.raise(EV_LENGTH, dir),
                }
            }
            SETTINGS => {
                for set in body.chunks_exact(6) {
                    t.own.frame_value(cx.pool, T_SETTING, dir, set);
                }
                if !body.len().is_multiple_of(6) {
                    t.common.raise(EV_LENGTH, dir);
                }
            }
            WINDOW_UPDATE => {
                if let Some(w) = super::plain::be32(body, 0) {
                    t.own.number(cx.pool, T_WINDOW, dir, w & 0x7fff_ffff);
                }
            }
            _ => {}
        }
    }

    /// A frame that begins a header block, of a stream that may be over.
    fn headers(
        &mut self,
        s: &mut State,
        flow: &mut Flow<'_>,
        (kind, flags, id): (u8, u8, u32),
        (tx, body): (Option<TxIdx>, &[u8]),
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) {
        let mut from = 0;
        let mut pad = 0;
        if flags & 8 != 0 {
            pad = body.first().map_or(0, |n| usize::from(*n));
            from = 1;
        }
        if kind == PUSH_PROMISE {
            from += 4;
        } else if flags & 0x20 != 0 {
            if let (Some(w), Some(tx)) = (body.get(from + 4), tx) {
                flow.get(tx).own.number(cx.pool, T_PRIORITY, dir, u32::from(*w));
            }
            from += 5;
        }
        let Some(block) = body.len().checked_sub(pad).and_then(|to| body.get(from..to)) else {
            match tx {
                Some(tx) => flow.get(tx).common.raise(EV_LENGTH, dir),
                None => flow.raise(EV_LENGTH, dir, cx.now),
            }
            return;
        };
        let side = &mut s.sides[dir.ix()];
        side.block.free(cx.pool);
        let _ = side.block.extend(cx.pool, block);
        side.block_of = id;
        side.block_ends = kind == HEADERS && flags & 1 != 0;
        if flags & 4 != 0 {
            self.block(s, flow, dir, cx);
        }
    }

    /// The fields of the block in `copy` go to `own`. The events that they raise (a bit each).
    fn fields(&self, table: &mut Table, own: &mut Stream, dir: Dir, cx: &mut AppCx<'_>) -> u128 {
        let mut events = 0;
        let mut each = |item: Item, text: &[u8], pool: &mut BytePool| match item {
            Item::Field(n) => {
                if !own.keep(pool, dir, n, text) {
                    events |= 1 << EV_LIMIT;
                }
            }
            Item::Size(v) => own.number(pool, T_SIZE, dir, u32::try_from(v).unwrap_or(u32::MAX)),
            Item::Cut => events |= 1 << EV_LIMIT,
            Item::Broken(Fault::Cut) => events |= 1 << EV_EXTRA,
            Item::Broken(Fault::Overflow) => events |= 1 << EV_OVERFLOW,
            Item::Broken(Fault::Index) => events |= 1 << EV_HEADER,
            Item::Broken(Fault::Text) => events |= 1 << EV_DATA,
        };
        hpack::read(&self.copy, table, &self.huffman, cx.pool, cx.scratch, &mut each);
        events
    }

    /// A header block is whole. The table of its direction follows it, whatever became of its stream.
    fn block(&mut self, s: &mut State, flow: &mut Flow<'_>, dir: Dir, cx: &mut AppCx<'_>) {
        let side = &mut s.sides[dir.ix()];
        let (id, ends) = (side.block_of, side.block_ends);
        let mut block = core::mem::take(&mut side.block);
        self.copy.clear();
        self.copy.extend(block.get(cx.pool).iter().take(BLOCK_MAX));
        block.free(cx.pool);
        let mut spare = Stream::default();
        let found = s.open.get(cx.pool, id, cx.cfg.seed);
        let own = match found {
            Some(tx) => &mut flow.get(tx).own,
            None => &mut spare,
        };
        let events = self.fields(&mut s.sides[dir.ix()].table, own, dir, cx);
        let Some(tx) = found.or_else(|| Self::anew(s, flow, (id, &mut spare), dir, cx)) else {
            Self::free(&mut spare, cx.pool);
            return;
        };
        let t = flow.get(tx);
        for ev in [EV_HEADER, EV_LIMIT, EV_EXTRA, EV_OVERFLOW, EV_DATA] {
            if events >> ev & 1 != 0 {
                t.common.raise(ev, dir);
            }
        }
        t.common.advance(dir, HEADERS_DONE);
        t.common.touch_both();
        if dir == Dir::ToServer {
            Self::names(t, dir, cx);
        }
        message_begins(t, dir, cx);
        if ends {
            end_side(s, flow, tx, dir, cx);
        }
    }

    /// A block of a stream that is not open. A request is one nevertheless: a server that is not strict answers it. What else
    /// comes late (an answer to what was reset, a trailer) is nobody's.
    fn anew(
        s: &mut State,
        flow: &mut Flow<'_>,
        (id, spare): (u32, &mut Stream),
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) -> Option<TxIdx> {
        if id == 0 || dir == Dir::ToClient || spare.field(cx.pool, dir, ":method").is_none() {
            return None;
        }
        let tx = open(s, flow, id, dir, cx)?;
        let t = flow.get(tx);
        t.own = Stream { id, ..core::mem::take(spare) };
        t.own.number(cx.pool, T_FRAME, dir, u32::from(HEADERS));
        t.common.raise(EV_REUSE, dir);
        Some(tx)
    }

    /// What a request says of the host.
    fn names(t: &mut Tx<Stream>, dir: Dir, cx: &AppCx<'_>) {
        let (authority, host) = (t.own.field(cx.pool, dir, ":authority"), t.own.field(cx.pool, dir, "host"));
        let differs = matches!((authority, host), (Some(a), Some(h)) if !a.eq_ignore_ascii_case(h));
        let user = authority.is_some_and(|a| a.contains(&b'@'));
        if differs {
            t.common.raise(EV_AUTHORITY, dir);
        }
        if user {
            t.common.raise(EV_USERINFO, dir);
        }
    }

    /// Bytes of the DATA frame under way.
    fn data(s: &mut State, flow: &mut Flow<'_>, bytes: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
        let side = &mut s.sides[dir.ix()];
        side.data -= bytes.len();
        let (id, over) = (side.data_of, side.data == 0 && side.data_ends);
        // The frame's head has opened it.
        if let Some(tx) = s.open.get(cx.pool, id, cx.cfg.seed) {
            body::data(flow.get(tx), bytes, dir, cx);
            if over {
                end_side(s, flow, tx, dir, cx);
            }
        }
    }

    /// The head of a DATA frame whose bytes follow. Bytes used; `None`: more are needed.
    fn data_head(
        s: &mut State,
        flow: &mut Flow<'_>,
        (rest, len, flags, id): (&[u8], usize, u8, u32),
        dir: Dir,
        cx: &mut AppCx<'_>,
    ) -> Option<usize> {
        let padded = flags & 8 != 0 && len > 0;
        let pad = if padded { usize::from(*rest.get(9)?) } else { 0 };
        let own = len - usize::from(padded);
        let side = &mut s.sides[dir.ix()];
        side.pad = pad.min(own);
        side.data = own - side.pad;
        (side.data_of, side.data_ends) = (id, flags & 1 != 0);
        let nothing = side.data == 0;
        if let Some(tx) = stream(s, flow, (DATA, id), dir, cx) {
            let t = flow.get(tx);
            if t.own.saw(cx.pool, DATA, dir) {
                t.common.raise(EV_FRAMES, dir);
            }
            if id == 0 || (nothing && flags & 1 != 0) {
                end_side(s, flow, tx, dir, cx);
            }
            if id == 0 {
                flow.get(tx).common.raise(EV_ZERO, dir);
                end_side(s, flow, tx, dir.flip(), cx);
            }
        }
        Some(9 + usize::from(padded))
    }

    /// The client's first bytes. How many there are; `Err`: what comes of them.
    fn preface(flow: &mut Flow<'_>, data: &[u8], dir: Dir, cx: &AppCx<'_>) -> Result<usize, Outcome> {
        if dir == Dir::ToClient {
            return Ok(0);
        }
        let n = data.len().min(PREFACE.len());
        if data.get(..n) != PREFACE.get(..n) {
            flow.raise(EV_MAGIC, dir, cx.now);
            return Err(Outcome::Failed);
        }
        if n < PREFACE.len() {
            return Err(Outcome::Consumed { bytes: 0, need: PREFACE.len() });
        }
        Ok(n)
    }
}

impl Protocol for Http2 {
    type State = State;
    type Own = Stream;
    const COMPLETE: u8 = COMPLETE;

    fn new(_: &AppConfig) -> Self {
        Http2 { huffman: Decoder::new(), copy: Vec::with_capacity(BLOCK_MAX) }
    }

    fn parse(&mut self, s: &mut State, flow: &mut Flow<'_>, input: Input<'_>, cx: &mut AppCx<'_>) -> Outcome {
        let (dir, d) = (input.dir, input.dir.ix());
        if input.gap > 0 {
            // Frames have no mark to find them again by.
            s.sides[d].lost = true;
        }
        if s.sides[d].lost {
            return Outcome::Consumed { bytes: input.data.len(), need: 0 };
        }
        if !s.carried.is_empty() {
            self.adopt(s, flow, cx);
        }
        let mut at = 0;
        if !s.sides[d].begun && !input.data.is_empty() {
            at = match Self::preface(flow, input.data, dir, cx) {
                Ok(n) => n,
                Err(out) => return out,
            };
            s.sides[d].begun = true;
        }
        while let Some(rest) = input.data.get(at..).filter(|r| !r.is_empty()) {
            let side = &mut s.sides[d];
            if side.data > 0 {
                let n = side.data.min(rest.len());
                at += n;
                Self::data(s, flow, rest.get(..n).unwrap_or(&[]), dir, cx);
                continue;
            }
            if side.pad + side.skip > 0 {
                let n = (side.pad + side.skip).min(rest.len());
                let of_pad = n.min(side.pad);
                side.pad -= of_pad;
                side.skip -= n - of_pad;
                at += n;
                continue;
            }
            let (Some(head), Some(id)) = (rest.get(..9), super::plain::be32(rest, 5)) else { break };
            let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags, id) = (head[3], head[4], id & 0x7fff_ffff);
            if flow.is_full() {
                return Outcome::Full { bytes: at };
            }
            if kind == DATA {
                let Some(n) = Self::data_head(s, flow, (rest, len, flags, id), dir, cx) else { break };
                cx.frames.parts(buffers::F_PDU, rest, (9 + len, 9));
                at += n;
                continue;
            }
            if len > FRAME_MAX {
                cx.frames.parts(buffers::F_PDU, rest, (9 + len, 9));
                side.skip = len;
                at += 9;
                flow.raise(EV_LONG, dir, cx.now);
                continue;
            }
            let Some(body) = rest.get(9..9 + len) else {
                return Outcome::Consumed { bytes: at, need: 9 + len };
            };
            cx.frames.parts(buffers::F_PDU, rest, (9 + len, 9));
            self.frame(s, flow, (kind, flags, id), body, dir, cx);
            at += 9 + len;
        }
        Outcome::Consumed { bytes: at, need: 0 }
    }

    fn free(own: &mut Stream, pool: &mut BytePool) {
        own.list.free(pool);
        own.pseudo.free(pool);
        own.frames.free(pool);
        for b in &mut own.body {
            b.free(pool);
        }
        own.whole.free(pool);
        own.doh.free(pool);
    }

    fn forget(s: &mut State, tx: &Tx<Stream>, cx: &mut AppCx<'_>) {
        if !tx.common.both_reached(COMPLETE) {
            s.open.remove(cx.pool, tx.own.id, cx.cfg.seed);
        }
        for chain in tx.own.chain.into_iter().flatten() {
            cx.bodies.decoded(chain, cx.pool);
        }
        let mut id = tx.own.bodies;
        let (bodies, mut cx) = cx.bodies();
        bodies.release(&mut id, &mut cx);
    }

    fn expected(&mut self, s: &mut State, what: PBuf, cx: &mut AppCx<'_>) {
        cx.scratch.clear();
        cx.scratch.extend(what.get(cx.pool));
        // A full pool costs the stream its request.
        let _ = s.carried.extend(cx.pool, cx.scratch.as_slice());
    }

    fn close(s: &mut State, cx: &mut AppCx<'_>) {
        s.carried.free(cx.pool);
        s.open.free(cx.pool);
        for side in &mut s.sides {
            side.table.free(cx.pool);
            side.block.free(cx.pool);
        }
    }

    fn buffer<'a>(&'a self, tx: &'a Tx<Stream>, at: BufferAt<'a>) -> Buffer<'a> {
        if (B_DNS..B_DNS + DNS_BUFFERS).contains(&at.local) {
            return doh::buffer(tx, at);
        }
        let BufferAt { local, dir, index, pool, scratch } = at;
        buffers::buffer(tx, local, dir, index, pool, scratch)
    }

    fn int(&self, tx: &Tx<Stream>, at: IntAt<'_>) -> Option<u64> {
        if at.local >= I_DNS {
            return doh::int(tx, at);
        }
        let IntAt { local, dir, index, pool } = at;
        buffers::int(tx, local, dir, index, pool)
    }

    fn log(&self, tx: &Tx<Stream>, view: &TxView<'_>, _: Dir, out: &mut dyn Fields) {
        if tx.own.doh.is_read() {
            // A record of DNS, with the request and the answer beside it.
            super::dns::log::both(tx.own.doh.messages(), tx.common.id, view.pool, out);
            out.end_object();
            out.begin_object("http");
        }
        log::write(&tx.own, view.pool, out);
    }

    fn record(&self, tx: &Tx<Stream>) -> Option<&'static str> {
        tx.own.doh.is_read().then_some("dns")
    }
}

#[cfg(test)]
mod tests;
