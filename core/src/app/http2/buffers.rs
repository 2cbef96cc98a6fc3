//! What rules can name of HTTP/2: events, buffers and numbers, and their values in a stream.

use super::{COMPLETE, HEADERS_DONE, Stream, T_ERROR, T_FRAME, T_PRIORITY, T_SETTING, T_SIZE, T_WINDOW};
use crate::Dir;
use crate::app::plain::{be16, be32};
use crate::app::txs::Tx;
use crate::app::{Buffer, BufferDef, BufferKind, IntDef};
use crate::app::{buffer_at, event_at, frame, int_at};
use crate::pool::{BytePool, Scratch};

pub(super) static EVENTS: &[&str] = &[
    "invalid_frame_header",
    "invalid_client_magic",
    "invalid_frame_data",
    "invalid_header",
    "invalid_frame_length",
    "extra_header_data",
    "long_frame_data",
    "stream_id_reuse",
    "invalid_http1_settings",
    "failed_decompression",
    "invalid_range",
    "header_integer_overflow",
    "too_many_streams",
    "authority_host_mismatch",
    "userinfo_in_uri",
    "reassembly_limit_reached",
    "data_stream_zero",
    "too_many_frames",
    "compression_bomb",
    "dns_request_too_long",
    "dns_response_too_long",
];
pub(super) const EV_DNS_REQUEST: u8 = event_at(EVENTS, "dns_request_too_long");
pub(super) const EV_DNS_RESPONSE: u8 = event_at(EVENTS, "dns_response_too_long");
pub(super) const EV_MAGIC: u8 = event_at(EVENTS, "invalid_client_magic");
pub(super) const EV_HEADER: u8 = event_at(EVENTS, "invalid_header");
pub(super) const EV_LENGTH: u8 = event_at(EVENTS, "invalid_frame_length");
pub(super) const EV_LONG: u8 = event_at(EVENTS, "long_frame_data");
pub(super) const EV_STREAMS: u8 = event_at(EVENTS, "too_many_streams");
pub(super) const EV_REUSE: u8 = event_at(EVENTS, "stream_id_reuse");
pub(super) const EV_AUTHORITY: u8 = event_at(EVENTS, "authority_host_mismatch");
pub(super) const EV_USERINFO: u8 = event_at(EVENTS, "userinfo_in_uri");
pub(super) const EV_LIMIT: u8 = event_at(EVENTS, "reassembly_limit_reached");
pub(super) const EV_RANGE: u8 = event_at(EVENTS, "invalid_range");
pub(super) const EV_DATA: u8 = event_at(EVENTS, "invalid_frame_data");
pub(super) const EV_EXTRA: u8 = event_at(EVENTS, "extra_header_data");
pub(super) const EV_OVERFLOW: u8 = event_at(EVENTS, "header_integer_overflow");
pub(super) const EV_SETTINGS: u8 = event_at(EVENTS, "invalid_http1_settings");
pub(super) const EV_DECODE: u8 = event_at(EVENTS, "failed_decompression");
pub(super) const EV_ZERO: u8 = event_at(EVENTS, "data_stream_zero");
pub(super) const EV_FRAMES: u8 = event_at(EVENTS, "too_many_frames");
pub(super) const EV_BOMB: u8 = event_at(EVENTS, "compression_bomb");

