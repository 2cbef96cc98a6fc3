//! Request targets: their parts, and the normal form that rules inspect.
//!
//! In: the target of a request line. Out: host, port, path and the decoded path and query. The decoding is that of
//! an inspecting device: whatever some server would decode is decoded (percent, `%u`, back-slashes, double slashes,
//! dot segments, UTF-8 to its nearest single byte), once, or twice when configured.

use super::text::take_while;
use crate::pool::Scratch;

/// Parts of a target as they stand on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    pub host: Option<&'a [u8]>,
    pub port: Option<&'a [u8]>,
    pub path: Option<&'a [u8]>,
    pub query: Option<&'a [u8]>,
    pub fragment: Option<&'a [u8]>,
}

/// Splits a target: `/path?query#fragment` or `scheme://user@host:port/path…`.
pub fn split(uri: &[u8]) -> Parts<'_> {
    let mut p = Parts::default();
    let mut rest = uri;
    if uri.first() != Some(&b'/')
        && let Some(colon) = memchr::memchr(b':', uri)
    {
        rest = &uri[colon + 1..];
        if let [b'/', b'/', after @ ..] = rest
            && after.first() != Some(&b'/')
        {
            // Credentials reach to the first `@`, wherever it is.
            rest = memchr::memchr(b'@', after).map_or(after, |at| &after[at + 1..]);
        }
        let (host, tail) = host(rest);
        if let Some(h) = host {
            p.host = Some(h);
            rest = tail;
            if let Some((port, tail)) = port(rest) {
                p.port = Some(port);
                rest = tail;
            }
        }
    }
    let (path, tail) = take_while(rest, |c| c != b'?' && c != b'#');
    if !path.is_empty() {
        p.path = Some(path);
    }
    rest = tail;
    if let [b'?', tail @ ..] = rest {
        let (query, tail) = take_while(tail, |c| c != b'#');
        p.query = Some(query);
        rest = tail;
    }
    if let [b'#', tail @ ..] = rest {
        p.fragment = Some(tail);
    }
    p
}

/// Host name (or bracketed IPv6 address) at the start of `s`.
fn host(s: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let t = s.strip_prefix(b"//").unwrap_or(s);
    if t.first() == Some(&b'/') {
        return (None, s);
    }
    let (_, t) = take_while(t, |c| c == b' ');
    let (mut h, rest) = match t {
        [b'[', inner @ ..] => {
            let (addr, tail) = take_while(inner, |c| !matches!(c, b'/' | b'?' | b'#' | b']'));
            if addr.is_empty() {
                take_while(t, |c| !matches!(c, b'/' | b'?' | b'#' | b':'))
            } else {
                let close = usize::from(tail.first() == Some(&b']'));
                t.split_at(1 + addr.len() + close)
            }
        }
        _ => take_while(t, |c| !matches!(c, b'/' | b'?' | b'#' | b':')),
    };
    while let [head @ .., b' '] = h {
        h = head;
    }
    if h.is_empty() && rest.len() == t.len() {
        return (None, s);
    }
    (Some(h), rest)
}

/// `:port` at the start of `s`.
fn port(s: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b':', s @ ..] = s else { return None };
    let (_, s) = take_while(s, |c| c == b' ');
    let (p, rest) = take_while(s, |c| !matches!(c, b'/' | b'?' | b'#'));
    let (p, _) = take_while(p, |c| c != b' ');
    if p.is_empty() { None } else { Some((p, rest)) }
}

/// `host[:port]` of a Host field or CONNECT target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    pub host: &'a [u8],
    /// A port is written there (even if it is no number).
    pub has_port: bool,
    pub port: Option<u16>,
    pub valid: bool,
}

/// Reads `host[:port]`; `None` when there is no host.
pub fn host_port(s: &[u8]) -> Option<HostPort<'_>> {
    let (h, rest) = host(s);
    let h = h?;
    let mut valid = valid_host(h);
    if let Some((p, _)) = port(rest) {
        let n = port_number(p);
        return Some(HostPort { host: h, has_port: true, port: n, valid: valid && n.is_some() });
    }
    if !rest.is_empty() {
        valid = false;
    }
    Some(HostPort { host: h, has_port: false, port: None, valid })
}

/// A decimal port that is not 0.
pub fn port_number(s: &[u8]) -> Option<u16> {
    let s = core::str::from_utf8(s).ok()?;
    s.parse::<u16>().ok().filter(|&p| p != 0)
}

