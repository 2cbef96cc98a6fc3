//! A JSON writer for events: keys and values go in, text is appended to one buffer. Nothing is built in between
//! and nothing is allocated while the buffer has room.
//!
//! Whether a comma is due is read from the last byte written, so nesting costs no memory.

use std::io::Write;

use tidegate_core::packet::Addr;

use super::time::Clock;

/// Appends JSON to a buffer.
#[derive(Debug, Default)]
pub struct Json {
    pub buf: Vec<u8>,
    pub clock: Clock,
}

const DIGITS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";
const HEX: &[u8; 16] = b"0123456789abcdef";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes that cannot stand in a JSON string as they are.
const ESCAPE: [bool; 256] = {
    let mut t = [false; 256];
    let mut i = 0;
    while i < 32 {
        t[i] = true;
        i += 1;
    }
    t[b'"' as usize] = true;
    t[b'\\' as usize] = true;
    t
};

/// Whether a string stands as it is: ASCII of which nothing is escaped. Eight bytes at a time.
fn is_plain(value: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The high bit of each byte that is zero; of others perhaps as well, but only above one that is.
    let zero = |w: u64| w.wrapping_sub(ONES) & !w & HIGH;
    let (words, rest) = value.as_chunks::<8>();
    words.iter().all(|w| {
        let w = u64::from_le_bytes(*w);
        let control = w.wrapping_sub(ONES * 0x20) & !w & HIGH;
        w & HIGH | control | zero(w ^ (ONES * u64::from(b'"'))) | zero(w ^ (ONES * u64::from(b'\\'))) == 0
    }) && rest.iter().all(|b| b.is_ascii() && !ESCAPE[usize::from(*b)])
}

impl Json {
    pub fn with_capacity(bytes: usize) -> Self {
        Json { buf: Vec::with_capacity(bytes), clock: Clock::default() }
    }

    #[inline]
    fn comma(&mut self) {
        if !matches!(self.buf.last(), Some(b'{' | b'[' | b':' | b'\n') | None) {
            self.buf.push(b',');
        }
    }

    /// Starts a value: the comma and, with a key, `"key":`. Keys are trusted to need no escaping, except those
    /// from rules and the wire, which go through [`Json::wire_key`].
    #[inline(always)]
    pub fn key(&mut self, key: &str) {
        // Keys are written out where they are used, so their lengths are known; this is the one look at the room.
        self.buf.reserve(key.len() + 4);
        self.comma();
        if !key.is_empty() {
            self.buf.push(b'"');
            self.buf.extend_from_slice(key.as_bytes());
            self.buf.extend_from_slice(b"\":");
        }
    }

    /// A key that may hold anything.
    pub fn wire_key(&mut self, key: &[u8]) {
        self.comma();
        self.quoted(key);
        self.buf.push(b':');
    }

    #[inline(always)]
    pub fn open(&mut self, key: &str) {
        self.key(key);
        self.buf.push(b'{');
    }
    pub fn close(&mut self) {
        self.buf.push(b'}');
    }
    pub fn open_list(&mut self, key: &str) {
        self.key(key);
        self.buf.push(b'[');
    }
    pub fn close_list(&mut self) {
        self.buf.push(b']');
    }

    /// A string known to need no escaping.
    #[inline(always)]
    pub fn word(&mut self, key: &str, value: &str) {
        self.key(key);
        self.buf.push(b'"');
        self.buf.extend_from_slice(value.as_bytes());
        self.buf.push(b'"');
    }

    /// Any bytes as a string.
    pub fn string(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.quoted(value);
    }

    /// `"…"`: UTF-8 stays (escaped as JSON wants); in anything else the bytes above ASCII become `\xNN`.
    pub fn quoted(&mut self, value: &[u8]) {
        self.buf.reserve(value.len() + 2);
        self.buf.push(b'"');
        if is_plain(value) {
            self.buf.extend_from_slice(value);
            self.buf.push(b'"');
            return;
        }
        if value.is_ascii() || std::str::from_utf8(value).is_ok() {
            self.escaped(value);
        } else {
            let mut rest = value;
            while let Some(at) = rest.iter().position(|b| !b.is_ascii()) {
                let (plain, tail) = rest.split_at(at);
                self.escaped(plain);
                let b = tail[0];
                self.buf.extend_from_slice(&[
                    b'\\',
                    b'\\',
                    b'x',
                    HEX[usize::from(b >> 4)],
                    HEX[usize::from(b & 15)],
                ]);
                rest = &tail[1..];
            }
            self.escaped(rest);
        }
        self.buf.push(b'"');
    }

