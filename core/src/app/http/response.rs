//! The server's side: response lines, fields, bodies, and what stands where a response should be.

use super::message::Fields;
use super::text::{self, ChunkLen, Version};
use super::{FIELD_LIMIT, Http, NIL, Next, Span, Stage, events, progress};
use crate::Dir;
use crate::app::{AppCx, AppProto, StateId};

const TC: Dir = Dir::ToClient;
/// Target of a transaction whose request was not seen, as libhtp words it.
const NOT_SEEN: &[u8] = b"/libhtp::request_uri_not_seen";

/// Position after the line end at the start of a response: LF, CR or CR LF. `None`: not there yet.
fn line_len(data: &[u8], eof: bool) -> Option<usize> {
    let n = memchr::memchr2(b'\n', b'\r', data)?;
    match data.get(n..) {
        Some([b'\r', b'\n', ..]) => Some(n + 2),
        Some([b'\r']) if !eof => None,
        _ => Some(n + 1),
    }
}

/// Bytes of a request that are carried over to HTTP/2.
const CARRY_MAX: usize = 8 << 10;

impl Http {
    /// One step in the server's bytes.
    pub(super) fn response_step(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[1];
        match side.stage {
            Stage::Failed | Stage::Ignore => {
                if data.is_empty() {
                    Next::More(0)
                } else {
                    Next::Used(data.len())
                }
            }
            Stage::Idle => self.between_responses(st, data, cx),
            Stage::Line => self.response_line(st, data, cx),
            Stage::Headers | Stage::Trailer => self.response_fields(st, data, cx),
            Stage::Length | Stage::ToEnd => self.length_body(st, TC, data, cx),
            Stage::Chunk => self.chunk_body(st, TC, data, cx),
            Stage::ChunkEnd => self.chunk_end(st, TC, data, cx),
            Stage::ChunkLength => self.response_chunk_length(st, data, cx),
            Stage::Version | Stage::Connect => Next::Failed,
        }
    }

    fn between_responses(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[1];
        if data.is_empty() {
            return Next::More(0);
        }
        if let Some(last) = self.live(st, side.last.0) {
            // Right after a response, a line that is no response line still belongs to its body.
            let lf = memchr::memchr(b'\n', data);
            let line = &data[..lf.map_or(data.len(), |n| n + 1)];
            let stray = if side.stray {
                true
            } else {
                match text::like_response(line) {
                    Some(like) => !like,
                    None if lf.is_some() || side.eof => true,
                    None => return Next::More(data.len() + 1),
                }
            };
            if stray {
                if !side.stray {
                    self.txs.get_mut(last).raise(events::RESPONSE_BODY_UNEXPECTED, TC);
                }
                let n = line.len();
                self.stray_body(last, TC, &data[..n], cx);
                self.flows.get_mut(st).side[1].stray = lf.is_none();
                return Next::Used(n);
            }
        }
        self.flows.get_mut(st).side[1].stray = false;
        self.start_response(st, cx)
    }

    fn start_response(&mut self, st: StateId, cx: &mut AppCx<'_>) -> Next {
        let f = self.flows.get(st);
        let idx = self.txs.iter(&f.list).find(|i| self.txs.get(*i).common.id >= f.answer);
        let idx = match idx {
            Some(i) => i,
            None => {
                let Some(i) = self.new_tx(st, TC, cx) else { return Next::Failed };
                let tx = self.txs.get_mut(i);
                tx.unmatched = true;
                tx.raise(events::UNMATCHED_RESPONSE, TC);
                tx.has_uri = tx.uri.extend(cx.pool, NOT_SEEN).is_ok();
                tx.path_len = tx.uri.len() as u32;
                tx.advance(Dir::ToServer, progress::COMPLETE);
                i
            }
        };
        // A lone request line without protocol that gets an answer was HTTP/0.9.
        let req = self.flows.get(st).side[0];
        if req.tx == idx {
            match req.stage {
                Stage::Version => self.end_message(st, Dir::ToServer, idx, false, cx),
                Stage::Line if !self.txs.get(idx).msg[0].has_line => {
                    self.txs.get_mut(idx).raise(events::REQUEST_LINE_INCOMPLETE, TC);
                }
                _ => {}
            }
        }
        let tx = self.txs.get_mut(idx);
        let http09 = tx.http09;
        tx.advance(TC, if http09 { progress::BODY } else { progress::LINE });
        let s = &mut self.flows.get_mut(st).side[1];
        s.tx = idx;
        s.stage = if http09 { Stage::ToEnd } else { Stage::Line };
        Next::Used(0)
    }

