//! The named buffers of HTTP/1, as Suricata's HTTP keyword pages describe them.

use super::header::odd;
use super::{Tx, progress};
use crate::Dir;
use crate::app::{Buffer, BufferDef, BufferKind};
use crate::app::{buffer_at, frame};
use crate::pool::{BytePool, PBuf, Scratch};

const TS: u8 = Dir::ToServer.bit();
const TC: u8 = Dir::ToClient.bit();

const fn def(
    name: &'static str,
    modifiers: &'static [&'static str],
    dirs: u8,
    progress: u8,
    kind: BufferKind,
) -> BufferDef {
    BufferDef { name, aliases: &[], modifiers, dirs, progress, kind }
}

const fn field(name: &'static str, modifiers: &'static [&'static str], dirs: u8) -> BufferDef {
    def(name, modifiers, dirs, progress::BODY, BufferKind::Single)
}

// Local numbers, in the order of `DEFS`.
/// Messages: the request's, and right after it the response's.
pub(super) const F_REQUEST: u8 = buffer_at(DEFS, "frame:http1.request");
const URI: u8 = buffer_at(DEFS, "http.uri");
const URI_RAW: u8 = buffer_at(DEFS, "http.uri.raw");
const METHOD: u8 = buffer_at(DEFS, "http.method");
const PROTOCOL: u8 = buffer_at(DEFS, "http.protocol");
const REQUEST_LINE: u8 = buffer_at(DEFS, "http.request_line");
const RESPONSE_LINE: u8 = buffer_at(DEFS, "http.response_line");
const STAT_CODE: u8 = buffer_at(DEFS, "http.stat_code");
const STAT_MSG: u8 = buffer_at(DEFS, "http.stat_msg");
const HEADER: u8 = buffer_at(DEFS, "http.header");
/// The block of fields as it came; kept only when wanted.
pub const HEADER_RAW: u8 = buffer_at(DEFS, "http.header.raw");
const HEADER_NAMES: u8 = buffer_at(DEFS, "http.header_names");
const REQUEST_HEADER: u8 = buffer_at(DEFS, "http.request_header");
const RESPONSE_HEADER: u8 = buffer_at(DEFS, "http.response_header");
const HOST: u8 = buffer_at(DEFS, "http.host");
const HOST_RAW: u8 = buffer_at(DEFS, "http.host.raw");
const START: u8 = buffer_at(DEFS, "http.start");
/// Bodies: the request's, and right after it the response's.
pub const REQUEST_BODY: u8 = buffer_at(DEFS, "http.request_body");
const RESPONSE_BODY: u8 = buffer_at(DEFS, "http.response_body");
pub const FILE_DATA: u8 = buffer_at(DEFS, "file.data");
pub const FILE_NAME: u8 = buffer_at(DEFS, "file.name");
const FIRST_FIELD: u8 = buffer_at(DEFS, "http.user_agent");

/// Buffers that are one header field: lower-case names for request and response, from [`FIRST_FIELD`] on.
const FIELDS: &[(&[u8], &[u8])] = &[
    (b"user-agent", b""),
    (b"cookie", b"set-cookie"),
    (b"referer", b""),
    (b"content-type", b"content-type"),
    (b"content-length", b"content-length"),
    (b"accept", b""),
    (b"accept-encoding", b""),
    (b"accept-language", b""),
    (b"connection", b"connection"),
    (b"", b"location"),
    (b"", b"server"),
];

/// Descriptions of the buffers.
pub static DEFS: &[BufferDef] = &[
    BufferDef {
        name: "http.uri",
        aliases: &[],
        modifiers: &["http_uri", "uricontent"],
        dirs: TS,
        progress: progress::HEADERS,
        kind: BufferKind::Single,
    },
    def("http.uri.raw", &["http_raw_uri"], TS, progress::HEADERS, BufferKind::Single),
    def("http.method", &["http_method"], TS, progress::HEADERS, BufferKind::Single),
    BufferDef {
        name: "http.protocol",
        aliases: &["http_protocol"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::HEADERS,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.request_line",
        aliases: &["http_request_line"],
        modifiers: &[],
        dirs: TS,
        progress: progress::HEADERS,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.response_line",
        aliases: &["http_response_line"],
        modifiers: &[],
        dirs: TC,
        progress: progress::HEADERS,
        kind: BufferKind::Single,
    },
    def("http.stat_code", &["http_stat_code"], TC, progress::HEADERS, BufferKind::Single),
    def("http.stat_msg", &["http_stat_msg"], TC, progress::HEADERS, BufferKind::Single),
    field("http.header", &["http_header"], TS | TC),
    field("http.header.raw", &["http_raw_header"], TS | TC),
    BufferDef {
        name: "http.header_names",
        aliases: &["http_header_names"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    def("http.request_header", &[], TS, progress::BODY, BufferKind::Multi),
    def("http.response_header", &[], TC, progress::BODY, BufferKind::Multi),
    field("http.host", &["http_host"], TS),
    field("http.host.raw", &["http_raw_host"], TS),
    BufferDef {
        name: "http.start",
        aliases: &["http_start"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    def("http.request_body", &["http_client_body"], TS, progress::BODY, BufferKind::Streaming),
    def("http.response_body", &["http_server_body"], TC, progress::LINE, BufferKind::Streaming),
    BufferDef {
        name: "file.data",
        aliases: &["file_data"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::LINE,
        kind: BufferKind::Chain,
    },
    BufferDef {
        name: "file.name",
        aliases: &["filename"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::BODY,
        kind: BufferKind::Multi,
    },
    field("http.user_agent", &["http_user_agent"], TS),
    field("http.cookie", &["http_cookie"], TS | TC),
    BufferDef {
        name: "http.referer",
        aliases: &["http_referer"],
        modifiers: &[],
        dirs: TS,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.content_type",
        aliases: &["http_content_type"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.content_len",
        aliases: &["http_content_len"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.accept",
        aliases: &["http_accept"],
        modifiers: &[],
        dirs: TS,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.accept_enc",
        aliases: &["http_accept_enc"],
        modifiers: &[],
        dirs: TS,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.accept_lang",
        aliases: &["http_accept_lang"],
        modifiers: &[],
        dirs: TS,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    BufferDef {
        name: "http.connection",
        aliases: &["http_connection"],
        modifiers: &[],
        dirs: TS | TC,
        progress: progress::BODY,
        kind: BufferKind::Single,
    },
    field("http.location", &[], TC),
    field("http.server", &[], TC),
    BufferDef { dirs: TS, ..frame("frame:http1.request") },
    BufferDef { dirs: TC, ..frame("frame:http1.response") },
    frame("frame:http1.stream"),
];

impl Tx {
    /// The contents of buffer number `local`.
    pub(super) fn buffer<'a>(
        &'a self,
        local: u8,
        dir: Dir,
        index: u32,
        pool: &'a BytePool,
        scratch: &'a mut Scratch,
    ) -> Buffer<'a> {
        let Some(def) = DEFS.get(usize::from(local)) else { return Buffer::Absent };
        if def.dirs & dir.bit() == 0
            || (index > 0 && !matches!(def.kind, BufferKind::Multi | BufferKind::Chain))
        {
            return Buffer::Absent;
        }
        let reached = self.common.progress(dir);
        if reached < def.progress {
            return Buffer::NotYet;
        }
        let m = &self.msg[dir.ix()];
        let some = |b: &'a [u8]| if b.is_empty() { Buffer::Absent } else { Buffer::whole(b) };
        match local {
            URI if self.has_uri && !self.unmatched => some(self.uri.get(pool)),
            URI_RAW => some(m.second.get(&m.line, pool)),
            METHOD => some(m.first.get(&m.line, pool)),
            PROTOCOL if dir == Dir::ToServer => some(m.third.get(&m.line, pool)),
            PROTOCOL => some(m.first.get(&m.line, pool)),
            REQUEST_LINE | RESPONSE_LINE if m.has_line => some(m.line.get(pool)),
            STAT_CODE => some(m.second.get(&m.line, pool)),
            STAT_MSG => some(m.third.get(&m.line, pool)),
            HEADER => {
                if !m.headers.has_cookie {
                    return some(m.headers.text(pool));
                }
                scratch.clear();
                for (i, e) in m.headers.entries(pool).enumerate() {
                    if e.odd & odd::COOKIE == 0 {
                        scratch.extend(m.headers.field(pool, i as u32).unwrap_or(&[]));
                        scratch.extend(b"\r\n");
                    }
                }
                some(scratch.as_slice())
            }
            HEADER_RAW => some(m.raw.get(pool)),
            HEADER_NAMES => {
                if m.headers.count == 0 {
                    return Buffer::Absent;
                }
                scratch.clear();
                scratch.extend(b"\r\n");
                for e in m.headers.entries(pool) {
                    scratch.extend(m.headers.name(pool, e));
                    scratch.extend(b"\r\n");
                }
                scratch.extend(b"\r\n");
                Buffer::whole(scratch.as_slice())
            }
            REQUEST_HEADER | RESPONSE_HEADER => match m.headers.field(pool, index) {
                Some(f) => Buffer::whole(f),
                None => Buffer::Absent,
            },
            HOST if self.has_host => some(self.host.get(pool)),
            HOST_RAW if self.has_uri_host => some(self.uri_host.get(&m.line, pool)),
            HOST_RAW => self.field(dir, b"host", pool),
            START => {
                if !m.has_line {
                    return Buffer::Absent;
                }
                scratch.clear();
                for part in [m.line.get(pool), b"\r\n", m.headers.text(pool), b"\r\n"] {
                    scratch.extend(part);
                }
                Buffer::whole(scratch.as_slice())
            }
            REQUEST_BODY | RESPONSE_BODY => self.body(dir, pool),
            FILE_DATA => self.file_data(dir, index, pool),
            FILE_NAME => match m.body.name(pool, index) {
                Some(n) => some(n),
                None if reached < progress::TRAILER => Buffer::NotYet,
                None => Buffer::Absent,
            },
            n if n >= FIRST_FIELD => match FIELDS.get(usize::from(n - FIRST_FIELD)) {
                Some((request, response)) => {
                    self.field(dir, if dir == Dir::ToServer { request } else { response }, pool)
                }
                None => Buffer::Absent,
            },
            _ => Buffer::Absent,
        }
    }

    fn field<'a>(&'a self, dir: Dir, lower: &[u8], pool: &'a BytePool) -> Buffer<'a> {
        match self.msg[dir.ix()].headers.get(pool, lower) {
            Some((v, _)) if !lower.is_empty() => Buffer::whole(v),
            _ => Buffer::Absent,
        }
    }

    fn body<'a>(&'a self, dir: Dir, pool: &'a BytePool) -> Buffer<'a> {
        let b = &self.msg[dir.ix()].body;
        self.stream(dir, &b.kept, b.kept_at, pool)
    }

    /// What `file.data` sees: the response's body and the file that it made whole, the files that a request uploads.
    fn file_data<'a>(&'a self, dir: Dir, index: u32, pool: &'a BytePool) -> Buffer<'a> {
        use super::body::Files;
        match (dir, self.msg[0].body.files) {
            (Dir::ToServer, Files::Multipart) => self.uploaded(index, pool),
            (Dir::ToClient, _) | (_, Files::Whole) if index == 0 => self.body(dir, pool),
            (Dir::ToClient, _) if index == 1 && !self.whole.is_empty() => Buffer::whole(self.whole.get(pool)),
            _ if index > 0 || self.msg[0].body.ended => Buffer::Absent,
            _ => Buffer::NotYet,
        }
    }

    /// File number `index` of an upload.
    fn uploaded<'a>(&'a self, index: u32, pool: &'a BytePool) -> Buffer<'a> {
        let over = self.msg[0].body.ended || self.common.progress(Dir::ToServer) >= progress::COMPLETE;
        let (bytes, ended) = self.multipart.file(index, pool);
        match bytes {
            [] if index == 0 && !over => Buffer::NotYet,
            [] => Buffer::Absent,
            bytes => Buffer::Data { bytes, offset: 0, end: ended || over },
        }
    }

    fn stream<'a>(&'a self, dir: Dir, kept: &PBuf, at: u64, pool: &'a BytePool) -> Buffer<'a> {
        let b = &self.msg[dir.ix()].body;
        let over = b.ended || self.common.progress(dir) >= progress::COMPLETE;
        if kept.is_empty() {
            return if over { Buffer::Absent } else { Buffer::NotYet };
        }
        Buffer::Data { bytes: kept.get(pool), offset: at, end: over }
    }
}

const _: () = assert!(F_REQUEST as usize == FIRST_FIELD as usize + FIELDS.len());
