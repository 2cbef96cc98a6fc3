//! ClientHello and ServerHello (RFC 8446 4.1, RFC 5246 7.4.1): what they say.

use super::Cx;
use super::events as ev;
use super::prints::{self, MAX_LIST, Seen, grease};
use super::state::*;
use crate::Dir;

/// Reads big-endian numbers off the front.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (a, b) = self.0.split_at_checked(n)?;
        self.0 = b;
        Some(a)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
    }
}

/// Versions that a record or `supported_versions` may name: SSL 3.0 to TLS 1.3, its drafts, Facebook's drafts.
pub fn known_version(v: u16) -> bool {
    matches!(v, 0x0300..=0x0304 | 0x7f01 | 0x7f10..=0x7f1c | 0xfb14..=0xfb17 | 0xfb1a)
}

/// How reading the extensions ended.
enum End {
    /// At their end, or at one that makes the rest worthless but not the hello.
    Here,
    /// The hello is broken.
    Broken,
}

/// Reads the hello in `body` and advances its side.
pub fn read(s: &mut State, dir: Dir, body: &[u8], cx: &mut Cx<'_>) {
    if hello(s, dir, body, cx).is_none() {
        s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
    }
    s.advance(dir, HELLO);
}

/// `None`: cut short somewhere.
fn hello(s: &mut State, dir: Dir, body: &[u8], cx: &mut Cx<'_>) -> Option<()> {
    let client = dir == Dir::ToServer;
    let i = dir.ix();
    let mut r = Reader(body);
    let version = r.u16()?;
    // Until draft 21 TLS 1.3 named itself in this field.
    if !client && (version == 0x0304 || version >> 8 == 0x7f) {
        s.flags |= WITHOUT_CERT;
    }
    s.sides[i].version =
        if (0x7f01..0x7f10).contains(&version) || version == 0x0304 { 0x7f01 } else { version };
    let random = r.take(32)?;
    if !s.sides[i].random.is_set() {
        s.sides[i].random = s.sides[i].put(cx.pool, random);
    }
    // Those drafts had no session id and compression in the server's hello.
    let short = !client && s.flags & WITHOUT_CERT != 0;
    if !short {
        let n = r.u8()?;
        let id = r.take(usize::from(n))?;
        if !id.is_empty() && !s.sides[i].session_id.is_set() {
            s.sides[i].session_id = s.sides[i].put(cx.pool, id);
            let asked = s.sides[0].get(cx.pool, s.sides[0].session_id);
            if !client && asked == Some(id) {
                s.flags |= RESUMED;
            }
        }
    }
    let ciphers = if client {
        let n = usize::from(r.u16()?);
        if n % 2 != 0 {
            return None;
        }
        r.take(n)?
    } else {
        r.take(2)?
    };
    if let (false, &[hi, lo]) = (client, ciphers) {
        s.suite = u16::from_be_bytes([hi, lo]);
    }
    if client {
        let n = r.u8()?;
        r.take(usize::from(n))?;
    } else if !short {
        r.u8()?;
    }
    let mut seen = Seen::new(version, ciphers);
    // Extensions may be left out altogether.
    if let Some(n) = r.u16() {
        let list = r.take(usize::from(n))?;
        if let End::Broken = extensions(s, dir, list, &mut seen, cx)? {
            return None;
        }
    }
    if !s.sides[i].fingerprinted {
        s.sides[i].fingerprinted = true;
        if cx.ja3 {
            prints::ja3(&seen, client, cx.scratch);
            s.sides[i].ja3 = s.sides[i].put_scratch(cx.pool, cx.scratch);
            prints::md5_of(cx.scratch);
            s.sides[i].ja3_hash = s.sides[i].put_scratch(cx.pool, cx.scratch);
        }
        if cx.ja4 && client {
            prints::ja4(&mut seen, b't', cx.scratch);
            s.sides[i].ja4 = s.sides[i].put_scratch(cx.pool, cx.scratch);
        }
    }
    Some(())
}