    fn response_line(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[1];
        let idx = side.tx;
        if data.is_empty() {
            if side.eof {
                return self.end_response(st, 0, cx);
            }
            return Next::More(0);
        }
        let n = match line_len(data, side.eof) {
            Some(n) => n,
            None if data.len() > FIELD_LIMIT => FIELD_LIMIT + 1,
            None if side.eof => data.len(),
            None => return Next::More(data.len() + 1),
        };
        if n > FIELD_LIMIT {
            self.txs.get_mut(idx).raise(events::RESPONSE_FIELD_TOO_LONG, TC);
            return Next::Failed;
        }
        let whole = &data[..n];
        if matches!(whole, b"\r" | b"\n" | b"\r\n") {
            return Next::Used(n);
        }
        if text::like_response(whole) != Some(true) {
            // Browsers take a line that is no response line as content, unless a response line follows.
            if data.len() < n + 2 && !side.eof {
                return Next::More(n + 2);
            }
            let follows = data.len() > n + 1 && data[n] == b'H';
            if !(follows || data.len() > n + 1 && text::chomp(whole).len() <= 2) {
                self.body_data(idx, TC, whole, cx);
            }
            return Next::Used(n);
        }
        self.was_no_body(idx, cx);
        let line = text::chomp(whole);
        let tx = self.txs.get_mut(idx);
        let m = &mut tx.msg[1];
        m.line.truncate(0);
        m.has_line = m.line.extend(cx.pool, line).is_ok();
        let (_, rest) = text::take_while(line, |c| text::is_space(c) || c == 0);
        let (proto, rest) = text::take_while(rest, |c| !text::is_space(c));
        let (ws1, rest) = text::take_while(rest, text::is_space);
        let (code, rest) = text::take_while(rest, |c| !text::is_space(c));
        let (ws2, reason) = text::take_while(rest, |c| c.is_ascii_whitespace());
        m.first = Span::of(line, proto);
        m.version = text::version(proto);
        (m.second, m.third) = (Span::default(), Span::default());
        let mut status = 0;
        if !ws1.is_empty() && !code.is_empty() {
            m.second = Span::of(line, code);
            status = text::status(code);
            if !ws2.is_empty() {
                m.third = Span::of(line, reason);
            }
        }
        if m.version == Version::Invalid {
            tx.raise(events::RESPONSE_LINE_INVALID_PROTOCOL, TC);
        }
        tx.status = status;
        if status == 0 {
            tx.raise(events::RESPONSE_LINE_INVALID_STATUS, TC);
        }
        if status != 100 {
            tx.advance(TC, progress::HEADERS);
        }
        self.flows.get_mut(st).side[1].stage = Stage::Headers;
        Next::Used(n)
    }

    fn response_fields(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[1];
        let n = match self.take_fields(side.tx, TC, data, side.eof, cx) {
            Fields::More(_) if side.eof => {
                self.txs.get_mut(side.tx).advance(TC, progress::BODY);
                return self.end_response(st, data.len(), cx);
            }
            Fields::More(0) => return Next::More(data.len() + 1),
            Fields::More(n) => return Next::Used(n),
            Fields::Failed => return Next::Failed,
            Fields::End(n) => n,
        };
        if side.stage == Stage::Trailer {
            return self.end_response(st, n, cx);
        }
        self.response_body_starts(st, n, data.get(n..).unwrap_or(&[]), cx)
    }

