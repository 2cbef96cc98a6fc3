//! DNS inside streams (RFC 8484): a query in a request's path or body and the message that answers it belong to the stream's
//! transaction, which has the buffers and numbers of both protocols then.
//!
//! In: header fields and decoded bytes of bodies. Out: at most a message a direction. Owns what is gathered of bodies.

use super::buffers::{B_DNS, EV_DNS_REQUEST, EV_DNS_RESPONSE, I_DNS};
use super::upgrade::base64url;
use super::{COMPLETE, Stream};
use crate::Dir;
use crate::app::dns::Message;
use crate::app::txs::Tx;
use crate::app::{AppCx, AppProto, Buffer, BufferAt, IntAt};
use crate::pool::{BytePool, PBuf};

/// Longest message (RFC 8484 6: that of DNS over TCP).
const MESSAGE_MAX: usize = 65_535;
/// Content type of messages (RFC 8484 6).
const CONTENT_TYPE: &[u8] = b"application/dns-message";

/// What a stream has of DNS.
#[derive(Debug, Default)]
pub(super) struct Doh {
    messages: [Message; 2],
    /// Bodies that are gathered (bits of [`Dir::bit`]), and what there is of them.
    gathers: u8,
    bodies: [PBuf; 2],
}

impl Doh {
    /// Whether the stream has a message.
    pub(super) fn is_read(&self) -> bool {
        self.messages.iter().any(Message::is_read)
    }

    /// The messages, the client's first.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|m| m.is_read())
    }

    /// Gives back what it holds.
    pub(super) fn free(&mut self, pool: &mut BytePool) {
        for m in &mut self.messages {
            m.free(pool);
        }
        for b in &mut self.bodies {
            b.free(pool);
        }
    }
}

/// A header block is there.
pub(super) fn begin(t: &mut Tx<Stream>, dir: Dir, cx: &mut AppCx<'_>) {
    if dir == Dir::ToServer
        && let Some(path) = t.own.field(cx.pool, dir, ":path")
        && let Some(text) = query(path)
        && is_on(cx)
    {
        let mut buf = [0; 1024];
        if let Some(msg) = decode(text, &mut buf) {
            read(t, dir, msg, cx);
        }
    }
    let kind = t.own.field(cx.pool, dir, "content-type");
    if kind.is_some_and(|k| k.eq_ignore_ascii_case(CONTENT_TYPE)) && is_on(cx) {
        t.own.doh.gathers |= dir.bit();
    }
}

/// Decoded bytes of a body.
pub(super) fn data(t: &mut Tx<Stream>, bytes: &[u8], dir: Dir, cx: &mut AppCx<'_>) {
    let doh = &mut t.own.doh;
    if doh.gathers & dir.bit() == 0 {
        return;
    }
    let body = &mut doh.bodies[dir.ix()];
    if body.len() + bytes.len() > MESSAGE_MAX {
        doh.gathers &= !dir.bit();
        body.free(cx.pool);
        t.common.raise(if dir == Dir::ToServer { EV_DNS_REQUEST } else { EV_DNS_RESPONSE }, dir);
        return;
    }
    // A full pool costs the stream its message.
    if body.extend(cx.pool, bytes).is_err() {
        doh.gathers &= !dir.bit();
        body.free(cx.pool);
    }
}

/// A body is over.
pub(super) fn end(t: &mut Tx<Stream>, dir: Dir, cx: &mut AppCx<'_>) {
    if t.own.doh.gathers & dir.bit() == 0 {
        return;
    }
    t.own.doh.gathers &= !dir.bit();
    let mut body = core::mem::take(&mut t.own.doh.bodies[dir.ix()]);
    if t.own.doh.messages[dir.ix()].is_read() {
        body.free(cx.pool);
    } else if let Some(m) = Message::adopt(body, dir, cx) {
        t.own.doh.messages[dir.ix()] = m;
        known(cx);
    }
}

fn read(t: &mut Tx<Stream>, dir: Dir, msg: &[u8], cx: &mut AppCx<'_>) {
    if let Ok((m, _)) = Message::read(msg, dir, false, cx) {
        t.own.doh.messages[dir.ix()].free(cx.pool);
        t.own.doh.messages[dir.ix()] = m;
        known(cx);
    }
}

/// `app-layer.protocols.doh2.enabled`.
fn is_on(cx: &AppCx<'_>) -> bool {
    !cx.cfg.disabled.iter().chain(&cx.cfg.detection_only).any(|d| d == "doh2")
}

/// The flow is known by another name from now on.
fn known(cx: &mut AppCx<'_>) {
    cx.known_as = AppProto::by_name("doh2").unwrap_or_default();
}

/// The value of `dns` in the query of a path (RFC 8484 4.1).
fn query(path: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr(b'?', path)?;
    path.get(at + 1..)?.split(|c| *c == b'&').find_map(|p| p.strip_prefix(b"dns="))
}

/// The message that is said in a path. `None`: it is longer than there is room for, or has what base64url has not.
fn decode<'a>(text: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut n = 0;
    let sound = base64url(text, |b| {
        if let Some(to) = out.get_mut(n) {
            *to = b;
        }
        n += 1;
    });
    out.get(..n).filter(|_| sound)
}

/// The value of a buffer of DNS.
pub(super) fn buffer<'a>(t: &'a Tx<Stream>, mut at: BufferAt<'a>) -> Buffer<'a> {
    let m = &t.own.doh.messages[at.dir.ix()];
    if !m.is_read() {
        return if t.common.progress(at.dir) >= COMPLETE { Buffer::Absent } else { Buffer::NotYet };
    }
    at.local -= B_DNS;
    m.buffer(at, false)
}

/// The value of a number of DNS.
pub(super) fn int(t: &Tx<Stream>, mut at: IntAt<'_>) -> Option<u64> {
    at.local -= I_DNS;
    let m = &t.own.doh.messages[at.dir.ix()];
    if m.is_read() { m.int(at) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_of_paths() {
        assert_eq!(query(b"/dns-query?dns=AAAB"), Some(&b"AAAB"[..]));
        assert_eq!(query(b"/q?ct=x&dns=AAAB&y"), Some(&b"AAAB"[..]));
        assert_eq!(query(b"/dns=AAAB"), None);
        let mut out = [0; 8];
        assert_eq!(decode(b"AAAB", &mut out), Some(&[0, 0, 1][..]));
        assert_eq!(decode(b"_-8=", &mut out), Some(&[0xff, 0xef][..]));
        assert_eq!(decode(b"A*", &mut out), None);
        assert_eq!(decode(b"AAAAAAAAAAAAAAAAAAAA", &mut out), None);
    }
}
