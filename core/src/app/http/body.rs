//! Bodies: entity bytes of a message, decoded, kept up to the configured limit and turned into files.
//!
//! In: body bytes without their transfer coding. Out: [`Body`] with what was kept, and files in
//! [`Files`](crate::app::file::Files).

use super::{Http, Tx, buffers, events, header, text};
use crate::Dir;
use crate::app::bodies::decode::{ChainId, Coding, MAX_LAYERS, Sink};
use crate::app::bodies::{Carrier, Ended, Origin};
use crate::app::file::{MAX_NAME, NewFile};
use crate::app::ranges::WholeOf;
use crate::app::{AppCx, StateId};
use crate::pool::{BytePool, PBuf};

/// Window of a body without a limit, bytes.
const OPEN_WINDOW: usize = 1 << 20;
/// A decoded body of more than this, and more than `BOMB_RATIO` times its coded size, is a bomb.
const BOMB_LIMIT: u64 = 1 << 20;
const BOMB_RATIO: u64 = 2048;
/// Decoded bytes of one body beyond which no more work is spent on it.
const WORK_LIMIT: u64 = 32 << 20;

/// Codings among which lzma is undone.
const LZMA_LAYERS: usize = 1;

/// What files a body makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Files {
    /// Not decided yet.
    #[default]
    Unset,
    None,
    /// The body is a file.
    Whole,
    Multipart,
}

/// The body of one message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Body {
    /// Kept bytes; `kept_at` is the offset of the first.
    pub kept: PBuf,
    pub kept_at: u64,
    /// Bytes counted against the limit.
    pub counted: u64,
    /// Bytes on the wire (without the transfer coding's framing).
    pub wire: u64,
    /// Decoded bytes.
    pub decoded: u64,
    pub chain: Option<ChainId>,
    pub files: Files,
    pub file: Option<u32>,
    /// Names of its files: length (two bytes, little endian) and bytes, one after the other.
    pub names: PBuf,
    /// The message is over.
    pub ended: bool,
    /// Bytes are missing in it.
    pub gap: bool,
    /// What follows is not looked at: a bomb, or what cannot be decoded.
    bomb: bool,
}

impl Body {
    pub fn free(&mut self, pool: &mut BytePool) {
        self.kept.free(pool);
        self.names.free(pool);
    }

    /// Name number `i` of its files.
    pub fn name<'p>(&self, pool: &'p BytePool, i: u32) -> Option<&'p [u8]> {
        let mut s = self.names.get(pool);
        for _ in 0..i {
            let [a, b, rest @ ..] = s else { return None };
            s = rest.get(usize::from(u16::from_le_bytes([*a, *b]))..)?;
        }
        let [a, b, rest @ ..] = s else { return None };
        rest.get(..usize::from(u16::from_le_bytes([*a, *b])))
    }
}

/// Takes the decoded bytes of one message.
struct Entity<'a, 'b> {
    tx: &'a mut Tx,
    dir: Dir,
    cx: &'a mut AppCx<'b>,
}

impl Sink for Entity<'_, '_> {
    fn decoded(&mut self, bytes: &[u8]) -> bool {
        let b = &mut self.tx.msg[self.dir.ix()].body;
        b.decoded += bytes.len() as u64;
        let (wire, decoded) = (b.wire, b.decoded);
        self.keep(bytes);
        let bomb = decoded > BOMB_LIMIT && decoded > wire.saturating_mul(BOMB_RATIO);
        if bomb || decoded > wire.saturating_add(WORK_LIMIT) {
            self.tx.raise(events::COMPRESSION_BOMB, self.dir);
            self.tx.msg[self.dir.ix()].body.bomb = true;
            return false;
        }
        true
    }

    fn failed(&mut self) {
        self.tx.raise(events::GZIP_FAILED, self.dir);
    }

    fn outgrown(&mut self) {
        self.tx.raise(events::COMPRESSION_BOMB, self.dir);
        self.tx.msg[self.dir.ix()].body.bomb = true;
    }

    fn pool(&mut self) -> &mut BytePool {
        self.cx.pool
    }
}

