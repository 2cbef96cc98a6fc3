//! SIP (RFC 3261): requests, responses, their header fields, and session descriptions in their bodies.

use super::sdp::{self, Line};
use super::{BOTH, Ends, Format, REQUESTS, RESPONSES, field, parser};
use crate::Dir;
use crate::app::frames::Notes;
use crate::app::plain::SIP_BEGINS;
use crate::app::{BufferDef, OVER_TCP, OVER_UDP, ProtoDef, buffer_at, frame};
use crate::event::Fields;

pub static SIP: ProtoDef = ProtoDef {
    name: "sip",
    over: OVER_TCP | OVER_UDP,
    buffers: BUFFERS,
    recognise: SIP_BEGINS,
    parser: parser::<Sip>(),
    record: "sip",
    by_message: true,
    ..ProtoDef::NONE
};

static BUFFERS: &[BufferDef] = &[
    field("sip.method", REQUESTS, false),
    field("sip.uri", REQUESTS, false),
    field("sip.request_line", REQUESTS, false),
    field("sip.protocol", BOTH, false),
    field("sip.stat_code", RESPONSES, false),
    field("sip.stat_msg", RESPONSES, false),
    field("sip.response_line", RESPONSES, false),
    field("sip.from", BOTH, true),
    field("sip.to", BOTH, true),
    field("sip.via", BOTH, true),
    field("sip.user_agent", BOTH, true),
    field("sip.content_type", BOTH, true),
    field("sip.content_length", BOTH, true),
    field("sdp.origin", BOTH, false),
    field("sdp.session_name", BOTH, false),
    field("sdp.session_info", BOTH, false),
    field("sdp.uri", BOTH, false),
    field("sdp.email", BOTH, false),
    field("sdp.phone_number", BOTH, false),
    field("sdp.connection_data", BOTH, false),
    field("sdp.bandwidth", BOTH, false),
    field("sdp.time", BOTH, false),
    field("sdp.repeat_time", BOTH, false),
    field("sdp.timezone", BOTH, false),
    field("sdp.encryption_key", BOTH, false),
    field("sdp.attribute", BOTH, false),
    field("sdp.media.media", BOTH, false),
    field("sdp.media.media_info", BOTH, false),
    field("sdp.media.connection_data", BOTH, false),
    field("sdp.media.encryption_key", BOTH, false),
    frame("frame:sip.pdu"),
    BufferDef { dirs: REQUESTS, ..frame("frame:sip.request.line") },
    BufferDef { dirs: REQUESTS, ..frame("frame:sip.request.headers") },
    BufferDef { dirs: REQUESTS, ..frame("frame:sip.request.body") },
    BufferDef { dirs: RESPONSES, ..frame("frame:sip.response.line") },
    BufferDef { dirs: RESPONSES, ..frame("frame:sip.response.headers") },
    BufferDef { dirs: RESPONSES, ..frame("frame:sip.response.body") },
    frame("frame:sip.stream"),
];

/// First buffers of the two kinds behind the first line's.
const FIELDS: u8 = 7;
const SDP: u8 = 13;
/// The whole message; then its line, its header fields and its body, of requests and of responses.
const PDU: u8 = buffer_at(BUFFERS, "frame:sip.pdu");

/// Names of the header fields and their short forms (RFC 3261 7.3.3).
const NAMES: [(&[u8], &[u8]); 6] = [
    (b"from", b"f"),
    (b"to", b"t"),
    (b"via", b"v"),
    (b"user-agent", b""),
    (b"content-type", b"c"),
    (b"content-length", b"l"),
];

/// Lines of a description, in the order of the buffers.
const LINES: [Line; 17] = [
    Line::Session(b'o'),
    Line::Session(b's'),
    Line::Session(b'i'),
    Line::Session(b'u'),
    Line::Session(b'e'),
    Line::Session(b'p'),
    Line::Session(b'c'),
    Line::Session(b'b'),
    Line::Session(b't'),
    Line::Session(b'r'),
    Line::Session(b'z'),
    Line::Session(b'k'),
    Line::Session(b'a'),
    Line::Media(b'm'),
    Line::Media(b'i'),
    Line::Media(b'c'),
    Line::Media(b'k'),
];

/// Most bytes that a message's first line and header fields take: until their end is here, every segment looks for it anew.
const HEAD: usize = 16 << 10;

pub(super) struct Sip;

/// The first line without its end, and what follows it.
fn first_line(msg: &[u8]) -> Option<(&[u8], &[u8])> {
    let n = memchr::memchr(b'\n', msg)?;
    let line = msg.get(..n)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), msg.get(n + 1..)?))
}