const fn b(name: &'static str, aliases: &'static [&'static str], dirs: u8, kind: BufferKind) -> BufferDef {
    BufferDef { name, aliases, modifiers: &[], dirs, progress: HEADERS_DONE, kind }
}

/// A buffer of DNS inside a stream, in the order that DNS has them.
const fn name(name: &'static str, aliases: &'static [&'static str], dirs: u8) -> BufferDef {
    BufferDef { progress: super::COMPLETE, ..b(name, aliases, dirs, BufferKind::Multi) }
}

pub(super) const B_DNS: u8 = buffer_at(BUFFERS, "dns.query");
pub(super) const DNS_BUFFERS: u8 = 6;
const _: () = assert!(buffer_at(super::super::dns::BUFFERS, "dns.response.rrname") == DNS_BUFFERS - 1);
const _: () = assert!(buffer_at(BUFFERS, "dns.response.rrname") == B_DNS + DNS_BUFFERS - 1);

/// Buffers that are the value of one header field, with the field.
pub(super) const VALUES: &[(&str, u8, BufferKind)] = &[
    (":method", 1, BufferKind::Single),
    (":path", 1, BufferKind::Single),
    (":path", 1, BufferKind::Single),
    (":authority", 1, BufferKind::Single),
    (":authority", 1, BufferKind::Single),
    ("user-agent", 1, BufferKind::Single),
    (":status", 2, BufferKind::Single),
    ("content-type", 3, BufferKind::Single),
    ("cookie", 3, BufferKind::Single),
    ("referer", 1, BufferKind::Single),
    ("accept", 1, BufferKind::Single),
    ("accept-encoding", 1, BufferKind::Single),
    ("accept-language", 1, BufferKind::Single),
    ("server", 2, BufferKind::Single),
    ("location", 2, BufferKind::Single),
    ("content-length", 3, BufferKind::Single),
    ("connection", 3, BufferKind::Single),
];
pub(super) const AFTER: u8 = VALUES.len() as u8;
pub(super) const B_HOST: u8 = buffer_at(BUFFERS, "http.host");
pub(super) const B_NAMES: u8 = buffer_at(BUFFERS, "http2.header_name");
pub(super) const B_FIELDS: u8 = buffer_at(BUFFERS, "http2.header");
pub(super) const B_REQUEST: u8 = buffer_at(BUFFERS, "http.request_header");
pub(super) const B_RESPONSE: u8 = buffer_at(BUFFERS, "http.response_header");
pub(super) const B_HEADER: u8 = buffer_at(BUFFERS, "http.header");
pub(super) const B_RAW_HEADER: u8 = buffer_at(BUFFERS, "http.header.raw");
pub(super) const B_HEADER_NAMES: u8 = buffer_at(BUFFERS, "http.header_names");
pub(super) const B_PROTOCOL: u8 = buffer_at(BUFFERS, "http.protocol");
pub(super) const B_FILE: u8 = buffer_at(BUFFERS, "file.data");
pub(super) const B_FILE_NAME: u8 = buffer_at(BUFFERS, "file.name");
pub(super) const B_REQUEST_BODY: u8 = buffer_at(BUFFERS, "http.request_body");
pub(super) const B_RESPONSE_BODY: u8 = buffer_at(BUFFERS, "http.response_body");

/// A frame; after it its header, and what follows that.
pub(super) const F_PDU: u8 = buffer_at(BUFFERS, "frame:http2.pdu");

pub(super) static BUFFERS: &[BufferDef] = &[
    b("http.method", &[], 1, BufferKind::Single),
    b("http.uri", &[], 1, BufferKind::Single),
    b("http.uri.raw", &[], 1, BufferKind::Single),
    b("http.host", &[], 1, BufferKind::Single),
    b("http.host.raw", &[], 1, BufferKind::Single),
    b("http.user_agent", &[], 1, BufferKind::Single),
    b("http.stat_code", &[], 2, BufferKind::Single),
    b("http.content_type", &[], 3, BufferKind::Single),
    b("http.cookie", &[], 3, BufferKind::Single),
    b("http.referer", &[], 1, BufferKind::Single),
    b("http.accept", &[], 1, BufferKind::Single),
    b("http.accept_enc", &[], 1, BufferKind::Single),
    b("http.accept_lang", &[], 1, BufferKind::Single),
    b("http.server", &[], 2, BufferKind::Single),
    b("http.location", &[], 2, BufferKind::Single),
    b("http.content_len", &[], 3, BufferKind::Single),
    b("http.connection", &[], 3, BufferKind::Single),
    b("http2.header_name", &[], 3, BufferKind::Multi),
    b("http2.header", &[], 3, BufferKind::Multi),
    b("http.request_header", &[], 1, BufferKind::Multi),
    b("http.response_header", &[], 2, BufferKind::Multi),
    b("http.header", &[], 3, BufferKind::Single),
    b("http.header.raw", &[], 3, BufferKind::Single),
    b("http.header_names", &[], 3, BufferKind::Single),
    b("http.protocol", &[], 3, BufferKind::Single),
    b("file.data", &["file_data"], 3, BufferKind::Chain),
    b("file.name", &[], 3, BufferKind::Single),
    b("http.request_body", &[], 1, BufferKind::Streaming),
    b("http.response_body", &[], 2, BufferKind::Streaming),
    name("dns.query", &["dns_query"], 1),
    name("dns.queries.rrname", &["dns.query.name"], 3),
    name("dns.answers.rrname", &["dns.answer.name"], 3),
    name("dns.authorities.rrname", &[], 3),
    name("dns.additionals.rrname", &[], 3),
    name("dns.response.rrname", &[], 2),
    frame("frame:http2.pdu"),
    frame("frame:http2.hdr"),
    frame("frame:http2.data"),
    frame("frame:http2.stream"),
];

const fn i(name: &'static str, values: &'static [(&'static str, u64)]) -> IntDef {
    IntDef { name, aliases: &[], dirs: 3, progress: 0, multi: true, values }
}

pub(super) const I_FRAME: u8 = int_at(INTS, "http2.frametype");
pub(super) const I_ERROR: u8 = int_at(INTS, "http2.errorcode");
pub(super) const I_PRIORITY: u8 = int_at(INTS, "http2.priority");
pub(super) const I_WINDOW: u8 = int_at(INTS, "http2.window");
pub(super) const I_SIZE: u8 = int_at(INTS, "http2.size_update");

pub(super) static INTS: &[IntDef] = &[
    i(
        "http2.frametype",
        &[
            ("data", 0),
            ("headers", 1),
            ("priority", 2),
            ("rststream", 3),
            ("settings", 4),
            ("pushpromise", 5),
            ("ping", 6),
            ("goaway", 7),
            ("windowupdate", 8),
            ("continuation", 9),
        ],
    ),
    i("http2.errorcode", ERROR_VALUES),
    i("http2.priority", &[]),
    i("http2.window", &[]),
    i("http2.size_update", &[]),
    // Values of settings, by their numbers from 1 on (RFC 9113 6.5.2).
    i("http2.settings=SETTINGS_HEADER_TABLE_SIZE", &[]),
    i("http2.settings=SETTINGS_ENABLE_PUSH", &[]),
    i("http2.settings=SETTINGS_MAX_CONCURRENT_STREAMS", &[]),
    i("http2.settings=SETTINGS_INITIAL_WINDOW_SIZE", &[]),
    i("http2.settings=SETTINGS_MAX_FRAME_SIZE", &[]),
    i("http2.settings=SETTINGS_MAX_HEADER_LIST_SIZE", &[]),
    // DNS inside a stream, in the order that DNS has them.
    IntDef { progress: super::COMPLETE, multi: false, ..i("dns.opcode", &[]) },
    IntDef { progress: super::COMPLETE, multi: false, ..i("dns.rcode", super::super::dns::RCODE_VALUES) },
    IntDef { progress: super::COMPLETE, ..i("dns.rrtype", super::super::dns::KIND_VALUES) },
];

pub(super) const I_DNS: u8 = int_at(INTS, "dns.opcode");

const I_SETTING: u8 = int_at(INTS, "http2.settings=SETTINGS_HEADER_TABLE_SIZE");

pub(super) const ERROR_VALUES: &[(&str, u64)] = &[
    ("no_error", 0),
    ("protocol_error", 1),
    ("internal_error", 2),
    ("flow_control_error", 3),
    ("settings_timeout", 4),
    ("stream_closed", 5),
    ("frame_size_error", 6),
    ("refused_stream", 7),
    ("cancel", 8),
    ("compression_error", 9),
    ("connect_error", 10),
    ("enhance_your_calm", 11),
    ("inadequate_security", 12),
    ("http_1_1_required", 13),
];

/// The value of a buffer: see [`Protocol::buffer`](crate::app::hosted::Protocol::buffer).
pub(super) fn buffer<'a>(
    tx: &'a Tx<Stream>,
    local: u8,
    dir: Dir,
    index: u32,
    pool: &'a BytePool,
    scratch: &'a mut Scratch,
) -> Buffer<'a> {
    let own = &tx.own;
    let progress = tx.common.progress(dir);
    let missing = if progress >= HEADERS_DONE { Buffer::Absent } else { Buffer::NotYet };
    match local {
        n if n < AFTER => {
            let (name, _, _) = VALUES[usize::from(n)];
            let found = own.field(pool, dir, name);
            let found =
                if name == ":authority" { found.or_else(|| own.field(pool, dir, "host")) } else { found };
            match found {
                Some(v) if index == 0 && n == B_HOST => {
                    // The host without its port, in lower case.
                    let end = v.iter().rposition(|c| *c == b':').unwrap_or(v.len());
                    scratch.clear();
                    scratch.extend(v.get(..end).unwrap_or(v));
                    scratch.as_mut_slice().make_ascii_lowercase();
                    Buffer::whole(scratch.as_slice())
                }
                Some(v) if index == 0 => Buffer::whole(v),
                _ if index > 0 => Buffer::Absent,
                _ => missing,
            }
        }
        B_NAMES => {
            own.fields(pool, dir).nth(index as usize).map_or(Buffer::Absent, |(n, _)| Buffer::whole(n))
        }
        B_FIELDS | B_REQUEST | B_RESPONSE => match own.fields(pool, dir).nth(index as usize) {
            Some((n, v)) => {
                scratch.clear();
                scratch.extend(n);
                scratch.extend(b": ");
                scratch.extend(v);
                Buffer::whole(scratch.as_slice())
            }
            None => Buffer::Absent,
        },
        // All fields, those of the frame's own (`:path`) too, one line each.
        B_HEADER | B_RAW_HEADER if index == 0 && progress >= HEADERS_DONE => {
            scratch.clear();
            for (n, v) in own.fields(pool, dir) {
                for part in [n, b": ", v, b"\r\n"] {
                    scratch.extend(part);
                }
            }
            Buffer::whole(scratch.as_slice())
        }
        // Their names, each on a line, with an empty line before and behind.
        B_HEADER_NAMES if index == 0 && progress >= HEADERS_DONE => {
            scratch.clear();
            scratch.extend(b"\r\n");
            for (n, _) in own.fields(pool, dir) {
                scratch.extend(n);
                scratch.extend(b"\r\n");
            }
            scratch.extend(b"\r\n");
            Buffer::whole(scratch.as_slice())
        }
        B_PROTOCOL if index == 0 && progress >= HEADERS_DONE => Buffer::whole(b"HTTP/2"),
        B_HEADER | B_RAW_HEADER | B_HEADER_NAMES | B_PROTOCOL if index == 0 => missing,
        B_HEADER | B_RAW_HEADER | B_HEADER_NAMES | B_PROTOCOL => Buffer::Absent,
        B_FILE | B_REQUEST_BODY | B_RESPONSE_BODY => {
            let body = &own.body[dir.ix()];
            if index > 0 {
                let whole = local == B_FILE && dir == Dir::ToClient && index == 1 && !own.whole.is_empty();
                if whole { Buffer::whole(own.whole.get(pool)) } else { Buffer::Absent }
            } else if !body.is_empty() {
                Buffer::Data { bytes: body.get(pool), offset: 0, end: progress >= COMPLETE }
            } else if progress >= COMPLETE {
                Buffer::Absent
            } else {
                Buffer::NotYet
            }
        }
        B_FILE_NAME if index == 0 && own.file[dir.ix()] != 0 => {
            own.field(pool, Dir::ToServer, ":path").map_or(Buffer::Absent, Buffer::whole)
        }
        _ => Buffer::Absent,
    }
}

/// The value of a number.
pub(super) fn int(tx: &Tx<Stream>, local: u8, dir: Dir, index: u32, pool: &BytePool) -> Option<u64> {
    if local >= I_SETTING {
        let number = u16::from(local - I_SETTING) + 1;
        let all = tx.own.frames.all(pool, T_SETTING + dir.ix() as u8);
        let mut values = all.filter(|s| be16(s, 0) == Some(number)).filter_map(|s| be32(s, 2));
        return values.nth(index as usize).map(u64::from);
    }
    let tag = match local {
        // Of streams rules ask for it in the client's frames only, as in Suricata 8.
        I_FRAME if dir == Dir::ToClient && tx.own.id != 0 => return None,
        I_FRAME => T_FRAME,
        I_ERROR => T_ERROR,
        I_PRIORITY => T_PRIORITY,
        I_WINDOW => T_WINDOW,
        I_SIZE => T_SIZE,
        _ => return None,
    };
    tx.own.numbers(pool, tag, dir).nth(index as usize).map(u64::from)
}
