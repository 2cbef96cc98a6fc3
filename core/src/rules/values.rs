//! Contents that their buffer can never hold: a rule with one is refused, because its author thinks of another value.
//!
//! In: the conditions on one buffer. Out: a refusal, or nothing. Owns nothing.

use alloc::format;

use super::ir::{BufferMatch, BufferRef, Content, Fast, Match, Transform};
use super::refuse::{Res, bad, conflict};

/// Length of a fingerprint: 20 bytes as hexadecimal digits with colons.
const FINGERPRINT: usize = 59;
/// Length of an MD5 as hexadecimal digits.
const MD5_TEXT: usize = 32;

/// Checks the contents of one buffer.
pub fn check(m: &BufferMatch) -> Res {
    around_only(m)?;
    for c in m.matches.iter().filter_map(content) {
        // Transforms that fix the case are checked wherever they stand in a chain.
        for t in &m.transforms {
            left_by(t, c)?;
        }
        if m.transforms.is_empty()
            && let BufferRef::App(name) = m.buffer
        {
            plain(name, c)?;
        }
    }
    Ok(())
}

fn content(m: &Match) -> Option<&Content> {
    match m {
        Match::Content(c) => Some(c),
        _ => None,
    }
}

/// Where a content with `fast_pattern:only` lies is not looked up again, so nothing can be relative to it.
fn around_only(m: &BufferMatch) -> Res {
    let mut after_only = false;
    for m in &m.matches {
        match m {
            Match::Content(c) if after_only && c.is_relative() => {
                return conflict("distance and within cannot refer to a content with fast_pattern:only");
            }
            Match::Content(c) => after_only = c.fast == Fast::Only,
            Match::Pcre(_) => after_only = false,
            _ => {}
        }
    }
    Ok(())
}

fn left_by(t: &Transform, c: &Content) -> Res {
    let (wrong, case) = match t {
        Transform::ToLowercase => (c.bytes.iter().any(u8::is_ascii_uppercase), "an upper-case letter"),
        Transform::ToUppercase => (c.bytes.iter().any(u8::is_ascii_lowercase), "a lower-case letter"),
        Transform::StripWhitespace => {
            (c.bytes.iter().any(|b| matches!(b, b' ' | b'\t'..=b'\r')), "white space")
        }
        _ => return Ok(()),
    };
    if wrong { bad(format!("a content has {case}, of which the transform leaves none")) } else { Ok(()) }
}

/// A content of a buffer without transforms.
fn plain(name: &str, c: &Content) -> Res {
    let b = c.bytes.as_slice();
    match name {
        "http.method" => {
            let blank = |c: Option<&u8>| matches!(c, Some(b' ' | b'\t'));
            if blank(b.first()) || blank(b.last()) {
                return bad("http.method has no blank at its ends");
            }
        }
        "http.host" if c.nocase => return conflict("http.host is lower case: nocase has no meaning"),
        "http.host" if b.iter().any(u8::is_ascii_uppercase) => {
            return bad("http.host is lower case, the content has an upper-case letter");
        }
        "ja3.hash" | "ja3s.hash" if b.len() != MD5_TEXT || !b.iter().all(u8::is_ascii_hexdigit) => {
            return bad(format!("{name} is compared as a whole: {MD5_TEXT} hexadecimal digits"));
        }
        "tls.cert_fingerprint" => {
            let colons = b.iter().enumerate().all(|(i, c)| (i % 3 == 2) == (*c == b':'));
            if b.len() != FINGERPRINT || !colons {
                return bad(format!("{name} is compared as a whole: 20 bytes in hexadecimal with colons"));
            }
        }
        _ => {}
    }
    Ok(())
}