    /// Decides from the fields whether a body follows, and how it is framed.
    fn response_body_starts(&mut self, st: StateId, used: usize, rest: &[u8], cx: &mut AppCx<'_>) -> Next {
        let idx = self.flows.get(st).side[1].tx;
        let tx = self.txs.get_mut(idx);
        let pool = &*cx.pool;
        let h = tx.msg[1].headers;
        let status = tx.status;
        let te = h.get(pool, b"transfer-encoding");
        let cl = h.get(pool, b"content-length");
        if tx.connect && (200..300).contains(&status) {
            tx.advance(TC, progress::BODY);
            return self.end_connect(st, used, rest, cx);
        }
        if status == 101 {
            if te.is_none() && cl.is_none() {
                tx.advance(TC, progress::BODY);
                self.message_begins(idx, TC, cx);
                return self.end_response(st, used, cx);
            }
            tx.raise(events::SWITCHING_WITH_CL, TC);
        } else if status == 100
            && te.is_none()
            && cl.is_none_or(|(v, _)| text::number(v).is_none_or(|n| n.value == 0))
        {
            if tx.seen_continue {
                tx.raise(events::CONTINUE_ALREADY_SEEN, TC);
            }
            tx.seen_continue = true;
            tx.status = 0;
            let m = &mut tx.msg[1];
            m.headers.free(cx.pool);
            m.raw.free(cx.pool);
            m.line.truncate(0);
            m.has_line = false;
            self.flows.get_mut(st).side[1].stage = Stage::Line;
            return Next::Used(used);
        } else if (400..500).contains(&status) {
            self.refused_expectation(st, idx, cx);
        }
        self.message_begins(idx, TC, cx);
        let tx = self.txs.get_mut(idx);
        let pool = &*cx.pool;
        let te = h.get(pool, b"transfer-encoding");
        let cl = h.get(pool, b"content-length");
        let mut no_body = tx.head;
        if !no_body && ((100..200).contains(&status) || status == 204 || status == 304) {
            no_body = te.is_none() && cl.is_none();
            if !no_body {
                tx.raise(events::RESPONSE_BODY_UNEXPECTED, TC);
            }
        }
        tx.advance(TC, progress::BODY);
        if no_body {
            return self.end_response(st, used, cx);
        }
        let ranges = h.get(pool, b"content-type").is_some_and(|(v, _)| {
            let (ct, _) = text::take_while(v, |c| c != b';' && !text::is_space(c));
            text::contains_lenient(ct, b"multipart/byteranges")
        });
        let te = te.filter(|(v, _)| text::contains_lenient(v, b"chunked"));
        let (stage, left) = if let Some((v, _)) = te {
            if !v.eq_ignore_ascii_case(b"chunked") {
                tx.raise(events::ABNORMAL_TE, TC);
            }
            if tx.msg[1].version < Version::V11 {
                tx.raise(events::CHUNKED_OLD_PROTO, TC);
            }
            (Stage::ChunkLength, 0)
        } else if let Some((v, _)) = cl {
            let Some(n) = text::number(v) else {
                tx.raise(events::INVALID_CL_IN_RESPONSE, TC);
                return Next::Failed;
            };
            if n.junk_before {
                tx.raise(events::CL_EXTRA_START, TC);
            }
            if n.junk_after {
                tx.raise(events::CL_EXTRA_END, TC);
            }
            if n.value == 0 {
                self.start_body(idx, TC, cx);
                return self.end_response(st, used, cx);
            }
            (Stage::Length, n.value)
        } else if ranges {
            tx.raise(events::MULTIPART_BYTERANGES, TC);
            return Next::Failed;
        } else {
            (Stage::ToEnd, 0)
        };
        self.start_body(idx, TC, cx);
        let s = &mut self.flows.get_mut(st).side[1];
        (s.stage, s.left) = (stage, left);
        Next::Used(used)
    }

    /// The client waits with `Expect: 100-continue` and was refused: its body will not come.
    fn refused_expectation(&mut self, st: StateId, idx: u32, cx: &mut AppCx<'_>) {
        let req = self.flows.get(st).side[0];
        if req.tx != idx || req.stage != Stage::Length || self.txs.get(idx).msg[0].body.wire > 0 {
            return;
        }
        let expects = self.txs.get(idx).msg[0]
            .headers
            .get(cx.pool, b"expect")
            .is_some_and(|(v, _)| v.eq_ignore_ascii_case(b"100-continue"));
        if expects {
            self.end_message(st, Dir::ToServer, idx, false, cx);
        }
    }

    fn response_chunk_length(&mut self, st: StateId, data: &[u8], cx: &mut AppCx<'_>) -> Next {
        let side = self.flows.get(st).side[1];
        if data.is_empty() {
            if side.eof {
                return self.end_response(st, 0, cx);
            }
            return Next::More(0);
        }
        let lf = memchr::memchr(b'\n', data);
        let len = match lf {
            Some(n) if data[..=n].iter().all(|&c| text::is_chunk_ctl(c)) => {
                self.txs.get_mut(side.tx).msg[1].body.wire += n as u64 + 1;
                return Next::Used(n + 1);
            }
            Some(n) => text::chunk_len(&data[..=n]),
            None if !text::may_be_chunk_len(data) => ChunkLen::Invalid,
            None if side.eof => return self.end_response(st, data.len(), cx),
            None if data.len() > FIELD_LIMIT => {
                self.txs.get_mut(side.tx).raise(events::RESPONSE_FIELD_TOO_LONG, TC);
                return Next::Failed;
            }
            None => return Next::More(data.len() + 1),
        };
        let used = lf.map_or(0, |n| n + 1);
        let tx = self.txs.get_mut(side.tx);
        match len {
            ChunkLen::Len(len, ext) => {
                tx.msg[1].body.wire += used as u64;
                if ext {
                    tx.raise(events::RESPONSE_CHUNK_EXTENSION, TC);
                }
                let s = &mut self.flows.get_mut(st).side[1];
                s.left = len;
                s.stage = if len == 0 { Stage::Trailer } else { Stage::Chunk };
                if len == 0 {
                    self.end_body(side.tx, TC, false, cx);
                    self.txs.get_mut(side.tx).advance(TC, progress::TRAILER);
                }
                Next::Used(used)
            }
            ChunkLen::Missing => {
                tx.msg[1].body.wire += used as u64;
                Next::Used(used)
            }
            ChunkLen::Invalid => {
                // Browsers show such bodies as they are, up to the end of the stream.
                tx.raise(events::INVALID_RESPONSE_CHUNK_LEN, TC);
                self.flows.get_mut(st).side[1].stage = Stage::ToEnd;
                Next::Used(0)
            }
        }
    }