impl Entity<'_, '_> {
    fn limit(&self) -> u64 {
        let h = &self.cx.cfg.http;
        let limit = if self.dir == Dir::ToServer { h.request_body_limit } else { h.response_body_limit };
        if limit == 0 { u64::MAX } else { limit as u64 }
    }

    /// Keeps what the limit allows and feeds the files.
    fn keep(&mut self, bytes: &[u8]) {
        if self.tx.bodies.is_read() {
            let o = origin(self.tx);
            let (bodies, mut cx) = self.cx.bodies();
            bodies.data(self.tx.bodies, self.dir, bytes, &o, &mut cx);
        }
        let limit = self.limit();
        let ix = self.dir.ix();
        self.tx.common.touch(self.dir);
        let body = &mut self.tx.msg[ix].body;
        let storing = self.cx.files.are_stored() && body.files == Files::Whole;
        if body.counted >= limit {
            self.beyond(bytes, storing);
            return;
        }
        let take = bytes.len().min(usize::try_from(limit - body.counted).unwrap_or(usize::MAX));
        let (bytes, more) = bytes.split_at(take);
        body.counted += take as u64;
        if self.cx.wanted.has(buffers::REQUEST_BODY + ix as u8) || self.cx.wanted.has(buffers::FILE_DATA) {
            let mut rest = bytes;
            while !rest.is_empty() {
                if body.kept.len() >= OPEN_WINDOW.max(self.cx.cfg.file_window)
                    && limit > OPEN_WINDOW as u64 * 4
                {
                    let half = body.kept.len() / 2;
                    body.kept.drain_front(self.cx.pool, half);
                    body.kept_at += half as u64;
                }
                let n = rest.len().min(64 << 10);
                if body.kept.extend(self.cx.pool, &rest[..n]).is_err() {
                    break;
                }
                rest = &rest[n..];
            }
        }
        self.feed_files(bytes);
        let goes_on = |f| storing || self.cx.files.is_read(f);
        if !more.is_empty() && self.tx.msg[ix].body.file.is_some_and(goes_on) {
            self.beyond(more, storing);
        }
    }

    /// Bytes beyond the limit: files that are stored and model files that are read go on to their ends, others stop here.
    fn beyond(&mut self, bytes: &[u8], storing: bool) {
        let body = &mut self.tx.msg[self.dir.ix()].body;
        let Some(f) = body.file else { return };
        if storing || self.cx.files.is_read(f) {
            self.tx.multipart.quiet = true;
            self.feed_files(bytes);
        } else {
            body.file = None;
            self.cx.files.close(self.cx.pool, f, true);
            body.files = Files::None;
        }
    }

    fn feed_files(&mut self, bytes: &[u8]) {
        let ix = self.dir.ix();
        if self.tx.msg[ix].body.files == Files::Unset {
            self.decide();
        }
        match self.tx.msg[ix].body.files {
            Files::Whole => {
                if self.tx.msg[ix].body.file.is_none() {
                    self.open_whole();
                }
                if let Some(f) = self.tx.msg[ix].body.file {
                    self.cx.files.append(self.cx.pool, f, bytes);
                }
            }
            Files::Multipart => super::multipart::feed(self.tx, bytes, self.cx),
            Files::Unset | Files::None => {}
        }
    }

    /// Decides what files the body makes.
    fn decide(&mut self) {
        let pool = &*self.cx.pool;
        let files = match self.dir {
            Dir::ToServer => {
                let m = &self.tx.msg[0];
                match m.first.get(&m.line, pool) {
                    b"POST" => {
                        let boundary = m
                            .headers
                            .get(pool, b"content-type")
                            .and_then(|(v, _)| text::parameter(v, b"boundary="));
                        match boundary {
                            Some(b) if super::multipart::fits(b) => Files::Multipart,
                            Some(_) => Files::None,
                            None => Files::Whole,
                        }
                    }
                    b"PUT" => Files::Whole,
                    _ => Files::None,
                }
            }
            // Junk before the response line is body, but no file.
            // What comes before the response line is a file only if none follows.
            Dir::ToClient => Files::Whole,
        };
        self.tx.msg[self.dir.ix()].body.files = files;
        if files == Files::Multipart {
            super::multipart::start(self.tx, self.cx);
        }
    }

