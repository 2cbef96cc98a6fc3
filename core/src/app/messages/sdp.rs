//! Session descriptions (RFC 8866) in the bodies of messages. In: a body. Out: values of its lines, and an object of the
//! record of the message that carries it.

use crate::event::Fields;

/// A line's letter, and whether it is wanted from the description as a whole or from one of its media.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    Session(u8),
    Media(u8),
}

/// Lines of which a record shows one, and their names there; in the order of RFC 8866 5.
const ONCE: [(u8, &str); 7] = [
    (b'o', "origin"),
    (b's', "session_name"),
    (b'i', "session_info"),
    (b'u', "uri"),
    (b'e', "email"),
    (b'p', "phone_number"),
    (b'c', "connection_data"),
];

/// Whether a body begins as a description does.
pub(super) fn is_one(body: &[u8]) -> bool {
    body.starts_with(b"v=")
}

/// The lines: letter and value.
fn lines(body: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    body.split(|c| *c == b'\n').filter_map(|line| match line.strip_suffix(b"\r").unwrap_or(line) {
        [kind, b'=', rest @ ..] => Some((*kind, rest)),
        _ => None,
    })
}

/// The part before the first medium, and the rest.
fn halves(body: &[u8]) -> (&[u8], &[u8]) {
    let media = memchr::memmem::find(body, b"\nm=").map_or(body.len(), |at| at + 1);
    (body.get(..media).unwrap_or(body), body.get(media..).unwrap_or(&[]))
}

/// Value `index` of the lines `which`.
pub(super) fn value(body: &[u8], which: Line, index: u32) -> Option<&[u8]> {
    let (session, media) = halves(body);
    let (part, wanted) = match which {
        Line::Session(kind) => (session, kind),
        Line::Media(kind) => (media, kind),
    };
    lines(part).filter(|(kind, _)| *kind == wanted).nth(usize::try_from(index).ok()?).map(|l| l.1)
}

/// The first line of a kind under its name.
fn once(part: &[u8], kind: u8, name: &str, out: &mut dyn Fields) {
    if let Some((_, v)) = lines(part).find(|l| l.0 == kind) {
        out.bytes(name, v);
    }
}

/// All lines of a kind, a list.
fn all(part: &[u8], kind: u8, name: &str, out: &mut dyn Fields) {
    if !lines(part).any(|l| l.0 == kind) {
        return;
    }
    out.begin_array(name);
    lines(part).filter(|l| l.0 == kind).for_each(|(_, v)| out.bytes("", v));
    out.end_array();
}

/// Times with the repetitions that follow each.
fn times(session: &[u8], out: &mut dyn Fields) {
    if !lines(session).any(|l| l.0 == b't') {
        return;
    }
    out.begin_array("time_descriptions");
    let mut open = false;
    for (kind, v) in lines(session) {
        if kind == b't' {
            if open {
                out.end_object();
            }
            out.begin_object("");
            out.bytes("time", v);
            open = true;
        } else if kind == b'r' && open {
            out.bytes("repeat_time", v);
        }
    }
    if open {
        out.end_object();
    }
    out.end_array();
}

/// One medium's lines, which begin with its own.
fn medium(part: &[u8], out: &mut dyn Fields) {
    out.begin_object("");
    once(part, b'm', "media", out);
    once(part, b'i', "media_info", out);
    all(part, b'b', "bandwidths", out);
    once(part, b'c', "connection_data", out);
    once(part, b'k', "encryption_key", out);
    all(part, b'a', "attributes", out);
    out.end_object();
}

/// Writes the object `sdp`.
pub(super) fn log(body: &[u8], out: &mut dyn Fields) {
    let (session, mut media) = halves(body);
    out.begin_object("sdp");
    if let Some((_, v)) = lines(session).find(|l| l.0 == b'v') {
        let version = v.iter().take_while(|b| b.is_ascii_digit()).take(9);
        out.u64("version", version.fold(0, |n, d| n * 10 + u64::from(d - b'0')));
    }
    for (kind, name) in ONCE {
        once(session, kind, name, out);
    }
    all(session, b'b', "bandwidths", out);
    times(session, out);
    once(session, b'z', "timezone", out);
    once(session, b'k', "encryption_key", out);
    all(session, b'a', "attributes", out);
    if !media.is_empty() {
        out.begin_array("media_descriptions");
        while !media.is_empty() {
            let end = memchr::memmem::find(media, b"\nm=").map_or(media.len(), |at| at + 1);
            medium(media.get(..end).unwrap_or(media), out);
            media = media.get(end..).unwrap_or(&[]);
        }
        out.end_array();
    }
    out.end_object();
}
