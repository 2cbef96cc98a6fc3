//! The client's side: request lines, fields, bodies, and what stands between requests.

use super::message::{Fields, drain};
use super::text::{self, ChunkLen, Version};
use super::{FIELD_LIMIT, Http, Next, Span, Stage, events, progress, uri};
use crate::Dir;
use crate::app::{AppCx, StateId};

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
        let last = self.live(st, side.last.0).filter(|&l| {
            self.txs.get(l).common.progress(Dir::ToClient) < progress::COMPLETE && !self.txs.get(l).connect
        });
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
        let Some(tx) = self.new_tx(st, TS, cx) else { return Next::Failed };
        self.txs.get_mut(tx).advance(TS, progress::LINE);
        // There is nothing of an answer yet for rules on answers.
        self.txs.get_mut(tx).common.settle(Dir::ToClient);
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

    /// The fields are whole: what they say of the message, and its guests hear of it.
    fn request_headers_done(&mut self, idx: u32, cx: &mut AppCx<'_>) -> Framing {
        let framing = self.request_framing(idx, cx);
        self.message_begins(idx, TS, cx);
        framing
    }

    /// Derives host, framing and credentials from the fields.
    fn request_framing(&mut self, idx: u32, cx: &mut AppCx<'_>) -> Framing {
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
                None => {
                    tx.raise(events::HEADER_HOST_INVALID, TS);
                    if tx.has_host {
                        tx.raise(events::HOST_HEADER_AMBIGUOUS, TS);
                    }
                }
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
