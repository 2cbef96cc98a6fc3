//! ClientHello and ServerHello (RFC 8446 4.1, RFC 5246 7.4.1): what they say, and the fingerprints JA3, JA3S
//! and JA4 (TLS client).

use md5::{Digest, Md5};
use sha2::Sha256;

use super::Cx;
use super::events as ev;
use super::state::*;
use super::x509::{write_hex, write_num};
use crate::Dir;
use crate::pool::Scratch;

/// Most extensions, cipher suites or signature algorithms that a fingerprint counts.
const MAX_LIST: usize = 256;

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

/// Values reserved to keep implementations tolerant (RFC 8701).
fn grease(v: u16) -> bool {
    v & 0x0f0f == 0x0a0a && v >> 8 == v & 0xff
}

/// Versions that a record or `supported_versions` may name: SSL 3.0 to TLS 1.3, its drafts, Facebook's drafts.
pub fn known_version(v: u16) -> bool {
    matches!(v, 0x0300..=0x0304 | 0x7f01 | 0x7f10..=0x7f1c | 0xfb14..=0xfb17 | 0xfb1a)
}

/// What is kept of a hello until its end, for the fingerprints.
struct Seen<'a> {
    version: u16,
    ciphers: &'a [u8],
    extensions: [u16; MAX_LIST],
    extension_count: usize,
    curves: &'a [u8],
    formats: &'a [u8],
    algorithms: &'a [u8],
    first_alpn: Option<&'a [u8]>,
    /// The version the client prefers (JA4).
    preferred: u16,
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
    if client {
        let n = r.u8()?;
        r.take(usize::from(n))?;
    } else if !short {
        r.u8()?;
    }
    let mut seen = Seen {
        version,
        ciphers,
        extensions: [0; MAX_LIST],
        extension_count: 0,
        curves: &[],
        formats: &[],
        algorithms: &[],
        first_alpn: None,
        preferred: version,
    };
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
            ja3(&seen, client, cx.scratch);
            s.sides[i].ja3 = s.sides[i].put_scratch(cx.pool, cx.scratch);
            let hash = Md5::digest(cx.scratch.as_slice());
            cx.scratch.clear();
            hash.iter().for_each(|b| write_hex(*b, false, cx.scratch));
            s.sides[i].ja3_hash = s.sides[i].put_scratch(cx.pool, cx.scratch);
        }
        if cx.ja4 && client {
            ja4(&mut seen, cx.scratch);
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

/// Numbers of a list, reserved ones left out, as `1-2-3`.
fn dashes(values: impl Iterator<Item = u16>, out: &mut Scratch) {
    let mut first = true;
    for v in values.filter(|v| !grease(*v)) {
        if !first {
            out.push(b'-');
        }
        first = false;
        write_num(u64::from(v), out);
    }
}

fn pairs(b: &[u8]) -> impl Iterator<Item = u16> + '_ {
    b.chunks_exact(2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

/// The JA3 or JA3S string: version, ciphers, extensions, and for clients curves and point formats.
fn ja3(seen: &Seen<'_>, client: bool, out: &mut Scratch) {
    out.clear();
    write_num(u64::from(seen.version), out);
    out.push(b',');
    dashes(pairs(seen.ciphers), out);
    out.push(b',');
    dashes(seen.extensions[..seen.extension_count].iter().copied(), out);
    if client {
        out.push(b',');
        dashes(pairs(seen.curves), out);
        out.push(b',');
        dashes(seen.formats.iter().map(|b| u16::from(*b)), out);
    }
}

/// Appends `v` as four hexadecimal digits.
fn hex16(v: u16, out: &mut Scratch) {
    write_hex((v >> 8) as u8, false, out);
    write_hex(v as u8, false, out);
}

/// The JA4 of a TLS client (FoxIO, technical details of JA4).
fn ja4(seen: &mut Seen<'_>, out: &mut Scratch) {
    out.clear();
    out.push(b't');
    out.extend(match seen.preferred {
        0x0304 => b"13",
        0x0303 => b"12",
        0x0302 => b"11",
        0x0301 => b"10",
        0x0300 => b"s3",
        0x0002 => b"s2",
        0xfeff => b"d1",
        0xfefd => b"d2",
        0xfefc => b"d3",
        _ => b"00",
    });
    let exts = &mut seen.extensions[..seen.extension_count];
    out.push(if exts.contains(&0) { b'd' } else { b'i' });
    let mut ciphers = [0u16; MAX_LIST];
    let mut n = 0;
    for (slot, c) in ciphers.iter_mut().zip(pairs(seen.ciphers).filter(|c| !grease(*c))) {
        *slot = c;
        n += 1;
    }
    let ciphers = &mut ciphers[..n];
    for count in [ciphers.len(), exts.len()] {
        let count = count.min(99) as u8;
        out.push(b'0' + count / 10);
        out.push(b'0' + count % 10);
    }
    match seen.first_alpn {
        Some([first, .., last]) => alpn_code(*first, *last, out),
        Some([only]) => alpn_code(*only, *only, out),
        _ => {
            out.extend(b"00");
        }
    }
    ciphers.sort_unstable();
    exts.sort_unstable();
    let begin = out.len();
    hashed(out, begin, |out| commas(ciphers.iter().copied(), out));
    let begin = out.len();
    hashed(out, begin, |out| {
        commas(exts.iter().copied().filter(|e| *e != 0 && *e != 16), out);
        if !seen.algorithms.is_empty() {
            out.push(b'_');
            commas(pairs(seen.algorithms).filter(|a| !grease(*a)), out);
        }
    });
}

/// First and last character of the first protocol name, or of its hexadecimal form.
fn alpn_code(first: u8, last: u8, out: &mut Scratch) {
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        out.push(first);
        out.push(last);
    } else {
        let digit = |d: u8| b"0123456789abcdef"[usize::from(d & 15)];
        out.push(digit(first >> 4));
        out.push(digit(last));
    }
}

fn commas(values: impl Iterator<Item = u16>, out: &mut Scratch) {
    for (i, v) in values.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        hex16(v, out);
    }
}

/// Replaces what `write` appends behind `begin` by `_` and the first 12 digits of its SHA-256.
fn hashed(out: &mut Scratch, begin: usize, write: impl FnOnce(&mut Scratch)) {
    write(out);
    let text = out.as_slice().get(begin..).unwrap_or(&[]);
    // An empty list has no hash.
    let hash = if text.is_empty() { Default::default() } else { Sha256::digest(text) };
    out.truncate(begin);
    out.push(b'_');
    hash.iter().take(6).for_each(|b| write_hex(*b, false, out));
}