    /// Opens the file that the body is: named by `Content-Disposition` or the path of the request.
    fn open_whole(&mut self) {
        let ix = self.dir.ix();
        let pool = &*self.cx.pool;
        let headers = &self.tx.msg[ix].headers;
        let mut range = None;
        let mut name = None;
        let mut wrong = false;
        if self.dir == Dir::ToClient {
            name = headers
                .get(pool, b"content-disposition")
                .and_then(|(v, _)| text::parameter(v, b"filename="))
                .filter(|n| !n.is_empty());
            if let Some((v, _)) = headers.get(pool, b"content-range") {
                range = content_range(v);
                wrong = range.is_none_or(is_backwards);
            }
        }
        if wrong {
            range = None;
        }
        let name = name.unwrap_or_else(|| self.tx.path(pool));
        if name.is_empty() {
            self.tx.msg[ix].body.files = Files::None;
            return;
        }
        // The name lies in the pool that the file is opened in: it passes through the scratch.
        self.cx.scratch.clear();
        self.cx.scratch.extend(name);
        if wrong {
            self.tx.raise(events::RANGE_INVALID, self.dir);
        }
        let part = range.and_then(|(a, b, size)| Some((a?, b?, size)));
        let f = open(self.tx, self.dir, part, self.cx);
        self.tx.msg[ix].body.file = f;
        if f.is_none() {
            self.tx.msg[ix].body.files = Files::None;
        }
    }
}

/// First byte, last byte, size of the whole; what a `Content-Range` does not say is `None`.
type Range = (Option<u64>, Option<u64>, Option<u64>);

/// Ends before it begins, or beyond the whole: part of no file.
fn is_backwards((first, last, size): Range) -> bool {
    matches!((first, last), (Some(a), Some(b)) if a > b || size.is_some_and(|s| b >= s))
}

/// `Content-Range: bytes 0-499/1234` (RFC 9110 §14.4).
pub fn content_range(v: &[u8]) -> Option<Range> {
    let v = text::take_while(v, text::is_space).1;
    let v = v.get(..5).filter(|u| u.eq_ignore_ascii_case(b"bytes")).map(|_| &v[5..])?;
    let v = text::take_while(v, text::is_space).1;
    let (range, size) = v.split_at(memchr::memchr(b'/', v)?);
    let size = text::trim(&size[1..]);
    let n = |s: &[u8]| text::number(s).filter(|n| !n.junk_before && !n.junk_after).map(|n| n.value);
    let size = if size == b"*" { None } else { Some(n(size)?) };
    let range = text::trim(range);
    if range == b"*" {
        return Some((None, None, size));
    }
    let (a, b) = range.split_at(memchr::memchr(b'-', range)?);
    Some((Some(n(a)?), Some(n(&b[1..])?), size))
}

/// Longest host by which files in parts are told apart.
const MAX_HOST: usize = 255;

/// Opens a file of the transaction whose name is in the scratch; of a part: its first and last byte, the size of all.
pub fn open(tx: &mut Tx, dir: Dir, part: Option<(u64, u64, Option<u64>)>, cx: &mut AppCx<'_>) -> Option<u32> {
    let ix = dir.ix();
    // Host and name lie in the pool that the file is opened in.
    let mut host = [0u8; MAX_HOST];
    let n = tx.host.len().min(MAX_HOST);
    host[..n].copy_from_slice(&tx.host.get(cx.pool)[..n]);
    let mut name = cx.scratch.as_slice();
    if name.len() > MAX_NAME {
        name = &name[..MAX_NAME];
        tx.raise(events::FILE_NAME_TOO_LONG, dir);
    }
    if cx.wanted.has(buffers::FILE_NAME) {
        let names = &mut tx.msg[ix].body.names;
        if names.reserve(cx.pool, names.len() + 2 + name.len()).is_ok() {
            let _fits = names.extend(cx.pool, &(name.len() as u16).to_le_bytes());
            let _fits = names.extend(cx.pool, name);
        }
    }
    let of = part.and_then(|(first, last, size)| WholeOf::new(&host[..n], (first, last), size?));
    let range = part.map(|(a, b, _)| (a, b));
    let new = NewFile { name, dir, tx_id: tx.common.id, window: false, range, of };
    let mut head = tx.common.files[ix];
    let f = cx.files.open(cx.pool, &mut head, new);
    tx.common.files[ix] = head;
    f
}

