//! The client's side: request lines, fields, bodies, and what stands between requests.

use super::header::{Reader, Step, odd};
use super::text::{self, ChunkLen, Version};
use super::{FIELD_LIMIT, Http, MAX_HEADERS, NIL, Next, Span, Stage, body, buffers, events, progress, uri};
use crate::Dir;
use crate::app::{AppCx, Outcome, StateId};

const TS: Dir = Dir::ToServer;
/// White space that may follow an HTTP/0.9 request line.
const MAX_09_JUNK: usize = 16;

/// How a request announces its body.
enum Framing {
    None,
    Length(u64),
    Chunked,
    Invalid,
}

impl Http {
    /// One step in the client's bytes.
    pub(super) fn request_step(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[0];
        let eof = side.eof;
        match side.stage {
            Stage::Failed | Stage::Ignore => drain(data),
            Stage::Idle => self.between_requests(st, data, cx),
            Stage::Line => self.request_line(st, data, cx),
            Stage::Version => {
                let (space, rest) = text::take_while(data, text::is_space);
                if !rest.is_empty() || space.len() > MAX_09_JUNK {
                    let tx = self.txs.get_mut(side.tx);
                    tx.http09 = false;
                    tx.raise(events::MISSING_PROTOCOL, TS);
                    self.flows.get_mut(st).side[0].stage = Stage::Headers;
                    Next::Used(0)
                } else if eof {
                    self.end_message(st, TS, side.tx, false, cx);
                    Next::Used(data.len())
                } else {
                    Next::More(0)
                }
            }
            Stage::Headers | Stage::Trailer => self.request_fields(st, data, cx),
            Stage::Connect => {
                if eof {
                    self.end_message(st, TS, side.tx, false, cx);
                    return Next::Used(0);
                }
                // Stray line ends are no part of the tunnel.
                match text::take_while(data, |c| c == b'\r' || c == b'\n').0.len() {
                    0 => Next::More(0),
                    n => Next::Used(n),
                }
            }
            Stage::Length | Stage::ToEnd => self.length_body(st, TS, data, cx),
            Stage::Chunk => self.chunk_body(st, TS, data, cx),
            Stage::ChunkEnd => self.chunk_end(st, TS, data, cx),
            Stage::ChunkLength => self.request_chunk_length(st, data, cx),
        }
    }

    fn between_requests(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[0];
        if data.is_empty() {
            return Next::More(0);
        }
        let lf = memchr::memchr(b'\n', data);
        if side.stray {
            let n = lf.map_or(data.len(), |n| n + 1);
            self.flows.get_mut(st).side[0].stray = lf.is_none();
            match self.live(st, side.last.0) {
                Some(last) => self.stray_body(last, TS, &data[..n], cx),
                None => self.flows.get_mut(st).side[0].stray = false,
            }
            return Next::Used(n);
        }
        match data {
            [b'\n', ..] => return Next::Used(1),
            [b'\r', b'\n', ..] => return Next::Used(2),
            [b'\r'] => return if side.eof { Next::Used(1) } else { Next::More(2) },
            _ => {}
        }
        let last = self
            .live(st, side.last.0)
            .filter(|&l| self.txs.get(l).common.progress[1] < progress::COMPLETE && !self.txs.get(l).connect);
        if let Some(last) = last {
            let line = &data[..lf.map_or(data.len(), |n| n + 1)];
            let (_, word) = text::take_while(line, text::is_space);
            let (word, after) = text::take_while(word, |c| !text::is_space(c));
            let whole_word = !after.is_empty() || lf.is_some() || side.eof;
            if !(whole_word && text::is_method(word)) {
                if lf.is_none() && !side.eof && data.len() <= FIELD_LIMIT {
                    return Next::More(data.len() + 1);
                }
                let end = text::trim(line);
                let version = end.rsplit(|&c| c == b' ').next().unwrap_or(&[]);
                if text::version(version) == Version::Invalid {
                    let n = line.len();
                    self.txs.get_mut(last).raise(events::REQUEST_BODY_UNEXPECTED, TS);
                    self.stray_body(last, TS, &data[..n], cx);
                    self.flows.get_mut(st).side[0].stray = lf.is_none();
                    return Next::Used(n);
                }
            }
        }
        let Some(tx) = self.new_tx(st, cx) else { return Next::Failed };
        self.txs.get_mut(tx).advance(TS, progress::LINE);
        let side = &mut self.flows.get_mut(st).side[0];
        side.tx = tx;
        side.stage = Stage::Line;
        Next::Used(0)
    }

