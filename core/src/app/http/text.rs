//! Byte classes, numbers and small parsers of HTTP/1 text, as lenient as the peers that must be followed.
//!
//! In: slices of the wire. Out: sub-slices and numbers. Owns nothing.

/// White space in lines: SP, HT, CR, LF, VT, FF.
pub const fn is_space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

/// A token character of a field name (RFC 9110 §5.6.2, as RFC 2616 lists the separators).
pub fn is_token(c: u8) -> bool {
    TOKENS[usize::from(c)]
}

static TOKENS: [bool; 256] = {
    let mut t = [false; 256];
    let mut c = 0;
    while c < 256 {
        t[c] = token(c as u8);
        c += 1;
    }
    t
};

const fn token(c: u8) -> bool {
    matches!(c, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~')
}

/// The slice without white space at both ends.
pub fn trim(mut s: &[u8]) -> &[u8] {
    while let [c, rest @ ..] = s
        && is_space(*c)
    {
        s = rest;
    }
    trim_end(s)
}

/// The slice without white space at its end.
pub fn trim_end(mut s: &[u8]) -> &[u8] {
    while let [rest @ .., c] = s
        && is_space(*c)
    {
        s = rest;
    }
    s
}

/// The slice without CR and LF at its end.
pub fn chomp(mut s: &[u8]) -> &[u8] {
    while let [rest @ .., b'\r' | b'\n'] = s {
        s = rest;
    }
    s
}

/// Splits off the leading bytes for which `pred` holds.
pub fn take_while(s: &[u8], pred: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let n = s.iter().position(|&c| !pred(c)).unwrap_or(s.len());
    s.split_at(n)
}

/// Whether `s` is `lower` when case and NUL bytes of `s` are ignored.
pub fn eq_lenient(s: &[u8], lower: &[u8]) -> bool {
    if s.len() == lower.len() {
        return s.eq_ignore_ascii_case(lower);
    }
    s.len() > lower.len()
        && s.iter().filter(|&&c| c != 0).map(u8::to_ascii_lowercase).eq(lower.iter().copied())
}

/// Whether `lower` occurs in `s` when case and NUL bytes of `s` are ignored.
pub fn contains_lenient(s: &[u8], lower: &[u8]) -> bool {
    (0..s.len()).any(|i| {
        let mut want = lower.iter();
        let mut next = want.next();
        for &c in &s[i..] {
            let Some(&w) = next else { break };
            if c == 0 {
                continue;
            }
            if c.to_ascii_lowercase() != w {
                return false;
            }
            next = want.next();
        }
        next.is_none()
    })
}

/// Position of `needle` in `s`.
pub fn find(s: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(s, needle)
}

/// A decimal number with anything before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    pub value: u64,
    /// Bytes other than blanks before the digits.
    pub junk_before: bool,
    /// Bytes after the digits and the blanks that follow them.
    pub junk_after: bool,
}

/// First run of digits in `s`; `None` without digits or when it does not fit 64 bits.
pub fn number(s: &[u8]) -> Option<Number> {
    let (_, s) = take_while(s, |c| c == b' ' || c == b'\t');
    let (junk, s) = take_while(s, |c| !c.is_ascii_digit());
    let (digits, s) = take_while(s, |c| c.is_ascii_digit());
    let (_, s) = take_while(s, |c| c == b' ' || c == b'\t');
    if digits.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for d in digits {
        value = value.checked_mul(10)?.checked_add(u64::from(d - b'0'))?;
    }
    Some(Number { value, junk_before: !junk.is_empty(), junk_after: !s.is_empty() })
}

/// White space that may surround a chunk length.
pub const fn is_chunk_ctl(c: u8) -> bool {
    is_space(c)
}

/// A chunk-size line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkLen {
    /// Length, and whether an extension (`;…`) follows.
    Len(u64, bool),
    /// No length there, but not junk either (nothing at all, or more than 2 GiB).
    Missing,
    /// Not a chunk-size line.
    Invalid,
}