/// Chooses the decoders of a message from its `Content-Encoding`.
pub fn codings(tx: &mut Tx, dir: Dir, cx: &mut AppCx<'_>, out: &mut [Coding; MAX_LAYERS]) -> usize {
    let Some((value, _)) = tx.msg[dir.ix()].headers.get(cx.pool, b"content-encoding") else { return 0 };
    let lzma = Some(Coding::Lzma).filter(|_| cx.cfg.http.lzma_enabled);
    let single = |v: &[u8]| {
        if text::eq_lenient(v, b"gzip") || text::eq_lenient(v, b"x-gzip") {
            Some(Some(Coding::Gzip))
        } else if text::eq_lenient(v, b"deflate") || text::eq_lenient(v, b"x-deflate") {
            Some(Some(Coding::Deflate))
        } else if text::eq_lenient(v, b"br") {
            Some(Some(Coding::Brotli))
        } else if text::eq_lenient(v, b"zstd") {
            Some(Some(Coding::Zstd))
        } else if text::eq_lenient(v, b"lzma") {
            Some(lzma)
        } else if text::eq_lenient(v, b"inflate") || text::eq_lenient(v, b"none") {
            Some(None)
        } else {
            None
        }
    };
    if let Some(one) = single(value) {
        return match one {
            Some(c) => {
                out[0] = c;
                1
            }
            None => 0,
        };
    }
    let limit = match cx.cfg.http.decompress_layers {
        0 => MAX_LAYERS,
        n => usize::from(n).min(MAX_LAYERS),
    };
    let (mut seen, mut n) = (0, 0);
    let (mut abnormal, mut too_many, mut lzma_inside) = (false, false, false);
    for part in value.split(|&c| c == b',' || c == b' ').filter(|p| !p.is_empty()) {
        seen += 1;
        if seen > limit {
            too_many = true;
            break;
        }
        let coding = if text::contains_lenient(part, b"gzip") {
            abnormal |= part != b"gzip" && part != b"x-gzip";
            Coding::Gzip
        } else if text::contains_lenient(part, b"deflate") {
            abnormal |= part != b"deflate" && part != b"x-deflate";
            Coding::Deflate
        } else if part == b"br" {
            Coding::Brotli
        } else if part == b"zstd" {
            Coding::Zstd
        } else if part == b"lzma" {
            // What lzma was put around is not undone: a bomb in a bomb.
            if seen > LZMA_LAYERS {
                lzma_inside = true;
                break;
            }
            let Some(c) = lzma else { continue };
            c
        } else {
            abnormal |= part != b"inflate" && part != b"none";
            continue;
        };
        out[n] = coding;
        n += 1;
    }
    // Codings are listed in the order in which they were applied.
    out[..n].reverse();
    if abnormal {
        tx.raise(events::ABNORMAL_CE, dir);
    }
    if too_many {
        tx.raise(events::TOO_MANY_LAYERS, dir);
    }
    if lzma_inside {
        let request = dir == Dir::ToServer;
        let event = if request { events::REQUEST_TOO_MANY_LZMA } else { events::RESPONSE_TOO_MANY_LZMA };
        tx.raise(event, dir);
    }
    n
}

/// A transaction as guests hear of it.
fn origin(tx: &Tx) -> Origin<'_> {
    Origin { carrier: Carrier::Http1, tx: tx.common.id, head: tx }
}

impl Http {
    /// A message's head is there: guests hear of it.
    pub(super) fn message_begins(&mut self, idx: u32, dir: Dir, cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        let mut id = tx.bodies;
        if dir == Dir::ToClient && !id.is_read() {
            return;
        }
        let (bodies, mut cx) = cx.bodies();
        bodies.begin(&mut id, dir, &origin(tx), &mut cx);
        tx.bodies = id;
    }