    fn request_line(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[0];
        let idx = side.tx;
        let n = match memchr::memchr(b'\n', data) {
            Some(n) => n + 1,
            None if data.len() > FIELD_LIMIT => FIELD_LIMIT + 1,
            None if !side.eof => return Next::More(data.len() + 1),
            None => data.len(),
        };
        if n > FIELD_LIMIT {
            self.txs.get_mut(idx).raise(events::REQUEST_FIELD_TOO_LONG, TS);
            return Next::Failed;
        }
        let line = text::chomp(&data[..n]);
        if !line.is_empty() {
            self.take_request_line(idx, line, cx);
        }
        let tx = self.txs.get_mut(idx);
        tx.advance(TS, progress::HEADERS);
        let stage = if tx.http09 { Stage::Version } else { Stage::Headers };
        self.flows.get_mut(st).side[0].stage = stage;
        Next::Used(n)
    }

    /// Splits a request line and derives from its target what rules inspect.
    fn take_request_line(&mut self, idx: u32, line: &[u8], cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        let m = &mut tx.msg[0];
        m.line.truncate(0);
        if m.line.extend(cx.pool, line).is_err() {
            return;
        }
        m.has_line = true;
        let (lead, rest) = text::take_while(line, text::is_space);
        let (method, rest) = text::take_while(rest, |c| !text::is_space(c));
        let (gap, rest) = text::take_while(rest, text::is_space);
        m.first = Span::of(line, method);
        let known = text::is_method(method);
        tx.connect = method == b"CONNECT";
        tx.head = method == b"HEAD";
        if !lead.is_empty() {
            tx.raise(events::REQUEST_LINE_LEADING_SPACE, TS);
        }
        if gap.iter().any(|&c| c != b' ') {
            tx.raise(events::METHOD_DELIM, TS);
        }
        if rest.is_empty() {
            tx.http09 = true;
            tx.msg[0].version = Version::V09;
            if !known {
                tx.raise(events::UNKNOWN_METHOD, TS);
            }
            return;
        }
        let rest = text::trim(rest);
        // Targets may hold spaces: the protocol is what follows the last one.
        let (mut target, mut proto) = split_last(rest, |c| c == b' ');
        if target.iter().any(|&c| text::is_space(c) && c != b' ') {
            tx.raise(events::URI_DELIM, TS);
            if target.len() == rest.len() {
                (target, proto) = split_last(rest, text::is_space);
            }
        }
        let m = &mut tx.msg[0];
        m.second = Span::of(line, target);
        m.third = Span::of(line, proto);
        if proto.is_empty() {
            tx.http09 = true;
            m.version = Version::V09;
            if !known {
                tx.raise(events::UNKNOWN_METHOD_NO_PROTOCOL, TS);
            }
        } else {
            m.version = text::version(proto);
            if !known && m.version == Version::Invalid {
                tx.raise(events::UNKNOWN_METHOD_INVALID_PROTOCOL, TS);
            }
        }
        self.take_target(idx, line, target, cx);
    }

    fn take_target(&mut self, idx: u32, line: &[u8], target: &[u8], cx: &mut AppCx<'_>) {
        let tx = self.txs.get_mut(idx);
        if tx.connect {
            if let Some(h) = uri::host_port(target) {
                tx.uri_host = Span::of(line, h.host);
                tx.has_uri_host = true;
                tx.port = h.port;
                set_host(tx, h.host, cx);
                if !h.valid {
                    tx.raise(events::URI_HOST_INVALID, TS);
                }
            }
            return;
        }
        let p = uri::split(target);
        if let Some(h) = p.host {
            tx.uri_host = Span::of(line, h);
            tx.has_uri_host = true;
            cx.scratch.clear();
            uri::decode(h, cx.scratch);
            cx.scratch.as_mut_slice().make_ascii_lowercase();
            while cx.scratch.as_slice().last() == Some(&b'.') {
                cx.scratch.truncate(cx.scratch.len() - 1);
            }
            let ok = uri::valid_host(cx.scratch.as_slice());
            tx.host.truncate(0);
            tx.has_host = tx.host.extend(cx.pool, cx.scratch.as_slice()).is_ok();
            if !ok {
                tx.raise(events::URI_HOST_INVALID, TS);
            }
        }
        if let Some(port) = p.port {
            tx.port = uri::port_number(port);
            if tx.port.is_none() {
                tx.raise(events::URI_HOST_INVALID, TS);
            }
        }
        let out = &mut *cx.scratch;
        out.clear();
        let mut twice = false;
        if let Some(path) = p.path {
            uri::normal_path(path, out);
            if cx.cfg.http.double_decode_path {
                twice |= uri::decode_again(out, 0);
            }
        }
        tx.path_len = out.len() as u32;
        if let Some(q) = p.query {
            out.push(b'?');
            let from = out.len();
            uri::decode(q, out);
            if cx.cfg.http.double_decode_query {
                twice |= uri::decode_again(out, from);
            }
        }
        if let Some(f) = p.fragment {
            out.push(b'#');
            uri::decode(f, out);
        }
        tx.uri.truncate(0);
        tx.has_uri = !out.is_empty() && tx.uri.extend(cx.pool, out.as_slice()).is_ok();
        if twice {
            tx.raise(events::DOUBLE_ENCODED_URI, TS);
        }
    }