/// Whether a host name is plausible: labels of letters, digits, `-` and `_`, or an IPv6 address in brackets.
pub fn valid_host(h: &[u8]) -> bool {
    if h.is_empty() || h.len() > 255 {
        return false;
    }
    if let [b'[', inner @ .., b']'] = h {
        return core::str::from_utf8(inner).is_ok_and(|s| s.parse::<core::net::Ipv6Addr>().is_ok());
    }
    if h[0] == b'.' || memchr::memmem::find(h, b"..").is_some() {
        return false;
    }
    h.split(|&c| c == b'.').all(|l| {
        l.len() <= 63 && l.iter().all(|&c| c == b'_' || c == b'-' || c.is_ascii_alphanumeric() || c >= 0xc0)
    })
}

fn hex(c: u8) -> Option<u8> {
    (c as char).to_digit(16).map(|d| d as u8)
}

/// A percent escape at the start of `s` (after the `%`): (value, bytes after the `%`).
fn escape(s: &[u8]) -> Option<(u8, usize)> {
    match s {
        [b'u' | b'U', a, b, c, d, ..] => {
            let hi = hex(*a)? << 4 | hex(*b)?;
            let lo = hex(*c)? << 4 | hex(*d)?;
            Some((nearest(u32::from(hi) << 8 | u32::from(lo)), 5))
        }
        [b'u' | b'U', ..] => None,
        [a, b, ..] => Some((hex(*a)? << 4 | hex(*b)?, 2)),
        _ => None,
    }
}

/// Decodes escapes of `s` into `out`. Invalid ones stay.
pub fn decode(s: &[u8], out: &mut Scratch) {
    let mut i = 0;
    while let Some(&c) = s.get(i) {
        i += 1;
        if c == b'%'
            && let Some((v, n)) = escape(&s[i..])
        {
            out.push(v);
            i += n;
        } else {
            out.push(c);
        }
    }
}

/// Decodes escapes of the bytes of `buf` from `from` on, in place; `true` when it became shorter.
pub fn decode_again(buf: &mut Scratch, from: usize) -> bool {
    let b = buf.as_mut_slice();
    let (mut r, mut w) = (from, from);
    while r < b.len() {
        let c = b[r];
        r += 1;
        match (c == b'%').then(|| escape(&b[r..])).flatten() {
            Some((v, n)) => {
                b[w] = v;
                r += n;
            }
            None => b[w] = c,
        }
        w += 1;
    }
    let shorter = w < b.len();
    buf.truncate(w);
    shorter
}

/// Appends the normal form of a path to `out`.
pub fn normal_path(path: &[u8], out: &mut Scratch) {
    let from = out.len();
    let mut i = 0;
    let mut last = 0u8;
    while let Some(&c) = path.get(i) {
        i += 1;
        let mut v = c;
        if c == b'%'
            && let Some((e, n)) = escape(&path[i..])
        {
            v = e;
            i += n;
        }
        if v == b'\\' {
            v = b'/';
        }
        if v == b'/' && last == b'/' && out.len() > from {
            continue;
        }
        last = v;
        out.push(v);
    }
    utf8_to_nearest(out, from);
    dot_segments(out, from);
}

/// Replaces UTF-8 sequences by the single byte nearest to them; bytes that are not UTF-8 stay.
fn utf8_to_nearest(buf: &mut Scratch, from: usize) {
    let b = buf.as_mut_slice();
    if b[from..].is_ascii() {
        return;
    }
    let (mut r, mut w) = (from, from);
    while r < b.len() {
        let lead = b[r];
        let (n, bits) = match lead {
            0xc0..=0xdf => (1, u32::from(lead & 0x1f)),
            0xe0..=0xef => (2, u32::from(lead & 0x0f)),
            0xf0..=0xf7 => (3, u32::from(lead & 0x07)),
            _ => (0, 0),
        };
        let tail = b.get(r + 1..r + 1 + n).unwrap_or(&[]);
        if n > 0 && tail.len() == n && tail.iter().all(|c| c & 0xc0 == 0x80) {
            // Overlong forms decode too: that is how they evade.
            let cp = tail.iter().fold(bits, |v, c| v << 6 | u32::from(c & 0x3f));
            b[w] = nearest(cp);
            r += 1 + n;
        } else {
            b[w] = lead;
            r += 1;
        }
        w += 1;
    }
    buf.truncate(w);
}

/// The byte nearest to a character: itself below U+0100, the letter under accents, full-width forms as plain
/// ASCII, `?` for the rest.
fn nearest(cp: u32) -> u8 {
    const LATIN_A: &[u8; 128] = b"AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKk?LlLlLlLlLlNnNnNn???OoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZz?";
    match cp {
        0..=0xff => cp as u8,
        0x100..=0x17f => LATIN_A[(cp - 0x100) as usize],
        0x2010..=0x2014 => b'-',
        0x2018..=0x201b => b'\'',
        0x201c..=0x201f => b'"',
        0x2044 | 0x2215 => b'/',
        0x2216 => b'\\',
        0x2024 => b'.',
        0xff01..=0xff5e => (cp - 0xff01 + 0x21) as u8,
        _ => b'?',
    }
}