    /// The flow goes on as a WebSocket: guests hear of it.
    pub(super) fn upgraded(&mut self, idx: u32, cx: &mut AppCx<'_>) {
        let tx = self.txs.get(idx);
        let (bodies, mut cx) = cx.bodies();
        bodies.upgrade(&Origin { carrier: Carrier::WebSocket, ..origin(tx) }, &mut cx);
    }

    /// A response line comes after all: what was before it makes no file.
    pub(super) fn was_no_body(&mut self, idx: u32, cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        if tx.msg[1].body.files != Files::Unset && !tx.msg[1].has_line && !tx.http09 {
            cx.files.free_chain(cx.pool, &mut tx.common.files[1]);
            let body = &mut tx.msg[1].body;
            (body.file, body.files) = (None, Files::Unset);
            body.names.truncate(0);
        }
    }

    /// Prepares the decoding of the body that follows.
    pub(super) fn start_body(&mut self, idx: u32, dir: Dir, cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        if let Some(c) = tx.msg[dir.ix()].body.chain.take() {
            cx.bodies.decoded(c, cx.pool);
        }
        let mut list = [Coding::default(); MAX_LAYERS];
        let n = codings(tx, dir, cx, &mut list);
        if n > 0 && (cx.shown || tx.bodies.is_read()) {
            tx.msg[dir.ix()].body.chain = cx.bodies.decode(&list[..n], cx.client, cx.pool);
        }
    }

    /// Takes body bytes (after the transfer coding).
    pub(super) fn body_data(&mut self, idx: u32, dir: Dir, data: &[u8], cx: &mut AppCx<'_>) {
        if data.is_empty() {
            return;
        }
        let tx = self.txs.get_mut(idx);
        let body = &mut tx.msg[dir.ix()].body;
        body.wire += data.len() as u64;
        let chain = body.chain;
        if body.bomb {
            return;
        }
        let Some(mut dec) = cx.bodies.decoders() else { return };
        if chain.is_some_and(|c| !dec.holds(c)) {
            cx.bodies.give_back(dec);
            // It gave way to another message: what is coded further is of no use to rules, nor to digests.
            body.chain = None;
            body.bomb = true;
            if let Some(f) = body.file.take() {
                cx.files.close(cx.pool, f, true);
                body.files = Files::None;
            }
            return;
        }
        let mut e = Entity { tx, dir, cx: &mut *cx };
        match chain {
            Some(c) => dec.feed(c, data, &mut e),
            None => {
                e.tx.msg[dir.ix()].body.decoded += data.len() as u64;
                e.keep(data);
            }
        }
        cx.bodies.give_back(dec);
    }

    /// Bytes of the body that never arrived.
    pub(super) fn body_gap(&mut self, idx: u32, dir: Dir, bytes: u64, cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        let body = &mut tx.msg[dir.ix()].body;
        body.wire += bytes;
        body.counted += bytes;
        body.gap = true;
        if let Some(c) = body.chain.take() {
            // What follows a hole cannot be decoded.
            cx.bodies.decoded(c, cx.pool);
            body.bomb = true;
        }
        body.kept_at += body.kept.len() as u64 + bytes;
        body.kept.truncate(0);
        if tx.bodies.is_read() {
            let o = origin(tx);
            let (bodies, mut cx) = cx.bodies();
            bodies.gap(tx.bodies, dir, bytes, &o, &mut cx);
        }
        let mut e = Entity { tx, dir, cx };
        if e.tx.msg[dir.ix()].body.files == Files::Unset {
            e.decide();
        }
        let body = &e.tx.msg[dir.ix()].body;
        if body.files == Files::Whole
            && body.file.is_none()
            && e.cx.files.chain(e.tx.common.files[dir.ix()]).next().is_none()
        {
            e.open_whole();
        }
        if let Some(f) = e.tx.msg[dir.ix()].body.file {
            e.cx.files.gap(e.cx.pool, f, bytes);
        }
        e.tx.common.touch(dir);
    }