    fn escaped(&mut self, value: &[u8]) {
        let mut from = 0;
        for (i, &b) in value.iter().enumerate() {
            if !ESCAPE[usize::from(b)] {
                continue;
            }
            self.buf.extend_from_slice(&value[from..i]);
            from = i + 1;
            match b {
                b'"' => self.buf.extend_from_slice(b"\\\""),
                b'\\' => self.buf.extend_from_slice(b"\\\\"),
                b'\n' => self.buf.extend_from_slice(b"\\n"),
                b'\r' => self.buf.extend_from_slice(b"\\r"),
                b'\t' => self.buf.extend_from_slice(b"\\t"),
                8 => self.buf.extend_from_slice(b"\\b"),
                12 => self.buf.extend_from_slice(b"\\f"),
                b => self.buf.extend_from_slice(&[
                    b'\\',
                    b'u',
                    b'0',
                    b'0',
                    HEX[usize::from(b >> 4)],
                    HEX[usize::from(b & 15)],
                ]),
            }
        }
        self.buf.extend_from_slice(&value[from..]);
    }

    /// Bytes as `payload_printable` shows them: what ASCII prints, CR and LF stay, the rest are dots.
    pub fn printable(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.buf.push(b'"');
        for &b in value {
            match b {
                b'"' => self.buf.extend_from_slice(b"\\\""),
                b'\\' => self.buf.extend_from_slice(b"\\\\"),
                b'\n' => self.buf.extend_from_slice(b"\\n"),
                b'\r' => self.buf.extend_from_slice(b"\\r"),
                b' '..=b'~' => self.buf.push(b),
                _ => self.buf.push(b'.'),
            }
        }
        self.buf.push(b'"');
    }

    #[inline(always)]
    pub fn uint(&mut self, key: &str, value: u64) {
        self.key(key);
        self.digits(value);
    }

    pub fn int(&mut self, key: &str, value: i64) {
        self.key(key);
        if value < 0 {
            self.buf.push(b'-');
        }
        self.digits(value.unsigned_abs());
    }

    pub fn float(&mut self, key: &str, value: f64) {
        use std::io::Write;
        self.key(key);
        if value.is_finite() {
            // Writing to a Vec cannot fail.
            let _ = write!(self.buf, "{value:?}");
        } else {
            self.buf.extend_from_slice(b"null");
        }
    }

