//! Fingerprints of hellos: JA3, JA3S, JA4 of clients. In: what a hello says. Out: text in a [`Scratch`].

use md5::{Digest, Md5};
use sha2::Sha256;

use super::x509::{write_hex, write_num};
use crate::pool::Scratch;

/// Most extensions, cipher suites or signature algorithms that a fingerprint counts.
pub(in crate::app) const MAX_LIST: usize = 256;

/// Values reserved to keep implementations tolerant (RFC 8701).
pub(in crate::app) fn grease(v: u16) -> bool {
    v & 0x0f0f == 0x0a0a && v >> 8 == v & 0xff
}

/// What is kept of a hello until its end, for the fingerprints.
pub(in crate::app) struct Seen<'a> {
    pub version: u16,
    pub ciphers: &'a [u8],
    pub extensions: [u16; MAX_LIST],
    pub extension_count: usize,
    pub curves: &'a [u8],
    pub formats: &'a [u8],
    pub algorithms: &'a [u8],
    pub first_alpn: Option<&'a [u8]>,
    /// The version the client prefers (JA4).
    pub preferred: u16,
}

impl<'a> Seen<'a> {
    pub(in crate::app) fn new(version: u16, ciphers: &'a [u8]) -> Self {
        Seen {
            version,
            ciphers,
            extensions: [0; MAX_LIST],
            extension_count: 0,
            curves: &[],
            formats: &[],
            algorithms: &[],
            first_alpn: None,
            preferred: version,
        }
    }
}

/// Replaces a text by the 32 hexadecimal digits of its MD5.
pub(in crate::app) fn md5_of(out: &mut Scratch) {
    let hash = Md5::digest(out.as_slice());
    out.clear();
    hash.iter().for_each(|b| write_hex(*b, false, out));
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
pub(in crate::app) fn ja3(seen: &Seen<'_>, client: bool, out: &mut Scratch) {
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

/// The JA4 of a TLS client (FoxIO, technical details of JA4); `over` is `t` or, over QUIC, `q`.
pub(in crate::app) fn ja4(seen: &mut Seen<'_>, over: u8, out: &mut Scratch) {
    out.clear();
    out.push(over);
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
        // Without algorithms Suricata writes the mark all the same, if there are extensions.
        if exts.iter().any(|e| *e != 0 && *e != 16) || !seen.algorithms.is_empty() {
            out.push(b'_');
        }
        commas(pairs(seen.algorithms).filter(|a| !grease(*a)), out);
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