    /// The body is over: ends its decoding and its file.
    pub(super) fn end_body(&mut self, idx: u32, dir: Dir, truncated: bool, cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        if let Some(c) = tx.msg[dir.ix()].body.chain
            && let Some(mut dec) = cx.bodies.decoders()
        {
            dec.finish(c, &mut Entity { tx, dir, cx: &mut *cx });
            cx.bodies.give_back(dec);
        }
        if dir == Dir::ToServer && tx.msg[0].body.files == Files::Multipart {
            super::multipart::end(tx, cx);
        }
        let body = &mut tx.msg[dir.ix()].body;
        if let Some(c) = body.chain.take() {
            cx.bodies.decoded(c, cx.pool);
        }
        if let Some(f) = body.file {
            cx.files.close(cx.pool, f, truncated || body.bomb);
            let whole = cx.files.part_ends(cx.pool, f, &mut tx.common.files[dir.ix()]);
            if let Some(whole) = whole.filter(|_| cx.wanted.has(buffers::FILE_DATA)) {
                cx.files.copy_window(cx.pool, whole, &mut tx.whole);
                tx.common.touch(dir);
            }
        }
        if !core::mem::replace(&mut body.ended, true) && tx.bodies.is_read() {
            let o = origin(tx);
            let how = if truncated { Ended::Cut } else { Ended::Whole };
            let (bodies, mut cx) = cx.bodies();
            bodies.end(tx.bodies, dir, how, &o, &mut cx);
        }
        tx.common.touch(dir);
    }

    /// Bytes after the end of a message that do not start another one: they belong to its body, undecoded.
    pub(super) fn stray_body(&mut self, idx: u32, dir: Dir, data: &[u8], cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        if let Some(f) = tx.msg[dir.ix()].body.file {
            cx.files.reopen(f);
        }
        self.body_data(idx, dir, data, cx);
        let tx = self.txs.get_mut(idx);
        if let Some(f) = tx.msg[dir.ix()].body.file {
            cx.files.close(cx.pool, f, false);
        }
    }

    /// A transaction by number, when it is live.
    pub(super) fn live(&self, st: StateId, id: u64) -> Option<u32> {
        if id == u64::MAX { None } else { self.txs.find(&self.flows.get(st).list, id) }
    }

    /// Whether the field of that name contains `word` (lower case).
    pub(super) fn field_contains(
        &self,
        idx: u32,
        dir: Dir,
        name: &[u8],
        word: &[u8],
        pool: &BytePool,
    ) -> bool {
        self.txs.get(idx).msg[dir.ix()]
            .headers
            .get(pool, name)
            .is_some_and(|(v, _)| text::contains_lenient(v, word))
    }
}

/// Raises the events that a field's oddities stand for.
pub fn field_events(tx: &mut Tx, dir: Dir, flags: u16) {
    use header::odd;
    let request = dir == Dir::ToServer;
    let pick = |a: u8, b: u8| if request { a } else { b };
    if flags & odd::DEFORMED_EOL != 0 && !request {
        tx.raise(events::DEFORMED_EOL, dir);
    }
    if flags & odd::NAME_TRAILING_SPACE != 0 {
        tx.raise(pick(events::REQUEST_LWS_AFTER_NAME, events::RESPONSE_LWS_AFTER_NAME), dir);
    }
    if flags & odd::NAME_LEADING_SPACE != 0 {
        tx.raise(pick(events::INVALID_REQUEST_FOLDING, events::INVALID_RESPONSE_FOLDING), dir);
    }
    if flags & odd::NAME_NOT_TOKEN != 0 {
        tx.raise(pick(events::REQUEST_HEADER_INVALID, events::RESPONSE_NAME_NOT_TOKEN), dir);
    }
    // Suricata 8 tells these three apart and ships a rule on the name that they had together before.
    let odd_name = flags & (odd::NAME_NOT_TOKEN | odd::NAME_TRAILING_SPACE | odd::NAME_EMPTY) != 0;
    if !request && odd_name && flags & odd::NO_COLON == 0 {
        tx.raise(events::RESPONSE_HEADER_INVALID, dir);
    }
    if flags & odd::NO_COLON != 0 {
        tx.raise(pick(events::REQUEST_FIELD_MISSING_COLON, events::RESPONSE_FIELD_MISSING_COLON), dir);
    } else if flags & odd::NAME_EMPTY != 0 {
        tx.raise(pick(events::REQUEST_EMPTY_NAME, events::RESPONSE_EMPTY_NAME), dir);
    }
}