/// Reads the extensions. `None`: an extension does not fit into the list.
fn extensions<'a>(
    s: &mut State,
    dir: Dir,
    list: &'a [u8],
    seen: &mut Seen<'a>,
    cx: &mut Cx<'_>,
) -> Option<End> {
    let client = dir == Dir::ToServer;
    let mut r = Reader(list);
    while !r.0.is_empty() {
        let kind = r.u16()?;
        let len = r.u16()?;
        let body = r.take(usize::from(len))?;
        let fine = body.is_empty()
            || match kind {
                0 => server_name(s, dir, body, cx),
                10 => match vec16(body) {
                    Some(v) if !client || v.len() % 2 == 0 => {
                        seen.curves = v;
                        true
                    }
                    _ => return Some(End::Broken),
                },
                11 => match body.split_first().and_then(|(n, b)| b.get(..usize::from(*n))) {
                    Some(v) => {
                        seen.formats = v;
                        true
                    }
                    None => return Some(End::Broken),
                },
                13 => match vec16(body) {
                    Some(v) if v.len() % 2 == 0 => {
                        seen.algorithms = v;
                        true
                    }
                    _ => {
                        s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
                        false
                    }
                },
                16 => alpn(s, dir, body, seen, cx),
                42 => {
                    if client {
                        s.flags |= EARLY_DATA;
                    }
                    true
                }
                43 => supported_versions(s, dir, body, seen),
                _ => true,
            };
        if kind == 35 && client {
            s.flags |= RESUMED;
        }
        if kind == 42 && client {
            s.flags |= EARLY_DATA;
        }
        if kind == 22 && !client {
            s.flags |= MAC_LAST;
        }
        if !fine {
            return Some(End::Here);
        }
        if !grease(kind) && seen.extension_count < MAX_LIST {
            seen.extensions[seen.extension_count] = kind;
            seen.extension_count += 1;
        }
    }
    Some(End::Here)
}

/// RFC 8446 4.3.1: of what the server says there the protocol is of interest.
pub fn encrypted_extensions(s: &mut State, body: &[u8], cx: &mut Cx<'_>) {
    let mut r = Reader(vec16(body).unwrap_or(&[]));
    while let (Some(kind), Some(len)) = (r.u16(), r.u16()) {
        let Some(ext) = r.take(usize::from(len)) else { return };
        if kind == 16 {
            alpn(s, Dir::ToClient, ext, &mut Seen::new(0, &[]), cx);
        }
    }
}

/// The contents of a vector behind a 16-bit length.
fn vec16(b: &[u8]) -> Option<&[u8]> {
    let mut r = Reader(b);
    let n = r.u16()?;
    r.take(usize::from(n))
}

/// RFC 6066 3. `false` ends the reading of extensions.
fn server_name(s: &mut State, dir: Dir, body: &[u8], cx: &mut Cx<'_>) -> bool {
    let mut r = Reader(body);
    let (Some(_), Some(kind)) = (r.u16(), r.u8()) else {
        s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
        return false;
    };
    if kind != 0 {
        s.common.raise(ev::INVALID_SNI_TYPE, dir);
        return false;
    }
    let Some(n) = r.u16() else {
        s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
        return false;
    };
    let Some(name) = r.take(usize::from(n)).filter(|n| (1..=255).contains(&n.len())) else {
        s.common.raise(ev::INVALID_SNI_LENGTH, dir);
        return false;
    };
    let side = &mut s.sides[dir.ix()];
    if side.sni.is_set() {
        s.common.raise(ev::MULTIPLE_SNI_EXTENSIONS, dir);
    } else {
        side.sni = side.put(cx.pool, name);
    }
    true
}

/// RFC 7301. `false` ends the reading of extensions.
fn alpn<'a>(s: &mut State, dir: Dir, body: &'a [u8], seen: &mut Seen<'a>, cx: &mut Cx<'_>) -> bool {
    let Some(list) = vec16(body) else {
        s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
        return false;
    };
    let names = Entries { list, width: 1 };
    seen.first_alpn = names.clone().next();
    let side = &mut s.sides[dir.ix()];
    if !side.alpns.is_set() {
        // Only whole entries are kept.
        let whole: usize = names.map(|n| n.len() + 1).sum();
        side.alpns = side.put(cx.pool, &list[..whole]);
    }
    true
}

/// RFC 8446 4.2.1. `false` ends the reading of extensions.
fn supported_versions(s: &mut State, dir: Dir, body: &[u8], seen: &mut Seen<'_>) -> bool {
    let mut r = Reader(body);
    let side = &mut s.sides[dir.ix()];
    if dir == Dir::ToClient {
        let Some(v) = r.u16() else {
            s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
            return false;
        };
        if s.flags & CLIENT_VERSIONS != 0 && v > 0x0303 {
            s.flags |= WITHOUT_CERT;
        }
        side.version = v;
        return true;
    }
    let n = r.u8().map_or(0, usize::from);
    let Some(list) = r.take(n).filter(|l| l.len() >= 2) else {
        s.common.raise(ev::HANDSHAKE_INVALID_LENGTH, dir);
        return false;
    };
    // The first that is one is what the client prefers.
    let first = list.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]])).find(|v| known_version(*v));
    if let Some(v) = first {
        side.version = v;
        seen.preferred = v;
    }
    s.flags |= CLIENT_VERSIONS;
    true
}