    pub fn bool(&mut self, key: &str, value: bool) {
        self.key(key);
        self.buf.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// Decimal digits of `value`.
    pub fn digits(&mut self, mut value: u64) {
        if value < 10 {
            return self.buf.push(b'0' + value as u8);
        }
        let mut tmp = [0u8; 20];
        let mut at = tmp.len();
        while value >= 100 {
            let two = (value % 100) as usize * 2;
            value /= 100;
            at -= 2;
            tmp[at..at + 2].copy_from_slice(&DIGITS[two..two + 2]);
        }
        if value >= 10 {
            let two = value as usize * 2;
            at -= 2;
            tmp[at..at + 2].copy_from_slice(&DIGITS[two..two + 2]);
        } else {
            at -= 1;
            tmp[at] = b'0' + value as u8;
        }
        self.buf.extend_from_slice(&tmp[at..]);
    }

    pub fn hex(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.buf.push(b'"');
        for &b in value {
            self.buf.extend_from_slice(&[HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        }
        self.buf.push(b'"');
    }

    pub fn base64(&mut self, key: &str, value: &[u8]) {
        self.key(key);
        self.buf.push(b'"');
        base64_into(&mut self.buf, value);
        self.buf.push(b'"');
    }

    /// `aa:bb:cc:dd:ee:ff`
    pub fn mac(&mut self, key: &str, mac: [u8; 6]) {
        self.key(key);
        let mut t = *b"\"00:00:00:00:00:00\"";
        for (i, b) in mac.into_iter().enumerate() {
            t[1 + i * 3] = HEX[usize::from(b >> 4)];
            t[2 + i * 3] = HEX[usize::from(b & 15)];
        }
        self.buf.extend_from_slice(&t);
    }

    /// An address: dotted IPv4, or all eight groups of an IPv6 address in full.
    /// An IPv6 address as RFC 5952 has it.
    pub fn short_addr(&mut self, key: &str, addr: &Addr) {
        self.key(key);
        // Writing to a Vec cannot fail.
        let _ = write!(self.buf, "\"{}\"", std::net::Ipv6Addr::from(addr.0));
    }

    pub fn addr(&mut self, key: &str, addr: &Addr, v6: bool) {
        self.key(key);
        self.buf.push(b'"');
        if v6 {
            let mut t = *b"0000:0000:0000:0000:0000:0000:0000:0000";
            for (i, b) in addr.0.into_iter().enumerate() {
                let at = i / 2 * 5 + i % 2 * 2;
                t[at] = HEX[usize::from(b >> 4)];
                t[at + 1] = HEX[usize::from(b & 15)];
            }
            self.buf.extend_from_slice(&t);
        } else {
            let mut t = [b'.'; 16];
            let mut at = 0;
            for &b in &addr.0[..4] {
                let two = usize::from(b % 100) * 2;
                if b >= 100 {
                    t[at] = b'0' + b / 100;
                    at += 1;
                }
                if b >= 10 {
                    t[at] = DIGITS[two];
                    at += 1;
                }
                t[at] = DIGITS[two + 1];
                // And the dot that is there already.
                at += 2;
            }
            self.buf.extend_from_slice(&t[..at - 1]);
        }
        self.buf.push(b'"');
    }

    /// `2016-05-13T14:49:22.123456+0000` of nanoseconds since the epoch, in local time.
    pub fn time(&mut self, key: &str, ns: u64) {
        self.key(key);
        self.buf.push(b'"');
        let (date, zone) = self.clock.second(ns / 1_000_000_000);
        self.buf.extend_from_slice(&date);
        let us = (ns % 1_000_000_000 / 1000) as usize;
        let mut frac = *b".000000";
        for (i, part) in [us / 10_000, us / 100 % 100, us % 100].into_iter().enumerate() {
            frac[1 + i * 2..3 + i * 2].copy_from_slice(&DIGITS[part * 2..part * 2 + 2]);
        }
        self.buf.extend_from_slice(&frac);
        self.buf.extend_from_slice(&zone);
        self.buf.push(b'"');
    }
}

/// Appends the base64 of `value` (RFC 4648 section 4, padded).
pub fn base64_into(out: &mut Vec<u8>, value: &[u8]) {
    out.reserve(value.len().div_ceil(3) * 4);
    let sym = |n: u32, shift: u32| BASE64[(n >> shift & 63) as usize];
    let mut chunks = value.chunks_exact(3);
    for c in &mut chunks {
        let n = u32::from(c[0]) << 16 | u32::from(c[1]) << 8 | u32::from(c[2]);
        out.extend_from_slice(&[sym(n, 18), sym(n, 12), sym(n, 6), sym(n, 0)]);
    }
    match *chunks.remainder() {
        [a] => {
            let n = u32::from(a) << 16;
            out.extend_from_slice(&[sym(n, 18), sym(n, 12), b'=', b'=']);
        }
        [a, b] => {
            let n = u32::from(a) << 16 | u32::from(b) << 8;
            out.extend_from_slice(&[sym(n, 18), sym(n, 12), sym(n, 6), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(f: impl FnOnce(&mut Json)) -> String {
        let mut j = Json::default();
        f(&mut j);
        String::from_utf8(j.buf).unwrap()
    }

    /// Each byte at each place of strings of each length up to three words.
    #[test]
    fn plain_strings_are_those_of_which_nothing_is_escaped() {
        for len in 0..25 {
            for at in 0..len.max(1) {
                for b in 0..=255u8 {
                    let mut s = vec![b'a'; len];
                    if let Some(p) = s.get_mut(at) {
                        *p = b;
                    }
                    let expected = s.iter().all(|b| b.is_ascii() && !ESCAPE[usize::from(*b)]);
                    assert_eq!(is_plain(&s), expected, "{b} at {at} of {len}");
                }
            }
        }
        assert!(is_plain(&[b' '; 16]) && is_plain(&[0x7f; 16]) && !is_plain(&[0x1f; 16]));
    }

    #[test]
    fn objects_lists_and_commas() {
        let t = text(|j| {
            j.open("");
            j.uint("a", 0);
            j.open_list("l");
            j.word("", "x");
            j.uint("", 10);
            j.close_list();
            j.open("o");
            j.close();
            j.int("n", i64::MIN);
            j.bool("t", true);
            j.close();
        });
        assert_eq!(t, r#"{"a":0,"l":["x",10],"o":{},"n":-9223372036854775808,"t":true}"#);
    }

    #[test]
    fn digits_of_every_length() {
        let mut n = 0u64;
        for _ in 0..20 {
            for d in [n, n + 1, n.saturating_sub(1)] {
                assert_eq!(text(|j| j.digits(d)), d.to_string());
            }
            n = n.saturating_mul(10).max(10);
        }
        assert_eq!(text(|j| j.digits(u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn strings_that_are_not_text() {
        let s = |b: &[u8]| text(|j| j.quoted(b));
        assert_eq!(
            s("größe \"q\" \\ \n\r\t\u{8}\u{c}\u{1}\u{7f}".as_bytes()),
            "\"größe \\\"q\\\" \\\\ \\n\\r\\t\\b\\f\\u0001\u{7f}\""
        );
        assert_eq!(s(b"caf\xe9\n"), r#""caf\\xe9\n""#);
        assert_eq!(text(|j| j.printable("p", b"a\r\n\t\x80\"")), r#""p":"a\r\n..\"""#);
    }

    #[test]
    fn addresses() {
        assert_eq!(text(|j| j.addr("", &Addr::v4([1, 20, 255, 0]), false)), r#""1.20.255.0""#);
        let mut a = [0; 16];
        a[0] = 0x20;
        a[1] = 1;
        a[15] = 0xab;
        assert_eq!(text(|j| j.addr("", &Addr(a), true)), r#""2001:0000:0000:0000:0000:0000:0000:00ab""#);
        assert_eq!(text(|j| j.mac("", [0, 1, 0xab, 3, 4, 255])), r#""00:01:ab:03:04:ff""#);
    }

    #[test]
    fn base64_of_rfc_4648() {
        for (t, b) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut out = Vec::new();
            base64_into(&mut out, t.as_bytes());
            assert_eq!(out, b.as_bytes());
        }
    }
}