/// Removes dot segments (RFC 3986 §5.2.4) from the bytes of `buf` from `from` on.
fn dot_segments(buf: &mut Scratch, from: usize) {
    let b = buf.as_mut_slice();
    let (mut r, mut w) = (from, from);
    // Leading "./" and "../".
    loop {
        match &b[r..] {
            [b'.', b'/', ..] => r += 2,
            [b'.', b'.', b'/', ..] => r += 3,
            _ => break,
        }
    }
    if matches!(&b[r..], b"." | b"..") {
        r = b.len();
    }
    while r < b.len() {
        match &b[r..] {
            [b'/', b'.', b'/', ..] => r += 2,
            [b'/', b'.'] => {
                b[w] = b'/';
                w += 1;
                r += 2;
            }
            [b'/', b'.', b'.', rest @ ..] if rest.is_empty() || rest[0] == b'/' => {
                let last = rest.is_empty();
                while w > from && b[w - 1] != b'/' {
                    w -= 1;
                }
                w = if w > from { w - 1 } else { w };
                r += 3;
                if last {
                    b[w] = b'/';
                    w += 1;
                }
            }
            _ => {
                b[w] = b[r];
                w += 1;
                r += 1;
            }
        }
    }
    buf.truncate(w);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use proptest::prelude::*;

    fn path(s: &[u8]) -> String {
        let mut out = Scratch::new(256);
        out.push(b'>');
        normal_path(s, &mut out);
        String::from_utf8_lossy(&out.as_slice()[1..]).to_string()
    }

    #[test]
    fn paths() {
        assert_eq!(path(b"/a/b.html"), "/a/b.html");
        assert_eq!(path(b"/a//b\\c%5cd%2fe"), "/a/b/c/d/e");
        assert_eq!(path(b"/%41%u0042%U0063%zz%4"), "/ABc%zz%4");
        assert_eq!(path(b"/a/./b/../c/..%2fd"), "/a/d");
        assert_eq!(path(b"/../../etc"), "/etc");
        assert_eq!(path(b"/a/.."), "/");
        assert_eq!(path(b"/a/."), "/a/");
        assert_eq!(path(b"../a"), "a");
        assert_eq!(path(b"..."), "...");
        assert_eq!(path("/\u{ff25}\u{ff36}\u{0113}".as_bytes()), "/EVe");
        assert_eq!(path(b"/%c0%afx"), "//x");
        assert_eq!(path(b"/%2541"), "/%41");
    }

    #[test]
    fn parts() {
        let p = split(b"http://user:pw@www.example.com:8080/a?b=c#d");
        assert_eq!((p.host, p.port), (Some(&b"www.example.com"[..]), Some(&b"8080"[..])));
        assert_eq!((p.path, p.query, p.fragment), (Some(&b"/a"[..]), Some(&b"b=c"[..]), Some(&b"d"[..])));
        let p = split(b"/a:b?x");
        assert_eq!((p.host, p.path, p.query), (None, Some(&b"/a:b"[..]), Some(&b"x"[..])));
        let p = split(b"*");
        assert_eq!(p.path, Some(&b"*"[..]));
        let p = split(b"http://[::1]:80");
        assert_eq!((p.host, p.port, p.path), (Some(&b"[::1]"[..]), Some(&b"80"[..]), None));
    }

    #[test]
    fn hosts() {
        let h = host_port(b"www.Example.com:80").unwrap();
        assert_eq!((h.host, h.port, h.valid), (&b"www.Example.com"[..], Some(80), true));
        assert!(!host_port(b"www.example.com:x").unwrap().valid);
        assert!(!host_port(b"a..b").unwrap().valid);
        assert!(host_port(b"[::1]").unwrap().valid);
        assert!(!host_port(b"[::1]xx").unwrap().valid);
        assert_eq!(host_port(b"/x"), None);
    }

    #[test]
    fn twice() {
        let mut s = Scratch::new(64);
        decode(b"a%2541", &mut s);
        assert_eq!(s.as_slice(), b"a%41");
        assert!(decode_again(&mut s, 0));
        assert_eq!(s.as_slice(), b"aA");
        assert!(!decode_again(&mut s, 0));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_grows(s in proptest::collection::vec(
            proptest::sample::select(b"/.%u205cC0af\\:@[]?#ab\xc3\xa9\x00".to_vec()), 0..60)) {
            let mut out = Scratch::new(128);
            normal_path(&s, &mut out);
            prop_assert!(out.len() <= s.len());
            let dirty = out.as_slice().windows(3).any(|w| w == b"/./");
            prop_assert!(!dirty);
            let _ = split(&s);
            let _ = host_port(&s);
        }
    }
}