    fn request_fields(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[0];
        let n = match self.take_fields(side.tx, TS, data, side.eof, cx) {
            Fields::More(n) if side.eof => {
                // Cut off inside the fields: what was read counts.
                self.request_headers_done(side.tx, cx);
                self.end_message(st, TS, side.tx, false, cx);
                return Next::Used(n.max(data.len()));
            }
            Fields::More(0) => return Next::More(data.len() + 1),
            Fields::More(n) => return Next::Used(n),
            Fields::Failed => return Next::Failed,
            Fields::End(n) => n,
        };
        if side.stage == Stage::Trailer {
            self.end_message(st, TS, side.tx, false, cx);
            return Next::Used(n);
        }
        let framing = self.request_headers_done(side.tx, cx);
        let tx = self.txs.get_mut(side.tx);
        if tx.connect {
            tx.advance(TS, progress::BODY);
            self.flows.get_mut(st).side[0].stage = Stage::Connect;
            return Next::Used(n);
        }
        tx.advance(TS, progress::BODY);
        match framing {
            Framing::None | Framing::Length(0) => self.end_message(st, TS, side.tx, false, cx),
            Framing::Invalid => return Next::Failed,
            Framing::Length(len) => {
                self.start_body(side.tx, TS, cx);
                let s = &mut self.flows.get_mut(st).side[0];
                (s.stage, s.left) = (Stage::Length, len);
            }
            Framing::Chunked => {
                self.start_body(side.tx, TS, cx);
                self.flows.get_mut(st).side[0].stage = Stage::ChunkLength;
            }
        }
        Next::Used(n)
    }

    /// Derives host, framing and credentials from the fields.
    fn request_headers_done(&mut self, idx: u32, cx: &mut AppCx<'_>) -> Framing {
        let tx = self.txs.get_mut(idx);
        let pool = &*cx.pool;
        let h = tx.msg[0].headers;
        let version = tx.msg[0].version;
        let length = h.get(pool, b"content-length");
        let framing = if let Some((te, _)) = h.get(pool, b"transfer-encoding") {
            if text::contains_lenient(te, b"chunked") {
                if version < Version::V11 {
                    tx.raise(events::INVALID_TE_IN_REQUEST, TS);
                }
                Framing::Chunked
            } else {
                tx.raise(events::INVALID_TE_IN_REQUEST, TS);
                Framing::Invalid
            }
        } else if let Some((v, _)) = length {
            match text::number(v) {
                Some(n) => {
                    if n.junk_before {
                        tx.raise(events::CL_EXTRA_START, TS);
                    }
                    if n.junk_after {
                        tx.raise(events::CL_EXTRA_END, TS);
                    }
                    Framing::Length(n.value)
                }
                None => {
                    tx.raise(events::INVALID_CL_IN_REQUEST, TS);
                    Framing::Invalid
                }
            }
        } else {
            Framing::None
        };
        if let Some((v, _)) = h.get(pool, b"host") {
            match uri::host_port(v) {
                Some(hp) => {
                    if !hp.valid {
                        tx.raise(events::HEADER_HOST_INVALID, TS);
                    }
                    if tx.has_host {
                        let other = !tx.host.get(pool).eq_ignore_ascii_case(hp.host);
                        let port = hp.has_port && tx.port.is_some() && tx.port != hp.port;
                        if other || port {
                            tx.raise(events::HOST_HEADER_AMBIGUOUS, TS);
                        }
                    } else {
                        cx.scratch.clear();
                        cx.scratch.extend(hp.host);
                        let port = hp.port;
                        let has = hp.has_port;
                        let mut low = [0u8; 256];
                        let n = cx.scratch.len().min(low.len());
                        low[..n].copy_from_slice(&cx.scratch.as_slice()[..n]);
                        set_host(tx, &low[..n], cx);
                        if has {
                            tx.port = port;
                        }
                    }
                }
                None if tx.has_host => tx.raise(events::HOST_HEADER_AMBIGUOUS, TS),
                None => {}
            }
        } else if version >= Version::V11 {
            tx.raise(events::MISSING_HOST_HEADER, TS);
        }
        if let Some((v, _)) = h.get(cx.pool, b"authorization") {
            let kind = |k: &[u8]| v.get(..k.len()).is_some_and(|p| p.eq_ignore_ascii_case(k));
            if !kind(b"basic") && !kind(b"digest") && !kind(b"bearer") {
                tx.raise(events::AUTH_UNRECOGNIZED, TS);
            }
        }
        framing
    }