/// Reads the hexadecimal length at the start of a chunk-size line.
pub fn chunk_len(line: &[u8]) -> ChunkLen {
    let (_, s) = take_while(line, is_chunk_ctl);
    let (hex, rest) = take_while(s, |c| c.is_ascii_hexdigit());
    let (_, rest) = take_while(rest, |c| c == b' ' || c == b'\t');
    if hex.is_empty() {
        return if rest.is_empty() { ChunkLen::Missing } else { ChunkLen::Invalid };
    }
    let mut v = 0u64;
    for &h in hex {
        let d = (h as char).to_digit(16).unwrap_or(0);
        match v.checked_mul(16) {
            Some(x) => v = x + u64::from(d),
            None => return ChunkLen::Invalid,
        }
    }
    if v > i32::MAX as u64 {
        return ChunkLen::Missing;
    }
    ChunkLen::Len(v, rest.contains(&b';'))
}

/// Whether these first bytes can still become a chunk-size line (no junk before the hex digits).
pub fn may_be_chunk_len(s: &[u8]) -> bool {
    let (_, s) = take_while(s, is_chunk_ctl);
    s.first().is_none_or(u8::is_ascii_hexdigit)
}

/// Protocol versions, in order of age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    #[default]
    Unknown,
    Invalid,
    V09,
    V10,
    V11,
}

/// Reads `HTTP/1.1`, with white space and leading zeros allowed where peers allow them.
pub fn version(s: &[u8]) -> Version {
    let ws = |c: u8| c.is_ascii_whitespace();
    let (_, s) = take_while(s, ws);
    let Some((http, s)) = s.split_at_checked(4) else { return Version::Invalid };
    if !http.eq_ignore_ascii_case(b"http") {
        return Version::Invalid;
    }
    let (_, s) = take_while(s, ws);
    let [b'/', s @ ..] = s else { return Version::Invalid };
    let (_, s) = take_while(s, |c| ws(c) || c == b'0');
    let (v, s) = match s {
        [b'.', b'9', s @ ..] => (Version::V09, s),
        [b'1', b'.', b'0', s @ ..] => (Version::V10, s),
        [b'1', b'.', b'1', s @ ..] => (Version::V11, s),
        _ => return Version::Invalid,
    };
    let (_, s) = take_while(s, ws);
    if s.is_empty() { v } else { Version::Invalid }
}

/// A status code of three digits with nothing around but blanks; 0 when it is not one.
pub fn status(s: &[u8]) -> u16 {
    match number(s) {
        Some(n) if !n.junk_before && !n.junk_after && (100..=999).contains(&n.value) => n.value as u16,
        _ => 0,
    }
}

/// Methods that start a request. Anything else after a request may be stray body data.
pub fn is_method(s: &[u8]) -> bool {
    matches!(
        s,
        b"GET"
            | b"PUT"
            | b"POST"
            | b"HEAD"
            | b"DELETE"
            | b"CONNECT"
            | b"OPTIONS"
            | b"TRACE"
            | b"PATCH"
            | b"PROPFIND"
            | b"PROPPATCH"
            | b"MKCOL"
            | b"COPY"
            | b"MOVE"
            | b"LOCK"
            | b"UNLOCK"
            | b"VERSION-CONTROL"
            | b"CHECKOUT"
            | b"UNCHECKOUT"
            | b"CHECKIN"
            | b"UPDATE"
            | b"LABEL"
            | b"REPORT"
            | b"MKWORKSPACE"
            | b"MKACTIVITY"
            | b"BASELINE-CONTROL"
            | b"MERGE"
            | b"INVALID"
    )
}

/// Whether the first bytes look like a response line: `http` after white space and NULs, in any case.
/// `None` while too few bytes are there to say.
pub fn like_response(s: &[u8]) -> Option<bool> {
    let (_, s) = take_while(s, |c| is_space(c) || c == 0);
    let n = s.len().min(4);
    if !s[..n].eq_ignore_ascii_case(&b"http"[..n]) {
        return Some(false);
    }
    if n == 4 { Some(true) } else { None }
}