    /// The response is over. What follows may be another protocol.
    pub(super) fn end_response(&mut self, st: StateId, used: usize, cx: &mut AppCx<'_>) -> Next {
        self.end_connect(st, used, &[], cx)
    }

    /// The same, with the bytes that follow: line ends after the answer to a CONNECT are no part of the tunnel.
    fn end_connect(&mut self, st: StateId, used: usize, rest: &[u8], cx: &mut AppCx<'_>) -> Next {
        let idx = self.flows.get(st).side[1].tx;
        if idx == NIL {
            return Next::Used(used);
        }
        self.end_message(st, TC, idx, false, cx);
        let tx = self.txs.get(idx);
        let (status, connect) = (tx.status, tx.connect);
        let blank = if connect { text::take_while(rest, |c| c == b'\r' || c == b'\n').0.len() } else { 0 };
        let waits =
            self.flows.get(st).side[0].stage == Stage::Connect && self.flows.get(st).side[0].tx == idx;
        if connect {
            if waits {
                self.end_message(st, Dir::ToServer, idx, false, cx);
            }
            if (200..300).contains(&status) {
                self.ignore_all(st);
                return Next::Change(used + blank, None);
            }
            return Next::Used(used);
        }
        if status == 101 {
            let to = if self.field_contains(idx, TC, b"upgrade", b"h2c", cx.pool) {
                Some("http2")
            } else if self.field_contains(idx, TC, b"upgrade", b"websocket", cx.pool) {
                Some("websocket")
            } else {
                None
            };
            if self.flows.get(st).side[0].tx == idx {
                self.end_message(st, Dir::ToServer, idx, false, cx);
            }
            let to = to.filter(|t| !cx.cfg.disabled.iter().any(|d| d == t)).and_then(AppProto::by_name);
            self.ignore_all(st);
            if to == AppProto::by_name("websocket") && to.is_some() {
                self.upgraded(idx, cx);
            }
            if to == AppProto::by_name("http2") && to.is_some() && self.txs.get(idx).msg[0].has_line {
                self.carry(st, idx, cx);
            }
            if to.is_some() {
                return Next::Change(used, to);
            }
        }
        Next::Used(used)
    }

    /// Keeps the request that asks for HTTP/2, which is that one's stream 1 (RFC 7540, 3.2): fields, each with the lengths of
    /// its name and value before it.
    fn carry(&mut self, st: StateId, idx: u32, cx: &mut AppCx<'_>) {
        let m = &self.txs.get(idx).msg[0];
        cx.scratch.clear();
        let mut field = |name: &[u8], value: &[u8]| {
            let lengths = u16::try_from(name.len()).ok().zip(u16::try_from(value.len()).ok());
            if let Some((n, v)) =
                lengths.filter(|_| cx.scratch.len() + 4 + name.len() + value.len() <= CARRY_MAX)
            {
                let parts: [&[u8]; 4] = [&n.to_le_bytes(), &v.to_le_bytes(), name, value];
                parts.iter().for_each(|p| {
                    cx.scratch.extend(p);
                });
            }
        };
        field(b":method", m.first.get(&m.line, cx.pool));
        field(b":path", m.second.get(&m.line, cx.pool));
        for e in m.headers.entries(cx.pool) {
            let name = m.headers.name(cx.pool, e);
            let name = if name.eq_ignore_ascii_case(b"host") { b":authority" } else { name };
            field(name, m.headers.value(cx.pool, e));
        }
        let carried = &mut self.flows.get_mut(st).carried;
        carried.truncate(0);
        // A full pool costs the stream its request.
        let _ = carried.extend(cx.pool, cx.scratch.as_slice());
    }

    /// The rest of the flow is not HTTP/1.
    fn ignore_all(&mut self, st: StateId) {
        for s in &mut self.flows.get_mut(st).side {
            if s.stage != Stage::Failed {
                s.stage = Stage::Ignore;
            }
        }
    }
}