    fn request_chunk_length(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[0];
        let Some(lf) = memchr::memchr(b'\n', data) else {
            if side.eof {
                self.end_message(st, TS, side.tx, true, cx);
                return Next::Used(data.len());
            }
            if !text::may_be_chunk_len(data) {
                self.txs.get_mut(side.tx).raise(events::INVALID_REQUEST_CHUNK_LEN, TS);
                return Next::Failed;
            }
            if data.len() > FIELD_LIMIT {
                self.txs.get_mut(side.tx).raise(events::REQUEST_FIELD_TOO_LONG, TS);
                return Next::Failed;
            }
            return Next::More(data.len() + 1);
        };
        let line = &data[..=lf];
        let tx = self.txs.get_mut(side.tx);
        tx.msg[0].body.wire += line.len() as u64;
        if line.iter().all(|&c| text::is_chunk_ctl(c)) {
            return Next::Used(line.len());
        }
        match text::chunk_len(line) {
            ChunkLen::Len(len, ext) => {
                if ext {
                    tx.raise(events::REQUEST_CHUNK_EXTENSION, TS);
                }
                let s = &mut self.flows.get_mut(st).side[0];
                s.left = len;
                s.stage = if len == 0 { Stage::Trailer } else { Stage::Chunk };
                if len == 0 {
                    self.end_body(side.tx, TS, false, cx);
                    self.txs.get_mut(side.tx).advance(TS, progress::TRAILER);
                }
                Next::Used(line.len())
            }
            ChunkLen::Missing | ChunkLen::Invalid => {
                tx.raise(events::INVALID_REQUEST_CHUNK_LEN, TS);
                Next::Failed
            }
        }
    }

    // ---- shared by both directions ----

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
        if at > 0 && tx.common.progress[ix] >= progress::BODY {
            tx.common.dirty[ix] = true;
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
        self.end_body(idx, dir, truncated, cx);
        let tx = self.txs.get_mut(idx);
        tx.advance(dir, progress::COMPLETE);
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

/// How reading fields went; with the bytes used.
pub(super) enum Fields {
    More(usize),
    End(usize),
    Failed,
}

fn drain(data: &[u8]) -> Next {
    if data.is_empty() { Next::More(0) } else { Next::Used(data.len()) }
}

/// Splits at the last byte that satisfies `pred`; both parts trimmed. Without one, everything is the first part.
fn split_last(s: &[u8], pred: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    match s.iter().rposition(|&c| pred(c)) {
        Some(i) => (text::trim(&s[..i]), text::trim(&s[i + 1..])),
        None => (s, &s[s.len()..]),
    }
}

fn set_host(tx: &mut super::Tx, host: &[u8], cx: &mut AppCx<'_>) {
    tx.host.truncate(0);
    tx.has_host = tx.host.extend(cx.pool, host).is_ok();
    tx.host.get_mut(cx.pool).make_ascii_lowercase();
}

/// Puts a field into its table, joining repeated ones; `false` when there are too many.
fn add_field(
    tx: &mut super::Tx,
    dir: Dir,
    name: &[u8],
    value: &[u8],
    flags: u16,
    pool: &mut crate::pool::BytePool,
) -> bool {
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