/// The parameter `name` (lower case, with its `=`) of a header value like `form-data; name="x"; filename="y"`:
/// the value without quotes. An empty `name` gives the first part.
pub fn parameter<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let line = trim_start(value);
    let (mut at, mut quoted) = (0usize, false);
    let mut i = 0;
    while i <= line.len() {
        let end = i == line.len();
        let escaped = i > 0 && line[i - 1] == b'\\';
        if !end && line[i] == b'"' && !escaped {
            quoted = !quoted;
        }
        if end || (line[i] == b';' && !escaped && !quoted) {
            let part = &line[at.min(i)..i];
            if part.len() > name.len() && part[..name.len()].eq_ignore_ascii_case(name) {
                let mut v = &part[name.len()..];
                if let [b'"', rest @ ..] = v {
                    v = rest;
                }
                if let [rest @ .., b'"'] = v {
                    v = rest;
                }
                return Some(v);
            }
            at = i + 1;
            while at < line.len() && is_space(line[at]) {
                at += 1;
            }
            i = at.max(i + 1);
            continue;
        }
        i += 1;
    }
    None
}

fn trim_start(s: &[u8]) -> &[u8] {
    take_while(s, is_space).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths() {
        assert_eq!(number(b" 12 "), Some(Number { value: 12, junk_before: false, junk_after: false }));
        assert_eq!(number(b"x12,12"), Some(Number { value: 12, junk_before: true, junk_after: true }));
        assert_eq!(number(b"none"), None);
        assert_eq!(number(b"99999999999999999999"), None);
        assert_eq!(chunk_len(b"\t0fF ;x\r\n"), ChunkLen::Len(255, true));
        assert_eq!(chunk_len(b"fffffffff\r\n"), ChunkLen::Missing);
        assert_eq!(chunk_len(b"\r\n"), ChunkLen::Missing);
        assert_eq!(chunk_len(b"xyz\r\n"), ChunkLen::Invalid);
        assert!(may_be_chunk_len(b" \t"));
        assert!(!may_be_chunk_len(b" x"));
    }

    #[test]
    fn versions_and_status() {
        assert_eq!(version(b"HTTP/1.1"), Version::V11);
        assert_eq!(version(b" http / 01.0 "), Version::V10);
        assert_eq!(version(b"HTTP/.9"), Version::V09);
        assert_eq!(version(b"HTTP/1.2"), Version::Invalid);
        assert_eq!(version(b"HTTP/1.1x"), Version::Invalid);
        assert_eq!(status(b"200"), 200);
        assert_eq!(status(b"20"), 0);
        assert_eq!(status(b"200x"), 0);
    }

    #[test]
    fn lenient_comparison() {
        assert!(eq_lenient(b"Con\0tent-LENGTH", b"content-length"));
        assert!(!eq_lenient(b"content-lengthx", b"content-length"));
        assert!(contains_lenient(b"x-Chu\0nked", b"chunked"));
        assert!(!contains_lenient(b"chunke", b"chunked"));
        assert_eq!(like_response(b"\0 hT"), None);
        assert_eq!(like_response(b"\0 hTtP"), Some(true));
        assert_eq!(like_response(b"eicar"), Some(false));
    }

    #[test]
    fn parameters() {
        let v = b" form-data; name=\"a;b\"; filename=\"x\\\"y.txt\"";
        assert_eq!(parameter(v, b"filename="), Some(&b"x\\\"y.txt"[..]));
        assert_eq!(parameter(v, b"name="), Some(&b"a;b"[..]));
        assert_eq!(parameter(b"attachment; filename=eicar.txt", b"filename="), Some(&b"eicar.txt"[..]));
        assert_eq!(parameter(b"attachment", b"filename="), None);
        assert_eq!(parameter(b"text/plain; x=y", b""), Some(&b"text/plain"[..]));
        assert_eq!(parameter(b";;;", b"filename="), None);
        assert_eq!(parameter(b"", b""), None);
    }
}