/// The header fields' lines, and the body.
fn parts(rest: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while let Some(n) = memchr::memchr(b'\n', rest.get(at..).unwrap_or(&[])) {
        let line = rest.get(at..at + n).unwrap_or(&[]);
        if line.is_empty() || line == b"\r" {
            return (rest.get(..at).unwrap_or(&[]), rest.get(at + n + 1..).unwrap_or(&[]));
        }
        at += n + 1;
    }
    (rest, &[])
}

/// Value `index` of a header field.
fn value<'m>(head: &'m [u8], (long, short): (&[u8], &[u8]), index: u32) -> Option<&'m [u8]> {
    let mut left = index;
    for line in head.split(|c| *c == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = line.get(..colon)?.trim_ascii_end();
        if !(name.eq_ignore_ascii_case(long) || (!short.is_empty() && name.eq_ignore_ascii_case(short))) {
            continue;
        }
        if left == 0 {
            return Some(line.get(colon + 1..)?.trim_ascii());
        }
        left -= 1;
    }
    None
}

/// The session description in what follows the first line, if the message says that it has one.
fn description(rest: &[u8]) -> Option<&[u8]> {
    let (head, body) = parts(rest);
    let kind = value(head, NAMES[4], 0)?;
    let is = kind.get(..15).is_some_and(|k| k.eq_ignore_ascii_case(b"application/sdp"));
    (is && sdp::is_one(body)).then_some(body)
}

/// A first line cut at blanks: three parts, the last with what blanks it has.
fn cut(line: &[u8]) -> Option<[&[u8]; 3]> {
    let a = memchr::memchr(b' ', line)?;
    let b = a + 1 + memchr::memchr(b' ', line.get(a + 1..)?)?;
    Some([line.get(..a)?, line.get(a + 1..b)?, line.get(b + 1..)?])
}

impl Format for Sip {
    fn read(msg: &[u8], dir: Dir) -> Option<u128> {
        let (line, _) = first_line(msg)?;
        let [first, _, last] = cut(line)?;
        let fits = match dir {
            Dir::ToServer => {
                last.starts_with(b"SIP/") && !first.is_empty() && first.iter().all(u8::is_ascii_graphic)
            }
            Dir::ToClient => first.starts_with(b"SIP/"),
        };
        fits.then_some(0)
    }

    fn text(msg: &[u8], local: u8, index: u32) -> Option<&[u8]> {
        let (line, rest) = first_line(msg)?;
        if local < FIELDS {
            let [a, b, c] = cut(line).filter(|_| index == 0)?;
            let response = a.starts_with(b"SIP/");
            return match local {
                0 => Some(a),
                1 => Some(b),
                3 if response => Some(a),
                3 => Some(c),
                4 => Some(b),
                5 => Some(c),
                _ => Some(line),
            };
        }
        if local < SDP {
            return value(parts(rest).0, *NAMES.get(usize::from(local - FIELDS))?, index);
        }
        sdp::value(description(rest)?, *LINES.get(usize::from(local - SDP))?, index)
    }

    /// The message, and its parts with the ends of their lines.
    fn frames(msg: &[u8], dir: Dir, notes: &mut Notes) {
        notes.whole(PDU, msg);
        let Some((_, rest)) = first_line(msg) else { return };
        let (head, body) = parts(rest);
        let line = msg.get(..msg.len() - rest.len()).unwrap_or(msg);
        let first = if dir == Dir::ToServer { PDU + 1 } else { PDU + 4 };
        for (local, part) in (first..).zip([line, head, body]) {
            if !part.is_empty() {
                notes.whole(local, part);
            }
        }
    }

    fn log(msg: &[u8], _: Dir, out: &mut dyn Fields) {
        let Some((line, rest)) = first_line(msg) else { return };
        let Some([a, b, c]) = cut(line) else { return };
        if a.starts_with(b"SIP/") {
            out.bytes("version", a);
            out.bytes("code", b);
            out.bytes("reason", c);
            out.bytes("response_line", line);
        } else {
            out.bytes("method", a);
            out.bytes("uri", b);
            out.bytes("version", c);
            out.bytes("request_line", line);
        }
        if let Some(body) = description(rest) {
            sdp::log(body, out);
        }
    }

    fn ends(bytes: &[u8]) -> Ends {
        let more = if bytes.len() < HEAD { Ends::More(bytes.len() + 1) } else { Ends::Never };
        let Some((_, rest)) = first_line(bytes) else { return more };
        let (head, body) = parts(rest);
        if head.len() == rest.len() {
            // The blank line that ends the header is not here yet.
            return more;
        }
        let len = value(head, NAMES[5], 0).and_then(|v| core::str::from_utf8(v).ok()?.parse::<usize>().ok());
        let total = (bytes.len() - body.len()).saturating_add(len.unwrap_or(0));
        if total <= bytes.len() { Ends::At(total) } else { Ends::More(total) }
    }
}
